/*
 * Code that is compiled, and modules that are read and linked, where the heap is full; see builtins.c.
 *
 * Theory of operation. The engine's compiler does not look everywhere whether it got the memory that it asked for, and
 * goes on where nothing is; and a module that could not be read or linked for want of memory is taken for one that is,
 * the next time that it is imported. Either ended the process. An app can fill its heap as it likes, down to the block, and
 * then have `new Function`, eval() or import() find no room.
 *
 * So while the engine is at that nothing is refused (allocator.c): beyond the limit it gets what it asks for, and is
 * told that its stack is used up, which its parser looks at with each token, the compiler of regular expressions with each
 * term, and linking with each module. So it ends soon, by an error as ever, which is made one of memory here. What it had
 * beyond the limit it gives back by then. What comes behind the parser looks at no stack, and can take any multiple of the
 * source: turnstile.py leaves it there, and for what is no turn the allocator has a last limit. It is over where code of
 * the app's runs:
 *
 *   compiling   is the function that a context keeps for it, which is ours here. It runs what it has compiled: by then it
 *               has made a function of that, which got its length (builtins_functions.c).
 *   linking     is JS_EvalFunction of a module, which is led here (detours.h). Before a module runs it gets a promise
 *               (builtins_promises.c), which is a part of that: the engine would take none for one.
 *   reading     is JS_ReadObject, which is led here, too. It is told nothing, for a module must be read to its end: what it
 *               takes is bounded by what the app's code is, and the next to compile, the line that import() runs, is told.
 *   importing   is the job of an import(), whose function JS_EnqueueJob gets, which is led here as well. What it asks for
 *               between the steps above are names: to find by them what a module imports. It is told nothing, either, for a
 *               module counts as one of which all that was found before that has begun. A specifier that is longer than any
 *               name is refused here: the engine and the loader would each copy it, in one piece, and a module that only
 *               says so would stay in the heap under that name.
 *
 * The heaps in which apps' files are compiled (bytecode.py) have a limit as well, and all this but reading.
 *
 * Where a context keeps the function, and a runtime how large its stack may be, is measured once a process. In a heap that
 * is not our allocator's all is as it was.
 *
 * Threads: every call comes from the engine, and the engine runs with Python's GIL held. A turn may be suspended, or left
 * for good, in the midst of it: what is kept is the heap's.
 */

#include "detours.h" /* before all others: it asks for more of them */

#include "allocator.h"
#include "builtins.h"

typedef Value Compile(Context *, Value this, const char *text, size_t length, const char *file, int flags, int scope);

/* MOST_WORDS: in which a place is looked for at most. LONGEST_NAME: in UTF-16's units; resolution.py has a lower limit. Of
   what the job of an import() gets, the places of what rejects its promise, and of what is imported. */
enum { MOST_WORDS = 1024, LONGEST_NAME = 4096, MOST_TOLD = 60, REJECT = 1, THE_SPECIFIER = 3, OF_IMPORT = 5 };

int spared_heaps;

static Compile *own_compile;
static Job *own_import;
static size_t compile_at, stack_at;

static Heap *heap_of(Context *context) {
  char *runtime = (char *)engine.get_runtime(context);
  Heap *heap = ((State *)(runtime + STATE_AT))->heap;
  return heap != NULL && heap->runtime == runtime ? heap : NULL;
}

/* The heap is full: have the engine find out soon. It looks for an address below the end of what is left. */
static void tell(Heap *heap) {
  if (heap->stack != 0) return;
  memcpy(&heap->stack, heap->runtime + stack_at, sizeof heap->stack);
  engine.set_stack_size((Runtime *)heap->runtime, 1);
}

static void say_nothing(Heap *heap) { (void)heap; }

/* A Sparing is what a heap was at when that began: in the midst of an import() code is read, compiled and linked. */
static Sparing begin(Heap *heap, int purpose) {
  Sparing before = {heap->when_full, heap->purpose};
  spared_heaps += before.when_full == NULL;
  heap->when_full = purpose == TO_COMPILE || purpose == TO_LINK ? tell : say_nothing;
  heap->purpose = purpose;
  return before;
}

static void finish(Heap *heap, Sparing before) {
  spared_heaps += (before.when_full != NULL) - (heap->when_full != NULL);
  heap->when_full = before.when_full;
  heap->purpose = before.purpose;
}

static inline int is_told(const Heap *heap) { return heap->when_full == tell; }

/* Whether the engine was told, and its stack was not what it is again. */
static int take_back(Heap *heap) {
  if (heap->stack == 0) return 0;
  engine.set_stack_size((Runtime *)heap->runtime, heap->stack);
  heap->stack = 0;
  return 1;
}

void spare_no_more(Context *context, int purpose) {
  Heap *heap = heap_of(context);
  if (heap == NULL || heap->when_full == NULL || heap->purpose != purpose) return;
  finish(heap, (Sparing){NULL, 0});
  /* A module that was linked is not linked again, and one that then could not run would never: its promise would wait. */
  if (purpose == TO_LINK) take_back(heap);
}

Sparing begin_telling(Context *context) {
  Heap *heap = heap_of(context);
  return heap == NULL ? (Sparing){NULL, 0} : begin(heap, TO_TELL);
}

void end_telling(Context *context, Sparing before) {
  Heap *heap = heap_of(context);
  if (heap != NULL) finish(heap, before);
}

/* What has come of it. */
static Value end(Context *context, Heap *heap, Sparing before, Value result) {
  finish(heap, before);
  if (!take_back(heap)) return result;
  if (tag_of(result) != TAG_EXCEPTION) return result;
  release(context, engine.take_exception(context));
  return engine.throw_out_of_memory(context);
}

/* In the place of the function that a context keeps for it. */
static Value compile(Context *context, Value this, const char *text, size_t length, const char *file, int flags, int scope) {
  Heap *heap = heap_of(context);
  /* Who compiles what is imported by what is compiled is spared with that. */
  if (heap == NULL || is_told(heap)) return own_compile(context, this, text, length, file, flags, scope);
  Sparing before = begin(heap, TO_COMPILE);
  return end(context, heap, before, own_compile(context, this, text, length, file, flags, scope));
}

/* In the place of JS_EvalFunction. */
static Value evaluate(Context *context, Value function) {
  Heap *heap = tag_of(function) == TAG_MODULE ? heap_of(context) : NULL;
  if (heap == NULL || is_told(heap)) return engine.evaluate(context, function);
  /* What an import() does behind this looks at the promise's constructor, which may be the app's. */
  begin(heap, TO_LINK);
  return end(context, heap, (Sparing){NULL, 0}, engine.evaluate(context, function));
}

/* In the place of JS_ReadObject. */
static Value read_object(Context *context, const uint8_t *code, size_t size, int flags) {
  Heap *heap = heap_of(context);
  if (heap == NULL) return engine.read(context, code, size, flags);
  Sparing before = begin(heap, TO_READ);
  Value result = engine.read(context, code, size, flags);
  finish(heap, before);
  return result;
}

/* Reject the promise of an import(), in the words of resolution.py. Of the name is told what it begins with in ASCII. */
static Value refuse(Context *context, Value reject, Value name) {
  char told[MOST_TOLD + 1];
  const uint8_t *octets = (const uint8_t *)octets_of_string(name);
  int count = 0;
  for (; tag_of(name) == TAG_STRING && count < MOST_TOLD; count++) {
    uint16_t unit = octets != NULL ? octets[count] : units_of_string(name)[count];
    if (unit == 0 || unit > 0x7f) break;
    told[count] = (char)unit;
  }
  told[count] = 0;
  engine.throw_reference_error(context, "cannot load \"%s…\" (%u characters): a module's name has at most 1000", told,
                               (unsigned)length_of_string(name));
  Value error = engine.take_exception(context), result = engine.call(context, reject, undefined, 1, &error);
  release(context, error);
  return result;
}

/* In the place of the job of an import(). */
static Value import(Context *context, int count, Value *arguments) {
  Value name = count > THE_SPECIFIER ? arguments[THE_SPECIFIER] : undefined;
  Heap *heap = heap_of(context);
  int is_name = tag_of(name) == TAG_STRING || tag_of(name) == TAG_ROPE;
  if (is_name && length_of_string(name) > LONGEST_NAME) return refuse(context, arguments[REJECT], name);
  if (heap == NULL || heap->when_full != NULL || !is_name) return own_import(context, count, arguments);
  Sparing before = begin(heap, TO_IMPORT);
  Value result = own_import(context, count, arguments);
  finish(heap, before);
  return result;
}

Job *job_in_use(Job *job) { return own_import != NULL && job == own_import ? import : job; }

/* In the place of JS_EnqueueJob. */
static int enqueue(Context *context, Job *job, int count, Value *arguments) {
  return engine.enqueue(context, job_in_use(job), count, arguments);
}

void *taker_of_jobs(void) { return own_import != NULL ? (void *)enqueue : (void *)engine.enqueue; }

/* The first word that differs, as an offset in bytes; 0: there is none. */
static size_t first_change(const void *block, const uintptr_t *before, size_t words) {
  for (size_t i = 1; i < words; i++)
    if (((const uintptr_t *)block)[i] != before[i]) return i * sizeof *before;
  return 0;
}

/* How many words of a block can be compared, which are noted. */
static size_t note_words(Context *context, const void *block, uintptr_t *words) {
  size_t count = engine.size_of(context, block) / sizeof *words;
  if (count > MOST_WORDS) count = MOST_WORDS;
  memcpy(words, block, count * sizeof *words);
  return count;
}

/* Where a context has the function that compiles: it is all that the engine gives to one that shall be able to. */
static int find_compile(Context *context) {
  uintptr_t before[MOST_WORDS];
  Context *bare = engine.new_context(engine.get_runtime(context));
  if (bare == NULL) return 0;
  size_t count = note_words(context, bare, before);
  engine.add_eval(bare);
  compile_at = first_change(bare, before, count);
  if (compile_at != 0) {
    memcpy(&own_compile, (char *)bare + compile_at, sizeof own_compile);
    memcpy(before + compile_at / sizeof *before, &own_compile, sizeof own_compile);
    if (before[compile_at / sizeof *before] == 0 || first_change(bare, before, count) != 0) compile_at = 0;
  }
  engine.free_context(bare);
  /* This one can. */
  return compile_at != 0 && memcmp((char *)context + compile_at, &own_compile, sizeof own_compile) == 0;
}

/* Where a runtime has what its stack may be. */
static int find_stack(Context *context) {
  uintptr_t before[MOST_WORDS];
  const size_t told = 0x12345670;
  char *runtime = (char *)engine.get_runtime(context);
  size_t count = note_words(context, runtime, before);
  engine.set_stack_size((Runtime *)runtime, told);
  for (size_t i = 0; i < count && stack_at == 0; i++)
    if (before[i] != told && ((uintptr_t *)runtime)[i] == told) stack_at = i * sizeof *before;
  if (stack_at != 0) engine.set_stack_size((Runtime *)runtime, before[stack_at / sizeof *before]);
  return stack_at != 0;
}

static const char lesson[] = "import('./lesson')";

/* In the place of JS_EnqueueJob while the lesson is evaluated, in which nothing else is enqueued: its job is not run. */
static int note_job(Context *context, Job *job, int count, Value *arguments) {
  (void)context;
  if (count != OF_IMPORT || tag_of(arguments[THE_SPECIFIER]) != TAG_STRING) return 0;
  const char *name = octets_of_string(arguments[THE_SPECIFIER]);
  if (name != NULL && strcmp(name, "./lesson") == 0) own_import = job;
  return 0;
}

/* Which job is an import()'s. */
static void find_import(Context *context) {
  if (!detour((void *)engine.enqueue, "JS_EnqueueJob", (void *)note_job)) return;
  Value promise = own_compile(context, undefined, lesson, sizeof lesson - 1, "lesson", 0, -1);
  if (tag_of(promise) == TAG_EXCEPTION) release(context, engine.take_exception(context));
  release(context, promise);
  detour((void *)engine.enqueue, "JS_EnqueueJob", (void *)engine.enqueue);
}

void learn_compiling(Context *context) {
  static int was_learned;
  if (was_learned) return;
  was_learned = 1;
  if (!find_stack(context) || !find_compile(context)) compile_at = 0;
  if (compile_at != 0) find_import(context);
}

void lead_compiling(void) {
  if (compile_at == 0) return;
  detour((void *)engine.evaluate, "JS_EvalFunction", (void *)evaluate);
  detour((void *)engine.read, "JS_ReadObject", (void *)read_object);
  detour((void *)engine.enqueue, "JS_EnqueueJob", taker_of_jobs());
}

void guard_compiling(Context *context) {
  if (compile_at == 0) return;
  Compile *const ours = compile;
  char *place = (char *)context + compile_at;
  if (memcmp(place, &own_compile, sizeof own_compile) == 0) memcpy(place, &ours, sizeof ours);
}

/* The same for a context that has nothing else of ours, and in which no code runs but to compile. */
void builtins_spare(const Engine *functions, Context *context) {
  engine = *functions;
  learn_compiling(context);
  guard_compiling(context);
}
