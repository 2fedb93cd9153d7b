"""The configuration of an app: what it may use, and what it is. A part of the :mod:`nano_trio.config.model`."""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import attrs
from attrs import Factory, field, frozen

from nano_trio.config.about import Reload, about
from nano_trio.config.net_rules import NetRules
from nano_trio.config.rules import (
    AppName,
    AppPath,
    Env,
    FilePath,
    FilePaths,
    Hostnames,
    Milliseconds,
    Number,
    Port,
    Seconds,
    SecondsOrNever,
    SecondsOrZero,
    Services,
    Switch,
)

__all__ = ["App", "AppTls", "Limits"]

_TERABYTE_MB = 1024 * 1024

if TYPE_CHECKING:
    from attrs import frozen as never_assigned_to
else:
    # mypy sees to it. To have Python see to it as well, each of an app's thirty values is set by a call that goes round
    # the lock: for ten thousand apps that is a tenth of a start.
    never_assigned_to = functools.partial(attrs.define, unsafe_hash=True)


@never_assigned_to(kw_only=True)
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


_NOTHING: Mapping[str, Any] = {}
"""One for all apps, since nothing changes it."""


@never_assigned_to(kw_only=True)
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
    path: Annotated[str, AppPath()] = field(
        metadata=about(
            "a folder with index.js, index.ts or package.json, or a file; relative to the configuration's folder",
            Reload.ISOLATE,
        ),
    )
    env: Annotated[Mapping[str, Any], Env()] = field(
        default=_NOTHING,
        repr=False,  # secrets stay out of logs
        eq=_canonical,
        metadata=about("values for the app's `env`: anything that JSON can say", Reload.ISOLATE),
    )
    services: Annotated[Mapping[str, str], Services()] = field(
        default=_NOTHING,
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
    tls: AppTls = field(default=AppTls(), metadata=about("the app's own certificate and HTTPS port", Reload.LIVE))
