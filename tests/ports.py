"""Ports that nobody has, for servers that must be told one."""

from __future__ import annotations

import itertools
import os
import random
import socket

__all__ = ["OURS", "free_port"]


def _ours() -> list[int]:
    """Those of this process, in any order, none twice: tests run in several processes at a time (pytest-xdist), of which
    none may choose what another has chosen and not yet used.
    """
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = list(range(10_000 + number, 30_000, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))))
    random.Random(os.getpid()).shuffle(ports)
    return ports


OURS = _ours()
"""The more processes, the fewer: of 64 each has 312."""
_candidates = itertools.cycle(OURS)


def free_port() -> int:
    """A port on which nothing listens, below those that the system gives to whoever asks for any.

    One of its own choice, closed again, may be given to a test beside before it is used.
    """
    while True:
        port = next(_candidates)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
