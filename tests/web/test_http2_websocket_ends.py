"""WebSockets over HTTP/2 (RFC 8441): how they end, and how many there may be."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
import trio
import trio.testing
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from nano_trio.actors.messages import SharedMessage, SocketLimits, SocketPeer
from nano_trio.web.http2_tunnel import Tunnel, TunnelledWebSocket
from tests.web.apps import let
from tests.web.secure import secured
from tests.web.sockets import CLOSE, MB, Recorder, SocketApp, code_of, masked, pinged, settled
from tests.web.tunnels import Shared, peer_of, shared, stream_of

MOST = SettingCodes.MAX_CONCURRENT_STREAMS
BOTH = (1000).to_bytes(2, "big")


async def test_a_closing_handshake_ends_the_stream(tmp_path: Path) -> None:
    app = SocketApp()
    async with secured(app, tmp_path) as server, shared(server) as client:
        theirs, ours = await client.open(), await client.open()
        await theirs.send(masked(CLOSE, BOTH + b"bye"))
        assert (await theirs.frame()).payload == BOTH
        peer_of(app, 1).close(4000, "enough")
        assert (await ours.frame()).payload == (4000).to_bytes(2, "big") + b"enough"
        await ours.send(masked(CLOSE, BOTH))
        for socket in (theirs, ours):
            assert await socket.closed()
            answer = stream_of(socket).answer
            assert (answer.ended, answer.reset) == (True, None)
            await stream_of(socket).send_eof()
        await client.ping()
        assert [recorder.closings for recorder in app.sockets] == [[(1000, "bye", True)], [(1000, "", True)]]
        # None is left: it may have so many streams for its requests, and none beyond.
        assert client.settings[MOST] == 100


async def test_a_close_and_the_streams_end_in_one_frame_are_answered(tmp_path: Path) -> None:
    app = SocketApp()
    async with secured(app, tmp_path) as server, shared(server) as client:
        socket = await client.open()
        await client.data(stream_of(socket).number, masked(0x81, b"last") + masked(CLOSE, BOTH), end=True)
        assert [frame.payload for frame in await socket.frames()] == [b"last", BOTH]
        assert stream_of(socket).answer.reset is None
        assert app.sockets[0].closings == [(1000, "", True)]


@pytest.mark.parametrize(
    "how", ["end", "end in a frame", "reset", "reset while blocked", "connection", "broken protocol"]
)
async def test_a_lost_connection_is_told_once(tmp_path: Path, how: str) -> None:
    app = SocketApp()
    async with secured(app, tmp_path) as server, shared(server, windows=False) as client:
        socket, peer = await client.open(), peer_of(app)
        stream = stream_of(socket)
        if how == "end in a frame":
            await socket.send(masked(0x81, b"hello")[:7])
        elif how == "reset while blocked":
            peer.send(bytes(30 * MB))
            await settled()
            assert peer.buffered > MB
        if how.startswith("end"):
            await stream.send_eof()
            assert await socket.closed()
            assert (stream.answer.ended, stream.answer.reset) == (True, None)
        elif how.startswith("reset"):
            await stream.reset()
        elif how == "connection":
            await client.stream.transport_stream.aclose()
        else:
            await client.send(bytes(9))  # DATA of no stream
            assert (await client.goaway()).error_code == ErrorCodes.PROTOCOL_ERROR
        await app.sockets[0].over.wait()
        await settled()
        assert app.sockets[0].closings == [(1006, "", False)]
        # What the app still does has no effect.
        peer.send("x")
        peer.send_shared(SharedMessage("x"))
        peer.send_now(SharedMessage("x"))
        peer.close(1000, "")
        peer.resume()
        assert peer.buffered == 0


@pytest.mark.parametrize("end", [True, False])
async def test_fields_on_a_tunnel_cost_its_stream(tmp_path: Path, end: bool) -> None:
    """RFC 9113 section 8.5. Without an end they are no trailers of any request, and h2 ends the connection for them."""
    app = SocketApp()
    async with secured(app, tmp_path) as server, shared(server) as client:
        socket, other = await client.open(), await client.open()
        await stream_of(socket).headers(("x", "1"), end=end)
        if end:
            assert (await client.over(stream_of(socket).number)).reset is ErrorCodes.PROTOCOL_ERROR
            await other.send(masked(0x81, b"on"))
            assert (await other.frame()).payload == b"on"
        else:
            await client.goaway()
        await app.sockets[0].over.wait()
        assert app.sockets[0].closings == [(1006, "", False)]


async def test_a_failing_handler_costs_its_stream(tmp_path: Path) -> None:
    def prepare(recorder: Recorder) -> None:
        def on_message(peer: SocketPeer, data: str | bytes) -> None:
            raise RuntimeError("no handler of an app's does this")

        recorder.on_message = on_message

    app = SocketApp(prepare=prepare)
    async with secured(app, tmp_path) as server, shared(server) as client:
        socket = await client.open()
        await socket.send(masked(0x81, b"x"))
        assert code_of((await socket.frame()).payload) == 1011
        assert await socket.closed()
        assert (await client.get("/plain")).text == "no socket here"


async def test_a_client_that_never_answers_a_close_is_reset(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    app = SocketApp(limits=SocketLimits(close_timeout=5))
    async with secured(app, tmp_path) as server, shared(server) as client:
        socket = await client.open()
        peer_of(app).close(1000, "")
        await let(mock_clock, 4)
        assert stream_of(socket).answer.reset is None
        await let(mock_clock, 3)
        assert stream_of(socket).answer.reset is ErrorCodes.CANCEL
        assert app.sockets[0].closings == [(1006, "", False)]
        await client.open()


async def test_a_client_that_never_ends_its_stream_is_reset(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    app = SocketApp()
    async with secured(app, tmp_path) as server, shared(server) as client:
        socket = await client.open()
        await socket.send(masked(CLOSE, BOTH))
        assert [frame.payload for frame in await socket.frames()] == [BOTH]
        answer = stream_of(socket).answer
        assert (answer.ended, answer.reset) == (True, None)
        await socket.send(bytes(100))  # nobody reads that
        await let(mock_clock, 4)
        assert answer.reset is ErrorCodes.NO_ERROR
        assert app.sockets[0].closings == [(1000, "", True)]
        assert client.settings[MOST] == 100


async def test_last_words_are_said_to_a_client_that_is_slow(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    """As the kernel would say them, long after the WebSocket is over here; but not for ever."""
    app = SocketApp()
    async with secured(app, tmp_path) as server, shared(server, settings={4: 10}, windows=False) as client:
        slow, stalled = await client.open(), await client.open()
        for number, socket in enumerate((slow, stalled)):
            peer_of(app, number).send("0123456789")
            await socket.send(masked(CLOSE, BOTH))
        await let(mock_clock, 10)
        assert [recorder.closings for recorder in app.sockets] == [[(1000, "", True)]] * 2
        assert stream_of(slow).answer.body == b"\x81\x0a01234567"
        await client.open_window(stream_of(slow).number, 100)
        assert [frame.payload for frame in await slow.frames()] == [b"0123456789", BOTH]
        await let(mock_clock, 30)
        assert stream_of(stalled).answer.reset is None
        await let(mock_clock, 30)
        assert stream_of(stalled).answer.reset is ErrorCodes.CANCEL
        assert client.settings[MOST] == 100


@pytest.mark.parametrize("answers", [True, False])
async def test_the_heartbeat(tmp_path: Path, mock_clock: trio.testing.MockClock, answers: bool) -> None:
    app = SocketApp()
    async with secured(app, tmp_path) as server, shared(server) as client:
        socket = await client.open()
        for _ in range(3):
            await let(mock_clock, 31)
            payload = await pinged(socket)
            if not answers:
                break
            await socket.send(masked(0x8A, payload))
        await let(mock_clock, 12)
        assert stream_of(socket).answer.reset is (None if answers else ErrorCodes.CANCEL)
        assert app.sockets[0].closings == ([] if answers else [(1006, "", False)])
        assert (await client.get("/plain")).status == 200


async def test_an_idle_connection_with_a_websocket_stays(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    app = SocketApp(limits=SocketLimits(ping_interval=0))
    async with secured(app, tmp_path) as server, shared(server) as client:
        socket = await client.open()
        await let(mock_clock, 300)
        await socket.send(masked(0x81, b"x"))
        assert (await socket.frame()).payload == b"x"


async def test_draining_says_1001(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    app = SocketApp()
    async with secured(app, tmp_path) as server, shared(server) as client, trio.open_nursery() as nursery:
        polite, rude = await client.open(), await client.open()
        nursery.start_soon(server.drain, 3)
        assert code_of((await polite.frame()).payload) == 1001
        assert code_of((await rude.frame()).payload) == 1001
        await polite.send(masked(CLOSE, (1001).to_bytes(2, "big")))
        await stream_of(polite).send_eof()
        await app.sockets[0].over.wait()
        assert not app.sockets[1].closings
        await let(mock_clock, 4)
        await client.until(lambda: client.closed)
    assert [recorder.closings for recorder in app.sockets] == [[(1001, "", True)], [(1006, "", False)]]


async def test_a_draining_server_opens_none(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    """The client may not know yet. The clock stands still: its connection is there until it has its answer."""
    app = SocketApp()
    async with secured(app, tmp_path) as server, shared(server) as client, trio.open_nursery() as nursery:
        await client.open()
        client.pongs = False
        nursery.start_soon(server.drain)
        await client.until(lambda: bool(client.goaways))
        refusal = await client.over(await client.ask())
        assert (refusal.status, refusal["retry-after"]) == (503, "1")
        assert len(app.sockets) == 1
        nursery.cancel_scope.cancel()


# ---- how many ----


async def test_websockets_take_no_requests_place(tmp_path: Path) -> None:
    app = SocketApp(limits=SocketLimits(ping_interval=0))
    async with secured(app, tmp_path) as server, shared(server) as client:
        sockets = []
        for number in range(256):
            sockets.append(await client.open())
            await client.ping()
            assert client.settings[MOST] == 101 + number
        answers = [await client.begin("/plain") for _ in range(100)]
        for answer in answers:
            assert (await client.over(answer)).text == "no socket here"
        refusal = await client.over(await client.ask())
        assert (refusal.status, len(app.sockets)) == (503, 256)
        await stream_of(sockets.pop()).reset()
        sockets.append(await client.open())
        for socket in sockets:
            await socket.send(masked(0x81, b"x"))
            assert (await socket.frame()).payload == b"x"
            await stream_of(socket).reset()
        await client.ping()
        assert client.settings[MOST] == 100


async def test_who_opens_and_resets_without_end_pays_for_it_in_turns_of_its_app(tmp_path: Path) -> None:
    """Each was answered, so it is no flood; but nothing is left of any."""
    app = SocketApp()
    async with secured(app, tmp_path) as server, shared(server) as client:
        for _ in range(1000):
            await stream_of(await client.open()).reset()
        await client.ping()
        assert [len(recorder.closings) for recorder in app.sockets] == [1] * 1000
        assert not client.goaways


async def test_nothing_is_left_of_a_tunnel_and_it_needs_no_collector(tmp_path: Path) -> None:
    app = SocketApp()

    async def visit(client: Shared, number: int) -> None:
        socket = await client.open()
        await socket.send(masked(0x81, b"hello"))
        await socket.frame()
        if number % 3 == 0:
            await socket.send(masked(CLOSE, BOTH))
            await socket.frames()
        stream = stream_of(socket)
        await (stream.reset if number % 3 == 1 else stream.send_eof)()
        if number % 3 != 1:
            await client.until(lambda: stream.answer.ended)
        await app.sockets.pop().over.wait()
        app.exchanges.clear()
        app.requests.clear()

    async with secured(app, tmp_path) as server, shared(server) as client:
        await visit(client, 1)
        await client.ping()
        tasks = trio.lowlevel.current_statistics().tasks_living
        gc.collect()
        gc.disable()
        try:
            for number in range(30):
                await visit(client, number)
            await client.ping()
            await settled()
            assert not [thing for thing in gc.get_objects() if type(thing) in (Tunnel, TunnelledWebSocket)]
        finally:
            gc.enable()
        assert trio.lowlevel.current_statistics().tasks_living == tasks
