"""A raw client for WebSockets over HTTP/2: streams of one connection in the place of sockets (RFC 8441)."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import trio
from h2.errors import ErrorCodes
from hyperframe.frame import DataFrame, Frame, HeadersFrame

from nano_trio.actors.messages import SocketPeer
from nano_trio.web.server import Server
from tests.web.http2_client import Answer, Fields, Http2Client, h2_connected
from tests.web.sockets import SocketApp, SocketClient

FRAME = 16_384
WINDOW = 65_535


def connect(path: str = "/", *more: tuple[str, str], authority: str = "app") -> Fields:
    """The fields of an extended CONNECT."""
    return (
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":authority", authority),
        (":path", path),
        ("sec-websocket-version", "13"),
        *more,
    )


class Shared(Http2Client):
    """A client that one task reads for all of its streams."""

    changed: trio.Event
    sent: dict[int, int]
    sending: trio.Lock

    async def send(self, *frames: Frame | bytes) -> None:
        async with self.sending:
            await super().send(*frames)

    async def read(self) -> None:
        with contextlib.suppress(trio.ClosedResourceError):
            while await self.more():
                self._change()
        self._change()

    def _change(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    async def until(self, done: object) -> None:
        """Wait for something to be true; it is looked at whenever something has come or gone."""
        assert callable(done)
        while not done():
            if self.closed:
                raise EOFError(f"the connection ended: {[frame.additional_data for frame in self.goaways]}")
            await self.changed.wait()

    def room(self, number: int) -> int:
        """Bytes that may be sent on a stream."""
        return min(WINDOW + self.credit.get(one, 0) - self.sent.get(one, 0) for one in (0, number))

    async def data(self, number: int, data: bytes, *, end: bool = False) -> None:
        for one in (0, number):
            self.sent[one] = self.sent.get(one, 0) + len(data)
        await super().data(number, data, end=end)
        self._change()

    async def ask(self, path: str = "/", *more: tuple[str, str], authority: str = "app") -> int:
        """Send an extended CONNECT; the stream's number."""
        number = self.next()
        await self.send(self.headers(number, connect(path, *more, authority=authority), end=False))
        return number

    async def open(self, path: str = "/", *more: tuple[str, str], authority: str = "app") -> SocketClient:
        """A WebSocket."""
        number = await self.ask(path, *more, authority=authority)
        answer = self.answer(number)
        await self.until(lambda: answer.status or answer.over)
        assert answer.status == 200
        assert not answer.over
        return SocketClient(TunnelStream(self, number))  # type: ignore[arg-type]


class TunnelStream:
    """One stream of a client, with the methods of one of Trio's."""

    def __init__(self, client: Shared, number: int) -> None:
        self.client = client
        self.number = number

    @property
    def answer(self) -> Answer:
        return self.client.answer(self.number)

    async def send_all(self, data: bytes) -> None:
        """Send as the server gives windows. Raises BrokenResourceError once the stream is reset."""
        while data:
            await self.client.until(lambda: self.client.room(self.number) > 0 or self.answer.reset is not None)
            if self.answer.reset is not None:
                raise trio.BrokenResourceError
            size = min(FRAME, self.client.room(self.number))
            piece, data = data[:size], data[size:]
            await self.client.data(self.number, piece)

    async def receive_some(self, size: int) -> bytes:
        """What has come, ``b""`` at the stream's end. Raises BrokenResourceError where it was reset before that."""
        answer = self.answer
        await self.client.until(lambda: answer.body or answer.over)
        data, answer.body = answer.body, b""
        if not data and not answer.ended:
            raise trio.BrokenResourceError
        return data

    async def send_eof(self) -> None:
        await self.client.data(self.number, b"", end=True)

    async def reset(self, code: int = ErrorCodes.CANCEL) -> None:
        await self.client.reset(self.number, code)

    async def headers(self, *fields: tuple[str, str], end: bool) -> None:
        flags = ["END_HEADERS", "END_STREAM"] if end else ["END_HEADERS"]
        await self.client.send(HeadersFrame(self.number, data=self.client.block(fields), flags=flags))

    async def padded(self, data: bytes, padding: int) -> None:
        """DATA with padding, of which the window is no concern."""
        for one in (0, self.number):
            self.client.sent[one] = self.client.sent.get(one, 0) + len(data) + padding + 1
        await self.client.send(DataFrame(self.number, data=data, pad_length=padding, flags=["PADDED"]))


@contextlib.asynccontextmanager
async def sharing(client: Http2Client) -> AsyncIterator[Shared]:
    """Let one task read for all of a client's streams."""
    async with trio.open_nursery() as nursery:
        client.__class__ = Shared
        assert isinstance(client, Shared)
        client.changed = trio.Event()
        client.sent = {}
        client.sending = trio.Lock()
        nursery.start_soon(client.read)
        yield client
        nursery.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def shared(
    server: Server, *, settings: dict[int, int] | None = None, windows: bool = True
) -> AsyncIterator[Shared]:
    """A client of several streams, whose settings are exchanged."""
    async with h2_connected(server, settings=settings, windows=windows) as client, sharing(client) as sharer:
        yield sharer


def peer_of(app: SocketApp, number: int = -1) -> SocketPeer:
    peer = app.sockets[number].peer
    assert peer is not None
    return peer


def stream_of(socket: SocketClient) -> TunnelStream:
    """What a socket that was opened here is written to."""
    assert isinstance(socket.stream, TunnelStream)
    return socket.stream
