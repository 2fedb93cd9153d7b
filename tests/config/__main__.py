"""``python -m tests.config``: write the JSON Schema that the package ships anew, from the model."""

from __future__ import annotations

from nano_trio.config import SCHEMA_FILE, schema_text

SCHEMA_FILE.write_text(schema_text(), "utf-8")
