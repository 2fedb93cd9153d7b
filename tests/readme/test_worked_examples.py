"""The worked examples of docs/architecture.md, followed to the letter in a copy of the tree.

A block of code behind "A new file `PATH`:" is that file; behind "In `PATH`, above (below, instead of) `LINE`:" it goes there, and
that line occurs once. Commands are run where they stand.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .document import REPOSITORY

TEXT = (REPOSITORY / "docs" / "architecture.md").read_text("utf-8")
CHAPTER = TEXT.partition("## Adding something")[2].partition("\n## ")[0]
EXAMPLES = {part.partition("\n")[0]: part for part in CHAPTER.split("\n### ")[1:]}
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NEW = re.compile(r"A\s+new\s+file\s+`([^`]+)`:$")
_PLACE = re.compile(r"In\s+`([^`]+)`,\s+(above|below|instead\s+of)\s+`([^`]+)`:$")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the examples touch, and of what their commands read."""
    # Python's bytecode as well, without files half written: else each command would compile all anew.
    ignored = shutil.ignore_patterns("*.pyc.*", ".npm", "node_modules", "dist", ".astro")
    for name in ("nano_trio", "tests", "docs"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=ignored)
    for name in ("README.md", "pyproject.toml", "hatch_build.py", "Makefile"):
        shutil.copyfile(REPOSITORY / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_works_as_it_stands(name: str, tree: Path) -> None:
    end = 0
    for block in _BLOCK.finditer(EXAMPLES[name]):
        before = EXAMPLES[name][end : block.start()].rstrip()
        end = block.end()
        if block[1] == "sh":
            for command in block[2].splitlines():
                _run(command, tree)
        elif new := _NEW.search(before):
            assert not (tree / new[1]).exists()
            (tree / new[1]).write_text(block[2])
        else:
            place = _PLACE.search(before)
            assert place is not None, f"{name}: where does this go?\n{block[2]}"
            _insert(tree / place[1], place[2], place[3], block[2])


def _insert(file: Path, where: str, line: str, block: str) -> None:
    text = file.read_text()
    assert text.count(f"\n{line}\n") == 1, f"{file.name} has not one line {line!r}"
    parts = {"above": f"{block}{line}\n", "below": f"{line}\n{block}"}
    file.write_text(text.replace(f"\n{line}\n", "\n" + parts.get(where, block)))


def _run(command: str, tree: Path) -> None:
    program, *arguments = shlex.split(command)
    assert program == "python"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=tree,
        env={**environment, "PYTHONPATH": str(tree)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}{done.stderr[-2000:]}"
