"""Connections that end with a reset: who is at the other end must not take what came for the whole."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Protocol

__all__ = ["reset_at_close"]

_AT_ONCE = struct.pack("ii", 1, 0)
"""``struct linger``: on, for no seconds."""


class _Socket(Protocol):
    def setsockopt(self, level: int, option: int, value: bytes, /) -> None: ...


def reset_at_close(sock: _Socket) -> None:
    """Have the closing of the socket be a reset, which throws away what the kernel has yet to send. Never raises."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
