"""What is left to do of an isolate that was closed: a turn to unwind, a heap to free. It is done in slices.

Theory of operation. The engine frees a heap object by object, in a few native calls: 128 MB of small ones take 0.2 s,
for which all apps would wait whenever one is restarted. So a heap above ``_AT_ONCE`` is freed in a greenlet of its
own, which a timer suspends in the midst of these calls like a turn's (:mod:`nano_trio.engine.native_calls`). Nobody can
enter a heap any more that has come so far. The scheduler grants a slice each pass, beside those who compute: to have
memory free soon is worth more to all than their share.

The same goes for a turn that was stopped while it was suspended. Unwinding it frees what its frames hold, and if it is
in the middle of a native call, that must end first, or be left.

Whoever lets go of a runtime's last value, such as an operation that has not ended yet, frees the heap then, at once.
Until the context is gone such values may go at any time, even in the middle of the freeing (``poll_timer_values.c``).

A heap that was left in the middle of a native call is not freed. Giving its pages back takes slices as well.
"""

from __future__ import annotations

import contextvars
import ctypes
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import greenlet

from nano_trio.engine import freed_memory, native_calls, poll_timer
from nano_trio.engine.allocator import give_back, let_go
from nano_trio.engine.polling import poll_counter
from nano_trio.engine.scheduler import NEVER, Account, CpuScheduler

__all__ = ["HeapToFree", "empty_in_slices", "give_back_in_slices", "in_slices"]

_AT_ONCE = 1 << 20
"""A heap of so many bytes is freed in about a millisecond."""
_Collection = list[Any] | deque[Any] | dict[Any, Any]
_cpu_clock = time.thread_time_ns
_ITEMS_AT_ONCE = 500
"""Of what Python keeps for an isolate: a tenth of a millisecond's."""


class _InSlices:
    """A runnable of the scheduler: ``work`` by slices, then ``done``."""

    def __init__(
        self,
        scheduler: CpuScheduler,
        account: Account,
        work: Callable[[int], bool],
        done: Callable[[], None],
    ) -> None:
        self.account = account
        self._scheduler = scheduler
        self._work = work
        self._done = done
        scheduler.ends.add(self.finish)
        scheduler.request_beside(self)

    def run_slice(self, slice_ns: int) -> None:
        """A grant of the scheduler."""
        if self.finish in self._scheduler.ends:
            if self._work(slice_ns):
                self._scheduler.ends.discard(self.finish)
                self._done()
            else:
                self._scheduler.request_beside(self)

    def finish(self) -> None:
        """There are no further slices: do what is left at once."""
        self.run_slice(NEVER)


def in_slices(scheduler: CpuScheduler, account: Account, work: Callable[[int], bool], done: Callable[[], None]) -> None:
    """Call ``work`` with a slice in ns until it returns True, then ``done``. The first time is now, and so is all where
    nobody grants slices."""
    if work(scheduler.slice_ns if scheduler.runs else NEVER):
        done()
    else:
        _InSlices(scheduler, account, work, done)


def give_back_in_slices(scheduler: CpuScheduler, account: Account, runtime: Any) -> None:
    """Give the pages of a heap back to the system that nobody will ever enter or free."""
    _step_in_slices(scheduler, account, give_back(runtime))


def empty_in_slices(scheduler: CpuScheduler, account: Account, *kept: _Collection | None) -> None:
    """Let go of what is in lists, deques and dictionaries that Python keeps for an isolate, and nobody else has any
    more. An app may have had a timer for each hundred bytes of its memory."""
    _step_in_slices(scheduler, account, _emptying([each for each in kept if each]))


def _emptying(kept: list[_Collection]) -> Iterator[None]:
    for each in kept:
        drop: Callable[[], object] = each.popitem if isinstance(each, dict) else each.pop
        while each:
            for _ in range(min(_ITEMS_AT_ONCE, len(each))):
                drop()
            yield


def _step_in_slices(scheduler: CpuScheduler, account: Account, steps: Iterator[None]) -> None:
    """Take them all, each of which takes a fraction of a millisecond."""

    def step(slice_ns: int) -> bool:
        start, used = _cpu_clock(), 0
        for _ in steps:
            used = _cpu_clock() - start
            if used >= slice_ns:
                break
        account.cpu_ns += used
        scheduler.used_ns += used
        return used < slice_ns

    in_slices(scheduler, account, step, lambda: None)


class HeapToFree:
    """The runtime and the context of a heap of ``size`` bytes. Nobody else has them any more when :meth:`begin` is
    called."""

    def __init__(self, scheduler: CpuScheduler, account: Account, runtime: Any, context: Any, size: int) -> None:
        self._scheduler = scheduler
        self._account = account
        self._runtime = runtime
        self._context = context
        self._size = size
        # The heap's own as long as it has a context: by that values of it wait.
        self._counter = poll_counter(context) or ctypes.c_int32(1)
        self._slice_ends = 0
        self._hub: greenlet.greenlet | None = None
        self._runner: greenlet.greenlet | None = None

    def begin(self) -> None:
        """Free it, in slices where it is large."""
        if self._size > _AT_ONCE and poll_timer.suspends_native_calls():
            self._runner = greenlet.greenlet(self._free)
            self._runner.gr_context = contextvars.copy_context()
            in_slices(self._scheduler, self._account, self._free_some, self._freed)
        else:
            mark = self._scheduler.mark
            mark[0] = self._account.number
            self._free()
            mark[0] = 0
            self._freed()

    @native_calls.begins
    def _free(self) -> None:
        turnstile = self
        let_go(turnstile._runtime)
        if turnstile._runner is not None:
            turnstile._counter = ctypes.c_int32(1)
            poll_timer.running()[0] = poll_timer.address_of(turnstile._counter)
            poll_timer.free_values()()
        turnstile._context = None
        turnstile._runtime = None

    def _free_some(self, slice_ns: int) -> bool:
        runner = self._runner
        assert runner is not None
        mark, running = self._scheduler.mark, poll_timer.running()
        self._hub = runner.parent = greenlet.getcurrent()
        start = _cpu_clock()
        self._slice_ends = start + slice_ns
        mark[0], running[0] = self._account.number, poll_timer.address_of(self._counter)
        poll_timer.tick_after()(slice_ns)
        try:
            runner.switch()
        finally:
            running[0] = mark[0] = 0
        used = _cpu_clock() - start
        self._account.cpu_ns += used
        self._scheduler.used_ns += used
        return runner.dead

    def suspend_native_call(self) -> bool:
        """Called in the midst of freeing: wait for the next slice where this one is used up. Whether it did."""
        if self._hub is None or _cpu_clock() < self._slice_ends:
            return False
        self._hub.switch()
        return True

    def _freed(self) -> None:
        self._hub = self._runner = None
        freed_memory.closed(self._size)
