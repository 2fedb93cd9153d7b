"""Where the keys of a configuration stand in its file: lines and columns for editors and for people.

The parsers of Python's library give values without places. The text is walked a second time here, by way of the few
tokens that the two languages have; that it is well-formed is known, for it has been parsed.
"""

import contextlib
import json
import json.decoder
import re
import tomllib
from pathlib import Path

from nano_trio.config.problems import KeyPath

__all__ = ["Positions", "positions"]

_SPACE_JSON = re.compile(r"[ \t\r\n]*")
_SCALAR_JSON = re.compile(r"[^ \t\r\n,\]}]+")
_GAP_TOML = re.compile(r"(?:[ \t\r\n,]|#[^\n]*)*")
_STRING_TOML = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}' r"|'''(?:[^']|'(?!''))*'{3,5}" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'", re.DOTALL
)
_SCALAR_TOML = re.compile(r"[^,\]}#\n]+")
_KEY_TOML = re.compile(r"""[ \t]*("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+)[ \t]*""")


class Positions:
    """The places of one file's keys and list items."""

    def __init__(self, text: str, offsets: dict[KeyPath, int]) -> None:
        self._text = text
        self._offsets = offsets

    def __contains__(self, path: KeyPath) -> bool:
        """Whether a key stands in the file."""
        return path in self._offsets

    def find(self, path: KeyPath) -> tuple[int, int]:
        """Line and column, from 1, of a key; of the nearest thing around it where it does not stand in the file."""
        while path and path not in self._offsets:
            path = path[:-1]
        offset = self._offsets.get(path, 0)
        before = self._text[:offset]
        return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def positions(path: Path) -> Positions:
    """The places in a .json or .toml file that could be parsed. Raises OSError and UnicodeDecodeError."""
    text = path.read_bytes().decode("utf-8-sig")
    walk: _Json | _Toml = _Json(text) if path.suffix.lower() == ".json" else _Toml(text)
    # So deep that a walk is no use, or changed since it was parsed: what was found so far is told.
    with contextlib.suppress(RecursionError, ValueError, IndexError):
        walk.document()
    return Positions(text, walk.offsets)


class _Json:
    def __init__(self, text: str) -> None:
        self.text = text
        self.offsets: dict[KeyPath, int] = {}

    def document(self) -> None:
        self._value(self._gap(0), ())

    def _gap(self, at: int) -> int:
        return _end(_SPACE_JSON, self.text, at)

    def _value(self, at: int, path: KeyPath) -> int:
        self.offsets.setdefault(path, at)
        match self.text[at]:
            case "{":
                at = self._gap(at + 1)
                while self.text[at] != "}":
                    key, after = json.decoder.scanstring(self.text, at + 1)  # type: ignore[attr-defined]
                    self.offsets.setdefault((*path, key), at)
                    at = self._gap(self._value(self._gap(self._gap(after) + 1), (*path, key)))
                    at = self._gap(at + 1) if self.text[at] == "," else at
                return at + 1
            case "[":
                at, index = self._gap(at + 1), 0
                while self.text[at] != "]":
                    at = self._gap(self._value(at, (*path, index)))
                    at, index = self._gap(at + 1) if self.text[at] == "," else at, index + 1
                return at + 1
            case '"':
                end: int = json.decoder.scanstring(self.text, at + 1)[1]  # type: ignore[attr-defined]
                return end
        return _end(_SCALAR_JSON, self.text, at)


class _Toml:
    def __init__(self, text: str) -> None:
        self.text = text
        self.offsets: dict[KeyPath, int] = {}
        self._items: dict[KeyPath, int] = {}
        """How many items the lists of tables have so far."""

    def document(self) -> None:
        table: KeyPath = ()
        at = self._gap(0)
        while at < len(self.text):
            start = at
            if self.text.startswith("[[", at):
                at, keys = self._keys(at + 2)
                table = self._inside(keys[:-1]) + keys[-1:]
                self._items[table] = self._items.get(table, 0) + 1
                self._found(table, start)
                table = (*table, self._items[table] - 1)
                self._found(table, start)
                at += 2
            elif self.text[at] == "[":
                at, keys = self._keys(at + 1)
                table = self._inside(keys)
                self._found(table, start)
                at += 1
            else:
                at = self._pair(at, table)
            at = self._gap(at)

    def _found(self, table: KeyPath, at: int) -> None:
        """A table begins here, and with it those around it that have no header of their own."""
        for length in range(1, len(table) + 1):
            self.offsets.setdefault(table[:length], at)

    def _inside(self, keys: KeyPath) -> KeyPath:
        """The full path of a table: what a list of tables stands for is its last item."""
        path: KeyPath = ()
        for key in keys:
            path = (*path, key)
            if path in self._items:
                path = (*path, self._items[path] - 1)
        return path

    def _gap(self, at: int) -> int:
        return _end(_GAP_TOML, self.text, at)

    def _keys(self, at: int) -> tuple[int, KeyPath]:
        keys: list[str | int] = []
        while True:
            found = _KEY_TOML.match(self.text, at)
            if found is None:
                raise ValueError("no key")
            keys.append(_unquoted(found[1]))
            at = found.end()
            if self.text[at] != ".":
                return at, tuple(keys)
            at += 1

    def _pair(self, at: int, table: KeyPath) -> int:
        start = at
        at, keys = self._keys(at)
        for length in range(1, len(keys) + 1):
            self.offsets.setdefault((*table, *keys[:length]), start)
        return self._value(self._gap(at + 1), (*table, *keys))

    def _value(self, at: int, path: KeyPath) -> int:
        self.offsets.setdefault(path, at)
        match self.text[at]:
            case "{":
                at = self._gap(at + 1)
                while self.text[at] != "}":
                    at = self._gap(self._pair(at, path))
                return at + 1
            case "[":
                at, index = self._gap(at + 1), 0
                while self.text[at] != "]":
                    at, index = self._gap(self._value(at, (*path, index))), index + 1
                return at + 1
            case '"' | "'":
                return _end(_STRING_TOML, self.text, at)
        return _end(_SCALAR_TOML, self.text, at)


def _unquoted(key: str) -> str:
    text: str = tomllib.loads(f"key = {key}")["key"] if key[0] in "\"'" else key
    return text


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    if found is None:
        raise ValueError("no such token")
    return found.end()
