"""HTMLRewriter behind a real server: pages are rewritten as they stream, and failures break off what they must."""

from __future__ import annotations

import httpcore
import pytest
import trio
import trio.testing

from .conftest import NEIGHBOUR, SiteMaker, unnoticed

APP = """
const encoder = new TextEncoder();
let isReleased = false, pulled = 0, cancelled = null;
const gate = async () => { while (!isReleased) await new Promise((f) => setTimeout(f, 1)); };
const rewriter = new HTMLRewriter()
  .on("a[href]", { element(e) { e.setAttribute("href", "https://x" + e.getAttribute("href")); } })
  .on("title", { text(t) { if (t.lastInTextNode) t.before("!"); } })
  .on("p.slow", { async element(e) { await new Promise((f) => setTimeout(f, 1)); e.append(" (late)"); } })
  .on("b", { element() { throw new Error("no b here"); } })
  .on("hog", { element() { for (;;); } });
const HTML = { headers: { "content-type": "text/html", "content-length": "9999" } };
export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/release") return (isReleased = true), new Response("ok");
    if (pathname === "/state") return Response.json({ pulled, cancelled });
    if (pathname === "/gated") {
      const parts = [() => "<title>Hi</ti", async () => (await gate(), "tle><p class=slow>x</p><a hr"), () => "ef='/y'>z</a>"];
      return rewriter.transform(new Response(new ReadableStream({
        async pull(c) { if (parts.length === 0) c.close(); else c.enqueue(encoder.encode(await parts.shift()())); },
      }), HTML));
    }
    if (pathname === "/endless") {
      // Mostly text, so that there need not be many links until the socket's buffers are full.
      const chunk = encoder.encode(`<p><a href='/é'>a link</a> ${"and text ".repeat(40)}</p>\\n`.repeat(100));
      return rewriter.transform(new Response(new ReadableStream({
        pull(c) { pulled++; c.enqueue(chunk.slice()); }, cancel(reason) { cancelled = String(reason); },
      }), HTML));
    }
    if (pathname === "/broken") return rewriter.transform(new Response("<i>".repeat(50000) + "<b>", HTML));
    if (pathname === "/hog") return rewriter.transform(new Response("<p>fine</p>".repeat(10000) + "<hog>", HTML));
    return rewriter.transform(new Response("<title>Hi</title><a href=/y>é</a>", HTML));
  },
};
"""


async def test_a_page(serve: SiteMaker) -> None:
    async with serve({"app": APP}) as site:
        answer = await site.get("app")
        assert answer.text == '<title>Hi!</title><a href="https://x/y">é</a>'
        assert answer.headers["content-type"] == "text/html"
        assert answer.headers.get("content-length", "46") == "46"


async def test_it_streams(serve: SiteMaker) -> None:
    async with serve({"app": APP, "neighbour": NEIGHBOUR}) as site, unnoticed(site):
        async with site.pool.stream("GET", site.url("/gated"), headers={"Host": "app"}) as response:
            body = response.aiter_stream()
            assert await anext(body) == b"<title>Hi"
            await site.get("app", "/release")
            rest = b"".join([chunk async for chunk in body])
        assert rest == b'!</title><p class=slow>x (late)</p><a href="https://x/y">z</a>'


async def test_a_client_that_stops_reading_stops_the_rewriting(serve: SiteMaker) -> None:
    async with serve({"app": APP, "neighbour": NEIGHBOUR}) as site:
        stream = await site.connect()
        await stream.send_all(b"GET /endless HTTP/1.1\r\nHost: app\r\n\r\n")
        await stream.receive_some(1000)

        async def state() -> str:
            return (await site.get("app", "/state")).text

        last, now = "", await state()
        while now != last:  # until the socket's buffers are full
            await trio.testing.wait_all_tasks_blocked(0.05)
            last, now = now, await state()
        assert '"cancelled":null' in now
        async with unnoticed(site):
            await stream.aclose()
            with trio.fail_after(5):
                while '"cancelled":null' in await state():
                    await trio.lowlevel.checkpoint()


async def test_an_exception_breaks_the_response_off(serve: SiteMaker) -> None:
    async with serve({"app": APP, "neighbour": NEIGHBOUR}) as site, unnoticed(site):
        with pytest.raises(httpcore.RemoteProtocolError):
            await site.get("app", "/broken")
        assert "no b here" in site.logged("app")
        assert (await site.get("app")).status == 200


async def test_a_handler_that_never_ends_disturbs_nobody_and_is_stopped(serve: SiteMaker) -> None:
    async with serve({"app": {"source": APP, "timeout_ms": 300}, "neighbour": NEIGHBOUR}) as site, unnoticed(site):
        with pytest.raises(httpcore.RemoteProtocolError):
            await site.get("app", "/hog")
        assert (await site.get("app")).status == 200
