"""One HTTP/2 connection: many exchanges at once on a TLS socket (RFC 9113).

Theory of operation
-------------------
Three parts: ``http2_session`` speaks the protocol, without sockets; ``http2_stream`` is one exchange; this is the
connection between them, with a socket, deadlines, and the decision whose bytes go next.

As with HTTP/1.1 the reactor calls, and what can be answered at once needs no task: one :meth:`Http2Connection.ready`
reads, begins the requests that are there, and sends all their responses in one piece, when the reactor has let the
others act. A request that must be waited for, or a streamed response, has a task (``Http2Stream.run``). While there are
any, or the socket takes no more, one further task (``_write``) sends for all of them, once in a pass of the loop.

**Sending.** A stream with bytes to send stands in a queue. :meth:`_pump` takes the first, lets it send one frame at
most, and puts it at the end: round robin, whatever priorities the client hints at (RFC 9113 section 5.3.2). A stream
without a window leaves the queue until its window grows. No more than ``_AHEAD`` bytes of DATA wait for the socket; a
stream's next chunk is asked for when the last one has left the queue. So back-pressure reaches each app on its own.

**Receiving** stops while more than ``_UNSENT`` bytes wait for the socket, so what a client provokes (acknowledgements,
resets) is bounded by what it reads.

**Going away** (section 6.8). ``drain`` says GOAWAY for no stream at all, and asks for a PING back; when that comes, or
a second later, a second GOAWAY names the last stream. What began before is served to its end, and then the connection
closes. One that has been idle for long gets the second at once. A client that broke the protocol gets its GOAWAY at
once, too, its streams end, and the socket lingers for a moment. Nothing that an app answers ends a connection: it
carries the requests for other apps as well.

===========  =============================================================  ==========================================
state        meaning                                                        leaves for
===========  =============================================================  ==========================================
OPEN         frames are exchanged                                           LINGERING (GOAWAY was said, nothing is in
                                                                            flight), CLOSED (the client left, stalled)
LINGERING    our half is shut; what still comes is thrown away              CLOSED (end of file, 2 s)
CLOSED       the socket is closed                                           --
===========  =============================================================  ==========================================
"""

from __future__ import annotations

import contextlib
import enum
import math
import socket
import time
from collections import deque
from typing import TYPE_CHECKING

import structlog
import trio
from h2.errors import ErrorCodes as Codes

from nano_trio.actors.messages import IncomingRequest, Target
from nano_trio.web.errors import new_request_id
from nano_trio.web.http1 import ProtocolError
from nano_trio.web.http2_authority import Authority
from nano_trio.web.http2_backlog import Backlog
from nano_trio.web.http2_body import WindowPool
from nano_trio.web.http2_fields import Block, Malformed
from nano_trio.web.http2_session import MOST_STREAMS, Session, SessionOver
from nano_trio.web.http2_stream import VERSION, Http2Stream
from nano_trio.web.http2_tunnel import Tunnel, Tunnels
from nano_trio.web.http2_unwanted import Unwanted
from nano_trio.web.reactor import INPUT
from nano_trio.web.records import record
from nano_trio.web.resets import reset_at_close
from nano_trio.web.tls_socket import TLSSocket

if TYPE_CHECKING:
    from nano_trio.web.listener import Listener

__all__ = ["Http2Connection"]

log = structlog.get_logger("nano_trio.web")

_RECEIVE = 64 * 1024
_AHEAD = 64 * 1024
_UNSENT = 128 * 1024
_ROUNDS = 4
_LINGER_BYTES = 1024 * 1024
_FAREWELL = b"farewell"
_FAREWELL_S = 1.0
_SHUTTING_DOWN = "shutting down"
_EVERY = (1 << 31) - 1


class State(enum.Enum):
    OPEN = enum.auto()
    LINGERING = enum.auto()
    CLOSED = enum.auto()


class Http2Connection:
    """A client's connection on a TLS socket whose handshake chose ``h2``."""

    __slots__ = (
        "_discarded",
        "_fd",
        "_final_at",
        "_idle_at",
        "_last",
        "_more",
        "_pumping",
        "_queue",
        "_reads",
        "_unsent",
        "_wake",
        "_whole_at",
        "_writing",
        "authority",
        "backlog",
        "deadline",
        "leaving",
        "listener",
        "peer",
        "pool",
        "reactor",
        "remote",
        "send_at",
        "session",
        "sock",
        "state",
        "streams",
        "target",
        "tasks",
        "tunnels",
        "unwanted",
    )

    def __init__(self, sock: TLSSocket, remote: str, listener: Listener) -> None:
        self.sock = sock
        self.remote = remote
        """The client's address."""
        self.peer = remote
        """The address at the other end: the client's, or a proxy's."""
        self.listener = listener
        self.reactor = listener.reactor
        self.state = State.OPEN
        self.target: Target | None = None
        """Whose the last request was."""
        self.session = Session(self, listener.limits, self.reactor.now)
        self.unwanted = Unwanted(self.session)
        """Streams that are answered, and whose requests have not ended."""
        self.streams: dict[int, Http2Stream | Tunnel] = {}
        """The exchanges in flight, and WebSockets."""
        self.tunnels = Tunnels(self.session)
        self.tasks = 0
        """How many of them have a task."""
        self.authority = Authority()
        self.backlog = Backlog()
        self.pool = WindowPool()
        self.leaving = False
        """No more streams are wanted, by us or by the client: close when the last is over."""
        self._fd = sock.fileno()
        self._queue: deque[Http2Stream | Tunnel] = deque()
        self._unsent = b""
        self._wake: trio.Event | None = None
        self._writing = False
        self._pumping = False
        self._reads = True
        self._more = False
        self._last: int | None = None
        self._discarded = 0
        self._idle_at = self.reactor.now + listener.limits.idle_timeout
        self._whole_at = math.inf
        self.send_at = math.inf
        """When the socket has taken nothing for too long (Trio's clock; inf: no wait)."""
        self._final_at = math.inf
        self.deadline = self._idle_at
        listener.connections.add(self)
        self.reactor.add(self._fd, self)
        self.flush()
        if listener.draining:
            self.drain()

    # ---- what the reactor calls ----

    def ready(self) -> bool:
        """The socket has input."""
        if self._more:
            return False
        try:
            data = self.sock.recv(_RECEIVE)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            self.abort()
            return False
        if self.state is State.LINGERING:
            self._discarded += len(data)
            if not data or self._discarded > _LINGER_BYTES:
                self.close()
            return False
        if not data:
            self._lost("the client closed the connection")
            return False
        self.session.feed(data)
        return self._process()

    def resume(self) -> bool:
        """Go on with frames that are already here."""
        self._more = False
        return self.state is State.OPEN and self._process()

    def _process(self) -> bool:
        session = self.session
        session.now = self.reactor.now
        try:
            more = session.process()
        except SessionOver as error:
            self._broken(error)
            return False
        self._look_at_partial(more)
        self.reactor.flush_later(self)
        self._more = more
        return more

    def _look_at_partial(self, more: bool) -> None:
        """A head must be whole in time, however it trickles; DATA must only go on."""
        session = self.session
        if more or not session.unfinished:
            self._whole_at = math.inf
        elif session.in_data:
            self._whole_at = self.reactor.now + self.listener.limits.stall_timeout
            self.due(self._whole_at)
        elif self._whole_at == math.inf:
            self._whole_at = self.reactor.now + self.listener.limits.head_timeout
            self.due(self._whole_at)

    def expire(self) -> None:
        """A deadline has passed."""
        now = self.reactor.now
        if self.state is State.LINGERING:
            self.close()
            return
        if self.send_at <= now:
            self._lost("the client stalled")
            return
        if self._whole_at <= now:
            self._broken(SessionOver(Codes.NO_ERROR, "a request did not arrive in time"))
            return
        if self._final_at <= now:
            self._say_final()
        unwanted = self.unwanted.expire(now)
        if not self.streams and self._idle_at <= now:
            self._say_final("idle")
        for stream in list(self.streams.values()):
            stream.expire(now)
        self.flush()
        if self.state is State.OPEN:
            self.deadline = min(
                self.send_at,
                self._whole_at,
                self._final_at,
                math.inf if self.streams else self._idle_at,
                *(stream.deadline for stream in self.streams.values()),
                unwanted,
            )

    def due(self, when: float) -> None:
        """Have :meth:`expire` called then, if not earlier."""
        if when < self.deadline:
            self.deadline = when

    # ---- what the session calls ----

    def begin(self, number: int, block: Block, *, ended: bool) -> None:
        """A request."""
        session = self.session
        requests = len(self.streams) - len(self.tunnels) + len(self.unwanted)
        if requests >= MOST_STREAMS or (self._last is not None and number > self._last):
            session.reset(number, Codes.REFUSED_STREAM)
            session.given_up()
            return
        listener = self.listener
        try:
            head = block.head(listener.limits, b"https")
            length = head.content_length
            if length and ended:
                raise Malformed("Content-Length without content")
            if length is not None and length > listener.limits.body:
                raise ProtocolError(413, "request body too large")
        except Malformed as error:
            self._malformed(number, str(error))
            return
        except ProtocolError as error:
            stream = self.streams[number] = Http2Stream(self, number, None, ended=ended)
            stream.refuse(error)
            return
        stream = self.streams[number] = Http2Stream(self, number, head, ended=ended)
        stream.start()

    def _malformed(self, number: int, reason: str) -> None:
        """Not a request that could be answered (section 8.1.1)."""
        request_id = new_request_id()
        log.debug("malformed request", reason=reason, remote=self.remote, request_id=request_id)
        self.session.reset(number, Codes.PROTOCOL_ERROR)
        self.listener.counts.refuse(400)
        request = IncomingRequest("", "", [], None, self.remote, request_id)
        record(self.listener, request, "", 400, 0, time.perf_counter(), complete=False, version=VERSION)
        self.session.given_up()

    def data(self, number: int, data: bytes, size: int, *, ended: bool) -> None:
        """Some of a request's content. What is for nobody is thrown away."""
        stream = self.streams.get(number)
        if stream is not None:
            try:
                stream.arrived(data, size, ended=ended)
            except Malformed as error:
                self._abandon(stream, Codes.PROTOCOL_ERROR, f"malformed request: {error}")
        elif ended:
            self.unwanted.ended(number)
        else:
            self.unwanted.arrived(number, self.reactor.now)

    def trailers(self, number: int, block: Block) -> None:
        """The end of a request's content."""
        stream = self.streams.get(number)
        if stream is not None:
            try:
                stream.trailers(block)
            except Malformed as error:
                self._abandon(stream, Codes.PROTOCOL_ERROR, f"malformed request: {error}")
        else:
            self.unwanted.ended(number)

    def _abandon(self, stream: Http2Stream | Tunnel, code: int, reason: str) -> None:
        stream.give_up(reason, code)
        self.session.given_up()

    def reset(self, number: int, code: int) -> None:
        """The client gave a stream up."""
        stream = self.streams.get(number)
        self.unwanted.ended(number)
        if stream is not None:
            stream.give_up("the client reset the stream")
            if type(stream) is Http2Stream:  # a WebSocket may end so: it was answered
                self.session.given_up()

    def window(self, number: int) -> None:
        """A stream may send more; 0: any may."""
        if number:
            stream = self.streams.get(number)
            if stream is not None and stream.starved:
                self.enqueue(stream)
        else:
            for stream in self.streams.values():
                if stream.starved:
                    self.enqueue(stream)

    def pong(self, data: bytes) -> None:
        """The client has seen all that was sent before the PING."""
        if data == _FAREWELL:
            if self._final_at < math.inf:
                self._say_final()
        else:
            self.unwanted.reset(int.from_bytes(data))

    def client_leaves(self) -> None:
        """The client begins no more streams."""
        self.leaving = True

    # ---- sending ----

    def enqueue(self, stream: Http2Stream | Tunnel) -> None:
        """A stream has something to send. To be followed by :meth:`wake`, or by the end of a pass of ours."""
        stream.starved = False
        self._queue.append(stream)

    def wake(self) -> None:
        """Send soon, together with what others have to say in this pass of the loop."""
        if self._wake is not None:
            self._wake.set()
        elif not self._writing and self.state is State.OPEN:
            self._writing = True
            self.listener.nursery.start_soon(self._write)

    def _pump(self) -> None:
        """Let streams send, in turn, until ``_AHEAD`` bytes of DATA are made or no stream can."""
        queue, session = self._queue, self.session
        made = 0
        while queue and made < _AHEAD:
            stream = queue.popleft()
            if stream.over:
                continue
            if not stream.pending:  # only the end is to be said, and that needs no window
                stream.send_some(0)
                continue
            room = session.room(stream.number)
            if room <= 0:
                stream.starve()
                continue
            made += stream.send_some(room)
            if stream.pending:
                queue.append(stream)

    def flush(self) -> None:
        """Send what there is: rounds of making DATA and handing it to the socket."""
        if self._pumping or not self.open:
            return
        self._pumping = True
        try:
            for _ in range(_ROUNDS):
                if not self._unsent:
                    self._pump()
                if not self._send() or not self._queue:
                    break
        finally:
            self._pumping = False
        self._go_on()

    def _go_on(self) -> None:
        self.backlog.settle(self)
        if not self.open:
            return
        if self.leaving and not self.streams and not self.unwanted and not self._unsent:
            self.close_gently()
        elif self._unsent or self._queue:
            self.wake()

    def _send(self) -> bool:
        """Hand what is made to the socket. True when all was taken."""
        made = self.session.take_output()
        data = self._unsent + made if self._unsent else made
        if not data:
            return True
        try:
            sent = self.sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._unsent = b""
            self._lost("the client closed the connection")
            return False
        if sent == len(data):
            self._unsent = b""
            self.send_at = math.inf
            if not self._reads:
                self._reads = True
                self.reactor.watch(self._fd, INPUT)
            return True
        if sent or not self._unsent:
            self.send_at = trio.current_time() + self.backlog.patience(self)
            self.due(self.send_at)
        self._unsent = data[sent:]
        if self._reads and len(self._unsent) > _UNSENT:
            self._reads = False
            self.reactor.ignore(self._fd)
        return False

    async def _write(self) -> None:
        """Send for the streams that have tasks, and wait for the socket."""
        try:
            while self.open:
                self.flush()
                if self._unsent:
                    await trio.lowlevel.wait_writable(self.sock)
                elif self._queue:
                    await trio.lowlevel.checkpoint()
                elif self.tasks:
                    self._wake = trio.Event()
                    await self._wake.wait()
                    self._wake = None
                else:
                    break
        except trio.ClosedResourceError:
            pass
        except Exception:
            log.exception("a connection failed")
            self.abort()
        finally:
            self._wake = None
            self._writing = False

    # ---- exchanges end ----

    def forget(self, stream: Http2Stream | Tunnel) -> None:
        """An exchange is over."""
        self.streams.pop(stream.number, None)
        if not self.streams:
            self._idle_at = self.reactor.now + self.listener.limits.idle_timeout
            self.due(self._idle_at)
            if self.leaving:
                self.wake()

    # ---- going away ----

    @property
    def open(self) -> bool:
        """Whether frames are exchanged."""
        return self.state is State.OPEN

    @property
    def idle(self) -> bool:
        """Whether nothing is in flight."""
        return self.open and not self.streams and not self._unsent and not self.session.unfinished

    @property
    def idle_until(self) -> float:
        """While it is idle: when it will have been for as long as it may. ``deadline`` may come earlier."""
        return self._idle_at

    def drain(self) -> None:
        """Serve what has begun, and what the client begins before it knows; then close."""
        if self.state is State.OPEN and self._final_at == math.inf and self._last is None:
            self.session.go_away(Codes.NO_ERROR, _SHUTTING_DOWN, last=_EVERY)
            self.session.ping(_FAREWELL)
            self._final_at = trio.current_time() + _FAREWELL_S
            self.due(self._final_at)
            for tunnel in self.tunnels:
                tunnel.drain()
            self.flush()

    def _say_final(self, why: str = _SHUTTING_DOWN) -> None:
        self._final_at = math.inf
        if self._last is None:
            self._last = self.session.last
            self.session.go_away(Codes.NO_ERROR, why)
            self.leaving = True

    def _broken(self, error: SessionOver) -> None:
        """The client broke the protocol or a limit: say so, and end."""
        log.debug("connection ended", reason=error.reason, code=int(error.code), remote=self.remote)
        if not self.session.over:
            self.session.go_away(error.code, error.reason)
            self.session.over = True
        self._end_streams("the client broke the protocol")
        if self.state is State.OPEN:
            self._send()
            self.close_gently()

    def let_go(self, reason: str) -> None:
        """Too much waits for this client, and for all."""
        self._broken(SessionOver(Codes.ENHANCE_YOUR_CALM, reason))

    def _lost(self, reason: str) -> None:
        """The client left, or does not read."""
        self._end_streams(reason)
        self.abort()

    def _end_streams(self, reason: str) -> None:
        for stream in list(self.streams.values()):
            stream.give_up(reason)
        self._queue.clear()
        self.backlog.release(self)

    def close_gently(self) -> None:
        """Shut our half, then wait for the client to close its own, so that no reset destroys our last words."""
        if self.state is not State.OPEN:
            return
        self.state = State.LINGERING
        self.deadline = self.reactor.now + self.listener.limits.linger_timeout
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self._stop_writing()
        if not self._reads:
            self._reads = True
            self.reactor.watch(self._fd, INPUT)

    def _stop_writing(self) -> None:
        if self._wake is not None:
            self._wake.set()
        elif self._writing:
            trio.lowlevel.notify_closing(self.sock)

    def abort(self) -> None:
        """Close with a reset."""
        reset_at_close(self.sock)
        self._close()

    def close(self) -> None:
        """Close the socket; a client that still listens is told."""
        if self.open and not self.session.over:
            self.session.go_away(Codes.NO_ERROR)
            with contextlib.suppress(OSError):
                self.sock.send(self._unsent + self.session.take_output())
        self._close()

    def _close(self) -> None:
        if self.state is State.CLOSED:
            return
        self.state = State.CLOSED
        self.session.over = True
        self.reactor.remove(self._fd)
        self._end_streams("the connection was closed")
        self._stop_writing()
        self.sock.close()
        self.session.release()
        self.listener.forget(self)
