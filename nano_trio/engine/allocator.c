/*
 * The allocator of JavaScript heaps.
 *
 * Theory of operation. QuickJS asks for memory through four functions that lie at the beginning of its runtime
 * (JSMallocFunctions), each with the runtime's accounts (JSMallocState). allocator.py puts these four there instead of
 * the engine's own, which call the C library for everything. A request that parses and writes 1 KB of JSON takes and
 * returns 500 blocks, nearly all of them small, and has 170 of them made smaller; with the C library's allocator that
 * is a quarter of its instructions.
 *
 * Blocks of up to LARGEST bytes come from slabs: SLAB bytes, aligned to their size, that hold blocks of one size class
 * and nothing else. All slabs lie in one reserved region of addresses, so that one comparison tells our blocks from
 * those of the C library (everything larger, and what the engine allocated before it was given these functions), and a
 * block's slab is found from its address. What is known about a slab lies outside it, in `slabs`: the region itself
 * holds no pointers but those of free blocks to the next free one. Blocks of the C library have their links before them.
 *
 *   region:  | slab | slab | slab |  ...        taken so far  |  not yet accessible ...
 *   slabs:   {pool, class, used, fresh, free}   one for each
 *
 * A slab's blocks are handed out in order of address at first ("fresh"), then as they came back. Slabs with room are
 * in their pool's list for their class; full ones in none; empty ones wait in `empty` for any pool and class.
 *
 * Small heaps share a pool: slabs of its own for each class would add half to what a small app takes. A heap that has
 * grown to OWN_FROM gets a pool of its own for all that follows, or a few blocks of those that live on would hold most
 * slabs of those that end (`make stress`: slabs were twice as large as what was in use, and are a tenth larger now).
 *
 * The end of a heap: the engine leaks where memory runs out (a text that cannot be made UTF-8 is never freed, and
 * stays when its runtime is gone), so an app could take a process's memory piece by piece, a life each. With the
 * runtime's own block, the last that the engine returns, all goes that the heap still holds. What stays are leaked
 * small blocks of slabs shared with other heaps: OWN_FROM at most.
 *
 * The limit: above it the engine gets NULL, which is an out-of-memory error of JavaScript. It takes that badly where it
 * is at work on an error: build_backtrace() writes to the pending exception, and the new error takes its place and frees
 * it. So a pending exception is held from there on (allocator_held.c). And small blocks may go beyond the limit by a
 * quarter, so that errors can be told of in a heap that large blocks have filled; turns that go on are stopped at the next
 * poll, for the limit that is ours lies far below. Held against it is what a block is in the accounts: those of the C
 * library are larger than asked, and given back where one turns out to be too large. Where the engine compiles it takes no
 * refusal, and gets none (builtins_compiling.c): a turn whose heap is half beyond its limit is left (turnstile.py), and
 * what is no turn is refused memory after all where it has MOST times as much.
 *
 * Threads: every call comes from the engine, and the engine runs with Python's GIL held.
 *
 * Failure: where the region cannot be reserved or is full, blocks come from the C library.
 */

#define _GNU_SOURCE
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "allocator.h"

#define REGION ((size_t)1 << 35)
#define SLAB ((size_t)1 << 14)
#define STEP ((size_t)1 << 20) /* of what is made accessible */
#define MOST_DIRTY 512          /* empty slabs whose memory is kept at hand: 8 MB */
#define TRIMMED 64              /* of them, whose memory is given back at once */
#define OWN_FROM ((size_t)1 << 20)
#define HUGE_FROM ((size_t)2 << 20)
#define PIECE ((size_t)1 << 20) /* of what is given back to the system while others wait */
#define LOOK ((size_t)1 << 12)   /* and a call take as long as to give so much back */
#define COPIED ((size_t)1 << 17) /* at once */
#define RETURNED ((size_t)4 << 20) /* to the C library, before it is told to give it back */
#define MOST 4                     /* limits that a heap may have where it should be refused nothing */
/* What the engine's own functions add to each block of the C library, and so must ours. */
#define OVERHEAD 8
/* The C library makes blocks larger than asked by less than this: by what is left of a page, of 64 KB at most. */
#define ROUNDED ((size_t)1 << 16)

/* The links of a block that is no slab's: it begins behind them. */
struct Large {
  Large *next, *previous;
  size_t size; /* of the block, as whoever gave it rounds it; the lowest bit: it is of the system's pages */
};

void (*pause_turn)(void);

static char *region;
/* The system's: 4 KB mostly, 16 or 64 on some machines with ARM. What is told to go there goes to the end of its last
   page, so it has to end with one, or what lies behind it is lost. Slabs that are smaller keep their memory. */
static uintptr_t page;
static Slab *slabs;
static size_t taken;      /* slabs that were ever used */
static size_t accessible; /* bytes of the region */
static Pool common;
static Slab *empty;       /* whose memory is still there */
static size_t dirty;      /* how many those are */
static Slab *clean;       /* empty, and their memory was given back */
static uint16_t size_of[CLASSES];
uint8_t class_of[LARGEST / GRAIN + 1];

static inline int is_ours(const void *block) { return (size_t)((const char *)block - region) < REGION; }

static inline Slab *slab_of(const void *block) { return &slabs[(size_t)((const char *)block - region) / SLAB]; }

static inline char *memory_of(const Slab *slab) { return region + (size_t)(slab - slabs) * SLAB; }

static inline int is_full(const Slab *slab) { return slab->free == NULL && slab->fresh >= slab->end; }

static inline void link_slab(Slab *slab) {
  Slab **list = &slab->pool->with_room[slab->class];
  Slab *next = *list;
  slab->next = next;
  slab->previous = NULL;
  if (next != NULL) next->previous = slab;
  *list = slab;
}

static inline void unlink_slab(Slab *slab) {
  if (slab->previous != NULL)
    slab->previous->next = slab->next;
  else
    slab->pool->with_room[slab->class] = slab->next;
  if (slab->next != NULL) slab->next->previous = slab->previous;
}

/* The block is one of ours with links: those of the C library are aligned to 16, and ours begin 24 bytes later. */
static inline int is_large(const void *block) { return ((uintptr_t)block & 15) == 8; }

static inline Large *large_of(void *block) { return (Large *)block - 1; }

static inline int is_huge(const Large *large) { return large->size & 1; }

/* Of the block, in bytes. */
static inline size_t size_of_large(const Large *large) { return large->size & ~(size_t)1; }

static void link_large(Heap *heap, Large *large) {
  large->previous = NULL;
  large->next = heap->large;
  if (heap->large != NULL) heap->large->previous = large;
  heap->large = large;
}

static void unlink_large(Heap *heap, const Large *large) {
  *(large->previous != NULL ? &large->previous->next : &heap->large) = large->next;
  if (large->next != NULL) large->next->previous = large->previous;
}

static Heap *heap_of(State *state) {
  if (state->heap == NULL) {
    Heap *heap = calloc(1, sizeof *heap);
    if (heap == NULL) return NULL;
    heap->pool = &common;
    heap->runtime = (char *)state - STATE_AT;
    heap->names_seen = NAMES_AT_FIRST;
    state->heap = heap;
  }
  return state->heap;
}

/* The pool from which a heap takes blocks from now on. */
static Pool *pool_of(State *state) {
  Heap *heap = heap_of(state);
  if (heap == NULL) return NULL;
  if (heap->pool == &common && state->size >= OWN_FROM) {
    Pool *own = calloc(1, sizeof *own);
    if (own != NULL) heap->pool = own;
  }
  return heap->pool;
}

/* A slab with room; NULL where there is no further one. */
static __attribute__((noinline)) Slab *find_slab(State *state, unsigned class) {
  Pool *pool = pool_of(state);
  if (pool == NULL) return NULL;
  Slab *slab = pool->with_room[class];
  if (slab != NULL) return slab;
  if (empty != NULL) {
    slab = empty;
    empty = slab->next;
    dirty--;
  } else if (clean != NULL) {
    slab = clean;
    clean = slab->next;
  } else {
    size_t end = (taken + 1) * SLAB;
    if (end > REGION) return NULL;
    if (end > accessible) {
      if (mprotect(region + accessible, STEP, PROT_READ | PROT_WRITE) != 0) return NULL;
      accessible += STEP;
    }
    slab = &slabs[taken++];
  }
#ifdef MADV_POPULATE_WRITE
  /* All of a shared slab will be used: one call instead of four page faults. Systems that cannot leave it to these. */
  if (pool == &common && (slab->fresh == NULL || slab->clean)) madvise(memory_of(slab), SLAB, MADV_POPULATE_WRITE);
#endif
  slab->pool = pool;
  slab->free = NULL;
  slab->used = 0;
  slab->class = (uint8_t)class;
  slab->size = size_of[class];
  slab->clean = 0;
  slab->fresh = memory_of(slab);
  slab->end = slab->fresh + SLAB - slab->size + 1;
  link_slab(slab);
  return slab;
}

/* A turn may be suspended here, where it returns much memory: most of the time is the system's, so a signal hardly ever
   comes elsewhere, and in the midst of that nobody is suspended. */
static inline void pause_in_release(void) {
  if (pause_turn != NULL) pause_turn();
}

static void put_empty(Slab *slab) {
  slab->next = empty;
  empty = slab;
  dirty++;
}

/* Its memory goes back to the system, which may refuse it. */
static int put_clean(Slab *slab) {
  if (page > SLAB || madvise(memory_of(slab), SLAB, MADV_DONTNEED) != 0) return 0;
  slab->clean = 1;
  slab->next = clean;
  clean = slab;
  return 1;
}

/* Give the memory of some empty slabs back to the system: each takes it 4 us. */
void heap_trim(void) {
  for (int i = 0; i < TRIMMED && empty != NULL; i++) {
    Slab *slab = empty;
    empty = slab->next;
    dirty--;
    if (!put_clean(slab)) {
      put_empty(slab);
      return;
    }
  }
}

static __attribute__((noinline)) void give_up(Slab *slab) {
  unlink_slab(slab);
  if ((dirty < MOST_DIRTY && !slab->pool->ends) || !put_clean(slab)) put_empty(slab);
  pause_in_release();
}

/* What a block is in the accounts. */
static size_t counted(const void *block) {
  if (block == NULL) return 0;
  if (is_ours(block)) return slab_of(block)->size;
  if (is_large(block)) return size_of_large(large_of((void *)block)) + sizeof(Large) + OVERHEAD;
  return malloc_usable_size((void *)block) + OVERHEAD;
}

/* Whether the engine must get what it asks for, and is told that there is no more: where it compiles. The last to refuse it
   all the same is for what nobody can leave: better one process that may end than a machine without memory. */
static __attribute__((noinline)) int is_spared(const State *state, size_t total) {
  Heap *heap = state->heap;
  if (heap == NULL || heap->when_full == NULL || total / MOST > state->limit) return 0;
  heap->when_full(heap);
  return 1;
}

/* Whether a heap that has `total` bytes by a block of this size has too many. A small block may go beyond the limit. */
static inline int is_too_large(const State *state, size_t size, size_t total) {
  return total > state->limit && (size > LARGEST || total - state->limit > state->limit / 4) && !is_spared(state, total);
}

/* The system needs 0.1 ms to take a megabyte back, so a hundred would hold up everybody: it gets them in pieces. */
static void release(Large *large) {
  if (!is_huge(large)) {
    free(large);
    pause_in_release();
    return;
  }
  char *at = (char *)large, *end = at + sizeof *large + size_of_large(large);
  for (; pause_turn != NULL && (size_t)(end - at) > PIECE; at += PIECE) {
    if (munmap(at, PIECE) != 0) break;
    pause_turn();
  }
  munmap(at, (size_t)(end - at));
}

/* What to ask the C library for, and what it gave: of an even size, also where it says just what it was asked for. */
static inline size_t asked_for(size_t size) { return sizeof(Large) + size + (size & 1); }
static inline size_t given(Large *large) { return malloc_usable_size(large) & ~(size_t)1; }

/* How many bytes of pages a block of that size takes, with its links. */
static inline size_t pages_for(size_t size) { return (size + sizeof(Large) + page - 1) & ~(page - 1); }

/* How much larger than asked a block is, only the C library knows, when it has made it. */
static __attribute__((noinline)) void *allocate_large(State *state, size_t size, const void *replaced) {
  if (pool_of(state) == NULL || size > PTRDIFF_MAX - 2 * ROUNDED) return NULL;
  Large *large;
  size_t usable, huge = size >= HUGE_FROM;
  if (huge) {
    usable = pages_for(size);
    large = mmap(NULL, usable, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (large == MAP_FAILED) return NULL;
  } else {
    large = malloc(asked_for(size));
    if (large == NULL) return NULL;
    usable = given(large);
  }
  size_t total = state->size + usable + OVERHEAD;
  large->size = (usable - sizeof *large) | huge;
  if (is_too_large(state, size, total - counted(replaced))) {
    release(large);
    return NULL;
  }
  link_large(state->heap, large);
  state->count++;
  state->size = total;
  return large + 1;
}

/* `replaced`: the block that goes as soon as this one is there. Only blocks of the C library are held against the limit
   here. */
static inline void *allocate(State *state, size_t size, const void *replaced) {
  if (UNLIKELY(size > LARGEST)) return allocate_large(state, size, replaced);
  unsigned class = class_of[(size + GRAIN - 1) / GRAIN];
  const Heap *heap = state->heap;
  Slab *slab = heap == NULL ? NULL : heap->pool->with_room[class];
  if (UNLIKELY(slab == NULL)) {
    slab = find_slab(state, class);
    if (slab == NULL) return allocate_large(state, size, replaced);
  }
  void *block = slab->free;
  if (block != NULL) {
    slab->free = *(void **)block;
  } else {
    block = slab->fresh;
    slab->fresh += slab->size;
  }
  slab->used++;
  state->count++;
  state->size += slab->size;
  if (UNLIKELY(is_full(slab))) unlink_slab(slab);
  return block;
}

/* A block beyond the limit, in the place of one of `before` bytes: a small one may be had, as a slab's is counted. */
static __attribute__((noinline)) int is_refused(const State *state, size_t size, size_t before) {
  if (size > LARGEST) return !is_spared(state, state->size + size - before);
  size_t of_slab = size_of[class_of[(size + GRAIN - 1) / GRAIN]];
  return is_too_large(state, size, state->size + of_slab - before);
}

/* Nobody will ever enter or free this heap: its memory goes back to the system, but for what shares pages with others.
   Its addresses stay taken, for there are stacks that point to them. A piece at a time, for all others wait: whether
   there is more. `slab`: where to go on, 0 at first. */
int heap_give_back(char *runtime, size_t *slab) {
  Heap *heap = ((State *)(runtime + STATE_AT))->heap;
  if (heap == NULL) return 0;
  size_t given = 0;
  while (heap->large != NULL) {
    if (given >= PIECE) return 1;
    Large *large = heap->large;
    uintptr_t first = (uintptr_t)(large + 1), end = (first + size_of_large(large)) & ~(page - 1);
    uintptr_t begin = (first + page - 1) & ~(page - 1);
    if (end > begin && end - begin > PIECE) {
      /* Its end: it is as long as what is left. */
      begin = end - PIECE;
      large->size = (begin - first) | (size_t)is_huge(large);
    } else {
      heap->large = large->next;
    }
    if (end > begin) {
      madvise((void *)begin, end - begin, MADV_DONTNEED);
      given += end - begin;
    }
    given += LOOK;
  }
  for (; *slab < taken && heap->pool != &common && page <= SLAB; ++*slab) {
    if (slabs[*slab].pool != heap->pool || slabs[*slab].used == 0) continue;
    if (given >= PIECE) return 1;
    madvise(memory_of(&slabs[*slab]), SLAB, MADV_DONTNEED);
    given += SLAB + LOOK;
  }
  return 0;
}

void heap_ends(Heap *heap) {
  if (heap->pool != &common) heap->pool->ends = 1;
}

static __attribute__((noinline)) void *allocate_otherwise(State *state, size_t size) {
  if (UNLIKELY(is_beyond(state, size)) && is_refused(state, size, 0)) return heap_refuse(state);
  void *block = allocate(state, size, NULL);
  return UNLIKELY(block == NULL) ? heap_refuse(state) : block;
}

void *heap_malloc(State *state, size_t size) {
  void *block = take_small(state, size);
  return UNLIKELY(block == NULL) ? allocate_otherwise(state, size) : block;
}

/* The runtime goes. `leaks`: blocks of the heap are left. */
static __attribute__((noinline)) void close_heap(Heap *heap, int leaks) {
  while (heap->large != NULL) {
    Large *large = heap->large;
    heap->large = large->next;
    release(large);
  }
  Pool *pool = heap->pool;
  if (pool != &common) {
    for (size_t i = 0; leaks && i < taken; i++) {
      Slab *slab = &slabs[i];
      if (slab->pool != pool || slab->used == 0) continue;
      if (is_full(slab)) link_slab(slab);
      slab->used = 0;
    }
    for (unsigned class = 0; class < CLASSES; class++) {
      while (pool->with_room[class] != NULL) give_up(pool->with_room[class]);
    }
    free(pool);
  }
  free(heap->held);
  free(heap);
}

/* A heap that ends has returned so many bytes to the C library, which keeps their pages. To give them back takes it 0.15 ms
   for each megabyte, and up to 1 ms to look for them: so it is told to again and again, but not too often. */
static void give_back_returned(size_t size) {
#ifdef __GLIBC__
  static size_t returned;
  returned += size;
  if (returned < RETURNED) return;
  returned = 0;
  malloc_trim(0);
  pause_in_release();
#endif
}

static __attribute__((noinline)) void free_large(State *state, void *block) {
  Heap *heap = state->heap;
  if (is_large(block)) {
    Large *large = large_of(block);
    size_t size = size_of_large(large), is_kept = !is_huge(large);
    state->size -= size + sizeof *large + OVERHEAD;
    unlink_large(heap, large);
    release(large);
    if (heap->pool->ends && is_kept) give_back_returned(size);
    return;
  }
  /* The engine's own function allocated it, before the runtime got ours. */
  state->size -= malloc_usable_size(block) + OVERHEAD;
  if (heap != NULL && block == heap->runtime) close_heap(heap, state->count != 0);
  free(block);
}

void heap_free(State *state, void *block) {
  if (block == NULL) return;
  state->count--;
  if (UNLIKELY(!is_ours(block))) {
    free_large(state, block);
    return;
  }
  Slab *slab = slab_of(block);
  state->size -= slab->size;
  if (UNLIKELY(is_full(slab))) link_slab(slab);
  *(void **)block = slab->free;
  slab->free = block;
  /* The only one with room of its class stays: who takes and returns one block must not take and return a slab. */
  if (UNLIKELY(--slab->used == 0) && (slab->next != NULL || slab->previous != NULL)) give_up(slab);
}

size_t heap_usable_size(const void *block) {
  if (block == NULL) return 0;
  if (is_ours(block)) return slab_of(block)->size;
  return is_large(block) ? size_of_large(large_of((void *)block)) : malloc_usable_size((void *)block);
}

static __attribute__((noinline)) void *resize_large(State *state, Large *large, size_t size) {
  size_t before = size_of_large(large), usable, huge = is_huge(large);
  if (size > PTRDIFF_MAX - 2 * ROUNDED) return heap_refuse(state);
  Large *moved;
  if (huge) {
    usable = pages_for(size);
    moved = mremap(large, sizeof *large + before, usable, MREMAP_MAYMOVE);
    if (moved == MAP_FAILED) return heap_refuse(state);
  } else {
    moved = realloc(large, asked_for(size));
    if (moved == NULL) return heap_refuse(state);
    usable = given(moved);
  }
  moved->size = (usable - sizeof *moved) | huge;
  state->size += usable - sizeof *moved - before;
  if (moved->next != NULL) moved->next->previous = moved;
  *(moved->previous != NULL ? &moved->previous->next : &state->heap->large) = moved;
  return moved + 1;
}

/* In pieces: a megabyte takes 1 ms where the system has yet to give the pages. */
static void copy(char *to, const char *from, size_t size) {
  for (; pause_turn != NULL && size > COPIED; to += COPIED, from += COPIED, size -= COPIED) {
    memcpy(to, from, COPIED);
    pause_turn();
  }
  memcpy(to, from, size);
}

void *heap_realloc(State *state, void *block, size_t size) {
  if (block == NULL) return size == 0 ? NULL : heap_malloc(state, size);
  if (size == 0) {
    heap_free(state, block);
    return NULL;
  }
  size_t before = heap_usable_size(block);
  if (size > before && UNLIKELY(is_beyond(state, size - before)) && is_refused(state, size, before))
    return heap_refuse(state);
  if (is_ours(block)) {
    /* Up to half of it stays unused: the engine makes nearly every string smaller once, when it is complete. */
    if (size <= before && size > before / 2) return block;
  } else if (size > LARGEST && is_large(block) && is_huge(large_of(block)) == (size >= HUGE_FROM)) {
    /* What the C library has moved cannot be refused any more: near the limit the new block is made beside the old. */
    if (size <= before || !is_beyond(state, size - before + ROUNDED)) return resize_large(state, large_of(block), size);
  }
  void *moved = allocate(state, size, block);
  /* To make a block smaller must not fail. */
  if (moved == NULL) return size <= before ? block : heap_refuse(state);
  copy(moved, block, size < before ? size : before);
  heap_free(state, block);
  return moved;
}

/* How many bytes of slabs are handed out, in all heaps. */
size_t heap_held(void) {
  size_t held = 0;
  for (size_t i = 0; i < taken; i++) held += (size_t)slabs[i].used * slabs[i].size;
  return held;
}

/* Once a process: what is to be called in the midst of work that takes long. Others may run in it, but not this heap. */
void heap_pause_by(void (*function)(void)) { pause_turn = function; }

/* Once a process, before all others. 0: the addresses cannot be had. */
int heap_start(void) {
  if (region != NULL) return 1;
  page = (uintptr_t)sysconf(_SC_PAGESIZE);
  size_t size = 0;
  unsigned classes = 0;
  for (size_t grains = 0; grains <= LARGEST / GRAIN; grains++) {
    if (grains * GRAIN > size || size == 0) {
      /* Sixteen sizes up to 128, then eight to each doubling: a ninth of a block stays unused at most. */
      size += size < 128 ? 8 : size < 256 ? 16 : size < 512 ? 32 : 64;
      size_of[classes++] = (uint16_t)size;
    }
    class_of[grains] = (uint8_t)(classes - 1);
  }
  size_t table = REGION / SLAB * sizeof(Slab);
  slabs = mmap(NULL, table, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (slabs == MAP_FAILED) return 0;
  char *reserved = mmap(NULL, REGION + SLAB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) {
    munmap(slabs, table);
    return 0;
  }
  region = (char *)(((uintptr_t)reserved + SLAB - 1) & ~(uintptr_t)(SLAB - 1));
  return 1;
}
