"""The WebSockets of one incarnation: what JavaScript calls, and the turns in which it is called.

Each is an :class:`~nano_trio.actors.app_socket.AppSocket`, which says how one connection comes and goes.

A connection never outlives its isolate: where that is stopped in a turn of this connection it is closed with 1011, and
all others with 1012, "service restart"; where the app is drained or unloaded with 1001, "going away".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import trio

from nano_trio.actors.app_socket import AppSocket
from nano_trio.actors.counts import Counts, ErrorKind
from nano_trio.actors.incoming import Incoming
from nano_trio.actors.messages import OutgoingResponse, SocketLimits, SocketMessage
from nano_trio.actors.pages import going_away, plain_response
from nano_trio.actors.rooms import Congested, Rooms, TooManyRooms
from nano_trio.actors.settings import AppSettings, in_bytes
from nano_trio.actors.socket_messages import Messages
from nano_trio.engine.native_calls import enters
from nano_trio.engine.turn import Entry, StopReason, Turn
from nano_trio.runtime.close_codes import INTERNAL_ERROR
from nano_trio.runtime.environment import Environment
from nano_trio.runtime.host import headers_of, text_of
from nano_trio.runtime.large import Large
from nano_trio.runtime.pieces import LargeMessage
from nano_trio.runtime.websocket_server import message_of

if TYPE_CHECKING:
    from nano_trio.actors.incarnation import Incarnation

__all__ = ["Sockets"]

_ENDS_AT_ONCE = 32
"""Connections closed in one pass: each costs a system call or two."""

_OVERLOADED = plain_response(503, "Service Unavailable: the app has as many WebSockets as it may", ("retry-after", "1"))


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
        self.isolate = environment.isolate
        self._rooms = rooms
        rooms.most_bytes = in_bytes(incarnation.settings.memory_mb)
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
        self.message_size = 0
        """Bytes of the message whose turn it is."""
        self._limits_of: AppSettings | None = None
        self._known_limits = SocketLimits()
        self.incoming = Incoming(in_bytes(incarnation.settings.memory_mb))
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
            socket.close(INTERNAL_ERROR, "")
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
        if self.isolate.stopped is not None and turn.stopped is not StopReason.DISCARDED:
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
            socket.awaits(self.message_size)
        return self.message_size

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
            if isinstance(member, AppSocket) and self._sockets.get(member.number) is member
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
                    socket.close(INTERNAL_ERROR, "the app exceeded a limit")
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
