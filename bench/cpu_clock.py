"""The CPU time of another process, to the microsecond where the kernel has a counter for that.

The CPU clock of a process that runs on another core is brought up to date at the kernel's ticks alone in some kernels
(6.18, for one): every 4 ms. A performance counter of its threads (perf_event_open(2), the software event of the task
clock) has that core asked at each reading. It may be had for processes of one's own; some machines and most containers
forbid it, and not all architectures are known here. It counts what a hypervisor steals too, which the clock may not.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
import weakref
from collections.abc import Callable
from pathlib import Path

from bench import machine

__all__ = ["cpu_clock"]

_CALL = {"x86_64": 298, "aarch64": 241}
"""The number of the system call, by architecture."""
_SIZE = 112
_SOFTWARE, _TASK_CLOCK = 1, 1
_INHERIT, _WITHOUT_KERNEL, _WITHOUT_HYPERVISOR = (
    1 << 1,
    1 << 5,
    1 << 6,
)  # the clock counts it all; nobody may ask for more


def cpu_clock(pid: int) -> Callable[[], float]:
    """Reads the CPU time, in seconds, of a process and the threads that it makes from now on; 0 once it has ended."""
    counters = _counters(pid)
    if not counters:
        return lambda: machine.cpu_s(pid)

    def read() -> float:
        return sum(int.from_bytes(os.read(counter, 8), sys.byteorder) for counter in counters) / 1e9

    weakref.finalize(read, _close, counters)
    return read


def _counters(pid: int) -> list[int]:
    """A counter's descriptor for each thread that the process has; none where one of them cannot be had."""
    number = _CALL.get(platform.machine())
    if number is None or not sys.platform.startswith("linux"):
        return []
    # struct perf_event_attr: its type and size, the event, how often and what it reports (nothing), and its flags.
    flags = _INHERIT | _WITHOUT_KERNEL | _WITHOUT_HYPERVISOR
    attributes = struct.pack("IIQQQQQ", _SOFTWARE, _SIZE, _TASK_CLOCK, 0, 0, 0, flags).ljust(_SIZE, b"\0")
    call = ctypes.CDLL(None).syscall
    counters: list[int] = []
    try:
        threads = [int(thread.name) for thread in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        threads = []
    for thread in threads:
        counter = call(ctypes.c_long(number), attributes, thread, -1, -1, ctypes.c_ulong(0))
        if counter < 0:
            _close(counters)
            return []
        counters.append(counter)
    return counters


def _close(counters: list[int]) -> None:
    while counters:
        os.close(counters.pop())
