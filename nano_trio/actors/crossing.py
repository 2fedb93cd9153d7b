"""How requests and responses look where they cross between the host and JavaScript.

Strings cross cheaply, lists and bytes less so: headers go as one string, and a body that is text goes as such.
"""

from __future__ import annotations

from nano_trio.actors.messages import BodySource
from nano_trio.runtime.host import headers_of
from nano_trio.runtime.url_path import serialize

__all__ = ["NO_FIELDS", "Fields", "body_for_js", "fields_of", "known_fields", "known_url", "normal_url"]


_urls: dict[str, str] = {}
known_url = _urls.get
"""What :func:`normal_url` found before, else None."""
_MEMO_URLS = 4096


def normal_url(url: str) -> str:
    """The URL as ``request.url`` has it: parsed and serialized (URL Standard). ``web`` has checked its host."""
    try:
        normal = serialize(url)
    except ValueError:
        normal = url
    if len(_urls) >= _MEMO_URLS:
        _urls.clear()
    _urls[url] = normal
    return normal


def body_for_js(body: bytes | BodySource | None) -> str | bytes | bool | None:
    """A request's body as JavaScript gets it; see ``fromHost`` in request.js."""
    if body is None:
        return None
    if not isinstance(body, bytes):
        return True
    # Nearly all bodies are text, and text crosses at half the price of bytes. UTF-8 gives back the very same bytes.
    try:
        return body.decode("utf-8") if not body.startswith(b"\xef\xbb\xbf") else body
    except UnicodeDecodeError:
        return body


Fields = tuple[list[tuple[str, str]], bool]
NO_FIELDS: Fields = [], False


# Apps answer with a handful of header sets. Nobody changes the lists.
_fields: dict[str, Fields] = {}
known_fields = _fields.get
"""What :func:`fields_of` found before, else None."""
_MEMO_FIELDS = 1024
_MEMO_LENGTH = 512


def fields_of(joined: str) -> Fields:
    """The fields, and whether content-encoding is among them."""
    pairs = headers_of(joined)
    fields = pairs, any(name == "content-encoding" for name, _ in pairs)
    if len(joined) <= _MEMO_LENGTH:
        if len(_fields) >= _MEMO_FIELDS:
            _fields.clear()
        _fields[joined] = fields
    return fields
