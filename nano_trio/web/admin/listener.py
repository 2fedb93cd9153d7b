"""The admin listener: its sockets, its connections, and what its sessions share."""

from __future__ import annotations

import math
import socket
from collections import Counter

import structlog
import trio

from nano_trio.config import Admin
from nano_trio.runtime import net_policy
from nano_trio.runtime.descriptors import EXHAUSTED
from nano_trio.web.admin.audit import Refusals
from nano_trio.web.admin.http import HttpConnection
from nano_trio.web.admin.operations import Operations
from nano_trio.web.admin.rest import Rest
from nano_trio.web.admin.sampling import Feed, Figures, watch_tree
from nano_trio.web.admin.security import Gate, place_of
from nano_trio.web.admin.session import Session
from nano_trio.web.sockets import SocketSource

__all__ = ["AdminServer", "serve_admin"]

log = structlog.get_logger("nano_trio.admin")

_MAX_CONNECTIONS = 128
_MAX_OF_ONE = 64
"""Of one address: nobody locks the others out."""
_BACKLOG = 64
_RETRY_S = 0.1
_COMPLAINS_EVERY_S = 60.0


class AdminServer:
    """A running admin listener; :func:`serve_admin` makes it."""

    def __init__(self, config: Admin, operations: Operations, nursery: trio.Nursery) -> None:
        self.operations = operations
        self._loopback = config.is_loopback
        self.gate = Gate(config.token, config.hostnames)
        self.rest = Rest(self)
        self.refusals = Refusals()
        self.tree = Feed(nursery, watch_tree(operations))
        self.addresses: list[tuple[str, int]] = []
        self._nursery = nursery
        self._figures: dict[float, Feed] = {}
        self._connections: Counter[str] = Counter()
        """By the place that they come from."""
        self._complained = False
        self.sessions: set[Session] = set()
        self.strangers = trio.Lock()
        """Where WebSockets stand that have shown no token: one of them is read from in a pass of the loop."""

    @property
    def url(self) -> str:
        """Where the dashboard is."""
        host, port = self.addresses[0]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/"

    @property
    def connections(self) -> int:
        return self._connections.total()

    def take(self, config: Admin) -> bool:
        """Another token, other hostnames. Where it listens stays: so it is never without a token beyond loopback.

        False where nothing is taken, because it would be.
        """
        if config.token is None and not self._loopback:
            return False
        if self.gate.take(config.token, config.hostnames):
            # Who came in by the old one must show the new one.
            for session in self.sessions:
                session.turn_out()
        return True

    def figures(self, interval_s: float) -> Feed:
        """Samples at that interval, shared by all who want the same."""
        # Those that nobody follows any more hold nothing of worth.
        self._figures = {each: feed for each, feed in self._figures.items() if feed.followers}
        if interval_s not in self._figures:
            self._figures[interval_s] = Feed(self._nursery, Figures(self.operations, interval_s).produce)
        return self._figures[interval_s]

    async def accept(self, listener: trio.SocketListener) -> None:
        """Serve the connections of one socket until cancelled. Takes it over."""
        quiet_until = -math.inf
        async with listener, trio.open_nursery() as nursery:
            while True:
                try:
                    stream = await listener.accept()
                except OSError as error:
                    if error.errno not in EXHAUSTED:
                        raise
                    if trio.current_time() >= quiet_until:
                        log.error("cannot accept admin connections", reason=str(error))
                        quiet_until = trio.current_time() + _COMPLAINS_EVERY_S
                    await trio.sleep(_RETRY_S)
                else:
                    nursery.start_soon(self._serve, stream)

    async def _serve(self, stream: trio.SocketStream) -> None:
        try:
            await self.connected(stream)
        finally:
            await trio.aclose_forcefully(stream)

    async def connected(self, stream: trio.SocketStream) -> None:
        """Serve one connection."""
        try:
            local, remote = _address(stream.socket.getsockname()), _address(stream.socket.getpeername())
        except OSError:  # the client was gone before we looked
            await trio.aclose_forcefully(stream)
            return
        place = place_of(remote)
        if self._connections[place] >= _MAX_OF_ONE or self.connections >= _MAX_CONNECTIONS:
            if not self._complained:
                log.warning("too many admin connections", most=_MAX_CONNECTIONS, most_of_one=_MAX_OF_ONE, by=remote)
                self._complained = True
            await trio.aclose_forcefully(stream)
            return
        self._complained = False
        self._connections[place] += 1
        try:
            await HttpConnection(self, stream, local, remote).run()
        except Exception:
            log.exception("internal error in an admin connection")
        finally:
            self._connections[place] -= 1
            if not self._connections[place]:
                del self._connections[place]


async def serve_admin(
    config: Admin,
    operations: Operations,
    sockets: SocketSource,
    *,
    task_status: trio.TaskStatus[AdminServer] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; reports the :class:`AdminServer` once it listens. Raises OSError."""
    assert config.port is not None
    try:
        opened = await sockets.open("admin", config.host, config.port, _BACKLOG)
    except OSError as error:
        place = f"[{config.host}]:{config.port}" if ":" in config.host else f"{config.host}:{config.port}"
        raise OSError(error.errno, error.strerror or str(error), f"{place} for admin") from error
    names = [sock.getsockname() for sock in opened]
    reserved = {name[1] for name in names}
    net_policy.reserve(reserved)
    try:
        async with trio.open_nursery() as nursery:
            server = AdminServer(config, operations, nursery)
            server.addresses = [(name[0], name[1]) for name in names]
            for sock in opened:
                nursery.start_soon(server.accept, trio.SocketListener(_wrapped(sock)))
            log.info("admin listening", url=server.url, token=server.gate.needs_token)
            task_status.started(server)
    finally:
        net_policy.release(reserved)


def _wrapped(sock: socket.socket) -> trio.socket.SocketType:
    sock.setblocking(False)
    return trio.socket.from_stdlib_socket(sock)


def _address(name: object) -> str:
    return str(name[0]).partition("%")[0].removeprefix("::ffff:") if isinstance(name, tuple) else ""
