"""From a file to a document (tables, lists and plain values), and every way in which that can fail."""

import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

from nano_trio.config.files import read_file
from nano_trio.config.problems import ConfigError, KeyPath, Problem, render, show

_BARE_WORD = re.compile(r"[A-Za-z_~/.][^\s,\]}#]*")
_KEY = re.compile(r"\s*([\w.-]+)\s*=")
_QUOTED = re.compile(r"'([^']*)'")
_TABLE_TWICE = re.compile(r"Cannot declare \((.*)\) twice")
_TOML_POSITION = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class _Faulty(dict[str, Any]):
    """A JSON object in which keys came twice, and which those are; `dict` alone would drop all but the last."""

    repeated: tuple[str, ...] = ()


def read(path: Path) -> Any:
    """The document in a .json or .toml file. Raises `ConfigError`."""
    parsers = {".json": _parse_json, ".toml": _parse_toml}
    parse = parsers.get(path.suffix.lower())
    if parse is None:
        raise _error(path, "expected a file name that ends in .json or .toml")
    try:
        data = read_file(path)
    except FileNotFoundError:
        raise _error(path, f"no such file (looked for {os.path.abspath(path)})") from None
    except IsADirectoryError:
        raise _error(path, f"expected a file, got a folder (looked at {os.path.abspath(path)})") from None
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise _error(path, f"cannot be read: {reason} (looked for {os.path.abspath(path)})") from None
    except ValueError:
        raise _error(path, "is no possible file name") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _position(data[: error.start].decode("utf-8", "replace"))
        raise _error(path, "invalid UTF-8", place) from None
    try:
        return parse(path, text)
    except RecursionError:
        raise _error(path, "nested too deeply") from None
    except ValueError:  # Python converts no integer of more than 4300 digits
        raise _error(path, "a number has too many digits") from None


def _parse_json(path: Path, text: str) -> Any:
    faulty: list[_Faulty] = []

    def table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            times = Counter(key for key, _ in pairs)
            made = _Faulty(pairs)
            made.repeated = tuple(key for key in made if times[key] > 1)
            faulty.append(made)
        return made

    try:
        document = json.loads(text, object_pairs_hook=table)
    except json.JSONDecodeError as error:
        raise _error(path, f"invalid JSON: {error.msg}", (error.lineno, error.colno)) from None
    if faulty:
        repeated = _repeated_keys(document)
        raise ConfigError(Problem(path.name, render(key), "duplicate key", key) for key in repeated)
    return document


def _parse_toml(path: Path, text: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = _TOML_POSITION.search(message)
        place = (int(found[1]), int(found[2])) if found and found[1] else _position(text)
        reason = message[: found.start()] if found else message
        raise _error(path, f"invalid TOML: {_in_words(reason, text, *place)}", place) from None


def _in_words(reason: str, text: str, line: int, column: int) -> str:
    """What the parser says, and what to write instead where that is known."""
    lines = text.split("\n")
    source = lines[line - 1] if line <= len(lines) else ""
    if reason == "Invalid value" and (found := _BARE_WORD.match(source, column - 1)):
        word = found[0]
        if word.lower() in ("null", "none", "nil"):
            return 'Invalid value: TOML has no null; leave the key out, or write "none" where the key accepts that'
        if word.lower() in ("true", "yes", "on", "false", "no", "off"):
            return "Invalid value: write true or false"
        return f"Invalid value: text stands in quotes, {show(word)}"
    if reason == "Cannot overwrite a value" and (found := _KEY.match(source)):
        return f"{found[1]} is given twice"
    if found := _TABLE_TWICE.fullmatch(reason):
        return f"the table [{'.'.join(_QUOTED.findall(found[1]))}] is given twice"
    return reason


def _repeated_keys(document: Any) -> list[KeyPath]:
    """Walks without recursion: the parser's limit on depth may lie above Python's."""
    repeated: list[KeyPath] = []
    waiting: list[tuple[KeyPath, Any]] = [((), document)]
    while waiting:
        at, value = waiting.pop()
        if isinstance(value, _Faulty):
            repeated += [(*at, key) for key in value.repeated]
        if isinstance(value, dict):
            waiting += reversed([((*at, key), item) for key, item in value.items()])
        elif isinstance(value, list):
            waiting += reversed([((*at, index), item) for index, item in enumerate(value)])
    return repeated


def _position(before: str) -> tuple[int, int]:
    """Line and column, from 1, of the character that follows this text."""
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _error(path: Path, message: str, place: tuple[int, int] | None = None) -> ConfigError:
    if place is None:
        return ConfigError([Problem(path.name, "", message)])
    line, column = place
    return ConfigError([Problem(path.name, "", message, line=line, column=column)])
