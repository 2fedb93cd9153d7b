"""The configuration, as the rest of the program sees it: frozen, complete, every value checked.

Each field says in its type what is accepted (a rule) and in its metadata what it means, in which unit, and what a
reload must do when it changes. Messages, JSON Schema, documentation and `diff` are all read from here.
"""

import enum
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from attrs import Factory, field, frozen

from nano_trio.config.net_rules import NetRules
from nano_trio.config.proxy_rules import TrustedProxies
from nano_trio.config.rules import (
    AppName,
    AppPath,
    BindHost,
    Choice,
    Env,
    FilePath,
    FilePaths,
    FolderPath,
    Hostnames,
    MediaTypes,
    Number,
    Port,
    Secret,
    Services,
    Switch,
    Words,
    is_loopback,
)

_YEAR_S = 365 * 24 * 3600
_TERABYTE_MB = 1024 * 1024

Milliseconds = Annotated[float, Number(minimum=1, maximum=_YEAR_S * 1000)]
Seconds = Annotated[float, Number(minimum=0.001, maximum=_YEAR_S)]
SecondsOrZero = Annotated[float, Number(minimum=0, maximum=_YEAR_S)]
SecondsOrNever = Annotated[float | None, Number(minimum=0.001, maximum=_YEAR_S, or_none=True)]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["json", "text", "apache"]
HttpParser = Literal["httptools", "h11"]
TlsVersion = Literal["1.2", "1.3"]
ClientAuth = Literal["none", "optional", "required"]


class Reload(enum.Enum):
    """What a running server must do when a key's value changes."""

    LIVE = "live"
    """Take the new value; nothing stops."""
    ISOLATE = "new isolate"
    """Start the app again beside the old isolate, and drain the old one."""
    LISTENER = "listeners"
    """Close and open listeners."""
    RESTART = "restart"
    """Only a restart of the process brings it into force."""


@frozen
class About:
    """What a person should know of a key; stored in its field's metadata under `ABOUT`."""

    text: str
    reload: Reload
    unit: str = ""
    default: str = ""
    """The default in words, where the field's own default does not say it."""


ABOUT = "nano_trio.about"


def about(text: str, reload: Reload, *, unit: str = "", default: str = "") -> dict[str, About]:
    """A field's metadata."""
    return {ABOUT: About(text, reload, unit, default)}


@frozen(kw_only=True)
class Limits:
    """What an app may use and how it is supervised. The table `defaults` holds the values for apps that say nothing."""

    timeout_ms: Milliseconds = field(
        default=5000,
        metadata=about("CPU time that one turn may use; beyond it the client gets 503", Reload.LIVE, unit="ms"),
    )
    memory_mb: Annotated[float, Number(minimum=1, maximum=_TERABYTE_MB)] = field(
        default=128,
        metadata=about("memory of the app's isolate; beyond it the turn is stopped: 503", Reload.ISOLATE, unit="MB"),
    )
    max_buffer_size_mb: Annotated[float, Number(minimum=0.001, maximum=_TERABYTE_MB)] = field(
        default=64,
        metadata=about("the largest body that is read whole into memory", Reload.ISOLATE, unit="MB"),
    )
    request_timeout_ms: Milliseconds = field(
        default=30000,
        metadata=about("wall-clock time that one request may take; beyond it: 504", Reload.LIVE, unit="ms"),
    )
    max_pending: Annotated[int, Number(minimum=1, maximum=1_000_000, whole=True)] = field(
        default=1000,
        metadata=about("requests that may wait in the app's mailbox; beyond it: 503", Reload.LIVE, unit="requests"),
    )
    preload: Annotated[bool, Switch()] = field(
        default=False,
        metadata=about("start the app with the server, not at its first request", Reload.LIVE),
    )
    idle_timeout_s: SecondsOrNever = field(
        default=None,
        metadata=about("unload the app after so long without a request; none: never", Reload.LIVE, unit="s"),
    )
    max_restarts: Annotated[int, Number(minimum=0, maximum=1_000_000, whole=True)] = field(
        default=5,
        metadata=about("restarts within `restart_window_s` before the app counts as failed", Reload.LIVE),
    )
    restart_window_s: Seconds = field(
        default=60,
        metadata=about("the time over which `max_restarts` counts", Reload.LIVE, unit="s"),
    )
    allow_net: Annotated[tuple[str, ...], NetRules()] = field(
        default=(),
        metadata=about(
            "what `fetch` may reach beyond the public Internet: hosts, `*.example.com`, addresses, networks, "
            "`loopback`, `private`; each with `:port` or `:from-to` if need be",
            Reload.ISOLATE,
        ),
    )
    extra_ca_certs: Annotated[tuple[Path, ...], FilePaths()] = field(
        default=(),
        metadata=about(
            "PEM files of certificate authorities that `fetch` trusts besides the system's; relative to the "
            "configuration's folder",
            Reload.ISOLATE,
        ),
    )
    cache_max_mb: Annotated[float, Number(minimum=1, maximum=_TERABYTE_MB)] = field(
        default=256,
        metadata=about(
            "what the app's `caches` may take on disk; beyond it what was used least recently is removed",
            Reload.LIVE,
            unit="MB",
        ),
    )
    max_log_lines_per_s: Annotated[float, Number(minimum=0, maximum=1_000_000)] = field(
        default=200,
        metadata=about(
            "lines of its console that the app may log, on average over five seconds, and as many about it; more are "
            "dropped and counted; 0: any number",
            Reload.LIVE,
            unit="lines",
        ),
    )
    max_connections: Annotated[int, Number(minimum=1, maximum=10_000_000, whole=True)] = field(
        default=100_000,
        metadata=about("WebSockets that may be open to the app; beyond it: 503", Reload.LIVE, unit="connections"),
    )
    max_messages_per_s: Annotated[float | None, Number(minimum=0.001, maximum=1_000_000, or_none=True)] = field(
        default=None,
        metadata=about(
            "messages that a client may send on one WebSocket, over a second; beyond it: 1008; none: no limit",
            Reload.LIVE,
            unit="messages/s",
        ),
    )
    max_message_mb: Annotated[float, Number(minimum=0.001, maximum=1024)] = field(
        default=16,
        metadata=about(
            "the largest WebSocket message that is received, inflated; beyond it: close code 1009",
            Reload.LIVE,
            unit="MB",
        ),
    )
    max_buffered_mb: Annotated[float, Number(minimum=0.001, maximum=1024)] = field(
        default=1,
        metadata=about(
            "what may wait for a WebSocket client that does not read; one more message: close code 1008",
            Reload.LIVE,
            unit="MB",
        ),
    )
    websocket_compression: Annotated[bool, Switch()] = field(
        default=True,
        metadata=about("agree to permessage-deflate with WebSocket clients that offer it", Reload.LIVE),
    )
    websocket_ping_interval_s: SecondsOrZero = field(
        default=30,
        metadata=about("time between two Pings to a WebSocket client; 0: none are sent", Reload.LIVE, unit="s"),
    )
    websocket_ping_timeout_s: SecondsOrZero = field(
        default=10,
        metadata=about(
            "time for a WebSocket client's Pong; without it the connection is dropped; 0: it is never dropped",
            Reload.LIVE,
            unit="s",
        ),
    )
    websocket_close_timeout_s: Seconds = field(
        default=5,
        metadata=about(
            "time for a WebSocket client's part of the closing handshake; then the connection is dropped",
            Reload.LIVE,
            unit="s",
        ),
    )
    max_body_mb: Annotated[float | None, Number(minimum=0, maximum=_TERABYTE_MB, or_none=True)] = field(
        default=None,
        metadata=about("the largest request body; beyond it: 413; none: any size", Reload.LIVE, unit="MB"),
    )


def _canonical(value: Mapping[str, Any]) -> str:
    """Equal texts for equal JSON: Python holds 1 and True equal, JavaScript does not."""
    return json.dumps(value, sort_keys=True)


@frozen(kw_only=True)
class AppTls:
    """HTTPS for one app: its own certificate, and the HTTPS listener beside its own port."""

    cert: Annotated[Path | None, FilePath()] = field(
        default=None,
        metadata=about(
            "a PEM file with the app's certificate and its chain; relative to the configuration's folder; "
            "files that change are read again",
            Reload.LIVE,
            default="a local one",
        ),
    )
    key: Annotated[Path | None, FilePath()] = field(
        default=None,
        metadata=about("a PEM file with the certificate's private key", Reload.LIVE, default="a local one"),
    )
    port: Annotated[int | None, Port(minimum=1)] = field(
        default=None,
        metadata=about("the HTTPS port beside the app's own `port`", Reload.LISTENER),
    )

    @property
    def own_certificate(self) -> tuple[Path, Path] | None:
        """The certificate's file and the key's; None: a local one is to be made."""
        return None if self.cert is None or self.key is None else (self.cert, self.key)


@frozen(kw_only=True)
class App(Limits):
    """One app: its limits, complete with the defaults, and its identity."""

    name: Annotated[str, AppName()] = field(
        metadata=about("unique; letters, digits, dash, underscore, dot", Reload.LIVE),
    )
    hostname: Annotated[tuple[str, ...], Hostnames()] = field(
        default=Factory(lambda self: (self.name.lower(),), takes_self=True),
        eq=frozenset,
        metadata=about(
            "one hostname or a list; exact or `*.example.com`; any letter case",
            Reload.LIVE,
            default="the name",
        ),
    )
    port: Annotated[int | None, Port(minimum=1)] = field(
        default=None,
        metadata=about("a listener of its own; apps may share it", Reload.LISTENER, default="the server's `port`"),
    )
    path: Annotated[Path, AppPath()] = field(
        metadata=about(
            "a folder with index.js, index.ts or package.json, or a file; relative to the configuration's folder",
            Reload.ISOLATE,
        ),
    )
    env: Annotated[Mapping[str, Any], Env()] = field(
        factory=dict,
        repr=False,  # secrets stay out of logs
        eq=_canonical,
        metadata=about("values for the app's `env`: anything that JSON can say", Reload.ISOLATE),
    )
    services: Annotated[Mapping[str, str], Services()] = field(
        factory=dict,
        eq=_canonical,
        metadata=about(
            "other apps that this one calls as `env.NAME.fetch(request)`, without a socket: names to apps' names",
            Reload.ISOLATE,
            default="empty",
        ),
    )
    default: Annotated[bool, Switch()] = field(
        default=False,
        metadata=about("answer for hosts that no app claims; one app per port at most", Reload.LIVE),
    )
    tls: AppTls = field(factory=AppTls, metadata=about("the app's own certificate and HTTPS port", Reload.LIVE))


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
            default="nine tenths of the open files that the system allows",
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
    """``$XDG_STATE_HOME/nano-trio``, by default below ``~/.local/state``."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
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
        metadata=about("the address that all listeners bind", Reload.LISTENER),
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
