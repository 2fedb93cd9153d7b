"""``python -m tests.readme``: write anew what is made from the configuration's model: README.md's table, the JSON Schema."""

from __future__ import annotations

from nano_trio.config import SCHEMA_FILE, markdown_table, schema_text

from .document import README
from .test_readme import _FIRST, _LAST, TEXT

before, _, rest = TEXT.partition(_FIRST)
README.write_text(f"{before}{_FIRST}\n\n{markdown_table().strip()}\n\n{_LAST}{rest.partition(_LAST)[2]}", "utf-8")
SCHEMA_FILE.write_text(schema_text(), "utf-8")
