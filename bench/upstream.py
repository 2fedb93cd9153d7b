"""The upstream of `proxy`: answers ``GET /?bytes=N`` with N bytes that the kernel copies from a file (sendfile).

It does nothing else, so that it is faster than whatever stands before it. ``python -m bench.upstream`` prints its
address and serves until killed, a thread for each connection.
"""

from __future__ import annotations

import os
import re
import socket
import socketserver
import tempfile

BLOCK = 1 << 20
_BYTES = re.compile(rb"^GET \S*[?&]bytes=(\d+)")


class _Handler(socketserver.StreamRequestHandler):
    server: _Upstream

    def handle(self) -> None:
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while request := self.rfile.readline():
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
            found = _BYTES.match(request)
            left = int(found[1]) if found else 0
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {left}\r\n\r\n"
            self.connection.sendall(head.encode())
            while left:
                left -= os.sendfile(self.connection.fileno(), self.server.block, 0, min(left, BLOCK))


class _Upstream(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, block: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.block = block


def main() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"a" * BLOCK)
        file.flush()
        with _Upstream(file.fileno()) as server:
            print(f"listening on http://127.0.0.1:{server.server_address[1]}", flush=True)
            server.serve_forever()


if __name__ == "__main__":
    main()
