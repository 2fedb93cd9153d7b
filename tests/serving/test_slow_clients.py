"""Clients that take their time: what waits for them, or for their end, is bounded for each app."""

from __future__ import annotations

import pytest
import trio

from tests.web.sockets import SocketClient, code_of, deflated, inflated, masked

from .conftest import NEIGHBOUR, Site, SiteMaker, unnoticed

MB = 1 << 20
SIZES = """
export default { fetch: (request, env, ctx) => ctx.upgrade(request),
  websocket: { message(ws, data) { ws.send(String(data.byteLength)); } } };
"""


async def opened(site: Site, headers: str) -> SocketClient:
    client = SocketClient(await site.connect())
    assert (await client.shake(headers)).status == 101
    return client


@pytest.mark.parametrize("compressed", [False, True])
async def test_messages_that_do_not_end_are_bounded_together(serve: SiteMaker, compressed: bool) -> None:
    """Three clients send 12 MB each of a message, and not its end, where an app may have 32 MB."""
    content = bytes(12 * MB)
    part = masked(0x42, deflated(content) + b"\0\0\xff\xff") if compressed else masked(0x02, content)
    headers = "Sec-WebSocket-Extensions: permessage-deflate\r\n" if compressed else ""
    apps = {"app": {"source": SIZES, "memory_mb": 32}, "neighbour": NEIGHBOUR}
    async with serve(apps) as site, unnoticed(site):

        async def begun() -> SocketClient:
            client = await opened(site, headers)
            await client.send(part + masked(0x89, b"seen?"))
            return client

        first, second = await begun(), await begun()
        for client in (first, second):
            assert (await client.frame()).payload == b"seen?"
        for _ in range(5):
            [last] = await (await begun()).frames()
            assert (last.opcode, code_of(last.payload)) == (8, 1013)
        # The others are none the worse for it, and what is whole, or of a client that left, no longer counts.
        await first.send(masked(0x80))
        answer = await first.frame()
        assert (inflated(answer.payload) if answer.first & 0x40 else answer.payload) == str(12 * MB).encode()
        third = await begun()
        assert (await third.frame()).payload == b"seen?"
        await second.send(masked(0x88))
        assert [frame.opcode for frame in await second.frames()] == [8]
        assert (await (await begun()).frame()).payload == b"seen?"
        assert site.app("app").counts.crashes == 0


TICKS = """
let cancelled = "";
export default { fetch(request) {
  if (new URL(request.url).pathname === "/cancelled") return new Response(cancelled);
  return new Response(new ReadableStream({
    start(controller) { controller.enqueue(new Uint8Array(9)); },
    pull: () => new Promise((resolve) => setTimeout(resolve, 60_000)),
    cancel(reason) { cancelled = String(reason); },
  }));
} };
"""


async def test_a_client_that_leaves_a_stream_is_no_fault(serve: SiteMaker) -> None:
    """The app hears of it, and the log has no warning: whoever closes a page with an EventSource does that."""
    async with serve({"app": TICKS}) as site:
        stream = await site.connect()
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: app\r\n\r\n")
        received = b""
        while not received.endswith(b"\r\n" + bytes(9) + b"\r\n"):
            received += await stream.receive_some()
        await stream.aclose()
        with trio.fail_after(5):
            while "the client closed the connection" not in (await site.get("app", "/cancelled")).text:
                await trio.lowlevel.checkpoint()
        assert [entry for entry in site.logs if entry["log_level"] in ("warning", "error")] == []
