"""Giving memory back to the system where heaps were closed.

An isolate's heap is thousands of small blocks among those of others. When it is closed, glibc's allocator keeps their
pages for what comes next, and only gives back what lies at the end of its arena, where something else always lies. So
the process stays as large as it ever was: with apps that outgrow their limits at random it sets one record after the
other (`make soak`: 180 to 209 MB in 90 seconds, while what was in use went up and down between 46 and 90 MB).
``malloc_trim`` hands back whole pages wherever they are. It takes some 0.15 ms for each megabyte, a sixth of what
closing the heaps took, and is called when enough was closed. Where a large heap is freed in slices the allocator has
called it by and by (``allocator.c``), and little is left. Other C libraries do without. The slabs of our own allocator
are handed back in the same moment.

What is freed at the arena's end glibc gives back by itself, from half a megabyte on. But the chunks of a body that is
read or written lie just there: two of 256 KB, for each of which a large upload had the system take back and clear all
their pages, which took as long as all the rest. So some of it is kept (:func:`keep_some`).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

from nano_trio.engine import allocator

__all__ = ["closed", "keep_some"]

_WORTH_IT = 16 << 20
_KEPT = 4 << 20
_OWN_PAGES = 2 << 20
"""Blocks so large get pages of their own, as those of JavaScript's heaps do (``HUGE_FROM`` in ``allocator.c``)."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h

_owed = 0


@cache
def _of_glibc(name: str) -> Callable[..., int]:
    """A function of glibc; elsewhere one that does nothing."""
    try:
        # Without releasing the GIL: other threads would only wait for the allocator instead.
        function: Callable[..., int] = ctypes.PyDLL(None)[name]
    except (AttributeError, OSError, TypeError):
        return lambda *arguments: 0
    return function


def closed(heap_bytes: int) -> None:
    """A heap of that size was freed."""
    global _owed
    _owed += heap_bytes
    if _owed >= _WORTH_IT:
        _owed = 0
        allocator.trim()
        _of_glibc("malloc_trim")(0)


def keep_some() -> None:
    """Once a process, before it serves or runs a script: glibc keeps a few megabytes at its arena's end, whatever was
    freed there before.

    What it would keep otherwise is twice the largest block that was ever freed, and so is a matter of chance.
    """
    mallopt = _of_glibc("mallopt")
    # To set one of the two keeps it from choosing the other.
    mallopt(_TRIM_THRESHOLD, _KEPT)
    mallopt(_MMAP_THRESHOLD, _OWN_PAGES)
