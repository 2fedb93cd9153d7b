"""A server and its clients in one thread, so that a clock of CPU time can be read around what the server does.

Theory of operation. The server is the real one, on a listening socket of the loopback; the clients are plain blocking
sockets of the same thread. A *batch*: every client sends its request (which is the clients' work), the clock is read,
the loop runs until all responses have arrived, the clock is read again, the clients receive. So the server finds a
handful of connections ready in each pass of the loop, as under load, and pays for its system calls; what the clients
do is not counted.

What differs from a server under load: no client sleeps, so no ``send`` has to wake one, which costs a server as much as
all the rest of sending; the caches hold nothing but this. The sum is therefore a lower bound; what its parts are to
each other is what can be read off.

The loop also runs the task that waits here: what its passes beyond the first cost is measured on an idle server, and
subtracted.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import structlog
import trio

from nano_trio.config import from_document
from nano_trio.web.hosting import Hosting
from nano_trio.web.startup import host

__all__ = ["Clients", "Kernel", "idle_pass", "least", "listener_socket", "served"]

_clock = time.thread_time_ns
_RECEIVE = 64 * 1024


@contextlib.asynccontextmanager
async def served(apps: Mapping[str, Path]) -> AsyncIterator[Hosting]:
    """Serve these apps by their names as hostnames, from this task's thread, until the block ends."""
    config = from_document(
        {
            "host": "127.0.0.1",
            "port": 0,
            "apps": [{"name": name, "path": str(path)} for name, path in apps.items()],
        },
        environ={},
    )
    with structlog.testing.capture_logs():  # what it says of its start is nobody's business here
        async with trio.open_nursery() as nursery:
            hosting: Hosting = await nursery.start(host, config)
            yield hosting
            nursery.cancel_scope.cancel()


async def idle_pass(count: int = 2000) -> float:
    """ns of a pass of the loop in which only the waiting task runs, with its look at the clients."""
    arrived = select.epoll()
    best = float("inf")
    try:
        for _ in range(20):
            start = _clock()
            for _ in range(count // 20):
                await trio.lowlevel.checkpoint()
                arrived.poll(0, 64)
            best = min(best, (_clock() - start) / (count // 20))
    finally:
        arrived.close()
    return best


class Clients:
    """Connections of which each sends its request once in every batch. To be closed."""

    def __init__(self, port: int, requests: Sequence[bytes], pass_ns: float) -> None:
        self.requests = requests
        self._pass_ns = pass_ns
        self._port = port
        self._arrived = select.epoll()
        self.sockets: list[socket.socket] = []

    def connect(self) -> None:
        """Connect them all. The server has yet to accept them."""
        for _ in self.requests:
            sock = socket.create_connection(("127.0.0.1", self._port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._arrived.register(sock, select.EPOLLIN)
            self.sockets.append(sock)

    async def batch(self) -> float:
        """Send, be served, receive. ns of CPU time for each request."""
        for sock, request in zip(self.sockets, self.requests, strict=True):
            sock.send(request)
        used = await self.until(lambda: len(self._arrived.poll(0, 64)) == len(self.sockets))
        self.receive()
        return used

    async def until(self, done: Callable[[], bool]) -> float:
        """Let the loop run until ``done()``. ns of CPU time for each client."""
        passes = 0
        start = _clock()
        while True:
            await trio.lowlevel.checkpoint()
            if done():
                break
            passes += 1
        return max(0.0, _clock() - start - passes * self._pass_ns) / len(self.requests)

    def receive(self) -> list[bytes]:
        """What has arrived for each."""
        return [sock.recv(_RECEIVE) for sock in self.sockets]

    async def ask(self, index: int) -> bytes:
        """One client's request alone, and its response."""
        sock = self.sockets[index]
        sock.send(self.requests[index])
        sock.setblocking(False)
        try:
            while True:
                await trio.lowlevel.checkpoint()
                with contextlib.suppress(BlockingIOError):
                    return sock.recv(_RECEIVE)
        finally:
            sock.setblocking(True)

    async def chunk(self, batches: int, warm: int = 2) -> float:
        """ns of CPU time for each request, of several batches after some to warm up."""
        for _ in range(warm):
            await self.batch()
        used = 0.0
        for _ in range(batches):
            used += await self.batch()
        return used / batches

    def close(self) -> None:
        """Close the connections; the clients may connect again."""
        for sock in self.sockets:
            self._arrived.unregister(sock)
            sock.close()
        self.sockets.clear()


def listener_socket() -> socket.socket:
    """A listening socket for the system calls alone."""
    sock = socket.create_server(("127.0.0.1", 0), backlog=128)
    sock.setblocking(False)
    return sock


class Kernel:
    """The system calls of a server alone, for the same bytes on the same kind of sockets, as Python makes them."""

    def __init__(self, requests: Sequence[bytes], responses: Sequence[bytes]) -> None:
        self._listener = listener_socket()
        self._epoll = select.epoll()
        self._responses = responses
        self.clients = Clients(self._listener.getsockname()[1], requests, 0)
        self._accepted: dict[int, socket.socket] = {}

    def accept(self) -> float:
        """Accept all clients and watch them. ns for each."""
        self.clients.connect()
        start = _clock()
        for _ in self._responses:
            sock, _ = self._listener.accept()
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._accepted[sock.fileno()] = sock
            self._epoll.register(sock, select.EPOLLIN)
        return (_clock() - start) / len(self._responses)

    def batch(self) -> tuple[float, float, float]:
        """ns for each request of looking which sockets have input, of receiving and of sending."""
        for client, request in zip(self.clients.sockets, self.clients.requests, strict=True):
            client.send(request)
        begun = _clock()
        ready = self._epoll.poll(0, 1024)
        looked = _clock()
        for fd, _ in ready:
            self._accepted[fd].recv(_RECEIVE)
        received = _clock()
        for (fd, _), response in zip(ready, self._responses, strict=True):
            self._accepted[fd].send(response)
        sent = _clock()
        self.clients.receive()
        count = len(self._responses)
        return (looked - begun) / count, (received - looked) / count, (sent - received) / count

    def chunk(self, batches: int) -> tuple[float, float, float]:
        """The same for several batches after one to warm up."""
        self.batch()
        found = [self.batch() for _ in range(batches)]
        looked, received, sent = (sum(part) / batches for part in zip(*found, strict=True))
        return looked, received, sent

    def end(self) -> float:
        """The clients close; see it and close too. ns for each."""
        self.clients.close()
        start = _clock()
        for fd, _ in self._epoll.poll(0, 1024):
            sock = self._accepted.pop(fd)
            sock.recv(_RECEIVE)
            self._epoll.unregister(fd)
            sock.close()
        return (_clock() - start) / len(self._responses)

    def close(self) -> None:
        for sock in self._accepted.values():
            sock.close()
        self.clients.close()
        self._listener.close()
        self._epoll.close()


def least(times: int, count: int, work: Callable[[], object]) -> float:
    """ns of CPU time for one of ``count`` calls: the least of several runs."""
    best = float("inf")
    for _ in range(times):
        start = _clock()
        for _ in range(count):
            work()
        best = min(best, (_clock() - start) / count)
    return best
