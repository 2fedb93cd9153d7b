"""WebSockets over HTTP/2 (RFC 8441): the handshake, the tunnel, its windows and its ends.

What is said on the WebSocket is the same as over HTTP/1.1, and tested there: here by the conformance cases alone.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from nano_trio.actors.messages import IncomingRequest, OutgoingResponse, SharedMessage, SocketLimits, SocketPeer
from nano_trio.web.http2_tunnel import Tunnel, TunnelledWebSocket
from nano_trio.web.settings import AccessRecord
from tests.web import test_websocket_conformance as conformance
from tests.web.apps import App, text
from tests.web.http2_client import Fields
from tests.web.secure import secured
from tests.web.sockets import CLOSE, MB, Recorder, SocketApp, SocketClient, code_of, masked, pinged, settled
from tests.web.test_deadlines import let
from tests.web.tunnels import WINDOW, Shared, TunnelStream, connect, shared

DEFLATE = ("sec-websocket-extensions", "permessage-deflate")
MOST = SettingCodes.MAX_CONCURRENT_STREAMS
BOTH = (1000).to_bytes(2, "big")


def holding(recorder: Recorder) -> None:
    """Takes one message, then holds back."""
    recorder.on_message = lambda peer, data: False


def peer_of(app: SocketApp, number: int = -1) -> SocketPeer:
    peer = app.sockets[number].peer
    assert peer is not None
    return peer


def stream_of(socket: SocketClient) -> TunnelStream:
    assert isinstance(socket.stream, TunnelStream)
    return socket.stream


# ---- the handshake ----


async def test_an_app_sees_what_it_sees_over_http1(tmp_path: Path) -> None:
    app = SocketApp()
    records: list[AccessRecord] = []
    async with secured(app, tmp_path, access_log=records.append) as server, shared(server) as client:
        socket = await client.open("/here?a=b", ("origin", "https://app"), ("cookie", "a=1"), ("cookie", "b=2"))
        await socket.send(masked(0x81, b"hello"))
        assert (await socket.frame()).payload == b"hello"
        assert app.exchanges[0].finished == 1
        # For the log, too, it is the request that it is for the app.
        told = [(one.method, one.url, one.status, one.version, one.complete) for one in records]
        assert told == [("GET", "https://app/here?a=b", 101, "HTTP/2.0", True)]
        assert server.counts.versions == [0, 0, 1]
    (asked,) = app.requests
    assert (asked.method, asked.url, asked.body, asked.remote_address) == (
        "GET",
        "https://app/here?a=b",
        None,
        "127.0.0.1",
    )
    assert dict(asked.headers) == {
        "host": "app",
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "origin": "https://app",
        "cookie": "a=1; b=2",
    }


async def test_the_response_has_the_apps_fields_and_what_was_agreed_on(tmp_path: Path) -> None:
    app = SocketApp(
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("x-own", "é"),
        ("Sec-WebSocket-Protocol", "chat"),
        ("sec-websocket-accept", "forged"),
        ("sec-websocket-extensions", "forged"),
        ("upgrade", "h2c"),
        ("connection", "close"),
        ("content-length", "7"),
    )
    async with secured(app, tmp_path) as server, shared(server) as client:
        socket = await client.open("/", ("sec-websocket-protocol", "soap, chat"), DEFLATE)
        answer = stream_of(socket).answer
        names = [name for name, _ in answer.headers]
        assert names.pop() == "x-request-id"
        ours = [":status", "date", "sec-websocket-extensions", "sec-websocket-protocol"]
        assert sorted(names) == [*ours, "set-cookie", "set-cookie", "x-own"]
        assert (answer["set-cookie"], answer["x-own"], answer["sec-websocket-protocol"]) == ("a=1, b=2", "é", "chat")
        agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        assert answer["sec-websocket-extensions"] == agreed


@pytest.mark.parametrize(
    "headers",
    [[("x", "a\r\nb: c")], [("a b", "c")], [("sec-websocket-protocol", "chat")]],
    ids=["injection", "no name", "a protocol that was not offered"],
)
async def test_fields_that_cannot_be_sent_are_500(tmp_path: Path, headers: list[tuple[str, str]]) -> None:
    app = SocketApp(*headers)
    async with secured(app, tmp_path) as server, shared(server) as client:
        assert (await client.over(await client.ask())).status == 500
        assert app.sockets[0].closings == [(1006, "", False)]
        assert app.exchanges[0].response.status == 500  # type: ignore[union-attr]
        assert (await client.get("/plain")).text == "no socket here"


REFUSED: dict[str, Fields] = {
    "another version": [field if field[0] != "sec-websocket-version" else (field[0], "8") for field in connect()],
    "two versions": connect("/", ("sec-websocket-version", "13")),
    "a body": connect("/", ("content-length", "3")),
    "an empty protocol": connect("/", ("sec-websocket-protocol", "")),
    "a protocol twice": connect("/", ("sec-websocket-protocol", "a"), ("sec-websocket-protocol", "b, a")),
    "an extension that is no token": connect("/", ("sec-websocket-extensions", "a b")),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_handshake_that_is_none_is_refused_before_the_app_is_asked(tmp_path: Path, name: str) -> None:
    app = SocketApp()
    async with secured(app, tmp_path) as server, shared(server) as client:
        number = client.next()
        await client.send(client.headers(number, REFUSED[name], end=False))
        answer = await client.over(number)
        assert answer.status == 400
        # 426 would have to say what to upgrade to.
        assert answer["sec-websocket-version"] == ("13" if name == "another version" else "")
        assert not any(field in answer for field in ("upgrade", "connection"))
        assert not app.requests
        await client.open()


async def test_a_request_without_a_way_for_messages_is_refused(tmp_path: Path) -> None:
    app = SocketApp()
    async with secured(app, tmp_path) as server, shared(server) as client:
        number = client.next()
        await client.send(client.headers(number, connect(), end=True))
        assert (await client.over(number)).status == 400
        assert not app.requests


async def test_length_0_is_no_body(tmp_path: Path) -> None:
    async with secured(SocketApp(), tmp_path) as server, shared(server) as client:
        socket = await client.open("/", ("content-length", "0"))
        await socket.send(masked(0x81, b"hello"))
        assert (await socket.frame()).payload == b"hello"


def deciding(proceed: trio.Event, sockets: list[Recorder]) -> App:
    """Accepts or refuses (``/no``) when it is told to."""

    def handler(asked: IncomingRequest) -> Callable[[], Awaitable[OutgoingResponse]]:
        async def answer() -> OutgoingResponse:
            await proceed.wait()
            if asked.url.endswith("/no"):
                return text("no", 403)
            sockets.append(Recorder(asked))
            return OutgoingResponse(101, "", [], None, socket=sockets[-1])

        return answer

    return App(handler)


async def test_an_app_that_decides_later(tmp_path: Path) -> None:
    proceed, sockets = trio.Event(), []
    app = deciding(proceed, sockets)
    async with secured(app, tmp_path) as server, shared(server) as client:
        yes, no = await client.ask("/yes"), await client.ask("/no")
        # What comes early waits, up to a window.
        early = masked(0x82, bytes(WINDOW - 8 - 6))
        await TunnelStream(client, yes).send_all(early + masked(0x81))
        await TunnelStream(client, no).send_all(early)
        await client.ping()
        assert (client.room(yes), client.answer(yes).headers, client.answer(no).headers) == (0, [], [])
        proceed.set()
        answer = client.answer(no)
        await client.until(lambda: answer.ended)
        assert (answer.status, answer.text) == (403, "no")
        socket = SocketClient(TunnelStream(client, yes))  # type: ignore[arg-type]
        assert (await socket.frame()).payload == bytes(WINDOW - 8 - 6)
        assert (await socket.frame()).payload == b""
        await socket.send(masked(0x82, bytes(MB)))
        assert (await socket.frame()).payload == bytes(MB)
        # Who goes on with a handshake that was refused is told so, when the answer has come.
        await client.until(lambda: answer.reset is not None)
        assert answer.reset is ErrorCodes.NO_ERROR
    assert len(sockets) == 1


@pytest.mark.parametrize("how", ["end", "reset", "trailers", "fields"])
async def test_who_leaves_before_the_answer_is_forgotten(tmp_path: Path, how: str) -> None:
    proceed, sockets = trio.Event(), []
    app = deciding(proceed, sockets)
    async with secured(app, tmp_path) as server, shared(server) as client:
        stays = await client.ask()
        leaves = TunnelStream(client, await client.ask())
        if how == "end":
            await leaves.send_all(b"x")
            await leaves.send_eof()
            assert (await client.over(leaves.number)).reset is ErrorCodes.CANCEL
        elif how == "trailers":
            await leaves.headers(("x", "1"), end=True)
            assert (await client.over(leaves.number)).reset is ErrorCodes.PROTOCOL_ERROR
        else:
            await leaves.reset()
        await client.ping()
        assert [len(exchange.left) for exchange in app.exchanges] == [0, 1]
        proceed.set()
        await client.until(lambda: client.answer(stays).status)
        assert leaves.answer.headers == []
        assert len(sockets) == 1


# ---- messages and windows ----


async def test_messages_are_those_of_http1(tmp_path: Path) -> None:
    """Every case, at once and octet by octet, in one connection's streams."""
    app = SocketApp(limits=SocketLimits(max_message=conformance.MAX))
    async with secured(app, tmp_path) as server, shared(server) as client:
        for case in conformance.CASES.values():
            for dribble in (False, True) if case.dribbles else (False,):
                socket = await client.open("/", *((DEFLATE,) if case.deflate else ()))
                await conformance.check(case, socket, app, dribble=dribble)
                await stream_of(socket).send_eof()
        await client.ping()
        assert not client.goaways
        assert all(answer.reset is None for answer in client.answers.values())


async def test_a_client_that_does_not_read_holds_up_no_other_stream(tmp_path: Path) -> None:
    app = SocketApp(limits=SocketLimits(max_buffered=MB, ping_interval=0))
    async with secured(app, tmp_path) as server, shared(server, windows=False) as client:
        # All that the client has beyond the slow stream's window is for the others.
        await client.open_window(0, 8 * MB)
        slow, quick = await client.open(), await client.open()
        peer = peer_of(app, 0)
        for _ in range(12):
            peer.send(bytes(65536))
        await client.until(lambda: len(stream_of(slow).answer.body) == WINDOW)
        assert MB // 2 < peer.buffered < MB
        await client.open_window(stream_of(quick).number, 4 * MB)
        for number in range(40):
            await quick.send(masked(0x82, bytes((number,)) * 60_000))
            assert (await quick.frame()).payload == bytes((number,)) * 60_000
        assert (await client.get("/plain")).text == "no socket here"
        # It takes the rest when it likes, and the app is told.
        await client.open_window(stream_of(slow).number, MB)
        for _ in range(12):
            assert (await slow.frame()).payload == bytes(65536)
        await app.sockets[0].until(lambda: app.sockets[0].drains > 0)
        assert (peer.buffered, app.sockets[0].drains) == (0, 1)


async def test_one_message_too_many_for_who_does_not_read(tmp_path: Path) -> None:
    app = SocketApp(limits=SocketLimits(max_buffered=MB))
    async with secured(app, tmp_path) as server, shared(server, windows=False) as client:
        socket = await client.open()
        peer = peer_of(app)
        for _ in range(40):
            peer.send(bytes(65536))
        await app.sockets[0].over.wait()
        assert app.sockets[0].closings[0][0] == 1008
        stream = stream_of(socket)
        await client.open_window(0, 16 * MB)
        await client.open_window(stream.number, 16 * MB)
        frames = await socket.frames()
        assert (frames[-1].first, code_of(frames[-1].payload)) == (CLOSE, 1008)
        assert (len(frames) < 40, stream.answer.ended) == (True, True)


async def test_what_an_app_holds_back_stays_with_the_client(tmp_path: Path) -> None:
    app = SocketApp(prepare=holding)
    async with secured(app, tmp_path) as server, shared(server) as client, trio.open_nursery() as nursery:
        socket, other = await client.open(), await client.open()
        number = stream_of(socket).number
        sent = [os.urandom(30_000) for _ in range(20)]
        nursery.start_soon(socket.send, b"".join(masked(0x82, one) for one in sent))
        await client.until(lambda: client.room(number) == 0)
        await client.ping()
        taken = client.sent[number]
        assert taken < 3 * WINDOW
        assert app.sockets[0].messages == sent[:1]
        await other.send(masked(0x81, b"not held up"))
        await app.sockets[1].until(lambda: app.sockets[1].messages == ["not held up"])
        recorder, peer = app.sockets[0], peer_of(app, 0)
        for count in range(1, 20):
            assert len(recorder.messages) == count
            peer.resume()
            await recorder.until(lambda count=count: len(recorder.messages) > count)  # type: ignore[misc]
        assert recorder.messages == sent


async def test_padding_is_given_back(tmp_path: Path) -> None:
    app = SocketApp()
    async with secured(app, tmp_path) as server, shared(server) as client:
        socket = await client.open()
        stream = stream_of(socket)
        for number in range(2000):
            await client.until(lambda: client.room(stream.number) > 300)
            await stream.padded(masked(0x81, b"%d" % number), 200)
        for number in range(2000):
            assert (await socket.frame()).payload == b"%d" % number


async def test_large_messages_have_a_larger_window_while_there_is_one(tmp_path: Path) -> None:
    """As uploads have: each gets half of what is left, so five of a connection at a time get any."""
    app = SocketApp(limits=SocketLimits(ping_interval=0))
    async with secured(app, tmp_path) as server, shared(server) as client:
        sockets = [await client.open() for _ in range(8)]
        for _ in range(3):
            for socket in sockets:
                await socket.send(masked(0x82, length=MB) + bytes(100_000))
            await client.ping()
            rooms = [client.room(stream_of(socket).number) for socket in sockets]
            assert [room > WINDOW for room in rooms].count(True) == 5
            for socket in sockets:
                await socket.send(bytes(MB - 100_000))
                assert len((await socket.frame()).payload) == MB
            # It becomes a small one as it is used up.
            for socket in sockets:
                for _ in range(30):
                    await socket.send(masked(0x82, bytes(40_000)))
                    assert len((await socket.frame()).payload) == 40_000
            assert all(client.room(stream_of(socket).number) <= WINDOW for socket in sockets)


async def test_a_large_message_leaves_the_others_their_turns(tmp_path: Path) -> None:
    app = SocketApp(limits=SocketLimits(max_buffered=64 * MB))
    async with secured(app, tmp_path) as server, shared(server) as client, trio.open_nursery() as nursery:
        large, small = await client.open(), await client.open()
        peer_of(app, 0).send(bytes(16 * MB))
        done = trio.Event()

        async def take() -> None:
            assert (await large.frame()).payload == bytes(16 * MB)
            done.set()

        nursery.start_soon(take)
        for number in range(20):
            await small.send(masked(0x81, b"%d" % number))
            assert (await small.frame()).payload == b"%d" % number
        assert not done.is_set()


async def test_a_broadcast_reaches_every_tunnel(tmp_path: Path) -> None:
    app = SocketApp()
    async with secured(app, tmp_path) as server, shared(server) as client:
        sockets = [await client.open() for _ in range(50)]
        message = SharedMessage("to all")
        for number in range(50):
            peer_of(app, number).send_shared(message)
            peer_of(app, number).send_now(SharedMessage("now"))
        for socket in sockets:
            assert [(await socket.frame()).payload, (await socket.frame()).payload] == [b"to all", b"now"]


# ---- ends ----


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
    app = SocketApp()
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
