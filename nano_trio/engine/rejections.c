/*
 * What the engine tells of rejected promises (ECMA-262, 27.2.1.9 HostPromiseRejectionTracker), kept until somebody can
 * look at it.
 *
 * Theory of operation. The engine calls `track` in the middle of its own work: a promise without handlers is rejected,
 * or one that was rejected before gets its first handler. At these places no JavaScript may run. It could be suspended
 * or stopped there, its exceptions would be pending in the midst of the engine's, and near the end of the stack it
 * would be missed. So `track` only takes notes, in an array of the platform's: it allocates, and does nothing else.
 *
 *     list: [ function, whether a look is to come, promise, reason, whether it was handled, promise, ... ]
 *
 * The promise that was noted last takes its note back when it is handled, as with every `await` of what has just
 * thrown. So an app that handles its rejections at once pays for nothing but that.
 *
 * With the first note a job is enqueued, `look`. As long as there are other jobs it goes to the end of the queue again.
 * When it is the only one, all microtasks have run, and it calls the function, with true: what is still unhandled now
 * may be told (HTML, "notify about rejected promises"). While the function returns true it is called again, each time
 * when no other job is left. A list that has become long is looked through before that, with false, lest it hold what
 * was handled long ago.
 *
 * One promise that is rejected is nobody's: what the engine runs a module's code by. It looks whether that is rejected,
 * lets go of it, and rejects the promise of whoever wanted the module, which is noted as all others are. Without more
 * ado each module that throws would be told of, handled or not. So the engine's looking is led here (detours.h), and
 * takes the note back.
 *
 * The list comes by the same way: it is the reason of the first promise that is rejected after rejections_watch. It is
 * the platform's, which must hold it as long as there is the context. Afterwards it lies in the runtime, beside `track`.
 *
 * Everything is kept in the heap of the isolate, within its limit, and is freed with it. Out of memory, a note is lost.
 *
 * Threads: every call comes from the engine, and the engine runs with Python's GIL held.
 */

#include "detours.h"
#include "values.h"

typedef void Tracker(Context *, Value promise, Value reason, int is_handled, void *opaque);
typedef Value Job(Context *, int count, Value *arguments);

/* The engine's functions, in the order of rejections.py. */
typedef struct {
  Runtime *(*get_runtime)(Context *);
  void (*set_tracker)(Runtime *, Tracker *, void *opaque);
  Value (*get_at)(Context *, Value object, uint32_t index);
  int (*define_at)(Context *, Value object, uint32_t index, Value value, int flags); /* takes the value */
  Value (*get)(Context *, Value object, const char *name);
  int (*set)(Context *, Value object, const char *name, Value value); /* takes the value */
  int (*enqueue)(Context *, Job *, int count, Value *arguments);
  int (*is_job_pending)(Runtime *);
  Value (*call)(Context *, Value function, Value receiver, int count, Value *arguments);
  Value (*get_exception)(Context *);
  void (*free_counted)(Context *, Value); /* whose count has come to 0 */
  int (*promise_state)(Context *, Value promise);
} Engine;

enum { REJECTED = 2 }; /* of JSPromiseStateEnum */

/* The list: what lies where, and the size of a note. */
enum { FUNCTION = 0, WAITS = 1, NOTES = 2, NOTE = 3, LONG = NOTES + 1000 * NOTE };

static Engine engine;

static const Value undefined = {{0}, TAG_UNDEFINED};

static Value integer(int32_t value) { return (Value){{.integer = value}, TAG_INT}; }

static Value boolean(int value) { return (Value){{.integer = value}, TAG_BOOL}; }

static void release(Context *context, Value value) {
  if (is_counted(value) && --*count_of(value) <= 0) engine.free_counted(context, value);
}

static int is_same_object(Value a, Value b) {
  return tag_of(a) == TAG_OBJECT && tag_of(b) == TAG_OBJECT && a.as.pointer == b.as.pointer;
}

/* What failed was an allocation, and is nobody's exception. */
static void forget_exception(Context *context) { release(context, engine.get_exception(context)); }

static int put(Context *context, Value list, uint32_t index, Value value) {
  if (engine.define_at(context, list, index, duplicate(value), CONFIGURABLE_WRITABLE_ENUMERABLE) >= 0) return 1;
  forget_exception(context);
  return 0;
}

static uint32_t length_of(Context *context, Value list) {
  return (uint32_t)engine.get(context, list, "length").as.integer;
}

static void shorten(Context *context, Value list, uint32_t length) {
  if (engine.set(context, list, "length", integer((int32_t)length)) < 0) forget_exception(context);
}

static Value look(Context *context, int count, Value *arguments);

static void look_later(Context *context, Value list) {
  Value waits = engine.get_at(context, list, WAITS);
  if (waits.as.integer) return;
  if (engine.enqueue(context, look, 1, &list) < 0)
    forget_exception(context);
  else
    put(context, list, WAITS, boolean(1));
}

/* Take the note of a promise back, if it is the last; whether it was. */
static int take_back(Context *context, Value list, Value promise) {
  uint32_t length = length_of(context, list);
  if (length <= NOTES) return 0;
  Value last = engine.get_at(context, list, length - NOTE);
  int is_last = is_same_object(last, promise);
  release(context, last);
  if (is_last) shorten(context, list, length - NOTE);
  return is_last;
}

static void track(Context *context, Value promise, Value reason, int is_handled, void *opaque) {
  Value list = {{.pointer = opaque}, TAG_OBJECT};
  if (is_handled && take_back(context, list, promise)) return;
  uint32_t length = length_of(context, list);
  if (put(context, list, length, promise) && put(context, list, length + 1, reason) &&
      put(context, list, length + 2, boolean(is_handled)))
    look_later(context, list);
  else
    shorten(context, list, length);
}

static Value look(Context *context, int count, Value *arguments) {
  Value list = arguments[0];
  int is_idle = !engine.is_job_pending(engine.get_runtime(context));
  put(context, list, WAITS, boolean(0));
  if (!is_idle && length_of(context, list) < LONG) {
    look_later(context, list);
    return undefined;
  }
  Value function = engine.get_at(context, list, FUNCTION);
  Value told = boolean(is_idle);
  Value result = engine.call(context, function, undefined, 1, &told);
  release(context, function);
  if (tag_of(result) == TAG_EXCEPTION) {
    /* The turn is stopped, or interrupted: what it left behind is nobody's fault. */
    shorten(context, list, NOTES);
    return result;
  }
  if (tag_of(result) == TAG_BOOL && result.as.integer) look_later(context, list);
  release(context, result);
  return undefined;
}

/* The first promise that is rejected in a context brings the list. */
static void take(Context *context, Value promise, Value reason, int is_handled, void *opaque) {
  if (!is_handled && tag_of(reason) == TAG_OBJECT) {
    engine.set_tracker(engine.get_runtime(context), track, reason.as.pointer);
  }
}

/* Where a runtime keeps its tracker, and behind it what that is given; 0: not known yet. */
static size_t tracker_at;

static void **tracker_of(Context *context) { return (void **)((char *)engine.get_runtime(context) + tracker_at); }

/* In the place of JS_PromiseState: the promise of a module's code, which nobody has but who asks, and the list. */
static int promise_state(Context *context, Value promise) {
  int state = engine.promise_state(context, promise);
  if (state == REJECTED && *count_of(promise) == 2 && tracker_at && tracker_of(context)[0] == (void *)track)
    take_back(context, (Value){{.pointer = tracker_of(context)[1]}, TAG_OBJECT}, promise);
  return state;
}

/* Once a process, before all others. */
void rejections_start(const Engine *functions) {
  engine = *functions;
  detour(engine.promise_state, "JS_PromiseState", promise_state);
}

/* Take notes from now on. The next promise that is rejected has the list for its reason. */
void rejections_watch(Context *context) {
  engine.set_tracker(engine.get_runtime(context), take, NULL);
  if (!tracker_at)
    while (tracker_of(context)[0] != (void *)take) tracker_at += sizeof(void *);
}
