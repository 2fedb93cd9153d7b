"""The configuration, as the rest of the program sees it: frozen, complete, every value checked.

Each field says in its type what is accepted (a rule) and in its metadata what it means, in which unit, and what a
reload must do when it changes. Messages, JSON Schema, documentation and `diff` are all read from here.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from attrs import field, frozen

from nano_trio.config.about import Reload, about
from nano_trio.config.apps import App, Limits
from nano_trio.config.proxy_rules import TrustedProxies
from nano_trio.config.rules import (
    BindHost,
    Choice,
    FilePath,
    FolderPath,
    Hostnames,
    MediaTypes,
    Number,
    Port,
    Seconds,
    SecondsOrNever,
    SecondsOrZero,
    Secret,
    Switch,
    Words,
    is_loopback,
)

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["json", "text", "apache"]
HttpParser = Literal["httptools", "h11"]
TlsVersion = Literal["1.2", "1.3"]
ClientAuth = Literal["none", "optional", "required"]


@frozen(kw_only=True)
class Http:
    """The HTTP server: its parser, and what it takes from a client before an app is asked."""

    parser: Annotated[HttpParser, Choice(("httptools", "h11"))] = field(
        default="httptools",
        metadata=about("`httptools` (fast, C) or `h11` (pure Python)", Reload.RESTART),
    )
    http2: Annotated[bool, Switch()] = field(
        default=True,
        metadata=about("offer HTTP/2 to clients of HTTPS, beside HTTP/1.1", Reload.LIVE),
    )
    max_request_line_bytes: Annotated[int, Number(minimum=1, maximum=2**20, whole=True)] = field(
        default=8192,
        metadata=about("the longest request line; beyond it: 414", Reload.LIVE, unit="bytes"),
    )
    max_header_bytes: Annotated[int, Number(minimum=1, maximum=2**24, whole=True)] = field(
        default=65536,
        metadata=about("all header fields of a request together; beyond it: 431", Reload.LIVE, unit="bytes"),
    )
    max_headers: Annotated[int, Number(minimum=1, maximum=10_000, whole=True)] = field(
        default=100,
        metadata=about("header fields of a request; beyond it: 431", Reload.LIVE, unit="fields"),
    )
    header_timeout_s: Seconds = field(
        default=30,
        metadata=about("time for a request's head to arrive; beyond it: 408", Reload.LIVE, unit="s"),
    )
    keep_alive_timeout_s: Seconds = field(
        default=75,
        metadata=about("time that a connection may stay open between requests", Reload.LIVE, unit="s"),
    )
    max_connections: Annotated[int | None, Number(minimum=1, maximum=1_000_000, whole=True, or_none=True)] = field(
        default=None,
        metadata=about(
            "open connections of all clients together; beyond it the longest idle ones make room, else new ones wait",
            Reload.LIVE,
            default="nine tenths of the open files that the system allows (ulimit -Hn, 65,536 at most)",
        ),
    )
    max_connections_per_client: Annotated[
        int | None, Number(minimum=1, maximum=1_000_000, whole=True, or_none=True)
    ] = field(
        default=None,
        metadata=about(
            "open connections of one client (an IPv4 address, an IPv6 /64); further ones are closed at once",
            Reload.LIVE,
        ),
    )
    max_requests_per_s: Annotated[float | None, Number(minimum=0.001, maximum=1_000_000, or_none=True)] = field(
        default=None,
        metadata=about(
            "requests of one client (an IPv4 address, an IPv6 /64) in a second; beyond it: 429",
            Reload.LIVE,
            unit="requests/s",
        ),
    )
    max_request_burst: Annotated[int | None, Number(minimum=1, maximum=1_000_000, whole=True, or_none=True)] = field(
        default=None,
        metadata=about(
            "requests of one client that may come at once before `max_requests_per_s` counts",
            Reload.LIVE,
            unit="requests",
            default="a second's",
        ),
    )
    request_id_header: Annotated[bool, Switch()] = field(
        default=True,
        metadata=about("tell each request's id in its response, as `X-Request-Id`", Reload.LIVE),
    )
    start_traces: Annotated[bool, Switch()] = field(
        default=False,
        metadata=about(
            "begin a W3C trace for requests that come without a `traceparent`; those that bring one are always "
            "carried on",
            Reload.LIVE,
        ),
    )


@frozen(kw_only=True)
class Compression:
    """Which responses are compressed, and how."""

    encodings: Annotated[tuple[str, ...], Words(("zstd", "br", "gzip"))] = field(
        default=(),
        metadata=about(
            "`zstd`, `br`, `gzip`, the preferred one first: of those that a client accepts equally, the first is used; "
            "empty: nothing is compressed",
            Reload.LIVE,
        ),
    )
    min_bytes: Annotated[int, Number(minimum=0, maximum=2**40, whole=True)] = field(
        default=1024,
        metadata=about("smaller bodies of known length are left alone", Reload.LIVE, unit="bytes"),
    )
    types: Annotated[tuple[str, ...], MediaTypes()] = field(
        default=(
            "text/*",
            "application/javascript",
            "application/json",
            "application/*+json",
            "application/manifest+json",
            "application/wasm",
            "application/xml",
            "application/*+xml",
            "image/svg+xml",
            "image/x-icon",
            "font/ttf",
            "font/otf",
        ),
        metadata=about(
            "media types that are compressed; `*` stands for anything",
            Reload.LIVE,
            default="`text/*`, JSON, JavaScript, XML, SVG, Wasm, `font/ttf`, `font/otf`",
        ),
    )


@frozen(kw_only=True)
class Tls:
    """HTTPS: where, with which certificates, and what is asked of clients."""

    port: Annotated[int | None, Port(minimum=0)] = field(
        default=None,
        metadata=about("the HTTPS port beside the server's `port`; 0: any free one; none: no HTTPS", Reload.LISTENER),
    )
    certs: Annotated[Path, FolderPath()] = field(
        default=Path("certs"),
        metadata=about(
            "the folder of the local authority and its certificates, made for hostnames without a certificate of "
            "their own; relative to the configuration's folder",
            Reload.LIVE,
            default="`certs`",
        ),
    )
    redirect: Annotated[bool, Switch()] = field(
        default=False,
        metadata=about("HTTP listeners that have an HTTPS one beside them only redirect there: 308", Reload.LIVE),
    )
    min_version: Annotated[TlsVersion, Choice(("1.2", "1.3"))] = field(
        default="1.2",
        metadata=about("the oldest version of TLS that is spoken: `1.2` or `1.3`", Reload.LIVE),
    )
    client_auth: Annotated[ClientAuth, Choice(("none", "optional", "required"))] = field(
        default="none",
        metadata=about("whether clients are asked for a certificate: `none`, `optional`, `required`", Reload.LIVE),
    )
    client_ca: Annotated[Path | None, FilePath()] = field(
        default=None,
        metadata=about(
            "a PEM file with the authorities whose client certificates are accepted; relative to the "
            "configuration's folder",
            Reload.LIVE,
        ),
    )


@frozen(kw_only=True)
class Log:
    """What is logged, and how it is written."""

    level: Annotated[LogLevel, Choice(("debug", "info", "warning", "error"))] = field(
        default="info",
        metadata=about("`debug`, `info`, `warning` or `error`", Reload.RESTART),
    )
    format: Annotated[LogFormat, Choice(("json", "text", "apache"))] = field(
        default="text",
        metadata=about("`json`, `text` or `apache`; `NANO_LOG_FORMAT` overrides it", Reload.RESTART),
    )
    max_value_bytes: Annotated[int, Number(minimum=64, maximum=2**24, whole=True)] = field(
        default=16384,
        metadata=about("what a line's text, and each of its values, is cut to", Reload.RESTART, unit="bytes"),
    )


@frozen(kw_only=True)
class Admin:
    """The admin listener: dashboard, REST, WebSocket, metrics. Without `port` there is none."""

    port: Annotated[int | None, Port(minimum=0)] = field(
        default=None,
        metadata=about("the port of the admin listener; 0: any free one; none: no admin", Reload.RESTART),
    )
    host: Annotated[str, BindHost()] = field(
        default="127.0.0.1",
        metadata=about("the address that it binds; any but a loopback one requires a token", Reload.RESTART),
    )
    token: Annotated[str | None, Secret()] = field(
        default=None,
        repr=False,
        metadata=about(
            "what clients must show: at least 16 visible ASCII characters; `NANO_ADMIN_TOKEN` overrides it",
            Reload.LIVE,
        ),
    )
    token_file: Annotated[Path | None, FilePath()] = field(
        default=None,
        metadata=about("a file whose first line is the token; relative to the configuration's folder", Reload.LIVE),
    )
    hostnames: Annotated[tuple[str, ...], Hostnames(or_none=True)] = field(
        default=(),
        metadata=about(
            "names under which browsers may reach it, besides `localhost` and its own addresses", Reload.LIVE
        ),
    )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the listener."""
        return is_loopback(self.host)


def default_state_dir() -> Path:
    """``$XDG_STATE_HOME/nano-trio``, by default below ``~/.local/state``; the system's for a user without a home."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    if base.startswith("~"):
        base = "/var/lib"
    return Path(os.path.abspath(base)) / "nano-trio"


@frozen(order=True)
class Listener:
    """An address that the server listens on."""

    host: str
    port: int
    tls: bool = False


@frozen(kw_only=True)
class Config:
    """The whole configuration."""

    host: Annotated[str, BindHost()] = field(
        default="127.0.0.1",
        metadata=about(
            "the address that all listeners bind; `0.0.0.0`: all of IPv4, `::`: all of IPv6", Reload.LISTENER
        ),
    )
    port: Annotated[int, Port(minimum=0)] = field(
        default=3000,
        metadata=about("the server's port; 0: any free one; `NANO_PORT` overrides it", Reload.LISTENER),
    )
    drain_timeout_s: SecondsOrZero = field(
        default=30,
        metadata=about("time that requests in flight get to finish when they must end", Reload.LIVE, unit="s"),
    )
    quarantine_window_s: Seconds = field(
        default=600,
        metadata=about(
            "an app whose turn was running when the process crashed, twice within this time, is quarantined: 503",
            Reload.LIVE,
            unit="s",
        ),
    )
    unresponsive_timeout_s: SecondsOrNever = field(
        default=30,
        metadata=about(
            "a process that gives no sign of life for so long is ended and replaced; none: never",
            Reload.LIVE,
            unit="s",
        ),
    )
    state_dir: Annotated[Path, FolderPath()] = field(
        factory=default_state_dir,
        metadata=about(
            "a folder for what outlives the process, such as the apps' caches; made where it does not exist; relative "
            "to the configuration's folder",
            Reload.RESTART,
            default="`$XDG_STATE_HOME/nano-trio`",
        ),
    )
    trusted_proxies: Annotated[tuple[str, ...], TrustedProxies()] = field(
        default=(),
        metadata=about(
            "whose X-Forwarded-* and Forwarded headers are believed: addresses, networks, `loopback`, `private`, "
            "`unix` (peers on Unix-domain sockets); from all others such headers are removed",
            Reload.LIVE,
        ),
    )
    proxy_protocol: Annotated[bool, Switch()] = field(
        default=False,
        metadata=about(
            "every connection begins with the PROXY protocol's header (version 1 or 2), from one of `trusted_proxies`",
            Reload.LIVE,
        ),
    )
    watch: Annotated[bool, Switch()] = field(
        default=True,
        metadata=about(
            "watch this file and the code of the apps that are awake, and bring changes into force", Reload.RESTART
        ),
    )
    live_reload: Annotated[bool, Switch()] = field(
        default=False,
        metadata=about(
            "in development (`nano-trio dev`) pages get a script that loads them again when their app has changed",
            Reload.RESTART,
        ),
    )
    esbuild: Annotated[Path | None, FilePath()] = field(
        default=None,
        metadata=about(
            "the esbuild that takes the types out of apps in TypeScript; relative to the configuration's folder; none: "
            "`esbuild` or `node` (22.13 or later) on the PATH, never one in an app's folder",
            Reload.RESTART,
        ),
    )
    http: Http = field(factory=Http, metadata=about("the HTTP server", Reload.LIVE))
    compression: Compression = field(factory=Compression, metadata=about("compression of responses", Reload.LIVE))
    tls: Tls = field(factory=Tls, metadata=about("HTTPS", Reload.LIVE))
    log: Log = field(factory=Log, metadata=about("logging", Reload.RESTART))
    admin: Admin = field(factory=Admin, metadata=about("the admin listener", Reload.LIVE))
    defaults: Limits = field(factory=Limits, metadata=about("limits for apps that do not set them", Reload.LIVE))
    apps: tuple[App, ...] = field(metadata=about("the apps", Reload.LIVE))

    def port_of(self, app: App) -> int:
        """The port on which this app answers."""
        return self.port if app.port is None else app.port

    @property
    def secure_ports(self) -> dict[int | None, int]:
        """The HTTPS ports by the port that they stand beside: an app's own, or None for the server's."""
        ports: dict[int | None, int] = {}
        if self.tls.port is not None:
            ports[None] = self.tls.port
        ports.update((app.port, app.tls.port) for app in self.apps if app.port is not None and app.tls.port is not None)
        return ports

    @property
    def listeners(self) -> frozenset[Listener]:
        """Where to listen: always the server's port, each port that an app names, and the HTTPS ports beside them."""
        plain = {Listener(self.host, port) for port in {self.port, *map(self.port_of, self.apps)}}
        return frozenset(plain | {Listener(self.host, port, tls=True) for port in self.secure_ports.values()})
