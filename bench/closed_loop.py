"""Clients that ask again as soon as they are answered: ``python -m bench.closed_loop PORT PATH HOST…``.

A connection for each host, and on each one request in flight. What ends a connection is told, and it is made anew.
Prints a line when all have sent their first request, then serves until a line comes on standard input; prints one line
of JSON: how many answers there were of each status.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
from collections import Counter
from collections.abc import Sequence

from bench import apart

__all__ = ["Clients"]


class Clients:
    """These clients in a process of their own, which have begun. It ends with the ``with`` block at the latest."""

    def __init__(self, port: int, path: str, hosts: Sequence[str]) -> None:
        self._process = apart.start("bench.closed_loop", port, path, *hosts)

    def stop(self) -> dict[str, int]:
        """Leave: how many answers there were, by status; "broken" are connections that the server ended."""
        out, _ = self._process.communicate("stop\n", timeout=30)
        answers: dict[str, int] = json.loads(out)
        return answers

    def __enter__(self) -> Clients:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.kill()
        self._process.wait()


class _Client:
    def __init__(self, port: int, path: str, host: str) -> None:
        self._address = ("127.0.0.1", port)
        self._request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        self._data = b""
        self.connect()

    def connect(self) -> None:
        self.socket = socket.create_connection(self._address, timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(self._request)

    def receive(self) -> str | None:
        """The status of an answer that is complete now, upon which the next request is sent; None: more is to come."""
        part = self.socket.recv(65536)
        if not part:
            self._data = b""
            return "broken"
        self._data += part
        if not apart.is_complete(self._data):
            return None
        status, self._data = self._data[9:12].decode(), b""
        self.socket.sendall(self._request)
        return status


def main() -> None:
    port, path, hosts = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    answers: Counter[str] = Counter()
    with selectors.DefaultSelector() as selector:
        for host in hosts:
            client = _Client(port, path, host)
            selector.register(client.socket, selectors.EVENT_READ, client)
        print("begun", flush=True)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.data is None:
                    print(json.dumps(answers))
                    return
                status = key.data.receive()
                if status is not None:
                    answers[status] += 1
                if status == "broken":
                    selector.unregister(key.data.socket)
                    key.data.socket.close()
                    key.data.connect()
                    selector.register(key.data.socket, selectors.EVENT_READ, key.data)


if __name__ == "__main__":
    main()
