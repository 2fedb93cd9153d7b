"""Serving one exchange that the hot path could not finish at once.

A :class:`Service` owns everything between a request's head and the end of its response: waiting for the response's
head, sending it, pulling a stream (what comes next only when all has left for the socket), and afterwards deciding what
becomes of the connection. ``try_now`` does it without a task when nothing has to be waited for; ``run`` is the task.

When a response breaks in the middle, the client must be able to tell: a chunked one stops without its last chunk, one
with a Content-Length stops short, and one that only the connection's end delimits is ended by a reset.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import structlog
import trio

from nano_trio.actors.exchange import ResponseStream
from nano_trio.actors.messages import (
    BodyBroken,
    BodyStream,
    Exchange,
    IncomingRequest,
    OutgoingResponse,
    SocketHandler,
    Target,
)
from nano_trio.actors.request_ids import header_line
from nano_trio.runtime.pieces import WHOLE
from nano_trio.web.errors import error_page
from nano_trio.web.http1 import Head, ProtocolError
from nano_trio.web.records import record
from nano_trio.web.request_body import WireBody
from nano_trio.web.response_head import BadResponse, Framing, ResponseHead, Truncated, build
from nano_trio.web.unsendable import give_up_socket, page_instead
from nano_trio.web.websocket_handshake import UPGRADE_REQUIRED, accept, read_upgrade

if TYPE_CHECKING:
    from nano_trio.web.connection import Connection

__all__ = ["Remainder", "Service"]

log = structlog.get_logger("nano_trio.web")

_NOW = 256 * 1024
_JOIN = 16 * 1024


class Service:
    """One exchange on one connection."""

    __slots__ = (
        "_body",
        "_complete",
        "_connection",
        "_exchange",
        "_framing",
        "_gone",
        "_head",
        "_keep_alive",
        "_receiving",
        "_request",
        "_response",
        "_scope",
        "_sending",
        "_sent",
        "_started",
        "_status",
        "_stream",
        "_switched",
        "_target",
        "_unsent",
        "head_sent",
    )

    def __init__(
        self,
        connection: Connection,
        head: Head,
        request: IncomingRequest,
        target: Target | None,
        exchange: Exchange,
        started: float,
        response: OutgoingResponse | None = None,
    ) -> None:
        """``response`` is what to send, where that is known already."""
        self._response = response
        self._connection = connection
        self._head = head
        self._request = request
        self._target = target
        self._exchange = exchange
        self._started = started
        self._unsent = b""
        self._body = request.body if isinstance(request.body, WireBody) else None
        self._scope = trio.CancelScope()
        self._stream: BodyStream | None = None
        self._framing = Framing.NONE
        self._keep_alive = head.keep_alive
        self._gone = ""
        self._complete = False
        self._switched = False
        self._status = 0
        self._sent = 0
        self._sending = math.inf
        self._receiving = math.inf
        self.head_sent = False

    # ---- without a task ----

    def try_now(self, response: OutgoingResponse) -> None:
        """Send a response with its content as bytes (or none) if the socket takes it whole; else start the task."""
        if response.socket is not None:
            self._switch(response, response.socket)
            self._end()
            return
        response, head = self._build(response)
        content = response.body if head.framing is Framing.LENGTH else None
        message = head.data
        if isinstance(content, bytes):
            if len(content) > _NOW:
                self._connection.take_over(self)
                return
            message += content
        self.head_sent = True
        message = self._connection.claim() + message
        try:
            sent = self._connection.sock.send(message)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self.hang_up("the client closed the connection")
            self._end()
            return
        self._sent = len(content) if isinstance(content, bytes) else 0
        if sent < len(message):
            self._unsent = message[sent:]
            self._connection.take_over(self)
            return
        self._complete = True
        self._end()

    # ---- the task ----

    async def run(self) -> None:
        """Serve the exchange to its end. Raises nothing but cancellation."""
        connection = self._connection
        try:
            with self._scope:
                if connection.outgoing:
                    await self._send(b"")
                if self._unsent:
                    await self._send(self._unsent)
                else:
                    await self._respond(self._response or self._compressed(await self._exchange.wait()))
                self._complete = True
        except BodyBroken as error:
            # A client that leaves is nobody's fault.
            tell = log.debug if self._gone else log.warning
            tell("response broke off", reason=str(error), **self._about())
        except Truncated as error:
            log.error("response cannot be completed", reason=str(error), **self._about())
        except OSError:
            self.hang_up("the client closed the connection")
        except Exception:
            log.exception("serving a response failed", **self._about())
        finally:
            connection.listener.slow_clients.hold(self, 0)
            self._end()
        connection.go_on()

    def _compressed(self, response: OutgoingResponse) -> OutgoingResponse:
        compression = self._connection.listener.compression
        if compression is None:
            return response
        return compression.apply(self._head.method, self._head.headers, response)

    async def _respond(self, response: OutgoingResponse) -> None:
        if response.socket is not None:
            self._switch(response, response.socket)
            return
        body = self._body
        if body is not None and body.error is not None and response.status >= 500:
            response = error_page(body.error.status, body.error.message, request_id=self._request.id)
            self._exchange.spoiled(response)
        response, head = self._build(response)
        content = response.body
        if content is None or isinstance(content, bytes):
            self.head_sent = True
            if content and head.framing is Framing.LENGTH:
                self._sent = len(content)
                await self._send(head.data, content)
            else:
                await self._send(head.data)
            return
        self._stream = content
        self.head_sent = True
        await self._send(head.data)
        if head.framing is Framing.NONE:
            content.cancel("the response has no content")
        else:
            await self._send_stream(content, head)

    async def _send_stream(self, stream: BodyStream, head: ResponseHead) -> None:
        promised = head.length if head.framing is Framing.LENGTH else None
        chunked = head.framing is Framing.CHUNKED
        receive = stream.receive_several if isinstance(stream, ResponseStream) else _one_by_one(stream)
        while chunks := await receive():
            size = sum(map(len, chunks))
            self._sent += size
            if size < len(chunks) * _JOIN:
                chunks = (b"".join(chunks),)
            if chunked:
                await self._send(b"%x\r\n" % size, *chunks, b"\r\n")
            elif promised is not None and self._sent > promised:
                self._framing = Framing.CLOSE
                raise Truncated(promised, self._sent)
            else:
                await self._send(*chunks)
            await self._connection.reactor.let_others()
        if chunked:
            await self._send(b"0\r\n\r\n")
        elif promised is not None and self._sent < promised:
            raise Truncated(promised, self._sent)

    async def _send(self, *buffers: bytes) -> None:
        """Hand all bytes to the socket. Raises OSError when the client left."""
        sock = self._connection.sock
        if self._connection.outgoing:
            buffers = (self._connection.claim(), *buffers)
        if len(buffers) > 1 and sum(map(len, buffers)) <= _JOIN:
            buffers = (b"".join(buffers),)
        pending: Sequence[bytes | memoryview] = buffers
        slow, taken, waited = self._connection.listener.slow_clients, 0, False
        while True:
            try:
                sent = sock.send(pending[0]) if len(pending) == 1 else sock.sendmsg(pending)
            except (BlockingIOError, InterruptedError):
                self.stalls(sending=trio.current_time() + self._connection.listener.limits.stall_timeout)
                slow.hold(self, sum(map(len, pending)), taken)
                taken, waited = 0, True
                try:
                    await trio.lowlevel.wait_writable(sock)
                except trio.ClosedResourceError:
                    raise OSError("closed") from None
                finally:
                    self.stalls(sending=math.inf)
                continue
            taken += sent
            pending = _rest(pending, sent)
            if not pending:
                if waited:
                    slow.hold(self, 0)
                return

    def let_go(self, reason: str) -> None:
        """The client is too slow."""
        self.hang_up(reason)

    def stalls(self, *, sending: float | None = None, receiving: float | None = None) -> None:
        """Set when a wait for the socket, in one direction, has lasted too long (Trio's clock; inf: no wait)."""
        if sending is not None:
            self._sending = sending
        if receiving is not None:
            self._receiving = receiving
        if self._connection.service is self:
            self._connection.deadline = min(self._sending, self._receiving)

    # ---- WebSockets ----

    def _switch(self, response: OutgoingResponse, handler: SocketHandler) -> None:
        """The app accepts a WebSocket: hand the connection over, or refuse the request if it asked for none."""
        connection = self._connection
        self._switched = self._complete = self.head_sent = True
        self._status = response.status
        compression = None
        try:
            if not self._head.websocket:
                raise ProtocolError(426, "this address serves a WebSocket only", UPGRADE_REQUIRED)
            answer, compression = accept(read_upgrade(self._head), response, self._id_line)
        except BadResponse as error:
            log.error("invalid response", reason=str(error), **self._about())
            refusal = ProtocolError(500, "")
        except ProtocolError as error:
            refusal = error
        else:
            connection.switch(answer, handler, response.socket_limits, compression)
            return
        self._status = refusal.status
        give_up_socket(handler, self._about())
        self._exchange.spoiled(error_page(refusal.status))
        connection.refuse(refusal)

    # ---- heads ----

    @property
    def _id_line(self) -> bytes:
        return header_line(self._request.origin_id) if self._connection.listener.request_ids else b""

    def _build(self, response: OutgoingResponse) -> tuple[OutgoingResponse, ResponseHead]:
        """Build the head; a response that cannot be sent becomes a 500."""
        keep_alive = self._may_keep_alive(response)
        try:
            head = self._build_head(response, keep_alive)
        except BadResponse as error:
            dev = self._connection.listener.dev
            response = page_instead(response, error, self._request, self._about(), dev=dev)
            self._exchange.spoiled(response)
            head = self._build_head(response, keep_alive)
        self._status = response.status
        self._keep_alive = head.keep_alive
        self._framing = head.framing
        return response, head

    def _build_head(self, response: OutgoingResponse, keep_alive: bool) -> ResponseHead:
        return build(
            response,
            head_only=self._head.method == "HEAD",
            minor=self._head.minor,
            keep_alive=keep_alive,
            id_line=self._id_line,
        )

    def _may_keep_alive(self, response: OutgoingResponse) -> bool:
        listener = self._connection.listener
        if not self._head.keep_alive or listener.draining:
            return False
        body = self._body
        if body is None:
            return True
        if body.unfinished:
            return False
        if response.body is None or isinstance(response.body, WHOLE):
            remaining = self._connection.reader.body_remaining
            return not body.awaits_continue and (remaining is None or remaining <= listener.limits.drain_body)
        return True

    # ---- the end ----

    def hang_up(self, reason: str) -> None:
        """The client left: tell the exchange, stop the task. Never blocks."""
        if not self._gone:
            self._gone = reason
            if self._body is not None:
                self._body.detach(reason)
            self._cancel(reason)
            self._scope.cancel()

    def _cancel(self, reason: str) -> None:
        try:
            if self._stream is not None:
                self._stream.cancel(reason)
            self._exchange.disconnect(reason)
        except Exception:
            log.exception("disconnect failed", **self._about())

    def _end(self) -> None:
        """Release the exchange and decide what becomes of the connection."""
        connection = self._connection
        if not self._complete and not self._gone:
            self._cancel("the response was given up")
        try:
            self._exchange.finish()
        except Exception:
            log.exception("finish failed", **self._about())
        body = self._body
        broken = awaiting = False
        if body is not None:
            broken, awaiting = body.unfinished, body.awaits_continue
            body.detach(self._gone or "the response is complete")
        if connection.listener.access_log is not None:
            app = self._target.name if self._target is not None else ""
            record(
                connection.listener,
                self._request,
                app,
                self._status,
                self._sent,
                self._started,
                complete=self._complete,
                version=f"HTTP/1.{self._head.minor}",
            )
        connection.service = None
        if self._switched:
            return
        if not self._complete:
            if self._framing is Framing.CLOSE or not self.head_sent or self._gone:
                connection.abort()
            else:
                connection.close()
        elif self._keep_alive and not broken and not awaiting:
            connection.resume_reading()
        elif connection.reader.in_body or connection.reader.buffered():
            connection.close_gently()
        else:
            connection.close()

    def closing(self) -> None:
        """The socket is about to be closed under the task: wake whoever waits for it."""
        self.hang_up("the connection was closed")
        trio.lowlevel.notify_closing(self._connection.sock)

    def _about(self) -> dict[str, str]:
        app = self._target.name if self._target is not None else ""
        return {"app": app, "url": self._request.url, "request_id": self._request.id}


class Remainder:
    """Sends what the socket did not take of responses whose exchanges are over."""

    __slots__ = ("_connection", "_scope", "head_sent")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._scope = trio.CancelScope()
        self.head_sent = True

    async def run(self) -> None:
        """Send it all, then go on with the connection. Raises nothing but cancellation."""
        connection = self._connection
        slow = connection.listener.slow_clients
        try:
            with self._scope:
                size = len(connection.outgoing)
                while left := len(connection.outgoing):
                    self.stalls(sending=trio.current_time() + connection.listener.limits.stall_timeout)
                    slow.hold(self, left, size - left)
                    size = left
                    await trio.lowlevel.wait_writable(connection.sock)
                    connection.flush()
        except (OSError, trio.ClosedResourceError):
            connection.abort()
        finally:
            slow.hold(self, 0)
            connection.service = None
            if connection.outgoing:
                connection.abort()
            elif connection.busy:
                connection.resume_reading()
        connection.go_on()

    def stalls(self, *, sending: float | None = None, receiving: float | None = None) -> None:
        """As for :class:`Service`; nothing is received meanwhile."""
        if sending is not None:
            self._connection.deadline = sending

    def hang_up(self, reason: str) -> None:
        """The client left. Never blocks."""
        self._scope.cancel()

    def let_go(self, reason: str) -> None:
        """The client is too slow."""
        self._scope.cancel()

    def closing(self) -> None:
        """The socket is about to be closed under the task."""
        self._scope.cancel()
        trio.lowlevel.notify_closing(self._connection.sock)


def _one_by_one(stream: BodyStream) -> Callable[[], Awaitable[Sequence[bytes]]]:
    async def receive() -> Sequence[bytes]:
        chunk = await stream.receive()
        return (chunk,) if chunk else ()

    return receive


def _rest(buffers: Sequence[bytes | memoryview], sent: int) -> Sequence[bytes | memoryview]:
    """What remains of ``buffers`` after ``sent`` bytes."""
    for index, buffer in enumerate(buffers):
        if sent < len(buffer):
            return (memoryview(buffer)[sent:], *buffers[index + 1 :])
        sent -= len(buffer)
    return ()
