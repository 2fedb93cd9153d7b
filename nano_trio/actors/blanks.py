"""Isolates in store: with the platform's core, for apps that are not known yet.

Most of what the start of an app takes is the same for all apps. A few isolates are kept for which that is done; the
next app to start takes one over, with its own limits and its own host functions. The store is filled again in small
steps when the process has little else to do: starts come in bursts, and while one lasts the CPU belongs to the apps.
"""

from __future__ import annotations

import time
from collections import deque

import trio

from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.runtime.environment import Blank

__all__ = ["Blanks"]

_PAUSE_S = 0.0003
"""Between two steps, each of which takes about as long."""
_BUSY = 0.9
"""The share of a pause that others may have computed: above it the next step waits."""
_MOST_PAUSES = 200
"""However busy the process is, after so many a step is taken: a start from the store costs less in all."""


class Blanks:
    """At most ``size`` of them, some 0.25 MB each. :meth:`run` fills the store."""

    def __init__(self, scheduler: CpuScheduler, size: int = 4) -> None:
        self.size = size
        self._scheduler = scheduler
        self._ready: deque[Blank] = deque()
        self._wanted = trio.Event()
        self._filled = trio.Event()

    def __len__(self) -> int:
        return len(self._ready)

    def take(self) -> Blank:
        """One that is ready, or else one of which nothing is built yet."""
        self._wanted.set()
        return self._ready.popleft() if self._ready else Blank(self._scheduler)

    async def wait_full(self) -> None:
        """Wait until nothing is missing."""
        while len(self._ready) < self.size:
            self._filled = trio.Event()
            await self._filled.wait()

    async def run(self) -> None:
        """Keep the store full until cancelled, and let go of it then."""
        blank = Blank(self._scheduler)
        try:
            while True:
                if len(self._ready) >= self.size:
                    self._filled.set()
                    self._wanted = trio.Event()
                    await self._wanted.wait()
                await self._until_calm()
                blank.step()
                if blank.ready:
                    self._ready.append(blank)
                    blank = Blank(self._scheduler)
        finally:
            for each in (blank, *self._ready):
                each.close()
            self._ready.clear()

    async def _until_calm(self) -> None:
        for _ in range(_MOST_PAUSES):
            cpu, wall = time.thread_time(), time.perf_counter()
            await trio.sleep(_PAUSE_S)
            passed = time.perf_counter() - wall
            if self._scheduler.idle and time.thread_time() - cpu < _BUSY * passed:
                return
