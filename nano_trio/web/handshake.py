"""A connection before it is one: the TLS handshake, without a task.

The reactor watches a :class:`Handshake` as it watches connections. It takes the client's messages as they come, however
small the pieces, and when the handshake is complete, puts a ``Connection`` in its own place, or an ``Http2Connection``
if ALPN says so. Nothing here touches connections that are served.

Only where our own messages do not fit into the socket (a long chain of certificates, and a kernel that is short of
memory) is there a task, for the rest: the client waits for it, and sends nothing that would wake the reactor.

It ends badly in three ways: the client speaks plain HTTP, which is told so in plain HTTP; the handshake fails, which
OpenSSL tells by an alert; or the deadline passes. After the first two the socket lingers for a moment, so that no reset
destroys what was said.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from typing import TYPE_CHECKING

import structlog
import trio

from nano_trio.web.connection import Connection
from nano_trio.web.errors import error_page
from nano_trio.web.resets import reset_at_close
from nano_trio.web.response_head import build
from nano_trio.web.tls_socket import TLSSocket

if TYPE_CHECKING:
    from nano_trio.web.http2 import Http2Connection
    from nano_trio.web.listener import Listener

__all__ = ["Handshake"]

log = structlog.get_logger("nano_trio.web")

_RECEIVE = 16 * 1024
_LINGER_BYTES = 256 * 1024
_LIKE_HTTP = re.compile(rb"[A-Za-z\r\n]").match


class Handshake:
    """A client that has yet to complete its handshake, on an accepted, non-blocking socket."""

    __slots__ = (
        "_connection",
        "_discarded",
        "_fd",
        "_lingering",
        "_listener",
        "_pushing",
        "_sock",
        "_tls",
        "deadline",
        "remote",
    )

    target = None
    """It has asked for nothing."""

    def __init__(self, sock: socket.socket, remote: str, listener: Listener) -> None:
        self.remote = remote
        self.deadline = listener.reactor.now + listener.limits.handshake_timeout
        self._sock = sock
        self._fd = sock.fileno()
        self._listener = listener
        self._tls: TLSSocket | None = None
        self._connection: Connection | Http2Connection | None = None
        self._lingering = False
        self._pushing = False
        self._discarded = 0
        listener.connections.add(self)
        listener.reactor.add(self._fd, self)

    @property
    def peer(self) -> str:
        """The address that the connection counts for."""
        return self.remote

    def ready(self) -> bool:
        """The client's next bytes are here."""
        try:
            data = self._sock.recv(_RECEIVE)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            data = b""
        if not data:
            self.close()
        elif self._lingering:
            self._discarded += len(data)
            if self._discarded > _LINGER_BYTES:
                self.close()
        elif self._tls is None and _LIKE_HTTP(data):
            self._answer_plain()
        else:
            return self._shake(data)
        return False

    def _shake(self, data: bytes) -> bool:
        tls = self._tls
        try:
            if tls is None:
                assert self._listener.certificates is not None
                tls = self._tls = TLSSocket(self._sock, self._listener.certificates.context)
            complete = tls.shake(data)
            if not complete and not self._pushing and not tls.flush():
                self._pushing = True
                self._listener.nursery.start_soon(self._push, tls)
        except ssl.SSLError as error:
            self._listener.counts.failed_handshakes += 1
            log.debug("TLS handshake failed", reason=error.reason or str(error), remote=self.remote)
            self._linger()
            return False
        except OSError:
            self.close()
            return False
        if not complete:
            return False
        self._listener.connections.discard(self)
        if tls.protocol == "h2":
            from nano_trio.web.http2 import Http2Connection  # is there since the certificates were read

            self._connection = Http2Connection(tls, self.remote, self._listener)
        else:
            self._connection = Connection(tls, self.remote, self._listener)
        return self._connection.ready()  # the request may have come with the last message

    async def _push(self, tls: TLSSocket) -> None:
        """Send the rest of what the client waits for. Raises nothing but cancellation."""
        try:
            while not self._lingering and not tls.flush():
                await trio.lowlevel.wait_writable(self._sock)
        except (OSError, trio.ClosedResourceError):
            self.close()
        finally:
            self._pushing = False

    def resume(self) -> bool:
        """What came with the last message goes on where it was handed over."""
        return self._connection is not None and self._connection.resume()

    def _answer_plain(self) -> None:
        """A client that took this for an HTTP port."""
        page = error_page(400, "This port speaks HTTPS: use https:// in the address.")
        assert isinstance(page.body, bytes)
        with contextlib.suppress(OSError):
            self._sock.send(build(page, head_only=False, minor=1, keep_alive=False).data + page.body)
        log.debug("plain HTTP on a TLS port", remote=self.remote)
        self._linger()

    def _linger(self) -> None:
        """Nothing follows from us; wait a moment for the client to read what was said."""
        self._lingering = True
        self.deadline = self._listener.reactor.now + self._listener.limits.linger_timeout
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()

    def expire(self) -> None:
        """The deadline has passed."""
        if not self._lingering:
            log.debug("TLS handshake took too long", remote=self.remote)
        self.close()

    def abort(self) -> None:
        """Close with a reset."""
        if self._connection is not None:
            self._connection.abort()
            return
        reset_at_close(self._sock)
        self.close()

    def drain(self) -> None:
        """The listener stops: a connection that never asked for anything is closed."""
        self.close()

    def close(self) -> None:
        """Close the socket, if it is still ours."""
        if self._sock.fileno() >= 0 and self._connection is None:
            self._listener.reactor.remove(self._fd)
            if self._pushing:
                trio.lowlevel.notify_closing(self._sock)
            self._sock.close()
            self._listener.forget(self)
