"""What is wrong with a configuration, said for the person who must act: where, what is accepted, what came."""

import datetime
import difflib
import json
import math
import re
from collections.abc import Iterable, Sequence

from attrs import field, frozen

KeyPath = tuple[str | int, ...]
"""The way to a value: table keys and list indices, from the top of the document."""

Finding = tuple[KeyPath, str]
"""Where something is wrong, and what: ``expected …, got …``."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_$-]+")
_SHOWN_CHARACTERS = 60
_SHOWN_DIGITS = 40


def _printable(text: str) -> str:
    """The text with escapes for what would break the line or confuse a terminal, as a file name may."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


@frozen
class Problem:
    """One thing to put right. `str()` gives the line to print."""

    source: str = field(converter=_printable)
    """The file's name, `environment` or `command line`."""
    key: str = field(converter=_printable)
    """The value's place, such as `apps[2].memory_mb`; empty where the whole file is meant."""
    message: str = field(converter=_printable)
    path: KeyPath = field(default=(), eq=False)
    """The value's place as keys and indices: empty where `key` is, or where the value stands in no file."""
    line: int | None = field(default=None, eq=False)
    """From 1, where it is known."""
    column: int | None = field(default=None, eq=False)

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.source, self.line, self.column) if part is not None)
        return ": ".join(part for part in (place, self.key, self.message) if part)


class ConfigError(Exception):
    """The configuration cannot be used. Holds every problem found; `str()` gives one per line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: list[Problem] = list(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


class Rejected(Exception):
    """A value breaks its rule: one or more findings, each placed relative to that value."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__(findings)
        self.findings = findings

    def at(self, *place: str | int) -> list[Finding]:
        """The findings as they are placed in what holds the value there."""
        return [((*place, *further), message) for further, message in self.findings]


def rejected(message: str) -> Rejected:
    """The usual case: one finding, about the value itself."""
    return Rejected([((), message)])


def did_you_mean(value: object, words: Iterable[str]) -> str:
    """The end of a message: which of the words was probably meant; empty where none comes near."""
    text = str(value).lower()
    near = difflib.get_close_matches(text, words, 1)
    # "1.1" is not a mistyped "1.2".
    if not near or (near[0] != text and not near[0][0].isalpha()):
        return ""
    return f"; did you mean {show(near[0])}?"


def render(path: KeyPath) -> str:
    """`("apps", 2, "env", "a key")` becomes `apps[2].env["a key"]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _BARE_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{show(step)}]"
    return text


def show(value: object) -> str:
    """A value as a person would recognise it in the file: short, on one line, printable on any terminal."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _show_string(value)
        case int():
            too_long = value.bit_length() > _SHOWN_DIGITS * 3
            return "a number of very many digits" if too_long else str(value)
        case float() if math.isnan(value):
            return "NaN"
        case float() if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        case float():
            return repr(value)
        case dict():
            return "a table" if value else "an empty table"
        case list() | tuple():
            return "a list" if value else "an empty list"
        case datetime.date() | datetime.time():
            return "a date or time"
        case _:
            return f"a {type(value).__name__}"


def _show_string(text: str) -> str:
    shortened = text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
    return _printable(json.dumps(shortened, ensure_ascii=False))
