"""Many WebSocket clients in a process of their own: ``python -m tests.web.websocket_clients PORT COUNT HOST``.

Opens COUNT connections by plain sockets, prints ``open`` and its resident kilobytes, and waits for its standard input
to end. Pings are not answered.
"""

from __future__ import annotations

import resource
import socket
import sys
from pathlib import Path


def main() -> None:
    port, count, host = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    request = (
        f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    ).encode()
    allow_files(count + 100)
    sockets = []
    for _ in range(count):
        sock = socket.create_connection(("127.0.0.1", port), timeout=60)
        sock.sendall(request)
        answer = sock.recv(4096)
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        sockets.append(sock)
    print("open", resident_kb("self"), flush=True)
    sys.stdin.read()


def allow_files(count: int) -> None:
    """Raise this process's limit of open files. Raises ValueError or OSError where that is not allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def resident_kb(pid: int | str) -> int:
    """A process's resident memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


if __name__ == "__main__":
    main()
