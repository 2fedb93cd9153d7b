/*
 * WeakMap (ECMA-262, 24.3): what a key's value refers to does not keep the key; see builtins.c.
 *
 * Theory of operation. To the engine's collector a weak map refers to the values of all its keys. Where a value
 * refers to its key, as the proxies do that Vue keeps for their targets, the key lives as long as the map, and a
 * module's map lives as long as the app. By the language a value counts as referred to by a map only while both the
 * map and its key live.
 *
 * The collector has three passes over its objects. The first takes from each object's count of references what
 * other objects refer to it by; those with none left wait in a list of their own. The second goes through a list of
 * the others, and gives them back what each of these refers to: who had none before comes from the waiting ones to
 * the end of that list. The third gives back what those refer to that still wait; then they are freed. A class has
 * a function that tells the collector what an object of it refers to, and the collector gives that a function of
 * its own for each pass. That of weak maps is ours:
 *
 *   In the second pass it tells of the values of keys that are known to live. The others are put off. Two objects
 *   of ours, the watchers, are sent to the end of the list by turns, until the pass comes to one that is the last.
 *   Then whose key has come to live meanwhile has its value told of, and the pass goes on. Where there is none of
 *   these, the keys of all that is put off are garbage, and the map loses their values: nobody can ask for them any
 *   more.
 *
 * An app can make of n keys a chain of which each visit finds one, and looks at all. So there is an end to the looks at
 * what is put off: then all of that is told of, and stays until the next time. It is not to come soon, for a list whose
 * private fields were compiled to weak maps is such a chain, and would keep all garbage of other maps. Where there is no
 * memory to put a value off it is told of, too.
 *
 * Threads: every call comes from the engine, which runs with Python's GIL held; and what is put off is a runtime's
 * own, for a turn may be suspended anywhere. The timer of polls (poll_timer.c) suspends the collector where it is in the
 * engine, and a map may have a million entries of which it is told nothing: so we ask every now and then.
 */

#include <stdlib.h>

#include "builtins.h"

typedef void Mark(Runtime *, Value, Told *);

/* A list of the engine's (list.h), within what it lists. */
typedef struct Link {
  struct Link *before, *next;
} Link;

/* How the engine keeps a map and what is in it (quickjs.c, JSMapState and JSMapRecord). */
typedef struct {
  int is_weak;
  Link records;
} Map;

typedef struct {
  int references, is_empty;
  Link link;
  void *next;
  Value key, value;
} Record;

typedef struct {
  Object object;
  void *own;
} Owner;

enum { FIRST, SECOND, WATCHERS };
/* Where a runtime has the list of the second pass. */
enum { LIST_AT = 0x88 };
/* How often what was put off is looked at, on average; and looks that a collection may take beyond that: some ms. */
enum { LOOKS = 8, MORE_LOOKS = 1 << 20 };
/* After so many entries the turn may be suspended. */
enum { STRETCH = 1024 };

/* Of a runtime. */
typedef struct {
  Object *watchers[WATCHERS];
  int was_seen[WATCHERS]; /* in this second pass */
  int next;               /* the watcher to be sent */
  Record **put_off;
  size_t count, room, looks;
} Watch;

/* 0: what is known of the engine is not so. */
static Mark *own_mark;
static uint16_t map_class;
static uint32_t watcher_class;
/* What the collector gives in the first and the second pass: what a watcher without a watch was last given. */
static Told *takes, *gives;

static void no_pause(void) {}
static void (*pause_turn)(void) = no_pause;

/* Once a process: what is called every now and then where the turn may be suspended. NULL: nothing. */
void builtins_pause_by(void (*function)(void)) { pause_turn = function != NULL ? function : no_pause; }

static Owner *owner_of(Value value) { return value.as.pointer; }

static Link *link_of(Object *object) { return (Link *)object->links; }

/* Nobody who could call a watcher has one: so its class has the runtime's watch in the place of what calls it. */
static Watch *watch_of(Runtime *runtime) {
  Class *class = class_of_runtime(runtime, watcher_class);
  return class == NULL ? NULL : (Watch *)class->call;
}

static int is_alive(Value key) { return tag_of(key) != TAG_OBJECT || object_of(key)->references > 0; }

static int put_off(Watch *watch, Record *record) {
  if (watch->count == watch->room) {
    size_t room = watch->room == 0 ? 64 : 2 * watch->room;
    Record **larger = realloc(watch->put_off, room * sizeof(Record *));
    if (larger == NULL) return 0;
    watch->put_off = larger;
    watch->room = room;
  }
  watch->put_off[watch->count++] = record;
  watch->looks += LOOKS;
  return 1;
}

static void send_next(Runtime *runtime, Watch *watch) {
  Link *link = link_of(watch->watchers[watch->next]), *list = (Link *)((char *)runtime + LIST_AT);
  link->before->next = link->next;
  link->next->before = link->before;
  link->before = list->before;
  link->next = list;
  list->before->next = link;
  list->before = link;
}

static void mark_map(Runtime *runtime, Value value, Told *told) {
  Map *map = owner_of(value)->own;
  Watch *watch = told == gives && map != NULL && map->is_weak ? watch_of(runtime) : NULL;
  if (watch == NULL) {
    own_mark(runtime, value, told);
    return;
  }
  size_t before = watch->count, gone = 0;
  for (Link *link = map->records.next; link != &map->records; link = link->next) {
    if (++gone % STRETCH == 0) pause_turn();
    Record *record = (Record *)((char *)link - offsetof(Record, link));
    if (tag_of(record->value) != TAG_OBJECT || is_alive(record->key) || !put_off(watch, record))
      engine.mark_value(runtime, record->value, told);
  }
  if (watch->count > before) send_next(runtime, watch);
}

/* Tell of the values whose keys have come to live; whether there was one. */
static int look_again(Runtime *runtime, Watch *watch) {
  size_t left = 0, count = watch->count;
  int has_looks = watch->looks >= count;
  watch->looks -= has_looks ? count : watch->looks;
  for (size_t i = 0; i < count; i++) {
    if ((i + 1) % STRETCH == 0) pause_turn();
    Record *record = watch->put_off[i];
    if (has_looks && !is_alive(record->key))
      watch->put_off[left++] = record;
    else
      engine.mark_value(runtime, record->value, gives);
  }
  watch->count = left;
  return left < count;
}

/* The second pass has come to a watcher. */
static void visit(Runtime *runtime, Watch *watch, int which) {
  /* Each time before it comes here it gives back what the object's shape is referred to by. */
  if (watch->was_seen[which]) watch->watchers[which]->shape->references--;
  watch->was_seen[which] = 1;
  watch->next = !which; /* this one must stay where the pass is */
  const Link *list = (const Link *)((char *)runtime + LIST_AT), *link = link_of(watch->watchers[which]);
  /* What is told of comes to the list's end. */
  while (link->next == list && watch->count > 0 && look_again(runtime, watch)) continue;
  if (watch->count > 0 && link->next != list) {
    send_next(runtime, watch);
    return;
  }
  while (watch->count > 0) {
    watch->put_off[--watch->count]->value = undefined;
    if (watch->count % STRETCH == 0) pause_turn();
  }
  free(watch->put_off);
  watch->put_off = NULL;
  watch->room = 0;
}

static void mark_watcher(Runtime *runtime, Value value, Told *told) {
  Watch *watch = owner_of(value)->own;
  if (watch == NULL) return;
  int which = object_of(value) == watch->watchers[FIRST] ? FIRST : SECOND;
  if (told == takes) {
    watch->was_seen[which] = 0;
    watch->count = 0;
    watch->looks = MORE_LOOKS;
  } else if (told == gives) {
    visit(runtime, watch, which);
  }
}

static void end_watcher(Runtime *runtime, Value value) {
  Watch *watch = owner_of(value)->own;
  if (watch == NULL) return;
  class_of_runtime(runtime, watcher_class)->call = NULL;
  for (int i = 0; i < WATCHERS; i++) ((Owner *)watch->watchers[i])->own = NULL;
  free(watch->put_off);
  engine.free_in_runtime(runtime, watch);
}

static const ClassDefinition definition = {
    .name = "watcher", .finalizer = (void (*)(void))end_watcher, .mark = (void (*)(void))mark_watcher};

static Value new_watcher(Context *context, Value prototype) {
  Value watcher = engine.new_object_with(context, prototype, watcher_class);
  if (tag_of(watcher) == TAG_OBJECT) engine.set_opaque(watcher, NULL);
  return watcher;
}

/* Where there is no memory for it, they are as the engine has them. */
void guard_weak_maps(Context *context) {
  Runtime *runtime = engine.get_runtime(context);
  Class *maps = class_of_runtime(runtime, map_class);
  if (own_mark == NULL || maps == NULL || maps->mark != (void (*)(void))own_mark) return;
  if (!engine.is_class(runtime, watcher_class) && engine.new_class(runtime, watcher_class, &definition) < 0) return;
  Watch *watch = engine.allocate(context, sizeof *watch);
  /* The first refers to the second, and the context to the first: so no app has them. */
  Value second = watch == NULL ? exception : new_watcher(context, null);
  Value first = tag_of(second) == TAG_OBJECT ? new_watcher(context, second) : exception;
  release(context, second);
  if (tag_of(first) != TAG_OBJECT) {
    release(context, engine.take_exception(context));
    if (watch != NULL) engine.free(context, watch);
    return;
  }
  *watch = (Watch){.watchers = {[FIRST] = object_of(first), [SECOND] = object_of(second)}};
  for (int i = 0; i < WATCHERS; i++) ((Owner *)watch->watchers[i])->own = watch;
  engine.set_class_prototype(context, watcher_class, first);
  class_of_runtime(runtime, watcher_class)->call = (void *)watch;
  class_of_runtime(runtime, map_class)->mark = (void (*)(void))mark_map;
}

/* Give a map a key whose value refers to it; the key. */
static Value add_to(Context *context, Value map) {
  Value pair[] = {engine.new_object(context, null), engine.new_object(context, null)};
  Value set = engine.get(context, map, "set");
  if (tag_of(pair[0]) != TAG_OBJECT || tag_of(pair[1]) != TAG_OBJECT) return exception;
  engine.define_named(context, pair[1], "key", duplicate(pair[0]), CONFIGURABLE);
  release(context, engine.call(context, set, map, 2, pair));
  release(context, set);
  release(context, pair[1]);
  return pair[0];
}

/* Of a map that has as many: whether it keeps them as is known here. The last one. */
static Record *last_record(Value map, int count) {
  const Map *own = owner_of(map)->own;
  const Link *link = &own->records;
  if (own->is_weak != 1) return NULL;
  for (int i = 0; i <= count; i++) {
    if (link->next->before != link) return NULL;
    link = link->next;
  }
  return link == &own->records ? (Record *)((char *)link->before - offsetof(Record, link)) : NULL;
}

static Told *given[WATCHERS];

static void mark_and_tell(Runtime *runtime, Value value, Told *told) {
  (void)runtime, (void)value;
  if (given[FIRST] != NULL) given[SECOND] = told;
  if (given[FIRST] == NULL) given[FIRST] = told;
}

/* Whether the collector goes through a list that is there. */
static int has_list(Runtime *runtime, Value object) {
  const Link *list = (const Link *)((const char *)runtime + LIST_AT), *link = link_of(object_of(object));
  for (int i = 0; i < 100000 && link != list; i++) link = link->next;
  return link == list;
}

/* Whether both passes are as is known here. */
static int proves_passes(Context *context) {
  Runtime *runtime = engine.get_runtime(context);
  static const ClassDefinition telling = {.name = "proof", .mark = (void (*)(void))mark_and_tell};
  static uint32_t number;
  engine.new_class_number(&number);
  if (engine.new_class(runtime, number, &telling) < 0) return 0;
  Value object = engine.new_object_with(context, null, number);
  int proof = tag_of(object) == TAG_OBJECT && has_list(runtime, object);
  if (proof) engine.collect_garbage(runtime);
  takes = given[FIRST];
  gives = given[SECOND];
  release(context, object);
  return proof && takes != NULL && gives != NULL && takes != gives;
}

/* Whether a map loses the value of a key that is garbage, and no other. */
static int proves_loss(Context *context, Value map) {
  Value kept = add_to(context, map);
  Record *living = tag_of(kept) == TAG_OBJECT ? last_record(map, 1) : NULL;
  int proof = living != NULL && living->key.as.pointer == kept.as.pointer && tag_of(living->value) == TAG_OBJECT;
  Value lost = proof ? add_to(context, map) : exception;
  Record *dying = tag_of(lost) == TAG_OBJECT ? last_record(map, 2) : NULL;
  proof = dying != NULL && dying->key.as.pointer == lost.as.pointer && tag_of(dying->value) == TAG_OBJECT;
  if (proof) {
    guard_weak_maps(context);
    release(context, lost);
    engine.collect_garbage(engine.get_runtime(context));
    proof = last_record(map, 2) == dying && tag_of(dying->value) == TAG_UNDEFINED &&
            tag_of(living->value) == TAG_OBJECT && object_of(living->value)->references == 1 &&
            object_of(kept)->references == 2;
  }
  release(context, kept);
  return proof;
}

void learn_weak_maps(Context *context) {
  Value global = engine.get_global(context), constructor = engine.get(context, global, "WeakMap");
  Value map = engine.construct(context, constructor, 0, NULL);
  if (tag_of(map) == TAG_OBJECT && proves_passes(context)) {
    engine.new_class_number(&watcher_class);
    map_class = engine.class_of(map);
    Class *class = class_of_runtime(engine.get_runtime(context), map_class);
    own_mark = class == NULL ? NULL : (Mark *)class->mark;
    if (own_mark != NULL && !proves_loss(context, map)) {
      class_of_runtime(engine.get_runtime(context), map_class)->mark = (void (*)(void))own_mark;
      own_mark = NULL;
    }
  }
  release(context, map);
  release(context, constructor);
  release(context, global);
}
