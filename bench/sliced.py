"""The control of `neighbour`: a server that computes in slices of 0.5 ms, polls its sockets in between, and no more.

No preempting server with such slices can answer sooner, so what this one's probes wait is what the machine adds.
``python -m bench.sliced`` prints its address and serves until killed.
"""

from __future__ import annotations

import selectors
import socket
import time

SLICE_NS = 500_000
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ncalm\n"


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    clock = time.perf_counter_ns
    while True:
        for key, _ in selector.select(0):
            if key.fileobj is listener:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(connection, selectors.EVENT_READ, connection)
                continue
            if key.data.recv(65536):
                key.data.sendall(ANSWER)
            else:
                selector.unregister(key.data)
                key.data.close()
        end = clock() + SLICE_NS
        while clock() < end:
            pass


if __name__ == "__main__":
    main()
