"""The server: listeners, routes and the reactor, tied together."""

from __future__ import annotations

from collections.abc import Callable

import structlog
import trio

from nano_trio.web.admission import ConnectionLimits, RequestRates, default_max_connections
from nano_trio.web.certificates import Certificates
from nano_trio.web.clients import TrustedProxies
from nano_trio.web.counts import WebCounts
from nano_trio.web.http1 import HeadParser
from nano_trio.web.listener import Listener, open_sockets
from nano_trio.web.parser_h11 import h11_parser
from nano_trio.web.parser_httptools import httptools_parser
from nano_trio.web.reactor import Reactor
from nano_trio.web.redirect import Redirects
from nano_trio.web.router import Router, RouteTable
from nano_trio.web.settings import ServerSettings

__all__ = ["Server", "serve"]

log = structlog.get_logger("nano_trio.web")

_ENGINES: dict[str, Callable[[], HeadParser]] = {"httptools": httptools_parser, "h11": h11_parser}


class Server:
    """A running server; :func:`serve` makes it."""

    def __init__(self, settings: ServerSettings, router: Router, nursery: trio.Nursery, reactor: Reactor) -> None:
        self.settings = settings
        self.router = router
        self.counts = WebCounts()
        self._nursery = nursery
        self._reactor = reactor
        self._parse_head = _ENGINES[settings.http]()
        limits = settings.limits
        self._trusted = TrustedProxies(settings.trusted_proxies)
        self._connection_limits = ConnectionLimits(
            default_max_connections() if limits.connections is None else limits.connections,
            limits.connections_per_client,
            self._trusted,
        )
        self._rates: RequestRates | None = None
        if limits.requests_per_s is not None:
            burst = limits.requests_per_s if limits.request_burst is None else limits.request_burst
            self._rates = RequestRates(limits.requests_per_s, burst)
            nursery.start_soon(self._rates.run)
        self._listeners: dict[int | None, list[Listener]] = {}
        self._secure: dict[int | None, list[Listener]] = {}
        """The HTTPS listeners, by the plain ones that they stand beside."""
        self._watching: dict[int | None, trio.CancelScope] = {}

    @property
    def port(self) -> int:
        """The main port, the real one when 0 was configured."""
        return self._listeners[None][0].port

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Address and port of every socket that listens for HTTP."""
        return _names(self._listeners)

    @property
    def secure_addresses(self) -> list[tuple[str, int]]:
        """Address and port of every socket that listens for HTTPS."""
        return _names(self._secure)

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return sum(len(listener.connections) for listener in self._all())

    def port_of(self, port: int) -> int:
        """The real port of the listener that was opened for an app's configured ``port``."""
        return self._listeners[port][0].port

    def secure_port_of(self, port: int | None) -> int | None:
        """The real port of the HTTPS listener beside the main one (None) or an app's; None if there is none."""
        group = self._secure.get(port)
        return group[0].port if group else None

    def _all(self) -> list[Listener]:
        return [
            listener for groups in (self._listeners, self._secure) for group in groups.values() for listener in group
        ]

    async def open(self, port: int | None = None) -> None:
        """Listen on the main port (None) or on an app's. Raises OSError, opening nothing, when that cannot be."""
        if port in self._listeners:
            return
        routes = self.router.table(port)
        secure = self.settings.secure.get(port)
        if secure is None:
            self._listeners[port] = await self._listen(self.settings.port if port is None else port, routes)
            return
        encrypted = self._secure[port] = await self._listen(secure.port, routes, secure.certificates)
        try:
            self._listeners[port] = await self._listen(
                self.settings.port if port is None else port,
                Redirects(encrypted[0].port, routes) if secure.redirect else routes,
            )
        except OSError:
            self._stop(self._secure.pop(port))
            raise
        scope = self._watching[port] = trio.CancelScope()
        self._nursery.start_soon(_watch, secure.certificates, scope)

    async def _listen(
        self, number: int, routes: RouteTable, certificates: Certificates | None = None
    ) -> list[Listener]:
        settings = self.settings
        sockets = list(settings.inherited.get(number, ()))
        if not sockets:
            sockets = await open_sockets(settings.host, number, settings.backlog)
        group = []
        for sock in sockets:
            listener = Listener(
                sock,
                settings=settings,
                routes=routes,
                reactor=self._reactor,
                parse_head=self._parse_head,
                certificates=certificates,
                counts=self.counts,
                trusted=self._trusted or None,
                rates=self._rates,
                connection_limits=self._connection_limits,
            )
            group.append(listener)
            await self._nursery.start(listener.run)
            log.info("listening", address=listener.address, **({"tls": True} if certificates else {}))
        return group

    @staticmethod
    def _stop(group: list[Listener]) -> None:
        for listener in group:
            listener.stop()

    async def sync(self) -> None:
        """After the router's routes changed: open the ports that apps gained, stop those they lost.

        Raises OSError for a port that cannot be had; the others are served.
        """
        wanted = self.router.ports
        for port in list(self._listeners):
            if port is not None and port not in wanted:
                self._stop(self._listeners.pop(port))
                if port in self._secure:
                    self._stop(self._secure.pop(port))
                    self._watching.pop(port).cancel()
        failure: OSError | None = None
        for port in sorted(wanted):
            try:
                await self.open(port)
            except OSError as error:
                failure = failure or error
        if failure is not None:
            raise failure

    async def drain(self, timeout: float | None = None) -> None:
        """Stop gracefully; ``serve`` then returns. After ``timeout`` seconds (else the settings') abort the rest."""
        self._stop(self._all())
        with trio.move_on_after(self.settings.drain_timeout if timeout is None else timeout) as scope:
            for listener in self._all():
                await listener.gone()
        if scope.cancelled_caught:
            log.warning("drain deadline passed", aborted=self.connections)
        self._nursery.cancel_scope.cancel()


async def _watch(certificates: Certificates, scope: trio.CancelScope) -> None:
    with scope:
        await certificates.watch()


def _names(groups: dict[int | None, list[Listener]]) -> list[tuple[str, int]]:
    names = [listener.sock.getsockname() for group in groups.values() for listener in group]
    return [(name[0], name[1]) for name in names]


async def serve(
    settings: ServerSettings, router: Router, *, task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve until drained or cancelled. Reports the :class:`Server` once every port is open.

    Opens the main port and one for each app that has its own. Raises OSError when one cannot be had.
    """
    reactor = Reactor()
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reactor.run)
            nursery.start_soon(reactor.sweep)
            nursery.start_soon(reactor.soon.run)
            reactor.now = trio.current_time()
            server = Server(settings, router, nursery, reactor)
            await server.open()
            await server.sync()
            task_status.started(server)
    finally:
        reactor.close()
