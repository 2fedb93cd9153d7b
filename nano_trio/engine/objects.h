/*
 * How the engine keeps its objects: what json_builtins.c and builtins.c read and make where it does.
 */

#ifndef OBJECTS_H
#define OBJECTS_H

#include "values.h"

enum { CLASS_OBJECT = 1, CLASS_ARRAY = 2 };
/* Of a slot: it is listed; it holds a getter and a setter, say, in the place of a value. */
enum { ENUMERABLE = 1 << 2, NO_VALUE = 3 << 4 };

typedef uint32_t Atom;
#define ATOM_OF_INDEX 0x80000000u

/* How the engine keeps an object: quickjs.c, JSShapeProperty, JSShape and JSObject. Who relies on it proves it: is_kept_so()
   in json_builtins.c, proves_objects() in builtins_ours.c. */
typedef struct {
  uint32_t next : 26, flags : 6;
  Atom atom; /* 0: it was deleted */
} Slot;

typedef struct {
  int references;
  char links[20];
  uint8_t is_shared; /* or may come to be: whoever changes it makes another */
  uint32_t hash, hash_mask;
  int room, count, deleted; /* slots */
  void *next, *prototype;
  Slot slots[];
} Shape;

/* Of a name that is no index; NULL: there is none. In front of a shape lie the numbers of its slots, by what their atoms end
   with; 0 is none, and each slot has the number of the next one. */
static inline const Slot *slot_of(const Shape *shape, Atom atom) {
  uint32_t number = ((const uint32_t *)shape)[-(intptr_t)(atom & shape->hash_mask) - 1];
  while (number != 0 && shape->slots[number - 1].atom != atom) number = shape->slots[number - 1].next;
  return number == 0 ? NULL : &shape->slots[number - 1];
}

typedef struct {
  int references;
  uint8_t bits[2]; /* of the first the engine sets some only: the rest is what lay there */
  uint16_t class;
  void *links[2];
  uint32_t weak_references;
  Shape *shape;
  Value *values; /* as many as the shape has room for */
} Object;

static inline Object *object_of(Value value) { return value.as.pointer; }

/* Whether both are exotic, frozen, constructors and so on, or neither is. */
static inline int are_of_a_kind(const Object *one, const Object *other) { return one->bits[1] == other->bits[1]; }

/* What an array has behind that, as long as its elements lie one beside the other. Its first value is its length. So large
 * is each object: to others the rest means something else. */
typedef struct {
  Object object;
  uint32_t room;
  Value *elements;
  uint32_t count;
} Array;

static inline Array *array_of(Value value) { return value.as.pointer; }

/*
 * Make an object of the model's shape and class, which takes the values: as many as the shape has properties, in its
 * order. It needs blocks of sizeof(Array), and of as many values as the shape has room for.
 */
static inline Value complete_alike(const Object *model, Object *object, Value *place, const Value *values) {
  Shape *shape = model->shape;
  memcpy(place, values, (size_t)shape->count * sizeof *values);
  memcpy(object, model, sizeof(Array));
  object->references = 1;
  object->weak_references = 0;
  object->values = place;
  shape->references++;
  /* Into the engine's list, beside the model. */
  void **before = (void **)model->links[0];
  object->links[0] = before;
  object->links[1] = (void *)model->links;
  before[1] = object->links;
  ((void **)model->links)[0] = object->links;
  return (Value){{.pointer = object}, TAG_OBJECT};
}

#endif
