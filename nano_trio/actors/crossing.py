"""How requests and responses look where they cross between the host and JavaScript.

Strings cross cheaply, lists and bytes less so: headers go as one string, and a body that is text goes as such.
"""

from __future__ import annotations

import functools

import can_ada

from nano_trio.actors.messages import BodySource

__all__ = ["NO_FIELDS", "Fields", "body_for_js", "fields_of", "normal_url"]


@functools.lru_cache(4096)
def normal_url(url: str) -> str:
    """The URL as ``request.url`` has it: parsed and serialized (URL Standard). ``web`` has checked its host."""
    try:
        return str(can_ada.parse(url).href)
    except ValueError:
        return url


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


def fields_of(joined: str) -> Fields:
    """The fields, and whether content-encoding is among them."""
    return _split_pairs(joined) if len(joined) > 512 else _known_pairs(joined)


def _split_pairs(joined: str) -> Fields:
    parts = joined.split("\n")
    return list(zip(parts[::2], parts[1::2], strict=True)), "content-encoding" in parts[::2]


# Apps answer with a handful of header sets. Nobody changes the lists.
_known_pairs = functools.lru_cache(1024)(_split_pairs)
