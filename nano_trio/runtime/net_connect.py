"""Connections to servers: resolve, hold every address against the wall, connect to exactly those that pass, TLS.

The name is resolved once for each connection, and what is connected to is the address that was checked: a name that
resolves differently a moment later (DNS rebinding) changes nothing. Where a name has several addresses, the next
attempt begins when the one before failed or took 250 ms (RFC 8305), and the first that succeeds wins.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import attrs
import can_ada
import trio

from nano_trio.engine.threads import in_thread, in_thread_or_here
from nano_trio.runtime.descriptors import for_apps, give_back
from nano_trio.runtime.fetch_errors import FetchError, NetworkErrors
from nano_trio.runtime.net_policy import NetPolicy

__all__ = ["CONNECT_TIMEOUT_S", "Connected", "Connector", "Network", "Origin", "Resolver"]

CONNECT_TIMEOUT_S = 10.0
_DEFAULT_PORTS = {"http": 80, "https": 443}
_STAGGER_S = 0.25
_LOOKUPS = 8
"""Names that one app may have looked up at a time: each takes a thread."""

Resolver = Callable[[str, int], Awaitable[Iterable[str]]]
"""Resolves a host to addresses, best first. Raises OSError."""


@attrs.frozen
class Network:
    """What an app may reach outside, and how."""

    policy: NetPolicy = attrs.field(factory=NetPolicy)
    extra_ca_certs: tuple[Path, ...] = ()
    timeout_s: float = 300
    """The longest wait for a response's head."""
    resolve: Resolver | None = None
    """Stands in for the system's resolver."""


@attrs.frozen
class Origin:
    """Where a connection leads."""

    scheme: str
    host: str
    """As in a URL, without the brackets of an IPv6 address."""
    port: int

    @classmethod
    def of(cls, url: can_ada.URL, scheme: str) -> Origin:
        """That of a URL whose connections speak ``http`` or ``https``."""
        return cls(scheme, url.hostname.strip("[]"), int(url.port or _DEFAULT_PORTS[scheme]))

    def __str__(self) -> str:
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


@attrs.frozen
class Connected:
    """An open connection."""

    stream: trio.abc.Stream
    socket: trio.socket.SocketType
    http2: bool

    def has_more(self) -> bool:
        """Whether anything has come that was not read, be it the end: at the socket, or what TLS has taken from it."""
        stream = self.stream
        # Of records that are not deciphered yet only its own buffer knows.
        if isinstance(stream, trio.SSLStream) and (stream.pending() or stream._incoming.pending):
            return True
        return self.socket.is_readable()

    def close(self) -> None:
        """Close the socket now; whoever waits on it gets an error. Never blocks."""
        self.socket.close()


class Connector:
    """Opens an app's connections."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._lookups = trio.CapacityLimiter(_LOOKUPS)

    async def connect(self, origin: Origin, *, http2: bool = True) -> Connected:
        """Open a connection within :data:`CONNECT_TIMEOUT_S`; ``http2``: offer it. Raises :class:`FetchError`."""
        with trio.move_on_after(CONNECT_TIMEOUT_S):
            return await self._connect(origin, http2)
        raise FetchError("ETIMEDOUT", f"connecting to {origin}: no answer within {CONNECT_TIMEOUT_S:g} s")

    async def _connect(self, origin: Origin, http2: bool) -> Connected:
        policy = self._network.policy
        addresses = await self._resolve(origin)
        allowed = [address for address in addresses if policy.allows(origin.host, origin.port, address)]
        if not allowed:
            if not addresses:
                raise FetchError("ENOTFOUND", f"connecting to {origin}: the host has no address")
            # Nothing about the addresses: what a name resolves to inside is nothing that an app should learn.
            raise FetchError("ERR_BLOCKED", f"connecting to {origin}: not in the public Internet, nor in allow_net")
        with NetworkErrors(f"connecting to {origin}"):
            sock = await _connect_first(allowed, origin.port)
        if origin.scheme != "https":
            return Connected(trio.SocketStream(sock), sock, False)
        try:
            return await self._start_tls(sock, origin, http2)
        except BaseException:
            sock.close()
            raise

    async def _resolve(self, origin: Origin) -> list[str]:
        if is_ip_address(origin.host):
            return [origin.host]
        with NetworkErrors(f"resolving {origin.host}"):
            if self._network.resolve is not None:
                found: Iterable[str] = await self._network.resolve(origin.host, origin.port)
            else:
                found = await in_thread(
                    _look_up, origin.host, origin.port, abandon_on_cancel=True, limiter=self._lookups
                )
        return list(dict.fromkeys(found))

    async def _start_tls(self, sock: trio.socket.SocketType, origin: Origin, http2: bool) -> Connected:
        context = await _tls_context(self._network.extra_ca_certs, http2)
        stream = trio.SSLStream(
            trio.SocketStream(sock), context, server_hostname=origin.host.removesuffix("."), https_compatible=True
        )
        with NetworkErrors(f"TLS with {origin}"):
            try:
                await stream.do_handshake()
            except ValueError as error:  # a hostname that TLS cannot name
                raise FetchError("ERR_TLS", f"TLS with {origin}: {error}") from None
        return Connected(stream, sock, stream.selected_alpn_protocol() == "h2")


def is_ip_address(host: str) -> bool:
    """Whether it is an address, IPv6 without brackets, and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _look_up(host: str, port: int) -> list[str]:
    # Names below .localhost are this machine (RFC 6761, section 6.3), which many a system's resolver does not know.
    if host.removesuffix(".").endswith(".localhost"):
        host = "localhost"
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


async def _connect_first(addresses: list[str], port: int) -> trio.socket.SocketType:
    """A socket connected to one of the addresses. Raises the first attempt's OSError where none could be reached."""
    if len(addresses) == 1:
        return await _connect_to(addresses[0], port)
    winner: trio.socket.SocketType | None = None
    errors: list[OSError] = []

    async def attempt(address: str, ended: trio.Event) -> None:
        nonlocal winner
        try:
            sock = await _connect_to(address, port)
        except OSError as error:
            errors.append(error)
            ended.set()
            return
        if winner is None:
            winner = sock
            nursery.cancel_scope.cancel()
        else:
            sock.close()

    try:
        async with trio.open_nursery() as nursery:
            for address in addresses:
                ended = trio.Event()
                nursery.start_soon(attempt, address, ended)
                with trio.move_on_after(_STAGGER_S):
                    await ended.wait()
    except BaseException:
        # Cancelled when the winner was there: the nursery's own cancellation does not hide the caller's.
        if winner is not None:
            winner.close()
        raise
    if winner is None:
        # Those that are kept hold the frames that keep them.
        del errors[1:]
        raise errors.pop()
    return winner


async def _connect_to(address: str, port: int) -> trio.socket.SocketType:
    sock = trio.socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        give_back(sock.fileno(), for_apps())
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await sock.connect((address, port))
    except BaseException:
        sock.close()
        raise
    return sock


_contexts: dict[tuple[object, ...], ssl.SSLContext] = {}


async def _tls_context(extra: tuple[Path, ...], http2: bool) -> ssl.SSLContext:
    """The context of all apps with the same authorities. Loading them takes some 30 ms, so a thread does it."""
    key = (http2, *extra, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    context = _contexts.get(key)
    if context is None:
        try:
            context = _contexts[key] = await in_thread_or_here(_make_context, extra, http2)
        except (OSError, ssl.SSLError) as error:
            raise FetchError("ERR_TLS", f"the certificate authorities cannot be loaded: {error}") from None
    return context


def _make_context(extra: tuple[Path, ...], http2: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not _system_has_authorities():
        import certifi

        context.load_verify_locations(certifi.where())
    for path in extra:
        context.load_verify_locations(str(path))
    context.set_alpn_protocols(["h2", "http/1.1"] if http2 else ["http/1.1"])
    if http2:
        # The import takes 20 ms and 2 MB. Here it is made for those who may need it, and nobody else waits.
        import nano_trio.runtime.fetch_http2  # noqa: F401
    return context


def _system_has_authorities() -> bool:
    """Not so on systems without certificates of their own, such as small containers."""
    found: tuple[str | None, ...] = ssl.get_default_verify_paths()
    return found[0] is not None or found[1] is not None
