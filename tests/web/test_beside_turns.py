"""Who serves a row of requests, or streams, beside apps that compute does not make a pass for each of their slices."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from functools import partial

import trio
import trio.testing

from nano_trio.engine.scheduler import Account, CpuScheduler
from nano_trio.web.reactor import Reactor
from tests.web.test_alone import ROUNDS, serving
from tests.web.test_direct_wait import Insatiable, Passes

CONNECTIONS = 3
SLICES = 40
BEGIN = 50 * CONNECTIONS


class Computing:
    """A runnable in the middle of a turn that does not end, and whose slices are short."""

    def __init__(self, scheduler: CpuScheduler) -> None:
        self.account = Account()
        self.slices = 0
        self._scheduler = scheduler
        scheduler.request(self, suspended=True)

    def run_slice(self, slice_ns: int) -> None:
        self.slices += 1
        self._scheduler.request(self, suspended=True)


class Newcomer:
    """A runnable that waits for its first slice."""

    def __init__(self, on_slice: Callable[[], object]) -> None:
        self.account = Account()
        self._on_slice = on_slice

    def run_slice(self, slice_ns: int) -> None:
        self._on_slice()


@asynccontextmanager
async def granting() -> AsyncIterator[CpuScheduler]:
    scheduler = CpuScheduler()
    async with trio.open_nursery() as nursery:
        await nursery.start(scheduler.run)
        yield scheduler
        nursery.cancel_scope.cancel()


class Served:
    """Connections that always have input, served by a reactor beside an app that computes."""

    def __init__(self, scheduler: CpuScheduler) -> None:
        self.scheduler = scheduler
        self.computing = Computing(scheduler)
        self.count = 0
        """Inputs so far."""
        self.done = trio.Event()

    async def until(self, number: int, then: Callable[[], object]) -> None:
        """Serve until ``done`` is set; call ``then`` with that input."""

        def besides() -> None:
            self.count += 1
            if self.count == number:
                then()

        pairs = [socket.socketpair() for _ in range(CONNECTIONS)]
        reactor = Reactor()
        with ExitStack() as stack, trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for client, server in pairs:
                    stack.enter_context(client).send(b"x")
                    reactor.add(server.fileno(), Insatiable(stack.enter_context(server), besides))
                nursery.start_soon(reactor.run)
                await self.done.wait()
                nursery.cancel_scope.cancel()
        reactor.close()


async def test_what_comes_meanwhile_is_served_in_the_same_pass() -> None:
    async with granting() as scheduler:
        served = Served(scheduler)
        await served.until(50 * CONNECTIONS * SLICES, served.done.set)
    # One look at the connections for each slice would be as many slices as looks.
    assert 0 < served.computing.slices < 10 * SLICES


async def test_whoever_waits_for_a_first_slice_gets_it_at_once() -> None:
    granted: list[int] = []
    async with granting() as scheduler:
        served = Served(scheduler)

        def got() -> None:
            granted.append(served.count)
            served.done.set()

        await served.until(BEGIN, lambda: scheduler.request(Newcomer(got), suspended=False))
    # What was ready with it, and once more where the one that computes has its slice first.
    assert granted[0] - BEGIN <= 3 * CONNECTIONS


async def test_a_task_that_a_connection_wakes_runs_at_once() -> None:
    woken = trio.Event()
    ran: list[int] = []
    async with granting() as scheduler, trio.open_nursery() as nursery:
        served = Served(scheduler)

        async def wait() -> None:
            await woken.wait()
            ran.append(served.count)
            served.done.set()

        nursery.start_soon(wait)
        await served.until(BEGIN, woken.set)
    assert ran[0] - BEGIN <= 2 * CONNECTIONS


async def test_a_stream_goes_on_without_passes(mock_clock: trio.testing.MockClock) -> None:
    """It has its pass now and then, so that the other has slices."""
    passes = Passes()
    async with granting() as scheduler, serving() as reactor:
        computing = Computing(scheduler)
        await trio.lowlevel.checkpoint()
        before = computing.slices
        trio.lowlevel.add_instrument(passes)
        for _ in range(ROUNDS):
            mock_clock.jump(0.0002)
            await reactor.let_others()
        trio.lowlevel.remove_instrument(passes)
    assert ROUNDS / 10 < passes.count < ROUNDS / 2
    assert computing.slices - before > ROUNDS / 20


async def test_a_stream_beside_those_who_wait_for_a_first_slice_makes_a_pass_each_time(
    mock_clock: trio.testing.MockClock,
) -> None:
    granted: list[int] = []
    async with granting() as scheduler, serving() as reactor:
        Computing(scheduler)
        await trio.lowlevel.checkpoint()
        for number in range(10):
            scheduler.request(Newcomer(partial(granted.append, number)), suspended=False)
            for _ in range(4):
                await reactor.let_others()
            assert number in granted
