"""The opening handshake of a WebSocket, the server's end (RFC 6455 section 4.2), without sockets."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

import attrs

from nano_trio.actors.messages import OutgoingResponse
from nano_trio.web.framing import ProtocolError
from nano_trio.web.http1 import Head
from nano_trio.web.response_head import BadResponse, date_line, field_line
from nano_trio.web.websocket_compression import Compression, Offer, agree, parse_extensions

__all__ = ["UPGRADE_REQUIRED", "Upgrade", "accept", "read_upgrade"]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSION = "13"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_OURS = frozenset(
    (
        "connection",
        "content-length",
        "date",
        "keep-alive",
        "proxy-connection",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
"""Fields of the app's response that are not its business."""

UPGRADE_REQUIRED = b"upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
"""Field lines that belong to 426 (RFC 9110 section 15.5.22, RFC 6455 section 4.4)."""


@attrs.frozen
class Upgrade:
    """What a client asks for."""

    key: bytes
    protocols: tuple[str, ...]
    """The subprotocols it offers, the preferred one first."""
    extensions: tuple[Offer, ...]


def read_upgrade(head: Head) -> Upgrade:
    """Check a request with ``Upgrade: websocket``. Raises :class:`ProtocolError`: 400, or 426 for another version."""
    key = version = protocols = extensions = None
    connection = ""
    for name, value in head.headers:
        if name == "connection":
            connection += "," + value.lower()
        elif name == "sec-websocket-key":
            if key is not None:
                raise ProtocolError(400, "more than one Sec-WebSocket-Key header")
            key = value
        elif name == "sec-websocket-version":
            if version is not None:
                raise ProtocolError(400, "more than one Sec-WebSocket-Version header")
            version = value
        elif name == "sec-websocket-protocol":
            protocols = value if protocols is None else f"{protocols},{value}"
        elif name == "sec-websocket-extensions":
            extensions = value if extensions is None else f"{extensions},{value}"
    if head.method != "GET":
        raise ProtocolError(400, "a WebSocket is asked for with GET")
    if not head.minor:
        raise ProtocolError(400, "a WebSocket is asked for with HTTP/1.1")
    if "upgrade" not in (option.strip(" \t") for option in connection.split(",")):
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
    try:
        offers = tuple(parse_extensions(extensions)) if extensions is not None else ()
    except ValueError:
        raise ProtocolError(400, "malformed Sec-WebSocket-Extensions") from None
    return Upgrade(key.encode("latin-1"), _protocols(protocols), offers)


def _protocols(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    names = tuple(name.strip(" \t") for name in text.split(","))
    if not all(map(_TOKEN, names)):
        raise ProtocolError(400, "malformed Sec-WebSocket-Protocol")
    if len(set(names)) < len(names):
        raise ProtocolError(400, "Sec-WebSocket-Protocol names a protocol twice")
    return names


def accept(upgrade: Upgrade, response: OutgoingResponse, id_line: bytes = b"") -> tuple[bytes, Compression | None]:
    """The response that opens the connection, and the compression that it agrees to.

    ``id_line`` tells the request's id, where the response does not.
    Raises :class:`BadResponse` for fields of the app's that cannot be sent, such as a subprotocol that the client did
    not offer.
    """
    digest = base64.b64encode(hashlib.sha1(upgrade.key + _GUID).digest())
    lines = [
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ",
        digest,
        b"\r\n",
        date_line(),
    ]
    protocol = None
    for name, value in response.headers:
        line = field_line(name, value)
        key = name.lower()
        if key == "sec-websocket-protocol":
            if protocol is not None:
                raise BadResponse("more than one sec-websocket-protocol")
            protocol = value.strip(" \t")
            if protocol not in upgrade.protocols:
                raise BadResponse(f"the client did not offer the subprotocol {protocol!r}")
        if key == "x-request-id":
            id_line = b""
        if key not in _OURS:
            lines.append(line)
    lines.append(id_line)
    compression = agree(upgrade.extensions) if response.socket_limits.compression else None
    if compression is not None:
        lines.append(f"sec-websocket-extensions: {compression.answer}\r\n".encode())
    lines.append(b"\r\n")
    return b"".join(lines), compression
