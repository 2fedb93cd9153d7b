"""A timer that makes the engine poll where it would not for long: ``poll_timer.c`` says how.

It becomes ``libpoll_timer.so`` when the package is built, on Linux and where there is a C compiler. Without it polls
come as often as :mod:`nano_trio.engine.polling` can have them.
"""

from __future__ import annotations

import ctypes
import os
import threading
from array import array
from collections.abc import Callable
from functools import cache
from typing import Any

from nano_trio.engine import native_calls
from nano_trio.engine.native import open_library

__all__ = ["Running", "address_of", "in_use", "running", "stop"]

Running = Any
"""``running[0]`` is the address of the poll counter of the isolate whose turn runs in the thread; 0 where none does."""

_PERIOD_NS = 4_000_000
"""Of CPU time, between two ticks: what most kernels can tell apart, and eight slices."""


class _Timer:
    """A thread's, from its first isolate on."""

    def __init__(self) -> None:
        self.running: Running = array("Q", [0])
        library = _library()
        self._thread = None if library is None else library.poll_timer_start(_PERIOD_NS)
        if self._thread is not None:
            self.running = memoryview(ctypes.c_uint64.from_address(self._thread)).cast("B").cast("Q")

    @property
    def ticks(self) -> bool:
        """Whether there is one."""
        return self._thread is not None

    def stop(self) -> None:
        """It is not needed any more."""
        library = _library()
        if library is not None and self._thread is not None:
            library.poll_timer_stop(ctypes.c_void_p(self._thread))


_in_native_calls: Callable[[], None] | None = None
_threads = threading.local()


def _timer() -> _Timer:
    timer: _Timer | None = getattr(_threads, "timer", None)
    if timer is None:
        timer = _threads.timer = _Timer()
    return timer


def address_of(counter: Any | None) -> int:
    """What ``running[0]`` is to be for a poll counter; 0 where there is none."""
    return 0 if counter is None else ctypes.addressof(counter)


def running() -> Running:
    """Where this thread says whose turn runs in it. Its timer runs from now on."""
    return _timer().running


def in_use() -> bool:
    """Whether turns of this thread are made to poll in time."""
    return _timer().ticks


def call_in_native_calls(function: Callable[[], None]) -> None:
    """Have it called where a turn has been in the engine's own code for longer than a period. Must not raise."""
    global _in_native_calls
    _in_native_calls = function


def stop() -> None:
    """This thread runs no turns any more."""
    if hasattr(_threads, "timer"):
        _threads.timer.stop()
        del _threads.timer


def _forget() -> None:
    """A child of this process has none of its timers: its isolates begin with one of their own."""
    vars(_threads).clear()


os.register_at_fork(after_in_child=_forget)


@cache
def _library() -> ctypes.PyDLL | None:
    library = open_library("poll_timer")
    if library is not None:
        library.poll_timer_start.argtypes = [ctypes.c_long]
        library.poll_timer_start.restype = ctypes.c_void_p
        library.poll_timer_stop.restype = None
        library.poll_timer_call.argtypes = [ctypes.c_size_t, ctypes.c_size_t, ctypes.py_object]
        library.poll_timer_call.restype = None
        engine = native_calls.code_range()
        if engine is not None and _in_native_calls is not None:
            library.poll_timer_call(*engine, _in_native_calls)
    return library
