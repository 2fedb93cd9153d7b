"""The host half of ``async_context.js``: whether the engine keeps what is current."""

from __future__ import annotations

from nano_trio.engine import awaits
from nano_trio.runtime.host import Namespace, Services
from nano_trio.runtime.platform import builtins_source

__all__ = ["namespace"]


def namespace(services: Services) -> Namespace:
    return {"isKept": lambda: awaits.kept(builtins_source())}
