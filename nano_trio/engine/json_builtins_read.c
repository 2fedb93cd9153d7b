/*
 * JSON.parse (ECMA-262, 25.5.1) of plain data; see json_builtins.c.
 *
 * The atoms of keys are kept for one call, by their bytes. Numbers of up to 15 digits are exact as integers, and so is
 * their quotient by a power of ten; further ones, and strings with escapes, are read by the engine, token by token.
 */

#include <math.h>

#include "json_builtins.h"

#define LONGEST_NUMBER_EXACT 15 /* digits */

typedef struct {
  const char *from;
  uint32_t length;
  Atom atom;
} ReadKey;

typedef struct {
  Context *context;
  Pace pace;
  const char *at, *end;
  int is_ascii;
  ReadKey keys[REMEMBERED_KEYS];
} Reader;

static inline int is_digit(char sign) { return sign >= '0' && sign <= '9'; }

/* The next sign that is no white space; 0 at the end. */
static inline char next_sign(Reader *reader) {
  while (reader->at < reader->end) {
    char sign = *reader->at;
    if (sign != ' ' && sign != '\n' && sign != '\r' && sign != '\t') return sign;
    reader->at++;
  }
  return 0;
}

static inline int take(Reader *reader, char expected) {
  if (next_sign(reader) != expected || expected == 0) return 0;
  reader->at++;
  return 1;
}

static inline int take_word(Reader *reader, const char *word) {
  size_t length = strlen(word);
  if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0) return 0;
  reader->at += length;
  return 1;
}

/* The quote that ends the string that begins here; NULL where something other than plain characters comes first. */
static const char *closing_quote(const Reader *reader) {
  const char *at = reader->at;
  for (; reader->end - at >= 8; at += 8) {
    uint64_t found = specials(eight_octets(at));
    if (found == 0) continue;
    at += __builtin_ctzll(found) / 8;
    break;
  }
  for (; at < reader->end; at++) {
    if (escapes[(uint8_t)*at] > MAYBE_SURROGATE) return *at == '"' ? at : NULL;
  }
  return NULL;
}

/* Let the engine read the token up to `end`. */
static __attribute__((noinline)) Outcome read_token(Reader *reader, Value *value, const char *end) {
  char small[1024];
  size_t length = (size_t)(end - reader->at);
  char *token = length < sizeof small ? small : engine.allocate(reader->context, length + 1);
  if (token == NULL) return FAILED;
  memcpy(token, reader->at, length);
  token[length] = 0;
  *value = engine.parse(reader->context, token, length, "");
  if (token != small) engine.free(reader->context, token);
  if (tag_of(*value) == TAG_EXCEPTION) {
    /* The engine shall say where in the whole text. */
    release(reader->context, engine.get_exception(reader->context));
    return NOT_OURS;
  }
  reader->at = end;
  return DONE;
}

static Outcome read_string(Reader *reader, Value *value) {
  const char *start = reader->at++;
  const char *end = closing_quote(reader);
  if (end == NULL) {
    for (end = reader->at; end < reader->end && *end != '"'; end++) end += *end == '\\';
    reader->at = start;
    return end < reader->end ? read_token(reader, value, end + 1) : NOT_OURS;
  }
  size_t length = (size_t)(end - reader->at);
  *value = (reader->is_ascii ? new_ascii : engine.new_string)(reader->context, reader->at, length);
  reader->at = end + 1;
  *reader->pace.counter -= (int32_t)(length / 64); /* the next value looks */
  return tag_of(*value) == TAG_EXCEPTION ? FAILED : DONE;
}

static Outcome read_number(Reader *reader, Value *value) {
  const char *at = reader->at, *end = reader->end;
  int is_negative = *at == '-', digits = 0, places = 0;
  uint64_t number = 0;
  at += is_negative;
  if (at < end && *at == '0' && at + 1 < end && is_digit(at[1])) return NOT_OURS;
  for (; at < end && is_digit(*at); at++, digits++) number = number * 10 + (uint64_t)(*at - '0');
  if (digits == 0) return NOT_OURS;
  if (at < end && *at == '.') {
    for (at++; at < end && is_digit(*at); at++, places++) number = number * 10 + (uint64_t)(*at - '0');
    if (places == 0) return NOT_OURS;
  }
  int has_exponent = at < end && (*at == 'e' || *at == 'E');
  if (has_exponent) {
    at++;
    if (at < end && (*at == '+' || *at == '-')) at++;
    if (at >= end || !is_digit(*at)) return NOT_OURS;
    while (at < end && is_digit(*at)) at++;
  }
  if (has_exponent || digits + places > LONGEST_NUMBER_EXACT) return read_token(reader, value, at);
  reader->at = at;
  double result = (double)number / powers[places];
  if (is_negative) result = -result;
  /* As the engine has them: what is an int32, and not -0, is an integer. */
  if (fabs(result) <= INT32_MAX && (double)(int32_t)result == result && !(is_negative && number == 0))
    *value = (Value){{.integer = (int32_t)result}, TAG_INT};
  else
    *value = (Value){{.number = result}, TAG_FLOAT};
  return DONE;
}

static inline int is_key(const ReadKey *key, const char *start, uint32_t length) {
  return key->from != NULL && key->length == length && memcmp(key->from, start, length) == 0;
}

/* A key and its colon. `is_kept`: the atom is freed with all others in the end. */
static Outcome read_key(Reader *reader, Atom *atom, int *is_kept) {
  if (!take(reader, '"')) return NOT_OURS;
  const char *start = reader->at, *end = closing_quote(reader);
  if (end == NULL) return NOT_OURS;
  uint32_t length = (uint32_t)(end - start);
  reader->at = end + 1;
  if (!take(reader, ':')) return NOT_OURS;
  ReadKey *key = &reader->keys[(length * 31 + (uint8_t)start[0] * 7 + (uint8_t)end[-1]) % REMEMBERED_KEYS];
  int is_known = is_key(key, start, length);
  if (!is_known && key->from != NULL) {
    /* Of two names in the same place one goes beside it. */
    key = &reader->keys[(key - reader->keys) ^ 1];
    is_known = is_key(key, start, length);
  }
  *is_kept = 1;
  *atom = key->atom;
  if (is_known) return DONE;
  *atom = engine.new_atom(reader->context, start, length);
  if (*atom == 0) return FAILED;
  /* One that is in its place may be in use further out. */
  *is_kept = key->from == NULL;
  if (*is_kept) *key = (ReadKey){start, length, *atom};
  return DONE;
}

static Outcome read_value(Reader *reader, Value *value, int depth);

static Outcome read_member(Reader *reader, Value object, int depth) {
  Value value;
  Atom atom;
  int is_kept;
  Outcome outcome = read_key(reader, &atom, &is_kept);
  if (outcome != DONE) return outcome;
  outcome = read_value(reader, &value, depth);
  if (outcome == DONE && engine.define(reader->context, object, atom, value, CONFIGURABLE_WRITABLE_ENUMERABLE) < 0)
    outcome = FAILED;
  if (!is_kept) engine.free_atom(reader->context, atom);
  return outcome;
}

static Outcome read_element(Reader *reader, Value array, uint32_t index, int depth) {
  Value value;
  Outcome outcome = read_value(reader, &value, depth);
  if (outcome == DONE &&
      engine.define_at(reader->context, array, index, value, CONFIGURABLE_WRITABLE_ENUMERABLE) < 0)
    outcome = FAILED;
  return outcome;
}

/* An object or array; `value` is it where the outcome is DONE. */
static Outcome read_members(Reader *reader, Value *value, int depth) {
  int is_object = *reader->at++ == '{';
  char end = is_object ? '}' : ']';
  if (depth >= DEEPEST) return NOT_OURS;
  Value container = is_object ? engine.new_object(reader->context) : engine.new_array(reader->context);
  if (tag_of(container) == TAG_EXCEPTION) return FAILED;
  *value = container;
  if (take(reader, end)) return DONE;
  Outcome outcome = DONE;
  for (uint32_t i = 0; outcome == DONE; i++) {
    outcome = is_object ? read_member(reader, container, depth + 1) : read_element(reader, container, i, depth + 1);
    if (outcome != DONE) break;
    if (take(reader, end)) return DONE;
    if (!take(reader, ',')) outcome = NOT_OURS;
  }
  release(reader->context, container);
  return outcome;
}

static Outcome read_value(Reader *reader, Value *value, int depth) {
  const char *before = reader->at;
  char sign = next_sign(reader);
  Outcome outcome = step(&reader->pace, steps_of((size_t)(reader->at - before)));
  if (outcome != DONE) return outcome;
  switch (sign) {
    case 0:
      return NOT_OURS;
    case '{':
    case '[':
      return read_members(reader, value, depth);
    case '"':
      return read_string(reader, value);
    case 't':
      *value = (Value){{1}, TAG_BOOL};
      return take_word(reader, "true") ? DONE : NOT_OURS;
    case 'f':
      *value = (Value){{0}, TAG_BOOL};
      return take_word(reader, "false") ? DONE : NOT_OURS;
    case 'n':
      *value = null;
      return take_word(reader, "null") ? DONE : NOT_OURS;
    default:
      return read_number(reader, value);
  }
}

static int is_ascii(const char *from, size_t length) {
  uint64_t seen = 0;
  size_t i = 0;
  for (; length - i >= 8; i += 8) seen |= eight_octets(from + i);
  for (; i < length; i++) seen |= (uint8_t)from[i];
  return (seen & 0x80 * EACH_OCTET) == 0;
}

static Outcome read_text(Context *context, Value *value, const char *from, size_t length, int ascii) {
  Reader reader;
  reader.context = context;
  reader.pace = pace_of(context);
  reader.at = from;
  reader.end = from + length;
  reader.is_ascii = ascii;
  memset(reader.keys, 0, sizeof reader.keys);
  Outcome outcome = read_value(&reader, value, 0);
  if (outcome == DONE && (next_sign(&reader) != 0 || reader.at != reader.end)) {
    release(context, *value);
    outcome = NOT_OURS;
  }
  for (int i = 0; i < REMEMBERED_KEYS; i++) {
    if (reader.keys[i].from != NULL) engine.free_atom(context, reader.keys[i].atom);
  }
  end_pace(&reader.pace);
  return outcome;
}

Value parse(Context *context, Value this, int count, Value *arguments) {
  if (count > 1 && engine.is_function(context, arguments[1])) return own_parse(context, this, count, arguments);
  const char *from = octets_of_string(arguments[0]), *copied = NULL;
  size_t length = from != NULL ? length_of_string(arguments[0]) : 0;
  int ascii = from != NULL && is_ascii(from, length);
  if (!ascii && (from = copied = engine.text_of(context, &length, arguments[0], 0)) == NULL) return exception;
  Value value;
  Outcome outcome = read_text(context, &value, from, length, ascii);
  if (outcome == FAILED) value = exception;
  if (outcome == NOT_OURS) value = engine.parse(context, from, length, "<input>");
  if (copied != NULL) engine.free_text(context, copied);
  return value;
}
