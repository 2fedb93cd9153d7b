"""The clock: High Resolution Time, https://w3c.github.io/hr-time/"""

from __future__ import annotations

from math import floor

from nano_trio.runtime.host import Namespace, Services

__all__ = ["namespace"]


_STEPS_PER_MS = 200
"""Section 10.2, "coarsen time": 5 microseconds, the finest step it allows."""


def namespace(services: Services) -> Namespace:
    now_ms = services.now_ms

    def now() -> float:
        return floor(now_ms() * _STEPS_PER_MS) / _STEPS_PER_MS

    return {"now": now, "timeOrigin": services.time_origin_ms}
