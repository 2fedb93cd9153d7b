"""A task that streams goes on without passes of the loop where it is alone, and misses nothing that it would not miss."""

from __future__ import annotations

import itertools
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from nano_trio.engine import loop
from nano_trio.web.reactor import Reactor
from tests.web.test_direct_wait import Echo, Passes

ROUNDS = 400


@asynccontextmanager
async def serving() -> AsyncIterator[Reactor]:
    """A reactor that serves nobody yet, in a loop that has nothing to do."""
    reactor = Reactor()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reactor.run)
        await trio.testing.wait_all_tasks_blocked()
        await trio.lowlevel.checkpoint()
        yield reactor
        nursery.cancel_scope.cancel()
    reactor.close()


async def rounds_until(reactor: Reactor, happened: Callable[[], object]) -> int:
    for count in range(ROUNDS):
        if happened():
            return count
        await reactor.let_others()
    raise AssertionError("it did not happen")


async def test_it_makes_hardly_any_passes(mock_clock: trio.testing.MockClock) -> None:
    passes = Passes()
    async with serving() as reactor:
        trio.lowlevel.add_instrument(passes)
        for _ in range(ROUNDS):
            await reactor.let_others()
        trio.lowlevel.remove_instrument(passes)
    assert passes.count < 10


async def test_it_makes_a_pass_now_and_then(mock_clock: trio.testing.MockClock) -> None:
    """The CPU scheduler reckons in them."""
    passes = Passes()
    async with serving() as reactor:
        trio.lowlevel.add_instrument(passes)
        for _ in range(ROUNDS):
            mock_clock.jump(0.0004)
            await reactor.let_others()
        trio.lowlevel.remove_instrument(passes)
    assert ROUNDS / 5 < passes.count < ROUNDS / 2


async def test_two_take_turns(mock_clock: trio.testing.MockClock) -> None:
    counts = [0, 0]

    async def go_on(index: int) -> None:
        for _ in range(ROUNDS):
            counts[index] += 1
            assert max(counts) - min(counts) <= 2
            await reactor.let_others()

    async with serving() as reactor, trio.open_nursery() as nursery:
        for index in range(2):
            nursery.start_soon(go_on, index)


async def test_a_task_that_it_wakes_runs(mock_clock: trio.testing.MockClock) -> None:
    wanted, ran = trio.Event(), trio.Event()

    async def act() -> None:
        await wanted.wait()
        ran.set()

    async with serving() as reactor, trio.open_nursery() as nursery:
        nursery.start_soon(act)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(5):
            await reactor.let_others()
        wanted.set()
        assert await rounds_until(reactor, ran.is_set) <= 3


async def test_other_sockets_and_connections_are_noticed(mock_clock: trio.testing.MockClock) -> None:
    ours, theirs = socket.socketpair()
    client, server = socket.socketpair()
    client.setblocking(False)
    arrived = trio.Event()

    async def receive() -> None:
        await trio.lowlevel.wait_readable(ours)
        arrived.set()

    def answered() -> bool:
        try:
            return client.recv(1) == b"x"
        except BlockingIOError:
            return False

    with ours, theirs, client, server:
        async with serving() as reactor, trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            reactor.add(server.fileno(), Echo(server))
            await trio.testing.wait_all_tasks_blocked()
            await rounds_until(reactor, itertools.chain([False] * 5, [True]).__next__)
            theirs.send(b"y")
            assert await rounds_until(reactor, arrived.is_set) <= 3
            client.send(b"x")
            assert await rounds_until(reactor, answered) <= 3


async def test_a_deadline_is_kept(mock_clock: trio.testing.MockClock) -> None:
    """One that was there, and one that it sets itself."""
    scopes = [trio.CancelScope(deadline=trio.current_time() + 0.0005), trio.CancelScope()]
    async with serving() as reactor, trio.open_nursery() as nursery:

        async def wait(scope: trio.CancelScope) -> None:
            with scope:
                await trio.sleep_forever()

        for scope in scopes:
            nursery.start_soon(wait, scope)
        await trio.testing.wait_all_tasks_blocked()
        await reactor.let_others()
        mock_clock.jump(0.0006)
        assert await rounds_until(reactor, lambda: scopes[0].cancelled_caught) <= 3
        await reactor.let_others()
        scopes[1].deadline = trio.current_time() - 1
        assert await rounds_until(reactor, lambda: scopes[1].cancelled_caught) <= 3


async def test_one_that_is_cancelled_ends(mock_clock: trio.testing.MockClock) -> None:
    async with serving() as reactor:
        await reactor.let_others()
        with trio.CancelScope() as scope:
            scope.cancel()
            await reactor.let_others()
        assert scope.cancelled_caught


async def test_with_a_trio_that_is_not_known_each_time_is_a_pass(
    mock_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "somebody_waits_for_all", lambda runner: runner.of_another_version)
    passes = Passes()
    async with serving() as reactor:
        trio.lowlevel.add_instrument(passes)
        for _ in range(ROUNDS):
            await reactor.let_others()
        trio.lowlevel.remove_instrument(passes)
    assert passes.count >= ROUNDS


async def test_where_no_reactor_runs_any_more_each_time_is_a_pass(mock_clock: trio.testing.MockClock) -> None:
    reactor = Reactor()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reactor.run)
        await trio.testing.wait_all_tasks_blocked()
        await reactor.let_others()
        nursery.cancel_scope.cancel()
    passes = Passes()
    trio.lowlevel.add_instrument(passes)
    for _ in range(ROUNDS):
        await reactor.let_others()
    trio.lowlevel.remove_instrument(passes)
    assert passes.count >= ROUNDS
    reactor.close()
