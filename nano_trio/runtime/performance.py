"""The clock: High Resolution Time, https://w3c.github.io/hr-time/"""

from __future__ import annotations

from math import floor

from nano_trio.runtime.host import Namespace, Services

__all__ = ["namespace"]


_STEPS_PER_MS = 128
"""Section 10.2, "coarsen time": the finest step allowed is 5 microseconds, the next that is a power of two is 7.8.
The difference of two such times is exact, so is what it makes with one of them: a measure ends when it was taken."""


def namespace(services: Services) -> Namespace:
    now_ms = services.now_ms

    def now() -> float:
        return floor(now_ms() * _STEPS_PER_MS) / _STEPS_PER_MS

    return {"now": now, "timeOrigin": services.time_origin_ms}
