"""Who is served when more connections are ready than one pass has time for."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest
import trio

from nano_trio.web.reactor import EpollPoller, Poller, Reactor, SelectorPoller


class Greedy:
    """A connection with a client that always has a next request, which takes half a millisecond to answer."""

    deadline = float("inf")

    def __init__(self) -> None:
        self.served = 0

    def ready(self) -> bool:
        self.served += 1
        end = time.perf_counter() + 0.0005
        while time.perf_counter() < end:
            pass
        return False

    def resume(self) -> bool:
        return False

    def expire(self) -> None:
        raise AssertionError("it has no deadline")

    def abort(self) -> None:
        raise AssertionError("it did nothing wrong")


@contextlib.contextmanager
def readable_sockets(count: int) -> Iterator[list[socket.socket]]:
    """Sockets with a byte to read, which nobody reads."""
    with contextlib.ExitStack() as stack:
        ends = []
        for _ in range(count):
            one, other = socket.socketpair()
            stack.enter_context(one)
            stack.enter_context(other)
            one.send(b"x")
            ends.append(other)
        yield ends


@pytest.mark.parametrize("poller", [EpollPoller, SelectorPoller])
async def test_nobody_starves_among_connections_that_are_always_ready(poller: type[Poller]) -> None:
    """Each pass reaches only a few of them; whoever was left out goes before those that were not."""
    with readable_sockets(100) as sockets:
        reactor = Reactor(poller())
        connections = [Greedy() for _ in sockets]
        for end, connection in zip(sockets, connections, strict=True):
            reactor.add(end.fileno(), connection)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reactor.run)
            while sum(connection.served for connection in connections) < 500:
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    served = [connection.served for connection in connections]
    assert max(served) - min(served) <= 1, served
