"""JavaScript errors for the person who must act: message, place, the source line with a caret, the app's own frames.

A stack begins with what the error says, in contexts that have ``builtins_errors.c``, and else with the frames, which
QuickJS writes as lines of ``    at function (file:line:column)``; lines and columns count from 1. Frames of the
platform's own code (without a place, or in files that begin with ``nano:``, ``node:`` or ``cloudflare:``) and of native
functions are left out.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable

import attrs

__all__ = ["Frame", "JavaScriptError", "below", "render_error"]

_FRAME = re.compile(r"^\s+at (?:(?P<function>.*?) \()?(?P<file>[^()]*?)(?::(?P<line>\d+))?(?::(?P<column>\d+))?\)?$")

SourceLookup = Callable[[str], str | None]
"""A file name of a frame to that file's text, or None where it is not known."""

Original = Callable[["Frame"], "tuple[Frame, str | None]"]
"""Where the code of a frame was written: the frame there, and that file's text where the lookup does not know it."""


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
    """An error that JavaScript threw and nothing caught."""

    text: str
    """String(error), with its causes."""
    frames: tuple[Frame, ...] = ()
    """The app's frames of the error itself, innermost first."""
    excerpt: str = ""
    """The line of the innermost frame and a caret below it, where the source is known."""
    trace: str = ""
    """The stack without the platform's frames, a line each; the stacks of causes follow below their heads."""
    engine: tuple[str, str] = ("", "")
    """Of code that does not compile: the text and the stack as the engine has them."""

    def __str__(self) -> str:
        head = f"{self.frames[0].place}: {self.text}" if self.frames else self.text
        return "\n".join(part for part in (head, self.excerpt, self.trace) if part)


def _parse(line: str) -> Frame | bool | None:
    """A frame of the app; None for one of the platform or the engine; False for a line that is no frame."""
    match = _FRAME.match(line)
    if match is None:
        return False
    name = match["file"].removeprefix("./")
    row, column = match["line"], match["column"]
    # Functions without debug information, as the platform's are, have no place at all: what was read is their name.
    nowhere = match["function"] is None and row is None
    if not name or name == "native" or nowhere or name.startswith(("nano:", "node:", "cloudflare:")):
        return None
    return Frame(match["function"] or "", name, int(row) if row else None, int(column) if column else None)


def below(text: str, stack: str) -> str:
    """Of an error's stack what stands below ``text``, which is what the error says; without it all of the stack."""
    return stack[len(text) + 1 :] if text and f"{stack}\n".startswith(f"{text}\n") else stack


def _frames(parsed: Iterable[Frame | bool | None]) -> tuple[Frame, ...]:
    """Of the lines of a stack, the app's frames from the first frame to the next line that is none."""
    from_first = itertools.dropwhile(lambda frame: frame is False, parsed)
    until = itertools.takewhile(lambda frame: frame is not False, from_first)
    return tuple(frame for frame in until if isinstance(frame, Frame))


def render_error(
    text: str, stack: str, source: SourceLookup | None = None, original: Original | None = None
) -> JavaScriptError:
    """An error with its frames and, where ``source`` knows the innermost frame's file, the line and a caret.

    ``original`` puts frames of generated code where that came from.
    """
    lines = below(text, stack).splitlines()
    parsed = [_parse(line) for line in lines]
    frames = _frames(parsed)
    if text.startswith("SyntaxError: ") and text.endswith(": ''"):
        text = "SyntaxError: unexpected end of the code"  # the token that the engine would name is none
    excerpt = ""
    written: str | None = None
    if frames and original is not None:
        first, written = original(frames[0])
        frames = (first, *(original(frame)[0] for frame in frames[1:]))
    if frames and source is not None and frames[0].line is not None:
        found = source(frames[0].file) if written is None else written
        if found is not None:
            excerpt = _excerpt(found, frames[0])
    trace = []
    for line, frame in zip(lines, parsed, strict=True):
        if isinstance(frame, Frame):
            if original is not None:
                frame = original(frame)[0]
            trace.append(f"    at {frame.function or '<anonymous>'} ({frame.place})")
        elif frame is False and line:
            trace.append(line)
    return JavaScriptError(text, frames, excerpt, "\n".join(_fold(trace)))


def _fold(lines: list[str]) -> list[str]:
    """Endless recursion repeats a frame a thousand times: once is enough, with the number."""
    folded: list[str] = []
    for line, equal in itertools.groupby(lines):
        count = sum(1 for _ in equal)
        folded += [line] * count if count < 4 else [line, f"    … {count - 1} times more"]
    return folded


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
