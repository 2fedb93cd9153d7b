"""Timers: each is a number that the host hands back to the entry ``timer`` when it is due.

Theory of operation. An environment has one heap of timers, and one task that sleeps until the first is due. A timer
that is cleared stays in the heap until it comes to the front, or until most of the heap is such: then the task sweeps
it, and nothing fires until that is done. An app may clear a hundred thousand at a time, so both go a few a pass of the
loop.
"""

from __future__ import annotations

import heapq
import weakref
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import trio

from nano_trio.engine.turn import StopReason, Turn
from nano_trio.runtime.host import Namespace, Services

if TYPE_CHECKING:
    from nano_trio.runtime.dispatch import AppHost
    from nano_trio.runtime.environment import Environment

__all__ = ["Timers", "namespace"]

_TIDIED_AT_ONCE = 200
"""Timers that were cleared, of which the heap is rid between two passes of the loop: a tenth of a millisecond's."""


class Timers(ABC):
    """The timers of an environment: a part of its host, of which there is one for each isolate."""

    app: AppHost
    nursery: trio.Nursery | None
    _environment: weakref.ref[Environment]
    unswept: list[tuple[float, int, int]] | None = None
    """What was the heap until most of it was cleared."""

    def __init__(self) -> None:
        self.timers: list[tuple[float, int, int]] = []
        """When each is due, its number in the order of setting, and its own."""
        self.timer_generation: dict[int, int] = {}
        """Those that are set, with the number of the entry that counts."""
        self.timer_causes: dict[int, Any] = {}
        self.timers_run = False
        """Whether there is the task."""
        self.timers_changed: trio.Event | None = None
        """What the task waits for; None until there is one."""
        self._sequence = 0
        self._fired_until = 0.0
        self._firing: tuple[int, int] | None = None
        """The timer whose turn runs or waits, and its entry's number."""

    @property
    @abstractmethod
    def cause(self) -> Any:
        """See :class:`nano_trio.runtime.host.Services`."""

    @abstractmethod
    def operation_ended(self) -> None:
        """Nothing more may be pending."""

    @abstractmethod
    def _ask_for_nursery(self) -> None:
        """There is something to run."""

    def set_timer(self, timer: int, delay_ms: float) -> None:
        self._sequence += 1
        self.timer_generation[timer] = self._sequence
        cause = self.cause
        if cause is not None:
            self.timer_causes[timer] = cause
            self.app.keep(cause)
        due = trio.current_time() + delay_ms / 1e3
        heapq.heappush(self.timers, (due, self._sequence, timer))
        if self.timers[0][1] == self._sequence:
            self._wake_timers()
        if self.nursery is None:
            self._ask_for_nursery()
        elif not self.timers_run:
            self.start_timers()

    def clear_timer(self, timer: int) -> None:
        self.timer_causes.pop(timer, None)
        if self.timer_generation.pop(timer, None) is not None:
            # Cleared entries stay in the heap until they are due; sweep when they are the most of it.
            if len(self.timers) > 64 and len(self.timers) > 2 * len(self.timer_generation):
                self._sweep()
            if not self.timer_generation:
                self.operation_ended()

    def _sweep(self) -> None:
        """Have the heap rid of those that were cleared: at once where they are few, else by the task."""
        if len(self.timers) <= _TIDIED_AT_ONCE:
            self.timers = [entry for entry in self.timers if self._is_set(entry)]
            heapq.heapify(self.timers)
        elif self.unswept is None:
            self.unswept, self.timers = self.timers, []
            self._wake_timers()

    def _is_set(self, entry: tuple[float, int, int]) -> bool:
        return self.timer_generation.get(entry[2]) == entry[1]

    async def _tidy(self) -> None:
        """Sweep, and drop those in front that were cleared: an app may have cleared a hundred thousand."""
        done = 0
        while True:
            if self.unswept:
                entry = self.unswept.pop()
                if self._is_set(entry):
                    heapq.heappush(self.timers, entry)
            elif self.timers and not self._is_set(self.timers[0]):
                heapq.heappop(self.timers)
            else:
                self.unswept = None
                return
            done += 1
            if done % _TIDIED_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()

    def start_timers(self) -> None:
        assert self.nursery is not None
        self.timers_run = True
        self.nursery.start_soon(self._run_timers)

    async def _run_timers(self) -> None:
        while True:
            changed = self.timers_changed = trio.Event()
            await self._tidy()
            with trio.CancelScope() as scope:
                if self.timers and self._firing is None:
                    scope.deadline = self.timers[0][0]
                await changed.wait()
            if self._firing is None:
                self._fired_until = trio.current_time()
                self._fire()

    def _fire(self) -> None:
        """Submit the turn of the first timer that is due. Its end submits the next: turns that wait are larger than
        timers, and an app may have a hundred thousand that are due at once."""
        environment = self._environment()
        for _ in range(_TIDIED_AT_ONCE):
            if self.unswept is not None or not self.timers or self.timers[0][0] > self._fired_until:
                break
            _, sequence, timer = entry = heapq.heappop(self.timers)
            if environment is not None and self._is_set(entry):
                self._firing = timer, sequence
                environment.enter("timer", timer, on_end=self._fired, cause=self.timer_causes.get(timer))
                return
        self._wake_timers()

    def _wake_timers(self) -> None:
        if self.timers_changed is not None:
            self.timers_changed.set()

    def _fired(self, turn: Turn) -> None:
        assert self._firing is not None
        timer, sequence = self._firing
        # An interval has set itself anew by now; a timer that only ended stops being pending after its turn.
        if self.timer_generation.get(timer) == sequence:
            del self.timer_generation[timer]
            self.timer_causes.pop(timer, None)
        if turn.stopped is not StopReason.DISCARDED:
            self._firing = None
            self._fire()


def namespace(services: Services) -> Namespace:
    return {"set": services.set_timer, "clear": services.clear_timer}
