"""A request body of an HTTP/2 stream: what has arrived, and the right to more.

The client may send a stream's first window before anybody reads. When the app begins to read, the window grows, as long
as the connection has bytes to give for that; from then on what was read is given back. So a body takes as much memory
as its window, and a client is as fast as the app: with a small window the two go in step, and each frame is a pass of
the loop and a turn of the app."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import trio

from nano_trio.actors.messages import BodyBroken
from nano_trio.runtime.http1_framing import ProtocolError
from nano_trio.web.http2_session import STREAM_WINDOW

if TYPE_CHECKING:
    from nano_trio.web.http2 import Http2Connection
    from nano_trio.web.http2_stream import Http2Stream

__all__ = ["Http2Body", "WindowPool"]

_POOL = 2 << 20
_PIECE = 256 * 1024


class WindowPool:
    """By how many bytes the windows of a connection's streams may grow beyond their first size, all together."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = _POOL

    def take(self) -> int:
        """Bytes for one stream: half of what is there, for mostly one is all that wants any. 0: too little is left."""
        size = self._left // 2
        if size < STREAM_WINDOW:
            return 0
        self._left -= size
        return size

    def give_back(self, size: int) -> None:
        """A stream's window is to be small again."""
        self._left += size


class Http2Body:
    """The :class:`~nano_trio.actors.messages.BodySource` of one request: what has arrived, and the right to more."""

    __slots__ = (
        "_arrived",
        "_awaits_continue",
        "_broken",
        "_buffer",
        "_connection",
        "_ended",
        "_left",
        "_limit",
        "_more_window",
        "_owed",
        "_stream",
        "_target_window",
        "_window",
        "error",
        "length",
    )

    def __init__(
        self, stream: Http2Stream, connection: Http2Connection, length: int | None, *, expect_continue: bool
    ) -> None:
        self.length = length
        self.error: ProtocolError | None = None
        """What the client did wrong, if that broke the body."""
        self._stream: Http2Stream | None = stream
        """None once the exchange is over."""
        self._connection = connection
        self._awaits_continue = expect_continue
        self._left = math.inf if length is None else length
        self._limit = math.inf
        """Bytes of content that may still come."""
        self._buffer = bytearray()
        self._ended = False
        self._broken = ""
        self._arrived: trio.Event | None = None
        self._window = STREAM_WINDOW
        """What the client may send now, with padding."""
        self._target_window = STREAM_WINDOW
        self._more_window = 0
        self._owed = 0
        """What was read and is still to be given back."""

    def bound(self, limit: float) -> bool:
        """Refuse (413) content beyond ``limit`` bytes; False where it is known to be longer. Before any has come."""
        self._limit = min(self._limit, limit)
        return self.length is None or self.length <= limit

    async def receive(self) -> bytes:
        """Return the next piece (up to 256 KiB), ``b""`` at the end. Raises :class:`BodyBroken`. A checkpoint, but
        where nobody else has anything to do."""
        await self._connection.reactor.let_others()
        while True:
            if self._buffer:
                data = bytes(memoryview(self._buffer)[:_PIECE])
                del self._buffer[:_PIECE]
                self._give_back(len(data))
                return data
            if self._broken:
                raise BodyBroken(self._broken)
            if self._ended:
                return b""
            stream, connection = self._stream, self._connection
            assert stream is not None  # detached is broken, or ended
            self._invite(stream)
            stream.receiving = trio.current_time() + connection.listener.limits.stall_timeout
            connection.due(stream.receiving)
            self._arrived = trio.Event()
            try:
                await self._arrived.wait()
            finally:
                self._arrived = None
                stream.receiving = math.inf

    def _invite(self, stream: Http2Stream) -> None:
        """The app waits for the client: say so, where the client waits for that."""
        connection = self._connection
        if self._awaits_continue:
            self._awaits_continue = False
            if not stream.answering:
                connection.session.inform(stream.number)
                connection.wake()
        if not self._more_window and self._left > self._window and (more := connection.pool.take()):
            self._more_window = more
            self._target_window += more
            self._window += more
            connection.session.credit(stream.number, more)
            connection.wake()

    def arrived(self, data: bytes, size: int, *, ended: bool) -> None:
        """The client sent ``data``, which took ``size`` bytes of the window."""
        self._window -= size
        self._left -= len(data)
        self._limit -= len(data)
        self._awaits_continue = False
        if self._limit < 0:
            self.refuse(ProtocolError(413, "request body too large"))
        if self._broken:
            return
        self._buffer += data
        if ended:
            self._ended = True
        else:
            self._give_back(size - len(data))
        self._notify()

    def _give_back(self, size: int) -> None:
        self._owed += size
        # Not before it is worth a frame, and not when the client has all the window that it will need.
        stream, worth_it = self._stream, self._owed * 4 >= self._target_window
        if stream is not None and worth_it and not self._ended and self._left > self._window:
            owed, self._owed = self._owed, 0
            self._window += owed
            self._connection.session.credit(stream.number, owed)
            self._connection.wake()

    def refuse(self, error: ProtocolError) -> None:
        """The client must not go on: whoever reads gets :class:`BodyBroken`."""
        if not self._broken:
            self.error = error
            self._broken = f"malformed request body: {error.message}"
            self._notify()

    def detach(self, reason: str) -> None:
        """The exchange is over: whoever still reads gets :class:`BodyBroken`. Never blocks, idempotent."""
        self._connection.pool.give_back(self._more_window)
        self._more_window = 0
        if not self._broken and not (self._ended and not self._buffer):
            self._broken = reason
            self._buffer = bytearray()
        self._stream = None
        self._notify()

    def _notify(self) -> None:
        if self._arrived is not None:
            self._arrived.set()
