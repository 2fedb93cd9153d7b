"""Native calls that take long: suspended in their midst, and left there where they do not end.

Theory of operation. The engine polls where JavaScript branches and calls. A native call, such as sorting a million
numbers, does neither until it ends. So if a turn has been in the engine's own code for milliseconds without a poll, a
timer of the thread's CPU time (``poll_timer.c``) calls :func:`suspend` from the handler of its signal. Then the same
happens as at a poll, with two differences:

- The heap is in the middle of something. Only clocks are compared: no garbage is collected, no memory is counted.
  Values that Python lets go of meanwhile wait until the call is over (:func:`values_wait`).
- The turn cannot be unwound, because nothing in the engine asks whether it should be. One that is over its limit gets
  some more time, in slices as before, in which most calls end, and the turn with them. Then it is *left*: its greenlet
  is never switched to again, and its heap is neither entered nor freed. The heap stays until the process ends, except
  for the pages that it shares with nobody, which are given back. To everybody else the turn was stopped like any other.

The signal may come anywhere in the engine, so also while a host function, half done, has the engine convert a string.
There the turn goes on: a turn is suspended only if all of its Python frames are of functions made for that
(:func:`enters`). Nor is it suspended in the one function of the engine that takes a lock of the process
(:func:`locking_range`).

Compiling an app's code is such a call, in a heap of its own that holds nothing else (:class:`Compilation`). It can be
told to end: the engine's parser checks with each token whether the stack has room left, and is told that it has none.
After parsing, while the engine makes bytecode, nothing is checked: then the compilation is left, too. So is one that
exceeds its memory by half, because no memory is refused to it (``builtins_compiling.c``).
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable
from functools import cache
from types import CodeType, FrameType
from typing import Any, TypeVar

import greenlet
import quickjs

from nano_trio.engine.heap_size import heap_size
from nano_trio.engine.native import engine_functions
from nano_trio.engine.polling import address_of, counter_offset

__all__ = [
    "GRACE_NS",
    "LEFT",
    "Compilation",
    "begins",
    "code_range",
    "compiles_beyond",
    "end_compilation",
    "enters",
    "keep_for_ever",
    "leaf_ranges",
    "leave",
    "left_compilation",
    "locking_range",
    "suspend",
    "turnstile_here",
    "values_wait",
    "would_be_left",
]

_Function = TypeVar("_Function", bound=Callable[..., Any])

GRACE_NS = 1_000_000_000
"""CPU time that a native call may take beyond its turn's limit, or its stop, before it is left."""
LEFT = ", in a native call that does not end: some of its memory stays until the process ends"
"""What is told then of where a turn was stopped."""

# The first function of the engine in the binding's library, which has them all behind its own; some between; and one of
# its own. Behind them all, and their compiler's (division, say), is what the loader calls at the library's end.
_FIRST = "pstrcpy"
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

_IN_MIDST, _LEFT = -(2**31), 1 - 2**31
_ALWAYS = 2**63
# Where the binding's Value has the engine's, behind PyObject_HEAD; where a type of Python's has the function that ends
# its objects (as in poll_timer_values.c); and how far before the engine's functions that of values lies at most.
_VALUE_AT = object.__basicsize__
_DEALLOC_AT = 48
_BINDING_SIZE = 1 << 16
# What the engine keeps of a function of C, in its object: values.h.
_KEPT_AT = 48

_PT_DYNAMIC, _DT_FINI = 2, 13

# By their addresses: the hash of a code object is made of all that it holds.
_entering: dict[int, CodeType] = {}
_beginning: dict[int, CodeType] = {}
_compilations: dict[greenlet.greenlet, Compilation] = {}
_left_at: dict[bytes, int] = {}
"""Limits, in ns of CPU time, at which compilations were left, by what tells the sources from others. More than any: for
the memory that they took."""
_python_collects = False
# Python's collector works wherever it likes, also in a turn, and what it frees may be of another heap.


def enters(function: _Function) -> _Function:
    """Decorates a function through which a turn enters JavaScript: it may be suspended wherever it calls the engine."""
    _entering[id(function.__code__)] = function.__code__
    return function


def begins(function: _Function) -> _Function:
    """Decorates the function with which a greenlet begins what may be suspended. Its variable ``turnstile`` is there
    meanwhile, and has ``suspend_native_call()``, which switches to another greenlet or not: which of it."""
    _beginning[id(function.__code__)] = function.__code__
    return function


@cache
def code_range() -> tuple[int, int] | None:
    """Where the engine's functions lie in memory, from and to; None where that is not known."""
    functions = engine_functions([_FIRST, *_BETWEEN, _BEFORE])
    if functions is None:
        return None
    begin, *between, before = (function or 0 for function in functions)
    end = _fini_of(begin)
    return (begin, end) if 0 < before < begin and all(begin < place < end for place in between) else None


def _fini_of(place: int) -> int:
    """Where the function lies that the loader calls at the end of the library with that place; 0 where it is not known.

    Not every linker exports it as ``_fini``, but each names it in the library's dynamic section, to which one of its
    program headers points (System V ABI, chapter 5).
    """
    about = (ctypes.c_void_p * 4)()
    try:
        found = ctypes.CDLL(None).dladdr(ctypes.c_void_p(place), about)
    except (OSError, AttributeError):
        return 0
    base = about[1]
    if not found or base is None or ctypes.string_at(base, 5) != b"\x7fELF\x02":
        return 0
    at = base + ctypes.c_uint64.from_address(base + 32).value
    size, count = (ctypes.c_uint16 * 2).from_address(base + 54)
    for header in range(at, at + size * count, size):
        if ctypes.c_uint32.from_address(header).value != _PT_DYNAMIC:
            continue
        entry = base + ctypes.c_uint64.from_address(header + 16).value
        while tag := ctypes.c_int64.from_address(entry).value:
            if tag == _DT_FINI:
                return base + ctypes.c_uint64.from_address(entry + 8).value
            entry += 16
    return 0


@cache
def leaf_ranges() -> list[tuple[int, int]]:
    """Where functions of the C library that copy, fill and search memory lie, from and to; those that can be found."""
    try:
        library = ctypes.CDLL(None)
        begins = {ctypes.cast(library[name], ctypes.c_void_p).value or 0 for name in _LEAVES}
    except (OSError, AttributeError):
        return []
    return [found for found in map(_range_from, begins) if found is not None]


@cache
def locking_range() -> tuple[int, int] | None:
    """Where ``Atomics.notify`` lies, from and to; None where that is not known. While it looks for who waits, it has a
    lock that is all runtimes' own: whoever is suspended there would have all others wait for ever."""
    engine = code_range()
    if engine is None:
        return None
    context = quickjs.Runtime().new_context()
    notify = context.eval("Atomics.notify")
    kept = (ctypes.c_void_p.from_address(id(notify) + _VALUE_AT).value or 0) + _KEPT_AT
    realm, code = (ctypes.c_uint64 * 2).from_address(kept)
    length = ctypes.c_uint8.from_address(kept + 16).value
    if realm != address_of(context) or length != notify.get("length") or not engine[0] < code < engine[1]:
        return None
    return _range_from(code)


def _range_from(begin: int) -> tuple[int, int] | None:
    """Where a function of C that begins there lies, from and to; None where that is not known.

    Where it ends is told by what unwinds exceptions: its record of a function holds the record's length, the way to
    what all records have in common, and the beginning, as a distance from there, and length of the function (.eh_frame,
    Linux Standard Base 10.6.1). A beginning that is the right one proves that.
    """
    try:
        find = ctypes.CDLL("libgcc_s.so.1")._Unwind_Find_FDE
    except (OSError, AttributeError):
        return None
    find.restype = ctypes.c_void_p
    bases = (ctypes.c_void_p * 3)()
    record = find(ctypes.c_void_p(begin + 1), bases)
    if record is None or bases[2] != begin:
        return None
    distance, length = (ctypes.c_int32 * 2).from_address(record + 8)
    return (begin, begin + length) if record + 8 + distance == begin and length > 0 else None


def values_wait(library: ctypes.PyDLL) -> bool:
    """Have values that Python lets go of wait where their heap is in the midst of a native call, from now on.

    ``library``: ours, of ``poll_timer_values.c``. False where that is not possible. Proved by an object that stays
    while its heap's poll counter tells that, though nobody has it any more, and goes when that is over.
    """
    at, engine = counter_offset(), code_range()
    if at is None or engine is None:
        return False
    type_of_values = ctypes.c_void_p(id(quickjs.Value))
    ends = ctypes.c_void_p.from_address(id(quickjs.Value) + _DEALLOC_AT)
    if not 0 < engine[0] - (ends.value or 0) < _BINDING_SIZE:
        return False
    runtime = quickjs.Runtime()
    context = runtime.new_context()
    value = context.eval("({})")
    counter = ctypes.c_int32.from_address(address_of(context) + at)

    def objects() -> int:
        return int(runtime.compute_memory_usage()["obj_count"])

    library.poll_timer_take_values(type_of_values, at)
    counter.value = _IN_MIDST
    counts = [objects()]
    del value
    counts.append(objects())
    library.poll_timer_free_values()
    counts.append(objects())
    counter.value = 1
    library.poll_timer_free_values()
    counts.append(objects())
    if [count - counts[0] for count in counts] == [0, 0, 0, -1]:
        return True
    library.poll_timer_leave_values(type_of_values)
    return False


def leave(counter: Any) -> None:
    """A heap, by its poll counter, is left in the midst of a native call: its values are not freed any more."""
    counter.value = _LEFT


def suspend() -> bool:
    """What the timer calls in the midst of a native call: whether it was suspended, and now goes on."""
    if _python_collects:
        return False
    turnstile = turnstile_here(2)
    return turnstile is not None and bool(turnstile.suspend_native_call())


def turnstile_here(callers: int) -> Any | None:
    """The ``turnstile`` of what runs here, where it may be suspended; None where it may not. ``callers``: how far up
    the stack is the first function that must have been made for it, 1 for who calls this."""
    frame: FrameType | None = sys._getframe(callers)
    while frame is not None and id(frame.f_code) in _entering:
        frame = frame.f_back
    return frame.f_locals["turnstile"] if frame is not None and id(frame.f_code) in _beginning else None


class Compilation:
    """That of a file's source in a runtime which is there for nothing else. It is one as long as it is entered.

    ``key`` tells the source from others; ``memory_bytes`` is what it may take.
    """

    def __init__(
        self, runtime: quickjs.Runtime, context: quickjs.Context, file: str, key: bytes, memory_bytes: int
    ) -> None:
        self.runtime = runtime
        self.context = context
        self.file = file
        self.key = key
        self.memory_bytes = memory_bytes
        self.is_beyond = False
        """It takes so much more memory than it may that it is left."""
        self.was_told_to_end = False
        """What it raises then means nothing else."""

    def __enter__(self) -> Compilation:
        _compilations[greenlet.getcurrent()] = self
        return self

    def __exit__(self, *_: object) -> None:
        del _compilations[greenlet.getcurrent()]


def end_compilation() -> None:
    """Have the compilation that goes on here, in whose midst this is called, end as soon as it can. If there is one."""
    compilation = _compilations.get(greenlet.getcurrent())
    if compilation is not None and not compilation.was_told_to_end:
        compilation.was_told_to_end = True
        # It looks for an address below the end of what is left.
        compilation.runtime.set_max_stack_size(1)


def compiles_beyond() -> bool:
    """Whether the compilation that goes on here, in whose midst this is called, takes half more memory than it may. If
    there is one."""
    compilation = _compilations.get(greenlet.getcurrent())
    heap = None if compilation is None else heap_size(compilation.runtime)
    if compilation is None or heap is None:
        return False
    compilation.is_beyond = heap.value > compilation.memory_bytes * 3 // 2
    return compilation.is_beyond


def left_compilation(runner: greenlet.greenlet | None, limit_ns: int) -> Compilation | None:
    """What this greenlet, which was left at this limit, was compiling. It must not be touched again, nor freed."""
    compilation = None if runner is None else _compilations.pop(runner, None)
    if compilation is not None:
        keep_for_ever(compilation.runtime, compilation.context)
        _left_at[compilation.key] = _ALWAYS if compilation.is_beyond else limit_ns
    return compilation


def would_be_left(key: bytes) -> str | None:
    """For what a compilation of that source, which was left, here would be again: "memory", or "time". Each time some
    memory stays."""
    limit_ns = _left_at.get(key)
    if limit_ns is None or limit_ns == _ALWAYS:
        return None if limit_ns is None else "memory"
    turnstile = turnstile_here(2)
    return "time" if turnstile is None or turnstile.limit_ns <= limit_ns else None


def _collecting(phase: str, _info: dict[str, int]) -> None:
    global _python_collects
    _python_collects = phase == "start"


gc.callbacks.append(_collecting)


def keep_for_ever(*things: object) -> None:
    """These are never freed, not even when the process ends: the stack of a turn that was left points to them."""
    for thing in things:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
