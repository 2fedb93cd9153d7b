"""The host half of ``formdata.js``: searching bodies for boundaries, and decoding them.

The grammar is Fetch's `multipart/form-data parser`__, and where senders are known to differ from it RFC 7578 and
RFC 2046: parameters of Content-Disposition in any order or as tokens, ``filename*`` (RFC 8187), spaces after a
boundary, line breaks before the first one, anything after the last.

A client decides how many parts a body has, and a body may have millions. So bodies are read in steps of a few
milliseconds at most, between which the app's turn may be suspended or stopped, and the head of a part is bounded.

__ https://fetch.spec.whatwg.org/#multipart-form-data-parser
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from nano_trio.runtime.host import Namespace, Services, poll_after
from nano_trio.runtime.pieces import PIECE, Pieces

if TYPE_CHECKING:
    import quickjs

__all__ = ["Part", "namespace", "read_multipart", "read_urlencoded"]

Part = tuple[str | int | None, ...]

_MOST_ITEMS = 200
"""Of what one step returns."""
_STEP = 1 << 14
"""Bytes of a value that are decoded in one step."""
_MOST_CANDIDATES = 1000
"""What looks like a boundary and is none, in one step; empty lines and names, too."""
_WINDOW = 1 << 18
"""Bytes that are searched for a boundary in one step."""
_MAX_HEAD = 1 << 16
"""Bytes of a part's head; what has more is malformed."""
_PAUSE: Part = ()

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_HEADER = re.compile(rb"[\t ]*(" + _TOKEN + rb")[\t ]*:[\t ]*([^\r\n]*)\r\n")
_DISPOSITION = re.compile(rb"form-data[\t ]*", re.IGNORECASE)
_PARAMETER = re.compile(rb";[\t ]*(" + _TOKEN + rb')[\t ]*=[\t ]*(?:"([^"]*)"|([^;"\t ]*))[\t ]*')
_EXTENDED = re.compile(rb"(utf-8|iso-8859-1)'[^']*'(.*)", re.IGNORECASE | re.DOTALL)
_ESCAPE = re.compile(rb"%0A|%0D|%22", re.IGNORECASE)
_ESCAPED = {b"%0A": b"\n", b"%0D": b"\r", b"%22": b'"'}
_LINE_END = re.compile(rb"[\t ]*+\r\n")
_new_decoder = codecs.getincrementaldecoder("utf-8")


def read_multipart(data: bytes | bytearray, boundary: str) -> Iterator[Part | None]:
    """The parts of a multipart/form-data body, and empty ones where a step may end; None, the last one, is failure.

    Each part is its name and text, or its name, None, file name, type and the bounds of its bytes in ``data``; a long
    text is like a file without a name and a type, for JavaScript to decode in pieces.
    """
    dashes = b"--" + boundary.encode("latin-1", "replace")
    delimiter = b"\r\n" + dashes
    at = 0
    while data.startswith(b"\r\n", at):
        at += 2
        if at % _MOST_CANDIDATES == 0:
            yield _PAUSE
    if not data.startswith(dashes, at):
        yield None
        return
    at += len(dashes)
    while not data.startswith(b"--", at):
        line = _LINE_END.match(data, at)
        headers = _parse_headers(data, line.end()) if line else None
        if headers is None:
            yield None
            return
        name, filename, content_type, start = headers
        # An empty body's line break is the one that ends the headers.
        end = yield from _find_delimiter(data, delimiter, start - 2)
        if end is None:
            yield None
            return
        at = end + len(delimiter)
        stop = max(end, start)
        if filename is None and stop - start <= PIECE:
            yield name, data[start:stop].decode("utf-8", "replace")
        else:
            yield name, None, filename, content_type, start, stop
    if at + 2 != len(data) and not data.startswith(b"\r\n", at + 2):
        yield None


def _find_delimiter(data: bytes | bytearray, delimiter: bytes, start: int) -> Generator[Part, None, int | None]:
    """The start of the next delimiter line: one that two dashes or a line break follow."""
    candidates = 0
    while start < len(data):
        end = start + _WINDOW
        at = data.find(delimiter, start, end + len(delimiter))
        if at < 0:
            start = end
            yield _PAUSE
            continue
        after = at + len(delimiter)
        if data.startswith(b"--", after) or _LINE_END.match(data, after):
            return at
        start = at + 2
        candidates += 1
        if candidates % _MOST_CANDIDATES == 0:
            yield _PAUSE
    return None


def _parse_headers(data: bytes | bytearray, at: int) -> tuple[str, str | None, str, int] | None:
    """Name, file name, type and the start of the body of the part whose headers start at ``at``."""
    name = filename = content_type = None
    most = at + _MAX_HEAD
    while not data.startswith(b"\r\n", at):
        header = _HEADER.match(data, at, most)
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


def read_urlencoded(data: bytes | bytearray) -> Iterator[Part]:
    """The application/x-www-form-urlencoded parser (URL section 5.1): names with their values, and empty parts where a
    step may end."""
    at = 0
    while at < len(data):
        end = data.find(b"&", at)
        if end < 0:
            end = len(data)
        if end - at > _STEP:
            yield (yield from _decode_long_pair(data[at:end]))
        elif end > at:
            name, _, value = data[at:end].replace(b"+", b" ").partition(b"=")
            yield unquote_to_bytes(name).decode("utf-8", "replace"), unquote_to_bytes(value).decode("utf-8", "replace")
        elif end % _MOST_CANDIDATES == 0:
            yield _PAUSE
        at = end + 1


def _decode_long_pair(sequence: bytes | bytearray) -> Generator[Part, None, Part]:
    name, _, value = sequence.partition(b"=")
    return (yield from _decode_long(name)), (yield from _decode_long(value))


def _decode_long(data: bytes | bytearray) -> Generator[Part, None, str]:
    decoder = _new_decoder("replace")
    pieces: list[str] = []
    at = 0
    while at < len(data):
        end = at + _STEP
        # No escape is cut.
        escape = data.find(b"%", end - 2, end)
        if escape >= 0 and end < len(data):
            end = escape
        pieces.append(decoder.decode(unquote_to_bytes(data[at:end].replace(b"+", b" "))))
        at = end
        yield _PAUSE
    return "".join(pieces) + decoder.decode(b"", True)


def _read_pieces(
    body: Pieces, reader: Callable[..., Iterator[Part | None]], *args: str
) -> Generator[Part | None, None, None]:
    """Read a body that is in pieces; they are put together step by step, too."""
    data = bytearray(len(body))
    at = 0
    while piece := body.next():
        data[at : at + len(piece)] = piece
        at += len(piece)
        yield _PAUSE
    yield from reader(data, *args)


def namespace(services: Services) -> Namespace:
    # One body at a time: it is read to its end before the app's code goes on.
    # ``source`` is None for one that was just handed over in pieces (large.js).
    parts: Iterator[Part | None] = iter(())

    def read(source: quickjs.Value | None, reader: Callable[..., Iterator[Part | None]], *args: str) -> None:
        nonlocal parts
        if source is None:
            parts = _read_pieces(services.large.take(), reader, *args)
        else:
            parts = reader(source.to_bytes(), *args)

    def begin_multipart(source: quickjs.Value | None, boundary: str) -> None:
        read(source, read_multipart, boundary)

    def begin_urlencoded(source: quickjs.Value | None) -> None:
        read(source, read_urlencoded)

    def more(near: quickjs.Value) -> list[str | int | None] | bool:
        """What the next step finds, which may be nothing; true: there is no more, false: the body is malformed.

        ``near`` is any object of the isolate.
        """
        nonlocal parts
        poll_after(near)
        flat: list[str | int | None] = []
        for part in parts:
            if part is None:
                parts = iter(())
                return False
            flat += part
            if part is _PAUSE or len(flat) >= _MOST_ITEMS:
                return flat
        parts = iter(())
        return flat or True

    return {"beginMultipart": begin_multipart, "beginUrlencoded": begin_urlencoded, "more": more}
