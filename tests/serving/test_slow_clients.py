"""Clients that take their time: what waits for them, or for their end, is bounded for each app."""

from __future__ import annotations

import math

import pytest
import trio

from nano_trio.actors import outgoing
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


LARGE = """
export default { fetch(request) {
  const body = new Uint8Array(10 << 20);
  switch (new URL(request.url).pathname) {
    case "/whole": return new Response(body);
    case "/stream": return new Response(new ReadableStream({
      start(controller) { controller.enqueue(body); controller.close(); },
    }));
  }
  return new Response("small");
} };
"""
MOST = 40
"""Bodies of that size, more than four times 32 MB hold, though the kernel takes 4 MB of each."""


async def unread(site: Site, path: str) -> tuple[trio.SocketStream, bytes]:
    """A connection whose client has read a response's head, and not all of its body."""
    sock = trio.socket.socket()
    sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 1 << 16)  # the kernel is to hold little of it
    await sock.connect(("127.0.0.1", site.port))
    stream = trio.SocketStream(sock)
    site.streams.append(stream)
    await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        received = await stream.receive_some(100)
        if not received:
            break
        head += received
    return stream, head


async def rest(stream: trio.SocketStream) -> int:
    """How many bytes still come."""
    size = 0
    try:
        while part := await stream.receive_some(1 << 20):
            size += len(part)
    except trio.BrokenResourceError:
        pass
    return size


async def test_whole_bodies_that_wait_are_bounded_together(serve: SiteMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "PATIENCE_S", math.inf)
    apps = {"app": {"source": LARGE, "memory_mb": 32}, "neighbour": NEIGHBOUR}
    async with serve(apps) as site, unnoticed(site):
        streams = []
        for _ in range(MOST):
            stream, head = await unread(site, "/whole")
            if not head.startswith(b"HTTP/1.1 200"):
                assert head.startswith(b"HTTP/1.1 503")
                assert b"retry-after: 1\r\n" in head
                break
            streams.append(stream)
        assert len(streams) < MOST
        # What is not large is answered as ever, and those who read get all of it.
        assert (await site.get("app")).text == "small"
        for stream in streams:
            assert await rest(stream) > (10 << 20) - 200
        assert (await site.get("app", "/whole")).status == 200
        counts = site.app("app").counts
        assert (counts.outgoing.size, counts.crashes, counts.errors) == (0, 0, {"congested": 1})


@pytest.mark.parametrize("path", ["/whole", "/stream"])
async def test_who_takes_nothing_for_long_makes_room(
    serve: SiteMaker, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "PATIENCE_S", -1.0)
    apps = {"app": {"source": LARGE, "memory_mb": 32}, "neighbour": NEIGHBOUR}
    async with serve(apps) as site, unnoticed(site):
        answers = [await unread(site, path) for _ in range(MOST)]
        assert all(head.startswith(b"HTTP/1.1 200") for _, head in answers)
        counts = site.app("app").counts
        assert counts.outgoing.size <= 4 * 32 * MB
        sizes = [await rest(stream) for stream, _ in answers]
        assert sizes[0] < (10 << 20) - 200
        assert sizes[-1] > (10 << 20) - 200
        assert (await site.get("app", path)).status == 200
        assert (counts.outgoing.size, counts.crashes) == (0, 0)


async def test_a_streams_chunk_that_finds_no_room_breaks_it_off(
    serve: SiteMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "PATIENCE_S", math.inf)
    async with serve({"app": {"source": LARGE, "memory_mb": 32}, "neighbour": NEIGHBOUR}) as site, unnoticed(site):
        answers = [await unread(site, "/stream") for _ in range(MOST)]
        sizes = [await rest(stream) for stream, _ in answers]
        assert sizes[0] > (10 << 20)
        assert 0 < site.app("app").counts.errors["congested"] < MOST
        assert (await site.get("app", "/stream")).status == 200
        assert site.app("app").counts.outgoing.size == 0
