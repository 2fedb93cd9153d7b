"""The pages of the documentation site and their fenced blocks.

What follows a block's language tells how it is tested (see ``test_blocks.py``):

- ``title="NAME"``: a file of that name, for the commands of its page;
- ``elsewhere="WHY"``: commands that are not for a test, and why; they are only parsed;
- ``answers="TEXT"``: an app which answers ``GET /`` so; ``loads``: a module that an isolate loads; ``npm``: an app that
  imports a package.
"""

from __future__ import annotations

import re

import attrs

from tests.readme.document import REPOSITORY, Block

__all__ = ["PAGES", "SITE", "PageBlock", "blocks_of", "pages"]

SITE = REPOSITORY / "docs" / "site"
PAGES = SITE / "src" / "content" / "docs"
_FENCE = re.compile(r"^```(\w+)(?: +(.+))?$")
_ATTRIBUTE = re.compile(r'(\w+)(?:="([^"]*)")?')


@attrs.frozen
class PageBlock:
    page: str
    block: Block
    attributes: dict[str, str]

    @property
    def name(self) -> str:
        return f"{self.page}:{self.block.line}"


def pages() -> list[str]:
    """The pages by their paths below ``PAGES``."""
    return sorted(path.relative_to(PAGES).as_posix() for path in PAGES.rglob("*.md*"))


def blocks_of(page: str) -> list[PageBlock]:
    """The fenced blocks of a page, in order."""
    found: list[PageBlock] = []
    inside: tuple[str, dict[str, str], int] | None = None
    body: list[str] = []
    for number, line in enumerate((PAGES / page).read_text("utf-8").splitlines(), 1):
        if inside is None:
            fence = _FENCE.match(line)
            assert fence or not line.lstrip().startswith("```"), f"{page}:{number}: a fence without a language"
            if fence:
                inside, body = (fence[1], dict(_ATTRIBUTE.findall(fence[2] or "")), number), []
        elif line == "```":
            language, attributes, first = inside
            block = Block(language, attributes.get("title", ""), "\n".join(body) + "\n", first, page)
            found.append(PageBlock(page, block, attributes))
            inside = None
        else:
            body.append(line)
    assert inside is None, f"{page} has a fence that does not end"
    return found
