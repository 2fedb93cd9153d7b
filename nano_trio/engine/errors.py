"""JavaScript errors for the person who must act: message, place, the source line with a caret, the app's own frames.

QuickJS writes a stack as lines of ``    at function (file:line:column)``; lines and columns count from 1. Frames of the
platform's own code (files that begin with ``nano:``) and of native functions are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import attrs

__all__ = ["Frame", "JavaScriptError", "parse_stack", "render_error"]

_FRAME = re.compile(r"^\s+at (?:(?P<function>.*?) \()?(?P<file>[^()]*?)(?::(?P<line>\d+))?(?::(?P<column>\d+))?\)?$")

SourceLookup = Callable[[str], str | None]
"""A file name of a frame to that file's text, or None where it is not known."""


@attrs.frozen
class Frame:
    """One frame of a stack trace. ``line`` and ``column`` count from 1; None where the engine does not say."""

    function: str
    file: str
    line: int | None
    column: int | None

    @property
    def place(self) -> str:
        """``file:line:column`` as far as known."""
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)


@attrs.define
class JavaScriptError(Exception):
    """An error that JavaScript threw and nothing caught: ``text`` as String(error), and the frames of the app."""

    text: str
    frames: tuple[Frame, ...] = ()
    excerpt: str = ""

    def __str__(self) -> str:
        return describe(self.text, self.frames, self.excerpt)


def parse_stack(stack: str) -> tuple[Frame, ...]:
    """The app's frames of ``error.stack``, innermost first. Lines that are no frames are passed over."""
    frames = []
    for text in stack.splitlines():
        match = _FRAME.match(text)
        if match is None:
            continue
        name = match["file"].removeprefix("./")
        if not name or name == "native" or name.startswith("nano:"):
            continue
        line, column = match["line"], match["column"]
        frames.append(
            Frame(match["function"] or "", name, int(line) if line else None, int(column) if column else None)
        )
    return tuple(frames)


def render_error(text: str, stack: str, source: SourceLookup | None = None) -> JavaScriptError:
    """An error with its frames and, where ``source`` knows the innermost frame's file, the line and a caret."""
    frames = parse_stack(stack)
    excerpt = ""
    for frame in frames:
        found = source(frame.file) if source is not None and frame.line is not None else None
        if found is not None:
            excerpt = _excerpt(found, frame)
            break
    return JavaScriptError(text, frames, excerpt)


def _excerpt(source: str, frame: Frame) -> str:
    lines = source.split("\n")
    assert frame.line is not None
    if not 1 <= frame.line <= len(lines):
        return ""
    line = lines[frame.line - 1].rstrip("\r")
    column = min(max(frame.column or 1, 1), len(line) + 1)
    # Minified bundles have lines of megabytes: show the part around the place.
    start = max(0, column - 61)
    part = line[start : start + 120]
    marker = "".join("\t" if character == "\t" else " " for character in part[: column - 1 - start]) + "^"
    return f"    {part}\n    {marker}"


def describe(text: str, frames: tuple[Frame, ...], excerpt: str) -> str:
    """The error as it is printed: place and message, the excerpt, then the frames."""
    head = f"{frames[0].place}: {text}" if frames else text
    parts = [head, excerpt] if excerpt else [head]
    parts += [f"    at {f.function or '<anonymous>'} ({f.place})" for f in frames]
    return "\n".join(parts)
