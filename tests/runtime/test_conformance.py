"""Conformance cases: ``conformance/*.js`` state the sentences of a specification, one ``test(name, body)`` for each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).with_name("conformance")
_ASSERTIONS = (FOLDER / "assertions.js").read_text("utf-8")
_FILES = {file.stem: file.read_text("utf-8") for file in sorted(FOLDER.glob("*.js")) if file.stem != "assertions"}
_CASE = re.compile(r'^test\(("(?:[^"\\]|\\.)*")', re.MULTILINE)
CASES = [(file, json.loads(name)) for file, source in _FILES.items() for name in _CASE.findall(source)]


def body(file: str, name: str) -> str:
    """The body of an async function that runs one case and returns how often it occurs."""
    choose = f"const chosen = [], test = (name, run) => name === {json.dumps(name)} && chosen.push(run);"
    return f"{_ASSERTIONS}{choose}\n{_FILES[file]}\nfor (const run of chosen) await run();\nreturn chosen.length;"


@pytest.mark.parametrize(("file", "name"), CASES, ids=[f"{file}: {name}" for file, name in CASES])
def test_conformance(file: str, name: str, run_js: Callable[[str], Any]) -> None:
    assert run_js(body(file, name)) == 1
