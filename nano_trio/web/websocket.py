"""One WebSocket connection after its handshake: an actor between the wire and the app's end.

Theory of operation
-------------------
=========  ==================================================  =======================================================
state      meaning                                             leaves for
=========  ==================================================  =======================================================
OPEN       messages both ways                                  CLOSING (the app closes), ENDING (the client closes, or
                                                               it is failed), CLOSED (lost)
CLOSING    our Close is queued; what the client still says     ENDING (its Close came), CLOSED (lost, close_timeout)
           is read for its Close alone
ENDING     both said Close, or the client was failed; what     LINGERING, CLOSED (lost, close_timeout)
           is queued is still sent, what comes is thrown away
LINGERING  our half is shut                                    CLOSED (end of file, linger_timeout)
CLOSED     the socket is closed                                --
=========  ==================================================  =======================================================

Three parties move it, and each is one thing at a time in one thread:

- **the reactor**: input comes here (:meth:`ready`), is decoded, and each message is handed to the app's end at once;
  what that sends in answer leaves in one call (see ``websocket_outbox``). At most ``_AT_ONCE`` steps are made, then
  others have their turn (:meth:`work`);
- **the app's end**, inside turns: ``send``, ``close``, ``resume`` by way of the outbox. They note what is to be done
  and never call back;
- **the connection's own task** (:meth:`run`), which is parked until the socket takes no more, and then waits for it.
  When the task ends, however it ends, the connection is closed.

Heartbeat and time-outs are one deadline, which the reactor's sweep looks at. A Ping that is due is sent; the Pong must
carry its payload and be here within ``ping_timeout``. As long as bytes move while one of ours is queued or a frame of
the client's is arriving, the Pong is waited for: it cannot overtake them. While the app's end holds messages back,
nothing is read and hence no Pong is expected.

The app's end is told of the end exactly once: the client's close code, or ours where we failed the connection, or 1006.

All this goes on a :class:`Wire`: a socket, plain or with TLS, or a stream of an HTTP/2 connection (``http2_tunnel``),
for which what concerns the descriptor is done otherwise.
"""

from __future__ import annotations

import enum
import math
import os
import socket
from typing import TYPE_CHECKING, Protocol

import structlog
import trio

from nano_trio.actors.messages import SocketHandler, SocketLimits, Target
from nano_trio.runtime.close_codes import ABNORMAL, GOING_AWAY, INTERNAL_ERROR, POLICY_VIOLATION
from nano_trio.web.reactor import INPUT
from nano_trio.web.resets import reset_at_close
from nano_trio.web.websocket_compression import Compression
from nano_trio.web.websocket_frames import AGAIN, PING, PONG, Control, Decoder, Violation, close_frame, frame
from nano_trio.web.websocket_outbox import Outbox

if TYPE_CHECKING:
    from nano_trio.web.listener import Listener

__all__ = ["State", "WebSocket", "Wire"]

log = structlog.get_logger("nano_trio.web")

_RECEIVE = 64 * 1024
_AT_ONCE = 32
_SMALL = 4096
"""Bytes of a message that may wait for others."""
_LINGER_BYTES = 32 * 1024 * 1024
"""After its end: a client in the middle of a large message is to read our Close, not a reset."""


class State(enum.IntEnum):
    OPEN = 1
    CLOSING = 2
    ENDING = 3
    LINGERING = 4
    CLOSED = 5


_OPEN, _CLOSING, _ENDING, _LINGERING, _CLOSED = State


class Wire(Protocol):
    """What frames come and go by, with those methods of a non-blocking socket that are needed."""

    def fileno(self) -> int: ...
    def recv(self, size: int, /) -> bytes: ...
    def send(self, data: bytes | memoryview, /) -> int: ...
    def shutdown(self, how: int, /) -> None: ...
    def setsockopt(self, level: int, option: int, value: bytes, /) -> None: ...
    def close(self) -> None: ...


class WebSocket:
    """Takes over a wire from the HTTP connection that agreed to the upgrade."""

    __slots__ = (
        "_decoder",
        "_fd",
        "_handler",
        "_limits",
        "_lost",
        "_more",
        "_moved",
        "_parked",
        "_paused",
        "_ping",
        "_resumed",
        "_thrown_away",
        "_verdict",
        "_working",
        "deadline",
        "listener",
        "outbox",
        "peer",
        "reactor",
        "remote",
        "sock",
        "state",
        "target",
    )

    def __init__(
        self,
        sock: Wire,
        remote: str,
        listener: Listener,
        handler: SocketHandler,
        limits: SocketLimits,
        compression: Compression | None,
        target: Target | None,
    ) -> None:
        self.sock = sock
        self.target = target
        self.remote = remote
        self.peer = remote
        """The address that the connection counts for."""
        self.listener = listener
        self.reactor = listener.reactor
        self.state = _OPEN
        window_bits = compression.window_bits if compression is not None else 0
        self.outbox = Outbox(self, sock, self.reactor.soon, limits, window_bits)
        self._decoder = Decoder(limits.max_message, deflate=compression is not None, incoming=limits.incoming)
        self._handler: SocketHandler | None = handler
        """The app's end until it is told that the connection is over."""
        self._limits = limits
        self._fd = -1
        self._ping = b""
        """The payload of the Ping whose Pong is awaited."""
        self._moved = False
        """Whether bytes moved since the deadline was set."""
        self._paused = False
        """Whether the app's end holds messages back."""
        self._resumed = False
        """Whether it wants them again."""
        self._more = False
        """Whether what arrived is not worked through."""
        self._working = False
        """Whether :meth:`work` will be called."""
        self._lost = False
        """Whether the socket failed; :meth:`work` closes it."""
        self._thrown_away = 0
        self._verdict: tuple[int, str] | None = None
        """With what the app's end will be told of the end, by :meth:`work`."""
        self._parked: trio.lowlevel.Task | None = None
        self.deadline = math.inf
        self._beat()
        self._attach()

    # ---- the descriptor ----

    def _attach(self) -> None:
        self._fd = self.sock.fileno()
        self.listener.connections.add(self)
        self.reactor.add(self._fd, self)

    def _detach(self) -> None:
        """The wire is to be closed."""
        self.reactor.remove(self._fd)
        trio.lowlevel.notify_closing(self.sock)

    def _forget(self) -> None:
        """The wire is closed."""
        self.listener.forget(self)

    def _hold_back(self) -> None:
        """What the client sends stays where it is."""
        self.reactor.ignore(self._fd)

    def _let_come(self) -> None:
        self.reactor.watch(self._fd, INPUT)

    async def _writable(self) -> None:
        """Wait until the wire takes more. Raises ``trio.ClosedResourceError``. A checkpoint."""
        await trio.lowlevel.wait_writable(self.sock)

    # ---- the beginning ----

    def open(self, head: bytes, rest: bytes) -> None:
        """Send the handshake's response, unless that has left, and begin. ``rest`` is what the client sent after its
        request."""
        handler = self._handler
        assert handler is not None
        self.listener.nursery.start_soon(self.run)
        outbox = self.outbox
        outbox.corked = True
        if head:
            outbox.push(head)
        try:
            handler.opened(outbox)
        except Exception:
            self._failed_handler()
        outbox.corked = False
        outbox.flush()
        if rest:
            self._decoder.feed(rest)
            self._more = True
            self.work_soon()
        if self.listener.draining:
            self.drain()

    async def run(self) -> None:
        """The connection's task: it waits for a socket that takes no more. Raises nothing but cancellation."""
        try:
            while self.state is not _CLOSED:
                if self.outbox.is_blocked:
                    await self._writable()
                    self._moved = True
                    if self.outbox.unblock() and self.state is _OPEN:
                        self._drained()
                else:
                    self._parked = trio.lowlevel.current_task()
                    await trio.lowlevel.wait_task_rescheduled(self._give_up)
        except trio.ClosedResourceError:
            pass
        except Exception:
            log.exception("a connection failed", remote=self.remote)
        finally:
            self.abort()

    def _drained(self) -> None:
        if self._handler is not None:
            try:
                self._handler.drained()
            except Exception:
                self._failed_handler()

    def _give_up(self, _: object) -> trio.lowlevel.Abort:
        self._parked = None
        return trio.lowlevel.Abort.SUCCEEDED

    def _wake(self) -> None:
        if self._parked is not None:
            trio.lowlevel.reschedule(self._parked)
            self._parked = None

    # ---- what the reactor calls ----

    def ready(self) -> bool:
        """The socket has input."""
        if self._more or self._paused:
            return False
        try:
            data = self.sock.recv(_RECEIVE)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            data = b""
        if not data:
            self.close_socket()
        elif self.state < _ENDING:
            self._moved = True
            message = self._decoder.whole(data)
            if message is not None and self.state is _OPEN:
                # What :meth:`_take` comes to with a small message alone, as nearly all are.
                outbox = self.outbox
                outbox.corked = True
                gathering = self._handler.gather(message) if self._handler is not None else None
                if gathering is not None:
                    self.reactor.gather(gathering, outbox)
                else:
                    self._hand_over(message)
            else:
                self._decoder.feed(data)
                self._take()
        else:
            self._thrown_away += len(data)
            if self._thrown_away > _LINGER_BYTES:
                self.abort()
        return False

    def resume(self) -> bool:
        """Never called: :meth:`ready` leaves nothing to the reactor."""
        return False

    def expire(self) -> None:
        """The deadline has passed."""
        if self.state is _LINGERING:
            # All is said, and may still be in the kernel, for a client that is slow: a reset would destroy it.
            self.close_socket()
        elif self.state is not _OPEN:
            self.abort()
        elif self._paused:
            self._beat()
        elif not self._ping:
            payload = os.urandom(8)
            if self._limits.ping_timeout:
                self._ping = payload
                self._moved = False
                self.deadline = self.reactor.now + self._limits.ping_timeout
            else:
                self._beat()
            self.outbox.push(frame(PING, payload))
        elif self._moved and (self.outbox.waiting or self._decoder.in_frame):
            self._moved = False
            self.deadline = self.reactor.now + self._limits.ping_timeout
        else:
            log.debug("no Pong", remote=self.remote)
            self.abort()

    def _beat(self) -> None:
        """The next Ping is due after a whole interval."""
        interval = self._limits.ping_interval
        self.deadline = self.reactor.now + interval if interval else math.inf

    # ---- incoming ----

    def _hand_over(self, message: str | bytes) -> None:
        """Hand over a message with which nothing else arrived."""
        outbox, handler = self.outbox, self._handler
        outbox.corked = True
        try:
            if handler is not None and not handler.message(message):
                self._pause()
        except Exception:
            self._failed_handler()
        self._answered(outbox)

    def _answered(self, outbox: Outbox) -> None:
        """The app has had what arrived: its answers leave together."""
        outbox.corked = False
        if outbox.waiting or self.state is _ENDING:
            self.reactor.flush_later(outbox)

    def _take(self) -> None:
        """Work through what arrived, for a while."""
        outbox, handler = self.outbox, self._handler
        decoder = self._decoder
        decode = decoder.next
        gathering = None
        self._more = False
        outbox.corked = True
        try:
            for _ in range(_AT_ONCE):
                event = decode()
                if event is None:
                    break
                if type(event) is not Control:
                    if self.state is _OPEN and handler is not None:
                        if len(event) <= _SMALL and (found := handler.gather(event)) is not None:
                            gathering = found
                        elif not handler.message(event):
                            self._pause()
                            break
                    elif self.state >= _ENDING:
                        break
                elif event is not AGAIN:
                    if gathering is not None:
                        # What is answered to this comes behind what the app answers to those.
                        gathering.flush()
                    self._control(event)
                    if self.state >= _ENDING:
                        break
            else:
                self._more = True
        except Violation as violation:
            if gathering is not None:
                gathering.flush()
            self._fail(violation.code, violation.reason)
        except Exception:
            self._failed_handler()
        if gathering is not None:
            self.reactor.gather(gathering, outbox)
        else:
            self._answered(outbox)
        if self._more:
            self.work_soon()

    def _control(self, event: Control) -> None:
        if self.state >= _ENDING:
            return  # it was cut off in the middle of this
        if event.opcode == PING:
            if self.state is _OPEN and self.outbox.has_room():
                self.outbox.push(frame(PONG, event.payload))
        elif event.opcode == PONG:
            if self._ping and event.payload == self._ping and self.state is _OPEN:
                self._ping = b""
                self._beat()
        else:
            self._end(close_frame(event.code) if self.state is _OPEN else None)
            self._tell(event.code, event.reason, clean=True)

    def _pause(self) -> None:
        """The app's end holds messages back: they stay in the socket, and TCP tells the client."""
        if self.state is _OPEN:
            self._paused = True
            self._hold_back()

    def _unpause(self) -> None:
        if self._paused:
            self._paused = False
            if self.state is _OPEN:
                self._ping = b""
                self._beat()
            self._let_come()

    # ---- what the outbox calls ----

    def work_soon(self) -> None:
        """Have :meth:`work` called after what runs now."""
        if not self._working:
            self._working = True
            self.reactor.soon.add(self)

    def work(self) -> None:
        """Do what could not be done inside a turn, or was too much for one pass."""
        self._working = False
        if self.state is _CLOSED:
            return
        if self._lost:
            self.close_socket()
            return
        if self._verdict is not None:
            self._tell(*self._verdict, clean=False)
        if self._resumed:
            self._resumed = False
            if self._paused:
                self._unpause()
                self._more = True
        if self._more and self.state < _ENDING:
            self._take()
        else:
            self.outbox.flush()

    def blocked(self) -> None:
        """The socket takes no more: the task waits for it."""
        self._wake()

    def sent(self) -> None:
        """All has left: a connection that is ending shuts its half, so that no reset destroys its last words."""
        if self.state is _ENDING:
            self.state = _LINGERING
            self.deadline = self.reactor.now + self.listener.limits.linger_timeout
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                self._lose()

    def broken(self) -> None:
        """The socket failed."""
        self._lose()

    def read_on(self) -> None:
        """The app has caught up."""
        if self._paused:
            self._resumed = True
            self.work_soon()

    def cut_off(self) -> None:
        """The client does not read, and one message more is sent: 1008."""
        reason = "the client reads too slowly"
        self._verdict = (POLICY_VIOLATION, reason)
        self.outbox.drop_queue()
        self._end(close_frame(POLICY_VIOLATION, reason))
        self.read_on()
        self.work_soon()

    def close(self, code: int | None, reason: str) -> None:
        """Begin the closing handshake, after what is queued (RFC 6455 section 7.1.2)."""
        if self.state is _OPEN:
            self.state = _CLOSING
            self.deadline = self.reactor.now + self._limits.close_timeout
            self.outbox.push(close_frame(code, reason))
            self.outbox.is_shut = True
            self.read_on()

    # ---- the end ----

    def drain(self) -> None:
        """The server shuts down: say so, and wait for the client's Close."""
        self.close(GOING_AWAY, "the server is shutting down")

    def _fail(self, code: int, reason: str) -> None:
        """Fail the connection (RFC 6455 section 7.1.7)."""
        if self.state < _ENDING:
            self._end(close_frame(code, reason) if self.state is _OPEN else None)
            self._tell(code, reason, clean=False)

    def _failed_handler(self) -> None:
        log.exception("a WebSocket's handler failed", remote=self.remote)
        self._fail(INTERNAL_ERROR, "internal error")

    def _end(self, last_words: bytes | None) -> None:
        """Send what is queued and the Close frame, then shut our half (:meth:`sent`)."""
        self.state = _ENDING
        self._decoder.drop()
        self.deadline = self.reactor.now + self._limits.close_timeout
        self.outbox.is_shut = True
        if last_words is not None:
            self.outbox.push(last_words)

    def _tell(self, code: int, reason: str, *, clean: bool) -> None:
        """Tell the app's end that the connection is over, once."""
        handler, self._handler = self._handler, None
        if handler is not None:
            try:
                handler.closed(code, reason, clean)
            except Exception:
                log.exception("a WebSocket's handler failed", remote=self.remote)

    def _lose(self) -> None:
        """Close the socket, but not inside a turn."""
        self._lost = True
        self.work_soon()

    def abort(self) -> None:
        """Close with a reset: what is queued in the kernel is of no use any more."""
        if self.state is not _CLOSED:
            reset_at_close(self.sock)
            self.close_socket()

    def close_socket(self) -> None:
        """Close the socket. Where nothing was said of the end, the app's end is told 1006."""
        if self.state is _CLOSED:
            return
        self.state = _CLOSED
        self._detach()
        self.sock.close()
        self.outbox.discard()
        self._decoder.drop()
        self._wake()
        self._forget()
        self._tell(*(self._verdict or (ABNORMAL, "")), clean=False)
