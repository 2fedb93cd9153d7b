/*
 * What is current for an app's code stays so behind `await`: what AsyncLocalStorage needs; see builtins.c and
 * node_async_hooks.js.
 *
 * Theory of operation. What is current is one object, which node_async_hooks.js understands, or null. Each context keeps
 * it where the prototype of a class without objects would be: there it is marked, and freed, with the context. Whoever
 * changes it puts back what it was, in C, where no exception and no interrupt can come between. So it is null wherever a
 * job or a turn begins.
 *
 * What the platform has called soon, without a promise (soon()), is a job like those.
 *
 * Three functions that the engine calls are led here (detours.h), from the first AsyncLocalStorage of a process on:
 *
 *   JS_NewObjectProtoClass   makes the two functions by which an async function goes on behind an `await`. While something
 *                            is current they get it as their only property. No app ever sees these objects.
 *   JS_NewCFunctionData      makes those of async generators, of `for await` over what is iterated synchronously, and of
 *                            modules that wait for others. They get it behind the data that they have.
 *   JS_EnqueueJob            gets the jobs of promises. A reaction's goes on with what its handler keeps; it may well be
 *                            enqueued by code for which something else is current. All others, which call `then` of what
 *                            is no promise of the engine's, or evaluate a module for import(), go on with what is current
 *                            now. Where that is null the job is the engine's own; where not, it is run_job, which has the
 *                            engine's and its arguments. It takes the other's place, so the order of jobs is what it was.
 *
 * What an app gives to `then` cannot be told apart by where it was given; so it is wrapped, in a function that is such a
 * handler. `then` itself is not replaced by another object, but the C function behind it: all who have it, or look at it,
 * have and see what they did. The platform's own goes the same way: so what it calls of an app's behind a promise, a
 * stream's algorithms say, has what was current for whom it waits.
 *
 * Which jobs, classes and functions these are is learned by note_job, once a process, from programs that Python has an
 * engine run for that (awaits.py). Out of memory each of these places does what the engine's does: it fails.
 *
 * Threads: every call comes from the engine, and the engine runs with Python's GIL held. Turns may be suspended, or left
 * for good, anywhere in here: nothing but the context's own is changed.
 */

#include "detours.h" /* before all others: it asks for more of them */

#include "builtins.h"

/* What the engine has of a function with data (JSCFunctionDataRecord). */
typedef struct {
  void *function;
  uint8_t length, count;
  uint16_t magic;
  Value kept[];
} Data;

/* The programs of awaits.py, by what goes on in them. In all but the first two something with data waits for a promise. */
enum { FULFILLED_AWAIT, REJECTED_AWAIT, GENERATOR, FROM_SYNC, FROM_SYNC_REJECTED, MODULE, IMPORTED, LESSONS };
/* Of these: the length of the function, how much it has, and the tag of the first. */
static const struct {
  int length, count, tag;
} expected[LESSONS] = {[GENERATOR] = {1, 1, TAG_OBJECT},          [FROM_SYNC] = {1, 1, TAG_BOOL},
                       [FROM_SYNC_REJECTED] = {1, 1, TAG_OBJECT}, [MODULE] = {0, 1, TAG_MODULE},
                       [IMPORTED] = {0, 3, TAG_OBJECT}};
enum { MOST_DATA = 3 };

/* What a reaction of each was: its job, and of its handler the class, and the function of data. */
static struct {
  Job *job;
  uint16_t class;
  void *function;
} noted[LESSONS];
static int lesson;
static Context *taught;

static uint32_t current_class;
static Job *reaction_job;
/* Of the function that goes on behind a promise that was fulfilled; the next is for one that was rejected. */
static uint16_t resume_class, data_class;
static Generic *native_then;

/* A job has no more arguments. */
enum { MOST = 5 };

static Value current_of(Context *context) {
  return engine.is_class(engine.get_runtime(context), current_class) ? engine.get_class_prototype(context, current_class) : null;
}

/* Only in a context that has had begin_awaits(). What was current. */
static Value change_to(Context *context, Value value) {
  Value before = engine.get_class_prototype(context, current_class);
  engine.set_class_prototype(context, current_class, tag_of(value) == TAG_OBJECT ? duplicate(value) : null);
  return before;
}

static void change_back(Context *context, Value before) { engine.set_class_prototype(context, current_class, before); }

/* How much data a function of the engine's has that waits for a promise; 0: it is none. */
static int data_of(const void *function) {
  for (int i = GENERATOR; i < LESSONS; i++)
    if (noted[i].function == function) return expected[i].count;
  return 0;
}

static int resumes(uint16_t class) { return class == resume_class || class == resume_class + 1; }

/* In the place of JS_NewObjectProtoClass. */
static Value new_object_with(Context *context, Value prototype, uint32_t class) {
  Value object = engine.new_object_with(context, prototype, class);
  if (!resumes((uint16_t)class) || tag_of(object) != TAG_OBJECT) return object;
  Value current = current_of(context);
  if (tag_of(current) != TAG_OBJECT || engine.define(context, object, ATOM_OF_INDEX, current, CONFIGURABLE) >= 0) return object;
  release(context, object);
  return exception;
}

/* In the place of JS_NewCFunctionData. */
static Value new_function_with(Context *context, Data_function *function, int length, int magic, int count, Value *kept) {
  Value all[MOST_DATA + 1], current = null;
  function = handler_in_use(function);
  if (count > 0 && count == data_of((void *)function)) current = current_of(context);
  if (tag_of(current) != TAG_OBJECT) return engine.new_function_with(context, function, length, magic, count, kept);
  memcpy(all, kept, (size_t)count * sizeof *all);
  all[count] = current;
  Value made = engine.new_function_with(context, function, length, magic, count + 1, all);
  release(context, current);
  return made;
}

/* Call what was given to `then`: in a job that has what was current there. */
static Value call_handler(Context *context, Value this, int count, Value *arguments, int magic, Value *kept) {
  (void)magic;
  return engine.call(context, kept[0], this, count, arguments);
}

/* What was current where this handler of a promise was made; null. */
static Value kept_by(Value handler) {
  if (tag_of(handler) != TAG_OBJECT) return null;
  const Object *object = object_of(handler);
  if (resumes(object->class)) return object->shape->count == 1 ? duplicate(object->values[0]) : null;
  if (object->class != data_class) return null;
  const Data *data = engine.opaque_of(handler, data_class);
  int count = data->function == (void *)call_handler ? 1 : data_of(data->function);
  return count > 0 && data->count == count + 1 ? duplicate(data->kept[count]) : null;
}

/* A job of the engine's: its arguments, what is to be current, and its function, which to the engine is a number. */
static Value run_job(Context *context, int count, Value *arguments) {
  Job *job = (Job *)arguments[count - 1].as.pointer;
  Value before = change_to(context, arguments[count - 2]);
  Value result = job(context, count - 2, arguments);
  change_back(context, before);
  return result;
}

/* In the place of JS_EnqueueJob. */
static int enqueue(Context *context, Job *job, int count, Value *arguments) {
  Value all[MOST + 2], current = job == reaction_job ? kept_by(arguments[2]) : current_of(context);
  int result;
  job = job_in_use(job);
  if (tag_of(current) != TAG_OBJECT || count > MOST) {
    result = engine.enqueue(context, job, count, arguments);
  } else {
    memcpy(all, arguments, (size_t)count * sizeof *all);
    all[count] = current;
    all[count + 1] = (Value){{.pointer = (void *)job}, TAG_INT};
    result = engine.enqueue(context, run_job, count + 2, all);
  }
  release(context, current);
  return result;
}

static Value call_soon(Context *context, int count, Value *arguments) {
  (void)count;
  return engine.call(context, arguments[0], undefined, 0, NULL);
}

/* Have the receiver called as a job, where the reaction of a promise that is fulfilled would be. */
Value soon(Context *context, Value function, int count, Value *arguments) {
  (void)count, (void)arguments;
  return enqueue(context, call_soon, 1, &function) < 0 ? exception : undefined;
}

/* Call what was bound. */
static Value call_bound(Context *context, Value this, int count, Value *arguments, int magic, Value *kept) {
  (void)magic;
  Value before = change_to(context, kept[1]);
  Value result = engine.call(context, kept[0], this, count, arguments);
  change_back(context, before);
  return result;
}

/* Whether that was bound. What is current around it makes no difference to it. */
static int is_bound(Value callback) {
  if (tag_of(callback) != TAG_OBJECT || object_of(callback)->class != data_class) return 0;
  const Data *data = engine.opaque_of(callback, data_class);
  return data->function == (void *)call_bound;
}

/*
 * A function of `code` that has the callback and what is current now; the callback itself where nothing is, or it is none.
 * Nor is what was bound bound again: as many as there may be, one call is enough.
 */
static Value bind_as(Context *context, Data_function *code, Value callback) {
  Value kept[2] = {callback, current_of(context)};
  int is_needed = tag_of(kept[1]) == TAG_OBJECT && engine.is_function(context, callback) &&
                  !(code == call_bound && is_bound(callback));
  Value bound = is_needed ? engine.new_function_with(context, code, 0, 0, 2, kept) : duplicate(callback);
  release(context, kept[1]);
  return bound;
}

/* A function that calls the receiver while what is current now is so again. */
Value bind_to_current(Context *context, Value callback, int count, Value *arguments) {
  (void)count, (void)arguments;
  return bind_as(context, call_bound, callback);
}

/* In the place of Promise.prototype.then. */
static Value then(Context *context, Value this, int count, Value *arguments) {
  Value bound[2] = {undefined, undefined}, result = exception;
  (void)count; /* the engine sees to it that there are two */
  for (int i = 0; i < 2; i++) bound[i] = bind_as(context, call_handler, arguments[i]);
  if (tag_of(bound[0]) != TAG_EXCEPTION && tag_of(bound[1]) != TAG_EXCEPTION) result = native_then(context, this, 2, bound);
  for (int i = 0; i < 2; i++) release(context, bound[i]);
  return result;
}

/* What is current; undefined. */
Value get_current(Context *context, Value this, int count, Value *arguments) {
  (void)this, (void)count, (void)arguments;
  Value current = current_of(context);
  return tag_of(current) == TAG_OBJECT ? current : undefined;
}

/* The receiver is current from now on; where it is no object nothing is. */
Value set_current(Context *context, Value this, int count, Value *arguments) {
  (void)count, (void)arguments;
  release(context, change_to(context, this));
  return undefined;
}

/* Call a function with arguments: meanwhile the receiver is current, or nothing, where it is no object. */
Value run_with(Context *context, Value this, int count, Value *arguments) {
  Value before = change_to(context, this);
  Value result = engine.call(context, arguments[0], undefined, count - 1, arguments + 1);
  change_back(context, before);
  return result;
}

/* The engine calls these of ours, or its own. 0: not all can be had. */
static int lead(int to_ours) {
  return detour((void *)engine.enqueue, "JS_EnqueueJob", to_ours ? (void *)enqueue : taker_of_jobs()) &&
         detour((void *)engine.new_object_with, "JS_NewObjectProtoClass",
                to_ours ? (void *)new_object_with : (void *)engine.new_object_with) &&
         detour((void *)engine.new_function_with, "JS_NewCFunctionData",
                to_ours ? (void *)new_function_with : maker_of_handlers());
}

/*
 * Have a context keep what is current; before all other functions in here. The receiver is its Promise.prototype.then:
 * whether that was the engine's, and binds its handlers from now on.
 */
Value begin_awaits(Context *context, Value function, int count, Value *arguments) {
  (void)count, (void)arguments;
  static const ClassDefinition definition = {.name = "current"};
  Runtime *runtime = engine.get_runtime(context);
  /* This function of the engine's throws nothing. */
  if (!engine.is_class(runtime, current_class) && engine.new_class(runtime, current_class, &definition) < 0)
    return engine.throw_out_of_memory(context);
  int is_object = tag_of(function) == TAG_OBJECT;
  int is_native = is_object && engine.is_c_function(context, function, (void *)native_then, 0);
  if (is_native) {
    Kept kept = kept_of(function);
    kept.function = (void *)then;
    memcpy((char *)function.as.pointer + KEPT_AT, &kept, sizeof kept);
  }
  /* It was before where async_context.js is loaded again: an error came between. */
  is_native = is_native || (is_object && engine.is_c_function(context, function, (void *)then, 0));
  return (Value){{is_native}, TAG_BOOL};
}

/* In the place of JS_EnqueueJob as long as is learned: note the first job that a lesson is about. */
static int note_job(Context *context, Job *job, int count, Value *arguments) {
  if (context == taught && noted[lesson].job == NULL && count == MOST && tag_of(arguments[2]) == TAG_OBJECT) {
    uint16_t class = engine.class_of(arguments[2]);
    const Data *data = lesson < GENERATOR ? NULL : engine.opaque_of(arguments[2], class);
    if (lesson < GENERATOR) {
      noted[lesson].job = job;
    } else if (data != NULL && (lesson == GENERATOR || class == noted[GENERATOR].class)) {
      size_t size = sizeof *data + (size_t)expected[lesson].count * sizeof *data->kept;
      noted[lesson].job = job;
      if (engine.size_of(context, data) >= size && data->length == expected[lesson].length &&
          data->count == expected[lesson].count && data->magic == 0 && tag_of(data->kept[0]) == expected[lesson].tag)
        noted[lesson].function = data->function;
    }
    noted[lesson].class = class;
  }
  return engine.enqueue(context, job_in_use(job), count, arguments);
}

/* What that context enqueues next is about that lesson. 0: nothing can be learned. */
int awaits_note(int number, Context *context) {
  lesson = number;
  taught = context;
  return detour((void *)engine.enqueue, "JS_EnqueueJob", (void *)note_job);
}

/* All lessons were given. From now on the engine's functions are led here; 0: they are not what they are known as. */
int awaits_begin(void) {
  Kept kept;
  int known = find_kept("Promise", "then", &kept) && kept.kind == GENERIC && kept.length == 2 &&
              noted[REJECTED_AWAIT].class == noted[FULFILLED_AWAIT].class + 1;
  lead(0);
  for (int i = 0; i < LESSONS && known; i++) {
    known = noted[i].job != NULL && noted[i].job == noted[0].job;
    if (i >= GENERATOR) known = known && noted[i].function != NULL && noted[i].class == noted[GENERATOR].class;
    for (int other = GENERATOR; other < i; other++) known = known && noted[i].function != noted[other].function;
  }
  if (!known) return 0;
  reaction_job = noted[0].job;
  resume_class = noted[FULFILLED_AWAIT].class;
  data_class = noted[GENERATOR].class;
  if (native_then == NULL) native_then = (Generic *)kept.function;
  replace_kept("Promise", "then", (void *)then);
  engine.new_class_number(&current_class);
  return lead(1);
}

/* The engine calls its own functions again. */
void awaits_end(void) {
  lead(0);
  if (native_then != NULL) replace_kept("Promise", "then", (void *)native_then);
}
