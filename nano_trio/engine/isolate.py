"""Isolates: one JavaScript heap each, whose turns Trio can suspend, resume and stop.

Theory of operation. A *turn* is one call into JavaScript followed by all the microtasks it made (and Node's ticks:
:attr:`Turnstile.ticks`). Turns of one isolate run one at a time, in the order they were submitted. If a turn causes
another app's turn to begin (it gives up a call to that app, say), that one waits for the end of the pass. The states of
an isolate:

    IDLE ──submit──► RUNNING ──slice used up──► SUSPENDED ──granted──► RUNNING ──► IDLE
      └─ no room in this pass ─► QUEUED ──granted──► RUNNING
    RUNNING ──a host function waits──► WAITING ──done: queued──► SUSPENDED
    RUNNING, SUSPENDED or WAITING ──limit exceeded, stop()──► STOPPED ──close()──► CLOSED

A turn runs in a greenlet. QuickJS calls :meth:`Turnstile.on_interrupt` at each poll: every 10,000 branches and calls,
or as often as :mod:`nano_trio.engine.polling` makes it. If the slice is over, because it is used up or somebody else is
waiting (:meth:`CpuScheduler.is_called`), the handler charges the turn's CPU time, checks the limits and switches back
to Trio with the JavaScript frames left on the greenlet's (saved) C stack. A grant of the CPU scheduler switches to the
greenlet again, and the handler returns into JavaScript.

If the handler returns True instead, QuickJS unwinds with an error that JavaScript cannot catch. That is how limits and
:meth:`Isolate.stop` reach into an endless loop. The error passes all frames up to a builtin that called back: a
promise, or whoever uses an iterator, turns it into one that can be caught. So from then on every branch and call polls.
What runs afterwards in a stopped heap cannot be trusted (an interrupted async function has rejected its promise), so no
job runs after a stop and the isolate can only be closed.

A host function may have its turn wait for what others do (:meth:`Isolate.wait`). It is suspended there as at a poll, at
a place where JavaScript has called Python, and gets no slice until they are done.

During a native call of the engine no poll comes. There a timer's signal takes its place, and a turn that is to stop,
but does not come out of the call, is left where it is (:mod:`nano_trio.engine.native_calls`). Closing an isolate takes
slices as well where it has to take down a suspended turn or a large heap (:mod:`nano_trio.engine.freeing`).

A turn that ends within its first slice pays for two clock readings and two switches of a parked greenlet, and no task.

How large the heap may grow, and when its garbage is collected: :mod:`nano_trio.engine.memory`.

Rules: nothing calls into a runtime whose turn is suspended, or was left; Python keeps no :class:`quickjs.Value` but the
entry points taken at the start; nothing inside the engine holds the isolate or its context strongly: cycles are not
collected there.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import greenlet
import quickjs
import structlog

from nano_trio.engine import builtins, json_builtins, native_calls, poll_timer
from nano_trio.engine.allocator import hold_names, use_slabs
from nano_trio.engine.binding_errors import translate
from nano_trio.engine.freeing import HeapToFree, give_back_in_slices, in_slices
from nano_trio.engine.memory import POLLS_LATE_NS, outgrown
from nano_trio.engine.runners import new_runner, parked
from nano_trio.engine.scheduler import NEVER, PROVEN_TURNS, SHORT_TURN_SLICES, Account, CpuScheduler
from nano_trio.engine.turn import Entry, Limits, StopReason, Turn
from nano_trio.engine.turnstile import TIME_FOR_NAMES_NS, Turnstile

__all__ = ["Isolate"]

_clock = time.perf_counter_ns
_cpu_clock = time.thread_time_ns
_INTERRUPTED = StopReason.INTERRUPTED  # a name of the module is found sooner than an enumeration's member
_JOBS_BETWEEN_LOOKS = 16
# Bytes of a heap in which the engine looks for garbage: its own number, where we cannot, and more than is built.
_FIRST_COLLECTION = 256 << 10
_LATER = 16 << 20
# Shared by all isolates in which no turn waits: a deque takes 760 bytes.
_NONE_WAIT: deque[Entry] = deque()


class Isolate:
    """A QuickJS runtime and context with limits, whose turns are preempted.

    Raises nothing on its own account while turns run: each turn is told its end (:meth:`Entry.ended`).
    """

    def __init__(self, scheduler: CpuScheduler, account: Account | None = None, limits: Limits | None = None) -> None:
        self._scheduler = scheduler
        self._parked = parked.greenlets
        self._slice_ns = scheduler.slice_ns
        self._short_turn_ns = SHORT_TURN_SLICES * scheduler.slice_ns
        self._mark = scheduler.mark
        self._running = poll_timer.running()
        self._tick_after = poll_timer.tick_after()
        self._free_values = poll_timer.free_values()
        self.runtime: Any = quickjs.Runtime()
        """The engine's. None once the isolate is closed, like :attr:`context`."""
        use_slabs(self.runtime)
        self.context: Any = self.runtime.new_context()
        json_builtins.install(self.context)
        translate()
        self._execute_pending_job: Any = self.context.execute_pending_job
        self._turnstile = Turnstile(self, scheduler)
        self._queue = _NONE_WAIT
        self._greenlet: greenlet.greenlet | None = None
        self._turn: Entry | None = None
        self._busy = False
        self._requested = self._is_closed = False
        self.memory_used = 0
        """Heap size in bytes when it was last read."""
        self.outside = 0
        """Bytes that are held for the app outside of its heap."""
        self.stopped: StopReason | None = None
        """Why the isolate takes no further turns, or None while it does."""
        self.on_idle: Callable[[], None] | None = None
        """Called outside a turn whenever a turn has ended and none is waiting. Must not raise."""
        self.on_stopped: Callable[[StopReason], None] | None = None
        """Called once where a turn's limit (or a stop in the middle of a turn) ended the isolate. Must not raise."""
        self.take(account if account is not None else Account(), limits or Limits())

    def take(self, account: Account, limits: Limits) -> None:
        """Be the isolate of this app from now on, within its limits. Only before the first turn."""
        self.account = account
        self.limits = limits
        self._number = account.number
        self.runtime.set_interrupt_handler(self._turnstile.on_interrupt)
        self.runtime.set_gc_threshold(_FIRST_COLLECTION if self._turnstile.heap is None else NEVER)
        self._turn_limit_ns = int(limits.turn_ms * 1e6)
        self.runtime.set_memory_limit(limits.hard_memory_bytes)
        self.runtime.set_max_stack_size(limits.stack_bytes)
        self._turnstile.take(limits)

    def prepare(self) -> None:
        """Code of ours runs here until :meth:`take`: it leaves no garbage to look for and needs no polls."""
        self.runtime.set_gc_threshold(_LATER)
        self.runtime.set_interrupt_handler(None)

    # -- turns -------------------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """A turn is running or suspended, or some wait."""
        return self._busy or bool(self._queue)

    @property
    def stopping(self) -> bool:
        """The current turn is being stopped, or the isolate was: what JavaScript throws now means nothing."""
        return self._turnstile.stop is not None

    @property
    def cause(self) -> Any:
        """The cause of the turn that is running or suspended; None between turns."""
        return None if self._turn is None else self._turn.cause

    @property
    def left(self) -> bool:
        """The last turn was stopped in a native call that does not end: the heap stays when the isolate is closed."""
        return self._turnstile.left

    @property
    def in_native_call(self) -> bool:
        """The turn is suspended in the midst of a native call."""
        return self._turnstile.in_native_call

    @property
    def turn_is_young(self) -> bool:
        """The turn that runs now has used less than half of a slice, however many more it was granted."""
        turn, turnstile = self._turn, self._turnstile
        return turn is not None and turn.cpu_ns + _clock() - turnstile.wall_start < self._slice_ns // 2

    @property
    def turn_limit_ns(self) -> int:
        """CPU time that the turn in progress may use in all, in ns."""
        return self._turn_limit_ns + self._turnstile.allowance_ns

    def allow(self, cpu_ms: float) -> None:
        """The turn in progress may use so much CPU time beyond its limit, for what is not the app's doing."""
        self._turnstile.allowance_ns = int(cpu_ms * 1e6)

    def wait(self, begin: Callable[[int, Callable[[int], None]], object]) -> None:
        """Suspend the turn, in a host function that it calls, until others have done something for it
        (:meth:`Turnstile.wait`)."""
        self._turnstile.wait(begin)

    def arrange_ticks(self, run: Callable[[bool], object]) -> None:
        """There are ticks: ``run`` them in this turn (:attr:`Turnstile.ticks`)."""
        self._turnstile.ticks = run

    def count_from_here(self) -> None:
        """What the turn in progress has used so far does not count against its limit."""
        turn = self._turnstile.turn
        if turn is not None:
            self.charge(turn)
            self._turnstile.allowance_ns = turn.cpu_ns

    def limit_turns(self, turn_ms: float) -> None:
        """Another limit for the CPU time of turns, in milliseconds; the one in progress too."""
        self._turn_limit_ns = int(turn_ms * 1e6)

    def submit(self, turn: Entry) -> None:
        """Run ``turn``: here and now where the isolate is free and this pass has room, else after those before it.

        Never blocks. On a stopped isolate the turn ends at once as :attr:`StopReason.DISCARDED`.
        """
        if self.stopped is not None:
            turn.stopped = StopReason.DISCARDED
            turn.ended()
        elif self._busy or self._queue:
            self._wait(turn)
        elif self._scheduler.may_begin(self.account):
            self._busy = True
            if self._begin(turn, self._slice_ns):
                self._proceed()
            elif self._turnstile.waits_for is None:
                self._scheduler.expire(self.account)
        else:
            self._wait(turn)
            self._request(suspended=False)

    def _wait(self, turn: Entry) -> None:
        if self._queue is _NONE_WAIT:
            self._queue = deque()
        self._queue.append(turn)

    def run_slice(self, slice_ns: int) -> None:
        """A grant of the scheduler: resume the suspended turn or begin the next one."""
        self._requested = False
        if self._turnstile.suspended:
            if not self._resume(slice_ns):
                return
        elif self._queue and not self._busy:
            self._busy = True
            if not self._begin(self._queue.popleft(), slice_ns):
                return
        else:
            return
        self._proceed()

    def stop(self, reason: StopReason = StopReason.CANCELLED) -> None:
        """Stop the turn in progress, even in the middle of a loop, and take no further turns. Idempotent.

        A turn that is suspended has ended with that: :meth:`close` takes it down. Called from inside a turn (a host
        function), the turn is unwound at the next interrupt poll.
        """
        if self.stopped is not None:
            return
        # The first reason stands: a limit is not made a cancellation by those that it is reported to.
        self._turnstile.stop = self._turnstile.stop or reason
        if self._turnstile.suspended:
            turn, self._turn = self._turn, None
            assert turn is not None
            self._turnstile.must_end(turn)
            self._withdraw()
            turn.stopped = self.stopped = self._turnstile.stop
            turn.ended()
            self._busy = False
            self._stopped_by_turn(self.stopped)
        elif not self._busy:
            self.stopped = reason
            self._withdraw()
            self._discard_queue()

    def _withdraw(self) -> None:
        self._scheduler.withdraw(self)
        self._requested = False

    def interrupt(self) -> bool:
        """End the turn in progress, with the jobs it left, and go on with the next in this heap. False: there was none.

        Only for an owner at the keyboard. To the engine an interrupt is an exception like others, so the heap stays
        sound; but the code's own invariants may be broken, for no `finally` runs, and an interrupted async function
        rejects its promise, which other code may see.
        """
        turnstile = self._turnstile
        if not self._busy or turnstile.stop is not None:
            return False
        turnstile.stop = StopReason.INTERRUPTED
        if turnstile.suspended:
            self._withdraw()
            if self._resume(self._slice_ns):
                self._proceed()
        return True

    def close(self) -> None:
        """Stop, and free the heap. Must not be called from inside one of the isolate's own turns. Idempotent."""
        if self._is_closed:
            return
        self.stop()
        assert not self._busy, "close() inside a turn"
        self._is_closed = True
        self.on_idle = self.on_stopped = None
        if self._turnstile.left:
            self._leave()
        elif self._turnstile.suspended:
            in_slices(self._scheduler, self.account, self._unwind, self._free)
        else:
            self._free()

    def _unwind(self, slice_ns: int) -> bool:
        """Have the turn that was stopped come to its end. Whether it has."""
        if slice_ns == NEVER:
            self._turnstile.hurry(self._scheduler.ended_at_once)
        self._switch_to_turn(slice_ns)
        return not self._turnstile.suspended

    def _leave(self) -> None:
        self._turnstile.release()
        runtime = self.runtime
        native_calls.keep_for_ever(runtime, self.context, self._greenlet)
        self.context = self.runtime = self._execute_pending_job = None
        give_back_in_slices(self._scheduler, self.account, runtime)
        compilation = native_calls.left_compilation(self._greenlet, self.turn_limit_ns)
        if compilation is not None:
            give_back_in_slices(self._scheduler, self.account, compilation.runtime)

    def _free(self) -> None:
        if self._turnstile.left:
            self._leave()
            return
        # A value that waits has the context, and would keep the heap.
        self._free_values()
        self.runtime.set_interrupt_handler(None)
        heap = self._turnstile.heap
        size = self.memory_used if heap is None else heap.value
        self._turnstile.release()
        # A heap that was damaged shows it here, or where garbage is collected, rather than in the turn that did it.
        heap_to_free = HeapToFree(self._scheduler, self.account, self.runtime, self.context, size)
        self.context = self.runtime = self._execute_pending_job = None
        heap_to_free.begin()

    @native_calls.enters
    def collect_garbage(self) -> None:
        """Run the engine's cycle collector: between turns, or as what a turn does. Then it takes slices, as ever."""
        turnstile, start = self._turnstile, _clock()
        self._mark[0] = self._number
        turnstile.collecting = True
        self._tick_after(POLLS_LATE_NS)
        builtins.forget(self.context, turnstile.heap)
        self.runtime.run_gc()
        turnstile.collecting = False
        if turnstile.turn is not None:
            self.charge(turnstile.turn)
        else:
            self._mark[0] = 0
            used = _clock() - start
            self.account.cpu_ns += used
            self._scheduler.used_ns += used

    @native_calls.enters
    def heap_size(self) -> int:
        """The heap's size in bytes, read now. Not while a turn is suspended."""
        heap = self._turnstile.heap
        return int(heap.value if heap is not None else self.runtime.compute_memory_usage()["malloc_size"])

    def read_memory(self) -> int:
        """The same, which is then :attr:`memory_used`. Only between turns."""
        assert not self._busy
        self.memory_used = self.heap_size()
        return self.memory_used

    def hold(self, size: int) -> None:
        """So many bytes more, or fewer, are held outside of the heap: there may be ``memory_bytes`` of them, too, but
        for those that garbage holds. May be called at any time."""
        self.outside += size
        if size > 0 and not self.may_hold(0) and self.stopped is None:
            # The next poll looks, or the end of the turn.
            self._turnstile.heap_trigger = 0
            if not self.busy:
                self.submit(Turn(int, ()))

    def may_hold(self, size: int) -> bool:
        """Whether so many bytes more may be held outside of the heap."""
        return self.outside + size <= self.limits.memory_bytes

    def heap_room(self, *, collected: bool) -> int:
        """Bytes by which the heap may grow until its limit; ``collected``: once its garbage is. Only in the midst of a
        turn, in a host function of which nothing is suspended."""
        if collected:
            self.collect_garbage()
        return int(self.limits.memory_bytes) - self.heap_size()

    # -- the inside of a turn ----------------------------------------------------------------------------------------

    def _begin(self, turn: Entry, slice_ns: int) -> bool:
        """Run the first slice. True when the turn has ended."""
        turnstile = self._turnstile
        self._turn = turnstile.turn = turn
        turnstile.hub = greenlet.getcurrent()
        self.account.turns += 1
        self._greenlet = runner = self._parked.pop() if self._parked else new_runner()
        turnstile.cpu_start = -1
        turnstile.elsewhere_ns = 0
        turnstile.slice_left = slice_ns
        # Time between turns is not time between polls.
        turnstile.wall_start = turnstile.polled = start = _clock()
        turnstile.slice_ends = start + slice_ns
        self._mark[0], self._running[0] = self._number, turnstile.counter_at
        if self.account.trust < PROVEN_TURNS:
            self._tick_after(slice_ns + POLLS_LATE_NS)
        self._scheduler.in_turn = True
        try:
            runner.switch(self)
        finally:
            # Whatever comes out of a turn: the timer must not write to a counter that may be gone.
            self._scheduler.in_turn = False
            self._running[0] = self._mark[0] = 0
        if turnstile.suspended:
            self._suspend()
            return False
        return True

    def _resume(self, slice_ns: int) -> bool:
        """Run a further slice, or unwind where a stop is asked for. True when the turn has ended."""
        self._switch_to_turn(slice_ns)
        if self._turnstile.suspended:
            self._suspend()
            return False
        return True

    def _switch_to_turn(self, slice_ns: int) -> None:
        turnstile, runner = self._turnstile, self._greenlet
        assert runner is not None
        turnstile.hub = greenlet.getcurrent()
        turnstile.slice_left = slice_ns
        turnstile.cpu_start = _cpu_clock()
        turnstile.wall_start = start = _clock()
        turnstile.slice_ends = start + slice_ns
        turnstile.look_at = start + self._scheduler.look_ns
        self._mark[0], self._running[0] = self._number, turnstile.counter_at
        self._tick_after(slice_ns + POLLS_LATE_NS)
        self._scheduler.in_turn = True
        try:
            runner.switch()
        finally:
            self._scheduler.in_turn = False
            self._running[0] = self._mark[0] = 0
        if not turnstile.in_native_call:
            self._free_values()

    def _suspend(self) -> None:
        turn = self._turn
        assert turn is not None
        turnstile, short = self._turnstile, self.is_short(turn)
        if not short and not turnstile.collecting:
            self.account.trust = 0
        turnstile.slice_ends = NEVER
        turn.suspended()
        if turnstile.waits_for is None:
            self.account.slices += 1
            self._request(suspended=True, short=short)

    @property
    def runs_here(self) -> bool:
        """Whether who asks is called by the turn in progress, and not by another greenlet meanwhile."""
        return greenlet.getcurrent() is self._greenlet

    def go_on(self, turn: Entry) -> None:
        """What the turn in progress has waited for is over: it wants slices again."""
        self._request(suspended=True, short=self.is_short(turn))

    def is_short(self, turn: Entry) -> bool:
        """Whether the turn in progress has taken no more of the scheduler's slices than a short one does."""
        return turn.cpu_ns - self._turnstile.elsewhere_ns <= self._short_turn_ns

    def _request(self, *, suspended: bool, short: bool = False) -> None:
        if not self._requested:
            self._requested = True
            self._scheduler.request(self, suspended=suspended, short=short)

    @native_calls.begins
    def execute(self) -> greenlet.greenlet:
        """Run the current turn; called inside the greenlet. Returns the one that is to go on."""
        turnstile = self._turnstile
        turn = turnstile.turn
        assert turn is not None
        execute_pending_job = self._execute_pending_job
        jobs = 0
        while True:
            try:
                turn.run()
            except quickjs.JSError as error:
                # Its traceback holds this frame, and with it the isolate, whose heap would outlive close().
                turn.result = error.with_traceback(None)
            except Exception as error:
                # Where the heap was in the midst of something nobody knows. It is this app's end, and nobody else's.
                turnstile.stop = turnstile.stop or StopReason.FAULT
                structlog.get_logger("nano_trio").error("internal error in a turn", exc_info=error)
                error.__traceback__ = None
            if turnstile.ticks is not None and turnstile.stop is None and not turn.jobs_first:
                turnstile.run_ticks()
            while turnstile.stop is None:
                try:
                    if not execute_pending_job():
                        if turnstile.ticks is None:
                            break
                        turnstile.run_ticks()
                    # A flood of microtasks has few branches in each: look at the clock between them as well.
                    jobs += 1
                    if jobs == _JOBS_BETWEEN_LOOKS:
                        jobs = 0
                        if _clock() >= turnstile.slice_ends:
                            turnstile.look()
                except quickjs.JSError:
                    # Promise jobs never throw, and the platform's own report what they catch: it is a stop's error.
                    continue
            if not turn.more or turnstile.stop is not None:
                break
            # Time between entries is not time between polls.
            turnstile.polled = now = _clock()
            if not self._queue:
                if now >= turnstile.slice_ends - self._slice_ns // 2:
                    break
            elif now >= turnstile.slice_ends and turnstile.look():
                break  # no sooner: what is left would come behind those that wait
        if turnstile.stop is _INTERRUPTED:
            turnstile.unwind_jobs(execute_pending_job)
        self.charge(turn)
        # What comes next may free what this turn has made.
        if turn.cpu_ns > TIME_FOR_NAMES_NS:
            hold_names(self.runtime, 16)
        if turnstile.stop is None:
            heap = turnstile.heap
            if heap is not None and (used := heap.value) <= turnstile.heap_trigger:
                self.memory_used = used
                turnstile.outgrown = False
            else:
                turnstile.outgrown = outgrown(self, turnstile)
        turnstile.slice_ends = NEVER
        turnstile.turn = None
        hub = turnstile.hub
        assert hub is not None
        return hub

    def charge(self, turn: Entry) -> None:
        """Add the time since the slice began (or was last charged) to the turn, its app and this pass."""
        turnstile = self._turnstile
        now = _clock()
        wall = now - turnstile.wall_start
        turnstile.wall_start = now
        used = wall
        if turnstile.cpu_start >= 0:
            # Another process may have had the core meanwhile: that is not the turn's CPU time.
            cpu_now = self._scheduler.cpu_ns = _cpu_clock()
            used = min(wall, cpu_now - turnstile.cpu_start)
            turnstile.cpu_start = cpu_now
        elif wall > self._slice_ns:
            # A turn's beginning is not timed on the CPU clock, which is a system call; the pass's beginning is.
            cpu_before, self._scheduler.cpu_ns = self._scheduler.cpu_ns, _cpu_clock()
            used = min(wall, self._scheduler.cpu_ns - cpu_before)
        turnstile.slice_left -= used
        turn.cpu_ns += used
        self.account.cpu_ns += used
        self._scheduler.used_ns += used

    # -- between turns -----------------------------------------------------------------------------------------------

    def _proceed(self) -> None:
        """The current turn has ended: tell so, then begin those that wait as far as this pass has room."""
        turnstile = self._turnstile
        while True:
            turn, self._turn = self._turn, None
            assert turn is not None
            if turn.cpu_ns <= self._short_turn_ns:
                self.account.trust += 1
            # Still busy, so that what its end submits queues up instead of nesting.
            if turnstile.stop is None:
                if turnstile.outgrown:
                    # The turn itself ran to its end, and its result counts.
                    self.stopped = turnstile.stop = StopReason.MEMORY
            elif turnstile.stop is _INTERRUPTED:
                turn.stopped, turnstile.stop = turnstile.stop, None
            else:
                turn.stopped = self.stopped = turnstile.stop
            turn.ended()
            if turnstile.stop is not None:
                turn.forget()
                self._busy = False
                self._stopped_by_turn(turnstile.stop)
                return
            if not self._queue:
                self._queue = _NONE_WAIT
                self._busy = False
                if (on_idle := self.on_idle) is not None:
                    on_idle()
                return
            if not self._scheduler.may_begin(self.account):
                self._busy = False
                self._request(suspended=False)
                return
            if not self._begin(self._queue.popleft(), self._slice_ns):
                if turnstile.waits_for is None:
                    self._scheduler.expire(self.account)
                return

    def _stopped_by_turn(self, reason: StopReason) -> None:
        self.stopped = reason
        self._discard_queue()
        if self.on_stopped is not None:
            self.on_stopped(reason)

    def _discard_queue(self) -> None:
        while self._queue:
            turn = self._queue.popleft()
            turn.stopped = StopReason.DISCARDED
            turn.ended()
