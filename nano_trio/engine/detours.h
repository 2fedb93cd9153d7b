/*
 * Calls that the engine and its binding make of one of the engine's exported functions, led to a function of ours.
 *
 * Both are in one library. It calls what it exports as it calls the C library's functions: by a table of addresses that
 * the linker fills in (ELF, "procedure linkage table"), one entry for each function. So an entry is put in its place;
 * who asks the linker for the function by name, as all our libraries do, gets the engine's own as ever. Where the
 * library is not built like that it has no such entry, and nothing is led anywhere.
 */

#define _GNU_SOURCE /* dl_iterate_phdr */
#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct {
  uintptr_t inside; /* the library: an address in it */
  const char *name;
  void **entry;
} Wanted;

/* Where a table of the library lies: one linker says it as an address, another as a distance from the beginning. */
static inline const void *table_at(uintptr_t base, ElfW(Addr) at) {
  return (const void *)(at < base ? base + at : (uintptr_t)at);
}

static void look_through(Wanted *wanted, uintptr_t base, const ElfW(Dyn) *dynamic) {
  const ElfW(Rela) *calls = NULL;
  const ElfW(Sym) *symbols = NULL;
  const char *names = NULL;
  size_t size = 0;
  for (; dynamic->d_tag != DT_NULL; dynamic++) {
    if (dynamic->d_tag == DT_JMPREL) calls = table_at(base, dynamic->d_un.d_ptr);
    if (dynamic->d_tag == DT_SYMTAB) symbols = table_at(base, dynamic->d_un.d_ptr);
    if (dynamic->d_tag == DT_STRTAB) names = table_at(base, dynamic->d_un.d_ptr);
    if (dynamic->d_tag == DT_PLTRELSZ) size = dynamic->d_un.d_val;
    if (dynamic->d_tag == DT_PLTREL && dynamic->d_un.d_val != DT_RELA) return;
  }
  if (calls == NULL || symbols == NULL || names == NULL) return;
  for (size_t i = 0; i < size / sizeof *calls; i++)
    if (!strcmp(names + symbols[ELF64_R_SYM(calls[i].r_info)].st_name, wanted->name))
      wanted->entry = (void **)(base + calls[i].r_offset);
}

static int look_at_library(struct dl_phdr_info *library, size_t size, void *opaque) {
  Wanted *wanted = opaque;
  const ElfW(Dyn) *dynamic = NULL;
  int is_it = 0;
  for (int i = 0; i < library->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = &library->dlpi_phdr[i];
    uintptr_t begin = library->dlpi_addr + part->p_vaddr;
    if (part->p_type == PT_LOAD && wanted->inside - begin < part->p_memsz) is_it = 1;
    if (part->p_type == PT_DYNAMIC) dynamic = (const ElfW(Dyn) *)begin;
  }
  if (is_it && dynamic != NULL) look_through(wanted, library->dlpi_addr, dynamic);
  return is_it;
}

/* Have the library of `function`, whose name is `name`, call `ours` instead; 0 where that cannot be had. */
static int detour(void *function, const char *name, void *ours) {
  Wanted wanted = {(uintptr_t)function, name, NULL};
  dl_iterate_phdr(look_at_library, &wanted);
  if (wanted.entry == NULL) return 0;
  /* The linker may have made it read-only (RELRO). */
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  if (mprotect((void *)((uintptr_t)wanted.entry & ~(page - 1)), page, PROT_READ | PROT_WRITE) < 0) return 0;
  *wanted.entry = ours;
  return 1;
}
