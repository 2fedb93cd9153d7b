/*
 * The stack of errors as other engines tell it: what the error says, and below it the frames; see builtins.c.
 *
 * The engine's `stack` has the frames only, so whoever logged nothing else lost the message. In V8 it begins with what
 * Error.prototype.toString makes of the error when the property is first read, and stays so; before that it is an
 * accessor of the error's own. Thus the name is told that a constructor assigns behind super().
 *
 * Theory of operation. Where an error is made, or thrown without one, the engine defines its `stack` by
 * JS_DefinePropertyValue, which is led to us (builtins_functions.c). In contexts of the platform's the error gets an
 * accessor in its place: a function that has the frames as its data, and answers to reading and to assigning. So no
 * code of an app's runs where the engine is at work on an error, and nothing is made of the message: that is when
 * somebody reads it, as with any getter. What it comes to then has its place in the function.
 *
 * The function is not given the error, which would keep itself by it, but a number by which to find it where it is
 * read, or among what that inherits from. Of others, a proxy say, the text is told as they are asked, and not kept.
 *
 * A few small blocks are all that it takes, and they are not refused (builtins_compiling.c): a refusal here would take
 * the place of the error that is thrown.
 *
 * Threads: every call comes from the engine, and the engine runs with Python's GIL held. A turn may be suspended in the
 * midst of it: all is the heap's.
 */

#include "builtins.h"

/* What the function has: the frames, or all once it was read; of whom, or undefined from then on; the frames. And where
   that lies in what the engine keeps of the function (quickjs.c, JSCFunctionDataRecord). */
enum { TEXT = 0, OWNER, FRAMES, DATA, DATA_AT = 16 };

Atom atom_of_stack;

/* NULL: the engine is not as it is known here. */
static Generic *to_string, *concat;
static Atom stack_atom;
static uint16_t error_class, accessor_class;

static int32_t number_of(const void *object) { return (int32_t)((uintptr_t)object >> 4); }

/* Of an object that is read, which may inherit: whose the function is; NULL: of neither. */
static Object *owner_of(Value object, int32_t number) {
  Object *owner = object_of(object);
  while (owner != NULL && number_of(owner) != number) owner = owner->shape->prototype;
  return owner;
}

/* What is told of the object, and then the frames, if there are any. */
static Value tell(Context *context, Value object, Value frames) {
  Value told = to_string(context, object, 0, NULL);
  if (tag_of(told) == TAG_EXCEPTION || tag_of(frames) == TAG_UNDEFINED) return told;
  Value all = exception, parts[] = {told, engine.new_string(context, "\n", 1), frames};
  /* What it is the method of is copied, and a message may be long. */
  Value empty = tag_of(parts[1]) == TAG_EXCEPTION ? exception : engine.new_string(context, "", 0);
  if (length_of_string(told) == 0)
    all = duplicate(frames);
  else if (tag_of(empty) != TAG_EXCEPTION)
    all = concat(context, empty, 3, parts);
  release(context, empty);
  release(context, parts[1]);
  release(context, told);
  return all;
}

/* The accessor: it is called with a value where that is assigned. */
static Value access(Context *context, Value this, int count, Value *arguments, int magic, Value *data) {
  (void)magic;
  if (tag_of(this) != TAG_OBJECT) return undefined;
  if (count > 0) {
    int result = engine.define(context, this, stack_atom, duplicate(arguments[0]), CONFIGURABLE_WRITABLE | THROWS);
    return result < 0 ? exception : undefined;
  }
  Value owner = data[OWNER], frames = data[TEXT];
  if (tag_of(owner) == TAG_UNDEFINED) return duplicate(frames);
  /* A getter of the message's that reads it gets the frames. */
  data[OWNER] = undefined;
  Object *found = owner_of(this, owner.as.integer);
  Value told_of = duplicate(found == NULL ? this : (Value){{.pointer = found}, TAG_OBJECT});
  Value all = tell(context, told_of, frames);
  if (tag_of(all) == TAG_EXCEPTION || found == NULL) {
    data[OWNER] = owner;
  } else {
    data[TEXT] = duplicate(all);
    release(context, frames);
  }
  release(context, told_of);
  return all;
}

/* Of the engine's text, which nobody else has yet: without the break of the line behind the last frame. */
static void end_last_line(Value text) {
  uint32_t length = length_of_string(text);
  char *octets = (char *)octets_of_string(text);
  uint16_t *units = (uint16_t *)units_of_string(text);
  if (*count_of(text) != 1 || length == 0 || (octets != NULL ? octets[length - 1] : units[length - 1]) != '\n') return;
  --*((uint32_t *)text.as.pointer + 1);
  if (octets != NULL) octets[length - 1] = 0;
}

/* Have an object tell of these frames, which it takes: where there is no text there are none. */
static int define(Context *context, Value object, Value frames, int flags) {
  if (tag_of(frames) == TAG_STRING) end_last_line(frames);
  int has_some = (tag_of(frames) == TAG_STRING || tag_of(frames) == TAG_ROPE) && length_of_string(frames) > 0;
  Value data[DATA] = {has_some ? frames : undefined, {{number_of(object.as.pointer)}, TAG_INT}, undefined};
  data[FRAMES] = data[TEXT];
  int result = -1;
  Sparing before = begin_telling(context);
  Value both = engine.new_function_with(context, access, 0, 0, DATA, data);
  if (tag_of(both) != TAG_EXCEPTION)
    result = engine.define_accessor(context, object, stack_atom, both, duplicate(both), CONFIGURABLE | flags);
  end_telling(context, before);
  release(context, frames);
  return result;
}

int define_stack(Context *context, Value object, Value frames) {
  if (object_of(object)->class != error_class || kept_object(context, MODELS) == NULL)
    return engine.define(context, object, stack_atom, frames, CONFIGURABLE_WRITABLE);
  return define(context, object, frames, 0);
}

/* keepStack(object, frames) */
Value keep_stack(Context *context, Value object, int count, Value *arguments) {
  if (tag_of(object) != TAG_OBJECT || count < 1) return undefined;
  if (concat == NULL) return engine.throw_type_error(context, "no stack can be kept");
  return define(context, object, duplicate(arguments[0]), THROWS) < 0 ? exception : undefined;
}

/* NULL: that is no such accessor. */
static Value *data_of(Value function) {
  char *record = engine.opaque_of(function, accessor_class);
  Data_function *const ours = access;
  return record != NULL && memcmp(record, &ours, sizeof ours) == 0 ? (Value *)(record + DATA_AT) : NULL;
}

/* framesOf(error), as long as nobody gave it another stack; or undefined. */
Value frames_of(Context *context, Value error, int count, Value *arguments) {
  (void)count, (void)arguments;
  Property property;
  if (tag_of(error) != TAG_OBJECT || object_of(error)->class != error_class) return undefined;
  int has_one = engine.get_own(context, &property, error, stack_atom);
  if (has_one <= 0) return has_one < 0 ? exception : undefined;
  const Value *data = tag_of(property.getter) == TAG_OBJECT ? data_of(property.getter) : NULL;
  Value frames = data == NULL ? undefined : duplicate(data[FRAMES]);
  release(context, property.value);
  release(context, property.getter);
  release(context, property.setter);
  return data != NULL && tag_of(frames) == TAG_UNDEFINED ? engine.new_string(context, "", 0) : frames;
}

static int proves_data(Context *context) {
  Value data[DATA] = {{{1}, TAG_INT}, {{2}, TAG_INT}, {{3}, TAG_INT}};
  Value function = engine.new_function_with(context, access, 0, 0, DATA, data);
  accessor_class = engine.class_of(function);
  const Value *found = tag_of(function) == TAG_OBJECT ? data_of(function) : NULL;
  int proof = found != NULL && memcmp(found, data, sizeof data) == 0;
  release(context, function);
  return proof;
}

static Generic *method_of(const char *type, const char *name) {
  Kept kept;
  return find_kept(type, name, &kept) && kept.kind == GENERIC ? (Generic *)kept.function : NULL;
}

/* Once a process, when what is listed was learned. */
void learn_errors(Context *context) {
  engine.throw_type_error(context, "a lesson");
  Value error = engine.take_exception(context);
  Property property;
  stack_atom = engine.new_atom(context, "stack", 5);
  to_string = method_of("Error", "toString");
  int proof = proves_data(context) && tag_of(error) == TAG_OBJECT && to_string != NULL;
  if (proof && engine.get_own(context, &property, error, stack_atom) > 0) {
    error_class = engine.class_of(error);
    Value prototype = engine.prototype_of(context, error);
    if (tag_of(property.value) == TAG_STRING && object_of(error)->shape->prototype == prototype.as.pointer)
      concat = method_of("String", "concat");
    release(context, prototype);
    release(context, property.value);
    release(context, property.getter);
    release(context, property.setter);
  }
  if (concat != NULL) atom_of_stack = stack_atom;
  release(context, error);
}

/* What it comes to is not what was expected: the engine's own again, and what is kept was made by then. */
void builtins_leave_stacks(void) { atom_of_stack = 0; }
