"""permessage-deflate (RFC 7692) for a server: what is agreed to, and messages compressed.

Neither side keeps its window from one message to the next: both ``no_context_takeover`` parameters are always agreed.
So a message for many is compressed once for all of them, and a connection that says nothing keeps neither a compressor
(some 260 KB) nor a window (some 40 KB).

Compressing happens in the event loop, hence only where it pays: not for messages below ``_LEAST`` bytes, which hardly
shrink, nor above ``_MOST``, which would make everybody wait for longer than 2 ms.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import attrs

from nano_trio.runtime.http_syntax import TOKEN
from nano_trio.runtime.websocket_protocol import EMPTY_BLOCK

__all__ = ["Compression", "Offer", "agree", "compress", "is_worth_compressing", "parse_extensions"]

_LEAST = 1024
_MOST = 128 * 1024
_LEVEL = 1
_MEMORY = 8

_EXTENSION = re.compile(
    rf'[ \t]*{TOKEN}[ \t]*(?:;[ \t]*{TOKEN}[ \t]*(?:=[ \t]*(?:{TOKEN}|"{TOKEN}")[ \t]*)?)*'
).fullmatch
_BITS = re.compile("[89]|1[0-5]").fullmatch

Offer = tuple[str, list[tuple[str, str | None]]]
"""An extension's name, and its parameters with their values."""


@attrs.frozen
class Compression:
    """What was agreed on."""

    window_bits: int
    """The base-2 logarithm of our window, 9 to 15."""
    answer: str
    """For ``Sec-WebSocket-Extensions``."""


def parse_extensions(text: str) -> list[Offer]:
    """The extensions that a client offers (RFC 6455 section 9.1). Raises ValueError for what is no such list."""
    offers: list[Offer] = []
    for item in text.split(","):
        if not item.strip(" \t"):
            continue
        if _EXTENSION(item) is None:
            raise ValueError(item)
        name, *parameters = (part.strip(" \t") for part in item.split(";"))
        pairs: list[tuple[str, str | None]] = []
        for parameter in parameters:
            key, equals, value = parameter.partition("=")
            pairs.append((key.rstrip(" \t"), value.strip(' \t"') if equals else None))
        offers.append((name, pairs))
    return offers


def agree(offers: Sequence[Offer]) -> Compression | None:
    """Accept the first offer that we can keep; None without one (RFC 7692 section 5)."""
    for name, parameters in offers:
        if name != "permessage-deflate":
            continue
        bits = _window_bits(parameters)
        if bits is None:
            continue
        answer = f"{name}; server_no_context_takeover; client_no_context_takeover"
        if any(key == "server_max_window_bits" for key, _ in parameters):
            answer += f"; server_max_window_bits={bits}"
        return Compression(bits, answer)
    return None


def _window_bits(parameters: Sequence[tuple[str, str | None]]) -> int | None:
    """Our window for an offer's parameters; None where it is to be declined (section 7.1)."""
    if len({key for key, _ in parameters}) < len(parameters):
        return None
    bits = 15
    for key, value in parameters:
        if key in ("server_no_context_takeover", "client_no_context_takeover"):
            valid = value is None
        elif key == "client_max_window_bits":
            valid = value is None or _BITS(value) is not None
        elif key == "server_max_window_bits":
            # zlib has no window of 256 bytes.
            valid = value is not None and _BITS(value) is not None and value != "8"
            bits = int(value) if valid and value is not None else bits
        else:
            valid = False
        if not valid:
            return None
    return bits


def is_worth_compressing(size: int) -> bool:
    """Whether to compress a message of ``size`` bytes."""
    return _LEAST <= size <= _MOST


def compress(payload: bytes, window_bits: int) -> bytes:
    """A message's payload as it is sent with RSV1 set (RFC 7692 section 7.2.1)."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -window_bits, _MEMORY)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(EMPTY_BLOCK)
