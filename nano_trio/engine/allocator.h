/*
 * What the parts of the allocator of JavaScript heaps share: allocator.c says how it works.
 */

#include <stddef.h>
#include <stdint.h>

#include "values.h"

#define LARGEST 1024
#define CLASSES 40
#define GRAIN 8
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

typedef struct Pool Pool;
typedef struct Large Large;

typedef struct Slab {
  struct Slab *next, *previous; /* with room, of the same class; or the next empty one */
  Pool *pool;                   /* whose it is */
  void *free;                   /* the block that came back last, which points to the one before */
  char *fresh;                  /* the first block that was never handed out */
  char *end;                    /* where no block fits any more */
  uint32_t used;                /* blocks in use */
  uint16_t size;                /* of a block */
  uint8_t class;
  uint8_t clean;                /* its memory was given back to the system */
  uint64_t unused;              /* a cache line each */
} Slab;

/* Slabs that are handed out to the same heaps. */
struct Pool {
  Slab *with_room[CLASSES];
  int ends; /* its heap does */
};

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
/* The class of a size, by GRAIN bytes. */
extern uint8_t class_of[LARGEST / GRAIN + 1] __attribute__((visibility("hidden")));

/* Whether so many bytes more are too many. */
static inline int is_beyond(const State *state, size_t size) { return state->size + size > state->limit; }

/* What most blocks are, small and not the last of their slab, without a register to be saved; NULL: it is none of them. */
static inline void *take_small(State *state, size_t size) {
  const Heap *heap = state->heap;
  if (UNLIKELY(size > LARGEST || heap == NULL || is_beyond(state, size))) return NULL;
  Slab *slab = heap->pool->with_room[class_of[(size + GRAIN - 1) / GRAIN]];
  if (UNLIKELY(slab == NULL)) return NULL;
  void *block = slab->free;
  if (block != NULL) {
    void *next = *(void **)block;
    if (UNLIKELY(next == NULL && slab->fresh >= slab->end)) return NULL;
    slab->free = next;
  } else {
    char *next = slab->fresh + slab->size;
    if (UNLIKELY(next >= slab->end)) return NULL;
    block = slab->fresh;
    slab->fresh = next;
  }
  slab->used++;
  state->count++;
  state->size += slab->size;
  return block;
}

void *heap_malloc(State *state, size_t size);
void heap_free(State *state, void *block);
