"""``nano-trio init``: each template is an app that loads, serves and passes its own test."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from nano_trio import config
from nano_trio.cli.init import TEMPLATES
from tests.npm.conftest import node_modules

from .conftest import Nano, Start, get

__all__ = ["node_modules"]

ANSWERS = {"hello": "Hello, world!\n", "api": '{"error":"try /tasks"}', "hono": "Hello from Hono!\n"}


def make(nano: Nano, folder: Path, template: str, modules: Path) -> Path:
    result = nano("init", "my-app", "--template", template, cwd=folder)
    assert result.code == 0, result.err
    if template == "hono":
        assert "npm install" in result.out
        assert json.loads((folder / "my-app/package.json").read_text())["dependencies"].keys() == {"hono"}
        (folder / "my-app/node_modules").mkdir()
        shutil.copytree(modules / "hono", folder / "my-app/node_modules/hono")
    assert result.out.endswith("  nano-trio dev\n")
    return folder / "my-app"


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_works(nano: Nano, start: Start, tmp_path: Path, template: str, node_modules: Path) -> None:
    folder = make(nano, tmp_path, template, node_modules)
    checked = nano("check", cwd=folder)
    assert (checked.code, checked.out) == (0, "fine: 1 app loaded\n")

    running = start("dev", "my-app", "--port", "0")
    status, text = get(running.port(), host="my-app.localhost")
    assert "<h1>Chat</h1>" in text if template == "websocket" else text == ANSWERS[template]
    assert status == (404 if template == "api" else 200)
    running.signal(signal.SIGINT)
    assert running.end().code == 0

    tested = nano("test", "--reporter", "tap", cwd=folder)
    assert tested.code == 0, tested.out
    written = (folder / "index.test.js").read_text().count("  it(")
    assert sum(line.startswith("ok ") for line in tested.out.splitlines()) == written > 0


@pytest.mark.parametrize("template", TEMPLATES)
def test_what_editors_need(nano: Nano, tmp_path: Path, template: str) -> None:
    nano("init", "My.App_2", "--template", template)
    folder = tmp_path / "My.App_2"
    told = json.loads((folder / "nano-trio.json").read_text())
    assert json.loads((folder / told["$schema"]).read_text()) == config.json_schema()
    loaded = config.load(folder / "nano-trio.json", {})
    assert (loaded.apps[0].name, loaded.apps[0].default) == ("My.App_2", True)
    assert json.loads((folder / "package.json").read_text())["name"] == "my.app_2"
    assert ".nano-trio/*.d.ts" in json.loads((folder / "jsconfig.json").read_text())["include"]
    assert "node_modules/" in (folder / ".gitignore").read_text().splitlines()
    assert not re.search(r"\{\{\w+\}\}", "".join(file.read_text() for file in folder.iterdir() if file.is_file()))


@pytest.mark.parametrize("arguments", [[], ["."]])
def test_in_this_folder(nano: Nano, tmp_path: Path, arguments: list[str]) -> None:
    here = tmp_path / "Büro 7"
    here.mkdir()
    result = nano("init", *arguments, cwd=here)
    assert result.code == 0
    assert "cd " not in result.out
    assert config.load(here / "nano-trio.json", {}).apps[0].name == "Buro-7"


def test_nothing_is_overwritten(nano: Nano, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/index.js").write_text("mine")
    result = nano("init", "shop")
    assert result.code == 1
    assert "already has index.js; nothing was written" in result.err
    assert [file.name for file in (tmp_path / "shop").iterdir()] == ["index.js"]
    assert (tmp_path / "shop/index.js").read_text() == "mine"
    (tmp_path / "file").write_text("")
    assert "file is a file" in nano("init", "file").err


def test_types_for_an_app_that_is_there(nano: Nano, tmp_path: Path) -> None:
    app = tmp_path / "shop"
    (app / ".nano-trio").mkdir(parents=True)
    (app / "index.ts").write_text("mine")
    (app / ".nano-trio/index.d.ts").write_text("of an older version")
    for arguments, cwd in ((["shop", "--types"], tmp_path), (["--types"], app)):
        result = nano("init", *arguments, cwd=cwd)
        assert (result.code, result.err) == (0, "")
        assert '".nano-trio/*.d.ts"' in result.out
    assert {file.name for file in app.iterdir()} == {"index.ts", ".nano-trio"}
    assert (app / "index.ts").read_text() == "mine"
    made = tmp_path / "made"
    nano("init", "made")
    for file in (made / ".nano-trio").iterdir():
        assert (app / ".nano-trio" / file.name).read_text() == file.read_text()


def test_types_of_nothing(nano: Nano, tmp_path: Path) -> None:
    result = nano("init", "shop", "--types")
    assert (result.code, result.err) == (1, "shop is no folder; --types is for an app that is there\n")
    assert nano("init", "--types", "--template", "hello").code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a b", "-x", "a/-x", "x" * 300, "a\tb"])
def test_names_are_checked(nano: Nano, tmp_path: Path, name: str) -> None:
    result = nano("init", "--", name)
    assert result.code == 2
    assert "Error: NAME: expected" in result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["apps/shop", "./shop", "../shop", "shop/", "/SHOP"])
def test_a_name_may_be_a_path(nano: Nano, tmp_path: Path, name: str) -> None:
    """The last part of it is the app's name."""
    here = tmp_path / "here"
    here.mkdir()
    folder = tmp_path / "shop" if name == "/SHOP" else here / name
    result = nano("init", str(folder) if name == "/SHOP" else name, cwd=here)
    assert (result.code, result.err) == (0, "")
    assert config.load(folder / "nano-trio.json", {}).apps[0].name == "shop"
    assert nano("check", str(folder), cwd=here).code == 0


def test_an_unknown_template(nano: Nano) -> None:
    result = nano("init", "x", "--template", "react")
    assert result.code == 2
    assert "'websocket'" in result.err


def test_templates_are_part_of_the_package(tmp_path: Path) -> None:
    """The wheel's packages are whole folders: git must know each template."""
    repository = Path(__file__).parents[2]
    known = subprocess.run(
        ["git", "ls-files", "nano_trio/cli/templates"], cwd=repository, capture_output=True, text=True, check=True
    ).stdout.split()
    there = [str(file.relative_to(repository)) for file in (repository / "nano_trio/cli/templates").rglob("*.*")]
    assert set(there) <= set(known)
