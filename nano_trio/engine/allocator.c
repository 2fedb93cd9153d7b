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
 * holds no pointers but those of free blocks to the next free one.
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
 * Threads: every call comes from the engine, and the engine runs with Python's GIL held.
 *
 * Failure: where the region cannot be reserved or is full, blocks come from the C library. As with it, the engine's
 * limit is checked before, and NULL is an out-of-memory error of JavaScript.
 */

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define REGION ((size_t)1 << 35)
#define SLAB ((size_t)1 << 14)
#define STEP ((size_t)1 << 20) /* of what is made accessible */
#define MOST_DIRTY 512          /* empty slabs whose memory is kept at hand: 8 MB */
#define LARGEST 1024
#define CLASSES 40
#define GRAIN 8
#define OWN_FROM ((size_t)1 << 20)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
/* What the engine's own functions add to each block of the C library, and so must ours. */
#define OVERHEAD 8

/* As in quickjs.h; allocator.py proves it. */
typedef struct {
  size_t count;
  size_t size;
  size_t limit;
  void *opaque;
} State;

typedef struct Pool Pool;

typedef struct Slab {
  struct Slab *next, *previous; /* with room, of the same class; or the next empty one */
  Pool *pool;                   /* whose it is */
  void *free;                   /* the block that came back last, which points to the one before */
  char *fresh;                  /* the first block that was never handed out */
  char *end;                    /* where no block fits any more */
  uint32_t used;                /* blocks in use */
  uint16_t size;                /* of a block */
  uint8_t class;
  uint8_t clean;                /* empty, and its memory given back to the system */
  uint64_t unused;              /* a cache line each */
} Slab;

/* Slabs that are handed out to the same heaps. */
struct Pool {
  Slab *with_room[CLASSES];
};

static char *region;
static Slab *slabs;
static size_t taken;      /* slabs that were ever used */
static size_t accessible; /* bytes of the region */
static Pool common;
static Slab *empty;       /* first those whose memory is still there, then those that gave it back */
static size_t dirty;      /* how many of the former */
static uint16_t size_of[CLASSES];
static uint8_t class_of[LARGEST / GRAIN + 1];

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

/* The pool from which a heap takes blocks from now on. */
static Pool *pool_of(State *state) {
  Pool *pool = state->opaque;
  if (pool == NULL) pool = &common;
  if (pool == &common && state->size >= OWN_FROM) {
    pool = calloc(1, sizeof *pool);
    if (pool == NULL) pool = &common;
  }
  state->opaque = pool;
  return pool;
}

/* A slab with room; NULL where there is no further one. */
static __attribute__((noinline)) Slab *find_slab(State *state, unsigned class) {
  Pool *pool = pool_of(state);
  Slab *slab = pool->with_room[class];
  if (slab != NULL) return slab;
  slab = empty;
  if (slab != NULL) {
    empty = slab->next;
    dirty -= !slab->clean;
  } else {
    size_t end = (taken + 1) * SLAB;
    if (end > REGION) return NULL;
    if (end > accessible) {
      if (mprotect(region + accessible, STEP, PROT_READ | PROT_WRITE) != 0) return NULL;
      accessible += STEP;
    }
    slab = &slabs[taken++];
  }
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

/* Give the memory of empty slabs back to the system. */
void heap_trim(void) {
  /* Slabs are put to and taken from the front: behind the first that gave its memory back, all did. */
  for (Slab *slab = empty; slab != NULL && !slab->clean; slab = slab->next) {
    if (madvise(memory_of(slab), SLAB, MADV_DONTNEED) != 0) break;
    slab->clean = 1;
    dirty--;
  }
}

static __attribute__((noinline)) void give_up(Slab *slab) {
  unlink_slab(slab);
  slab->next = empty;
  empty = slab;
  if (++dirty > MOST_DIRTY) heap_trim();
}

static __attribute__((noinline)) void *allocate_large(State *state, size_t size) {
  void *block = malloc(size);
  if (block == NULL) return NULL;
  state->count++;
  state->size += malloc_usable_size(block) + OVERHEAD;
  return block;
}

/* Without a look at the limit. */
static inline void *allocate(State *state, size_t size) {
  if (UNLIKELY(size > LARGEST)) return allocate_large(state, size);
  unsigned class = class_of[(size + GRAIN - 1) / GRAIN];
  const Pool *pool = state->opaque;
  Slab *slab = pool == NULL ? NULL : pool->with_room[class];
  if (UNLIKELY(slab == NULL)) {
    slab = find_slab(state, class);
    if (slab == NULL) return allocate_large(state, size);
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

void *heap_malloc(State *state, size_t size) {
  if (UNLIKELY(state->size + size > state->limit)) return NULL;
  return allocate(state, size);
}

/* The heap's last block is gone: the runtime itself, which was allocated before it got these functions. */
static __attribute__((noinline)) void close_pool(State *state) {
  Pool *pool = state->opaque;
  if (pool == NULL || pool == &common) return;
  for (unsigned class = 0; class < CLASSES; class++) {
    while (pool->with_room[class] != NULL) give_up(pool->with_room[class]);
  }
  free(pool);
}

void heap_free(State *state, void *block) {
  if (block == NULL) return;
  state->count--;
  if (UNLIKELY(!is_ours(block))) {
    state->size -= malloc_usable_size(block) + OVERHEAD;
    free(block);
    if (UNLIKELY(state->count == 0)) close_pool(state);
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
  return is_ours(block) ? slab_of(block)->size : malloc_usable_size((void *)block);
}

void *heap_realloc(State *state, void *block, size_t size) {
  if (block == NULL) return size == 0 ? NULL : heap_malloc(state, size);
  if (size == 0) {
    heap_free(state, block);
    return NULL;
  }
  size_t before = heap_usable_size(block);
  if (size > before && UNLIKELY(state->size + (size - before) > state->limit)) return NULL;
  if (is_ours(block)) {
    /* Up to half of it stays unused: the engine makes nearly every string smaller once, when it is complete. */
    if (size <= before && size > before / 2) return block;
  } else if (size > LARGEST) {
    void *moved = realloc(block, size);
    if (moved == NULL) return NULL;
    state->size += malloc_usable_size(moved) - before;
    return moved;
  }
  void *moved = allocate(state, size);
  if (moved == NULL) return NULL;
  memcpy(moved, block, size < before ? size : before);
  heap_free(state, block);
  return moved;
}

/* How many bytes of slabs are handed out, in all heaps. */
size_t heap_held(void) {
  size_t held = 0;
  for (size_t i = 0; i < taken; i++) held += (size_t)slabs[i].used * slabs[i].size;
  return held;
}

/* Once a process, before all others. 0: the addresses cannot be had. */
int heap_start(void) {
  if (region != NULL) return 1;
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
