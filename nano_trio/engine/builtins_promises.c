/*
 * The promise of an async function, with the two functions that settle it; see builtins.c.
 *
 * The engine makes them as `new Promise(executor)` does, with an executor that takes the two functions down: two objects
 * more, a call, and a length and a name for each function, of which nothing is ever seen. For whom it makes them calls
 * the two and no more: async functions and generators, modules, and the binding's own. So they are made here with what
 * they need to be called, in a third of the time; all that can be observed is the promise.
 */

#include "detours.h" /* before all others: it asks for more of them */

#include "builtins.h"

/* What the two functions have (JSPromiseFunctionData), and what they share: whether one was called. proves_resolving(). */
typedef struct {
  int references, is_resolved;
} Resolved;
typedef struct {
  Value promise;
  Resolved *resolved;
} Resolving;

/* Of the function that resolves; the one that rejects has the next. */
static uint16_t resolving_class;

static Value make_promise(Context *context, Value resolvers[2]) {
  Value promise = engine.new_object_of(context, promise_class), functions[2] = {undefined, undefined};
  Promise *state = NULL;
  Resolved *resolved = NULL;
  Resolving *kept[2] = {NULL, NULL};
  int ok = tag_of(promise) == TAG_OBJECT && (state = engine.allocate(context, sizeof *state)) != NULL &&
           (resolved = engine.allocate(context, sizeof *resolved)) != NULL;
  for (int i = 0; i < 2 && ok; i++) {
    functions[i] = engine.new_object_of(context, resolving_class + i);
    ok = tag_of(functions[i]) == TAG_OBJECT && (kept[i] = engine.allocate(context, sizeof *kept[i])) != NULL;
  }
  if (!ok) {
    for (int i = 0; i < 2; i++) {
      release(context, functions[i]);
      engine.free(context, kept[i]);
    }
    engine.free(context, resolved);
    engine.free(context, state);
    release(context, promise);
    return exception;
  }
  begin_promise(state, PENDING, undefined);
  engine.set_opaque(promise, state);
  *resolved = (Resolved){.references = 2};
  for (int i = 0; i < 2; i++) {
    *kept[i] = (Resolving){duplicate(promise), resolved};
    engine.set_opaque(functions[i], kept[i]);
    resolvers[i] = functions[i];
  }
  return promise;
}

/* In the place of JS_NewPromiseCapability. */
static Value new_promise(Context *context, Value resolvers[2]) {
  Value promise = make_promise(context, resolvers);
  if (spared_heaps > 0) spare_no_more(context, TO_LINK);
  return promise;
}

/* Whether the two functions are what is known of them; whether one was called. */
static int are_resolving(Context *context, Value promise, const Value resolvers[2], int is_resolved) {
  const Resolving *kept[2];
  for (int i = 0; i < 2; i++) {
    if (tag_of(resolvers[i]) != TAG_OBJECT || engine.class_of(resolvers[i]) != resolving_class + i) return 0;
    kept[i] = engine.opaque_of(resolvers[i], resolving_class + i);
    if (kept[i] == NULL || engine.size_of(context, kept[i]) < sizeof *kept[i] || tag_of(kept[i]->promise) != TAG_OBJECT ||
        kept[i]->promise.as.pointer != promise.as.pointer)
      return 0;
  }
  const Resolved *resolved = kept[0]->resolved;
  return resolved == kept[1]->resolved && engine.size_of(context, resolved) >= sizeof *resolved &&
         resolved->references == 2 && resolved->is_resolved == is_resolved && *count_of(promise) == 3;
}

/* Whether they are, of a promise that `make` made, and do what they should: the `first` settles it, and the other nothing. */
static int behave(Context *context, Value (*make)(Context *, Value[2]), int first) {
  Value resolvers[2], number = {{12345}, TAG_INT}, promise = make(context, resolvers);
  if (tag_of(promise) != TAG_OBJECT) return 0;
  if (!first) resolving_class = engine.class_of(resolvers[0]);
  int proof = are_resolving(context, promise, resolvers, 0) && engine.state_of(context, promise) == PENDING;
  if (proof) {
    release(context, engine.call(context, resolvers[first], undefined, 1, &number));
    release(context, engine.call(context, resolvers[1 - first], undefined, 0, NULL));
    proof = are_resolving(context, promise, resolvers, 1) && engine.state_of(context, promise) == FULFILLED + first &&
            engine.result_of(context, promise).as.integer == 12345;
  }
  release(context, resolvers[0]);
  release(context, resolvers[1]);
  proof = proof && *count_of(promise) == 1;
  release(context, promise);
  return proof;
}

int proves_resolving(Context *context) {
  int proof = 1;
  for (int first = 0; first < 2; first++)
    proof = proof && behave(context, engine.new_promise, first) && behave(context, new_promise, first);
  return proof;
}

int make_promises(void) { return detour((void *)engine.new_promise, "JS_NewPromiseCapability", (void *)new_promise); }
