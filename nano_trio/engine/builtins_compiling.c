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
 *   linking     is JS_EvalFunction of a module, which is led here (detours.h). Before a module runs it has a promise
 *               (builtins_promises.c).
 *   reading     is JS_ReadObject, which is led here, too. It is told nothing, for a module must be read to its end: what it
 *               takes is bounded by what the app's code is, and the next to compile, the line that import() runs, is told.
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

/* Words in which a place is looked for at most. */
enum { MOST_WORDS = 1024 };

int spared_heaps;

static Compile *own_compile;
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

static void begin(Heap *heap, int purpose) {
  heap->when_full = purpose == TO_READ ? say_nothing : tell;
  heap->purpose = purpose;
  spared_heaps++;
}

static void finish(Heap *heap) {
  heap->when_full = NULL;
  spared_heaps--;
}

void spare_no_more(Context *context, int purpose) {
  Heap *heap = heap_of(context);
  if (heap != NULL && heap->when_full != NULL && heap->purpose == purpose) finish(heap);
}

/* What has come of it. */
static Value end(Context *context, Heap *heap, Value result) {
  if (heap->when_full != NULL) finish(heap);
  if (heap->stack == 0) return result;
  engine.set_stack_size((Runtime *)heap->runtime, heap->stack);
  heap->stack = 0;
  if (tag_of(result) != TAG_EXCEPTION) return result;
  release(context, engine.take_exception(context));
  return engine.throw_out_of_memory(context);
}

/* In the place of the function that a context keeps for it. */
static Value compile(Context *context, Value this, const char *text, size_t length, const char *file, int flags, int scope) {
  Heap *heap = heap_of(context);
  /* Who compiles what is imported by what is compiled is spared with that. */
  if (heap == NULL || heap->when_full != NULL) return own_compile(context, this, text, length, file, flags, scope);
  begin(heap, TO_COMPILE);
  return end(context, heap, own_compile(context, this, text, length, file, flags, scope));
}

/* In the place of JS_EvalFunction. */
static Value evaluate(Context *context, Value function) {
  Heap *heap = tag_of(function) == TAG_MODULE ? heap_of(context) : NULL;
  if (heap == NULL || heap->when_full != NULL) return engine.evaluate(context, function);
  begin(heap, TO_LINK);
  return end(context, heap, engine.evaluate(context, function));
}

/* In the place of JS_ReadObject. */
static Value read_object(Context *context, const uint8_t *code, size_t size, int flags) {
  Heap *heap = heap_of(context);
  void (*before)(Heap *) = heap == NULL ? NULL : heap->when_full;
  if (heap == NULL) return engine.read(context, code, size, flags);
  /* In the midst of what compiles an import. */
  if (before != NULL) heap->when_full = say_nothing;
  else begin(heap, TO_READ);
  Value result = engine.read(context, code, size, flags);
  if (before != NULL) heap->when_full = before;
  else finish(heap);
  return result;
}

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

void learn_compiling(Context *context) {
  static int was_learned;
  if (was_learned) return;
  was_learned = 1;
  if (!find_stack(context) || !find_compile(context)) compile_at = 0;
  if (compile_at == 0) return;
  detour((void *)engine.evaluate, "JS_EvalFunction", (void *)evaluate);
  detour((void *)engine.read, "JS_ReadObject", (void *)read_object);
}

void guard_compiling(Context *context) {
  if (compile_at == 0) return;
  Compile *const ours = compile;
  char *place = (char *)context + compile_at;
  if (memcmp(place, &own_compile, sizeof own_compile) == 0) memcpy(place, &ours, sizeof ours);
}

/* The same for a context that has nothing else of ours, and in which no code has run. */
void builtins_spare(const Engine *functions, Context *context) {
  engine = *functions;
  learn_compiling(context);
  guard_compiling(context);
}
