"""Randomness for the Crypto interface, from the operating system."""

from __future__ import annotations

import os

from nano_trio.runtime.host import Namespace, Services

__all__ = ["namespace"]


def _random_uuid() -> str:
    """A version 4 UUID (RFC 9562 section 5.4)."""
    random = bytearray(os.urandom(16))
    random[6] = random[6] & 0x0F | 0x40
    random[8] = random[8] & 0x3F | 0x80
    text = random.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def namespace(services: Services) -> Namespace:
    return {"random": os.urandom, "uuid": _random_uuid}
