"""Imports go one way: cli → web → actors → runtime → engine; config and logs are leaves that any room may read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from .document import REPOSITORY

PACKAGE = REPOSITORY / "nano_trio"
ROOMS = ["cli", "testing", "web", "actors", "runtime", "engine"]
LEAVES = {"config", "logs", "parent"}
FILES = sorted(PACKAGE.rglob("*.py"))


def imported(source: str, module: str) -> Iterator[tuple[int, str]]:
    """(line, full name) of everything that a module imports, however deep in its code; relative names made full."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".")[: -node.level]
                base = ".".join([*parents, base]) if base else ".".join(parents)
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def room_of(name: str) -> str | None:
    """The room of a full name; None for other packages and for the package itself (its version)."""
    parts = name.split(".")
    return parts[1] if parts[0] == "nano_trio" and len(parts) > 1 and parts[1] in {*ROOMS, *LEAVES} else None


def allowed(room: str) -> set[str]:
    """The rooms that may be imported from this one."""
    if room in LEAVES:
        return {room}
    return {*ROOMS[ROOMS.index(room) :], *LEAVES}


def violations(source: str, module: str) -> list[str]:
    room = room_of(module)
    if room is None:
        return []
    return [
        f"line {line}: {module} imports {name}"
        for line, name in imported(source, module)
        if (other := room_of(name)) is not None and other not in allowed(room)
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_go_one_way(file: Path) -> None:
    module = ".".join(file.relative_to(REPOSITORY).with_suffix("").parts)
    assert violations(file.read_text("utf-8"), module) == []


def test_every_file_is_in_a_room() -> None:
    places = {file.relative_to(PACKAGE).with_suffix("").parts[0] for file in FILES}
    assert places == {*ROOMS, *LEAVES, "__init__", "__main__"}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("nano_trio.engine.isolate", "from nano_trio.runtime import platform"),
        ("nano_trio.runtime.url", "def f():\n    from nano_trio import actors"),
        ("nano_trio.actors.app", "import nano_trio.web.router"),
        ("nano_trio.runtime.url", "from ..web import router"),
        ("nano_trio.config.model", "from nano_trio.engine.turn import Limits"),
        ("nano_trio.logs", "import nano_trio.config"),
    ],
)
def test_an_import_upwards_is_found(module: str, source: str) -> None:
    assert len(violations(source, module)) == 1


WITH_VALUES = {f"nano_trio.actors.{name}" for name in ("script", "repl", "repl_source")}


@pytest.mark.parametrize("room", ["actors", "web", "config"])
def test_javascript_values_stay_below(room: str) -> None:
    """Only engine, runtime and what evaluates the user's own code know the engine's binding; web never sees one of its objects."""
    for file in FILES:
        module = ".".join(file.relative_to(REPOSITORY).with_suffix("").parts)
        if room_of(module) == room and module not in WITH_VALUES:
            names = {name.partition(".")[0] for _, name in imported(file.read_text("utf-8"), module)}
            assert "quickjs" not in names, module
