"""Long strings between Python and an isolate at the speed of a copy.

The binding passes strings as UTF-8, which costs about 12 ms for a megabyte of characters beyond ASCII, each way. The
engine keeps a string as Latin-1 or UTF-16 and serializes it so: ``write_object`` of the array ``[string]`` is a header,
a LEB128 length and these very bytes; ``read_object`` takes them back. So JavaScript passes a long string in an array
("boxed"), and gets one boxed: ``typeof text === "string" ? text : text[0]``.
"""

from __future__ import annotations

from codecs import latin_1_decode, utf_16_le_decode
from functools import cache
from typing import Final

import quickjs

from nano_trio.engine.bytecode_format import encode_number
from nano_trio.runtime.host import NO_ROOM, Exhausted

__all__ = ["box", "box_latin1", "unbox", "unbox_bytes", "unbox_utf8"]

_SHORT: Final = 4096
"""Below this many characters the plain way costs less."""
_PIECE: Final = 1 << 16
"""Bytes of a long string that are converted at once: they stay in the cache, and in memory that the allocator has at
hand; a megabyte at once costs half as much again, in page faults."""


@cache
def _header() -> bytes:
    """What the engine writes for an array of one string, up to the string's length (doubled, plus 1 for UTF-16)."""
    context = quickjs.Runtime().new_context()
    narrow: bytes = context.eval('["a"]').write_object()
    wide: bytes = context.eval('["\\u4e00"]').write_object()
    assert narrow[-2:] == b"\x02a"
    assert wide == narrow[:-2] + b"\x03\x00\x4e"
    return narrow[:-2]


def box_latin1(codes: bytes, near: quickjs.Value) -> str | quickjs.Value:
    """The string whose character codes are ``codes``, for the isolate that the value ``near`` belongs to."""
    if len(codes) < _SHORT:
        return codes.decode("latin-1")
    return _read(encode_number(len(codes) << 1) + codes, near)


def box(text: str, near: quickjs.Value) -> str | quickjs.Value:
    """``text`` for the isolate that the value ``near`` belongs to: itself or boxed, whichever costs less."""
    if len(text) < _SHORT:
        return text
    try:
        return box_latin1(text.encode("latin-1"), near)
    except UnicodeEncodeError:
        units = text.encode("utf-16-le", "surrogatepass")
        return _read(encode_number(len(units) // 2 << 1 | 1) + units, near)


def _read(written: bytes, near: quickjs.Value) -> quickjs.Value:
    try:
        boxed: quickjs.Value = near.context.read_object(_header() + written)
    except NO_ROOM as error:
        raise Exhausted(error) from None
    return boxed


def _written(boxed: quickjs.Value) -> bytes:
    try:
        written: bytes = boxed.write_object()
    except NO_ROOM as error:
        raise Exhausted(error) from None
    return written


def unbox_bytes(boxed: quickjs.Value) -> tuple[bool, bytes]:
    """Whether the boxed string is kept as UTF-16, and its character codes (one or two bytes each)."""
    written = _written(boxed)
    is_wide, start = _codes(written)
    return is_wide, written[start:]


def unbox_utf8(boxed: quickjs.Value) -> bytes:
    """The boxed string in UTF-8; a lone surrogate becomes U+FFFD."""
    written = _written(boxed)
    is_wide, start = _codes(written)
    encoded = []
    while start < len(written):
        end = start + _PIECE
        # A copy, not a view: Python decodes UTF-16 fast only where it lies at an even address.
        codes = written[start:end]
        text, size = utf_16_le_decode(codes, "replace", end >= len(written)) if is_wide else latin_1_decode(codes)
        encoded.append(text.encode())
        start += size
    return b"".join(encoded)


def _codes(written: bytes) -> tuple[bool, int]:
    """Whether a serialized string is kept as UTF-16, and where its character codes begin."""
    start = at = len(_header())
    while written[at] & 0x80:
        at += 1
    return bool(written[start] & 1), at + 1


def unbox(text: str | quickjs.Value) -> str:
    """The string that came plain or boxed; it must be well-formed."""
    if isinstance(text, str):
        return text
    is_wide, codes = unbox_bytes(text)
    return codes.decode("utf-16-le" if is_wide else "latin-1", "surrogatepass" if is_wide else "strict")
