"""Inside the worker of a soak, by Python's ``site``: tells how much memory is in use, twice a second, in a file.

The size of a process is no measure of it: the C library and Python keep what was freed, and hand it out again.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import threading
import time
from pathlib import Path


class _Mallinfo2(ctypes.Structure):
    """``struct mallinfo2`` of glibc 2.33 and later (mallinfo(3))."""

    _fields_ = [
        *((name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks")),
        *((name, ctypes.c_size_t) for name in ("uordblks", "fordblks", "keepcost")),
    ]


def _tell(file: Path) -> None:
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = _Mallinfo2
    fresh = file.with_suffix(".new")
    while True:
        time.sleep(0.5)
        found = mallinfo2()
        held = sys.modules["nano_trio.engine.allocator"].held() if "nano_trio.engine.allocator" in sys.modules else 0
        fresh.write_text(json.dumps([found.uordblks + found.hblkhd + held, sys.getallocatedblocks()]))
        fresh.replace(file)


if "nano_trio.cli.worker" in sys.orig_argv:
    _file = Path(os.environ["SOAK_IN_USE"]) / f"in-use-{os.getpid()}"
    threading.Thread(target=_tell, args=(_file,), name="soak", daemon=True).start()
