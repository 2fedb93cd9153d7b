"""HTTP/1.1 on the admin listener: one task a connection, read by h11.

A connection serves request after request. Everything has a limit: the head and the body in size, each wait in time. An
upgrade to WebSocket is recognised by its head and checked like any other request; then trio-websocket reads it
once more: what came from the socket so far stands first in the stream that it is given.

Frames take Python some 30 µs each, and are six octets long. So of WebSockets that have shown no token yet little is
read, in small pieces, and of all of them together one piece in a pass of the loop.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

import h11
import structlog
import trio
from trio_websocket import ConnectionClosed, HandshakeError, wrap_server_stream

from nano_trio.runtime.close_codes import GOING_AWAY
from nano_trio.web.admin.rest import Answer, Request, problem_answer
from nano_trio.web.admin.security import Caller
from nano_trio.web.admin.session import Session

if TYPE_CHECKING:
    from nano_trio.web.admin.listener import AdminServer

__all__ = ["HttpConnection"]

log = structlog.get_logger("nano_trio.admin")

_MAX_HEAD = 16 * 1024
_MAX_BODY = 256 * 1024
_MAX_MESSAGE = 256 * 1024
_READ_S = 10.0
_IDLE_S = 60.0
_SEND_S = 30.0
_CLOSE_S = 2.0
_READ_SIZE = 16 * 1024
_STRANGERS_PIECE = 256
_STRANGERS_MOST = 32 * 1024
"""Bytes of a WebSocket, its handshake among them, before a token."""


class _Gone(Exception):
    """The connection is over."""


class _TooLarge(Exception):
    """The body is longer than any that is accepted."""


class _ReplayStream(trio.abc.Stream):
    """A stream from which ``head`` is read first. ``line``: where those stand who have shown no token."""

    def __init__(self, head: bytes, stream: trio.abc.Stream, line: trio.Lock) -> None:
        self._head = head
        self._stream = stream
        self._line = line
        self._taken = 0
        self.is_known: Callable[[], bool] = bool

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self.is_known():
            return await self._receive(max_bytes)
        data = await self._receive(_STRANGERS_PIECE)
        async with self._line:
            await trio.lowlevel.checkpoint()
        self._taken += len(data)
        return data if self._taken <= _STRANGERS_MOST else b""

    async def _receive(self, max_bytes: int | None) -> bytes:
        if not self._head:
            return bytes(await self._stream.receive_some(max_bytes))
        await trio.lowlevel.checkpoint()
        size = len(self._head) if max_bytes is None else max_bytes
        data, self._head = self._head[:size], self._head[size:]
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()


class HttpConnection:
    """``local`` and ``remote`` are the addresses of the two ends, without ports."""

    def __init__(self, server: AdminServer, stream: trio.SocketStream, local: str, remote: str) -> None:
        self._server = server
        self._stream = stream
        self._local = local
        self._remote = remote
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
        self._raw = b""
        """What was read since the current request began."""

    async def run(self) -> None:
        """Serve the connection until its end. Raises nothing that a client can cause."""
        try:
            while await self._serve_one():
                pass
        except (_Gone, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(self._stream)

    async def _serve_one(self) -> bool:
        """One request. False: the connection is to be closed."""
        try:
            if not self._http.trailing_data[0]:
                await self._receive(_IDLE_S)
            head = await self._next_event()
            if not isinstance(head, h11.Request):
                return False
            request = _request(head, self._local, self._remote)
            if request.is_upgrade and request.path == self._server.rest.WEBSOCKET_PATH:
                caller = self._server.rest.let_in(request)
                if not isinstance(caller, Answer):
                    await self._upgrade(caller)
                    return False
                answer = caller
            else:
                if self._http.they_are_waiting_for_100_continue:
                    await self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))
                answer = await self._server.rest.answer(request, await self._body())
        except h11.RemoteProtocolError as error:
            status = error.error_status_hint
            await self._send_last(problem_answer(status, "bad-request", "The request is malformed", str(error)))
            return False
        except _TooLarge:
            detail = f"a body has at most {_MAX_BODY} bytes here"
            await self._send_last(problem_answer(413, "too-large", "The body is too large", detail))
            return False
        await self._send(answer, head=request.verb == "HEAD")
        if self._http.our_state is h11.MUST_CLOSE or self._http.their_state is not h11.DONE:
            await self._linger()
            return False
        self._raw = self._http.trailing_data[0]
        self._http.start_next_cycle()
        return True

    async def _receive(self, patience_s: float = math.inf) -> None:
        """Wait for some more, so many seconds. Raises _Gone where none comes."""
        with trio.move_on_after(patience_s):
            data = await self._stream.receive_some(_READ_SIZE)
            if len(self._raw) <= _MAX_HEAD:
                self._raw += data
            self._http.receive_data(data)
            return
        raise _Gone

    async def _next_event(self) -> h11.Event | None:
        """The next event of this request; None: no more will come of it, a protocol is offered. A checkpoint.

        Raises _Gone where the client is slow or gone.
        """
        # A chunk of a byte is an event, and takes h11 as long as one of thousands.
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(_READ_S):
            while True:
                event = self._http.next_event()
                if event is h11.PAUSED:
                    return None
                if isinstance(event, h11.Event):
                    return event
                await self._receive()
        raise _Gone

    async def _body(self) -> bytes:
        """The whole body. Raises _TooLarge, and _Gone where it does not come in time."""
        parts: list[bytes] = []
        size = 0
        with trio.move_on_after(_READ_S):
            while True:
                event = await self._next_event()
                if not isinstance(event, h11.Data):
                    # The end; or None, where a protocol is offered that we do not take up.
                    return b"".join(parts)
                size += len(event.data)
                if size > _MAX_BODY:
                    raise _TooLarge
                parts.append(bytes(event.data))
        raise _Gone

    async def _send(self, answer: Answer, *, head: bool = False) -> None:
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        fields = [
            ("date", formatdate(usegmt=True)),
            *answer.headers,
            ("content-type", answer.content_type),
            ("content-length", str(len(answer.body))),
        ]
        if self._http.their_state not in (h11.DONE, h11.MUST_CLOSE, h11.CLOSED):
            # What is left of the request is not read.
            fields.append(("connection", "close"))
        reason = HTTPStatus(answer.status).phrase
        data = self._http.send(h11.Response(status_code=answer.status, headers=fields, reason=reason)) or b""
        if not head:
            data += self._http.send(h11.Data(data=answer.body)) or b""
        data += self._http.send(h11.EndOfMessage()) or b""
        await self._write(data)

    async def _write(self, data: bytes | None) -> None:
        with trio.move_on_after(_SEND_S):
            await self._stream.send_all(data or b"")
            return
        raise _Gone

    async def _send_last(self, answer: Answer) -> None:
        await self._send(answer)
        await self._linger()

    async def _linger(self) -> None:
        """Let the client read the answer before the connection is reset (RFC 9112 section 9.6)."""
        with trio.move_on_after(_CLOSE_S), contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._stream.send_eof()
            while await self._stream.receive_some(_READ_SIZE):
                pass

    async def _upgrade(self, caller: Caller | None) -> None:
        """``caller``: None where the token is still to come."""
        stream = _ReplayStream(self._raw, self._stream, self._server.strangers)
        if caller is not None:
            stream.is_known = lambda: True
        # All that is below may find the client gone; its reader finds it in this nursery.
        try:
            async with trio.open_nursery() as nursery:
                connection = None
                with trio.move_on_after(_READ_S):
                    request = await wrap_server_stream(
                        nursery, stream, message_queue_size=1, max_message_size=_MAX_MESSAGE
                    )
                    connection = await request.accept()
                if connection is not None:
                    session = Session(self._server, connection, self._remote, caller)
                    stream.is_known = session.is_known
                    await session.run()
                    with trio.move_on_after(_CLOSE_S):
                        await connection.aclose(GOING_AWAY, "the server is closing this")
                nursery.cancel_scope.cancel()
        except* (ConnectionClosed, HandshakeError):
            pass


def _request(head: h11.Request, local: str, remote: str) -> Request:
    headers: dict[str, str] = {}
    for raw_name, raw_value in head.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    path, _, query = head.target.decode("latin-1").partition("?")
    return Request(head.method.decode("ascii"), path, query, headers, local, remote)
