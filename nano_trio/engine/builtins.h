/*
 * What the files of the builtins share: the engine's functions, and what is ours.
 */

#include "objects.h"

#pragma GCC visibility push(hidden)

struct Heap;
typedef Value Generic(Context *, Value this, int count, Value *arguments);
typedef Value GenericMagic(Context *, Value this, int count, Value *arguments, int magic);
typedef Value Job(Context *, int count, Value *arguments);
typedef void Told(Runtime *, void *object); /* by builtins_weak.c */
typedef Value Data_function(Context *, Value this, int count, Value *arguments, int magic, Value *kept);

/* What a list of properties holds (JS_DEF_CFUNC, JS_DEF_CGETSET_MAGIC, JS_DEF_OBJECT). */
enum { A_FUNCTION = 0, A_GETTER = 2, AN_OBJECT = 8 };

/* Of a definition's flags: the engine throws where it must not be. */
enum { THROWS = 1 << 14 };

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
      void *get, *set;
    } accessor;
    struct {
      const struct Entry *list;
      int count;
    } object;
  } as;
} Entry;

typedef struct {
  const char *name;
  void (*finalizer)(void), (*mark)(void);
  Value (*call)(Context *, Value object, Value this, int count, Value *arguments, int flags);
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
  int (*define_list)(Context *, Value object, const struct Entry *, int count);
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
  int (*is_class)(Runtime *, uint32_t class);
  Value (*new_array)(Context *);
  Value (*get_by_atom)(Context *, Value object, Atom, Value receiver, int throws);
  void *(*reallocate)(Context *, void *, size_t);
  Value (*new_function_with)(Context *, Data_function *, int length, int magic, int count, Value *kept);
  Value (*copy_to_buffer)(Context *, const void *, size_t);
  Value (*buffer_of_array)(Context *, Value array, size_t *start, size_t *length, size_t *of_element);
  uint8_t *(*bytes_of_buffer)(Context *, size_t *, Value buffer);
  int (*enqueue)(Context *, Job *, int count, Value *arguments);
  Value (*new_object_with)(Context *, Value prototype, uint32_t class);
  int (*define)(Context *, Value object, Atom, Value, int flags); /* takes the value */
  int (*is_function)(Context *, Value);
  int (*is_c_function)(Context *, Value, void *function, int magic);
  int (*lacks_stack)(void *context, size_t); /* whether there is less than that */
  Value (*throw_range_error)(Context *, const char *format, ...);
  Value (*take_exception)(Context *);
  Value (*throw)(Context *, Value); /* takes the value */
  Context *(*new_context)(Runtime *);
  int (*add_eval)(Context *);
  void (*free_context)(Context *);
  void (*set_stack_size)(Runtime *, size_t);
  Value (*evaluate)(Context *, Value function); /* takes the value */
  Value (*read)(Context *, const uint8_t *, size_t, int flags);
  int (*is_instance)(Context *, Value, Value constructor); /* -1: an error is pending */
  Value (*throw_reference_error)(Context *, const char *format, ...);
  Value (*construct)(Context *, Value constructor, int count, Value *arguments);
  void (*collect_garbage)(Runtime *);
  void (*mark_value)(Runtime *, Value, Told *);
  void (*free_in_runtime)(Runtime *, void *);
} Engine;

extern Engine engine;

static const Value null = {{0}, TAG_NULL}, undefined = {{0}, TAG_UNDEFINED}, exception = {{0}, TAG_EXCEPTION};

static inline void release(Context *context, Value value) {
  if (is_counted(value) && --*count_of(value) <= 0) engine.free_counted(context, value);
}

/* What the object of a promise has (quickjs.c, JSPromiseData). proves_promise() in builtins_ours.c does. */
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
extern uint16_t promise_class;

/* It takes the result. */
static inline void begin_promise(Promise *promise, int state, Value result) {
  promise->state = state;
  for (int i = 0; i < 2; i++) promise->reactions[i] = (Reactions){&promise->reactions[i], &promise->reactions[i]};
  promise->is_handled = 0;
  promise->result = result;
}

/* What a context keeps: the models of builtins_functions.c, the steps of builtins_steps.c. */
enum { MODELS = 0, STEPS, ALL_KEPT };
/* The context that asked last, and what it has; NULL: none. */
typedef struct {
  Context *context;
  const Object *objects[ALL_KEPT];
} Remembered;
extern Remembered remembered;
const Object *find_object(Context *, int which);

/* NULL: it has none. */
static inline const Object *kept_object(Context *context, int which) {
  return context == remembered.context ? remembered.objects[which] : find_object(context, which);
}

/* Whether objects can be kept: something is known of the engine. */
int may_keep(void);
/* Have a context keep an object as long as it is there. 0: out of memory, and nothing is thrown. */
int keep_object(Context *, int which, Value);
/* Once a process. */
void learn_kept(void);

/* builtins.c tells what they are. */
Generic fulfilled, model_of, make_alike, subscribe, list_headers, quick_headers, quick_responses, utf8_of, ascii_of;
Generic begin_awaits, get_current, set_current, run_with, bind_to_current, soon, keep_stack, frames_of;
/* What the engine keeps of a method that is listed; whether there is one. */
int find_kept(const char *type, const char *name, Kept *);
/* All contexts' functions for it call that from now on, which is as the engine's. */
void replace_kept(const char *type, const char *name, void *function);
/* Whether the engine keeps what they rely on as they know it. Once a process, in a context in which no app's code has run. */
int proves_ours(Context *);
int proves_arrays(Context *);
int proves_strings(Context *);
int proves_resolving(Context *);
/* Have the engine take the promises that it makes for itself from us, from now on in each of its contexts. 0: it does not. */
int make_promises(void);
/* Have the engine make and tell texts in ASCII by builtins_text.c, from now on in each of its contexts. */
void cross_texts(void);
/* Have functions get their length and name by builtins_functions.c, from now on in each context that keeps models of them: they
   are like the plain one. 0: the engine does that itself. */
int define_functions(Value plain);
/* Have a context keep them, where it can. 0: out of memory. */
int keep_functions(Context *, Value some_function);
/* Define a property of an object as the engine did it before, or have it do so. It takes the value. */
int define_by_step(Context *, Value object, Atom, Value, int flags);
/* Define a template's `raw`, as builtins_templates.c does. It takes the value. -1: an error is pending. */
extern Atom raw_atom;
int define_raw(Context *, Value object, Value);
/* Once a process, before the above. */
void learn_templates(Context *);
/* What builtins_errors.c defines for errors in the engine's place; 0: nothing. */
extern Atom atom_of_stack;
int define_stack(Context *, Value error, Value frames); /* takes the frames */
void learn_errors(Context *);
/* A context begins, where another may have been. */
void steps_begin(const Context *);
/* Once a process, in a context in which no code has run: have the engine's Map and Set do what builtins_maps.c says, from
   now on in each of its contexts. 0: something is not as it is known here, and all is as it was. */
int mend_maps(Context *);
/* The same for builtins_iterators.c. */
int mend_iterators(Context *);
/* Once a process: whether the engine keeps its classes as builtins_calls.c knows them. Then, for each runtime, what it says. */
int proves_classes(Context *);
void guard_calls(Context *);
/* Have `instanceof` look at the stack, from now on in each of the engine's contexts. */
void guard_instances(void);
/* What the engine keeps of a class (quickjs.c, JSClass). */
typedef struct {
  uint32_t number, name;
  void (*finalizer)(void), (*mark)(void);
  Value (*call)(Context *, Value object, Value this, int count, Value *arguments, int flags);
  void *exotic;
} Class;
/* NULL: there is none of that number. */
Class *class_of_runtime(Runtime *, uint32_t number);
/* Once a process, after these, in a context in which no code has run, what builtins_weak.c knows of the engine. Then, for each
   runtime, what that says. */
void learn_weak_maps(Context *);
void guard_weak_maps(Context *);
/* Once a process, in a context in which no code has run, what builtins_compiling.c knows of the engine. Then, for each context, that
   it compiles as that says. And, once the two above are had, which tell that an app's code is about to run: that modules are read
   and linked so, from now on in all contexts. */
void learn_compiling(Context *);
void guard_compiling(Context *);
void lead_compiling(void);
/* Have a heap be refused nothing, for a few small blocks; then what it was at goes on. */
typedef struct {
  void (*when_full)(struct Heap *);
  int purpose;
} Sparing;
Sparing begin_telling(Context *);
void end_telling(Context *, Sparing before);
/* What is told in there: code of an app's is about to run. `spared_heaps`: how many are at it, so that others need not ask. */
enum { TO_COMPILE = 1, TO_LINK = 2, TO_READ = 3, TO_IMPORT = 4, TO_TELL = 5 };
extern int spared_heaps;
void spare_no_more(Context *, int purpose);
/* What JS_EnqueueJob goes on with where it is asked for the engine's import(); any other is itself. */
Job *job_in_use(Job *);
/* What JS_EnqueueJob is led to but for builtins_awaits.c. */
void *taker_of_jobs(void);
/* builtins_entries.c tells what they are. */
Entry *entry_of(Context *, Value prototype, const char *name);
int is_made_of(Context *, Value prototype, const Entry *, int kind, int magic);
int make_writable(Entry *);
/* What async generators go on with, where JS_NewCFunctionData is asked for the engine's; any other is itself. */
Data_function *handler_in_use(Data_function *);
/* What JS_NewCFunctionData is led to but for builtins_awaits.c. */
void *maker_of_handlers(void);
/* Whether an object has of its own a property whose value, or getter, is that object. -1: an error is pending. */
int has_own(Context *, Value object, Value name, Value wanted, int as_getter);
/* What a generator or an iterator that is done gives, { value: undefined, done: true }. */
Value new_end(Context *);
/* A list that takes the values, as many as they are. */
Value new_list(Context *, const Value *values, uint32_t count);
/* The array of a header list; NULL where it is not as all are, or longer than most. */
Array *usual_list(Value list);
/* A header list of its own; null where there is no such array. */
Value copy_list(Context *, Value list);
/* Add a header to such a list, the only one of another, where it has none of the name. 0: out of memory. */
int add_default(Context *, Value list, Value header);

#pragma GCC visibility pop
