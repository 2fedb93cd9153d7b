"""HPACK (RFC 7541) at a price that a peer does not set: field lists to bytes and back, for either end of HTTP/2.

Theory of operation. The package hpack keeps to the specification, but what a block costs there is up to its sender: a
literal is cut out of all that follows it, so blocks of many small fields take time with the square of their size (64 KB
took 75 ms); Huffman's code is written by way of one large number (128 KB took 1.6 s); and a table of a gigabyte, should
the other end offer one, is searched from end to end for each field. A server may be an app's own, and clients are
anybody. So of the package only the tables are used, and

- :class:`FrugalDecoder` goes through a block once, without copies, and gives up on lists beyond its limits;
- :class:`FrugalEncoder` writes strings as they are (section 5.2 leaves that to who writes them), keeps no more than
  4 KB of table whatever is offered (section 4.2), and looks only so many fields of a block up in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import hpack
from hpack.exceptions import HPACKDecodingError, InvalidTableSizeError, OversizedHeaderListError
from hpack.hpack import encode_integer
from hpack.huffman_table import HUFFMAN_COMPLETE, HUFFMAN_EMIT_SYMBOL, HUFFMAN_FAIL, HUFFMAN_TABLE
from hpack.table import HeaderTable

__all__ = [
    "CONNECTION_SPECIFIC",
    "OVERHEAD",
    "Field",
    "FrugalDecoder",
    "FrugalEncoder",
    "Table",
    "decode_huffman",
    "is_field_name",
]

Field = tuple[bytes, bytes]

OVERHEAD = 32
"""What a field counts beside its name and value (RFC 9113 section 6.5.2)."""
CONNECTION_SPECIFIC = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
"""Fields that no message may have (RFC 9113 section 8.2.2)."""
is_field_name = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+").fullmatch
"""Section 8.2.1."""
_MOST_TABLE = 4096
_MOST_INDEXED = 1024
"""Bytes of a field that may stand in the table: larger ones would only push out the others."""
_LOOKED_UP = 64
"""Fields of a block that are looked for in the table, and put there."""
_TABLE_UPDATES = 8
"""At the beginning of a block; section 4.2 needs two."""
_NUMBER_OCTETS = 5
_STATIC = HeaderTable.STATIC_TABLE
_STATIC_NAMES = {name: index for name, (index, _) in HeaderTable.STATIC_TABLE_MAPPING.items() if index < 15}
"""Those whose index fits into the first octet of a literal that changes no table."""


class Table(HeaderTable):
    """A dynamic table that tells of changes."""

    changed = False

    def add(self, name: bytes, value: bytes) -> None:
        self.changed = True
        super().add(name, value)


# ---- Huffman's code (section 5.2) ----

_Row = tuple[bytes, list[bytes | None]]
"""For each octet: the next state, and the octets that it stands for in this one; None where there are none."""
_rows: list[_Row | None] = [None] * (len(HUFFMAN_TABLE) // 16)
_ROWS_AT_ONCE = 16
"""How many are made for one string: a row takes 0.1 ms, and texts need a few dozen of them."""
_COMPLETE = frozenset(state for state, flags, _ in HUFFMAN_TABLE if flags & HUFFMAN_COMPLETE)
"""The states in which a string may end."""


def _step(state: int, octet: int) -> tuple[int, bytes | None]:
    """One octet, by way of the package's table, which takes four bits at a time."""
    made = b""
    for nibble in (octet >> 4, octet & 15):
        state, flags, symbol = HUFFMAN_TABLE[state * 16 + nibble]
        if flags & HUFFMAN_FAIL:
            return 0, None
        if flags & HUFFMAN_EMIT_SYMBOL:
            made += bytes((symbol,))
    return state, made


def _make_row(state: int) -> _Row:
    steps = [_step(state, octet) for octet in range(256)]
    row = _rows[state] = bytes(after for after, _ in steps), [made for _, made in steps]
    return row


def decode_huffman(data: bytes) -> bytes:
    """What is written in Huffman's code. Raises ``hpack.HPACKDecodingError``."""
    rows = _rows
    state = made = 0
    pieces: list[bytes | None] = []
    for octet in data:
        row = rows[state]
        if row is None:
            if made == _ROWS_AT_ONCE:
                state, piece = _step(state, octet)
                pieces.append(piece)
                continue
            made += 1
            row = _make_row(state)
        pieces.append(row[1][octet])
        state = row[0][octet]
    if None in pieces or (data and state not in _COMPLETE):
        raise HPACKDecodingError("not a string in Huffman's code")
    return b"".join(pieces)  # type: ignore[arg-type]


# ---- blocks ----


def _number(data: bytes, at: int, number: int) -> tuple[int, int]:
    """The rest of a number that did not fit into its prefix (section 5.1), and where to go on."""
    for shift in range(0, 7 * _NUMBER_OCTETS, 7):
        octet = data[at]
        at += 1
        number += (octet & 0x7F) << shift
        if octet < 0x80:
            return number, at
    raise HPACKDecodingError("a number of too many octets")


def _string(data: bytes, at: int) -> tuple[bytes, int]:
    """A string literal (section 5.2), and where to go on."""
    first = data[at]
    at += 1
    length = first & 0x7F
    if length == 0x7F:
        length, at = _number(data, at, length)
    end = at + length
    if end > len(data):
        raise IndexError
    text = data[at:end]
    return (decode_huffman(text) if first & 0x80 else text), end


class FrugalDecoder(hpack.Decoder):
    """Decodes lists of at most ``most_bytes``, as SETTINGS_MAX_HEADER_LIST_SIZE counts, and ``most_fields``."""

    def __init__(self, most_bytes: int, most_fields: int) -> None:
        super().__init__(max_header_list_size=most_bytes)
        self.header_table: Table = Table()
        self._most_fields = most_fields

    def decode(self, data: bytes, raw: bool = True) -> list[Any]:
        """A block's fields. Raises ``hpack.HPACKError``."""
        try:
            return self._decode(data)
        except IndexError:
            raise HPACKDecodingError("a block that ends before its end") from None

    def _decode(self, data: bytes) -> list[Field]:
        table = self.header_table
        dynamic = table.dynamic_entries
        fields: list[Field] = []
        size = at = updates = 0
        end = len(data)
        while at < end:
            first = data[at]
            at += 1
            if first >= 0x80:  # an entry (section 6.1)
                index = first & 0x7F
                if index == 0x7F:
                    index, at = _number(data, at, index)
                if 0 < index <= 61:
                    field = _STATIC[index - 1]
                elif index and index - 62 < len(dynamic):
                    field = dynamic[index - 62]
                else:
                    raise HPACKDecodingError(f"no entry {index}")
            elif first >= 0x40 or first < 0x20:  # a literal (section 6.2)
                most = 0x3F if first >= 0x40 else 0x0F
                index = first & most
                if index == most:
                    index, at = _number(data, at, index)
                if index:
                    name = table.get_by_index(index)[0]
                else:
                    name, at = _string(data, at)
                value, at = _string(data, at)
                field = (name, value)
                if first >= 0x40:
                    table.add(name, value)
            else:  # another size for the table (section 6.3)
                new = first & 0x1F
                if new == 0x1F:
                    new, at = _number(data, at, new)
                updates += 1
                if fields or updates > _TABLE_UPDATES or new > self.max_allowed_table_size:
                    raise InvalidTableSizeError("a change of the table's size that may not be")
                self.header_table_size = new
                continue
            size += len(field[0]) + len(field[1]) + OVERHEAD
            fields.append(field)
            if size > self.max_header_list_size or len(fields) > self._most_fields:
                raise OversizedHeaderListError("too many fields, or too large ones")
        if self.header_table_size > self.max_allowed_table_size:
            raise InvalidTableSizeError("the table is still larger than it may be")
        return fields


class FrugalEncoder(hpack.Encoder):
    """Encodes blocks in time with their size."""

    def __init__(self) -> None:
        super().__init__()
        self.header_table: Table = Table()

    @property
    def header_table_size(self) -> int:
        """What the dynamic table may take: the peer's SETTINGS_HEADER_TABLE_SIZE, at most 4 KiB."""
        size: int = self.header_table.maxsize
        return size

    @header_table_size.setter
    def header_table_size(self, value: int) -> None:
        size, before = min(value, _MOST_TABLE), self.header_table.maxsize
        if size != before:
            self.header_table.maxsize = size
            # Of changes between two blocks the smallest and the last must be said (RFC 7541 section 4.2).
            smallest = min((*self.table_size_changes, size))
            self.table_size_changes = [smallest, size] if smallest < size else [size]

    def encode(self, headers: Iterable[Any], huffman: bool = False) -> bytes:
        """A block. Fields that are ``hpack.NeverIndexedHeaderTuple`` stand in no table, here or further on."""
        parts = [self._encode_table_size_change()] if self.table_size_changes else []
        looked_up = 0
        for field in headers:
            name, value = field
            never = isinstance(field, hpack.NeverIndexedHeaderTuple)
            if looked_up < _LOOKED_UP and len(name) + len(value) <= _MOST_INDEXED:
                looked_up += 1
                parts.append(self.add(field, never))
            else:
                parts.append(_literal(name, value, 0x10 if never else 0))
        return b"".join(parts)


def _literal(name: bytes, value: bytes, pattern: int) -> bytes:
    """A field that changes no table (RFC 7541 sections 6.2.2 and 6.2.3)."""
    index = _STATIC_NAMES.get(name)
    if index is not None:
        return b"%c%b%b" % (pattern | index, bytes(encode_integer(len(value), 7)), value)
    lengths = [bytes(encode_integer(len(text), 7)) for text in (name, value)]
    return b"%c%b%b%b%b" % (pattern, lengths[0], name, lengths[1], value)
