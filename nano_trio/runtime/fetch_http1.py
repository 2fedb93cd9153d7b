"""HTTP/1.1 to a server (RFC 9112): one connection, one exchange at a time.

The request's body is sent by a task of its own while the response is read, so a server that answers before it has read
everything (an echo, a refusal) blocks nobody. Bytes of the response are read from the socket only when
:meth:`Http1Response.receive` asks; what they mean ``http1_responses`` knows.

How much is read at once of a body whose length is known is what its reader takes in some 20 ms, from 64 KB to 1 MB:
what a piece costs in Python hardly depends on its size (a proxy needs 0.55 ms of CPU for 1 MB at once, 0.95 ms in four
parts), but a slow client keeps one for as long as it likes.

A server may send chunks of a byte, for each of which we need a microsecond: so they are taken in steps, and after some
of these the next wait for the app's pace.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any, TypeVar

import trio

from nano_trio.runtime.fetch_errors import FetchError, NetworkErrors
from nano_trio.runtime.fetch_messages import MOST_AT_HAND, RequestBody, Response, WireRequest
from nano_trio.runtime.http1_responses import ResponseHead, ResponseReader
from nano_trio.runtime.http_syntax import TOKEN_CHARACTER
from nano_trio.runtime.net_connect import Connected
from nano_trio.runtime.pace import Pace

__all__ = ["Http1Connection"]

_T = TypeVar("_T")

_READ_BYTES = 256 * 1024
_LEAST_PIECE = 64 * 1024
_MOST_PIECE = 1024 * 1024
_PIECE_S = 0.02
_MOST_INTERIM_RESPONSES = 32
_UNPACED = 3
"""Steps without asking the app's pace: a head, its body and the end of that often come in one."""
_SMALL_BYTES = 64 * 1024
"""What is sent in one with the head, or with a chunk's framing."""
_HEAD = re.compile(
    rb"%b++ [!-~]++ HTTP/1\.1\r\n(?:%b++: [^\0\n\v\f\r]*+\r\n)*+\r\n"
    % (TOKEN_CHARACTER.encode(), TOKEN_CHARACTER.encode())
)


class Http1Connection:
    """``released`` is called when the connection can take another exchange, or is closed."""

    def __init__(
        self, connected: Connected, nursery: trio.Nursery, pace: Pace, released: Callable[[Any], None]
    ) -> None:
        self._pace = pace
        self._connected = connected
        self._nursery = nursery
        self._released = released
        self._reader = ResponseReader()
        self._steps = 0
        """What was taken of the response since the app's pace was last waited for."""
        self._is_plain = isinstance(connected.stream, trio.SocketStream)
        self._most = _READ_BYTES
        """The most to read at once of a body whose length is known."""
        self._given_at = inf
        """When the last piece of it was given (Trio's clock); inf: not yet."""
        self._is_sent = False
        """All of the request was."""
        self._upload: trio.CancelScope | None = None
        self._upload_error: FetchError | None = None
        self.exchanges = 0
        self.closed = False
        self.idle_since = 0.0

    @property
    def answered(self) -> bool:
        """A byte of the current response has come."""
        return self._reader.has_begun

    def is_usable(self) -> bool:
        """Whether an idle connection can be used again: nothing may have come, not even the server's goodbye."""
        return not self.closed and not self._connected.has_more()

    async def exchange(self, request: WireRequest) -> Response:
        """Send a request and wait for the response's head. Raises :class:`FetchError`, and is closed then."""
        self.exchanges += 1
        self._reader.begin(request.method)
        self._most = _READ_BYTES
        self._given_at = inf
        self._is_sent = False
        self._upload_error = None
        try:
            await self._send(request)
            head = await self._receive_head()
        except FetchError as error:
            self.close()
            raise self._why(error) from None
        except BaseException:
            self.close()
            raise
        return Http1Response(self, head)

    # -- the request -------------------------------------------------------------------------------------------------

    async def _send(self, request: WireRequest) -> None:
        head = _head_of(request)
        body = request.body
        if body is not None and body.receive is not None:
            await self._write(head)
            self._upload = trio.CancelScope()
            self._nursery.start_soon(self._send_body, body, body.receive, self._upload)
            return
        content = b"" if body is None else body.content
        if len(content) <= _SMALL_BYTES:
            await self._write(b"".join((head, content if isinstance(content, bytes) else b"".join(content))))
            self._is_sent = True
            return
        # The head is small and the body may be large: the response may come before all of it is sent.
        self._upload = trio.CancelScope()
        parts = [head, content] if isinstance(content, bytes) else [head, *content]
        self._nursery.start_soon(self._send_rest, parts, self._upload)

    async def _write(self, *parts: bytes) -> None:
        try:
            with NetworkErrors("sending the request"):
                for part in parts:
                    await self._connected.stream.send_all(part)
        except FetchError:
            # The server may have answered before it closed; if not, reading the response says what happened.
            return

    async def _send_rest(self, parts: list[bytes], scope: trio.CancelScope) -> None:
        with scope:
            await self._write(*parts)
            self._is_sent = True
        self._upload_ended(scope)

    async def _send_body(
        self, body: RequestBody, receive: Callable[[], Awaitable[bytes]], scope: trio.CancelScope
    ) -> None:
        """Send the body from its source. Where that fails the exchange cannot succeed any more."""
        left = body.length
        with scope:
            try:
                while piece := await receive():
                    if left is not None:
                        left -= len(piece)
                        if left < 0:
                            raise FetchError("ERR_BODY_LENGTH", "the request's body is longer than its length")
                    for part in (piece,) if left is not None else _chunk(piece):
                        await self._send_part(part)
                if left:
                    raise FetchError("ERR_BODY_LENGTH", f"the request's body is {left} bytes shorter than its length")
                if left is None:
                    await self._send_part(b"0\r\n\r\n")
                self._is_sent = True
            except _NotWanted:
                pass
            except FetchError as error:
                self._fail_upload(error)
        self._upload_ended(scope)

    async def _send_part(self, part: bytes) -> None:
        """Send some of the body. What its source raises may have the same code: so this is told apart."""
        try:
            with NetworkErrors("sending the request"):
                await self._connected.stream.send_all(part)
        except FetchError as error:
            if error.code in ("EPIPE", "ECONNRESET"):
                raise _NotWanted from None
            raise

    def _fail_upload(self, error: FetchError) -> None:
        self._upload_error = error.again()
        self._connected.close()

    def _upload_ended(self, scope: trio.CancelScope) -> None:
        if self._upload is scope:
            self._upload = None

    # -- the response ------------------------------------------------------------------------------------------------

    async def _receive_head(self) -> ResponseHead:
        for _ in range(_MOST_INTERIM_RESPONSES):
            while (head := await self._step(self._reader.head)) is None:
                await self._read_more()
            if head.status >= 200:
                return head
            if head.status == 101:
                raise FetchError("ERR_PROTOCOL", "the server switched protocols, which was not asked for")
            self._steps = _UNPACED  # it may have had thousands of fields, and the next one may as well
        raise FetchError("ERR_PROTOCOL", "the server sent no response")

    async def next_piece(self) -> bytes:
        """The next piece of the response's body, ``b""`` at its end. Raises :class:`FetchError`."""
        while (piece := await self._step(self._reader.piece)) is None:
            await self._read_more()
        return piece

    async def _step(self, take: Callable[[], _T]) -> _T:
        """Take a head or a piece of what was received."""
        if self._steps >= _UNPACED:
            await self._pace.turn()
            self._steps = 0
        self._steps += 1
        try:
            return take()
        except FetchError as error:
            raise self._why(error) from None

    async def _read_more(self) -> None:
        left = self._reader.left
        most = min(self._most, left) if left else _READ_BYTES
        try:
            with NetworkErrors("reading the response"):
                data = await self._read(most)
        except FetchError as error:
            raise self._why(error) from None
        await self._pace.turn()
        self._steps = 1
        if left:
            self._size_next_piece(is_full=len(data) == most)
        self._reader.feed(data)

    def body_at_hand(self) -> bytes | None:
        """See :meth:`Response.at_hand`; to be called before any of the body was asked for."""
        return None if self._upload is not None else self._reader.whole(MOST_AT_HAND)

    def _size_next_piece(self, *, is_full: bool) -> None:
        now = trio.current_time()
        if now - self._given_at > _PIECE_S:
            self._most = max(self._most // 2, _LEAST_PIECE)
        elif is_full:
            self._most = min(self._most * 2, _MOST_PIECE)
        self._given_at = now

    async def _read(self, most: int) -> bytes:
        """At least a byte, ``b""`` at the end. No checkpoint where something has come: :class:`Pace` sees to that."""
        if not self._is_plain:
            return bytes(await self._connected.stream.receive_some(most))
        sock = self._connected.socket
        while True:
            try:
                return os.read(sock.fileno(), most)
            except BlockingIOError:
                await trio.lowlevel.wait_readable(sock)

    def _why(self, error: FetchError) -> FetchError:
        """What went wrong first: where the request's body failed, ``error`` only follows from it."""
        return error if self._upload_error is None else self._upload_error.again()

    def finished(self) -> None:
        """The response is at its end, or unwanted."""
        if self.closed:
            return
        # The end of a response without content comes with its head.
        self._reader.whole(MOST_AT_HAND)
        # What came beyond the response, such as the body of one that has none, would be read as the next one's head.
        if self._is_sent and self._upload is None and self._reader.is_reusable:
            self._released(self)
        else:
            self.close()

    def close(self) -> None:
        """Close the socket now. Never blocks, idempotent."""
        if not self.closed:
            self.closed = True
            if self._upload is not None:
                self._upload.cancel()
            self._connected.close()
            self._released(self)


class Http1Response(Response):
    """The response of the connection's current exchange."""

    def __init__(self, connection: Http1Connection, head: ResponseHead) -> None:
        self.status = head.status
        self.reason = head.reason
        self.headers = head.headers
        self._connection: Http1Connection | None = connection

    async def receive(self) -> bytes:
        connection = self._connection
        if connection is None:
            return b""
        try:
            piece = await connection.next_piece()
        except BaseException:
            self._connection = None
            connection.close()
            raise
        if not piece:
            self.close()
        return piece

    def at_hand(self) -> bytes | None:
        return None if self._connection is None else self._connection.body_at_hand()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.finished()


class _NotWanted(Exception):
    """The server takes no more of the request. What it has answered, if anything, says why."""


def _head_of(request: WireRequest) -> bytes:
    """A request's line and fields. Raises :class:`FetchError` for what is none."""
    lines = [
        f"{request.method} {request.target} HTTP/1.1\r\nhost: {request.authority}\r\n".encode("ascii"),
        *[b"%b: %b\r\n" % field for field in request.headers],
    ]
    body = request.body
    if body is not None and body.receive is not None:
        length = body.length
        lines.append(b"transfer-encoding: chunked\r\n" if length is None else b"content-length: %d\r\n" % length)
    elif body is not None:
        lines.append(b"content-length: %d\r\n" % len(body.content))
    elif request.method in ("POST", "PUT", "PATCH"):
        lines.append(b"content-length: 0\r\n")
    lines.append(b"\r\n")
    head = b"".join(lines)
    # As many lines as there should be: none was smuggled into a value.
    if _HEAD.fullmatch(head) is None or head.count(b"\n") != len(lines) + 1:
        raise FetchError("ERR_INVALID_REQUEST", "the request cannot be sent: a field of its head is malformed")
    return head


def _chunk(piece: bytes) -> tuple[bytes, ...]:
    size = b"%x\r\n" % len(piece)
    return (b"".join((size, piece, b"\r\n")),) if len(piece) <= _SMALL_BYTES else (size, piece, b"\r\n")
