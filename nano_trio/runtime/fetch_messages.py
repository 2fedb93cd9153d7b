"""What is sent to a server and what comes back, whichever protocol the connection speaks."""

from __future__ import annotations

import abc
from collections.abc import Awaitable, Callable

import attrs

from nano_trio.runtime.held import Held
from nano_trio.runtime.pieces import Pieces

__all__ = ["MAX_HEADERS", "MAX_HEAD_BYTES", "MOST_AT_HAND", "Headers", "RequestBody", "Response", "WireRequest"]

Headers = list[tuple[bytes, bytes]]
MAX_HEAD_BYTES = 256 * 1024
"""Of a response's head; over HTTP/2 as SETTINGS_MAX_HEADER_LIST_SIZE counts."""
MAX_HEADERS = 2000
"""Fields of a head: more than an app may send (``headerlist.js``) it is not told, either."""
MOST_AT_HAND = 16 * 1024
"""Bytes of a body that is read before anybody asks for it, where it came with its head."""


@attrs.define
class RequestBody:
    """A request's body: bytes, which can be sent again (they are not used up), or a source that is read once."""

    content: bytes | Pieces = b""
    receive: Callable[[], Awaitable[bytes]] | None = None
    """Gives the next piece, ``b""`` at the end. Raises :class:`FetchError`."""
    length: int | None = None
    """Of what ``receive`` gives, where it is known."""
    held: Held | None = None
    """By which ``content`` counts as memory of the app that sends it, where it is much."""


@attrs.frozen
class WireRequest:
    """What goes to a server. ``headers`` hold none of framing or connection: those each protocol adds."""

    method: str
    authority: str
    scheme: str
    target: str
    headers: Headers
    body: RequestBody | None


class Response(abc.ABC):
    """A response whose body is still on its way."""

    status: int
    reason: bytes
    headers: Headers

    @abc.abstractmethod
    async def receive(self) -> bytes:
        """The next non-empty piece of the body as it came, ``b""`` at the end. Raises :class:`FetchError`."""

    def at_hand(self) -> bytes | None:
        """The body, where it is short and all of it came with the head; None: it is still to be received."""
        return None

    @abc.abstractmethod
    def close(self) -> None:
        """Want no more of it. Never blocks, idempotent."""
