"""A line's three shapes, and what makes it safe to show: values cut to a length, control characters escaped.

Whatever an app or a client says ends up here. In a terminal a control character is a command, and a line feed begins a
line that looks like ours; so in text none of them passes (C0, DEL, C1, the Unicode line separators, and the
bidirectional controls that make a line read differently from what it says). Texts of several lines are shown below the
line, indented. In JSON they are escaped as JSON does, DEL and C1 too.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from typing import Any, ClassVar

from structlog.typing import EventDict, Processor

__all__ = ["JsonFormat", "TextFormat", "access_line", "cut_long_values", "escaped"]

_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
_BEYOND_JSON = re.compile("[\x7f-\x9f\ud800-\udfff]")
_PLAIN = re.compile(r"[^\s\"=\\\x00-\x20]+").fullmatch
_APACHE = re.compile(r"[^ !#-\[\]-~]")
_LINE_ENDS = re.compile("\r\n|\n")
_FIRST = ("timestamp", "level", "event", "app", "request_id")
_BELOW = ("error", "exception", "stack")
"""What is shown below a line, whatever it holds; a ``reason`` is where it has several lines, as all that is wrong with
a configuration has."""


def escaped(text: str) -> str:
    """``text`` on one line: control characters as ``\\n``, ``\\x1b`` or ``\\u202e``. Tabs stay."""
    return _CONTROL.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    number = ord(match[0])
    if number == 0x0A:
        return "\\n"
    if number == 0x0D:
        return "\\r"
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def cut_long_values(most: int) -> Processor:
    """A processor for structlog that cuts texts beyond ``most`` bytes of UTF-8, and says how long they were.

    Of a list beyond that the last entries are left out. What is neither text, number nor list becomes text.
    """

    def cut(_: Any, __: str, event: EventDict) -> EventDict:
        for key, value in event.items():
            if value is None or isinstance(value, bool | int | float):
                continue
            event[key] = _cut_list(value, most) if isinstance(value, list | tuple) else _cut_text(value, most)
        return event

    return cut


def _cut_text(value: object, most: int) -> str:
    text = value if isinstance(value, str) else str(value)
    # No character takes more than four bytes: short texts need no second look.
    if len(text) * 4 > most:
        data = text.encode("utf-8", "surrogatepass")
        if len(data) > most:
            head = data[:most].decode("utf-8", "ignore")
            text = f"{head}… (cut: {len(data)} bytes)"
    return text


def _cut_list(values: Sequence[object], most: int) -> list[str]:
    texts: list[str] = []
    for value in values:
        text = _cut_text(value, most)
        most -= len(text.encode("utf-8", "surrogatepass"))
        if texts and most < 0:
            return [*texts, f"… (cut: {len(values) - len(texts)} more)"]
        texts.append(text)
    return texts


class JsonFormat:
    """One JSON object a line."""

    def __call__(self, _: Any, __: str, event: EventDict) -> str:
        event.pop("raw", None)
        first = {key: event.pop(key) for key in _FIRST if key in event}
        text = json.dumps({**first, **event}, ensure_ascii=False, default=str)
        return _BEYOND_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


class TextFormat:
    """``12:00:00.000 info  app: event key=value``; what has several lines is indented below."""

    _COLORS: ClassVar = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "31"}

    def __init__(self, colors: bool) -> None:
        self._colors = colors

    def __call__(self, _: Any, __: str, event: EventDict) -> str:
        stamp = str(event.pop("timestamp", ""))[11:23]
        level = str(event.pop("level", "info"))
        first, *below = _LINE_ENDS.split(str(event.pop("event", "")))
        if event.pop("raw", False):
            return first
        app = event.pop("app", None)
        event.pop("console", None)
        several = ("reason",) if "\n" in str(event.get("reason", "")) else ()
        for key in (*several, *_BELOW):
            text = event.pop(key, None)
            if text:
                below += _LINE_ENDS.split(str(text))
        fields = "".join(f" {key}={_value(value)}" for key, value in event.items())
        name = f"{level:<7}"
        if self._colors:
            name = f"\x1b[{self._COLORS.get(level, '0')}m{name}\x1b[0m"
        head = f"{stamp} {name} {f'{escaped(str(app))}: ' if app else ''}{escaped(first)}{fields}"
        return "\n".join([head, *("    " + escaped(line) for line in below)])


def _value(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return escaped(text if _PLAIN(text) else json.dumps(text, ensure_ascii=False))


def access_line(
    remote: str,
    method: str,
    url: str,
    status: int,
    size: int,
    user_agent: str = "-",
    referer: str = "-",
    version: str = "HTTP/1.1",
) -> str:
    """A request in the combined log format (Apache's ``%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i"``).

    What a client sent is escaped as Apache does: ``\\"``, ``\\\\`` and ``\\xhh``.
    """
    when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
    line = " ".join(_apache(part) for part in (method, url, version))
    return f'{remote or "-"} - - [{when}] "{line}" {status} {size or "-"} "{_apache(referer)}" "{_apache(user_agent)}"'


def _apache(text: str) -> str:
    return _APACHE.sub(lambda match: _apache_escape(match[0]), text)


def _apache_escape(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return "".join(f"\\x{octet:02x}" for octet in character.encode("utf-8", "surrogatepass"))
