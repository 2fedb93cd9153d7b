"""How a server comes up: a configuration becomes :class:`~nano_trio.web.hosting.Hosting`, alone or as one of several.

What it does besides, certificates and the admin listener say, is begun here too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import structlog
import trio

from nano_trio import logs
from nano_trio.actors.child import ChildSpec
from nano_trio.actors.registry import Registry
from nano_trio.config import Config, Overlay
from nano_trio.engine.threads import in_thread_or_here
from nano_trio.web.assembly import app_ports, local_hostnames, route, server_settings, uses_local_certificates
from nano_trio.web.certificates import CertificateError
from nano_trio.web.hosting import Hosting, report_overlay
from nano_trio.web.live import LiveReload
from nano_trio.web.load import Load
from nano_trio.web.parent_link import ParentLink
from nano_trio.web.router import Router
from nano_trio.web.server import Server
from nano_trio.web.settings import ServerSettings
from nano_trio.web.sockets import kept_free
from nano_trio.web.workers.calls import Calls
from nano_trio.web.workers.mesh import FIRST, Mesh

if TYPE_CHECKING:
    from nano_trio.web.admin.listener import AdminServer
    from nano_trio.web.admin.operations import Operations

__all__ = ["host"]

log = structlog.get_logger("nano_trio")

_RENEW_S = 12 * 3600.0


async def host(
    config: Config,
    *,
    dev: bool = False,
    access_log: bool = False,
    source: Callable[[], Config] | None = None,
    overlay: Overlay | None = None,
    link: ParentLink | None = None,
    fault: str | None = None,
    task_status: trio.TaskStatus[Hosting] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the configured apps until cancelled; reports the :class:`Hosting` once every port is open.

    ``source`` reads the configuration anew for reloads; ``overlay`` holds what was added and removed at run time.
    ``fault``: why this is not the configuration on disk but the last one that could be used.
    Raises OSError where a port cannot be had, and :class:`CertificateError` for certificates that cannot serve.
    """
    base = config
    if link is not None:
        config = link.as_started(config)
    if overlay is not None:
        config, dropped = await in_thread_or_here(overlay.apply, config)
        report_overlay(overlay, dropped)
        if (removed := overlay.removed & {app.name for app in base.apps}) and (link is None or link.worker == FIRST):
            log.info("configured apps that were removed at run time", apps=sorted(removed), kept_in=str(overlay.file))
    live = LiveReload() if dev else None
    registry = _registry(config, dev, link)
    router = Router(route(app, registry.apps[app.name], live) for app in config.apps)
    settings = await in_thread_or_here(
        functools.partial(server_settings, config, dev=dev, access_log=access_log, live=live)
    )
    if link is not None:
        link.on_quarantine = registry.quarantine
        link.on_doors = registry.close_doors
        settings = _supervised(settings, link)
    server = Server(settings, router)
    load = Load()
    hosting = Hosting(
        config,
        registry,
        server,
        load,
        base=base,
        source=source,
        overlay=overlay,
        dev=dev,
        access_log=access_log,
        link=link,
        live=live,
    )
    if fault is not None:
        log.error("the configuration on disk cannot be used; the last one that could be is", reason=fault)
        hosting.fault = fault
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(hosting.root.run)
            if link is not None and hosting.mesh is not None:
                await _join(hosting, hosting.mesh, link)
            # What the first worker's admin will listen on must not become the port of a listener that takes any.
            async with kept_free(config.admin.host, config.admin.port):
                await server.change(settings, app_ports(config.apps))
            if hosting.calls is not None:
                hosting.calls.begin()
            hosting.operations.add(ChildSpec(id="loop lag", run=load.run))
            hosting.operations.add(ChildSpec(id="dropped log lines", run=logs.report_dropped))
            hosting.operations.add(ChildSpec(id="certificate renewal", run=functools.partial(_renew, hosting)))
            # Of several workers the first answers for all.
            if config.admin.port is not None and (link is None or link.worker == FIRST):
                await hosting.operations.start_child(
                    ChildSpec(id="admin", run=functools.partial(_admin, hosting), reports=True)
                )
            if hosting.mesh is not None:
                # What was added or removed before the others knew this worker.
                hosting.spawn("follow", hosting.follow)
            await hosting.forget_removals()
            task_status.started(hosting)
    finally:
        server.close()


def _registry(config: Config, dev: bool, link: ParentLink | None) -> Registry:
    """The apps, with what the parent remembers of them: which are quarantined, and which were drained."""
    return Registry(
        config.apps,
        state_dir=config.state_dir,
        dev=dev,
        esbuild=config.esbuild,
        drain_timeout_s=config.drain_timeout_s,
        turns=None if link is None else link.turns,
        quarantined=None if link is None else link.quarantined,
        closed=frozenset() if link is None else link.closed,
    )


def _supervised(settings: ServerSettings, link: ParentLink) -> ServerSettings:
    """The same for a worker: the parent has the sockets, and each worker its share of the connections."""
    # Among several, one that is busy leaves the next connection to one that is not.
    at_once = settings.accepted_at_once if link.workers == 1 else 1
    return attrs.evolve(settings, sockets=link, accepted_at_once=at_once, shares=link.shares)


async def _admin(hosting: Hosting, *, task_status: trio.TaskStatus[AdminServer]) -> None:
    # Only who has admin waits for its protocols.
    from nano_trio.web.admin.all_workers import AllWorkers, gather_lines
    from nano_trio.web.admin.hosted import HostedOperations
    from nano_trio.web.admin.listener import serve_admin

    with HostedOperations(hosting) as here:
        operations: Operations = here
        if hosting.calls is not None:
            operations = AllWorkers(hosting, here, hosting.calls)
            gather_lines(hosting)
        async with trio.open_nursery() as nursery:
            sockets = hosting.server.settings.sockets
            hosting.admin = await nursery.start(serve_admin, hosting.config.admin, operations, sockets)
            task_status.started(hosting.admin)


async def _join(hosting: Hosting, mesh: Mesh, link: ParentLink) -> None:
    """Become one of several workers: reachable for the others before the first client comes."""
    from nano_trio.web.admin.all_workers import answer_first, send_lines

    await hosting.operations.start_child(ChildSpec(id="bus", run=mesh.run, reports=True))
    assert hosting.rooms is not None
    hosting.operations.add(ChildSpec(id="room counts", run=hosting.rooms.run))
    hosting.calls = calls = Calls(mesh)
    answer_first(calls, hosting)
    await hosting.operations.start_child(ChildSpec(id="answers", run=calls.run, reports=True))

    def left(worker: int) -> None:
        # It may have been about to tell what it had added or removed.
        if hosting.operations.takes_children:
            hosting.spawn("follow", hosting.follow)

    mesh.watch(lambda worker: None, left)
    if mesh.me != FIRST and hosting.config.admin.port is not None:
        hosting.operations.add(ChildSpec(id="log lines", run=functools.partial(send_lines, hosting)))
    await link.meet(mesh.connect)
    await mesh.known()


async def _renew(hosting: Hosting) -> None:
    """Renew local certificates that near their end while the server runs; the listeners see the new files."""
    while True:
        await trio.sleep(_RENEW_S)
        config = hosting.config
        if uses_local_certificates(config):
            from nano_trio.web.local_ca import LocalCertificates

            renew = functools.partial(LocalCertificates(config.tls.certs).ensure, local_hostnames(config), serving=True)
            try:
                await in_thread_or_here(renew)
            except CertificateError as error:
                log.error("local certificates cannot be renewed", reason=str(error))
