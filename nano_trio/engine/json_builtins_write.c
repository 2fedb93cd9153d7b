/*
 * JSON.stringify (ECMA-262, 25.5.2) of plain data; see json_builtins.c.
 *
 * It goes into `common`, a buffer of the process's, as long as it fits and nobody else is at it: an isolate that was
 * suspended in the midst of it, or another thread's. Beyond that it lies in the heap, and what is longer than LONGEST,
 * or finds no room there, is not ours: the engine needs it once only. The keys of an array's objects repeat: each is
 * copied from where it was written last.
 */

#include <math.h>

#include "json_builtins.h"

#define REMEMBERED_PROTOTYPES 4
/* What is written without asking for room: a number or a word, and the ends of all that it is in. */
#define SLACK (64 + DEEPEST)

static const char hex[] = "0123456789abcdef";
static char common[1 << 20];
static int common_is_taken;
#define LONGEST (16 << 20)
#define SMALLEST (4 << 10)

/* A plain name, quoted and with its colon, as it stands in the text. */
typedef struct {
  Atom atom;
  uint32_t at, length;
} WrittenKey;

typedef struct {
  Context *context;
  Pace pace;
  char *text, *to, *end;
  int is_ascii; /* all that is written */
  const Object *prototypes[REMEMBERED_PROTOTYPES]; /* without toJSON, nor anything further up */
  int prototypes_count;
  const Shape *plain; /* of the last object that had plain names and no toJSON */
  WrittenKey keys[REMEMBERED_KEYS];
} Writer;

/* The own property of that name, a value: NOT_OURS where there is none or a getter would be called. */
static Outcome get_value(Context *context, Value *value, Value object, Atom atom) {
  Property property;
  int found = engine.get_own(context, &property, object, atom);
  if (found <= 0) return found < 0 ? FAILED : NOT_OURS;
  *value = property.value;
  if (!(property.flags & GETTER_OR_SETTER)) return DONE;
  release(context, property.value);
  release(context, property.getter);
  release(context, property.setter);
  return NOT_OURS;
}

static void take_text(Writer *writer) {
  writer->text = writer->to = writer->end = NULL;
  /* In one instruction: between two an isolate may be suspended. */
  if (__atomic_exchange_n(&common_is_taken, 1, __ATOMIC_ACQUIRE)) return;
  writer->text = writer->to = common;
  writer->end = common + sizeof common;
}

/* Not before all was read that is in it, in whatever order the compiler would have that. */
static void give_back_common(void) { __atomic_store_n(&common_is_taken, 0, __ATOMIC_RELEASE); }

static void give_back_text(Writer *writer) {
  if (writer->text == common)
    give_back_common();
  else
    engine.free(writer->context, writer->text);
}

/* The engine found no memory. Its own function may still: it needs less. */
static __attribute__((noinline)) Outcome no_memory(Context *context) {
  release(context, engine.get_exception(context));
  return NOT_OURS;
}

static __attribute__((noinline)) Outcome enlarge_text(Writer *writer, size_t size) {
  size_t written = (size_t)(writer->to - writer->text), had = (size_t)(writer->end - writer->text);
  size_t wanted = written + size + SLACK;
  if (wanted > LONGEST) return NOT_OURS;
  if (wanted < had + had / 2) wanted = had + had / 2;
  if (wanted < SMALLEST) wanted = SMALLEST;
  int was_common = writer->text == common;
  char *text = engine.reallocate(writer->context, was_common ? NULL : writer->text, wanted);
  if (text == NULL) return no_memory(writer->context);
  if (was_common) {
    memcpy(text, common, written);
    give_back_common();
  }
  writer->text = text;
  writer->to = text + written;
  writer->end = text + wanted;
  return DONE;
}

/* Room for so many bytes and SLACK. */
static inline Outcome make_room(Writer *writer, size_t size) {
  return (size_t)(writer->end - writer->to) >= size + SLACK ? DONE : enlarge_text(writer, size);
}

static inline void put_word(Writer *writer, const char *word) {
  size_t length = strlen(word);
  memcpy(writer->to, word, length);
  writer->to += length;
}

/* Whether there is no toJSON on the object, nor on what it inherits from, which are ordinary objects. */
static Outcome has_no_to_json(Writer *writer, Value value) {
  for (const Object *object = object_of(value);;) {
    const Shape *shape = object->shape;
    for (int i = 0; i < shape->count; i++) {
      if (shape->slots[i].atom == to_json_atom) return NOT_OURS;
    }
    object = shape->prototype;
    if (object == NULL) return DONE;
    for (int i = 0; i < writer->prototypes_count; i++) {
      if (writer->prototypes[i] == object) return DONE;
    }
    if (object->class != CLASS_OBJECT && object->class != CLASS_ARRAY) return NOT_OURS;
    /* Where something further up has one, all this is in vain anyway. */
    if (writer->prototypes_count < REMEMBERED_PROTOTYPES) writer->prototypes[writer->prototypes_count++] = object;
  }
}

/* How many bytes of text these become, at most. */
static size_t size_of_quoted(const char *from, size_t length) {
  size_t size = length;
  for (size_t i = 0; i < length; i++) size += escapes[(uint8_t)from[i]] != 0 ? 5 : 0;
  return size;
}

/* Copies what stands in a JSON string as it is, up to the first octet that does not; how many those were. */
static inline size_t put_plain(char *to, const char *from, size_t length) {
  size_t i = 0;
  for (; length - i >= 8; i += 8) {
    uint64_t octets = eight_octets(from + i), found = specials(octets);
    memcpy(to + i, &octets, sizeof octets);
    if (found != 0) return i + (size_t)__builtin_ctzll(found) / 8;
  }
  for (; i < length; i++) {
    uint8_t octet = (uint8_t)from[i];
    if (escapes[octet] != 0 || octet > 0x7f) break;
    to[i] = (char)octet;
  }
  return i;
}

/* "QuoteJSONString", of UTF-8 in which lone surrogates are encoded too. */
static Outcome put_quoted(Writer *writer, const char *from, size_t length) {
  if ((size_t)(writer->end - writer->to) < 6 * length + SLACK) {
    Outcome outcome = make_room(writer, size_of_quoted(from, length));
    if (outcome != DONE) return outcome;
  }
  char *to = writer->to;
  *to++ = '"';
  size_t i = put_plain(to, from, length);
  to += i;
  unsigned seen = 0;
  for (; i < length; i++) {
    unsigned octet = (uint8_t)from[i];
    seen |= octet;
    char escape = escapes[octet];
    if (escape == 0) {
      *to++ = (char)octet;
    } else if (escape == MAYBE_SURROGATE) {
      unsigned second = (uint8_t)from[i + 1];
      if (second < 0xa0) {
        *to++ = (char)octet;
        continue;
      }
      unsigned unit = (second & 0x3f) << 6 | ((uint8_t)from[i + 2] & 0x3f);
      const char digits[6] = {'\\', 'u', 'd', hex[unit >> 8], hex[unit >> 4 & 15], hex[unit & 15]};
      memcpy(to, digits, sizeof digits);
      to += sizeof digits;
      i += 2;
    } else {
      *to++ = '\\';
      *to++ = escape;
      if (escape == 'u') {
        const char digits[4] = {'0', '0', hex[octet >> 4], hex[octet & 15]};
        memcpy(to, digits, sizeof digits);
        to += sizeof digits;
      }
    }
  }
  *to++ = '"';
  writer->to = to;
  if (seen > 0x7f) writer->is_ascii = 0;
  return DONE;
}

static Outcome put_string(Writer *writer, Value value) {
  /* To make UTF-8 of a long one takes time, and up to three times its memory: not for nothing. */
  size_t length = length_of_string(value);
  Outcome outcome = step(&writer->pace, steps_of(length));
  if (outcome == DONE) outcome = make_room(writer, length);
  if (outcome != DONE) return outcome;
  const char *octets = octets_of_string(value);
  if (octets != NULL && put_plain(writer->to + 1, octets, length) == length) {
    writer->to[0] = writer->to[1 + length] = '"';
    writer->to += length + 2;
    return DONE;
  }
  const char *from = engine.text_of(writer->context, &length, value, 0);
  if (from == NULL) return no_memory(writer->context);
  outcome = put_quoted(writer, from, length);
  engine.free_text(writer->context, from);
  return outcome;
}

static void put_integer(Writer *writer, int64_t number) {
  char digits[20];
  int count = 0;
  uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
  if (number < 0) *writer->to++ = '-';
  do digits[count++] = (char)('0' + rest % 10);
  while (rest /= 10);
  while (count > 0) *writer->to++ = digits[--count];
}

/*
 * JavaScript writes the shortest decimal that is this number. One of up to 15 digits is that: no two of them are the
 * same number. So a number that is an integer divided by a power of ten needs no search.
 */
static Outcome put_number(Writer *writer, Value value) {
  double number = value.as.number;
  if (!isfinite(number)) {
    put_word(writer, "null");
    return DONE;
  }
  if (fabs(number) < 0x1p53 && (double)(int64_t)number == number) {
    put_integer(writer, (int64_t)number);
    return DONE;
  }
  for (int places = 1; places <= 6 && fabs(number) < 1e9; places++) {
    int64_t scaled = (int64_t)(number * powers[places] + (number < 0 ? -0.5 : 0.5));
    if ((double)scaled / powers[places] != number) continue;
    if (scaled < 0) *writer->to++ = '-';
    uint64_t power = (uint64_t)powers[places], rest = scaled < 0 ? -(uint64_t)scaled : (uint64_t)scaled;
    put_integer(writer, (int64_t)(rest / power));
    *writer->to = '.';
    for (int i = places; i > 0; i--, rest /= 10) writer->to[i] = (char)('0' + rest % 10);
    writer->to += 1 + places;
    return DONE;
  }
  size_t length;
  const char *from = engine.text_of(writer->context, &length, value, 0);
  if (from == NULL) return FAILED;
  memcpy(writer->to, from, length);
  writer->to += length;
  engine.free_text(writer->context, from);
  return DONE;
}

/* Whether a property's name is a string, and no index that is too large for the engine to have a number in its place. */
static int is_plain_name(Value name) {
  if (tag_of(name) != TAG_STRING) return 0;
  const char *octets = octets_of_string(name);
  return octets == NULL || length_of_string(name) != 10 || octets[0] < '0' || octets[0] > '9';
}

/* One that was not written last of those that share its place. */
static __attribute__((noinline)) Outcome put_other_key(Writer *writer, WrittenKey *key, Atom atom) {
  uint32_t at = (uint32_t)(writer->to - writer->text);
  Value name = engine.value_of_atom(writer->context, atom);
  if (tag_of(name) != TAG_STRING) return FAILED;
  Outcome outcome = put_string(writer, name);
  int is_plain = is_plain_name(name);
  release(writer->context, name);
  if (outcome != DONE) return outcome;
  *writer->to++ = ':';
  if (is_plain) *key = (WrittenKey){atom, at, (uint32_t)(writer->to - writer->text) - at};
  return DONE;
}

static inline Outcome put_key(Writer *writer, Atom atom) {
  WrittenKey *key = &writer->keys[atom % REMEMBERED_KEYS];
  if (key->atom != atom) return put_other_key(writer, key, atom);
  Outcome outcome = make_room(writer, key->length);
  if (outcome != DONE) return outcome;
  const char *from = writer->text + key->at;
  /* Of the room behind it some is used, too. */
  for (uint32_t i = 0; i < key->length; i += 8) memcpy(writer->to + i, from + i, 8);
  writer->to += key->length;
  return DONE;
}

static Outcome put_container(Writer *writer, Value value, int depth);

/* "SerializeJSONProperty" of a value that is no undefined and no symbol. */
static inline __attribute__((always_inline)) Outcome put(Writer *writer, Value value, int depth) {
  int tag = tag_of(value);
  if (tag == TAG_STRING || tag == TAG_ROPE) return put_string(writer, value);
  Outcome outcome = step(&writer->pace, 1);
  if (outcome == DONE) outcome = make_room(writer, 0);
  if (outcome != DONE) return outcome;
  switch (tag) {
    case TAG_INT:
      put_integer(writer, value.as.integer);
      return DONE;
    case TAG_FLOAT:
      return put_number(writer, value);
    case TAG_BOOL:
      put_word(writer, value.as.integer ? "true" : "false");
      return DONE;
    case TAG_NULL:
      put_word(writer, "null");
      return DONE;
    case TAG_OBJECT:
      return put_container(writer, value, depth);
    default:
      return NOT_OURS;
  }
}

/* Of an object that has other names than plain ones: indices come first, and symbols are left out. */
static Outcome put_sorted_object(Writer *writer, Value object, int depth) {
  Context *context = writer->context;
  Name *names;
  uint32_t count;
  if (engine.get_names(context, &names, &count, object, STRINGS_THAT_ARE_ENUMERABLE) < 0) return FAILED;
  char separator = '{';
  Outcome outcome = DONE;
  for (uint32_t i = 0; i < count && outcome == DONE; i++) {
    Value value;
    outcome = get_value(context, &value, object, names[i].atom);
    if (outcome != DONE) break;
    if (tag_of(value) != TAG_UNDEFINED && tag_of(value) != TAG_SYMBOL) {
      *writer->to++ = separator;
      separator = ',';
      outcome = put_key(writer, names[i].atom);
      if (outcome == DONE) outcome = put(writer, value, depth);
    }
    release(context, value);
  }
  engine.free_names(context, names, count);
  if (separator == '{') *writer->to++ = '{';
  *writer->to++ = '}';
  return outcome;
}

/* Whether all names are plain ones: they are written in the order in which the object got them. */
static int has_plain_names(const Writer *writer, const Shape *shape) {
  for (int i = 0; i < shape->count; i++) {
    Atom atom = shape->slots[i].atom;
    if (atom >= ATOM_OF_INDEX) return 0;
    if (atom == 0 || writer->keys[atom % REMEMBERED_KEYS].atom == atom) continue;
    Value name = engine.value_of_atom(writer->context, atom);
    int is_plain = is_plain_name(name);
    release(writer->context, name);
    if (!is_plain) return 0;
  }
  return 1;
}

static Outcome put_object(Writer *writer, Value value, int depth) {
  const Object *object = object_of(value);
  if (object->shape != writer->plain) {
    if (!has_plain_names(writer, object->shape)) return put_sorted_object(writer, value, depth);
    writer->plain = object->shape;
  }
  char separator = '{';
  for (int i = 0; i < object->shape->count; i++) {
    Slot slot = object->shape->slots[i];
    if (slot.atom == 0 || !(slot.flags & ENUMERABLE)) continue;
    if (slot.flags & NO_VALUE) return NOT_OURS;
    Value each = object->values[i];
    if (tag_of(each) == TAG_UNDEFINED || tag_of(each) == TAG_SYMBOL) continue;
    *writer->to++ = separator;
    separator = ',';
    Outcome outcome = put_key(writer, slot.atom);
    if (outcome == DONE) outcome = put(writer, each, depth);
    if (outcome != DONE) return outcome;
  }
  if (separator == '{') *writer->to++ = '{';
  *writer->to++ = '}';
  return DONE;
}

/* Of an array whose elements lie one beside the other; behind them there may be none. */
static Outcome put_dense_array(Writer *writer, const Array *array, int depth) {
  Value length = array->object.values[0];
  if (tag_of(length) != TAG_INT || length.as.integer != (int32_t)array->count) return NOT_OURS;
  *writer->to++ = '[';
  for (uint32_t i = 0; i < array->count; i++) {
    Value value = array->elements[i];
    if (i > 0) *writer->to++ = ',';
    int is_nothing = tag_of(value) == TAG_UNDEFINED || tag_of(value) == TAG_SYMBOL;
    Outcome outcome = put(writer, is_nothing ? null : value, depth);
    if (outcome != DONE) return outcome;
  }
  *writer->to++ = ']';
  return DONE;
}

static Outcome put_array(Writer *writer, Value array, int depth) {
  Context *context = writer->context;
  if (array_of(array)->object.bits[1] & dense_bit) return put_dense_array(writer, array_of(array), depth);
  Value length;
  Outcome outcome = get_value(context, &length, array, length_atom);
  if (outcome != DONE || tag_of(length) != TAG_INT) return outcome == FAILED ? FAILED : NOT_OURS;
  *writer->to++ = '[';
  for (int32_t i = 0; i < length.as.integer; i++) {
    Value value;
    outcome = get_value(context, &value, array, ATOM_OF_INDEX | (uint32_t)i);
    if (outcome != DONE) return outcome;
    if (i > 0) *writer->to++ = ',';
    int is_nothing = tag_of(value) == TAG_UNDEFINED || tag_of(value) == TAG_SYMBOL;
    outcome = put(writer, is_nothing ? null : value, depth);
    release(context, value);
    if (outcome != DONE) return outcome;
  }
  *writer->to++ = ']';
  return DONE;
}

static Outcome put_container(Writer *writer, Value value, int depth) {
  uint16_t class = object_of(value)->class;
  if (depth >= DEEPEST || (class != CLASS_OBJECT && class != CLASS_ARRAY)) return NOT_OURS;
  if (object_of(value)->shape != writer->plain) {
    Outcome outcome = has_no_to_json(writer, value);
    if (outcome != DONE) return outcome;
  }
  return class == CLASS_OBJECT ? put_object(writer, value, depth + 1) : put_array(writer, value, depth + 1);
}

Value stringify(Context *context, Value this, int count, Value *arguments) {
  Value value = arguments[0], replacer = arguments[1], space = arguments[2];
  (void)this, (void)count;
  if (tag_of(value) == TAG_OBJECT && tag_of(replacer) == TAG_UNDEFINED && tag_of(space) == TAG_UNDEFINED) {
    Writer writer;
    writer.context = context;
    writer.pace = pace_of(context);
    writer.is_ascii = 1;
    writer.prototypes_count = 0;
    writer.plain = NULL;
    memset(writer.keys, 0, sizeof writer.keys);
    take_text(&writer);
    Outcome outcome = put(&writer, value, 0);
    Value result = exception;
    if (outcome == DONE) {
      size_t length = (size_t)(writer.to - writer.text);
      result = writer.is_ascii ? new_ascii(context, writer.text, length, writer.end)
                               : engine.new_string(context, writer.text, length);
      if (tag_of(result) == TAG_EXCEPTION) outcome = no_memory(context);
    }
    give_back_text(&writer);
    end_pace(&writer.pace);
    if (outcome != NOT_OURS) return result;
  }
  return engine.stringify(context, value, replacer, space);
}
