"""The heartbeat of a WebSocket connection: pings, pongs, and who is dropped for want of them."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from nano_trio.actors.messages import SocketLimits
from tests.web.apps import let, running
from tests.web.sockets import (
    MB,
    Recorder,
    SocketApp,
    masked,
    opened,
    pinged,
)


async def test_a_client_that_answers_pings_stays(mock_clock: trio.testing.MockClock) -> None:
    app = SocketApp()
    async with running(app) as server, opened(server) as client:
        payloads = set()
        for _ in range(5):
            await let(mock_clock, 31)
            payload = await pinged(client)
            payloads.add(payload)
            await client.send(masked(0x8A, payload))
            await let(mock_clock, 1)
        assert (len(payloads), min(map(len, payloads)) >= 4) == (5, True)
        assert server.connections == 1
        assert app.sockets[0].messages == []


@pytest.mark.parametrize(
    "answer",
    [None, masked(0x8A, b"guess"), masked(0x8A), masked(0x81, b"x") * 3],
    ids=["none", "another", "empty", "messages"],
)
async def test_a_client_without_the_right_pong_is_dropped(
    mock_clock: trio.testing.MockClock, answer: bytes | None
) -> None:
    app = SocketApp()
    async with running(app) as server, opened(server) as client:
        await let(mock_clock, 31)
        await pinged(client)
        if answer is not None:
            await client.send(answer)
        await let(mock_clock, 8)
        assert server.connections == 1
        await let(mock_clock, 4)
        assert server.connections == 0
        assert app.sockets[0].closings == [(1006, "", False)]


async def test_messages_do_not_put_pings_off(mock_clock: trio.testing.MockClock) -> None:
    """Nor do pongs that nobody asked for."""
    async with running(SocketApp()) as server, opened(server) as client:
        for number in range(30):
            await client.send(masked(0x8A))
            await client.send(masked(0x81, b"%d" % number))
            assert (await client.frame()).payload == b"%d" % number
            await let(mock_clock, 1)
        await let(mock_clock, 2)
        await pinged(client)


@pytest.mark.parametrize(
    "limits", [SocketLimits(ping_interval=0), SocketLimits(ping_timeout=0)], ids=["no pings", "no time-out"]
)
async def test_the_heartbeat_can_be_switched_off(mock_clock: trio.testing.MockClock, limits: SocketLimits) -> None:
    async with running(SocketApp(limits=limits)) as server, opened(server) as client:
        await let(mock_clock, 100)
        assert server.connections == 1
        await client.send(masked(0x81, b"x"))
        for _ in range(0 if limits.ping_interval == 0 else 3):
            await pinged(client)
        assert (await client.frame()).payload == b"x"


async def test_a_slow_upload_delays_the_pong_and_that_is_no_fault(mock_clock: trio.testing.MockClock) -> None:
    app = SocketApp()
    async with running(app) as server, opened(server) as client:
        data = masked(0x82, bytes(1000))
        await client.send(data[:8])
        for index in range(8, 68):
            await let(mock_clock, 1)
            await client.send(data[index : index + 1])
        assert server.connections == 1
        await let(mock_clock, 22)  # but one that stops is
        assert server.connections == 0


async def test_a_client_that_takes_nothing_is_dropped_in_the_end(mock_clock: trio.testing.MockClock) -> None:
    app = SocketApp(limits=SocketLimits(max_buffered=64 * MB))
    async with running(app) as server, opened(server):
        peer = app.sockets[0].peer
        assert peer is not None
        peer.send(bytes(30 * MB))
        await let(mock_clock, 39)
        assert server.connections == 1
        await let(mock_clock, 14)
        assert server.connections == 0


async def test_a_client_that_takes_a_large_message_slowly_stays(mock_clock: trio.testing.MockClock) -> None:
    """Its pong comes when it has seen the ping, which is behind that."""
    app = SocketApp(limits=SocketLimits(max_buffered=64 * MB))
    async with running(app) as server, opened(server) as client:
        peer = app.sockets[0].peer
        assert peer is not None
        peer.send(bytes(60 * MB))
        for _ in range(18):
            await let(mock_clock, 4)
            await client.exactly(3 * MB)
        assert server.connections == 1


async def test_no_pong_is_expected_while_the_app_holds_messages_back(mock_clock: trio.testing.MockClock) -> None:
    def prepare(recorder: Recorder) -> None:
        recorder.on_message = lambda peer, data: False

    app = SocketApp(prepare=prepare)
    async with running(app) as server, opened(server) as client:
        await client.send(masked(0x81, b"x"))
        await let(mock_clock, 300)
        assert server.connections == 1
        peer = app.sockets[0].peer
        assert peer is not None
        peer.resume()
        await let(mock_clock, 31)
        await pinged(client)
