"""Isolates in store: with the platform's core, for apps that are not known yet.

Most of what the start of an app takes is the same for all apps. A few isolates are kept for which that is done; the
next app to start takes one over, with its own limits and its own host functions. The store is filled again in small
steps where a pass of the loop ends in which no app had anything to compute, as there is between the requests of a few
clients, however fast they are. A request that comes meanwhile waits for the rest of one step. What else can wait is
done in such passes too, once the store is full.
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
        self._failure: Exception | None = None
        self._wanted = trio.Event()
        self._filled = trio.Event()

    def __len__(self) -> int:
        return len(self._ready)

    def take(self) -> Blank:
        """One that is ready, or else the one that is being built, however much of it there is."""
        self._wanted.set()
        if self._ready:
            return self._ready.popleft()
        taken, self._next = self._next, Blank(self._scheduler)
        return taken

    def later(self, work: Callable[[], None]) -> None:
        """Have ``work`` done, of less than a millisecond, after the next start when there is time; at the latest in the
        end. To be called in any thread, on behalf of an app that starts. It must not raise.
        """
        self._later.append(work)

    async def wait_full(self) -> None:
        """Wait until nothing is missing."""
        while len(self._ready) < self.size:
            self._filled = trio.Event()
            await self._filled.wait()

    async def run(self) -> None:
        """Keep the store full until cancelled, and let go of it then. Raises what building an isolate raised."""
        scheduler = self._scheduler
        try:
            while True:
                if len(self._ready) >= self.size:
                    self._filled.set()
                    if not self._later:
                        self._wanted = trio.Event()
                        await self._wanted.wait()
                steps, latest = self._steps, trio.current_time() + _BUSY_S
                scheduler.when_spare = self._step
                while self._steps == steps:
                    # A pass follows at once, and so does its end.
                    await trio.lowlevel.checkpoint()
                    if self._steps == steps and trio.current_time() >= latest:
                        scheduler.when_spare = None
                        self._step()
                if self._failure is not None:
                    raise self._failure
        finally:
            scheduler.when_spare = None
            self._failure = None
            for each in (self._next, *self._ready):
                each.close()
            self._ready.clear()
            self._next = Blank(self._scheduler)
            while self._later:
                self._later.popleft()()

    def _step(self) -> None:
        self._steps += 1
        if gc.isenabled() and gc.get_count()[0] > gc.get_threshold()[0] // 2:
            # Python's collector would look at the newest objects in one of the next starts: let it do so here.
            gc.collect(0)
            return
        if len(self._ready) >= self.size:
            if self._later:
                self._later.popleft()()
            return
        try:
            self._next.step()
        except Exception as failure:
            self._failure = failure
            return
        if self._next.ready:
            self._ready.append(self._next)
            self._next = Blank(self._scheduler)
