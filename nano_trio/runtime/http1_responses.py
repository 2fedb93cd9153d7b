"""Responses over HTTP/1.1 from the bytes that a server sent (RFC 9112), without sockets.

Theory of operation
-------------------
What a server sends nobody passes on as it is, so there is no second reader to disagree with, and we are as lenient as
RFC 9112 allows: lines of a head may end with a lone LF (section 2.2), folded ones are joined (5.2), a reason may be
missing (4), equal Content-Lengths count once (6.3). Where framing is ambiguous the response is read, and its connection
not used again (6.1).

A head is looked at when it is here in full, by patterns over all of it: one for the status line, one for its fields,
each of which begins where a line does; there must be as many fields as lines. That costs some 3 µs, a state machine in
Python 30. Bodies are cut as requests' are (``http1_framing``).

:class:`ResponseReader` reads the responses of one connection one after the other: ``begin``, ``head`` until it is the
final one, ``piece`` until that is ``b""``. Both return None where they need more bytes, which go to ``feed``. What is
read in one step is bounded: a head by its bytes and fields, a piece by its chunks, of which a server may send one of a
byte after another.
"""

from __future__ import annotations

import re

import attrs

from nano_trio.runtime.fetch_errors import FetchError
from nano_trio.runtime.fetch_messages import MAX_HEAD_BYTES, MAX_HEADERS
from nano_trio.runtime.http1_framing import ChunkedBody, LengthBody, ProtocolError
from nano_trio.runtime.http_syntax import TOKEN_CHARACTER, agreed_length

__all__ = ["ResponseHead", "ResponseReader"]

_MAX_TRAILERS_BYTES = 16 * 1024
_LEAST_TRAILER = 16

_BEGINNING = b"HTTP/1."
_END_OF_HEAD = re.compile(rb"\n\r?\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: ([\t -~\x80-\xff]*+))?\r?\n").match
_FIELDS = re.compile(rb"(?m)^(%b++):[\t ]*+([^\0\n\v\f\r]*+)\r?\n" % TOKEN_CHARACTER.encode()).findall
_FOLD = re.compile(rb"\r?\n[\t ]++")
_PIECES_AT_HAND = 4
"""What is looked at of a body to see whether all of it is here."""
_WITHOUT_CONTENT = frozenset((204, 304))


@attrs.frozen
class ResponseHead:
    """The head of a response, interim or final; names of fields are in lower case."""

    status: int
    reason: bytes
    headers: list[tuple[bytes, bytes]]
    since_1_1: bool
    """The server speaks HTTP/1.1 or a later 1.x."""


class _Chunks(ChunkedBody):
    """A response's chunks. Extensions are bounded for each only: who signs chunks sends as many as there are."""

    size_line = re.compile(rb"([0-9A-Fa-f]{1,16})[\t ]*(?:;[\t -~\x80-\xff]*)?")
    max_size_line = max_trailer = 16 * 1024
    chunks_at_once = 48

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(float("inf"), _MAX_TRAILERS_BYTES)

    def _extension(self, count: int) -> None:
        pass

    def _spend(self, count: int) -> None:
        # A field takes a microsecond, however short it is.
        super()._spend(max(count, _LEAST_TRAILER))


class _UntilClosed:
    """A body that ends with the connection."""

    __slots__ = ("remaining",)

    def __init__(self) -> None:
        self.remaining: int | None = None

    def take(self, buffer: bytes, position: int) -> tuple[bytes | None, int]:
        return buffer[position:] or None, len(buffer)


class ResponseReader:
    """The responses of one connection, one after the other."""

    __slots__ = (
        "_ahead",
        "_body",
        "_buffer",
        "_has_begun",
        "_is_closed",
        "_is_head",
        "_persists",
        "_position",
        "_reusable",
        "_searched",
    )

    def __init__(self) -> None:
        self._buffer = b""
        self._position = 0
        self._is_closed = False
        self.begin("GET")

    def begin(self, method: str) -> None:
        """The next response will answer a request of this method."""
        self._is_head = method == "HEAD"
        self._body: LengthBody | _Chunks | _UntilClosed | None = None
        self._has_begun = False
        self._searched = 0
        self._ahead = b""
        self._persists = self._reusable = False

    def feed(self, data: bytes) -> None:
        """Take what was read, ``b""`` where the server has closed the connection."""
        if not data:
            self._is_closed = True
        elif self._position == len(self._buffer):
            self._buffer, self._position = data, 0
        else:
            self._buffer, self._position = self._buffer[self._position :] + data, 0

    @property
    def has_begun(self) -> bool:
        """Whether anything of the current response has come."""
        return self._has_begun or self._position < len(self._buffer)

    @property
    def left(self) -> int:
        """Bytes of the body that have not been given yet, where its length is known; else 0."""
        return 0 if self._body is None else self._body.remaining or 0

    @property
    def is_reusable(self) -> bool:
        """Whether the response is at its end, nothing came behind it, and the connection serves for another one."""
        return self._reusable and not self._is_closed and self._position == len(self._buffer)

    # -- heads -------------------------------------------------------------------------------------------------------

    def head(self) -> ResponseHead | None:
        """The next head. Behind a final one (its status is 200 or more) follow the pieces of its body.

        Raises :class:`FetchError` for one that is malformed, too large, or not there at the end.
        """
        buffer = self._buffer
        if self._position:
            buffer = self._buffer = buffer[self._position :]
            self._position = 0
        found = _END_OF_HEAD.search(buffer, self._searched)
        end = len(buffer) if found is None else found.end()
        if end > MAX_HEAD_BYTES or buffer.count(b"\n", 0, end) > MAX_HEADERS + 2:
            raise FetchError("ERR_HEADERS_TOO_LARGE", "the response's headers are too large")
        if not _BEGINNING.startswith(buffer[: len(_BEGINNING)]):
            raise _malformed("it is not HTTP/1")
        if found is None:
            self._searched = max(end - 2, 0)
            if not self._is_closed:
                return None
            if buffer:
                raise FetchError(
                    "ERR_PROTOCOL", "the server closed the connection in the middle of the response's head"
                )
            raise FetchError("ECONNRESET", "the server closed the connection without a response")
        self._has_begun = True
        self._searched = 0
        self._position = end
        head = _parse(buffer[: found.start() + 1])
        if head.status >= 200:
            self._frame(head)
        return head

    def _frame(self, head: ResponseHead) -> None:
        """Decide how long the body is, RFC 9112 section 6.3."""
        lengths: list[bytes] = []
        codings: list[bytes] = []
        options: list[bytes] = []
        for name, value in head.headers:
            if name == b"content-length":
                lengths.append(value)
            elif name == b"transfer-encoding":
                codings.append(value.lower())
            elif name == b"connection":
                options += [option.strip(b" \t") for option in value.lower().split(b",")]
        try:
            length = agreed_length(lengths)
        except ValueError as error:
            raise _malformed(str(error)) from None
        if length is not None and (len(lengths) > 1 or b"," in lengths[0]):
            head.headers[:] = [field for field in head.headers if field[0] != b"content-length"]
            head.headers.append((b"content-length", b"%d" % length))
        # Section 9.3.
        persists = b"close" not in options and (head.since_1_1 or b"keep-alive" in options)
        if codings and codings != [b"chunked"]:
            raise _malformed("a Transfer-Encoding that is not only chunked")
        if codings and (length is not None or not head.since_1_1):
            persists = False
        if self._is_head or head.status in _WITHOUT_CONTENT:
            self._body = LengthBody(0)
        elif codings:
            self._body = _Chunks()
        elif length is not None:
            self._body = LengthBody(length)
        else:
            self._body = _UntilClosed()
            persists = False
        self._persists = persists

    # -- bodies ------------------------------------------------------------------------------------------------------

    def piece(self) -> bytes | None:
        """The next piece of the body, ``b""`` at its end. Raises :class:`FetchError`."""
        if self._ahead:
            ahead, self._ahead = self._ahead, b""
            return ahead
        body = self._body
        if body is None:
            return b""
        try:
            piece, self._position = body.take(self._buffer, self._position)
        except ProtocolError as error:
            raise _malformed(error.message) from None
        if self._position == len(self._buffer):
            self._buffer, self._position = b"", 0
        if piece:
            return piece
        if piece is None:
            if not self._is_closed:
                return None
            if not isinstance(body, _UntilClosed):
                raise FetchError("ERR_INCOMPLETE_BODY", "the server closed the connection before the end of the body")
        self._body = None
        self._reusable = self._persists
        return b""

    def whole(self, most: int) -> bytes | None:
        """The body, where all of it is here and it is no longer than ``most`` bytes; else nothing is taken."""
        if self.left > most or len(self._buffer) - self._position > 2 * most:
            return None
        pieces: list[bytes] = []
        try:
            for _ in range(_PIECES_AT_HAND):
                piece = self.piece()
                if piece == b"":
                    return b"".join(pieces)
                if piece is None:
                    break
                pieces.append(piece)
        except FetchError:
            pass  # told again behind what came before it
        self._ahead = b"".join(pieces)
        return None


def _parse(head: bytes) -> ResponseHead:
    """A head without its empty line. Raises :class:`FetchError`."""
    line = _STATUS_LINE(head)
    if line is None:
        raise _malformed("its status line")
    at = line.end()
    fields = _FIELDS(head, at)
    if len(fields) != head.count(b"\n", at):
        # Rare: lines that continue the one before.
        unfolded = _FOLD.sub(b" ", head[at:])
        fields = _FIELDS(unfolded)
        if len(fields) != unfolded.count(b"\n"):
            raise _malformed("a line of its head is no field")
    minor, status, reason = line.groups()
    return ResponseHead(
        status=int(status),
        reason=reason or b"",
        headers=[(name.lower(), value.rstrip(b" \t")) for name, value in fields],
        since_1_1=minor >= b"1",
    )


def _malformed(what: str) -> FetchError:
    return FetchError("ERR_PROTOCOL", f"the response is malformed: {what}")
