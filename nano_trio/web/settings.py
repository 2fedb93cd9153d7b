"""The numbers a server runs with: its limits and where it listens. Times are seconds, sizes are bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import attrs

from nano_trio.actors.trace import Span
from nano_trio.parent.shares import Shares
from nano_trio.web.certificates import Certificates
from nano_trio.web.slow_clients import most_by_default
from nano_trio.web.sockets import OwnSockets, SocketSource

if TYPE_CHECKING:
    from nano_trio.web.compression import Transform

__all__ = ["AccessLog", "AccessRecord", "Limits", "Secure", "ServerSettings"]


@attrs.frozen
class Limits:
    """What one connection may use. Every deadline is met within one tick (1 s) of the server's sweeper."""

    request_line: int = 8 * 1024
    """Bytes of the request line; a longer one is answered 414."""
    head: int = 64 * 1024
    """Bytes of the request line and all fields together; more is answered 431."""
    headers: int = 100
    """Number of fields; more are answered 431."""
    body: float = math.inf
    """Bytes of a request body; more are answered 413. (Apps have their own, smaller limits.)"""
    head_timeout: float = 30.0
    """Seconds from a head's first byte to its last, and likewise for a small body; then 408."""
    handshake_timeout: float = 10.0
    """Seconds that a TLS handshake may take; then the connection is closed."""
    idle_timeout: float = 75.0
    """Seconds that a connection may wait between requests; then it is closed."""
    stall_timeout: float = 60.0
    """Seconds that a peer may neither take nor give a byte in the middle of a body; then the connection is aborted."""
    linger_timeout: float = 2.0
    """Seconds that a closing connection waits for the client to read the last response (RFC 9112 section 9.6)."""
    whole_body: int = 64 * 1024
    """A body of at most this Content-Length is read before the app begins and handed over as bytes."""
    drain_body: int = 64 * 1024
    """Bytes of an unread request body that are thrown away to keep the connection; beyond, it is closed."""
    connections: int | None = None
    """Open connections of the whole server; None: as many as the limit of open files allows."""
    connections_per_client: int | None = None
    """Open connections of one client address (IPv6: of one /64); further ones are closed at once. None: no limit."""
    waiting: int = attrs.field(factory=most_by_default)
    """Bytes of responses that may wait for all clients of the server together; beyond, the slowest are cut off."""
    waiting_per_connection: int = 4 << 20
    """The same of one HTTP/2 connection that takes nothing: further requests wait, and it must not stall for long."""
    impatience: float = 10.0
    """Seconds in place of ``stall_timeout`` where more waits than that."""
    requests_per_s: float | None = None
    """Requests a second of one client address; further ones are answered 429. None: no limit."""
    request_burst: float | None = None
    """Requests that may come at once before ``requests_per_s`` counts; None: as many as a second's."""


@attrs.frozen
class AccessRecord:
    """One finished request, for the access log."""

    method: str
    url: str
    status: int
    bytes: int
    """Bytes of response content, without head and framing."""
    duration: float
    """Seconds from the complete request head to the last byte handed to the socket."""
    app: str
    """The app's name, ``""`` when no app was reached."""
    remote: str
    id: str
    complete: bool
    """False when the client left or the response broke off."""
    headers: Sequence[tuple[str, str]] = ()
    """The request's."""
    version: str = "HTTP/1.1"
    span: Span | None = None


AccessLog = Callable[[AccessRecord], None]


@attrs.frozen(kw_only=True)
class Secure:
    """The HTTPS listener beside a plain one."""

    port: int
    """0 lets the system choose."""
    certificates: Certificates
    redirect: bool = False
    """Whether the plain listener only redirects here."""


@attrs.frozen(kw_only=True)
class ServerSettings:
    """Where and how a server listens."""

    host: str | None = None
    """Address or name to listen on; None means every IPv4 and IPv6 address."""
    port: int = 8080
    """The main port; 0 lets the system choose."""
    http: Literal["httptools", "h11"] = "httptools"
    limits: Limits = Limits()
    drain_timeout: float = 30.0
    """Seconds that requests in flight may take once the server drains."""
    backlog: int = 1024
    dev: bool = False
    """Show stacks on error pages."""
    access_log: AccessLog | None = None
    request_ids: bool = True
    """Tell each request's id in its response, as X-Request-Id."""
    start_traces: bool = False
    """Begin a W3C trace for requests that come without one."""
    secure: Mapping[int | None, Secure] = attrs.field(factory=dict)
    """HTTPS listeners by the plain listener that they stand beside: an app's configured ``port``, None for the main."""
    trusted_proxies: Sequence[str] = ()
    """Whose X-Forwarded-* and Forwarded fields are believed, as in the configuration."""
    proxy_protocol: bool = False
    """Whether every connection begins with the PROXY protocol's header, from a trusted proxy."""
    compression: Transform | None = None
    """How responses are compressed (in development also: given a script); None: they are not."""
    sockets: SocketSource = attrs.field(factory=OwnSockets)
    """Who opens the listening sockets: a parent process keeps them for the next worker."""
    accepted_at_once: int = 64
    """Connections taken from a listening socket at one go: few where other processes accept from it, too."""
    shares: Shares | None = None
    """How many connections those processes have; None where there are none."""
