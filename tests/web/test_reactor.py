"""Who is served when more connections are ready than one pass has time for."""

from __future__ import annotations

import contextlib
import itertools
import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace

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


class Flushed:
    """Notes when it is flushed; ``fails``: that then goes wrong."""

    def __init__(self, name: str, seen: list[str], *, fails: bool = False) -> None:
        self.name = name
        self.seen = seen
        self.fails = fails

    def flush(self) -> None:
        self.seen.append(self.name)
        if self.fails:
            raise RuntimeError("a bug")

    def abort(self) -> None:
        self.seen.append(f"abort {self.name}")


class Gatherer:
    """A connection that has a message for its app's gathering."""

    deadline = float("inf")
    target = None

    def __init__(self, reactor: Reactor, gathering: Flushed, name: str) -> None:
        self.reactor = reactor
        self.gathering = gathering
        self.name = name

    def ready(self) -> bool:
        self.gathering.seen.append("ready")
        self.reactor.gather(self.gathering, Flushed(self.name, self.gathering.seen))
        return False

    def resume(self) -> bool:
        return False

    def expire(self) -> None:
        raise AssertionError("it has no deadline")

    def abort(self) -> None:
        raise AssertionError("it did nothing wrong")


async def one_pass(apps: list[Flushed]) -> None:
    """A pass of a reactor in which a connection of each gathers. Each look at the clock takes ten microseconds, on any machine."""
    looks = itertools.count()
    clock = SimpleNamespace(perf_counter=lambda: next(looks) / 100_000)
    reactor = Reactor()
    with readable_sockets(len(apps)) as ends, pytest.MonkeyPatch.context() as patch:
        patch.setattr("nano_trio.web.reactor.time", clock)
        for end, app in zip(ends, apps, strict=True):
            reactor.add(end.fileno(), Gatherer(reactor, app, f"{app.name}'s"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reactor.run)
            with trio.fail_after(10):
                while apps[0].seen.count(f"{apps[-1].name}'s") < apps.count(apps[-1]):
                    await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    reactor.close()


async def test_what_connections_gather_is_flushed_once_for_all_of_them() -> None:
    seen: list[str] = []
    await one_pass([Flushed("app", seen)] * 3)
    assert seen[:7] == ["ready"] * 3 + ["app"] + ["app's"] * 3


async def test_one_app_gathers_at_a_time() -> None:
    seen: list[str] = []
    one, two = Flushed("one", seen), Flushed("two", seen)
    await one_pass([one, two])
    assert seen[:3] in (["ready", "ready", "one"], ["ready", "ready", "two"])


async def test_a_gathering_that_fails_fails_alone(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []
    await one_pass([Flushed("app", seen, fails=True)] * 2)
    assert seen[:6] == ["ready", "ready", "app", "abort app", "app's", "app's"]
