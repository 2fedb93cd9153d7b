"""Clients that come whether or not those before were answered: ``python -m bench.open_loop PORT HOST RATE SECONDS``.

Request k is due at start + k / RATE and takes a connection that is free; its latency counts from when it was due. A
server that answers nobody for a while keeps all of them waiting at once, not one after the other, as probe.py would.
The connections are made, and asked once, before the first is due. Waits for a line on standard input, then starts;
prints one line of JSON: the latencies in ms.
"""

from __future__ import annotations

import gc
import json
import selectors
import socket
import sys
import time
from collections import deque

from bench import apart
from bench.apart import is_complete

__all__ = ["Schedule"]

_CONNECTIONS = 200
_PATIENCE_S = 30.0


class Schedule:
    """These clients in a process of their own. ``start()`` when the stage is set, ``result()`` to wait for its end."""

    def __init__(self, port: int, *, host: str, rate: float, seconds: float) -> None:
        self._patience_s = seconds + 2 * _PATIENCE_S
        self._process = apart.start("bench.open_loop", port, host, rate, seconds)

    def start(self) -> None:
        apart.go(self._process)

    def result(self) -> list[float]:
        """Latencies in ms. Raises RuntimeError where one was not answered."""
        out, _ = self._process.communicate(timeout=self._patience_s)
        if self._process.returncode:
            raise RuntimeError("a request was not answered")
        latencies: list[float] = json.loads(out)
        return latencies


def _connect(port: int, request: bytes) -> socket.socket:
    """A connection that was asked once."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(request)
    data = b""
    while not is_complete(data):
        part = connection.recv(65536)
        if not part:
            raise SystemExit("a connection was closed")
        data += part
    return connection


def main() -> None:
    port, host, rate, seconds = int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    free = deque(_connect(port, request) for _ in range(_CONNECTIONS))
    selector = selectors.DefaultSelector()
    for connection in free:
        selector.register(connection, selectors.EVENT_READ, connection)
    print("ready", flush=True)
    sys.stdin.readline()
    gc.disable()
    clock = time.monotonic
    start = clock() + 0.01
    due = deque(start + number / rate for number in range(int(rate * seconds)))
    asked: dict[socket.socket, tuple[float, bytes]] = {}
    latencies: list[float] = []
    while due or asked:
        now = clock()
        while due and due[0] <= now and free:
            connection = free.popleft()
            asked[connection] = (due.popleft(), b"")
            connection.sendall(request)
        if now > start + seconds + _PATIENCE_S:
            raise SystemExit("not all were answered")
        # Where none is free, one that is answered comes first.
        for key, _ in selector.select(max(0.0, due[0] - clock()) if due and free else 1.0):
            connection = key.data
            part = connection.recv(65536)
            if not part or connection not in asked:
                raise SystemExit("a connection was closed")
            at, data = asked.pop(connection)
            if is_complete(data + part):
                latencies.append((clock() - at) * 1e3)
                free.append(connection)
            else:
                asked[connection] = (at, data + part)
    print(json.dumps(latencies))


if __name__ == "__main__":
    main()
