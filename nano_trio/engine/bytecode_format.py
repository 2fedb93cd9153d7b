"""The parts that QuickJS's bytecode is written of (format version 5): numbers, strings, and the tags of values."""

from __future__ import annotations

__all__ = ["FORMAT", "Reader", "Tag", "UnknownBytecode", "encode_number", "encode_string"]

FORMAT = 5
"""The first byte: the version that is known here."""


class Tag:
    """What a value is, in the byte before it."""

    INTEGER, NUMBER, STRING, OBJECT, ARRAY, BIG_INTEGER, TEMPLATE, FUNCTION, MODULE = range(5, 14)
    WITHOUT_VALUE = (1, 2, 3, 4)
    """null, undefined, false, true: nothing comes behind these."""


class UnknownBytecode(Exception):
    """The engine writes bytecode in a format that is not known here."""


class Reader:
    """Reads ``code`` from ``at`` on. Raises :class:`IndexError` at its end."""

    def __init__(self, code: bytes, at: int = 0) -> None:
        self.code = code
        self.at = at

    def byte(self) -> int:
        self.at += 1
        return self.code[self.at - 1]

    def leb128(self) -> int:
        value = shift = 0
        code, at = self.code, self.at
        while True:
            byte = code[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                self.at = at
                return value
            shift += 7

    def skip_bytes(self) -> None:
        """As many as the number that comes first says."""
        size = self.leb128()
        self.at += size

    def skip_string(self) -> None:
        header = self.leb128()
        self.at += (header >> 1) * (2 if header & 1 else 1)

    def string(self) -> str:
        header = self.leb128()
        size = (header >> 1) * (2 if header & 1 else 1)
        data = self.code[self.at : self.at + size]
        self.at += size
        # Wide strings keep the machine's byte order; Python's surrogatepass lets single surrogates through.
        return data.decode("utf-16-le", "surrogatepass") if header & 1 else data.decode("latin-1")


def encode_number(value: int) -> bytes:
    """As :meth:`Reader.leb128` reads it."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_string(text: str) -> bytes:
    """As :meth:`Reader.string` reads it."""
    try:
        return encode_number(len(text) << 1) + text.encode("latin-1")
    except UnicodeEncodeError:
        data = text.encode("utf-16-le", "surrogatepass")
        return encode_number(len(data) // 2 << 1 | 1) + data
