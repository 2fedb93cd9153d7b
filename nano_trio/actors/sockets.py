"""An app's ends of the WebSockets that its clients opened.

Theory of operation. :class:`AppSocket` is one connection as ``web`` sees it; :class:`Sockets` has all those of one
incarnation and is what JavaScript calls. A connection's states:

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

A connection never outlives its isolate: where that is stopped in a turn of this connection it is closed with 1011, and
all others with 1012, "service restart"; where the app is drained or unloaded with 1001, "going away".
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import trio

from nano_trio.actors.counts import Counts, ErrorKind
from nano_trio.actors.incoming import Incoming
from nano_trio.actors.messages import Origin, OutgoingResponse, SharedMessage, SocketLimits, SocketMessage, SocketPeer
from nano_trio.actors.pages import going_away, plain_response
from nano_trio.actors.rooms import Congested, Rooms, TooManyRooms
from nano_trio.actors.socket_messages import Messages
from nano_trio.engine.native_calls import enters
from nano_trio.engine.turn import Entry, StopReason, Turn
from nano_trio.runtime.environment import Environment
from nano_trio.runtime.host import headers_of, text_of
from nano_trio.runtime.large import Large
from nano_trio.runtime.pieces import LargeMessage
from nano_trio.runtime.websocket_server import WANTS_DRAIN, WANTS_OPEN, message_of

if TYPE_CHECKING:
    from nano_trio.actors.incarnation import Incarnation
    from nano_trio.actors.settings import AppSettings

__all__ = ["AppSocket", "Sockets"]

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
_ENDS_AT_ONCE = 32
"""Connections closed in one pass: each costs a system call or two."""
_BURST_S = 1.0
"""A client may use up the messages of so many seconds at once."""

_OVERLOADED = plain_response(503, "Service Unavailable: the app has as many WebSockets as it may", ("retry-after", "1"))


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
        "_peer",
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
        self._peer: SocketPeer | None = None
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
        self._peer = peer
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
            self.close(1008, "too many messages")
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
            was_open = self._peer is not None
            if was_open:
                self._sockets.counts.sockets -= 1
            self._state = _CLOSED
            self._peer = self.peer = self._early = None
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
            self.close(1008, "too much was sent before the connection was open")
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
        if self._peer is not None:
            return self._peer.buffered
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
        if was_full and sockets.incoming.waiting < MOST_APP_BYTES // 4 and sockets._isolate.stopped is None:
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
            if self._peer is not None:
                self._peer.resume()


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


class Sockets:
    """The WebSockets of one incarnation: implements :class:`nano_trio.runtime.websocket_server.SocketHost`.

    Made in a turn, by the first file of the platform that needs it. ``spawn`` runs a task in the supervisor's nursery.
    """

    def __init__(
        self,
        incarnation: Incarnation,
        environment: Environment,
        rooms: Rooms,
        counts: Counts,
        log: Any,
        spawn: Callable[[Callable[[], Awaitable[Any]]], None],
    ) -> None:
        self.incarnation = incarnation
        self._environment = environment
        self._isolate = environment.isolate
        self._rooms = rooms
        self.counts = counts
        self._log = log
        self._spawn = spawn
        self._sockets: dict[int, AppSocket] = {}
        self._last = 0
        self._ending = 0
        self._is_closing = False
        self._entries: Any = None
        self.enter_message: Any = None
        self.submit = environment.isolate.submit
        self._size = 0
        self._limits_of: AppSettings | None = None
        self._known_limits = SocketLimits()
        self.incoming = Incoming(incarnation.settings.memory_mb * (1 << 20))
        self.held: set[AppSocket] = set()
        self.gathered: list[tuple[AppSocket, SocketMessage]] = []
        """Messages that are to be handed over together: implements :class:`nano_trio.actors.messages.Gathering`."""
        self._handed: list[tuple[AppSocket, SocketMessage]] = []
        """Those that :meth:`flush` is about."""
        self.together = 0
        """How many take half a slice, going by the last ones; 0 where that is not known, or each is to be counted."""

    @property
    def large(self) -> Large:
        """The isolate's large messages that are on their way."""
        return self._environment.large

    @property
    def open(self) -> int:
        """Connections that are not over, and those whose end the app has not been told yet."""
        return len(self._sockets) + self._ending

    # -- messages that came together ---------------------------------------------------------------------------------

    def flush(self) -> None:
        """Hand over what was gathered."""
        if self.gathered:
            self._handed, self.gathered = self.gathered, []
            messages = Messages(self, self._handed)
            self.counts.messages_in += len(self._handed)
            self.submit(messages)
            if not messages.is_over:
                messages.wait()
            self._handed = []

    def abort(self) -> None:
        """It failed: close those connections."""
        for socket, _ in self._handed:
            socket.close(1011, "")
        self._handed = []

    # -- turns -------------------------------------------------------------------------------------------------------

    def _entry_points(self) -> Any:
        entry_point = self._environment.entry_point
        self._entries = tuple(map(entry_point, ("socketMessage", "socketOpen", "socketDrain", "socketClose")))
        self.enter_message = self._entries[0]
        return self._entries

    @enters
    def begin_open(self, socket: AppSocket) -> None:
        """The first thing in the turn of an opened connection."""
        self._entries[1](socket.number)

    @enters
    def begin_drain(self, socket: AppSocket) -> None:
        """The first thing in the turn of a drained connection."""
        self._entries[2](socket.number)

    @enters
    def _begin_close(self, socket: AppSocket, code: int, reason: str, clean: bool, was_open: bool) -> None:
        self._entries[3](socket.number, code, reason, clean, was_open)

    def turn_ended(self, turn: Entry) -> None:
        """A turn of a connection has ended; a limit that stopped the isolate in it is that connection's doing."""
        if self._isolate.stopped is not None and turn.stopped is not StopReason.DISCARDED:
            turn.cause.at_fault = True

    def ended(self, socket: AppSocket, code: int, reason: str, clean: bool, was_open: bool) -> None:
        """A connection is over: it leaves its rooms, and the app is told."""
        del self._sockets[socket.number]
        self.held.discard(socket)
        self._rooms.leave_all(socket)
        self._ending += 1
        self.submit(Turn(self._begin_close, (socket, code, reason, clean, was_open), self._close_ended, socket))

    def _close_ended(self, turn: Turn) -> None:
        self._ending -= 1
        self.turn_ended(turn)
        self.incarnation.socket_ended()

    # -- SocketHost: called inside turns -----------------------------------------------------------------------------

    def accept(self, request: int, reason: str, headers: str | None, wants: int) -> int:
        """Answer a request with 101."""
        if self._is_closing:
            self.incarnation.answer_upgrade(request, going_away(), ErrorKind.DRAINING)
            return 0
        if len(self._sockets) >= self.incarnation.settings.max_connections:
            self.incarnation.answer_upgrade(request, _OVERLOADED, ErrorKind.CONNECTIONS_FULL)
            return 0
        if self._entries is None:
            self._entry_points()
        number = self._last + 1
        pairs: list[tuple[str, str]] = []
        if headers is not None:
            pairs = headers_of(text_of(headers))
        socket = AppSocket(self, number, "", wants)
        answered = self.incarnation.answer_upgrade(
            request, OutgoingResponse(101, text_of(reason), pairs, None, socket, self._limits())
        )
        if answered is None:
            return 0
        socket.remote_address = answered.remote_address
        socket.origin = answered.origin
        self._last = number
        self._sockets[number] = socket
        return number

    def _limits(self) -> SocketLimits:
        settings = self.incarnation.settings
        if settings is not self._limits_of:
            self._limits_of = settings
            self._known_limits = SocketLimits.of(settings, self.incoming)
        return self._known_limits

    def send(self, number: int, data: Any, is_text: bool) -> int:
        """Queue a message."""
        socket = self._sockets.get(number)
        if data is None:
            data = LargeMessage(self.large.take(), is_text=is_text)
        if socket is None:
            return 0
        if self._rooms.waiting:
            self._rooms.flush(socket)
        if type(data) is str and (peer := socket.peer) is not None:
            self.counts.messages_out += 1
            return peer.send(data)
        if type(data) is str or type(data) is LargeMessage:
            return socket.send(data)
        return socket.send(message_of(data, is_text))

    def close(self, number: int, code: int | None, reason: Any) -> None:
        """Begin the closing handshake."""
        socket = self._sockets.get(number)
        if socket is not None:
            self._rooms.flush(socket)
            socket.close(code, text_of(reason))

    def buffered(self, number: int) -> int:
        """The bytes that the socket has not taken yet."""
        socket = self._sockets.get(number)
        return 0 if socket is None else socket.buffered

    def remote_address(self, number: int) -> str:
        """The client's address."""
        socket = self._sockets.get(number)
        return "" if socket is None else socket.remote_address

    def failed(self, text: str, stack: str) -> None:
        """A handler threw or rejected."""
        self.counts.error(ErrorKind.WEBSOCKET)
        self._log.error("a websocket handler failed", error=str(self._environment.render(text, stack)))

    def awaits(self, number: int) -> int:
        """The handler of this turn's message is not done."""
        socket = self._sockets.get(number)
        if socket is not None:
            socket.awaits(self._size)
        return self._size

    def settled(self, number: int, size: int) -> None:
        """Such a handler is done."""
        socket = self._sockets.get(number)
        if socket is not None:
            socket.settled(size)

    def subscribe(self, number: int, room: Any) -> bool:
        """Enter a room."""
        socket = self._sockets.get(number)
        if socket is not None:
            try:
                self._rooms.join(text_of(room), socket)
            except TooManyRooms:
                return False
        return True

    def unsubscribe(self, number: int, room: Any) -> None:
        """Leave a room."""
        socket = self._sockets.get(number)
        if socket is not None:
            self._rooms.leave(text_of(room), socket)

    def subscribed(self, number: int, room: Any) -> bool:
        """Whether the connection is in the room."""
        socket = self._sockets.get(number)
        return socket is not None and socket.rooms is not None and text_of(room) in socket.rooms

    def publish(self, number: int, room: Any, data: Any, is_text: bool) -> int:
        """Send to all in a room but this connection."""
        large = LargeMessage(self.large.take(), is_text=is_text) if data is None else None
        try:
            return self._rooms.publish(text_of(room), large or message_of(data, is_text), self._sockets.get(number))
        except Congested:
            return -1

    def members(self, room: Any) -> list[int]:
        """The numbers of this isolate's connections in the room."""
        return [
            member.number
            for member in self._rooms.members(text_of(room))
            if isinstance(member, AppSocket) and member._sockets is self
        ]

    def count(self, room: Any) -> int:
        """How many of the app's connections are in the room."""
        return self._rooms.count(text_of(room))

    # -- the end -----------------------------------------------------------------------------------------------------

    def close_all(self, code: int, reason: str) -> None:
        """Close every connection, and accept none from now on; those at fault get 1011. Not from inside a turn."""
        self._is_closing = True
        left = list(self._sockets.values())

        def some() -> None:
            for socket in left[-_ENDS_AT_ONCE:]:
                self._rooms.flush(socket)
                if socket.at_fault:
                    socket.close(1011, "the app exceeded a limit")
                else:
                    socket.close(code, reason)
            del left[-_ENDS_AT_ONCE:]

        async def rest() -> None:
            while left:
                await trio.lowlevel.checkpoint()
                some()

        some()
        if left:
            self._spawn(rest)

    def release(self) -> None:
        """The isolate is about to be closed: nothing of it may be kept."""
        self._entries = self.enter_message = None
