"""A request body on the wire, read only as the app pulls."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import trio

from nano_trio.actors.messages import BodyBroken
from nano_trio.runtime.http1_framing import ProtocolError

if TYPE_CHECKING:
    from nano_trio.web.connection import Connection

__all__ = ["WireBody"]

_RECEIVE = 256 * 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class WireBody:
    """The :class:`~nano_trio.actors.messages.BodySource` of one request."""

    __slots__ = ("_broken", "_connection", "_ended", "_first", "awaits_continue", "error", "length")

    def __init__(
        self, connection: Connection, length: int | None, first: bytes = b"", *, expect_continue: bool = False
    ) -> None:
        self.length = length
        self.awaits_continue = expect_continue
        """The client sends nothing before it has a 100 (RFC 9110 section 10.1.1), and the app has not pulled yet."""
        self.error: ProtocolError | None = None
        """What was wrong with the body's framing."""
        self._connection = connection
        self._first = first
        self._broken = ""
        self._ended = False

    @property
    def unfinished(self) -> bool:
        """Whether the body broke off, so that nothing can follow it on the connection."""
        return bool(self._broken)

    async def receive(self) -> bytes:
        """Return the next piece (up to 256 KiB), ``b""`` at the end. Raises :class:`BodyBroken`. A checkpoint, but
        where nobody else has anything to do."""
        await self._connection.reactor.let_others()
        if self._first:
            first, self._first = self._first, b""
            return first
        reader = self._connection.reader
        while not self._ended:
            if self._broken:
                raise BodyBroken(self._broken)
            if self.awaits_continue:
                await self._send_continue()
                continue
            try:
                piece = reader.next_body()
            except ProtocolError as error:
                self.error = error
                self._broken = f"malformed request body: {error.message}"
                continue
            if piece is None:
                await self._fill()
                continue
            self._ended = not piece
            return piece
        return b""

    async def _fill(self) -> None:
        connection = self._connection
        try:
            data = connection.sock.recv(_RECEIVE)
        except (BlockingIOError, InterruptedError):
            service = connection.service
            if service is not None:
                service.stalls(receiving=trio.current_time() + connection.listener.limits.stall_timeout)
            try:
                await trio.lowlevel.wait_readable(connection.sock)
            except (trio.ClosedResourceError, ValueError, OSError):
                self._broken = self._broken or "the connection was closed"
            finally:
                if service is not None:
                    service.stalls(receiving=math.inf)
            return
        except OSError:
            data = b""
        if data:
            connection.reader.feed(data)
        else:
            self._broken = "the client closed the connection before the end of the body"
            connection.hang_up(self._broken)

    async def _send_continue(self) -> None:
        connection = self._connection
        if connection.service is not None and connection.service.head_sent:
            self.awaits_continue = False
            return
        try:
            connection.flush()
            if connection.outgoing:
                raise BlockingIOError
            sent = connection.sock.send(_CONTINUE)
        except (BlockingIOError, InterruptedError):
            await trio.lowlevel.wait_writable(connection.sock)
            return
        except OSError:
            sent = 0
        self.awaits_continue = False
        if sent != len(_CONTINUE):
            self._broken = "the connection was closed"
            connection.hang_up(self._broken)

    def detach(self, reason: str) -> None:
        """The exchange is over: whoever still pulls gets :class:`BodyBroken`. Never blocks."""
        if not self._ended and not self._broken:
            self._broken = reason
            if self._connection.sock.fileno() >= 0:
                trio.lowlevel.notify_closing(self._connection.sock)
