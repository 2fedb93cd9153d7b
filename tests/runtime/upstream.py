"""A server that behaves, and misbehaves on demand: a path each. For the tests of fetch."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
import struct
import sys
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import brotli
import h11
import trio
import trio.testing

from .open_connections import OpenConnections

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


TEXT = b"The quick brown fox jumps over the lazy dog. " * 2000
CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}
FORGED = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged"
"""A response that follows another, though nobody asked for it."""


class Upstream(OpenConnections):
    """``url`` is where it listens; ``requests`` what came."""

    def __init__(self, port: int, scheme: str, host: str) -> None:
        super().__init__()
        self.port = port
        self.url = f"{scheme}://{host}:{port}"
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.sent = 0

    async def serve(self, stream: trio.abc.Stream) -> None:
        with self.connected():
            try:
                connection = _Connection(self, stream)
                while await connection.exchange():
                    pass
            except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError, ssl.SSLError):
                pass
            finally:
                with trio.CancelScope(shield=True), contextlib.suppress(trio.BrokenResourceError):
                    await trio.aclose_forcefully(stream)


class _Connection:
    def __init__(self, upstream: Upstream, stream: trio.abc.Stream) -> None:
        self.upstream = upstream
        self.stream = stream
        self.h11 = h11.Connection(h11.SERVER)
        self.is_head = False

    async def event(self) -> Any:
        while True:
            event = self.h11.next_event()
            if event is not h11.NEED_DATA:
                return event
            self.h11.receive_data(await self.stream.receive_some(65536))

    async def body(self) -> bytes:
        parts = []
        while isinstance(event := await self.event(), h11.Data):
            parts.append(bytes(event.data))
        return b"".join(parts)

    async def exchange(self) -> bool:
        request = await self.event()
        if not isinstance(request, h11.Request):
            return False
        target = request.target.decode()
        self.is_head = request.method == b"HEAD"
        url = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        headers = {name.decode(): value.decode("latin-1") for name, value in request.headers}
        name = url.path.strip("/").replace("-", "_")
        early: Callable[..., Awaitable[None]] | None = getattr(self, f"early_{name}", None)
        if early is not None:
            self.upstream.requests.append((request.method.decode(), target, headers, b""))
            await early(query)
            return False
        body = await self.body()
        self.upstream.requests.append((request.method.decode(), target, headers, body))
        answer: Callable[..., Awaitable[None]] | None = getattr(self, f"on_{name}", None)
        if answer is None:
            raw: Callable[..., Awaitable[None]] = getattr(self, f"raw_{name}", self.raw_not_found)
            await raw(query)
            return False
        await answer(query, request, headers, body)
        if self.h11.our_state is not h11.DONE or self.h11.their_state is not h11.DONE:
            return False
        self.h11.start_next_cycle()
        return True

    async def respond(
        self, status: int, headers: list[tuple[str, str]], body: bytes = b"", *, length: bool = True
    ) -> None:
        fields = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        if length:
            fields.append((b"content-length", str(len(body)).encode()))
        out = self.h11.send(h11.Response(status_code=status, headers=fields, reason=b"Fine")) or b""
        if not self.is_head:
            out += self.h11.send(h11.Data(data=body)) or b""
        out += self.h11.send(h11.EndOfMessage()) or b""
        await self.stream.send_all(out)

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)
        self.upstream.sent += len(data)

    # -- answers -----------------------------------------------------------------------------------------------------

    async def on_echo(self, query: Any, request: h11.Request, headers: dict[str, str], body: bytes) -> None:
        seen = {
            "method": request.method.decode(),
            "target": request.target.decode(),
            "headers": headers,
            "body": body.decode("latin-1"),
        }
        fields = [("Content-Type", "application/json"), ("X-Two", "1"), ("X-Two", "2")]
        await self.respond(200, fields, json.dumps(seen).encode())

    async def on_text(self, query: dict[str, str], *_: Any) -> None:
        await self.respond(200, [("content-type", "text/plain")], query.get("text", "text").encode())

    async def on_large(self, query: dict[str, str], *_: Any) -> None:
        """A third of a megabyte with its length."""
        headers = [("Connection", "close")] if "close" in query else []
        await self.respond(200, headers, bytes(range(250)) * 1400)

    async def on_status(self, query: dict[str, str], *_: Any) -> None:
        status = int(query["code"])
        await self.respond(status, [("set-cookie", "a=1"), ("set-cookie", "b=2")], length=status not in (204, 304))

    async def on_redirect(self, query: dict[str, str], *_: Any) -> None:
        await self.respond(int(query.get("status", "302")), [("Location", query["to"])], b"moved")

    async def on_no_location(self, *_: Any) -> None:
        await self.respond(302, [], b"nowhere")

    async def on_loop(self, *_: Any) -> None:
        await self.respond(302, [("Location", "/loop")])

    async def on_coded(self, query: dict[str, str], *_: Any) -> None:
        await self._coded(TEXT, query)

    async def on_repeated(self, query: dict[str, str], *_: Any) -> None:
        await self._coded(bytes(4 << 20), query)

    async def _coded(self, body: bytes, query: dict[str, str]) -> None:
        for coding in query["as"].split(","):
            body = CODINGS[coding](body)
        cut = int(query.get("cut", len(body)))
        body = body[:cut] + query.get("append", "").encode()
        await self.respond(200, [("content-encoding", query["as"])], body)

    async def on_raw_deflate(self, *_: Any) -> None:
        compressor = zlib.compressobj(wbits=-15)
        await self.respond(200, [("content-encoding", "deflate")], compressor.compress(TEXT) + compressor.flush())

    async def on_label(self, query: dict[str, str], *_: Any) -> None:
        """Not coded at all, whatever the field says."""
        await self.respond(200, [("content-encoding", query["as"])], query.get("text", "plain").encode())

    # -- bytes as they are, then the connection closes ---------------------------------------------------------------

    async def raw_not_found(self, query: Any) -> None:
        await self.send(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")

    async def raw_close_early(self, query: Any) -> None:
        """No response."""

    async def raw_reset(self, query: Any) -> None:
        sock = self.stream.socket  # type: ignore[attr-defined]
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    async def raw_half_head(self, query: Any) -> None:
        await self.send(b"HTTP/1.1 200 OK\r\ncontent-le")

    async def raw_short(self, query: Any) -> None:
        await self.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this")

    async def raw_large_short(self, query: Any) -> None:
        await self.send(b"HTTP/1.1 200 OK\r\ncontent-length: 350000\r\n\r\n" + bytes(200_000))

    async def raw_long(self, query: Any) -> None:
        await self.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nexactand more than was said")
        await trio.sleep(0.05)

    async def raw_long_forged(self, query: Any) -> None:
        await self.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nexact" + FORGED)
        await self.gone()

    async def raw_no_content_forged(self, query: Any) -> None:
        await self.send(b"HTTP/1.1 204 No Content\r\n\r\n" + FORGED)
        await self.gone()

    async def raw_cut_chunk(self, query: Any) -> None:
        await self.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nhe")

    async def raw_bad_chunk(self, query: Any) -> None:
        await self.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n")

    async def raw_bad_status(self, query: Any) -> None:
        await self.send(b"HTTP/1.1 abc Nonsense\r\n\r\n")

    async def raw_not_http(self, query: Any) -> None:
        await self.send(b"220 mail.example ESMTP\r\n")

    async def raw_bad_length(self, query: Any) -> None:
        await self.send(b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n")

    async def raw_two_lengths(self, query: Any) -> None:
        await self.send(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 5\r\n\r\nhello")

    async def raw_switch(self, query: Any) -> None:
        await self.send(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")

    async def raw_interim(self, query: Any) -> None:
        await self.send(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    async def raw_interim_flood(self, query: Any) -> None:
        while True:
            await self.send(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 10)

    async def raw_huge_headers(self, query: Any) -> None:
        await self.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await self.send(b"x-filler: " + b"x" * 8000 + b"\r\n")

    async def raw_until_close(self, query: Any) -> None:
        await self.send(b"HTTP/1.1 200 OK\r\n\r\nread me until I close")

    async def raw_forever(self, query: Any) -> None:
        await self.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
        while True:
            await self.send(chunk)

    async def raw_bomb(self, query: Any) -> None:
        """Ten megabytes of zeros, small."""
        body = gzip.compress(bytes(10 << 20))
        await self.send(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

    async def raw_big(self, query: dict[str, str]) -> None:
        size = int(query["mb"]) << 20
        await self.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        chunk = bytes(range(256)) * 1024
        for _ in range(size // len(chunk)):
            await self.send(chunk)

    async def raw_never(self, query: Any) -> None:
        await self.gone()

    async def raw_head_only(self, query: Any) -> None:
        """The head comes, the body never does."""
        await self.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n")
        await self.gone()

    async def raw_some(self, query: Any) -> None:
        """Half of the body comes."""
        await self.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello")
        await self.gone()

    async def raw_events(self, query: Any) -> None:
        await self.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: an event\n\n")
        await self.gone()

    async def raw_drip(self, query: Any) -> None:
        await self.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            await self.send(b"1\r\nx\r\n")
            await trio.sleep(0.02)

    async def gone(self) -> None:
        """Wait until the client closes."""
        while await self.stream.receive_some(65536):
            pass

    # -- before the request's body is read ---------------------------------------------------------------------------

    async def early_refuse(self, query: Any) -> None:
        """Answer at once and close, as servers do with what is too large."""
        await self.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 7\r\nconnection: close\r\n\r\ntoo big")
        await self.stream.send_eof()  # type: ignore[attr-defined]
        with trio.move_on_after(0.3):
            await self.gone()

    async def early_mirror(self, query: Any) -> None:
        """Send each piece of the request back while it comes."""
        await self.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while isinstance(event := await self.event(), h11.Data):
            await self.send(b"%x\r\n%b\r\n" % (len(event.data), bytes(event.data)))
        await self.send(b"0\r\n\r\n")

    async def early_count(self, query: Any) -> None:
        size = 0
        while isinstance(event := await self.event(), h11.Data):
            size += len(event.data)
        text = str(size).encode()
        await self.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(text), text))


@contextlib.asynccontextmanager
async def running(tls: ssl.SSLContext | None = None, *, host: str = "127.0.0.1") -> AsyncIterator[Upstream]:
    """An upstream while the block runs."""
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host=host)
        port = listeners[0].socket.getsockname()[1]
        upstream = Upstream(port, "https" if tls else "http", "localhost" if tls else host)

        async def serve(stream: trio.SocketStream) -> None:
            if tls is None:
                await upstream.serve(stream)
                return
            secure = trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
            await upstream.serve(secure)

        await nursery.start(trio.serve_listeners, serve, listeners)
        await trio.testing.wait_all_tasks_blocked()
        yield upstream
        nursery.cancel_scope.cancel()
