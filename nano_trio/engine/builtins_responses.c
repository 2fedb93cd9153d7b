/*
 * What `new Response(body, init)` makes, and what of it goes to the host, where both are as they mostly are; see builtins.c.
 * body.js and response.js say what a state is.
 *
 * Theory of operation. Each takes some fifty to a hundred steps of JavaScript, and an app of a framework has two or three
 * responses for each request: middleware writes `new Response(response.body, response)` to have headers that it may change.
 * Here are texts and null bodies with an init that is an ordinary object, and such copies; and of what is answered, texts
 * and null bodies, with no more headers than most. Where an app could notice, or something is an error, these decline
 * before they have changed or called anything, and JavaScript does it all.
 */

#include "builtins.h"
#include "texts.h"

/* What is shared with response.js, which has the same numbers. Models are objects of which no app knows; some are null until
   a file is loaded without which there is none of what they are models of. */
enum {
  NAMES = 0,      /* an object with the names below, in their order */
  PLAIN = 1,      /* the list of a text whose app says nothing of headers */
  SOURCE = 2,     /* states with kind and source; with fields; with a status */
  FIELDS = 3,
  STATUS = 4,
  EXTENSIONS = 5, /* of ResponseInit */
  RESPONSE = 6,
  PLAIN_LINES = 7, /* PLAIN, as the host gets it */
  KNOWN = 8,      /* headerlist.js */
  HEADERS = 9,    /* headers.js */
  COPY = 10,      /* a state with kind, source, stream, fields, status and statusText */
  STREAM = 11,    /* streams_readable.js, streams_late.js: a ReadableStream, and that of a body in it */
  BODY = 12,
  PARTS
};
/* What a state may have of its own. The values in NAMES: of the next three, the getters of Response; of the iterator, the
   method of Headers; of the reader, that of a stream whose source was taken. */
enum { ITS_KIND = 0, ITS_SOURCE, ITS_STREAM, ITS_FIELDS, ITS_STATUS, ITS_TEXT, ITS_HEADERS, OF_STATE };
enum { THE_ITERATOR = OF_STATE, ITS_READER, IS_DISTURBED, IS_IMMUTABLE, ALL_NAMES };
/* The functions. */
enum { STATE_OF = 0, ANSWER = 1, GET_BODY = 2, IS_USED = 3, GET_HEADERS = 4 };
/* body.js */
enum { NONE_KIND = 0, TEXT_KIND = 1, SPENT_KIND = 6 };
/* What is longer goes to the host otherwise: dispatch.js. And of lines, what is copied twice. */
enum { LONGEST_TEXT = 262144, MOST_LINES = 4096 };

static inline Value part(const Value *kept, int which) { return array_of(kept[0])->elements[which]; }

static inline Atom name_at(const Value *kept, int which) { return object_of(part(kept, NAMES))->shape->slots[which].atom; }

static inline Value value_at(const Value *kept, int which) { return object_of(part(kept, NAMES))->values[which]; }

static inline int is_of(Value object, Value model) {
  return tag_of(object) == TAG_OBJECT && tag_of(model) == TAG_OBJECT && object_of(object)->shape == object_of(model)->shape;
}

static inline Value number(int value) { return (Value){{value}, TAG_INT}; }

/* What an object has of its own by these names, from the first on: undefined where nothing; and where. 0: it is no value. */
static int read_own(const Object *object, const Value *kept, int first, int end, Value *found, int *places) {
  for (int name = first; name < end; name++) {
    const Slot *slot = slot_of(object->shape, name_at(kept, name));
    if (slot != NULL && slot->flags & NO_VALUE) return 0;
    places[name] = slot == NULL ? -1 : (int)(slot - object->shape->slots);
    found[name] = slot == NULL ? undefined : object->values[places[name]];
  }
  return 1;
}

/* Whether that is the value, or the getter, of an object's own property. */
static int has(const Object *object, Atom name, Value wanted, int as_getter) {
  const Slot *slot = slot_of(object->shape, name);
  if (slot == NULL || tag_of(wanted) != TAG_OBJECT || (slot->flags & NO_VALUE) != (as_getter ? GETTER_OR_SETTER : 0)) return 0;
  Value value = object->values[slot - object->shape->slots];
  return value.as.pointer == wanted.as.pointer && (as_getter || tag_of(value) == TAG_OBJECT);
}

/* Whether such an object has these properties itself or not at all: its prototype is as they are made, or there is none. */
static int is_ordinary(Context *context, Value value, const Value *kept) {
  if (tag_of(value) != TAG_OBJECT || object_of(value)->class != CLASS_OBJECT) return 0;
  const Object *prototype = object_of(value)->shape->prototype;
  if (prototype == NULL) return 1;
  Value usual = engine.get_class_prototype(context, CLASS_OBJECT);
  int is_so = prototype == usual.as.pointer && prototype->shape->prototype == NULL;
  for (int name = ITS_STATUS; name <= THE_ITERATOR && is_so; name++) is_so = slot_of(prototype->shape, name_at(kept, name)) == NULL;
  release(context, usual);
  return is_so;
}

/* Whether to iterate over Headers like the model gives their list. */
static int are_iterated_as_ever(const Value *kept) {
  const Object *prototype = object_of(part(kept, HEADERS))->shape->prototype;
  return has(prototype, name_at(kept, THE_ITERATOR), value_at(kept, THE_ITERATOR), 0);
}

/* Whether such a response says of itself what its state has. */
static int says_its_state(Value headers, const Value *kept) {
  if (tag_of(part(kept, HEADERS)) != TAG_OBJECT || (tag_of(headers) != TAG_UNDEFINED && !is_of(headers, part(kept, HEADERS)))) return 0;
  const Object *prototype = object_of(part(kept, RESPONSE))->shape->prototype;
  int is_so = are_iterated_as_ever(kept);
  for (int name = ITS_STATUS; name < OF_STATE && is_so; name++) is_so = has(prototype, name_at(kept, name), value_at(kept, name), 1);
  return is_so;
}

/* Whether there is no status text. */
static inline int is_empty(Value text) {
  return tag_of(text) == TAG_UNDEFINED || (tag_of(text) == TAG_STRING && length_of_string(text) == 0);
}

static inline int is_nothing(Value value) { return tag_of(value) == TAG_UNDEFINED || tag_of(value) == TAG_NULL; }

/* The status that there is; 0: it is none of a response that may have a body, or none. */
static int status_of(Value value, int has_body) {
  int status = tag_of(value) == TAG_INT ? value.as.integer : tag_of(value) == TAG_UNDEFINED ? 200 : 0;
  int may_have_body = status != 204 && status != 205 && status != 304;
  return status >= 200 && status <= 599 && (may_have_body || !has_body) ? status : 0;
}

/* `new Response(body, init)`, where that is the stream of a response and another one, which was neither read nor locked. */
static Value copy_response(Context *context, Value body, Value init, const Value *kept) {
  if (!is_of(init, part(kept, RESPONSE)) || tag_of(part(kept, COPY)) != TAG_OBJECT) return null;
  Value stream = object_of(body)->values[0], of = object_of(init)->values[0], found[OF_STATE];
  int places[OF_STATE];
  if (!is_of(stream, part(kept, BODY)) || tag_of(object_of(stream)->values[ITS_KIND]) != TAG_INT || tag_of(of) != TAG_OBJECT ||
      !read_own(object_of(of), kept, 0, OF_STATE, found, places))
    return null;
  int status = status_of(found[ITS_STATUS], 1);
  int has_text = tag_of(found[ITS_TEXT]) == TAG_STRING;
  if (status == 0 || (!has_text && tag_of(found[ITS_TEXT]) != TAG_UNDEFINED) || !says_its_state(found[ITS_HEADERS], kept)) return null;
  Value list = copy_list(context, is_nothing(found[ITS_FIELDS]) ? part(kept, PLAIN) : found[ITS_FIELDS]);
  if (tag_of(list) != TAG_OBJECT) return list;
  Value text = has_text ? duplicate(found[ITS_TEXT]) : engine.new_string(context, "", 0);
  const Value *of_stream = object_of(stream)->values;
  Value values[] = {of_stream[ITS_KIND], of_stream[ITS_SOURCE], body, list, number(status), text};
  Value state = tag_of(text) == TAG_EXCEPTION ? exception : make_alike(context, part(kept, COPY), ITS_HEADERS, values);
  release(context, list);
  release(context, text);
  return state;
}

/* `new Response(null, init)`, where that is another response. */
static Value copy_without_body(Context *context, Value init, const Value *kept) {
  Value of = object_of(init)->values[0], found[OF_STATE];
  int places[OF_STATE];
  if (tag_of(of) != TAG_OBJECT || !read_own(object_of(of), kept, 0, OF_STATE, found, places)) return null;
  int status = status_of(found[ITS_STATUS], 0);
  if (status == 0 || !is_empty(found[ITS_TEXT]) || !says_its_state(found[ITS_HEADERS], kept)) return null;
  Value list = copy_list(context, is_nothing(found[ITS_FIELDS]) ? part(kept, PLAIN) : found[ITS_FIELDS]);
  if (tag_of(list) != TAG_OBJECT) return list;
  Value values[] = {number(NONE_KIND), null, list, number(status)};
  Value state = make_alike(context, part(kept, STATUS), 4, values);
  release(context, list);
  return state;
}

/* A list of an init's headers, to which a text's type is added where they have none; null: they are not as most are. */
static Value list_of_init(Context *context, Value headers, int is_text, Value *kept) {
  Value list = null, known = part(kept, KNOWN);
  if (is_of(headers, part(kept, HEADERS)))
    list = are_iterated_as_ever(kept) ? copy_list(context, object_of(headers)->values[0]) : null;
  else if (tag_of(known) == TAG_OBJECT && is_ordinary(context, headers, kept))
    list = list_headers(context, headers, 1, &known);
  if (tag_of(list) != TAG_OBJECT || !is_text) return tag_of(list) == TAG_UNDEFINED ? null : list;
  if (add_default(context, list, part(kept, PLAIN))) return list;
  release(context, list);
  return exception;
}

/* state(body, init): what a response has that these make; null where it is left to JavaScript. */
static Value quick_state(Context *context, Value this, int count, Value *arguments, int magic, Value *kept) {
  (void)this, (void)count, (void)magic;
  Value body = arguments[0], init = arguments[1], found[OF_STATE], list = null;
  int is_text = octets_of_string(body) != NULL, places[OF_STATE];
  if (tag_of(object_of(part(kept, EXTENSIONS))->values[0]) != TAG_NULL) return null;
  if (is_of(body, part(kept, STREAM))) return copy_response(context, body, init, kept);
  if (!is_text && !is_nothing(body)) return null;
  Value values[] = {number(is_text ? TEXT_KIND : NONE_KIND), is_text ? body : null, null, null};
  if (!is_text && is_of(init, part(kept, RESPONSE))) return copy_without_body(context, init, kept);
  if (tag_of(init) == TAG_UNDEFINED) return is_text ? make_alike(context, part(kept, SOURCE), 2, values) : null;
  if (!is_ordinary(context, init, kept) || !read_own(object_of(init), kept, ITS_STATUS, OF_STATE, found, places)) return null;
  int status = status_of(found[ITS_STATUS], is_text);
  if (status == 0 || !is_empty(found[ITS_TEXT])) return null;
  int is_plain = is_text && tag_of(found[ITS_HEADERS]) == TAG_UNDEFINED;
  if (is_plain && status == 200) return make_alike(context, part(kept, SOURCE), 2, values);
  if (tag_of(found[ITS_HEADERS]) != TAG_UNDEFINED) {
    list = list_of_init(context, found[ITS_HEADERS], is_text, kept);
    if (tag_of(list) != TAG_OBJECT) return list;
  } else if (!is_text) {
    list = engine.new_array(context);
    if (tag_of(list) == TAG_EXCEPTION) return exception;
  }
  values[2] = list;
  values[3] = number(status);
  Value state = status == 200 ? make_alike(context, part(kept, FIELDS), 3, values) : make_alike(context, part(kept, STATUS), 4, values);
  release(context, list);
  return state;
}

/* A list as the host gets it: a line for each name and value; null: there are none. Undefined: it is not as most are. */
static Value lines_of(Context *context, Value fields) {
  const Array *list = usual_list(fields);
  if (list == NULL) return undefined;
  if (list->count == 0) return null;
  char lines[MOST_LINES], *to = lines;
  for (uint32_t i = 0; i < list->count; i++) {
    size_t length = length_of_string(list->elements[i]);
    if (length >= (size_t)(lines + MOST_LINES - to)) return undefined;
    memcpy(to, octets_of_string(list->elements[i]), length);
    to += length;
    *to++ = '\n';
  }
  size_t length = (size_t)(to - lines) - 1;
  return is_ascii(lines, length) ? new_ascii(context, lines, length, lines + MOST_LINES) : undefined;
}

/* The stream of a body that nobody has read or locked. */
static inline int is_untouched(Value stream, const Value *kept) {
  return is_of(stream, part(kept, STREAM)) && is_of(object_of(stream)->values[0], part(kept, BODY));
}

/* Give a state a property, which takes the value; another one, or an exception. */
static Value give(Context *context, Value state, Atom name, Value value) {
  if (tag_of(value) == TAG_EXCEPTION) return exception;
  duplicate(value);
  if (define_by_step(context, state, name, value, CONFIGURABLE_WRITABLE_ENUMERABLE) >= 0) return value;
  release(context, value);
  return exception;
}

/* The stream of a text, which knows it. */
static Value stream_of_text(Context *context, Value text, const Value *kept) {
  Value values[] = {number(TEXT_KIND), text};
  Value of_body = make_alike(context, part(kept, BODY), 2, values);
  if (tag_of(of_body) == TAG_EXCEPTION) return exception;
  Value stream = make_alike(context, part(kept, STREAM), 1, &of_body);
  release(context, of_body);
  return stream;
}

/* What a getter gives; undefined where it is left to JavaScript. */
static Value get_quickly(Context *context, Value state, int which, const Value *kept) {
  Value found[OF_STATE];
  int places[OF_STATE];
  if (tag_of(state) != TAG_OBJECT || !read_own(object_of(state), kept, 0, OF_STATE, found, places)) return undefined;
  if (tag_of(found[ITS_KIND]) != TAG_INT) return undefined;
  int kind = found[ITS_KIND].as.integer, has_stream = !is_nothing(found[ITS_STREAM]);
  if (which == IS_USED) {
    if (kind != SPENT_KIND && has_stream && !is_untouched(found[ITS_STREAM], kept)) return undefined;
    return (Value){{kind == SPENT_KIND}, TAG_BOOL};
  }
  if (which == GET_BODY) {
    if (has_stream) return duplicate(found[ITS_STREAM]);
    if (kind == NONE_KIND) return null;
    if (kind != TEXT_KIND || tag_of(part(kept, BODY)) != TAG_OBJECT) return undefined;
    return give(context, state, name_at(kept, ITS_STREAM), stream_of_text(context, found[ITS_SOURCE], kept));
  }
  if (tag_of(found[ITS_HEADERS]) == TAG_OBJECT) return duplicate(found[ITS_HEADERS]);
  if (tag_of(part(kept, HEADERS)) != TAG_OBJECT || slot_of(object_of(state)->shape, name_at(kept, IS_IMMUTABLE)) != NULL) return undefined;
  Value list = is_nothing(found[ITS_FIELDS]) ? give(context, state, name_at(kept, ITS_FIELDS), copy_list(context, part(kept, PLAIN)))
                                             : duplicate(found[ITS_FIELDS]);
  if (tag_of(list) == TAG_EXCEPTION) return exception;
  Value values[] = {list, null}, headers = make_alike(context, part(kept, HEADERS), 2, values);
  release(context, list);
  return give(context, state, name_at(kept, ITS_HEADERS), headers);
}

/* A getter of Response. */
static Value quick_getter(Context *context, Value this, int count, Value *arguments, int which, Value *kept) {
  (void)count, (void)arguments;
  Value found = is_of(this, part(kept, RESPONSE)) ? get_quickly(context, object_of(this)->values[0], which, kept) : undefined;
  return tag_of(found) == TAG_UNDEFINED ? engine.call(context, kept[1], this, 0, NULL) : found;
}

/* Take the source of a body's stream, which nobody has read or locked, as streams_late.js does it. 0: out of memory. */
static int seize(Context *context, Value stream, const Value *kept) {
  Value of_body = object_of(stream)->values[0];
  if (define_by_step(context, of_body, name_at(kept, ITS_READER), duplicate(value_at(kept, ITS_READER)), CONFIGURABLE_WRITABLE_ENUMERABLE) < 0 ||
      define_by_step(context, of_body, name_at(kept, IS_DISTURBED), (Value){{1}, TAG_BOOL}, CONFIGURABLE_WRITABLE_ENUMERABLE) < 0)
    return 0;
  Value *values = object_of(of_body)->values, source = values[ITS_SOURCE];
  values[ITS_KIND] = undefined;
  values[ITS_SOURCE] = null;
  release(context, source);
  return 1;
}

/* answer(state, respond, id): the body is used, and `respond` called as dispatch.js does it. False: nothing was done. */
static Value quick_answer(Context *context, Value this, int count, Value *arguments, int magic, Value *kept) {
  (void)this, (void)count, (void)magic;
  const Value no = {{0}, TAG_BOOL}, yes = {{1}, TAG_BOOL};
  Object *state = object_of(arguments[0]);
  Value found[OF_STATE];
  int places[OF_STATE];
  if (!read_own(state, kept, 0, OF_STATE, found, places) || tag_of(found[ITS_KIND]) != TAG_INT) return no;
  Value source = found[ITS_SOURCE], stream = found[ITS_STREAM];
  int status = status_of(found[ITS_STATUS], 0), kind = found[ITS_KIND].as.integer, is_text = kind == TEXT_KIND;
  int is_plain = is_nothing(found[ITS_FIELDS]), has_stream = !is_nothing(stream);
  if (is_text ? tag_of(source) != TAG_STRING || length_of_string(source) > LONGEST_TEXT : kind != NONE_KIND || is_plain || has_stream)
    return no;
  if (status == 0 || (has_stream && !is_untouched(stream, kept))) return no;
  Value reason = found[ITS_TEXT];
  if (!is_nothing(reason) && (tag_of(reason) != TAG_STRING || length_of_string(reason) > MOST_LINES)) return no;
  Value lines = is_plain ? duplicate(part(kept, PLAIN_LINES)) : lines_of(context, found[ITS_FIELDS]);
  if (tag_of(lines) == TAG_UNDEFINED) return no;
  /* Nearly all tell no reason, and a text takes longer to cross than that there is none. */
  Value text = !is_nothing(reason) && length_of_string(reason) > 0 ? duplicate(reason) : null;
  Value result = exception;
  if (tag_of(lines) != TAG_EXCEPTION && (!has_stream || seize(context, stream, kept))) {
    if (is_text) {
      state->values[places[ITS_KIND]] = number(SPENT_KIND);
      state->values[places[ITS_SOURCE]] = null;
    }
    Value passed[] = {arguments[2], number(status), text, lines, number(kind), is_text ? source : null};
    result = engine.call(context, arguments[1], undefined, 6, passed);
    if (is_text) release(context, source);
  }
  release(context, text);
  release(context, lines);
  if (tag_of(result) == TAG_EXCEPTION) return exception;
  release(context, result);
  return yes;
}

/* quickResponses(parts, which, getter): one of the functions. Where it is a getter it calls the other one otherwise. */
Value quick_responses(Context *context, Value parts, int count, Value *arguments) {
  int are_known = tag_of(parts) == TAG_OBJECT && object_of(parts)->class == CLASS_ARRAY && array_of(parts)->count == PARTS && count > 1;
  for (int i = NAMES; i <= PLAIN_LINES && are_known; i++)
    are_known = tag_of(array_of(parts)->elements[i]) == (i == PLAIN_LINES ? TAG_STRING : TAG_OBJECT);
  if (!are_known || object_of(array_of(parts)->elements[NAMES])->shape->count != ALL_NAMES || tag_of(arguments[0]) != TAG_INT)
    return engine.throw_type_error(context, "quickResponses: these are not the parts");
  Value kept[] = {parts, arguments[1]};
  switch (arguments[0].as.integer) {
    case STATE_OF:
      return engine.new_function_with(context, quick_state, 2, 0, 1, kept);
    case ANSWER:
      return engine.new_function_with(context, quick_answer, 3, 0, 1, kept);
    default:
      return engine.new_function_with(context, quick_getter, 0, arguments[0].as.integer, 2, kept);
  }
}
