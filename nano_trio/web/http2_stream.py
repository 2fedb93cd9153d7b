"""One exchange of an HTTP/2 connection: a stream's request, its app, its response.

A stream's request is begun at once, or when its body is here if that is small. What the app answers at once is queued
in the connection and sent with the others'; what must be waited for, and every streamed response, has a task
(:meth:`run`). A body that does not come whole is an :class:`Http2Body`: the client may send more only as the app reads.
Where the app accepts a WebSocket the exchange is over, and a ``Tunnel`` in its place.

When a response breaks in the middle its stream is reset with INTERNAL_ERROR, never ended. When a response is complete
before its request, the stream is reset a moment later with NO_ERROR (RFC 9113 section 8.1): the client need not send
the rest."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import can_ada
import structlog
import trio
from h2.errors import ErrorCodes as Codes

from nano_trio.actors import request_ids
from nano_trio.actors.messages import (
    BodyBroken,
    BodyStream,
    Exchange,
    IncomingRequest,
    OutgoingResponse,
    SocketHandler,
    Target,
)
from nano_trio.actors.request_ids import field_value
from nano_trio.web.answered import Answered
from nano_trio.web.errors import error_page, stack_of
from nano_trio.web.http1 import Head, ProtocolError, as_sent
from nano_trio.web.http2_body import Http2Body
from nano_trio.web.http2_fields import Block, Malformed, ResponseFields, response_fields
from nano_trio.web.http2_session import FRAME
from nano_trio.web.http2_tunnel import Tunnel, TunnelledWebSocket
from nano_trio.web.identity import id_of, span_of
from nano_trio.web.records import record
from nano_trio.web.response_head import BadResponse, Truncated
from nano_trio.web.unsendable import give_up_socket, page_instead
from nano_trio.web.websocket_handshake import Upgrade, agreed, read_connect

if TYPE_CHECKING:
    from nano_trio.web.http2 import Http2Connection

__all__ = ["VERSION", "Http2Stream"]

log = structlog.get_logger("nano_trio.web")

VERSION = "HTTP/2.0"
"""As the access log calls it."""
_PROGRESS = 4096
"""Bytes that a client must take within the stall time, or all that there are: a window of one byte buys none."""


class _Later(ProtocolError):
    """What may be sent again in ``wait`` seconds."""

    def __init__(self, status: int, message: str, wait: int) -> None:
        super().__init__(status, message)
        self.wait = wait


class Http2Stream:
    """One exchange. Numbers of bytes are of content, without padding, unless they say otherwise."""

    __slots__ = (
        "_body",
        "_connection",
        "_drained",
        "_early",
        "_exchange",
        "_fields",
        "_head",
        "_progress",
        "_received",
        "_remote",
        "_request",
        "_scheme",
        "_scope",
        "_small",
        "_started",
        "_status",
        "_stream",
        "_target",
        "_upgrade",
        "ended",
        "last",
        "number",
        "over",
        "pending",
        "receiving",
        "sending",
        "sent",
        "starved",
    )

    def __init__(self, connection: Http2Connection, number: int, head: Head | None, *, ended: bool) -> None:
        self.number = number
        self.ended = ended
        """The request is here to its end."""
        self.over = False
        self.pending: bytes | memoryview = b""
        """What waits to be sent."""
        self.last = False
        """Nothing follows after ``pending``."""
        self.sent = 0
        self.starved = False
        """Bytes are pending, and there is no window for them."""
        self.sending = math.inf
        """When a wait for the client's window has lasted too long (Trio's clock; inf: no wait)."""
        self.receiving = math.inf
        """The same for a wait for the request's content."""
        self._connection = connection
        self._head = head
        self._request: IncomingRequest | None = None
        self._target: Target | None = None
        self._exchange: Exchange | None = None
        self._body: Http2Body | None = None
        self._small: bytearray | None = None
        self._early: bytearray | None = None
        """What has come for a WebSocket that is asked for and not open yet."""
        self._upgrade: Upgrade | None = None
        self._stream: BodyStream | None = None
        self._fields: ResponseFields | None = None
        self._scope: trio.CancelScope | None = None
        self._drained: trio.Event | None = None
        self._status = 0
        self._received = 0
        self._progress = 0
        self._remote = ""
        """The client's address and its scheme, where a trusted proxy tells other ones."""
        self._scheme = ""
        self._started = 0.0

    @property
    def deadline(self) -> float:
        """When :meth:`expire` is due."""
        return min(self.sending, self.receiving)

    @property
    def answering(self) -> bool:
        """Whether the response's head is sent."""
        return self._fields is not None

    # ---- the request ----

    def start(self) -> None:
        """The head is here: begin, unless a small body is still to come."""
        head = self._head
        assert head is not None
        length = head.content_length
        limits = self._connection.listener.limits
        if head.websocket:
            self._early = bytearray()
            if self.ended:
                self.refuse(ProtocolError(400, "a WebSocket's stream begins without its end"))
            else:
                self._begin(None)
        elif self.ended:
            self._begin(None if length is None else b"")
        elif length is not None and length <= limits.whole_body and not head.expect_continue:
            self._small = bytearray()
            self.receiving = self._connection.reactor.now + limits.head_timeout
            self._connection.due(self.receiving)
        else:
            self._body = Http2Body(self, self._connection, length, expect_continue=head.expect_continue)
            self._body.bound(limits.body)
            self._begin(self._body)

    def arrived(self, data: bytes, size: int, *, ended: bool) -> None:
        """Some of the request's content, which took ``size`` bytes of the window. Raises :class:`Malformed`."""
        head = self._head
        if self.over or head is None:
            return
        if self._early is not None:
            self._arrived_early(data, size, ended=ended)
            return
        self._received += len(data)
        length = head.content_length
        if length is not None and (self._received > length or (ended and self._received < length)):
            raise Malformed("the content is not as long as Content-Length says")
        self.ended = ended
        small = self._small
        if small is not None:
            small += data
            if ended:
                self._small = None
                self.receiving = math.inf
                self._begin(bytes(small))
            elif size:
                self._connection.session.credit(self.number, size)
        elif self._body is not None:
            self._body.arrived(data, size, ended=ended)

    def _arrived_early(self, data: bytes, size: int, *, ended: bool) -> None:
        """For the WebSocket, should there be one: more than a window is not let in before. A client that ends its
        stream has left, as one that shuts its half of a connection."""
        assert self._early is not None
        self.ended = ended
        if self.answering:  # refused
            return
        self._early += data
        self._connection.session.credit(self.number, size - len(data))
        if ended:
            self.give_up("the client closed the connection", Codes.CANCEL)
            self._connection.session.given_up()

    def trailers(self, block: Block) -> None:
        """The end of the request's content. Raises :class:`Malformed`."""
        if self._early is not None:
            raise Malformed("HEADERS on a stream that is to be connected")
        block.check_trailers(self._connection.listener.limits)
        self.arrived(b"", 0, ended=True)

    def _begin(self, body: bytes | Http2Body | None) -> None:
        backlog = self._connection.backlog
        if not (backlog.size and backlog.delays(self._connection, self, body)):
            self.begin(body)

    def begin(self, body: bytes | Http2Body | None) -> None:
        """Hand the request to its app."""
        try:
            target, request = self._route(body)
        except ProtocolError as error:
            self.refuse(error)
            return
        self._target, self._request = target, request
        connection = self._connection
        connection.target = target
        listener = connection.listener
        if listener.access_log is not None:
            self._started = time.perf_counter()
        try:
            exchange = self._exchange = target.begin(request)
            response = exchange.response
            if response is not None:
                response = self._compressed(response)
        except Exception as error:
            log.exception("begin failed", **self._about())
            stack = stack_of(error) if listener.dev else None
            self._answer(error_page(500, request_id=request.id, stack=stack))
            return
        if response is not None:
            self._respond(response)
        if not self.last and not self.over:
            self._scope = trio.CancelScope()
            connection.tasks += 1
            listener.nursery.start_soon(self.run)
            connection.wake()

    def _route(self, body: bytes | Http2Body | None) -> tuple[Target, IncomingRequest]:
        """Whom the request is for, and what it gets. Raises :class:`ProtocolError` for what reaches no app."""
        connection, head = self._connection, self._head
        assert head is not None
        listener = connection.listener
        remote, scheme = connection.remote, listener.scheme
        if not connection.authority.covers(connection, head.host):
            raise ProtocolError(421, "this connection's certificate is for another host")
        if listener.trusted is not None:
            head, remote, scheme = as_sent(head, listener.trusted, connection.peer, scheme, listener.address)
            self._head, self._remote, self._scheme = head, remote, scheme
        if listener.rates is not None and (wait := listener.rates.retry_after(remote, connection.reactor.now)):
            raise _Later(429, "too many requests from this address", wait)
        target = listener.routes.memo.get(head.host)
        if target is None:
            if not can_ada.can_parse(f"{scheme}{head.host}/"):
                raise ProtocolError(400, "invalid :authority")
            target = listener.routes.find(head.host)
            if target is None:
                listener.counts.unknown_hosts += 1
                raise ProtocolError(404, f"no app is configured for the host {head.host!r}")
        if head.websocket:
            if listener.draining:
                raise _Later(503, "the server is shutting down", 1)
            if connection.tunnels.full:
                raise ProtocolError(503, "too many WebSockets on this connection")
            self._upgrade = read_connect(head)
        listener.counts.versions[2] += 1
        limit = target.max_body
        if limit is not None and body is not None:
            fits = len(body) <= limit if isinstance(body, bytes) else body.bound(limit)
            if not fits:
                raise ProtocolError(413, f"this app takes bodies of up to {limit} bytes")
        url = f"{scheme}{head.host}{head.target}"
        number = id_of(head, listener, connection.peer)
        request = IncomingRequest(head.method, url, head.headers, body, remote, number, (), head.joined)
        request.span = span_of(head, listener)
        if listener.asks_clients:
            request.certificate = connection.sock.peer_certificate()
        return target, request

    def _compressed(self, response: OutgoingResponse) -> OutgoingResponse:
        compression, head = self._connection.listener.compression, self._head
        if compression is None or head is None:
            return response
        return compression.apply(head.method, head.headers, response)

    # ---- answers of our own ----

    def refuse(self, error: ProtocolError) -> None:
        """Answer a request that reaches no app."""
        if error.status != 404:
            self._connection.listener.counts.refuse(error.status)
        head, connection = self._head, self._connection
        number = request_ids.new_id() if head is None else id_of(head, connection.listener, connection.peer)
        remote = self._remote or connection.remote
        method = url = ""
        if head is not None:
            method, url = head.method, f"{self._scheme or connection.listener.scheme}{head.host}{head.target}"
        request = IncomingRequest(method, url, () if head is None else head.headers, None, remote, number)
        self._request = request
        log.debug("request refused", status=error.status, reason=error.message, remote=remote, request_id=request.id)
        self._small = None
        self.receiving = math.inf
        retry_after = error.wait if isinstance(error, _Later) else None
        page = error_page(error.status, error.message, request_id=request.id, retry_after=retry_after)
        for line in error.fields.decode().splitlines():
            name, _, value = line.partition(": ")
            page.headers.append((name, value))
        self._answer(page)

    def _answer(self, page: OutgoingResponse) -> None:
        if not self._started:
            self._started = time.perf_counter()
        self._exchange = Answered(page)
        self._respond(page)

    # ---- the response ----

    def _respond(self, response: OutgoingResponse) -> None:
        """Send the head; queue content that is here. A streamed body is left to the task."""
        body = self._body
        assert self._request is not None
        if response.socket is not None:
            page = self._switch(response, response.socket)
            if page is None:
                return
            response = page
        elif body is not None and body.error is not None and response.status >= 500:
            response = error_page(body.error.status, body.error.message, request_id=self._request.id)
            self._spoil(response)
        response, fields = self._build(response)
        self._fields = fields
        self._status = response.status
        connection = self._connection
        content = response.body
        if not fields.has_content and not self.ended:
            connection.unwanted.let_in(self.number, self._rest)
        connection.session.head(self.number, fields)
        if not fields.has_content:
            if content is not None and not isinstance(content, bytes):
                content.cancel("the response has no content")
            self._complete()
        elif isinstance(content, bytes):
            self.last = True
            self._queue(content)
        else:
            self._stream = content

    def _switch(self, response: OutgoingResponse, handler: SocketHandler) -> OutgoingResponse | None:
        """The app accepts a WebSocket: the stream is its tunnel from here on (RFC 8441 section 5). Where it cannot be
        that, what to answer instead."""
        connection, early = self._connection, self._early
        assert self._request is not None
        try:
            if self._upgrade is None or early is None:
                raise ProtocolError(400, "this address serves a WebSocket only")
            headers, compression = agreed(self._upgrade, response)
            opens = OutgoingResponse(200, "", headers, None)
            fields = response_fields(opens, tunnel=True, request_id=self._told)
        except BadResponse as error:
            log.error("invalid response", reason=str(error), **self._about())
            refusal = ProtocolError(500, "")
        except ProtocolError as error:
            refusal = error
        else:
            connection.session.head(self.number, fields)
            connection.session.answered()
            self.last = True
            self._fields, self._status = fields, response.status
            self._end("the response is complete", complete=True)
            tunnel = connection.streams[self.number] = Tunnel(connection, self.number, early)
            remote, limits = self._remote or connection.remote, response.socket_limits
            socket = TunnelledWebSocket(tunnel, remote, connection.listener, handler, limits, compression, self._target)
            socket.open(b"", b"")
            if early:
                socket.work_soon()
            return None
        give_up_socket(handler, self._about())
        page = error_page(refusal.status, refusal.message, request_id=self._request.id)
        self._spoil(page)
        return page

    @property
    def _told(self) -> bytes:
        """The request's id, where responses are to tell it."""
        assert self._request is not None
        return field_value(self._request.origin_id) if self._connection.listener.request_ids else b""

    def _spoil(self, instead: OutgoingResponse) -> None:
        assert self._exchange is not None
        self._exchange.spoiled(instead)

    def _build(self, response: OutgoingResponse) -> tuple[OutgoingResponse, ResponseFields]:
        """The response's fields; a response that cannot be sent becomes a 500."""
        assert self._request is not None
        head_only = self._head is not None and self._head.method == "HEAD"
        try:
            return response, response_fields(response, head_only=head_only, request_id=self._told)
        except BadResponse as error:
            dev = self._connection.listener.dev
            response = page_instead(response, error, self._request, self._about(), dev=dev)
            self._spoil(response)
            return response, response_fields(response, head_only=head_only)

    async def run(self) -> None:
        """Wait for the response, and send it if it is a stream. Raises nothing but cancellation."""
        scope, exchange, connection = self._scope, self._exchange, self._connection
        assert scope is not None
        assert exchange is not None
        try:
            with scope:
                if self._fields is None:
                    response = exchange.response or await exchange.wait()
                    if self.over:  # given up before this ran: what the exchange says then is for nobody
                        return
                    self._respond(self._compressed(response))
                if self._stream is not None:
                    connection.wake()  # the head does not wait for content, which may be long in coming
                    await self._send_stream(self._stream)
        except BodyBroken as error:
            # A client that leaves is nobody's fault.
            tell = log.debug if self.over else log.warning
            tell("response broke off", reason=str(error), **self._about())
        except Truncated as error:
            log.error("response cannot be completed", reason=str(error), **self._about())
        except Exception:
            log.exception("serving a response failed", **self._about())
        finally:
            connection.tasks -= 1
            if not self.last:
                self.give_up("the response was given up", Codes.INTERNAL_ERROR)
            connection.wake()

    async def _send_stream(self, stream: BodyStream) -> None:
        fields = self._fields
        assert fields is not None
        promised = fields.length
        taken = 0
        while chunk := await stream.receive():
            taken += len(chunk)
            if promised is not None and taken > promised:
                raise Truncated(promised, taken)
            drained = self._drained = trio.Event()
            self._queue(chunk)
            await drained.wait()
        if promised is not None and taken < promised:
            raise Truncated(promised, taken)
        self.last = True
        self._queue(b"")

    def _queue(self, content: bytes) -> None:
        if self.over:  # given up since the content came: a connection that is closed would hold this for ever
            return
        self.pending = memoryview(content) if len(content) > FRAME else content
        self._connection.backlog.size += len(content)
        self._connection.enqueue(self)
        self._connection.wake()

    # ---- what the connection calls to send ----

    def send_some(self, room: int) -> int:
        """Send at most ``room`` bytes of what is pending; return how many. With nothing pending: the end."""
        pending = self.pending
        if len(pending) <= room:
            piece, self.pending = pending, b""
        else:
            piece, self.pending = pending[:room], pending[room:]
        count = len(piece)
        ended = self.last and not self.pending
        if ended and not self.ended:
            self._connection.unwanted.let_in(self.number, self._rest)
        self._connection.session.data(self.number, bytes(piece), ended=ended)
        self._connection.backlog.sent(count)
        self.sent += count
        self._progress += count
        if not self.pending or self._progress >= _PROGRESS:
            self._progress = 0
            self.sending = math.inf
        if ended:
            self._complete()
        elif not self.pending and self._drained is not None:
            self._drained.set()
        return count

    def starve(self) -> None:
        """There is no window for what is pending."""
        self.starved = True
        if self.sending == math.inf:
            connection = self._connection
            self.sending = connection.reactor.now + connection.backlog.patience(connection)
            connection.due(self.sending)

    def expire(self, now: float) -> None:
        """A deadline of some stream has passed, maybe this one's."""
        if self.receiving <= now and self._small is not None:
            self.refuse(ProtocolError(408, "the request did not arrive in time"))
        elif self.deadline <= now:
            self.give_up("the client stalled", Codes.CANCEL)

    # ---- the end ----

    @property
    def _rest(self) -> int | None:
        """Bytes of the request that have not come; None where nothing says how many."""
        length = None if self._head is None else self._head.content_length
        return None if length is None else length - self._received

    def _complete(self) -> None:
        """The response's end is on its way."""
        session = self._connection.session
        self.last = True
        if not self.ended:
            connection = self._connection
            connection.due(connection.unwanted.dismiss(self.number, self._rest, connection.reactor.now))
        session.answered()
        self._end("the response is complete", complete=True)

    def give_up(self, reason: str, code: int | None = None) -> None:
        """End before the end: tell the exchange, stop the task, reset the stream with ``code``. Never blocks."""
        if self.over:
            return
        if code is not None:
            self._connection.session.reset(self.number, code)
        try:
            if self._stream is not None:
                self._stream.cancel(reason)
            if self._exchange is not None:
                self._exchange.disconnect(reason)
        except Exception:
            log.exception("disconnect failed", **self._about())
        self._end(reason, complete=False)
        if self._scope is not None:
            self._scope.cancel()

    def _end(self, reason: str, *, complete: bool) -> None:
        self.over = True
        self._connection.backlog.size -= len(self.pending)
        self.pending = b""
        self.sending = self.receiving = math.inf
        if self._exchange is not None:
            try:
                self._exchange.finish()
            except Exception:
                log.exception("finish failed", **self._about())
        if self._body is not None:
            self._body.detach(reason)
            self._body = None
        connection = self._connection
        if self._request is not None and connection.listener.access_log is not None:
            app = self._target.name if self._target is not None else ""
            record(
                connection.listener,
                self._request,
                app,
                self._status,
                self.sent,
                self._started,
                complete=complete,
                version=VERSION,
            )
        connection.forget(self)

    def _about(self) -> dict[str, str]:
        request = self._request
        app = self._target.name if self._target is not None else ""
        return {"app": app} if request is None else {"app": app, "url": request.url, "request_id": request.id}
