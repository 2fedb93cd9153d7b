"""What this process has allocated and not freed: for leaks the size of a process is no measure.

The C library and Python keep what was freed and hand it out again, and where they do, a leak does not show; where they
had to ask the system for more, something shows that is none.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import NamedTuple

from nano_trio.engine import allocator


class _Mallinfo2(ctypes.Structure):
    """``struct mallinfo2`` of the C library (mallinfo(3))."""

    _fields_ = [
        *((name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd")),
        *((name, ctypes.c_size_t) for name in ("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")),
    ]


_LIBC = ctypes.PyDLL(None)
_LIBC.mallinfo2.restype = _Mallinfo2


class Allocated(NamedTuple):
    """What is in use."""

    size: int
    """Bytes of the C library's blocks and of the apps' heaps."""
    blocks: int
    """How many of Python's own."""


def bytes_of_libc() -> int:
    """Bytes of the C library's blocks."""
    info = _LIBC.mallinfo2()
    return int(info.uordblks + info.hblkhd)


def allocated() -> Allocated:
    """What is in use now that Python has looked for garbage."""
    gc.collect()
    return Allocated(bytes_of_libc() + allocator.held(), sys.getallocatedblocks())
