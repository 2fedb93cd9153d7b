"""A WebSocket connection's life: back-pressure, heartbeat, closing, draining, and what becomes of faults."""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from nano_trio.actors.messages import SharedMessage, SocketLimits, SocketPeer
from nano_trio.web.server import Server
from tests.web.apps import running
from tests.web.secure import client_context, port_of, secured
from tests.web.sockets import DEFLATE, Recorder, SocketApp, SocketClient, inflated, masked, opened
from tests.web.test_deadlines import let

MB = 2**20
CLOSE = 0x88


def code_of(payload: bytes) -> int:
    return int.from_bytes(payload[:2], "big")


async def settled() -> None:
    await trio.testing.wait_all_tasks_blocked(0.005)


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
        await settled()
        assert server.connections == 0


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
            payload = await _pinged(client)
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
            await settled()
            left = [thing for thing in gc.get_objects() if type(thing) is WebSocket]
            assert len(left) <= 1  # the reactor's last
        finally:
            gc.enable()


# ---- draining ----


async def test_draining_says_1001_and_waits_for_the_handshake() -> None:
    app = SocketApp()
    async with running(app) as server, opened(server) as polite, opened(server), trio.open_nursery() as nursery:
        done = trio.Event()

        async def drain() -> None:
            await server.drain(1)
            done.set()

        nursery.start_soon(drain)
        assert code_of((await polite.frame()).payload) == 1001
        await settled()
        assert not done.is_set()
        await polite.send(masked(CLOSE, b"\x03\xe9"))
        assert await polite.closed()
        with trio.fail_after(5):
            await done.wait()  # the rude one is dropped at the deadline
            for recorder in app.sockets:
                await recorder.over.wait()
    assert [recorder.closings for recorder in app.sockets] == [[(1001, "", True)], [(1006, "", False)]]


async def test_a_cancelled_server_tells_every_app() -> None:
    app = SocketApp()
    async with running(app) as server, opened(server), opened(server):
        pass
    assert [recorder.closings for recorder in app.sockets] == [[(1006, "", False)]] * 2


# ---- back-pressure ----


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    app = SocketApp(limits=SocketLimits(max_buffered=MB))
    async with running(app) as server, opened(server) as client:
        (recorder,) = app.sockets
        peer = recorder.peer
        assert peer is not None
        sent = 0
        largest = 0
        while sent < 1000 and not recorder.closings:
            peer.send(bytes(65536))
            largest = max(largest, peer.buffered)
            sent += 1
            await settled()
        assert recorder.closings == [(1008, "the client reads too slowly", False)]
        assert MB < largest <= MB + 65536 + 10
        assert peer.buffered <= 300_000
        # Who reads after all gets whole messages, and is told why there are no more.
        *frames, last = await client.frames()
        assert (last.first, code_of(last.payload)) == (CLOSE, 1008)
        assert all(frame.payload == bytes(65536) for frame in frames)
        assert sent - 30 < len(frames) < sent
    assert len(recorder.closings) == 1


async def test_who_is_cut_off_did_not_close() -> None:
    """Not even where its Close came with the messages whose answers it does not read."""

    def prepare(recorder: Recorder) -> None:
        recorder.on_message = lambda peer, data: peer.send(bytes(4 * MB))

    app = SocketApp(prepare=prepare)
    async with running(app) as server, opened(server) as client:
        await client.send(masked(0x81, b"x") * 10 + masked(CLOSE, b"\x03\xe8"))
        await app.sockets[0].over.wait()
        assert app.sockets[0].closings == [(1008, "the client reads too slowly", False)]
        assert len(app.sockets[0].messages) < 10


async def test_a_client_in_the_middle_of_a_large_message_learns_why_it_is_closed() -> None:
    async with running(SocketApp()) as server, opened(server) as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.send, masked(0x82, bytes(17 * MB)))
        assert code_of((await client.frame()).payload) == 1009


async def test_a_client_that_is_cut_off_and_never_reads_is_dropped(mock_clock: trio.testing.MockClock) -> None:
    app = SocketApp(limits=SocketLimits(max_buffered=MB, close_timeout=5))
    async with running(app) as server, opened(server):
        peer = app.sockets[0].peer
        assert peer is not None
        for _ in range(200):
            peer.send(bytes(65536))
        await let(mock_clock, 4)
        assert server.connections == 1
        await let(mock_clock, 3)
        assert server.connections == 0


async def test_tiny_messages_that_wait_take_little_more_than_their_bytes() -> None:
    app = SocketApp(limits=SocketLimits(max_buffered=64 * MB))
    async with running(app) as server, opened(server) as client:
        peer = app.sockets[0].peer
        assert peer is not None
        peer.send(bytes(10 * MB))
        before = peer.buffered
        tracemalloc.start()
        for number in range(50_000):
            peer.send(f"{number:06}")
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peer.buffered - before == 50_000 * 8
        assert taken < 3 * 50_000 * 8
        await client.frame()
        data = await client.exactly(50_000 * 8)
        assert data == b"".join(b"\x81\x06%06d" % number for number in range(50_000))


async def test_pings_of_a_client_that_does_not_read_do_not_pile_up() -> None:
    app = SocketApp(limits=SocketLimits(max_buffered=MB))
    async with running(app) as server, opened(server) as client:
        with pytest.raises(trio.BrokenResourceError), trio.fail_after(30):
            await client.send(masked(0x89, b"x" * 125) * 500_000)
        assert app.sockets[0].closings[0][0] == 1008


async def test_one_message_larger_than_the_limit_is_sent_to_who_reads() -> None:
    async with running(SocketApp(limits=SocketLimits(max_buffered=MB))) as server, opened(server) as client:
        await client.send(masked(0x82, bytes(15 * MB)))
        assert len((await client.frame()).payload) == 15 * MB


async def test_the_app_is_told_when_the_queue_is_empty(tmp_path: Path) -> None:
    app = SocketApp(limits=SocketLimits(max_buffered=64 * MB))
    async with secured(app, tmp_path) as server, opened(server) as plain:
        raw = await trio.open_tcp_stream("127.0.0.1", port_of(server))
        stream = trio.SSLStream(raw, client_context(), server_hostname="localhost", https_compatible=False)
        secret = SocketClient(stream)  # type: ignore[arg-type]
        await secret.shake()
        for client, recorder in zip((plain, secret), app.sockets, strict=True):
            peer = recorder.peer
            assert peer is not None
            peer.send("small")
            assert peer.buffered == 0
            assert (await client.frame()).payload == b"small"
            for number in range(40):
                peer.send(bytes((number,)) * MB)
            assert 20 * MB < peer.buffered <= 40 * MB + 400
            assert recorder.drains == 0
            for number in range(40):
                assert (await client.frame()).payload == bytes((number,)) * MB
            await recorder.until(lambda recorder=recorder: recorder.drains > 0)  # type: ignore[misc]
            assert (peer.buffered, recorder.drains) == (0, 1)
            peer.send("and on")
            assert (await client.frame()).payload == b"and on"
        await stream.aclose()


@pytest.mark.parametrize("pieces", [1, 7, 200])
async def test_messages_held_back_stay_in_order_and_in_the_socket(pieces: int) -> None:
    def prepare(recorder: Recorder) -> None:
        recorder.on_message = lambda peer, data: len(recorder.messages) % 3 != 0

    app = SocketApp(prepare=prepare)
    data = b"".join(masked(0x81, b"%d" % number) for number in range(100))
    async with running(app) as server, opened(server) as client, trio.open_nursery() as nursery:

        async def send() -> None:
            for index in range(pieces):
                await client.send(data[len(data) * index // pieces : len(data) * (index + 1) // pieces])

        nursery.start_soon(send)
        (recorder,) = app.sockets
        peer = recorder.peer
        assert peer is not None
        with trio.fail_after(10):
            for count in range(3, 100, 3):
                await recorder.until(lambda count=count: len(recorder.messages) >= count)  # type: ignore[misc]
                await settled()
                assert len(recorder.messages) == count
                peer.resume()
                peer.resume()
            await recorder.until(lambda: len(recorder.messages) == 100)
        assert recorder.messages == [str(number) for number in range(100)]


async def test_a_flood_is_held_back_by_tcp() -> None:
    def prepare(recorder: Recorder) -> None:
        recorder.on_message = lambda peer, data: False

    app = SocketApp(prepare=prepare)
    async with running(app) as server, opened(server) as client:
        with trio.move_on_after(0.5) as scope:
            for _ in range(200):
                await client.send(masked(0x82, bytes(MB)))
        assert scope.cancelled_caught
        assert len(app.sockets[0].messages) == 1
        # Closing reads on, for the client's Close.
        peer = app.sockets[0].peer
        assert peer is not None
        peer.close(1000, "")
        assert (await client.frame()).first == CLOSE


async def test_one_who_floods_does_not_hold_up_another() -> None:
    app = SocketApp()
    async with running(app) as server, opened(server) as loud, opened(server) as quiet, trio.open_nursery() as nursery:

        async def flood() -> None:
            while True:
                await loud.send(masked(0x81, b"x") * 5000)

        async def swallow() -> None:
            while True:
                await loud.stream.receive_some(65536)

        nursery.start_soon(flood)
        nursery.start_soon(swallow)
        for number in range(20):
            before = len(app.sockets[0].messages)
            await quiet.send(masked(0x81, b"%d" % number))
            assert (await quiet.frame()).payload == b"%d" % number
            assert len(app.sockets[0].messages) - before < 20_000
        nursery.cancel_scope.cancel()


# ---- many at once ----


async def test_a_shared_message_is_framed_once_for_each_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    app = SocketApp()
    async with running(app) as server, opened(server) as one, opened(server) as two, opened(server, DEFLATE) as small:
        text = "shared ✓ " * 1000
        message = SharedMessage(text)
        for recorder in app.sockets:
            assert recorder.peer is not None
            recorder.peer.send_shared(message)
        plain = (await one.frame(), await two.frame())
        assert [frame.first for frame in plain] == [0x81, 0x81]
        assert [frame.payload.decode() for frame in plain] == [text, text]
        compressed = await small.frame()
        assert compressed.first == 0xC1
        assert inflated(compressed.payload).decode() == text
        assert len(compressed.payload) < 200
        assert len(message.frames) == 2
        before = list(map(id, message.frames.values()))
        for recorder in app.sockets:
            assert recorder.peer is not None
            recorder.peer.send_shared(message)
        assert list(map(id, message.frames.values())) == before
        assert (await one.frame()).payload.decode() == text
        assert inflated((await small.frame()).payload).decode() == text


async def test_windows_have_their_own_variant() -> None:
    app = SocketApp()
    narrow = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n"
    async with running(app) as server, opened(server, DEFLATE) as wide, opened(server, narrow) as slim:
        data = os.urandom(2000) * 2
        message = SharedMessage(data)
        for recorder in app.sockets:
            assert recorder.peer is not None
            recorder.peer.send_shared(message)
        repeats = inflated((await wide.frame()).payload), inflated((await slim.frame()).payload)
        assert repeats == (data, data)
        sizes = sorted(map(len, message.frames.values()))
        assert sizes[0] < 2500 < 4000 < sizes[1]  # a window of 512 bytes does not see the repetition


async def test_messages_of_one_turn_leave_together() -> None:
    app = SocketApp()
    async with running(app) as server, opened(server) as client:
        peer = app.sockets[0].peer
        assert peer is not None
        for number in range(100):
            peer.send(f"{number}")
        data = await client.stream.receive_some(65536)
        assert data.count(b"\x81") == 100


# ---- heartbeat ----


async def _pinged(client: SocketClient) -> bytes:
    frame = await client.frame()
    assert frame.first == 0x89
    return frame.payload


async def test_a_client_that_answers_pings_stays(mock_clock: trio.testing.MockClock) -> None:
    app = SocketApp()
    async with running(app) as server, opened(server) as client:
        payloads = set()
        for _ in range(5):
            await let(mock_clock, 31)
            payload = await _pinged(client)
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
        await _pinged(client)
        if answer is not None:
            await client.send(answer)
        await let(mock_clock, 8)
        assert server.connections == 1
        await let(mock_clock, 4)
        assert server.connections == 0
        assert app.sockets[0].closings == [(1006, "", False)]


async def test_messages_do_not_put_pings_off(mock_clock: trio.testing.MockClock) -> None:
    async with running(SocketApp()) as server, opened(server) as client:
        for number in range(30):
            await client.send(masked(0x81, b"%d" % number))
            assert (await client.frame()).payload == b"%d" % number
            await let(mock_clock, 1)
        await let(mock_clock, 2)
        await _pinged(client)


@pytest.mark.parametrize(
    "limits", [SocketLimits(ping_interval=0), SocketLimits(ping_timeout=0)], ids=["no pings", "no time-out"]
)
async def test_the_heartbeat_can_be_switched_off(mock_clock: trio.testing.MockClock, limits: SocketLimits) -> None:
    async with running(SocketApp(limits=limits)) as server, opened(server) as client:
        await let(mock_clock, 100)
        assert server.connections == 1
        await client.send(masked(0x81, b"x"))
        for _ in range(0 if limits.ping_interval == 0 else 3):
            await _pinged(client)
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
        await _pinged(client)


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
