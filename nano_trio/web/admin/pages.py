"""The dashboard's files, which stand in ``static/``: read once, served as they are."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import attrs

__all__ = ["Page", "pages"]

_STATIC = Path(__file__).with_name("static")
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@attrs.frozen
class Page:
    """A file as it goes out."""

    body: bytes
    content_type: str


@cache
def pages() -> dict[str, Page]:
    """By path: the page itself at ``/`` and ``/admin/``, its parts below ``/admin/static/``."""
    found = {
        f"/admin/static/{file.name}": Page(file.read_bytes(), _TYPES[file.suffix])
        for file in sorted(_STATIC.iterdir())
        if file.suffix in _TYPES
    }
    index = found.pop("/admin/static/index.html")
    return {"/": index, "/admin/": index, **found}
