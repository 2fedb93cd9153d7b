"""Timers: each is a number that the host hands back to the entry ``timer`` when it is due."""

from __future__ import annotations

from nano_trio.runtime.host import Namespace, Services

__all__ = ["namespace"]


def namespace(services: Services) -> Namespace:
    return {"set": services.set_timer, "clear": services.clear_timer}
