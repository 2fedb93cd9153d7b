"""How often the engine polls for interrupts.

QuickJS counts branches and calls and asks the interrupt handler every 10,000 of them. For a plain loop that is every
0.1 ms, but each of those 10,000 may be a call of something native: a loop around ``JSON.parse`` of a long text polls
once in many seconds, and all neighbours wait. The engine has no function to change the number, so this module sets the
counter where it lies: in the context's own structure, at an offset that is *measured* on a scratch context when the
process starts, by watching which integer counts down while loops of known lengths run, and proved by setting it and
seeing the handler called. It is used only with a binding whose object layout is known; wherever measurement or proof
fails there is no control, and the engine's own rhythm remains.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from functools import cache
from typing import Any

import quickjs

__all__ = ["ENGINE_INTERVAL", "address_of", "counter_offset", "layout_is_known", "poll_counter"]

ENGINE_INTERVAL = 10_000
"""The engine's own number of branches and calls between two polls."""

_KNOWN_BINDINGS = {"0.1.1"}
# Where the binding's Runtime and Context objects keep the engine's pointer: behind PyObject_HEAD.
_POINTER_AT = object.__basicsize__
# The part of struct JSContext in which the counter is looked for: behind its header and list links.
_FROM, _TO = 104, 472


def poll_counter(context: quickjs.Context) -> Any | None:
    """The context's countdown to the next poll as a :class:`ctypes.c_int32` to set, or None where it is not known.

    It lies inside the context: do not touch it after the context is gone, nor set it to less than 1.
    """
    offset = counter_offset()
    return None if offset is None else ctypes.c_int32.from_address(address_of(context) + offset)


def address_of(thing: quickjs.Context | quickjs.Runtime) -> int:
    """Where the engine's structure behind a context or runtime lies. Only where :func:`layout_is_known`."""
    return int(ctypes.c_void_p.from_address(id(thing) + _POINTER_AT).value or 0)


@cache
def layout_is_known() -> bool:
    """Whether the layout of the binding's objects is one that was examined."""
    # Installers write the version beside the package (PEP 376). importlib.metadata would read it, and take 10 ms of
    # every start to be imported.
    beside = os.path.dirname(os.path.dirname(quickjs.__file__))
    records = [os.path.join(beside, f"quickjs_bindings-{version}.dist-info") for version in _KNOWN_BINDINGS]
    if not any(map(os.path.isdir, records)) or struct.calcsize("P") != 8 or sys.implementation.name != "cpython":
        return False
    # Objects have another head where Python traces references, which shows by this function, and without the GIL, which
    # shows by this flag. sysconfig knows both, but takes 2 ms to be asked.
    return not hasattr(sys, "getobjects") and "t" not in sys.abiflags


@cache
def counter_offset() -> int | None:
    """Where :func:`poll_counter` lies behind :func:`address_of` a context, in bytes; None where it is not known."""
    return _measure() if layout_is_known() else None


def _measure() -> int | None:
    polls: list[bool] = []

    def handler() -> bool:
        polls.append(True)
        return False

    runtime = quickjs.Runtime()
    context = runtime.new_context()
    runtime.set_interrupt_handler(handler)
    loop = context.eval("(count) => { for (let i = 0; i < count; i++); }")
    loop(1)  # a new context's counter is zero: its first poll comes at once
    base = address_of(context)
    polls.clear()

    def integers() -> tuple[int, ...]:
        return struct.unpack(f"<{(_TO - _FROM) // 4}i", ctypes.string_at(base + _FROM, _TO - _FROM))

    candidates = set(range((_TO - _FROM) // 4))
    for count in (700, 1100, 300):
        before = integers()
        loop(count)
        after = integers()
        candidates &= {i for i in candidates if count <= before[i] - after[i] <= 3 * count + 8}
    if len(candidates) != 1 or polls:
        return None
    offset = _FROM + 4 * candidates.pop()
    counter = ctypes.c_int32.from_address(base + offset)
    for interval in (50, 20):
        polls.clear()
        counter.value = interval
        loop(interval + 5)
        # One poll came, and the engine set its own interval again.
        if len(polls) != 1 or not ENGINE_INTERVAL - 200 <= counter.value <= ENGINE_INTERVAL:
            return None
    runtime.set_interrupt_handler(None)
    return offset
