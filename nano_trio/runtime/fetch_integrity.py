"""Subresource Integrity, https://w3c.github.io/webappsec-subresource-integrity/#does-response-match-metadatalist"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode

import trio

from nano_trio.runtime.pieces import Pieces

__all__ = ["matches"]

_METADATA = re.compile(r"(sha256|sha384|sha512)-([A-Za-z0-9+/_-]+={0,2})(?:\?[\x21-\x7e]*)?", re.IGNORECASE)


async def matches(body: Pieces, metadata: str) -> bool:
    """Whether the body has a digest that ``metadata`` lists, of the strongest algorithm in it; true for no list."""
    listed: dict[str, list[str]] = {}
    for item in metadata.split():
        match = _METADATA.fullmatch(item)
        if match:
            listed.setdefault(match[1].lower(), []).append(match[2])
    if not listed:
        return True
    algorithm = max(listed)
    hashing = hashlib.new(algorithm)
    for piece in body:
        hashing.update(piece)
        await trio.lowlevel.checkpoint()
    digest = hashing.digest()
    return any(hmac.compare_digest(digest, _decode(text)) for text in listed[algorithm])


def _decode(text: str) -> bytes:
    standard = text.rstrip("=").replace("-", "+").replace("_", "/")
    return b64decode(standard + "=" * (-len(standard) % 4)) if len(standard) % 4 != 1 else b""
