/*
 * Async generators (ECMA-262, 27.6): those that are done answer all who wait; see builtins.c.
 *
 * Theory of operation. What is asked of a generator that runs waits in its queue (AsyncGeneratorDrainQueue). When it is
 * done the engine answers one more request than the one that ended it, and stops; behind a return(), whose value it
 * awaits, it answers none. The rest would wait until somebody asks again, and who does waits then in their place.
 *
 * So whoever ran a generator looks, before he returns, whether it is done and has a queue, and answers its head until
 * that is not so: next() and throw() by what settles their promises. A return() is left to the engine: to ask it is to
 * have it look at the head of the queue, and the request of ours, which it puts at the end, is taken out again. Nobody
 * answers that before: a generator that awaits the value of a return() answers nobody. Two functions of the engine's run
 * generators:
 *
 *   next(), return() and throw() of AsyncGenerator.prototype
 *                         are one function of C. They are mended in the engine's list (builtins_entries.c).
 *   the handler           by which a generator goes on behind an `await`, or a return() behind its value. The engine makes
 *                         it with JS_NewCFunctionData, which is led here (detours.h), and gets ours in its place.
 *                         builtins_awaits.c leads the same function to its own, and then asks here for the handler.
 *
 * Which handler that is, and how the engine keeps queues, is learned once a process from a generator that Python has it
 * run for that (generators.py).
 *
 * Threads: every call comes from the engine, and the engine runs with Python's GIL held. Turns may be suspended, or left
 * for good, anywhere in here: nothing but the generator is changed, and it is whole wherever code of an app's may run.
 * Where a turn is stopped, whom it has not answered waits on, and is answered by whoever asks next.
 */

#include "detours.h" /* before all others: it asks for more of them */

#include "builtins.h"

/* What the object of an async generator has (JSAsyncGeneratorData), and its requests (JSAsyncGeneratorRequest). */
typedef struct Link {
  struct Link *previous, *next;
} Link;
typedef struct {
  Link link;
  int kind;
  Value given, promise, resolvers[2];
} Request;
typedef struct {
  Object *generator;
  int state;
  void *suspended;
  Link queue;
} Generator;
enum { EXECUTING = 3, DONE = 5 };
/* What is asked, by the engine's magic number. */
enum { NEXT = 0, RETURN = 1, THROW = 2, KINDS };

static GenericMagic *own_ask;
static Data_function *own_go_on;
static Entry *entries[KINDS];
static uint16_t generator_class;
/* The lesson's generator, and the promises for what was asked of it, while they are looked at. */
static Value taught;
static int is_mended;

static void unlink_request(Request *request) {
  request->link.previous->next = request->link.next;
  request->link.next->previous = request->link.previous;
}

static void free_request(Context *context, Request *request) {
  release(context, request->given);
  release(context, request->promise);
  for (int i = 0; i < 2; i++) release(context, request->resolvers[i]);
  engine.free(context, request);
}

Value new_end(Context *context) {
  Value end = engine.new_object_of(context, CLASS_OBJECT);
  if (tag_of(end) == TAG_EXCEPTION) return exception;
  if (engine.define_named(context, end, "value", undefined, CONFIGURABLE_WRITABLE_ENUMERABLE) >= 0 &&
      engine.define_named(context, end, "done", (Value){{1}, TAG_BOOL}, CONFIGURABLE_WRITABLE_ENUMERABLE) >= 0)
    return end;
  release(context, end);
  return exception;
}

/* Answer the next() or throw() at the head. 0: an error is pending, and it is there as before. */
static int answer_head(Context *context, Generator *data) {
  Request *request = (Request *)data->queue.next;
  int is_throw = request->kind == THROW;
  Value result = is_throw ? duplicate(request->given) : new_end(context);
  if (tag_of(result) == TAG_EXCEPTION) return 0;
  /* A getter of the app's may ask, and so answer the others; this one has gone by then. */
  unlink_request(request);
  Value nothing = engine.call(context, request->resolvers[is_throw], undefined, 1, &result);
  release(context, result);
  if (tag_of(nothing) == TAG_EXCEPTION) {
    /* The turn is stopped: nobody was called. */
    request->link = (Link){&data->queue, data->queue.next};
    request->link.next->previous = data->queue.next = &request->link;
    return 0;
  }
  release(context, nothing);
  free_request(context, request);
  return 1;
}

/* Have the engine await the value of the return() at the head. 0: an error is pending. */
static int begin_return(Context *context, Value generator, Generator *data) {
  Value nothing = undefined, promise = own_ask(context, generator, 1, &nothing, NEXT);
  if (tag_of(promise) == TAG_EXCEPTION) return 0;
  Link *link = data->queue.previous;
  while (link != &data->queue && ((Request *)link)->promise.as.pointer != promise.as.pointer) link = link->previous;
  if (link != &data->queue) {
    unlink_request((Request *)link);
    free_request(context, (Request *)link);
  }
  release(context, promise);
  return 1;
}

/* Have all be answered that wait for a generator which is done. 0: an error is pending. */
static int answer_rest(Context *context, Value generator) {
  Generator *data = engine.opaque_of(generator, generator_class);
  int ok = 1;
  while (ok && data != NULL && data->state == DONE && data->queue.next != &data->queue) {
    int is_return = ((Request *)data->queue.next)->kind == RETURN;
    ok = is_return ? begin_return(context, generator, data) : answer_head(context, data);
  }
  return ok;
}

/* In the place of next(), return() and throw(). */
static Value ask(Context *context, Value this, int count, Value *arguments, int magic) {
  Value promise = own_ask(context, this, count, arguments, magic);
  if (tag_of(promise) == TAG_EXCEPTION || answer_rest(context, this)) return promise;
  release(context, promise);
  return exception;
}

/* In the place of the handler. */
static Value go_on(Context *context, Value this, int count, Value *arguments, int magic, Value *kept) {
  Value generator = duplicate(kept[0]), result = own_go_on(context, this, count, arguments, magic, kept);
  if (tag_of(result) != TAG_EXCEPTION && !answer_rest(context, generator)) result = exception;
  release(context, generator);
  return result;
}

Data_function *handler_in_use(Data_function *function) { return is_mended && function == own_go_on ? go_on : function; }

/* In the place of JS_NewCFunctionData. */
static Value new_function_with(Context *context, Data_function *function, int length, int magic, int count, Value *kept) {
  return engine.new_function_with(context, handler_in_use(function), length, magic, count, kept);
}

void *maker_of_handlers(void) { return is_mended ? (void *)new_function_with : (void *)engine.new_function_with; }

/* In the place of JS_NewCFunctionData as long as is learned: note the function that has the generator. */
static Value note(Context *context, Data_function *function, int length, int magic, int count, Value *kept) {
  if (own_go_on == NULL && length == 1 && magic == 0 && count == 1 && tag_of(kept[0]) == TAG_OBJECT &&
      kept[0].as.pointer == taught.as.pointer)
    own_go_on = function;
  return engine.new_function_with(context, function, length, magic, count, kept);
}

static int lead(void *maker) { return detour((void *)engine.new_function_with, "JS_NewCFunctionData", maker); }

/* Whether a generator's data are as they are known here: so many requests wait, with these promises and numbers. */
static int are_known(Context *context, const Generator *data, int state, int waiting, const Value *promises, int first) {
  if (data == NULL || engine.size_of(context, data) < sizeof *data || data->generator != object_of(taught) ||
      data->state != state || (data->suspended == NULL) != (state == DONE))
    return 0;
  const Link *link = &data->queue;
  for (int i = 0; i < waiting; i++) {
    if (link->next == NULL || link->next->previous != link || engine.size_of(context, link->next) < sizeof(Request)) return 0;
    link = link->next;
    const Request *request = (const Request *)link;
    if (request->kind != i || request->given.tag != TAG_INT || request->given.as.integer != first + i ||
        request->promise.as.pointer != promises[i].as.pointer || tag_of(request->resolvers[0]) != TAG_OBJECT ||
        tag_of(request->resolvers[1]) != TAG_OBJECT)
      return 0;
  }
  return link->next == &data->queue && data->queue.previous == link;
}

/*
 * Learn from the global `generator` of a context, of which nothing was asked yet and which awaits once before it ends, and
 * from `prototype`, of which nothing was touched. 0: something is not as it is known here.
 */
int generators_learn(Context *context) {
  static const char *const names[KINDS] = {[NEXT] = "next", [RETURN] = "return", [THROW] = "throw"};
  Value global = engine.get_global(context), prototype = engine.get(context, global, "prototype");
  Value promises[KINDS] = {undefined, undefined, undefined};
  taught = engine.get(context, global, "generator");
  int ok = tag_of(taught) == TAG_OBJECT && tag_of(prototype) == TAG_OBJECT;
  for (int i = 0; i < KINDS && ok; i++) {
    entries[i] = entry_of(context, prototype, names[i]);
    ok = is_made_of(context, prototype, entries[i], GENERIC_MAGIC, i) && make_writable(entries[i]) &&
         entries[i]->as.function.function == entries[NEXT]->as.function.function;
  }
  if (ok) {
    generator_class = engine.class_of(taught);
    own_ask = (GenericMagic *)entries[NEXT]->as.function.function;
    own_go_on = NULL;
    Generator *data = engine.opaque_of(taught, generator_class);
    ok = are_known(context, data, 0, 0, NULL, 0) && lead((void *)note);
    for (int i = 0; i < KINDS && ok; i++) {
      Value number = {{12345 + i}, TAG_INT};
      promises[i] = own_ask(context, taught, 1, &number, i);
      ok = tag_of(promises[i]) == TAG_OBJECT && are_known(context, data, EXECUTING, i + 1, promises, 12345);
    }
    lead((void *)engine.new_function_with);
    ok = ok && own_go_on != NULL;
  }
  for (int i = 0; i < KINDS; i++) release(context, promises[i]);
  release(context, taught);
  release(context, prototype);
  release(context, global);
  return ok;
}

/* After that, and the context's jobs. From now on all generators are mended; 0: that one is not done as it is known here. */
int generators_begin(Context *context) {
  Value global = engine.get_global(context);
  taught = engine.get(context, global, "generator");
  const Generator *data = engine.opaque_of(taught, generator_class);
  int ok = data != NULL && data->state == DONE && data->suspended == NULL;
  release(context, taught);
  release(context, global);
  is_mended = ok;
  if (ok && !lead(maker_of_handlers())) is_mended = ok = 0;
  for (int i = 0; i < KINDS && ok; i++) entries[i]->as.function.function = (void *)ask;
  return ok;
}

/* The engine's are as they were. */
void generators_end(void) {
  if (!is_mended) return;
  is_mended = 0;
  lead(maker_of_handlers());
  for (int i = 0; i < KINDS; i++) entries[i]->as.function.function = (void *)own_ask;
}
