"""The command ``python -m tests.readme``: write the configuration table of README.md anew."""

from __future__ import annotations

from nano_trio.config import markdown_table

from .document import README
from .test_readme import _FIRST, _LAST, TEXT

before, _, rest = TEXT.partition(_FIRST)
README.write_text(f"{before}{_FIRST}\n\n{markdown_table().strip()}\n\n{_LAST}{rest.partition(_LAST)[2]}", "utf-8")
