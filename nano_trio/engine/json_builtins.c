/*
 * JSON.parse and JSON.stringify (ECMA-262, 25.5) for plain data.
 *
 * Theory of operation. The engine's own are general: to write an object it makes an array of its keys, a string of
 * each, and looks for a toJSON method at every value; to read one it makes a value of each token, and frees it again.
 * Those here know the frequent case and no other: objects and arrays of strings, numbers, booleans and null. Whatever
 * else they meet (a toJSON, a getter, a proxy, a boxed value, a replacer, an indentation, a circle, malformed text) they
 * give up, and the engine's own function does it all again. That may be done, as nothing that happens here can be
 * observed: no function of an app is called, and no property is looked up where one could be.
 *
 *     stringify, parse, and their parts: DONE, NOT_OURS, or FAILED: the engine has an exception pending
 *
 * To ask the engine for the names of an object, and then for each value, takes more than all the rest of writing it; and to
 * give an object its properties one by one takes half of reading it. So objects are read where the engine keeps them,
 * and made as it would keep them (json_builtins.h).
 *
 * json_builtins_write.c has stringify, json_builtins_read.c parse, json_builtins.h what both need of the engine, and
 * json_builtins_entries.c one that is not JSON's.
 *
 * They are as long as their data, and all others would wait. So they poll as the engine does where code branches: each
 * value counts down the context's counter (polling.py), and at its end a function that does nothing is called, which is
 * when the engine asks its interrupt handler. The turn may be suspended in there, and other isolates come to run; code
 * of this one does not. It may be told to stop: an exception that nobody can catch is pending then, as in a loop.
 *
 * What is one value, a long string say, may take long as well. So a turn is suspended also where it is in their midst,
 * as in the engine's own functions (poll_timer.c). Everything that they work on is the call's own, or `common`.
 *
 * Threads: every call comes from the engine, and the engine runs with Python's GIL held.
 */

#include "json_builtins.h"

Engine engine;
uint8_t dense_bit;
Atom length_atom, to_json_atom, iterator_atom, next_atom, done_atom, value_atom, return_atom;
Function *own_parse, *own_from_entries;
char escapes[256];

static long counter_at;

static Value do_nothing(Context *context, Value this, int count, Value *arguments) {
  (void)context, (void)this, (void)count, (void)arguments;
  return undefined;
}

Pace pace_of(Context *context) {
  return (Pace){context, (int32_t *)((char *)context + counter_at), undefined};
}

Outcome poll(Pace *pace) {
  if (tag_of(pace->nothing) == TAG_UNDEFINED) {
    pace->nothing = engine.new_function(pace->context, do_nothing, "", 0, GENERIC, 0);
    if (tag_of(pace->nothing) == TAG_EXCEPTION) return FAILED;
  }
  *pace->counter = 1;
  return tag_of(engine.call(pace->context, pace->nothing, undefined, 0, NULL)) == TAG_EXCEPTION ? FAILED : DONE;
}

void end_pace(Pace *pace) { release(pace->context, pace->nothing); }

/* Put one in the place of the engine's. Out of memory, the engine's own remains. */
static void put(Context *context, const char *place, const char *name, Function *code, int length) {
  Value global = engine.get_global(context), object = engine.get(context, global, place);
  Value function = engine.new_function(context, code, name, length, GENERIC, 0);
  if (tag_of(object) == TAG_OBJECT && tag_of(function) == TAG_OBJECT)
    engine.define_named(context, object, name, duplicate(function), CONFIGURABLE_WRITABLE);
  release(context, function);
  release(context, engine.get_exception(context));
  release(context, object);
  release(context, global);
}

/* Put all in the place of the engine's. The context has seen no other code. */
void json_install(Context *context) {
  put(context, "JSON", "parse", parse, 2);
  put(context, "JSON", "stringify", stringify, 3);
  put(context, "Object", "fromEntries", from_entries, 1);
}

/* The C function behind one of the engine's, which is the same in all contexts: called as a function of its own it would
   be in the stack of its errors twice. NULL: the engine does not keep it as it is known here. */
static Function *own(Context *context, const char *place, const char *name, int length) {
  Value global = engine.get_global(context), object = engine.get(context, global, place);
  Value own = engine.get(context, object, name), known = engine.new_function(context, parse, "proof", 7, GENERIC, 12345);
  Function *code = NULL;
  if (tag_of(own) == TAG_OBJECT && tag_of(known) == TAG_OBJECT && engine.class_of(own) == engine.class_of(known) &&
      keeps(known, context, (void *)parse, 7, GENERIC, 12345)) {
    code = (Function *)kept_of(own).function;
    if (!keeps(own, context, (void *)code, length, GENERIC, 0)) code = NULL;
  }
  release(context, known);
  release(context, own);
  release(context, object);
  release(context, global);
  return code;
}

/* Whether the engine keeps an array as it is known here. */
static int is_array_kept_so(Context *context) {
  Value value = engine.new_array(context);
  int is_so = tag_of(value) == TAG_OBJECT;
  for (uint32_t i = 0; i < 3 && is_so; i++)
    is_so = engine.define_at(context, value, i, (Value){{40 + (int32_t)i}, TAG_INT}, CONFIGURABLE_WRITABLE_ENUMERABLE) > 0;
  if (is_so) {
    const Array *array = array_of(value);
    const Value *length = array->object.values;
    is_so = array->object.class == CLASS_ARRAY && array->object.shape->slots[0].atom == length_atom && array->count == 3 &&
            array->room >= 3 && tag_of(length[0]) == TAG_INT && length[0].as.integer == 3;
    for (int i = 0; i < 3 && is_so; i++)
      is_so = tag_of(array->elements[i]) == TAG_INT && array->elements[i].as.integer == 40 + i;
    /* One with a gap is no such array any more. */
    uint8_t bits = array->object.bits[1];
    is_so = is_so && engine.define_at(context, value, 10, null, CONFIGURABLE_WRITABLE_ENUMERABLE) > 0;
    dense_bit = bits & ~array->object.bits[1];
    is_so = is_so && dense_bit != 0 && (dense_bit & (dense_bit - 1)) == 0;
  }
  release(context, value);
  return is_so;
}

/* Whether the engine keeps objects as it is known here: two that are alike have one shape. */
static int is_kept_so(Context *context) {
  Value objects[] = {engine.new_object(context), engine.new_object(context)}, prototype = null;
  int is_so = 1;
  for (int i = 0; i < 2 && is_so; i++) {
    is_so = tag_of(objects[i]) == TAG_OBJECT &&
            engine.define(context, objects[i], length_atom, (Value){{10 + i}, TAG_INT}, CONFIGURABLE_WRITABLE_ENUMERABLE) > 0 &&
            engine.define(context, objects[i], next_atom, (Value){{20 + i}, TAG_INT}, CONFIGURABLE_WRITABLE) > 0;
  }
  if (is_so) {
    const Object *first = object_of(objects[0]), *second = object_of(objects[1]);
    const Shape *shape = first->shape;
    prototype = engine.prototype_of(context, objects[0]);
    is_so = first->class == CLASS_OBJECT && second->shape == shape && shape->references == 2 && shape->is_shared == 1 &&
            shape->room >= 2 && shape->count == 2 && shape->deleted == 0 && shape->prototype == prototype.as.pointer &&
            shape->slots[0].atom == length_atom && shape->slots[0].flags == CONFIGURABLE_WRITABLE_ENUMERABLE &&
            shape->slots[1].atom == next_atom && shape->slots[1].flags == CONFIGURABLE_WRITABLE;
    for (int i = 0; i < 2; i++) {
      const Value *values = object_of(objects[i])->values;
      is_so = is_so && tag_of(values[0]) == TAG_INT && values[0].as.integer == 10 + i && values[1].as.integer == 20 + i;
    }
  }
  if (is_so) {
    /* All are in one list, and those that are made one after the other beside each other. */
    is_so = object_of(objects[0])->links[1] == object_of(objects[1])->links &&
            object_of(objects[1])->links[0] == object_of(objects[0])->links && object_of(objects[1])->weak_references == 0 &&
            engine.size_of(context, object_of(objects[0])) >= sizeof(Array) &&
            engine.size_of(context, object_of(objects[1])) >= sizeof(Array);
  }
  release(context, prototype);
  release(context, objects[0]);
  release(context, objects[1]);
  return is_so && is_array_kept_so(context);
}

/* The atom of Symbol.iterator; 0: there is none. */
static Atom atom_of_iterator(Context *context) {
  Value global = engine.get_global(context), symbols = engine.get(context, global, "Symbol");
  Value symbol = engine.get(context, symbols, "iterator");
  Atom atom = tag_of(symbol) == TAG_SYMBOL ? engine.atom_of(context, symbol) : 0;
  release(context, symbol);
  release(context, symbols);
  release(context, global);
  return atom;
}

/* Where all this lies in memory, from and to. */
void json_lies(uintptr_t range[2]) {
  extern char __ehdr_start[] __attribute__((visibility("hidden"))), etext[] __attribute__((visibility("hidden")));
  range[0] = (uintptr_t)__ehdr_start;
  range[1] = (uintptr_t)etext;
}

/* Once a process, before all others. `offset`: where the counter lies in each context. 0: something is not as it is known
   here. */
int json_start(const Engine *functions, Context *context, long offset) {
  engine = *functions;
  counter_at = offset;
  length_atom = engine.new_atom(context, "length", 6);
  to_json_atom = engine.new_atom(context, "toJSON", 6);
  next_atom = engine.new_atom(context, "next", 4);
  done_atom = engine.new_atom(context, "done", 4);
  value_atom = engine.new_atom(context, "value", 5);
  return_atom = engine.new_atom(context, "return", 6);
  for (int octet = 0; octet < 32; octet++) escapes[octet] = 'u';
  escapes['\b'] = 'b', escapes['\t'] = 't', escapes['\n'] = 'n', escapes['\f'] = 'f', escapes['\r'] = 'r';
  escapes['"'] = '"', escapes['\\'] = '\\';
  escapes[0xed] = MAYBE_SURROGATE;
  iterator_atom = atom_of_iterator(context);
  own_parse = own(context, "JSON", "parse", 2);
  own_from_entries = own(context, "Object", "fromEntries", 1);
  return iterator_atom != 0 && own_parse != NULL && own_from_entries != NULL && is_kept_so(context);
}

/* Once a process, or never: what defines properties from now on, which does what the engine's function does. */
void json_define_by(int (*define)(Context *, Value object, Atom, Value, int flags)) { engine.define = define; }
