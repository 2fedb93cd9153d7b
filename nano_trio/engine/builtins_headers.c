/*
 * Header lists where the engine keeps them; see builtins.c, headerlist.js and headers.js.
 *
 * A list is an array of name, value, name, value … with names in lower case. Names of headers repeat: `known` is the
 * platform's object of those that were seen, each with its lower case. What is not as it mostly is (a name that was never
 * seen, a value that needs a second look, a list that an app's setters or a full heap left uneven, headers that are
 * immutable or were iterated over) is left to JavaScript.
 */

#include "builtins.h"

/* What is more, or longer, is looked at in JavaScript, which polls. */
enum { MOST_HEADERS = 32, LONGEST_VALUE = 1024 };

/* Of an object's second octet of bits: it is an array whose elements lie one beside the other. */
static uint8_t dense_bit;

/* A string that is a header's value as it stands, and not long. */
static int is_header_value(Value value) {
  const char *octets = octets_of_string(value);
  uint32_t length = octets == NULL ? 0 : length_of_string(value);
  if (octets == NULL || length > LONGEST_VALUE) return 0;
  for (uint32_t i = 0; i < length; i++) {
    if (octets[i] == 0 || octets[i] == '\n' || octets[i] == '\r') return 0;
  }
  return length == 0 || (octets[0] != ' ' && octets[0] != '\t' && octets[length - 1] != ' ' && octets[length - 1] != '\t');
}

/* Whether two strings are one; 0 as well where one is none whose octets are known. */
static inline int is_same(Value one, Value other) {
  if (one.as.pointer == other.as.pointer) return tag_of(one) == TAG_STRING && tag_of(other) == TAG_STRING;
  const char *octets = octets_of_string(one), *others = octets_of_string(other);
  uint32_t length = octets == NULL ? 0 : length_of_string(one);
  return octets != NULL && others != NULL && length == length_of_string(other) && memcmp(octets, others, length) == 0;
}

Value new_list(Context *context, const Value *values, uint32_t count) {
  Value list = engine.new_array(context);
  if (tag_of(list) == TAG_EXCEPTION || count == 0) return list;
  Value *elements = engine.allocate(context, count * sizeof *elements);
  if (elements == NULL) {
    release(context, list);
    return exception;
  }
  memcpy(elements, values, count * sizeof *elements);
  Array *array = array_of(list);
  array->elements = elements;
  array->room = array->count = count;
  array->object.values[0].as.integer = (int32_t)count;
  return list;
}

/*
 * listHeaders(init, known): an array of name, value, name, value … of the properties of an ordinary object, each name as
 * `known` has it. Undefined where a name is none of those, a value needs a second look, or a getter would be called.
 */
Value list_headers(Context *context, Value init, int count, Value *arguments) {
  const Object *object = tag_of(init) == TAG_OBJECT ? object_of(init) : NULL;
  const Shape *shape = object == NULL ? NULL : object->shape;
  if (object == NULL || object->class != CLASS_OBJECT || shape->deleted != 0 || shape->count > MOST_HEADERS) return undefined;
  Value both[2 * MOST_HEADERS] = {undefined};
  int headers = 0;
  for (; headers < shape->count; headers++) {
    const Slot *slot = &shape->slots[headers];
    Value value = object->values[headers];
    /* Indices would come first. */
    if ((slot->atom & ATOM_OF_INDEX) || (slot->flags & (ENUMERABLE | NO_VALUE)) != ENUMERABLE || !is_header_value(value)) break;
    Value name = engine.get_by_atom(context, arguments[0], slot->atom, arguments[0], 0);
    if (tag_of(name) != TAG_STRING) {
      release(context, name);
      break;
    }
    both[2 * headers] = name;
    both[2 * headers + 1] = duplicate(value);
  }
  Value list = headers < shape->count ? undefined : new_list(context, both, 2 * (uint32_t)headers);
  if (tag_of(list) == TAG_OBJECT) return list;
  while (headers > 0) {
    headers--;
    release(context, both[2 * headers]);
    release(context, both[2 * headers + 1]);
  }
  return list;
}

/* What the methods are told apart by; headers.js has the same. */
enum { GET = 0, HAS = 1, SET = 2, APPEND = 3 };
/* What each keeps: the method in JavaScript; a Headers object that nobody has changed; the known names. */
enum { OTHERWISE = 0, UNTOUCHED = 1, KNOWN = 2, KEPT_BY_METHOD = 3 };

Array *usual_list(Value value) {
  if (tag_of(value) != TAG_OBJECT) return NULL;
  Array *list = array_of(value);
  int is_usual = list->object.class == CLASS_ARRAY && (list->object.bits[1] & dense_bit) && list->count % 2 == 0 &&
                 list->count <= 2 * MOST_HEADERS && tag_of(list->object.values[0]) == TAG_INT &&
                 list->object.values[0].as.integer == (int32_t)list->count;
  for (uint32_t i = 0; i < list->count && is_usual; i++) is_usual = octets_of_string(list->elements[i]) != NULL;
  return is_usual ? list : NULL;
}

/* The list of a Headers object that may be changed where `changes`; NULL: it is not as all are. */
static Array *list_of(Value headers, Value untouched, int changes) {
  if (tag_of(headers) != TAG_OBJECT || object_of(headers)->shape != object_of(untouched)->shape) return NULL;
  const Value *values = object_of(headers)->values;
  return changes && tag_of(values[1]) != TAG_NULL ? NULL : usual_list(values[0]);
}

Value copy_list(Context *context, Value value) {
  const Array *list = usual_list(value);
  if (list == NULL) return null;
  Value copy = new_list(context, list->elements, list->count);
  for (uint32_t i = 0; i < list->count && tag_of(copy) == TAG_OBJECT; i++) duplicate(list->elements[i]);
  return copy;
}

/* Put a header behind all others, which takes both values. 0: out of memory. */
static int append_header(Context *context, Array *list, Value name, Value value) {
  if (list->count + 2 > list->room) {
    uint32_t room = list->count + 2 + list->count / 2;
    Value *elements = engine.reallocate(context, list->elements, room * sizeof *elements);
    if (elements == NULL) return 0;
    list->elements = elements;
    list->room = room;
  }
  list->elements[list->count] = name;
  list->elements[list->count + 1] = value;
  list->count += 2;
  list->object.values[0].as.integer = (int32_t)list->count;
  return 1;
}

int add_default(Context *context, Value value, Value header) {
  Array *list = array_of(value);
  const Value *both = array_of(header)->elements;
  for (uint32_t i = 0; i < list->count; i += 2)
    if (is_same(list->elements[i], both[0])) return 1;
  if (append_header(context, list, duplicate(both[0]), duplicate(both[1]))) return 1;
  for (int i = 0; i < 2; i++) release(context, both[i]);
  return 0;
}

/* A method of Headers, which ends with the value; undefined where JavaScript is to do it. It takes the name. */
static Value do_quickly(Context *context, Array *list, int what, Value name, Value value) {
  uint32_t count = list->count, found = count;
  int times = 0;
  for (uint32_t i = 0; i < count && what != APPEND; i += 2) {
    if (!is_same(list->elements[i], name)) continue;
    if (times++ == 0) found = i;
  }
  if (what == GET || what == HAS) {
    release(context, name);
    if (what == HAS) return (Value){{times > 0}, TAG_BOOL};
    return times == 0 ? null : times == 1 ? duplicate(list->elements[found + 1]) : undefined;
  }
  if (times > 1) {
    release(context, name);
    return undefined;
  }
  duplicate(value);
  if (times == 1) {
    Value before[] = {list->elements[found], list->elements[found + 1]};
    list->elements[found] = name;
    list->elements[found + 1] = value;
    release(context, before[0]);
    release(context, before[1]);
  } else if (!append_header(context, list, name, value)) {
    release(context, name);
    release(context, value);
    return exception;
  }
  return null;
}

static Value headers_method(Context *context, Value this, int count, Value *arguments, int what, Value *kept) {
  int changes = what == SET || what == APPEND;
  Array *list = NULL;
  if (count > changes && tag_of(arguments[0]) == TAG_STRING && (!changes || is_header_value(arguments[1])))
    list = list_of(this, kept[UNTOUCHED], changes);
  if (list != NULL) {
    Atom atom = engine.atom_of(context, arguments[0]);
    if (atom == 0) return exception;
    Value name = engine.get_by_atom(context, kept[KNOWN], atom, kept[KNOWN], 0);
    engine.free_atom(context, atom);
    if (octets_of_string(name) != NULL) {
      Value result = do_quickly(context, list, what, name, changes ? arguments[1] : undefined);
      if (tag_of(result) != TAG_UNDEFINED) return changes && tag_of(result) == TAG_NULL ? undefined : result;
    } else {
      release(context, name);
    }
  }
  return engine.call(context, kept[OTHERWISE], this, count, arguments);
}

/*
 * quickHeaders(method, what, length, untouched, known): a function that does what the method of Headers does, and calls it
 * where it is left to JavaScript.
 */
Value quick_headers(Context *context, Value method, int count, Value *arguments) {
  if (count < 4 || tag_of(arguments[0]) != TAG_INT || tag_of(arguments[1]) != TAG_INT || tag_of(arguments[2]) != TAG_OBJECT)
    return engine.throw_type_error(context, "quickHeaders: there is none of these");
  Value kept[KEPT_BY_METHOD] = {[OTHERWISE] = method, [UNTOUCHED] = arguments[2], [KNOWN] = arguments[3]};
  return engine.new_function_with(context, headers_method, arguments[1].as.integer, arguments[0].as.integer, KEPT_BY_METHOD, kept);
}

/* Whether the engine keeps an array as it is known here. */
int proves_arrays(Context *context) {
  Value value = engine.new_array(context);
  int proof = tag_of(value) == TAG_OBJECT;
  if (proof) {
    const Array *array = array_of(value);
    proof = array->object.class == CLASS_ARRAY && array->count == 0 && array->room == 0 && array->elements == NULL &&
            tag_of(array->object.values[0]) == TAG_INT && array->object.values[0].as.integer == 0;
  }
  for (int i = 0; i < 3 && proof; i++) {
    char name[] = {(char)('0' + i), 0};
    proof = engine.define_named(context, value, name, (Value){{40 + i}, TAG_INT}, CONFIGURABLE_WRITABLE_ENUMERABLE) > 0;
  }
  if (proof) {
    const Array *array = array_of(value);
    proof = array->count == 3 && array->room >= 3 && array->object.values[0].as.integer == 3;
    for (int i = 0; i < 3 && proof; i++)
      proof = tag_of(array->elements[i]) == TAG_INT && array->elements[i].as.integer == 40 + i;
    /* One with a gap is no such array any more. */
    uint8_t bits = array->object.bits[1];
    proof = proof && engine.define_named(context, value, "10", null, CONFIGURABLE_WRITABLE_ENUMERABLE) > 0;
    dense_bit = bits & ~array->object.bits[1];
    proof = proof && dense_bit != 0 && (dense_bit & (dense_bit - 1)) == 0;
  }
  release(context, value);
  return proof;
}
