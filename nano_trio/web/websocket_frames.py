"""WebSocket frames from bytes and to bytes (RFC 6455 section 5), a server's end, without sockets.

Theory of operation
-------------------
:class:`Decoder` holds what arrived; ``next`` returns one event at a time, None when it needs more bytes:

- ``str`` or ``bytes``: a whole message;
- :class:`Control`: a Ping, a Pong or a Close, also in the middle of a fragmented message;
- ``AGAIN``: some work was done, nothing is complete; call again. Whoever calls can thus stop after so many steps,
  whatever the client sends: a thousand empty fragments are a thousand steps, and a deflated message is inflated by
  at most ``_STEP`` bytes at a time.

Nearly all messages are small, unfragmented and here as a whole: ``next`` handles them itself. All others are streamed
into a ``_Message`` as their payload arrives: unmasked, inflated, checked for UTF-8 and counted, so that a faulty or
too large one is refused at its first wrong byte, and nothing waits but at most a frame's header or a control frame.

What the client did wrong is a :class:`Violation` with the close code that says so; after it, and after a Close, the
decoder must not be asked again, but told to :meth:`~Decoder.drop` what it has.

Of a large message that has not come whole the pieces count as the app's (``nano_trio/actors/incoming.py``); where all
of an app's are too much together, the one that grows is refused.
"""

from __future__ import annotations

import codecs
import zlib
from typing import final

import attrs

from nano_trio.actors.incoming import Incoming
from nano_trio.actors.messages import SocketMessage
from nano_trio.runtime.close_codes import INVALID_DATA, NO_CODE, PROTOCOL_ERROR, TOO_BIG, TRY_AGAIN, UNSENT
from nano_trio.runtime.pieces import LARGE, PIECE, LargeMessage
from nano_trio.runtime.websocket_protocol import EMPTY_BLOCK

__all__ = ["AGAIN", "BINARY", "CLOSE", "PING", "PONG", "TEXT", "Control", "Decoder", "Event", "Violation"]
__all__ += ["close_frame", "frame", "header"]


def apply_mask(data: bytes | bytearray | memoryview, mask: bytes | bytearray) -> bytes:  # noqa: F811
    """``data`` with or without its mask (RFC 6455, section 5.3). At its first call the library's takes its place: a
    server without WebSockets does without that, which imports what takes 10 ms."""
    global apply_mask
    try:
        from websockets.speedups import apply_mask as library_s
    except ImportError:  # a machine without a wheel and without a compiler
        from websockets.utils import apply_mask as library_s
    apply_mask = library_s
    return library_s(data, mask)


CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
"""Opcodes."""

_FIN = 0x80
_RSV1 = 0x40
_SMALL = 125
"""Bytes of a payload whose size is in the frame's second octet."""
_STEP = 128 * 1024
_CODES = frozenset((1000, 1001, 1002, 1003, *range(1007, 1015)))
"""Close codes below 3000 that may be sent (RFC 6455 section 7.4.1 and IANA's registry)."""
_MAX_REASON = 123


class Violation(Exception):
    """The client broke the protocol or a limit: fail the connection with ``code`` (RFC 6455 section 7.1.7)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@final
@attrs.frozen
class Control:
    """A control frame. ``opcode`` is CLOSE, PING or PONG; ``code`` and ``reason`` are a Close's."""

    opcode: int
    payload: bytes = b""
    code: int = 0
    """1005 for a Close without a code."""
    reason: str = ""


AGAIN = Control(-1)
Event = SocketMessage | Control


class _Message:
    """A message on its way in."""

    __slots__ = (
        "_body",
        "_deflated",
        "_incoming",
        "_inflater",
        "_limit",
        "_pieces",
        "_size",
        "_utf8",
        "fin",
        "in_frame",
        "inflating",
        "mask",
        "need",
    )

    def __init__(self, opcode: int, limit: int, incoming: Incoming, compressed: bool) -> None:
        self.in_frame = True
        self.need = 0
        """Bytes of the current frame's payload that are still to come."""
        self.mask = b""
        self.fin = False
        self.inflating = False
        """Whether there are bytes to inflate."""
        self._pieces: list[bytes] = []
        self._body = bytearray()
        """What has come since the last whole piece."""
        self._size = 0
        self._limit = limit
        self._incoming = incoming
        self._utf8 = codecs.getincrementaldecoder("utf-8")() if opcode == TEXT else None
        self._inflater = zlib.decompressobj(-15) if compressed else None
        self._deflated = b""

    @property
    def compressed(self) -> bool:
        return self._inflater is not None

    @property
    def known(self) -> int:
        """Bytes that have come, and those that the current frame still brings."""
        return self._size + max(self.need, 0)

    def announce(self, size: int) -> None:
        """A frame's header says how much will come."""
        if self._inflater is None and self._size + size > self._limit:
            raise Violation(TOO_BIG, "the message is too large")

    def add(self, payload: bytes) -> None:
        """Take a piece of payload, unmasked."""
        if self._inflater is None:
            self._append(payload)
        else:
            self._deflated += payload
            self.inflating = True

    def _append(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            raise Violation(TOO_BIG, "the message is too large")
        if self._utf8 is not None:
            try:
                self._utf8.decode(data)
            except UnicodeDecodeError:
                raise Violation(INVALID_DATA, "the text is not valid UTF-8") from None
        self._body += data
        if len(self._body) >= PIECE:
            if not self._incoming.take(len(self._body)):
                raise Violation(TRY_AGAIN, "too many large messages are on their way to the app")
            self._pieces.append(bytes(self._body))
            self._body = bytearray()

    def inflate(self) -> bool:
        """Inflate a step; True when more remains (RFC 7692 section 7.2.2)."""
        inflater = self._inflater
        assert inflater is not None
        try:
            data = inflater.decompress(self._deflated, _STEP)
        except zlib.error:
            raise Violation(INVALID_DATA, "the compressed data is malformed") from None
        self._append(data)
        if inflater.eof:
            # A block marked as the last one: what follows begins anew (section 7.2.3.5).
            self._deflated = inflater.unused_data
            if self._deflated == EMPTY_BLOCK:
                self._deflated = b""
            self._inflater = zlib.decompressobj(-15)
        else:
            self._deflated = inflater.unconsumed_tail
        self.inflating = bool(self._deflated) or len(data) == _STEP
        return self.inflating

    def end_of_deflated(self) -> bool:
        """All frames are here: what the sender cut off is put back. True when it is to be inflated."""
        if self.fin and self.compressed and not self.need:
            self.need = -1
            self.add(EMPTY_BLOCK)
            return True
        return False

    def drop(self) -> None:
        """It is whole, or nobody wants it: it no longer counts."""
        self._incoming.begun -= sum(map(len, self._pieces))

    def finish(self) -> SocketMessage:
        """The whole message."""
        self.drop()
        if self._utf8 is not None:
            try:
                self._utf8.decode(b"", True)
            except UnicodeDecodeError:
                raise Violation(INVALID_DATA, "the text ends in the middle of a character") from None
        if self._size > LARGE:
            return LargeMessage((*self._pieces, bytes(self._body)), is_text=self._utf8 is not None)
        body = b"".join((*self._pieces, self._body))
        return body if self._utf8 is None else body.decode()


class Decoder:
    """The incoming half of one connection. ``max_message`` is in bytes; ``deflate``: whether RFC 7692 was agreed on."""

    __slots__ = ("_at", "_buffer", "_deflate", "_incoming", "_max", "_message", "_small")

    def __init__(self, max_message: int, *, deflate: bool, incoming: Incoming | None = None) -> None:
        self._max = max_message
        self._incoming = incoming or Incoming()
        self._small = min(_SMALL, max_message)
        self._deflate = deflate
        self._buffer = b""
        self._at = 0
        self._message: _Message | None = None

    @property
    def in_frame(self) -> bool:
        """Whether a frame has begun to arrive and is not here as a whole."""
        message = self._message
        return self._at < len(self._buffer) or (message is not None and message.in_frame)

    @property
    def arriving(self) -> int:
        """Bytes of the message that has begun to arrive, as far as they are known of; 0 for a small one."""
        message = self._message
        return 0 if message is None else message.known

    def feed(self, data: bytes) -> None:
        """Append what arrived."""
        self._buffer = self._buffer[self._at :] + data if self._at < len(self._buffer) else data
        self._at = 0

    def drop(self) -> None:
        """Forget what arrived: nothing more is fed or asked for. Idempotent."""
        message, self._message = self._message, None
        if message is not None:
            message.drop()
        self._buffer = b""
        self._at = 0

    def whole(self, data: bytes) -> str | bytes | None:
        """The message that ``data`` is, if it is a small one in one frame and nothing else is here, as with nearly all;
        None where it is not: then it is to be fed."""
        size = len(data) - 6
        if not 0 <= size <= self._small or data[1] != size + 128 or self._buffer or self._message is not None:
            return None
        first = data[0]
        if first == 0x81:
            try:
                return apply_mask(data[6:], data[2:6]).decode()
            except UnicodeDecodeError:
                return None
        return apply_mask(data[6:], data[2:6]) if first == 0x82 else None

    def next(self) -> Event | None:
        """The next event, None when bytes are missing. Raises :class:`Violation`."""
        buffer = self._buffer
        at = self._at
        left = len(buffer) - at
        if left >= 6 and self._message is None:
            size = buffer[at + 1] - 128
            if 0 <= size <= self._small and left >= size + 6:
                first = buffer[at]
                if first == 0x81 or first == 0x82:
                    start = at + 6
                    end = start + size
                    payload = apply_mask(buffer[start:end], buffer[at + 2 : start])
                    if left == size + 6:
                        self._buffer = b""
                        self._at = 0
                    else:
                        self._at = end
                    if first == 0x82:
                        return payload
                    try:
                        return payload.decode()
                    except UnicodeDecodeError:
                        raise Violation(INVALID_DATA, "the text is not valid UTF-8") from None
        elif not left:
            self._buffer = b""
            self._at = 0
            if self._message is None or not self._message.inflating:
                return None
        message = self._message
        if message is not None and message.in_frame:
            return self._payload(message)
        return self._header()

    def _header(self) -> Event | None:
        """A frame's header, then what is here of its payload."""
        buffer, at = self._buffer, self._at
        left = len(buffer) - at
        if left < 2:
            return None
        first, second = buffer[at], buffer[at + 1]
        opcode, size = first & 15, second & 127
        self._check(first, second)
        if opcode >= CLOSE:
            return self._control(opcode, size)
        start = at + 6
        if size == 126:
            start = at + 8
            size = int.from_bytes(buffer[at + 2 : at + 4], "big")
        elif size == 127:
            start = at + 14
            size = int.from_bytes(buffer[at + 2 : at + 10], "big")
        if start > len(buffer):
            return None
        if size >> 63:
            raise Violation(PROTOCOL_ERROR, "a frame's length has its highest bit set")
        message = self._message
        if message is None:
            message = self._message = _Message(opcode, self._max, self._incoming, bool(first & _RSV1))
        message.announce(size)
        message.in_frame = True
        message.fin = first >= _FIN
        message.mask = buffer[start - 4 : start]
        message.need = size
        self._at = start
        return self._payload(message)

    def _check(self, first: int, second: int) -> None:
        """RFC 6455 section 5.2: what a header must not say."""
        opcode = first & 15
        if second < 128:
            raise Violation(PROTOCOL_ERROR, "a client's frame is not masked")
        reserved = first & 0x70
        if reserved and not (reserved == _RSV1 and self._deflate and opcode in (TEXT, BINARY)):
            raise Violation(PROTOCOL_ERROR, "a reserved bit is set")
        if opcode >= CLOSE:
            if opcode > PONG:
                raise Violation(PROTOCOL_ERROR, f"the opcode {opcode} is reserved")
            if first < _FIN:
                raise Violation(PROTOCOL_ERROR, "a control frame is fragmented")
            if second & 127 > _SMALL:
                raise Violation(PROTOCOL_ERROR, "a control frame is longer than 125 bytes")
        elif opcode > BINARY:
            raise Violation(PROTOCOL_ERROR, f"the opcode {opcode} is reserved")
        elif opcode == CONTINUATION:
            if self._message is None:
                raise Violation(PROTOCOL_ERROR, "a continuation of nothing")
        elif self._message is not None:
            raise Violation(PROTOCOL_ERROR, "a message begins within another")

    def _control(self, opcode: int, size: int) -> Control | None:
        buffer, at = self._buffer, self._at
        end = at + 6 + size
        if end > len(buffer):
            return None
        payload = apply_mask(buffer[at + 6 : end], buffer[at + 2 : at + 6])
        self._at = end
        return Control(opcode, payload) if opcode != CLOSE else _close(payload)

    def _payload(self, message: _Message) -> Event | None:
        """Take what is here of a data frame's payload."""
        if not message.inflating and message.need > 0:
            chunk = self._buffer[self._at : self._at + message.need]
            if not chunk:
                return None
            self._at += len(chunk)
            message.need -= len(chunk)
            message.add(apply_mask(chunk, message.mask))
            turned = len(chunk) % 4
            if turned:
                message.mask = message.mask[turned:] + message.mask[:turned]
        if message.inflating and message.inflate():
            return AGAIN
        if message.need > 0:
            return AGAIN if self._at < len(self._buffer) else None
        if not message.fin:
            message.in_frame = False
            return AGAIN
        if message.end_of_deflated() and message.inflate():
            return AGAIN
        self._message = None
        return message.finish()


def _close(payload: bytes) -> Control:
    """A Close with its code and reason (RFC 6455 sections 5.5.1 and 7.4)."""
    if not payload:
        return Control(CLOSE, payload, NO_CODE)
    if len(payload) == 1:
        raise Violation(PROTOCOL_ERROR, "a close code has two bytes")
    code = int.from_bytes(payload[:2], "big")
    if code not in _CODES and not 3000 <= code <= 4999:
        raise Violation(PROTOCOL_ERROR, f"{code} is no close code")
    try:
        return Control(CLOSE, payload, code, payload[2:].decode())
    except UnicodeDecodeError:
        raise Violation(INVALID_DATA, "the reason is not valid UTF-8") from None


_HEADERS = {
    opcode: tuple(bytes((_FIN | opcode, size)) for size in range(_SMALL + 1))
    for opcode in (TEXT, BINARY, CLOSE, PING, PONG)
}


def frame(opcode: int, payload: bytes, *, compressed: bool = False) -> bytes:
    """A whole message, or a control frame, in one unmasked frame."""
    size = len(payload)
    if size <= _SMALL and not compressed:
        return _HEADERS[opcode][size] + payload
    return header(opcode, size, compressed=compressed) + payload


def header(opcode: int, size: int, *, compressed: bool = False) -> bytes:
    """The header of such a frame with ``size`` bytes of payload."""
    first = _FIN | opcode | (_RSV1 if compressed else 0)
    if size <= _SMALL:
        return bytes((first, size))
    if size < 65536:
        return (first << 24 | 126 << 16 | size).to_bytes(4, "big")
    return (first << 72 | 127 << 64 | size).to_bytes(10, "big")


def close_frame(code: int | None, reason: str = "") -> bytes:
    """A Close frame. Codes that must not be sent are left out; a reason is cut to 123 bytes."""
    if code is None or code in UNSENT:
        return frame(CLOSE, b"")
    text = reason.encode("utf-8", "replace")[:_MAX_REASON].decode("utf-8", "ignore").encode()
    return frame(CLOSE, code.to_bytes(2, "big") + text)
