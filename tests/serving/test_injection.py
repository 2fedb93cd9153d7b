"""No app can break out of its response's head, whatever it sets and by which function."""

from __future__ import annotations

import json
import re

import pytest
import trio

from tests.serving.conftest import SiteMaker

APP = r"""
const nasty = ["a\r\nx-injected: 1", "a\nx-injected: 1", "a\rx-injected: 1", "a\0b", "a\u010d\u010ax-injected: 1", "a\r\n\r\nHTTP/1.1 200 OK"];
const ways = {
  "constructor, object": (text) => new Response("x", { headers: { "x-a": text } }),
  "constructor, pairs": (text) => new Response("x", { headers: [["x-a", text]] }),
  "Headers.append": (text) => { const r = new Response("x"); r.headers.append("x-a", text); return r; },
  "Headers.set": (text) => { const r = new Response("x"); r.headers.set("x-a", text); return r; },
  "cookie": (text) => { const r = new Response("x"); r.headers.append("set-cookie", text); return r; },
  "name": (text) => { const r = new Response("x"); r.headers.set(text, "b"); return r; },
  "name in the constructor": (text) => new Response("x", { headers: { [text]: "b" } }),
  "statusText": (text) => new Response("x", { statusText: text }),
  "Response.json": (text) => Response.json(1, { headers: { "x-a": text } }),
  "Response.redirect": (text) => Response.redirect("http://a/" + text),
  "type of a Blob": (text) => new Response(new Blob(["x"], { type: "text/" + text })),
  "type of a form": (text) => { const f = new FormData(); f.set("a" + text, new File(["x"], text)); return new Response(f); },
  "toString that changes": (text) => {
    let calls = 0;
    return new Response("x", { headers: { "x-a": { toString: () => (calls++ ? text : "fine") } } });
  },
  "copied from a Request": (text) => new Response("x", { headers: new Request("http://a/", { headers: { "x-a": text } }).headers }),
  "Headers with a broken prototype": (text) => {
    const headers = new Headers();
    Headers.prototype[Symbol.iterator] = function* () { yield ["x-a", text]; };
    Headers.prototype.entries = Headers.prototype[Symbol.iterator];
    try { return new Response("x", { headers }); } finally { delete Headers.prototype[Symbol.iterator]; }
  },
};
export default {
  fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/ways") return Response.json([Object.keys(ways), nasty.length]);
    return ways[searchParams.get("way")](nasty[searchParams.get("index")]);
  },
};
"""


async def test_no_way_to_inject(serve: SiteMaker) -> None:
    async with serve({"app": APP}) as site:
        ways, count = json.loads((await site.get("app", "/ways")).text)
        assert (len(ways), count) == (15, 6)
        for way in ways:
            for index in range(count):
                stream = await site.connect()
                path = f"/?way={way.replace(' ', '%20')}&index={index}"
                await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n".encode())
                received = b""
                with trio.fail_after(10):
                    while data := await stream.receive_some():
                        received += data
                await stream.aclose()
                head, _, rest = received.partition(b"\r\n\r\n")
                lines = head.split(b"\r\n")
                assert b"x-injected" not in [line.partition(b":")[0].strip().lower() for line in lines], way
                assert not set(head.replace(b"\r\n", b"")) & set(b"\r\n\0"), way
                assert lines[0].split(b" ")[1] in (b"200", b"302", b"500"), way
                (length,) = [int(line[16:]) for line in lines if line.startswith(b"content-length: ")]
                assert length == len(rest), way


MID_STREAM = """
export default {
  fetch(request) {
    const how = new URL(request.url).pathname.slice(1);
    let count = 0;
    const body = new ReadableStream({
      async pull(controller) {
        if (++count < 3) { controller.enqueue(new TextEncoder().encode("part")); return; }
        if (how === "throws") throw new Error("x");
        if (how === "errors") { controller.error(new Error("x")); return; }
        if (how === "wrong") { controller.enqueue("no bytes"); return; }
        if (how === "spins") for (;;);
        const hoard = []; for (;;) hoard.push(new Array(1000).fill(count++));
      },
    });
    const headers = request.headers.get("x-length") ? { "content-length": "100" } : {};
    return new Response(body, { headers });
  },
};
"""


@pytest.mark.parametrize("how", ["throws", "errors", "wrong", "spins", "hoards"])
@pytest.mark.parametrize("framing", ["chunked", "length", "HTTP/1.0"])
async def test_a_handler_that_dies_in_the_middle_never_ends_cleanly(serve: SiteMaker, how: str, framing: str) -> None:
    version = "1.0" if framing == "HTTP/1.0" else "1.1"
    more = "X-Length: 1\r\n" if framing == "length" else ""
    app = {"source": MID_STREAM, "timeout_ms": 300, "memory_mb": 16}
    async with serve({"app": app}) as site:
        stream = await site.connect()
        await stream.send_all(f"GET /{how} HTTP/{version}\r\nHost: app\r\n{more}\r\n".encode())
        received, reset = b"", False
        with trio.fail_after(20):
            try:
                while data := await stream.receive_some():
                    received += data
            except trio.BrokenResourceError:
                reset = True
        head, _, body = received.partition(b"\r\n\r\n")
        if framing == "HTTP/1.0":
            assert reset, received
        else:
            assert b" 200 " in head
            # Chunks of HTTP are not the app's: what it has at once may come in one.
            assert b"partpart".startswith(re.sub(rb"[48]\r\n((?:part)+)\r\n", rb"\1", body))
