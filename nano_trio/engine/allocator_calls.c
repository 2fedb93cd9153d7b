/*
 * Small blocks for the engine without the two functions of its own that lie between: whoever needs memory calls js_malloc,
 * that calls js_malloc_rt, and that the function of the runtime. Together they took as long as to hand out a block. A call
 * of js_malloc goes through the library's table of addresses, so it is led to a function of ours (detours.h), which does
 * the usual and has the engine do the rest: to tell of an error, for one.
 */

#include "detours.h" /* before all others: it asks for more of them */

#include "allocator.h"

/* Where a context has its runtime; heap_lead() proves it. */
#define RUNTIME_AT 24

static void *(*engine_malloc)(Context *, size_t);

static inline char *runtime_of(const Context *context) {
  char *runtime;
  memcpy(&runtime, (const char *)context + RUNTIME_AT, sizeof runtime);
  return runtime;
}

/* In the place of js_malloc. */
static void *context_malloc(Context *context, size_t size) {
  char *runtime = runtime_of(context);
  void *block = *(void **)runtime == (void *)heap_malloc ? take_small((State *)(runtime + STATE_AT), size) : NULL;
  return UNLIKELY(block == NULL) ? engine_malloc(context, size) : block;
}

/* Once a process: the engine's js_malloc, and a context with its runtime. What is called in its place; NULL: nothing is. */
void *heap_lead(void *function, const Context *context, const char *runtime) {
  if (engine_malloc != NULL || runtime_of(context) != runtime) return NULL;
  engine_malloc = (void *(*)(Context *, size_t))function;
  return detour(function, "js_malloc", (void *)context_malloc) ? (void *)context_malloc : NULL;
}
