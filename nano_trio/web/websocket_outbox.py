"""The outgoing half of a WebSocket connection: what the app's end is given (``SocketPeer``).

Theory of operation
-------------------
Frames wait in a queue until :meth:`Outbox.flush` hands them to the socket, as many at once as there are. Who flushes,
and when:

- while the connection works through what it received, the outbox is *corked*: the answers to all of it leave together,
  in one call, when it is done (:meth:`~nano_trio.web.reactor.Reactor.flush_later`). An echo costs no task switch;
- otherwise :class:`~nano_trio.web.soon.Soon` does, after the turn that sends: many messages of one turn leave
  together, and a turn that sends to ten thousand connections holds up nobody;
- a broadcast to many comes in steps as it is, and each of its members has it at once (:meth:`Outbox.send_now`): where
  nothing waits, it need not be queued;
- what is large already (``_EAGER``) is flushed at once, so that it need not lie here;
- once the socket takes no more, the outbox is *blocked*, and the connection's task flushes when it is writable again.
  So it is when the socket has taken ``_AT_ONCE``, for a client may be as fast as we are: others run in between.

Only then is there back-pressure: ``buffered`` is 0 while nothing is known to be stuck. A client that takes no more, and
for which more waits than ``max_buffered``, when one more message is sent, is cut off (:meth:`Owner.cut_off`); its queue
is dropped, but for the frames that are on their way already.

Nothing here calls the app's end.
"""

from __future__ import annotations

from typing import Protocol

from nano_trio.actors.messages import SharedMessage, SocketLimits, SocketMessage
from nano_trio.runtime.pieces import LargeMessage, Pieces
from nano_trio.web.soon import Soon
from nano_trio.web.websocket_compression import compress, is_worth_compressing
from nano_trio.web.websocket_frames import BINARY, TEXT, frame, header

__all__ = ["Outbox", "Owner"]

_EAGER = 64 * 1024
_AT_ONCE = 256 * 1024
_PLAIN = "plain"
_LOOSE = 256
_SMALL = 64 * 1024


class Owner(Protocol):
    """The connection, as its outbox sees it. Nothing here calls the app's end before it returns."""

    def blocked(self) -> None:
        """Call ``unblock`` when the socket is writable."""

    def broken(self) -> None:
        """The socket failed."""

    def abort(self) -> None:
        """Close at once: we failed."""

    def sent(self) -> None:
        """The queue is empty, and no more messages are taken."""

    def cut_off(self) -> None:
        """The client does not read."""

    def close(self, code: int | None, reason: str) -> None:
        """The app asks for the closing handshake."""

    def read_on(self) -> None:
        """The app has caught up."""


class Sender(Protocol):
    """The outgoing half of a wire (``websocket.Wire``)."""

    def send(self, data: bytes | memoryview, /) -> int:
        """Take some of it, or raise BlockingIOError; another OSError: there is no wire any more."""


class Outbox:
    """Frames on their way to one client. ``window_bits``: of the compression that was agreed on, 0 for none."""

    __slots__ = (
        "_begun",
        "_limits",
        "_loose",
        "_owner",
        "_pending",
        "_queue",
        "_sock",
        "_soon",
        "_variant",
        "_window_bits",
        "corked",
        "is_blocked",
        "is_shut",
        "waiting",
    )

    def __init__(self, owner: Owner, sock: Sender, soon: Soon, limits: SocketLimits, window_bits: int) -> None:
        self._owner: Owner | None = owner
        self._sock = sock
        self._soon = soon
        self._limits = limits
        self._window_bits = window_bits
        self._variant = f"deflate {window_bits}" if window_bits else _PLAIN
        self._queue: list[bytes | Pieces] = []
        """Frames: bytes, or Pieces of which more than ``_AT_ONCE`` bytes are left."""
        self._begun = False
        """Whether the queue begins with the rest of a frame that is on its way."""
        self._pending: bytes | memoryview = b""
        """What was offered to the socket and not taken, while it is blocked."""
        self._loose = 0
        """Frames queued since the last that were joined."""
        self.waiting = 0
        """Bytes that are not with the socket, whether it was tried or not: in the queue, and pending."""
        self.corked = False
        self.is_blocked = False
        self.is_shut = False
        """Whether our Close is queued, or the connection over: no more messages are taken."""

    # ---- for the app's end: SocketPeer ----

    @property
    def buffered(self) -> int:
        """Bytes that wait for the socket; 0 while it takes all at once."""
        return self.waiting if self.is_blocked else 0

    def send(self, data: SocketMessage) -> int:
        """Queue a message; ``buffered`` then."""
        if not self.is_shut and (self.waiting <= self._limits.max_buffered or self.has_room()):
            self.push(_in_pieces(data) if isinstance(data, LargeMessage) else self._framed(data))
        return self.waiting if self.is_blocked else 0

    def send_shared(self, message: SharedMessage) -> None:
        """Queue a message whose frame many connections share."""
        if not self.is_shut and (self.waiting <= self._limits.max_buffered or self.has_room()):
            data = self._shared_frame(message)
            # Each has a place of its own in it; the bytes are the same.
            self.push(Pieces(data) if isinstance(data, Pieces) else data)

    def send_now(self, message: SharedMessage) -> None:
        """Send such a message at once, or queue it where others wait or it is large. Not for inside turns."""
        if not (self.waiting or self.is_shut):
            data = self._shared_frame(message)
            if isinstance(data, bytes):
                self._offer(data)
                return
        self.send_shared(message)

    def _shared_frame(self, message: SharedMessage) -> bytes | Pieces:
        found = message.frames.get(self._variant)
        if found is None:
            data = message.data
            found = _in_pieces(data) if isinstance(data, LargeMessage) else self._framed(data)
            message.frames[self._variant] = found
        return found

    def close(self, code: int | None, reason: str) -> None:
        """Begin the closing handshake after what is queued."""
        if self._owner is not None:
            self._owner.close(code, reason)

    def resume(self) -> None:
        """The app has caught up."""
        if self._owner is not None:
            self._owner.read_on()

    def _framed(self, data: str | bytes) -> bytes:
        opcode = BINARY
        if isinstance(data, str):
            opcode = TEXT
            data = data.encode("utf-8", "replace")
        if self._window_bits and is_worth_compressing(len(data)):
            return frame(opcode, compress(data, self._window_bits), compressed=True)
        return frame(opcode, data)

    # ---- for the connection ----

    def push(self, data: bytes | Pieces) -> None:
        """Queue bytes as they are. Pongs count like messages: who asks for them has to read them."""
        queue = self._queue
        queue.append(data)
        self.waiting += len(data)
        if self.is_blocked:
            self._loose += 1
            if self._loose == _LOOSE:
                self._join()
            return
        if self.waiting > _EAGER:
            self.flush()
        elif not self.corked and len(queue) == 1:
            self._soon.add(self)

    def _join(self) -> None:
        """Join the last frames if they are small: a megabyte of tiny ones must not take fifteen."""
        self._loose = 0
        last = self._queue[-_LOOSE:]
        if sum(map(len, last)) <= _SMALL:
            self._queue[-_LOOSE:] = [b"".join(map(bytes, last))]

    def has_room(self) -> bool:
        """Whether one more frame may be queued; if not, the client is cut off."""
        limit = self._limits.max_buffered
        if self.waiting <= limit:
            return True
        while self.waiting > limit and not self._pending:
            # Perhaps it only waits for others to run.
            self.is_blocked = False
            self.flush()
        if self.waiting > limit and self._owner is not None:
            self._owner.cut_off()
        return not self.is_shut

    def flush(self) -> None:
        """Hand over what waits, until the socket takes no more, or has taken much."""
        self.corked = False
        if self.is_blocked:
            return
        queue = self._queue
        taken = 0
        while queue:
            if taken >= _AT_ONCE:
                self._block()
                return
            if self.waiting <= _AT_ONCE:
                data = b"".join(map(bytes, queue))
                queue.clear()
                self.waiting = 0
                self._begun = False
            else:
                data = self._take()
            if not self._offer(data):
                return
            taken += len(data)
        if self.is_shut and self._owner is not None:
            self._owner.sent()

    work = flush

    def abort(self) -> None:
        """:meth:`flush` failed."""
        if self._owner is not None:
            self._owner.abort()

    def _offer(self, data: bytes | memoryview) -> bool:
        """Send ``data``, which is not counted as waiting. False: the socket takes no more, or it failed."""
        try:
            sent = self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            owner = self._owner
            self.discard()
            if owner is not None:
                owner.broken()
            return False
        if sent == len(data):
            return True
        self.waiting += len(data) - sent
        self._pending = memoryview(data)[sent:]
        self._block()
        return False

    def _block(self) -> None:
        self.is_blocked = True
        if self._owner is not None:
            self._owner.blocked()

    def _take(self) -> bytes:
        """As many frames as fit into one call, and one at least, or some of a frame that is in pieces."""
        queue = self._queue
        first = queue[0]
        if isinstance(first, Pieces):
            taken = first.next()
            self._begun = True
            if first.left <= _AT_ONCE:
                queue[0] = bytes(first)
        else:
            size = count = 0
            for data in queue:
                size += len(data)
                if count and size > _AT_ONCE:
                    break
                count += 1
            taken = first if count == 1 else b"".join(map(bytes, queue[:count]))
            del queue[:count]
            self._begun = False
        self.waiting -= len(taken)
        return taken

    def unblock(self) -> bool:
        """The socket is writable again. True when all has left that waited for it."""
        self.is_blocked = False
        pending, self._pending = self._pending, b""
        self.waiting -= len(pending)
        if not pending or self._offer(pending):
            self.flush()
        return not self.is_blocked

    def drop_queue(self) -> None:
        """Forget what is not on its way yet."""
        kept = self._queue[:1] if self._begun else []
        self.waiting -= sum(map(len, self._queue[len(kept) :]))
        self._queue[:] = kept

    def discard(self) -> None:
        """The connection is over: forget everything, and the connection."""
        self._queue.clear()
        self._pending = b""
        self.waiting = 0
        self.is_blocked = False
        self.is_shut = True
        self._owner = None


def _in_pieces(message: LargeMessage) -> Pieces:
    """Its frame, which is never compressed: that would take long."""
    first, *more = message
    return Pieces((header(TEXT if message.is_text else BINARY, len(message)) + first, *more))
