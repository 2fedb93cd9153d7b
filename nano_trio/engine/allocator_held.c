/*
 * What a heap holds on to that the engine would free: exceptions that somebody may work on, and names.
 *
 * Theory of operation. Where memory runs out the engine throws, and the new exception takes the place of the pending one
 * and frees it, also where somebody is at work on that. So it is held, until the isolate is closed (heap_let_go).
 *
 * Names: a property's name is in one of the engine's lists, of names with the same lower bits of a hash that anybody can
 * compute, newest first; to free one is to walk up to it. So an object of 60,000 names that a client has chosen, from a
 * form say, took 4 s to free, in one native call. Those of a list that has grown long are held (heap_hold_names) until
 * the runtime goes, which frees names one by one without such a walk.
 */

#include <stdlib.h>
#include <string.h>

#include "allocator.h"

/* What is added to the count of an exception that is held. */
#define HELD (1 << 30)
/* How many bytes before the table of names the engine has the number of its places. */
#define NAMES_BEHIND_COUNT 16
/* The number of names, the number of lists of them, and where those begin. */
#define NAMES_BEHIND_USED 20
#define NAMES_BEHIND_LISTS 24
#define NAMES_BEHIND_FIRST 8
/* Names of a list that is longer than any that nobody made long: there are at least half as many lists as names. */
#define LONGEST_LIST 40
/* A look at so many takes less than a fifth of a slice. */
#define NAMES_AT_ONCE 8192
/* Fewer are no reason for one. */
#define FEW_NAMES 4000

static size_t names_at;     /* where in a runtime the table of its names lies */
static size_t exception_at; /* where in a runtime its pending exception lies; 0: not known */
static void (*free_value)(Runtime *, Value); /* the engine's, of one whose count has come to 0 */

/* Where the C library has no room for it in the list, it goes with the heap's memory. */
static void hold(Heap *heap, int *counted) {
  *counted += HELD;
  /* The list's room is a power of two. */
  size_t count = heap->held_count;
  if ((count & (count - 1)) == 0) {
    void **held = realloc(heap->held, (count == 0 ? 1 : 2 * count) * sizeof *held);
    if (held == NULL) return;
    heap->held = held;
  }
  heap->held[heap->held_count++] = counted;
}

/* The engine gets nothing: what it throws now takes the place of the pending exception, which somebody may work on. */
void *heap_refuse(State *state) {
  Heap *heap = state->heap;
  if (heap == NULL || exception_at == 0) return NULL;
  const Value *pending = (const Value *)(heap->runtime + exception_at);
  if (tag_of(*pending) != TAG_OBJECT) return NULL;
  if (*count_of(*pending) < HELD) hold(heap, count_of(*pending));
  return NULL;
}

/* Where a name has the number of the next in its list; 0: it is the last. */
static inline uint32_t next_name(const void *name) { return ((const uint32_t *)name)[3]; }

/* Names of long lists are never freed from now on, but with the runtime. Little work where few are new: a look at all
   is due when there is one more for each `parts` of those at the last. Of many it takes several calls. */
void heap_hold_names(char *runtime, int parts) {
  Heap *heap = ((State *)(runtime + STATE_AT))->heap;
  if (heap == NULL) return;
  int count = *(int *)(runtime + names_at - NAMES_BEHIND_USED);
  if (heap->names_from == 0) {
    if (count < heap->names_seen) heap->names_seen = count;
    if (count - heap->names_seen <= (heap->names_seen + FEW_NAMES) / parts) return;
    heap->names_seen = count;
  }
  void **names = *(void ***)(runtime + names_at);
  const uint32_t *first = *(uint32_t **)(runtime + names_at - NAMES_BEHIND_FIRST);
  /* Where the lists were doubled meanwhile, those that a list behind us was divided into lie before us, too. */
  int lists = *(int *)(runtime + names_at - NAMES_BEHIND_LISTS), i = heap->names_from;
  for (int walked = 0; i < lists && walked < NAMES_AT_ONCE; i++) {
    int length = 0;
    for (uint32_t name = first[i]; name != 0 && length <= LONGEST_LIST; name = next_name(names[name])) length++;
    walked += length + 1;
    if (length <= LONGEST_LIST) continue;
    for (uint32_t name = first[i]; name != 0; name = next_name(names[name])) {
      int *uses = names[name];
      if (*uses < HELD) *uses += HELD;
      walked++;
    }
  }
  heap->names_from = i < lists ? i : 0;
}

/* What was held is not needed any more: no JavaScript runs, nor will again. */
void heap_let_go(char *runtime) {
  Heap *heap = ((State *)(runtime + STATE_AT))->heap;
  if (heap != NULL) {
    heap_ends(heap);
    heap->names_from = 0;
    heap->names_seen = -FEW_NAMES;
    do {
      heap_hold_names(runtime, FEW_NAMES);
      if (pause_turn != NULL) pause_turn();
    } while (heap->names_from != 0);
  }
  while (heap != NULL && heap->held_count > 0) {
    Value held = {{.pointer = heap->held[--heap->held_count]}, TAG_OBJECT};
    *count_of(held) -= HELD;
    if (*count_of(held) <= 0) free_value((Runtime *)runtime, held);
  }
}

/* What the engine allocated in many small blocks before it was given these functions, the 240 names that it knows from
   the start, takes 4 KB less here. Only their table points to them. */
void heap_take_names(char *runtime) {
  State *state = (State *)(runtime + STATE_AT);
  void **names = *(void ***)(runtime + names_at);
  int count = *(int *)(runtime + names_at - NAMES_BEHIND_COUNT);
  for (int i = 1; i < count; i++) {
    void *name = names[i];
    if ((uintptr_t)name & 1) continue; /* no name, but the number of the next that is none */
    size_t size = size_of_string(name);
    void *taken = heap_malloc(state, size);
    if (taken == NULL) return;
    memcpy(taken, name, size);
    heap_free(state, name);
    names[i] = taken;
  }
}

/* Once a process, before a heap of an app: where a runtime's pending exception and its names lie, and how values are
   freed. */
void heap_know(size_t exception, size_t names, void (*function)(Runtime *, Value)) {
  exception_at = exception;
  names_at = names;
  free_value = function;
}

