"""Isolates in store: with the platform's core, for apps that are not known yet.

Most of what the start of an app takes is the same for all apps. A few isolates are kept for which that is done; the
next app to start takes one over, with its own limits and its own host functions. The store is filled again in small
steps, in the scheduler's spare time: where no app has anything to compute, as there is between the requests of a few
clients, however fast they are. A request that comes meanwhile waits for the rest of one step. What else can wait is
done then too, once the store is full.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable

import trio

from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.runtime.environment import Blank

__all__ = ["Blanks"]

_BUSY_S = 0.2
"""However busy the process is, after so many seconds a step is taken: a start from the store costs less in all."""
_MOMENT_S, _STARTS_S = 0.05, 2.0
"""When no app has been started for so long, starts are over; for how long at most they are waited for."""
_LOOKS = 2
"""Of Python's collector at the newest objects, after which what outlived them is looked at once more."""


class Blanks:
    """At most ``size`` of them, some 0.25 MB each. :meth:`run` fills the store."""

    def __init__(self, scheduler: CpuScheduler, size: int = 4) -> None:
        self.size = size
        self._scheduler = scheduler
        self._ready: deque[Blank] = deque()
        self._next = Blank(scheduler)
        """The one that is being built."""
        self._later: deque[Callable[[], None]] = deque()
        self._steps = 0
        """How many were taken."""
        self._taken = 0
        """How many isolates were."""
        self._failure: Exception | None = None
        self._runs = False
        self._wanted = trio.Event()
        self._filled = trio.Event()

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def _missing(self) -> bool:
        """Whether there is something to do."""
        return len(self._ready) < self.size or bool(self._later)

    def take(self) -> Blank:
        """One that is ready, or else the one that is being built, however much of it there is."""
        self._taken += 1
        if self._runs:
            self._wanted.set()
            # Not by the task: where one app starts after the other, it need not wake for each.
            self._scheduler.when_spare(self._step)
        if self._ready:
            return self._ready.popleft()
        taken, self._next = self._next, Blank(self._scheduler)
        return taken

    def later(self, work: Callable[[], None]) -> None:
        """Have ``work`` done, of less than a millisecond, after the next start when there is time; at the latest in the
        end. To be called in any thread, on behalf of an app that starts. It must not raise.
        """
        self._later.append(work)

    async def after_starts(self) -> None:
        """Wait until no app has been started for a moment, but two seconds at most: for what each of them would wait
        for again and again, as it needs the interpreter or the disk."""
        taken = -1
        with trio.move_on_after(_STARTS_S):
            while taken != self._taken:
                taken = self._taken
                await trio.sleep(_MOMENT_S)

    async def wait_full(self) -> None:
        """Wait until nothing is missing."""
        while len(self._ready) < self.size:
            self._filled = trio.Event()
            await self._filled.wait()

    async def run(self) -> None:
        """Keep the store full until cancelled, and let go of it then. Raises what building an isolate raised."""
        scheduler = self._scheduler
        self._runs = True
        try:
            while True:
                steps = self._steps
                scheduler.when_spare(self._step)
                await trio.sleep(_BUSY_S)
                if self._steps == steps and self._missing:
                    self._step()
                if self._failure is not None:
                    raise self._failure
                if not self._missing:
                    self._wanted = trio.Event()
                    await self._wanted.wait()
        finally:
            self._runs = False
            scheduler.when_spare(None)
            self._failure = None
            for each in (self._next, *self._ready):
                each.close()
            self._ready.clear()
            self._next = Blank(self._scheduler)
            while self._later:
                self._later.popleft()()

    def _step(self) -> bool:
        """Do some of what is to be done; whether more is left."""
        self._steps += 1
        newest, looks, _ = gc.get_count()
        if gc.isenabled() and newest > gc.get_threshold()[0] // 4:
            # Python's collector would look at the newest objects in one of the next starts: let it do so here, at few
            # enough to go with what is built. And at what has outlived such looks: by itself it does that only after
            # one of its own, and where most are ours that would be at what hundreds of starts have left, for 10 ms.
            gc.collect(1 if looks >= _LOOKS else 0)
        if len(self._ready) < self.size:
            try:
                self._build()
            except Exception as failure:
                self._failure = failure
        elif self._later:
            self._later.popleft()()
        if len(self._ready) >= self.size:
            self._filled.set()
        return self._failure is None and self._missing

    def _build(self) -> None:
        self._next.step()
        if self._next.ready:
            self._ready.append(self._next)
            self._next = Blank(self._scheduler)
