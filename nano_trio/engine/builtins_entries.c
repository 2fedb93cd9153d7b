/*
 * The lists from which the engine makes its functions; see builtins.c.
 *
 * The engine makes the functions of a prototype when they are first touched, from a list of its own, which is the same for
 * all contexts: a property that nobody has touched yet points to its entry. Where one of them is not safe ours takes its
 * place there (builtins_maps.c, builtins_iterators.c): it costs nothing, and is called and told of as the engine's.
 */

#define _GNU_SOURCE /* dladdr */
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include "builtins.h"

/* The engine's entry for a method that nobody has touched; NULL: it is not as it is known here. */
Entry *entry_of(Context *context, Value prototype, const char *name) {
  if (tag_of(prototype) != TAG_OBJECT) return NULL;
  const Object *object = object_of(prototype);
  uint32_t atom = engine.new_atom(context, name, strlen(name));
  Entry *entry = NULL;
  for (int i = 0; i < object->shape->count && entry == NULL; i++) {
    const Slot *slot = &object->shape->slots[i];
    /* Of what is made later the second word of its value is what it is made from (JSProperty.u.init). */
    if (slot->atom == atom && (slot->flags & NO_VALUE) == NO_VALUE) memcpy(&entry, (char *)&object->values[i] + sizeof(void *), sizeof entry);
  }
  engine.free_atom(context, atom);
  Dl_info of_entry, of_engine;
  if (entry == NULL || dladdr(entry, &of_entry) == 0 || dladdr((void *)engine.new_object, &of_engine) == 0 ||
      of_entry.dli_fbase != of_engine.dli_fbase)
    return NULL;
  return strcmp(entry->name, name) == 0 && entry->holds == A_FUNCTION ? entry : NULL;
}

/* Whether the engine has made of an entry, just now, what is in it. */
int is_made_of(Context *context, Value prototype, const Entry *entry, int kind, int magic) {
  if (entry == NULL) return 0;
  Value function = engine.get(context, prototype, entry->name);
  int is_so = tag_of(function) == TAG_OBJECT && entry->magic == magic && entry->as.function.kind == kind &&
              keeps(function, context, entry->as.function.function, entry->as.function.length, kind, magic);
  release(context, function);
  return is_so;
}

/* The linker may have made it read-only (RELRO). */
int make_writable(Entry *entry) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), place = (uintptr_t)&entry->as.function.function;
  return mprotect((void *)(place & ~(page - 1)), page, PROT_READ | PROT_WRITE) == 0;
}
