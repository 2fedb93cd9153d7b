"""One HTTP/1.1 connection: requests in, responses out, in order.

Theory of operation
-------------------
A connection is in one of six states; the table says who moves it and what it is watched for:

===========  =================================================  ========  ==========================================
state        meaning                                            watched   leaves for
===========  =================================================  ========  ==========================================
READING      between requests, or a head (or a small body)      input     READING (answered at once), BUSY, LINGERING
             is arriving                                                  (protocol error), CLOSED (end of file, idle)
BUSY         a task serves an exchange                          hang-up   READING, DISCARDING, LINGERING, CLOSED
DISCARDING   answered; the rest of the request body is          input     READING, LINGERING (more than is bearable)
             thrown away
LINGERING    our half is shut; what still comes is thrown away  input     CLOSED (end of file, 2 s)
             so that the client can read the last response
CLOSED       the socket is closed, or handed to a WebSocket     --
===========  =================================================  ========  ==========================================

READING, DISCARDING and LINGERING are plain synchronous code called by the reactor. The hot path is :meth:`process`:
receive, parse, ``begin``; when the response is there, with its content as bytes, it goes to the socket and nothing has
been awaited. Everything else goes to :class:`~nano_trio.web.service.Service`, a task in the listener's nursery, which
hands the connection back through :meth:`resume_reading` or :meth:`close_gently`.

Such a response lies in ``outgoing`` until the reactor has let the other ready connections act, a fraction of a
millisecond: then all are sent in a row. Each ``send`` to a client that sleeps wakes it, and that costs as much as all
the rest of sending; in a row, most find their client awake. Whoever writes to the socket before takes ``outgoing``
along, by :meth:`claim`.

The client's end of file while BUSY counts as its leaving: ``exchange.disconnect`` is called and the task is cancelled.
"""

from __future__ import annotations

import contextlib
import enum
import math
import socket
import time
from typing import TYPE_CHECKING

import can_ada
import structlog

from nano_trio.actors.messages import IncomingRequest, OutgoingResponse, SocketHandler, SocketLimits, Target
from nano_trio.actors.request_ids import OUR_LINE, header_line, new_id
from nano_trio.web.answered import Answered
from nano_trio.web.errors import error_page, new_request_id, stack_of
from nano_trio.web.http1 import Head, ProtocolError, RequestReader, as_sent
from nano_trio.web.identity import id_of, span_of
from nano_trio.web.reactor import HANG_UP, INPUT
from nano_trio.web.records import record
from nano_trio.web.request_body import WireBody
from nano_trio.web.resets import reset_at_close
from nano_trio.web.response_head import build, quick
from nano_trio.web.service import Remainder, Service
from nano_trio.web.tls_socket import TLSSocket
from nano_trio.web.websocket import WebSocket
from nano_trio.web.websocket_compression import Compression
from nano_trio.web.websocket_handshake import read_upgrade

if TYPE_CHECKING:
    from nano_trio.web.listener import Listener

__all__ = ["Connection", "State"]

log = structlog.get_logger("nano_trio.web")

_RECEIVE = 64 * 1024
_LINGER_BYTES = 1024 * 1024


class State(enum.Enum):
    READING = enum.auto()
    BUSY = enum.auto()
    DISCARDING = enum.auto()
    LINGERING = enum.auto()
    CLOSED = enum.auto()


# Python 3.11 looks for an enumeration's member by EnumType.__getattr__, which takes as long as a call.
_READING, _BUSY, _CLOSED = State.READING, State.BUSY, State.CLOSED


class Connection:
    """A client's connection on an accepted, non-blocking socket, plain or (its handshake done) with TLS."""

    __slots__ = (
        "_discarded",
        "_fd",
        "_more",
        "_partial",
        "_waiting_body",
        "_waiting_head",
        "_watched",
        "deadline",
        "listener",
        "outgoing",
        "peer",
        "reactor",
        "reader",
        "remote",
        "scheme",
        "service",
        "sock",
        "state",
        "target",
    )

    def __init__(self, sock: socket.socket | TLSSocket, remote: str, listener: Listener) -> None:
        self.sock = sock
        self.peer = remote
        """The address at the other end: the client's, or a proxy's."""
        self.remote = remote
        """The client's address, as far as trusted proxies tell it with each request."""
        self.scheme = listener.scheme
        """How the client speaks, ``http://`` or ``https://``: to us, or to the proxy before us."""
        self.listener = listener
        self.reactor = listener.reactor
        self.reader = RequestReader(listener.parse_head, listener.limits)
        self.state = State.READING
        self.service: Service | Remainder | None = None
        self.target: Target | None = None
        """Whose the last request was."""
        self.outgoing = b""
        """Complete responses on their way to the socket (see :meth:`flush`). Whatever is sent next goes behind them."""
        self.deadline = self.reactor.now + listener.limits.idle_timeout
        self._fd = sock.fileno()
        self._partial = False
        self._more = False
        self._watched = INPUT
        self._waiting_head: Head | None = None
        self._waiting_body: bytearray | None = None
        self._discarded = 0
        listener.connections.add(self)
        self.reactor.add(self._fd, self)

    # ---- what the reactor calls ----

    def ready(self) -> bool:
        """The socket has input, or (BUSY) the client left."""
        if self._more:
            return False
        state = self.state
        if state is _BUSY:
            self._look_for_hang_up()
            return False
        try:
            data = self.sock.recv(_RECEIVE)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            self.abort()
            return False
        if state is _READING:
            if not data:
                self.close()
                return False
            return self.process(data)
        if not data:
            self.close()
        elif state is State.DISCARDING:
            return self._discard(data)
        else:
            self._discarded += len(data)
            if self._discarded > _LINGER_BYTES:
                self.close()
        return False

    def resume(self) -> bool:
        """Go on with pipelined requests that are already here."""
        self._more = False
        return self.state is _READING and self.process(b"")

    def go_on(self) -> None:
        """An exchange is over that was awaited: serve what arrived together with it, when it is this one's turn. A
        thousand may be over in one pass of the loop, and each may have had a thousand requests sent at once."""
        if self.state is _READING and self.reader.buffered():
            self._more = True
            self.reactor.soon.add(self)

    def work(self) -> None:
        """It is (:class:`nano_trio.web.soon.Worker`)."""
        if self.resume():
            self.reactor.soon.add(self)

    def expire(self) -> None:
        """The deadline has passed: answer 408 in the middle of a request, otherwise close."""
        if self.state is _READING and self._partial:
            self.refuse(ProtocolError(408, "the request did not arrive in time"))
        elif self.state is _BUSY:
            self.hang_up("the client stalled")
            self.abort()
        else:
            self.close()

    # ---- the hot path ----

    def process(self, data: bytes) -> bool:
        """Take received bytes and serve what is complete. True when complete requests remain (see ``resume``)."""
        reader = self.reader
        try:
            requests = 0
            while requests < self.reactor.at_once:
                requests += 1
                head = self._waiting_head
                if head is not None:
                    reader.feed(data)
                else:
                    head = reader.next_head(data)
                    if head is None:
                        if not self._partial:
                            self._partial = True
                            self.deadline = self.reactor.now + self.listener.limits.head_timeout
                        return False
                body: bytes | WireBody | None = None
                if head.has_body:
                    body = self._request_body(head)
                    if body is None:
                        return False
                if not self._serve(head, body):
                    return False
                self._partial = False
                data = b""
                if not reader.buffer:
                    self.deadline = self.reactor.now + self.listener.limits.idle_timeout
                    return False
        except ProtocolError as error:
            self.refuse(error)
            return False
        self._more = True
        return True

    def _serve(self, head: Head, body: bytes | WireBody | None) -> bool:
        """Begin one exchange. True when it is answered and the connection goes on reading."""
        listener = self.listener
        if listener.trusted is not None:
            head, self.remote, self.scheme = as_sent(
                head, listener.trusted, self.peer, listener.scheme, listener.address
            )
        if listener.rates is not None and (wait := listener.rates.retry_after(self.remote, self.reactor.now)):
            return self._own_answer(head, body, 429, "too many requests from this address", retry_after=wait)
        target = listener.routes.memo.get(head.host)
        if target is None:
            if head.host and not can_ada.can_parse(f"{self.scheme}{head.host}/"):
                raise ProtocolError(400, "invalid Host header")
            target = listener.routes.find(head.host)
            if target is None:
                listener.counts.unknown_hosts += 1
                return self._own_answer(head, body, 404, f"no app is configured for the host {head.host or '(none)'!r}")
        if listener.draining:
            # A WebSocket would be closed as soon as it is open.
            if head.websocket or not listener.still_serves(self):
                return self._own_answer(head, body, 503, "the server is shutting down", retry_after=1)
            head = head.as_last()
        self.target = target
        if head.websocket:
            read_upgrade(head)
        listener.counts.versions[head.minor] += 1
        if body is not None and (limit := target.max_body) is not None and self._exceeds(body, limit):
            return self._own_answer(head, body, 413, f"this app takes bodies of up to {limit} bytes")
        request = IncomingRequest(
            head.method,
            head.urls.get(self.scheme) or head.url_of(self.scheme, listener.address),
            head.headers,
            body,
            self.remote,
            new_id() if head.request_id is None else id_of(head, listener, self.peer),
            (),
            head.joined,
        )
        if listener.asks_clients and isinstance(self.sock, TLSSocket):
            request.certificate = self.sock.peer_certificate()
        if head.trace is not None or listener.start_traces:
            request.span = span_of(head, listener)
        started = time.perf_counter() if listener.access_log is not None else 0.0
        try:
            exchange = target.begin(request)
            response = exchange.response
            if response is not None and listener.compression is not None:
                response = listener.compression.apply(head.method, head.headers, response)
        except Exception as error:
            log.exception("begin failed", app=target.name, url=request.url, request_id=request.id)
            page = error_page(500, request_id=request.id, stack=stack_of(error) if listener.dev else None)
            return self._own_response(head, body, page, request, target)
        if (
            response is not None
            and head.persistent
            and (body is None or type(body) is bytes)
            and ((content := response.body) is None or type(content) is bytes)
        ):
            id_line = b""
            if listener.request_ids:
                number = request.origin_id
                id_line = OUR_LINE % number if type(number) is int else header_line(number)
            message = quick(response, content, self.reactor.date, id_line)
            if message is not None:
                if listener.access_log is not None:
                    status, size = response.status, 0 if content is None else len(content)
                    version = f"HTTP/1.{head.minor}"
                    record(listener, request, target.name, status, size, started, complete=True, version=version)
                if self.outgoing:
                    self.outgoing += message
                else:
                    self.outgoing = message
                    flush_later = self.reactor.flush_later
                    flush_later(self)
                try:
                    exchange.finish()
                except Exception:
                    log.exception("finish failed", app=target.name, url=request.url, request_id=request.id)
                    self.close_gently()
                return self.state is _READING
        service = Service(self, head, request, target, exchange, started, response)
        if response is not None and (response.body is None or type(response.body) is bytes):
            service.try_now(response)
            return self.state is _READING
        self.take_over(service)
        return False

    # ---- request bodies ----

    def _exceeds(self, body: bytes | WireBody, limit: int) -> bool:
        """Whether a body is known to be larger than an app takes; one that turns out to be is refused as it comes."""
        return len(body) > limit if isinstance(body, bytes) else not self.reader.limit_body(limit)

    def _request_body(self, head: Head) -> bytes | WireBody | None:
        """The body as bytes when it is here or small; else the way to it. None: wait, it is small and arriving."""
        reader = self.reader
        length = head.content_length
        if head.expect_continue and reader.in_body and not reader.buffered():
            return WireBody(self, length, expect_continue=True)
        if length is not None:
            waiting = self._waiting_body
            if waiting is None:
                if length > self.listener.limits.whole_body and length > reader.buffered():
                    return WireBody(self, length)
                content = reader.whole_body(length)
                if content is not None:
                    return content
                self._waiting_head = head
                self._waiting_body = bytearray(reader.next_body() or b"")
                self._partial = True
                self.deadline = self.reactor.now + self.listener.limits.head_timeout
                return None
            while content := reader.next_body():
                waiting += content
            if content is None:
                return None
            self._waiting_head = self._waiting_body = None
            return bytes(waiting)
        content = reader.next_body()
        # Of a body that ended one piece is here, or it has far more chunks than others: those are cut as the app reads.
        chunk = reader.next_body() if content else content
        content = (content or b"") + (chunk or b"")
        return content if chunk == b"" else WireBody(self, None, content)

    def _discard(self, data: bytes) -> bool:
        """Throw away a request body that nobody read; at its end read on. True as in ``process``."""
        self._discarded += len(data)
        self.reader.feed(data)
        if self._skip_body():
            self.resume_reading()
            return self.state is _READING and self.reader.buffered() > 0 and self.process(b"")
        return False

    def _skip_body(self) -> bool:
        """Throw away what is here of the request's body; True when that was its end, else close if it was too much."""
        reader = self.reader
        try:
            while chunk := reader.next_body():
                pass
        except ProtocolError:
            self.close_gently()
            return False
        if chunk is None and self._discarded > self.listener.limits.drain_body:
            self.close_gently()
        return chunk is not None

    # ---- responses on their way ----

    def claim(self) -> bytes:
        """What must be sent before anything else; the caller sends it."""
        outgoing, self.outgoing = self.outgoing, b""
        return outgoing

    def flush(self) -> None:
        """Send the responses that wait. What the socket does not take is left to a task."""
        message = self.outgoing
        if not message:
            return
        try:
            sent = self.sock.send(message)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self.outgoing = b""
            self.abort()
            return
        if sent == len(message):
            self.outgoing = b""
            return
        self.outgoing = message[sent:]
        if self.service is None:
            self.take_over(Remainder(self))

    # ---- answers of our own ----

    def _own_answer(
        self, head: Head, body: bytes | WireBody | None, status: int, message: str, retry_after: int | None = None
    ) -> bool:
        if status != 404:
            self.listener.counts.refuse(status)
        url, number = f"{self.scheme}{head.host}{head.target}", id_of(head, self.listener, self.peer)
        request = IncomingRequest(head.method, url, head.headers, None, self.remote, number)
        page = error_page(status, message, request_id=request.id, retry_after=retry_after)
        return self._own_response(head, body, page, request, None)

    def _own_response(
        self,
        head: Head,
        body: bytes | WireBody | None,
        page: OutgoingResponse,
        request: IncomingRequest,
        target: Target | None,
    ) -> bool:
        if isinstance(body, WireBody):
            request.body = body
        service = Service(self, head, request, target, Answered(page), time.perf_counter())
        service.try_now(page)
        return self.state is _READING

    def refuse(self, error: ProtocolError) -> None:
        """Answer a protocol error and close (RFC 9112 section 9.6)."""
        self.listener.counts.refuse(error.status)
        request_id = new_request_id()
        page = error_page(error.status, error.message, request_id=request_id)
        data = build(page, head_only=False, minor=1, keep_alive=False).data
        if error.fields:
            data = data[:-2] + error.fields + b"\r\n"
        assert isinstance(page.body, bytes)
        log.debug(
            "request refused", status=error.status, reason=error.message, remote=self.remote, request_id=request_id
        )
        with contextlib.suppress(OSError):
            self.sock.send(self.claim() + data + page.body)
        if self.listener.access_log is not None:
            request = IncomingRequest("", "", [], None, self.remote, request_id)
            record(self.listener, request, "", error.status, len(page.body), time.perf_counter(), complete=True)
        self.close_gently()

    # ---- changes of state ----

    def take_over(self, service: Service | Remainder) -> None:
        """Let a task serve the exchange from here on."""
        self.state = State.BUSY
        self.service = service
        self.deadline = math.inf
        self._watch(HANG_UP)
        self.listener.nursery.start_soon(service.run)

    def switch(
        self, answer: bytes, handler: SocketHandler, limits: SocketLimits, compression: Compression | None
    ) -> None:
        """Speak WebSocket from here on, beginning with ``answer``, the handshake's response."""
        websocket = WebSocket(self.sock, self.remote, self.listener, handler, limits, compression, self.target)
        websocket.peer = self.peer
        self.state = State.CLOSED
        self.service = None
        self.listener.connections.discard(self)
        websocket.open(self.claim() + answer, self.reader.take_rest())

    def resume_reading(self) -> None:
        """The exchange is over: go on to the next request, throwing away what was not read of this one's body."""
        self.service = None
        self._partial = False
        limits = self.listener.limits
        if self.reader.in_body:
            remaining = self.reader.body_remaining
            if remaining is not None and remaining > limits.drain_body:
                self.close_gently()
                return
            self.state = State.DISCARDING
            self._discarded = self.reader.buffered()
            self.deadline = self.reactor.now + limits.head_timeout
            if not self._skip_body():
                self._watch(INPUT)
                return
        self.state = State.READING
        self.deadline = self.reactor.now + limits.idle_timeout
        if self.listener.draining and not self.reader.buffered():
            self.close()
        else:
            self._watch(INPUT)

    def _watch(self, what: int) -> None:
        if self._watched != what:
            self._watched = what
            self.reactor.watch(self._fd, what)

    @property
    def reading(self) -> bool:
        """Whether the next request may be read."""
        return self.state is _READING

    @property
    def busy(self) -> bool:
        """Whether a task serves an exchange."""
        return self.state is _BUSY

    @property
    def idle(self) -> bool:
        """Whether nothing of a request has arrived."""
        return self.state is _READING and not self._partial and not self.reader.buffered() and not self.outgoing

    @property
    def idle_until(self) -> float:
        """While it is idle: when it will have been for as long as it may."""
        return self.deadline

    def _look_for_hang_up(self) -> None:
        if self.reactor.sees_hang_up:
            gone = True
        else:
            try:
                gone = not self.sock.recv(1, socket.MSG_PEEK)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                gone = True
        self._watched = 0
        self.reactor.ignore(self._fd)
        if gone:
            self.hang_up("the client closed the connection")

    def hang_up(self, reason: str) -> None:
        """The client left while a task serves it."""
        if self.service is not None:
            self.service.hang_up(reason)

    def close_gently(self) -> None:
        """Shut our half, then wait for the client to close its own, so that no reset destroys our last words."""
        if self.state is _CLOSED:
            return
        self.state = State.LINGERING
        self.service = None
        self._discarded = 0
        self._waiting_head = None
        self.deadline = self.reactor.now + self.listener.limits.linger_timeout
        try:
            if self.outgoing:
                self.sock.send(self.claim())
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
        else:
            self._watch(INPUT)

    def abort(self) -> None:
        """Close with a reset: the client must not take what it has for the whole."""
        if self.state is not _CLOSED:
            self.outgoing = b""
            reset_at_close(self.sock)
            self.close()

    def drain(self) -> None:
        """The listener stops: close, unless something is going on."""
        if self.idle:
            self.close()

    def close(self) -> None:
        """Close the socket."""
        if self.state is _CLOSED:
            return
        self.state = State.CLOSED
        if self.outgoing:
            with contextlib.suppress(OSError):
                self.sock.send(self.claim())
        self.reactor.remove(self._fd)
        if self.service is not None:
            self.service.closing()
        self.sock.close()
        self.listener.forget(self)
