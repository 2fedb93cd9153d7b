/*
 * The length and the name that each new function gets; see builtins.c.
 *
 * The engine defines both as it defines any property: it looks whether the object has one of the name, which flags it may
 * have, and for the shape that comes next, and takes 260 instructions for each. Every closure has the two, and so do the
 * functions that settle a promise. They were a thirtieth of a request of a framework. What is named after the variable or
 * the property that it is for has no name first, and is given its own later: as much again.
 *
 * Theory of operation. Each context keeps three objects that nobody sees, models of what becomes of a function: without
 * properties, with a length, with a length and a name. So the three shapes are there as long as the context, and as others
 * hold them the engine changes none. A function of a model's shape is given the value and the next model's shape, which has
 * as much room, and one of the last model's another value; that is all that the engine would do. Nothing is allocated, so
 * nothing can fail. What is not as it mostly is (a function of another prototype, one that is a constructor already, a
 * context without models) is the engine's.
 *
 * A closure begins with the last model's shape: the engine asks for an object of the class of plain functions by
 * JS_NewObjectClass where it makes one, and nowhere else, and defines the two at once, before anybody sees it.
 *
 * Threads: every call comes from the engine, and the engine runs with Python's GIL held.
 */

#include "detours.h" /* before all others: it asks for more of them */

#include "builtins.h"

/* How many properties a function gets; which of them is its name. */
enum { BOTH = 2, NAME = 1 };

/* The model with so many of them. What a context keeps is that with both: its length is the one with a length, its name the
   one without either. */
static inline const Object *model_with(const Object *models, int count) {
  return count == BOTH ? models : object_of(models->values[count == 1 ? 0 : 1]);
}

/* Whether it has room for what it is to get, and nothing forbids it: it is not exotic, frozen or a constructor. */
static inline int is_like(const Object *object, const Object *model) {
  return object->shape == model->shape && are_of_a_kind(object, model);
}

/* In the place of JS_DefinePropertyValue. It takes the value. */
static int define(Context *context, Value target, Atom atom, Value value, int flags) {
  if (tag_of(target) != TAG_OBJECT) return engine.define(context, target, atom, value, flags);
  if (flags != CONFIGURABLE) {
    if (flags == 0 && atom == raw_atom) return define_raw(context, target, value);
    return define_by_step(context, target, atom, value, flags);
  }
  if (spared_heaps > 0) spare_no_more(context, TO_COMPILE);
  Object *object = object_of(target);
  int count = object->shape->count;
  const Object *models = count <= BOTH ? kept_object(context, MODELS) : NULL;
  if (models == NULL || !is_like(object, model_with(models, count))) return engine.define(context, target, atom, value, flags);
  int slot = count < BOTH ? count : models->shape->slots[NAME].atom == atom;
  if (models->shape->slots[slot].atom != atom) return engine.define(context, target, atom, value, flags);
  if (count == BOTH) {
    Value before = object->values[slot];
    object->values[slot] = value;
    release(context, before);
    return 1;
  }
  Shape *next = model_with(models, count + 1)->shape;
  object->values[slot] = value;
  object->shape->references--; /* its model holds it */
  object->shape = next;
  next->references++;
  return 1;
}

/* The class of functions that are neither async nor generators. */
static uint16_t plain_class;

/* In the place of JS_NewObjectClass. */
static Value new_object_of(Context *context, int class) {
  const Object *models = class == plain_class ? kept_object(context, MODELS) : NULL;
  if (models == NULL) return engine.new_object_of(context, class);
  static const Value values[BOTH] = {{{0}, TAG_UNDEFINED}, {{0}, TAG_UNDEFINED}};
  Object *function = engine.allocate(context, sizeof(Array));
  Value *place = function == NULL ? NULL : engine.allocate(context, (size_t)models->shape->room * sizeof *place);
  if (place == NULL) {
    engine.free(context, function);
    return exception;
  }
  Value made = complete_alike(models, function, place, values);
  function->class = plain_class;
  return made;
}

/* An object with so many of the two properties, of the values. */
static Value new_model(Context *context, Value prototype, int count, const Value *values) {
  static const char *const names[] = {"length", "name"};
  Value model = engine.new_object(context, prototype);
  for (int i = 0; i < count && tag_of(model) == TAG_OBJECT; i++) {
    if (engine.define_named(context, model, names[i], duplicate(values[i]), CONFIGURABLE) >= 0) continue;
    release(context, model);
    return exception;
  }
  return model;
}

/* Whether the models' three shapes follow each other, and nothing differs but one more property. */
static int follow(const Object *models) {
  const Shape *first = model_with(models, 0)->shape;
  for (int count = 0; count <= BOTH; count++) {
    const Shape *shape = model_with(models, count)->shape;
    if (!shape->is_shared || shape->count != count || shape->deleted != 0 || shape->room != first->room || shape->room < BOTH ||
        shape->prototype != first->prototype || model_with(models, count)->class != CLASS_OBJECT)
      return 0;
    for (int slot = 0; slot < count; slot++)
      if (shape->slots[slot].flags != CONFIGURABLE || shape->slots[slot].atom != models->shape->slots[slot].atom) return 0;
  }
  return 1;
}

int keep_functions(Context *context, Value some_function) {
  Value models[BOTH + 1] = {undefined, undefined, undefined}, prototype = engine.prototype_of(context, some_function);
  int ok = 1;
  for (int count = 0; count <= BOTH && ok; count++) {
    const Value values[BOTH] = {count == BOTH ? models[1] : undefined, models[0]};
    models[count] = new_model(context, prototype, count, values);
    ok = tag_of(models[count]) == TAG_OBJECT;
  }
  if (ok && follow(object_of(models[BOTH])) && !keep_object(context, MODELS, models[BOTH])) {
    engine.throw_out_of_memory(context);
    ok = 0;
  }
  for (int count = 0; count <= BOTH; count++) release(context, models[count]);
  release(context, prototype);
  return ok;
}

int define_functions(Value plain) {
  if (!detour((void *)engine.define, "JS_DefinePropertyValue", (void *)define)) return 0;
  plain_class = engine.class_of(plain);
  detour((void *)engine.new_object_of, "JS_NewObjectClass", (void *)new_object_of);
  return 1;
}

/* What stands for the engine's JS_DefinePropertyValue in other libraries of ours. */
void *builtins_define(void) { return (void *)define; }
