"""Formats of keys: base64url, and the outermost layer of SubjectPublicKeyInfo (RFC 5280) and PrivateKeyInfo (RFC 5958).

``cryptography`` also reads other formats of keys, and keys of algorithms that look alike; Web Cryptography wants these
two formats only, and exactly one algorithm identifier.
"""

from __future__ import annotations

import base64
import binascii
import re

from nano_trio.runtime.host import HostError

__all__ = ["FormatError", "algorithm_of", "base64url", "from_base64url"]

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*={0,2}\Z", re.ASCII)

_INTEGER = 0x02
_OCTET_STRING = 0x04
_OBJECT_IDENTIFIER = 0x06
_BIT_STRING = 0x03
_SEQUENCE = 0x30


class FormatError(HostError):
    """The data is not what its format asks for: a DataError."""

    def __init__(self) -> None:
        super().__init__("DataError", "The key data is malformed.")


def _read(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """The contents of the element that ``data`` begins with, and what follows it."""
    if len(data) < 2 or data[0] != tag:
        raise FormatError
    length, at = data[1], 2
    if length >= 0x80:
        at += length & 0x7F
        length = int.from_bytes(data[2:at], "big")
    if at + length > len(data):
        raise FormatError
    return data[at : at + length], data[at + length :]


def algorithm_of(format: str, data: bytes) -> tuple[bytes, bytes]:
    """The object identifier of a ``spki`` or ``pkcs8`` key, and its parameters, both as DER contents."""
    body, rest = _read(data, _SEQUENCE)
    if rest:
        raise FormatError
    if format == "pkcs8":
        _, body = _read(body, _INTEGER)
    algorithm, body = _read(body, _SEQUENCE)
    _read(body, _OCTET_STRING if format == "pkcs8" else _BIT_STRING)
    return _read(algorithm, _OBJECT_IDENTIFIER)


def base64url(data: bytes) -> str:
    """RFC 7515 section 2: without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes | None:
    """None where ``text`` is no base64url. Padding is not asked for."""
    if not _BASE64URL.match(text):
        return None
    text = text.rstrip("=")
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        return None
