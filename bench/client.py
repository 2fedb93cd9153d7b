"""A load generator for machines without wrk: ``python -m bench.client PORT CONNECTIONS SECONDS [BODY_FILE]``.

One thread, non-blocking sockets, one request in flight on each. Prints what wrk.lua prints. Understands answers with a
Content-Length only.
"""

from __future__ import annotations

import gc
import re
import selectors
import socket
import sys
import time
from pathlib import Path

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
    head = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    if len(sys.argv) > 4:
        body = Path(sys.argv[4]).read_bytes()
        head = (
            f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body
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
        connection.socket.send(head)
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
                if found is None:
                    raise SystemExit("an answer without Content-Length")
                connection.need = at + 4 + int(found[1])
            if len(connection.buffer) < connection.need:
                continue
            now = clock()
            times.append(now - connection.sent_at)
            errors += connection.buffer[9:10] not in b"23"
            connection.buffer, connection.need = b"", 0
            connection.sent_at = now
            connection.socket.send(head)
    us = (clock() - started) // 1000
    times.sort()
    at = [times[min(len(times) - 1, int(len(times) * q))] // 1000 if times else 0 for q in (0.5, 0.99, 1)]
    print(
        f'RESULT {{"requests": {len(times)}, "us": {us}, "p50": {at[0]}, "p99": {at[1]}, "max": {at[2]}, '
        f'"errors": {errors}}}'
    )


if __name__ == "__main__":
    main()
