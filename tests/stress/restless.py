"""Isolates that are suspended at random points, and that say in the ledger when they run."""

from __future__ import annotations

import math
from random import Random
from time import perf_counter_ns

from nano_trio.engine.isolate import Isolate
from nano_trio.engine.polling import ENGINE_INTERVAL
from nano_trio.engine.scheduler import Account, CpuScheduler
from nano_trio.engine.turn import Limits, StopReason, Turn
from tests.stress.ledger import Ledger

__all__ = ["Peak", "RestlessIsolate", "living_heaps"]

_living: set[RestlessIsolate] = set()


def living_heaps() -> int:
    """Bytes in the heaps of all isolates that are open."""
    return sum(isolate.heap_bytes for isolate in _living)


class Peak:
    """How far heaps got beyond their limit, as polls saw it, before anything was collected."""

    def __init__(self) -> None:
        self.beyond = 0
        """Bytes above the limit, the most of all."""
        self.of_room = 0.0
        """The most of the room between our limit and the engine's that was used: 1 is the engine's limit."""


class RestlessIsolate(Isolate):
    """An isolate with slices of random length (1 µs to 0.5 ms) and polls after a random number of branches and calls.

    ``fine`` draws short ones: suspensions every few branches.
    """

    def __init__(
        self,
        scheduler: CpuScheduler,
        account: Account | None,
        limits: Limits,
        rng: Random,
        ledger: Ledger,
        slot: int,
        peak: Peak,
    ) -> None:
        super().__init__(scheduler, account, limits)
        self._rng, self._ledger, self._slot = rng, ledger, slot
        fine = rng.random() < 0.2
        turnstile, memory = self._turnstile, limits.memory_bytes
        room = limits.hard_memory_bytes - memory
        most_branches = math.log(200 if fine else ENGINE_INTERVAL)
        self._slice_range = (math.log(1e3), math.log(2e4 if fine else 5e5))
        poll, counter, exp, uniform = turnstile.on_interrupt, turnstile.counter, math.exp, rng.uniform
        left = 0

        def restless() -> bool:
            nonlocal left
            heap = turnstile.heap
            if heap is not None and heap.value > memory:
                beyond = heap.value - memory
                peak.beyond = max(peak.beyond, beyond)
                peak.of_room = max(peak.of_room, beyond / room)
            if left <= 0:
                stop = poll()
                left = counter.value if counter is not None else 0
            else:
                # A poll between those that the isolate asked for, of which its measuring of time must not know.
                stop = turnstile.look() if perf_counter_ns() >= turnstile.slice_ends else turnstile.stop is not None
            if counter is not None:
                piece = max(min(left, int(exp(uniform(0, most_branches)))), 1)
                left -= piece
                counter.value = piece
            return stop

        self.runtime.set_interrupt_handler(restless)
        _living.add(self)

    @property
    def heap_bytes(self) -> int:
        """The heap's size, read without asking the engine: also in the middle of a turn."""
        heap = self._turnstile.heap
        return 0 if heap is None else int(heap.value)

    def submit(self, turn: Turn) -> None:
        before = self._enter()
        super().submit(turn)
        self._ledger.leave(before)

    def run_slice(self, slice_ns: int) -> None:
        before = self._enter()
        super().run_slice(self._slice_ns)
        self._ledger.leave(before)

    def stop(self, reason: StopReason = StopReason.CANCELLED) -> None:
        before = self._enter()
        super().stop(reason)
        self._ledger.leave(before)

    def close(self) -> None:
        before = self._enter()
        super().close()
        _living.discard(self)
        self._ledger.leave(before)

    def _enter(self) -> int:
        self._slice_ns = int(math.exp(self._rng.uniform(*self._slice_range)))
        return self._ledger.enter(self._slot)
