"""The host half of ``utf8.js``: UTF-8 for the platform's own files, which need neither TextEncoder nor TextDecoder."""

from __future__ import annotations

import quickjs

from nano_trio.runtime import strings
from nano_trio.runtime.host import Namespace, Services, poll_after, text_of

__all__ = ["namespace"]


def encode(text: str | quickjs.Value) -> bytes:
    """UTF-8 encode a string, which may come boxed; a lone surrogate becomes U+FFFD."""
    if not isinstance(text, str):
        if text.is_array:
            poll_after(text)
            return strings.unbox_utf8(text)
        text = text_of(text)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def decode(source: quickjs.Value) -> str | quickjs.Value:
    """UTF-8 decode (Encoding section 6): without a leading byte order mark, errors become U+FFFD; possibly boxed."""
    data: bytes = source.to_bytes()
    return strings.box(data.decode("utf-8-sig", "replace"), source)


def namespace(services: Services) -> Namespace:
    return {"encode": encode, "decode": decode}
