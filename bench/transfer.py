"""One large transfer, by a raw socket in a process of its own: ``python -m bench.transfer down|up PORT BYTES``.

Prints one line of JSON: ``bytes`` of content that went over the wire and ``seconds`` from the request to the last byte
of the answer. ``down`` reads GET /?bytes=N (chunked or with a Content-Length); ``up`` posts N bytes.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench import machine

__all__ = ["running", "transfer"]

BLOCK = 1 << 20


def running(way: str, port: int, size: int) -> subprocess.Popen[str]:
    """Start a transfer; its output is what :func:`transfer` returns."""
    return subprocess.Popen(
        machine.pinned([sys.executable, "-m", "bench.transfer", way, str(port), str(size)], server=False),
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )


def transfer(way: str, port: int, size: int, *, timeout: float = 300) -> dict[str, Any]:
    """Transfer ``size`` bytes and wait for the end."""
    process = running(way, port, size)
    out, _ = process.communicate(timeout=timeout)
    result: dict[str, Any] = json.loads(out)
    return result


def _head(connection: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            raise SystemExit("the connection ended within the head")
        data += part
    head, _, rest = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"answer: {head[:100]!r}")
    return head.lower(), rest


def _down(connection: socket.socket, size: int) -> int:
    connection.sendall(f"GET /?bytes={size} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
    head, rest = _head(connection)
    buffer = bytearray(BLOCK)
    received, tail = len(rest), rest[-7:]
    chunked = b"transfer-encoding: chunked" in head
    length = None if chunked else int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
    while (received < length) if length is not None else not tail.endswith(b"\r\n0\r\n\r\n"):
        count = connection.recv_into(buffer)
        if not count:
            raise SystemExit(f"the answer ended after {received} bytes")
        received += count
        tail = (tail + bytes(buffer[max(0, count - 7) : count]))[-7:]
    return received


def _up(connection: socket.socket, size: int) -> int:
    connection.sendall(f"POST / HTTP/1.1\r\nHost: bench\r\nContent-Length: {size}\r\n\r\n".encode())
    block = memoryview(b"a" * BLOCK)
    left = size
    while left:
        count = min(left, BLOCK)
        connection.sendall(block[:count])
        left -= count
    connection.settimeout(60)
    _, rest = _head(connection)
    return size if str(size).encode() in rest or not rest else 0


def main() -> None:
    way, port, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    start = time.perf_counter()
    done = (_down if way == "down" else _up)(connection, size)
    print(json.dumps({"bytes": done, "seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    main()
