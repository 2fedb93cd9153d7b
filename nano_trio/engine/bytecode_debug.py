"""Compiling without what only debugging needs: source text, line tables, the names of local variables.

QuickJS keeps every function's source text for ``Function.prototype.toString``: a nested function's text is kept once
for itself and once within each function around it. Besides, each function has a table of lines for stack traces, and
each variable its name. For the platform's own files, of which each isolate that touches them reads a copy, that is half
of their memory and a fifth of the time; and Web IDL's functions are to print as ``[native code]`` anyway, which is what
the engine says of a function without text.

The engine leaves all that out where its runtime is told so (``JS_SetStripInfo``), but its binding has no way to say it.
So the engine's own function is called, which the binding's library exports. As in :mod:`nano_trio.engine.polling` that
is done only with a binding whose layout is known, and after a proof. Where that fails code has all of it and is larger.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import quickjs

from nano_trio.engine.polling import address_of, layout_is_known

__all__ = ["leave_out_debugging"]

_STRIP_DEBUG = 1 << 1  # JS_STRIP_DEBUG of quickjs.h
_PROBE = "((telltale) => telltale)"


def leave_out_debugging(runtime: quickjs.Runtime) -> None:
    """What is compiled in this runtime from now on has nothing that only debugging needs, where that can be had."""
    function = _function()
    if function is not None:
        function(address_of(runtime), _STRIP_DEBUG)


@cache
def _function() -> Callable[[int, int], Any] | None:
    if not layout_is_known():
        return None
    try:
        function = ctypes.PyDLL(quickjs._quickjs.__file__).JS_SetStripInfo
    except (OSError, AttributeError):
        return None
    function.argtypes = [ctypes.c_void_p, ctypes.c_int]
    function.restype = None
    runtime = quickjs.Runtime()
    function(address_of(runtime), _STRIP_DEBUG)
    code = runtime.new_context().compile(_PROBE, "probe.js").write_object()
    return None if b"telltale" in code or b"probe.js" in code else function
