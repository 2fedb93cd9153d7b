"""One WebSocket that a client of an app opened, as ``web`` sees it.

Theory of operation. A connection's states:

    WAITING ──opened──► OPEN ──close()──► CLOSING ──► CLOSED
       └───────────────────closed()──────────────────────┘

It is WAITING from the app's 101 response until that is on its way; what the app sends meanwhile is kept, and sent then.
CLOSING: the app (or we) asked for the end, and messages that still come are dropped. Whatever ``web`` reports is a turn
of the isolate: opened, each message, drained, and closed, which is always the last. Turns of one connection run in the
order of arrival, in the one queue that the app's requests wait in.

Back-pressure. ``web`` reads on while :meth:`AppSocket.message` says True. It says False where too many messages of
this connection wait for their turn, or are with handlers that have not settled their promise, or where those of all
the app's connections together take too many bytes; ``resume`` is called when a quarter is left.

Messages that come in one pass, of several connections or of one, share a turn where they are small and those before
them took little time: see ``socket_messages``.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import trio

from nano_trio.actors.messages import Origin, SharedMessage, SocketMessage, SocketPeer
from nano_trio.actors.socket_messages import Messages
from nano_trio.engine.turn import Turn
from nano_trio.runtime.close_codes import POLICY_VIOLATION
from nano_trio.runtime.websocket_server import WANTS_DRAIN, WANTS_OPEN

if TYPE_CHECKING:
    from nano_trio.actors.sockets import Sockets

__all__ = ["AppSocket"]

MOST_WAITING = 64
"""Messages of one connection that may wait for their turn."""
MOST_WAITING_BYTES = 1 << 20
MOST_UNSETTLED = 1000
"""Messages of one connection that may be with asynchronous handlers."""
MOST_UNSETTLED_BYTES = 16 << 20
MOST_APP_BYTES = 32 << 20
"""Bytes of all the app's messages that wait for their turn."""
_MOST_EARLY_BYTES = 16 << 20
"""What may be sent before the 101 response has left."""
_BURST_S = 1.0
"""A client may use up the messages of so many seconds at once."""


class _State(enum.Enum):
    WAITING = enum.auto()
    OPEN = enum.auto()
    CLOSING = enum.auto()
    CLOSED = enum.auto()


_WAITING, _OPEN, _CLOSING, _CLOSED = _State.WAITING, _State.OPEN, _State.CLOSING, _State.CLOSED


class AppSocket:
    """Implements :class:`nano_trio.actors.messages.SocketHandler` and :class:`nano_trio.actors.rooms.Member`."""

    __slots__ = (
        "_allowance",
        "_allowed_at",
        "_early",
        "_held",
        "_sockets",
        "_state",
        "_unsettled",
        "_unsettled_bytes",
        "_waiting",
        "_waiting_bytes",
        "at_fault",
        "flushed",
        "number",
        "origin",
        "peer",
        "remote_address",
        "rooms",
        "wants",
        "wire",
    )

    def __init__(self, sockets: Sockets, number: int, remote_address: str, wants: int) -> None:
        self._sockets = sockets
        self.number = number
        self.remote_address = remote_address
        self.origin: Origin | None = None
        """The request that opened it: what its events lead to is logged and fetched on that one's behalf."""
        self.wants = wants
        self.rooms: dict[str, int] | None = None
        self.flushed = 0
        self.at_fault = False
        """A limit stopped the isolate in a turn of this connection."""
        self._state = _WAITING
        self.wire: SocketPeer | None = None
        """The wire's end, until the connection is over."""
        self.peer: SocketPeer | None = None
        """The same while it is OPEN."""
        self._early: _Early | None = None
        self._waiting = 0
        self._waiting_bytes = 0
        self._unsettled = 0
        self._unsettled_bytes = 0
        self._held = False
        self._allowance = 0.0
        self._allowed_at = 0.0

    # -- what web says -----------------------------------------------------------------------------------------------

    def opened(self, peer: SocketPeer) -> None:
        """The 101 response is on its way."""
        self.wire = peer
        counts = self._sockets.counts
        counts.sockets += 1
        counts.sockets_opened += 1
        if self._state is _WAITING:
            self._state = _OPEN
            self.peer = peer
        early, self._early = self._early, None
        if early is not None:
            counts.messages_out += len(early.messages)
            early.send(peer)
        if self.wants & WANTS_OPEN:
            sockets = self._sockets
            sockets.submit(Turn(sockets.begin_open, (self,), sockets.turn_ended, self))

    def message(self, data: SocketMessage) -> bool:
        """A message arrived: a turn, here and now where the isolate is free. False: no more until ``resume``."""
        if self._state is not _OPEN:
            return True
        sockets = self._sockets
        sockets.counts.messages_in += 1
        rate = sockets.incarnation.settings.max_messages_per_s
        if rate is not None and not self._is_allowed(rate):
            self.close(POLICY_VIOLATION, "too many messages")
            return True
        sockets.flush()
        message = Messages(sockets, [(self, data)])
        sockets.submit(message)
        if not message.is_over:
            message.wait()
        elif not (self._waiting or self._unsettled or sockets.incoming.waiting):
            return True
        if (
            self._waiting < MOST_WAITING
            and self._waiting_bytes < MOST_WAITING_BYTES
            and self._unsettled < MOST_UNSETTLED
            and self._unsettled_bytes < MOST_UNSETTLED_BYTES
            and sockets.incoming.waiting < MOST_APP_BYTES
        ):
            return True
        self._held = True
        sockets.held.add(self)
        return False

    def gather(self, data: SocketMessage) -> Sockets | None:
        """A message arrived that may wait for others (``Sockets.together``). None: :meth:`message` is to be called."""
        sockets = self._sockets
        if sockets.together < 2 or self._waiting or self._unsettled:
            return None
        gathered = sockets.gathered
        gathered.append((self, data))
        if len(gathered) >= sockets.together:
            sockets.flush()
        return sockets

    def drained(self) -> None:
        """There is room for more."""
        if self.wants & WANTS_DRAIN and self._state is _OPEN:
            sockets = self._sockets
            sockets.submit(Turn(sockets.begin_drain, (self,), sockets.turn_ended, self))

    def closed(self, code: int, reason: str, clean: bool) -> None:
        """The connection is over."""
        self._sockets.flush()
        if self._state is not _CLOSED:
            was_open = self.wire is not None
            if was_open:
                self._sockets.counts.sockets -= 1
            self._state = _CLOSED
            self.wire = self.peer = self._early = None
            self._sockets.ended(self, code, reason, clean, was_open)

    def _is_allowed(self, rate: float) -> bool:
        """A bucket of tokens: ``rate`` a second flow in, each message takes one."""
        now = trio.current_time()
        full = max(rate * _BURST_S, 1.0)
        if self._allowed_at:
            self._allowance = min(full, self._allowance + (now - self._allowed_at) * rate)
        else:
            self._allowance = full
        self._allowed_at = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    # -- what the app does -------------------------------------------------------------------------------------------

    def send(self, data: SocketMessage) -> int:
        """Queue a message; the bytes that are buffered then."""
        peer = self.peer
        if peer is not None:
            self._sockets.counts.messages_out += 1
            return peer.send(data)
        return self._keep(data, len(data)) if self._state is _WAITING else self.buffered

    def deliver(self, message: SharedMessage) -> None:
        """Queue a broadcast."""
        peer = self.peer
        if peer is not None:
            self._sockets.counts.messages_out += 1
            peer.send_shared(message)
        elif self._state is _WAITING:
            self._keep(message, len(message.data))

    def _keep(self, message: SocketMessage | SharedMessage, size: int) -> int:
        early = self._early = self._early or _Early()
        if early.size + size > _MOST_EARLY_BYTES:
            self.close(POLICY_VIOLATION, "too much was sent before the connection was open")
        elif early.end is None:
            early.size += size
            early.messages.append(message)
        return early.size

    def close(self, code: int | None, reason: str) -> None:
        """Begin the closing handshake."""
        peer = self.peer
        if peer is not None:
            self._state = _CLOSING
            self.peer = None
            peer.close(code, reason)
        elif self._state is _WAITING:
            self._state = _CLOSING
            self._early = self._early or _Early()
            self._early.end = (code, reason)

    @property
    def buffered(self) -> int:
        """Bytes that the socket has not taken yet."""
        if self.wire is not None:
            return self.wire.buffered
        return 0 if self._early is None else self._early.size

    # -- messages on their way through the app -----------------------------------------------------------------------

    def awaits(self, size: int) -> None:
        """An asynchronous handler has a message of ``size`` bytes."""
        self._unsettled += 1
        self._unsettled_bytes += size

    def settled(self, size: int) -> None:
        """It is done with it."""
        self._unsettled -= 1
        self._unsettled_bytes -= size
        self.resume_if_ready()

    def wait_for(self, size: int) -> None:
        """The turn of a message of so many bytes could not be run at once, or not to its end."""
        self._waiting += 1
        self._waiting_bytes += size
        self._sockets.incoming.waiting += size

    def waited_for(self, size: int) -> None:
        """Now it is over."""
        sockets = self._sockets
        was_full = sockets.incoming.waiting >= MOST_APP_BYTES // 4
        self._waiting -= 1
        self._waiting_bytes -= size
        sockets.incoming.waiting -= size
        self.resume_if_ready()
        if was_full and sockets.incoming.waiting < MOST_APP_BYTES // 4 and sockets.isolate.stopped is None:
            for held in list(sockets.held):
                held.resume_if_ready()

    def resume_if_ready(self) -> None:
        """Tell ``web`` to read on, where it was told to stop and the app has caught up."""
        if (
            self._held
            and self._waiting <= MOST_WAITING // 4
            and self._waiting_bytes <= MOST_WAITING_BYTES // 4
            and self._unsettled <= MOST_UNSETTLED // 4
            and self._unsettled_bytes <= MOST_UNSETTLED_BYTES // 4
            and self._sockets.incoming.waiting < MOST_APP_BYTES // 4
        ):
            self._held = False
            self._sockets.held.discard(self)
            if self.wire is not None:
                self.wire.resume()


class _Early:
    """What the app did before the connection was open."""

    __slots__ = ("end", "messages", "size")

    def __init__(self) -> None:
        self.messages: list[SocketMessage | SharedMessage] = []
        self.size = 0
        self.end: tuple[int | None, str] | None = None

    def send(self, peer: SocketPeer) -> None:
        for message in self.messages:
            if isinstance(message, SharedMessage):
                peer.send_shared(message)
            else:
                peer.send(message)
        if self.end is not None:
            peer.close(*self.end)
