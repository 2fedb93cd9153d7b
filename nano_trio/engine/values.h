/*
 * The engine's values, as quickjs.h has them where they are not boxed (on 64-bit machines), and its functions of C.
 * Whoever includes this proves it at the start: rejections.py, json_builtins.py, allocator.py, builtins.py.
 */

#ifndef VALUES_H
#define VALUES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { TAG_SYMBOL = -8, TAG_STRING = -7, TAG_ROPE = -6, TAG_MODULE = -3, TAG_OBJECT = -1, TAG_INT = 0, TAG_BOOL = 1, TAG_NULL = 2 };
enum { TAG_UNDEFINED = 3, TAG_EXCEPTION = 6, TAG_FLOAT = 8 };
enum { CONFIGURABLE = 1, CONFIGURABLE_WRITABLE = 3, CONFIGURABLE_ENUMERABLE = 5, CONFIGURABLE_WRITABLE_ENUMERABLE = 7, GETTER_OR_SETTER = 1 << 4 };

/* What V8 and JavaScriptCore say, in a RangeError (binding_errors.c). */
#define STACK_IS_USED_UP "Maximum call stack size exceeded"

typedef struct Context Context;
typedef struct Runtime Runtime;

typedef struct {
  union {
    int32_t integer;
    double number;
    void *pointer;
  } as;
  int64_t tag;
} Value;

static inline int tag_of(Value value) { return (int32_t)value.tag; }

/* Objects, strings and other values that are counted have negative tags, and begin with their count. */
static inline int is_counted(Value value) { return tag_of(value) < 0; }
static inline int *count_of(Value value) { return value.as.pointer; }

static inline Value duplicate(Value value) {
  if (is_counted(value)) ++*count_of(value);
  return value;
}

/* Of a string or a rope of strings, in UTF-16's units: the 31 bits behind the count. */
static inline uint32_t length_of_string(Value value) { return ((const uint32_t *)value.as.pointer)[1] & 0x7fffffff; }

/* The octets of a string in Latin-1, with a zero behind them; NULL of another. */
static inline const char *octets_of_string(Value value) {
  const uint32_t *string = value.as.pointer;
  return tag_of(value) == TAG_STRING && !(string[1] >> 31) ? (const char *)(string + 4) : NULL;
}

/* The units of a string that is not. */
static inline const uint16_t *units_of_string(Value value) { return (const uint16_t *)((const uint32_t *)value.as.pointer + 4); }

/* How many bytes a string takes: its head of 16, and its units, behind octets one more. */
static inline size_t size_of_string(const void *string) {
  uint32_t length = ((const uint32_t *)string)[1];
  return 16 + (length >> 31 ? 2 * (size_t)(length & 0x7fffffff) : (size_t)length + 1);
}

/* What the engine keeps of a function of C, in its object: quickjs.c, JSObject.u.cfunc. Who relies on it proves it by a
   function of which all is known. */
typedef struct {
  Context *context;
  void *function;
  uint8_t length, kind;
  int16_t magic;
} Kept;
#define KEPT_AT 48
/* Kinds of them, as quickjs.h has them (JSCFunctionEnum). */
enum { GENERIC = 0, GENERIC_MAGIC = 1, NUMBER_OF_NUMBER = 6, NUMBER_OF_NUMBERS = 7, GETTER = 8, GETTER_MAGIC = 10, ITERATOR_NEXT = 12 };

static inline Kept kept_of(Value function) {
  Kept kept;
  memcpy(&kept, (char *)function.as.pointer + KEPT_AT, sizeof kept);
  return kept;
}

/* Whether the engine keeps, of a function of C in this context, just that. */
static inline int keeps(Value function, Context *context, void *code, int length, int kind, int magic) {
  Kept kept = kept_of(function);
  return kept.context == context && kept.function == code && kept.length == length && kept.kind == kind &&
         kept.magic == magic;
}

#endif
