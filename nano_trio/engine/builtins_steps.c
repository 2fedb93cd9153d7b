/*
 * Properties of an app's objects that are defined as they were before; see builtins.c.
 *
 * Each property of an object literal and each field of a class the engine defines anew: it looks whether the object has one
 * of the name, for the shape that comes next by all that it has, and makes that where no other object has it: 400
 * instructions each. The objects of a framework come and go with each request; that was a twentieth of it.
 *
 * Theory of operation. As builtins_functions.c does it, for any shape. A step is two models, objects that nobody sees: one
 * of the shape that an object had, one of that which it got by one property more. Both were made by the engine, the second
 * by this very definition. An object that is like the first, and is to get that property, gets the value and the shape of
 * the second, and room if that has more: all that the engine would do. As models have these shapes, the engine changes
 * neither, and neither goes. They are in an array that the context keeps (builtins_kept.c), and the engine frees. Only what
 * was defined twice becomes a step.
 *
 * A shape holds its prototype, and that what an app made for one request, say. So all steps are let go of before garbage
 * is collected (builtins_forget), and nothing is held longer than garbage is. Most apps never have any: a context has room for a
 * few once so many properties were defined in it as only requests again and again come to, and for more from when garbage was
 * collected of a heap that is large enough for them.
 *
 * Threads: every call comes from the engine, or Python between turns, and the engine runs with Python's GIL held.
 */

#include "builtins.h"

/* PLACES: of steps, in a large heap, and FEW_PLACES in others, once so MANY properties were defined. */
enum { PLACES = 256, FEW_PLACES = 64, MANY = 2000, MOST_SLOTS = 64 };

/* The two models of a step. Where there is none: `before` is a number, of what was defined last; or undefined. */
typedef struct {
  Value before, after;
} Step;

/* By what the shape is, and not where it lies: the next object has it anew. */
static inline uint32_t key_of(const Object *object, Atom atom) {
  return (object->shape->hash ^ atom * 0x9e3779b1u) & 0x7fffffff;
}

/* How many properties were defined in contexts without steps; several may share a place, and begin anew once one has its steps. */
static uint16_t defined[64];

static inline uint16_t *defined_in(const Context *context) { return &defined[((uintptr_t)context >> 6) % 64]; }

void steps_begin(const Context *context) { *defined_in(context) = 0; }

/* The context's places, and how many; NULL: it has no steps. */
static inline Step *places_of(Context *context, uint32_t *count) {
  const Array *steps = (const Array *)kept_object(context, STEPS);
  *count = steps == NULL ? 0 : steps->count / 2;
  return steps == NULL ? NULL : (Step *)steps->elements;
}

static inline int was_last(const Step *step, uint32_t key) {
  return tag_of(step->before) == TAG_INT && (uint32_t)step->before.as.integer == key;
}

/* Note what was defined where there is no step, there or beside it. A number that lies there already may be of what comes no
   more, or of what comes by turns with this: it makes room every other time, by a chance that no such order agrees with. */
static inline void note(Step *places, uint32_t index, uint32_t key) {
  static uint32_t chance;
  if (tag_of(places[index].before) == TAG_OBJECT) index ^= 1;
  Step *step = &places[index];
  if (tag_of(step->before) == TAG_OBJECT) return;
  if (tag_of(step->before) == TAG_INT && (int32_t)(chance = chance * 1664525u + 1013904223u) < 0) return;
  step->before = (Value){{(int32_t)key}, TAG_INT};
}

/* Whether it is the step of such an object by that property. */
static inline int is_for(const Step *step, const Object *object, Atom atom) {
  if (tag_of(step->before) != TAG_OBJECT) return 0;
  const Object *before = object_of(step->before);
  return object->shape == before->shape && are_of_a_kind(object, before) &&
         object_of(step->after)->shape->slots[before->shape->count].atom == atom;
}

/* Do again what the engine did. It takes the value. */
static int take(Context *context, const Step *step, Object *object, Value value) {
  Shape *before = object->shape, *after = object_of(step->after)->shape;
  if (after->room != before->room) {
    Value *values = engine.reallocate(context, object->values, (size_t)after->room * sizeof *values);
    if (values == NULL) {
      release(context, value);
      return -1;
    }
    object->values = values;
  }
  object->values[before->count] = value;
  before->references--; /* its model holds it */
  object->shape = after;
  after->references++;
  return 1;
}

/* An object like that one, without its values; an exception. */
static Value new_model(Context *context, const Object *object) {
  Value like = {{.pointer = (void *)object}, TAG_OBJECT}, values[MOST_SLOTS];
  if (object->shape->count == 0) {
    Value prototype = engine.prototype_of(context, like), model = engine.new_object(context, prototype);
    release(context, prototype);
    return model;
  }
  for (int i = 0; i < object->shape->count; i++) values[i] = undefined;
  return make_alike(context, like, object->shape->count, values);
}

/* Whether such objects may have a step: what make_alike() asks for. */
static int is_plain(const Object *object) {
  const Shape *shape = object->shape;
  int is_so = object->class == CLASS_OBJECT && shape->is_shared && shape->deleted == 0 && shape->count <= MOST_SLOTS;
  for (int i = 0; i < shape->count && is_so; i++) is_so = (shape->slots[i].flags & NO_VALUE) == 0;
  return is_so;
}

/* Whether one has all that the other has, at the same places, and behind that this property. */
static int follows(const Object *object, const Object *before, Atom atom) {
  const Shape *shape = object->shape, *old = before->shape;
  int is_so = is_plain(object) && are_of_a_kind(object, before) && shape->prototype == old->prototype &&
              shape->count == old->count + 1 && shape->slots[old->count].atom == atom &&
              shape->slots[old->count].flags == CONFIGURABLE_WRITABLE_ENUMERABLE;
  for (int i = 0; i < old->count && is_so; i++)
    is_so = shape->slots[i].atom == old->slots[i].atom && shape->slots[i].flags == old->slots[i].flags;
  return is_so;
}

/* Have the context keep so many places, which are empty. */
static void keep_places(Context *context, uint32_t count) {
  Value none[2 * PLACES];
  for (uint32_t i = 0; i < 2 * count; i++) none[i] = undefined;
  Value steps = new_list(context, none, 2 * count);
  if (tag_of(steps) == TAG_EXCEPTION)
    release(context, engine.take_exception(context)); /* the app has not asked for it */
  else
    keep_object(context, STEPS, steps);
  release(context, steps);
}

/* Have the engine define the property, and keep what it did. It takes the value. */
static int define_and_keep(Context *context, Value target, Atom atom, Value value, int flags, uint32_t index) {
  Value before = new_model(context, object_of(target)), after = undefined;
  /* What there is no memory for is not kept; the app has not asked for it. */
  if (tag_of(before) == TAG_EXCEPTION) release(context, engine.take_exception(context));
  int result = engine.define(context, target, atom, value, flags);
  if (tag_of(before) == TAG_OBJECT && result > 0 && follows(object_of(target), object_of(before), atom)) {
    after = new_model(context, object_of(target));
    if (tag_of(after) == TAG_EXCEPTION) release(context, engine.take_exception(context));
  }
  uint32_t count;
  Step *places = places_of(context, &count);
  if (tag_of(after) == TAG_OBJECT && index < count && tag_of(places[index].before) != TAG_OBJECT) {
    places[index] = (Step){before, after};
  } else {
    release(context, before);
    release(context, after);
  }
  return result;
}

int define_by_step(Context *context, Value target, Atom atom, Value value, int flags) {
  Object *object = object_of(target);
  if (object->class != CLASS_OBJECT || (flags & ~THROWS) != CONFIGURABLE_WRITABLE_ENUMERABLE || (atom & ATOM_OF_INDEX)) {
    if (flags == CONFIGURABLE_WRITABLE && atom == atom_of_stack) return define_stack(context, target, value);
    /* Of the message of an error for which there was no memory: the engine would make a property of that. */
    if (tag_of(value) == TAG_EXCEPTION) return -1;
    return engine.define(context, target, atom, value, flags);
  }
  uint32_t count;
  Step *places = places_of(context, &count);
  if (places == NULL) {
    if (++*defined_in(context) == MANY) {
      steps_begin(context);
      keep_places(context, FEW_PLACES);
    }
    return engine.define(context, target, atom, value, flags);
  }
  uint32_t key = key_of(object, atom), index = (key ^ key >> 13) & (count - 1);
  if (is_for(&places[index], object, atom)) return take(context, &places[index], object, value);
  /* Where another has its place it is beside that. */
  if (tag_of(places[index].before) != TAG_UNDEFINED && !was_last(&places[index], key)) index ^= 1;
  if (is_for(&places[index], object, atom)) return take(context, &places[index], object, value);
  if (was_last(&places[index], key) && is_plain(object)) return define_and_keep(context, target, atom, value, flags, index);
  note(places, index, key);
  return engine.define(context, target, atom, value, flags);
}

/* Before garbage is collected: let go of all steps. `is_large`: the context may have many from now on. */
void builtins_forget(Context *context, int is_large) {
  if (!may_keep()) return;
  uint32_t count;
  Step *places = places_of(context, &count);
  if (is_large && count < PLACES) {
    keep_places(context, PLACES);
    return;
  }
  for (uint32_t i = 0; i < count; i++) {
    Step gone = places[i];
    places[i] = (Step){undefined, undefined};
    release(context, gone.before);
    release(context, gone.after);
  }
}
