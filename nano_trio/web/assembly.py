"""From a configuration to what a server runs with: settings, routes, certificates. Nothing here lives on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nano_trio.actors.app import App as RunningApp
from nano_trio.config import App, Config
from nano_trio.web.access_log import access_logger
from nano_trio.web.certificates import CertificateError, Certificates, Pair, TLSSettings
from nano_trio.web.live import DevelopmentTarget, LiveReload, PageScript
from nano_trio.web.router import Route
from nano_trio.web.settings import Limits, Secure, ServerSettings

if TYPE_CHECKING:
    from nano_trio.web.compression import Compressor
    from nano_trio.web.local_ca import LocalCertificates

__all__ = ["app_ports", "local_hostnames", "route", "secure_facts", "server_settings", "uses_local_certificates"]


def server_settings(
    config: Config,
    *,
    dev: bool,
    access_log: bool,
    secure: Mapping[int | None, Secure] | None = None,
    live: LiveReload | None = None,
) -> ServerSettings:
    """What the server runs with. Blocks where there are certificates to make or load, unless they are given.

    ``live``: where pages are to load themselves again. Raises :class:`CertificateError` for certificates that cannot
    serve.
    """
    compressor = _compressor(config)
    return ServerSettings(
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
        compression=PageScript(live, compressor) if live is not None and config.live_reload else compressor,
        dev=dev,
        access_log=access_logger(config.log.format, short=dev) if access_log else None,
        request_ids=config.http.request_id_header,
        start_traces=config.http.start_traces,
        secure=_secure(config) if secure is None else secure,
    )


def _compressor(config: Config) -> Compressor | None:
    table = config.compression
    if not table.encodings:
        return None
    from nano_trio.web.compression import CompressionSettings, Compressor

    return Compressor(CompressionSettings(encodings=table.encodings, min_bytes=table.min_bytes, types=table.types))


def secure_facts(config: Config) -> Any:
    """All that the HTTPS listeners depend on: where it is equal for two configurations, they need not change."""
    ports = config.secure_ports
    served = [(app.port, frozenset(app.hostname), app.tls, app.default) for app in config.apps if app.port in ports]
    return config.host, config.tls, config.http.http2, ports, served


def route(app: App, target: RunningApp, live: LiveReload | None = None) -> Route:
    """How the app is reached; with ``live`` as in development."""
    if live is not None:
        return Route(DevelopmentTarget(target, live), app.hostname, app.port, app.default)
    return Route(target, app.hostname, app.port, app.default)


def app_ports(apps: Iterable[App]) -> set[int]:
    """The ports that some app has for its own."""
    return {app.port for app in apps if app.port is not None}


def _with_local_certificates(config: Config) -> Iterator[App]:
    ports = config.secure_ports
    if not ports:
        return iter(())
    return (app for app in config.apps if app.port in ports and app.tls.own_certificate is None)


def uses_local_certificates(config: Config) -> bool:
    """Whether an app that is served over HTTPS has no certificate of its own."""
    return any(True for _ in _with_local_certificates(config))


def local_hostnames(config: Config) -> list[str]:
    """The hostnames whose certificates are to be made locally, and the address if it is one that clients use."""
    hostnames = [hostname for app in _with_local_certificates(config) for hostname in app.hostname]
    if config.host not in ("0.0.0.0", "::"):
        hostnames.append(config.host)
    return hostnames


def _secure(config: Config) -> dict[int | None, Secure]:
    """The HTTPS listeners, with their certificates; makes local ones that are missing. Blocks."""
    ports = config.secure_ports
    if not ports:
        return {}
    # Only who serves HTTPS waits for the library that makes certificates, and for HTTP/2, and has them in memory.
    import nano_trio.web.http2  # noqa: F401
    from nano_trio.web.local_ca import LocalCertificates

    local = LocalCertificates(config.tls.certs)
    if uses_local_certificates(config):
        local.ensure(local_hostnames(config), serving=True)
    settings = TLSSettings(
        min_version=config.tls.min_version,
        client_auth=config.tls.client_auth,
        client_ca=config.tls.client_ca,
        http2=config.http.http2,
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
