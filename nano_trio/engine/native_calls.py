"""Native calls that take long: suspended in their midst, and left there where they do not end.

Theory of operation. The engine polls where JavaScript branches and calls. A call of something native, the sort of a
million numbers say, is none of either until it ends. So where a turn has been in the engine's own code for milliseconds
without a poll, a timer of the thread's CPU time (``poll_timer.c``) calls :func:`suspend`, from the handler of
its signal. What happens then is what happens at a poll, with two differences:

- The heap is in the midst of something. Only clocks are compared: no garbage is collected, no memory is counted. And
  where Python lets go of a value meanwhile the engine must not free it: it is told that it is removing cycles
  (``gc_phase``), in which it frees nothing on its own. What lost its last reference goes with the next collection.
- The turn cannot be unwound, for nobody in the engine asks whether it should be. One that is over its limit gets some
  time more, in slices as ever, in which most calls end, and it with them. Then it is *left*: its greenlet is never
  switched to again. Nor is its heap entered or freed: it stays until the process ends, but for the pages that it has
  for itself, which are given back. To everybody else the turn has been stopped like any other.

That may be anywhere in the engine, so also while a host function of Python's, half done, has it convert a
string. There the turn goes on: only a turn all of whose Python frames were made for it (:func:`enters`) is suspended.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable
from functools import cache
from types import CodeType
from typing import Any, TypeVar

import quickjs

from nano_trio.engine.native import engine_functions
from nano_trio.engine.polling import address_of, layout_is_known

__all__ = [
    "FREES_NOTHING",
    "GRACE_NS",
    "LEFT",
    "begins",
    "can_suspend",
    "code_range",
    "enters",
    "keep_for_ever",
    "leaf_ranges",
    "phase_of",
    "suspend",
]

_Function = TypeVar("_Function", bound=Callable[..., Any])

GRACE_NS = 1_000_000_000
"""CPU time that a native call may take beyond its turn's limit, or its stop, before it is left."""
LEFT = ", in a native call that does not end: some of its memory stays until the process ends"
"""What is told then of where a turn was stopped."""

# The first function of the engine in the binding's library, which has them all behind its own; what is behind them and
# their compiler's (division, say); some between; and one of its own.
_ENDS = ("pstrcpy", "_fini")
_BETWEEN = (
    "JS_Call",
    "JS_ParseJSON",
    "JS_RunGC",
    "lre_exec",
    "rqsort",
    "unicode_normalize",
    "js_dtoa",
    "JS_NewContext",
)
_BEFORE = "PyInit__quickjs"
# Of the C library: they may be at it for long, hold no lock and call nobody.
_LEAVES = ("memcpy", "memmove", "memset", "memchr", "memcmp")

FREES_NOTHING = 2
"""The phase (JS_GC_PHASE_REMOVE_CYCLES) in which objects whose count comes to 0 stay."""

_RUNTIME_WORDS = 40  # the first of struct JSRuntime, which has some more: the collector's threshold is looked for there
_THRESHOLD = 0x123456789AB

_entering: set[CodeType] = set()
_beginning: set[CodeType] = set()
_python_collects = False
# Python's collector works wherever it likes, also in a turn, and what it frees may be of another heap.


def enters(function: _Function) -> _Function:
    """Decorates a function through which a turn enters JavaScript: it may be suspended wherever it calls the engine."""
    _entering.add(function.__code__)
    return function


def begins(function: _Function) -> _Function:
    """Decorates the function with which a greenlet begins what may be suspended. Its variable ``turnstile`` is there
    meanwhile, and has ``suspend_native_call()``, which switches to another greenlet or not: which of it."""
    _beginning.add(function.__code__)
    return function


@cache
def code_range() -> tuple[int, int] | None:
    """Where the engine's functions lie in memory, from and to; None where that is not known."""
    functions = engine_functions([*_ENDS, *_BETWEEN, _BEFORE])
    if functions is None or _phase_at() is None:
        return None
    begin, end, *between, before = (function or 0 for function in functions)
    return (begin, end) if 0 < before < begin and all(begin < place < end for place in between) else None


@cache
def leaf_ranges() -> list[tuple[int, int]]:
    """Where functions of the C library that copy, fill and search memory lie, from and to; those that can be found.

    Where they begin the linker says. Where they end is told by what unwinds exceptions: its record of a function holds
    the record's length, the way to what all records have in common, and the beginning, as a distance from there, and
    length of the function (.eh_frame, Linux Standard Base 10.6.1). A beginning that is the right one proves that.
    """
    try:
        find = ctypes.CDLL("libgcc_s.so.1")._Unwind_Find_FDE
        library = ctypes.CDLL(None)
        begins = {ctypes.cast(library[name], ctypes.c_void_p).value or 0 for name in _LEAVES}
    except (OSError, AttributeError):
        return []
    find.restype = ctypes.c_void_p
    found = []
    for begin in begins:
        bases = (ctypes.c_void_p * 3)()
        record = find(ctypes.c_void_p(begin + 1), bases)
        if record is not None and bases[2] == begin:
            distance, length = (ctypes.c_int32 * 2).from_address(record + 8)
            if record + 8 + distance == begin and length > 0:
                found.append((begin, begin + length))
    return found


def phase_of(runtime: quickjs.Runtime) -> ctypes.c_uint8:
    """What the engine's collector is doing. Only where there is a :func:`code_range`."""
    return ctypes.c_uint8.from_address(address_of(runtime) + (_phase_at() or 0))


@cache
def _phase_at() -> int | None:
    """Where a runtime keeps the phase, in bytes from its beginning: in the word before the threshold; None: not known.

    Proved by an object that stays in that phase, though nobody has it any more, and goes when it is over.
    """
    if not layout_is_known():
        return None
    runtime = quickjs.Runtime()
    context = runtime.new_context()
    runtime.set_gc_threshold(_THRESHOLD)
    words = (ctypes.c_uint64 * _RUNTIME_WORDS).from_address(address_of(runtime))
    places = [8 * (place - 1) for place, word in enumerate(words) if word == _THRESHOLD]
    if len(places) != 1 or words[places[0] // 8] != 0:
        return None

    def objects() -> int:
        return int(runtime.compute_memory_usage()["obj_count"])

    phase = ctypes.c_uint8.from_address(address_of(runtime) + places[0])
    before = objects()
    value = context.eval("({})")
    phase.value = FREES_NOTHING
    del value
    stayed = objects()
    phase.value = 0
    runtime.run_gc()
    return places[0] if stayed == before + 1 and objects() <= before else None


def can_suspend() -> bool:
    """Whether native calls are suspended here."""
    return code_range() is not None


def suspend() -> bool:
    """What the timer calls in the midst of a native call: whether it was suspended, and now goes on."""
    if _python_collects:
        return False
    frame = sys._getframe().f_back
    while frame is not None and frame.f_code in _entering:
        frame = frame.f_back
    if frame is None or frame.f_code not in _beginning:
        return False
    turnstile = frame.f_locals["turnstile"]
    del frame
    return bool(turnstile.suspend_native_call())


def _collecting(phase: str, _info: dict[str, int]) -> None:
    global _python_collects
    _python_collects = phase == "start"


gc.callbacks.append(_collecting)


def keep_for_ever(*things: object) -> None:
    """These are never freed, not even when the process ends: the stack of a turn that was left points to them."""
    for thing in things:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
