"""What waits for the client of one HTTP/2 connection, and which requests wait for that.

A hundred requests may be served at once, and each response may lie here until its window opens, or its socket takes
more: 25 MB of one connection. A client that takes what comes is to have that: a page with a hundred pictures on a slow
line is no fault of its reader's. But from one that takes nothing we learn so soon enough. So a connection for which
more than ``Limits.waiting_per_connection`` waits begins further requests as it takes what it has: for each byte
:data:`_FOR_EACH` more may wait. And it may stall for ``Limits.impatience`` only, for as long as it is above that.

Requests that have begun are answered whenever their apps do, so what they bring is not bounded here but for all
connections together (``slow_clients``). Those of trusted proxies carry many clients, and hold up none for another.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nano_trio.web.http2 import Http2Connection
    from nano_trio.web.http2_body import Http2Body
    from nano_trio.web.http2_stream import Http2Stream

__all__ = ["Backlog"]

_FOR_EACH = 64
_RECENT_S = 10.0
"""What was taken counts half after as long."""


class Backlog:
    """That of one connection, which it is told of and does not hold: they would hold each other. Sizes are bytes of
    content."""

    __slots__ = ("_delayed", "_hurries", "_recent", "_recent_at", "_taken", "_told", "size")

    def __init__(self) -> None:
        self.size = 0
        """What waits now; the streams add to it."""
        self._taken = 0
        self._delayed: deque[tuple[Http2Stream, bytes | Http2Body | None]] = deque()
        self._recent = 0
        self._recent_at = -math.inf
        self._told = False
        self._hurries = False

    def sent(self, count: int) -> None:
        """So much of it has become frames: there was a window for it, and the socket took what came before."""
        self.size -= count
        self._taken += count

    def patience(self, connection: Http2Connection) -> float:
        """Seconds that the client may take nothing."""
        limits = connection.listener.limits
        if self.size > limits.waiting_per_connection:
            return min(limits.impatience, limits.stall_timeout)
        return limits.stall_timeout

    def delays(self, connection: Http2Connection, stream: Http2Stream, body: bytes | Http2Body | None) -> bool:
        """Whether a request has to wait; then it is begun later. Its turn comes before those that come after it."""
        if not self._delayed and self._has_room(connection):
            return False
        self._delayed.append((stream, body))
        return True

    def _has_room(self, connection: Http2Connection) -> bool:
        listener = connection.listener
        if self.size <= listener.limits.waiting_per_connection + _FOR_EACH * self._recent:
            return True
        return listener.trusted is not None and connection.peer in listener.trusted

    def _hurry(self, connection: Http2Connection) -> None:
        """It has become too much: what stalls already must not do so for long, either."""
        latest = connection.reactor.now + self.patience(connection)
        for stream in connection.streams.values():
            if latest < stream.sending < math.inf:
                stream.sending = latest
        if latest < connection.send_at < math.inf:
            connection.send_at = latest
        connection.due(latest)

    def settle(self, connection: Http2Connection) -> None:
        """Something was sent, or is to be: begin what has room now, and tell what waits."""
        taken, self._taken = self._taken, 0
        if not self.size and not self._told:
            return
        now = connection.reactor.now
        if now > self._recent_at + _RECENT_S:
            self._recent //= 2
            self._recent_at = now
        self._recent += taken
        while self._delayed and self._has_room(connection):
            stream, body = self._delayed.popleft()
            if not stream.over:
                stream.begin(body)
        self._told = self.size > 0
        hurries = self.size > connection.listener.limits.waiting_per_connection
        if hurries and not self._hurries:
            self._hurry(connection)
        self._hurries = hurries
        connection.listener.slow_clients.hold(connection, self.size, taken)

    def release(self, connection: Http2Connection) -> None:
        """All streams are over."""
        self._delayed.clear()
        self._told = False
        connection.listener.slow_clients.hold(connection, 0)
