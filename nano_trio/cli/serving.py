"""``nano-trio serve`` in the process that serves: its configuration, its outcome."""

from __future__ import annotations

import contextlib
import errno
import functools
import gc
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import attrs
import structlog
import trio

from nano_trio import __version__, logs
from nano_trio.cli.outcome import fail
from nano_trio.cli.streams import tell
from nano_trio.cli.terminal import colors
from nano_trio.config import Config, ConfigError, Overlay, kept, load, single_app
from nano_trio.engine.native import missing_libraries
from nano_trio.web.assembly import uses_local_certificates
from nano_trio.web.certificates import CertificateError
from nano_trio.web.file_watch import digests
from nano_trio.web.hosting import Hosting
from nano_trio.web.lifetime import serve_until_signal
from nano_trio.web.parent_link import ParentError, ParentLink

__all__ = ["serve_here"]

log = structlog.get_logger("nano_trio")

E = TypeVar("E", bound=Exception)

_HTTPS_PORT = 3443
_PORTS_TRIED = 20
_ADVICE = {
    errno.EADDRINUSE: "; another program has it: end that, or choose another port",
    errno.EACCES: "; ports below 1024 need root or the capability CAP_NET_BIND_SERVICE",
    errno.EADDRNOTAVAIL: "; this machine has no such address",
}
_LOADED_AT_ONCE = 20
"""Apps of a configuration that `nano-trio dev` loads before anybody asks for them."""
_NAMED = 20
"""Apps whose addresses are told when the server has started."""


def serve_here(
    app_path: Path | None,
    config_path: Path | None,
    overrides: dict[str, Any],
    *,
    tls: bool,
    access_log: bool | None,
    dev: bool,
    supervised: tuple[int, int] | None = None,
    developing: bool = False,
) -> None:
    """Serve in this process until a signal ends it. ``overrides`` are the command line's, as for :func:`load`.

    ``developing``: as ``nano-trio dev`` does: changes are watched, apps are loaded at once, nothing is kept, and
    another port is taken where the configured one is in use. ``supervised``: the descriptors of a worker's channel to
    its parent and of its record of the running turn.
    """
    link = None if supervised is None else _link_to_parent(*supervised)

    def read() -> Config:
        config = _read_config(app_path, config_path, overrides)
        if tls and config.tls.port is None:
            config = _read_config(app_path, config_path, {**overrides, "tls.port": _HTTPS_PORT})
        return _for_development(config) if developing else config

    # Nearly all that is made from here to the start stays, and the collector would look at it again and again.
    gc.disable()
    watched = [] if config_path is None else [config_path]
    # Before they are read: what changes from here on is seen.
    seen = digests(watched)
    fallback = None if link is None or link.configuration is None else kept(link.configuration)
    fault: str | None = None
    try:
        config = read()
        if developing and "port" not in overrides:
            config = _with_a_free_port(config, overrides, read)
    except ConfigError as error:
        # This worker takes the place of one that ran with a sound configuration: so does it.
        if fallback is None:
            fail(str(error))
        config, fallback, fault = fallback, None, str(error)
    settled = config if link is None else link.as_started(config)
    logs.configure(
        settled.log.level, settled.log.format, colors=colors(sys.stderr), max_value_bytes=settled.log.max_value_bytes
    )
    if link is not None and link.workers > 1:
        structlog.contextvars.bind_contextvars(worker=link.worker)
    if link is not None and link.parents_package != __version__:
        log.warning(
            "nano-trio was upgraded while the server ran: restart it",
            worker_is=__version__,
            parent_is=link.parents_package,
        )
    _tell_of_missing_libraries()
    if access_log is None:
        access_log = dev or settled.log.format == "apache"

    def started(hosting: Hosting) -> None:
        if link is None or link.announce:
            _announce(config, hosting, names=config_path is not None)

    path = config_path if app_path is None else app_path
    assert path is not None
    serve = functools.partial(
        serve_until_signal,
        config,
        dev=dev,
        access_log=access_log,
        link=link,
        fallback=fallback,
        fault=fault,
        source=read,
        overlay=None if developing else Overlay.beside(settled, path),
        watched=watched,
        seen=seen,
    )
    failure = _run(serve, started)
    if failure is not None:
        fail(_told(failure, config))


def _link_to_parent(channel: int, mark: int) -> ParentLink:
    # Until it serves they are held back, while it serves they are heeded. What comes after that, as when somebody
    # sends one to a whole process group, must not kill a worker that is ending well.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _heed_no_longer)
    try:
        return ParentLink(channel, mark)
    except ParentError as error:
        fail(str(error))


def _run(
    serve: Callable[..., Awaitable[None]], started: Callable[[Hosting], None]
) -> OSError | CertificateError | None:
    """Serve until a signal ends it. Why the server could not start, if it could not."""
    serves = False

    def begun(hosting: Hosting) -> None:
        nonlocal serves
        serves = True
        started(hosting)

    failure: OSError | CertificateError | None = None
    try:
        trio.run(functools.partial(serve, started=begun))
    except* CertificateError as certificates:
        failure = _first(certificates)
    except* OSError as group:
        if serves:
            raise
        failure = failure or _first(group)
    except* KeyboardInterrupt:
        pass  # before the signals were in our hands: there is nothing to drain yet
    return failure


def _told(failure: OSError | CertificateError, config: Config) -> str:
    """Why the server cannot start."""
    if isinstance(failure, CertificateError):
        return str(failure)
    places = failure.filename or " or ".join(f"{at.host}:{at.port}" for at in sorted(config.listeners))
    advice = _ADVICE.get(failure.errno or 0, "")
    return f"cannot listen on {places}: {failure.strerror or failure}{advice}"


def _tell_of_missing_libraries() -> None:
    missing = missing_libraries()
    if missing:
        structlog.get_logger("nano_trio").warning(
            "installed without a C compiler: apps are slower, need more memory, and may hold up each other in native"
            " code; with one (apt install gcc), install nano-trio anew",
            missing=", ".join(missing),
        )


def _heed_no_longer(number: int, frame: object) -> None:
    pass


def _read_config(app_path: Path | None, config_path: Path | None, overrides: dict[str, Any]) -> Config:
    if app_path is not None:
        return single_app(app_path, settings={"preload": True}, overrides=overrides)
    assert config_path is not None
    return load(config_path, overrides=overrides)


def _for_development(config: Config) -> Config:
    apps = config.apps
    if len(apps) <= _LOADED_AT_ONCE:
        apps = tuple(attrs.evolve(app, preload=True) for app in apps)
    return attrs.evolve(config, apps=apps, watch=True)


def _with_a_free_port(config: Config, overrides: dict[str, Any], read: Callable[[], Config]) -> Config:
    """Where the configured port is taken: what ``read`` gives with the next, which ``overrides`` keep for reloads."""
    free = _free_port(config)
    if free == config.port:
        return config
    print(f"Port {config.port} is taken; {free} is used instead.", file=sys.stderr, flush=True)
    overrides["port"] = free
    return read()


def _free_port(config: Config) -> int:
    """The configured port, or the next one that nobody listens on."""
    if config.port == 0:
        return 0
    taken = {app.port for app in config.apps} | {config.tls.port, config.admin.port}
    for port in range(config.port, min(config.port + _PORTS_TRIED, 65536)):
        if port == config.port or port not in taken:
            with contextlib.suppress(OSError), socket.create_server((config.host, port), family=_family(config.host)):
                return port
    return 0


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _first(group: BaseExceptionGroup[E]) -> E:
    """The first error in a group of groups, as nested nurseries make them."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _announce(config: Config, hosting: Hosting, *, names: bool) -> None:
    """Tell on standard output where the apps are; other programs wait for these lines.

    ``names``: also by which hostnames. Of an app that no configuration names they say nothing.
    """
    lines = [f"nano-trio {__version__} listening on {url}" for url in hosting.urls]
    if hosting.admin is not None:
        lines.append(f"  admin: {hosting.admin.url}")
    if names:
        lines += [f"  {app.name}: " + ", ".join(hosting.urls_of(app)) for app in config.apps[:_NAMED]]
        if len(config.apps) > _NAMED:
            lines.append(f"  and {len(config.apps) - _NAMED} more apps")
    if uses_local_certificates(config):
        lines.append(f"  local certificates: {config.tls.certs}; `nano-trio certs` says how to trust their authority")
    # In one piece, its last newline included, or the log's lines come in between where both go to one place.
    if not tell("".join(f"{line}\n" for line in lines)):
        log.warning("standard output does not take where the server listens", addresses=" ".join(hosting.urls))
