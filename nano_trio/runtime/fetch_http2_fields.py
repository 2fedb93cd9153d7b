"""Header fields of fetch() over HTTP/2 (RFC 9113 section 8): those of a request, and what a server may answer.

h2 does not look at them. It would, but octet by octet, and for what is malformed it ends the connection; here that
costs its stream.
"""

from __future__ import annotations

import re

import hpack

from nano_trio.runtime.fetch_errors import FetchError
from nano_trio.runtime.fetch_messages import Headers, WireRequest
from nano_trio.runtime.http2_hpack import CONNECTION_SPECIFIC, Field, is_field_name
from nano_trio.runtime.http_syntax import agreed_length

__all__ = [
    "check_interim",
    "check_trailers",
    "length_of",
    "read_head",
    "request_fields",
]

_SECRET = frozenset((b"authorization", b"proxy-authorization"))
_SHORT_COOKIE = 20
"""One so short might be guessed from how well it is compressed (RFC 7541 section 7.1.3)."""

_VALUE = re.compile(rb"(?:[^\0\r\n\t ](?:[^\0\r\n]*[^\0\r\n\t ])?)?").fullmatch
_STATUS = re.compile(rb"[1-9][0-9][0-9]").fullmatch


def request_fields(request: WireRequest, length: int | None) -> list[Field]:
    """What is sent; ``length`` of the content, where it is known. How large it may be was seen to before."""
    fields: list[Field] = [
        (b":method", request.method.encode("ascii")),
        (b":scheme", request.scheme.encode("ascii")),
        (b":authority", request.authority.encode("ascii")),
        (b":path", request.target.encode("ascii")),
    ]
    for name, value in request.headers:
        secret = name in _SECRET or (name == b"cookie" and len(value) < _SHORT_COOKIE)
        fields.append(hpack.NeverIndexedHeaderTuple(name, value) if secret else (name, value))
    if length is not None:
        fields.append((b"content-length", b"%d" % length))
    return fields


def read_head(fields: list[Field]) -> tuple[int, Headers]:
    """The status and the other fields of a response. Raises :class:`FetchError` for what is malformed."""
    if not fields or fields[0][0] != b":status":
        raise _broken("a response without :status")
    if _STATUS(fields[0][1]) is None:
        raise _broken(f"a response with the :status {fields[0][1][:20]!r}")
    status = int(fields[0][1])
    if status == 101:
        raise _broken("a response that switches protocols, as HTTP/1.1 does")
    headers = [(bytes(name), bytes(value)) for name, value in fields[1:]]
    _check(headers)
    return status, headers


def length_of(headers: Headers) -> int | None:
    """Of a response's content, where its head tells. Raises :class:`FetchError` for what is no length."""
    try:
        return agreed_length(value for name, value in headers if name == b"content-length")
    except ValueError as error:
        raise _broken(f"a response of which {error}") from None


def check_interim(fields: list[Field]) -> None:
    """A head before the head: nobody wants to know of it, if it is one. Raises :class:`FetchError`."""
    read_head(fields)


def check_trailers(fields: list[Field]) -> None:
    """Trailers are thrown away, if they are such. Raises :class:`FetchError`."""
    _check(fields)


def _check(fields: list[Field]) -> None:
    for name, value in fields:
        if name[:1] == b":":
            raise _broken(f"the pseudo-header field {name[:40]!r} in a wrong place")
        if is_field_name(name) is None or _VALUE(value) is None:
            raise _broken(f"a header field that is none: {name[:40]!r}")
        if name in CONNECTION_SPECIFIC:
            raise _broken(f"the field {name.decode()} belongs to HTTP/1.1")


def _broken(why: str) -> FetchError:
    return FetchError("ERR_PROTOCOL", f"the server broke HTTP/2: {why}")
