"""The ISO-2022-JP decoder of the Encoding Standard (section 12.2.1).

The standard's machine reads byte by byte; between two escape sequences its mode stays, so each such stretch is decoded
as a whole. What passes from one chunk of a stream to the next is the mode, whether characters have come since the last
escape sequence (two in a row are an error), and the bytes of a sequence that the chunk's end cut off.
"""

from __future__ import annotations

import re
from codecs import charmap_decode

from nano_trio.runtime.encoding_multi import REPLACEMENT, multibyte

__all__ = ["decode_iso_2022_jp"]

_ESCAPE = re.compile(rb"\x1b(?:\([BJI]|\$[@B])")
_CUT_ESCAPE = re.compile(rb"\x1b[(\$]?\Z")
_PAIRS = re.compile(rb"((?:[\x21-\x7e]{2})+)|[\x21-\x7e][\x00-\xff]|[\x00-\xff]")
_MODES = {b"\x1b(B": "ascii", b"\x1b(J": "roman", b"\x1b(I": "katakana", b"\x1b$@": "kanji", b"\x1b$B": "kanji"}

_ERROR = "\ufffe"
_ASCII = "".join(_ERROR if byte in (0x0E, 0x0F, 0x1B) else chr(byte) for byte in range(0x80)) + _ERROR * 0x80
_TABLES = {
    "ascii": _ASCII,
    "roman": _ASCII.replace("\\", "¥").replace("~", "‾"),
    "katakana": _ERROR * 0x21 + "".join(map(chr, range(0xFF61, 0xFFA0))) + _ERROR * 0xA0,
}
_TO_EUC = bytes(byte | 0x80 for byte in range(256))


class _Fatal(Exception):
    """An error in the bytes, and the caller asked to fail."""


def decode_iso_2022_jp(data: bytes, state: str, final: bool, fatal: bool) -> tuple[str, str] | None:
    """(text, state for the next chunk), or None where there is an error and ``fatal`` asks to fail.

    ``state`` is "" before the first chunk.
    """
    mode, _, rest = state.partition(" ")
    has_escaped, _, pending = rest.partition(" ")
    try:
        return _decode(pending.encode("latin-1") + data, mode or "ascii", has_escaped == "escaped", final, fatal)
    except _Fatal:
        return None


def _decode(data: bytes, mode: str, has_escaped: bool, final: bool, fatal: bool) -> tuple[str, str]:
    parts: list[str] = []
    position = 0
    pending = b""

    def error() -> None:
        if fatal:
            raise _Fatal
        parts.append(REPLACEMENT)

    while position < len(data):
        if data[position] == 0x1B:
            if escape := _ESCAPE.match(data, position):
                mode = _MODES[escape[0]]
                if has_escaped:
                    error()
                has_escaped = True
                position = escape.end()
            elif not final and _CUT_ESCAPE.match(data, position):
                pending = data[position:]
                break
            else:
                error()
                has_escaped = False
                position += 1
            continue
        has_escaped = False
        end = data.find(b"\x1b", position)
        stretch = data[position:] if end < 0 else data[position:end]
        position += len(stretch)
        if mode == "kanji":
            for match in _PAIRS.finditer(stretch):
                if match[1]:
                    parts.append(_decode_pairs(match[1], fatal))
                elif (
                    not final
                    and end < 0
                    and match.end() == len(stretch)
                    and 0x21 <= match[0][0] <= 0x7E
                    and len(match[0]) == 1
                ):
                    pending = match[0]
                else:
                    error()
        else:
            try:
                parts.append(charmap_decode(stretch, "strict" if fatal else "replace", _TABLES[mode])[0])
            except UnicodeDecodeError:
                raise _Fatal from None
    return "".join(parts), f"{mode} {'escaped' if has_escaped else 'plain'} {pending.decode('latin-1')}"


def _decode_pairs(pairs: bytes, fatal: bool) -> str:
    euc_jp = multibyte("euc-jp")
    assert euc_jp is not None
    decoded = euc_jp.decode(pairs.translate(_TO_EUC), True, fatal)
    if decoded is None:
        raise _Fatal
    return decoded[0]
