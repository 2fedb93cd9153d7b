"""WebSocket servers for the tests: the sans-IO protocol of ``websockets`` on Trio, and raw bytes for misbehaviour."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import trio
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from .open_connections import OpenConnections


class Peer:
    """The server's side of one connection."""

    def __init__(self, stream: trio.abc.Stream, *, deflate: bool, protocols: Sequence[str]) -> None:
        self.stream = stream
        self.request: Any = None
        self.frames: list[Frame] = []
        self.pongs: list[bytes] = []
        self.protocol = ServerProtocol(
            extensions=[ServerPerMessageDeflateFactory()] if deflate else [],
            subprotocols=[Subprotocol(name) for name in protocols],
            max_size=None,
        )

    async def _pump(self) -> bool:
        data = await self.stream.receive_some(65536)
        if data:
            self.protocol.receive_data(bytes(data))
        else:
            self.protocol.receive_eof()
        await self.flush()
        return bool(data)

    async def flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                await self.stream.send_all(data)

    async def accept(self) -> None:
        while self.request is None:
            if not await self._pump():
                raise trio.BrokenResourceError("the client left before the handshake")
            for event in self.protocol.events_received():
                assert isinstance(event, Request)
                self.request = event
        self.protocol.send_response(self.protocol.accept(self.request))
        await self.flush()

    async def receive(self) -> str | bytes | None:
        """The next message, None when the client closes or leaves."""
        parts: list[bytes] = []
        kind = Opcode.TEXT
        while True:
            while not self.frames:
                if not await self._pump():
                    return None
                self.frames += [event for event in self.protocol.events_received() if isinstance(event, Frame)]
            frame = self.frames.pop(0)
            if frame.opcode is Opcode.CLOSE:
                return None
            if frame.opcode is Opcode.PONG:
                self.pongs.append(bytes(frame.data))
            elif frame.opcode is not Opcode.PING:
                if not parts:
                    kind = frame.opcode
                parts.append(bytes(frame.data))
                if frame.fin:
                    data = b"".join(parts)
                    return data.decode() if kind is Opcode.TEXT else data

    async def send(self, message: str | bytes, fin: bool = True) -> None:
        if isinstance(message, str):
            self.protocol.send_text(message.encode(), fin)
        else:
            self.protocol.send_binary(message, fin)
        await self.flush()

    async def go_on(self, data: bytes, fin: bool) -> None:
        self.protocol.send_continuation(data, fin)
        await self.flush()

    async def ping(self, data: bytes = b"") -> None:
        self.protocol.send_ping(data)
        await self.flush()

    async def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        self.protocol.send_close(code, reason)
        await self.flush()

    async def raw(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def gone(self) -> None:
        """Wait until the client closes the connection."""
        with contextlib.suppress(trio.BrokenResourceError):
            while await self.stream.receive_some(65536):
                pass


class Server(OpenConnections):
    def __init__(self) -> None:
        super().__init__()
        self.url = ""
        self.peers: list[Peer] = []


@contextlib.asynccontextmanager
async def serving(
    handler: Callable[[Peer], Awaitable[None]],
    *,
    accept: bool = True,
    deflate: bool = False,
    protocols: Sequence[str] = (),
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
) -> AsyncIterator[Server]:
    """A server whose connections are handled by ``handler``, after the handshake unless not ``accept``."""
    server = Server()

    async def serve(stream: trio.abc.Stream) -> None:
        peer = Peer(stream, deflate=deflate, protocols=protocols)
        server.peers.append(peer)
        with server.connected():
            try:
                if accept:
                    await peer.accept()
                await handler(peer)
            except (trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError):
                pass
            finally:
                with trio.CancelScope(shield=True):
                    await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        if tls is None:
            listeners: Any = await trio.open_tcp_listeners(0, host=host)
        else:
            listeners = await trio.open_ssl_over_tcp_listeners(0, tls, host=host)
        socket = listeners[0].socket if tls is None else listeners[0].transport_listener.socket
        server.url = f"ws{'s' if tls else ''}://{'localhost' if tls else host}:{socket.getsockname()[1]}"
        await nursery.start(trio.serve_listeners, serve, listeners)
        yield server
        nursery.cancel_scope.cancel()


async def echo(peer: Peer) -> None:
    while (message := await peer.receive()) is not None:
        await peer.send(message)


def frame(opcode: int, data: bytes = b"", *, first: int = 0x80, length: int | None = None) -> bytes:
    """An unmasked frame. ``first``: FIN and reserved bits; ``length``: what it claims to have."""
    size = len(data) if length is None else length
    if size < 126:
        head = bytes((first | opcode, size))
    elif size < 65536:
        head = struct.pack("!BBH", first | opcode, 126, size)
    else:
        head = struct.pack("!BBQ", first | opcode, 127, size)
    return head + data


async def read_head(peer: Peer) -> dict[str, str]:
    """The request's head, read raw: its fields by names in lower case."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += bytes(await peer.stream.receive_some(65536))
    lines = data.decode("latin-1").split("\r\n")
    return {"": lines[0], **{n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:] if line)}}


def accept_key(key: str) -> str:
    return base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
