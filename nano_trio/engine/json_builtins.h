/*
 * What the files of JSON's builtins, and one more, share: the engine's values and functions, and what an attempt comes to.
 */

#include <string.h>

#include "objects.h"

#pragma GCC visibility push(hidden)

enum { STRINGS_THAT_ARE_ENUMERABLE = 1 << 0 | 1 << 4 };

typedef struct {
  int is_enumerable;
  Atom atom;
} Name;

typedef struct {
  int flags;
  Value value, getter, setter;
} Property;

typedef Value Function(Context *, Value this, int count, Value *arguments);

/* The engine's functions, in the order of json_builtins.py. */
typedef struct {
  Value (*stringify)(Context *, Value, Value replacer, Value space);
  Value (*parse)(Context *, const char *text, size_t length, const char *name); /* a zero is behind the text */
  uint16_t (*class_of)(Value);
  Value (*prototype_of)(Context *, Value);
  int (*get_own)(Context *, Property *, Value object, Atom);
  int (*get_names)(Context *, Name **, uint32_t *count, Value object, int flags);
  void (*free_names)(Context *, Name *, uint32_t count);
  const char *(*text_of)(Context *, size_t *length, Value, int as_cesu8);
  void (*free_text)(Context *, const char *);
  Value (*value_of_atom)(Context *, Atom);
  Atom (*new_atom)(Context *, const char *, size_t length);
  Atom (*atom_of)(Context *, Value);
  void (*free_atom)(Context *, Atom);
  Value (*new_string)(Context *, const char *, size_t length);
  Value (*new_object)(Context *);
  Value (*new_array)(Context *);
  int (*define)(Context *, Value object, Atom, Value, int flags);           /* takes the value */
  int (*define_at)(Context *, Value object, uint32_t, Value, int flags);    /* takes the value */
  int (*define_named)(Context *, Value object, const char *, Value, int flags); /* takes the value */
  Value (*get)(Context *, Value object, const char *name);
  Value (*call)(Context *, Value function, Value this, int count, Value *arguments);
  int (*is_function)(Context *, Value);
  Value (*throw_range_error)(Context *, const char *format, ...);
  Value (*get_exception)(Context *);
  Value (*get_global)(Context *);
  Value (*new_function)(Context *, Function *, const char *name, int length, int kind, int magic);
  void (*free_counted)(Context *, Value); /* whose count has come to 0 */
  void *(*allocate)(Context *, size_t);
  void *(*reallocate)(Context *, void *, size_t);
  void (*free)(Context *, void *);
  Value (*get_by_atom)(Context *, Value object, Atom, Value receiver, int throws);
  Value (*get_at)(Context *, Value object, uint32_t);
  int (*to_boolean)(Context *, Value);
  Value (*throw)(Context *, Value); /* takes the value */
  Value (*throw_type_error)(Context *, const char *format, ...);
  size_t (*size_of)(Context *, const void *block);
} Engine;

typedef enum { FAILED = -1, NOT_OURS = 0, DONE = 1 } Outcome;

/* What counts an attempt's steps, so that others can run meanwhile. */
typedef struct {
  Context *context;
  int32_t *counter; /* the context's countdown to its next poll */
  Value nothing;    /* a function; undefined before the first poll */
} Pace;

/* Deeper data is not written by us: a circle is found by that, and C's stack is as short as JavaScript's. */
#define DEEPEST 64
#define REMEMBERED_KEYS 64

extern Engine engine;
/* Atoms of the engine's own, which are the same in every runtime. */
extern Atom length_atom, to_json_atom, iterator_atom, next_atom, done_atom, value_atom, return_atom;
/* Of an object's second octet of bits: it is an array whose elements lie one beside the other. */
extern uint8_t dense_bit;
/* The engine's own JSON.parse and Object.fromEntries. */
extern Function *own_parse, *own_from_entries;

static const Value null = {{0}, TAG_NULL};
static const Value undefined = {{0}, TAG_UNDEFINED};
static const Value exception = {{0}, TAG_EXCEPTION};
/* 10 to the power of the index. */
static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

/* How each octet is written in a string: 0: as it is, 'u': by its number, else behind a backslash. */
extern char escapes[256];
/* The first octet of a lone surrogate, in UTF-8 that has them, and of others. */
#define MAYBE_SURROGATE 1

#include "texts.h"

/*
 * Of eight octets, the highest bit of each that is not as it is in a JSON string in ASCII. Only of the first of them, in
 * memory's order, it is certain: to find that is what this is for. The engine's values are those of a little-endian
 * machine; on another the proof fails.
 */
static inline uint64_t specials(uint64_t octets) {
  uint64_t quotes = octets ^ '"' * EACH_OCTET, backslashes = octets ^ '\\' * EACH_OCTET;
  return (octets | (octets - 0x20 * EACH_OCTET) | (quotes - EACH_OCTET) | (backslashes - EACH_OCTET)) & HIGH_BITS;
}

static inline void release(Context *context, Value value) {
  if (is_counted(value) && --*count_of(value) <= 0) engine.free_counted(context, value);
}

Pace pace_of(Context *);
/* The engine polls, which may take as long as all others want, or end with FAILED: the turn is to stop. */
Outcome poll(Pace *);
void end_pace(Pace *);

/* A step is made, or several. */
static inline Outcome step(Pace *pace, size_t steps) {
  return (*pace->counter -= (int32_t)steps) > 0 ? DONE : poll(pace);
}

/* A string of so many bytes is that many steps. */
static inline size_t steps_of(size_t length) { return 1 + length / 64; }

/* JSON.stringify(value, replacer, space) */
Function stringify;
/* JSON.parse(text, reviver) */
Function parse;
/* Object.fromEntries(iterable) */
Function from_entries;

#pragma GCC visibility pop
