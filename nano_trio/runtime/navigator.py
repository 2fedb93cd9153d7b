"""What the platform calls itself: HTML's navigator object."""

from __future__ import annotations

from nano_trio import __version__
from nano_trio.runtime.host import Namespace, Services

__all__ = ["namespace"]

_USER_AGENT = "nano-trio/" + ".".join(__version__.split(".")[:2])


def namespace(services: Services) -> Namespace:
    return {"userAgent": lambda: _USER_AGENT}
