"""For which hosts a client may send requests on one HTTP/2 connection (RFC 9110 section 7.4).

Clients send those for several hosts on one connection where they think that it serves them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nano_trio.web.router import normalise_host

if TYPE_CHECKING:
    from nano_trio.web.http2 import Http2Connection

__all__ = ["Authority"]


class Authority:
    """That of one connection."""

    __slots__ = ("_host",)

    def __init__(self) -> None:
        self._host = ""
        """The last host of which :meth:`covers` said yes."""

    def covers(self, connection: Http2Connection, host: str) -> bool:
        """Whether the certificate that the client asked for is the host's. Those that named no host in their handshake
        had no choice."""
        if host == self._host:
            return True
        name, certificates = connection.sock.server_name, connection.listener.certificates
        if name is None or certificates is None:
            return True
        if certificates.pair_for(normalise_host(host)) != certificates.pair_for(name):
            return False
        self._host = host
        return True
