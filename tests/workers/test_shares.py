"""How several workers share the connections to one port."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from nano_trio.parent.shares import Shares, make_shares, withdraw
from nano_trio.web.router import Router
from nano_trio.web.server import Server, serve
from nano_trio.web.settings import ServerSettings
from tests.cli.conftest import Start

from .conftest import until, workers_of
from .test_rooms import clients_of, end


@pytest.fixture
def memory() -> Iterator[int]:
    fd = make_shares(3)
    yield fd
    os.close(fd)


def test_who_has_clearly_more_lets_others_go_first(memory: int) -> None:
    one, two = (Shares(os.dup(memory), worker) for worker in (0, 1))
    one.tell(500)
    assert not one.more_than_others, "the others do not accept yet"
    two.tell(0)
    assert [one.tell(count) or one.more_than_others for count in (0, 1, 2)] == [False, False, True]
    assert not two.more_than_others
    two.tell(80)
    assert [one.tell(count) or one.more_than_others for count in (91, 92)] == [False, True]
    two.leave()
    two.tell(80)
    assert not one.more_than_others, "who drains is not waited for, nor comes back"


def test_who_is_dead_is_not_waited_for(memory: int) -> None:
    one, two = (Shares(os.dup(memory), worker) for worker in (0, 1))
    one.tell(10)
    two.tell(0)
    assert one.more_than_others
    withdraw(memory, 1)
    assert not one.more_than_others


async def test_a_connection_is_left_to_another_for_a_moment_and_not_longer(
    memory: int, mock_clock: trio.testing.MockClock
) -> None:
    mine, other = (Shares(os.dup(memory), worker) for worker in (0, 1))
    other.tell(0)
    settings = ServerSettings(host="127.0.0.1", port=0, accepted_at_once=1, shares=mine)
    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(serve, settings, Router([]))
        (listener,) = server._all()
        with contextlib.ExitStack() as clients:

            async def connect() -> int:
                clients.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                await trio.testing.wait_all_tasks_blocked(0.02)
                return server.counts.accepted

            assert [await connect() for _ in range(4)] == [1, 2, 2, 2], "it has two more"
            mock_clock.jump(0.0011)
            await trio.testing.wait_all_tasks_blocked(0.02)
            assert server.counts.accepted == 3, "nobody took it"
            with listener.sock.accept()[0]:  # the other does
                mock_clock.jump(0.0011)
                await trio.testing.wait_all_tasks_blocked(0.02)
                assert server.counts.accepted == 3
            other.tell(2)
            assert await connect() == 4
        await trio.testing.wait_all_tasks_blocked(0.02)
        nursery.cancel_scope.cancel()


async def test_what_is_closed_counts_no_more(memory: int) -> None:
    mine, other = (Shares(os.dup(memory), worker) for worker in (0, 1))
    settings = ServerSettings(host="127.0.0.1", port=0, shares=mine)
    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(serve, settings, Router([]))
        stream = await trio.open_tcp_stream("127.0.0.1", server.port)
        other.tell(3)
        with trio.fail_after(10):
            while server.counts.accepted == 0:  # noqa: ASYNC110 - nobody sets an event
                await trio.sleep(0.001)
            assert other.more_than_others, "mine has one"
            await stream.aclose()
            other.tell(2)
            while server.connections:  # noqa: ASYNC110 - nobody sets an event
                await trio.sleep(0.001)
            assert other.more_than_others, "mine has none"
        nursery.cancel_scope.cancel()


def test_connections_are_spread_over_real_workers(start: Start, app: Path) -> None:
    running = start("serve", "--app", "app", "--port", "0", "--workers", "2")
    port = running.port()
    until(lambda: sum("listening" in line for line in running.err) == 2)
    with contextlib.ExitStack() as clients:
        for _ in range(60):
            clients.enter_context(socket.create_connection(("127.0.0.1", port)))
        until(lambda: sum(len(clients_of(worker)) for worker in workers_of(running)) == 60)
        shares = sorted(len(clients_of(worker)) for worker in workers_of(running))
        assert shares[0] >= 15, shares
    end(running)
