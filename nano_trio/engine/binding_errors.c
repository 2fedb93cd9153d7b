/*
 * What the binding says where it fails, in words for the app that meets it.
 *
 * Theory of operation. The binding throws errors of its own making, as where it cannot ask for a module. It does so by
 * functions that the engine exports, and that it calls with texts known to us, which no code of the engine's has. Such a
 * call is led here (detours.h), and throws what an app can make something of; all others, the engine's own too, are
 * passed on.
 *
 *   A module is asked for by a name in UTF-8, which half of a surrogate pair has no place in.
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
  Throw *reference_error;
  Throw *type_error;
} Engine;

static Engine engine;

#define NO_MODULE "module loader failed for '%s': %s"

#define MALFORMED "a module's name is well-formed Unicode text, and half of a surrogate pair is none"

/* What the engine cuts a text to. */
enum { LONGEST = 256 };

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
  return detour(engine.reference_error, "JS_ThrowReferenceError", throw_reference_error);
}
