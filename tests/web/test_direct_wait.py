"""The reactor waits for few connections itself, and misses nothing that Trio would not miss."""

from __future__ import annotations

import itertools
import math
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager

import pytest
import trio
import trio.testing

from nano_trio.engine import loop
from nano_trio.web.reactor import Reactor

ROUNDS = 400


class Echo:
    """A connection that answers each byte, and does something else besides."""

    deadline = math.inf
    target = None

    def __init__(self, sock: socket.socket, besides: Callable[[], None] = lambda: None) -> None:
        self.sock = sock
        self.besides = besides

    def ready(self) -> bool:
        self.sock.send(self.sock.recv(100))
        self.besides()
        return False

    def resume(self) -> bool:
        raise AssertionError("nothing is left over")

    def expire(self) -> None:
        raise AssertionError("it has no deadline")

    def abort(self) -> None:
        raise AssertionError("it did nothing wrong")


class Passes(trio.abc.Instrument):
    count = 0

    def before_io_wait(self, timeout: float) -> None:
        self.count += 1


@asynccontextmanager
async def echoing_to(clients: int, besides: Callable[[], None] = lambda: None) -> AsyncIterator[list[socket.socket]]:
    """The clients' ends, which block, of connections that a reactor serves."""
    pairs = [socket.socketpair() for _ in range(clients)]
    reactor = Reactor()
    with ExitStack() as stack:
        async with trio.open_nursery() as nursery:
            for client, server in pairs:
                stack.enter_context(client).settimeout(60)
                reactor.add(stack.enter_context(server).fileno(), Echo(server, besides))
            nursery.start_soon(reactor.run)
            yield [client for client, _ in pairs]
            nursery.cancel_scope.cancel()
    reactor.close()


@asynccontextmanager
async def echoing(besides: Callable[[], None] = lambda: None) -> AsyncIterator[socket.socket]:
    """The end of one client."""
    async with echoing_to(1, besides) as (client,):
        yield client


def ping_pong_all(clients: list[socket.socket], rounds: int) -> None:
    for _ in range(rounds):
        for client in clients:
            client.send(b"x")
        for client in clients:
            assert client.recv(1) == b"x"


def ping_pong(client: socket.socket, rounds: int = ROUNDS) -> None:
    ping_pong_all([client], rounds)


async def test_a_client_alone_costs_hardly_any_passes() -> None:
    passes = Passes()
    trio.lowlevel.add_instrument(passes)
    async with echoing() as client:
        await trio.to_thread.run_sync(ping_pong, client)
    assert passes.count < ROUNDS / 2


async def test_a_few_clients_cost_hardly_any_passes() -> None:
    passes = Passes()
    trio.lowlevel.add_instrument(passes)
    async with echoing_to(8) as clients:
        await trio.to_thread.run_sync(ping_pong_all, clients, ROUNDS)
    assert passes.count < ROUNDS / 2


class Insatiable(Echo):
    """It leaves its input where it is, so it is always ready."""

    def ready(self) -> bool:
        self.besides()
        return False


async def test_other_sockets_are_noticed_while_several_connections_are_always_ready() -> None:
    ours, theirs = trio.socket.socketpair()
    pairs = [socket.socketpair() for _ in range(3)]
    reactor, calls, under_way = Reactor(), itertools.count(), threading.Event()

    def count() -> None:
        if next(calls) == 100:
            under_way.set()

    with ExitStack() as stack, ours, theirs:
        for client, server in pairs:
            stack.enter_context(client).send(b"x")
            reactor.add(stack.enter_context(server).fileno(), Insatiable(server, count))
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(reactor.run)

                def elsewhere() -> None:
                    assert under_way.wait(30)
                    with socket.socket(fileno=os.dup(theirs.fileno())) as end:
                        end.send(b"y")

                nursery.start_soon(trio.to_thread.run_sync, elsewhere)
                assert await ours.recv(1) == b"y"
                nursery.cancel_scope.cancel()
    reactor.close()


async def test_a_deadline_is_kept() -> None:
    """Meanwhile the client goes on, or says nothing."""
    async with echoing() as client:
        await trio.to_thread.run_sync(ping_pong, client, 10)
        with trio.move_on_after(0.05) as silent:
            await trio.sleep_forever()
        stop = threading.Event()

        def go_on() -> None:
            while not stop.is_set():
                ping_pong(client, 1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, go_on)
            with trio.move_on_after(0.05) as busy:
                await trio.sleep_forever()
            stop.set()
    assert silent.cancelled_caught
    assert busy.cancelled_caught


async def test_what_a_connection_wakes_runs() -> None:
    """In the same pass as without, not when something else happens."""
    woken = trio.Event()
    async with echoing(besides=woken.set) as client:
        client.send(b"x")
        await woken.wait()
        assert client.recv(1) == b"x"


async def test_a_task_that_a_connection_starts_runs() -> None:
    started = trio.Event()

    async def act() -> None:
        started.set()

    async with trio.open_nursery() as nursery, echoing(besides=lambda: nursery.start_soon(act)) as client:
        await trio.to_thread.run_sync(ping_pong, client, 10)
        started = trio.Event()
        client.send(b"x")
        await started.wait()
        assert client.recv(1) == b"x"


async def test_a_callback_that_a_connection_asks_for_is_called() -> None:
    called = trio.Event()
    token = trio.lowlevel.current_trio_token()
    async with echoing(besides=lambda: token.run_sync_soon(called.set)) as client:
        client.send(b"x")
        await called.wait()
        assert client.recv(1) == b"x"


async def test_a_connection_may_cancel_other_tasks() -> None:
    with trio.CancelScope() as scope:
        async with echoing(besides=scope.cancel) as client:
            client.send(b"x")
            await trio.sleep_forever()
    assert scope.cancelled_caught


async def test_a_connection_may_cancel_the_reactor() -> None:
    """Where nobody else is in the scope, nobody else is woken."""
    reactor, scope, ended = Reactor(), trio.CancelScope(), trio.Event()

    async def run() -> None:
        with scope:
            await reactor.run()
        ended.set()

    client, server = socket.socketpair()
    with client, server, trio.fail_after(30):
        reactor.add(server.fileno(), Echo(server, scope.cancel))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            await trio.testing.wait_all_tasks_blocked()
            client.send(b"x")
            await ended.wait()
    reactor.close()


async def test_a_signal_is_noticed() -> None:
    with trio.open_signal_receiver(signal.SIGUSR1) as signals:
        async with echoing() as client:

            def elsewhere() -> None:
                ping_pong(client, 50)
                os.kill(os.getpid(), signal.SIGUSR1)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.to_thread.run_sync, elsewhere)
                async for number in signals:
                    assert number == signal.SIGUSR1
                    break


async def test_two_reactors_do_not_hide_each_other() -> None:
    async with echoing() as one, echoing() as other:

        def by_turns() -> None:
            for _ in range(50):
                ping_pong(one, 3)
                ping_pong(other, 3)

        await trio.to_thread.run_sync(by_turns)


async def test_a_deadline_that_a_connection_sets_is_kept() -> None:
    with trio.CancelScope() as scope:

        def besides() -> None:
            scope.deadline = trio.current_time() + 0.02

        async with echoing(besides) as client:
            await trio.to_thread.run_sync(ping_pong, client, 10)
            await trio.sleep_forever()
    assert scope.cancelled_caught


async def test_threads_and_other_sockets_are_noticed() -> None:
    ours, theirs = trio.socket.socketpair()
    async with echoing() as client, trio.open_nursery() as nursery:
        answered = trio.Event()

        async def answer() -> None:
            await ours.send(await ours.recv(1))
            answered.set()

        nursery.start_soon(answer)

        def elsewhere() -> None:
            ping_pong(client, 50)
            # The reactor waits alone now, and has nothing to serve.
            assert trio.from_thread.run_sync(lambda: 7) == 7
            ping_pong(client, 50)
            end = socket.socket(fileno=socket.dup(theirs.fileno()))
            with end:
                end.settimeout(60)
                end.send(b"y")
                assert end.recv(1) == b"y"

        await trio.to_thread.run_sync(elsewhere)
        await answered.wait()
    ours.close()
    theirs.close()


async def test_whoever_waits_until_all_are_blocked_is_woken() -> None:
    async with echoing() as client:
        await trio.to_thread.run_sync(ping_pong, client, 20)
        client.send(b"x")
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert client.recv(1) == b"x"


async def test_a_clock_that_jumps_jumps(autojump_clock: trio.testing.MockClock) -> None:
    async with echoing() as client:
        client.send(b"x")
        await trio.sleep(10_000)
        assert client.recv(1) == b"x"
        client.send(b"x")
        await trio.sleep(10_000)
        assert client.recv(1) == b"x"


async def test_a_trio_that_is_not_known_waits_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "somebody_waits_for_all", lambda runner: runner.of_another_version)
    passes = Passes()
    trio.lowlevel.add_instrument(passes)
    async with echoing() as client:
        await trio.to_thread.run_sync(ping_pong, client)
    assert passes.count > ROUNDS / 2
