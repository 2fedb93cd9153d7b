"""The host half of ``formdata.js``: searching bodies for boundaries, and decoding them.

The grammar is Fetch's `multipart/form-data parser`__, and where senders are known to differ from it RFC 7578 and
RFC 2046: parameters of Content-Disposition in any order or as tokens, ``filename*`` (RFC 8187), spaces after a
boundary, line breaks before the first one, anything after the last.

__ https://fetch.spec.whatwg.org/#multipart-form-data-parser
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from nano_trio.runtime.host import Namespace, Services

if TYPE_CHECKING:
    import quickjs

__all__ = ["namespace", "parse_multipart", "parse_urlencoded"]

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_HEADER = re.compile(rb"[\t ]*(" + _TOKEN + rb")[\t ]*:[\t ]*([^\r\n]*)\r\n")
_DISPOSITION = re.compile(rb"form-data[\t ]*", re.IGNORECASE)
_PARAMETER = re.compile(rb";[\t ]*(" + _TOKEN + rb')[\t ]*=[\t ]*(?:"([^"]*)"|([^;"\t ]*))[\t ]*')
_EXTENDED = re.compile(rb"(utf-8|iso-8859-1)'[^']*'(.*)", re.IGNORECASE | re.DOTALL)
_ESCAPE = re.compile(rb"%0A|%0D|%22", re.IGNORECASE)
_ESCAPED = {b"%0A": b"\n", b"%0D": b"\r", b"%22": b'"'}


def parse_multipart(data: bytes, boundary: str) -> list[str | int | None] | None:
    """The parts of a multipart/form-data body; None is failure.

    Each part is its name and text, or its name, None, file name, type and the bounds of its bytes in ``data``.
    """
    dashes = b"--" + boundary.encode("latin-1", "replace")
    delimiter = b"\r\n" + dashes
    result: list[str | int | None] = []
    at = 0
    while data.startswith(b"\r\n", at):
        at += 2
    if not data.startswith(dashes, at):
        return None
    at += len(dashes)
    while True:
        if data.startswith(b"--", at):
            return result if at + 2 == len(data) or data.startswith(b"\r\n", at + 2) else None
        line = _line_end(data, at)
        if line is None:
            return None
        headers = _parse_headers(data, line)
        if headers is None:
            return None
        name, filename, content_type, start = headers
        # An empty body's line break is the one that ends the headers.
        end = _find_delimiter(data, delimiter, start - 2)
        if end is None:
            return None
        at = end + len(delimiter)
        stop = max(end, start)
        if filename is None:
            result += (name, data[start:stop].decode("utf-8", "replace"))
        else:
            result += (name, None, filename, content_type, start, stop)


def _line_end(data: bytes, at: int) -> int | None:
    """Where the next line starts, if only spaces and tabs stand before it."""
    while data[at : at + 1] in (b" ", b"\t"):
        at += 1
    return at + 2 if data.startswith(b"\r\n", at) else None


def _find_delimiter(data: bytes, delimiter: bytes, start: int) -> int | None:
    """The start of the next delimiter line: one that two dashes or a line break follow."""
    while (at := data.find(delimiter, start)) >= 0:
        after = at + len(delimiter)
        if data.startswith(b"--", after) or _line_end(data, after) is not None:
            return at
        start = at + 2
    return None


def _parse_headers(data: bytes, at: int) -> tuple[str, str | None, str, int] | None:
    """Name, file name, type and the start of the body of the part whose headers start at ``at``."""
    name = filename = content_type = None
    while not data.startswith(b"\r\n", at):
        header = _HEADER.match(data, at)
        if header is None:
            return None
        match header[1].lower():
            case b"content-disposition":
                disposition = _parse_disposition(header[2])
                if disposition is None:
                    return None
                name, filename = disposition
            case b"content-type":
                content_type = header[2].rstrip(b"\t ")
        at = header.end()
    if name is None:
        return None
    if content_type is None:
        content_type = b"text/plain"
    return name, filename, content_type.decode() if content_type.isascii() else "", at + 2


def _parse_disposition(value: bytes) -> tuple[str, str | None] | None:
    """Name and file name of a Content-Disposition header; None where it is no ``form-data`` with a name."""
    kind = _DISPOSITION.match(value)
    if kind is None:
        return None
    at = kind.end()
    parameters: dict[bytes, bytes] = {}
    while at < len(value):
        parameter = _PARAMETER.match(value, at)
        if parameter is None:
            return None
        quoted, token = parameter[2], parameter[3]
        parameters.setdefault(parameter[1].lower(), token if quoted is None else quoted)
        at = parameter.end()
    if b"name" not in parameters:
        return None
    filename = None
    extended = _EXTENDED.fullmatch(parameters.get(b"filename*", b""))
    if extended:
        filename = unquote_to_bytes(extended[2]).decode(extended[1].decode(), "replace")
    elif b"filename" in parameters:
        filename = _decode_name(parameters[b"filename"])
    return _decode_name(parameters[b"name"]), filename


def _decode_name(name: bytes) -> str:
    return _ESCAPE.sub(lambda escape: _ESCAPED[escape[0].upper()], name).decode("utf-8", "replace")


def parse_urlencoded(data: bytes) -> list[str]:
    """The application/x-www-form-urlencoded parser (URL section 5.1): name, value, name, value …"""
    flat: list[str] = []
    for sequence in data.split(b"&"):
        if sequence:
            name, _, value = sequence.replace(b"+", b" ").partition(b"=")
            flat += (
                unquote_to_bytes(name).decode("utf-8", "replace"),
                unquote_to_bytes(value).decode("utf-8", "replace"),
            )
    return flat


def namespace(services: Services) -> Namespace:
    def multipart(source: quickjs.Value, boundary: str) -> list[str | int | None] | None:
        return parse_multipart(source.to_bytes(), boundary)

    def urlencoded(source: quickjs.Value) -> list[str]:
        return parse_urlencoded(source.to_bytes())

    return {"parseMultipart": multipart, "parseUrlencoded": urlencoded}
