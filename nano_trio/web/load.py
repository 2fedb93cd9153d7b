"""How late the event loop is: one task that sleeps for a tenth of a second and looks how much longer it took.

A turn of JavaScript is suspended after half a millisecond, so what this shows is everything else: many short turns in
one pass, a host function that takes too long, a machine without a core for us.
"""

from __future__ import annotations

from bisect import bisect_left

import trio

__all__ = ["LAG_BUCKETS", "Load"]

LAG_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds in seconds; one more bucket holds what lies beyond."""

_INTERVAL_S = 0.1


class Load:
    """Measures; :meth:`run` is its task."""

    def __init__(self) -> None:
        self.lag_s = 0.0
        """How late the last look was, in seconds."""
        self.total_s = 0.0
        self.buckets = [0] * (len(LAG_BUCKETS) + 1)
        """Looks by how late they were; not cumulative."""

    async def run(self) -> None:
        """Look ten times a second until cancelled."""
        while True:
            due = trio.current_time() + _INTERVAL_S
            await trio.sleep_until(due)
            self.lag_s = lag = max(0.0, trio.current_time() - due)
            self.total_s += lag
            self.buckets[bisect_left(LAG_BUCKETS, lag)] += 1
