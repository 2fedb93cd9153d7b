/*
 * Functions that have data, and `instanceof`, called with a look at the stack; see builtins.c.
 *
 * Theory of operation. The engine looks whether there is stack left where it calls a function of JavaScript's, one of C or
 * a bound one, but not where it calls one of C that was made with data (JS_NewCFunctionData). Those call what their data
 * has: what `finally` gives to `then` calls the app's callback, and what Promise.all gives to `then` calls the capability's
 * function; and both an app can get hold of and give to the next. A hundred thousand of them, each calling the one before,
 * were enough to end the process. Ours are such functions too: what AsyncLocalStorage binds, for one.
 *
 * Each runtime has an array of its classes, with the function that calls their objects. That of these functions is ours,
 * which looks and then calls the engine's.
 *
 * Nor does it look where `instanceof` asks a bound function, which has the one that it binds be asked in its place
 * (ECMA-262, 7.3.21): where those have no Symbol.hasInstance, as an app can see to, no function is called in between. A
 * hundred thousand of them ended the process as well. Each is asked by the engine's exported JS_IsInstanceOf, which is led to
 * ours (detours.h).
 */

#include "detours.h" /* before all others: it asks for more of them */

#include "builtins.h"

/* Where a runtime has how many classes there may be, and them. */
enum { COUNT_AT = 108, CLASSES_AT = 112 };

static uint16_t data_class;
static Value (*own_call)(Context *, Value object, Value this, int count, Value *arguments, int flags);

static Value call_with_data(Context *context, Value object, Value this, int count, Value *arguments, int flags) {
  if (engine.lacks_stack(context, 0)) return engine.throw_range_error(context, STACK_IS_USED_UP);
  return own_call(context, object, this, count, arguments, flags);
}

static Value nothing(Context *context, Value this, int count, Value *arguments, int magic, Value *kept) {
  (void)context, (void)this, (void)count, (void)arguments, (void)magic, (void)kept;
  return undefined;
}

Class *class_of_runtime(Runtime *runtime, uint32_t number) {
  int32_t count;
  Class *classes;
  memcpy(&count, (char *)runtime + COUNT_AT, sizeof count);
  memcpy(&classes, (char *)runtime + CLASSES_AT, sizeof classes);
  return count > 0 && count <= 1 << 16 && number < (uint32_t)count && classes[number].number == number ? &classes[number] : NULL;
}

void guard_calls(Context *context) {
  Class *class = class_of_runtime(engine.get_runtime(context), data_class);
  if (class != NULL && class->call == own_call) class->call = call_with_data;
}

int proves_classes(Context *context) {
  Runtime *runtime = engine.get_runtime(context);
  static uint32_t number;
  const ClassDefinition definition = {.name = "proof", .call = call_with_data};
  engine.new_class_number(&number);
  Value function = engine.new_function_with(context, nothing, 0, 0, 0, NULL);
  int proof = tag_of(function) == TAG_OBJECT && engine.new_class(runtime, number, &definition) == 0;
  const Class *proven = proof ? class_of_runtime(runtime, number) : NULL;
  proof = proven != NULL && proven->call == call_with_data && proven->finalizer == NULL && proven->mark == NULL && proven->exotic == NULL;
  if (proof) {
    data_class = engine.class_of(function);
    const Class *class = class_of_runtime(runtime, data_class);
    proof = class != NULL && class->call != NULL && class->finalizer != NULL && class->mark != NULL && class->exotic == NULL;
    if (proof) own_call = class->call;
  }
  release(context, function);
  return proof;
}

/* In the place of JS_IsInstanceOf. */
static int is_instance(Context *context, Value value, Value constructor) {
  if (!engine.lacks_stack(context, 0)) return engine.is_instance(context, value, constructor);
  engine.throw_range_error(context, STACK_IS_USED_UP);
  return -1;
}

void guard_instances(void) { detour((void *)engine.is_instance, "JS_IsInstanceOf", (void *)is_instance); }
