"""The CPU scheduler: who runs JavaScript in this pass of the Trio loop.

Theory of operation. Everything runs in one thread, so whatever JavaScript takes, all others wait for. Three rules bound
that wait, whatever the number of apps that want to compute:

1. *A turn begins where it is submitted*, without a task switch, until one that did so in this pass of the loop has
   used up its slice, or all together have used ``pass_budget``. Most turns take microseconds, so under normal load
   nobody ever queues. Nor does it begin in front of those who wait for their first slices. Apps with a long record of
   short turns still begin in both cases, unless it was one of them that has used up its slice: so hogs that come in
   this pass hold them up by one slice at most.
2. Beyond that a turn waits for the scheduler's grant. So 500 hogs that begin in one pass do not make it 500 slices
   long.
3. The scheduler grants once a pass, in this order:

   a. first slices to apps whose last turns were short, for one slice's time in all. Those with a long record of short
      turns come first. These are the well-behaved neighbours, and hogs must not delay them.
   b. one slice to an app with a long record whose turn was interrupted (by a collection of its garbage, say), or to
      what is left to do of isolates that were closed: these two alternate. Only a turn that is longer than a few slices
      costs an app its record.
   c. *one* slice to one app of the rotation: those in the middle of a long turn alternate with newcomers, whom nobody
      knows yet, such as an app that is being loaded. An app has one place in the rotation however many turns it has
      waiting, so every app gets an equal share.

A pass is what Trio runs between two looks at the outside world. All that became ready meanwhile (a neighbour's request,
a timer, a cancellation) runs between two grants, and *before* the next one, because grants are made by an instrument at
the end of the pass and not by a task. Trio runs the tasks of a pass in random order, so a task's slice would come ahead
of every second request, which would wait for two slices: the rest of the one in which it came, and that one. There is a
task all the same, so that the loop does not sleep while anybody waits.

A neighbour's request that arrives during a slice of a long turn need not wait for the end of that slice: every
``_LOOK_NS`` the turn looks outside (:meth:`CpuScheduler.is_called`), and if something has come it is suspended there
and then. A slice is cut like this once in ``_SLICES_BETWEEN_CUTS`` slices' time only, so that those who compute get
their share beside a neighbour who always has a next request. Newcomers, such as an app that is being loaded, keep their
slices.

Who serves many requests in a row may put off the end of the pass for a moment, in which more of them come, as long as
nobody else waits for a slice (:meth:`CpuScheduler._can_wait`): a pass with a slice costs as much as five requests, and
what is served right behind it is served from cold caches.

If nothing else has come up between two grants (no task can run, no deadline has passed, no descriptor is ready), a pass
would do nothing and cost a tenth of a slice. So the scheduler checks that first, by one system call, and if so the next
grant follows at once: see ``_Passes``.

What can wait is done in spare time (:meth:`CpuScheduler.when_spare`): from the end of a pass in which no turn ran and
for which none waits, as long as nothing comes up. It begins by yielding the core to the system. A client on this
machine that an answer wakes is often put on our core, because who has just answered is expected to sleep next. When we
went on working instead, that client waited for the rest of our time on the core, 3 ms: one start in a hundred seemed to
take so long.

What is granted runs outside of any task. So ``trio.lowlevel.current_task`` means nothing there, as inside of turns,
whose greenlets may be run by any task.

What is scheduled is a :class:`Runnable`: an isolate. It asks with :meth:`CpuScheduler.request` and gets one call of
``run_slice`` for each request.
"""

from __future__ import annotations

import os
import time
from array import array
from collections import deque
from collections.abc import Callable
from typing import Protocol

import trio

from nano_trio.engine.loop import Outside, known_runner, wakeful

__all__ = ["NEVER", "PROVEN_TURNS", "SHORT_TURN_SLICES", "Account", "CpuScheduler", "Mark", "Runnable"]

NEVER = 1 << 62
"""A time in ns that does not come."""
SHORT_TURN_SLICES = 4
"""A turn that needs no more slices than these is a short one."""
PROVEN_TURNS = 16
"""An app whose last turns, so many, were short is trusted."""
_GRANTS_A_PASS = 20
"""However little happens outside, Trio makes a pass of its own after so many grants."""
_LOOK_NS = 100_000
"""How often a turn that computes looks whether somebody came."""
_SLICES_BETWEEN_CUTS = 4
"""Slices' time of those who compute, from one slice that is cut short to the next."""
_let_others_go_first: Callable[[], None] = getattr(os, "sched_yield", lambda: None)
"""Others on this core that can run, such as a client that an answer woke. Windows has no such call."""


class Account:
    """What one app has used, shared by all isolates that the app has had."""

    __slots__ = ("cpu_ns", "number", "slices", "trust", "turns", "waiting")

    def __init__(self, number: int = 0) -> None:
        self.number = number
        """What stands in the scheduler's mark while one of the app's turns runs."""
        self.cpu_ns = 0
        """CPU time of all turns so far, in ns."""
        self.turns = 0
        """Turns begun."""
        self.slices = 0
        """Slices that ended in a suspension: preemptions."""
        self.trust = 0
        """How many turns in a row were short: ``SHORT_TURN_SLICES`` at most."""
        self.waiting: list[Runnable] = []
        """Isolates of this app that wait in the rotation: one, and older versions that drain."""

    @property
    def proven(self) -> bool:
        """Whether its turns have been short for so long that others are asked to wait for it."""
        return self.trust >= PROVEN_TURNS


class Mark(Protocol):
    """Where item 0 tells whose turn is running, for whoever looks once the process has crashed."""

    def __setitem__(self, index: int, number: int, /) -> None: ...


class Runnable(Protocol):
    """What the scheduler grants slices to."""

    @property
    def account(self) -> Account:
        """Of the app that it belongs to."""

    def run_slice(self, slice_ns: int) -> None:
        """Run for one slice of that many ns: resume the suspended turn or begin the next. Must not raise."""


class _Passes(trio.abc.Instrument):
    """Where Trio's passes begin and end. What it raises would be logged by Trio, and nobody granted anything again."""

    def __init__(self, scheduler: CpuScheduler) -> None:
        self._scheduler = scheduler
        self.failure: BaseException | None = None

    def after_io_wait(self, timeout: float) -> None:
        scheduler = self._scheduler
        scheduler._pass_begins()
        scheduler.pass_cpu_ns = scheduler.cpu_ns = time.thread_time_ns()

    def before_io_wait(self, timeout: float) -> None:
        scheduler = self._scheduler
        outside = scheduler._outside
        try:
            scheduler._grant()
            if outside is not None:
                for _ in range(_GRANTS_A_PASS - 1):
                    # The scheduler's own task can always run while it does not rest.
                    if scheduler.rests or not outside.idle(1):
                        break
                    scheduler._pass_begins()
                    scheduler._grant()
        except BaseException as failure:
            self.failure = failure


class CpuScheduler:
    """Grants slices of ``slice_ns`` fairly between apps. One a process; :meth:`run` is its task."""

    def __init__(self, slice_ms: float = 0.5, pass_budget_slices: float = 4, mark: Mark | None = None) -> None:
        self.mark: Mark = array("I", [0]) if mark is None else mark
        """``mark[0]`` is an account's number while the engine works for it, be it a turn or garbage; 0 otherwise."""
        self.slice_ns = int(slice_ms * 1e6)
        self._budget_ns = int(slice_ms * 1e6 * pass_budget_slices)
        self.used_ns = 0
        """CPU time of turns in this pass, in ns; isolates add to it."""
        self.in_turn = False
        """One runs at this moment: what is called from it must not begin another's."""
        self._expired = False
        """A turn that began where it was submitted has used up its slice in this pass."""
        self._proven_expired = False
        """And it was one of an app with a long record."""
        self.pass_cpu_ns = self.cpu_ns = time.thread_time_ns()
        """The thread's CPU time when Trio's pass began, and as it was last read, in ns."""
        self._spare_work: Callable[[], bool] | None = None
        self._turns_ran = False
        """Since there was spare time."""
        self._proven: deque[Runnable] = deque()
        self._promising: deque[Runnable] = deque()
        self._interrupted: deque[Runnable] = deque()
        self._beside: deque[Runnable] = deque()
        self._queues = (self._proven, self._promising, self._interrupted, self._beside)
        self._beside_next = False
        self._newcomers: deque[Account] = deque()
        self._suspended: deque[Account] = deque()
        self._newcomers_next = True
        self._work = trio.Event()
        self.runs = False
        """Slices are granted."""
        self.ends: set[Callable[[], None]] = set()
        """Called when no slices are granted any more, by which what was begun was to be ended."""
        self.ended_at_once = 1
        """So many are, then: each has a part of the time that it might have taken in slices."""
        self._outside: Outside | None = None
        self._uncut_ns = 0
        """CPU time that those in the middle of a long turn have had since the slice of one was cut short."""
        self.look_ns = NEVER
        """For how long the turn that runs now may go on without asking :meth:`is_called`."""

    def may_begin(self, account: Account) -> bool:
        """Whether a turn of that app may begin here and now, without waiting for a grant."""
        if self.in_turn or self.used_ns >= self._budget_ns:
            return False
        if self._expired or self._promising or self._newcomers:
            return account.proven and not self._proven_expired
        return True

    def expire(self, account: Account) -> None:
        """A turn of that app, which began where it was submitted, has used up its slice."""
        self._expired = True
        if account.proven:
            self._proven_expired = True

    def is_called(self) -> bool:
        """Whether the turn that runs now is to be suspended before its slice is used up: somebody has come."""
        if self.look_ns == NEVER or self._outside is None or self._outside.quiet():
            return False
        self._uncut_ns = 0
        return True

    def request(self, runnable: Runnable, *, suspended: bool, short: bool = False) -> None:
        """Ask for one call of ``runnable.run_slice()``.

        ``suspended``: it is in the middle of a turn; ``short``: of one that may still prove to be a short one.
        """
        account = runnable.account
        if suspended and account.proven:
            self._interrupted.append(runnable)
        elif account.trust and not suspended:
            (self._proven if account.proven else self._promising).append(runnable)
        else:
            account.waiting.append(runnable)
            if len(account.waiting) == 1:
                (self._suspended if suspended and not short else self._newcomers).append(account)
        self._work.set()

    def request_beside(self, runnable: Runnable) -> None:
        """Ask for one call of ``runnable.run_slice()`` beside the slices of those who compute: for what must not take
        longer the more of them there are. By turns with apps of a long record that were interrupted: these must not
        wait the longer the more of it there is."""
        self._beside.append(runnable)
        self._work.set()

    def when_spare(self, work: Callable[[], bool] | None) -> None:
        """Have ``work`` called where a pass ends in which no turn ran and none waits, until it returns False.

        It replaces what was to be called before. It must not raise, and is called again sooner than a pass is over.
        """
        self._spare_work = work
        self._work.set()

    def withdraw(self, runnable: Runnable) -> None:
        """Forget the requests of ``runnable``: it was closed."""
        for queue in self._queues:
            while runnable in queue:
                queue.remove(runnable)
        account = runnable.account
        while runnable in account.waiting:
            account.waiting.remove(runnable)
        if not account.waiting:
            for rotation in (self._newcomers, self._suspended):
                while account in rotation:
                    rotation.remove(account)

    @property
    def idle(self) -> bool:
        """Whether nothing waits for a slice."""
        return not (
            self._suspended or self._newcomers or self._proven or self._promising or self._interrupted or self._beside
        )

    def _can_wait(self) -> bool:
        """Whether none wait for a slice but those in the middle of a long turn."""
        return not (self._newcomers or any(self._queues))

    @property
    def rests(self) -> bool:
        """Whether nothing waits for a slice or for spare time."""
        return self._spare_work is None and self.idle

    @property
    def waiting(self) -> int:
        """How many isolates wait for a slice."""
        return sum(map(len, self._queues)) + sum(len(a.waiting) for r in (self._newcomers, self._suspended) for a in r)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Have slices granted until cancelled. Raises what a :class:`Runnable` raised, which is a bug."""
        passes = _Passes(self)
        runner = known_runner()
        self._outside = outside = None if runner is None else Outside(runner)
        trio.lowlevel.add_instrument(passes)
        self.runs = True
        task = trio.lowlevel.current_task()
        wakeful[task] = self._can_wait
        task_status.started()
        try:
            while passes.failure is None:
                if self.rests:
                    self._work = trio.Event()
                    await self._work.wait()
                await trio.lowlevel.checkpoint()
            raise passes.failure
        finally:
            del wakeful[task]
            trio.lowlevel.remove_instrument(passes)
            self.runs, self._outside = False, None
            self.ended_at_once = max(len(self.ends), 1)
            for end in list(self.ends):
                end()
            if outside is not None:
                outside.close()

    def _pass_begins(self) -> None:
        if self.used_ns:
            self._turns_ran = True
        self.used_ns = 0
        self._expired = self._proven_expired = False

    def _grant(self) -> None:
        if self.idle:
            if self._spare_work is not None and not self.used_ns:
                self._use_spare_time(self._spare_work)
            return
        until_ns = self.used_ns + self.slice_ns
        if self._proven:
            self._grant_first_slices(self._proven, until_ns)
        if self._promising:
            self._grant_first_slices(self._promising, until_ns)
        # These slices are their own: they must not keep others from beginning in this pass.
        used_ns = self.used_ns
        if self._interrupted or self._beside:
            self._grant_beside()
        self._grant_one_slice()
        self.used_ns = used_ns

    def _use_spare_time(self, work: Callable[[], bool]) -> None:
        if self._turns_ran:
            # What comes of it goes first.
            self._turns_ran = False
            _let_others_go_first()
        elif not work():
            self._spare_work = None

    def _grant_first_slices(self, queue: deque[Runnable], until_ns: int) -> None:
        # The more of them wait, the shorter the slice in which they must prove to be what they are known for.
        count = len(queue)
        slice_ns = max(min(self.slice_ns, 2 * self.slice_ns // max(count, 1)), self.slice_ns // 5)
        # Only those that wait now: a runnable that asks again while it runs waits for the next pass.
        for _ in range(count):
            if self.used_ns >= until_ns or not queue:
                break
            queue.popleft().run_slice(slice_ns)

    def _grant_beside(self) -> None:
        first, second = self._interrupted, self._beside
        if self._beside_next:
            first, second = second, first
        self._beside_next = not self._beside_next
        (first or second).popleft().run_slice(self.slice_ns)

    def _grant_one_slice(self) -> None:
        first, second = self._newcomers, self._suspended
        if not self._newcomers_next:
            first, second = second, first
        self._newcomers_next = not self._newcomers_next
        rotation = first or second
        if rotation:
            account = rotation.popleft()
            runnable = account.waiting.pop(0)
            if account.waiting:
                self._suspended.append(account)
            used_ns = self.used_ns
            if rotation is self._suspended and self._uncut_ns >= _SLICES_BETWEEN_CUTS * self.slice_ns:
                self.look_ns = _LOOK_NS
            runnable.run_slice(self.slice_ns)
            self.look_ns = NEVER
            if rotation is self._suspended:
                self._uncut_ns += self.used_ns - used_ns
