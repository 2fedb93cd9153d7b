"""The opening handshake of a WebSocket, the server's end, without sockets: the upgrade of a connection of HTTP/1.1 (RFC
6455 section 4.2), and the extended CONNECT of HTTP/2 (RFC 8441 section 5).

The second has no key, for ``:protocol`` says what that proves. The subprotocol and the extensions are agreed on alike.
"""

from __future__ import annotations

import base64
import binascii

import attrs

from nano_trio.actors.messages import OutgoingResponse
from nano_trio.runtime.http1_framing import ProtocolError
from nano_trio.runtime.http_syntax import HOP_BY_HOP, is_token, members
from nano_trio.runtime.websocket_protocol import accept_of
from nano_trio.web.http1 import Head
from nano_trio.web.response_head import BadResponse, date_line, field_line
from nano_trio.web.websocket_compression import Compression, Offer, agree, parse_extensions

__all__ = ["UPGRADE_REQUIRED", "Upgrade", "accept", "agreed", "read_connect", "read_upgrade"]

_VERSION = "13"
_OURS = HOP_BY_HOP | {"content-length", "date", "sec-websocket-accept", "sec-websocket-extensions"}
"""Fields of the app's response that are not its business."""

_SPOKEN = b"sec-websocket-version: 13\r\n"
UPGRADE_REQUIRED = b"upgrade: websocket\r\nconnection: upgrade\r\n" + _SPOKEN
"""Field lines that belong to 426 (RFC 9110 section 15.5.22, RFC 6455 section 4.4)."""


@attrs.frozen
class Upgrade:
    """What a client asks for."""

    key: bytes
    """Over HTTP/2 there is none."""
    protocols: tuple[str, ...]
    """The subprotocols it offers, the preferred one first."""
    extensions: tuple[Offer, ...]


def read_connect(head: Head) -> Upgrade:
    """Check an extended CONNECT for a WebSocket. Raises :class:`ProtocolError`: 400, for another version too, as 426
    must come with Upgrade, a field that HTTP/2 does not have."""
    version = _one(head, "Sec-WebSocket-Version")
    if head.content_length:
        raise ProtocolError(400, "a request for a WebSocket has no body")
    if version != _VERSION:
        reason = "Sec-WebSocket-Version is missing" if version is None else "the WebSocket version spoken here is 13"
        raise ProtocolError(400, reason, _SPOKEN)
    return Upgrade(b"", _protocols(head), _offers(head))


def read_upgrade(head: Head) -> Upgrade:
    """Check a request with ``Upgrade: websocket``. Raises :class:`ProtocolError`: 400, or 426 for another version."""
    key = _one(head, "Sec-WebSocket-Key")
    version = _one(head, "Sec-WebSocket-Version")
    connection = _all(head, "connection") or ""
    if head.method != "GET":
        raise ProtocolError(400, "a WebSocket is asked for with GET")
    if not head.minor:
        raise ProtocolError(400, "a WebSocket is asked for with HTTP/1.1")
    if "upgrade" not in members(connection.lower()):
        raise ProtocolError(400, "Upgrade: websocket without Connection: Upgrade")
    if head.chunked or head.content_length:
        raise ProtocolError(400, "a request for a WebSocket has no body")
    if version is None:
        raise ProtocolError(400, "Sec-WebSocket-Version is missing", UPGRADE_REQUIRED)
    if version != _VERSION:
        raise ProtocolError(426, "the WebSocket version spoken here is 13", UPGRADE_REQUIRED)
    if key is None:
        raise ProtocolError(400, "Sec-WebSocket-Key is missing")
    try:
        valid = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        valid = False
    if not valid:
        raise ProtocolError(400, "Sec-WebSocket-Key is not the base64 of 16 bytes")
    return Upgrade(key.encode("latin-1"), _protocols(head), _offers(head))


def _one(head: Head, title: str) -> str | None:
    """The value of a field that may be there once."""
    values = [value for name, value in head.headers if name == title.lower()]
    if len(values) > 1:
        raise ProtocolError(400, f"more than one {title} header")
    return values[0] if values else None


def _all(head: Head, field: str) -> str | None:
    """The values of a field, as one list."""
    values = [value for name, value in head.headers if name == field]
    return ",".join(values) if values else None


def _offers(head: Head) -> tuple[Offer, ...]:
    text = _all(head, "sec-websocket-extensions")
    try:
        return tuple(parse_extensions(text)) if text is not None else ()
    except ValueError:
        raise ProtocolError(400, "malformed Sec-WebSocket-Extensions") from None


def _protocols(head: Head) -> tuple[str, ...]:
    text = _all(head, "sec-websocket-protocol")
    if text is None:
        return ()
    names = tuple(name.strip(" \t") for name in text.split(","))
    if not all(map(is_token, names)):
        raise ProtocolError(400, "malformed Sec-WebSocket-Protocol")
    if len(set(names)) < len(names):
        raise ProtocolError(400, "Sec-WebSocket-Protocol names a protocol twice")
    return names


def agreed(upgrade: Upgrade, response: OutgoingResponse) -> tuple[list[tuple[str, str]], Compression | None]:
    """The fields of the response that opens the connection, but for what belongs to HTTP/1.1, and the compression that
    they agree to. Raises :class:`BadResponse` for a subprotocol that the client did not offer."""
    fields = [field for field in response.headers if field[0].lower() not in _OURS]
    protocols = [value.strip(" \t") for name, value in fields if name.lower() == "sec-websocket-protocol"]
    if len(protocols) > 1:
        raise BadResponse("more than one sec-websocket-protocol")
    if protocols and protocols[0] not in upgrade.protocols:
        raise BadResponse(f"the client did not offer the subprotocol {protocols[0]!r}")
    compression = agree(upgrade.extensions) if response.socket_limits.compression else None
    if compression is not None:
        fields.append(("sec-websocket-extensions", compression.answer))
    return fields, compression


def accept(upgrade: Upgrade, response: OutgoingResponse, id_line: bytes = b"") -> tuple[bytes, Compression | None]:
    """The response of HTTP/1.1 that opens the connection, and the compression that it agrees to.

    ``id_line`` tells the request's id, where the response does not.
    Raises :class:`BadResponse` for fields of the app's that cannot be sent, such as a subprotocol that the client did
    not offer.
    """
    digest = accept_of(upgrade.key)
    fields, compression = agreed(upgrade, response)
    if any(name.lower() == "x-request-id" for name, _ in fields):
        id_line = b""
    lines = [
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ",
        digest,
        b"\r\n",
        date_line(),
        *(field_line(name, value) for name, value in fields),
        id_line,
        b"\r\n",
    ]
    return b"".join(lines), compression
