/*
 * What the binding says where it fails, in words for the app that meets it.
 *
 * Theory of operation. The binding throws errors of its own making: where it cannot turn an argument of a host function
 * into Python's, where a host function raises, where it cannot ask for a module. It does so by functions that the engine
 * exports, and that it calls with texts known to us, which no code of the engine's has. Such a call is led here
 * (detours.h), and throws what an app can make something of; all others, the engine's own too, are passed on.
 *
 *   Arguments are numbers, strings and objects, so that they cannot be had means that the heap has no room for a copy.
 *   What a host function raises where there is no room, or no stack, the binding cuts down to its text: the name of the
 *   engine's error before what that says, or one that says nothing.
 *   A module is asked for by a name in UTF-8, which half of a surrogate pair has no place in.
 *
 * The engine's own words for a stack that is used up are replaced as well: by a RangeError with the text that V8 and
 * JavaScriptCore have for it, which no specification gives, and by which programs know it. React's server renderer does:
 * it goes on from there on an empty stack.
 *
 * Threads: every call comes from the engine or the binding, and they run with Python's GIL held.
 */

#include "detours.h"
#include "values.h"

#include <stdarg.h>
#include <stdio.h>

typedef Value Throw(Context *, const char *format, ...);

/* The engine's functions, in the order of binding_errors.py. */
typedef struct {
  Throw *internal_error;
  Throw *reference_error;
  Throw *type_error;
  Throw *range_error;
  Value (*out_of_memory)(Context *);
} Engine;

static Engine engine;

#define NO_ARGUMENT "quickjs-py: argument conversion failed"
#define RAISED "%s"
#define NO_STACK "stack overflow"
#define NO_MODULE "module loader failed for '%s': %s"

#define MALFORMED "a module's name is well-formed Unicode text, and half of a surrogate pair is none"

/* What the engine cuts a text to. */
enum { LONGEST = 256 };

static int begins(const char *text, const char *with) { return !strncmp(text, with, strlen(with)); }

static int ends(const char *text, const char *with) {
  size_t length = strlen(text), size = strlen(with);
  return length >= size && !strcmp(text + length - size, with);
}

static Value throw_raised(Context *context, const char *text) {
  /* Python's words, of either sort, where the binding forgets to raise; and the binding's where there is not even room
     for the engine's. */
  if (ends(text, "without setting an exception") || !strcmp(text, "error return without exception set") ||
      !strcmp(text, "<unknown JS error>"))
    return engine.out_of_memory(context);
  if (ends(text, STACK_IS_USED_UP)) return engine.range_error(context, STACK_IS_USED_UP);
  const char *name = "InternalError: ";
  return engine.internal_error(context, "%s", begins(text, name) ? text + strlen(name) : text);
}

static Value throw_internal_error(Context *context, const char *format, ...) {
  if (!strcmp(format, NO_ARGUMENT)) return engine.out_of_memory(context);
  if (!strcmp(format, NO_STACK)) return engine.range_error(context, STACK_IS_USED_UP);
  char text[LONGEST];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return strcmp(format, RAISED) ? engine.internal_error(context, "%s", text) : throw_raised(context, text);
}

/* In UTF-8 as the engine writes it, from U+D800 to U+DFFF: half of a surrogate pair. */
static int is_half(const char *at) { return (unsigned char)at[0] == 0xed && (unsigned char)at[1] >= 0xa0; }

static int has_half(const char *name) {
  while (*name && !is_half(name)) name++;
  return *name != 0;
}

/* A name as one would write it in JavaScript, or what of it there is room for. */
static void write_name(char *text, size_t size, const char *at) {
  const char *end = text + size - sizeof "\\ud800" - sizeof "\xe2\x80\xa6";
  while (*at && text < end) {
    if (is_half(at)) {
      text += sprintf(text, "\\u%04x", 0xd000 | (at[1] & 0x3f) << 6 | (at[2] & 0x3f));
      at += 3;
    } else {
      do *text++ = *at++;
      while ((*at & 0xc0) == 0x80);
    }
  }
  strcpy(text, *at ? "\xe2\x80\xa6" : "");
}

static Value throw_reference_error(Context *context, const char *format, ...) {
  char text[LONGEST], name[LONGEST / 2];
  va_list arguments;
  va_start(arguments, format);
  const char *asked = strcmp(format, NO_MODULE) ? "" : va_arg(arguments, const char *);
  va_end(arguments);
  if (has_half(asked)) {
    write_name(name, sizeof name, asked);
    return engine.type_error(context, "cannot load \"%s\": " MALFORMED, name);
  }
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return engine.reference_error(context, "%s", text);
}

/* Once a process. Whether the binding's words are replaced. */
int binding_errors_start(const Engine *functions) {
  engine = *functions;
  return detour(engine.internal_error, "JS_ThrowInternalError", throw_internal_error) &&
         detour(engine.reference_error, "JS_ThrowReferenceError", throw_reference_error);
}
