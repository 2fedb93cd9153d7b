"""What ends is freed at once: nothing is left for Python's cycle collector, which a server runs rarely.

A dead isolate, an answered request or a replaced certificate that is part of a cycle stays until the collector has
looked at the oldest generation, and that is many minutes away: the process grows, though nothing leaks (`make soak`).
"""

from __future__ import annotations

import contextlib
import functools
import gc
import re
import ssl
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import httpcore
import pytest
import trio
import trio.testing
from websockets.trio.client import connect
from wsproto.frame_protocol import FrameProtocol

from nano_trio.web.lifetime import _calm_garbage_collection
from tests.runtime.upstream import running
from tests.runtime.websocket_server import echo, serving

from .conftest import Site, SiteMaker
from .places import Place, answers
from .test_crash_isolation import WAYS, handler
from .test_http2 import raw_h2

STREAM = "return new Response(new ReadableStream({ pull(c) { if (n++ % 9) c.enqueue(new Uint8Array(99)); else c.close(); } }));"
ENDLESS = """
  return new Response(new ReadableStream({
    async pull(c) { await new Promise((r) => setTimeout(r, 1)); c.enqueue(new Uint8Array(999)); },
  }));
"""


def test_however_much_is_made_no_collection_looks_at_much() -> None:
    """An app's operations are a million objects, which stay: neighbours wait for each collection."""
    # From Python 3.14 on it looks at the older ones in steps, a part of them each time.
    looked_in_steps = sys.version_info >= (3, 14)
    looked_at: list[int] = []

    def collecting(phase: str, about: dict[str, int]) -> None:
        if phase == "start":
            generations = range(1 if looked_in_steps else about["generation"] + 1)
            looked_at.append(sum(len(gc.get_objects(each)) for each in generations))

    threshold = gc.get_threshold()
    gc.collect()  # what is frozen stays so (tests/conftest.py)
    _calm_garbage_collection()
    gc.callbacks.append(collecting)
    try:
        kept = [[number] for number in range(1_200_000)]
    finally:
        gc.callbacks.remove(collecting)
        gc.set_threshold(*threshold)
    assert len(looked_at) > 1000
    assert max(looked_at) < 15_000
    assert len(kept) == 1_200_000


DOINGS = {
    "answers": "return new Response('fine');",
    "waits": "await new Promise((r) => setTimeout(r, 1)); ctx.waitUntil(new Promise((r) => setTimeout(r, 5))); return new Response();",
    "leaves timers behind": "setInterval(() => {}, 10); setTimeout(() => {}, 1e6); return new Response();",
    "throws": "throw new Error('always');",
    "waits for nothing": "await new Promise(() => {});",
    "reads": "return new Response(await request.text());",
    "reads a stream": "let n = 0; for await (const piece of request.body) n += piece.length; return new Response(`${n}`);",
    "passes the body on": "return new Response(request.body);",
    "streams": f"let n = 1; {STREAM}",
    "streams for ever": ENDLESS,
    "breaks its stream off": "return new Response(new ReadableStream({ pull() { throw new Error('off'); } }));",
    "logs": "console.log({ a: [1, new Map([[1, 2]])] }); return new Response();",
    "digests": "return new Response(await crypto.subtle.digest('SHA-256', new Uint8Array(9)));",
    "compresses": "return new Response(request.body.pipeThrough(new CompressionStream('gzip')));",
    "caches": """
        await caches.default.put("http://a/", new Response("x".repeat(9999)));
        return caches.default.match("http://a/");
    """,
    "fetches": "return new Response(await (await fetch(env.UP + '/text')).text());",
    "hands a fetch on": "return fetch(env.UP + '/mirror', { method: 'POST', body: request.body, duplex: 'half' });",
    "gives a fetch up": "const r = await fetch(env.UP + '/big?mb=1'); await r.body.cancel(); return new Response();",
    "fetches in vain": "return fetch('http://127.0.0.1:1/').catch((e) => new Response(String(e)));",
    "fetches what breaks off": "return new Response(await (await fetch(env.UP + '/short')).text().catch(String));",
    "fetches too slowly": "return fetch(env.UP + '/never', { signal: AbortSignal.timeout(5) }).catch((e) => new Response(String(e)));",
    "uploads what breaks off": """
        const body = new ReadableStream({ pull() { throw new Error("off"); } });
        return fetch(env.UP + "/echo", { method: "POST", body, duplex: "half" }).catch((e) => new Response(String(e)));
    """,
    "calls another app": "return env.BACK.fetch(request);",
    "receives events": """
        const source = new EventSource(env.UP + "/events");
        return new Response(await new Promise((r) => { source.onmessage = (event) => r(event.data); }));
    """,
    "keeps a WebSocket": """
        const socket = new WebSocket(env.WS);
        await new Promise((r) => { socket.onopen = r; });
        socket.send("hello");
        return new Response(await new Promise((r) => { socket.onmessage = (event) => r(event.data); }));
    """,
    "closes a WebSocket": """
        const socket = new WebSocket(env.WS);
        await new Promise((r) => { socket.onopen = r; });
        socket.close();
        await new Promise((r) => { socket.onclose = r; });
        return new Response();
    """,
    "connects in vain": """
        const socket = new WebSocket("ws://127.0.0.1:1/");
        await new Promise((r) => { socket.onclose = r; });
        return new Response();
    """,
}
# What each answers to a client that sends "a body" and waits: that it does what its name says.
ANSWERS = {
    "answers": rb"200 fine",
    "waits": rb"200 ",
    "leaves timers behind": rb"200 ",
    "throws": rb"500 .*",
    "waits for nothing": rb"500 .*",
    "reads": rb"200 a body",
    "reads a stream": rb"200 6",
    "passes the body on": rb"200 a body",
    "streams": rb"200 \0{792}",
    "breaks its stream off": rb"broken off",
    "logs": rb"200 ",
    "digests": rb"200 .{32}",
    "compresses": rb"200 \x1f\x8b.*",
    "caches": rb"200 x{9999}",
    "fetches": rb"200 text",
    "hands a fetch on": rb"200 a body",
    "gives a fetch up": rb"200 ",
    "fetches in vain": rb"200 TypeError: .*",
    "fetches what breaks off": rb"200 TypeError: .*",
    "fetches too slowly": rb"200 TimeoutError: .*",
    "uploads what breaks off": rb"200 TypeError: .*body failed",
    "calls another app": rb"200 \0{792}",
    "receives events": rb"200 an event",
    "keeps a WebSocket": rb"200 hello",
    "closes a WebSocket": rb"200 ",
    "connects in vain": rb"200 ",
}


def _held_by(garbage: list[Any]) -> str:
    """What is in the cycles that were left, and which of it refers to what: a line each."""
    inside = {id(thing): thing for thing in garbage}
    lines = []
    for thing in garbage:
        if not isinstance(thing, dict | list | tuple | set):
            holders = [each for each in gc.get_referrers(thing) if id(each) in inside]
            lines.append(f"{_described(thing)} <- {', '.join(map(_described, holders)) or 'nothing that is left'}")
    return "\n".join(sorted(lines)[:300])


def _described(thing: Any) -> str:
    if isinstance(thing, dict):
        return f"dict of {', '.join(map(str, list(thing)[:6]))}"
    name = getattr(thing, "__qualname__", "") or getattr(getattr(thing, "f_code", None), "co_qualname", "")
    return f"{type(thing).__qualname__} {name}".strip()


@contextlib.contextmanager
def assert_nothing_left_over() -> Iterator[None]:
    """What becomes garbage in here is freed without the collector."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield
        gc.collect()
        left = Counter(
            type(thing).__qualname__
            for thing in gc.garbage
            if type(thing).__module__.startswith(("nano_trio", "quickjs"))
            or type(thing) in (ssl.SSLContext, FrameProtocol)
        )
        assert left == {}, _held_by(gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
        gc.collect()


async def vanish(site: Site, name: str, length: int) -> None:
    """A client that leaves in the middle of it, and of its body of that length, of which the app may be told before."""
    stream = await trio.open_tcp_stream("127.0.0.1", site.port)
    await stream.send_all(f"POST / HTTP/1.1\r\nHost: {name}\r\nContent-Length: {length}\r\n\r\nhalf".encode())
    with trio.move_on_after(0.02):
        await stream.receive_some()
    stream.socket.close()


@contextlib.asynccontextmanager
async def gone(site: Site) -> AsyncIterator[None]:
    """At the end, wait until the server has done with all that it was asked."""
    yield
    for _ in range(1000):
        if not any(app.counts.in_flight for app in site.hosting.registry.apps.values()):
            break
        await trio.sleep(0.01)
    await trio.testing.wait_all_tasks_blocked(0.02)


async def ask(site: Site, name: str, *, whole: bool, answer: bytes | None = None) -> None:
    """One request of each kind; to what never ends, only those that vanish. ``answer``: what comes to a body."""
    if whole:
        for body in (None, b"a body"):
            came = b"broken off"
            with contextlib.suppress(httpcore.RemoteProtocolError):  # streams may break off
                response = await site.get(name, method="GET" if body is None else "POST", body=body)
                came = b"%d %b" % (response.status, response.body)
            assert body is None or answer is None or re.fullmatch(answer, came, re.DOTALL), came
    for length in (9, 99_999):
        await vanish(site, name, length)


@pytest.mark.parametrize("doing", DOINGS)
async def test_an_app_that_was_restarted_or_removed_leaves_nothing(serve: SiteMaker, doing: str) -> None:
    async with running() as upstream, serving(echo, deflate=True) as sockets:
        app = {
            "source": f"export default {{ async fetch(request, env, ctx) {{ {DOINGS[doing]} }} }};",
            "env": {"UP": upstream.url, "WS": sockets.url},
            "allow_net": ["loopback"],
            "services": {"BACK": "back"},
        }
        async with serve({"app": app, "back": handler(DOINGS["streams"])}) as site:
            asking = functools.partial(ask, site, "app", whole=doing != "streams for ever", answer=ANSWERS.get(doing))
            await asking()  # what is made once stays
            with assert_nothing_left_over():
                async with gone(site):
                    for _ in range(3):
                        await asking()
                        await site.hosting.restart_app("app")
                    await asking()
                    await site.hosting.remove_app("app")


@pytest.mark.parametrize("way", WAYS)
async def test_an_app_that_died_leaves_nothing(serve: SiteMaker, way: str) -> None:
    dying = {"source": WAYS[way], "timeout_ms": 40, "memory_mb": 16, "request_timeout_ms": 300, "max_restarts": 9}
    async with serve({"dying": dying}) as site:
        await ask(site, "dying", whole=True)
        with assert_nothing_left_over():
            async with gone(site):
                for _ in range(3):
                    await ask(site, "dying", whole=True)
                await site.hosting.remove_app("dying")


async def test_websockets_leave_nothing(serve: SiteMaker) -> None:
    source = """
      export default {
        fetch(request, env, ctx) { return ctx.upgrade(request); },
        websocket: { open(ws) { ws.subscribe("all"); }, message(ws, text) { ws.publish("all", text); ws.send(text); } },
      };
    """
    async with serve({"app": source}) as site:

        async def chat(*, closed: bool) -> None:
            tcp = await trio.open_tcp_stream("127.0.0.1", site.port)
            async with connect("ws://app/", stream=tcp, proxy=None) as socket:
                for _ in range(3):
                    await socket.send("hello")
                    assert await socket.recv() == "hello"
                if not closed:
                    tcp.socket.close()

        await chat(closed=True)
        with assert_nothing_left_over():
            async with gone(site):
                for closed in (True, False, True):
                    with contextlib.suppress(trio.ClosedResourceError, trio.BrokenResourceError):
                        await chat(closed=closed)
                await site.hosting.remove_app("app")


async def test_http2_clients_that_leave_a_stream_leave_nothing(serve: SiteMaker, tmp_path: Path) -> None:
    """They leave while a chunk is on its way to them: its task wakes up when the connection is closed, or just before."""
    source = """
      const open = [];
      export default (request) => {
        if (request.url.endsWith("/chunk")) return new Response(`${open.splice(0).map((c) => c.enqueue(new Uint8Array(9))).length}`);
        return new Response(new ReadableStream({ start(controller) { open.push(controller); } }));
      };
    """
    tls = {"port": 0, "certs": str(tmp_path / "certs")}
    async with serve({"localhost": source}, tls=tls) as site:
        port = site.hosting.server.secure_port_of(None)
        assert port is not None

        async def leave() -> None:
            async with await raw_h2(port, str(tmp_path / "certs" / "ca.pem")) as stream:
                client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
                client.initiate_connection()

                async def ask(path: str) -> None:
                    fields = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", path)]
                    client.send_headers(client.get_next_available_stream_id(), fields, end_stream=True)
                    await stream.send_all(client.data_to_send())

                await ask("/")
                while not any(
                    isinstance(event, h2.events.ResponseReceived)
                    for event in client.receive_data(await stream.receive_some())
                ):
                    pass
                await ask("/chunk")
                stream.transport_stream.socket.close()

        await leave()
        with assert_nothing_left_over():
            async with gone(site):
                # Which of the two comes first is decided by lot.
                for _ in range(20):
                    await leave()
                await site.hosting.remove_app("localhost")


async def test_versions_configurations_and_certificates_leave_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.document["tls"] = {"port": 0}
    place.app("app", answers("version 0"))
    place.app("other", DOINGS["answers"].join(("export default { fetch() { ", " } };")))
    async with place.serve():
        secure = ssl.create_default_context(cafile=str(tmp_path / "certs" / "ca.pem"))
        port = place.hosting.server.secure_port_of(None)

        async def over_http2(body: bytes) -> None:
            async with httpcore.AsyncConnectionPool(ssl_context=secure, http1=False, http2=True) as pool:
                for content in (None, body):
                    answer = await pool.request(
                        "GET" if content is None else "POST",
                        f"https://127.0.0.1:{port}/",
                        headers={"Host": "app"},
                        content=content,
                        extensions={"sni_hostname": "app"},
                    )
                    assert answer.status == 200

        async def change(number: int) -> None:
            place.app("app", answers(f"version {number}"))
            assert (await place.hosting.reload()).replaced == ("app",)
            await over_http2(bytes(200_000))
            place.app("app", "export default (")
            assert (await place.hosting.reload()).failed
            assert await place.text("app") == f"version {number}"
            place.app(f"guest-{number}", answers("a guest"))
            assert (await place.hosting.reload()).changed
            assert await place.text(f"guest-{number}") == "a guest"
            place.drop(f"guest-{number}")
            assert (await place.hosting.reload()).changed

        assert await place.text("app") == "version 0"
        await change(1)
        with assert_nothing_left_over():
            async with gone(place.site):
                for number in (2, 3, 4):
                    await change(number)
