"""Chromium over HTTP/2, and its WebSockets beside it on the same port."""

from __future__ import annotations

from pathlib import Path

from tests.browser.fixture import Launch
from tests.serving.conftest import SiteMaker

APP = """
export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/echo") return new Response(request.body);
    if (pathname === "/socket") {
      const [client, server] = Object.values(new WebSocketPair());
      server.accept();
      server.addEventListener("message", (event) => server.send("echo " + event.data));
      return new Response(null, { status: 101, webSocket: client });
    }
    if (pathname === "/stream") {
      let left = 100;
      return new Response(new ReadableStream({
        pull(controller) { left-- ? controller.enqueue(new Uint8Array(10000)) : controller.close(); },
      }));
    }
    return new Response(pathname, { headers: { "content-type": "text/html" } });
  },
};
"""


async def test_chromium(serve: SiteMaker, browser: Launch, tmp_path: Path) -> None:
    tls = {"port": 0, "certs": str(tmp_path / "certs")}
    app = {"source": APP, "hostname": "app.test"}
    async with serve({"app": app}, tls=tls) as site, browser(trust=[tmp_path / "certs" / "ca.pem"]) as chromium:
        port = site.hosting.server.secure_port_of(None)
        page = await chromium.open(f"https://app.test:{port}/")
        assert await page.evaluate("performance.getEntriesByType('navigation')[0].nextHopProtocol") == "h2"
        many = "Promise.all(Array.from({ length: 60 }, (_, n) => fetch('/' + n).then((r) => r.text())))"
        assert await page.evaluate(many) == [f"/{number}" for number in range(60)]
        assert (
            await page.evaluate("fetch('/stream').then((r) => r.arrayBuffer()).then((b) => b.byteLength)") == 1_000_000
        )
        upload = "fetch('/echo', { method: 'POST', body: 'x'.repeat(700000) }).then((r) => r.text())"
        assert await page.evaluate(f"{upload}.then((text) => text.length)") == 700_000
        hops = await page.evaluate(
            "[...new Set(performance.getEntriesByType('resource').map((e) => e.nextHopProtocol))]"
        )
        assert hops == ["h2"]
        socket = f"""new Promise((resolve, reject) => {{
          const socket = new WebSocket("wss://app.test:{port}/socket");
          socket.onopen = () => socket.send("hello");
          socket.onmessage = (event) => resolve(event.data);
          socket.onerror = reject;
        }})"""
        assert await page.evaluate(socket) == "echo hello"
