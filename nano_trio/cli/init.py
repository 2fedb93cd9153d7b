"""``nano-trio init``.

A template is the files of ``templates/common`` and those of its own folder, which win. ``{{name}}`` and the like are
filled in; ``gitignore`` becomes ``.gitignore``. What editors need of this package (the configuration's schema, types)
is copied into ``.nano-trio``, so that it is found wherever nano-trio is installed.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import click
from click.core import ParameterSource

from nano_trio.cli.arguments import Choice
from nano_trio.cli.outcome import fail

__all__ = ["TEMPLATES", "init"]

_TEMPLATES = Path(__file__).with_name("templates")
TEMPLATES = ("hello", "api", "websocket", "hono")
_EDITORS = ".nano-trio"


@click.command()
@click.argument("name", required=False)
@click.option(
    "--template",
    type=Choice(TEMPLATES),
    default="hello",
    show_default=True,
    help="What to begin with: a greeting, a JSON API, a chat over WebSockets, or the router Hono from npm.",
)
@click.option(
    "--types",
    "only_types",
    is_flag=True,
    help="For an app that is there: write only .nano-trio, with the types and the schema of this version.",
)
def init(name: str | None, template: str, only_types: bool) -> None:
    """Make a new app in the folder NAME (without NAME, in this one): code, a test, a configuration.

    NAME may be a path; the app is named after its last part. Files that are there are never overwritten, but for those
    of .nano-trio with --types.

    \b
    Examples:
      nano-trio init shop
      nano-trio init chat --template websocket
      nano-trio init --types
    """
    from nano_trio.config import ConfigError, app_name, parse_app_name

    if only_types:
        source = click.get_current_context().get_parameter_source("template")
        if source is not ParameterSource.DEFAULT:
            raise click.UsageError("give either --template or --types")
        _write_types(Path(name or "."))
        return
    folder = Path(name or ".")
    try:
        # "." and ".." are folders whose names are elsewhere.
        app = parse_app_name(app_name(folder) if folder.name in ("", "..") else folder.name)
    except ConfigError as error:
        raise click.UsageError(f"NAME: {error.problems[0].message}") from None
    files = _files(template, app)
    if folder.exists() and not folder.is_dir():
        fail(f"{folder} is a file; nothing was written")
    there = [path for path in files if os.path.lexists(folder / path)]
    if there:
        where = "this folder" if folder == Path() else f"the folder {folder}"
        fail(f"{where} already has {', '.join(there)}; nothing was written. Choose another NAME, or move them away.")
    _write(folder, files, "x")
    click.echo(f"{app}: made from the template {template}: {', '.join(path for path in files if '/' not in path)}")
    click.echo("\nNext:")
    if folder != Path():
        click.echo(f"  cd {shlex.quote(str(folder))}")
    if template == "hono":
        click.echo("  npm install")
    click.echo("  nano-trio dev")


def _write(folder: Path, files: Mapping[str, str], mode: Literal["x", "w"]) -> None:
    try:
        for path, text in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open(mode, encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        fail(f"cannot write {error.filename}: {error.strerror}")


def _write_types(folder: Path) -> None:
    if not folder.is_dir():
        fail(f"{folder} is no folder; --types is for an app that is there")
    files = _for_editors()
    _write(folder, files, "w")
    click.echo(f"{folder / _EDITORS}: {', '.join(Path(path).name for path in files)}")
    click.echo(f'\nA tsconfig.json or jsconfig.json finds the types by "include": ["{_EDITORS}/*.d.ts", …],')
    click.echo(f'a configuration the schema by "$schema": "./{_EDITORS}/schema.json".')


def _files(template: str, name: str) -> dict[str, str]:
    """The files to write, by their paths in the app's folder."""
    values = {"name": name, "hostname": f"{name.lower()}.localhost", "package": name.lower().strip("._-")}
    files: dict[str, str] = {}
    for folder in (_TEMPLATES / "common", _TEMPLATES / template):
        for file in sorted(folder.iterdir()):
            text = file.read_text("utf-8")
            for key, value in values.items():
                text = text.replace(f"{{{{{key}}}}}", value)
            files[".gitignore" if file.name == "gitignore" else file.name] = text
    return files | _for_editors()


def _for_editors() -> dict[str, str]:
    """What editors need of this version."""
    package = Path(__file__).parents[1]
    files = {f"{_EDITORS}/schema.json": (package / "config" / "nano-trio.schema.json").read_text("utf-8")}
    for file in sorted((package / "types").glob("*.d.ts")):
        files[f"{_EDITORS}/{file.name}"] = file.read_text("utf-8")
    return files
