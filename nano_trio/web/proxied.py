"""A connection before it is one, behind a proxy that speaks the PROXY protocol: its header, without a task.

The reactor watches a :class:`Proxied` as it watches connections. When the header is complete it puts what the listener
serves (a ``Connection`` or a TLS ``Handshake``) in its own place, with the client's address. A malformed header, one
from a peer that is not trusted, or one that takes too long ends the connection without a word, as the specification
asks (section 2).
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import structlog

from nano_trio.web.proxy_header import ProxyHeaderError, parse, wanted
from nano_trio.web.resets import reset_at_close

if TYPE_CHECKING:
    from nano_trio.web.listener import Begun, Listener

__all__ = ["Proxied"]

log = structlog.get_logger("nano_trio.web")


class Proxied:
    """A proxy that has yet to say for whom it connects, on an accepted, non-blocking socket."""

    __slots__ = ("_begun", "_data", "_fd", "_listener", "_sock", "deadline", "peer")

    idle = True
    """It has no request in flight: a server that drains closes it."""

    target = None
    """It has asked for nothing."""

    def __init__(self, sock: socket.socket, peer: str, listener: Listener) -> None:
        self.peer = peer
        self.deadline = listener.reactor.now + listener.limits.head_timeout
        self._sock = sock
        self._fd = sock.fileno()
        self._listener = listener
        self._data = b""
        self._begun: Begun | None = None
        listener.connections.add(self)
        listener.reactor.add(self._fd, self)

    def ready(self) -> bool:
        """The proxy's next bytes are here."""
        try:
            count, look = wanted(self._data)
            if look:
                ahead = self._sock.recv(count, socket.MSG_PEEK)
                # A CR may be the last byte that was read already, and only LF be missing.
                end = (self._data[-1:] + ahead).find(b"\r\n")
                count = end + 2 - len(self._data[-1:]) if end >= 0 else len(ahead)
            data = self._sock.recv(count) if count else b""
            if not data:
                self.close()
                return False
            self._data += data
            header = parse(self._data)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            self.close()
            return False
        except ProxyHeaderError as error:
            log.warning("PROXY protocol refused", reason=str(error), remote=self.peer)
            self.abort()
            return False
        if header is None:
            return False
        listener = self._listener
        listener.connections.discard(self)
        self._begun = listener.admit(self._sock, self.peer if header.source is None else header.source)
        # What follows may be here already, but a level-triggered poll will say so.
        return False

    def resume(self) -> bool:
        """Nothing was left to go on with."""
        return False

    def drain(self) -> None:
        """The server shuts down."""
        self.close()

    def expire(self) -> None:
        """The deadline has passed."""
        log.debug("no PROXY protocol header in time", remote=self.peer)
        self.close()

    def abort(self) -> None:
        """Close with a reset."""
        reset_at_close(self._sock)
        self.close()

    def close(self) -> None:
        """Close the socket, if it is still ours."""
        if self._sock.fileno() >= 0 and self._begun is None:
            self._listener.reactor.remove(self._fd)
            self._sock.close()
            self._listener.forget(self)
