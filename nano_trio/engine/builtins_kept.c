/*
 * Objects that a context keeps and no app knows of, for builtins_functions.c and builtins_steps.c.
 *
 * Theory of operation. Each lies in the place of the prototype of a class that has no objects. So the engine knows who holds
 * it, collects it, and frees it with the context. To find it there takes five calls of the engine, and nearly all functions
 * and properties that an app makes ask for one: a sixtieth of a request of a framework. So what the context has that asked
 * last is remembered. A context may come to lie where another lay: it is forgotten whenever one is made, and where that
 * cannot be noticed nothing is remembered.
 *
 * Threads: every call comes from the engine, or Python between turns, and the engine runs with Python's GIL held.
 */

#include "detours.h" /* before all others: it asks for more of them */

#include "builtins.h"

Remembered remembered;
static uint32_t classes[ALL_KEPT];
static int is_noticed;

int may_keep(void) { return classes[MODELS] != 0; }

const Object *find_object(Context *context, int which) {
  Remembered found = {.context = context};
  for (int i = 0; i < ALL_KEPT; i++) {
    if (!engine.is_class(engine.get_runtime(context), classes[i])) continue;
    Value object = engine.get_class_prototype(context, classes[i]);
    if (tag_of(object) == TAG_OBJECT) found.objects[i] = object_of(object);
    release(context, object); /* the context has it */
  }
  if (is_noticed) remembered = found;
  return found.objects[which];
}

int keep_object(Context *context, int which, Value object) {
  static const ClassDefinition definition = {.name = "lazy"};
  Runtime *runtime = engine.get_runtime(context);
  /* This function of the engine's throws nothing. */
  if (!engine.is_class(runtime, classes[which]) && engine.new_class(runtime, classes[which], &definition) < 0) return 0;
  remembered.context = NULL;
  engine.set_class_prototype(context, classes[which], duplicate(object));
  return 1;
}

/* In the place of JS_NewContextRaw. */
static Context *new_context(Runtime *runtime) {
  remembered.context = NULL;
  Context *context = engine.new_context(runtime);
  steps_begin(context);
  return context;
}

void learn_kept(void) {
  for (int i = 0; i < ALL_KEPT; i++) engine.new_class_number(&classes[i]);
  is_noticed = detour((void *)engine.new_context, "JS_NewContextRaw", (void *)new_context);
}
