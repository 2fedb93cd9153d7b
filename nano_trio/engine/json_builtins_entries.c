/*
 * Object.fromEntries (ECMA-262, 20.1.2.7) that polls. It has little to do with JSON but what it needs of the engine.
 *
 * Theory of operation. The engine's own is one call of native code however many entries there are. A name takes the
 * longer the more names there are of its hash, which anybody can compute: the fields of a form of 540 KB that a client
 * had chosen, as an array of pairs, took 7 s, in which all others waited. This one takes the same steps in the same
 * order, as an app sees them, and polls between entries: there the turn can be suspended, and stopped. An array of few
 * entries, which is most of what it is asked for, is the engine's, which needs a third of the time. How few is decided by
 * what an entry may take: where 20,000 names of its name's hash are held already (allocator.c), 0.1 ms.
 */

#include "json_builtins.h"

#define FEW_ENTRIES 32

static int is_object(Value value) { return tag_of(value) == TAG_OBJECT; }

static int is_exception(Value value) { return tag_of(value) == TAG_EXCEPTION; }

static Value get(Context *context, Value object, Atom name) {
  return engine.get_by_atom(context, object, name, object, 0);
}

static int has_few(Context *context, Value array) {
  if (!is_object(array) || engine.class_of(array) != CLASS_ARRAY) return 0;
  Property length;
  if (engine.get_own(context, &length, array, length_atom) <= 0) return 0;
  int few = tag_of(length.value) == TAG_INT && length.value.as.integer <= FEW_ENTRIES;
  release(context, length.value);
  return few;
}

/* An iterator is told that no more is asked of it, because of the exception that is pending and stays so (7.4.11). */
static void close_iterator(Context *context, Value iterator) {
  Value cause = engine.get_exception(context);
  Value method = get(context, iterator, return_atom), result = undefined;
  if (tag_of(method) != TAG_UNDEFINED && tag_of(method) != TAG_NULL && !is_exception(method))
    result = engine.call(context, method, iterator, 0, NULL);
  if (is_exception(method) || is_exception(result)) release(context, engine.get_exception(context));
  release(context, result);
  release(context, method);
  engine.throw(context, cause);
}

/* One entry becomes a property. */
static Outcome add(Context *context, Value object, Value entry) {
  if (!is_object(entry)) {
    engine.throw_type_error(context, "not an object");
    return FAILED;
  }
  Value key = engine.get_at(context, entry, 0);
  if (is_exception(key)) return FAILED;
  Value value = engine.get_at(context, entry, 1);
  Atom name = is_exception(value) ? 0 : engine.atom_of(context, key);
  release(context, key);
  if (name == 0) {
    release(context, value);
    return FAILED;
  }
  int defined = engine.define(context, object, name, value, CONFIGURABLE_WRITABLE_ENUMERABLE);
  engine.free_atom(context, name);
  return defined < 0 ? FAILED : DONE;
}

/* What an iterator has next. NOT_OURS: it has come to its end. */
static Outcome next_entry(Context *context, Value iterator, Value next, Value *entry) {
  Value result = engine.call(context, next, iterator, 0, NULL);
  if (is_exception(result)) return FAILED;
  Outcome outcome = FAILED;
  if (is_object(result)) {
    Value done = get(context, result, done_atom);
    int is_done = is_exception(done) ? -1 : engine.to_boolean(context, done);
    release(context, done);
    if (is_done > 0) outcome = NOT_OURS;
    if (is_done == 0) {
      *entry = get(context, result, value_atom);
      if (!is_exception(*entry)) outcome = DONE;
    }
  } else {
    engine.throw_type_error(context, "iterator must return an object");
  }
  release(context, result);
  return outcome;
}

static Outcome add_all(Context *context, Value object, Value iterator, Value next) {
  Pace pace = pace_of(context);
  Outcome outcome;
  do {
    Value entry;
    outcome = next_entry(context, iterator, next, &entry);
    if (outcome == DONE) {
      outcome = add(context, object, entry);
      release(context, entry);
      if (outcome == FAILED) close_iterator(context, iterator);
      /* A turn that is to stop runs nothing more, so the iterator is not told. */
      if (outcome == DONE) outcome = step(&pace, 1);
    }
  } while (outcome == DONE);
  end_pace(&pace);
  return outcome;
}

Value from_entries(Context *context, Value this, int count, Value *arguments) {
  if (has_few(context, arguments[0])) return own_from_entries(context, this, count, arguments);
  Value method = get(context, arguments[0], iterator_atom);
  if (is_exception(method)) return exception;
  if (!engine.is_function(context, method)) {
    release(context, method);
    return engine.throw_type_error(context, "value is not iterable");
  }
  Value iterator = engine.call(context, method, arguments[0], 0, NULL);
  release(context, method);
  if (is_exception(iterator)) return exception;
  if (!is_object(iterator)) {
    release(context, iterator);
    return engine.throw_type_error(context, "not an object");
  }
  Value next = get(context, iterator, next_atom);
  Value object = is_exception(next) ? exception : engine.new_object(context);
  if (!is_exception(object) && add_all(context, object, iterator, next) == FAILED) {
    release(context, object);
    object = exception;
  }
  release(context, next);
  release(context, iterator);
  return object;
}
