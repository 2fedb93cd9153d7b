"""Server-sent events as plain streaming, received by Chromium's EventSource; and HTTPS with the local authority."""

from __future__ import annotations

from pathlib import Path

import trio

from tests.browser.fixture import Launch
from tests.serving.conftest import SiteMaker

EVENTS = """
const PAGE = `<!doctype html><title>events</title><script>
  window.seen = [];
  const source = new EventSource("/events");
  source.onopen = () => seen.push("open");
  source.onerror = () => seen.push(source.readyState === EventSource.CONNECTING ? "reconnecting" : "closed");
  source.onmessage = (event) => seen.push(event.lastEventId + ":" + event.data);
  source.addEventListener("tick", (event) => seen.push("tick:" + event.data));
</script>`;
let stream = null;
export const asked = [];
export default {
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/events") {
      asked.push([request.headers.get("accept"), request.headers.get("last-event-id")]);
      const { readable, writable } = new TransformStream();
      stream = writable.getWriter();
      if (asked.length === 3) return new Response(null, { status: 204 });
      return new Response(readable, { headers: { "content-type": "text/event-stream" } });
    }
    if (pathname === "/say") {
      await stream.write(new TextEncoder().encode(searchParams.get("text")));
      return new Response("said");
    }
    if (pathname === "/end") {
      await stream.close();
      return new Response("ended");
    }
    if (pathname === "/asked") return Response.json(asked);
    return new Response(PAGE, { headers: { "content-type": "text/html" } });
  },
};
"""


async def test_eventsource_receives_live_and_reconnects(serve: SiteMaker, browser: Launch) -> None:
    async with serve({"pages": EVENTS}) as site, browser() as chromium:
        page = await chromium.open(f"http://pages:{site.port}/")
        await page.until("seen.length === 1")
        # Each event is there before the next one is sent: nothing on the way holds it back.
        await site.get("pages", "/say?text=retry:%2010%0Aid:%20one%0Adata:%20first%0A%0A")
        await page.until("seen.includes('one:first')")
        await site.get("pages", "/say?text=event:%20tick%0Adata:%20second%0A%0A")
        await page.until("seen.includes('tick:second')")
        await site.get("pages", "/end")
        await page.until("seen.filter((what) => what === 'open').length === 2")
        await site.get("pages", "/say?text=id:%20two%0Adata:%20third%0A%0A")
        await page.until("seen.includes('two:third')")
        await site.get("pages", "/end")
        await page.until("seen.at(-1) === 'closed'")  # 204 says: do not come back
        assert await page.evaluate("seen") == [
            "open",
            "one:first",
            "tick:second",
            "reconnecting",
            "open",
            "two:third",
            "reconnecting",
            "closed",
        ]
        accepts = ["text/event-stream"] * 3
        assert (await site.get("pages", "/asked")).text == str(
            [list(pair) for pair in zip(accepts, [None, "one", "two"], strict=True)]
        ).replace("'", '"').replace("None", "null").replace(", ", ",")


async def test_a_stream_ends_in_the_app_when_the_page_closes_it(serve: SiteMaker, browser: Launch) -> None:
    app = """
    let left = "no";
    export default {
      fetch(request) {
        const { pathname } = new URL(request.url);
        if (pathname === "/left") return new Response(left);
        if (pathname === "/") return new Response("<!doctype html>", { headers: { "content-type": "text/html" } });
        request.signal.addEventListener("abort", () => { left = "yes"; });
        return new Response(new ReadableStream({ pull() { return new Promise(() => {}); } }),
          { headers: { "content-type": "text/event-stream" } });
      },
    };
    """
    async with serve({"pages": app}) as site, browser() as chromium:
        page = await chromium.open(f"http://pages:{site.port}/")
        opened = (
            "new Promise((resolve) => { window.source = new EventSource('/e'); source.onopen = () => resolve(1); })"
        )
        assert await page.evaluate(opened) == 1
        await page.evaluate("source.close()")
        with trio.fail_after(10):
            while (await site.get("pages", "/left")).text != "yes":
                await trio.lowlevel.checkpoint()


async def test_https_with_the_local_authority(serve: SiteMaker, browser: Launch, tmp_path: Path) -> None:
    tls = {"port": 0, "certs": str(tmp_path / "certs")}
    app = {"source": "export default { fetch: (r) => new Response(r.url) };", "hostname": "app.test"}
    async with serve({"app": app}, tls=tls) as site, browser(trust=[tmp_path / "certs" / "ca.pem"]) as chromium:
        port = site.hosting.server.secure_port_of(None)
        page = await chromium.open(f"https://app.test:{port}/")
        assert await page.evaluate("document.body.innerText") == f"https://app.test:{port}/"
        assert await page.evaluate("isSecureContext && fetch('/x?y').then((r) => r.text())") == (
            f"https://app.test:{port}/x?y"
        )
