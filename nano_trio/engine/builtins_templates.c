/*
 * The object that a tagged template's function gets (ECMA-262, 13.2.8.4, GetTemplateObject): both its arrays are frozen.
 * See builtins.c.
 *
 * The engine freezes them where it compiles the code that runs. Where it reads them from bytecode, as all of an app's,
 * it adds the texts as they should be, then the array of raw texts as `raw`, and forbids more, but the lengths of both
 * remain writable: nothing is frozen to who asks, and some libraries do ask whether texts come from a program or from a
 * user. So where an array that has texts gets such a `raw`, which is what nobody else defines so, both lengths are made
 * as they should be. Where the engine compiles, the arrays have no texts by then.
 */

#include "builtins.h"

Atom raw_atom;

static int has_texts(Value list) {
  if (tag_of(list) != TAG_OBJECT || object_of(list)->class != CLASS_ARRAY) return 0;
  Value length = object_of(list)->values[0];
  return tag_of(length) == TAG_INT && length.as.integer > 0;
}

static int freeze_length(Context *context, Value list) {
  return engine.define_named(context, list, "length", object_of(list)->values[0], 0) >= 0;
}

int define_raw(Context *context, Value target, Value value) {
  if (!has_texts(target) || !has_texts(value) || (freeze_length(context, target) && freeze_length(context, value)))
    return engine.define(context, target, raw_atom, value, 0);
  release(context, value);
  return -1;
}

void learn_templates(Context *context) {
  /* One that the engine has from the start, and so in each runtime. */
  raw_atom = engine.new_atom(context, "raw", strlen("raw"));
  engine.free_atom(context, raw_atom);
}
