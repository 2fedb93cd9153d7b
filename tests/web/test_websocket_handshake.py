"""The opening handshake over real sockets: what is refused, what is agreed to, and what the app has a say in."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from nano_trio.actors.messages import IncomingRequest, OutgoingResponse, SocketLimits
from nano_trio.config import App as AppConfig
from nano_trio.web.settings import Limits
from tests.web.apps import App, connected, running, text
from tests.web.secure import encrypted, secured
from tests.web.sockets import ACCEPT, DEFLATE, KEY, Recorder, SocketApp, SocketClient, masked, opened

FIELDS = {
    "Host": "app",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


def request(line: str = "GET / HTTP/1.1", more: str = "", **changes: str | None) -> bytes:
    """A handshake with fields (underscores for dashes) changed, left out (None) or written out at the end."""
    fields = {**FIELDS, **{name.replace("_", "-"): value for name, value in changes.items()}}
    lines = [f"{name}: {value}\r\n" for name, value in fields.items() if value is not None]
    return f"{line}\r\n{''.join(lines)}{more}\r\n".encode()


MALFORMED = {
    "POST": request("POST / HTTP/1.1", "Content-Length: 0\r\n"),
    "HEAD": request("HEAD / HTTP/1.1"),
    "HTTP/1.0": request("GET / HTTP/1.0"),
    "no Connection": request(Connection=None),
    "another Connection": request(Connection="keep-alive"),
    "no key": request(**{"Sec-WebSocket-Key": None}),
    "an empty key": request(**{"Sec-WebSocket-Key": ""}),
    "a short key": request(**{"Sec-WebSocket-Key": "AAAA"}),
    "a long key": request(**{"Sec-WebSocket-Key": "A" * 24}),
    "a key that is no base64": request(**{"Sec-WebSocket-Key": "!" * 24}),
    "a key beyond ASCII": request(**{"Sec-WebSocket-Key": "é" * 12}),
    "two keys": request(more=f"Sec-WebSocket-Key: {KEY}\r\n"),
    "no version": request(**{"Sec-WebSocket-Version": None}),
    "two versions": request(more="Sec-WebSocket-Version: 13\r\n"),
    "a body": request(more="Content-Length: 3\r\n") + b"abc",
    "a chunked body": request(more="Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n",
    "an empty protocol": request(more="Sec-WebSocket-Protocol: \r\n"),
    "a protocol that is no token": request(more="Sec-WebSocket-Protocol: a b\r\n"),
    "a protocol twice": request(more="Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b, a\r\n"),
    "an extension that is no token": request(more="Sec-WebSocket-Extensions: a b\r\n"),
    "an extension without a name": request(more="Sec-WebSocket-Extensions: ; x\r\n"),
    "an extension's parameter without a value": request(more="Sec-WebSocket-Extensions: a; b=\r\n"),
    "an extension's value in half quotes": request(more='Sec-WebSocket-Extensions: a; b="c\r\n'),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_handshake_is_refused_before_the_app_is_asked(name: str, http: str) -> None:
    app = SocketApp()
    async with running(app, http=http) as server, connected(server) as client:
        await client.send(MALFORMED[name])
        reply = await client.reply()
        assert (reply.status, reply["connection"].split(", ")[0]) == (400, "close")
        await client.closed()
    assert not app.requests


@pytest.mark.parametrize("version", ["8", "14", "013", "13, 8", "x"])
async def test_another_version_is_answered_with_ours(version: str) -> None:
    app = SocketApp()
    async with running(app) as server, connected(server) as client:
        await client.send(request(**{"Sec-WebSocket-Version": version}))
        reply = await client.reply()
        assert (reply.status, reply["sec-websocket-version"], reply["upgrade"]) == (426, "13", "websocket")
        assert reply["connection"] == "close, upgrade"
    assert not app.requests


@pytest.mark.parametrize(
    "changes",
    [
        {"Upgrade": "WebSocket"},
        {"Upgrade": "h2c, websocket"},
        {"Connection": "keep-alive, UPGRADE"},
        {"Sec-WebSocket-Extensions": 'x-unknown; a; b=c; d="e" , , other'},
        {"Content-Length": "0"},
        {"Origin": "http://elsewhere.example"},
    ],
    ids=str,
)
async def test_what_the_rfc_allows_is_accepted(changes: dict[str, str], http: str) -> None:
    async with running(SocketApp(), http=http) as server, connected(server) as client:
        await client.send(request(**changes))
        reply = await client.reply()
        assert reply.status == 101
        assert reply["sec-websocket-accept"] == ACCEPT
        assert (reply["upgrade"], reply["connection"]) == ("websocket", "upgrade")
        assert "sec-websocket-extensions" not in reply
        assert "sec-websocket-protocol" not in reply
        assert "content-length" not in reply
        assert "date" in reply


async def test_an_app_may_answer_with_something_else() -> None:
    async with running(SocketApp()) as server, connected(server) as client:
        await client.send(request("GET /plain HTTP/1.1"))
        assert (await client.reply()).text == "no socket here"
        # The connection goes on with HTTP.
        await client.send(request("GET /plain HTTP/1.1"))
        assert (await client.reply()).text == "no socket here"


async def test_other_upgrades_are_ignored() -> None:
    app = App(lambda request: text("as if nothing were"))
    async with running(app) as server, connected(server) as client:
        assert (await client.get(headers="Connection: Upgrade\r\nUpgrade: h2c\r\n")).status == 200


async def test_a_socket_for_a_request_that_asked_for_none_is_426() -> None:
    app = SocketApp()
    async with running(app) as server, connected(server) as client:
        reply = await client.get()
        assert (reply.status, reply["sec-websocket-version"], reply["upgrade"]) == (426, "13", "websocket")
    (recorder,) = app.sockets
    assert recorder.peer is None
    assert recorder.closings == [(1006, "", False)]
    assert app.exchanges[0].finished == 1


async def test_an_app_that_decides_later() -> None:
    sockets: list[Recorder] = []

    def handler(asked: IncomingRequest) -> object:
        async def answer() -> OutgoingResponse:
            await trio.sleep(0.01)
            if asked.url.endswith("/no"):
                return text("no", 403)
            sockets.append(Recorder(asked))
            return OutgoingResponse(101, "", [], None, socket=sockets[0])

        return answer

    app = App(handler)  # type: ignore[arg-type]
    async with running(app) as server:
        async with opened(server) as client:
            await client.send(masked(0x81, b"hello"))
            assert (await client.frame()).payload == b"hello"
            assert app.exchanges[0].finished == 1
        await sockets[0].over.wait()
        async with connected(server) as other:
            await other.send(request("GET /no HTTP/1.1"))
            assert (await other.reply()).status == 403


async def test_fields_of_the_app_pass_and_the_handshakes_own_do_not() -> None:
    app = SocketApp(
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("x-own", "é"),
        ("Sec-WebSocket-Accept", "forged"),
        ("sec-websocket-extensions", "permessage-deflate"),
        ("upgrade", "h2c"),
        ("connection", "close"),
        ("content-length", "7"),
        ("transfer-encoding", "chunked"),
    )
    async with running(app) as server, connected(server) as client:
        await client.send(request())
        reply = await client.reply()
        assert reply.status == 101
        assert [value for name, value in reply.headers if name == "set-cookie"] == ["a=1", "b=2"]
        assert reply["x-own"] == "é"
        assert reply["sec-websocket-accept"] == ACCEPT
        assert (reply["upgrade"], reply["connection"]) == ("websocket", "upgrade")
        for name in ("sec-websocket-extensions", "content-length", "transfer-encoding"):
            assert name not in reply


@pytest.mark.parametrize(
    "headers",
    [[("x", "a\r\nb: c")], [("a b", "c")], [("sec-websocket-protocol", "chat"), ("sec-websocket-protocol", "chat")]],
    ids=["injection", "no name", "twice"],
)
async def test_fields_that_cannot_be_sent_are_500(headers: list[tuple[str, str]]) -> None:
    app = SocketApp(*headers)
    async with running(app) as server, connected(server) as client:
        await client.send(request(more="Sec-WebSocket-Protocol: chat\r\n"))
        assert (await client.reply()).status == 500
        assert await client.closed()
    assert app.sockets[0].closings == [(1006, "", False)]


async def test_a_subprotocol_must_have_been_offered() -> None:
    app = SocketApp(("sec-websocket-protocol", "chat"))
    async with running(app) as server:
        async with connected(server) as client:
            await client.send(request(more="Sec-WebSocket-Protocol: soap\r\nSec-WebSocket-Protocol: x, chat\r\n"))
            reply = await client.reply()
            assert (reply.status, reply["sec-websocket-protocol"]) == (101, "chat")
        for offer in ("", "Sec-WebSocket-Protocol: Chat\r\n"):
            async with connected(server) as client:
                await client.send(request(more=offer))
                assert (await client.reply()).status == 500


OURS = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
OFFERS = {
    "permessage-deflate": OURS,
    "permessage-deflate; client_max_window_bits": OURS,
    "permessage-deflate; client_max_window_bits=8": OURS,
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover": OURS,
    'permessage-deflate; server_max_window_bits="10"': f"{OURS}; server_max_window_bits=10",
    "permessage-deflate; server_max_window_bits=15": f"{OURS}; server_max_window_bits=15",
    "permessage-deflate; server_max_window_bits=8, permessage-deflate": OURS,
    "x-webkit-deflate-frame, permessage-deflate": OURS,
    # Declined (RFC 7692 section 7.1)
    "permessage-deflate; server_max_window_bits": "",
    "permessage-deflate; server_max_window_bits=7": "",
    "permessage-deflate; server_max_window_bits=16": "",
    "permessage-deflate; server_max_window_bits=09": "",
    "permessage-deflate; server_max_window_bits=8": "",
    "permessage-deflate; client_max_window_bits=x": "",
    "permessage-deflate; server_no_context_takeover=1": "",
    "permessage-deflate; client_no_context_takeover=true": "",
    "permessage-deflate; server_no_context_takeover; server_no_context_takeover": "",
    "permessage-deflate; unknown": "",
    "x-webkit-deflate-frame": "",
}


@pytest.mark.parametrize("offer", OFFERS)
async def test_compression_is_agreed_to_where_it_can_be_kept(offer: str) -> None:
    async with running(SocketApp()) as server, connected(server) as client:
        await client.send(request(more=f"Sec-WebSocket-Extensions: {offer}\r\n"))
        reply = await client.reply()
        assert (reply.status, reply["sec-websocket-extensions"]) == (101, OFFERS[offer])


async def test_compression_can_be_switched_off() -> None:
    async with running(SocketApp(limits=SocketLimits(compression=False))) as server, opened(server, DEFLATE) as client:
        await client.send(masked(0xC1, b"\0"))
        assert (await client.frame()).payload[:2] == (1002).to_bytes(2, "big")


async def test_frames_may_come_with_the_request() -> None:
    async with running(SocketApp()) as server, connected(server) as raw:
        client = SocketClient(raw.stream)
        reply = await client.shake(early=masked(0x81, b"early") + masked(0x81, b"bird")[:3])
        assert reply.status == 101
        assert (await client.frame()).payload == b"early"


async def test_messages_of_the_beginning_come_with_the_response() -> None:
    def prepare(recorder: Recorder) -> None:
        recorder.on_open = lambda peer: (peer.send("one"), peer.send(b"two"))[0]  # type: ignore[func-returns-value]

    async with running(SocketApp(prepare=prepare)) as server, opened(server) as client:
        assert [(await client.frame()).payload, (await client.frame()).payload] == [b"one", b"two"]


async def test_after_an_answered_request_on_the_same_connection() -> None:
    async with running(SocketApp()) as server, connected(server) as raw:
        client = SocketClient(raw.stream)
        assert (await client.get("/plain")).status == 200
        assert (await client.shake()).status == 101
        await client.send(masked(0x81, b"x"))
        assert (await client.frame()).payload == b"x"


async def test_over_tls(tmp_path: Path) -> None:
    async with secured(SocketApp(), tmp_path) as server, encrypted(server) as raw:
        client = SocketClient(raw.stream)
        assert (await client.shake(DEFLATE)).status == 101
        await client.send(masked(0x82, b"x" * 300_000) + masked(0x81, b"y"))
        assert (await client.frame()).payload == b"x" * 300_000
        assert (await client.frame()).payload == b"y"
        await client.send(masked(0x88, b"\x03\xe8"))
        assert (await client.frame()).payload == b"\x03\xe8"
        assert await client.closed()


async def test_a_draining_server_opens_none() -> None:
    app = SocketApp()
    limits = Limits(linger_timeout=0.01)
    async with running(app, limits=limits) as server, connected(server) as client, opened(server) as other:
        await client.send(request()[:-2])
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.drain)
            assert (await other.frame()).payload[:2] == (1001).to_bytes(2, "big")
            await client.send(b"\r\n")
            assert (await client.reply()).status == 503
            await other.send(masked(0x88, b"\x03\xe9"))
            await other.closed()
    assert len(app.sockets) == 1
    assert app.sockets[0].closings == [(1001, "", True)]


def test_limits_are_the_apps(tmp_path: Path) -> None:
    assert SocketLimits.of(AppConfig(name="a", path=tmp_path)) == SocketLimits()
    own = AppConfig(
        name="a",
        path=tmp_path,
        max_message_mb=2,
        max_buffered_mb=0.5,
        websocket_compression=False,
        websocket_ping_interval_s=1,
        websocket_ping_timeout_s=0,
        websocket_close_timeout_s=3,
    )
    assert SocketLimits.of(own) == SocketLimits(2 * 2**20, 2**19, False, 1, 0, 3)
