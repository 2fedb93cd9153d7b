"""Who is served when more connections are ready than one pass has time for."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest
import trio

from nano_trio.actors.messages import OutgoingResponse
from nano_trio.web.reactor import EpollPoller, Poller, Reactor, SelectorPoller

from .apps import App


class Greedy:
    """A connection with a client that always has a next request, which takes half a millisecond to answer."""

    deadline = float("inf")

    def __init__(self, target: App | None = None) -> None:
        self.target = target
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


async def serve(poller: type[Poller], targets: list[App | None], requests: int) -> list[Greedy]:
    """That many requests of clients, one for each of these, each of which always has a next one."""
    with readable_sockets(len(targets)) as sockets:
        reactor = Reactor(poller())
        connections = [Greedy(target) for target in targets]
        for end, connection in zip(sockets, connections, strict=True):
            reactor.add(end.fileno(), connection)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reactor.run)
            while sum(connection.served for connection in connections) < requests:
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        reactor.close()
    return connections


@pytest.mark.parametrize("poller", [EpollPoller, SelectorPoller])
async def test_nobody_starves_among_connections_that_are_always_ready(poller: type[Poller]) -> None:
    """Each pass reaches only a few of them; whoever was left out goes before those that were not."""
    connections = await serve(poller, [None] * 100, 500)
    served = [connection.served for connection in connections]
    assert max(served) - min(served) <= 1, served


async def test_two_lines_take_turns_those_of_prompt_apps_and_all_others() -> None:
    """A few of prompt apps do not stand behind ninety others; nor do few others stand behind ninety of prompt apps."""
    prompt = App(lambda request: OutgoingResponse(200, "", [], b""))
    prompt.prompt = True
    for few, many in ((prompt, None), (None, prompt)):
        connections = await serve(EpollPoller, ([many] * 9 + [few]) * 10, 200)
        line = [connection.served for connection in connections if connection.target is few]
        other = [connection.served for connection in connections if connection.target is many]
        # One in ten, and they had half of what was served.
        assert sum(line) > sum(other) * 0.6
        for served in (line, other):
            assert max(served) - min(served) <= 1, served
