"""One listening socket: accepting, and the connections that came of it until the last is gone."""

from __future__ import annotations

import contextlib
import errno
import math
import select
import socket
from collections.abc import Iterable, Iterator, Set
from typing import TYPE_CHECKING

import structlog
import trio

from nano_trio.runtime import descriptors
from nano_trio.web.admission import ConnectionLimits, RequestRates
from nano_trio.web.certificates import Certificates
from nano_trio.web.clients import TrustedProxies
from nano_trio.web.connection import Connection
from nano_trio.web.counts import WebCounts
from nano_trio.web.handshake import Handshake
from nano_trio.web.http1 import HeadParser
from nano_trio.web.proxied import Proxied
from nano_trio.web.reactor import Reactor
from nano_trio.web.router import RouteTable
from nano_trio.web.settings import ServerSettings
from nano_trio.web.slow_clients import SlowClients
from nano_trio.web.websocket import WebSocket

if TYPE_CHECKING:
    from trio import Nursery

    from nano_trio.web.http2 import Http2Connection

    Served = Connection | Handshake | Http2Connection | Proxied | WebSocket

__all__ = ["Begun", "Listener"]

Begun = Connection | Handshake
"""What a connection begins with."""

log = structlog.get_logger("nano_trio.web")

_FATAL = frozenset((errno.EBADF, errno.EINVAL, errno.ENOTSOCK, errno.EOPNOTSUPP))
_RETRY_S = 0.1
_COMPLAINS_EVERY_S = 60.0
"""A full server accepts one now and then."""
_AFTER_OTHERS_S = 0.001
"""How long a connection is left to a process that has fewer. It may be busy: then it is not waited for."""
_FIRST_REQUEST_S = 1.0
"""How long connections that have asked for nothing yet may begin to, where the listener stops."""


class Listener:
    """Accepts connections on one socket and owns them. Takes over ``sock``. With ``certificates`` it speaks TLS."""

    def __init__(
        self,
        sock: socket.socket,
        *,
        settings: ServerSettings,
        routes: RouteTable,
        reactor: Reactor,
        parse_head: HeadParser,
        counts: WebCounts,
        connection_limits: ConnectionLimits,
        slow_clients: SlowClients,
        certificates: Certificates | None = None,
        trusted: TrustedProxies | None = None,
        rates: RequestRates | None = None,
    ) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.routes = routes
        self.reactor = reactor
        self.parse_head = parse_head
        self.counts = counts
        self._backlog = settings.backlog
        self.limits = settings.limits
        self.access_log = settings.access_log
        self.request_ids = settings.request_ids
        self.start_traces = settings.start_traces
        self.dev = settings.dev
        self.accepted_at_once = settings.accepted_at_once
        self._shares = settings.shares
        self.certificates = certificates
        self.asks_clients = certificates is not None and certificates.asks_clients
        """Whether clients are asked for certificates."""
        self.trusted = trusted
        """The proxies whose word is believed; None where there are none."""
        self.rates = rates
        """How many requests a client may send; None: any number."""
        self.compression = settings.compression
        self._connection_limits = connection_limits
        self.slow_clients = slow_clients
        """What waits for the clients of all listeners."""
        self._proxy_protocol = settings.proxy_protocol
        self._refused_stranger = False
        self.scheme = "http://" if certificates is None else "https://"
        self.draining = False
        self.connections: set[Served] = set()
        self.nursery: Nursery
        """Runs the tasks of its connections; while :meth:`serve` runs."""
        name = sock.getsockname()
        self.port: int = name[1] if isinstance(name, tuple) else 0
        self.address = _authority(name)
        """``host:port`` for requests that name no host (HTTP/1.0)."""
        self._accepting: trio.CancelScope | None = None
        self._serving = trio.Event()
        self._stopped = trio.Event()
        self._idle: set[Connection] = set()
        """Draining: those that had nothing of a request when it began."""
        self._empty = trio.Event()

    def take(
        self,
        settings: ServerSettings,
        routes: RouteTable,
        certificates: Certificates | None,
        trusted: TrustedProxies | None,
        rates: RequestRates | None,
    ) -> None:
        """Other settings: how connections begin for those to come, all else for the requests to come."""
        self.limits = settings.limits
        self.access_log = settings.access_log
        self.request_ids = settings.request_ids
        self.start_traces = settings.start_traces
        self.compression = settings.compression
        if trusted is None and self.trusted is not None:
            for connection in self.connections:
                if type(connection) is Connection:
                    # What a proxy said with the last request holds no longer.
                    connection.remote, connection.scheme = connection.peer, self.scheme
        self.trusted = trusted
        self.rates = rates
        self._proxy_protocol = settings.proxy_protocol
        self.routes = routes
        if self.certificates is not None and certificates is not None:
            self.certificates = certificates
            self.asks_clients = certificates.asks_clients

    @property
    def counted(self) -> Iterator[Connection | Handshake | Http2Connection | WebSocket]:
        """The connections that count for a client: of the others a proxy has yet to say whose they are."""
        return (connection for connection in self.connections if not isinstance(connection, Proxied))

    async def serve(self) -> None:
        """Run the connections' tasks until :meth:`stop` and the end of the last. Cancelled: abort them all."""
        self._connection_limits.listeners.append(self)
        try:
            async with trio.open_nursery() as self.nursery:
                self._serving.set()
                await self._stopped.wait()
                await self.gone()
        finally:
            self._serving = trio.Event()
            self.abort()
            self._connection_limits.listeners.remove(self)

    async def accept(self) -> None:
        """Accept connections until :meth:`stop`. Raises OSError for a broken socket, having opened another for it."""
        if self._stopped.is_set():
            return
        with trio.CancelScope() as self._accepting:
            await self._serving.wait()
            # Stopped at a moment when this task was about to run: the cancellation comes too late for it.
            await trio.lowlevel.checkpoint_if_cancelled()
            try:
                await self._accept()
            except OSError:
                await trio.lowlevel.checkpoint_if_cancelled()
                self._renew()
                raise

    def _renew(self) -> None:
        """Another socket in the place of one that accepts no more."""
        sock = self.sock
        try:
            name, family = sock.getsockname(), sock.family
        except OSError:
            return
        trio.lowlevel.notify_closing(sock)
        sock.close()
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self.sock.setblocking(False)
        self.sock.bind(name)
        self.sock.listen(self._backlog)

    async def _accept(self) -> None:
        sock = self.sock
        reactor = self.reactor
        limits = self._connection_limits
        shares = self._shares
        short = False
        quiet_until = -math.inf
        while True:
            if shares is not None:
                shares.tell(limits.open)
            await trio.lowlevel.wait_readable(sock)
            if shares is not None and shares.more_than_others:
                await trio.sleep(_AFTER_OTHERS_S)
            reactor.now = trio.current_time()
            room = limits.room(reactor.now)
            if short:
                short = not descriptors.are_free(descriptors.for_clients())
                if short:
                    limits.shed(reactor.now)
            if not room or short:
                if reactor.now >= quiet_until:
                    why = "nearly all files that the system allows" if short else "as many connections as allowed"
                    log.error(f"accepting pauses: {why} are open", port=self.port)
                    quiet_until = reactor.now + _COMPLAINS_EVERY_S
                await trio.sleep(_RETRY_S)
                continue
            for _ in range(min(room, self.accepted_at_once)):
                try:
                    client, address = sock.accept()
                except (BlockingIOError, InterruptedError):
                    break
                except OSError as error:
                    if error.errno in _FATAL:
                        raise
                    if error.errno in descriptors.EXHAUSTED:
                        if reactor.now >= quiet_until:
                            log.error("cannot accept connections", reason=str(error), port=self.port)
                            quiet_until = reactor.now + _COMPLAINS_EVERY_S
                        limits.shed(reactor.now)
                        await trio.sleep(_RETRY_S)
                        break
                    continue
                short = not self._take_in(client, address)
                if short:
                    break

    def _accept_rest(self) -> None:
        """Accept who waits: with the end of the socket the system would reset them."""
        self.reactor.now = trio.current_time()
        for _ in range(min(self._backlog + 1, self._connection_limits.room(self.reactor.now))):
            try:
                client, address = self.sock.accept()
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                if error.errno in _FATAL or error.errno in descriptors.EXHAUSTED:
                    break
                continue
            if not self._take_in(client, address):
                break

    def _take_in(self, client: socket.socket, address: object) -> bool:
        """A connection was accepted. Whether there are descriptors for more."""
        more = client.fileno() < descriptors.for_clients()
        self.counts.accepted += 1
        try:
            client.setblocking(False)
            with contextlib.suppress(OSError):
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._begin(client, _remote(address))
        except OSError:
            client.close()
        return more

    def _begin(self, client: socket.socket, peer: str) -> None:
        """A connection was accepted."""
        if not self._proxy_protocol:
            self.admit(client, peer)
        elif self.trusted is not None and peer in self.trusted:
            Proxied(client, peer, self)
        else:
            # Loud once, for whoever sets this up; then quiet, for strangers could fill the log.
            say = log.debug if self._refused_stranger else log.warning
            say("PROXY protocol refused", reason="the peer is no trusted proxy", remote=peer)
            self._refused_stranger = True
            client.close()

    def admit(self, client: socket.socket, remote: str) -> Begun | None:
        """Serve a client's connection, unless it has as many as it may: then it is closed. Takes over the socket."""
        if not self._connection_limits.enter(remote):
            log.debug("connection refused: the client has too many", remote=remote)
            self.reactor.remove(client.fileno())
            client.close()
            if self.draining:
                self._settle()
            return None
        return (Connection if self.certificates is None else Handshake)(client, remote, self)

    def stop(self) -> None:
        """Drain: accept no more; requests in flight finish with ``Connection: close``, and so do those that have begun
        to arrive, and the first ones of connections that were accepted: those have a second to begin with it.

        Idle connections stay as long as others are busy: who sends a request now is told so by a 503, where a closed
        connection would leave it guessing. Then they are closed. HTTP/2 connections end with GOAWAY, WebSockets with
        the code 1001. Idempotent.
        """
        if self.draining:
            return
        if self._accepting is not None:
            self._accepting.cancel()
        if self.sock.fileno() >= 0:
            if self._serving.is_set():
                self._accept_rest()
            trio.lowlevel.notify_closing(self.sock)
            self.sock.close()
        self.draining = True
        self._stopped.set()
        fresh = {connection for connection in self.connections if _has_yet_to_ask(connection)}
        self._drain(self.connections - fresh)
        if fresh and self._serving.is_set():
            self.nursery.start_soon(self._drain_later)
        else:
            self._drain(fresh)

    async def _drain_later(self) -> None:
        """Who opens a connection does so to ask, and its request may be on its way."""
        with trio.move_on_after(_FIRST_REQUEST_S):
            await self._empty.wait()
        self._drain({connection for connection in self.connections if not isinstance(connection, WebSocket)})

    def _drain(self, connections: Set[Served]) -> None:
        silent = {connection for connection in connections if type(connection) is Connection and connection.idle}
        for connection in connections - silent:
            connection.drain()
        # With the last of those others the idle ones were closed, too, where they were known to be.
        self._idle.update(_without_input(silent & self.connections))
        self._settle()

    def still_serves(self, connection: Connection) -> bool:
        """Draining: whether a request that has come is served, for the last time."""
        return connection not in self._idle or connection.target is None

    def _settle(self) -> None:
        """Draining: close the idle connections once they are all there is."""
        if len(self._idle) == len(self.connections):
            # What has come this moment is read in the next.
            closing = _without_input(self._idle)
            # First: each of them says that it is closed, which leads here again.
            self._idle.difference_update(closing)
            for connection in closing:
                connection.drain()
            if not self.connections:
                self._empty.set()

    def abort(self) -> None:
        """Close all connections at once."""
        for connection in list(self.connections):
            connection.abort()
        if self._stopped.is_set():
            self._empty.set()

    async def gone(self) -> None:
        """Wait until a stopped listener's last connection is closed."""
        if self.connections:
            await self._empty.wait()

    def forget(self, connection: Served) -> None:
        """A connection is closed."""
        self.connections.discard(connection)
        if type(connection) is not Proxied:
            self._connection_limits.leave(connection.peer)
        if self._shares is not None:
            self._shares.tell(self._connection_limits.open)
        if self.draining:
            self._idle.discard(connection)
            self._settle()


def _has_yet_to_ask(connection: Served) -> bool:
    """Whether a connection is about to begin."""
    if type(connection) is Connection:
        return connection.idle and connection.target is None
    return isinstance(connection, Handshake | Proxied)


def _without_input(connections: Iterable[Connection]) -> list[Connection]:
    """Those whose sockets have no bytes, nor the end of them, that nobody has read yet."""
    by_number = {connection.sock.fileno(): connection for connection in connections}
    poll = select.poll()
    for number in by_number:
        poll.register(number, select.POLLIN)
    ready = {number for number, _ in poll.poll(0)}
    return [connection for number, connection in by_number.items() if number not in ready]


def _authority(name: object) -> str:
    if not isinstance(name, tuple):
        return "localhost"
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


def _remote(address: object) -> str:
    """The client's address without port and zone; an IPv4 one on a dual-stack socket in IPv4 notation."""
    if not isinstance(address, tuple):
        return ""
    host: str = address[0]
    return host.partition("%")[0].removeprefix("::ffff:")
