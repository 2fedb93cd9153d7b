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
from functools import cache, partial
from typing import Any

from nano_trio.engine import native_calls
from nano_trio.engine.native import open_library

__all__ = [
    "Running",
    "address_of",
    "free_values",
    "in_use",
    "may_suspend",
    "pause",
    "running",
    "stop",
    "suspends_native_calls",
    "tick_after",
]

Running = Any
"""``running[0]`` is the address of the poll counter of the isolate whose turn runs in the thread; 0 where none does."""

_PERIOD_NS = 4_000_000
"""Of CPU time, between two ticks: what most kernels can tell apart, and eight slices."""


class _Timer:
    """A thread's, from its first isolate on."""

    def __init__(self) -> None:
        self.running: Running = array("Q", [0])
        self.tick_after: Callable[[int], object] = bool
        library = _library()
        suspends_native_calls()
        self._thread: int | None = None
        if library is not None and (thread := library.poll_timer_start(_PERIOD_NS)) is not None:
            self._thread = thread
            self.tick_after = partial(library.poll_timer_tick_after, thread)
            self.running = memoryview(ctypes.c_uint64.from_address(thread)).cast("B").cast("Q")

    @property
    def ticks(self) -> bool:
        """Whether there is one."""
        return self._thread is not None

    def stop(self) -> None:
        """It is not needed any more."""
        library = _library()
        if library is not None and self._thread is not None:
            library.poll_timer_stop(ctypes.c_void_p(self._thread))


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


def tick_after() -> Callable[[int], object]:
    """What has this thread's turn looked at so many ns from now on, too: sooner than the CPU timer does."""
    return _timer().tick_after


def pause() -> ctypes.c_void_p:
    """The address of a function for our own C to call where a turn may be suspended; NULL where there is no timer."""
    library = _library()
    return ctypes.c_void_p(None) if library is None else ctypes.cast(library.poll_timer_pause, ctypes.c_void_p)


def free_values() -> Callable[[], object]:
    """What frees the values that Python let go of while their heap was in the midst of a native call that is over."""
    library = _library()
    return bool if library is None else library.poll_timer_free_values


class _Range(ctypes.Structure):
    _fields_ = [("begins", ctypes.c_size_t), ("ends", ctypes.c_size_t)]


def may_suspend(begins: int, ends: int) -> None:
    """Functions of our own C that lie there may be suspended as the engine's are."""
    library = _library()
    if library is not None:
        library.poll_timer_call_in(_Range(begins, ends))


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
        library.poll_timer_tick_after.argtypes = [ctypes.c_void_p, ctypes.c_long]
        library.poll_timer_tick_after.restype = None
        library.poll_timer_stop.restype = None
        library.poll_timer_call.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.py_object]
        library.poll_timer_call.restype = None
        library.poll_timer_call_in.argtypes = [_Range]
        library.poll_timer_call_in.restype = None
        library.poll_timer_free_values.restype = None
        library.poll_timer_take_values.argtypes = [ctypes.c_void_p, ctypes.c_long]
        library.poll_timer_take_values.restype = None
        library.poll_timer_leave_values.restype = None
    return library


@cache
def suspends_native_calls() -> bool:
    """Whether a turn is suspended in the midst of a native call, too. It is from the first call of this on."""
    library = _library()
    engine, locking = native_calls.code_range(), native_calls.locking_range()
    if library is None or engine is None or locking is None or not native_calls.values_wait(library):
        return False
    places = array("Q", [place for range in (engine, locking, *native_calls.leaf_ranges()) for place in range])
    library.poll_timer_call(places.buffer_info()[0], len(places) // 2, native_calls.suspend)
    return True
