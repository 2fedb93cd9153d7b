"""What the clients saw: counts, faults, and which faults a killed worker excuses."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import attrs
import trio

__all__ = ["Gate", "Kill", "Ledger"]


@attrs.frozen
class Kill:
    """A worker that was killed: dead for certain from ``dead`` on, alive for certain until ``begun``."""

    begun: float
    dead: float


class Gate:
    """Clients act behind it, and can be paused."""

    def __init__(self) -> None:
        self._busy = 0
        self._open = trio.Event()
        self._open.set()
        self._idle = trio.Event()

    @asynccontextmanager
    async def acting(self) -> AsyncIterator[None]:
        """Around whatever a client asks: waits while everything pauses."""
        while not self._open.is_set():
            await self._open.wait()
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Nobody asks anything in here, and everything that was asked is answered."""
        self._open = trio.Event()
        try:
            while self._busy:
                self._idle = trio.Event()
                await self._idle.wait()
            yield
        finally:
            self._open.set()


class Ledger:
    """Times are those of ``time.monotonic``."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.say: Callable[[str], None] = lambda text: None
        """Told of each problem as it comes."""
        self.kills: list[Kill] = []
        self.killing: float | None = None
        """Since when a worker is being killed."""
        self.excused: Counter[str] = Counter()
        """Requests that were on a connection of a worker when it was killed, by kind."""
        self.counts: Counter[tuple[str, int]] = Counter()
        """Answers of healthy apps since the last quiet start of a worker, by app and class of status."""
        self.totals: Counter[str] = Counter()
        """Everything that was done, by kind."""
        self.sent: Counter[str] = Counter()
        """WebSocket messages sent to each app since the last quiet start."""
        self.exact = True
        """Whether the counts began with the worker's life."""
        self.healthy = Gate()
        """Whatever is asked of healthy apps goes through it."""
        self.others = Gate()
        """And whatever is asked of others."""

    def problem(self, text: str) -> None:
        if len(self.problems) < 200:
            self.problems.append(text)
            self.say(f"PROBLEM {text}")

    def answered(self, app: str, status: int) -> None:
        self.counts[app, status // 100] += 1

    def broken(self, kind: str, opened: float, what: str) -> None:
        """A connection broke that was opened (at the earliest) at ``opened``: a problem, unless its worker was killed."""
        if any(kill.dead >= opened for kill in self.kills) or self.killing is not None:
            self.excused[kind] += 1
        else:
            self.problem(f"{kind}: {what}")

    def begin_anew(self) -> None:
        """A worker begins its life while nobody asks."""
        self.counts.clear()
        self.sent.clear()
        self.exact = True

    def now(self) -> float:
        return time.monotonic()
