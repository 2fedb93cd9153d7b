"""Scripts as the engine evaluates them: their value is that of the last statement, and they may use ``await``.

The engine knows a top-level ``await`` (``JS_EVAL_FLAG_ASYNC``), but the binding evaluates such a script only in one go,
without what operations of the host bring meanwhile. So scripts are given to the engine's own function, out of the
binding's library, and only where that binding was examined (:mod:`nano_trio.engine.polling`).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import quickjs

from nano_trio.engine.native import engine_functions
from nano_trio.engine.polling import address_of

__all__ = ["evaluate"]

_AWAITING = 1 << 7
_EXCEPTION = 6
# Where the binding's Value has the engine's, behind PyObject_HEAD.
_VALUE_AT = object.__basicsize__


class _Value(ctypes.Structure):
    """JSValue of the engine, as it is on systems with 64 bits."""

    _fields_ = (("content", ctypes.c_uint64), ("tag", ctypes.c_int64))


@cache
def _functions() -> tuple[Callable[..., Any], Callable[..., Any]] | None:
    """JS_Eval, and JS_SetPropertyUint32."""
    addresses = engine_functions(["JS_Eval", "JS_SetPropertyUint32"])
    if addresses is None:
        return None
    script, put = (address or 0 for address in addresses)
    pointer, number = ctypes.c_void_p, ctypes.c_int
    # The interpreter stays locked: what the script calls is Python, and may switch to another greenlet.
    return (
        ctypes.PYFUNCTYPE(_Value, pointer, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, number)(script),
        ctypes.PYFUNCTYPE(number, pointer, _Value, ctypes.c_uint32, _Value)(put),
    )


def evaluate(context: quickjs.Context, code: str, name: str, *, awaiting: bool) -> quickjs.Value | None:
    """Evaluate a script; None where the engine's functions cannot be had.

    The result is an array with the value, as it is: the binding hands bigints over as numbers. ``awaiting``: ``await``
    may be used at the top level. Up to the first one the script is evaluated now, and in the array there is the promise
    of an object whose ``value`` is the script's. ``name``: what errors call the script. Raises
    :class:`quickjs.JSError`; what a script throws that is awaiting, its promise is rejected with.
    """
    functions = _functions()
    if functions is None:
        return None
    script, put = functions
    box: quickjs.Value = context.eval("[]")
    source, engine = code.encode(), address_of(context)
    value = script(engine, source, len(source), name.encode(), _AWAITING if awaiting else 0)
    if value.tag == _EXCEPTION:
        thrown = context.get_exception()
        error: Any = quickjs.JSError(str(thrown))
        error.js_stack = thrown.get("stack") if isinstance(thrown, quickjs.Value) else ""
        raise error
    put(engine, _Value.from_address(id(box) + _VALUE_AT), 0, value)
    return box
