"""Hosting: a configuration becomes apps behind listeners. What ``nano-trio serve`` runs.

run ─┬─ registry: CPU scheduler, apps          (outlives the server, so that requests in flight can finish)
     └─ server: listeners, connections
"""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable, Sequence

import structlog
import trio

from nano_trio import logs
from nano_trio.actors.registry import Registry
from nano_trio.config import App, Config
from nano_trio.logs import access_line
from nano_trio.web.certificates import Certificates, Pair, TLSSettings
from nano_trio.web.compression import CompressionSettings, Compressor
from nano_trio.web.load import Load
from nano_trio.web.local_ca import CertificateError, LocalCertificates
from nano_trio.web.metrics import Metrics
from nano_trio.web.router import Route, Router
from nano_trio.web.server import Server, serve
from nano_trio.web.settings import AccessRecord, Limits, Secure, ServerSettings

__all__ = ["Hosting", "host", "local_hostnames", "serve_until_signal", "uses_local_certificates"]

log = structlog.get_logger("nano_trio")

_RENEW_S = 12 * 3600.0


class Hosting:
    """A running server with its apps; :func:`host` makes it."""

    def __init__(self, config: Config, registry: Registry, server: Server, metrics: Metrics) -> None:
        self.config = config
        self.registry = registry
        self.server = server
        self.metrics = metrics
        """What is counted of all this."""

    @property
    def urls(self) -> list[str]:
        """Where the server answers, one URL for each address: HTTP, then HTTPS."""
        places = [("http", *place) for place in self.server.addresses]
        places += [("https", *place) for place in self.server.secure_addresses]
        return [
            f"{scheme}://{f'[{address}]' if ':' in address else address}:{port}" for scheme, address, port in places
        ]

    def urls_of(self, app: App) -> list[str]:
        """Where one app answers: its hostnames, with HTTP and HTTPS."""
        ports = {"http": self.server.port if app.port is None else self.server.port_of(app.port)}
        secure = self.server.secure_port_of(app.port)
        if secure is not None:
            ports["https"] = secure
        return [f"{scheme}://{name}:{port}" for name in app.hostname for scheme, port in ports.items()]

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

    Raises OSError where a port cannot be had, and :class:`CertificateError` for certificates that cannot serve.
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
            connections=config.http.max_connections,
            connections_per_client=config.http.max_connections_per_client,
            requests_per_s=config.http.max_requests_per_s,
            request_burst=config.http.max_request_burst,
        ),
        drain_timeout=config.drain_timeout_s,
        trusted_proxies=config.trusted_proxies,
        proxy_protocol=config.proxy_protocol,
        compression=_compressor(config),
        dev=dev,
        access_log=_access_logger(config.log.format) if access_log else None,
        secure=await trio.to_thread.run_sync(_secure, config) if config.secure_ports else {},
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(registry.run)
        server = await nursery.start(_serve_in, config, settings, router)
        load = Load()
        nursery.start_soon(load.run)
        nursery.start_soon(logs.report_dropped)
        task_status.started(Hosting(config, registry, server, Metrics(registry, server, load)))


def _compressor(config: Config) -> Compressor | None:
    table = config.compression
    if not table.encodings:
        return None
    return Compressor(CompressionSettings(encodings=table.encodings, min_bytes=table.min_bytes, types=table.types))


def uses_local_certificates(config: Config) -> bool:
    """Whether an app that is served over HTTPS has no certificate of its own."""
    return any(app.port in config.secure_ports and app.tls.own_certificate is None for app in config.apps)


def local_hostnames(config: Config) -> list[str]:
    """The hostnames whose certificates are to be made locally, and the address if it is one that clients use."""
    served = [app for app in config.apps if app.port in config.secure_ports and app.tls.own_certificate is None]
    hostnames = [hostname for app in served for hostname in app.hostname]
    if config.host not in ("0.0.0.0", "::"):
        hostnames.append(config.host)
    return hostnames


def _secure(config: Config) -> dict[int | None, Secure]:
    """The HTTPS listeners, with their certificates; makes local ones that are missing. Blocks."""
    ports = config.secure_ports
    local = LocalCertificates(config.tls.certs)
    if uses_local_certificates(config):
        local.ensure(local_hostnames(config))
    settings = TLSSettings(
        min_version=config.tls.min_version, client_auth=config.tls.client_auth, client_ca=config.tls.client_ca
    )
    secure: dict[int | None, Secure] = {}
    for beside, port in ports.items():
        apps = [app for app in config.apps if app.port == beside]
        pairs = {name: _pair(app, name, local) for app in apps for name in app.hostname}
        try:
            certificates = Certificates(_default_pair(apps, local), pairs, settings)
        except OSError as error:
            raise CertificateError(f"the certificates for port {port} cannot be loaded: {error}") from None
        secure[beside] = Secure(port=port, certificates=certificates, redirect=config.tls.redirect)
    return secure


def _default_pair(apps: Sequence[App], local: LocalCertificates) -> Pair:
    """For clients that name no hostname, or an unknown one: the default app's, else a local one if there is any."""
    for app in apps:
        if app.default and app.tls.own_certificate is not None:
            return Pair(*app.tls.own_certificate)
    own = [app.tls.own_certificate for app in apps]
    return Pair(*own[0]) if own and own[0] is not None and None not in own else local.pair("localhost")


def _pair(app: App, hostname: str, local: LocalCertificates) -> Pair:
    own = app.tls.own_certificate
    return Pair(*own) if own is not None else local.pair(hostname)


async def _serve_in(
    config: Config, settings: ServerSettings, router: Router, *, task_status: trio.TaskStatus[Server]
) -> None:
    async with trio.open_nursery() as nursery:
        if uses_local_certificates(config):
            nursery.start_soon(_renew, config)
        await serve(settings, router, task_status=task_status)
        # The server is gone, by drain; the apps' tasks end with it once Hosting.drain is through with them.
        nursery.cancel_scope.cancel()


async def _renew(config: Config) -> None:
    """Renew local certificates that near their end while the server runs; the listeners see the new files."""
    while True:
        await trio.sleep(_RENEW_S)
        try:
            await trio.to_thread.run_sync(LocalCertificates(config.tls.certs).ensure, local_hostnames(config))
        except CertificateError as error:
            log.error("local certificates cannot be renewed", reason=str(error))


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
