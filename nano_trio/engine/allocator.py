"""JavaScript heaps whose small blocks come from an allocator made for them.

``allocator.c`` says how it works; it becomes ``liballocator.so`` when the package is built, on Linux and where there is
a C compiler. The engine takes its memory through four functions whose addresses lie at the beginning of its runtime,
and the binding has no way to choose them. So they are put there from outside, right after a runtime was made. As in
:mod:`nano_trio.engine.polling` that is done only with a binding whose layout is known, and after a proof on scratch
runtimes: the four words are the same in each and point to the binding's code, the accounts lie behind them, and a heap
then takes from the slabs and gives back all that it took. Where a runtime keeps the exception that is pending is
measured by throwing some, and where it keeps its names by their number. Where anything of this fails the engine's own
functions remain, which call the C library.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import quickjs

from nano_trio.engine import poll_timer
from nano_trio.engine.heap_size import account_offsets
from nano_trio.engine.native import engine_functions, lead, open_library
from nano_trio.engine.native_calls import enters
from nano_trio.engine.polling import address_of

__all__ = ["give_back", "held", "hold_names", "in_use", "let_go", "trim", "use_slabs"]

# struct JSMallocFunctions, in its order.
_FUNCTIONS = ("heap_malloc", "heap_free", "heap_realloc", "heap_usable_size")
_WORDS = len(_FUNCTIONS)
_RUNTIME_WORDS = 40  # the first of struct JSRuntime, which has some more: its pending exception is looked for in them
_TAG_INT, _TAG_UNINITIALIZED = 0, 4
# Before the table of names, in bytes: how many lists of names, their beginnings; and the table itself.
_NAMES_LAYOUT: tuple[tuple[type[ctypes.c_int32 | ctypes.c_void_p], int], ...] = (
    (ctypes.c_int32, 24), (ctypes.c_void_p, 8), (ctypes.c_void_p, 0),
)  # fmt: skip
_PROOF = "JSON.stringify(JSON.parse('[' + '{\"a\": [1, 2.5, \"text\"]},'.repeat(99) + 'null]')).length"


def in_use() -> bool:
    """Whether heaps of this process take small blocks from slabs."""
    return _functions() is not None


def use_slabs(runtime: quickjs.Runtime) -> None:
    """Let a runtime that has no context yet take what it needs from now on from slabs, where that can be had."""
    functions, library = _functions(), _library()
    if functions is not None and library is not None:
        _put(runtime, functions, library)


def _put(runtime: quickjs.Runtime, functions: bytes, library: ctypes.PyDLL) -> None:
    address = address_of(runtime)
    ctypes.memmove(address, functions, len(functions))
    library.heap_take_names(ctypes.c_void_p(address))


@enters
def let_go(runtime: quickjs.Runtime) -> None:
    """A runtime in which nothing will run any more: what was held where its memory ran out goes with the rest."""
    library = _library()
    if library is not None and in_use():
        library.heap_let_go(ctypes.c_void_p(address_of(runtime)))


def give_back(runtime: quickjs.Runtime) -> Iterator[None]:
    """A runtime that nobody will ever enter or free: the pages that it has for itself go back to the system, those of a
    fraction of a millisecond between two steps."""
    library = _library()
    if library is not None and in_use():
        slab = ctypes.c_size_t()
        while library.heap_give_back(ctypes.c_void_p(address_of(runtime)), ctypes.byref(slab)):
            yield


def hold_names(runtime: quickjs.Runtime, parts: int) -> None:
    """Names that would take long to free, for they are many with the same hash, stay as long as the runtime. They are
    looked for where there is one more for each ``parts`` of those at the last time."""
    library = _library()
    if library is not None and in_use():
        library.heap_hold_names(ctypes.c_void_p(address_of(runtime)), parts)


def trim() -> None:
    """Give the memory of slabs in which no block is in use back to the system, of a few at a time."""
    library = _library()
    if library is not None:
        library.heap_trim()


def held() -> int:
    """Bytes of slabs that heaps hold, in this process."""
    library = _library()
    return 0 if library is None else library.heap_held()


@cache
def _library() -> ctypes.PyDLL | None:
    library = open_library("allocator")
    if library is None:
        return None
    library.heap_held.restype = ctypes.c_size_t
    library.heap_lead.restype = ctypes.c_void_p
    for name in ("trim", "know", "let_go", "take_names", "hold_names", "pause_by"):
        library[f"heap_{name}"].restype = None
    library.heap_pause_by(poll_timer.pause())
    return library if library.heap_start() else None


@cache
def _functions() -> bytes | None:
    # Size and limit are the second and third word of the accounts (struct JSMallocState) behind the four functions.
    if account_offsets() != (8 * (_WORDS + 1), 8 * (_WORDS + 2)):
        return None
    library = _library()
    if library is None:
        return None
    functions = bytes(
        (ctypes.c_void_p * _WORDS)(*(ctypes.cast(library[name], ctypes.c_void_p).value for name in _FUNCTIONS))
    )
    exception_at, names_at = _measure_exception_at(), _measure_names_at()
    engine = engine_functions(["__JS_FreeValueRT", "js_malloc"])
    if exception_at is None or names_at is None or engine is None:
        return None
    library.heap_know(ctypes.c_size_t(exception_at), ctypes.c_size_t(names_at), ctypes.c_void_p(engine[0]))
    if not _proves(functions, library):
        return None
    runtime = quickjs.Runtime()
    context = runtime.new_context()
    led = library.heap_lead(*map(ctypes.c_void_p, (engine[1], address_of(context), address_of(runtime))))
    if led is not None:
        lead("js_malloc", led)
    return functions


class _Value(ctypes.Structure):
    """The engine's values, as values.h has them."""

    _fields_ = [("as_integer", ctypes.c_int64), ("tag", ctypes.c_int64)]


def _measure_exception_at() -> int | None:
    """Where a runtime keeps the exception that is pending, in bytes from its beginning; None: not known."""
    functions = engine_functions(["JS_Throw", "JS_GetException"])
    if functions is None:
        return None
    throw = ctypes.PYFUNCTYPE(_Value, ctypes.c_void_p, _Value)(functions[0] or 0)
    get_exception = ctypes.PYFUNCTYPE(_Value, ctypes.c_void_p)(functions[1] or 0)
    runtime = quickjs.Runtime()
    context = runtime.new_context()

    def places_of(integer: int | None, tag: int) -> set[int]:
        words = ctypes.string_at(address_of(runtime), 8 * _RUNTIME_WORDS)
        values = ((8 * i, _Value.from_buffer_copy(words, 8 * i)) for i in range(_RUNTIME_WORDS - 1))
        return {at for at, value in values if value.tag == tag and integer in (None, value.as_integer)}

    places = set(range(8 * _RUNTIME_WORDS))
    for number in (0x12345678, 0x23456789):
        throw(address_of(context), _Value(number, _TAG_INT))
        places &= places_of(number, _TAG_INT)
        get_exception(address_of(context))
        places &= places_of(None, _TAG_UNINITIALIZED)
    return places.pop() if len(places) == 1 else None


def _measure_names_at() -> int | None:
    """Where a runtime keeps the table of its names (``atom_array``), in bytes from its beginning; None: not known.

    Before it are four integers, of which the second is how many names there are, and another table.
    """
    functions = engine_functions(["JS_NewAtomLen"])
    if functions is None:
        return None
    find_name = ctypes.PYFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t)(functions[0] or 0)
    runtime = quickjs.Runtime()
    integers = (ctypes.c_int32 * (2 * _RUNTIME_WORDS)).from_address(address_of(runtime))

    def places() -> set[int]:
        count = runtime.compute_memory_usage()["atom_count"]
        tables = (4 * place + 20 for place, integer in enumerate(integers) if integer == count)
        return {place for place in tables if place % 8 == 0}

    tables = places()
    context = runtime.new_context()
    tables &= places()
    if len(tables) != 1:
        return None
    names_at = tables.pop()
    after = address_of(runtime) + names_at
    lists, first, table = (kind.from_address(after - at).value or 0 for kind, at in _NAMES_LAYOUT)

    def proves(text: bytes) -> bool:
        number = find_name(address_of(context), text, len(text))
        # The head of a string, as values.h has it: its count, its length, its hash, and the next of the names in a
        # list, which the lower bits of the hash tell.
        name = ctypes.c_void_p.from_address(table + 8 * number).value or 0
        length, name_hash = (ctypes.c_uint32.from_address(name + at).value for at in (4, 8))
        if length != len(text) or ctypes.string_at(name + 16, len(text) + 1) != text + b"\0":
            return False
        at = ctypes.c_uint32.from_address(first + 4 * (name_hash & (lists - 1))).value
        for _ in range(lists):
            if at in (0, number):
                break
            at = ctypes.c_uint32.from_address((ctypes.c_void_p.from_address(table + 8 * at).value or 0) + 12).value
        return bool(at == number)

    return names_at if all(map(proves, (b"length", b"prototype", b"constructor", b"undefined"))) else None


def _proves(functions: bytes, library: ctypes.PyDLL) -> bool:
    runtimes = [quickjs.Runtime() for _ in range(2)]
    engines = {ctypes.string_at(address_of(runtime), len(functions)) for runtime in runtimes}
    # What else the accounts hold, a pointer that the binding does not use, is the allocator's.
    unused = {ctypes.string_at(address_of(runtime) + 8 * (_WORDS + 3), 8) for runtime in runtimes}
    if len(engines) != 1 or not _all_code(engines.pop()) or unused != {bytes(8)}:
        return False
    before = library.heap_held()
    runtime = runtimes.pop()
    _put(runtime, functions, library)
    context = runtime.new_context()
    result = context.eval(_PROOF)
    taken = library.heap_held() - before
    walked = runtime.compute_memory_usage()["malloc_size"]
    del context, runtime
    return bool(result > 1000 and 0 < taken <= walked and library.heap_held() == before)


def _all_code(words: bytes) -> bool:
    """Whether all words are addresses of executable memory of the binding's library."""
    module = quickjs._quickjs.__file__
    ranges = []
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:  # a chroot has no /proc of itself
        return False
    for line in maps.splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[5] == module and "x" in fields[1]:
            start, _, end = fields[0].partition("-")
            ranges.append(range(int(start, 16), int(end, 16)))
    addresses = [int.from_bytes(words[i : i + 8], "little") for i in range(0, len(words), 8)]
    return all(any(address in place for place in ranges) for address in addresses)
