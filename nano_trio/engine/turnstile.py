"""What ends a turn's slice, and where it waits for the next: inside the engine, on the turn's own stack.

An isolate has one :class:`Turnstile`. QuickJS calls its :meth:`~Turnstile.on_interrupt` at each poll, and a timer its
:meth:`~Turnstile.suspend_native_call` where no poll comes. What they do is told in :mod:`nano_trio.engine.isolate` and
:mod:`nano_trio.engine.native_calls`.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import greenlet
import quickjs

from nano_trio.engine import poll_timer
from nano_trio.engine.allocator import hold_names
from nano_trio.engine.heap_size import heap_size, next_collection
from nano_trio.engine.memory import outgrown
from nano_trio.engine.native_calls import GRACE_NS, compiles_beyond, end_compilation, enters, leave
from nano_trio.engine.pauses import CannotWait, Stopped
from nano_trio.engine.polling import ENGINE_INTERVAL, poll_counter
from nano_trio.engine.scheduler import NEVER, CpuScheduler
from nano_trio.engine.turn import Entry, Limits, StopReason

if TYPE_CHECKING:
    from nano_trio.engine.isolate import Isolate

__all__ = ["TIME_FOR_NAMES_NS", "Turnstile"]

_clock = time.perf_counter_ns
_cpu_clock = time.thread_time_ns
# The time between two polls that is aimed for: short against a slice, long against a poll (about 0.5 µs).
_POLLS_TOO_RARE_NS = 40_000
_POLLS_TOO_OFTEN_NS = 12_000
# What an app does is not known before its first polls: it may be native calls that allocate a megabyte each.
_FIRST_INTERVAL = 250
# What each branch or call between two polls may allocate below the engine's own limit: what was cheap may turn to this.
_BYTES_PER_COUNT = 16 << 10
_LEAST_SLICE_NS = 50_000
_MOST_UNWOUND_JOBS = 100_000
TIME_FOR_NAMES_NS = 100_000
"""In less a turn does not make so many names that to free them would take long."""


class Turnstile:
    """What the interrupt handler works on. It holds no reference to the isolate, only a weak one for rare work."""

    __slots__ = (
        "_interval", "_longest", "_scheduler", "allowance_ns", "collecting", "counter", "counter_at", "cpu_start",
        "elsewhere_ns", "heap", "heap_trigger", "hub", "in_native_call", "isolate", "left", "look_at", "outgrown",
        "patience_ns", "polled", "slice_ends", "slice_left", "stop", "suspended", "ticks", "turn", "waits_for",
        "walk_due_ns", "walked_ns", "wall_start",
    )  # fmt: skip

    def __init__(self, isolate: Isolate, scheduler: CpuScheduler) -> None:
        self.isolate = weakref.ref(isolate)
        self._scheduler = scheduler
        self.counter = poll_counter(isolate.context)
        self.counter_at = poll_timer.address_of(self.counter)
        self._longest = self._interval = ENGINE_INTERVAL
        self.polled = 0
        self.heap = heap_size(isolate.runtime)
        self.heap_trigger = 0
        """The size in bytes above which the heap is looked at more closely."""
        self.walk_due_ns = self.walked_ns = 0
        """Where the heap's size cannot be read directly: at which CPU time of its app's it is walked for that next, and
        was last."""
        self.turn: Entry | None = None
        self.hub: greenlet.greenlet | None = None
        self.stop: StopReason | None = None
        self.slice_ends = self.look_at = NEVER
        self.slice_left = self.wall_start = 0
        self.cpu_start = -1
        self.allowance_ns = 0
        """CPU time that the turn may use beyond its limit."""
        self.suspended = False
        self.in_native_call = False
        """It is suspended in the midst of one."""
        self.collecting = False
        """Garbage is being collected, in the midst of the turn or at its end."""
        self.outgrown = False
        """The turn has ended with a heap above its limit."""
        self.patience_ns: int | None = None
        """The CPU time at which a turn is left that was stopped while it was suspended; None: at its limit's."""
        self.left = False
        """The turn was left in the midst of a native call: the heap must not be touched again."""
        self.waits_for: object | None = None
        """What the turn, suspended in a host function, waits for: it needs no slices until that is over."""
        self.elsewhere_ns = 0
        """Of the turn's CPU time, that of others for whom it waited: it took nobody's slices."""
        self.ticks: Callable[[bool], object] | None = None
        """What runs the ticks that JavaScript has arranged, and those that they arrange, or where it is told True drops
        them; None while there are none. They come before microtasks that are there, and behind those that made them."""

    def take(self, limits: Limits) -> None:
        """Before the first turn: what the heap may grow to."""
        room = limits.hard_memory_bytes - limits.memory_bytes * 9 // 8
        self._longest = min(max(room // _BYTES_PER_COUNT, 100), ENGINE_INTERVAL)
        self._interval = min(self._longest, _FIRST_INTERVAL)
        if self.counter is not None:
            self.counter.value = self._interval
        if self.heap is not None:
            self.heap_trigger = min(limits.memory_bytes, next_collection(self.heap.value))

    @enters
    def on_interrupt(self) -> bool:
        """QuickJS polls: True unwinds. Outside a turn only clocks are compared. Must not raise."""
        now = _clock()
        if self.counter is not None:
            # What the engine counts may take nanoseconds or milliseconds: aim for polls at even times.
            elapsed = now - self.polled
            self.polled = now
            if elapsed > _POLLS_TOO_RARE_NS:
                self._interval = max(self._interval * _POLLS_TOO_RARE_NS // elapsed, 1)
            elif elapsed < _POLLS_TOO_OFTEN_NS and self._interval < self._longest:
                self._interval = min(self._interval * 2, self._longest)
            self.counter.value = self._interval
        if now < self.slice_ends and (self.heap is None or self.heap.value <= self.heap_trigger):
            if now < self.look_at or self.stop is not None:
                return self._ends()
            if self._scheduler.is_called():
                return self.look(cut=True)
            self.look_at = now + self._scheduler.look_ns
            return False
        return self.look()

    @enters
    def look(self, cut: bool = False) -> bool:
        """Charge, check the limits and, where the slice is used up or cut short, wait for the next inside the turn.

        True when the turn must stop.
        """
        turn, isolate = self.turn, self.isolate()
        if turn is None or isolate is None or self.hub is None or self.stop is not None:
            return self._ends()
        isolate.charge(turn)
        if turn.cpu_ns > TIME_FOR_NAMES_NS:
            hold_names(isolate.runtime, 8)
        if turn.cpu_ns >= isolate.turn_limit_ns:
            self.stop = StopReason.CPU
        elif outgrown(isolate, self):
            self.stop = self.stop or StopReason.MEMORY
        if self.stop is not None:
            return self._ends()
        now = _clock()
        if now < self.slice_ends and not cut:
            return False
        if self.cpu_start < 0:
            self.cpu_start = _cpu_clock()
        if self.slice_left > _LEAST_SLICE_NS and not cut:
            # Another process had the core meanwhile: a slice is CPU time, and that of this turn is not used up.
            self.slice_ends = now + self.slice_left
            return False
        del isolate
        self.suspended = True
        self.hub.switch()
        self.suspended = False
        self.polled = self.wall_start
        return self._ends()

    @property
    def limit_ns(self) -> int:
        """CPU time that the turn may use, in ns."""
        isolate = self.isolate()
        return 0 if isolate is None else isolate.turn_limit_ns

    @enters
    def pause(self) -> None:
        """Python that works for the app, on behalf of an import() say, is between two pieces of that: wait for the next
        slice where this one is used up. Raises Stopped where the turn must stop."""
        if (_clock() >= self.slice_ends or self.stop is not None) and self.look():
            raise Stopped

    def wait(self, begin: Callable[[int, Callable[[int], None]], object]) -> None:
        """Called by a host function that has others work for it: suspend the turn until they have.

        ``begin`` is told the CPU time in ns that the turn may still use, and a function to call in this thread, once,
        outside of any turn, with the CPU time that it took them: it is the turn's. Raises Stopped where the turn must
        stop, be they done or not, and CannotWait outside of a turn.
        """
        turn, isolate = self.turn, self.isolate()
        if turn is None or isolate is None or self.hub is None or not isolate.runs_here:
            raise CannotWait
        if self.stop is None:
            isolate.charge(turn)
            if turn.cpu_ns >= isolate.turn_limit_ns:
                self.stop = StopReason.CPU
        if self.stop is None:
            waits_for, left_ns = object(), isolate.turn_limit_ns - turn.cpu_ns
            self.waits_for = waits_for
            try:
                begin(left_ns, partial(self._is_over, waits_for, left_ns))
            except BaseException:
                self.waits_for = None
                raise
            del isolate
            self.suspended = True
            while self.waits_for is waits_for and self.stop is None:
                self.hub.switch()
            self.suspended = False
            self.polled = self.wall_start
            self.waits_for = None
            if turn.cpu_ns >= self.limit_ns:
                self.stop = self.stop or StopReason.CPU
        if self._ends():
            raise Stopped

    def _is_over(self, what: object, limit_ns: int, cpu_ns: int) -> None:
        turn, isolate = self.turn, self.isolate()
        if turn is None or isolate is None or self.waits_for is not what or self.stop is not None:
            return  # it was stopped meanwhile, and unwinds
        self.waits_for = None
        turn.cpu_ns += cpu_ns
        self.elsewhere_ns += cpu_ns
        isolate.account.cpu_ns += cpu_ns
        if cpu_ns >= limit_ns:
            # They gave up at what they were told, also where the turn may use more by now.
            self.stop = StopReason.CPU
        isolate.go_on(turn)

    def _ends(self) -> bool:
        """Whether the turn must stop: then what a builtin swallows that for goes on to its next branch or call only."""
        if self.stop is not None and self.counter is not None:
            self.counter.value = 1
        return self.stop is not None

    def suspend_native_call(self) -> bool:
        """Called in the midst of a native call that takes long: charge, and wait for the next slice where this one is
        used up. Where the turn must stop and the call does not end, it is left here. Whether it was suspended."""
        turn, isolate = self.turn, self.isolate()
        if turn is None or isolate is None or self.hub is None:
            return False
        isolate.charge(turn)
        # A collection ends: the limit can wait.
        if self.stop is None and turn.cpu_ns >= isolate.turn_limit_ns and not self.collecting:
            self.stop = StopReason.CPU
        # While it compiles the engine is refused nothing, and hears of a limit only from its parser, not where a few
        # million characters become gigabytes behind that (variables inside hundreds of `with`).
        is_beyond = self.heap is not None and self.heap.value > isolate.limits.hard_memory_bytes * 3 // 2
        is_beyond = is_beyond or compiles_beyond()
        if is_beyond and self.stop in (None, StopReason.INTERRUPTED):
            self.stop = StopReason.MEMORY
        if self.stop is not None:
            end_compilation()
        patience_ns = self.patience_ns or isolate.turn_limit_ns + GRACE_NS
        # An owner at the keyboard wants the heap that a call to interrupt() leaves: it waits as long as it takes.
        is_left = is_beyond or (self.stop not in (None, StopReason.INTERRUPTED) and turn.cpu_ns >= patience_ns)
        if self.slice_left > _LEAST_SLICE_NS and not is_left:
            self.slice_ends = self.wall_start + self.slice_left
            return False
        del turn, isolate
        if is_left:
            self.left = True
            leave(self.counter)
            self.turn = None
            self.slice_ends = NEVER
        else:
            self.suspended = self.in_native_call = True
        self.hub.switch()
        self.suspended = self.in_native_call = False
        self.polled = self.wall_start
        if self.stop is not None:
            end_compilation()
        return True

    def must_end(self, turn: Entry) -> None:
        """The suspended turn is to be unwound, for nobody waits for it any more: it is left if that takes long."""
        self.patience_ns = turn.cpu_ns + GRACE_NS

    def hurry(self, others: int) -> None:
        """It shall end at once, for all wait until it and others, so many in all, have: it is left the sooner."""
        if self.turn is not None and self.patience_ns is not None:
            self.patience_ns = min(self.patience_ns, self.turn.cpu_ns + GRACE_NS // others)

    def unwind_jobs(self, execute_pending_job: Callable[[], bool]) -> None:
        """Run what an interrupted turn left behind, each job only up to its first poll, and drop the ticks."""
        for _ in range(_MOST_UNWOUND_JOBS):
            if self.counter is not None:
                self.counter.value = 1
            try:
                if not execute_pending_job():
                    break
            except quickjs.JSError:
                continue
        if self.ticks is not None:
            # That is our own code, and short.
            if self.counter is not None:
                self.counter.value = ENGINE_INTERVAL
            self.stop = None
            self.run_ticks(drop=True)
            self.stop = self.stop or StopReason.INTERRUPTED

    @enters
    def run_ticks(self, drop: bool = False) -> None:
        """Run the ticks, of which there are some, or drop them. Where the turn is stopped meanwhile some are left."""
        assert self.ticks is not None
        try:
            self.ticks(drop)
            self.ticks = None
        except quickjs.JSError:
            # What ticks throw is reported: it is a stop's error.
            pass

    def release(self) -> None:
        """The context goes away: what lies inside it must not be touched again."""
        self.counter = self.heap = self.ticks = None
