"""Request ids and traces: made, returned, named in logs, and passed on by what an app fetches."""

from __future__ import annotations

import re
from typing import Any

import pytest
import trio.testing
import trio_websocket

from nano_trio.actors.trace import parse
from tests.runtime.upstream import running

from .conftest import Site, SiteMaker
from .test_fetch import app, handler

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]+").fullmatch


def lines(site: Site, text: str) -> list[dict[str, Any]]:
    """The log's lines that contain ``text``."""
    return [dict(line) for line in site.logs if text in str(line.get("event")) + str(line.get("error", ""))]


EVERYTHING = """
  const { pathname } = new URL(request.url);
  if (pathname === "/throw") throw new Error("no");
  if (pathname === "/empty") return new Response(null, { status: 204 });
  if (pathname === "/stream") return new Response(new ReadableStream({ start(c) { c.enqueue(new Uint8Array(3)); c.close(); } }));
  if (pathname === "/own") return new Response("own", { headers: { "x-request-id": "mine" } });
  return new Response("hello");
"""


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_every_response_tells_an_id_of_its_own(serve: SiteMaker, method: str) -> None:
    async with serve({"app": handler(EVERYTHING)}) as site:
        ids = []
        for path in ("/", "/", "/throw", "/empty", "/stream"):
            answer = await site.get("app", path, method=method, headers={"X-Request-Id": "strangers-say"})
            ids.append(answer.headers["x-request-id"])
        assert len(set(ids)) == len(ids)
        assert all(map(ID, ids))
        assert [line["request_id"] for line in lines(site, "the handler failed")] == [ids[2]]
        page = await site.get("app", "/throw")
        assert page.headers["x-request-id"] in page.text
        assert (await site.get("app", "/own")).headers["x-request-id"] == "mine"
        nobody = await site.get("nobody")
        assert ID(nobody.headers["x-request-id"])
        assert nobody.headers["x-request-id"] in nobody.text


async def test_the_header_can_be_switched_off(serve: SiteMaker) -> None:
    async with serve({"app": handler(EVERYTHING)}, http={"request_id_header": False}) as site:
        for path in ("/", "/stream"):
            assert "x-request-id" not in (await site.get("app", path)).headers


async def test_a_trusted_proxy_s_id_is_taken_if_it_is_fit_to_be_shown(serve: SiteMaker) -> None:
    body = "console.log('seen'); if (request.url.endsWith('/fetch')) return fetch(env.UP + '/echo'); return new Response('x');"
    async with (
        running() as upstream,
        serve({"app": app(handler(body), upstream)}, trusted_proxies=["127.0.0.1"]) as site,
    ):
        for path in ("/", "/fetch"):
            answer = await site.get("app", path, headers={"X-Request-Id": "proxy/1.2:3-a_b~c+d="})
            assert answer.headers["x-request-id"] == "proxy/1.2:3-a_b~c+d="
            assert lines(site, "seen")[-1]["request_id"] == "proxy/1.2:3-a_b~c+d="
        assert upstream.requests[-1][2]["x-request-id"] == "proxy/1.2:3-a_b~c+d="
        assert (await site.get("nobody", headers={"X-Request-Id": "abc"})).headers["x-request-id"] == "abc"
        for bad in ("", "two words", "x" * 129, 'quo"te', "caf\u00e9", "<b>"):
            answer = await site.get("app", headers={"X-Request-Id": bad.encode("latin-1")})
            assert ID(answer.headers["x-request-id"]), bad
        stream = await site.connect()
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: app\r\nX-Request-Id: a\r\nX-Request-Id: b\r\n\r\n")
        assert re.search(rb"x-request-id: [0-9a-f]{8}-", await stream.receive_some())


async def test_lines_of_a_websocket_name_the_request_that_opened_it(serve: SiteMaker) -> None:
    source = """export default {
      fetch(request, env, ctx) { return ctx.upgrade(request); },
      websocket: {
        open(ws) { console.log("event open"); },
        async message(ws, data) { await null; console.log("event message"); setTimeout(() => { console.log("event timer"); ws.send("done"); }, 1); },
        close() { console.log("event close"); },
      },
    };"""
    async with serve({"app": {"source": source, "default": True}}) as site:
        async with trio_websocket.open_websocket_url(f"ws://127.0.0.1:{site.port}/") as socket:
            ids = [value.decode() for name, value in socket.handshake_headers if name == b"x-request-id"]
            await socket.send_message("x")
            assert await socket.get_message() == "done"
        while not lines(site, "event close"):
            await trio.testing.wait_all_tasks_blocked(0.01)
        assert len(ids) == 1
        assert [(line["event"], line["request_id"]) for line in lines(site, "event")] == [
            (f"event {what}", ids[0]) for what in ("open", "message", "timer", "close")
        ]
        snapshot = site.hosting.metrics.snapshots()["app"]
        assert (snapshot.sockets, snapshot.sockets_opened, snapshot.messages_in, snapshot.messages_out) == (0, 1, 1, 1)
        assert (snapshot.requests, snapshot.answered, snapshot.abandoned) == (1, 1, 0)
        assert sum(snapshot.buckets) == 0  # how long a WebSocket is open is no latency


async def test_each_line_of_an_app_names_the_request_that_led_to_it(serve: SiteMaker) -> None:
    source = """
    console.log("loading");
    export default { async fetch(request, env, ctx) {
      console.log("at once");
      await null;
      console.warn("after a microtask");
      await new Promise((resolve) => setTimeout(resolve, 1));
      console.log("after a timer");
      setTimeout(() => { console.log("left behind"); done(); }, 20);
      setTimeout(() => { throw new Error("thrown behind"); }, 10);
      let done;
      ctx.waitUntil((async () => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        console.log("kept alive");
      })());
      globalThis.finished = new Promise((resolve) => (done = resolve));
      return new Response("hello");
    } };"""
    async with serve({"app": source, "wait": "export default async () => new Response('x');"}) as site:
        first = await site.get("app", headers={"traceparent": PARENT})
        second = await site.get("app")
        while len(lines(site, "left behind")) < 2:
            await site.get("wait")
        assert "request_id" not in lines(site, "loading")[0]
        ids = [answer.headers["x-request-id"] for answer in (first, second)]
        for text in ("at once", "after a microtask", "after a timer", "kept alive", "left behind", "thrown behind"):
            found = lines(site, text)
            assert [line["request_id"] for line in found] == ids, text
            assert all(line["app"] == "app" for line in found)
            assert found[0]["trace_id"] == TRACE_ID
            assert "trace_id" not in found[1]


async def test_fetches_pass_the_id_on(serve: SiteMaker) -> None:
    body = """
      const { pathname, search } = new URL(request.url);
      if (pathname === "/own") return fetch(env.UP + "/echo", { headers: { "X-Request-Id": "chosen" } });
      if (pathname === "/proxy") return fetch(env.UP + "/echo", request);
      await new Promise((resolve) => setTimeout(resolve, 1));
      return fetch(env.UP + "/echo");"""
    async with running() as upstream, serve({"app": app(handler(body), upstream)}) as site:
        for path in ("/", "/proxy"):
            answer = await site.get("app", path, headers={"X-Request-Id": "strangers-say"})
            assert upstream.requests[-1][2]["x-request-id"] == answer.headers["x-request-id"]
            assert ID(answer.headers["x-request-id"])
        await site.get("app", "/own")
        assert upstream.requests[-1][2]["x-request-id"] == "chosen"
        assert not any("traceparent" in headers for _, _, headers, _ in upstream.requests)


async def test_a_called_app_has_its_caller_s_id(serve: SiteMaker) -> None:
    caller = "export default { fetch(request, env) { return env.OTHER.fetch('http://other/'); } };"
    called = "export default { fetch(request) { console.log('called'); return new Response(request.headers.get('x-request-id')); } };"
    async with serve({"app": {"source": caller, "services": {"OTHER": "other"}}, "other": called}) as site:
        answer = await site.get("app", headers={"traceparent": PARENT})
        assert answer.text == answer.headers["x-request-id"] == lines(site, "called")[0]["request_id"]
        assert lines(site, "called")[0]["trace_id"] == TRACE_ID


async def test_a_trace_is_carried_on(serve: SiteMaker) -> None:
    body = """
      console.log("traced", request.headers.get("traceparent"));
      const { pathname } = new URL(request.url);
      if (pathname === "/proxy") return fetch(env.UP + "/echo", request);
      if (pathname === "/own") return fetch(env.UP + "/echo", { headers: { traceparent: "mine", tracestate: "a=1" } });
      return fetch(env.UP + "/echo");"""
    async with running() as upstream, serve({"app": app(handler(body), upstream)}) as site:
        for path in ("/", "/proxy"):
            await site.get(
                "app", path, headers={"traceparent": PARENT, "tracestate": "rojo=00f067aa0ba902b7, congo=t61"}
            )
            line = lines(site, "traced")[-1]
            assert line["event"] == f"traced {PARENT}"
            assert line["trace_id"] == TRACE_ID
            assert line["span_id"] != "b7ad6b7169203331"
            sent = upstream.requests[-1][2]
            # The span that the log names is the parent of what it fetches.
            assert sent["traceparent"] == f"00-{TRACE_ID}-{line['span_id']}-01"
            assert sent["tracestate"] == "rojo=00f067aa0ba902b7,congo=t61"
        await site.get("app", "/own", headers={"traceparent": PARENT})
        assert upstream.requests[-1][2]["traceparent"] == "mine"
        assert upstream.requests[-1][2]["tracestate"] == "a=1"


@pytest.mark.parametrize(
    "traceparent",
    [
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE_ID}-0000000000000000-01",
        f"ff-{TRACE_ID}-b7ad6b7169203331-01",
        f"00-{TRACE_ID.upper()}-b7ad6b7169203331-01",
        f"{PARENT}-more",
        f"{PARENT}, {PARENT}",
        "nonsense",
        "",
    ],
)
async def test_what_is_no_trace_is_not_carried_on(serve: SiteMaker, traceparent: str) -> None:
    body = "console.log('traced'); return fetch(env.UP + '/echo');"
    async with running() as upstream, serve({"app": app(handler(body), upstream)}) as site:
        await site.get("app", headers={"traceparent": traceparent, "tracestate": "a=1"})
        assert "traceparent" not in upstream.requests[-1][2]
        assert "tracestate" not in upstream.requests[-1][2]
        assert "trace_id" not in lines(site, "traced")[0]


async def test_a_trace_is_begun_where_configured(serve: SiteMaker) -> None:
    body = "console.log('traced'); return fetch(env.UP + '/echo');"
    async with running() as upstream, serve({"app": app(handler(body), upstream)}, http={"start_traces": True}) as site:
        await site.get("app")
        await site.get("app", headers={"traceparent": PARENT})
        begun, carried = lines(site, "traced")
        assert upstream.requests[0][2]["traceparent"] == f"00-{begun['trace_id']}-{begun['span_id']}-02"
        assert parse([upstream.requests[0][2]["traceparent"]], []) is not None
        assert carried["trace_id"] == TRACE_ID != begun["trace_id"]


@pytest.mark.parametrize(
    ("states", "kept"),
    [
        (["a=1"], "a=1"),
        (["a=1, b@sys=2", "c=3"], "a=1,b@sys=2,c=3"),
        (["a=1,,"], "a=1"),
        ([",".join(f"k{number}=v" for number in range(32))], ",".join(f"k{number}=v" for number in range(32))),
        ([",".join(f"k{number}=v" for number in range(33))], ""),
        (["A=1"], ""),
        (["a=1,a=2"], ""),
        (["a"], ""),
        (["a=\x01"], ""),
        (["a=b=c"], ""),
        ([], ""),
    ],
)
def test_trace_state(states: list[str], kept: str) -> None:
    context = parse([PARENT], states)
    assert context is not None
    assert context.tracestate == kept


def test_versions_and_flags() -> None:
    future = parse([f"cc-{TRACE_ID}-b7ad6b7169203331-ff-what-the-future-will-be-like"], [])
    assert future is not None
    assert future.span().traceparent.endswith("-03")  # flags that we do not know are not ours to pass on
    assert parse([PARENT, PARENT], []) is None
    spans = {future.span().span_id for _ in range(100)}
    assert len(spans) == 100


async def test_what_a_turn_logs_after_its_response_names_the_request(serve: SiteMaker) -> None:
    """A turn that is suspended goes on after its response has left."""
    source = """export default { fetch() {
      queueMicrotask(() => queueMicrotask(() => {
        const end = Date.now() + 50;
        while (Date.now() < end);
        console.log("late");
      }));
      return new Response("early");
    } };"""
    async with serve({"app": source}) as site:
        answer = await site.get("app")
        with trio.fail_after(5):
            while not (lines := [entry for entry in site.logs if entry["event"] == "late"]):
                await trio.lowlevel.checkpoint()
        assert [line["request_id"] for line in lines] == [answer.headers["x-request-id"]]
