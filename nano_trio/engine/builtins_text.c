/*
 * Text and its UTF-8 in one step: see builtins.c, and builtins_ours.c for what all of these keep to.
 *
 * Theory of operation. The host encodes and decodes whatever there is, and takes two microseconds and several copies for
 * it. Here is what most texts are, straight between the engine's string and an ArrayBuffer; for all others, and what would
 * take longer than a neighbour should wait, these decline. So does what is read: a rope of strings is not put together.
 *
 * Texts that cross between the host and JavaScript as such are the engine's functions', which look at one octet after the
 * other. Most are ASCII: that is seen of eight at a time, a fortieth of a request whose body and answer have 1 KB each.
 */

#include "detours.h" /* before all others: it asks for more of them */

#include "builtins.h"
#include "texts.h"

/* Units of a text that is all ASCII, which is copied; and of another. Either takes a tenth of a millisecond. */
enum { MOST_COPIED = 1 << 20, MOST_CONVERTED = 1 << 16 };

static uint8_t *encode_octets(uint8_t *to, const uint8_t *octets, size_t length) {
  for (size_t at = 0; at < length; at++) {
    uint8_t octet = octets[at];
    if (octet < 0x80) {
      *to++ = octet;
    } else {
      *to++ = (uint8_t)(0xc0 | octet >> 6);
      *to++ = 0x80 | (octet & 0x3f);
    }
  }
  return to;
}

/* Whether a surrogate pair begins there. */
static int is_pair(const uint16_t *units, size_t at, size_t length) {
  return (units[at] & 0xfc00) == 0xd800 && at + 1 < length && (units[at + 1] & 0xfc00) == 0xdc00;
}

static uint8_t *encode_units(uint8_t *to, const uint16_t *units, size_t length) {
  for (size_t at = 0; at < length; at++) {
    uint32_t code = units[at];
    if (code < 0x80) {
      *to++ = (uint8_t)code;
      continue;
    }
    if (code < 0x800) {
      *to++ = (uint8_t)(0xc0 | code >> 6);
    } else {
      if (is_pair(units, at, length)) {
        code = 0x10000 + ((code & 0x3ff) << 10 | (units[++at] & 0x3ff));
        *to++ = (uint8_t)(0xf0 | code >> 18);
        *to++ = 0x80 | (code >> 12 & 0x3f);
      } else {
        if ((code & 0xf800) == 0xd800) code = 0xfffd;
        *to++ = (uint8_t)(0xe0 | code >> 12);
      }
      *to++ = 0x80 | (code >> 6 & 0x3f);
    }
    *to++ = 0x80 | (code & 0x3f);
  }
  return to;
}

/* The receiver's UTF-8 in a new ArrayBuffer, where a lone surrogate is U+FFFD: Encoding, "UTF-8 encode". Or undefined. */
Value utf8_of(Context *context, Value text, int count, Value *arguments) {
  (void)count, (void)arguments;
  if (tag_of(text) != TAG_STRING) return undefined;
  size_t length = length_of_string(text);
  const char *octets = octets_of_string(text);
  if (octets != NULL && length <= MOST_COPIED && is_ascii(octets, length)) return engine.copy_to_buffer(context, octets, length);
  if (length > MOST_CONVERTED) return undefined;
  uint8_t *bytes = engine.allocate(context, 3 * length);
  if (bytes == NULL) return exception;
  uint8_t *end = octets != NULL ? encode_octets(bytes, (const uint8_t *)octets, length)
                                : encode_units(bytes, units_of_string(text), length);
  Value buffer = engine.copy_to_buffer(context, bytes, (size_t)(end - bytes));
  engine.free(context, bytes);
  return buffer;
}

/* ascii(array, length): the text that the bytes of a Uint8Array are, if they are all ASCII; or undefined. The engine tells
   another length than the array has where its buffer was resized. */
Value ascii_of(Context *context, Value array, int count, Value *arguments) {
  if (count < 1 || tag_of(arguments[0]) != TAG_INT) return undefined;
  size_t start, length, size;
  Value buffer = engine.buffer_of_array(context, array, &start, &length, NULL), text = undefined;
  if (tag_of(buffer) == TAG_EXCEPTION) return exception;
  const uint8_t *bytes = engine.bytes_of_buffer(context, &size, buffer);
  if (bytes == NULL) text = exception;
  else if (length == (size_t)arguments[0].as.integer && length <= MOST_COPIED && start <= size && length <= size - start) {
    const char *octets = (const char *)bytes + start;
    if (is_ascii(octets, length)) text = new_ascii(context, octets, length, octets + length);
  }
  release(context, buffer);
  return text;
}

/* In the place of JS_NewStringLen. */
static Value new_text(Context *context, const char *from, size_t length) {
  if (length > MOST_COPIED || !is_ascii(from, length)) return engine.new_string(context, from, length);
  return new_ascii(context, from, length, from + length);
}

/* In the place of JS_ToCStringLen2: of a text in ASCII it is the string itself, which is held until it is freed. */
static const char *text_of(Context *context, size_t *length, Value value, int as_cesu8) {
  const char *octets = octets_of_string(value);
  if (octets == NULL || length_of_string(value) > MOST_COPIED || !is_ascii(octets, length_of_string(value)))
    return engine.text_of(context, length, value, as_cesu8);
  if (length != NULL) *length = length_of_string(value);
  duplicate(value);
  return octets;
}

void cross_texts(void) {
  detour((void *)engine.new_string, "JS_NewStringLen", (void *)new_text);
  detour((void *)engine.text_of, "JS_ToCStringLen2", (void *)text_of);
}

/* Whether the engine gives a text in ASCII as text_of() does. */
static int proves_text_of(Context *context, Value ascii) {
  size_t length = 0;
  const char *text = engine.text_of(context, &length, ascii, 0);
  int proof = text != NULL && text == octets_of_string(ascii) && length == length_of_string(ascii) && *count_of(ascii) == 2;
  if (text != NULL) engine.free_text(context, text);
  return proof && *count_of(ascii) == 1;
}

/* Whether strings are kept as values.h has them. */
int proves_strings(Context *context) {
  static const char word[] = "a word";
  Value octets = engine.new_string(context, "a\xc3\xa9", 3), units = engine.new_string(context, "a\xe4\xb8\x80\xc3\xa9", 6);
  int proof = tag_of(octets) == TAG_STRING && tag_of(units) == TAG_STRING && octets_of_string(octets) != NULL &&
              length_of_string(octets) == 2 && memcmp(octets_of_string(octets), "a\xe9", 3) == 0 &&
              octets_of_string(units) == NULL && length_of_string(units) == 3 &&
              memcmp(units_of_string(units), (uint16_t[]){'a', 0x4e00, 0xe9}, 6) == 0;
  Value ascii = engine.new_string(context, word, 6), made = new_ascii(context, word, 6, word + sizeof word);
  proof = proof && tag_of(ascii) == TAG_STRING && tag_of(made) == TAG_STRING &&
          memcmp(ascii.as.pointer, made.as.pointer, size_of_string(ascii.as.pointer)) == 0 && proves_text_of(context, ascii);
  release(context, made);
  release(context, ascii);
  release(context, octets);
  release(context, units);
  return proof;
}
