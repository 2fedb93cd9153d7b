"""What a server may cost over HTTP/2 (RFC 9113), before h2 sees it.

Theory of operation. h2 takes 20 to 60 µs for a frame, however little it brings, and all that it is given at once: a
record of TLS has room for 1800 frames without a payload. A server may be the app's own. So the :class:`Gate` stands
before h2, as one does in the server (``web/http2_session.py``), sees the nine octets with which a frame begins, and

- hands out whole frames a few at a time, and of large field blocks one, so that others run in between
  (:meth:`Gate.take`);
- has heads (by their size) and frames that bring nothing (PING, SETTINGS, WINDOW_UPDATE, empty DATA, unknown ones) paid
  from an account (``http2_accounts.py``). One that is empty ends the connection;
- bounds what h2 does with one frame: a field block in bytes, SETTINGS in entries;
- keeps GOAWAY to itself (:attr:`Gate.last`): h2 is through when one passes it, and what was begun before goes on.
"""

from __future__ import annotations

import struct

from nano_trio.runtime.fetch_errors import FetchError
from nano_trio.runtime.http2_accounts import COSTS, PER_REQUEST, Patience

__all__ = ["Gate"]

_FRAMES_AT_ONCE = 16
_FRAME = 16_384
"""The largest payload: the protocol's default, which is not raised."""
_BLOCK = 64 * 1024
_BLOCK_FRAMES = 16
"""Of a field block, compressed; Huffman's code takes some 0.1 µs an octet in Python."""
_BLOCKS_AT_ONCE = 1024
"""Bytes of field blocks after which no more frames are handed out: an octet may be a field, which takes 1 to 2 µs."""
_SETTINGS_ENTRIES = 64

_header = struct.Struct(">HBBBL").unpack_from
_END_STREAM, _PADDED = 0x1, 0x8
_DATA, _HEADERS, _SETTINGS, _GOAWAY, _WINDOW, _CONTINUATION = 0, 1, 4, 7, 8, 9


class Gate:
    """The frames of one connection. ``now``: the time, in seconds."""

    def __init__(self, now: float) -> None:
        self._buffer = b""
        self._block_bytes = self._block_frames = 0
        self._patience = Patience(now)
        self.last: int | None = None
        """The last stream that a server which is going away deals with; None: it stays."""

    def feed(self, data: bytes) -> None:
        """Append what arrived."""
        self._buffer += data

    def take(self, now: float) -> bytes:
        """The next whole frames, ``b""`` where there are none. Raises :class:`FetchError`."""
        buffer = self._buffer
        start = at = frames = blocks = 0
        while frames < _FRAMES_AT_ONCE and blocks < _BLOCKS_AT_ONCE and len(buffer) - at >= 9:
            high, low, kind, flags, number = _header(buffer, at)
            length = high << 8 | low
            if length > _FRAME:
                raise _broken("a frame is larger than agreed on")
            end = at + 9 + length
            if end > len(buffer) or (kind == _GOAWAY and at > start):
                break  # what came before a GOAWAY comes first
            self._admit(kind, flags, length, buffer[at + 9] if length else 0, now)
            if kind == _GOAWAY:
                if number or length < 8:
                    raise _broken("a GOAWAY that is none")
                self.last = int.from_bytes(buffer[at + 9 : at + 13]) & 0x7FFFFFFF
                start = at = end
                continue
            at = end
            frames += 1
            if kind in (_HEADERS, _CONTINUATION):
                blocks += length
        self._buffer = buffer[at:]
        return buffer[start:at]

    def requested(self) -> None:
        """A request was sent."""
        self._patience.earn(PER_REQUEST)

    def sent(self, size: int, *, cut: bool) -> None:
        """A DATA frame was sent. ``cut``: there was more, and a window had no room for it."""
        self._patience.sent(size, cut=cut)

    def _admit(self, kind: int, flags: int, length: int, first: int, now: float) -> None:
        if kind == _DATA:
            if length - (first + 1 if flags & _PADDED else 0) > 0:
                self._patience.earn(1)
            elif not flags & _END_STREAM:
                self._spend(1.0, now)
            return
        if kind in (_HEADERS, _CONTINUATION):
            if kind == _HEADERS:
                self._block_bytes = self._block_frames = 0
            self._block_bytes += length
            self._block_frames += 1
            if self._block_bytes > _BLOCK or self._block_frames > _BLOCK_FRAMES:
                raise FetchError("ERR_HEADERS_TOO_LARGE", "the response's headers are too large")
        elif kind == _SETTINGS and length > _SETTINGS_ENTRIES * 6:
            raise _broken("too many settings")
        cost = COSTS.get(kind, 1.0)
        if kind in (_HEADERS, _CONTINUATION):
            cost += length / _BLOCKS_AT_ONCE
        if kind != _WINDOW or not self._patience.pay_for_window():
            self._spend(cost, now)

    def _spend(self, cost: float, now: float) -> None:
        if not self._patience.pay(cost, now):
            raise _broken("too many frames that bring nothing")


def _broken(why: str) -> FetchError:
    return FetchError("ERR_PROTOCOL", f"the server broke HTTP/2: {why}")
