"""The host half of ``websocket_server.js``: WebSockets that clients opened to the app, by number, and rooms."""

from __future__ import annotations

from typing import Any, Protocol

from nano_trio.runtime import strings
from nano_trio.runtime.host import Namespace, Services

__all__ = ["WANTS_DRAIN", "WANTS_OPEN", "NoSockets", "SocketHost", "message_of", "namespace"]

WANTS_OPEN = 1
"""The app has an ``open`` handler: the entry ``socketOpen`` is to be called."""
WANTS_DRAIN = 2
"""The app has a ``drain`` handler: the entry ``socketDrain`` is to be called."""


def message_of(data: Any, is_text: bool) -> str | bytes:
    """A message that JavaScript sends: a string, which may come boxed, or a Value with bytes."""
    if is_text:
        return data if type(data) is str else strings.unbox(data)
    content: bytes = data.to_bytes()
    return content


class SocketHost(Protocol):
    """Owns the app's ends of accepted WebSockets. Every method is called inside a turn: it neither blocks nor raises.

    It calls the entries ``socketOpen(number)``, ``socketMessage(number, data, how)``, ``socketDrain(number)``, and once
    ``socketClose(number, code, reason, clean, was opened)``. A message is text or bytes; or ``how`` says that it is
    "boxed" (:mod:`nano_trio.runtime.strings`), or that data is the number of a large "text" or "bytes"
    (:meth:`nano_trio.runtime.large.Large.tell`). Unknown numbers are ignored: the connection is over.
    """

    def accept(self, request: int, reason: str, headers: str | None, wants: int) -> int:
        """Answer a request with 101. ``headers`` as in :meth:`AppHost.respond`. The connection's number, or 0 where
        there will be none: the client left, or the app has as many connections as it may."""

    def send(self, number: int, data: Any, is_text: bool) -> int:
        """Queue a message, None for one that was just handed over in pieces; the bytes that the socket has not taken
        yet."""

    def close(self, number: int, code: int | None, reason: Any) -> None:
        """Begin the closing handshake, after what is queued."""

    def buffered(self, number: int) -> int:
        """The bytes that the socket has not taken yet."""

    def remote_address(self, number: int) -> str:
        """The client's address; empty where the connection is over."""

    def failed(self, text: str, stack: str) -> None:
        """A handler threw or rejected."""

    def awaits(self, number: int) -> int:
        """The handler of the message of this turn is not done when it returns. The size of the message, for
        :meth:`settled`."""

    def settled(self, number: int, size: int) -> None:
        """Such a handler is done."""

    def subscribe(self, number: int, room: Any) -> bool:
        """Enter a room. False: the app's connections are in as many rooms as they may be."""

    def unsubscribe(self, number: int, room: Any) -> None:
        """Leave a room."""

    def subscribed(self, number: int, room: Any) -> bool:
        """Whether the connection is in the room."""

    def publish(self, number: int, room: Any, data: Any, is_text: bool) -> int:
        """Send to all in a room but this connection (0: to all); how many those are, -1 where too much waits."""

    def members(self, room: Any) -> list[int]:
        """The numbers of this isolate's connections in the room."""

    def count(self, room: Any) -> int:
        """How many of the app's connections are in the room."""


class NoSockets:
    """Implements :class:`SocketHost` where no clients connect: scripts."""

    def accept(self, request: int, reason: str, headers: str | None, wants: int) -> int:
        """Nothing is ever accepted, so what follows is called for no connection."""
        return 0

    def send(self, number: int, data: Any, is_text: bool) -> int:
        return 0

    def close(self, number: int, code: int | None, reason: Any) -> None: ...

    def buffered(self, number: int) -> int:
        return 0

    def remote_address(self, number: int) -> str:
        return ""

    def failed(self, text: str, stack: str) -> None: ...

    def awaits(self, number: int) -> int:
        return 0

    def settled(self, number: int, size: int) -> None: ...

    def subscribe(self, number: int, room: Any) -> bool:
        return True

    def unsubscribe(self, number: int, room: Any) -> None: ...

    def subscribed(self, number: int, room: Any) -> bool:
        return False

    def publish(self, number: int, room: Any, data: Any, is_text: bool) -> int:
        return 0

    def members(self, room: Any) -> list[int]:
        return []

    def count(self, room: Any) -> int:
        return 0


def namespace(services: Services) -> Namespace:
    """The functions that ``websocket_server.js`` and ``rooms.js`` call."""
    sockets = services.app.sockets
    names = [
        "accept",
        "send",
        "close",
        "buffered",
        "remote_address",
        "failed",
        "awaits",
        "settled",
        "subscribe",
        "unsubscribe",
        "subscribed",
        "publish",
        "count",
    ]
    return {
        **{name: getattr(sockets, name) for name in names},
        "members": lambda room: services.array(sockets.members(room)),
    }
