"""A quiet app and apps that compute for ever, on one server: what `neighbour` and `kinds` share."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import servers
from bench.servers import HANDLERS, Server

__all__ = ["connect", "spin", "start_crowd"]


def start_crowd(
    hogs: int,
    handler: str = "hog",
    *,
    timeout_ms: float = 600_000,
    limits: Mapping[str, float] | None = None,
    **keys: Any,
) -> Server:
    """nano-trio with the app ``quiet``, which also answers for unknown hosts, and ``hog0``, ``hog1`` … of a handler.

    ``limits``: further ones of all apps; ``keys``: of the configuration.
    """
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        hog = str(HANDLERS / f"{handler}.js")
        apps: list[dict[str, Any]] = [
            {"name": "quiet", "path": str(HANDLERS / "hello.js"), "preload": True, "default": True}
        ]
        apps += [{"name": f"hog{number}", "path": hog} for number in range(hogs)]
        defaults = {"timeout_ms": timeout_ms, "request_timeout_ms": 600_000, **(limits or {})}
        config = servers.nano_config(folder, apps, defaults=defaults, **keys)
        return servers.start_nano(["--config", str(config)])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def connect(server: Server, count: int) -> list[socket.socket]:
    """New connections to the server."""
    return [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(count)]


def spin(connection: socket.socket, number: int) -> None:
    """Send hog ``number`` a request that is never answered. It computes until its time limit, or the server's end."""
    connection.sendall(f"GET /spin HTTP/1.1\r\nHost: hog{number}\r\n\r\n".encode())
