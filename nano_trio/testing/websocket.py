"""A client's end of a WebSocket to an app under test, with no wire between.

Theory of operation. What the client sends waits in a queue, and one task hands it to the app, in order: a message is a
turn of the app, which must not run inside a turn of the test that sent it. What the app sends waits in another queue
until the test receives it. Whoever closes, the other side answers at once, as a well-behaved peer does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator

import attrs
import trio

from nano_trio.actors.messages import SharedMessage, SocketHandler, SocketLimits, SocketMessage
from nano_trio.runtime.close_codes import NO_CODE, NORMAL, TOO_BIG
from nano_trio.runtime.pieces import LargeMessage

__all__ = ["WebSocket", "WebSocketClosed"]


class WebSocketClosed(Exception):
    """The connection is over, and every message was received."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"the WebSocket is closed: {code}{f' {reason}' if reason else ''}")
        self.code = code
        """As in a ``CloseEvent``: 1005 where none was given."""
        self.reason = reason


@attrs.frozen
class _Close:
    code: int
    reason: str


class WebSocket:
    """Made by :meth:`nano_trio.testing.AsyncApp.connect`; an asynchronous context manager, and an iterator of messages.

    Implements :class:`nano_trio.actors.messages.SocketPeer`: that part is for the app.
    """

    def __init__(self, handler: SocketHandler, protocol: str, limits: SocketLimits) -> None:
        self.protocol = protocol
        """The subprotocol that the app chose, or an empty string."""
        self._handler = handler
        self._limits = limits
        self._outgoing: deque[str | bytes | _Close] = deque()
        self._work = trio.Event()
        self._resumed = trio.Event()
        self._incoming: deque[str | bytes] = deque()
        self._changed = trio.Event()
        self._closing = False
        self._end: _Close | None = None
        handler.opened(_Peer(self))

    # -- for tests ---------------------------------------------------------------------------------------------------

    async def send(self, data: str | bytes) -> None:
        """Send a text or a binary message; returns when it is with the app. Raises :class:`WebSocketClosed`."""
        if self._end is not None:
            raise WebSocketClosed(self._end.code, self._end.reason)
        self.send_soon(data)
        await trio.lowlevel.checkpoint()
        while self._outgoing and self._end is None:
            await self._change()

    async def receive(self) -> str | bytes:
        """The next message. Raises :class:`WebSocketClosed` when there will be no more."""
        await trio.lowlevel.checkpoint()
        while not self._incoming:
            if self._end is not None:
                raise WebSocketClosed(self._end.code, self._end.reason)
            await self._change()
        return self._incoming.popleft()

    async def close(self, code: int | None = None, reason: str = "") -> None:
        """Close, after what was sent; returns when the app knows. May be called again."""
        self.close_soon(code, reason)
        await self.wait_closed()

    async def wait_closed(self) -> WebSocketClosed:
        """Wait for the end, and return how it came."""
        await trio.lowlevel.checkpoint()
        while self._end is None:
            await self._change()
        return WebSocketClosed(self._end.code, self._end.reason)

    async def __aenter__(self) -> WebSocket:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close(NORMAL)

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while True:
            try:
                message = await self.receive()
            except WebSocketClosed:
                return
            yield message

    # -- what does not wait ------------------------------------------------------------------------------------------

    def send_soon(self, data: str | bytes) -> None:
        """Queue a message."""
        if not self._closing:
            self._outgoing.append(data)
            self._work.set()

    def close_soon(self, code: int | None = None, reason: str = "") -> None:
        """Queue the end. An end that was asked for already stays."""
        if not self._closing:
            self._closing = True
            self._outgoing.append(_Close(NO_CODE if code is None else code, reason))
            self._work.set()

    @property
    def busy(self) -> bool:
        """Whether something is on its way to the app."""
        return bool(self._outgoing)

    async def run(self) -> None:
        """Hand what is sent to the app, until the end."""
        while self._end is None:
            if not self._outgoing:
                self._work = trio.Event()
                await self._work.wait()
            item = self._outgoing[0]
            if isinstance(item, _Close):
                self._end = item
                self._handler.closed(item.code, item.reason, True)
            elif len(item if isinstance(item, bytes) else item.encode("utf-8", "replace")) > self._limits.max_message:
                self._end = _Close(TOO_BIG, "")
                self._handler.closed(TOO_BIG, "", True)
            else:
                self._resumed = trio.Event()
                if not self._handler.message(item):
                    await self._resumed.wait()
            self._outgoing.popleft()
            self._tell()
            await trio.lowlevel.checkpoint()
        self._outgoing.clear()

    def _tell(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def _change(self) -> None:
        await self._changed.wait()


class _Peer:
    """What the app's end talks to. Implements :class:`nano_trio.actors.messages.SocketPeer`, for calls inside turns."""

    buffered = 0
    """A test's client takes everything at once."""

    def __init__(self, client: WebSocket) -> None:
        self._client = client

    def send(self, data: SocketMessage) -> int:
        if isinstance(data, LargeMessage):
            data = data.whole()
        self._client._incoming.append(data)
        self._client._tell()
        return 0

    def send_shared(self, message: SharedMessage) -> None:
        self.send(message.data)

    send_now = send_shared

    def close(self, code: int | None, reason: str) -> None:
        self._client.close_soon(code, reason)
        self._client._resumed.set()

    def resume(self) -> None:
        self._client._resumed.set()
