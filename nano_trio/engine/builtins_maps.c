/*
 * Map and Set (ECMA-262, 24.1.3 and 24.2.4): clear() and forEach() that are safe; see builtins.c.
 *
 * Theory of operation. The engine holds a map's records in a list. One that was deleted stays in it as long as an iterator
 * stands at it, and goes when the iterator does. Twice the engine goes through that list with the next record at hand, and
 * frees a value of the app's before it goes on: clear() each value, forEach() what the callback returns. Where that is the
 * last reference to an iterator that stands at the next record, that is freed too, and the engine goes on in memory that an
 * app can fill by then with what it likes.
 *
 * forEach() is safe with a callback that returns nothing, as the record that it is at is held; and so is a callback that
 * deletes that record. So both are the engine's own forEach() with a callback of ours: one calls the app's and drops what it
 * returns, the other deletes. What an app sees of either is the same.
 *
 * Ours take the engine's places in its lists: builtins_entries.c.
 */

#include "builtins.h"

/* Which of both it is, by the engine's magic number. */
enum { MAP = 0, SET = 1, BOTH = 2 };

/* The engine's own, which Map and Set share. */
static GenericMagic *own_for_each, *own_delete;

/* What the callback of an app's returns is dropped while the record that it was called for is held. */
static Value call_and_drop(Context *context, Value this, int count, Value *arguments, int magic, Value *kept) {
  (void)this, (void)magic;
  Value result = engine.call(context, kept[0], kept[1], count, arguments);
  if (tag_of(result) == TAG_EXCEPTION) return exception;
  release(context, result);
  return undefined;
}

/* Of value, key and map. */
static Value delete_key(Context *context, Value this, int count, Value *arguments, int magic, Value *kept) {
  (void)this, (void)count, (void)kept;
  Value was_there = own_delete(context, arguments[2], 1, &arguments[1], magic);
  return tag_of(was_there) == TAG_EXCEPTION ? exception : undefined;
}

/* The engine's forEach with that function, which it takes. */
static Value with_each(Context *context, Value map, Value function, int magic) {
  if (tag_of(function) == TAG_EXCEPTION) return exception;
  Value result = own_for_each(context, map, 1, &function, magic);
  release(context, function);
  return result;
}

static Value for_each(Context *context, Value this, int count, Value *arguments, int magic) {
  if (!engine.is_function(context, arguments[0])) return own_for_each(context, this, count, arguments, magic);
  Value kept[] = {arguments[0], count > 1 ? arguments[1] : undefined};
  return with_each(context, this, engine.new_function_with(context, call_and_drop, 0, 0, 2, kept), magic);
}

static Value clear(Context *context, Value this, int count, Value *arguments, int magic) {
  (void)count, (void)arguments;
  return with_each(context, this, engine.new_function_with(context, delete_key, 0, magic, 0, NULL), magic);
}

int mend_maps(Context *context) {
  static const char *const names[BOTH] = {[MAP] = "Map", [SET] = "Set"};
  Entry *clears[BOTH], *for_eachs[BOTH];
  Value global = engine.get_global(context);
  int ok = 1;
  for (int i = MAP; i < BOTH && ok; i++) {
    Value constructor = engine.get(context, global, names[i]), prototype = engine.get(context, constructor, "prototype");
    const Entry *delete = entry_of(context, prototype, "delete");
    clears[i] = entry_of(context, prototype, "clear");
    for_eachs[i] = entry_of(context, prototype, "forEach");
    ok = is_made_of(context, prototype, delete, GENERIC_MAGIC, i) && is_made_of(context, prototype, clears[i], GENERIC_MAGIC, i) &&
         is_made_of(context, prototype, for_eachs[i], GENERIC_MAGIC, i) && make_writable(clears[i]) && make_writable(for_eachs[i]) &&
         (i == MAP || ((void *)own_delete == delete->as.function.function &&
                       (void *)own_for_each == for_eachs[i]->as.function.function));
    if (ok) {
      own_delete = (GenericMagic *)delete->as.function.function;
      own_for_each = (GenericMagic *)for_eachs[i]->as.function.function;
    }
    release(context, prototype);
    release(context, constructor);
  }
  release(context, global);
  for (int i = MAP; i < BOTH && ok; i++) {
    clears[i]->as.function.function = (void *)clear;
    for_eachs[i]->as.function.function = (void *)for_each;
  }
  return ok;
}
