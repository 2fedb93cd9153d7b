/*
 * The engine's builtins for the platform, made anew in each context when they are first used; and globals that appear
 * when they are first touched.
 *
 * Theory of operation. The platform must not call Array.prototype.push as an app may have replaced it. To take hold of
 * all that it might ever call, before the app's code runs, would cost each isolate 16 KB: the engine makes its functions
 * when they are first touched, and most of these an app never needs. But the C function behind a builtin is the same in
 * all contexts. So builtins_learn reads it, once a process, from the builtin of a context in which no app's code has
 * run, with its kind and its magic number; from these the engine makes another function of the same behaviour, in any
 * context and at any time.
 *
 *   uncurry(type, name)   makes the method or getter `name` of `type`'s prototype as a function that takes its receiver
 *                         first. Its C function is `call`, which knows by its magic number whom to call.
 *   statics[type][name]   are functions of constructors and namespaces. The engine makes them, and the objects they are
 *                         in, when they are first touched, as it does with its own.
 *
 *   uncurry("Promise", "fulfilled")(value)
 *                         is no builtin but ours: a promise that is fulfilled with a value, which must be no thenable. To
 *                         have one from the engine takes three objects more, two functions and a call of one of them.
 *   uncurry("Object", "isLike")(object, known, name, getter, …)
 *                         is another: whether an object has the own properties and the prototype that `known` has, private
 *                         ones included, and the prototype these getters still, so that what they would give is known.
 *
 *   defineLazy(access)    defines each of the lazy globals as an accessor that calls access(name) or access(name, value).
 *                         Getter and setter are one function, which is half as large as one of JavaScript, and knows by
 *                         its magic number which global it is. Where the prototype of a class without objects would be,
 *                         each context keeps `access`.
 *
 * Threads: every call comes from the engine, and the engine runs with Python's GIL held.
 */

#include <stdlib.h>

#include "values.h"

/* What a list of properties holds (JS_DEF_CFUNC, JS_DEF_OBJECT). */
enum { A_FUNCTION = 0, AN_OBJECT = 8 };

typedef Value Generic(Context *, Value this, int count, Value *arguments);
typedef Value GenericMagic(Context *, Value this, int count, Value *arguments, int magic);
typedef Value Getter(Context *, Value this);
typedef Value GetterMagic(Context *, Value this, int magic);

/* A property as quickjs.h lists them (JSCFunctionListEntry). */
typedef struct Entry {
  const char *name;
  uint8_t flags, holds;
  int16_t magic;
  union {
    struct {
      uint8_t length, kind;
      void *function;
    } function;
    struct {
      const struct Entry *list;
      int count;
    } object;
  } as;
} Entry;

typedef struct {
  const char *name;
  void (*finalizer)(void), (*mark)(void), (*call)(void);
  void *exotic;
} ClassDefinition;

typedef struct {
  int flags;
  Value value, getter, setter;
} Property;

/* The engine's functions, in the order of builtins.py. */
typedef struct {
  Value (*new_function)(Context *, void *, const char *name, int length, int kind, int magic);
  Value (*new_object)(Context *, Value prototype);
  int (*define_list)(Context *, Value object, const Entry *, int count);
  int (*define_named)(Context *, Value object, const char *, Value, int flags); /* takes the value */
  Value (*get)(Context *, Value object, const char *name);
  Value (*get_at)(Context *, Value object, uint32_t index);
  const char *(*text_of)(Context *, size_t *length, Value, int as_cesu8);
  void (*free_text)(Context *, const char *);
  uint16_t (*class_of)(Value);
  Value (*throw_type_error)(Context *, const char *format, ...);
  Value (*throw_out_of_memory)(Context *);
  Value (*get_global)(Context *);
  Value (*call)(Context *, Value function, Value this, int count, Value *arguments);
  Value (*new_string)(Context *, const char *, size_t length);
  uint32_t (*new_atom)(Context *, const char *, size_t length);
  void (*free_atom)(Context *, uint32_t);
  int (*define_accessor)(Context *, Value object, uint32_t atom, Value getter, Value setter, int flags); /* takes both */
  Runtime *(*get_runtime)(Context *);
  uint32_t (*new_class_number)(uint32_t *);
  int (*new_class)(Runtime *, uint32_t class, const ClassDefinition *);
  void (*set_class_prototype)(Context *, uint32_t class, Value); /* takes the value */
  Value (*get_class_prototype)(Context *, uint32_t class);
  void (*free_counted)(Context *, Value); /* whose count has come to 0 */
  void *(*allocate)(Context *, size_t);
  void (*free)(Context *, void *);
  size_t (*size_of)(Context *, const void *block);
  Value (*new_object_of)(Context *, int class);
  void (*set_opaque)(Value, void *);
  void *(*opaque_of)(Value, uint32_t class);
  Value (*new_promise)(Context *, Value resolvers[2]);
  int (*state_of)(Context *, Value promise);
  Value (*result_of)(Context *, Value promise);
  Value (*prototype_of)(Context *, Value);
  int (*get_own)(Context *, Property *, Value object, uint32_t atom);
  uint32_t (*atom_of)(Context *, Value);
} Engine;

/* Where an object has its shape: the names of its own properties, and its prototype (quickjs.c, JSObject). */
#define SHAPE_AT 32
static inline const void *shape_of(Value object) {
  const void *shape;
  memcpy(&shape, (char *)object.as.pointer + SHAPE_AT, sizeof shape);
  return shape;
}

/* What the object of a promise has (quickjs.c, JSPromiseData). proves_promise() does. */
typedef struct Reactions {
  struct Reactions *previous, *next;
} Reactions;
typedef struct {
  int state;
  Reactions reactions[2];
  int is_handled;
  Value result;
} Promise;
enum { PENDING = 0, FULFILLED = 1 };

static Engine engine;

typedef struct {
  const char *type, *name;
  Kept kept;
} Method;

static Method *methods;
static int method_count;
/* The types' entries, and of each its functions'. */
static Entry *types;
static int type_count;

static uint16_t promise_class;

/* The names of the lazy globals. */
static char **lazy;
static int lazy_count;
/* Where each context keeps what is called when one is accessed. */
static uint32_t keeping_class;

static const Value null = {{0}, TAG_NULL}, undefined = {{0}, TAG_UNDEFINED}, exception = {{0}, TAG_EXCEPTION};

static void release(Context *context, Value value) {
  if (is_counted(value) && --*count_of(value) <= 0) engine.free_counted(context, value);
}

/* A promise that is fulfilled with the receiver. */
static Value fulfilled(Context *context, Value value, int count, Value *arguments) {
  (void)count, (void)arguments;
  Promise *promise = engine.allocate(context, sizeof *promise);
  if (promise == NULL) return exception;
  Value object = engine.new_object_of(context, promise_class);
  if (tag_of(object) == TAG_EXCEPTION) {
    engine.free(context, promise);
    return exception;
  }
  promise->state = FULFILLED;
  for (int i = 0; i < 2; i++) promise->reactions[i] = (Reactions){&promise->reactions[i], &promise->reactions[i]};
  promise->is_handled = 0;
  promise->result = duplicate(value);
  engine.set_opaque(object, promise);
  return object;
}

/* Whether that is what the engine has of a promise. */
static int is_promise(Context *context, Value object, int state, Value result) {
  const Promise *promise = engine.opaque_of(object, promise_class);
  if (promise == NULL || engine.size_of(context, promise) < sizeof *promise || engine.state_of(context, object) != state) return 0;
  const Reactions *both = promise->reactions;
  return promise->state == state && promise->is_handled == 0 && both[0].next == both && both[0].previous == both &&
         both[1].next == both + 1 && both[1].previous == both + 1 && promise->result.tag == result.tag &&
         (tag_of(result) == TAG_UNDEFINED || promise->result.as.integer == result.as.integer);
}

/* Whether Promise is what the engine keeps of one, pending and fulfilled. */
static int proves_promise(Context *context) {
  Value resolvers[2], number = {{12345}, TAG_INT}, object = engine.new_promise(context, resolvers);
  if (tag_of(object) != TAG_OBJECT) return 0;
  promise_class = engine.class_of(object);
  int proof = is_promise(context, object, PENDING, undefined);
  release(context, engine.call(context, resolvers[0], undefined, 1, &number));
  Value made = fulfilled(context, number, 0, NULL);
  proof = proof && is_promise(context, object, FULFILLED, number) && tag_of(made) == TAG_OBJECT &&
          is_promise(context, made, FULFILLED, number) && engine.result_of(context, made).as.integer == 12345;
  release(context, made);
  release(context, object);
  release(context, resolvers[0]);
  release(context, resolvers[1]);
  return proof;
}

static int has_getter(Context *context, Value object, Value name, Value getter) {
  Property property = {.value = undefined, .getter = undefined, .setter = undefined};
  uint32_t atom = engine.atom_of(context, name);
  int found = atom == 0 ? -1 : engine.get_own(context, &property, object, atom);
  if (atom != 0) engine.free_atom(context, atom);
  if (found <= 0) return found;
  int is_that = tag_of(property.getter) == TAG_OBJECT && property.getter.as.pointer == getter.as.pointer;
  release(context, property.value);
  release(context, property.getter);
  release(context, property.setter);
  return is_that;
}

/* Whether the receiver is like the first argument; pairs of a name and a getter follow. */
static Value is_like(Context *context, Value object, int count, Value *arguments) {
  int is_so = count > 0 && tag_of(object) == TAG_OBJECT && tag_of(arguments[0]) == TAG_OBJECT &&
              shape_of(object) == shape_of(arguments[0]);
  if (is_so) {
    Value prototype = engine.prototype_of(context, object);
    for (int i = 1; is_so > 0 && i + 1 < count; i += 2) is_so = has_getter(context, prototype, arguments[i], arguments[i + 1]);
    release(context, prototype);
  }
  return is_so < 0 ? exception : (Value){{is_so}, TAG_BOOL};
}

/* Whether objects that are alike have one shape, and others have not. */
static int proves_shape(Context *context) {
  Value one = engine.new_object(context, null), other = engine.new_object(context, null), number = {{1}, TAG_INT};
  int proof = tag_of(one) == TAG_OBJECT && tag_of(other) == TAG_OBJECT && shape_of(one) == shape_of(other) &&
              engine.define_named(context, one, "proof", number, CONFIGURABLE_WRITABLE) > 0 &&
              shape_of(one) != shape_of(other) &&
              engine.define_named(context, other, "proof", number, CONFIGURABLE_WRITABLE) > 0 &&
              shape_of(one) == shape_of(other);
  release(context, one);
  release(context, other);
  return proof;
}

/* A method that takes its receiver as first argument. The engine sees to it that there is one. */
static Value call(Context *context, Value this, int count, Value *arguments, int index) {
  const Kept *kept = &methods[index].kept;
  int rest = count > 0 ? count - 1 : 0;
  switch (kept->kind) {
    case GENERIC:
      return ((Generic *)kept->function)(context, arguments[0], rest, arguments + 1);
    case GENERIC_MAGIC:
      return ((GenericMagic *)kept->function)(context, arguments[0], rest, arguments + 1, kept->magic);
    case GETTER:
      return ((Getter *)kept->function)(context, arguments[0]);
    default:
      return ((GetterMagic *)kept->function)(context, arguments[0], kept->magic);
  }
}

static int compare(const void *one, const void *other) {
  const Method *a = one, *b = other;
  int types = strcmp(a->type, b->type);
  return types != 0 ? types : strcmp(a->name, b->name);
}

/* Each isolate asks for some seventy. */
static int find_method(const char *type, const char *name) {
  const Method asked = {.type = type, .name = name};
  const Method *found = bsearch(&asked, methods, (size_t)method_count, sizeof *methods, compare);
  return found == NULL ? -1 : (int)(found - methods);
}

static Value uncurry(Context *context, Value this, int count, Value *arguments) {
  Value result = exception;
  const char *type = engine.text_of(context, NULL, arguments[0], 0);
  const char *name = type == NULL ? NULL : engine.text_of(context, NULL, arguments[1], 0);
  if (name != NULL) {
    int index = find_method(type, name);
    result = index < 0 ? engine.throw_type_error(context, "builtins.js lists no %s.%s", type, name)
                       : engine.new_function(context, call, name, methods[index].kept.length + 1, GENERIC_MAGIC, index);
    engine.free_text(context, name);
  }
  if (type != NULL) engine.free_text(context, type);
  return result;
}

/* A lazy global is read, or assigned its one argument. */
static Value access(Context *context, Value this, int count, Value *arguments, int index) {
  Value passed[2] = {engine.new_string(context, lazy[index], strlen(lazy[index])), undefined};
  if (tag_of(passed[0]) == TAG_EXCEPTION) return exception;
  if (count > 0) passed[1] = arguments[0];
  Value function = engine.get_class_prototype(context, keeping_class);
  Value result = engine.call(context, function, undefined, count > 0 ? 2 : 1, passed);
  release(context, function);
  release(context, passed[0]);
  return result;
}

static Value define_lazy(Context *context, Value this, int count, Value *arguments) {
  static const ClassDefinition definition = {.name = "lazy"};
  /* This function of the engine's throws nothing. */
  if (engine.new_class(engine.get_runtime(context), keeping_class, &definition) < 0)
    return engine.throw_out_of_memory(context);
  engine.set_class_prototype(context, keeping_class, duplicate(arguments[0]));
  Value global = engine.get_global(context);
  int ok = 1;
  for (int i = 0; ok && i < lazy_count; i++) {
    uint32_t atom = engine.new_atom(context, lazy[i], strlen(lazy[i]));
    Value both = atom == 0 ? exception : engine.new_function(context, access, lazy[i], 0, GENERIC_MAGIC, i);
    ok = tag_of(both) != TAG_EXCEPTION &&
         engine.define_accessor(context, global, atom, both, duplicate(both), CONFIGURABLE) >= 0;
    engine.free_atom(context, atom);
  }
  release(context, global);
  return ok ? undefined : exception;
}

/* What the engine keeps of a function; 0: it is none of C. */
static int read_kept(Value function, uint16_t class, Kept *kept) {
  if (tag_of(function) != TAG_OBJECT || engine.class_of(function) != class) return 0;
  *kept = kept_of(function);
  return 1;
}

/* Whether Kept is what the engine keeps, by a function of which all is known; its class. */
static int proves_kept(Context *context, uint16_t *class) {
  Value function = engine.new_function(context, call, "proof", 7, GENERIC_MAGIC, 12345);
  *class = engine.class_of(function);
  int proof = tag_of(function) == TAG_OBJECT && keeps(function, context, (void *)call, 7, GENERIC_MAGIC, 12345);
  release(context, function);
  return proof;
}

static char *copy_text(Context *context, Value list, uint32_t index) {
  Value value = engine.get_at(context, list, index);
  const char *text = engine.text_of(context, NULL, value, 0);
  char *copy = text == NULL ? NULL : strdup(text);
  if (text != NULL) engine.free_text(context, text);
  release(context, value);
  return copy;
}

static int add_method(char *type, char *name, Kept kept) {
  if (kept.kind != GENERIC && kept.kind != GENERIC_MAGIC && kept.kind != GETTER && kept.kind != GETTER_MAGIC) return 0;
  methods[method_count++] = (Method){type, name, kept};
  return 1;
}

/* Functions of a type come together. */
static int add_static(char *type, char *name, Kept kept, Entry *entry) {
  if (kept.kind != GENERIC && kept.kind != GENERIC_MAGIC && kept.kind != NUMBER_OF_NUMBER && kept.kind != NUMBER_OF_NUMBERS)
    return 0;
  if (type_count == 0 || strcmp(types[type_count - 1].name, type) != 0)
    types[type_count++] = (Entry){.name = type, .holds = AN_OBJECT, .as.object = {.list = entry}};
  types[type_count - 1].as.object.count++;
  *entry = (Entry){.name = name, .holds = A_FUNCTION, .magic = kept.magic};
  entry->as.function.length = kept.length;
  entry->as.function.kind = kept.kind;
  entry->as.function.function = kept.function;
  return 1;
}

static uint32_t length_of(Context *context, Value list) {
  return (uint32_t)engine.get(context, list, "length").as.integer;
}

/* Builtins, four items each: whether it is a method, type, name, function. */
static int learn_builtins(Context *context, Value list, uint16_t class) {
  uint32_t count = length_of(context, list) / 4;
  Entry *entries = calloc(count, sizeof *entries);
  methods = calloc(count + 2, sizeof *methods);
  types = calloc(count, sizeof *types);
  int ok = entries != NULL && methods != NULL && types != NULL;
  for (uint32_t i = 0; ok && i < count; i++) {
    int is_method = engine.get_at(context, list, 4 * i).as.integer;
    char *type = copy_text(context, list, 4 * i + 1), *name = copy_text(context, list, 4 * i + 2);
    Value function = engine.get_at(context, list, 4 * i + 3);
    Kept kept;
    ok = type != NULL && name != NULL && read_kept(function, class, &kept) &&
         (is_method ? add_method(type, name, kept) : add_static(type, name, kept, &entries[i]));
    release(context, function);
  }
  ok = ok && add_method("Promise", "fulfilled", (Kept){.function = (void *)fulfilled, .kind = GENERIC}) &&
       add_method("Object", "isLike", (Kept){.function = (void *)is_like, .kind = GENERIC});
  /* None was asked for yet: functions are called by their places in the list. */
  if (ok) qsort(methods, (size_t)method_count, sizeof *methods, compare);
  return ok;
}

static int learn_names(Context *context, Value list) {
  uint32_t count = length_of(context, list);
  lazy = calloc(count, sizeof *lazy);
  if (lazy == NULL) return 0;
  for (uint32_t i = 0; i < count; i++)
    if ((lazy[lazy_count++] = copy_text(context, list, i)) == NULL) return 0;
  return 1;
}

/* Once a process, before all others: what the globals `listed` and `lazy` list. 0: something is not as it is known here. */
int builtins_learn(const Engine *functions, Context *context) {
  /* Functions that were made of others before are called by their places in the list, and properties point to it. */
  if (methods != NULL) return 0;
  engine = *functions;
  engine.new_class_number(&keeping_class);
  uint16_t class;
  if (!proves_kept(context, &class) || !proves_promise(context) || !proves_shape(context)) return 0;
  Value global = engine.get_global(context);
  Value listed = engine.get(context, global, "listed"), names = engine.get(context, global, "lazy");
  int ok = learn_builtins(context, listed, class) && learn_names(context, names);
  release(context, names);
  release(context, listed);
  release(context, global);
  return ok;
}

static int put(Context *context, Value object, const char *name, Value value) {
  return tag_of(value) == TAG_OBJECT && engine.define_named(context, object, name, value, CONFIGURABLE_WRITABLE) >= 0;
}

/* Give a context { uncurry, statics, defineLazy } as the global of this name. Out of memory, it has none of the name. */
void builtins_give(Context *context, const char *place) {
  Value global = engine.get_global(context);
  Value given = engine.new_object(context, null);
  Value statics = engine.new_object(context, null);
  if (tag_of(statics) == TAG_OBJECT && engine.define_list(context, statics, types, type_count) == 0 &&
      put(context, given, "uncurry", engine.new_function(context, uncurry, "uncurry", 2, GENERIC, 0)) &&
      put(context, given, "defineLazy", engine.new_function(context, define_lazy, "defineLazy", 1, GENERIC, 0)) &&
      put(context, given, "statics", duplicate(statics)))
    put(context, global, place, duplicate(given));
  release(context, statics);
  release(context, given);
  release(context, global);
}
