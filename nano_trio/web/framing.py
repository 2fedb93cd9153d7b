"""Where a request body ends: Content-Length and the chunked coding (RFC 9112 sections 6.2 and 7.1), strictly.

Both cut pieces out of a buffer the caller holds: ``take(buffer, position)`` returns the next piece and the new
position. Chunk extensions and trailer fields are checked for their form, bounded, and thrown away.
"""

from __future__ import annotations

import enum
import re
from typing import Protocol

from nano_trio.runtime.http_syntax import TOKEN

__all__ = ["Body", "ChunkedBody", "LengthBody", "ProtocolError"]

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[\t -~]*)?").fullmatch
_TRAILER = re.compile(TOKEN.encode() + rb":[\t -~\x80-\xff]*").fullmatch
_MAX_SIZE_LINE = 1024
_MAX_TRAILER = 8 * 1024
_CHUNKS_AT_ONCE = 256
"""What is cut before others get their turn: a client that makes chunks of one byte has us work half a millisecond."""


class ProtocolError(Exception):
    """The client broke the protocol or a limit. Answer with ``status`` and close the connection.

    ``fields`` are whole field lines that the answer needs besides.
    """

    def __init__(self, status: int, message: str, fields: bytes = b"") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.fields = fields


class Body(Protocol):
    """The framing of one request body."""

    remaining: int | None
    """Bytes still to come, or None where only the end itself says."""

    def take(self, buffer: bytes, position: int) -> tuple[bytes | None, int]:
        """Return (piece, new position); the piece is ``b""`` at the end and None when bytes are missing."""

    def set_limit(self, limit: int) -> bool:
        """Refuse (413) content beyond ``limit`` bytes; False where it is known to be longer."""


class LengthBody:
    """A body of known length."""

    __slots__ = ("_length", "remaining")

    def __init__(self, length: int) -> None:
        self._length = length
        self.remaining: int | None = length

    def take(self, buffer: bytes, position: int) -> tuple[bytes | None, int]:
        remaining = self.remaining or 0
        if not remaining:
            return b"", position
        available = len(buffer) - position
        if not available:
            return None, position
        if available <= remaining:
            self.remaining = remaining - available
            return (buffer[position:] if position else buffer), len(buffer)
        self.remaining = 0
        return buffer[position : position + remaining], position + remaining

    def set_limit(self, limit: int) -> bool:
        return self._length <= limit


class _Part(enum.Enum):
    SIZE = enum.auto()
    DATA = enum.auto()
    DATA_END = enum.auto()
    TRAILER = enum.auto()
    END = enum.auto()


class ChunkedBody:
    """A body in the chunked coding. Bytes: ``limit`` of content, ``overhead`` of extensions and trailers.

    A piece is what is here of so many chunks that cutting it holds up nobody.
    """

    __slots__ = ("_left", "_limit", "_overhead", "_part", "_total", "remaining")

    def __init__(self, limit: float, overhead: int) -> None:
        self.remaining: int | None = None
        self._limit = limit
        self._overhead = overhead
        self._part = _Part.SIZE
        self._left = 0
        self._total = 0

    def take(self, buffer: bytes, position: int) -> tuple[bytes | None, int]:
        pieces: list[bytes] = []
        while self._part is not _Part.END and len(pieces) < _CHUNKS_AT_ONCE:
            if self._part is _Part.DATA:
                piece = buffer[position : position + self._left]
                if not piece:
                    break
                pieces.append(piece)
                position += len(piece)
                self._left -= len(piece)
                if self._left:
                    break
                self._part = _Part.DATA_END
            elif self._part is _Part.DATA_END:
                mark = buffer[position : position + 2]
                if not b"\r\n".startswith(mark):
                    raise ProtocolError(400, "chunk data longer than its size")
                if len(mark) < 2:
                    break
                position += 2
                self._part = _Part.SIZE
            else:
                end = buffer.find(b"\r\n", position)
                if end < 0:
                    self._check_partial_line(buffer[position : position + _MAX_TRAILER + 2])
                    break
                line = buffer[position:end]
                position = end + 2
                if self._part is _Part.SIZE:
                    self._size(line)
                else:
                    self._trailer(line)
        if pieces:
            return (pieces[0] if len(pieces) == 1 else b"".join(pieces)), position
        return (b"" if self._part is _Part.END else None), position

    def set_limit(self, limit: int) -> bool:
        self._limit = min(self._limit, limit)
        return self._total <= limit

    def _size(self, line: bytes) -> None:
        match = _SIZE_LINE(line)
        if match is None:
            raise ProtocolError(400, "malformed chunk size")
        if len(line) > _MAX_SIZE_LINE:
            raise ProtocolError(400, "chunk extension too long")
        self._spend(len(line) - len(match[1]))
        self._left = int(match[1], 16)
        self._total += self._left
        if self._total > self._limit:
            raise ProtocolError(413, "request body too large")
        self._part = _Part.DATA if self._left else _Part.TRAILER

    def _trailer(self, line: bytes) -> None:
        if not line:
            self._part = _Part.END
            return
        if _TRAILER(line) is None:
            raise ProtocolError(400, "malformed trailer field")
        if len(line) > _MAX_TRAILER:
            raise ProtocolError(431, "trailer field too large")
        self._spend(len(line) + 2)

    def _spend(self, count: int) -> None:
        self._overhead -= count
        if self._overhead < 0:
            raise ProtocolError(431, "chunk extensions or trailers too large")

    def _check_partial_line(self, partial: bytes) -> None:
        if b"\n" in partial or b"\r" in partial[:-1]:
            raise ProtocolError(400, "bare CR or LF in the chunked framing")
        if self._part is _Part.SIZE and len(partial) > _MAX_SIZE_LINE:
            raise ProtocolError(400, "chunk extension too long")
        if len(partial) > _MAX_TRAILER:
            raise ProtocolError(431, "trailer field too large")
