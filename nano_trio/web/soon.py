"""What is to be done soon: after what runs now, in passes short enough that nobody waits for all of it.

A turn of one app may have something to send on ten thousand connections. It only notes which (:meth:`Soon.add`, some
100 ns); one task then works through them, for at most ``_PASS`` seconds between two passes of the Trio loop.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Protocol

import structlog
import trio

__all__ = ["Soon", "Worker"]

log = structlog.get_logger("nano_trio.web")

_PASS = 0.002


class Worker(Protocol):
    """What :class:`Soon` calls."""

    def work(self) -> None:
        """Do it. Never blocks."""

    def abort(self) -> None:
        """It failed: close at once."""


class Soon:
    """A queue of workers, and the task that calls each once for every time it was added, in order."""

    def __init__(self) -> None:
        self._workers: deque[Worker] = deque()
        self._parked: trio.lowlevel.Task | None = None

    def add(self, worker: Worker) -> None:
        """Have ``worker.work()`` called. May be called inside turns; never calls it at once."""
        self._workers.append(worker)
        if self._parked is not None:
            trio.lowlevel.reschedule(self._parked)
            self._parked = None

    async def run(self) -> None:
        """Work for ever."""
        workers = self._workers
        clock = time.perf_counter
        worker: Worker | None
        while True:
            worker = None  # what is over is held by nobody who waits
            if workers:
                await trio.lowlevel.checkpoint()
            else:
                self._parked = trio.lowlevel.current_task()
                await trio.lowlevel.wait_task_rescheduled(self._give_up)
            end = clock() + _PASS
            while workers:
                worker = workers.popleft()
                try:
                    worker.work()
                except Exception:
                    log.exception("a connection failed")
                    worker.abort()
                if clock() > end:
                    break

    def _give_up(self, _: object) -> trio.lowlevel.Abort:
        self._parked = None
        return trio.lowlevel.Abort.SUCCEEDED
