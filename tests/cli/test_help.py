"""Each command helps: what it is for, an example that works, versions, completion, speed."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from nano_trio import config
from nano_trio.cli.commands import main

from .conftest import Nano


def commands(group: click.Group, way: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield way, group
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*way, name))
        else:
            yield (*way, name), command


ALL = dict(commands(main))


def examples(text: str) -> list[list[str]]:
    """The command lines below "Example:", without what the shell makes of the rest of the line."""
    _, _, below = text.partition("Example")
    lines = re.findall(r"^ +nano-trio (.*)$", below, re.MULTILINE)
    return [shlex.split(re.split(r" > | \| |   +\(", line)[0]) for line in lines]


@pytest.mark.parametrize("way", ALL, ids=" ".join)
def test_every_command_has_help_with_an_example_that_parses(way: tuple[str, ...]) -> None:
    command = ALL[way]
    found = examples(command.help or "")
    assert found, "its help has no example"
    for line in found:
        if line != ["--version"]:
            parse(main, line)
            assert tuple(line[: len(way)]) == way or way == ("admin",), f"{line} is an example of another command"
    for option in (one for one in command.params if isinstance(one, click.Option) and not one.hidden):
        assert option.help or option.name == "sort", option.name


def parse(command: click.Command, line: list[str], parent: click.Context | None = None) -> None:
    context = command.make_context("nano-trio", list(line), parent=parent)
    if isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        _, inner, arguments = command.resolve_command(context, rest)
        assert inner is not None
        parse(inner, arguments, context)


def test_an_example_with_a_mistake_is_noticed() -> None:
    with pytest.raises(click.UsageError):
        parse(main, ["serve", "--ap", "x"])


def test_the_version_names_engine_and_python(nano: Nano) -> None:
    out = nano("--version").out
    compiled = (
        "allocator: slabs, builtins: as needed, JSON: quick, polls: timed, native calls: suspended, "
        "unhandled rejections: reported, errors of the binding: translated"
    )
    assert re.fullmatch(rf"nano-trio \S+ \(QuickJS \d{{4}}-\d\d-\d\d, cpython 3\.\d+\.\S+, {compiled}\)\n", out)


@pytest.mark.parametrize("arguments", ["--version", "--help", "check --help", "admin logs --help"])
def test_what_only_tells_loads_little(arguments: str) -> None:
    code = (
        "import sys\nfrom nano_trio.cli import main\n"
        f"try: main({arguments.split()})\nexcept SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert not loaded & {"trio", "structlog", "cattrs", "rich", "watchfiles", "cryptography", "asyncio", "ssl"}


def test_a_start_loads_no_more_than_every_server_needs() -> None:
    code = (
        "import sys\nfrom nano_trio.cli.quick_imports import quick_imports\n"
        "with quick_imports(): import nano_trio.cli.serving\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"trio", "structlog", "nano_trio.web.hosting"} <= loaded
    of_some = {
        "asyncio",
        "rich",
        "tomllib",
        "html",
        "brotli",
        "click",
        "h2",
        "cryptography",
        "sqlite3",
        "websockets",
        "h11",
    }
    assert not loaded & of_some


@pytest.mark.parametrize("arguments", [["eval", "1"], ["check", "app"], ["run", "app/index.js"], ["test", "app"]])
def test_what_runs_javascript_loads_nothing_for_other_ways_to_log(app: Path, arguments: list[str]) -> None:
    """structlog would load rich, a quarter of what eval imports, and asyncio."""
    (app / "index.test.js").write_text("it('loads', () => {});")
    code = (
        "import sys\nfrom nano_trio.cli import main\n"
        f"try: main({arguments})\nexcept SystemExit as end: assert not end.code\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=app.parent, capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert {"trio", "structlog"} <= loaded
    assert not loaded & {"rich", "asyncio", "cryptography", "h2", "sqlite3"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(nano: Nano, shell: str) -> None:
    assert "_NANO_TRIO_COMPLETE" in nano("completion", shell).out


def test_completion_completes(nano: Nano) -> None:
    out = nano(_NANO_TRIO_COMPLETE="bash_complete", COMP_WORDS="nano-trio serve --ac", COMP_CWORD="2").out
    assert "--access-log" in out


def test_the_shipped_schema_is_current(nano: Nano) -> None:
    """To write it anew: ``python -m tests.readme``."""
    assert config.SCHEMA_FILE.read_text("utf-8") == config.schema_text()
    assert json.loads(nano("schema").out) == config.json_schema()
    assert Path(nano("schema", "--path").out.strip()) == config.SCHEMA_FILE
