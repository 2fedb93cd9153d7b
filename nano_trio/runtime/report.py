"""Uncaught exceptions: HTML's "report an exception" ends in the app's log."""

from __future__ import annotations

from nano_trio.runtime.host import Namespace, Services

__all__ = ["namespace"]


def namespace(services: Services) -> Namespace:
    return {"exception": services.exception}
