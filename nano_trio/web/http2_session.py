"""One client's HTTP/2, without sockets: frames in, calls out; answers in, bytes out (RFC 9113).

Theory of operation
-------------------
The package h2 keeps the protocol's state: streams, windows, settings, HPACK. Before it stands a gate of ours that sees
the nine octets of every frame first, and decides four things that h2 leaves to its users, or decides too harshly:

- *What a client may cost.* Every frame that asks for work and brings none (PING, SETTINGS, PRIORITY, WINDOW_UPDATE,
  empty DATA, unknown types) is paid from an account, which refills with time and with real work: requests, DATA in
  either direction. A second account counts streams that ended before they were answered, whoever reset them
  (CVE-2023-44487 and CVE-2025-8671). An empty account is GOAWAY with ENHANCE_YOUR_CALM. A field block is bounded in
  bytes and frames before any of it is decoded; SETTINGS with hundreds of entries are refused unread.
- *How much at a time.* :meth:`Session.process` stops after a few requests, or one with many or large fields in it or in
  its answer, and goes on when it is called again, so a packet with thousands of them does not hold up the reactor.
- *What may go wrong alone.* Fields are hidden from h2 (``http2_fields``), and with them Content-Length; streams beyond
  the limit are refused here. So these faults cost a stream; what h2 itself finds wrong costs the connection.
- *Going away.* h2 is through when a GOAWAY passes it, in either direction. So none does: ours are written beside it,
  and the streams in flight go on.

Windows: the connection's is given back as DATA arrives, a stream's only as the app reads (``Session.credit``). So what
an app does not read is bounded for each stream, and holds up no other.

A fault of the client raises :class:`SessionOver`; the GOAWAY that says so is then in the output.
"""

from __future__ import annotations

import struct
from typing import Protocol

import h2.config
import h2.exceptions
from h2.errors import ErrorCodes as Codes
from h2.events import (
    DataReceived,
    PingAckReceived,
    RemoteSettingsChanged,
    RequestReceived,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame, SettingsFrame

from nano_trio.runtime.http2_accounts import COSTS, PER_REQUEST, Patience, TokenBucket
from nano_trio.runtime.http2_state import Http2State
from nano_trio.web.http2_fields import Block, FieldDecoder, FieldEncoder, ResponseFields
from nano_trio.web.settings import Limits

__all__ = ["FRAME", "MOST_STREAMS", "STREAM_WINDOW", "Session", "SessionHandler", "SessionOver"]

MOST_STREAMS = 100
"""Requests of one connection that are served at once."""
STREAM_WINDOW = 65_535
"""What a client may send of a body before its app reads: the protocol's default, so nothing needs to be agreed on."""
FRAME = 16_384
"""The largest payload in either direction: the protocol's default."""

_CONNECTION_WINDOW = 1 << 20
_REQUESTS_AT_ONCE = 16
_FIELDS_OF_ONE = 32
_BYTES_OF_ONE = 1024
"""A request with so many more fields, or so much larger, counts as one more."""
_FRAMES_AT_ONCE = 64
"""A frame takes h2 some 25 µs, and may be of ten octets."""
_BLOCK_FRAMES = 32
_SETTINGS_ENTRIES = 64
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_LAST = (1 << 31) - 1

_RESETS = 200.0
_RESETS_PER_S = 20.0

_header = struct.Struct(">HBBBL").unpack_from
_END_STREAM, _END_HEADERS, _ACK, _PADDED = 0x1, 0x4, 0x1, 0x8
_WITH_MORE = _END_STREAM | _PADDED
_DATA_FRAME, _HEADERS, _PRIORITY, _RST, _SETTINGS, _PUSH, _PING, _GOAWAY, _WINDOW, _CONTINUATION = range(10)


_ENFORCED = Settings(client=False, initial_values={SettingCodes.MAX_CONCURRENT_STREAMS: _LAST})
"""What h2 holds clients to, by closing the connection: streams beyond ours are refused instead. Never changed, so that
all sessions share it."""


class SessionOver(Exception):
    """The client broke the protocol or a limit: nothing more is read from it."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class SessionHandler(Protocol):
    """What becomes of what a client sends. Streams are known by their numbers."""

    def begin(self, number: int, block: Block, *, ended: bool) -> None:
        """A request. ``ended``: without content."""

    def data(self, number: int, data: bytes, size: int, *, ended: bool) -> None:
        """Some of a request's content; ``size`` is what it took of the stream's window, padding and all."""

    def trailers(self, number: int, block: Block) -> None:
        """A request's content has ended, with trailers."""

    def reset(self, number: int, code: int) -> None:
        """The client gave a stream up, or a fault of its own ended it."""

    def window(self, number: int) -> None:
        """A stream's window has grown; 0: the connection's, or every stream's."""

    def pong(self, data: bytes) -> None:
        """A PING of ours was answered."""

    def client_leaves(self) -> None:
        """The client will begin no more streams."""


class _Nobody:
    """The handler of a connection that is closed."""

    def begin(self, number: int, block: Block, *, ended: bool) -> None: ...

    def data(self, number: int, data: bytes, size: int, *, ended: bool) -> None: ...

    def trailers(self, number: int, block: Block) -> None: ...

    def reset(self, number: int, code: int) -> None: ...

    def window(self, number: int) -> None: ...

    def pong(self, data: bytes) -> None: ...

    def client_leaves(self) -> None: ...


class _State(Http2State):
    MAX_CLOSED_STREAMS = 256
    """How many streams that are over are remembered, with how they ended."""


class Session:
    """The server's end of one connection."""

    __slots__ = (
        "_block",
        "_block_bytes",
        "_block_frames",
        "_buffer",
        "_decoder",
        "_greeted",
        "_h2",
        "_handler",
        "_introduced",
        "_limits",
        "_made",
        "_patience",
        "_position",
        "_promised",
        "_received",
        "_resets",
        "_work",
        "now",
        "over",
    )

    def __init__(self, handler: SessionHandler, limits: Limits, now: float) -> None:
        self._handler: SessionHandler = handler
        self._limits = limits
        self._h2 = _State(
            h2.config.H2Configuration(
                client_side=False,
                header_encoding=None,
                validate_inbound_headers=False,
                normalize_inbound_headers=False,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        said = {
            SettingCodes.MAX_CONCURRENT_STREAMS: MOST_STREAMS,
            SettingCodes.MAX_HEADER_LIST_SIZE: limits.head,
            SettingCodes.ENABLE_CONNECT_PROTOCOL: 1,
        }
        self._h2.local_settings = Settings(client=False, initial_values=said)
        self._h2.initiate_connection()
        self._h2.local_settings = _ENFORCED
        self._decoder = FieldDecoder(limits)
        self._h2.decoder = self._decoder
        self._h2.encoder = FieldEncoder()
        self._h2.increment_flow_control_window(_CONNECTION_WINDOW - STREAM_WINDOW)
        self._made = b""
        self._buffer = b""
        self._position = 0
        self._introduced = False
        self._greeted = False
        self._block = 0
        self._block_bytes = 0
        self._block_frames = 0
        self._received = 0
        self._work = 0
        """What the requests of this turn took, in common ones."""
        self._promised = _LAST
        self._patience = Patience(now)
        self._resets = TokenBucket(_RESETS, _RESETS_PER_S, now)
        self.now = now
        """The time, in seconds, by which accounts refill; the caller keeps it."""
        self.over = False
        """Nothing more is read or, but for GOAWAY, said."""

    def release(self) -> None:
        """The connection is closed: call it no more, and hold it no more."""
        self.over = True
        self._handler = _Nobody()
        self._h2.release()

    # ---- what arrives ----

    @property
    def unfinished(self) -> bool:
        """Whether a frame or a field block has begun to arrive and is not whole."""
        return bool(self._block) or self._position < len(self._buffer)

    @property
    def in_data(self) -> bool:
        """Whether what is unfinished is DATA, which may take its time."""
        buffer, position = self._buffer, self._position
        return not self._block and len(buffer) > position + 3 and buffer[position + 3] == _DATA_FRAME

    def feed(self, data: bytes) -> None:
        """Append what arrived."""
        if self._position < len(self._buffer):
            self._buffer = self._buffer[self._position :] + data
        else:
            self._buffer = data
        self._position = 0

    def process(self) -> bool:
        """Handle what is here, or a bounded part of it: then True. Raises :class:`SessionOver`."""
        if not self._introduced and not self._introduce():
            return False
        buffer = self._buffer
        self._work = 0
        for _ in range(_FRAMES_AT_ONCE):
            position = self._position
            if self.over or len(buffer) - position < 9:
                return False
            high, low, kind, flags, number = _header(buffer, position)
            length = high << 8 | low
            number &= _LAST
            if length > FRAME:
                self._fail(Codes.FRAME_SIZE_ERROR, f"a frame of {length} bytes")
            end = position + 9 + length
            if end > len(buffer):
                return False
            self._position = end
            if self._admit(kind, flags, number, length, position + 9):
                if kind == _DATA_FRAME and not flags & _WITH_MORE and self._h2.take_data(number, length):
                    self._data(number, buffer[position + 9 : end], length, ended=False)
                    continue
                self._receive(buffer[position:end])
                if kind in (_HEADERS, _CONTINUATION):
                    self._work += 1 + length // _BYTES_OF_ONE
                    if not self._block:
                        self._work += len(self._decoder.block) // _FIELDS_OF_ONE
                    if self._work >= _REQUESTS_AT_ONCE:
                        break
        return len(buffer) - self._position >= 9 and not self.over

    def _introduce(self) -> bool:
        start = self._buffer[: len(_PREFACE)]
        if not _PREFACE.startswith(start):
            self._fail(Codes.PROTOCOL_ERROR, "no client preface")
        if len(start) < len(_PREFACE):
            return False
        self._receive(start)
        self._position = len(_PREFACE)
        self._introduced = True
        return True

    def _admit(self, kind: int, flags: int, number: int, length: int, at: int) -> bool:
        """The gate. True when the frame is for h2. Raises :class:`SessionOver`."""
        if self._block:
            if kind != _CONTINUATION or number != self._block:
                self._fail(Codes.PROTOCOL_ERROR, "a field block was interrupted")
            self._bound_block(flags, length)
            return True
        if not self._greeted:
            if kind != _SETTINGS or flags & _ACK:
                self._fail(Codes.PROTOCOL_ERROR, "the first frame must be SETTINGS")
            self._greeted = True
        if kind == _HEADERS:
            if number > self._h2.highest_inbound_stream_id:
                self._patience.earn(PER_REQUEST)
            if not flags & _END_HEADERS:
                self._block, self._block_bytes, self._block_frames = number, 0, 0
                self._bound_block(flags, length)
            return True
        if kind == _DATA_FRAME:
            if length - (self._buffer[at] + 1 if flags & _PADDED and length else 0) > 0:
                self._patience.earn(1)
            elif not flags & _END_STREAM:
                self._spend(1.0, "empty DATA")
            return True
        if kind in (_CONTINUATION, _PUSH):
            self._fail(Codes.PROTOCOL_ERROR, "an unexpected CONTINUATION or PUSH_PROMISE")
        if kind != _WINDOW or not self._patience.pay_for_window():
            self._spend(COSTS.get(kind, 1.0), "frames that bring nothing")
        if kind in (_WINDOW, _RST):
            if number > self._h2.highest_inbound_stream_id:
                self._fail(Codes.PROTOCOL_ERROR, "a frame for a stream that is idle")
            return True
        if kind == _SETTINGS:
            if length > _SETTINGS_ENTRIES * 6:
                self._fail(Codes.ENHANCE_YOUR_CALM, "too many settings")
            if length and flags & _ACK:
                self._fail(Codes.FRAME_SIZE_ERROR, "an acknowledgement with settings")
            return True
        if kind == _PING:
            return True
        if kind == _PRIORITY:
            # Deprecated (section 5.3.2), so nobody needs to hear of it; only its form is checked.
            if not number:
                self._fail(Codes.PROTOCOL_ERROR, "PRIORITY without a stream")
            if length != 5:
                self._fail(Codes.FRAME_SIZE_ERROR, "PRIORITY of the wrong size")
        elif kind == _GOAWAY:
            if number:
                self._fail(Codes.PROTOCOL_ERROR, "GOAWAY on a stream")
            if length < 8:
                self._fail(Codes.FRAME_SIZE_ERROR, "GOAWAY of the wrong size")
            self._handler.client_leaves()
        return False

    def _bound_block(self, flags: int, length: int) -> None:
        self._block_bytes += length
        self._block_frames += 1
        if self._block_bytes > self._limits.head or self._block_frames > _BLOCK_FRAMES:
            self._fail(Codes.ENHANCE_YOUR_CALM, "a field block too large or in too many frames")
        if flags & _END_HEADERS:
            self._block = 0

    def _receive(self, frame: bytes) -> None:
        try:
            events = self._h2.receive_data(frame)
        except h2.exceptions.ProtocolError as error:
            self.over = True
            raise SessionOver(error.error_code, str(error)) from None
        handler = self._handler
        for event in events:
            if isinstance(event, RequestReceived):
                handler.begin(event.stream_id, self._decoder.block, ended=event.stream_ended is not None)
            elif isinstance(event, DataReceived):
                ended = event.stream_ended is not None
                self._data(event.stream_id, event.data, event.flow_controlled_length, ended=ended)
            elif isinstance(event, TrailersReceived):
                handler.trailers(event.stream_id, self._decoder.block)
            elif isinstance(event, StreamReset):
                handler.reset(event.stream_id, int(event.error_code))
            elif isinstance(event, WindowUpdated):
                handler.window(event.stream_id or 0)
            elif isinstance(event, RemoteSettingsChanged):
                if SettingCodes.INITIAL_WINDOW_SIZE in event.changed_settings:
                    handler.window(0)
            elif isinstance(event, PingAckReceived):
                handler.pong(event.ping_data)

    def _data(self, number: int, data: bytes, size: int, *, ended: bool) -> None:
        self._received += size
        if self._received >= _CONNECTION_WINDOW // 2:
            self._h2.increment_flow_control_window(self._received)
            self._received = 0
        self._handler.data(number, data, size, ended=ended)

    # ---- accounts ----

    def _spend(self, cost: float, what: str) -> None:
        if not self._patience.pay(cost, self.now):
            self._fail(Codes.ENHANCE_YOUR_CALM, f"too many {what}")

    def given_up(self) -> None:
        """A stream ended before it was answered, by the client's doing. Raises :class:`SessionOver` if too many do."""
        if not self._resets.pay(1, self.now):
            self._fail(Codes.ENHANCE_YOUR_CALM, "too many streams given up")

    def answered(self) -> None:
        """A stream was answered in full."""
        self._resets.earn(1)

    def _fail(self, code: int, reason: str) -> None:
        """Say goodbye and raise :class:`SessionOver`."""
        if not self.over:
            self.go_away(code, reason)
            self.over = True
        raise SessionOver(code, reason)

    # ---- what is sent ----

    def take_output(self) -> bytes:
        """What is to be sent, in order."""
        made, self._made = self._made, b""
        return made + self._h2.data_to_send() if made else self._h2.data_to_send()

    def room(self, number: int) -> int:
        """Bytes of DATA that a stream may send in one frame now."""
        return min(self._h2.local_flow_control_window(number), FRAME)

    @property
    def open(self) -> bool:
        """Whether the connection's window lets any stream send."""
        return self._h2.outbound_flow_control_window > 0

    def head(self, number: int, fields: ResponseFields) -> None:
        """Send a response's fields; without content they end the stream."""
        self._work += len(fields.fields) // _FIELDS_OF_ONE
        self._h2.send_headers(number, fields.fields, end_stream=not fields.has_content)

    def inform(self, number: int) -> None:
        """Send 100 (Continue)."""
        self._h2.send_headers(number, [(b":status", b"100")])

    def data(self, number: int, data: bytes, *, ended: bool) -> None:
        """Send at most ``room(number)`` bytes."""
        self._h2.send_data(number, data, end_stream=ended)
        size = len(data)
        self._patience.sent(size, cut=not ended and size < FRAME and self.room(number) <= 0)

    def reset(self, number: int, code: int) -> None:
        """Give a stream up; nothing happens to one that is over."""
        if not self.over:
            try:
                self._h2.reset_stream(number, code)
            except h2.exceptions.ProtocolError:
                return

    def credit(self, number: int, size: int) -> None:
        """Let the client send ``size`` bytes more on a stream; 0: on the connection."""
        if size and not self.over:
            try:
                self._h2.increment_flow_control_window(size, number or None)
            except (h2.exceptions.ProtocolError, KeyError):
                return

    def ping(self, data: bytes) -> None:
        """Ask for a ``pong``."""
        if not self.over:
            self._h2.ping(data)

    def allow(self, streams: int) -> None:
        """Let the client have so many streams at once from now on."""
        if not self.over:
            frame = SettingsFrame(0, settings={SettingCodes.MAX_CONCURRENT_STREAMS: streams})
            self._made = self.take_output() + frame.serialize()
            # Its acknowledgement is not the client's doing.
            self._patience.earn(COSTS[_SETTINGS])

    @property
    def last(self) -> int:
        """The highest stream that the client began."""
        number: int = self._h2.highest_inbound_stream_id
        return number

    def go_away(self, code: int, reason: str = "", last: int | None = None) -> None:
        """Say that no streams beyond ``last`` (None: those that have begun) are served: never more than was said before
        (section 6.8).
        """
        self._promised = min(self._promised, self.last if last is None else last)
        frame = GoAwayFrame(last_stream_id=self._promised, error_code=code, additional_data=reason.encode())
        self._made = self.take_output() + frame.serialize()
