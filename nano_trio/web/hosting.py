"""Hosting: a configuration becomes apps behind listeners. What ``nano-trio serve`` runs.

run ─┬─ registry: CPU scheduler, apps          (outlives the server, so that requests in flight can finish)
     └─ server: listeners, connections
"""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable

import structlog
import trio

from nano_trio.actors.registry import Registry
from nano_trio.config import Config
from nano_trio.logs import access_line
from nano_trio.web.router import Route, Router
from nano_trio.web.server import Server, serve
from nano_trio.web.settings import AccessRecord, Limits, ServerSettings

__all__ = ["Hosting", "host", "serve_until_signal"]

log = structlog.get_logger("nano_trio")


class Hosting:
    """A running server with its apps; :func:`host` makes it."""

    def __init__(self, config: Config, registry: Registry, server: Server) -> None:
        self.config = config
        self.registry = registry
        self.server = server

    @property
    def urls(self) -> list[str]:
        """Where the main listener answers, one URL an address."""
        return [
            f"http://{f'[{address}]' if ':' in address else address}:{port}" for address, port in self.server.addresses
        ]

    async def drain(self) -> None:
        """Stop accepting, let requests finish for at most ``drain_timeout_s``, then end."""
        timeout = self.config.drain_timeout_s
        started = trio.current_time()
        await self.server.drain(timeout)
        await self.registry.drain(max(0.0, timeout - (trio.current_time() - started)))


async def host(
    config: Config,
    *,
    dev: bool = False,
    access_log: bool = False,
    task_status: trio.TaskStatus[Hosting] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the configured apps until drained or cancelled; reports the :class:`Hosting` once every port is open.

    Raises OSError where a port cannot be had.
    """
    registry = Registry(config.apps, state_dir=config.state_dir, dev=dev)
    router = Router(Route(registry.apps[app.name], app.hostname, app.port, app.default) for app in config.apps)
    settings = ServerSettings(
        host=config.host,
        port=config.port,
        http=config.http.parser,
        limits=Limits(
            request_line=config.http.max_request_line_bytes,
            head=config.http.max_header_bytes,
            headers=config.http.max_headers,
            head_timeout=config.http.header_timeout_s,
            idle_timeout=config.http.keep_alive_timeout_s,
        ),
        drain_timeout=config.drain_timeout_s,
        dev=dev,
        access_log=_access_logger(config.log.format) if access_log else None,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(registry.run)
        server = await nursery.start(_serve_in, nursery, settings, router)
        task_status.started(Hosting(config, registry, server))


async def _serve_in(
    nursery: trio.Nursery, settings: ServerSettings, router: Router, *, task_status: trio.TaskStatus[Server]
) -> None:
    await serve(settings, router, task_status=task_status)
    # The server is gone, by drain; the apps' tasks end with it once Hosting.drain is through with them.


def _access_logger(format_: str) -> Callable[[AccessRecord], None]:
    access = structlog.get_logger("nano_trio.access")
    if format_ == "apache":

        def apache(record: AccessRecord) -> None:
            access.info(access_line(record.remote, record.method, record.url, record.status, record.bytes), raw=True)

        return apache

    def plain(record: AccessRecord) -> None:
        access.info(
            f"{record.method} {record.url} {record.status}",
            app=record.app,
            bytes=record.bytes,
            ms=round(record.duration * 1e3, 2),
            remote=record.remote,
            request=record.id,
            **({} if record.complete else {"complete": False}),
        )

    return plain


async def serve_until_signal(
    config: Config, *, dev: bool, access_log: bool, started: Callable[[Hosting], None]
) -> None:
    """Host until SIGINT or SIGTERM, then drain; a second signal ends at once. Raises OSError for a port in use."""
    async with trio.open_nursery() as nursery:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            hosting: Hosting = await nursery.start(_host, config, dev, access_log)
            _calm_garbage_collection()
            started(hosting)
            first = True
            async for number in signals:
                name = signal.Signals(number).name
                if not first:
                    log.warning("ending at once", signal=name)
                    break
                first = False
                log.info("draining", signal=name, timeout_s=config.drain_timeout_s)
                nursery.start_soon(_drain_then_end, hosting, nursery.cancel_scope)
            nursery.cancel_scope.cancel()


def _calm_garbage_collection() -> None:
    """What is here stays: keep the collector off it, and let it look at the rest less often (Python's ``gc``).

    A full collection stops everything for tens of milliseconds, and requests make next to no cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


async def _host(config: Config, dev: bool, access_log: bool, *, task_status: trio.TaskStatus[Hosting]) -> None:
    await host(config, dev=dev, access_log=access_log, task_status=task_status)


async def _drain_then_end(hosting: Hosting, scope: trio.CancelScope) -> None:
    await hosting.drain()
    scope.cancel()
