"""WebSockets over HTTP/2: a stream in the place of a socket (RFC 8441).

Theory of operation
-------------------
An extended CONNECT begins as every request does (``http2_stream``): its app gets a GET that asks for a WebSocket, and
may answer with whatever it likes. Where it accepts, a :class:`Tunnel` takes the exchange's place in the connection. To
the connection it is a stream that has bytes to send and takes what arrives; to the WebSocket on it, a non-blocking
socket (``websocket.Wire``). The WebSocket is the one of HTTP/1.1, but that it has no descriptor: what a poll would
report, and report again, the tunnel tells it.

What TCP does for a socket, the tunnel does. It takes up to ``_BUFFER`` bytes to send, and then none until half of them
have left: so the app learns that a client does not read, and the other streams of the connection never do, for each has
its window and its turn. The client's window is opened as the WebSocket reads, so what an app holds back stays with the
client; in the midst of a large message it is a larger one, as an upload's is (``http2_body``). The ends (section 5):

=====================================  ================================================================================
at a socket                            here
=====================================  ================================================================================
``shutdown``; the client's FIN         END_STREAM behind what waits; the client's END_STREAM
a reset, either side's                 RST_STREAM with CANCEL; any RST_STREAM
``close``                              END_STREAM if none was said, when all that waits has left; a client that says
                                       none in turn is reset a moment later, as one is that goes on with a request that
                                       was answered (``http2_unwanted``)
the connection is lost                 the same; all its streams end
=====================================  ================================================================================

A tunnel is over when both have said their END_STREAM, or a reset has come or gone. WebSockets last, so they do not
count among the requests that a client may have at once: for each that is open it may have one stream more
(:class:`Tunnels`), up to ``_MOST`` of them.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

import structlog
import trio
from h2.errors import ErrorCodes as Codes

from nano_trio.web.http2_fields import Block, Malformed
from nano_trio.web.http2_session import MOST_STREAMS, STREAM_WINDOW, Session
from nano_trio.web.websocket import State, WebSocket

if TYPE_CHECKING:
    from nano_trio.web.http2 import Http2Connection

__all__ = ["Tunnel", "TunnelledWebSocket", "Tunnels"]

log = structlog.get_logger("nano_trio.web")

_BUFFER = 64 * 1024
_MOST = 256
"""As many as Chromium opens to one server, on whatever connections."""


class Tunnels:
    """The open ones of one connection."""

    __slots__ = ("_open", "_session")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._open: set[Tunnel] = set()

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Tunnel]:
        return iter(tuple(self._open))

    @property
    def full(self) -> bool:
        """Whether no more may be opened."""
        return len(self._open) >= _MOST

    def add(self, tunnel: Tunnel) -> None:
        """One was opened: the client may have a stream more."""
        self._open.add(tunnel)
        self._session.allow(MOST_STREAMS + len(self._open))

    def remove(self, tunnel: Tunnel) -> None:
        """One is over."""
        self._open.discard(tunnel)
        self._session.allow(MOST_STREAMS + len(self._open))


class Tunnel:
    """One stream: as the connection has it, beside :class:`~nano_trio.web.http2_stream.Http2Stream`, and as a wire."""

    __slots__ = (
        "_arrived",
        "_closed",
        "_connection",
        "_ended",
        "_extra",
        "_last",
        "_queued",
        "_resets",
        "_room",
        "_said",
        "_window",
        "number",
        "over",
        "pending",
        "sending",
        "socket",
        "starved",
    )

    def __init__(self, connection: Http2Connection, number: int, early: bytearray) -> None:
        """``early``: what came before; no window was given back for it."""
        self.number = number
        self.socket: TunnelledWebSocket | None = None
        """None once it has closed this."""
        self.over = False
        self.pending = bytearray()
        """What waits to be sent."""
        self.starved = False
        """Bytes are pending, and there is no window for them."""
        self.sending = math.inf
        """When what is left after :meth:`close` has waited for too long (Trio's clock; inf: nothing does)."""
        self._connection = connection
        self._arrived = early
        self._window = STREAM_WINDOW - len(early)
        """What the client may send now, with padding."""
        self._extra = 0
        """What was taken of the connection's pool for a larger window."""
        self._ended = False
        """The client has said its END_STREAM."""
        self._last = False
        """Ours follows after ``pending``."""
        self._said = False
        """It was sent."""
        self._closed = False
        self._resets = False
        self._queued = False
        """It stands in the connection's queue, or will again when there is a window."""
        self._room: trio.Event | None = None
        connection.tunnels.add(self)
        connection.tasks += 1  # the connection's own task stays, to send for it

    @property
    def deadline(self) -> float:
        """When :meth:`expire` is due."""
        return self.sending

    # ---- what the connection calls ----

    def arrived(self, data: bytes, size: int, *, ended: bool) -> None:
        """The client sent ``data``, which took ``size`` bytes of the window."""
        self._window -= size
        self._ended = ended
        if self.socket is not None:
            self._arrived += data
            self._connection.target = self.socket.target
            self.socket.arrived()
        else:
            self._give_back()
            self._settle()

    def trailers(self, block: Block) -> None:
        """A tunnel has none (RFC 9113 section 8.5). Raises :class:`Malformed`."""
        raise Malformed("HEADERS on a connected stream")

    def send_some(self, room: int) -> int:
        """Send at most ``room`` bytes of what is pending; return how many. With nothing pending: the end."""
        pending = self.pending
        piece = bytes(pending[:room])
        del pending[:room]
        self._queued = bool(pending)
        ended = self._last and not pending
        if piece or ended:
            self._connection.session.data(self.number, piece, ended=ended)
        if self._room is not None and len(pending) <= _BUFFER // 2:
            self._room.set()
        if ended:
            self._said = True
            self._settle()
        return len(piece)

    def starve(self) -> None:
        """There is no window for what is pending. Whether its client is alive is for the WebSocket to find out."""
        self.starved = True

    def expire(self, now: float) -> None:
        """A deadline of some stream has passed, maybe this one's."""
        if self.sending <= now:
            self.give_up("the client stalled", Codes.CANCEL)

    def give_up(self, reason: str, code: int | None = None) -> None:
        """End before the end; reset the stream with ``code``. Never blocks."""
        if self.over:
            return
        if code is not None:
            self._connection.session.reset(self.number, code)
        self._end()
        if self.socket is not None:
            log.debug("a WebSocket's stream ended", reason=reason, remote=self.socket.remote)
            self.socket.close_socket()

    def drain(self) -> None:
        """The listener stops."""
        if self.socket is not None:
            self.socket.drain()

    # ---- what the WebSocket calls ----

    @property
    def readable(self) -> bool:
        """Whether :meth:`recv` has something to say."""
        return self._ended or bool(self._arrived)

    def recv(self, size: int, /) -> bytes:
        """All that has arrived, however much, ``b""`` at the client's end. Raises BlockingIOError where that is yet to
        come."""
        if self._arrived:
            data = bytes(self._arrived)
            self._arrived.clear()
            self._give_back()
            return data
        if self._ended:
            return b""
        raise BlockingIOError

    def _give_back(self) -> None:
        connection = self._connection
        in_large = self.socket is not None and self.socket.in_large
        if in_large and not self._extra:
            self._extra = connection.pool.take()
        target = STREAM_WINDOW + (self._extra if in_large else 0)
        owed = target - self._window - len(self._arrived)
        if not in_large and owed >= 0:
            self._return_extra()
        # Not before it is worth a frame.
        if owed * 4 >= target and not self._ended:
            self._window += owed
            connection.session.credit(self.number, owed)
            connection.wake()

    def _return_extra(self) -> None:
        self._connection.pool.give_back(self._extra)
        self._extra = 0

    def send(self, data: bytes | memoryview, /) -> int:
        """Take some of it; return how many bytes. Raises BlockingIOError where there is no room, another OSError where
        nothing more can be sent."""
        if self.over or self._last:
            raise BrokenPipeError
        room = _BUFFER - len(self.pending)
        if room <= 0:
            raise BlockingIOError
        piece = memoryview(data)[:room]
        self.pending += piece
        self._queue()
        return len(piece)

    async def writable(self) -> None:
        """Wait until :meth:`send` takes more, or the tunnel is over. A checkpoint."""
        if self.over or len(self.pending) < _BUFFER:
            await trio.lowlevel.checkpoint()
            return
        self._room = trio.Event()
        try:
            await self._room.wait()
        finally:
            self._room = None

    def _queue(self) -> None:
        connection = self._connection
        if not self._queued:
            self._queued = True
            connection.enqueue(self)
        connection.wake()

    def shutdown(self, how: int, /) -> None:
        """Say END_STREAM behind what waits."""
        if self.over:
            raise BrokenPipeError
        if not self._last:
            self._last = True
            self._queue()

    def setsockopt(self, level: int, option: int, value: bytes, /) -> None:
        """After SO_LINGER, :meth:`close` is a reset."""
        self._resets = self._resets or option == socket.SO_LINGER

    def fileno(self) -> int:
        """There is none."""
        return -1

    def close(self) -> None:
        """End the stream; what waits is still sent, for as long as the client does not stall."""
        self.socket = None
        if self.over or self._closed:
            return
        self._closed = True
        self._arrived.clear()
        connection = self._connection
        if self._resets:
            connection.session.reset(self.number, Codes.CANCEL)
            self._end()
            return
        if not self._said:
            self.sending = connection.reactor.now + connection.listener.limits.stall_timeout
            connection.due(self.sending)
            self.shutdown(socket.SHUT_WR)
        self._settle()

    # ---- the end ----

    def _settle(self) -> None:
        """One half has ended: perhaps that was all."""
        if self._said and self._ended:
            self._end()
        elif self._said and self._closed:
            connection = self._connection
            self._end()
            connection.due(connection.unwanted.dismiss(self.number, None, connection.reactor.now))

    def _end(self) -> None:
        connection = self._connection
        self.over = True
        self._return_extra()
        self.pending.clear()
        self.sending = math.inf
        if self._room is not None:
            self._room.set()
        connection.tunnels.remove(self)
        connection.tasks -= 1
        connection.forget(self)
        connection.wake()


class TunnelledWebSocket(WebSocket):
    """A WebSocket whose wire is a :class:`Tunnel`."""

    __slots__ = ()
    sock: Tunnel

    def _attach(self) -> None:
        self.sock.socket = self
        self._fd = self.reactor.look_after(self)

    def _detach(self) -> None:
        self.reactor.leave(self._fd)

    def _forget(self) -> None:
        """The connection goes on."""

    def _hold_back(self) -> None:
        """What is not asked for stays in the tunnel."""

    def _let_come(self) -> None:
        """:meth:`work` reads on."""

    async def _writable(self) -> None:
        await self.sock.writable()

    @property
    def in_large(self) -> bool:
        """Whether a message has begun to arrive that is larger than a window."""
        return self._decoder.arriving > STREAM_WINDOW

    def arrived(self) -> None:
        """The client sent something, or its end. Raises nothing: a bug costs no more than this stream."""
        try:
            self._read_on()
        except Exception:
            log.exception("a connection failed", remote=self.remote)
            self.abort()

    def work(self) -> None:
        """Do what could not be done at once, then what a poll would report."""
        super().work()
        self._read_on()

    def _read_on(self) -> None:
        if self._may_read:
            self.ready()
            if self._may_read:
                # The client's end, after its last words: these are answered first.
                self.work_soon()

    @property
    def _may_read(self) -> bool:
        return self.state is not State.CLOSED and self.sock.readable and not (self._more or self._paused)
