"""What both ends of a WebSocket have in common: RFC 6455, and RFC 7692 for compression."""

from __future__ import annotations

import base64
import hashlib

__all__ = ["EMPTY_BLOCK", "accept_of"]

EMPTY_BLOCK = b"\x00\x00\xff\xff"
"""How each compressed message would end, which is not sent: RFC 7692 section 7.2.1."""
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_of(key: bytes) -> bytes:
    """The ``Sec-WebSocket-Accept`` that answers a ``Sec-WebSocket-Key``: RFC 6455 section 4.2.2."""
    return base64.b64encode(hashlib.sha1(key + _GUID).digest())
