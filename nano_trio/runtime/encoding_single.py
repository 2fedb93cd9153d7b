"""The single-byte decoders of the Encoding Standard (section 9.1) and x-user-defined (section 14.5)."""

from __future__ import annotations

from codecs import charmap_decode
from functools import cache

__all__ = ["decode_single_byte", "is_single_byte"]

_CODECS = {
    "ibm866": "cp866",
    "macintosh": "mac_roman",
    "x-mac-cyrillic": "mac_cyrillic",
    "iso-8859-8-i": "iso8859-8",
    "koi8-r": "koi8-r",
    "koi8-u": "koi8-u",
    "windows-874": "cp874",
    **{f"windows-{number}": f"cp{number}" for number in range(1250, 1259)},
    **{f"iso-8859-{part}": f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)},
}
_DIFFERENCES = {
    "koi8-u": {0xAE: "ў", 0xBE: "Ў"},
    "windows-1255": {0xCA: "\u05ba"},
}
"""Where an index of the standard has another character than Python's codec."""

_NO_CHARACTER = "\ufffe"
"""How a table for ``charmap_decode`` says that a byte is an error."""


def is_single_byte(encoding: str) -> bool:
    """Whether the encoding of that name (Encoding Standard section 4.2) has one byte for each character."""
    return encoding in _CODECS or encoding == "x-user-defined"


@cache
def _table(encoding: str) -> str:
    """The 256 characters of an encoding."""
    if encoding == "x-user-defined":
        return "".join(map(chr, [*range(0x80), *range(0xF780, 0xF800)]))
    codec = _CODECS[encoding]
    table = []
    for byte in range(256):
        try:
            character = bytes([byte]).decode(codec)
        except UnicodeDecodeError:
            # Windows' code pages give their unassigned bytes below 0xA0 to the C1 controls.
            character = chr(byte) if byte < 0xA0 else _NO_CHARACTER
        table.append(_DIFFERENCES.get(encoding, {}).get(byte, character))
    return "".join(table)


def decode_single_byte(encoding: str, data: bytes, fatal: bool) -> str | None:
    """The text of ``data``; None where it has an error and ``fatal`` asks to fail."""
    try:
        return charmap_decode(data, "strict" if fatal else "replace", _table(encoding))[0]
    except UnicodeDecodeError:
        return None
