"""How a WebSocket connection ends: closing, lost connections, draining, faults of the app's side."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from nano_trio.actors.messages import SharedMessage, SocketLimits, SocketPeer
from nano_trio.web.server import Server
from tests.web.apps import gone, let, running
from tests.web.sockets import (
    CLOSE,
    DEFLATE,
    MB,
    Recorder,
    SocketApp,
    code_of,
    masked,
    opened,
    pinged,
    settled,
)

# ---- closing ----


@pytest.mark.parametrize(
    ("code", "reason", "sent"),
    [
        (1000, "bye", b"\x03\xe8bye"),
        (4999, "", b"\x13\x87"),
        (None, "ignored", b""),
        (1005, "", b""),
        (1006, "", b""),
        (3000, "é" * 100, b"\x0b\xb8" + "é".encode() * 61),
    ],
)
async def test_the_app_closes(code: int | None, reason: str, sent: bytes) -> None:
    def prepare(recorder: Recorder) -> None:
        def on_message(peer: SocketPeer, data: str | bytes) -> None:
            peer.send("last words")
            peer.close(code, reason)
            peer.send("too late")
            peer.close(1001, "again")

        recorder.on_message = on_message

    app = SocketApp(prepare=prepare)
    async with running(app) as server, opened(server) as client:
        await client.send(masked(0x81, b"x") + masked(0x81, b"not heard"))
        assert (await client.frame()).payload == b"last words"
        frame = await client.frame()
        assert (frame.first, frame.payload) == (CLOSE, sent)
        await client.send(masked(0x81, b"not heard either") + masked(0x89, b"nor this"))
        await settled()
        assert app.sockets[0].closings == []
        await client.send(masked(CLOSE, b"\x0f\xa0so be it"))
        assert await client.closed()
        assert app.sockets[0].closings == [(4000, "so be it", True)]
        assert app.sockets[0].messages == ["x"]
        await client.stream.aclose()
        await gone(server)


async def test_both_close_at_once() -> None:
    app = SocketApp()
    async with running(app) as server, opened(server) as client:
        peer = app.sockets[0].peer
        assert peer is not None
        peer.close(1000, "")
        await client.send(masked(CLOSE, b"\x03\xe9"))
        assert (await client.frame()).payload == b"\x03\xe8"
        assert await client.closed()
        assert app.sockets[0].closings == [(1001, "", True)]


async def test_a_client_that_never_answers_a_close_is_dropped(mock_clock: trio.testing.MockClock) -> None:
    app = SocketApp(limits=SocketLimits(close_timeout=5))
    async with running(app) as server, opened(server) as client:
        peer = app.sockets[0].peer
        assert peer is not None
        peer.close(1000, "")
        await let(mock_clock, 4)
        assert server.connections == 1
        await let(mock_clock, 3)
        assert server.connections == 0
        assert app.sockets[0].closings == [(1006, "", False)]
        with pytest.raises(trio.BrokenResourceError):
            await client.rest()


@pytest.mark.parametrize("before", ["nothing", "a held message", "a late Pong"])
async def test_nothing_puts_the_closing_deadline_off(mock_clock: trio.testing.MockClock, before: str) -> None:
    def prepare(recorder: Recorder) -> None:
        recorder.on_message = lambda peer, data: False

    app = SocketApp(prepare=prepare)
    async with running(app) as server, opened(server) as client:
        peer = app.sockets[0].peer
        assert peer is not None
        payload = b""
        if before == "a held message":
            await client.send(masked(0x81, b"x"))
            await settled()
        elif before == "a late Pong":
            await let(mock_clock, 31)
            payload = await pinged(client)
        peer.close(1000, "")
        await settled()
        await client.send(masked(0x8A, payload))
        await let(mock_clock, 7)
        assert server.connections == 0
        assert app.sockets[0].closings == [(1006, "", False)]


async def test_a_client_that_stays_after_the_closing_handshake_is_dropped(mock_clock: trio.testing.MockClock) -> None:
    app = SocketApp()
    async with running(app) as server, opened(server) as client:
        await client.send(masked(CLOSE, b"\x03\xe8"))
        assert await client.rest() == b"\x88\x02\x03\xe8"  # our half is shut; the client's is not
        assert server.connections == 1
        await let(mock_clock, 4)
        assert server.connections == 0
        assert app.sockets[0].closings == [(1000, "", True)]


async def test_a_client_that_goes_on_sending_after_the_end_is_dropped() -> None:
    app = SocketApp()
    async with running(app) as server, opened(server) as client:
        await client.send(masked(CLOSE, b"\x03\xe8"))
        with pytest.raises(trio.BrokenResourceError), trio.fail_after(10):
            await client.stream.send_all(bytes(100 * MB))
        await settled()
        assert server.connections == 0


@pytest.mark.parametrize("how", ["end of file", "reset", "in a frame", "while blocked"])
async def test_a_lost_connection_is_told_once(how: str) -> None:
    app = SocketApp()
    async with running(app) as server:
        async with opened(server) as client:
            peer = app.sockets[0].peer
            assert peer is not None
            if how == "in a frame":
                await client.send(masked(0x81, b"hello")[:7])
            elif how == "while blocked":
                peer.send(bytes(30 * MB))
                await settled()
                assert peer.buffered > MB
            elif how == "reset":
                client.stream.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER
        await app.sockets[0].over.wait()
        await settled()
        assert app.sockets[0].closings == [(1006, "", False)]
        assert server.connections == 0
        # What the app still does has no effect.
        peer.send("x")
        peer.send_shared(SharedMessage("x"))
        peer.send_now(SharedMessage("x"))
        peer.close(1000, "")
        peer.resume()
        assert peer.buffered == 0


async def test_nothing_is_left_of_a_thousand_connections(tmp_path: Path) -> None:
    app = SocketApp()

    async def visit(server: Server, number: int) -> None:
        async with opened(server, DEFLATE if number % 2 else "") as client:
            await client.send(masked(0x81, b"x" * number))
            if number % 3:
                await client.frame()
            if number % 5 == 0:
                await client.send(masked(CLOSE))

    # What other tests left must not be closed in the midst of this one.
    gc.collect()
    async with running(app) as server:
        await visit(server, 1)
        await app.sockets[0].over.wait()
        await settled()
        before = len(os.listdir("/proc/self/fd"))
        tasks = trio.lowlevel.current_statistics().tasks_living
        for batch in range(10):
            async with trio.open_nursery() as nursery:
                for number in range(100):
                    nursery.start_soon(visit, server, batch * 100 + number)
        with trio.fail_after(10):
            for recorder in app.sockets:
                await recorder.over.wait()
        await settled()
        assert server.connections == 0
        assert len(os.listdir("/proc/self/fd")) == before
        assert trio.lowlevel.current_statistics().tasks_living == tasks
        assert [len(recorder.closings) for recorder in app.sockets] == [1] * 1001


async def test_a_closed_connection_needs_no_collector() -> None:
    """Its objects go when the last reference does, for the collector comes rarely."""
    from nano_trio.web.websocket import WebSocket

    app = SocketApp()
    async with running(app) as server:
        gc.collect()
        gc.disable()
        try:
            for _ in range(10):
                async with opened(server) as client:
                    await client.send(masked(0x81, b"hello"))
                    await client.frame()
                await app.sockets.pop().over.wait()
                app.exchanges.clear()
            await gone(server)
            await settled()
            assert not [thing for thing in gc.get_objects() if type(thing) is WebSocket]
        finally:
            gc.enable()


# ---- draining ----


async def test_draining_says_1001_and_waits_for_the_handshake(mock_clock: trio.testing.MockClock) -> None:
    app = SocketApp()
    async with running(app) as server, opened(server) as polite, opened(server), trio.open_nursery() as nursery:
        done = trio.Event()

        async def drain() -> None:
            await server.drain(3)
            done.set()

        nursery.start_soon(drain)
        assert code_of((await polite.frame()).payload) == 1001
        await settled()
        assert not done.is_set()
        await polite.send(masked(CLOSE, b"\x03\xe9"))
        assert await polite.closed()
        await let(mock_clock, 4)  # the rude one is dropped at the deadline
        await done.wait()
        for recorder in app.sockets:
            await recorder.over.wait()
    assert [recorder.closings for recorder in app.sockets] == [[(1001, "", True)], [(1006, "", False)]]


async def test_a_cancelled_server_tells_every_app() -> None:
    app = SocketApp()
    async with running(app) as server, opened(server), opened(server):
        pass
    assert [recorder.closings for recorder in app.sockets] == [[(1006, "", False)]] * 2


# ---- faults of ours ----


@pytest.mark.parametrize("where", ["opened", "message"])
async def test_a_handler_that_fails_closes_its_connection_alone(where: str) -> None:
    def fail(peer: SocketPeer, data: str | bytes = "") -> None:
        raise RuntimeError("a bug")

    broken: list[Callable[[Recorder], None]] = [
        lambda recorder: setattr(recorder, "on_open" if where == "opened" else "on_message", fail)
    ]
    app = SocketApp(prepare=lambda recorder: broken.pop()(recorder) if broken else None)
    async with running(app) as server, opened(server) as victim, opened(server) as other:
        await victim.send(masked(0x81, b"x") * 2)
        frame = await victim.frame()
        assert (frame.first, code_of(frame.payload)) == (CLOSE, 1011)
        assert app.sockets[0].closings == [(1011, "internal error", False)]
        await other.send(masked(0x81, b"x"))
        assert (await other.frame()).payload == b"x"


async def test_a_client_that_is_slow_is_told_all(mock_clock: trio.testing.MockClock) -> None:
    """All has left the server when its patience ends, and lies in the kernel's buffers."""

    def prepare(recorder: Recorder) -> None:
        def on_message(peer: SocketPeer, data: str | bytes) -> None:
            peer.send(bytes(200_000))
            raise RuntimeError("a bug")

        recorder.on_message = on_message

    async with running(SocketApp(prepare=prepare)) as server, opened(server) as client:
        await client.send(masked(0x81, b"x"))
        await let(mock_clock, 60)
        assert server.connections == 0
        assert len((await client.frame()).payload) == 200_000
        assert code_of((await client.frame()).payload) == 1011
        assert not await client.stream.receive_some()


async def test_a_handler_that_fails_at_the_end_is_told_once() -> None:
    class Stubborn(Recorder):
        def closed(self, code: int, reason: str, clean: bool) -> None:
            super().closed(code, reason, clean)
            raise RuntimeError("a bug")

        def drained(self) -> None:
            raise RuntimeError("a bug")

    app = SocketApp()
    app.recorder = Stubborn
    async with running(app) as server:
        async with opened(server) as client:
            await client.send(masked(0x81, b"x"))
            await client.frame()
        await app.sockets[0].over.wait()
        async with opened(server) as client:
            peer = app.sockets[1].peer
            assert peer is not None
            peer.send(bytes(30 * MB))
            assert len((await client.frame()).payload) == 30 * MB
            assert code_of((await client.frame()).payload) == 1011
        assert [recorder.closings[0][0] for recorder in app.sockets] == [1006, 1011]
        assert [len(recorder.closings) for recorder in app.sockets] == [1, 1]
        async with opened(server) as client:
            await client.send(masked(0x81, b"x"))
            assert (await client.frame()).payload == b"x"
