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
 * Some that uncurry makes are no builtins but ours (builtins_ours.c), for what the engine can do and JavaScript cannot say:
 *
 *   uncurry("Promise", "fulfilled")(value)
 *                         is a promise that is fulfilled with a value, which must be no thenable. To have one from the
 *                         engine takes three objects more, two functions and a call of one of them.
 *   uncurry("Promise", "subscribe")(promise, number, function, "constructor", Promise)
 *                         has the function called when a promise is settled, as `await` would go on, and makes neither an
 *                         async function's state nor its promise for that. It declines where `await` could be seen.
 *   uncurry("Function", "soon")(function)
 *                         has the function called as `then` of a promise that is fulfilled would, but makes no promise and
 *                         looks at no species for it. What it throws is lost.
 *   uncurry("Object", "alike")(model, value, …)
 *                         makes an object like the model, private properties included, without running a constructor.
 *   uncurry("Object", "modelOf")(function)
 *                         is such a model, which the function makes; what stands for both in JavaScript calls it each time.
 *   uncurry("Object", "listHeaders")(init, known)
 *                         makes the header list of an ordinary object, where nothing of it needs a second look.
 *   uncurry("Object", "quickHeaders")(method, …), uncurry("Object", "quickResponses")(parts, which, …)
 *                         make functions that do the usual: a method of Headers; what a response is made of, its getters,
 *                         and to answer it.
 *   uncurry("String", "utf8")(text), uncurry("TypedArray", "ascii")(bytes, length)
 *                         are an ArrayBuffer with the text's UTF-8, and the text that bytes in ASCII are, or undefined.
 *   uncurry("Error", "keepStack")(object, frames)
 *                         gives an object a `stack` as errors have it, with these frames.
 *   uncurry("Error", "framesOf")(error)
 *                         are those of an error's stack, whatever it says by now; undefined of a stack that others made.
 *   uncurry("Await", "begin")(Promise.prototype.then), and "current", "change", "run", "bind"
 *                         keep an object across `await`: builtins_awaits.c. Only where awaits.py has learned how.
 *
 *   defineLazy(access, find)
 *                         defines each of the lazy globals as an accessor that calls access(name) or access(name, value),
 *                         those that are listed with a ^ before their name on the prototype of the global object.
 *                         Getter and setter are one function, which is half as large as one of JavaScript, and knows by
 *                         its magic number which global it is. Where the prototypes of classes without objects would be,
 *                         each context keeps `access` and `find`.
 *   defineMembers(target, file)
 *                         gives an interface the members listed for a file, which few apps use. The engine makes methods
 *                         when they are first touched. When one is called the function find(file, name) is called in its
 *                         place.
 *
 * The promises that the engine makes for itself, for async functions, come from us as well: builtins_promises.c. So do
 * the length and the name of functions: builtins_functions.c; what apps call of Map and Set, and of iterators, where the
 * engine's own is not safe: builtins_maps.c and builtins_iterators.c; and what answers for async generators that are done:
 * builtins_generators.c. And functions that have data, and `instanceof`, are called with a look at the stack:
 * builtins_calls.c; weak maps do not keep what only their values refer to: builtins_weak.c; the stack of an error begins with
 * what that says: builtins_errors.c;
 * and where the heap is full code is compiled, and modules are read and linked, without a refusal: builtins_compiling.c.
 *
 * Threads: every call comes from the engine, and the engine runs with Python's GIL held.
 */

#include <stdlib.h>

#include "builtins.h"

typedef Value Getter(Context *, Value this);
typedef Value GetterMagic(Context *, Value this, int magic);

Engine engine;

typedef struct {
  const char *type, *name;
  Kept kept;
} Method;

static Method *methods;
static int method_count;
/* The types' entries, and of each its functions'. */
static Entry *types;
static int type_count;

/* The names of the lazy globals. */
static char **lazy;
static int lazy_count;
/* Where each context keeps what is called when one is accessed, and what finds members. */
static uint32_t keeping_class, finding_class;

/* Whether code that has been compiled does not run untold: builtins_compiling.c. */
static int tells_of_code;

/* Members of interfaces, and the file of each. Those of a file come together. */
static Entry *members;
static char **files;
static int member_count;

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

int find_kept(const char *type, const char *name, Kept *kept) {
  int index = find_method(type, name);
  if (index >= 0) *kept = methods[index].kept;
  return index >= 0;
}

void replace_kept(const char *type, const char *name, void *function) {
  int index = find_method(type, name);
  if (index >= 0) methods[index].kept.function = function;
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

/* What a lazy global is called: one that the prototype of the global object is to have is marked. */
static const char *name_of_lazy(int index) { return lazy[index] + (*lazy[index] == '^'); }

/* A lazy global is read, or assigned its one argument. */
static Value access(Context *context, Value this, int count, Value *arguments, int index) {
  Value passed[2] = {engine.new_string(context, name_of_lazy(index), strlen(name_of_lazy(index))), undefined};
  if (tag_of(passed[0]) == TAG_EXCEPTION) return exception;
  if (count > 0) passed[1] = arguments[0];
  Value function = engine.get_class_prototype(context, keeping_class);
  Value result = engine.call(context, function, undefined, count > 0 ? 2 : 1, passed);
  release(context, function);
  release(context, passed[0]);
  return result;
}

/* Have the context keep a function. 0: out of memory. */
static int keep(Context *context, uint32_t class, Value function) {
  static const ClassDefinition definition = {.name = "lazy"};
  /* This function of the engine's throws nothing. */
  if (engine.new_class(engine.get_runtime(context), class, &definition) < 0) {
    engine.throw_out_of_memory(context);
    return 0;
  }
  engine.set_class_prototype(context, class, duplicate(function));
  return 1;
}

static Value define_lazy(Context *context, Value this, int count, Value *arguments) {
  if (!keep(context, keeping_class, arguments[0]) || !keep(context, finding_class, arguments[1])) return exception;
  Value global = engine.get_global(context);
  int ok = 1;
  for (int i = 0; ok && i < lazy_count; i++) {
    const char *name = name_of_lazy(i);
    uint32_t atom = engine.new_atom(context, name, strlen(name));
    Value both = atom == 0 ? exception : engine.new_function(context, access, name, 0, GENERIC_MAGIC, i);
    Value target = name == lazy[i] ? duplicate(global) : engine.prototype_of(context, global);
    ok = tag_of(both) != TAG_EXCEPTION &&
         engine.define_accessor(context, target, atom, both, duplicate(both), CONFIGURABLE) >= 0;
    release(context, target);
    engine.free_atom(context, atom);
  }
  release(context, global);
  return ok ? undefined : exception;
}

/* A member is called. */
static Value member(Context *context, Value this, int count, Value *arguments, int index) {
  const char *name = members[index].name;
  Value find = engine.get_class_prototype(context, finding_class), function = exception;
  Value of[2] = {engine.new_string(context, files[index], strlen(files[index])), exception};
  if (tag_of(of[0]) != TAG_EXCEPTION) of[1] = engine.new_string(context, name, strlen(name));
  if (tag_of(of[1]) != TAG_EXCEPTION) function = engine.call(context, find, undefined, 2, of);
  Value result = tag_of(function) == TAG_EXCEPTION ? exception : engine.call(context, function, this, count, arguments);
  release(context, function);
  release(context, of[1]);
  release(context, of[0]);
  release(context, find);
  return result;
}

static Value get_member(Context *context, Value this, int index) { return member(context, this, 0, NULL, index); }

static Value define_members(Context *context, Value this, int count, Value *arguments) {
  const char *file = engine.text_of(context, NULL, arguments[1], 0);
  if (file == NULL) return exception;
  int first = 0, end;
  while (first < member_count && strcmp(files[first], file) != 0) first++;
  for (end = first; end < member_count && strcmp(files[end], file) == 0;) end++;
  engine.free_text(context, file);
  return engine.define_list(context, arguments[0], members + first, end - first) == 0 ? undefined : exception;
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
  methods = calloc(count + 17, sizeof *methods);
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
       add_method("Promise", "subscribe", (Kept){.function = (void *)subscribe, .length = 4, .kind = GENERIC}) &&
       add_method("Function", "soon", (Kept){.function = (void *)soon, .kind = GENERIC}) &&
       add_method("Object", "modelOf", (Kept){.function = (void *)model_of, .kind = GENERIC}) &&
       add_method("Object", "alike", (Kept){.function = (void *)make_alike, .kind = GENERIC}) &&
       add_method("Object", "listHeaders", (Kept){.function = (void *)list_headers, .length = 1, .kind = GENERIC}) &&
       add_method("Object", "quickHeaders", (Kept){.function = (void *)quick_headers, .kind = GENERIC}) &&
       add_method("Object", "quickResponses", (Kept){.function = (void *)quick_responses, .length = 2, .kind = GENERIC}) &&
       add_method("String", "utf8", (Kept){.function = (void *)utf8_of, .kind = GENERIC}) &&
       add_method("TypedArray", "ascii", (Kept){.function = (void *)ascii_of, .length = 1, .kind = GENERIC}) &&
       add_method("Error", "keepStack", (Kept){.function = (void *)keep_stack, .length = 1, .kind = GENERIC}) &&
       add_method("Error", "framesOf", (Kept){.function = (void *)frames_of, .kind = GENERIC}) &&
       add_method("Await", "begin", (Kept){.function = (void *)begin_awaits, .kind = GENERIC}) &&
       add_method("Await", "current", (Kept){.function = (void *)get_current, .kind = GENERIC}) &&
       add_method("Await", "change", (Kept){.function = (void *)set_current, .kind = GENERIC}) &&
       add_method("Await", "run", (Kept){.function = (void *)run_with, .length = 1, .kind = GENERIC}) &&
       add_method("Await", "bind", (Kept){.function = (void *)bind_to_current, .kind = GENERIC});
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

/* Members, four items each: the file, the name, the length of a method, or less than 0 for a getter, is it enumerable. */
static int learn_members(Context *context, Value list) {
  uint32_t count = length_of(context, list) / 4;
  members = calloc(count, sizeof *members);
  files = calloc(count, sizeof *files);
  if (members == NULL || files == NULL) return 0;
  for (uint32_t i = 0; i < count; i++) {
    char *file = copy_text(context, list, 4 * i), *name = copy_text(context, list, 4 * i + 1);
    int length = engine.get_at(context, list, 4 * i + 2).as.integer;
    int is_enumerable = engine.get_at(context, list, 4 * i + 3).as.integer;
    if (file == NULL || name == NULL) return 0;
    Entry *entry = &members[member_count];
    *entry = (Entry){.name = name, .holds = length < 0 ? A_GETTER : A_FUNCTION, .magic = (int16_t)member_count};
    if (length < 0) {
      entry->flags = is_enumerable ? CONFIGURABLE_ENUMERABLE : CONFIGURABLE;
      entry->as.accessor.get = (void *)get_member;
    } else {
      entry->flags = is_enumerable ? CONFIGURABLE_WRITABLE_ENUMERABLE : CONFIGURABLE_WRITABLE;
      entry->as.function.length = (uint8_t)length;
      entry->as.function.kind = GENERIC_MAGIC;
      entry->as.function.function = (void *)member;
    }
    files[member_count++] = file;
  }
  return 1;
}

/* Once a process, before all others, in a context in which no code has run. 0: something is not as it
   is known; what was mended stays so. */
int builtins_mend(const Engine *functions, Context *context) {
  if (methods != NULL) return 0;
  engine = *functions;
  if (!mend_maps(context) || !mend_iterators(context) || !proves_classes(context)) return 0;
  guard_instances();
  learn_weak_maps(context);
  return 1;
}

/* Once a process, before all others but that: what the globals `listed`, `lazy` and `members` list; `plain` is any function of
   JavaScript. 0: something is not as it is known here. */
int builtins_learn(const Engine *functions, Context *context) {
  /* Functions that were made of others before are called by their places in the list, and properties point to it. */
  if (methods != NULL) return 0;
  engine = *functions;
  engine.new_class_number(&keeping_class);
  engine.new_class_number(&finding_class);
  uint16_t class;
  if (!proves_kept(context, &class) || !proves_ours(context)) return 0;
  Value global = engine.get_global(context);
  Value listed = engine.get(context, global, "listed"), names = engine.get(context, global, "lazy");
  Value of_interfaces = engine.get(context, global, "members"), plain = engine.get(context, global, "plain");
  int ok = learn_builtins(context, listed, class) && learn_names(context, names) && learn_members(context, of_interfaces) &&
           tag_of(plain) == TAG_OBJECT;
  if (ok) {
    learn_kept();
    cross_texts();
    learn_templates(context);
    tells_of_code = make_promises() && define_functions(plain);
    learn_errors(context);
    learn_compiling(context);
    if (tells_of_code) lead_compiling();
  }
  release(context, plain);
  release(context, of_interfaces);
  release(context, names);
  release(context, listed);
  release(context, global);
  return ok;
}

static int put(Context *context, Value object, const char *name, Value value) {
  return tag_of(value) == TAG_OBJECT && engine.define_named(context, object, name, value, CONFIGURABLE_WRITABLE) >= 0;
}

/* Give a context { uncurry, statics, defineLazy, defineMembers } as the global of this name, and have its runtime call with a look at
   the stack and collect weak maps' values. Out of memory, it has none of the name. */
void builtins_give(Context *context, const char *place) {
  guard_calls(context);
  guard_weak_maps(context);
  if (tells_of_code) guard_compiling(context);
  Value global = engine.get_global(context);
  Value given = engine.new_object(context, null);
  Value statics = engine.new_object(context, null);
  Value function = engine.new_function(context, uncurry, "uncurry", 2, GENERIC, 0);
  if (tag_of(statics) == TAG_OBJECT && engine.define_list(context, statics, types, type_count) == 0 &&
      tag_of(function) == TAG_OBJECT && keep_functions(context, function) && put(context, given, "uncurry", duplicate(function)) &&
      put(context, given, "defineLazy", engine.new_function(context, define_lazy, "defineLazy", 2, GENERIC, 0)) &&
      put(context, given, "defineMembers", engine.new_function(context, define_members, "defineMembers", 2, GENERIC, 0)) &&
      put(context, given, "statics", duplicate(statics)))
    put(context, global, place, duplicate(given));
  release(context, function);
  release(context, statics);
  release(context, given);
  release(context, global);
}
