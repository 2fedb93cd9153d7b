"""What a run counts, and what it holds to be a problem."""

from __future__ import annotations

import gc
import statistics
from collections import Counter
from typing import Any

import attrs
import greenlet
import psutil

from nano_trio.engine.isolate import Isolate, StopReason

__all__ = ["Tally", "alive"]

_MB = 1 << 20


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
    rss: list[int] = attrs.Factory(list)
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

    def sample(self) -> None:
        """Note the process's memory."""
        self.rss.append(psutil.Process().memory_info().rss)

    def growth(self) -> float:
        """Median memory of the last third minus that of the second third, in MB."""
        third = len(self.rss) // 3
        if third == 0:
            return 0
        return (statistics.median(self.rss[2 * third :]) - statistics.median(self.rss[third : 2 * third])) / _MB

    def finish(self) -> None:
        """Judge what only the end shows."""
        growth, level = self.growth(), statistics.median(self.rss) / _MB if self.rss else 0
        if self.seconds >= 60 and growth > max(16, level / 10):
            self.problem(f"memory grows: {growth:.1f} MB from the second to the last third, at {level:.0f} MB")

    def as_json(self) -> dict[str, Any]:
        """For the parent."""
        numbers = attrs.asdict(self)
        del numbers["rss"]
        return {**numbers, "outcomes": dict(self.outcomes), "growth_mb": round(self.growth(), 1)}
