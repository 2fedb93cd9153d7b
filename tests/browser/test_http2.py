"""Chromium over HTTP/2, its WebSockets among the requests of the same connection."""

from __future__ import annotations

from pathlib import Path

import trio

from tests.browser.fixture import Launch
from tests.serving.conftest import SiteMaker

APP = """
export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/echo") return new Response(request.body);
    if (pathname === "/socket") {
      if (request.headers.get("Upgrade") !== "websocket") return new Response("no WebSocket", { status: 426 });
      const [client, server] = Object.values(new WebSocketPair());
      server.accept();
      server.addEventListener("message", ({ data }) => {
        if (data === "close") server.close(4000, "as you wish");
        else server.send(typeof data === "string" ? "echo " + data : data);
      });
      const protocol = request.headers.get("sec-websocket-protocol");
      const headers = protocol === null ? {} : { "sec-websocket-protocol": protocol };
      return new Response(null, { status: 101, webSocket: client, headers });
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
          const socket = new WebSocket("wss://app.test:{port}/socket", ["chat"]), seen = [];
          socket.binaryType = "arraybuffer";
          socket.onopen = () => {{ socket.send("hello"); socket.send(new Uint8Array(3000000).fill(7)); }};
          socket.onmessage = ({{ data }}) => {{
            if (typeof data === "string") return seen.push(data);
            seen.push(data.byteLength, new Uint8Array(data).every((octet) => octet === 7));
            socket.send("close");
          }};
          socket.onclose = ({{ code, reason, wasClean }}) =>
            resolve([...seen, socket.protocol, socket.extensions.split(";")[0], code, reason, wasClean]);
          socket.onerror = reject;
        }})"""
        told = await page.evaluate(socket)
        assert told == ["echo hello", 3_000_000, True, "chat", "permessage-deflate", 4000, "as you wish", True]
        # As many as it may have on whatever connections, and requests beside them.
        many = f"""Promise.all(Array.from({{ length: 150 }}, (_, n) => new Promise((resolve, reject) => {{
          const socket = new WebSocket("wss://app.test:{port}/socket");
          socket.onopen = () => socket.send(n);
          socket.onmessage = ({{ data }}) => resolve(data === "echo " + n);
          socket.onerror = reject;
          (globalThis.sockets ??= []).push(socket);
        }})))"""
        assert await page.evaluate(many) == [True] * 150
        assert await page.evaluate("fetch('/beside').then((r) => r.text())") == "/beside"
        refused = f"""new Promise((resolve) => {{
          const socket = new WebSocket("wss://app.test:{port}/none");
          socket.onclose = ({{ code }}) => resolve(code);
        }})"""
        assert await page.evaluate(refused) == 1006
        # Not one of them came by HTTP/1.1.
        assert site.hosting.server.counts.versions[:2] == [0, 0]
        # The server says goodbye, and the page hears it.
        ends = "Promise.all(sockets.map((s) => new Promise((resolve) => { s.onclose = ({ code }) => resolve(code); })))"
        await page.evaluate(f"globalThis.ends = {ends}; 0")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(site.hosting.drain)
            assert await page.evaluate("ends") == [1001] * 150
