"""HTTP/2 to a server (RFC 9113): one connection, many exchanges at once, on h2.

Two tasks belong to a connection. The reader takes what the server sends, hands events to their streams and notices at
once when the server goes away; the writer is the only one that writes, so cancelling an exchange never leaves half a
frame on the wire. What frames may cost is the :mod:`gate's <nano_trio.runtime.fetch_http2_gate>` to decide.

A stream's data counts against its flow-control window until the app has read it, so the server sends no more than
``_STREAM_WINDOW`` ahead; meanwhile it counts as the app's memory, and where there is no room for more the stream fails.
The connection's own window is so large that no stream can starve the others. An exchange that is given up resets its
stream; the others go on.

A server that opens its windows and reads nothing has us keep what the app uploads. So no more than ``_MOST_UNSENT``
bytes are made ahead of the socket: uploads, and requests that are to begin, wait for those before them to be sent. The
reader goes on meanwhile, for a server may wait to be read before it reads; only when what the server provoked (answers
to its PINGs, say) has piled up beyond ``_MOST_REPLIES``, which uploads alone never reach, does it wait too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import h2.config
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import trio

from nano_trio.runtime.fetch_errors import FetchError, NetworkErrors
from nano_trio.runtime.fetch_http2_fields import (
    check_interim,
    check_trailers,
    length_of,
    read_head,
    request_fields,
)
from nano_trio.runtime.fetch_http2_gate import Gate
from nano_trio.runtime.fetch_messages import MAX_HEAD_BYTES, MAX_HEADERS, MOST_AT_HAND, Response, WireRequest
from nano_trio.runtime.held import Held
from nano_trio.runtime.http2_hpack import FrugalDecoder, FrugalEncoder
from nano_trio.runtime.http2_state import Http2State
from nano_trio.runtime.net_connect import Connected
from nano_trio.runtime.pace import Pace
from nano_trio.runtime.pieces import Pieces

__all__ = ["Http2Connection"]

_READ_BYTES = 128 * 1024
_STREAM_WINDOW = 1 << 20
_CONNECTION_WINDOW = (1 << 31) - 1
_MOST_STREAMS = 100
_FRAME = 16_384
"""The largest frame that is sent, whatever the server would take: a larger one is copied in one go."""
_MOST_UNSENT = 64 * 1024
_MOST_REPLIES = 512 * 1024
_JOINED = 16 * 1024
"""Below so many bytes what comes is added to what lies here already: a server may send them one by one."""


class Http2Connection:
    """``released`` is called when the connection can take another exchange, or is closed."""

    answered = False
    """A server that closes or refuses has not dealt with the request."""

    def __init__(
        self,
        connected: Connected,
        nursery: trio.Nursery,
        pace: Pace,
        new_held: Callable[[], Held],
        released: Callable[[Any], None],
    ) -> None:
        self._connected = connected
        self._nursery = nursery
        self._pace = pace
        self._new_held = new_held
        self._gate = Gate(trio.current_time())
        self._released = released
        self._streams: dict[int, _Stream] = {}
        self._wake_writer = trio.Event()
        self._drained = trio.Event()
        self._unsent = b""
        self._going_away = False
        self._beginning = 0
        """Exchanges that wait to send their heads."""
        self.closed = False
        self.exchanges = 0
        self.idle_since = trio.current_time()
        config = h2.config.H2Configuration(
            client_side=True,
            header_encoding=None,
            validate_inbound_headers=False,
            normalize_inbound_headers=False,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self._h2 = Http2State(config=config)
        self._h2.encoder = FrugalEncoder()
        self._h2.decoder = FrugalDecoder(MAX_HEAD_BYTES, MAX_HEADERS)
        codes = h2.settings.SettingCodes
        self._h2.local_settings = h2.settings.Settings(
            client=True,
            initial_values={
                codes.ENABLE_PUSH: 0,
                codes.INITIAL_WINDOW_SIZE: _STREAM_WINDOW,
                codes.MAX_CONCURRENT_STREAMS: _MOST_STREAMS,
                codes.MAX_HEADER_LIST_SIZE: MAX_HEAD_BYTES,
            },
        )
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(_CONNECTION_WINDOW - 65535)
        self.flush()
        self._scope = trio.CancelScope()
        nursery.start_soon(self._run)

    def has_room(self) -> bool:
        """Whether another exchange may begin now."""
        if self.closed or self._going_away:
            return False
        most = min(self._h2.remote_settings.max_concurrent_streams, _MOST_STREAMS)
        return len(self._streams) + self._beginning < most and self._h2.highest_outbound_stream_id < (1 << 30)

    def is_idle(self) -> bool:
        return not self._streams and not self._beginning

    def is_usable(self) -> bool:
        return not self.closed and not self._going_away

    async def exchange(self, request: WireRequest) -> Response:
        """Send a request and wait for the response's head. Raises :class:`FetchError`; the connection lives on."""
        if not self.has_room():
            raise FetchError("ERR_STREAM_REFUSED", "the connection takes no further requests")
        self.exchanges += 1
        body = request.body
        if body is not None:
            length = len(body.content) if body.receive is None else body.length
        else:
            length = 0 if request.method in ("POST", "PUT", "PATCH") else None
        headers = request_fields(request, length)
        if self._is_full:
            await self._wait_to_begin()
        has_content = body is not None and (body.receive is not None or bool(body.content))
        number: int = self._h2.get_next_available_stream_id()
        stream = _Stream(self, number, request.method, self._new_held(), ended_upload=not has_content)
        try:
            self._h2.send_headers(number, headers, end_stream=not has_content)
        except h2.exceptions.ProtocolError as error:
            raise FetchError("ERR_INVALID_REQUEST", f"the request cannot be sent: {error}") from None
        self._h2.leave_length(number)
        self._streams[number] = stream
        self._gate.requested()
        self.flush()
        if body is not None and has_content:
            self._nursery.start_soon(stream.upload, body.content, body.receive)
        try:
            await stream.wait_for_head()
        except BaseException:
            stream.close()
            raise
        return stream

    @property
    def _is_full(self) -> bool:
        """Whether what was made already must be sent before more is."""
        return len(self._unsent) + self._h2.unsent >= _MOST_UNSENT

    async def _wait_to_begin(self) -> None:
        self._beginning += 1
        try:
            while self._is_full and not self.closed:
                await self._drained.wait()
        except BaseException:
            self._beginning -= 1
            self._released(self)
            raise
        self._beginning -= 1
        # The server may meanwhile have said that it takes fewer at a time.
        if not self.has_room():
            raise FetchError("ERR_STREAM_REFUSED", "the connection takes no further requests")

    # -- for streams -------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Let the writer send what h2 has to say."""
        self._wake_writer.set()

    async def send_data(self, stream: _Stream, data: bytes, at: int) -> int:
        """Send some of ``data`` from ``at`` on, as far as the windows have room; where to go on."""
        while not stream.over:
            room = min(self._h2.local_flow_control_window(stream.number), _FRAME)
            if room > 0 and not self._is_full:
                end = min(at + room, len(data))
                self._h2.send_data(stream.number, data[at:end])
                self._gate.sent(end - at, cut=end < len(data) and room < _FRAME)
                self.flush()
                await trio.lowlevel.checkpoint()
                return end
            await (stream.window if room <= 0 else self._drained).wait()
            stream.window = trio.Event()
        return len(data)

    def end_upload(self, stream: _Stream) -> None:
        """The request is sent."""
        if not stream.over:
            self._h2.end_stream(stream.number)
            self.flush()

    def acknowledge(self, stream: _Stream, size: int) -> None:
        """``size`` bytes of the response were read: the server may send as many more."""
        if size and not self.closed:
            try:
                self._h2.acknowledge_received_data(size, stream.number)
            except h2.exceptions.ProtocolError:
                return
            self.flush()

    def forget(self, stream: _Stream, *, reset: bool) -> None:
        """An exchange is over."""
        if self._streams.pop(stream.number, None) is None:
            return
        if reset and not self.closed:
            try:
                self._h2.reset_stream(stream.number, h2.errors.ErrorCodes.CANCEL)
                self.flush()
            except h2.exceptions.ProtocolError:
                pass
        if self._going_away and not self._streams:
            self.close()
        elif not self.closed:
            self._released(self)

    # -- the connection's tasks --------------------------------------------------------------------------------------

    async def _run(self) -> None:
        error = FetchError("ECONNRESET", "the connection was closed")
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    try:
                        await self._read()
                    except FetchError as failure:
                        error = failure
                    nursery.cancel_scope.cancel()
        finally:
            self._fail(error)
            self._h2.release()

    async def _read(self) -> None:
        while True:
            while len(self._unsent) + self._h2.unsent > _MOST_REPLIES:
                await self._drained.wait()
            with NetworkErrors("reading the response"):
                data = await self._connected.stream.receive_some(_READ_BYTES)
            if not data:
                raise FetchError("ECONNRESET", "the server closed the connection")
            self._gate.feed(bytes(data))
            while True:
                frames = self._gate.take(trio.current_time())
                if self._gate.last is not None:
                    self._finish_until(self._gate.last)
                if not frames:
                    break
                await self._pace.turn()
                try:
                    for event in self._h2.receive_data(frames):
                        self._handle(event)
                except (h2.exceptions.ProtocolError, LookupError, ValueError) as error:
                    raise FetchError("ERR_PROTOCOL", f"the server broke HTTP/2: {error}") from None
                self.flush()

    def _finish_until(self, last: int) -> None:
        """The server is going away (RFC 9113 section 6.8): it deals with streams up to ``last``, and with no others."""
        self._going_away = True
        for number, stream in list(self._streams.items()):
            if number > last:
                stream.fail(FetchError("ERR_STREAM_REFUSED", "the server is going away"))
        if not self._streams:
            self.close()

    def _handle(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RemoteSettingsChanged):
            for stream in self._streams.values():
                stream.window.set()
            return
        stream_id = getattr(event, "stream_id", None)
        if isinstance(event, h2.events.WindowUpdated) and not stream_id:
            for stream in self._streams.values():
                stream.window.set()
            return
        found = self._streams.get(stream_id) if stream_id else None
        if found is not None:
            found.handle(event)
        elif isinstance(event, h2.events.DataReceived) and event.stream_id and event.flow_controlled_length:
            # A stream that was given up: its bytes count on the connection all the same.
            try:
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            except h2.exceptions.ProtocolError:
                return

    async def _write(self) -> None:
        while True:
            self._unsent = self._h2.data_to_send()
            if self._unsent:
                with NetworkErrors("sending the request"):
                    try:
                        await self._connected.stream.send_all(self._unsent)
                    except (trio.BrokenResourceError, trio.ClosedResourceError):
                        return  # the reader hears of it as well, after what the server still had to say
                self._unsent = b""
                self._drained.set()
                self._drained = trio.Event()
                continue
            self._wake_writer = trio.Event()
            await self._wake_writer.wait()

    def _fail(self, error: FetchError) -> None:
        for stream in list(self._streams.values()):
            stream.fail(error)
        self.close()

    def close(self) -> None:
        """Close the socket now. Never blocks, idempotent."""
        if not self.closed:
            self.closed = True
            self._drained.set()
            self._scope.cancel()
            self._connected.close()
            self._released(self)


_HEADS = (h2.events.ResponseReceived, h2.events.InformationalResponseReceived, h2.events.TrailersReceived)


class _Stream(Response):
    """One exchange."""

    def __init__(
        self, connection: Http2Connection, number: int, method: str, held: Held, *, ended_upload: bool
    ) -> None:
        self.number = number
        self._method = method
        self._length: int | None = None
        """Bytes of the body that are still to come, where the head told."""
        self._held = held
        self._waiting = 0
        self.status = 0
        self.reason = b""
        self.headers = []
        self.over = False
        """Nothing more may be sent."""
        self.window = trio.Event()
        """Set when a flow-control window has grown, or the stream is over."""
        self._connection = connection
        self._chunks: deque[tuple[bytes, int]] = deque()
        self._error: FetchError | None = None
        self._ended = False
        self._uploaded = ended_upload
        self._arrived = trio.Event()
        self._upload_scope = trio.CancelScope()

    async def wait_for_head(self) -> None:
        while self.status == 0:
            if self._error is not None:
                raise self._error.again()
            if self._ended:
                raise FetchError("ERR_PROTOCOL", "the server sent no response")
            self._arrived = trio.Event()
            await self._arrived.wait()

    async def receive(self) -> bytes:
        while True:
            if self._chunks:
                data, size = self._chunks.popleft()
                self._wait(-len(data))
                self._connection.acknowledge(self, size)
                if data:
                    await trio.lowlevel.checkpoint()
                    return data
                continue
            if self._error is not None:
                self.close()
                raise self._error.again()
            if self._ended:
                self.close()
                return b""
            self._arrived = trio.Event()
            await self._arrived.wait()

    def at_hand(self) -> bytes | None:
        if not (self._ended and self._uploaded) or self._error is not None:
            return None
        if sum(len(data) for data, _ in self._chunks) > MOST_AT_HAND:
            return None
        parts = []
        while self._chunks:
            data, size = self._chunks.popleft()
            self._wait(-len(data))
            self._connection.acknowledge(self, size)
            parts.append(data)
        return b"".join(parts)

    def handle(self, event: h2.events.Event) -> None:
        if isinstance(event, _HEADS):
            try:
                self._take_head(event)
            except FetchError as error:
                self.fail(error)
                return
        elif isinstance(event, h2.events.DataReceived):
            self._take(bytes(event.data or b""), event.flow_controlled_length or 0)
        elif isinstance(event, h2.events.StreamEnded):
            if self._length and self._error is None:
                self.fail(FetchError("ERR_INCOMPLETE_BODY", "the server ended the body before its Content-Length"))
                return
            self._ended = True
            if self._uploaded:
                self._connection.forget(self, reset=False)
        elif isinstance(event, h2.events.StreamReset):
            if self._ended:
                # The response is complete; the server wants no more of the request (RFC 9113 section 8.1).
                self.over = True
                self._upload_scope.cancel()
            else:
                self.fail(_reset(event.error_code))
        elif isinstance(event, h2.events.WindowUpdated):
            self.window.set()
            return
        else:
            return
        self._arrived.set()

    def _take_head(self, event: h2.events.Event) -> None:
        fields = getattr(event, "headers", None) or []
        if isinstance(event, h2.events.ResponseReceived):
            status, headers = read_head(fields)
            length = length_of(headers)
            self._length = length if self._method != "HEAD" and status not in (204, 304) else None
            self.status, self.headers = status, headers
        elif isinstance(event, h2.events.InformationalResponseReceived):
            check_interim(fields)
        else:
            check_trailers(fields)

    def _take(self, data: bytes, size: int) -> None:
        """Some of the body, which took so much of the window."""
        if not data:
            self._connection.acknowledge(self, size)
            return
        if self._length is not None:
            self._length -= len(data)
            if self._length < 0:
                self._connection.acknowledge(self, size)
                self.fail(FetchError("ERR_PROTOCOL", "the server sent more of a body than its Content-Length says"))
                return
        if not self._held.may_be(self._waiting + len(data)):
            self._connection.acknowledge(self, size)
            why = "the bodies that wait to be read at this time take more than memory_mb"
            self.fail(FetchError("ERR_BODY", why))
            return
        self._wait(len(data))
        if self._chunks and len(self._chunks[-1][0]) + len(data) <= _JOINED:
            before, before_size = self._chunks.pop()
            data, size = before + data, before_size + size
        self._chunks.append((data, size))

    def _wait(self, size: int) -> None:
        self._waiting += size
        self._held.resize(self._waiting)

    async def upload(self, content: bytes | Pieces, receive: Callable[[], Awaitable[bytes]] | None) -> None:
        """Send the request's body."""
        chunks = iter((content,) if isinstance(content, bytes) else content)
        with self._upload_scope:
            try:
                while chunk := next(chunks, b"") if receive is None else await receive():
                    at = 0
                    while at < len(chunk):
                        at = await self._connection.send_data(self, chunk, at)
                self._connection.end_upload(self)
            except h2.exceptions.ProtocolError as error:
                if self._error is None and not self.over:
                    self.fail(FetchError("ERR_PROTOCOL", f"sending the request: {error}"))
            except FetchError as error:
                self.fail(error)
        self._uploaded = True
        if self._ended:
            self._connection.forget(self, reset=False)

    def fail(self, error: FetchError) -> None:
        """The exchange cannot go on."""
        if self._error is None and not self._ended:
            self._error = error.again()
            self._end()

    def close(self) -> None:
        if not (self._ended and self._uploaded) and self._error is None:
            self._error = FetchError("ERR_CLOSED", "the response was given up")
        self._end()
        while self._chunks:
            self._connection.acknowledge(self, self._chunks.popleft()[1])
        self._wait(-self._waiting)

    def _end(self) -> None:
        self.over = True
        self.window.set()
        self._arrived.set()
        self._upload_scope.cancel()
        self._connection.forget(self, reset=True)


def _reset(code: int | h2.errors.ErrorCodes | None) -> FetchError:
    if code == h2.errors.ErrorCodes.REFUSED_STREAM:
        return FetchError("ERR_STREAM_REFUSED", "the server refused the request")
    name = code.name if isinstance(code, h2.errors.ErrorCodes) else str(code)
    return FetchError("ECONNRESET", f"the server reset the stream ({name})")
