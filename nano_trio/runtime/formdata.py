"""The host half of ``formdata.js``: searching bodies for boundaries, and decoding them.

The grammar is Fetch's `multipart/form-data parser`__, and where senders are known to differ from it RFC 7578 and
RFC 2046: parameters of Content-Disposition in any order or as tokens, ``filename*`` (RFC 8187), spaces after a
boundary, lines before the first one (the preamble), and after the last (the epilogue).

A client decides how many parts a body has, and a body may have millions. So bodies are read in steps of a fraction
of a millisecond, between which the app's turn may be suspended or stopped, and the head of a part is bounded. Long
values cross in pieces (:mod:`nano_trio.runtime.large`).

__ https://fetch.spec.whatwg.org/#multipart-form-data-parser
"""

from __future__ import annotations

import codecs
import functools
import re
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING

from nano_trio.runtime.host import Namespace, Services, poll_after
from nano_trio.runtime.http_syntax import TOKEN
from nano_trio.runtime.large import Lent
from nano_trio.runtime.pieces import Pieces

if TYPE_CHECKING:
    import quickjs

__all__ = ["Part", "namespace", "read_multipart", "read_urlencoded"]

Part = tuple[str | list[str] | int | None, ...]

_MOST_ITEMS = 200
"""Of what one step returns."""
_STEP = 1 << 13
"""Bytes of values that are decoded in one step, and so about the most characters that it returns."""
_MOST_CANDIDATES = 1000
"""What looks like a boundary and is none, in one step; empty lines and names, too."""
_WINDOW = 1 << 18
"""Bytes that are searched for a boundary in one step."""
_MAX_HEAD = 1 << 16
"""Bytes of a part's head; what has more is malformed."""
_MOST_HEADERS = 100
"""Of a part; what has more is malformed."""
_MAX_PADDING = 1 << 10
"""Bytes of white space after a boundary; before more than that it is none."""
_PAUSE: Part = ()

_TOKEN = TOKEN.encode()
_HEADER = re.compile(rb"[\t ]*(" + _TOKEN + rb")[\t ]*:[\t ]*([^\r\n]*+)\r\n")
_DISPOSITION = re.compile(rb"form-data[\t ]*", re.IGNORECASE)
_PARAMETER = re.compile(rb";[\t ]*(" + _TOKEN + rb')[\t ]*=[\t ]*(?:"([^"]*)"|([^;"\t ]*))[\t ]*')
_EXTENDED = re.compile(rb"(utf-8|iso-8859-1)'[^']*'(.*)", re.IGNORECASE | re.DOTALL)
_ESCAPED = {b"%0A": b"\n", b"%0a": b"\n", b"%0D": b"\r", b"%0d": b"\r", b"%22": b'"'}
_PADDING = re.compile(rb"[\t ]*+")
_LINE_END = re.compile(rb"[\t ]*+\r\n")
_PERCENT_ENCODED = re.compile(rb"%([0-9A-Fa-f]{2})")
_new_decoder = codecs.getincrementaldecoder("utf-8")


@functools.cache
def _byte(digits: bytes) -> bytes:
    return bytes.fromhex(digits.decode())


def _percent_decode(data: bytes | bytearray) -> bytes:
    """URL section 1.3. The library's takes a microsecond for each percent sign that encodes nothing."""
    return _PERCENT_ENCODED.sub(lambda match: _byte(match[1]), data)


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
    if not data.startswith(dashes, at) or not _ends_delimiter(data, at + len(dashes)):
        first = yield from _find_delimiter(data, delimiter, at)
        # A preamble is of a body that has parts.
        if first is None or data.startswith(b"--", first + len(delimiter)):
            yield None
            return
        at = first + 2
    at += len(dashes)
    paused = at
    while not data.startswith(b"--", at):
        line = _LINE_END.match(data, at, at + _MAX_PADDING)
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
        if filename is None and stop - start <= _STEP:
            yield name, data[start:stop].decode("utf-8", "replace")
        else:
            yield name, None, filename, content_type, start, stop
        if at - paused > _STEP:
            paused = at
            yield _PAUSE


def _ends_delimiter(data: bytes | bytearray, at: int) -> bool:
    """Whether a delimiter line goes on so behind its boundary: with two dashes or without, and with white space."""
    if data.startswith(b"--", at):
        at += 2
        padding = _PADDING.match(data, at, at + _MAX_PADDING)
        if padding is not None and padding.end() == len(data):
            return True
    return _LINE_END.match(data, at, at + _MAX_PADDING) is not None


def _find_delimiter(data: bytes | bytearray, delimiter: bytes, start: int) -> Generator[Part, None, int | None]:
    """The start of the next delimiter line."""
    candidates = 0
    paused = start
    while start < len(data):
        end = start + _WINDOW
        at = data.find(delimiter, start, end + len(delimiter))
        if at < 0:
            start = end
        else:
            if _ends_delimiter(data, at + len(delimiter)):
                return at
            start = at + 2
            candidates += 1
        if candidates == _MOST_CANDIDATES or start - paused >= _WINDOW:
            candidates, paused = 0, start
            yield _PAUSE
    return None


def _parse_headers(data: bytes | bytearray, at: int) -> tuple[str, str | None, str, int] | None:
    """Name, file name, type and the start of the body of the part whose headers start at ``at``."""
    name = filename = content_type = None
    most = at + _MAX_HEAD
    count = 0
    while not data.startswith(b"\r\n", at):
        header = _HEADER.match(data, at, most)
        count += 1
        if header is None or count > _MOST_HEADERS:
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
        filename = _percent_decode(extended[2]).decode(extended[1].decode(), "replace")
    elif b"filename" in parameters:
        filename = _decode_name(parameters[b"filename"])
    return _decode_name(parameters[b"name"]), filename


def _decode_name(name: bytes) -> str:
    for escape, escaped in _ESCAPED.items():
        name = name.replace(escape, escaped)
    return name.decode("utf-8", "replace")


def read_urlencoded(data: bytes | bytearray) -> Iterator[Part]:
    """The application/x-www-form-urlencoded parser (URL section 5.1): names with their values, and empty parts where a
    step may end. What is long is a list of its pieces."""
    at = paused = 0
    while at < len(data):
        end = data.find(b"&", at, at + _STEP + 1)
        if end < 0:
            end = len(data) if len(data) - at <= _STEP else (yield from _find(data, b"&", at, len(data)))
        if end - at > _STEP:
            equals = yield from _find(data, b"=", at, end)
            long_name = yield from _decode_long(data, at, equals)
            yield long_name, (yield from _decode_long(data, min(equals + 1, end), end))
        elif end > at:
            name, _, value = data[at:end].replace(b"+", b" ").partition(b"=")
            yield _percent_decode(name).decode("utf-8", "replace"), _percent_decode(value).decode("utf-8", "replace")
            if end - paused > _STEP:
                paused = end
                yield _PAUSE
        elif end % _MOST_CANDIDATES == 0:
            yield _PAUSE
        at = end + 1


def _find(data: bytes | bytearray, byte: bytes, start: int, stop: int) -> Generator[Part, None, int]:
    """Where that byte is between two places; the second of them, where it is not."""
    while start < stop:
        end = min(start + _WINDOW, stop)
        at = data.find(byte, start, end)
        if at >= 0:
            return at
        start = end
        yield _PAUSE
    return stop


def _decode_long(data: bytes | bytearray, at: int, stop: int) -> Generator[Part, None, str | list[str]]:
    decoder = _new_decoder("replace")
    pieces: list[str] = []
    while at < stop:
        end = min(at + _STEP, stop)
        # No escape is cut.
        escape = data.find(b"%", end - 2, end)
        if escape >= 0 and end < stop:
            end = escape
        pieces.append(decoder.decode(_percent_decode(data[at:end].replace(b"+", b" ")), end == stop))
        at = end
        yield _PAUSE
    return pieces if len(pieces) > 1 else "".join(pieces)


def _read_pieces(
    body: Pieces, reader: Callable[..., Iterator[Part | None]], *args: str
) -> Generator[Part | None, None, None]:
    """Read a body that is in pieces; they are put together step by step, too."""
    # One of its length would be filled with zeros at once. To grow moves pages, not bytes.
    data = bytearray()
    while piece := body.next():
        data += piece
        yield _PAUSE
    yield from reader(data, *args)


def namespace(services: Services) -> Namespace:
    # One body at a time: it is read to its end before the app's code goes on.
    # ``source`` is None for one that was just handed over in pieces (large.js).
    parts: Iterator[Part | None] = iter(())
    lent: list[int] = []

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

    def more(near: quickjs.Value) -> quickjs.Value | bool:
        """What the next step finds, which may be nothing; true: there is no more, false: the body is malformed.

        A long text that is decoded is the number by which large.js takes it. ``near`` is any object of the isolate.
        """
        poll_after(near)
        flat: list[str | int | None] = []
        for part in parts:
            if part is None:
                return False
            for item in part:
                if isinstance(item, list):
                    lent.append(services.large.tell(Lent.of_text(item)))
                    flat.append(lent[-1])
                else:
                    flat.append(item)
            if part is _PAUSE or len(flat) >= _MOST_ITEMS:
                return services.array(flat)
        return services.array(flat) if flat else True

    def end() -> None:
        """Nobody asks for more."""
        nonlocal parts
        parts = iter(())
        for number in lent:
            services.large.forget(number)
        lent.clear()

    return {"beginMultipart": begin_multipart, "beginUrlencoded": begin_urlencoded, "more": more, "end": end}
