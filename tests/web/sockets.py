"""Stand-ins for WebSocket apps, and a raw client that sends frames as they are. Only for tests of ``web``."""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import AsyncIterator, Callable

import attrs
import trio
import trio.testing

from nano_trio.actors.messages import IncomingRequest, OutgoingResponse, SocketLimits, SocketPeer
from nano_trio.web.server import Server
from tests.web.apps import App, Client, Reply, text

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""For KEY, as RFC 6455 section 1.3 has it."""
MB = 2**20
CLOSE = 0x88
"""The first octet of a Close frame."""
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate\r\n"


class Recorder:
    """The app's end of one WebSocket: notes what happens; by default it sends every message back."""

    def __init__(self, request: IncomingRequest) -> None:
        self.request = request
        self.peer: SocketPeer | None = None
        self.messages: list[str | bytes] = []
        self.closings: list[tuple[int, str, bool]] = []
        self.drains = 0
        self.over = trio.Event()
        self.changed = trio.Event()
        self.on_open: Callable[[SocketPeer], None] = lambda peer: None
        self.on_message: Callable[[SocketPeer, str | bytes], bool | None] = lambda peer, data: peer.send(data)

    def opened(self, peer: SocketPeer) -> None:
        assert self.peer is None
        self.peer = peer
        self.on_open(peer)

    def gather(self, data: str | bytes) -> None:
        """Every message for itself."""

    def message(self, data: str | bytes) -> bool:
        assert not self.closings
        assert self.peer is not None
        self.messages.append(data)
        self._change()
        return self.on_message(self.peer, data) is not False

    def drained(self) -> None:
        self.drains += 1
        self._change()

    def closed(self, code: int, reason: str, clean: bool) -> None:
        self.closings.append((code, reason, clean))
        self.over.set()
        self._change()

    def _change(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to be true; it is looked at after every call."""
        while not condition():
            await self.changed.wait()


class SocketApp(App):
    """An app that accepts every WebSocket, and answers other requests."""

    recorder = Recorder

    def __init__(
        self,
        *headers: tuple[str, str],
        limits: SocketLimits | None = None,
        prepare: Callable[[Recorder], None] | None = None,
    ) -> None:
        self.sockets: list[Recorder] = []
        self.headers = list(headers)
        self.limits = limits if limits is not None else SocketLimits()
        self.prepare = prepare
        super().__init__(self._answer)

    def _answer(self, request: IncomingRequest) -> OutgoingResponse:
        if request.url.endswith("/plain"):
            return text("no socket here")
        recorder = self.recorder(request)
        if self.prepare is not None:
            self.prepare(recorder)
        self.sockets.append(recorder)
        return OutgoingResponse(101, "", self.headers, None, socket=recorder, socket_limits=self.limits)


def masked(first: int, payload: bytes = b"", *, mask: bytes | None = None, length: int | None = None) -> bytes:
    """A client's frame, written out by hand; ``first`` is its first byte, ``length`` a wrong length."""
    key = os.urandom(4) if mask is None else mask
    size = len(payload) if length is None else length
    if size < 126:
        head = bytes((first, 128 | size))
    elif size < 65536:
        head = bytes((first, 254)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, 255)) + size.to_bytes(8, "big")
    repeated = (key * (len(payload) // 4 + 1))[: len(payload)]
    number = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return head + key + number.to_bytes(len(payload), "big")


def deflated(data: bytes, *, bits: int = -15) -> bytes:
    compressor = zlib.compressobj(wbits=bits)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")


def inflated(data: bytes) -> bytes:
    return zlib.decompressobj(-15).decompress(data + b"\0\0\xff\xff")


@attrs.frozen
class Frame:
    """One frame of the server's."""

    first: int
    payload: bytes

    @property
    def opcode(self) -> int:
        return self.first & 15


class SocketClient(Client):
    """A raw connection whose handshake :meth:`shake` does."""

    async def shake(self, headers: str = "", *, path: str = "/", host: str = "app", early: bytes = b"") -> Reply:
        request = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{headers}\r\n"
        )
        await self.send(request.encode() + early)
        return await self.reply()

    async def exactly(self, count: int) -> bytes:
        """As for any client, but quick for megabytes."""
        if len(self.buffer) < count:
            pieces = [self.buffer]
            missing = count - len(self.buffer)
            while missing > 0:
                data = await self.stream.receive_some(1 << 20)
                if not data:
                    self.buffer = b"".join(pieces)
                    raise EOFError(f"connection closed {missing} bytes early")
                pieces.append(data)
                missing -= len(data)
            self.buffer = b"".join(pieces)
        found, self.buffer = self.buffer[:count], self.buffer[count:]
        return found

    async def frame(self) -> Frame:
        first, second = await self.exactly(2)
        assert second < 128, "a server does not mask"
        size = second
        if size == 126:
            size = int.from_bytes(await self.exactly(2), "big")
            assert size > 125
        elif size == 127:
            size = int.from_bytes(await self.exactly(8), "big")
            assert size > 65535
        return Frame(first, await self.exactly(size))

    async def frames(self) -> list[Frame]:
        """All frames until the server closes."""
        found = []
        while True:
            try:
                found.append(await self.frame())
            except EOFError:
                return found


@contextlib.asynccontextmanager
async def opened(
    server: Server, headers: str = "", *, port: int | None = None, path: str = "/"
) -> AsyncIterator[SocketClient]:
    """A raw client with an open WebSocket."""
    stream = await trio.open_tcp_stream("127.0.0.1", server.port if port is None else port)
    async with stream:
        client = SocketClient(stream)
        reply = await client.shake(headers, path=path)
        assert reply.status == 101
        assert reply["sec-websocket-accept"] == ACCEPT
        yield client


def code_of(payload: bytes) -> int:
    """The status code of a Close frame."""
    return int.from_bytes(payload[:2], "big")


async def pinged(client: SocketClient) -> bytes:
    """The payload of the Ping that comes next."""
    frame = await client.frame()
    assert frame.first == 0x89
    return frame.payload


async def settled() -> None:
    """Wait until the server has dealt with all that was sent."""
    await trio.testing.wait_all_tasks_blocked(0.005)
