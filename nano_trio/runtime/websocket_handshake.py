"""The opening handshake of a WebSocket client: RFC 6455 section 4.1, and Fetch's "obtain a WebSocket connection".

Without sockets: :meth:`Handshake.request` is what to send, :meth:`Handshake.receive` takes what comes.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

import attrs
import can_ada
import h11

from nano_trio import __version__
from nano_trio.runtime.http_syntax import members
from nano_trio.runtime.net_connect import Origin
from nano_trio.runtime.websocket_deflate import OFFER, BadExtension, Deflate
from nano_trio.runtime.websocket_protocol import accept_of

__all__ = ["Accepted", "Handshake", "HandshakeFailed"]


class HandshakeFailed(Exception):
    """The server did not agree to a WebSocket connection; the text says why."""


@attrs.frozen
class Accepted:
    """What was agreed."""

    protocol: str
    extensions: str
    deflate: Deflate | None
    rest: bytes
    """The first bytes after the response."""


class Handshake:
    """One handshake with the server of ``url``, a ws: or wss: URL. ``headers``: further fields of the request."""

    def __init__(
        self, url: str, protocols: Sequence[str], max_message: int, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        parsed = can_ada.parse(url)
        self._protocols = protocols
        self._max_message = max_message
        self.origin = Origin.of(parsed, "https" if parsed.protocol == "wss:" else "http")
        self._key = base64.b64encode(os.urandom(16))
        fields = [
            ("Host", parsed.host),
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", self._key.decode()),
            ("Sec-WebSocket-Extensions", OFFER),
        ]
        if protocols:
            fields.append(("Sec-WebSocket-Protocol", ", ".join(protocols)))
        given = {name for name, _ in headers}
        if "user-agent" not in given:
            fields.append(("User-Agent", f"nano-trio/{__version__}"))
        if (parsed.username or parsed.password) and "authorization" not in given:
            credentials = unquote_to_bytes(parsed.username) + b":" + unquote_to_bytes(parsed.password)
            fields.append(("Authorization", f"Basic {base64.b64encode(credentials).decode()}"))
        self._http = h11.Connection(h11.CLIENT)
        request = h11.Request(method="GET", target=parsed.pathname + parsed.search, headers=[*fields, *headers])
        self.request: bytes = self._http.send(request) or b""

    def receive(self, data: bytes) -> Accepted | None:
        """Take bytes from the server (none: it closed the connection); None while the response is incomplete.

        Raises :class:`HandshakeFailed`.
        """
        try:
            self._http.receive_data(data)
            event = self._http.next_event()
        except h11.RemoteProtocolError:
            if not data:
                raise HandshakeFailed("the server closed the connection without a response") from None
            raise HandshakeFailed("the server's response is no HTTP") from None
        if event is h11.NEED_DATA:
            return None
        if isinstance(event, h11.ConnectionClosed):
            raise HandshakeFailed("the server closed the connection without a response")
        if not isinstance(event, h11.InformationalResponse | h11.Response):
            raise HandshakeFailed("the server's response is no HTTP")
        if event.status_code != 101:
            raise HandshakeFailed(f"the server answered with the status {event.status_code} instead of 101")
        return self._check(event)

    def _check(self, response: h11.InformationalResponse | h11.Response) -> Accepted:
        fields: dict[str, str] = {}
        for name, value in response.headers:
            key, text = name.decode().lower(), value.decode("latin-1")
            if key in fields and key in ("sec-websocket-accept", "sec-websocket-protocol"):
                raise HandshakeFailed(f"the server's response has {key} twice")
            fields[key] = f"{fields[key]}, {text}" if key in fields else text
        if fields.get("upgrade", "").lower() != "websocket":
            raise HandshakeFailed("the server's response does not upgrade to websocket")
        if "upgrade" not in members(fields.get("connection", "").lower()):
            raise HandshakeFailed("the server's response does not upgrade the connection")
        expected = accept_of(self._key).decode()
        if fields.get("sec-websocket-accept", "").strip() != expected:
            raise HandshakeFailed("the server's Sec-WebSocket-Accept does not match the key")
        protocol = fields.get("sec-websocket-protocol", "")
        if protocol and protocol not in self._protocols:
            raise HandshakeFailed(f'the server chose the protocol "{protocol}", which was not asked for')
        if self._protocols and not protocol:
            raise HandshakeFailed("the server chose none of the protocols that were asked for")
        extensions = fields.get("sec-websocket-extensions", "")
        try:
            deflate = Deflate(extensions, self._max_message) if extensions else None
        except BadExtension:
            raise HandshakeFailed("the server chose extensions that were not offered") from None
        return Accepted(protocol, extensions, deflate, bytes(self._http.trailing_data[0]))
