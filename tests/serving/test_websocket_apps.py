"""WebSockets of apps over real sockets, with a client that nobody here wrote."""

from __future__ import annotations

import contextlib
import json
import random
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.trio.client import ClientConnection, connect

from .conftest import NEIGHBOUR, Site, SiteMaker, unnoticed

REPOSITORY = Path(__file__).parents[2]

CHAT = """
import { publish, members, count } from "nano:rooms";
export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    const room = url.searchParams.get("room") ?? "lobby";
    if (url.pathname === "/say") return Response.json(publish(room, url.searchParams.get("text")));
    if (url.pathname === "/who") return Response.json([count(room), members(room).map((ws) => ws.data.name)]);
    if (request.headers.get("authorization") !== "Bearer open") return new Response("who are you?", { status: 401 });
    await new Promise((resolve) => setTimeout(resolve, 1));
    const offered = (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((each) => each.trim());
    const protocol = offered.includes("chat") ? "chat" : undefined;
    return ctx.upgrade(request, { data: { name: url.searchParams.get("name"), room }, protocol, headers: { "x-room": room } });
  },
  websocket: {
    open(ws) { ws.subscribe(ws.data.room); ws.send(`welcome ${ws.data.name}`); },
    async message(ws, data) {
      if (data === "throw") throw new Error("a bug");
      if (data === "spin") for (;;);
      if (data === "bye") return ws.close(4001, "as you wish");
      if (data === "slow") { await new Promise((resolve) => { ws.data.goOn = resolve; }); return void ws.send("was slow"); }
      if (data === "go on") return ws.data.goOn();
      if (typeof data !== "string") return void ws.send(data);
      ws.publish(ws.data.room, `${ws.data.name}: ${data}`);
      ws.send(`sent ${data}`);
    },
    close(ws, code, reason) { publish(ws.data.room, `${ws.data.name} left ${code} ${reason}`); },
  },
};
"""

PAIR = """
export default { fetch(request) {
  if (request.url.endsWith("/404")) return new Response("no", { status: 404 });
  if (request.headers.get("upgrade") !== "websocket") return new Response("upgrade, please", { status: 426 });
  const { 0: client, 1: server } = new WebSocketPair();
  server.accept();
  server.send("first");
  server.addEventListener("message", async (event) => {
    if (event.data === "throw") throw new Error("a bug");
    if (event.data === "bye") server.close(4001, "as you wish");
    else server.send(event.data);
  });
  server.addEventListener("close", (event) => console.log("closed", event.code, event.reason, event.wasClean));
  return new Response(null, { status: 101, webSocket: client, headers: { "sec-websocket-protocol": "chat" } });
} };
"""


@contextlib.asynccontextmanager
async def client(site: Site, app: str, path: str = "/", **options: Any) -> AsyncIterator[ClientConnection]:
    stream = await trio.open_tcp_stream("127.0.0.1", site.port)
    headers = {"Authorization": "Bearer open"} | options.pop("headers", {})
    async with connect(
        f"ws://{app}{path}", stream=stream, additional_headers=headers, ping_interval=None, proxy=None, **options
    ) as connection:
        yield connection


async def until_closed(connection: ClientConnection) -> tuple[list[Any], int, str]:
    """What still comes, and the server's code and reason."""
    messages = []
    with trio.fail_after(60):
        try:
            while True:
                messages.append(await connection.recv())
        except ConnectionClosed as closed:
            if closed.rcvd is None:
                return messages, 1006, ""
            return messages, closed.rcvd.code, closed.rcvd.reason


async def left(site: Site, app: str, count: int = 0) -> None:
    """Until the app has no more connections than these."""
    with trio.fail_after(60):
        while site.app(app).snapshot().sockets > count:
            await trio.lowlevel.checkpoint()


async def test_handlers(serve: SiteMaker) -> None:
    async with serve({"app": CHAT, "other": CHAT}) as site:
        with pytest.raises(InvalidStatus) as refusal:
            async with client(site, "app", headers={"Authorization": "no"}):
                pass
        assert (refusal.value.response.status_code, refusal.value.response.body) == (401, b"who are you?")
        async with (
            client(site, "app", "/?name=ann", subprotocols=["old", "chat"]) as ann,
            client(site, "app", "/?name=bob") as bob,
            client(site, "other", "/?name=eve") as eve,
        ):
            assert (ann.subprotocol, bob.subprotocol) == ("chat", None)
            assert ann.response is not None
            assert ann.response.headers["x-room"] == "lobby"
            for each, name in ((ann, "ann"), (bob, "bob"), (eve, "eve")):
                assert await each.recv() == f"welcome {name}"
            for size in (0, 5, 70_000, 1_000_000):
                data = random.Random(size).randbytes(size)
                await ann.send(data)
                assert await ann.recv() == data
            await ann.send("héllo 😀")
            assert (await ann.recv(), await bob.recv()) == ("sent héllo 😀", "ann: héllo 😀")
            await bob.send("x" * 200_000)
            assert (await ann.recv(), await bob.recv()) == ("bob: " + "x" * 200_000, "sent " + "x" * 200_000)
            assert (await site.get("app", "/who")).text == '[2,["ann","bob"]]'
            assert (await site.get("app", "/say?text=all")).text == "2"
            assert (await ann.recv(), await bob.recv()) == ("all", "all")
            assert (await site.get("other", "/say?text=hers")).text == "1"
            assert await eve.recv() == "hers"
            await bob.send("bye")
            assert await until_closed(bob) == ([], 4001, "as you wish")
            assert await ann.recv() == "bob left 4001 as you wish"
            assert (await site.get("app", "/who")).text == '[1,["ann"]]'
        await left(site, "app")
        assert (await site.get("app", "/who")).text == "[0,[]]"
        assert (await site.get("app", "/say?text=nobody")).text == "0"


async def test_pairs(serve: SiteMaker) -> None:
    async with serve({"app": PAIR}) as site:
        assert (await site.get("app")).status == 426
        async with client(site, "app", subprotocols=["chat"]) as one, client(site, "app", subprotocols=["chat"]) as two:
            assert one.subprotocol == "chat"
            assert (await one.recv(), await two.recv()) == ("first", "first")
            for number in range(200):
                await one.send(f"message {number}")
            assert [await one.recv() for _ in range(200)] == [f"message {number}" for number in range(200)]
            await one.send(b"\0" * 100_000)
            assert await one.recv() == b"\0" * 100_000
            await one.send("throw")
            assert await until_closed(one) == ([], 1011, "")
            await two.send("fine")
            assert await two.recv() == "fine"
            await two.send("bye")
            assert await until_closed(two) == ([], 4001, "as you wish")
        await left(site, "app")
        assert "Error: a bug" in site.logged("app")
        assert "closed 1011  true" in site.logged("app")
        assert "closed 4001 as you wish true" in site.logged("app")


async def test_a_handler_that_throws_is_noticed_by_nobody_else(serve: SiteMaker) -> None:
    async with (
        serve({"app": CHAT, "neighbour": NEIGHBOUR}) as site,
        client(site, "app", "/?name=ann") as ann,
        client(site, "app", "/?name=bob&room=other") as bob,
        unnoticed(site),
    ):
        for _ in range(3):
            async with client(site, "app", "/?name=eve") as eve:
                await eve.send("throw")
                assert await until_closed(eve) == (["welcome eve"], 1011, "")
        await bob.send("still here")
        assert [await bob.recv(), await bob.recv()] == ["welcome bob", "sent still here"]
        assert [await ann.recv() for _ in range(4)] == ["welcome ann"] + ["eve left 1011 "] * 3
        assert site.logged("app").count("Error: a bug") == 3


async def test_messages_of_slow_handlers_keep_their_order_of_arrival(serve: SiteMaker) -> None:
    async with serve({"app": CHAT}) as site, client(site, "app", "/?name=ann") as ann:
        await ann.recv()
        await ann.send("slow")
        await ann.send("quick")
        with trio.fail_after(10):
            assert await ann.recv() == "sent quick"
            await ann.send("go on")
            await ann.send("last")
            assert [await ann.recv(), await ann.recv()] == ["was slow", "sent last"]


def masked(first: int, payload: bytes) -> bytes:
    """A client's frame, whose mask changes nothing."""
    return bytes((first, 128 | len(payload), 0, 0, 0, 0)) + payload


@pytest.mark.parametrize("end", ["close", "violation"])
async def test_what_came_in_one_piece_is_answered_in_its_order(even_clock: None, serve: SiteMaker, end: str) -> None:
    """Messages wait for each other there, and a Ping or the end must not overtake them."""
    source = """
    export default {
      fetch: (request, env, ctx) => ctx.upgrade(request),
      websocket: { async message(ws, data) { await null; ws.send(data); } },
    };
    """
    async with serve({"app": source}) as site:
        stream = await trio.open_tcp_stream("127.0.0.1", site.port)
        async with stream:
            await stream.send_all(
                b"GET / HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            received = bytearray()

            async def until(last: bytes) -> bytes:
                while not received.endswith(last):
                    received.extend(await stream.receive_some())
                found = bytes(received)
                received.clear()
                return found

            with trio.fail_after(20):
                await until(b"\r\n\r\n")
                for number in range(20):
                    await stream.send_all(masked(0x81, b"%02d" % number))
                    await until(b"\x81\x02%02d" % number)
                messages = [b"%02d" % number for number in range(40)]
                pieces = [masked(0x81, message) for message in messages]
                last = masked(0x88, b"\x03\xe8") if end == "close" else masked(0x83, b"")
                await stream.send_all(b"".join([*pieces[:10], masked(0x89, b"ping"), *pieces[10:], last]))
                code = b"\x03\xe8" if end == "close" else b"\x03\xea"
                answers = [b"\x81\x02" + message for message in messages]
                expected = b"".join([*answers[:10], b"\x8a\x04ping", *answers[10:]])
                while len(received) < len(expected) + 4 and (more := await stream.receive_some()):
                    received.extend(more)
                assert received.startswith(expected)
                assert received[len(expected)] == 0x88
                assert received[len(expected) + 2 : len(expected) + 4] == code


async def test_a_crash_restarts_the_app_and_says_so(serve: SiteMaker) -> None:
    app = {"source": CHAT, "timeout_ms": 100}
    async with (
        serve({"app": app, "neighbour": NEIGHBOUR}) as site,
        client(site, "app", "/?name=ann") as ann,
        client(site, "app", "/?name=bob") as bob,
        unnoticed(site),
    ):
        await ann.send("spin")
        assert await until_closed(ann) == (["welcome ann"], 1011, "the app exceeded a limit")
        assert await until_closed(bob) == (["welcome bob"], 1012, "service restart")
        async with client(site, "app", "/?name=again") as again:
            assert await again.recv() == "welcome again"


async def test_draining_says_goodbye(serve: SiteMaker) -> None:
    async with (
        serve({"app": CHAT, "staying": CHAT}) as site,
        client(site, "app", "/?name=ann") as ann,
        client(site, "staying", "/?name=bob") as bob,
        trio.open_nursery() as nursery,
    ):
        assert await ann.recv() == "welcome ann"
        nursery.start_soon(site.app("app").drain)
        assert await until_closed(ann) == ([], 1001, "going away")
        await bob.send("x")
        assert [await bob.recv(), await bob.recv()] == ["welcome bob", "sent x"]


async def test_limits(serve: SiteMaker) -> None:
    app = {"source": PAIR, "max_connections": 2, "max_messages_per_s": 10, "websocket_close_timeout_s": 600}
    async with serve({"app": app}) as site:
        protocols: Any = {"subprotocols": ["chat"]}
        async with client(site, "app", **protocols) as one, client(site, "app", **protocols):
            with pytest.raises(InvalidStatus) as refusal:
                async with client(site, "app", **protocols):
                    pass
            response = refusal.value.response
            assert (response.status_code, response.headers["retry-after"]) == (503, "1")
            with contextlib.suppress(ConnectionClosed):
                for number in range(200):
                    await one.send(str(number))
            messages, code, reason = await until_closed(one)
            # Ten at once, and one more for each tenth of a second that this took.
            assert 10 < len(messages) < 200
            assert (messages, code, reason) == (
                ["first", *map(str, range(len(messages) - 1))],
                1008,
                "too many messages",
            )
        await left(site, "app")


async def test_an_app_passes_a_websocket_on(serve: SiteMaker) -> None:
    proxy = """
    export default { async fetch(request, env) {
      const url = new URL(env.URL);
      if (new URL(request.url).pathname === "/accept") {
        const response = await fetch(url, { headers: { Upgrade: "WebSocket", "Sec-WebSocket-Protocol": "chat" } });
        const { webSocket } = response;
        webSocket.accept();
        const text = new Promise((resolve) => webSocket.addEventListener("message", (e) => resolve(e.data)));
        return new Response([response.status, webSocket.protocol, await text].join());
      }
      if (new URL(request.url).pathname === "/refused") {
        const fetched = fetch(new URL("/404", url), { headers: { Upgrade: "websocket" } });
        return fetched.catch((error) => new Response(String(error)));
      }
      if (new URL(request.url).pathname === "/framed") {
        const framing = { "Transfer-Encoding": "chunked", "Content-Length": "3", Expect: "100-continue", TE: "trailers" };
        const headers = { Upgrade: "websocket", "Sec-WebSocket-Protocol": "chat", "Keep-Alive": "1", ...framing };
        return new Response((await fetch(url, { headers })).status);
      }
      return fetch(url, request);
    } };
    """
    async with serve({"app": {"source": PAIR, "hostname": "127.0.0.1"}}) as upstream:
        env = {"URL": f"http://127.0.0.1:{upstream.port}/"}
        async with serve({"proxy": {"source": proxy, "env": env, "allow_net": ["loopback"]}}) as site:
            async with client(site, "proxy", subprotocols=["chat"]) as connection:
                assert await connection.recv() == "first"
                for message in ("text", "é" * 5000, b"\1\2", b"x" * 100_000):
                    await connection.send(message)
                    assert await connection.recv() == message
                await connection.send("bye")
                assert await until_closed(connection) == ([], 4001, "as you wish")
            await left(upstream, "app")
            async with client(site, "proxy", subprotocols=["chat"]) as connection:
                await connection.recv()
                await connection.aclose(4002, "leaving")
            await left(upstream, "app")
            with trio.fail_after(5):
                while "closed 4002 leaving" not in site.logged("app"):
                    await trio.lowlevel.checkpoint()
            assert (await site.get("proxy", "/accept")).text == "101,chat,first"
            assert (await site.get("proxy", "/framed")).text == "101"
            refused = await site.get("proxy", "/refused")
            assert "TypeError: fetch failed: the server answered with the status 404 instead of 101" in refused.text


async def test_the_documentation_is_true(serve: SiteMaker) -> None:
    page = REPOSITORY / "docs/site/src/content/docs/guides/websockets.md"
    handlers, pair = re.findall(r"^```js[^\n]*\n(.*?)^```", page.read_text(), re.S | re.M)[:2]
    async with serve({"app": handlers, "pair": pair}) as site:
        with pytest.raises(InvalidStatus):
            async with client(site, "app"):
                pass
        async with client(site, "app", "/?name=ann") as ann, client(site, "app", "/?name=bob") as bob:
            assert (await ann.recv(), await bob.recv()) == ("Welcome, ann", "Welcome, bob")
            await ann.send("hello")
            assert await bob.recv() == "ann: hello"
            assert (await site.get("app", "/news?text=x")).text == '{"reached":2}'
            assert (await ann.recv(), await bob.recv()) == ("x", "x")
            await bob.aclose()
            assert await ann.recv() == "bob left"
        async with client(site, "pair") as echo:
            await echo.send("echo")
            assert await echo.recv() == "echo"


async def test_the_example_chat(serve: SiteMaker) -> None:
    async with serve({"chat": {"source": "", "path": str(REPOSITORY / "examples/chat")}}) as site:
        page = await site.get("chat")
        assert "<title>Chat</title>" in page.text
        assert (await site.get("chat", "/socket")).status == 426
        async with (
            client(site, "chat", "/socket?name=ann&room=a") as ann,
            client(site, "chat", "/socket?name=eve&room=b"),
        ):
            assert json.loads(await ann.recv()) == {"text": "ann came in", "present": 1}
            await ann.send("hello")
            assert json.loads(await ann.recv()) == {"from": "ann", "text": "hello"}
            await ann.send("x" * 501)
            _, code, _ = await until_closed(ann)
            assert code == 1008
