"""What a run counts, and what it holds to be a problem."""

from __future__ import annotations

import ctypes
import gc
import statistics
from collections import Counter
from typing import Any

import attrs
import greenlet
import psutil

from nano_trio.engine import allocator
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.turn import StopReason
from tests.stress.restless import living_heaps

__all__ = ["Tally", "alive"]

_MB = 1 << 20
_MOST_GROWTH_MB = 8
_libc = ctypes.CDLL(None)


def alive() -> tuple[int, int]:
    """How many greenlets and isolates there are."""
    gc.collect()
    objects = gc.get_objects()
    greenlets = sum(isinstance(o, greenlet.greenlet) for o in objects)
    return greenlets, sum(isinstance(o, Isolate) for o in objects)


@attrs.define
class Tally:
    """The summary's numbers."""

    seed: int
    kind: str
    turns: int = 0
    """Turns that ran to their end and whose outcome was compared."""
    suspensions: int = 0
    isolates: int = 0
    cancellations: int = 0
    """Turns stopped from outside, in their middle."""
    closed_in_turn: int = 0
    cpu_stops: int = 0
    memory_stops: int = 0
    wrong: int = 0
    problems: list[str] = attrs.Factory(list)
    beside_heaps: list[int] = attrs.Factory(list)
    """Resident memory that is no living isolate's heap, by samples, with what the allocator keeps given back."""
    rss_start: int = 0
    rss_end: int = 0
    seconds: float = 0
    beyond_mb: float = 0
    of_room: float = 0
    outcomes: Counter[str] = attrs.Factory(Counter)

    def problem(self, text: str) -> None:
        """Something that must not be."""
        if len(self.problems) < 50:
            self.problems.append(text[:2000])

    def compare(self, what: str, expected: Any, got: Any) -> None:
        """Compare an outcome with the one that was computed a second way."""
        if expected != got:
            self.wrong += 1
            self.problem(f"wrong result of {what}:\n  expected {str(expected)[:600]}\n  got      {str(got)[:600]}")

    def stopped(self, reason: StopReason) -> None:
        """Count a turn's stop."""
        if reason is StopReason.CPU:
            self.cpu_stops += 1
        elif reason is StopReason.MEMORY:
            self.memory_stops += 1
        elif reason is StopReason.CANCELLED:
            self.cancellations += 1

    def sample(self) -> int:
        """Note the process's memory; returns it."""
        allocator.trim()
        trim = getattr(_libc, "malloc_trim", None)
        if trim is not None:
            trim(0)
        resident: int = psutil.Process().memory_info().rss
        self.beside_heaps.append(resident - living_heaps())
        return resident

    def growth(self) -> float:
        """Median memory beside the heaps of the last third minus that of the second third, in MB."""
        samples, third = self.beside_heaps, len(self.beside_heaps) // 3
        if third == 0:
            return 0
        return (statistics.median(samples[2 * third :]) - statistics.median(samples[third : 2 * third])) / _MB

    def finish(self) -> None:
        """Judge what only the end shows."""
        growth = self.growth()
        if self.seconds >= 60 and growth > _MOST_GROWTH_MB:
            levels = [round(sample / _MB) for sample in self.beside_heaps]
            self.problem(f"memory grows: {growth:.1f} MB from the second to the last third: {levels}")

    def as_json(self) -> dict[str, Any]:
        """For the parent."""
        numbers = attrs.asdict(self)
        del numbers["beside_heaps"]
        return {**numbers, "outcomes": dict(self.outcomes), "growth_mb": round(self.growth(), 1)}
