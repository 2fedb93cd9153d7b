"""The host half of ``websocket.js``: the WebSocket connections of one isolate, by number.

Events cross as [kind, …], one for each ``next``: ["open", protocol, extensions], ["message", a string or bytes],
["closing"], ["closed", was clean, code, reason, why it failed or None]. Long texts cross as UTF-8: ["text", bytes]. Of
a large message it is told that it is there, ["large", is text], and it is to be taken at once, in pieces (large.js).

A connection that ``fetch()`` made has nobody who asks for its events until the app accepts it or sends it out with a
response. As with a response's unread body that may take a while, but not for ever (:data:`ACCEPT_S`).
"""

from __future__ import annotations

import functools
from typing import Any, cast

import trio
from wsproto.frame_protocol import CloseReason

from nano_trio.runtime.held import Held
from nano_trio.runtime.host import Namespace, Services, headers_of, text_of
from nano_trio.runtime.large import Lent
from nano_trio.runtime.net_connect import Connector
from nano_trio.runtime.pieces import LargeMessage, Pieces
from nano_trio.runtime.websocket_client import (
    Binary,
    Closed,
    Closing,
    Event,
    Large,
    Message,
    Opened,
    Text,
    WebSocketClient,
)

__all__ = ["ACCEPT_S", "MOST_SOCKETS", "namespace"]

_LONG_TEXT = 4096
MOST_SOCKETS = 1000
"""Connections of an app that may be open at a time."""
ACCEPT_S = 30.0
"""How long a connection that ``fetch()`` made may be open before it is accepted or sent out."""


class _Sockets:
    def __init__(self, services: Services) -> None:
        self._services = services
        # Not a method of this, which would lead from each connection back to all.
        self._connect = functools.partial(Connector(services.network).connect, http2=False)
        self._clients: dict[int, WebSocketClient] = {}
        self._large: dict[int, Large] = {}
        self._unaccepted: dict[int, trio.Event] = {}
        """Set once the app accepts the connection or sends it out."""
        self._last = 0
        self._turn = 0
        self._buffered: dict[int, int] = {}
        """What of connections waits to be sent, as the turn of that number sees it."""

    def open(self, url: Any, protocols: Any, headers: Any) -> int:
        """Begin to connect; the connection's number, or 0 where there are too many.

        ``protocols``: joined by commas; ``headers``: names and values by turns, joined by line feeds, or None where
        it is no ``fetch()`` that asks.
        """
        if len(self._clients) >= MOST_SOCKETS:
            return 0
        self._last += 1
        names = text_of(protocols)
        limit = self._services.max_buffer_bytes
        fields = headers_of(text_of(headers)) if headers else []
        held = Held(self._services)
        client = WebSocketClient(self._connect, text_of(url), names.split(",") if names else [], limit, held, fields)
        self._clients[self._last] = client
        self._services.background(functools.partial(self._run, client))
        return self._last

    async def _run(self, client: WebSocketClient) -> None:
        # A thousand may be opened in one turn.
        await self._services.pace.turn()
        await client.run()

    def next(self, operation: int, number: int) -> None:
        """Settle ``operation`` with the next event."""
        self._taken(number)
        self._services.operation(operation, self._next, number)

    def open_for_fetch(self, operation: int, number: int) -> None:
        """Settle ``operation`` with the first event; whoever wants more must ask for it before long."""
        self._services.operation(operation, self._open_for_fetch, number)

    async def _open_for_fetch(self, number: int) -> list[Any]:
        event = await self._next(number)
        if event[0] == "open":
            accepted = self._unaccepted[number] = trio.Event()
            self._services.background(functools.partial(self._expect, number, accepted))
        return event

    async def _expect(self, number: int, accepted: trio.Event) -> None:
        with trio.move_on_after(ACCEPT_S):
            await accepted.wait()
            return
        if self._unaccepted.pop(number, None) is not None:  # else it was taken at this very moment
            self._clients.pop(number).close(CloseReason.GOING_AWAY, "")

    async def _next(self, number: int) -> list[Any]:
        client = self._clients.get(number)
        if client is None:
            return _crossing(Closed(False, CloseReason.ABNORMAL_CLOSURE, "", f"not accepted within {ACCEPT_S:g} s"))
        event = await client.next_event()
        if isinstance(event, Large):
            self._large[number] = event
        return _crossing(event)

    def take(self, number: int) -> int:
        """The large message of the last event: the number by which JavaScript takes it."""
        message = self._large.pop(number)
        if message.is_text:
            return self._services.large.tell(Lent.of_text(cast(list[str], message.parts)))
        return self._services.large.tell(Lent(Pieces(cast(list[bytes], message.parts)), text=False))

    def send(self, number: int, data: Any, is_text: bool) -> int:
        """Queue a message, a short text or bytes (of UTF-8, where ``is_text``), or None for one that was just handed
        over in pieces; how many bytes it has."""
        if data is None:
            message: Message = LargeMessage(self._services.large.take(), is_text=is_text)
            size = len(message)
        elif isinstance(data, str):
            message = data
            size = len(data.encode("utf-8", "replace"))
        else:
            content: bytes = data.to_bytes()
            message = content.decode("utf-8", "replace") if is_text else content
            size = len(content)
        client = self._clients.get(number)
        if client is not None:
            before = self.unsent(number) - client.unsent
            client.send(message)
            self._buffered[number] = before + client.unsent
        return size

    def unsent(self, number: int) -> int:
        """The bytes that wait to be sent. What leaves while a turn is suspended it hears of in the next (WebSockets
        section 3.1, ``bufferedAmount``)."""
        client = self._clients.get(number)
        if client is None:
            return 0
        if self._turn != self._services.turns:
            self._turn = self._services.turns
            self._buffered.clear()
        return self._buffered.setdefault(number, client.unsent)

    def close(self, number: int, code: int | None, reason: Any) -> None:
        client = self._clients.get(number)
        if client is not None:
            client.close(code, text_of(reason))

    def forget(self, number: int) -> None:
        """The app has seen the end of a connection."""
        self._taken(number)
        self._clients.pop(number, None)
        self._large.pop(number, None)
        self._buffered.pop(number, None)

    def _taken(self, number: int) -> None:
        accepted = self._unaccepted.pop(number, None)
        if accepted is not None:
            accepted.set()


def _crossing(event: Event) -> list[Any]:
    match event:
        case Opened():
            return ["open", event.protocol, event.extensions]
        case Text(text) if len(text) > _LONG_TEXT and not text.isascii():
            return ["text", text.encode()]
        case Text(content) | Binary(content):
            return ["message", content]
        case Large():
            return ["large", event.is_text]
        case Closing():
            return ["closing"]
        case Closed():
            return ["closed", event.was_clean, event.code, event.reason, event.failure]


def namespace(services: Services) -> Namespace:
    """The functions that ``websocket.js`` calls."""
    sockets = _Sockets(services)
    return {
        "open": sockets.open,
        "next": sockets.next,
        "openForFetch": sockets.open_for_fetch,
        "send": sockets.send,
        "unsent": sockets.unsent,
        "close": sockets.close,
        "forget": sockets.forget,
        "take": sockets.take,
    }
