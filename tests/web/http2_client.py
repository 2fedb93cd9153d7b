"""A raw HTTP/2 client for tests: frames as they are told, by hyperframe and hpack, with no opinion of its own."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import hpack
import trio
import trustme
from h2.errors import ErrorCodes
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from nano_trio.web.server import Server
from tests.web.secure import client_context, port_of

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

Fields = Sequence[tuple[str, str]]


def request(path: str = "/", *more: tuple[str, str], method: str = "GET", authority: str = "app") -> Fields:
    return (
        (":method", method),
        (":scheme", "https"),
        (":authority", authority),
        (":path", path),
        *more,
    )


def raw(kind: int, flags: int, number: int, payload: bytes = b"") -> bytes:
    """A frame of any kind, right or wrong."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + number.to_bytes(4, "big") + payload


def client_settings(values: dict[int, int]) -> bytes:
    """A SETTINGS frame."""
    return SettingsFrame(0, settings=values).serialize()


class Answer:
    """What a stream has brought so far."""

    def __init__(self) -> None:
        self.informed: list[int] = []
        self.headers: list[tuple[str, str]] = []
        self.body = b""
        self.ended = False
        self.reset: ErrorCodes | None = None

    def __getitem__(self, name: str) -> str:
        return ", ".join(value for key, value in self.headers if key == name)

    def __contains__(self, name: str) -> bool:
        return any(key == name for key, _ in self.headers)

    @property
    def status(self) -> int:
        return int(self[":status"] or 0)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def over(self) -> bool:
        return self.ended or self.reset is not None


class Http2Client:
    """``windows``: whether the client makes room for what arrives."""

    def __init__(self, stream: trio.abc.Stream, *, windows: bool = True) -> None:
        self.stream = stream
        self.windows = windows
        self.pongs = True
        """Whether it answers PINGs."""
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self.answers: dict[int, Answer] = {}
        self.goaways: list[GoAwayFrame] = []
        self.settings: dict[int, int] = {}
        self.frames: list[Frame] = []
        """All frames received."""
        self.credit: dict[int, int] = {}
        """What the server gave of its windows, by stream."""
        self.closed = False
        self.last = -1
        self._buffer = b""
        self._block = b""
        self._owed: dict[int, int] = {}

    # ---- out ----

    async def send(self, *frames: Frame | bytes) -> None:
        await self.stream.send_all(b"".join(one if isinstance(one, bytes) else one.serialize() for one in frames))

    async def greet(self, settings: dict[int, int] | None = None) -> None:
        frame = SettingsFrame(0)
        frame.settings = settings or {}
        await self.send(PREFACE, frame)
        await self.until(lambda: bool(self.settings))
        await self.send(SettingsFrame(0, flags=["ACK"]))

    def next(self) -> int:
        self.last += 2
        return self.last

    def block(self, fields: Iterable[Any]) -> bytes:
        return self.encoder.encode(fields)

    def headers(self, number: int, fields: Fields, *, end: bool = True) -> HeadersFrame:
        flags = ["END_HEADERS", "END_STREAM"] if end else ["END_HEADERS"]
        return HeadersFrame(number, data=self.block(fields), flags=flags)

    async def begin(self, path: str = "/", *more: tuple[str, str], end: bool = True, **how: str) -> int:
        """Send a request's head; the stream's number."""
        number = self.next()
        await self.send(self.headers(number, request(path, *more, **how), end=end))
        return number

    async def data(self, number: int, data: bytes, *, end: bool = False) -> None:
        await self.send(DataFrame(number, data=data, flags=["END_STREAM"] if end else []))

    async def reset(self, number: int, code: int = ErrorCodes.CANCEL) -> None:
        await self.send(RstStreamFrame(number, error_code=code))

    async def open_window(self, number: int, size: int) -> None:
        await self.send(WindowUpdateFrame(number, window_increment=size))

    # ---- in ----

    def answer(self, number: int) -> Answer:
        return self.answers.setdefault(number, Answer())

    async def more(self) -> bool:
        """Receive once. False at the connection's end."""
        try:
            data = await self.stream.receive_some(65536)
        except trio.BrokenResourceError:
            data = b""
        if not data:
            self.closed = True
            return False
        self._buffer += data
        acknowledged = b""
        while len(self._buffer) >= 9:
            frame, length = Frame.parse_frame_header(memoryview(self._buffer[:9]))
            if len(self._buffer) < 9 + length:
                break
            frame.parse_body(memoryview(self._buffer[9 : 9 + length]))
            self._buffer = self._buffer[9 + length :]
            acknowledged += self._take(frame)
        if acknowledged:
            with contextlib.suppress(trio.BrokenResourceError):
                await self.send(acknowledged)
        return True

    def _take(self, frame: Frame) -> bytes:
        self.frames.append(frame)
        answer = self.answer(frame.stream_id)
        if isinstance(frame, HeadersFrame | ContinuationFrame):
            self._block += frame.data
            if "END_HEADERS" in frame.flags:
                fields = [
                    (name.decode("latin-1"), value.decode("latin-1"))
                    for name, value in self.decoder.decode(self._block, raw=True)
                ]
                self._block = b""
                status = int(dict(fields)[":status"])
                if status < 200:
                    answer.informed.append(status)
                else:
                    assert not answer.headers, "two final heads"
                    answer.headers = fields
            answer.ended |= "END_STREAM" in frame.flags
        elif isinstance(frame, DataFrame):
            assert answer.headers, "DATA before a head"
            assert not answer.ended, "DATA after the end"
            answer.body += frame.data
            answer.ended |= "END_STREAM" in frame.flags
            if self.windows:
                return self._give_back(0, len(frame.data)) + (
                    b"" if answer.ended else self._give_back(frame.stream_id, len(frame.data))
                )
        elif isinstance(frame, RstStreamFrame):
            answer.reset = ErrorCodes(frame.error_code)
        elif isinstance(frame, GoAwayFrame):
            self.goaways.append(frame)
        elif isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
            self.settings.update(frame.settings)
        elif isinstance(frame, WindowUpdateFrame):
            self.credit[frame.stream_id] = self.credit.get(frame.stream_id, 0) + frame.window_increment
        elif isinstance(frame, PingFrame) and "ACK" not in frame.flags and self.pongs:
            return PingFrame(0, opaque_data=frame.opaque_data, flags=["ACK"]).serialize()
        return b""

    def _give_back(self, number: int, size: int) -> bytes:
        owed = self._owed[number] = self._owed.get(number, 0) + size
        if owed < 32768:
            return b""
        self._owed[number] = 0
        return WindowUpdateFrame(number, window_increment=owed).serialize()

    async def until(self, done: Any) -> None:
        """Receive until ``done()`` says so. Raises EOFError at the connection's end."""
        while not done():
            if not await self.more():
                raise EOFError(f"the connection ended: {[frame.additional_data for frame in self.goaways]}")

    async def over(self, number: int) -> Answer:
        """Receive until a stream has ended or was reset."""
        answer = self.answer(number)
        await self.until(lambda: answer.over)
        return answer

    async def get(self, path: str = "/", *more: tuple[str, str], **how: str) -> Answer:
        return await self.over(await self.begin(path, *more, **how))

    async def goaway(self) -> GoAwayFrame:
        """Receive until a GOAWAY."""
        await self.until(lambda: bool(self.goaways))
        return self.goaways[-1]

    async def ended(self, code: ErrorCodes) -> None:
        """The connection must end with a GOAWAY of this code."""
        while await self.more():
            pass
        assert self.goaways, "no GOAWAY"
        assert ErrorCodes(self.goaways[-1].error_code) is code, self.goaways[-1].additional_data

    async def ping(self) -> None:
        """Receive until the server has dealt with all that was sent."""
        seen = len(self.frames)
        await self.send(PingFrame(0, opaque_data=b"roundtrp"))
        await self.until(lambda: any(isinstance(frame, PingFrame) for frame in self.frames[seen:]))


def h2_context() -> ssl.SSLContext:
    context = client_context()
    context.set_alpn_protocols(["h2"])
    return context


@contextlib.asynccontextmanager
async def h2_connected(
    server: Server,
    *,
    host: str | None = "localhost",
    settings: dict[int, int] | None = None,
    windows: bool = True,
    greet: bool = True,
    certificate: trustme.LeafCert | None = None,
) -> AsyncIterator[Http2Client]:
    """A client whose handshake is done, and whose settings are exchanged."""
    sock = await trio.open_tcp_stream("127.0.0.1", port_of(server))
    async with sock:
        context = h2_context()
        if certificate is not None:
            certificate.configure_cert(context)
        if host is None:
            context.check_hostname = False
        stream = trio.SSLStream(sock, context, server_hostname=host, https_compatible=True)
        await stream.do_handshake()
        assert stream.selected_alpn_protocol() == "h2"
        client = Http2Client(stream, windows=windows)
        if greet:
            await client.greet(settings)
        yield client
