"""What the binding says where it fails, in words for the app that meets it: out of memory, or what a module is called.

``binding_errors.c`` says how; it becomes ``libbinding_errors.so`` when the package is built, on Linux and where there
is a C compiler. Without it, and for a binding that was not examined (:mod:`nano_trio.engine.polling`), apps see the
binding's own words.
"""

from __future__ import annotations

from functools import cache

from nano_trio.engine.native import engine_functions, open_library

__all__ = ["translate"]

# struct Engine of binding_errors.c, in its order.
_FUNCTIONS = (
    "JS_ThrowInternalError",
    "JS_ThrowReferenceError",
    "JS_ThrowTypeError",
    "JS_ThrowRangeError",
    "JS_ThrowOutOfMemory",
)


@cache
def translate() -> bool:
    """Have the binding's words replaced from now on, in all isolates of the process. False where that cannot be had."""
    library, functions = open_library("binding_errors"), engine_functions(_FUNCTIONS)
    return library is not None and functions is not None and bool(library.binding_errors_start(functions))
