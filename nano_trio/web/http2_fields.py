"""Header fields of HTTP/2: field lists to request heads and responses to field lists (RFC 9113 section 8).

A request's fields pass three stations, as a head of HTTP/1.1 does (see ``http1``):

1. **HPACK** (:class:`FieldDecoder`): bytes to a list. A list beyond the hard limit ends the connection, for its
   compression state would be lost.
2. **The gate** (:func:`_split`): the rules of section 8.2 and 8.3, and no leniency. What fails is *malformed*: the
   stream is reset, nothing is answered, and the connection goes on.
3. **The meaning**: ``http1.make_head``, with ``:authority`` for Host. So method, target, Host and Content-Length are
   read exactly as in HTTP/1.1, and what is wrong there is answered with the same status. An extended CONNECT for a
   WebSocket (RFC 8441) becomes the GET with Upgrade that it is in HTTP/1.1.

h2 checks fields too, but answers every fault with the end of the connection, so it gets none to see: the decoder keeps
them for us. Both directions remember whole blocks: a block that changes no compression state means the same until
something else does, and clients repeat theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import hpack

from nano_trio.actors.messages import OutgoingResponse
from nano_trio.runtime.http2_hpack import (
    CONNECTION_SPECIFIC,
    OVERHEAD,
    Field,
    FrugalDecoder,
    FrugalEncoder,
    is_field_name,
)
from nano_trio.runtime.http_syntax import HOP_BY_HOP
from nano_trio.web.http1 import Head, ProtocolError, make_head
from nano_trio.web.response_head import BadResponse, Framing, check_field, date_line, framing_of
from nano_trio.web.settings import Limits

__all__ = ["Block", "FieldDecoder", "FieldEncoder", "Malformed", "ResponseFields", "response_fields"]

_VALUE = re.compile(rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?").fullmatch
_TARGET = re.compile(rb"/[!-~]*|\*").fullmatch
_VISIBLE = re.compile(rb"[!-~]+").fullmatch
_PSEUDO = frozenset((b":method", b":scheme", b":authority", b":path", b":protocol"))
_UPGRADE = (("connection", "Upgrade"), ("upgrade", "websocket"))

_HARD_LIMIT = 4
"""A list of so many times the limit's size is not even decoded to its end."""
_MOST_FIELDS = 4096
"""Nor one of so many fields, each of which takes 1 µs however short it is."""
_MEMO_BLOCKS = 64
_MEMO_FIELDS = 64
_MEMO_BYTES = 512
_REQUEST_ID = b"x-request-id"
_REQUEST_ID_LITERAL = b"\0%c%b" % (len(_REQUEST_ID), _REQUEST_ID)


class Malformed(Exception):
    """A request that is no request (RFC 9113 section 8.1.1): its stream is reset with PROTOCOL_ERROR."""


class Block:
    """A decoded field block. A request's head is made when it is asked for, once for equal blocks."""

    __slots__ = ("_fields", "_head")

    def __init__(self, fields: Sequence[Field]) -> None:
        self._fields = fields
        self._head: Head | None = None

    def __len__(self) -> int:
        return len(self._fields)

    def head(self, limits: Limits, scheme: bytes) -> Head:
        """The request's head. Raises :class:`Malformed`, or :class:`ProtocolError` for what is to be answered."""
        if self._head is None:
            self._head = _head(self._fields, limits, scheme)
        return self._head

    def check_trailers(self, limits: Limits) -> None:
        """Trailers are checked for their form and thrown away. Raises :class:`Malformed`."""
        if len(self._fields) > limits.headers or _size(self._fields) > limits.head:
            raise Malformed("trailers too large")
        pseudo, _ = _split(self._fields)
        if pseudo:
            raise Malformed("a pseudo-header field in trailers")


def _size(fields: Iterable[Field]) -> int:
    return sum(len(name) + len(value) + OVERHEAD for name, value in fields)


def _split(fields: Iterable[Field]) -> tuple[dict[bytes, bytes], list[Field]]:
    """Pseudo-header fields and the others, after the rules that hold for all (sections 8.2 and 8.3)."""
    pseudo: dict[bytes, bytes] = {}
    others: list[Field] = []
    for name, value in fields:
        if name[:1] == b":":
            if others:
                raise Malformed("a pseudo-header field after another field")
            if name not in _PSEUDO:
                raise Malformed(f"the pseudo-header field {name[:40]!r} is not one of a request")
            if name in pseudo:
                raise Malformed(f"{name.decode()} twice")
            if value and _VALUE(value) is None:
                raise Malformed(f"invalid {name.decode()}")
            pseudo[name] = value
            continue
        if is_field_name(name) is None:
            raise Malformed("invalid field name")
        if _VALUE(value) is None:
            raise Malformed("invalid field value")
        if name in CONNECTION_SPECIFIC:
            raise Malformed(f"the field {name.decode()} belongs to HTTP/1.1")
        if name == b"te" and value.lower() != b"trailers":
            raise Malformed("TE may only say trailers")
        others.append((name, value))
    return pseudo, others


def _head(fields: Sequence[Field], limits: Limits, scheme: bytes) -> Head:
    if _size(fields) > limits.head:
        raise ProtocolError(431, "request header fields too large")
    if len(fields) > limits.headers + len(_PSEUDO):
        raise ProtocolError(431, "too many header fields")
    pseudo, others = _split(fields)
    method = pseudo.get(b":method")
    authority = pseudo.get(b":authority")
    if not method or not is_field_name(method.lower()):
        raise Malformed("no :method, or an invalid one")
    protocol = pseudo.get(b":protocol")
    if protocol is not None:
        if method != b"CONNECT" or not is_field_name(protocol.lower()):
            raise Malformed(":protocol without CONNECT, or an invalid one")
        method = b"GET"
    elif method == b"CONNECT":
        if pseudo.keys() != {b":method", b":authority"}:
            raise Malformed("CONNECT has :method and :authority only")
        raise ProtocolError(501, "the method CONNECT is not implemented")
    path = pseudo.get(b":path")
    if path is None or b":scheme" not in pseudo:
        raise Malformed("a request has :method, :scheme and :path")
    if _TARGET(path) is None or (path == b"*" and method != b"OPTIONS"):
        raise Malformed("invalid :path")
    if len(others) > limits.headers:
        raise ProtocolError(431, "too many header fields")
    if len(method) + len(path) + len(" HTTP/2 ") > limits.request_line:
        raise ProtocolError(414, "request target too long")
    if pseudo[b":scheme"].lower() != scheme:
        raise ProtocolError(400, f"the :scheme of this connection is {scheme.decode()}")
    if protocol is not None and protocol.lower() != b"websocket":
        raise ProtocolError(501, f"the protocol {protocol[:40].decode()} is not implemented")
    headers: list[tuple[str, str]] = []
    cookies: list[str] = []
    lengths = 0
    place = 0
    for raw_name, raw_value in others:
        if raw_name == b"host":
            if authority is None:
                if not raw_value or _VISIBLE(raw_value) is None:
                    raise Malformed("an empty Host")
                authority = raw_value
            elif raw_value.lower() != authority.lower():
                raise Malformed("Host differs from :authority, or there are two")
            continue
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name == "cookie":
            # Section 8.2.3: crumbs are one field elsewhere.
            if not cookies:
                place = len(headers)
            cookies.append(value)
            continue
        if name == "content-length":
            lengths += 1
            if lengths > 1 or not raw_value.isdigit():
                raise Malformed("invalid content-length, or more than one")
        headers.append((name, value))
    if cookies:
        headers.insert(place, ("cookie", "; ".join(cookies)))
    if not authority:
        raise ProtocolError(400, "a request names its host in :authority")
    headers.insert(0, ("host", authority.decode("latin-1")))
    if protocol is not None:
        headers[1:1] = _UPGRADE
    return make_head(method.decode("latin-1"), path.decode("latin-1"), 1, headers)


# ---- HPACK ----


class FieldDecoder(FrugalDecoder):
    """Decodes for us what it hides from h2: ``block`` is the last one."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(_HARD_LIMIT * limits.head, max(_MOST_FIELDS, _HARD_LIMIT * limits.headers))
        self.block = Block(())
        self._memo: dict[bytes, Block] = {}

    def decode(self, data: bytes, raw: bool = True) -> list[Any]:
        """Decode into ``block``; returns nothing. Raises ``hpack.HPACKError``."""
        block = self._memo.get(data)
        if block is None:
            table = self.header_table
            block = Block(super().decode(data))
            if table.changed or b"\x20" <= data[:1] < b"\x40":  # the latter changes the table's size
                table.changed = False
                self._memo.clear()
            elif len(data) <= _MEMO_BYTES:
                if len(self._memo) >= _MEMO_BLOCKS:
                    self._memo.clear()
                self._memo[data] = block
        self.block = block
        return []


class FieldEncoder(FrugalEncoder):
    """Encodes response fields."""

    def __init__(self) -> None:
        super().__init__()
        self._memo: dict[tuple[Field, ...], bytes] = {}

    def encode(self, headers: Iterable[Any], huffman: bool = False) -> bytes:
        """Encode a list of fields."""
        fields: tuple[Field, ...] = tuple(headers)
        tail = b""
        if fields[-1][0] == _REQUEST_ID and len(fields[-1][1]) < 0x7F:
            # It is never the same: as a literal that changes no table (RFC 7541 section 6.2.2) it needs no memory.
            value = fields[-1][1]
            tail = b"%b%c%b" % (_REQUEST_ID_LITERAL, len(value), value)
            fields = fields[:-1]
        if len(fields) > _MEMO_FIELDS:
            self._memo.clear()
            return super().encode(fields) + tail
        block = None if self.table_size_changes else self._memo.get(fields)
        if block is None:
            resized = bool(self.table_size_changes)
            block = super().encode(fields)
            if self.header_table.changed or resized:
                self.header_table.changed = False
                self._memo.clear()
            else:
                if len(self._memo) >= _MEMO_BLOCKS:
                    self._memo.clear()
                self._memo[fields] = block
        return block + tail


# ---- responses ----

_UNINDEXED = frozenset((b"age", b"content-length", b"etag", b"last-modified", b"location", b"set-cookie"))
"""Fields whose values hardly repeat: in the table they would only push out others."""
_KNOWN: dict[tuple[str, str], Field] = {}
_MOST_KNOWN = 1024
_KNOWN_BYTES = 256
_DROPPED = HOP_BY_HOP | {"http2-settings"}
_SPECIAL = _DROPPED | {"content-length", "date", "x-request-id"}
_STATUS: dict[int, Field] = {}


class ResponseFields:
    """A response's fields, and what was decided on the way."""

    __slots__ = ("fields", "has_content", "length")

    def __init__(self, fields: list[Field], length: int | None, *, has_content: bool) -> None:
        self.fields = fields
        self.has_content = has_content
        """Whether DATA follows."""
        self.length = length
        """Bytes of content that were promised, None if none were."""


def response_fields(
    response: OutgoingResponse, *, head_only: bool = False, tunnel: bool = False, request_id: bytes = b""
) -> ResponseFields:
    """Build a response's fields (RFC 9113 section 8.3.2). Raises :class:`BadResponse`.

    ``head_only`` says the request was HEAD, ``tunnel`` that this response opens one: the DATA behind it is no content.
    ``request_id`` is told where the response tells none. What a response says of its connection is dropped (section
    8.2.2), ``Connection: close`` too: the connection is not its alone.
    """
    status = response.status
    if type(status) is not int or not 200 <= status <= 999:
        raise BadResponse(f"status {status!r} is not a final status code (200 to 999)")
    first = _STATUS.get(status)
    if first is None:
        first = _STATUS[status] = (b":status", b"%d" % status)
    fields: list[Field] = [first]
    dated = False
    lengths: list[str] = []
    told: Field | None = None
    for pair in response.headers:
        field = _KNOWN.get(pair)
        if field is None:
            name, value = pair
            key = name.lower()
            check_field(name, value)
            # Section 8.2.1: a value neither begins nor ends with white space.
            field = _field(key.encode("latin-1"), value.strip(" \t").encode("latin-1"))
            if key in _SPECIAL:
                if key == "content-length":
                    lengths.append(value.strip(" \t"))
                elif key == "date" and not dated:
                    dated = True
                    fields.append(field)
                elif key == "x-request-id":
                    told = field
                continue
            if len(name) + len(value) <= _KNOWN_BYTES:
                if len(_KNOWN) >= _MOST_KNOWN:
                    _KNOWN.clear()
                _KNOWN[pair] = field
        fields.append(field)
    if not dated:
        fields.insert(1, _date())
    framing, length = (Framing.CLOSE, None) if tunnel else framing_of(response, lengths, head_only=head_only)
    if length is not None:
        fields.append(_field(b"content-length", b"%d" % length))
    if told is not None:
        fields.append(told)
    elif request_id:
        fields.append((_REQUEST_ID, request_id))
    has_content = framing is not Framing.NONE and not head_only and response.body != b""
    return ResponseFields(fields, length, has_content=has_content)


_date_line = b""
_date_field: Field = (b"date", b"")


def _date() -> Field:
    global _date_line, _date_field
    line = date_line()
    if line is not _date_line:
        _date_line = line
        _date_field = (b"date", line[len(b"date: ") : -2])
    return _date_field


def _field(name: bytes, value: bytes) -> Field:
    return hpack.NeverIndexedHeaderTuple(name, value) if name in _UNINDEXED else (name, value)
