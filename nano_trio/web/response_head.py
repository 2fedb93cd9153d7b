"""Response heads as bytes (RFC 9112 sections 4 and 6): status line, Date, the app's fields, our framing.

``quick`` is the hot path: the body is bytes, or none, as the status has it, and every field was sent before. What it
does not know it leaves to ``build``, which validates fields, drops hop-by-hop ones (framing and persistence are ours),
and picks the framing. A field that passed is remembered as its line of bytes; special fields are never remembered, so
they always reach ``build``.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Sequence
from http import HTTPStatus

import attrs

from nano_trio.actors.messages import OutgoingResponse
from nano_trio.runtime.http_syntax import HOP_BY_HOP, content_length, is_field_value, is_token, members
from nano_trio.runtime.pieces import WHOLE

__all__ = [
    "BadResponse",
    "Framing",
    "ResponseHead",
    "Truncated",
    "build",
    "check_field",
    "date_line",
    "field_line",
    "framing_of",
    "quick",
]

_SPECIAL = HOP_BY_HOP | {"content-length", "date", "x-request-id"}

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_WITHOUT_CONTENT = frozenset((204, 205, 304))
_QUICK_STATUS = {
    status: line for status, line in _STATUS_LINES.items() if status >= 200 and status not in _WITHOUT_CONTENT
}
# Without content there is no length to tell either; 205 has one, of 0.
_QUICK_WITHOUT_CONTENT = {status: _STATUS_LINES[status] for status in (204, 304)}

_lines: dict[tuple[str, str], bytes] = {}
_MEMO_LINES = 1024
_MEMO_BYTES = 256

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_date_line = b""
_date_from = _date_until = 0.0
"""The second, by the system's clock, that it tells."""


class BadResponse(Exception):
    """The app's response cannot be sent: a field would break the message, or the status is not a final one."""


class Truncated(Exception):
    """A streamed response cannot be completed: its content has not the bytes that its Content-Length promised."""

    def __init__(self, promised: int, taken: int) -> None:
        super().__init__(
            f"the stream is longer than its Content-Length of {promised} bytes"
            if taken > promised
            else f"the stream ended after {taken} of {promised} bytes"
        )


class Framing(enum.Enum):
    """How the client learns where the content ends."""

    NONE = enum.auto()
    LENGTH = enum.auto()
    CHUNKED = enum.auto()
    CLOSE = enum.auto()


@attrs.frozen
class ResponseHead:
    """A head ready to send, and what was decided on the way."""

    data: bytes
    framing: Framing
    length: int | None
    """Bytes of content that LENGTH promises."""
    keep_alive: bool


def date_line() -> bytes:
    """The Date field of the current second (RFC 9110 section 6.6.1)."""
    global _date_line, _date_from, _date_until
    now = time.time()
    if not _date_from <= now < _date_until:
        _date_from = float(int(now))
        _date_until = _date_from + 1.0
        year, month, day, hour, minute, second, weekday, _, _ = time.gmtime(_date_from)
        _date_line = (
            f"date: {_DAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year} {hour:02}:{minute:02}:{second:02} GMT\r\n"
        ).encode()
    return _date_line


# What functools keeps is found by a call that takes twice as long.
_ends: dict[int, bytes] = {}
_MEMO_ENDS = 1024
_QUICK_CONTENT = 32 * 1024
_NOTHING = b"content-length: 0\r\n\r\n"


def _length_and_end(length: int) -> bytes | None:
    """The Content-Length field, and the head's end; ``_ends`` has it from then on. None where it is too long to be
    copied behind the head."""
    if length > _QUICK_CONTENT:
        return None
    if len(_ends) >= _MEMO_ENDS:
        _ends.clear()
    end = _ends[length] = b"content-length: %d\r\n\r\n" % length
    return end


def quick(response: OutgoingResponse, content: bytes | None, date: bytes, extra: bytes = b"") -> bytes | None:
    """The whole message for a kept-alive HTTP/1.1 GET-like request, or None when ``build`` must look at it.

    ``content`` is the response's body; one of more than 32 KB is not copied here. ``date``: its :func:`date_line`;
    ``extra``: other field lines of ours.
    """
    status = _QUICK_STATUS.get(response.status)
    if status is None and not content:
        status = _QUICK_WITHOUT_CONTENT.get(response.status)
    if status is None or response.reason:
        return None
    if content:
        length = len(content)
        end = _ends.get(length) or _length_and_end(length)
        if end is None:
            return None
    else:
        content = b""
        end = b"\r\n" if response.status in _QUICK_WITHOUT_CONTENT else _NOTHING
    parts = [status, date, extra]
    try:
        for field in response.headers:
            parts.append(_lines[field])
    except (KeyError, TypeError):
        return None
    parts += end, content
    return b"".join(parts)


def build(
    response: OutgoingResponse, *, head_only: bool, minor: int, keep_alive: bool, id_line: bytes = b""
) -> ResponseHead:
    """Build any response's head.

    ``head_only`` says the request was HEAD, ``minor`` is the request's HTTP/1.x, ``keep_alive`` whether the connection
    may go on. ``id_line`` tells the request's id, where the response does not. Raises :class:`BadResponse`.
    """
    status = response.status
    if type(status) is not int or not 200 <= status <= 999:
        raise BadResponse(f"status {status!r} is not a final status code (200 to 999)")
    lines = [_status_line(status, response.reason)]
    dated = False
    lengths: list[str] = []
    for field in response.headers:
        line = _lines.get(field)
        if line is None:
            name, value = field
            key = name.lower()
            line = field_line(name, value)
            if key in _SPECIAL:
                if key == "content-length":
                    lengths.append(value.strip(" \t"))
                elif key == "connection" and "close" in members(value.lower()):
                    keep_alive = False
                elif key == "date" and not dated:
                    dated = True
                    lines.append(line)
                elif key == "x-request-id":
                    id_line = b""
                    lines.append(line)
                continue
            if len(line) <= _MEMO_BYTES:
                if len(_lines) >= _MEMO_LINES:
                    _lines.clear()
                _lines[field] = line
        lines.append(line)
    lines.append(id_line)
    if not dated:
        lines.insert(1, date_line())

    framing, length = framing_of(response, lengths, head_only=head_only, minor=minor)
    if framing is Framing.CLOSE:
        keep_alive = False
    elif framing is Framing.CHUNKED:
        lines.append(b"transfer-encoding: chunked\r\n")
    elif length is not None:
        lines.append(b"content-length: %d\r\n" % length)
    if not keep_alive:
        lines.append(b"connection: close\r\n")
    elif not minor:
        lines.append(b"connection: keep-alive\r\n")
    lines.append(b"\r\n")
    if head_only:
        framing = Framing.NONE
    return ResponseHead(b"".join(lines), framing, length, keep_alive)


def framing_of(
    response: OutgoingResponse, lengths: Sequence[str], *, head_only: bool, minor: int = 1
) -> tuple[Framing, int | None]:
    """RFC 9110 section 8.6 and RFC 9112 section 6: how long the content is, and who says so.

    ``lengths`` are the app's Content-Length fields.
    """
    declared = content_length(lengths[0]) if len(set(lengths)) == 1 else None
    status, body = response.status, response.body
    if status == 204:
        return Framing.NONE, None
    if status == 304:
        return Framing.NONE, declared
    if status == 205:
        return Framing.NONE, 0
    if body is None:
        return Framing.NONE, declared if head_only and declared is not None else 0
    if isinstance(body, WHOLE):
        return Framing.LENGTH, declared if head_only and not body and declared is not None else len(body)
    if declared is not None:
        return Framing.LENGTH, declared
    return (Framing.CHUNKED if minor else Framing.CLOSE), None


def _status_line(status: int, reason: str) -> bytes:
    if not reason:
        return _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
    if is_field_value(reason) is None:
        raise BadResponse(f"the reason phrase {reason!r} holds a control character or one outside Latin-1")
    return f"HTTP/1.1 {status} {reason}\r\n".encode("latin-1")


def check_field(name: str, value: str) -> None:
    """Raise :class:`BadResponse` for what is no header field (RFC 9110 section 5)."""
    if is_token(name) is None:
        raise BadResponse(f"{name!r} is not a header name")
    if is_field_value(value) is None:
        raise BadResponse(f"the value of header {name!r} holds a control character or one outside Latin-1: {value!r}")


def field_line(name: str, value: str) -> bytes:
    """The line of a header field. Raises :class:`BadResponse` for what would be another line, or none."""
    check_field(name, value)
    return f"{name}: {value}\r\n".encode("latin-1")
