"""The command ``python -m tests.docs``: write what is generated of the documentation site anew."""

from __future__ import annotations

from .generated import generated, published
from .pages import PAGES, SITE, pages

for page in pages():
    path = PAGES / page
    path.write_text(generated(path.read_text("utf-8")), "utf-8")
for name, text in published().items():
    (SITE / "public" / name).write_text(text, "utf-8")
