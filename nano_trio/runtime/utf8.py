"""UTF-8 for the platform's own files: what needs neither TextEncoder nor TextDecoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nano_trio.runtime.host import Namespace, Services

if TYPE_CHECKING:
    import quickjs

__all__ = ["namespace"]


def encode(text: str) -> bytes:
    """UTF-8 encode; a lone surrogate becomes U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def decode(source: quickjs.Value) -> str:
    """UTF-8 decode (Encoding section 6): without a leading byte order mark, errors become U+FFFD."""
    data: bytes = source.to_bytes()
    return data.decode("utf-8-sig", "replace")


def decode_without_bom(source: quickjs.Value) -> str:
    """UTF-8 decode without BOM (Encoding section 6): keeps a byte order mark."""
    data: bytes = source.to_bytes()
    return data.decode("utf-8", "replace")


def namespace(services: Services) -> Namespace:
    return {"encode": encode, "decode": decode, "decodeWithoutBOM": decode_without_bom}
