"""A load generator for machines without wrk: ``python -m bench.client PORT CONNECTIONS SECONDS [REQUESTS]``.

One thread, non-blocking sockets, one request in flight on each. Prints what wrk.lua prints. Understands answers with a
Content-Length, and 204, only. ``REQUESTS`` is a file of requests (see load.py).
"""

from __future__ import annotations

import gc
import itertools
import json
import re
import selectors
import socket
import sys
import time
from pathlib import Path

SHARES = (0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 1)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class _Connection:
    __slots__ = ("buffer", "need", "sent_at", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.buffer = b""
        self.need = 0
        self.sent_at = 0


def main() -> None:
    port, connections, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    lines = Path(sys.argv[4]).read_text().splitlines() if len(sys.argv) > 4 else ["GET /"]
    requests = itertools.cycle([_request(line, port) for line in lines])
    gc.disable()
    selector = selectors.DefaultSelector()
    clock = time.perf_counter_ns
    times: list[int] = []
    errors = 0
    started = clock()
    end = started + int(seconds * 1e9)
    for _ in range(connections):
        connection = _Connection(port)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.sent_at = clock()
        connection.socket.send(next(requests))
    while clock() < end:
        for key, _ in selector.select(0.1):
            connection = key.data
            data = connection.socket.recv(65536)
            if not data:
                errors += 1
                selector.unregister(connection.socket)
                continue
            connection.buffer += data
            if not connection.need:
                at = connection.buffer.find(b"\r\n\r\n")
                if at < 0:
                    continue
                found = _LENGTH.search(connection.buffer, 0, at + 2)
                if found is None and connection.buffer[9:12] != b"204":
                    raise SystemExit("an answer without Content-Length")
                connection.need = at + 4 + (int(found[1]) if found else 0)
            if len(connection.buffer) < connection.need:
                continue
            now = clock()
            times.append(now - connection.sent_at)
            errors += connection.buffer[9:10] not in b"23"
            connection.buffer, connection.need = b"", 0
            connection.sent_at = now
            connection.socket.send(next(requests))
    us = (clock() - started) // 1000
    times.sort()
    quantiles = [(share, times[min(len(times) - 1, int(len(times) * share))] // 1000) for share in SHARES if times]
    at = dict(quantiles) if times else dict.fromkeys(SHARES, 0)
    seen = {"requests": len(times), "us": us, "p50": at[0.5], "p99": at[0.99], "max": at[1], "errors": errors}
    print(f"RESULT {json.dumps({**seen, 'quantiles': quantiles})}")


def _request(line: str, port: int) -> bytes:
    """The bytes of a request from its line: ``METHOD PATH`` and perhaps a JSON body."""
    method, path, *rest = line.split(" ", 2)
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    if not rest:
        return f"{head}\r\n".encode()
    body = rest[0].encode()
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


if __name__ == "__main__":
    main()
