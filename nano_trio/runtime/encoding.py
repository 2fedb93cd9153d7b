"""The host half of ``encoding.js`` and ``encoding_streams.js``: what decodes and encodes."""

from __future__ import annotations

from codecs import utf_8_decode, utf_16_be_decode, utf_16_le_decode
from time import perf_counter

import quickjs

from nano_trio.runtime import strings
from nano_trio.runtime.encoding_iso2022jp import decode_iso_2022_jp
from nano_trio.runtime.encoding_labels import encoding_of
from nano_trio.runtime.encoding_multi import REPLACEMENT, multibyte
from nano_trio.runtime.encoding_single import decode_single_byte, is_single_byte
from nano_trio.runtime.host import Namespace, Services, array_of, poll_after

__all__ = ["decode", "namespace"]

_UNICODE = {"utf-8": utf_8_decode, "utf-16le": utf_16_le_decode, "utf-16be": utf_16_be_decode}
_BOM = b"\xef\xbb\xbf"
_LONG_S = 5e-5
"""What takes longer is followed by a poll."""


def decode(encoding: str, data: bytes, state: str, final: bool, fatal: bool) -> tuple[str, str] | None:
    """Decode a chunk: (text, state for the next chunk), or None where there is an error and ``fatal`` asks to fail.

    ``encoding`` is a name that :func:`encoding_of` returns, but "replacement". ``state`` is "" before the first chunk;
    mostly it is the bytes of a sequence that the chunk's end cut off, as Latin-1. A byte order mark is a character.
    """
    if is_single_byte(encoding):
        text = decode_single_byte(encoding, data, fatal)
        return None if text is None else (text, "")
    if encoding == "iso-2022-jp":
        return decode_iso_2022_jp(data, state, final, fatal)
    if state:
        data = state.encode("latin-1") + data
    if legacy := multibyte(encoding):
        decoded = legacy.decode(data, final, fatal)
        return None if decoded is None else (decoded[0], decoded[1].decode("latin-1"))
    try:
        # CPython replaces what is malformed as the standard does: one U+FFFD for each maximal subpart.
        text, end = _UNICODE[encoding](data, "strict" if fatal else "replace", False)
    except UnicodeDecodeError:
        return None
    if encoding == "utf-8" and data[end : end + 1] == b"\xed" and data[end + 1 : end + 2] > b"\x9f":
        # CPython waits for the third byte of a surrogate, which is malformed from its second on.
        text, end = text + REPLACEMENT * 2, len(data)
        if fatal:
            return None
    if end == len(data):
        return text, ""
    if not final:
        return text, data[end:].decode("latin-1")
    return None if fatal else (text + REPLACEMENT, "")


def fitting(source: quickjs.Value, size: int) -> quickjs.Value:
    """How many bytes of some UTF-8 are whole characters within ``size``, and the number of their UTF-16 code units."""
    encoded: bytes = source.to_bytes()
    end = size
    while encoded[end] & 0xC0 == 0x80:
        end -= 1
    return array_of(source.context, (end, len(encoded[:end].decode("utf-8").encode("utf-16-le")) // 2))


def decode_utf8(source: quickjs.Value, fatal: bool, ignore_bom: bool) -> str | quickjs.Value | None:
    """A whole text in UTF-8, possibly boxed (runtime/strings.py); None where it is malformed and ``fatal``."""
    data: bytes = source.to_bytes()
    if data.isascii():
        return strings.box_latin1(data, source)
    if not ignore_bom and data.startswith(_BOM):
        data = data[3:]
    try:
        return strings.box(data.decode("utf-8", "strict" if fatal else "replace"), source)
    except UnicodeDecodeError:
        return None


def decode_chunk(encoding: str, source: quickjs.Value, state: str, final: bool, fatal: bool) -> quickjs.Value | None:
    """:func:`decode` for JavaScript: the text, which may be boxed, and the state."""
    start = perf_counter()
    decoded = decode(encoding, source.to_bytes(), state, final, fatal)
    if decoded is None:
        return None
    text = strings.box(decoded[0], source)
    if perf_counter() - start > _LONG_S:
        poll_after(source)
    return array_of(source.context, (text, decoded[1]))


def namespace(services: Services) -> Namespace:
    return {
        "encodingOf": encoding_of,
        "fitting": fitting,
        "decodeUTF8": decode_utf8,
        "decode": decode_chunk,
    }
