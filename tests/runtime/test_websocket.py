"""new WebSocket(url) as an app sees it, against servers that behave: WebSockets Standard, section 3."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trustme

from nano_trio.engine.turn import Turn
from nano_trio.runtime import websocket, websocket_client
from nano_trio.runtime.net_connect import Network
from nano_trio.runtime.net_policy import NetPolicy
from nano_trio.runtime.pieces import LARGE, LargeMessage
from nano_trio.runtime.websocket_client import Event, Message, WebSocketClient

from .fetching import OPEN, Fetching, fetching
from .websocket_server import Peer, echo, read_head, serving

# Connects, records what happens, and resolves with it at the close event.
RECORD = """
const log = [];
const record = (ws, handlers = {}) => new Promise((resolve) => {
  ws.addEventListener("open", (e) => { log.push("open " + ws.readyState); handlers.open?.(e); });
  ws.addEventListener("message", (e) => { log.push("message " + e.data); handlers.message?.(e); });
  ws.addEventListener("error", (e) => { log.push("error " + ws.readyState); handlers.error?.(e); });
  ws.addEventListener("close", (e) => { log.push(`close ${e.wasClean} ${e.code} ${e.reason}`.trimEnd()); resolve(log); });
});
const opened = (ws) => new Promise((resolve, reject) => { ws.onopen = resolve; ws.onclose = reject; });
const closed = (ws) => new Promise((resolve) => ws.addEventListener("close", resolve));
const next = (ws) => new Promise((resolve) => ws.addEventListener("message", resolve, { once: true }));
"""


async def run(js: Fetching, source: str, **values: Any) -> Any:
    return await js.run(RECORD + source, **values)


@pytest.mark.parametrize("deflate", [False, True])
async def test_a_conversation(deflate: bool) -> None:
    async with serving(echo, deflate=deflate) as server, fetching() as js:
        result = await run(
            js,
            """
            const ws = new WebSocket(url + "/path?query");
            const before = [ws.url === url + "/path?query", ws.readyState, ws.protocol, ws.extensions, ws.bufferedAmount, ws.binaryType];
            const over = record(ws, {
              open: () => { ws.send("é€😀"); ws.send(""); },
              message: (e) => { if (e.data === "") ws.close(); },
            });
            const isSync = log.length === 0;
            return [before, isSync, await over, ws.readyState, ws.bufferedAmount];
            """,
            url=server.url,
        )
        assert result[0] == [True, 0, "", "", 0, "blob"]
        assert result[1:] == [True, ["open 1", "message é€😀", "message ", "close true 1005"], 3, 0]
        await server.settled()
        assert server.peers[0].request.path == "/path?query"


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 1023, 1024, 32767, 32768, 32769, 65535, 65536, 65537, 1_000_000])
async def test_messages_of_all_sizes(deflate: bool, size: int) -> None:
    async with serving(echo, deflate=deflate) as server, fetching() as js:
        assert await run(
            js,
            """
            const ws = new WebSocket(url);
            ws.binaryType = "arraybuffer";
            await opened(ws);
            const bytes = new Uint8Array(size).map((_, i) => i * i >> 3), text = ["a", "é", "\\ufeff😀"][size % 3].repeat(size);
            ws.send(bytes);
            const amount = ws.bufferedAmount;
            const binary = new Uint8Array((await next(ws)).data);
            ws.send(text);
            const same = (await next(ws)).data === text;
            ws.close();
            await closed(ws);
            return [amount, binary.length, binary.every((byte, i) => byte === bytes[i]), same];
            """,
            url=server.url,
            size=size,
        ) == [size, size, True, True]


async def test_what_leaves_while_a_turn_is_suspended_is_buffered_to_its_end() -> None:
    async with serving(echo) as server, fetching() as js:
        assert await run(
            js,
            """
            const ws = new WebSocket(url);
            await opened(ws);
            ws.send(new Uint8Array(5000));
            ws.send("a");
            const first = ws.bufferedAmount;
            for (let end = performance.now() + 100; performance.now() < end; );
            ws.send("bc");
            const second = ws.bufferedAmount;
            await next(ws);
            await next(ws);
            await next(ws);
            const third = ws.bufferedAmount;
            ws.close();
            await closed(ws);
            return [second - first, third];
            """,
            url=server.url,
        ) == [2, 0]


async def test_large_messages_stay_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    send, join = WebSocketClient.send, websocket_client._join
    sent: list[object] = []
    joined: list[int] = []

    def watch_send(client: WebSocketClient, message: Message) -> None:
        sent.append(message)
        send(client, message)

    def watch_join(parts: list[str | bytes]) -> str | bytes:
        whole = join(parts)
        joined.append(len(whole))
        return whole

    monkeypatch.setattr(WebSocketClient, "send", watch_send)
    monkeypatch.setattr(websocket_client, "_join", watch_join)
    async with serving(echo) as server, fetching() as js:
        assert await run(
            js,
            """
            const ws = new WebSocket(url);
            await opened(ws);
            const bytes = new Uint8Array(size).map((_, i) => i * i >> 3), text = "é".repeat(size / 2);
            ws.send(bytes);
            const binary = await (await next(ws)).data.bytes();
            ws.send(text);
            const same = (await next(ws)).data === text;
            ws.close();
            await closed(ws);
            return [binary.length, binary.every((byte, i) => byte === bytes[i]), same];
            """,
            url=server.url,
            size=2_000_000,
        ) == [2_000_000, True, True]
    assert [type(message) for message in sent] == [LargeMessage, LargeMessage]
    assert max(joined) < LARGE


async def test_what_can_be_sent_and_binary_types() -> None:
    async with serving(echo) as server, fetching() as js:
        assert await run(
            js,
            """
            const ws = new WebSocket(url), got = [];
            await opened(ws);
            const buffer = new Uint8Array([1, 2, 3, 4]).buffer;
            const items = [buffer, new Uint8Array(buffer, 1, 2), new DataView(buffer, 3), new Blob(["ab", new Uint8Array([7])]), 12, null, { toString: () => "object" }, "\\ud800"];
            for (const item of items) {
              ws.send(item);
              const { data } = await next(ws);
              got.push(data instanceof Blob ? [data.type, ...await data.bytes()] : data);
            }
            ws.binaryType = "arraybuffer";
            ws.binaryType = "nonsense";
            ws.send(new Uint8Array([9]));
            const event = await next(ws);
            got.push(ws.binaryType, event.data instanceof ArrayBuffer, event instanceof MessageEvent, event.isTrusted, event.origin === url, event.target === ws);
            ws.close();
            await closed(ws);
            return got;
            """,
            url=server.url,
        ) == [
            ["", 1, 2, 3, 4], ["", 2, 3], ["", 4], ["", 97, 98, 7], "12", "null", "object", "�",
            "arraybuffer", True, True, True, True, True,
        ]  # fmt: skip


async def test_subprotocols_and_the_request() -> None:
    async with serving(echo, protocols=["b", "c"]) as server, fetching() as js:
        assert await run(
            js,
            """
            const ws = new WebSocket(url.replace("//", "//us%20er:pass@") + "/x", ["a", "b"]);
            await opened(ws);
            const { protocol, extensions } = ws;
            ws.send("x");
            const { origin } = await next(ws);
            ws.close(); await closed(ws);
            return [protocol, extensions, origin === url, ws.protocol];
            """,
            url=server.url,
        ) == ["b", "", True, "b"]
        headers = server.peers[0].request.headers
        assert headers["sec-websocket-protocol"] == "a, b"
        assert headers["sec-websocket-version"] == "13"
        assert headers["sec-websocket-extensions"] == "permessage-deflate; client_max_window_bits"
        assert headers["host"] == server.url.removeprefix("ws://")
        assert headers["authorization"] == "Basic dXMgZXI6cGFzcw=="
        assert headers["user-agent"].startswith("nano-trio/")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ws://Example.com:80/a b", "ws://example.com/a%20b"),
        ("wss://example.com:443", "wss://example.com/"),
        ("http://example.com", "ws://example.com/"),
        ("https://example.com:8443/?x", "wss://example.com:8443/?x"),
        ("WS://example.com", "ws://example.com/"),
        ("ws://example.com/#", None),
        ("ws://example.com/#f", None),
        ("ftp://example.com/", None),
        ("mailto:x", None),
        ("/relative", None),
        ("ws://", None),
        ("ws://a b", None),
        ("", None),
    ],
)
async def test_urls(url: str, expected: str | None) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return []  # nobody out there is asked

    async with fetching(Network(NetPolicy(), resolve=resolve)) as js:
        result = await run(
            js,
            """
            try { const ws = new WebSocket(address); ws.close(); return ws.url; }
            catch (e) { return e instanceof DOMException ? e.name : String(e); }
            """,
            address=url,
        )
        assert result == (expected or "SyntaxError")


@pytest.mark.parametrize(
    ("protocols", "valid"),
    [
        ("undefined", True), ("[]", True), ("'a'", True), ("['a', 'b']", True), ("new Set(['a', 'b'])", True), ("null", True), ("7", True),
        ("\"!#$%&'*+-.^_`|~09AZaz\"", True), ("''", False), ("['']", False), ("'a b'", False), ("'a,b'", False), ("'é'", False),
        ("'a\\n'", False), ("['a', 'a']", False), ("['a', 'A']", False), ("'(x)'", False), ("'x\\x7f'", False),
    ],
)  # fmt: skip
async def test_protocols(protocols: str, valid: bool) -> None:
    async with fetching() as js:
        source = f"""
            try {{ const ws = new WebSocket("ws://127.0.0.1:1", {protocols}); ws.close(); return true; }}
            catch (e) {{ return e.name; }}"""
        assert await run(js, source) == (True if valid else "SyntaxError")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", "true 1005"), ("1000", "true 1000"), ("3000", "true 3000"), ("4999, 'x'", "true 4999 x"), ("1000, 'é'.repeat(61)", "true 1000 " + "é" * 61),
        ("undefined, 'why'", "true 1000 why"), ("3000.4", "true 3000"), ("999", "InvalidAccessError"), ("1001", "InvalidAccessError"),
        ("2999", "InvalidAccessError"), ("5000", "InvalidAccessError"), ("NaN", "InvalidAccessError"), ("null", "InvalidAccessError"),
        ("65536 + 1000", "InvalidAccessError"), ("1000, 'é'.repeat(62)", "SyntaxError"), ("1000, Symbol()", "TypeError"),
    ],
)  # fmt: skip
async def test_close(arguments: str, expected: str) -> None:
    async with serving(echo) as server, fetching() as js:
        source = f"""
            const ws = new WebSocket(url);
            const over = record(ws);
            await opened(ws);
            try {{ ws.close({arguments}); }} catch (e) {{ const was = ws.readyState; ws.close(); await over; return [e.name, was]; }}
            const was = ws.readyState;
            ws.close(); ws.close(3333);
            await over;
            return [log.at(-1).slice(6), was];"""
        was = 2 if expected.startswith("true") else 1
        assert await run(js, source, url=server.url) == [expected, was]


async def test_too_early_and_too_late() -> None:
    async with serving(echo) as server, fetching() as js:
        assert await run(
            js,
            """
            const ws = new WebSocket(url), caught = [];
            try { ws.send("x"); } catch (e) { caught.push(e.name); }
            try { ws.send(); } catch (e) { caught.push(e.name); }
            const over = record(ws);
            await opened(ws);
            ws.close();
            ws.send("é"); ws.send(new Uint8Array(5)); ws.send(new Blob(["abc"]));
            caught.push(ws.bufferedAmount);
            await over;
            ws.send("xx");
            return [caught, ws.bufferedAmount, log];
            """,
            url=server.url,
        ) == [["InvalidStateError", "TypeError", 10], 12, ["open 1", "close true 1005"]]


async def test_closing_before_it_is_open() -> None:
    async with serving(Peer.gone, accept=False) as server, fetching() as js:
        assert await run(
            js,
            """
            const ws = new WebSocket(url), over = record(ws);
            ws.close(1000, "x");
            return [ws.readyState, log.length, await over];
            """,
            url=server.url,
        ) == [2, 0, ["error 3", "close false 1006"]]
        await server.settled()


async def test_the_server_closes() -> None:
    async def handler(peer: Peer) -> None:
        await peer.send("last")
        await peer.close(4001, "wände")
        await peer.gone()

    async with serving(handler) as server, fetching() as js:
        assert await run(js, "return record(new WebSocket(url))", url=server.url) == [
            "open 1",
            "message last",
            "close true 4001 wände",
        ]
        await server.settled()


async def test_what_was_sent_before_close_arrives() -> None:
    received: list[Any] = []

    async def handler(peer: Peer) -> None:
        while (message := await peer.receive()) is not None:
            received.append(message)

    async with serving(handler) as server, fetching() as js:
        source = """
            const ws = new WebSocket(url), over = record(ws);
            await opened(ws);
            for (let i = 0; i < 100; i++) ws.send(String(i));
            ws.send("x".repeat(500000));
            ws.close(3001);
            return over;"""
        assert await run(js, source, url=server.url) == ["open 1", "close true 3001"]
        assert received == [*map(str, range(100)), "x" * 500_000]


@pytest.mark.parametrize("deflate", [False, True])
async def test_fragments_with_control_frames_between(deflate: bool) -> None:
    async def handler(peer: Peer) -> None:
        text = ("ab€" * 1000).encode()
        await peer.ping(b"1")
        await peer.send(text[:3001].decode("utf-8", "ignore"), fin=False)
        await peer.ping(b"2")
        await peer.go_on(text[len(text[:3001].decode("utf-8", "ignore").encode()) :], True)
        await peer.send("next")
        await peer.receive()

    async with serving(handler, deflate=deflate) as server, fetching() as js:
        source = """
            const ws = new WebSocket(url), got = [];
            ws.onmessage = (e) => { got.push(e.data === "ab€".repeat(1000) || e.data); if (got.length === 2) ws.close(); };
            await closed(ws);
            return got;"""
        assert await run(js, source, url=server.url) == [True, "next"]
        assert set(server.peers[0].pongs) <= {b"1", b"2"}
        assert b"2" in server.peers[0].pongs


async def test_each_message_is_an_event_in_a_turn_of_its_own() -> None:
    async def handler(peer: Peer) -> None:
        for number in range(50):
            await peer.send(str(number))
        await peer.receive()

    async with serving(handler) as server, fetching() as js:
        source = """
            const ws = new WebSocket(url), order = [];
            ws.onmessage = async (e) => { order.push(e.data); await null; await null; order.push(e.data); if (e.data === "49") ws.close(); };
            await closed(ws);
            return order;"""
        assert await run(js, source, url=server.url) == [str(n) for n in range(50) for _ in range(2)]


async def test_a_slow_app_makes_the_server_wait() -> None:
    sent = 0

    async def handler(peer: Peer) -> None:
        nonlocal sent
        for _ in range(200):
            await peer.send(bytes(256 * 1024))
            sent += 1
        await peer.close()
        await peer.gone()

    async with serving(handler) as server, fetching() as js:
        js.environment._host.settle, settle = (lambda *args: held.append(args)), js.environment._host.settle  # type: ignore[method-assign]
        held: list[Any] = []
        source = """
            const ws = new WebSocket(url);
            let size = 0;
            ws.onmessage = (e) => { size += e.data.size; };
            await closed(ws);
            return size;"""
        result: list[Any] = []

        async def run_it() -> None:
            result.append(await run(js, source, url=server.url))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_it)
            last = -1
            while sent != last or not held:
                last = sent
                await trio.sleep(0.2)
            assert 0 < sent < 100, "the server was not held back"
            js.environment._host.settle = settle  # type: ignore[method-assign]
            for args in held:
                settle(*args)
        assert result == [200 * 256 * 1024]


async def test_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    pem = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(pem)

    source = """
        const ws = new WebSocket(url), over = record(ws, { open: () => ws.send("secret"), message: () => ws.close() });
        return over;"""
    async with serving(echo, tls=context) as server:
        async with fetching(attrs.evolve(OPEN, extra_ca_certs=(pem,))) as js:
            assert await run(js, source, url=server.url) == ["open 1", "message secret", "close true 1005"]
            assert await run(js, source, url=server.url.replace("wss", "https")) == [
                "open 1",
                "message secret",
                "close true 1005",
            ]
        async with fetching() as js:
            assert await run(js, source, url=server.url) == ["error 3", "close false 1006"]


async def test_the_wall() -> None:
    async with serving(echo) as server, fetching(attrs.evolve(OPEN, policy=NetPolicy())) as js:
        source = """
            const ws = new WebSocket(url);
            let message;
            ws.onerror = (e) => { message = e.message; };
            await closed(ws);
            return message;"""
        for address in (
            server.url,
            server.url.replace("127.0.0.1", "2130706433"),
            "ws://[::ffff:127.0.0.1]:8080",
        ):
            message = await run(js, source, url=address)
            assert "not in the public Internet" in message
        assert server.peers == []


async def test_the_app_ends_and_so_do_its_connections() -> None:
    async with serving(echo) as server:
        async with fetching() as js:
            await run(js, "await opened(new WebSocket(url)); new WebSocket(url)", url=server.url)
            assert server.open > 0
        await server.settled()


async def test_a_silent_server_in_the_handshake_can_be_left() -> None:
    async def handler(peer: Peer) -> None:
        await read_head(peer)
        await peer.gone()

    async with serving(handler, accept=False) as server, fetching() as js:
        source = "const ws = new WebSocket(url), over = record(ws); setTimeout(() => ws.close(), 50); return over;"
        assert await run(js, source, url=server.url) == ["error 3", "close false 1006"]
        await server.settled()


async def test_a_fetch_that_is_aborted_as_its_connection_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves nothing behind: each time the app has room for the one connection that is allowed here."""
    monkeypatch.setattr(websocket, "MOST_SOCKETS", 1)
    next_event = WebSocketClient.next_event

    async def next_event_and_abort(client: WebSocketClient) -> Event:
        event = await next_event(client)
        js.environment.isolate.submit(Turn(js.environment.isolate.context.eval, ("controller?.abort()",)))
        return event

    monkeypatch.setattr(WebSocketClient, "next_event", next_event_and_abort)
    async with serving(echo) as server, fetching() as js:
        attempt = """
            globalThis.controller = new AbortController();
            const init = { headers: { Upgrade: "websocket" }, signal: aborts ? controller.signal : null };
            return fetch(url, init).then((response) => response.status, (error) => error.name);
        """
        url = server.url.replace("ws:", "http:")
        for aborts in (True, True, False):
            assert await js.run(attempt, url=url, aborts=aborts) == ("AbortError" if aborts else 101)
            if aborts:
                await server.settled()


UPGRADE = """const upgrade = () => fetch(url, { headers: { Upgrade: "websocket" } });"""


async def test_what_fetch_got_and_nobody_accepts_is_closed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time the app has room for the one connection that is allowed here."""
    monkeypatch.setattr(websocket, "MOST_SOCKETS", 1)
    monkeypatch.setattr(websocket, "ACCEPT_S", 0.05)
    async with serving(echo) as server, fetching() as js:
        url = server.url.replace("ws:", "http:")
        assert await js.run(f"{UPGRADE} globalThis.kept = await upgrade(); return kept.status;", url=url) == 101
        await server.settled()
        assert await js.run(f"{UPGRADE} globalThis.another = await upgrade(); return another.status;", url=url) == 101
        await server.settled()
        late = "const ws = kept.webSocket, over = record(ws, { error: (e) => log.push(e.message) }); ws.accept(); return over;"
        assert await run(js, late) == [
            "error 3",
            "WebSocket connection to '" + server.url + "/' failed: not accepted within 0.05 s",
            "close false 1006",
        ]


async def test_what_fetch_got_and_is_accepted_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what the server said before is not lost."""
    monkeypatch.setattr(websocket, "ACCEPT_S", 0.5)

    async def handler(peer: Peer) -> None:
        await peer.send("early")
        await echo(peer)

    async with serving(handler) as server, fetching() as js:
        source = """
            const heard = await (async () => {
              const { webSocket } = await upgrade();
              await new Promise((resolve) => setTimeout(resolve, 20));
              const got = [];
              webSocket.accept();
              return new Promise((resolve) => {
                webSocket.onmessage = ({ data }) => { got.push(data); if (data === "late") resolve(got); };
                setTimeout(() => webSocket.send("late"), 700);
              });
            })();
            return heard;"""
        assert await js.run(UPGRADE + source, url=server.url.replace("ws:", "http:")) == ["early", "late"]


async def test_interfaces() -> None:
    async with fetching() as js:
        assert await run(
            js,
            """
            const e = new CloseEvent("close", { wasClean: 1, code: 65537, reason: "\\ud800" }), d = new CloseEvent("x");
            const thrown = (f) => { try { f(); } catch (error) { return error.name; } };
            const ws = new WebSocket("ws://127.0.0.1:1");
            const f = () => {};
            ws.onopen = f; ws.onmessage = 7;
            ws.close();
            return [[e.wasClean, e.code, e.reason, d.wasClean, d.code, d.reason, e instanceof Event, String(e)],
              [WebSocket.CONNECTING, WebSocket.OPEN, ws.CLOSING, WebSocket.prototype.CLOSED], WebSocket.length, CloseEvent.length,
              String(ws), ws instanceof EventTarget, ws.onopen === f, ws.onmessage, ws.onclose,
              thrown(() => new WebSocket()), thrown(() => WebSocket("ws://x")), thrown(() => Object.create(WebSocket.prototype).url),
              Object.keys(WebSocket.prototype).join()];
            """,
        ) == [
            [True, 1, "�", False, 0, "", True, "[object CloseEvent]"], [0, 1, 2, 3], 1, 1, "[object WebSocket]", True, True, None, None,
            "TypeError", "TypeError", "TypeError",
            "url,readyState,bufferedAmount,extensions,protocol,binaryType,close,send,CONNECTING,OPEN,CLOSING,CLOSED,onopen,onerror,onclose,onmessage",
        ]  # fmt: skip


async def test_listeners_have_the_store_of_where_their_socket_was_made() -> None:
    """As those of a MessagePort in Node.js; one that cannot connect has it too, and what comes of a listener."""
    async with serving(echo) as server, fetching() as js:
        assert await js.run(
            """
            const storage = new (process.getBuiltinModule("node:async_hooks").AsyncLocalStorage)();
            const log = [], add = (event) => log.push(`${event.type} ${storage.getStore()}`);
            for (const address of [url, "ws://127.0.0.1:1/", "ws://a/?" + "x".repeat(200000)]) {
              const ws = storage.run("made", () => new WebSocket(address));
              await storage.run("listening", () => new Promise((resolve) => {
                for (const type of ["open", "message", "error", "close"]) ws.addEventListener(type, add);
                ws.onopen = () => setTimeout(() => { log.push(`later ${storage.getStore()}`); ws.send("x"); });
                ws.onmessage = () => ws.close();
                ws.onclose = resolve;
              }));
            }
            return log;
            """,
            url=server.url,
        ) == ["open made", "later made", "message made", "close made", *["error made", "close made"] * 2]
