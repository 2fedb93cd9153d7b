/*
 * What the parts of the allocator of JavaScript heaps share: allocator.c says how it works.
 */

#include <stddef.h>
#include <stdint.h>

#include "values.h"

typedef struct Pool Pool;
typedef struct Large Large;

/* What is known about a heap. */
typedef struct Heap {
  Pool *pool;
  Large *large;
  char *runtime; /* the engine's, with the accounts in it */
  void **held;   /* exceptions that heap_let_go frees */
  size_t held_count;
  int names_seen; /* so many there were when heap_hold_names looked at them */
  int names_from; /* where it is to go on; 0: it has looked at all lists */
  /* Called in the place of each refusal, where the engine takes none; NULL: it does. builtins_compiling.c: for what, and what the
     stack may be again afterwards, or 0. */
  void (*when_full)(struct Heap *);
  int purpose;
  size_t stack;
} Heap;

/* As in quickjs.h; allocator.py proves it. `functions` are the four. */
typedef struct {
  size_t count;
  size_t size;
  size_t limit;
  Heap *heap;
} State;

#define STATE_AT (4 * sizeof(void *))

/* Some more names than there are before an app makes any: a look at those would take each start 15 us. */
#define NAMES_AT_FIRST 1000

/* To be called in the midst of work that takes long: others may run meanwhile. NULL: they may not. */
extern void (*pause_turn)(void) __attribute__((visibility("hidden")));

/* What the engine gets where there is nothing to be had. */
void *heap_refuse(State *state) __attribute__((visibility("hidden")));
/* All that the heap has will be freed now. */
void heap_ends(Heap *heap) __attribute__((visibility("hidden")));
void *heap_malloc(State *state, size_t size);
void heap_free(State *state, void *block);
