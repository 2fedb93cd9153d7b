"""WebSockets over HTTP/2 (RFC 8441): the handshake, the tunnel and its windows.

What is said on the WebSocket is the same as over HTTP/1.1, and tested there: here by the conformance cases alone.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing
from h2.errors import ErrorCodes

from nano_trio.actors.messages import IncomingRequest, OutgoingResponse, SharedMessage, SocketLimits
from nano_trio.web.settings import AccessRecord
from tests.web import test_websocket_conformance as conformance
from tests.web.apps import App, text
from tests.web.http2_client import Fields
from tests.web.secure import secured
from tests.web.sockets import CLOSE, MB, Recorder, SocketApp, SocketClient, code_of, masked
from tests.web.tunnels import WINDOW, TunnelStream, connect, peer_of, shared, stream_of

DEFLATE = ("sec-websocket-extensions", "permessage-deflate")


def holding(recorder: Recorder) -> None:
    """Takes one message, then holds back."""
    recorder.on_message = lambda peer, data: False


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
