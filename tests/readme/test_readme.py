"""What README.md says is so: its commands run, its files work, its table is current. See session.py for how."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from nano_trio import config
from nano_trio.cli.commands import main

from .document import README, REPOSITORY, blocks, sections
from .session import Session

TEXT = README.read_text("utf-8")
SECTIONS = {name: found for name, found in sections().items() if any(block.language == "sh" for block in found)}
_FIRST, _LAST = "<!-- configuration table: generated, see tests/readme -->", "<!-- end of the configuration table -->"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every file that README.md shows."""
    folder = tmp_path_factory.mktemp("readme")
    for block in blocks():
        if block.file:
            path = folder / block.file
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text)
    return folder


@pytest.mark.parametrize("section", SECTIONS)
def test_the_commands_of_a_section(section: str, tmp_path: Path, written: Path) -> None:
    session = Session(tmp_path)
    # A section may use files that one before it has shown.
    subprocess.run(["cp", "-r", f"{written}/.", str(tmp_path)], check=True)
    session.follow(SECTIONS[section])


def test_every_block_is_of_a_kind_that_is_run() -> None:
    for block in blocks():
        assert block.language in ("sh", "text") or block.file, f"README.md:{block.line}: what is this block?"


def test_the_configuration_table_is_current() -> None:
    """To write it anew: ``python -m tests.readme``."""
    between = TEXT.partition(_FIRST)[2].partition(_LAST)[0]
    assert between.strip() == config.markdown_table().strip()


def test_toml_and_json_say_the_same(written: Path) -> None:
    assert tomllib.loads((written / "nano.toml").read_text()) == json.loads((written / "nano.json").read_text())
    assert config.load(written / "nano.toml", {}) == config.load(written / "nano.json", {})


def test_the_shapes_answer(written: Path) -> None:
    for name in ("function.js", "listener.js", "app"):
        document = {"apps": [{"name": "app", "path": str(written / name)}]}
        assert Path(config.from_document(document, environ={}).apps[0].path).exists()


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT):
        assert (REPOSITORY / target).exists(), target


def test_the_command_line_table_has_every_command_and_option() -> None:
    commands = main.commands
    table = TEXT.partition("## Command line")[2].partition("## Development")[0]
    for name, command in commands.items():
        assert f"`nano-trio {name}" in table
        for option in (option for option in command.params if not getattr(option, "hidden", False)):
            long = [text for text in option.opts if text.startswith("--")]
            assert not long or long[0] in table, f"{name} {long[0]}"


def test_make_targets_are_those_of_the_makefile() -> None:
    targets = set(re.findall(r"^(\w+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make (\w+)", TEXT, re.MULTILINE)) <= targets
    listing = subprocess.run(["make"], cwd=REPOSITORY, capture_output=True, text=True, env=dict(os.environ), check=True)
    for target in targets - {"help", "install"}:
        assert f"make {target}" in listing.stdout


def test_a_fence_that_does_not_end_is_noticed() -> None:
    with pytest.raises(AssertionError, match="does not end"):
        sections("```sh\nls\n")


def test_the_package_describes_itself_by_this_file() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert project["readme"] == "README.md"
    assert project["license"] in TEXT
    assert (REPOSITORY / "LICENSE").read_text().startswith(f"{project['license']} License")
    assert f"Python {project['requires-python'].removeprefix('>=')} or later" in TEXT
    assert sys.version_info >= (3, 11)
