"""The pace of what the host does for one app, so that a burst of it makes no pass of the Trio loop long.

JavaScript is metered by the CPU scheduler; but an app may also start a thousand operations in one turn, or have a
thousand responses arrive at once, and Trio runs all that is ready in one pass. Such steps ask for their turn:
:meth:`Pace.turn` returns at once while this pass has used little CPU time, and otherwise in a later pass, in the order
of asking.
"""

from __future__ import annotations

import time
from collections import deque

import trio

from nano_trio.engine.scheduler import CpuScheduler

__all__ = ["Pace"]

_PASS_NS = 500_000
"""CPU time of a pass, of whatever is in it, after which no further step is taken."""
_MOST_STEPS = 4
"""Steps of one app in a pass: they use their time only after they were allowed."""
_MOST_PASSES = 8
"""After so many passes a step is taken however busy they are."""


class Pace:
    """Turns of one app's host work."""

    def __init__(self, scheduler: CpuScheduler) -> None:
        self.scheduler = scheduler
        self._waiting: deque[trio.Event] | None = None
        """None until somebody has to wait: a deque takes 760 bytes."""
        self._asking = 0
        self._pass = 0
        self._steps = 0

    def claim(self) -> bool:
        """Take a step here and now, where nobody waits and this pass has room."""
        return not self._asking and self._has_room()

    def _has_room(self) -> bool:
        began = self.scheduler.pass_cpu_ns
        if self._pass != began:
            self._pass = began
            self._steps = 0
        if self._steps >= _MOST_STEPS or time.thread_time_ns() - began >= _PASS_NS:
            return False
        self._steps += 1
        return True

    async def turn(self) -> None:
        """Wait until a step may be taken. A checkpoint only where it has to wait."""
        if self.claim():
            return
        if self._asking >= _MOST_STEPS:
            event = trio.Event()
            if self._waiting is None:
                self._waiting = deque()
            self._waiting.append(event)
            try:
                await event.wait()
            except BaseException:
                if event.is_set():
                    self._hand_over()
                else:
                    self._waiting.remove(event)
                raise
        else:
            self._asking += 1
        try:
            for _ in range(_MOST_PASSES):
                await trio.lowlevel.checkpoint()
                if self._has_room():
                    return
        finally:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._waiting:
            self._waiting.popleft().set()
        else:
            self._asking -= 1
