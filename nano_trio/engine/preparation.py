"""Reading and compiling an app's code, before it has an isolate. It takes slices.

Theory of operation. Most code is ready in a fraction of a millisecond, but the app decides how long it takes: the
engine needs minutes to compile a block of 200,000 variables, in one native call. So a preparation is like a turn:
Python in a greenlet, to which the scheduler grants slices, with a limit of CPU time, and marked as the app's in case it
crashes the process. It is suspended where it calls :func:`~nano_trio.engine.pauses.pause`, and in the native calls that
it makes (:mod:`nano_trio.engine.native_calls`), all of which work in a heap that nobody else has.

    begin ──► RUNNING ──slice used up──► SUSPENDED ──granted──► RUNNING ──► ended: its result, or why there is none
                 └── aside(work) ──► a thread is at work ──► SUSPENDED

One that is beyond its limit, or that nobody wants any more (:meth:`Preparation.stop`), is unwound: by an exception
where it pauses, by an error of the engine where it compiles. If that takes more than a second it is left, like a turn:
its greenlet stays for ever, and the pages of the heap in which it compiled are given back. One that takes far more
memory to compile than it may is left at once.

It has a place of its own in the scheduler's rotation, and does not count for the app's record of short turns: the app
may be serving meanwhile, with the code that it had before.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Generic, TypeVar

import greenlet
import trio

from nano_trio.engine import native_calls, poll_timer
from nano_trio.engine.freeing import give_back_in_slices
from nano_trio.engine.native_calls import GRACE_NS, turnstile_here
from nano_trio.engine.pauses import Stopped, set_due
from nano_trio.engine.runners import new_runner, parked
from nano_trio.engine.scheduler import NEVER, SHORT_TURN_SLICES, Account, CpuScheduler
from nano_trio.engine.threads import in_thread

__all__ = ["LOAD_MS", "Means", "OutOfMeans", "OutOfMemory", "OutOfTime", "Preparation", "aside"]

_Result = TypeVar("_Result")
_Other = TypeVar("_Other")
LOAD_MS = 5000
"""CPU time in ms that it may take to read and compile an app's code, at least: the cache keeps it for the next start,
and ``timeout_ms`` may be as short as an app's turns are. Others do not wait for it meanwhile."""
_ALONE_NS = 10_000_000
"""Of CPU time, where nobody waits for it: then it is looked at what it takes."""
_clock = time.perf_counter_ns
_cpu_clock = time.thread_time_ns


class OutOfMeans(Exception):
    """A preparation was beyond a limit. ``file``: what was being compiled then, if anything."""

    def __init__(self, problem: str, file: str | None) -> None:
        super().__init__(problem)
        self.file = file


class OutOfTime(OutOfMeans):
    """That of CPU time, in ms."""

    def __init__(self, limit_ms: float, file: str | None) -> None:
        what = "read the code" if file is None else "compile it"
        super().__init__(f"to {what} took more than {limit_ms:g} ms of CPU time", file)


class OutOfMemory(OutOfMeans):
    """That of what it may take to compile a file."""

    def __init__(self, file: str | None) -> None:
        super().__init__("to compile it took more memory than there is for that", file)


class Means:
    """By whom, for whom and within which limit something is prepared. ``spawn`` runs a task for it."""

    def __init__(
        self,
        scheduler: CpuScheduler,
        account: Account,
        limit_ms: float,
        spawn: Callable[[Callable[[], Awaitable[Any]]], None],
    ) -> None:
        self.scheduler = scheduler
        self.account = account
        self.limit_ms = limit_ms
        self.spawn = spawn


class Preparation(Generic[_Result]):
    """A call of ``work``, in slices. A runnable of the scheduler.

    ``work``, and what it calls and may be suspended in, are decorated by :func:`~native_calls.enters`.
    """

    def __init__(self, means: Means, work: Callable[[], _Result]) -> None:
        self.account = Account(means.account.number)
        self.ended = False
        self.on_end: Callable[[], object] | None = None
        """Called when it has ended, unless that was before :meth:`begin` returned."""
        self.is_outdated = False
        """For who began it: what it results in is to be made anew."""
        self.cpu_ns = 0
        """CPU time used so far, in ns."""
        self._means = means
        self._work: Callable[[], _Result] | None = work
        self._result: _Result | None = None
        self._error: BaseException | None = None
        self.limit_ns = int(means.limit_ms * 1e6)
        """CPU time that it may take, in ns."""
        self._patience_ns = self.limit_ns + GRACE_NS
        """The CPU time at which it is left."""
        self._stopped = False
        self._is_aside = False
        self._counter = ctypes.c_int32(1)
        """What the timer takes for a heap's."""
        self._hub: greenlet.greenlet | None = None
        self._runner: greenlet.greenlet | None = None
        self._began = self._ends = self._look_at = 0
        """This slice: by the thread's CPU time, and when to look at that."""
        self._is_left = self._is_done = False

    def begin(self) -> bool:
        """Do what fits into a slice, here and now; whether that was all. In a turn nothing does: they do not nest."""
        scheduler = self._means.scheduler
        self._runner = parked.greenlets.pop() if parked.greenlets else new_runner()
        ended = not scheduler.in_turn and self._switch(scheduler.slice_ns)
        while not ended and not scheduler.runs:
            ended = self._switch(_ALONE_NS)
        if not ended:
            scheduler.ends.add(self._finish)
            self._request()
        return ended

    def outcome(self) -> _Result:
        """What ``work`` returned, to be asked for once, when it has ended.

        Raises what that raised, :class:`OutOfMeans` or Stopped.
        """
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
            return self._result  # type: ignore[return-value]
        finally:
            # It has this frame, and the frame would have it.
            del error

    async def wait(self) -> None:
        """Do all of it. To cancel the wait stops it."""
        if not self.begin():
            ended = trio.Event()
            self.on_end = ended.set
            try:
                await ended.wait()
            except trio.Cancelled:
                self.stop()
                raise

    def stop(self) -> None:
        """Nobody wants it any more: it comes to its end in its next slices, which nobody is told."""
        self.on_end = None
        if not self.ended and not self._stopped:
            self._stopped = True
            self._patience_ns = self.cpu_ns + GRACE_NS

    def run_slice(self, slice_ns: int) -> None:
        """A grant of the scheduler."""
        if self.ended:
            return
        if not self._switch(slice_ns):
            self._request()
            return
        self._means.scheduler.ends.discard(self._finish)
        on_end, self.on_end = self.on_end, None
        if on_end is not None:
            on_end()

    def _request(self) -> None:
        if not self._is_aside:
            short = self.cpu_ns <= SHORT_TURN_SLICES * self._means.scheduler.slice_ns
            self._means.scheduler.request(self, suspended=True, short=short)

    def _finish(self) -> None:
        """There are no further slices: it ends at once."""
        scheduler = self._means.scheduler
        scheduler.ends.discard(self._finish)
        self.stop()
        self._patience_ns = self.cpu_ns + GRACE_NS // scheduler.ended_at_once
        while not self._switch(NEVER):
            pass

    # -- outside of it -------------------------------------------------------------------------------------------------

    def _switch(self, slice_ns: int) -> bool:
        """Go on with it for a slice; whether it has ended."""
        scheduler, runner = self._means.scheduler, self._runner
        assert runner is not None
        mark, running = scheduler.mark, poll_timer.running()
        self._hub = greenlet.getcurrent()
        self._began = start = _cpu_clock()
        slice_ns = max(min(slice_ns, (self._patience_ns if self._must_end else self.limit_ns) - self.cpu_ns), 0)
        self._ends = start + slice_ns
        self._look_at = _clock() + slice_ns
        mark[0], running[0] = self.account.number, poll_timer.address_of(self._counter)
        poll_timer.tick_after()(slice_ns)
        set_due(self._look_at)
        scheduler.in_turn = True
        try:
            runner.switch(self)
        finally:
            set_due(0)
            scheduler.in_turn = False
            running[0] = mark[0] = 0
        self._charge(_cpu_clock())
        if self._is_done or self._is_left:
            self._end()
        return self.ended

    def _charge(self, now: int) -> None:
        used = now - self._began
        self._began = now
        self.cpu_ns += used
        self._means.account.cpu_ns += used
        self._means.scheduler.used_ns += used

    def _end(self) -> None:
        if self._is_left:
            compilation = native_calls.left_compilation(self._runner, self.limit_ns)
            native_calls.keep_for_ever(self, self._runner)
            if not self._stopped:
                file = None if compilation is None else compilation.file
                is_beyond = compilation is not None and compilation.is_beyond
                self._error = self._out_of_means(file, for_memory=is_beyond)
            if compilation is not None:
                give_back_in_slices(self._means.scheduler, self._means.account, compilation.runtime)
            self._error = self._error or Stopped()
        elif isinstance(self._error, Stopped) and not self._stopped:
            self._error = self._out_of_means(self._error.file, for_memory=self._error.for_memory)
        self._hub = self._runner = self._work = None
        self.ended = True

    def _out_of_means(self, file: str | None, *, for_memory: bool) -> OutOfMeans:
        return OutOfMemory(file) if for_memory else OutOfTime(self._means.limit_ms, file)

    # -- inside of it --------------------------------------------------------------------------------------------------

    @native_calls.begins
    def execute(self) -> greenlet.greenlet:
        """Do all of it; called inside the greenlet. Returns the one that is to go on."""
        turnstile = self
        assert turnstile._work is not None
        try:
            turnstile._result = turnstile._work()
        except greenlet.GreenletExit:
            raise
        except BaseException as error:
            turnstile._error = error.with_traceback(None)
        turnstile._is_done = True
        assert turnstile._hub is not None
        return turnstile._hub

    @property
    def _must_end(self) -> bool:
        return self._stopped or self.cpu_ns >= self.limit_ns

    def pause(self) -> None:
        """Wait for the next slice where this one is used up. Raises Stopped."""
        if _clock() < self._look_at:
            return
        now = _cpu_clock()
        if now < self._ends:
            # Another process had the core meanwhile.
            self._look_at = _clock() + self._ends - now
            set_due(self._look_at)
            return
        self._charge(now)
        if not self._must_end:
            self._wait()
        if self._must_end:
            raise Stopped

    def suspend_native_call(self) -> bool:
        """Called in the midst of a native call: wait for the next slice where this one is used up. Whether it did."""
        now = _cpu_clock()
        if self._hub is None or now < self._ends:
            return False
        self._charge(now)
        if self._must_end:
            native_calls.end_compilation()
            self._is_left = self.cpu_ns >= self._patience_ns
        self._is_left = self._is_left or native_calls.compiles_beyond()
        self._wait()
        if self._must_end:
            native_calls.end_compilation()
        return True

    def _wait(self) -> None:
        assert self._hub is not None
        self._hub.switch()

    def aside(self, work: Callable[[], _Other]) -> _Other:
        """Have a thread do that, and wait for it."""
        done: list[Callable[[], _Other]] = []
        self._is_aside = True
        self._means.spawn(partial(self._beside, work, done))
        while not done and not self._stopped:
            self._wait()
        self._is_aside = False
        if not done:
            raise Stopped
        return done[0]()

    async def _beside(self, work: Callable[[], _Other], done: list[Callable[[], _Other]]) -> None:
        try:
            result = await in_thread(work)
        except Exception as error:
            done.append(partial(_raise, error))
        else:
            done.append(lambda: result)
        if self._is_aside and not self.ended:
            self._means.scheduler.request(self, suspended=True, short=True)


def _raise(error: Exception) -> Any:
    raise error


def aside(work: Callable[[], _Other]) -> _Other:
    """Do something that takes long, but not of this thread's time, to start a program say: where this is called by a
    preparation others go on meanwhile, and a thread does it."""
    turnstile = turnstile_here(2)
    if isinstance(turnstile, Preparation):
        return turnstile.aside(work)
    return work()
