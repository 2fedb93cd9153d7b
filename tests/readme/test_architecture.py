"""docs/architecture.md names files, tests and classes: they exist. Its examples have a test of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .document import REPOSITORY

TEXT = (REPOSITORY / "docs" / "architecture.md").read_text("utf-8")
# What the worked examples would add.
_IMAGINED = {"clock", "assets", "test_assets", "test_heaviest"}


@pytest.mark.parametrize("reference", sorted(set(re.findall(r"`(tests/[\w/]+\.py::\w+)`", TEXT))))
def test_a_test_that_holds_an_invariant_exists(reference: str) -> None:
    file, _, name = reference.partition("::")
    assert re.search(rf"^(async )?def {name}\(", (REPOSITORY / file).read_text("utf-8"), re.MULTILINE)


def test_files_exist() -> None:
    for path in set(re.findall(r"`((?:nano_trio|tests|docs)/[\w/.]*?)(?:::\w+)?`", TEXT)):
        assert Path(path).stem in _IMAGINED or (REPOSITORY / path).exists(), path


def test_classes_and_functions_exist() -> None:
    code = "\n".join(file.read_text("utf-8") for file in (REPOSITORY / "nano_trio").rglob("*.py"))
    way = TEXT.partition("## A request's way")[2].partition("## Decisions")[0]
    names = set(re.findall(r"`([A-Z]\w+)(?:\.(\w+))?(?:\(\))?`", way))
    assert len(names) > 10
    for name, member in names - {("Request", "")}:
        assert re.search(rf"^class {name}\b", code, re.MULTILINE), name
        assert not member or re.search(rf"def {member}\(", code), f"{name}.{member}"
