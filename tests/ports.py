"""Ports that nobody has, for servers that must be told one."""

from __future__ import annotations

import os
import random
import socket

__all__ = ["free_port"]

_chance = random.Random(os.getpid())


def free_port() -> int:
    """A port on which nothing listens, below those that the system gives to whoever asks for any.

    One of its own choice, closed again, may be given to a test beside before it is used.
    """
    while True:
        port = _chance.randrange(10_000, 30_000)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
