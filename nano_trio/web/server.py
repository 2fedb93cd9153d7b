"""The server: listeners, routes and the reactor, tied together."""

from __future__ import annotations

import socket
from collections.abc import Callable

import structlog
import trio

from nano_trio.web.http1 import HeadParser
from nano_trio.web.listener import Listener, open_sockets
from nano_trio.web.parser_h11 import h11_parser
from nano_trio.web.parser_httptools import httptools_parser
from nano_trio.web.reactor import Reactor
from nano_trio.web.router import Router
from nano_trio.web.settings import ServerSettings

__all__ = ["Server", "serve"]

log = structlog.get_logger("nano_trio.web")

_ENGINES: dict[str, Callable[[], HeadParser]] = {"httptools": httptools_parser, "h11": h11_parser}


class Server:
    """A running server; :func:`serve` makes it."""

    def __init__(self, settings: ServerSettings, router: Router, nursery: trio.Nursery, reactor: Reactor) -> None:
        self.settings = settings
        self.router = router
        self._nursery = nursery
        self._reactor = reactor
        self._parse_head = _ENGINES[settings.http]()
        self._listeners: dict[int | None, list[Listener]] = {}

    @property
    def port(self) -> int:
        """The main port, the real one when 0 was configured."""
        return self._listeners[None][0].port

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Address and port of every listening socket."""
        names = [listener.sock.getsockname() for group in self._listeners.values() for listener in group]
        return [(name[0], name[1]) for name in names]

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return sum(len(listener.connections) for group in self._listeners.values() for listener in group)

    def port_of(self, port: int) -> int:
        """The real port of the listener that was opened for an app's configured ``port``."""
        return self._listeners[port][0].port

    async def open(self, port: int | None = None) -> None:
        """Listen on the main port (None) or on an app's. Raises OSError, opening nothing, when that cannot be."""
        if port in self._listeners:
            return
        settings = self.settings
        number = settings.port if port is None else port
        sockets = list(settings.inherited.get(number, ()))
        if not sockets:
            sockets = await open_sockets(settings.host, number, settings.backlog)
        await self._listen(port, sockets)

    async def _listen(self, port: int | None, sockets: list[socket.socket]) -> None:
        group = self._listeners[port] = []
        for sock in sockets:
            listener = Listener(
                sock,
                settings=self.settings,
                routes=self.router.table(port),
                reactor=self._reactor,
                parse_head=self._parse_head,
            )
            group.append(listener)
            await self._nursery.start(listener.run)
            log.info("listening", address=listener.address)

    async def sync(self) -> None:
        """After the router's routes changed: open the ports that apps gained, stop those they lost.

        Raises OSError for a port that cannot be had; the others are served.
        """
        wanted = self.router.ports
        for port in list(self._listeners):
            if port is not None and port not in wanted:
                for listener in self._listeners.pop(port):
                    listener.stop()
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
        for group in self._listeners.values():
            for listener in group:
                listener.stop()
        with trio.move_on_after(self.settings.drain_timeout if timeout is None else timeout) as scope:
            for group in self._listeners.values():
                for listener in group:
                    await listener.gone()
        if scope.cancelled_caught:
            log.warning("drain deadline passed", aborted=self.connections)
        self._nursery.cancel_scope.cancel()


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
            reactor.now = trio.current_time()
            server = Server(settings, router, nursery, reactor)
            await server.open()
            await server.sync()
            task_status.started(server)
    finally:
        reactor.close()
