"""The host half of ``htmlrewriter.js``: bytes as strings, one character per byte, and UTF-8 in such strings.

Strings cross boxed where that pays (runtime/strings.py). All of this is copying: a microsecond or so per 4 KB.
"""

from __future__ import annotations

import quickjs

from nano_trio.runtime import strings
from nano_trio.runtime.host import Namespace, Services

__all__ = ["namespace"]


def _codes(text: str | quickjs.Value) -> bytes:
    """The bytes that the characters of a byte string stand for."""
    return text.encode("latin-1") if isinstance(text, str) else strings.unbox_bytes(text)[1]


def from_bytes(source: quickjs.Value) -> str | quickjs.Value:
    """The byte string of a buffer source, possibly boxed."""
    return strings.box_latin1(source.to_bytes(), source)


def to_bytes(text: str | quickjs.Value) -> bytes:
    """The bytes of a byte string, which may come boxed."""
    return _codes(text)


def decode(text: str | quickjs.Value) -> str | quickjs.Value:
    """What a byte string says in UTF-8; what is malformed becomes U+FFFD."""
    decoded = _codes(text).decode("utf-8", "replace")
    return decoded if isinstance(text, str) else strings.box(decoded, text)


def encode(text: str | quickjs.Value) -> str | quickjs.Value:
    """The UTF-8 of a well-formed text, as a byte string."""
    encoded = strings.unbox(text).encode()
    return encoded.decode("latin-1") if isinstance(text, str) else strings.box_latin1(encoded, text)


def namespace(services: Services) -> Namespace:
    return {"fromBytes": from_bytes, "toBytes": to_bytes, "decode": decode, "encode": encode}
