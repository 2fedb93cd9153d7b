"""Source maps: where the code of a transformed or bundled file was written.

The format is that of ECMA-426 (https://tc39.es/ecma426/), version 3 of the maps that compilers have long written.
Theory of operation: ``mappings`` has a part for each generated line, separated by ``;``, and in it a segment for each
mapping, separated by ``,``. A segment is one, four or five numbers in base 64 VLQ, each the difference to the same
number of the segment before: the generated column (which begins anew in each line), the source, its line, its column,
a name. The text is decoded when the first place is asked for, once for all isolates of an app, while all others wait:
0.15 s for a million characters. What cannot be read maps nothing, and so does what is too large to be read by the way:
a map is a help, and no app fails for a bad one.
"""

from __future__ import annotations

import base64
import binascii
import bisect
import json
import posixpath
import re
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

import attrs

__all__ = ["Place", "SourceMap", "decode_mappings", "find_url", "from_data_url"]

_DIGITS = {ord(c): n for n, c in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")}
_URL = re.compile(r"^[ \t]*(?://|/\*)[#@][ \t]*sourceMappingURL=([^\s'\"]+?)[ \t]*(?:\*/)?[ \t]*$", re.M)

_MOST_TEXT = 16 << 20
_MOST_MAPPINGS = 2 << 20
"""Characters of a map, with the sources that it brings along, and of its mappings alone."""

Segment = tuple[int, ...]
"""Generated column, and where it maps somewhere: source, line, column. All count from 0."""


@attrs.frozen
class Place:
    """A place in an original source. ``line`` and ``column`` count from 1."""

    file: str
    """Relative to the folder of the generated file, as far as the map says."""
    line: int
    column: int
    text: str | None
    """The whole source, where the map brings it along."""


def decode_mappings(mappings: str) -> list[list[Segment]]:
    """The segments of each generated line, in the order of their columns. Raises :class:`ValueError`."""
    lines: list[list[Segment]] = []
    source = line = column = 0
    known: dict[str, list[int]] = {}  # the same differences come again and again
    for part in mappings.split(";"):
        segments: list[Segment] = []
        generated = 0
        ordered = True
        for text in part.split(",") if part else ():
            numbers = known.get(text)
            if numbers is None:
                numbers = known[text] = _vlq(text)
            if not numbers:
                continue
            generated += numbers[0]
            ordered = ordered and numbers[0] >= 0
            if len(numbers) >= 4:
                source += numbers[1]
                line += numbers[2]
                column += numbers[3]
                segments.append((generated, source, line, column))
            elif len(numbers) == 1:
                segments.append((generated,))
            else:
                raise ValueError(f"a segment of {len(numbers)} numbers")
        if not ordered:
            segments.sort(key=lambda segment: segment[0])
        lines.append(segments)
    return lines


def _vlq(text: str) -> list[int]:
    numbers = []
    value = shift = 0
    for character in text.encode("ascii", "replace"):
        digit = _DIGITS.get(character)
        if digit is None:
            raise ValueError(f"{chr(character)!r} is no digit of base 64")
        value |= (digit & 31) << shift
        if digit & 32:
            shift += 5
            if shift > 60:
                raise ValueError("a number without end")
        else:
            numbers.append(-(value >> 1) if value & 1 else value >> 1)
            value = shift = 0
    if shift:
        raise ValueError("a number that is cut off")
    return numbers


def find_url(text: str) -> str | None:
    """The address of its map that a generated file has in a comment; the last one counts."""
    at = text.rfind("sourceMappingURL=")
    if at < 0:
        return None
    start = text.rfind("\n", 0, at) + 1
    match = _URL.search(text, start)
    return None if match is None else match[1]


def from_data_url(url: str) -> str | None:
    """What a ``data:`` URL (RFC 2397) holds, or None where it is none."""
    if not url.startswith("data:"):
        return None
    head, comma, data = url[5:].partition(",")
    if not comma:
        return None
    try:
        if head.endswith(";base64"):
            return base64.b64decode(unquote(data), validate=False).decode("utf-8", "replace")
        return unquote_to_bytes(data).decode("utf-8", "replace")
    except (ValueError, binascii.Error):
        return None


@attrs.define
class SourceMap:
    """One map. ``offset``: of its part in the generated file, for maps that are made of sections."""

    _mappings: str
    _sources: list[str]
    _contents: list[str | None]
    _decoded: list[list[Segment]] | None = None
    _sections: list[tuple[int, int, SourceMap]] = attrs.field(factory=list)

    @classmethod
    def parse(cls, text: str) -> SourceMap | None:
        """A map from its JSON, or None where that is none, or is too large."""
        if len(text) > _MOST_TEXT:
            return None
        try:
            # A line of this may stand before the JSON, so that browsers do not run it as a script.
            data = json.loads(text.split("\n", 1)[-1] if text.startswith(")]}") else text)
        except (ValueError, RecursionError):
            return None
        return cls._of(data, True)

    @classmethod
    def _of(cls, data: Any, top: bool) -> SourceMap | None:
        if not isinstance(data, dict) or data.get("version") != 3:
            return None
        if top and isinstance(data.get("sections"), list):
            sections = []
            for section in data["sections"]:
                offset = section.get("offset") if isinstance(section, dict) else None
                inner = cls._of(section.get("map"), False) if isinstance(section, dict) else None
                if inner is None or not isinstance(offset, dict):
                    return None
                line, column = offset.get("line"), offset.get("column")
                if not isinstance(line, int) or not isinstance(column, int):
                    return None
                sections.append((line, column, inner))
            return cls("", [], [], [], sorted(sections, key=lambda section: section[:2]))
        mappings, sources = data.get("mappings"), data.get("sources")
        if not isinstance(mappings, str) or not isinstance(sources, list) or len(mappings) > _MOST_MAPPINGS:
            return None
        root = data.get("sourceRoot")
        base = root if isinstance(root, str) else ""
        names = [posixpath.join(base, name) if isinstance(name, str) else "" for name in sources]
        found = data.get("sourcesContent")
        contents = [text if isinstance(text, str) else None for text in found] if isinstance(found, list) else []
        return cls(mappings, names, contents)

    def find(self, line: int, column: int) -> Place | None:
        """Where the code at a place of the generated file was written, or None; both count from 1."""
        for begin_line, begin_column, section in reversed(self._sections):
            if (begin_line, begin_column) <= (line - 1, column - 1):
                shift = begin_column if begin_line == line - 1 else 0
                return section.find(line - begin_line, column - shift)
        if self._decoded is None:
            try:
                self._decoded = decode_mappings(self._mappings)
            except ValueError:
                self._decoded = []
        if not 1 <= line <= len(self._decoded):
            return None
        segments = self._decoded[line - 1]
        at = bisect.bisect_right(segments, column - 1, key=lambda segment: segment[0]) - 1
        if at < 0:
            # Before the first mapping of the line: the engine's columns sometimes begin there.
            at = 0
        if not segments or len(segments[at]) < 4:
            return None
        source, original_line, original_column = segments[at][1:]
        if not 0 <= source < len(self._sources) or original_line < 0 or original_column < 0:
            return None
        text = self._contents[source] if source < len(self._contents) else None
        return Place(self._sources[source], original_line + 1, original_column + 1, text)
