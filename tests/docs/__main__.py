"""The command ``python -m tests.docs``: write the generated parts of the documentation site's pages anew."""

from __future__ import annotations

from .pages import PAGES, generated, pages

for page in pages():
    path = PAGES / page
    path.write_text(generated(path.read_text("utf-8")), "utf-8")
