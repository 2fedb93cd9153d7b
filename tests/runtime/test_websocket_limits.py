"""What a WebSocket to a server may be: how many, how large, and what its handshake says."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
import trio

from nano_trio.runtime import websocket

from .fetching import fetching
from .websocket_server import Peer, echo, frame, serving

MOST = 8 << 20
"""Bytes of a message, in the environments of these tests."""
FAILURE = """
const failed = (ws) => new Promise((resolve) => {
  let message = "no error";
  ws.onerror = (event) => { message = event.message.replace(/^.*failed: /, ""); };
  ws.onclose = ({ code, wasClean }) => resolve([message, code, wasClean, ws.readyState]);
});
const upgrade = (headers, to = url) => fetch(to.replace("ws:", "http:"), { headers: { Upgrade: "websocket", ...headers } });
"""


async def test_no_more_connections_than_an_app_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "MOST_SOCKETS", 1)
    async with serving(echo) as server, fetching() as js:
        result = await js.run(
            FAILURE
            + """
            const first = new WebSocket(url);
            const second = new WebSocket(url);
            const early = second.readyState;
            const fetched = await upgrade().catch(({ message, cause }) => [message, cause.code]);
            return [early, await failed(second), fetched, first.readyState < 2];
            """,
            url=server.url,
        )
        why = "too many connections are open"
        assert result[:2] == [0, [why, 1006, False, 3]]
        assert why in result[2][0]
        assert result[2][1:] == ["ERR_WEBSOCKET"]
        assert result[3]


async def test_a_url_with_its_protocols_may_be_so_long_and_no_longer() -> None:
    async with serving(echo, protocols=["p"]) as server, fetching() as js:
        result = await js.run(
            FAILURE
            + """
            const protocols = ["p", "b".repeat(40_000)];
            const long = (length) => new WebSocket(url + "/?" + "a".repeat(length - url.length - 2), protocols);
            return [await failed(long(131_072 - 40_002 + 1)), await failed(long(131_072 - 40_002))];
            """,
            url=server.url,
        )
        assert result[0] == ["the handshake's request is too large", 1006, False, 3]
        # That much is sent; this server reads no line so long.
        assert result[1][0] != result[0][0]
        assert server.connections == 1


async def test_what_a_fetch_that_upgrades_sends_and_is_told() -> None:
    async with serving(echo) as server, serving(echo, protocols=["chat"]) as chatting, fetching() as js:
        result = await js.run(
            FAILURE
            + """
            const headers = {
              Host: "other", Connection: "close", TE: "trailers", "Keep-Alive": "9", "Sec-WebSocket-Key": "mine",
              "Sec-WebSocket-Extensions": "mine", "Content-Length": "3", "Transfer-Encoding": "chunked", "X-Mine": "1",
            };
            const plain = await upgrade(headers);
            const chosen = await upgrade({ "Sec-WebSocket-Protocol": "old , chat" }, chatting);
            const told = [[...plain.headers], [...chosen.headers], chosen.webSocket.protocol, chosen.url];
            for (const { webSocket } of [plain, chosen]) { webSocket.accept(); webSocket.close(); }
            return told;
            """,
            url=server.url,
            chatting=chatting.url,
        )
        assert result == [[], [["sec-websocket-protocol", "chat"]], "chat", chatting.url.replace("ws:", "http:") + "/"]
        plain, chosen = (list(peer.request.headers.raw_items()) for peer in (*server.peers, *chatting.peers))
        sent = {name.lower(): value for name, value in plain}
        assert len(plain) == len(sent), "nothing is said twice"
        assert sent["x-mine"] == "1"
        assert sent["host"] == server.url.removeprefix("ws://")
        assert sent["connection"].lower() == "upgrade"
        assert "mine" not in (sent["sec-websocket-key"], sent["sec-websocket-extensions"])
        assert not sent.keys() & {"te", "keep-alive", "content-length", "transfer-encoding", "sec-websocket-protocol"}
        assert dict(chosen)["Sec-WebSocket-Protocol"] == "old, chat"


def _deflated(size: int) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    data = compressor.compress(bytes(size)) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return frame(2, data.removesuffix(b"\0\0\xff\xff"), first=0xC0)


@pytest.mark.parametrize("deflate", [False, True])
async def test_the_largest_message(deflate: bool) -> None:
    async def handler(peer: Peer) -> None:
        for size in (MOST, MOST + 1):
            await peer.raw(_deflated(size) if deflate else frame(2, bytes(size)))
        await peer.gone()

    async with serving(handler, deflate=deflate) as server, fetching() as js:
        result = await js.run(
            FAILURE
            + """
            const ws = new WebSocket(url), sizes = [];
            ws.onmessage = ({ data }) => sizes.push(data.size);
            return [await failed(ws), sizes];
            """,
            url=server.url,
        )
        assert result == [["the server sent a message that is too large", 1006, False, 3], [MOST]]


async def test_after_its_close_frame_a_server_is_not_heard() -> None:
    """Nor where that comes later, when the answer has long been on its way."""
    heard: list[Any] = []

    async def handler(peer: Peer) -> None:
        await peer.raw(frame(8, b"\x0f\xa0"))
        heard.append(await peer.stream.receive_some(100))
        await peer.raw(frame(1, b"after") + b"\xff\xff")
        with trio.move_on_after(5):
            await peer.gone()

    async with serving(handler) as server, fetching() as js:
        result = await js.run(
            FAILURE
            + """
            const ws = new WebSocket(url), messages = [];
            ws.onmessage = ({ data }) => messages.push(data);
            return [await failed(ws), messages];
            """,
            url=server.url,
        )
        assert result == [["no error", 4000, True, 3], []]
        assert heard[0][:1] == b"\x88"
        await server.settled()
