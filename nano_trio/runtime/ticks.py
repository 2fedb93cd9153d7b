"""The host half of ``ticks.js``."""

from __future__ import annotations

from nano_trio.runtime.host import Namespace, Services

__all__ = ["namespace"]


def namespace(services: Services) -> Namespace:
    return {"arrange": services.arrange_ticks}
