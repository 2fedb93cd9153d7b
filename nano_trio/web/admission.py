"""How much one client may have, and all of them together: requests a second, connections.

Theory of operation
-------------------
*Rates* are token buckets in the form of the generic cell rate algorithm: for each client one number, the time at which
its bucket would be full again. A bucket that is full is no bucket: it is dropped. The table keeps its clients in the
order of their last admitted request, so what can be dropped lies in front, and each new client removes up to two of
those. Beyond ``_CLIENTS`` the oldest goes, full or not: memory is bounded, whoever asks.

*Connections* are counted by client while there is a limit, and compared with a total. When the total is reached the
connections that have been idle longest (a second at least) make room; when none is idle, accepting pauses, and clients
wait in the kernel's backlog. Trusted proxies are not counted: their connections carry many clients.

A client is an IPv4 address or an IPv6 /64 (``clients.client_key``).
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

from nano_trio.web.clients import TrustedProxies, client_key
from nano_trio.web.handshake import Handshake
from nano_trio.web.proxied import Proxied
from nano_trio.web.websocket import WebSocket

if TYPE_CHECKING:
    from nano_trio.web.listener import Listener

__all__ = ["ConnectionLimits", "RequestRates", "default_max_connections"]

_CLIENTS = 65_536
_IDLE_S = 1.0


class RequestRates:
    """At most ``rate`` requests a second for each client, after a burst of ``burst``."""

    def __init__(self, rate: float, burst: float, *, clients: int = _CLIENTS) -> None:
        self._interval = self._ahead = 0.0
        self._clients = clients
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self.take(rate, burst)

    def take(self, rate: float, burst: float) -> None:
        """Other numbers from now on; what clients have used up stays used up."""
        self._interval = 1.0 / rate
        self._ahead = (max(1.0, burst) - 1.0) * self._interval

    def __len__(self) -> int:
        return len(self._full_at)

    def retry_after(self, address: str, now: float) -> int:
        """0 admits a request of ``address`` at ``now`` (seconds, any clock); else whole seconds to wait."""
        key = client_key(address)
        if not key:
            return 0
        table = self._full_at
        full_at = table.get(key)
        if full_at is None or full_at < now:
            if full_at is None:
                self.sweep(now, 2)
                if len(table) >= self._clients:
                    table.popitem(last=False)
            full_at = now
        # A rounding error of the clock must not refuse the last request of a burst.
        excess = full_at - now - self._ahead
        if excess > 1e-6:
            return max(1, math.ceil(excess))
        table[key] = full_at + self._interval
        table.move_to_end(key)
        return 0

    def sweep(self, now: float, most: int | None = None) -> None:
        """Drop clients from the front whose buckets are full."""
        table = self._full_at
        while table and most != 0:
            key = next(iter(table))
            if table[key] > now:
                return
            del table[key]
            most = None if most is None else most - 1


def default_max_connections() -> int:
    """Nine tenths of the files that this process may open, and at least 64 less than all: the rest is for the apps."""
    try:
        import resource
    except ImportError:  # no such limit to read (Windows)
        return 10_000
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return 1_000_000
    return max(8, min(files * 9 // 10, files - 64))


class ConnectionLimits:
    """The connections of all listeners of a server together, and of each client."""

    def __init__(self, total: int, per_client: int | None, trusted: TrustedProxies) -> None:
        self.listeners: list[Listener] = []
        self._total = total
        self._per_client = per_client
        self._trusted = trusted
        self._counts: dict[str, int] = {}

    def take(self, total: int, per_client: int | None, trusted: TrustedProxies) -> None:
        """Other limits from now on. Connections that are open stay, and count."""
        self._total = total
        if (per_client, trusted) == (self._per_client, self._trusted):
            return
        self._per_client, self._trusted = per_client, trusted
        self._counts.clear()
        if per_client is not None:
            peers = (connection.peer for listener in self.listeners for connection in listener.counted)
            self._counts.update(Counter(client_key(peer) for peer in peers if client_key(peer) and peer not in trusted))

    @property
    def clients(self) -> int:
        """The number of clients that are counted."""
        return len(self._counts)

    def room(self, now: float) -> int:
        """How many connections may be accepted; where that is none, the longest idle ones are closed."""
        if self.open >= self._total:
            self.shed(now)
        return max(0, self._total - self.open)

    @property
    def open(self) -> int:
        """The connections that are open."""
        return sum(len(listener.connections) for listener in self.listeners)

    def shed(self, now: float) -> None:
        """Close the connections that have been idle longest, if for a second at least.

        Those that have yet to say who they are, or what, have deadlines of their own, which are short.
        """
        idle = [
            connection
            for listener in self.listeners
            for connection in listener.connections
            if not isinstance(connection, Handshake | Proxied | WebSocket)
            and connection.idle
            and connection.idle_until <= now + listener.limits.idle_timeout - _IDLE_S
        ]
        # All of them wait equally long, so the one whose time is up next has waited longest. A few at once, so that
        # a full server does not look through all its connections for each new one.
        for connection in heapq.nsmallest(max(1, self._total // 50), idle, key=lambda one: one.idle_until):
            connection.drain()

    def enter(self, address: str) -> bool:
        """Count a connection of a client; False: it has enough, and this one is not counted."""
        limit = self._per_client
        if limit is None or not (key := client_key(address)) or address in self._trusted:
            return True
        count = self._counts.get(key, 0)
        if count >= limit:
            return False
        self._counts[key] = count + 1
        return True

    def leave(self, address: str) -> None:
        """A connection that :meth:`enter` counted is closed."""
        if self._per_client is None or address in self._trusted:
            return
        key = client_key(address)
        count = self._counts.get(key, 0)
        if count > 1:
            self._counts[key] = count - 1
        else:
            self._counts.pop(key, None)
