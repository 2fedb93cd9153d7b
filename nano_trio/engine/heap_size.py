"""How large a heap is, at the cost of reading an integer.

The engine's own way to ask, ``compute_memory_usage``, walks the whole heap: 3.4 ms at 89 MB. Asked as rarely as that
demands, a loop of small allocations is at the engine's hard limit before the next look (measured with
``for (;;) kept.push({})``), and there QuickJS is memory-unsafe. But the number itself is kept up to date with each
allocation, in the runtime's own structure. As in :mod:`nano_trio.engine.polling` its place is *measured* when the
process starts: the limit is found by setting it, the size by what the walk reports at several sizes. Where measurement
fails, or with a binding whose object layout is not known, there is no such number, and the walk remains.
"""

from __future__ import annotations

import ctypes
import struct
from functools import cache
from typing import Any

import quickjs

from nano_trio.engine.polling import address_of, layout_is_known

__all__ = ["account_offsets", "heap_size", "next_collection"]

# The part of struct JSRuntime in which the size is looked for: it begins with the allocator's functions and state.
_TO = 80
# Cycles are looked for by us, as the engine would, when a heap has grown by half; but one of so many bytes and more may
# grow by a megabyte. To collect the 700 KB of a framework, which leaves some KB of cycles with each request, at each
# half more takes a tenth of its time; and in hundreds of small heaps a megabyte each would be much.
_LARGE_HEAP = 512 << 10
_GARBAGE_ROOM = 1 << 20
_GROWTHS = ("globalThis.a = new ArrayBuffer(123457)", "globalThis.b = [1, 2, 3].map(String)", "globalThis.a = 0")


def heap_size(runtime: quickjs.Runtime) -> Any | None:
    """The runtime's heap size in bytes as a :class:`ctypes.c_size_t` to read, or None where it is not known.

    It is the ``malloc_size`` of ``compute_memory_usage``. It lies inside the runtime: do not touch it after the runtime
    is gone, and never set it.
    """
    offsets = account_offsets()
    return None if offsets is None else ctypes.c_size_t.from_address(address_of(runtime) + offsets[0])


def next_collection(used: int) -> int:
    """The size in bytes at which a heap of so many, without garbage, is collected again."""
    return used + (used // 2 if used < _LARGE_HEAP else max(used // 2, _GARBAGE_ROOM))


@cache
def account_offsets() -> tuple[int, int] | None:
    """Where a heap's size and its limit lie in the engine's runtime, in bytes from its beginning; None: not known."""
    return _measure() if layout_is_known() else None


def _measure() -> tuple[int, int] | None:
    runtime = quickjs.Runtime()
    context = runtime.new_context()

    def words() -> tuple[int, ...]:
        return struct.unpack(f"<{_TO // 8}Q", ctypes.string_at(address_of(runtime), _TO))

    # Proof that this is the runtime's structure: the limit is where it is set.
    limits = set(range(_TO // 8))
    for limit in (987_654_321, 1_234_567_890):
        runtime.set_memory_limit(limit)
        limits &= {i for i, word in enumerate(words()) if word == limit}
    sizes = set(range(_TO // 8))
    for source in _GROWTHS:
        context.eval(source)
        used = runtime.compute_memory_usage()["malloc_size"]
        sizes &= {i for i, word in enumerate(words()) if word == used}
    if len(limits) != 1 or len(sizes) != 1:
        return None
    return 8 * sizes.pop(), 8 * limits.pop()
