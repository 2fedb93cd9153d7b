/*
 * Iterators that stand on other iterators (ECMA-262, 27.1.2 to 27.1.4: what map() of an iterator gives, Iterator.from and
 * Iterator.concat): next() and return() that look whether there is stack left; see builtins.c.
 *
 * Theory of operation. Who asks one of the engine's iterators for what comes next calls its C function as it is, without
 * the look at the stack that every other call begins with. Where that function asks the iterator below, and that one the
 * next, nobody looks: a few ten thousand `iterator = iterator.map(callback)` were enough for an app to end the process. So
 * each of them looks for itself, and fails as any call does that is too deep.
 *
 * Ours take the engine's places in its lists: builtins_entries.c.
 */

#include "builtins.h"

typedef Value Step(Context *, Value this, int count, Value *arguments, int *is_done, int magic);

/* By the engine's magic number. */
enum { NEXT = 0, RETURN = 1 };
enum { HELPER = 0, WRAPPED = 1, CONCATENATED = 2, KINDS = 3 };

/* The engine's own. */
static Step *own[KINDS];

static Value step(Step *next, Context *context, Value this, int count, Value *arguments, int *is_done, int magic) {
  *is_done = 0;
  if (engine.lacks_stack(context, 0)) return engine.throw_internal_error(context, "stack overflow");
  return next(context, this, count, arguments, is_done, magic);
}

static Value step_helper(Context *context, Value this, int count, Value *arguments, int *is_done, int magic) {
  return step(own[HELPER], context, this, count, arguments, is_done, magic);
}

static Value step_wrapped(Context *context, Value this, int count, Value *arguments, int *is_done, int magic) {
  return step(own[WRAPPED], context, this, count, arguments, is_done, magic);
}

static Value step_concatenated(Context *context, Value this, int count, Value *arguments, int *is_done, int magic) {
  return step(own[CONCATENATED], context, this, count, arguments, is_done, magic);
}

/* What a method of an object gives for one argument, which it takes, or for none. */
static Value call_method(Context *context, Value object, const char *name, int count, Value argument) {
  Value method = engine.get(context, object, name), result = engine.call(context, method, object, count, &argument);
  release(context, method);
  release(context, argument);
  return result;
}

/* One of each kind, made as an app makes it. */
static Value make(Context *context, int kind) {
  Value global = engine.get_global(context), constructor = engine.get(context, global, "Iterator"), iterator = exception;
  if (kind == HELPER) {
    Value list = engine.new_array(context), values = call_method(context, list, "values", 0, undefined);
    /* Any number. */
    iterator = call_method(context, values, "take", 1, (Value){{1}, TAG_INT});
    release(context, values);
    release(context, list);
  } else if (kind == WRAPPED) {
    iterator = call_method(context, constructor, "from", 1, engine.new_object(context, null));
  } else {
    iterator = call_method(context, constructor, "concat", 0, undefined);
  }
  release(context, constructor);
  release(context, global);
  return iterator;
}

int mend_iterators(Context *context) {
  static Step *const ours[KINDS] = {[HELPER] = step_helper, [WRAPPED] = step_wrapped, [CONCATENATED] = step_concatenated};
  Entry *entries[KINDS][2] = {{NULL}};
  /* A gigabyte is more than there ever is. */
  int ok = !engine.lacks_stack(context, 0) && engine.lacks_stack(context, (size_t)1 << 30);
  for (int kind = 0; kind < KINDS && ok; kind++) {
    Value iterator = make(context, kind), prototype = undefined;
    if (tag_of(iterator) == TAG_OBJECT) prototype = engine.prototype_of(context, iterator);
    for (int what = NEXT; what <= RETURN && ok; what++) {
      /* That of Iterator.concat is called as all functions are. */
      if (kind == CONCATENATED && what == RETURN) break;
      Entry *entry = entry_of(context, prototype, what == NEXT ? "next" : "return");
      ok = is_made_of(context, prototype, entry, ITERATOR_NEXT, what) && make_writable(entry) &&
           (what == NEXT || (void *)own[kind] == entry->as.function.function);
      if (ok) own[kind] = (Step *)entry->as.function.function;
      entries[kind][what] = entry;
    }
    release(context, prototype);
    release(context, iterator);
  }
  for (int kind = 0; kind < KINDS && ok; kind++)
    for (int what = NEXT; what <= RETURN; what++)
      if (entries[kind][what] != NULL) entries[kind][what]->as.function.function = (void *)ours[kind];
  return ok;
}
