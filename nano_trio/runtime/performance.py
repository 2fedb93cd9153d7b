"""The clock: High Resolution Time, https://w3c.github.io/hr-time/"""

from __future__ import annotations

from nano_trio.runtime.host import Namespace, Services

__all__ = ["namespace"]


def namespace(services: Services) -> Namespace:
    return {"now": services.now_ms, "timeOrigin": services.time_origin_ms}
