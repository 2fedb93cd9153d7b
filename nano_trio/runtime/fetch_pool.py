"""An app's connections to servers: those in use, those kept for the next request, and who waits for one.

At most ``MAX_CONNECTIONS`` are open. A request takes an idle connection to its origin (the one used last), else opens
one, closing the longest idle of another origin where the limit is reached, else waits its turn. An HTTP/2 connection
serves many requests at once; while nobody knows whether an https origin speaks it, a single request opens the
connection and the others wait to learn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import trio

from nano_trio.runtime.fetch_errors import FetchError
from nano_trio.runtime.fetch_http1 import Http1Connection
from nano_trio.runtime.held import Held
from nano_trio.runtime.net_connect import Connector, Origin
from nano_trio.runtime.pace import Pace

if TYPE_CHECKING:
    from nano_trio.runtime.fetch_http2 import Http2Connection

__all__ = ["IDLE_CONNECTION_S", "MAX_CONNECTIONS", "Connection", "ConnectionPool"]

MAX_CONNECTIONS = 100
IDLE_CONNECTION_S = 30.0
_MOST_KNOWN_ORIGINS = 1000

Connection: TypeAlias = "Http1Connection | Http2Connection"


class _Place:
    """What is known of one origin."""

    def __init__(self) -> None:
        self.idle: list[Http1Connection] = []
        self.http2: list[Http2Connection] = []
        self.speaks_http2: bool | None = None
        self.learning = trio.Lock()
        self.asking = 0
        """How many tasks are about to get a connection."""
        self.failures = 0
        """Attempts at a connection that failed while nobody knew; ``failure`` is the last one's."""
        self.failure: FetchError | None = None


class ConnectionPool:
    """Connections by origin. ``nursery`` runs what connections do in the background."""

    def __init__(self, connector: Connector, nursery: trio.Nursery, pace: Pace, new_held: Callable[[], Held]) -> None:
        self._pace = pace
        self._new_held = new_held
        self._connector = connector
        self._nursery = nursery
        self._places: dict[Origin, _Place] = {}
        self._most_places = _MOST_KNOWN_ORIGINS
        self._connections: dict[Connection, Origin] = {}
        self._opening = 0
        self._waiting: deque[trio.Event] = deque()

    @property
    def size(self) -> int:
        """How many connections are open or being opened."""
        return len(self._connections) + self._opening

    async def acquire(self, origin: Origin) -> Connection:
        """A connection for one exchange. Raises :class:`FetchError`."""
        place = self._place(origin)
        place.asking += 1
        try:
            return await self._acquire(origin, place)
        finally:
            place.asking -= 1

    async def _acquire(self, origin: Origin, place: _Place) -> Connection:
        while True:
            connection = self._take(place)
            if connection is not None:
                return connection
            if origin.scheme != "https" or self._is_plain(place):
                return await self._open(origin, place)
            failures = place.failures
            async with place.learning:
                connection = self._take(place)
                if connection is not None:
                    return connection
                if place.failure is not None and place.failures != failures:
                    # Of an attempt that this one has waited for: a dead host takes each its full time to find out.
                    raise place.failure.again()
                if not self._is_plain(place):
                    return await self._learn(origin, place)

    async def _learn(self, origin: Origin, place: _Place) -> Connection:
        try:
            return await self._open(origin, place)
        except FetchError as error:
            place.failures += 1
            place.failure = error.again()
            raise

    @staticmethod
    def _is_plain(place: _Place) -> bool:
        return place.speaks_http2 is False

    def _place(self, origin: Origin) -> _Place:
        place = self._places.get(origin)
        if place is None:
            if len(self._places) >= self._most_places:
                self._forget_unused()
            place = self._places[origin] = _Place()
        return place

    def _forget_unused(self) -> None:
        used = set(self._connections.values())
        self._places = {key: place for key, place in self._places.items() if place.asking or key in used}
        # Where nearly all are in use the next to come shall not look through them again.
        self._most_places = max(_MOST_KNOWN_ORIGINS, 2 * len(self._places))

    def _take(self, place: _Place) -> Connection | None:
        for shared in place.http2:
            if shared.has_room():
                return shared
        while place.idle:
            connection = place.idle.pop()
            if connection.is_usable():
                return connection
            connection.close()
        return None

    async def _open(self, origin: Origin, place: _Place) -> Connection:
        while self.size >= MAX_CONNECTIONS:
            if not self._close_oldest_idle():
                turn = trio.Event()
                self._waiting.append(turn)
                try:
                    await turn.wait()
                    await self._pace.turn()
                except BaseException:
                    if turn.is_set():
                        self._wake_next()
                    else:
                        self._waiting.remove(turn)
                    raise
            connection = self._take(place)
            if connection is not None:
                return connection
        self._opening += 1
        try:
            connected = await self._connector.connect(origin)
            try:
                await self._pace.turn()
            except BaseException:
                connected.close()
                raise
        except BaseException:
            self._opening -= 1
            self._wake_next()
            raise
        self._opening -= 1
        place.speaks_http2 = connected.http2
        if connected.http2:
            from nano_trio.runtime.fetch_http2 import Http2Connection  # is there since TLS was

            shared = Http2Connection(connected, self._nursery, self._pace, self._new_held, self._released)
            place.http2.append(shared)
            self._connections[shared] = origin
            return shared
        own = Http1Connection(connected, self._nursery, self._pace, self._released)
        self._connections[own] = origin
        return own

    def _released(self, connection: Connection) -> None:
        """A connection can take another request, or is closed."""
        origin = self._connections.get(connection)
        if origin is None:
            return
        place = self._place(origin)
        if connection.closed:
            del self._connections[connection]
            if not isinstance(connection, Http1Connection):
                place.http2.remove(connection)
            elif connection in place.idle:
                place.idle.remove(connection)
        else:
            connection.idle_since = trio.current_time()
            if isinstance(connection, Http1Connection):
                place.idle.append(connection)
        self._wake_next()

    def _wake_next(self) -> None:
        if self._waiting:
            self._waiting.popleft().set()

    def _idle(self) -> list[Connection]:
        idle: list[Connection] = []
        for place in self._places.values():
            idle += place.idle
            idle += [connection for connection in place.http2 if connection.is_idle()]
        return idle

    def _close_oldest_idle(self) -> bool:
        idle = self._idle()
        if not idle:
            return False
        min(idle, key=lambda connection: connection.idle_since).close()
        return True

    def close_expired(self) -> None:
        """Close what has idled for :data:`IDLE_CONNECTION_S`, and what servers have closed."""
        now = trio.current_time()
        for connection in self._idle():
            if now - connection.idle_since >= IDLE_CONNECTION_S or not connection.is_usable():
                connection.close()

    def close(self) -> None:
        """Close all connections. Never blocks."""
        for connection in list(self._connections):
            connection.close()
