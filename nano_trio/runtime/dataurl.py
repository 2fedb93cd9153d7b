"""The host half of ``dataurl.js``: percent and base64 decoding of ``data:`` URLs."""

from __future__ import annotations

import re
from base64 import b64decode
from urllib.parse import unquote_to_bytes

import quickjs

from nano_trio.runtime.host import Namespace, Services

__all__ = ["forgiving_base64_decode", "namespace", "split"]

_BASE64_MARK = re.compile(r";\x20*base64\Z", re.IGNORECASE | re.ASCII)
_ASCII_WHITESPACE = re.compile(rb"[\t\n\f\r ]+")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*\Z")


def forgiving_base64_decode(data: bytes) -> bytes | None:
    """Infra's forgiving-base64 decode; None is failure."""
    data = _ASCII_WHITESPACE.sub(b"", data)
    if len(data) % 4 == 0:
        data = data.removesuffix(b"==") if data.endswith(b"==") else data.removesuffix(b"=")
    if len(data) % 4 == 1 or not _BASE64.match(data):
        return None
    return b64decode(data + b"=" * (-len(data) % 4))


def split(url: str) -> tuple[str, bytes] | None:
    """The data: URL processor, up to the MIME type: its text and the body; None is failure."""
    head, comma, encoded = url.partition("#")[0].removeprefix("data:").partition(",")
    if not comma:
        return None
    body: bytes | None = unquote_to_bytes(encoded)
    mime_type = head.strip("\t\n\f\r ")
    mark = _BASE64_MARK.search(mime_type)
    if mark:
        assert body is not None
        body = forgiving_base64_decode(body)
        mime_type = mime_type[: mark.start()]
    return None if body is None else (mime_type, body)


def namespace(services: Services) -> Namespace:
    def split_for_js(url: str) -> quickjs.Value | None:
        parts = split(url)
        return None if parts is None else services.array(parts)

    return {"split": split_for_js, "percentDecode": unquote_to_bytes}
