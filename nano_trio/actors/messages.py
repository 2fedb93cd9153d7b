"""What crosses between ``web`` and ``actors``: requests going down, responses coming back up.

A request that arrives whole carries its body as ``bytes``; a larger one carries a :class:`BodySource` that is read only
as the app pulls. A response likewise carries ``bytes``, ``None`` or a :class:`BodyStream` that the connection pulls
chunk by chunk, only as the socket drains. Header names and values are ``str`` in Latin-1 (RFC 9110 section 5.5: one
character an octet), names in lower case for requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs

from nano_trio.actors import request_ids
from nano_trio.actors.incoming import Incoming
from nano_trio.actors.trace import Span
from nano_trio.runtime.pieces import LargeMessage, Pieces

__all__ = [
    "BodyBroken",
    "BodySource",
    "BodyStream",
    "Exchange",
    "Gathering",
    "IncomingRequest",
    "Origin",
    "OutgoingResponse",
    "SharedMessage",
    "SocketHandler",
    "SocketLimits",
    "SocketMessage",
    "SocketPeer",
    "SocketSettings",
    "Target",
]


Origin = tuple[int | str, Span | None]
"""A request's id and its span."""

SocketMessage = str | bytes | LargeMessage
"""A text message of a WebSocket, a binary one, or a large one of either kind."""


class BodyBroken(Exception):
    """A body ended before its end: the peer left, sent malformed framing, or the app's stream failed.

    The text says which, for the log and for the other side's error.
    """


class BodySource(Protocol):
    """A request body still on the wire."""

    length: int | None
    """The Content-Length in bytes, or None for a chunked body."""

    async def receive(self) -> bytes:
        """Return the next non-empty chunk, or ``b""`` at the end. Raises :class:`BodyBroken`. A checkpoint, but where
        nobody else has anything to do."""


class BodyStream(Protocol):
    """A response body that the app produces while it is sent."""

    async def receive(self) -> bytes:
        """Return the next non-empty chunk, or ``b""`` at the end. Raises :class:`BodyBroken`.

        Calling it is what makes the app's stream pull: call it only when the last chunk has left for the socket.
        """

    def cancel(self, reason: str) -> None:
        """Stop producing: the client left. Never blocks; may be called at any time, more than once."""


class IncomingRequest:
    """A request head, parsed and validated, with its body or the way to it.

    Written by hand: one is made for each request.
    """

    __slots__ = (
        "_headers",
        "body",
        "certificate",
        "chain",
        "joined",
        "method",
        "origin_id",
        "remote_address",
        "span",
        "url",
    )

    # Told here: a string in the constructor is a step of it.
    url: str
    """Absolute, as ``request.url`` is built from it: ``http://host:port/path?query``."""
    remote_address: str
    """The client's address without the port, e.g. ``127.0.0.1`` or ``::1``."""
    origin_id: int | str
    """The request's id: its text, or the number of one of ours (``actors/request_ids.py``)."""
    chain: tuple[str, ...]
    """The apps through which it came by service bindings, the first caller first."""
    certificate: bytes | None
    """The certificate that the client gave (DER), verified; only where listeners ask for one."""
    joined: str | None
    """``headers`` as one string, where the sender has it: names and values by turns, joined by line feeds."""
    span: Span | None
    """Its part in a distributed trace, where it has one."""

    def __init__(
        self,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]],
        body: bytes | BodySource | None,
        remote_address: str,
        id: int | str = "",
        chain: tuple[str, ...] = (),
        joined: str | None = None,
        certificate: bytes | None = None,
        span: Span | None = None,
    ) -> None:
        self.method = method
        self.url = url
        self._headers = headers
        self.body = body
        self.remote_address = remote_address
        self.origin_id = id
        self.chain = chain
        self.certificate = certificate
        self.joined = joined
        self.span = span

    @property
    def id(self) -> str:
        """The request id that responses, error pages and logs show."""
        return request_ids.text(self.origin_id)

    @property
    def origin(self) -> Origin:
        """What is kept of the request for what is done on its behalf."""
        return self.origin_id, self.span

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """Name (lower case) and value pairs, in the order of arrival. Equal requests share them: set others instead."""
        return self._headers

    @headers.setter
    def headers(self, headers: Sequence[tuple[str, str]]) -> None:
        self._headers = headers
        self.joined = None


@attrs.define(slots=True, eq=False)
class SharedMessage:
    """A WebSocket message for many connections. ``web`` frames it once and keeps the bytes here."""

    data: SocketMessage
    """A text message (no lone surrogates), a binary one, or a large one, which stays as it is."""
    frames: dict[str, bytes | Pieces] = attrs.Factory(dict)
    """Complete frames by variant (plain, compressed), filled in by the first connection that needs each."""


class SocketPeer(Protocol):
    """The wire end of an accepted WebSocket. Nothing here blocks or raises; all of it may be called inside turns, for
    none of it calls the handler before it returns."""

    @property
    def buffered(self) -> int:
        """Bytes handed to ``send`` that the socket has not taken yet."""

    def send(self, data: SocketMessage) -> int:
        """Queue a text or a binary message; ``buffered`` then. After a close, and on a lost connection, nothing
        happens."""

    def send_shared(self, message: SharedMessage) -> None:
        """Queue a message whose frame many connections share."""

    def send_now(self, message: SharedMessage) -> None:
        """Send such a message, without looking for what may follow it. Not for inside turns: it costs a system call."""

    def close(self, code: int | None, reason: str) -> None:
        """Begin the close handshake, after what is queued (RFC 6455 section 7.1.2). None: without a code."""

    def resume(self) -> None:
        """The app has caught up: read on after :meth:`SocketHandler.message` said False."""


class Gathering(Protocol):
    """Messages of an app's connections that are handed to it together."""

    def flush(self) -> None:
        """Hand over what was gathered. Does not raise."""

    def abort(self) -> None:
        """:meth:`flush` failed: close the connections that it was about."""


class SocketHandler(Protocol):
    """The app's end of an accepted WebSocket: a connection's actor calls it. Nothing here blocks or raises."""

    def opened(self, peer: SocketPeer) -> None:
        """The 101 response is on its way; from now on messages come and ``peer`` may be used."""

    def message(self, data: SocketMessage) -> bool:
        """A message arrived. False: hold the next ones back until :meth:`SocketPeer.resume`."""

    def gather(self, data: SocketMessage) -> Gathering | None:
        """A message arrived that may wait for others, until :meth:`Gathering.flush`: before anything else is said here,
        and before this pass of the loop is over. None: it may not, and is to be said by :meth:`message`."""

    def drained(self) -> None:
        """What was queued beyond the high-water mark has left for the socket."""

    def closed(self, code: int, reason: str, clean: bool) -> None:
        """The connection is over; called once. 1005: no code in the close frame, 1006: no close frame at all."""


class SocketSettings(Protocol):
    """What :class:`SocketLimits` needs of an app's configuration (:class:`nano_trio.config.App`)."""

    @property
    def max_message_mb(self) -> float: ...
    @property
    def max_buffered_mb(self) -> float: ...
    @property
    def websocket_compression(self) -> bool: ...
    @property
    def websocket_ping_interval_s(self) -> float: ...
    @property
    def websocket_ping_timeout_s(self) -> float: ...
    @property
    def websocket_close_timeout_s(self) -> float: ...


@attrs.frozen
class SocketLimits:
    """What the wire end of a WebSocket may take, and how it is kept alive. Made once for an app, shared by all its
    connections. Sizes are bytes, times are seconds."""

    max_message: int = 16 * 1024 * 1024
    """A longer message, inflated, is refused with the close code 1009."""
    max_buffered: int = 1024 * 1024
    """Where more waits to be sent, one more message closes the connection with 1008."""
    compression: bool = True
    """Whether permessage-deflate (RFC 7692) is agreed to."""
    ping_interval: float = 30.0
    """Between two Pings; 0: none."""
    ping_timeout: float = 10.0
    """For the Pong; 0: for ever."""
    close_timeout: float = 5.0
    """For the client's part of the closing handshake."""
    incoming: Incoming = attrs.field(factory=Incoming, eq=False)
    """Where it has no room for more of a message: close code 1013."""

    @classmethod
    def of(cls, app: SocketSettings, incoming: Incoming | None = None) -> SocketLimits:
        """As an app is configured."""
        return cls(
            incoming=incoming or Incoming(),
            max_message=round(app.max_message_mb * 2**20),
            max_buffered=round(app.max_buffered_mb * 2**20),
            compression=app.websocket_compression,
            ping_interval=app.websocket_ping_interval_s,
            ping_timeout=app.websocket_ping_timeout_s,
            close_timeout=app.websocket_close_timeout_s,
        )


@attrs.define(slots=True, eq=False)
class OutgoingResponse:
    """A response head with its body. ``web`` adds Date, framing and connection headers."""

    status: int
    reason: str
    """The reason phrase, or ``""`` for the status code's standard one."""
    headers: list[tuple[str, str]]
    body: bytes | BodyStream | None
    socket: SocketHandler | None = None
    """With status 101: the app accepts the request's WebSocket (RFC 6455 section 4.2). ``web`` makes the handshake's
    own headers; ``headers`` may hold ``sec-websocket-protocol``."""
    socket_limits: SocketLimits = SocketLimits()
    """Of that WebSocket: the app's (:meth:`SocketLimits.of`)."""


class Exchange(Protocol):
    """One request on its way through an app."""

    response: OutgoingResponse | None
    """Set as soon as the head is known; often already when :meth:`Target.begin` returns."""

    async def wait(self) -> OutgoingResponse:
        """Wait for the head. Always answers: errors, limits and time-outs become 5xx responses."""

    def disconnect(self, reason: str) -> None:
        """The client left: abort ``request.signal``, cancel what the request started. Idempotent, never blocks."""

    def spoiled(self, instead: OutgoingResponse) -> None:
        """The response cannot be sent; the client gets ``instead``. Never blocks."""

    def finish(self) -> None:
        """The response is on the wire (or given up): release what the exchange holds. Idempotent, never blocks."""


class Target(Protocol):
    """An app as ``web`` sees it."""

    name: str

    @property
    def prompt(self) -> bool:
        """Whether its requests have long taken little time: where many wait, they need not stand behind all others."""

    @property
    def max_body(self) -> int | None:
        """Bytes that a request's body may have; larger ones are refused (413) by ``web``. None: any number."""

    def begin(self, request: IncomingRequest) -> Exchange:
        """Hand the request over. Never blocks: when the isolate is free the turn runs here and now."""
