/*
 * Iterators that stand on other iterators (ECMA-262, 27.1.2 to 27.1.4: what map() of an iterator gives, Iterator.from and
 * Iterator.concat): next() and return() that look whether there is stack left, and a return() of the first and the last that
 * ends it as it should; see builtins.c.
 *
 * Theory of operation. Who asks one of the engine's iterators for what comes next calls its C function as it is, without
 * the look at the stack that every other call begins with. Where that function asks the iterator below, and that one the
 * next, nobody looks: a few ten thousand `iterator = iterator.map(callback)` were enough for an app to end the process. So
 * each of them looks for itself, and fails as any call does that is too deep.
 *
 * To end what map() and its like give, as `break` does, is to end the iterator below (27.1.2.1.2): where that has a
 * return(), whatever it gives, and the answer is { value: undefined, done: true }. The engine's fails where it has none, as
 * those of arrays, and answers what that gave. So the engine is left to mark ours as ended, or to refuse, with an iterator
 * in the place of that below which only notes that it was ended; and then that one is ended here, and before it the one of
 * flatMap()'s that is not done. The same goes for what Iterator.concat gives, whose own fails likewise, so that `break` behind
 * an array's value threw, and gives nothing at all where no value was asked for.
 *
 * Ours take the engine's places in its lists: builtins_entries.c.
 */

#include "builtins.h"

typedef Value Step(Context *, Value this, int count, Value *arguments, int *is_done, int magic);

/* By the engine's magic number. */
enum { NEXT = 0, RETURN = 1 };
enum { HELPER = 0, WRAPPED = 1, CONCATENATED = 2, KINDS = 3 };

/* What an iterator of the first kind has (JSIteratorHelperData), as far as is known here. */
typedef struct {
  Value below, next, callback, inner;
} Helper;

/* What one of the last kind has (JSIteratorConcatData), as far as is known here. It is below that one is in the midst of. */
typedef struct {
  int index, count, is_running;
  Value below, next;
} Concatenated;

/* The engine's own. */
static Step *own[KINDS];
static Generic *own_end;
static uint16_t helper_class, concatenated_class;

static Value step(Step *next, Context *context, Value this, int count, Value *arguments, int *is_done, int magic) {
  *is_done = 0;
  if (engine.lacks_stack(context, 0)) return engine.throw_range_error(context, STACK_IS_USED_UP);
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

/* IteratorClose (7.4.11) where nothing went wrong before. 0: an error is pending. */
static int end(Context *context, Value iterator) {
  Value method = engine.get(context, iterator, "return");
  if (tag_of(method) == TAG_UNDEFINED || tag_of(method) == TAG_NULL) return 1;
  if (tag_of(method) == TAG_EXCEPTION) return 0;
  Value result = engine.call(context, method, iterator, 0, NULL);
  release(context, method);
  if (tag_of(result) == TAG_EXCEPTION) return 0;
  int is_object = tag_of(result) == TAG_OBJECT;
  release(context, result);
  if (!is_object) engine.throw_type_error(context, "iterator must return an object");
  return is_object;
}

/* What the stand-in for the iterator below has: whether it was asked (a number is kept, which is of no use but for the
   place it is), that iterator, and the one of flatMap()'s that is not done. */
enum { ASKED = 0, BELOW = 1, INNER = 2, END_KEEPS = 3 };

/* Its return(). Where this fails the engine asks it again. */
static Value end_below(Context *context, Value this, int count, Value *arguments, int magic, Value *kept) {
  int *is_asked = kept[ASKED].as.pointer, ok = 1;
  if (!*is_asked) {
    *is_asked = 1;
    if (tag_of(kept[INNER]) == TAG_OBJECT) ok = end(context, kept[INNER]);
    if (ok) {
      ok = end(context, kept[BELOW]);
    } else {
      Value error = engine.take_exception(context);
      if (!end(context, kept[BELOW])) release(context, engine.take_exception(context));
      engine.throw(context, error);
    }
  }
  return ok ? engine.new_object(context, null) : exception;
}

static Value new_stand_in(Context *context, int *is_asked, Value below, Value inner) {
  Value kept[END_KEEPS] = {[ASKED] = {.as.pointer = is_asked, .tag = TAG_FLOAT}, [BELOW] = below, [INNER] = inner};
  Value object = engine.new_object(context, null);
  if (tag_of(object) == TAG_EXCEPTION) return exception;
  Value end = engine.new_function_with(context, end_below, 0, 0, END_KEEPS, kept);
  int ok = tag_of(end) != TAG_EXCEPTION && engine.define_named(context, object, "return", end, CONFIGURABLE) >= 0;
  if (ok) return object;
  release(context, object);
  return exception;
}

/* In the place of return() of the first kind. */
static Value end_helper(Context *context, Value this, int count, Value *arguments, int *is_done, int magic) {
  Helper *helper = tag_of(this) == TAG_OBJECT ? engine.opaque_of(this, helper_class) : NULL;
  if (helper == NULL) return step_helper(context, this, count, arguments, is_done, magic);
  int is_asked = 0;
  Value below = helper->below, inner = helper->inner, stand_in = new_stand_in(context, &is_asked, below, inner);
  if (tag_of(stand_in) == TAG_EXCEPTION) return exception;
  helper->below = duplicate(stand_in);
  helper->inner = undefined;
  Value result = step_helper(context, this, count, arguments, is_done, magic);
  /* Whatever the engine has let go of, it was not these two. */
  release(context, helper->below);
  helper->below = below;
  release(context, stand_in);
  if (is_asked) {
    release(context, inner);
  } else {
    helper->inner = inner;
  }
  if (!is_asked || tag_of(result) == TAG_EXCEPTION) return result;
  release(context, result);
  *is_done = 1;
  return undefined;
}

/* In the place of return() of the last kind. */
static Value end_concatenated(Context *context, Value this, int count, Value *arguments) {
  Concatenated *all = tag_of(this) == TAG_OBJECT ? engine.opaque_of(this, concatenated_class) : NULL;
  Value below = undefined, stand_in = undefined;
  int is_asked = 0;
  if (all != NULL && !all->is_running && tag_of(all->below) == TAG_OBJECT) {
    stand_in = new_stand_in(context, &is_asked, all->below, undefined);
    if (tag_of(stand_in) == TAG_EXCEPTION) return exception;
    below = all->below;
    all->below = duplicate(stand_in);
  }
  Value result = own_end(context, this, count, arguments);
  if (tag_of(stand_in) == TAG_OBJECT && all->below.as.pointer == stand_in.as.pointer && tag_of(all->below) == TAG_OBJECT) {
    /* The engine did not come to ask it. */
    release(context, all->below);
    all->below = duplicate(below);
  }
  release(context, stand_in);
  release(context, below);
  int ok = tag_of(result) != TAG_EXCEPTION;
  release(context, result);
  return ok ? new_end(context) : exception;
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

/* A list of one, which takes that. */
static Value new_single(Context *context, Value value) {
  Value list = engine.new_array(context);
  engine.define_named(context, list, "0", value, CONFIGURABLE_WRITABLE_ENUMERABLE);
  return list;
}

/* Whether what those of the first kind have is as it is known here: one of flatMap() that is in the midst of a list. */
static int are_known(Context *context) {
  Value global = engine.get_global(context), constructor = engine.get(context, global, "Object");
  Value list = new_single(context, new_single(context, (Value){{1}, TAG_INT}));
  Value below = call_method(context, list, "values", 0, undefined), next = engine.get(context, below, "next");
  /* As a function it gives the list that it is given. */
  Value iterator = call_method(context, below, "flatMap", 1, duplicate(constructor));
  release(context, call_method(context, iterator, "next", 0, undefined));
  helper_class = engine.class_of(iterator);
  const Helper *helper = tag_of(iterator) == TAG_OBJECT ? engine.opaque_of(iterator, helper_class) : NULL;
  int ok = helper != NULL && engine.size_of(context, helper) >= sizeof *helper &&
           helper->below.as.pointer == below.as.pointer && helper->next.as.pointer == next.as.pointer &&
           helper->callback.as.pointer == constructor.as.pointer && tag_of(helper->inner) == TAG_OBJECT &&
           helper->inner.as.pointer != below.as.pointer && engine.class_of(helper->inner) == engine.class_of(below);
  release(context, iterator);
  release(context, next);
  release(context, below);
  release(context, list);
  release(context, constructor);
  release(context, global);
  return ok;
}

/* The same for the last kind: one that has given the first value of a list. */
static int is_concatenated_known(Context *context) {
  Value global = engine.get_global(context), constructor = engine.get(context, global, "Iterator");
  Value list = new_single(context, (Value){{1}, TAG_INT}), iterator = call_method(context, constructor, "concat", 1, duplicate(list));
  release(context, call_method(context, iterator, "next", 0, undefined));
  Value below = call_method(context, list, "values", 0, undefined), next = engine.get(context, below, "next");
  concatenated_class = engine.class_of(iterator);
  const Concatenated *all = tag_of(iterator) == TAG_OBJECT ? engine.opaque_of(iterator, concatenated_class) : NULL;
  int ok = all != NULL && engine.size_of(context, all) >= sizeof *all && all->index == 0 && all->count == 2 && !all->is_running &&
           tag_of(all->below) == TAG_OBJECT && engine.class_of(all->below) == engine.class_of(below) &&
           all->next.as.pointer == next.as.pointer;
  release(context, next);
  release(context, below);
  release(context, iterator);
  release(context, list);
  release(context, constructor);
  release(context, global);
  return ok;
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
      int is_plain = kind == CONCATENATED && what == RETURN;
      Entry *entry = entry_of(context, prototype, what == NEXT ? "next" : "return");
      ok = is_made_of(context, prototype, entry, is_plain ? GENERIC : ITERATOR_NEXT, is_plain ? 0 : what) && make_writable(entry) &&
           (what == NEXT || is_plain || (void *)own[kind] == entry->as.function.function);
      if (ok && is_plain) own_end = (Generic *)entry->as.function.function;
      if (ok && !is_plain) own[kind] = (Step *)entry->as.function.function;
      entries[kind][what] = entry;
    }
    release(context, prototype);
    release(context, iterator);
  }
  /* Not sooner: to call what has an entry is to have the engine make it. */
  ok = ok && are_known(context) && is_concatenated_known(context);
  if (!ok) return 0;
  for (int kind = 0; kind < KINDS; kind++)
    for (int what = NEXT; what <= RETURN; what++)
      entries[kind][what]->as.function.function = (void *)ours[kind];
  entries[HELPER][RETURN]->as.function.function = (void *)end_helper;
  entries[CONCATENATED][RETURN]->as.function.function = (void *)end_concatenated;
  return 1;
}
