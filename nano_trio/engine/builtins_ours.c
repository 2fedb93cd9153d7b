/*
 * What the engine can do for the platform, and JavaScript cannot say; see builtins.c.
 *
 * Theory of operation. Objects and promises are read and made where the engine keeps them (objects.h, and below): by its
 * exported functions it would take more than all the rest. Each structure is proved once a process. Nothing here calls a
 * function of an app, or looks a property up where a getter, a setter or a proxy of an app could be; where one is, the
 * function declines and JavaScript does it in the engine's own way. So nothing that happens here can be observed.
 */

#include "builtins.h"

/* One of them (JSPromiseReactionData). The engine calls the handler and then, if there is one, a resolving function with
   what it gave. proves_reactions() does. */
typedef struct {
  Reactions links;
  Value resolving[2], handler;
} Reaction;

uint16_t promise_class;
/* Of handlers: what each is for is its opaque pointer, and whom they call the prototype of the class. */
static uint32_t handler_class;

/* A promise that is fulfilled with the receiver. */
Value fulfilled(Context *context, Value value, int count, Value *arguments) {
  (void)count, (void)arguments;
  Promise *promise = engine.allocate(context, sizeof *promise);
  if (promise == NULL) return exception;
  Value object = engine.new_object_of(context, promise_class);
  if (tag_of(object) == TAG_EXCEPTION) {
    engine.free(context, promise);
    return exception;
  }
  begin_promise(promise, FULFILLED, duplicate(value));
  engine.set_opaque(object, promise);
  return object;
}

/* Whether that is what the engine has of a promise. */
static int is_promise(Context *context, Value object, int state, Value result) {
  const Promise *promise = engine.opaque_of(object, promise_class);
  if (promise == NULL || engine.size_of(context, promise) < sizeof *promise || engine.state_of(context, object) != state) return 0;
  const Reactions *both = promise->reactions;
  return promise->state == state && promise->is_handled == 0 && both[0].next == both && both[0].previous == both &&
         both[1].next == both + 1 && both[1].previous == both + 1 && promise->result.tag == result.tag &&
         (tag_of(result) == TAG_UNDEFINED || promise->result.as.integer == result.as.integer);
}

/* Whether Promise is what the engine keeps of one, pending and fulfilled. */
static int proves_promise(Context *context) {
  Value resolvers[2], number = {{12345}, TAG_INT}, object = engine.new_promise(context, resolvers);
  if (tag_of(object) != TAG_OBJECT) return 0;
  promise_class = engine.class_of(object);
  int proof = is_promise(context, object, PENDING, undefined);
  release(context, engine.call(context, resolvers[0], undefined, 1, &number));
  Value made = fulfilled(context, number, 0, NULL);
  proof = proof && is_promise(context, object, FULFILLED, number) && tag_of(made) == TAG_OBJECT &&
          is_promise(context, made, FULFILLED, number) && engine.result_of(context, made).as.integer == 12345;
  release(context, made);
  release(context, object);
  release(context, resolvers[0]);
  release(context, resolvers[1]);
  return proof;
}

int has_own(Context *context, Value object, Value name, Value wanted, int as_getter) {
  Property property = {.value = undefined, .getter = undefined, .setter = undefined};
  uint32_t atom = engine.atom_of(context, name);
  int found = atom == 0 ? -1 : engine.get_own(context, &property, object, atom);
  if (atom != 0) engine.free_atom(context, atom);
  if (found <= 0) return found;
  Value value = as_getter ? property.getter : property.value;
  int is_that = tag_of(value) == TAG_OBJECT && value.as.pointer == wanted.as.pointer;
  release(context, property.value);
  release(context, property.getter);
  release(context, property.setter);
  return is_that;
}

/* What a function makes of nothing: a model for make_alike(). */
Value model_of(Context *context, Value make, int count, Value *arguments) {
  (void)count, (void)arguments;
  Value nothing[] = {null, null};
  return engine.call(context, make, undefined, 2, nothing);
}

/* An object of the receiver's shape, whose own properties are the arguments, in the order in which the receiver got its. */
Value make_alike(Context *context, Value model, int count, Value *arguments) {
  const Object *like = tag_of(model) == TAG_OBJECT ? object_of(model) : NULL;
  const Shape *shape = like == NULL ? NULL : like->shape;
  int is_plain = like != NULL && like->class == CLASS_OBJECT && shape->is_shared && shape->deleted == 0 && count > 0 &&
                 shape->count == count;
  for (int i = 0; i < count && is_plain; i++) is_plain = (shape->slots[i].flags & NO_VALUE) == 0;
  if (!is_plain) return engine.throw_type_error(context, "there is no object like that with %d properties", count);
  Object *object = engine.allocate(context, sizeof(Array));
  Value *values = object == NULL ? NULL : engine.allocate(context, (size_t)shape->room * sizeof *values);
  if (values == NULL) {
    engine.free(context, object);
    return exception;
  }
  for (int i = 0; i < count; i++) duplicate(arguments[i]);
  return complete_alike(like, object, values, arguments);
}

/* Whether the engine keeps objects as it is known here: two that are alike have one shape. */
static int proves_objects(Context *context) {
  Value made[] = {engine.new_object(context, null), engine.new_object(context, null), undefined};
  int proof = 1;
  for (int i = 0; i < 2 && proof; i++) {
    proof = tag_of(made[i]) == TAG_OBJECT &&
            engine.define_named(context, made[i], "one", (Value){{10 + i}, TAG_INT}, CONFIGURABLE_WRITABLE_ENUMERABLE) > 0 &&
            (i == 1 || object_of(made[0])->shape != object_of(made[1])->shape) &&
            engine.define_named(context, made[i], "other", (Value){{20 + i}, TAG_INT}, CONFIGURABLE_WRITABLE) > 0;
  }
  if (proof) {
    const Object *first = object_of(made[0]), *second = object_of(made[1]);
    const Shape *shape = first->shape;
    proof = first->class == CLASS_OBJECT && second->shape == shape && shape->references == 2 && shape->is_shared == 1 &&
            shape->room >= 2 && shape->count == 2 && shape->deleted == 0 && shape->prototype == NULL &&
            shape->slots[0].flags == CONFIGURABLE_WRITABLE_ENUMERABLE && shape->slots[1].flags == CONFIGURABLE_WRITABLE &&
            /* All are in one list, and those that are made one after the other beside each other. */
            first->links[1] == second->links && second->links[0] == first->links && second->weak_references == 0 &&
            engine.size_of(context, first) >= sizeof(Array) && engine.size_of(context, second) >= sizeof(Array);
    for (int i = 0; i < 2; i++) {
      const Value *values = object_of(made[i])->values;
      proof = proof && tag_of(values[0]) == TAG_INT && values[0].as.integer == 10 + i && values[1].as.integer == 20 + i;
      proof = proof && slot_of(shape, shape->slots[i].atom) == &shape->slots[i];
    }
  }
  if (proof) {
    Value passed[] = {{{30}, TAG_INT}, {{40}, TAG_INT}};
    made[2] = make_alike(context, made[0], 2, passed);
    proof = tag_of(made[2]) == TAG_OBJECT && object_of(made[2])->shape == object_of(made[0])->shape &&
            engine.get(context, made[2], "one").as.integer == 30 && engine.get(context, made[2], "other").as.integer == 40;
  }
  for (int i = 0; i < 3; i++) release(context, made[i]);
  return proof;
}

/* What a promise's handlers call, once it is settled, and with what: a number, and whether it was rejected. */
static Value settled(Context *context, Value handler, Value this, int count, Value *arguments, int flags) {
  (void)this, (void)flags;
  uintptr_t what = (uintptr_t)engine.opaque_of(handler, handler_class);
  Value passed[3] = {{{(int32_t)(what >> 1)}, TAG_INT}, {{(int32_t)(what & 1)}, TAG_BOOL}, count > 0 ? arguments[0] : undefined};
  Value function = engine.get_class_prototype(context, handler_class);
  Value result = engine.call(context, function, undefined, 3, passed);
  release(context, function);
  return result;
}

/* Whether to await that would do no more than to wait: it is a promise as they are made, and `constructor` of their
   prototype as it was, a value. */
static int is_plain_promise(Context *context, Value object, Value name, Value constructor) {
  if (tag_of(object) != TAG_OBJECT || engine.opaque_of(object, promise_class) == NULL) return 0;
  const Shape *shape = object_of(object)->shape;
  Value prototype = engine.get_class_prototype(context, promise_class);
  int is_so = shape->count == 0 && tag_of(prototype) == TAG_OBJECT && shape->prototype == prototype.as.pointer;
  if (is_so) is_so = has_own(context, prototype, name, constructor, 0);
  release(context, prototype);
  return is_so;
}

/* Add a reaction for that number: `reactions` are the promise's to one of both ends. 0: out of memory. */
static int add_reaction(Context *context, Reactions *reactions, uintptr_t what) {
  Reaction *made = engine.allocate(context, sizeof *made);
  if (made == NULL) return 0;
  Value handler = engine.new_object_of(context, (int)handler_class);
  if (tag_of(handler) == TAG_EXCEPTION) {
    engine.free(context, made);
    return 0;
  }
  engine.set_opaque(handler, (void *)what);
  *made = (Reaction){.links = {reactions->previous, reactions}, .resolving = {undefined, undefined}, .handler = handler};
  made->links.previous->next = &made->links;
  reactions->previous = &made->links;
  return 1;
}

/*
 * subscribe(promise, number, function, "constructor", Promise): once the promise is settled, as a job where `await` would
 * go on, the function is called with the number, whether it was rejected, and its value or reason. False, and nothing is
 * done, where `await` could be seen, or the promise is settled. In an isolate that is always the same function.
 */
Value subscribe(Context *context, Value object, int count, Value *arguments) {
  static const ClassDefinition definition = {.name = "handler", .call = settled};
  const Value no = {{0}, TAG_BOOL}, yes = {{1}, TAG_BOOL};
  if (count < 4 || tag_of(arguments[0]) != TAG_INT || arguments[0].as.integer < 0) return no;
  int is_plain = is_plain_promise(context, object, arguments[2], arguments[3]);
  if (is_plain < 0) return exception;
  Promise *promise = engine.opaque_of(object, promise_class);
  if (!is_plain || promise->state != PENDING) return no;
  if (!engine.is_class(engine.get_runtime(context), handler_class)) {
    /* This function of the engine's throws nothing. */
    if (engine.new_class(engine.get_runtime(context), handler_class, &definition) < 0)
      return engine.throw_out_of_memory(context);
    engine.set_class_prototype(context, handler_class, duplicate(arguments[1]));
  }
  uintptr_t what = (uintptr_t)arguments[0].as.integer << 1;
  if (!add_reaction(context, &promise->reactions[0], what)) return exception;
  /* The engine would call the first alone. */
  if (!add_reaction(context, &promise->reactions[1], what | 1)) {
    Reaction *first = (Reaction *)promise->reactions[0].previous;
    promise->reactions[0].previous = first->links.previous;
    first->links.previous->next = &promise->reactions[0];
    release(context, first->handler);
    engine.free(context, first);
    return exception;
  }
  promise->is_handled = 1;
  return yes;
}

static Value do_nothing(Context *context, Value this, int count, Value *arguments) {
  (void)context, (void)this, (void)count, (void)arguments;
  return undefined;
}

static int is_reaction(Context *context, const Reactions *reaction, Value handler) {
  const Reaction *known = (const Reaction *)reaction;
  return engine.size_of(context, known) >= sizeof *known && tag_of(known->resolving[0]) == TAG_OBJECT &&
         tag_of(known->resolving[1]) == TAG_OBJECT && tag_of(known->handler) == TAG_OBJECT &&
         known->handler.as.pointer == handler.as.pointer;
}

/* Whether Reaction is what the engine keeps of what it was given by `then`, and in which order. */
static int proves_reactions(Context *context) {
  Value resolvers[2], handlers[4], promise = engine.new_promise(context, resolvers);
  if (tag_of(promise) != TAG_OBJECT) return 0;
  Value then = engine.get(context, promise, "then");
  int proof = object_of(promise)->shape->count == 0;
  for (int i = 0; i < 4; i++) {
    handlers[i] = engine.new_function(context, do_nothing, "", 0, GENERIC, 0);
    proof = proof && tag_of(handlers[i]) == TAG_OBJECT;
  }
  for (int i = 0; i < 4 && proof; i += 2) {
    Value derived = engine.call(context, then, promise, 2, &handlers[i]);
    proof = tag_of(derived) == TAG_OBJECT;
    release(context, derived);
  }
  const Promise *known = engine.opaque_of(promise, promise_class);
  proof = proof && known->is_handled == 1;
  for (int i = 0; i < 2 && proof; i++) {
    const Reactions *head = &known->reactions[i], *first = head->next, *second = head->previous;
    proof = first != head && second != head && first != second && first->previous == head && first->next == second &&
            second->previous == first && second->next == head && is_reaction(context, first, handlers[i]) &&
            is_reaction(context, second, handlers[2 + i]);
  }
  for (int i = 0; i < 4; i++) release(context, handlers[i]);
  release(context, then);
  release(context, promise);
  release(context, resolvers[0]);
  release(context, resolvers[1]);
  return proof;
}

int proves_ours(Context *context) {
  engine.new_class_number(&handler_class);
  return proves_objects(context) && proves_arrays(context) && proves_strings(context) && proves_promise(context) &&
         proves_reactions(context) && proves_resolving(context);
}
