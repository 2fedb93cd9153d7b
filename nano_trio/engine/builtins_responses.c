/*
 * `new Response(response.body, response)`, which middleware writes to have headers that it may change: the state of such a
 * copy, where an app has changed nothing of what it is made of. See builtins.c; body.js and response.js say what a state is.
 */

#include "builtins.h"

/* What the function keeps. Models are objects of which no app knows; a state's has the names below, in their order. */
enum { RESPONSE = 0, STATE = 1, STATE_WITH_HEADERS = 2, STREAM = 3, BODY = 4, HEADERS = 5, ITERATOR = 6, ENTRIES = 7 };
/* The list of a text without a ResponseInit, which its state does not have before somebody looks; then three pairs of a
   name and a getter. */
enum { PLAIN = 8, GETTERS = 9, KEPT_BY_COPIES = 15 };
enum { KIND = 0, SOURCE = 1, ITS_STREAM = 2, FIELDS = 3, STATUS = 4, STATUS_TEXT = 5, ITS_HEADERS = 6, NAMES = 7 };

static inline int is_of(Value object, Value model) {
  return tag_of(object) == TAG_OBJECT && object_of(object)->shape == object_of(model)->shape;
}

/* What a state has of its own by these names; undefined: nothing. 0: that is no value, or the model has lost some of them. */
static int read_state(const Object *state, const Object *model, Value found[NAMES]) {
  const Shape *shape = state->shape, *names = model->shape;
  if (names->count < NAMES) return 0;
  for (int i = 0; i < NAMES; i++) found[i] = undefined;
  for (int i = 0; i < shape->count; i++) {
    for (int name = 0; name < NAMES; name++) {
      if (shape->slots[i].atom != names->slots[name].atom) continue;
      if (shape->slots[i].flags & NO_VALUE) return 0;
      found[name] = state->values[i];
    }
  }
  return 1;
}

/* Whether what such a response says of itself is what its state has. -1: an error is pending. */
static int says_its_state(Context *context, Value headers, Value *kept) {
  if (tag_of(headers) != TAG_UNDEFINED && !is_of(headers, kept[HEADERS])) return 0;
  Value prototype = engine.prototype_of(context, kept[HEADERS]);
  int is_so = has_own(context, prototype, kept[ITERATOR], kept[ENTRIES], 0);
  release(context, prototype);
  prototype = engine.prototype_of(context, kept[RESPONSE]);
  for (int i = GETTERS; i < KEPT_BY_COPIES && is_so > 0; i += 2) is_so = has_own(context, prototype, kept[i], kept[i + 1], 1);
  release(context, prototype);
  return is_so;
}

/* copy(body, init): a state; null where it is left to JavaScript. */
static Value copy_response(Context *context, Value this, int count, Value *arguments, int magic, Value *kept) {
  (void)this, (void)count, (void)magic;
  if (!is_of(arguments[0], kept[STREAM]) || !is_of(arguments[1], kept[RESPONSE])) return null;
  Value stream = object_of(arguments[0])->values[0], init = object_of(arguments[1])->values[0], found[NAMES];
  /* Like the model, it was neither read nor locked. */
  if (!is_of(stream, kept[BODY]) || tag_of(object_of(stream)->values[KIND]) != TAG_INT || tag_of(init) != TAG_OBJECT ||
      !read_state(object_of(init), object_of(kept[STATE_WITH_HEADERS]), found))
    return null;
  int status = tag_of(found[STATUS]) == TAG_INT ? found[STATUS].as.integer : tag_of(found[STATUS]) == TAG_UNDEFINED ? 200 : 0;
  if (status < 200 || status > 599 || status == 204 || status == 205 || status == 304) return null;
  if (tag_of(found[STATUS_TEXT]) != TAG_UNDEFINED && tag_of(found[STATUS_TEXT]) != TAG_STRING) return null;
  int is_so = says_its_state(context, found[ITS_HEADERS], kept);
  int is_plain = tag_of(found[FIELDS]) == TAG_UNDEFINED || tag_of(found[FIELDS]) == TAG_NULL;
  Value list = is_so < 0 ? exception : is_so ? copy_list(context, is_plain ? kept[PLAIN] : found[FIELDS]) : null;
  if (tag_of(list) != TAG_OBJECT) return list;
  Value text = tag_of(found[STATUS_TEXT]) == TAG_STRING ? duplicate(found[STATUS_TEXT]) : engine.new_string(context, "", 0);
  const Value *body = object_of(stream)->values;
  Value values[] = {body[KIND], body[SOURCE], arguments[0], list, {{status}, TAG_INT}, text};
  Value state = tag_of(text) == TAG_EXCEPTION ? exception : make_alike(context, kept[STATE], ITS_HEADERS, values);
  release(context, list);
  release(context, text);
  return state;
}

/* quickCopies(response, …): that function, from what it keeps. */
Value quick_copies(Context *context, Value response, int count, Value *arguments) {
  Value kept[KEPT_BY_COPIES] = {[RESPONSE] = response};
  int are_models = count == KEPT_BY_COPIES - 1;
  for (int i = 1; i < KEPT_BY_COPIES && are_models; i++) kept[i] = arguments[i - 1];
  for (int i = RESPONSE; i <= HEADERS && are_models; i++) are_models = tag_of(kept[i]) == TAG_OBJECT;
  /* What is read of their values is read of all that are like them. */
  are_models = are_models && object_of(kept[STATE_WITH_HEADERS])->shape->count == NAMES && object_of(kept[BODY])->shape->count > SOURCE &&
               object_of(kept[STREAM])->shape->count > 0 && object_of(response)->shape->count > 0;
  if (!are_models) return engine.throw_type_error(context, "quickCopies: these are no models");
  return engine.new_function_with(context, copy_response, 2, 0, KEPT_BY_COPIES, kept);
}
