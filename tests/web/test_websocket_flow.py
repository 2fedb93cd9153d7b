"""WebSocket messages in number and in size: back-pressure, floods, one message for many."""

from __future__ import annotations

import os
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import cast

import pytest
import trio
import trio.testing

from nano_trio.actors.messages import SharedMessage, SocketLimits
from nano_trio.runtime.pieces import PIECE, LargeMessage, Pieces
from nano_trio.web.websocket_outbox import Outbox
from tests.web.apps import let, running
from tests.web.secure import client_context, port_of, secured
from tests.web.sockets import (
    CLOSE,
    DEFLATE,
    MB,
    Recorder,
    SocketApp,
    SocketClient,
    code_of,
    inflated,
    masked,
    opened,
    settled,
)

# ---- back-pressure ----


@pytest.mark.parametrize("how", ["send", "send_shared", "send_now"])
async def test_a_client_that_does_not_read_is_cut_off(how: str) -> None:
    app = SocketApp(limits=SocketLimits(max_buffered=MB))
    async with running(app) as server, opened(server) as client:
        (recorder,) = app.sockets
        peer = recorder.peer
        assert peer is not None
        sent = 0
        largest = 0
        while sent < 1000 and not recorder.closings:
            if how == "send":
                peer.send(bytes(65536))
            else:
                getattr(peer, how)(SharedMessage(bytes(65536)))
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


async def test_a_client_in_the_middle_of_a_large_message_learns_why_it_is_closed(
    mock_clock: trio.testing.MockClock,
) -> None:
    """The clock stands still: however long the rest of that takes, nobody's patience ends."""
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
        # More than it reads before it ends the connection, 32 MB, and than what the system may hold for both, 75 MB.
        with pytest.raises(trio.BrokenResourceError):
            await client.send(masked(0x89, b"x" * 125) * 2_000_000)
        assert app.sockets[0].closings[0][0] == 1008


async def test_one_message_larger_than_the_limit_is_sent_to_who_reads() -> None:
    async with running(SocketApp(limits=SocketLimits(max_buffered=MB))) as server, opened(server) as client:
        await client.send(masked(0x82, bytes(15 * MB)))
        assert len((await client.frame()).payload) == 15 * MB


async def test_others_run_while_one_who_reads_is_sent_a_large_message(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = 0
    sent: Counter[int] = Counter()
    offer = Outbox._offer

    def note(outbox: Outbox, data: bytes) -> bool:
        sent[passes] += len(data)
        return offer(outbox, data)

    async def others() -> None:
        nonlocal passes
        while True:
            await trio.lowlevel.checkpoint()
            passes += 1

    app = SocketApp()
    async with running(app) as server, opened(server) as client, trio.open_nursery() as nursery:
        monkeypatch.setattr(Outbox, "_offer", note)
        nursery.start_soon(others)
        peer = app.sockets[0].peer
        assert peer is not None
        content = os.urandom(16 * MB)
        pieces = (content[at : at + PIECE] for at in range(0, len(content), PIECE))
        peer.send(LargeMessage(pieces, is_text=False))
        assert (await client.frame()).payload == content
        peer.send("and on")
        assert (await client.frame()).payload == b"and on"
        assert (peer.buffered, app.sockets[0].closings) == (0, [])
        nursery.cancel_scope.cancel()
    assert sum(sent.values()) > 16 * MB
    # Two passes may look like one, and in each a call more than the limit says is made.
    assert max(sent.values()) <= MB


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


async def test_a_message_sent_now_overtakes_none() -> None:
    app = SocketApp(limits=SocketLimits(max_buffered=64 * MB))
    async with running(app) as server, opened(server) as client:
        peer = app.sockets[0].peer
        assert peer is not None
        peer.send_now(SharedMessage("0"))
        assert (await client.frame()).payload == b"0"  # nobody else had to do anything for it
        peer.send("1")
        peer.send_now(SharedMessage("2"))
        peer.send("3")
        peer.send(bytes(20 * MB))
        await settled()
        assert peer.buffered > MB
        peer.send_now(SharedMessage("4"))
        peer.send("5")
        found = [(await client.frame()).payload for _ in range(6)]
        assert found == [b"1", b"2", b"3", bytes(20 * MB), b"4", b"5"]
        peer.close(1000, "")
        peer.send_now(SharedMessage("6"))
        assert (await client.frame()).first == CLOSE


@pytest.mark.parametrize("how", ["send_shared", "send_now"])
async def test_a_large_message_for_many_stays_in_pieces(how: str) -> None:
    app = SocketApp()
    async with running(app) as server, opened(server) as one, opened(server) as two, opened(server, DEFLATE) as three:
        pieces = [os.urandom(100_000) for _ in range(7)]
        message = SharedMessage(LargeMessage(pieces, is_text=False))
        for recorder in app.sockets:
            getattr(recorder.peer, how)(message)
        assert [(await client.frame()).payload for client in (one, two, three)] == [b"".join(pieces)] * 3
        assert list(cast(LargeMessage, message.data)) == pieces
        # What waits for ten thousand slow clients are the same bytes.
        for frame in message.frames.values():
            first, *more = cast(Pieces, frame)
            assert first.endswith(pieces[0])
            assert [*map(id, more)] == [*map(id, pieces[1:])]


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
