"""The server: listeners, routes and the reactor, tied together and supervised.

Three supervisors, in the order of their start: ``connections`` (the reactor, its sweep, and for each listener the
tasks of its connections), ``listeners`` (an accepting task for each socket) and ``operations`` (the watch over
certificates, and whatever else the process does on the side). A defect in one of them ends and restarts that one alone.

A change of settings or routes is made in steps, so that it happens whole or not at all. :meth:`Server.prepare` and,
just before the change, :meth:`Server.open_late` bind what is missing and may fail; :meth:`Server.commit` begins to
accept there, hands the settings to the listeners that stay, and stops those that are no longer wanted. New sockets
listen before the old are closed, and who waits at an old one is accepted first (:mod:`nano_trio.parent.sockets`): no
client is refused or lost. Where one group gives up a place that another takes, an app's port becomes the main one say,
the listeners there go from the one to the other: nothing is closed, and connections stay.
"""

from __future__ import annotations

import errno
import functools
import socket
from collections.abc import Awaitable, Callable, Sequence

import attrs
import structlog
import trio

from nano_trio.actors.child import ChildSpec, Restart
from nano_trio.actors.supervisor import Supervisor
from nano_trio.parent.sockets import Key as SocketKey
from nano_trio.web.admission import ConnectionLimits, RequestRates, default_max_connections
from nano_trio.web.certificates import Certificates
from nano_trio.web.clients import TrustedProxies
from nano_trio.web.counts import WebCounts
from nano_trio.web.http1 import HeadParser
from nano_trio.web.listener import Listener
from nano_trio.web.reactor import Reactor
from nano_trio.web.redirect import Redirects
from nano_trio.web.router import Router, RouteTable
from nano_trio.web.settings import ServerSettings
from nano_trio.web.slow_clients import SlowClients
from nano_trio.web.sockets import Scheme

__all__ = ["Opening", "Server", "serve"]

log = structlog.get_logger("nano_trio.web")

_SWEEP = "request rates"
_SWEEP_S = 5.0
_LAST_WORDS_S = 1.0
"""How long clients may take for what is answered when the time for a drain is over."""


@attrs.frozen(order=True)
class Key:
    """A group of listeners: an app's configured port or, 0, the main one; plain, or the HTTPS ones beside."""

    port: int
    tls: bool

    @property
    def scheme(self) -> Scheme:
        return "https" if self.tls else "http"


@attrs.frozen
class Place:
    """Where a group listens, as configured."""

    host: str | None
    port: int


@attrs.define
class Opening:
    """A change that can be made: what :meth:`Server.prepare` has bound for it."""

    settings: ServerSettings
    wanted: dict[Key, Place]
    sockets: dict[Key, list[socket.socket]]
    left: dict[Key, Place]
    """Groups that are not wanted any more, at least not there."""
    taken: dict[Key, Key]
    """Groups that take the place of one that leaves it, and which that is."""
    late: list[Key]
    """Only their host changes: bound just before the change, since clients come there from then on, some of them to no
    other place."""

    @property
    def given_up(self) -> dict[Key, Place]:
        """Where nobody will listen any more."""
        return {key: place for key, place in self.left.items() if key not in self.taken.values()}

    def close(self) -> None:
        """The change is not made after all."""
        for key, group in self.sockets.items():
            for sock in group:
                sock.close()
            self.settings.sockets.close(*_where(key, self.wanted[key]))


class Server:
    """A running server; :func:`serve` makes it, or whoever runs its supervisors."""

    def __init__(self, settings: ServerSettings, router: Router) -> None:
        self.settings = settings
        self.router = router
        self.counts = WebCounts()
        self.over = trio.Event()
        """Set at the end of :meth:`drain`."""
        self._reactor = reactor = Reactor()
        reactor.now = trio.current_time()
        self._parse_head = _parser(settings.http)
        self._trusted = TrustedProxies(settings.trusted_proxies)
        self._connection_limits = ConnectionLimits(*_connection_limits(settings), self._trusted)
        self._slow_clients = SlowClients(settings.limits.waiting)
        rate = _rate(settings)
        self._rates = None if rate is None else RequestRates(*rate)
        tasks = [
            ChildSpec(id="reactor", run=reactor.run),
            ChildSpec(id="deadlines", run=reactor.sweep),
            ChildSpec(id="soon", run=reactor.soon.run),
        ]
        if self._rates is not None:
            tasks.append(ChildSpec(id=_SWEEP, run=self._sweep))
        self._places: dict[Key, Place] = {}
        self._groups: dict[Key, list[Listener]] = {}
        self._leaving: list[Listener] = []
        self._stopped = False
        self._watching: dict[int, trio.CancelScope] = {}
        self._numbered = 0
        self.supervisors = (
            Supervisor("connections", tasks, apart=True),
            Supervisor("listeners", apart=True),
            Supervisor("operations", apart=True),
        )
        self._serving, self._accepting, self.operations = self.supervisors

    # -- what there is -----------------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The main port, the real one when 0 was configured."""
        return self._groups[Key(0, False)][0].port

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Address and port of every socket that listens for HTTP."""
        return self._names(tls=False)

    @property
    def secure_addresses(self) -> list[tuple[str, int]]:
        """Address and port of every socket that listens for HTTPS."""
        return self._names(tls=True)

    def _names(self, *, tls: bool) -> list[tuple[str, int]]:
        names = [each.sock.getsockname() for key, group in self._groups.items() if key.tls is tls for each in group]
        return [(name[0], name[1]) for name in names]

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return sum(len(listener.connections) for listener in self._all())

    def port_of(self, port: int) -> int:
        """The real port of the listener that was opened for an app's configured ``port``."""
        return self._groups[Key(port, False)][0].port

    def secure_port_of(self, port: int | None) -> int | None:
        """The real port of the HTTPS listener beside the main one (None) or an app's; None if there is none."""
        group = self._groups.get(Key(port or 0, True))
        return group[0].port if group else None

    def _all(self) -> list[Listener]:
        return [listener for group in self._groups.values() for listener in group] + self._leaving

    # -- change ------------------------------------------------------------------------------------------------------

    def _wanted(self, settings: ServerSettings, ports: set[int]) -> dict[Key, Place]:
        wanted = {Key(0, False): Place(settings.host, settings.port)}
        wanted |= {Key(port, False): Place(settings.host, port) for port in ports}
        for beside, secure in settings.secure.items():
            key = Key(beside or 0, True)
            if attrs.evolve(key, tls=False) in wanted:
                wanted[key] = Place(settings.host, secure.port)
        return wanted

    async def prepare(self, settings: ServerSettings, ports: set[int]) -> Opening:
        """Bind what these settings and the apps' ``ports`` need and is not there. Raises OSError, changing nothing.

        Its ``filename`` is the place that cannot be had.
        """
        wanted = self._wanted(settings, ports)
        left = {key: place for key, place in self._places.items() if wanted.get(key) != place}
        there = {_where(key, place): key for key, place in left.items()}
        missing = {key: place for key, place in wanted.items() if self._places.get(key) != place}
        taken = {key: there.pop(_where(key, place)) for key, place in missing.items() if _where(key, place) in there}
        opening = Opening(settings, wanted, {}, left, taken, [])
        given_up = {place.port for place in opening.given_up.values()}
        try:
            # A listener that takes any port comes last, lest the system choose one that another is configured for.
            for key, place in sorted(missing.items(), key=lambda item: (item[1].port == 0, item[0])):
                if key in taken:
                    continue
                try:
                    await _open(opening, key)
                except OSError as error:
                    if error.errno != errno.EADDRINUSE or place.port not in given_up:
                        raise
                    opening.late.append(key)
        except BaseException:
            opening.close()
            raise
        return opening

    async def open_late(self, opening: Opening) -> None:
        """Bind what :meth:`prepare` could not have while the old places are open; :meth:`commit` is to follow at once.

        Raises OSError where somebody else has it, changing nothing: ``opening`` is then the caller's to close.
        """
        leaving = [_where(key, place) for key, place in opening.given_up.items()]
        for key in opening.late:
            await _open(opening, key, leaving)

    async def commit(self, opening: Opening) -> None:
        """Make the change; what may fail of it has been done. Settings and routes are in force when this first waits.

        When it returns, this process has stopped listening where the change gives it up, and has accepted who waited.
        """
        self._take(opening.settings)
        left = {key: self._groups.pop(key) for key in opening.left}
        for key in opening.left:
            del self._places[key]
        ending = {key: left[key] for key in opening.given_up}
        for group in ending.values():
            self._leaving += group
        # HTTPS first: a plain listener that redirects must know where to.
        for key in sorted(opening.wanted, key=lambda key: not key.tls):
            self._places[key] = opening.wanted[key]
            if key in opening.sockets:
                self._groups[key] = [self._listen(sock, key) for sock in opening.sockets[key]]
                continue
            if key in opening.taken:
                self._groups[key] = left[opening.taken[key]]
            for listener in self._groups[key]:
                listener.take(
                    opening.settings, self._routes(key), self._certificates(key), self._trusted or None, self._rates
                )
        self._watch_certificates()
        for key, place in opening.given_up.items():
            # Meanwhile they accept: nobody who waits there is lost.
            await opening.settings.sockets.leave(*_where(key, place))
            for listener in ending[key]:
                listener.stop()
        self._leaving = [listener for listener in self._leaving if listener.connections]

    async def change(self, settings: ServerSettings, ports: set[int]) -> None:
        """Serve with these settings, and at the apps' ``ports``. Raises OSError, changing nothing."""
        opening = await self.prepare(settings, ports)
        try:
            await self.open_late(opening)
        except BaseException:
            opening.close()
            raise
        await self.commit(opening)

    def _take(self, settings: ServerSettings) -> None:
        """What holds for all listeners together: who is believed, and what clients may have."""
        before, self.settings = self.settings, settings
        if settings.trusted_proxies != before.trusted_proxies:
            self._trusted = TrustedProxies(settings.trusted_proxies)
        self._connection_limits.take(*_connection_limits(settings), self._trusted)
        rate = _rate(settings)
        if rate is None:
            self._rates = None
        elif self._rates is None:
            self._rates = RequestRates(*rate)
            if _SWEEP not in self._serving:
                self._serving.add(ChildSpec(id=_SWEEP, run=self._sweep))
        else:
            # The table goes on: what a client has used up is not given back to it.
            self._rates.take(*rate)

    async def _sweep(self) -> None:
        """Forget clients that have their whole burst again, for ever."""
        while True:
            await trio.sleep(_SWEEP_S)
            if self._rates is not None:
                self._rates.sweep(trio.current_time())

    def _routes(self, key: Key) -> RouteTable:
        secure = self.settings.secure.get(key.port or None)
        if secure is not None and secure.redirect and not key.tls:
            return Redirects(self._groups[Key(key.port, True)][0].port, self.router.table(key.port or None))
        return self.router.table(key.port or None)

    def _certificates(self, key: Key) -> Certificates | None:
        return self.settings.secure[key.port or None].certificates if key.tls else None

    def _listen(self, sock: socket.socket, key: Key) -> Listener:
        certificates = self._certificates(key)
        listener = Listener(
            sock,
            settings=self.settings,
            routes=self._routes(key),
            reactor=self._reactor,
            parse_head=self._parse_head,
            certificates=certificates,
            counts=self.counts,
            trusted=self._trusted or None,
            rates=self._rates,
            connection_limits=self._connection_limits,
            slow_clients=self._slow_clients,
        )
        self._numbered += 1
        id = f"{listener.scheme}{listener.address} ({self._numbered})"
        self._serving.add(
            ChildSpec(
                id=id,
                run=listener.serve,
                restart=Restart.TRANSIENT,
                snapshot=lambda: {"count": len(listener.connections)},
            )
        )
        self._accepting.add(ChildSpec(id=id, run=listener.accept, restart=Restart.TRANSIENT))
        if self._stopped:
            listener.stop()  # by a change that had begun before
            return listener
        log.info("listening", address=listener.address, **({"tls": True} if certificates else {}))
        return listener

    def _watch_certificates(self) -> None:
        for scope in self._watching.values():
            scope.cancel()
        self._watching.clear()
        for key in self._groups:
            certificates = self._certificates(key)
            if certificates is not None:
                scope = self._watching[key.port] = trio.CancelScope()
                self._numbered += 1
                self.operations.add(
                    ChildSpec(
                        id=f"certificates of port {self._groups[key][0].port} ({self._numbered})",
                        run=functools.partial(_watch, certificates, scope),
                        restart=Restart.TEMPORARY,
                    )
                )

    @property
    def certificate_faults(self) -> dict[str, str]:
        """The certificates whose files will not do at present, and why."""
        return {
            cert: why for key in self._groups if (tls := self._certificates(key)) for cert, why in tls.faults.items()
        }

    @property
    def certificate_expiries(self) -> dict[str, str]:
        """The certificates in use that have expired, soon will, or are not valid yet, with words that say so."""
        return {
            cert: said
            for key in self._groups
            if (tls := self._certificates(key))
            for cert, said in tls.expiries.items()
        }

    async def sync(self) -> None:
        """After the router's routes changed: open the ports that apps gained, stop those they lost.

        Raises OSError, changing nothing, for a port that cannot be had.
        """
        await self.change(self.settings, self.router.ports)

    def stop(self) -> None:
        """Accept no further connection, and no further request than those that have begun to arrive. Idempotent."""
        self._stopped = True
        self.settings.sockets.end()
        for listener in self._all():
            listener.stop()

    async def drain(self, timeout: float | None = None, give_up: Callable[[], Awaitable[object]] | None = None) -> None:
        """Stop gracefully; ``serve`` then returns. After ``timeout`` seconds (else the settings') abort the rest.

        ``give_up`` is called before, to have answered what can be: clients that were answered nothing get a reset.
        """
        self.stop()
        if not await self._gone_within(self.settings.drain_timeout if timeout is None else timeout):
            if give_up is not None:
                await give_up()
                await self._gone_within(_LAST_WORDS_S)
            log.warning("drain deadline passed", aborted=self.connections)
            for listener in self._all():
                listener.abort()
        self.over.set()

    async def _gone_within(self, seconds: float) -> bool:
        """Whether the last connection is closed in that time."""
        with trio.move_on_after(seconds):
            for listener in self._all():
                await listener.gone()
            return True
        return False

    def close(self) -> None:
        """Release what is left when the supervisors have ended."""
        self.stop()
        for listener in self._all():
            listener.abort()
        self._reactor.close()


def _connection_limits(settings: ServerSettings) -> tuple[int, int | None]:
    """How many connections there may be, and of one client."""
    limits = settings.limits
    return (
        default_max_connections() if limits.connections is None else limits.connections,
        limits.connections_per_client,
    )


def _rate(settings: ServerSettings) -> tuple[float, float] | None:
    """How many requests a second one client may send, and how many at once."""
    rate, burst = settings.limits.requests_per_s, settings.limits.request_burst
    return None if rate is None else (rate, rate if burst is None else burst)


async def _watch(certificates: Certificates, scope: trio.CancelScope) -> None:
    with scope:
        await certificates.watch()


def _where(key: Key, place: Place) -> tuple[Scheme, str | None, int]:
    """The place as those know it who open sockets (:data:`nano_trio.parent.sockets.Key`)."""
    return key.scheme, place.host, place.port


async def _open(opening: Opening, key: Key, leaving: Sequence[SocketKey] = ()) -> None:
    """Bind one of its places. Raises OSError, with the place as its ``filename``."""
    settings, place = opening.settings, opening.wanted[key]
    try:
        opening.sockets[key] = await settings.sockets.open(*_where(key, place), settings.backlog, leaving)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), _shown(place)) from None


def _shown(place: Place) -> str:
    host = place.host or "*"
    return f"{f'[{host}]' if ':' in host else host}:{place.port}"


async def serve(
    settings: ServerSettings, router: Router, *, task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve until drained or cancelled. Reports the :class:`Server` once every port is open.

    Opens the main port and one for each app that has its own. Raises OSError when one cannot be had.
    """
    server = Server(settings, router)
    try:
        async with trio.open_nursery() as nursery:
            for supervisor in server.supervisors:
                await nursery.start(supervisor.run)
            await server.sync()
            task_status.started(server)
            await server.over.wait()
            nursery.cancel_scope.cancel()
    finally:
        server.close()


def _parser(name: str) -> HeadParser:
    """The one of the two that is configured; nobody waits for the other."""
    if name == "h11":
        from nano_trio.web.parser_h11 import h11_parser

        return h11_parser()
    from nano_trio.web.parser_httptools import httptools_parser

    return httptools_parser()
