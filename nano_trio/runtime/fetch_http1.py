"""HTTP/1.1 to a server (RFC 9112): one connection, one exchange at a time, on h11.

The request's body is sent by a task of its own while the response is read, so a server that answers before it has read
everything (an echo, a refusal) blocks nobody. Bytes of the response are read from the socket only when
:meth:`Http1Response.receive` asks.

Of a large body whose length is known there is nothing to parse: once h11 has given what came with the head, the rest is
read past it, as it comes and without a copy, and the next exchange of the connection begins with an h11 of its own. How
much is read at once is what its reader takes in some 20 ms, from 64 KB to 1 MB: what a piece costs in Python hardly
depends on its size (a proxy needs 0.55 ms of CPU for 1 MB at once, 0.95 ms in four parts), but a slow client keeps one
for as long as it likes.

A server may send chunks of a byte, for each of which h11 takes as long as for 16 KB: 256 KB of such took half a second
in one piece. So chunks that have come are joined, and after some of them the next wait for the app's pace. Heads and
trailers h11 reads in one; so it is given no head with more fields than the app may be told of, and of a body a little
at a time, for a response to end where its trailers take more than that.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import Any

import h11
import trio

from nano_trio.runtime.fetch_errors import FetchError, NetworkErrors
from nano_trio.runtime.fetch_messages import MOST_AT_HAND, Response, WireRequest
from nano_trio.runtime.net_connect import Connected
from nano_trio.runtime.pace import Pace

__all__ = ["Http1Connection"]

MAX_HEAD_BYTES = 256 * 1024
MAX_HEADERS = 2000
"""Fields of a head: more than an app may send (``headerlist.js``) it is not told, either."""
_READ_BYTES = 256 * 1024
_LARGE_BYTES = 64 * 1024
"""From so many bytes that are still to come the rest of a body is read past h11."""
_LEAST_PIECE = 64 * 1024
_MOST_PIECE = 1024 * 1024
_PIECE_S = 0.02
_MOST_INTERIM_RESPONSES = 32
_EVENTS_AT_HAND = 8
"""So many pieces of a body, with its end, are looked for as soon as its head is there."""
_EVENTS_AT_ONCE = 16
"""What h11 reads of a body in one step; it takes some 10 µs for each, however small."""
_UNPACED = 3
"""Such steps without asking the app's pace: a head, its body and the end of that often come in one."""
_JOINED = 64 * 1024
"""Bytes that are enough for a piece of a body."""
_BITE = 16 * 1024
"""Bytes that h11 is given of a body at once, and the most that it may want to see before it says what they are."""
_END_OF_HEAD = re.compile(rb"\n\r?\n")


class Http1Connection:
    """``released`` is called when the connection can take another exchange, or is closed."""

    def __init__(
        self, connected: Connected, nursery: trio.Nursery, pace: Pace, released: Callable[[Any], None]
    ) -> None:
        self._pace = pace
        self._connected = connected
        self._nursery = nursery
        self._released = released
        self._h11 = _new_h11()
        self._read_ahead = b""
        """What was read of the response's body and h11 has not been given yet."""
        self._quiet = 0
        """Bytes of it that h11 was given since the last event."""
        self._given = 0
        """Events since the app's pace was last waited for."""
        self._lines = 0
        """Of the head that is coming, and its last octets."""
        self._end = b""
        self._is_plain = isinstance(connected.stream, trio.SocketStream)
        self._ahead: list[Any] = []
        """Events of the response that were looked for before they were asked for; or what is wrong there."""
        self._left = 0
        """Bytes of the response's body that are still to come, where its length is known."""
        self._past = False
        """The rest of the body is read past h11, which knows nothing of it."""
        self._piece = _READ_BYTES
        """The most to read of that at once."""
        self._given_at = inf
        """When the last piece of it was given (Trio's clock); inf: not yet."""
        self._kept = True
        """The server keeps the connection after this response."""
        self._upload: trio.CancelScope | None = None
        self._upload_error: FetchError | None = None
        self.answered = False
        """A byte of the current response has come."""
        self.exchanges = 0
        self.closed = False
        self.idle_since = 0.0

    def is_usable(self) -> bool:
        """Whether an idle connection can be used again: nothing may have come, not even the server's goodbye."""
        return not self.closed and not self._connected.socket.is_readable()

    async def exchange(self, request: WireRequest) -> Response:
        """Send a request and wait for the response's head. Raises :class:`FetchError`, and is closed then."""
        self.exchanges += 1
        self.answered = False
        self._ahead.clear()
        self._left = 0
        self._piece = _READ_BYTES
        self._given_at = inf
        self._upload_error = None
        self._begin_head()
        try:
            await self._send(request)
            event = await self._receive_head()
        except FetchError as error:
            self.close()
            raise self._why(error) from None
        except BaseException:
            self.close()
            raise
        return Http1Response(self, event)

    async def _send(self, request: WireRequest) -> None:
        body = request.body
        headers = [(b"host", request.authority.encode("ascii")), *request.headers]
        if body is not None and body.receive is not None:
            if body.length is None:
                headers.append((b"transfer-encoding", b"chunked"))
            else:
                headers.append((b"content-length", b"%d" % body.length))
        elif body is not None:
            headers.append((b"content-length", b"%d" % len(body.content)))
        elif request.method in ("POST", "PUT", "PATCH"):
            headers.append((b"content-length", b"0"))
        try:
            data = self._h11.send(
                h11.Request(method=request.method, target=request.target.encode("ascii"), headers=headers)
            )
        except h11.LocalProtocolError as error:
            raise FetchError("ERR_INVALID_REQUEST", f"the request cannot be sent: {error}") from None
        assert data is not None
        if body is not None and body.receive is not None:
            await self._write(data)
            self._upload = trio.CancelScope()
            self._nursery.start_soon(self._send_body, body.receive, self._upload)
            return
        parts = [data]
        if body is not None:
            for piece in [body.content] if isinstance(body.content, bytes) else body.content:
                parts += self._h11.send_with_data_passthrough(h11.Data(data=piece)) or ()
        parts += self._h11.send_with_data_passthrough(h11.EndOfMessage()) or ()
        if sum(map(len, parts)) <= 65536:
            await self._write(b"".join(parts))
            return
        # The head is small and the body may be large: the response may come before all of it is sent.
        self._upload = trio.CancelScope()
        self._nursery.start_soon(self._send_rest, parts, self._upload)

    async def _write(self, *parts: bytes) -> None:
        try:
            with NetworkErrors("sending the request"):
                for part in parts:
                    await self._connected.stream.send_all(part)
        except FetchError:
            # The server may have answered before it closed; if not, reading the response says what happened.
            return

    async def _send_rest(self, parts: Sequence[bytes], scope: trio.CancelScope) -> None:
        with scope:
            await self._write(*parts)
        self._upload_ended(scope)

    async def _send_body(self, receive: Callable[[], Awaitable[bytes]], scope: trio.CancelScope) -> None:
        """Send the body from its source. Where that fails the exchange cannot succeed any more."""
        with scope:
            try:
                while chunk := await receive():
                    for part in self._h11.send_with_data_passthrough(h11.Data(data=chunk)) or ():
                        with NetworkErrors("sending the request"):
                            await self._connected.stream.send_all(part)
                for part in self._h11.send_with_data_passthrough(h11.EndOfMessage()) or ():
                    with NetworkErrors("sending the request"):
                        await self._connected.stream.send_all(part)
            except h11.LocalProtocolError as error:
                self._fail_upload(FetchError("ERR_BODY_LENGTH", f"the request's body: {error}"))
            except FetchError as error:
                if error.code not in ("EPIPE", "ECONNRESET"):
                    self._fail_upload(error)
        self._upload_ended(scope)

    def _fail_upload(self, error: FetchError) -> None:
        self._upload_error = error.again()
        self._connected.close()

    def _upload_ended(self, scope: trio.CancelScope) -> None:
        if self._upload is scope:
            self._upload = None

    async def _receive_head(self) -> h11.Response:
        for _ in range(_MOST_INTERIM_RESPONSES):
            event = await self.next_event()
            if isinstance(event, h11.Response):
                return event
            if isinstance(event, h11.InformationalResponse) and event.status_code == 101:
                raise FetchError("ERR_PROTOCOL", "the server switched protocols, which was not asked for")
            if not isinstance(event, h11.InformationalResponse):
                break
            behind, self._read_ahead = self._read_ahead, b""
            self._begin_head()
            if behind:
                self._take(behind)
        raise FetchError("ERR_PROTOCOL", "the server sent no response")

    async def next_event(self) -> Any:
        """The next event of the response. Raises :class:`FetchError`."""
        if self._given >= _UNPACED:
            await self._pace.turn()
            self._given = 0
        self._given += 1
        while True:
            if not self._past:
                event = self._ahead.pop(0) if self._ahead else self._next_at_hand()
                if isinstance(event, FetchError):
                    raise self._why(event.again())
                if event is not h11.NEED_DATA:
                    return event
                self._past = self._left >= _LARGE_BYTES
            elif not self._left:
                return h11.EndOfMessage()
            most = min(self._piece, self._left) if self._past else _READ_BYTES
            try:
                with NetworkErrors("reading the response"):
                    data = await self._read(most)
            except FetchError as error:
                raise self._why(error) from None
            await self._pace.turn()
            self._given = 1
            if self._past:
                if not data:
                    raise self._why(_incomplete())
                self._left -= len(data)
                self._size_next_piece(is_full=len(data) == most)
                return h11.Data(data=data)
            if data:
                self.answered = True
            elif self._h11.their_state is h11.SEND_RESPONSE:
                raise self._why(self._closed_early())
            if data:
                self._take(data)
            else:
                self._h11.receive_data(data)

    def _next_at_hand(self) -> Any:
        """The next event of what was received, or ``NEED_DATA``; an error is returned, not raised."""
        try:
            event = self._h11.next_event()
            while event is h11.NEED_DATA and self._read_ahead and self._quiet <= _BITE:
                # Where the length is known there is nothing in it but the body.
                bite = len(self._read_ahead) if self._left else _BITE
                data, self._read_ahead = self._read_ahead[:bite], self._read_ahead[bite:]
                self._quiet += len(data)
                self._h11.receive_data(data)
                event = self._h11.next_event()
        except h11.RemoteProtocolError as error:
            return _protocol_error(error)
        if event is not h11.NEED_DATA:
            self._quiet = 0
            self._measure(event)
        elif self._quiet > _BITE:
            return FetchError("ERR_PROTOCOL", "the response is malformed: its chunks or trailers are too long")
        return event

    def join(self, data: bytes) -> bytes:
        """``data`` of the response with what has come behind it, as far as that is little."""
        if len(data) >= _JOINED or self._past:
            return data
        parts = [data]
        size = len(data)
        for _ in range(_EVENTS_AT_ONCE):
            if size >= _JOINED:
                break
            event = self._ahead.pop(0) if self._ahead else self._next_at_hand()
            if event is h11.NEED_DATA:
                break
            if not isinstance(event, h11.Data):
                self._ahead.insert(0, event)
                break
            parts.append(bytes(event.data))
            size += len(event.data)
        return b"".join(parts) if len(parts) > 1 else data

    def _begin_head(self) -> None:
        self._lines = self._quiet = 0
        self._end = b""

    def _take(self, data: bytes) -> None:
        """Something was read. Raises :class:`FetchError` for a head that is too large."""
        if self._h11.their_state is h11.SEND_RESPONSE:
            found = _END_OF_HEAD.search(self._end + data)
            at = len(data) if found is None else found.end() - len(self._end)
            self._end = (self._end + data)[-2:]
            self._lines += data.count(b"\n", 0, at)
            if self._lines > MAX_HEADERS + 2:
                raise self._why(_head_too_large())
            self._h11.receive_data(data[:at])
            data = data[at:]
        self._read_ahead = data

    def body_at_hand(self) -> bytes | None:
        """See :meth:`Response.at_hand`; to be called before any of the body was asked for."""
        if self._left > MOST_AT_HAND or self._upload is not None:
            return None
        for _ in range(_EVENTS_AT_HAND):
            event = self._next_at_hand()
            if event is h11.NEED_DATA:
                break
            self._ahead.append(event)
            if isinstance(event, h11.EndOfMessage):
                *pieces, _ = self._ahead
                self._ahead.clear()
                return b"".join(bytes(piece.data) for piece in pieces)
            if not isinstance(event, h11.Data):
                break
        return None

    def _size_next_piece(self, *, is_full: bool) -> None:
        now = trio.current_time()
        if now - self._given_at > _PIECE_S:
            self._piece = max(self._piece // 2, _LEAST_PIECE)
        elif is_full:
            self._piece = min(self._piece * 2, _MOST_PIECE)
        self._given_at = now

    def _measure(self, event: Any) -> None:
        """Keep count of what is still to come of a body."""
        if isinstance(event, h11.Data):
            self._left -= len(event.data)
        elif isinstance(event, h11.Response):
            # h11 has made sure that there is at most one length. Where there is no body in spite of it, as with HEAD,
            # h11 goes on to the end by itself.
            fields = dict(event.headers)
            self._left = 0 if b"transfer-encoding" in fields else int(fields.get(b"content-length", 0))
            connection = fields.get(b"connection", b"").lower()
            self._kept = event.http_version >= b"1.1" and b"close" not in connection

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

    def _closed_early(self) -> FetchError:
        if self.answered:
            return FetchError("ERR_PROTOCOL", "the server closed the connection in the middle of the response's head")
        return FetchError("ECONNRESET", "the server closed the connection without a response")

    def finished(self) -> None:
        """The response is at its end, or unwanted."""
        if self.closed:
            return
        if self._past:
            self._past = False
            if self._left or not self._kept or self._upload is not None or self._h11.our_state is not h11.DONE:
                self.close()
                return
            self._h11 = _new_h11()
            self._released(self)
            return
        self._skip_received()
        is_done = self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE
        # What came beyond the response, such as the body of one that has none, would be read as the next one's head.
        if is_done and self._upload is None and not self._h11.trailing_data[0] and not self._read_ahead:
            self._h11.start_next_cycle()
            self._released(self)
        else:
            self.close()

    def _skip_received(self) -> None:
        """Pass over what has come already, where it is little: the end of a response without content comes with its
        head. Behind an error there is no state to go on from."""
        self._ahead.clear()
        for _ in range(_EVENTS_AT_ONCE):
            if not isinstance(self._next_at_hand(), h11.Data):
                return

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

    def __init__(self, connection: Http1Connection, event: h11.Response) -> None:
        self.status = event.status_code
        self.reason = bytes(event.reason)
        self.headers = [(bytes(name), bytes(value)) for name, value in event.headers]
        self._connection: Http1Connection | None = connection

    async def receive(self) -> bytes:
        connection = self._connection
        while connection is not None:
            try:
                event = await connection.next_event()
            except BaseException:
                self._connection = None
                connection.close()
                raise
            if isinstance(event, h11.Data):
                if event.data:
                    return connection.join(bytes(event.data))
            else:
                self.close()
                connection = None
        return b""

    def at_hand(self) -> bytes | None:
        return None if self._connection is None else self._connection.body_at_hand()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.finished()


def _new_h11() -> h11.Connection:
    return h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)


def _incomplete() -> FetchError:
    return FetchError("ERR_INCOMPLETE_BODY", "the server closed the connection before the end of the body")


def _head_too_large() -> FetchError:
    return FetchError("ERR_HEADERS_TOO_LARGE", "the response's headers are too large")


def _protocol_error(error: h11.RemoteProtocolError) -> FetchError:
    if "without sending complete message body" in str(error) or "incomplete chunked read" in str(error):
        return _incomplete()
    if "Receive buffer too long" in str(error):
        return _head_too_large()
    return FetchError("ERR_PROTOCOL", f"the response is malformed: {error}")
