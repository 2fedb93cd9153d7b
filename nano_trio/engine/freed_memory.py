"""Giving memory back to the system where heaps were closed.

An isolate's heap is thousands of small blocks among those of others. When it is closed, glibc's allocator keeps their
pages for what comes next, and only gives back what lies at the end of its arena, where something else always lies. So
the process stays as large as it ever was: with apps that outgrow their limits at random it sets one record after the
other (`make soak`: 180 to 209 MB in 90 seconds, while what was in use went up and down between 46 and 90 MB).
``malloc_trim`` hands back whole pages wherever they are. It takes some 0.15 ms for each megabyte, a sixth of what
closing the heaps took, and is called when enough was closed. Where a large heap is freed in slices the allocator has
called it by and by (``allocator.c``), and little is left. Other C libraries do without. The slabs of our own allocator
are handed back in the same moment.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

from nano_trio.engine import allocator

__all__ = ["closed"]

_WORTH_IT = 16 << 20

_owed = 0


@cache
def _trim() -> Callable[[int], int] | None:
    try:
        # Without releasing the GIL: other threads would only wait for the allocator instead.
        return ctypes.PyDLL(None).malloc_trim
    except (AttributeError, OSError):
        return None


def closed(heap_bytes: int) -> None:
    """A heap of that size was freed."""
    global _owed
    _owed += heap_bytes
    if _owed >= _WORTH_IT:
        _owed = 0
        allocator.trim()
        trim = _trim()
        if trim is not None:
            trim(0)
