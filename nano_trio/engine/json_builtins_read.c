/*
 * JSON.parse (ECMA-262, 25.5.1) of plain data; see json_builtins.c.
 *
 * The objects of an array are mostly alike. For each property that an object gets, the engine makes a shape anew where no
 * other object has it. So the values of an object whose keys come as those of its model, the object before it, wait until
 * it is complete, and it gets them all with the model's shape.
 *
 * The atoms of keys are kept for one call, by their bytes, each with the key that came behind it: where that comes again, to
 * look is to find it. Numbers of up to 15 digits are exact as integers, and so is
 * their quotient by a power of ten; further ones, and strings with escapes, are read by the engine, token by token.
 *
 * Hostile texts. The engine finds a key by a hash that everybody can compute: 60,000 keys that were chosen to have the
 * same take it 20 s, and as long again, in one native call, when they are freed: whoever may send JSON to an app could hold
 * up all others. So different keys of the same hash are counted, and too many of them are refused. Containers that are
 * open are held in a list, however deep: what the engine is shown again, for its words, is no JSON, and is counted up to
 * where it ends to be any.
 */

#include <math.h>
#include <stdlib.h>

#include "json_builtins.h"

#define LONGEST_NUMBER_EXACT 15 /* digits */
#define LONGEST_INTEGER 9       /* digits of one that is certainly an int32 */
/* The engine, whose depth is that of C's stack, refuses what is deeper. */
#define DEEPEST_TEXT 100000
#define LEVELS_AT_FIRST 32
#define MOST_WAITING 128
/* What an atom takes, against a value that is there already. */
#define STEPS_OF_A_NEW_KEY 64
/* What is shorter cannot hold up anybody. */
#define LONG_TEXT 4096
/* Hashes are told apart by this many lowest bits. Of each there may be more keys than chance would make, and no others
   are counted before there are a few. */
#define HASH_BITS 12
#define FEW_KEYS 200
#define TIMES_AN_EVEN_SHARE 16

typedef struct {
  const char *from;
  uint32_t length;
  Atom atom;
  uint8_t next; /* the place of the key that came behind it last */
} ReadKey;
#define NO_KEY 255

/* A container that is not complete, and where its next value goes. */
typedef struct {
  Value container;
  uint32_t index; /* how many of an object's values wait */
  Atom atom; /* of an object's next value; 0: there is none */
  uint8_t is_object, is_kept;
  uint8_t first, last; /* places of keys: an object's first one, an array's last object's; an object's last one */
  const Object *model; /* what an object has been like so far, and an array's last object; NULL: nothing */
} Level;

typedef struct {
  Context *context;
  Pace pace;
  const char *at, *end;
  int is_ascii;
  uint32_t not_kept;                         /* keys, each as often as it comes */
  uint32_t different, *of_hash;              /* those of them that are: how many, and of each hash */
  uint8_t *seen;                             /* a bit for each atom of theirs */
  uint32_t octets_of_seen;
  int depth, room;
  Level *levels;
  Level levels_at_first[LEVELS_AT_FIRST];
  int waiting_count;
  Value waiting[MOST_WAITING];
  ReadKey keys[REMEMBERED_KEYS];
} Reader;

static inline int is_digit(char sign) { return sign >= '0' && sign <= '9'; }

/* The next sign that is no white space; 0 at the end. */
static inline char next_sign(Reader *reader) {
  const char *at = reader->at; /* a zero is behind the text */
  while ((uint8_t)*at <= ' ' && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) at++;
  reader->at = at;
  return *at;
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
  char small[1024], *token = small;
  size_t length = (size_t)(end - reader->at);
  if (length >= sizeof small && (token = malloc(length + 1)) == NULL) return NOT_OURS;
  memcpy(token, reader->at, length);
  token[length] = 0;
  *value = engine.parse(reader->context, token, length, "");
  if (token != small) free(token);
  if (tag_of(*value) == TAG_EXCEPTION) {
    /* The engine shall say where in the whole text. */
    release(reader->context, engine.get_exception(reader->context));
    return NOT_OURS;
  }
  reader->at = end;
  return DONE;
}

/* A string that has more than plain characters; the quote is read. */
static Outcome read_string_token(Reader *reader, Value *value) {
  const char *end = reader->at--;
  for (; end < reader->end && *end != '"'; end++) end += *end == '\\';
  return end < reader->end ? read_token(reader, value, end + 1) : NOT_OURS;
}

static Outcome read_string(Reader *reader, Value *value) {
  reader->at++;
  const char *end = closing_quote(reader);
  if (end == NULL) return read_string_token(reader, value);
  size_t length = (size_t)(end - reader->at);
  *value = reader->is_ascii ? new_ascii(reader->context, reader->at, length, reader->end)
                            : engine.new_string(reader->context, reader->at, length);
  reader->at = end + 1;
  *reader->pace.counter -= (int32_t)(length / 64); /* the next step looks */
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
  if (places == 0 && digits <= LONGEST_INTEGER && !is_negative) {
    *value = (Value){{.integer = (int32_t)number}, TAG_INT};
    return DONE;
  }
  double result = (double)number / powers[places];
  if (is_negative) result = -result;
  /* As the engine has them: what is an int32, and not -0, is an integer. */
  if (fabs(result) <= INT32_MAX && (double)(int32_t)result == result && !(is_negative && number == 0))
    *value = (Value){{.integer = (int32_t)result}, TAG_INT};
  else
    *value = (Value){{.number = result}, TAG_FLOAT};
  return DONE;
}

/* The engine's hash of a name, over the units of UTF-16. */
static uint32_t hash_of(const char *text, size_t length) {
  const uint8_t *at = (const uint8_t *)text, *end = at + length;
  uint32_t hash = 1;
  while (at < end) {
    uint32_t sign = *at++;
    int more = sign < 0x80 ? 0 : sign < 0xe0 ? 1 : sign < 0xf0 ? 2 : 3;
    if (more > 0) sign &= 0x3fu >> more;
    for (; more > 0 && at < end; more--) sign = sign << 6 | (*at++ & 0x3f);
    if (sign > 0xffff) {
      hash = hash * 263 + (0xd7c0 + (sign >> 10));
      sign = 0xdc00 | (sign & 0x3ff);
    }
    hash = hash * 263 + sign;
  }
  return hash;
}

/* Whether the atom is one that was not seen before; -1 where memory ran out. */
static int is_new(Reader *reader, Atom atom) {
  uint32_t at = atom / 8;
  if (at >= reader->octets_of_seen) {
    uint32_t wanted = at + at / 2 + 1024;
    uint8_t *seen = realloc(reader->seen, wanted);
    if (seen == NULL) return -1;
    memset(seen + reader->octets_of_seen, 0, wanted - reader->octets_of_seen);
    reader->seen = seen;
    reader->octets_of_seen = wanted;
  }
  int bit = 1 << atom % 8, was = reader->seen[at] & bit;
  reader->seen[at] |= (uint8_t)bit;
  return was == 0;
}

/* A key that is not kept. */
static Outcome count_key(Reader *reader, Atom atom, const char *text, size_t length) {
  *reader->pace.counter -= STEPS_OF_A_NEW_KEY;
  /* Indices have no hash. */
  if (++reader->not_kept < FEW_KEYS || atom >= ATOM_OF_INDEX) return DONE;
  if (reader->of_hash == NULL && (reader->of_hash = calloc(1 << HASH_BITS, sizeof *reader->of_hash)) == NULL) return NOT_OURS;
  int found = is_new(reader, atom);
  if (found <= 0) return found < 0 ? NOT_OURS : DONE;
  uint32_t most = FEW_KEYS + TIMES_AN_EVEN_SHARE * (++reader->different >> HASH_BITS);
  if (++reader->of_hash[hash_of(text, length) & ((1 << HASH_BITS) - 1)] <= most) return DONE;
  engine.throw_range_error(reader->context, "JSON.parse: too many keys have the same hash; they were chosen for it");
  return FAILED;
}

/* A key with escapes. */
static __attribute__((noinline)) Outcome read_key_token(Reader *reader, Atom *atom) {
  Value name;
  Outcome outcome = read_string_token(reader, &name);
  if (outcome != DONE) return outcome;
  size_t length;
  const char *text = engine.text_of(reader->context, &length, name, 0);
  *atom = text == NULL ? 0 : engine.atom_of(reader->context, name);
  outcome = *atom == 0 ? FAILED : count_key(reader, *atom, text, length);
  if (text != NULL) engine.free_text(reader->context, text);
  release(reader->context, name);
  return outcome;
}

/* Whether so many octets are the same in two places of the text, the second of which comes later. */
static inline int is_same(const Reader *reader, const char *one, const char *other, size_t length) {
  if ((size_t)(reader->end - other) < length + 8) return memcmp(one, other, length) == 0;
  for (; length > 8; one += 8, other += 8, length -= 8) {
    if (eight_octets(one) != eight_octets(other)) return 0;
  }
  return length == 0 || (eight_octets(one) ^ eight_octets(other)) << (64 - 8 * length) == 0;
}

static inline int is_key(const Reader *reader, const ReadKey *key, const char *start, uint32_t length) {
  return key->from != NULL && key->length == length && is_same(reader, key->from, start, length);
}

/* The key that came last behind the one before, if it begins here. */
static inline int take_expected(Reader *reader, Level *level, uint8_t expected) {
  if (expected == NO_KEY) return 0;
  const ReadKey *key = &reader->keys[expected];
  if ((size_t)(reader->end - reader->at) <= key->length || reader->at[key->length] != '"' ||
      !is_same(reader, key->from, reader->at, key->length))
    return 0;
  reader->at += key->length + 1;
  level->atom = key->atom;
  level->last = expected;
  level->is_kept = 1;
  return 1;
}

/* The atom of a key of plain characters up to the quote at `end`. */
static Outcome find_key(Reader *reader, Level *level, const char *end) {
  const char *start = reader->at;
  uint32_t length = (uint32_t)(end - start);
  reader->at = end + 1;
  ReadKey *key = &reader->keys[(length * 31 + (uint8_t)start[0] * 7 + (uint8_t)end[-1]) % REMEMBERED_KEYS];
  int is_known = is_key(reader, key, start, length);
  if (!is_known && key->from != NULL) {
    /* Of two names in the same place one goes beside it. */
    key = &reader->keys[(key - reader->keys) ^ 1];
    is_known = is_key(reader, key, start, length);
  }
  level->is_kept = 1;
  level->last = (uint8_t)(key - reader->keys);
  level->atom = key->atom;
  if (is_known) return DONE;
  level->atom = engine.new_atom(reader->context, start, length);
  if (level->atom == 0) return FAILED;
  /* One that is in its place may be in use further out. */
  level->is_kept = key->from == NULL;
  if (!level->is_kept) {
    level->last = NO_KEY;
    return count_key(reader, level->atom, start, length);
  }
  *key = (ReadKey){start, length, level->atom, NO_KEY};
  return DONE;
}

/* Whether the next value of an object, and all before it, are those of its model. */
static inline int is_alike(const Reader *reader, const Level *level) {
  const Shape *shape = level->model->shape;
  return level->index < (uint32_t)shape->count && shape->slots[level->index].atom == level->atom &&
         reader->waiting_count < MOST_WAITING;
}

static void release_waiting(Reader *reader, int from) {
  while (reader->waiting_count > from) release(reader->context, reader->waiting[--reader->waiting_count]);
}

/* The object is not like its model: it gets the values that wait one by one, as all that follow. */
static Outcome leave_model(Reader *reader, Level *level) {
  const Slot *slots = level->model->shape->slots;
  int count = (int)level->index, first = reader->waiting_count - count;
  Outcome outcome = DONE;
  level->model = NULL;
  level->index = 0;
  level->container = engine.new_object(reader->context);
  if (tag_of(level->container) == TAG_EXCEPTION) outcome = FAILED;
  for (int i = 0; i < count && outcome == DONE; i++) {
    Value value = reader->waiting[first + i];
    reader->waiting[first + i] = undefined;
    if (engine.define(reader->context, level->container, slots[i].atom, value, CONFIGURABLE_WRITABLE_ENUMERABLE) < 0)
      outcome = FAILED;
  }
  release_waiting(reader, first);
  return outcome;
}

/* A key that is not the expected one; the quote is read. */
static __attribute__((noinline)) Outcome read_other_key(Reader *reader, Level *level) {
  uint8_t before = level->last;
  const char *end = closing_quote(reader);
  level->is_kept = 0;
  level->last = NO_KEY;
  Outcome outcome = end == NULL ? read_key_token(reader, &level->atom) : find_key(reader, level, end);
  if (before != NO_KEY) reader->keys[before].next = level->last;
  return outcome;
}

/* A key and its colon: where the next value goes. `is_first`: of its object. */
static Outcome read_key(Reader *reader, Level *level, int is_first) {
  if (!take(reader, '"')) return NOT_OURS;
  uint8_t expected = is_first ? level->first : level->last == NO_KEY ? NO_KEY : reader->keys[level->last].next;
  if (!take_expected(reader, level, expected)) {
    Outcome outcome = read_other_key(reader, level);
    if (outcome != DONE) return outcome;
    if (is_first) level->first = level->last;
  }
  if (!take(reader, ':')) return NOT_OURS;
  return level->model == NULL || is_alike(reader, level) ? DONE : leave_model(reader, level);
}

static void free_key(Reader *reader, Level *level) {
  if (level->atom != 0 && !level->is_kept) engine.free_atom(reader->context, level->atom);
  level->atom = 0;
}

/* What an object in that container is probably like. */
static const Object *model_in(const Level *level) {
  if (level->model == NULL || !level->is_object) return level->model;
  Value value = level->model->values[level->index];
  return tag_of(value) == TAG_OBJECT && object_of(value)->class == CLASS_OBJECT ? object_of(value) : NULL;
}

/* A container begins. */
static Outcome enter(Reader *reader, int is_object) {
  if (reader->depth == reader->room) {
    if (reader->depth >= DEEPEST_TEXT) return NOT_OURS;
    Level *levels = malloc(2 * (size_t)reader->room * sizeof *levels);
    if (levels == NULL) return NOT_OURS;
    memcpy(levels, reader->levels, (size_t)reader->depth * sizeof *levels);
    if (reader->levels != reader->levels_at_first) free(reader->levels);
    reader->levels = levels;
    reader->room *= 2;
  }
  const Level *outer = reader->depth > 0 ? &reader->levels[reader->depth - 1] : NULL;
  Level *level = &reader->levels[reader->depth];
  level->model = is_object && outer != NULL ? model_in(outer) : NULL;
  level->container = undefined; /* one that has a model is made when it is complete */
  if (level->model == NULL) {
    level->container = is_object ? engine.new_object(reader->context) : engine.new_array(reader->context);
    if (tag_of(level->container) == TAG_EXCEPTION) return FAILED;
  }
  level->index = 0;
  level->atom = 0;
  level->is_object = (uint8_t)is_object;
  level->is_kept = 0;
  level->first = outer != NULL && !outer->is_object ? outer->first : NO_KEY;
  level->last = NO_KEY;
  reader->depth++;
  return DONE;
}

static Outcome read_plain(Reader *reader, Value *value) {
  switch (next_sign(reader)) {
    case 0:
      return NOT_OURS;
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

/* The object is complete, and has come to the end of its model. It becomes another of the same shape. */
static Outcome make_alike(Reader *reader, Level *level) {
  const Object *model = level->model;
  Shape *shape = model->shape;
  if (!shape->is_shared || shape->deleted != 0 || shape->count == 0) return leave_model(reader, level);
  Object *object = engine.allocate(reader->context, sizeof(Array));
  Value *values = object == NULL ? NULL : engine.allocate(reader->context, (size_t)shape->room * sizeof *values);
  if (values == NULL) {
    engine.free(reader->context, object);
    return FAILED;
  }
  reader->waiting_count -= shape->count;
  level->container = complete_alike(model, object, values, &reader->waiting[reader->waiting_count]);
  return DONE;
}

static __attribute__((noinline)) Outcome enlarge(Reader *reader, Array *array) {
  uint32_t room = array->room + array->room / 2 + 4;
  Value *elements = engine.reallocate(reader->context, array->elements, (size_t)room * sizeof *elements);
  if (elements == NULL) return FAILED;
  array->elements = elements;
  array->room = room;
  return DONE;
}

/* Put a value at the end of an array, which nobody but us has seen. */
static inline Outcome append(Reader *reader, Array *array, Value value) {
  if (array->count >= array->room && enlarge(reader, array) != DONE) {
    release(reader->context, value);
    return FAILED;
  }
  array->elements[array->count++] = value;
  array->object.values[0].as.integer = (int32_t)array->count;
  return DONE;
}

/* Put a value into its container. */
static Outcome put(Reader *reader, Level *level, Value value) {
  Outcome outcome = DONE;
  if (!level->is_object) {
    outcome = append(reader, array_of(level->container), value);
  } else if (level->model != NULL) {
    reader->waiting[reader->waiting_count++] = value;
    level->index++;
  } else if (engine.define(reader->context, level->container, level->atom, value, CONFIGURABLE_WRITABLE_ENUMERABLE) < 0) {
    outcome = FAILED;
  }
  free_key(reader, level);
  return outcome == DONE ? step(&reader->pace, 1) : FAILED;
}

/* The container on top is complete. */
static Outcome leave(Reader *reader, Value *value) {
  Level *level = &reader->levels[reader->depth - 1];
  if (level->is_object && level->model != NULL) {
    int is_whole = level->index == (uint32_t)level->model->shape->count;
    Outcome outcome = is_whole ? make_alike(reader, level) : leave_model(reader, level);
    if (outcome != DONE) return outcome;
  }
  *value = level->container;
  if (--reader->depth > 0 && level->is_object && !level[-1].is_object) {
    level[-1].model = object_of(*value);
    level[-1].first = level->first;
  }
  return DONE;
}

/* Containers that begin here, up to the first value that is none, or an empty one. */
static Outcome read_first(Reader *reader, Value *value) {
  for (;;) {
    const char *before = reader->at;
    char sign = next_sign(reader);
    *reader->pace.counter -= (int32_t)((size_t)(reader->at - before) / 64);
    if (sign != '{' && sign != '[') return read_plain(reader, value);
    Outcome outcome = enter(reader, sign == '{');
    if (outcome != DONE) return outcome;
    reader->at++;
    Level *level = &reader->levels[reader->depth - 1];
    if (take(reader, sign == '{' ? '}' : ']')) return leave(reader, value);
    if (level->is_object && (outcome = read_key(reader, level, 1)) != DONE) return outcome;
  }
}

static Outcome read_value(Reader *reader, Value *value) {
  for (;;) {
    Outcome outcome = read_first(reader, value);
    if (outcome != DONE) return outcome;
    for (;;) {
      if (reader->depth == 0) return DONE;
      Level *level = &reader->levels[reader->depth - 1];
      if ((outcome = put(reader, level, *value)) != DONE) return outcome;
      if (take(reader, ',')) {
        if (level->is_object && (outcome = read_key(reader, level, 0)) != DONE) return outcome;
        break;
      }
      if (!take(reader, level->is_object ? '}' : ']')) return NOT_OURS;
      if ((outcome = leave(reader, value)) != DONE) return outcome;
    }
  }
}

static Outcome read_text(Context *context, Value *value, const char *from, size_t length, int ascii) {
  Reader reader;
  reader.context = context;
  reader.pace = pace_of(context);
  reader.at = from;
  reader.end = from + length;
  reader.is_ascii = ascii;
  reader.not_kept = reader.different = reader.octets_of_seen = 0;
  reader.of_hash = NULL;
  reader.seen = NULL;
  reader.depth = reader.waiting_count = 0;
  reader.room = LEVELS_AT_FIRST;
  reader.levels = reader.levels_at_first;
  memset(reader.keys, 0, sizeof reader.keys);
  Outcome outcome = read_value(&reader, value);
  if (outcome == DONE && (next_sign(&reader) != 0 || reader.at != reader.end)) {
    release(context, *value);
    outcome = NOT_OURS;
  }
  while (reader.depth > 0) {
    Level *level = &reader.levels[--reader.depth];
    free_key(&reader, level);
    release(context, level->container);
  }
  release_waiting(&reader, 0);
  if (reader.levels != reader.levels_at_first) free(reader.levels);
  free(reader.of_hash);
  free(reader.seen);
  for (int i = 0; i < REMEMBERED_KEYS; i++) {
    if (reader.keys[i].from != NULL) engine.free_atom(context, reader.keys[i].atom);
  }
  end_pace(&reader.pace);
  return outcome;
}

/* Whether a long text that the engine shall read for a reviver may not be read: an exception is pending. */
static int is_refused(Context *context, Value text) {
  if ((tag_of(text) != TAG_STRING && tag_of(text) != TAG_ROPE) || length_of_string(text) < LONG_TEXT) return 0;
  size_t length;
  const char *from = engine.text_of(context, &length, text, 0);
  if (from == NULL) return 1;
  Value value;
  Outcome outcome = read_text(context, &value, from, length, 0);
  if (outcome == DONE) release(context, value);
  engine.free_text(context, from);
  return outcome == FAILED;
}

Value parse(Context *context, Value this, int count, Value *arguments) {
  if (count > 1 && engine.is_function(context, arguments[1]))
    return is_refused(context, arguments[0]) ? exception : own_parse(context, this, count, arguments);
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
