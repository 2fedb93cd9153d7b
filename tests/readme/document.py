"""README.md as a list of its fenced blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import attrs

__all__ = ["README", "REPOSITORY", "Block", "blocks", "sections"]

REPOSITORY = Path(__file__).parents[2]
README = REPOSITORY / "README.md"
_FENCE = re.compile(r"^```(\w*) ?(.*)$")


@attrs.frozen
class Block:
    """A fenced block: its language, the file name after it (if any), its text, and the line it is on."""

    language: str
    file: str
    text: str
    line: int
    page: str = "README.md"


def sections(text: str | None = None) -> dict[str, list[Block]]:
    """The blocks below each heading of the second level, in order."""
    found: dict[str, list[Block]] = {"": []}
    current = found[""]
    inside: tuple[str, str, int] | None = None
    body: list[str] = []
    for number, line in enumerate((text or README.read_text("utf-8")).splitlines(), 1):
        fence = _FENCE.match(line)
        if inside is not None:
            if line == "```":
                current.append(Block(inside[0], inside[1], "\n".join(body) + "\n", inside[2]))
                inside = None
            else:
                body.append(line)
        elif fence:
            inside, body = (fence[1], fence[2], number), []
        elif line.startswith("## "):
            current = found[line[3:]] = []
    assert inside is None, "README.md has a fence that does not end"
    return found


def blocks() -> Iterator[Block]:
    """All blocks of README.md."""
    for section in sections().values():
        yield from section
