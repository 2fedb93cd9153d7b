/*
 * Values that Python lets go of while their heap is in the midst of a native call.
 *
 * Theory of operation. Where Python has a value of the engine no more, the binding counts it down there and then, and
 * the engine frees what it was the last to hold. A heap that a tick interrupted (poll_timer.c) is not fit for that: it
 * may be rebuilding its table of names, or be in the midst of a collection, which counts references itself. And where
 * the engine is told to leave everything (by its gc_phase), an object that has no references any more, but weak ones,
 * is taken for freed by the next collection, and the collection that is going on may take what is in use for garbage.
 *
 * So no count is changed then. The binding's function that ends a value is replaced by one that looks at the poll
 * counter of the value's context, where the tick left word, and puts such a value into a list. That is read when the
 * native call is over: Python calls poll_timer_free_values. Values of heaps that were left there are never freed.
 *
 * The other way round, freeing a value may take long, and may be the end of any heap's, in the midst of a turn of
 * another. Where that is so nothing is suspended (values_going).
 *
 * Threads: whoever ends a value has Python's GIL.
 */

#include <stddef.h>
#include <stdlib.h>

#include "poll_timer.h"

/* The binding's objects (_quickjs.c), as far as they matter here: a context, and a value. poll_timer.py proves it. */
typedef struct {
  void *head[2];
  char *context;
} Context;

typedef struct Held {
  struct Held *next; /* instead of the references to the object, when there are none */
  void *type;
  int64_t value[2];
  Context *context;
} Held;

/* Where a type has the function that ends its objects: behind the head of a variable size, a name and two sizes. */
#define DEALLOC_AT 48

typedef void Ends(Held *);

int values_going;
static Ends *ends; /* the binding's */
static long counter_at;
static Held *waiting;

/* Of Python's stable interface. */
extern void PyObject_Free(void *object);

static inline int32_t counter_of(const Held *held) {
  return held->context == NULL ? 0 : *(const volatile int32_t *)(held->context->context + counter_at);
}

static void end_value(Held *held) {
  int32_t counter = counter_of(held);
  if (counter == IN_MIDST) {
    held->next = waiting;
    waiting = held;
  } else if (counter == LEFT) {
    /* Its context stays for ever as well. */
    PyObject_Free(held);
  } else {
    values_going++;
    ends(held);
    values_going--;
  }
}

/* End those that wait, but for the values of heaps that still are in the midst of something. */
void poll_timer_free_values(void) {
  Held *held = waiting;
  waiting = NULL;
  while (held != NULL) {
    Held *next = held->next;
    end_value(held);
    held = next;
  }
}

/* Once a process: have values of this type, of the binding, wait. `at`: where the counter lies behind a context. */
void poll_timer_take_values(char *type, long at) {
  Ends **place = (Ends **)(type + DEALLOC_AT);
  if (*place == end_value) return;
  counter_at = at;
  ends = *place;
  *place = end_value;
}

/* As it was before. */
void poll_timer_leave_values(char *type) {
  Ends **place = (Ends **)(type + DEALLOC_AT);
  if (*place == end_value) *place = ends;
}
