"""The app that WebSocket clients nobody here wrote talk to, over ws and wss."""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import trio

from .conftest import Site, SiteMaker

ECHO = """
const closings = [];
export default {
  fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === "/closings") return Response.json(closings);
    if (pathname === "/refused") return new Response("not you", { status: 403 });
    return ctx.upgrade(request, { protocol: request.headers.get("sec-websocket-protocol")?.split(",").at(-1).trim() });
  },
  websocket: {
    message(ws, data) {
      if (data === "close") ws.close(4321, "as you wish");
      else if (data === "throw") throw new Error("a fault");
      else ws.send(data);
    },
    close(ws, code, reason) { closings.push([code, reason]); },
  },
};
"""


@attrs.frozen
class EchoSite:
    """Where it is."""

    ws: str
    wss: str
    ca: Path
    site: object

    def url(self, scheme: str) -> str:
        return self.wss if scheme == "wss" else self.ws

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))


@contextlib.asynccontextmanager
async def echo_site(serve: SiteMaker, folder: Path, **keys: object) -> AsyncIterator[EchoSite]:
    certs = folder / "certs"
    app = {"source": ECHO, "default": True, **keys}
    async with serve({"localhost": app}, tls={"port": 0, "certs": str(certs)}) as site:
        secure = site.hosting.server.secure_port_of(None)
        yield EchoSite(f"ws://localhost:{site.port}", f"wss://localhost:{secure}", certs / "ca.pem", site)


async def closings(site: EchoSite, count: int) -> list[list[object]]:
    """What the app was told, once it was told of so many."""
    assert isinstance(site.site, Site)
    with trio.fail_after(10):
        while True:
            found: list[list[object]] = json.loads((await site.site.get("localhost", "/closings")).body)
            if len(found) >= count:
                return found
            await trio.sleep(0.01)
