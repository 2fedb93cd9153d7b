"""``nano-trio check``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from nano_trio.cli.places import config_of, has_app, nothing_here
from nano_trio.cli.quick_imports import quick_imports
from nano_trio.cli.terminal import colors, progress, to_json

if TYPE_CHECKING:
    from nano_trio.actors.scratch import LoadProblem
    from nano_trio.config import App, Config, Problem

__all__ = ["check"]


@attrs.frozen(kw_only=True)
class _Trouble:
    """One thing to mend. What is not known is None, or empty."""

    file: str
    """As one would open it from the working directory."""
    line: int | None = None
    column: int | None = None
    app: str | None = None
    key: str = ""
    """Of the configuration, such as ``apps[0].port``."""
    message: str
    source: str = ""
    """The line of the file."""
    stack: str = ""


@click.command()
@click.argument("app_path", metavar="[DIR|FILE]", required=False, type=click.Path(path_type=Path))
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="The configuration to check.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(app_path: Path | None, config_path: Path | None, as_json: bool) -> None:
    """Check a configuration and load every app of it, without serving anything.

    All problems are told at once, each with its place. Apps are loaded without a network. Of a folder (without
    arguments, this one) the configuration is checked (nano-trio.json, nano.toml, …), else the app in it; FILE is a
    configuration (.json, .toml) or an app.

    Exit codes: 0 all is well, 1 there are problems, 2 wrong usage.

    \b
    Examples:
      nano-trio check
      nano-trio check --config nano.toml
      nano-trio check ./shop --json
    """
    if app_path is not None and config_path is not None:
        raise click.UsageError("give either DIR|FILE or --config FILE")
    if config_path is None:
        config_path = config_of(app_path or Path())
        if config_path is None and app_path is None:
            if not has_app():
                raise click.UsageError(nothing_here("check"))
            app_path = Path()
    if config_path is not None:
        app_path = None
    with progress("Loading the apps"):
        apps, troubles = _find_troubles(app_path, config_path)
    if as_json:
        problems = [attrs.asdict(trouble) for trouble in troubles]
        click.echo(to_json({"ok": not problems, "apps": apps, "problems": problems}, indent=2))
    else:
        for trouble in troubles:
            click.echo(_shown(trouble, colors(sys.stdout)), color=colors(sys.stdout))
        told = f"{len(apps)} app{'' if len(apps) == 1 else 's'}"
        if troubles:
            click.echo(f"{len(troubles)} problem{'' if len(troubles) == 1 else 's'}; {told} loaded", err=True)
        else:
            click.echo(f"fine: {told} loaded")
    sys.exit(1 if troubles else 0)


def _find_troubles(app_path: Path | None, config_path: Path | None) -> tuple[list[str], list[_Trouble]]:
    """The names of the apps that load, and whatever is wrong with the rest. One of the two paths is given."""
    with quick_imports():
        import structlog

        from nano_trio.config import ConfigError, load, single_app, sound_apps

    # What is logged meanwhile is nobody's concern.
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), processors=[])
    troubles: list[_Trouble] = []
    apps: Iterable[App]
    esbuild: Path | None = None
    if config_path is not None:
        try:
            config = load(config_path)
            apps, esbuild = config.apps, config.esbuild
            troubles = sorted((*_of_state_folder(config_path, config), *_of_dates(config_path, config)), key=_place)
        except ConfigError as error:
            troubles = sorted(_of_config(config_path, error.problems), key=_place)
            apps, esbuild = sound_apps(config_path)
    else:
        assert app_path is not None
        try:
            apps = single_app(app_path).apps
        except ConfigError as error:
            troubles = [_Trouble(file=str(app_path), message=one.message) for one in error.problems]
            apps = []
    loaded: list[str] = []
    for app, problem in _load_all(list(apps), esbuild):
        if problem is None:
            loaded.append(app.name)
        else:
            troubles.append(_of_app(app, problem))
    return loaded, troubles


def _of_state_folder(file: Path, config: Config) -> Iterable[_Trouble]:
    """Of one that the file names: the default is another user's, or on another machine, where the server runs."""
    from nano_trio.actors.state_folder import state_folder_problem
    from nano_trio.config.positions import positions

    path = ("state_dir",)
    places = positions(file)
    if path in places and (problem := state_folder_problem(config.state_dir, [app.name for app in config.apps])):
        line, column = places.find(path)
        yield _Trouble(
            file=str(file), line=line, column=column, key="state_dir", message=problem, source=_line(file, line)
        )


def _of_dates(file: Path, config: Config) -> Iterable[_Trouble]:
    """Of certificates that are not valid today: the server starts all the same, but clients will not have it."""
    from nano_trio.config import dates_problem
    from nano_trio.config.positions import positions

    certificates = {index: app.tls.cert for index, app in enumerate(config.apps) if app.tls.cert is not None}
    places = positions(file) if certificates else None
    for index, cert in certificates.items():
        if places is not None and (problem := dates_problem(cert)):
            line, column = places.find(("apps", index, "tls", "cert"))
            key = f"apps[{index}].tls.cert"
            yield _Trouble(file=str(file), line=line, column=column, key=key, message=problem, source=_line(file, line))


def _load_all(apps: list[App], esbuild: Path | None) -> list[tuple[App, LoadProblem | None]]:
    import trio

    from nano_trio.actors.scratch import try_load
    from nano_trio.engine.bytecode import BytecodeCache, default_cache_folder

    async def work() -> list[tuple[App, LoadProblem | None]]:
        cache = BytecodeCache(default_cache_folder())
        return [(app, await try_load(app, cache, esbuild)) for app in apps]

    return trio.run(work) if apps else []


def _of_config(file: Path, problems: Iterable[Problem]) -> Iterable[_Trouble]:
    for problem in problems:
        here = problem.source == file.name
        yield _Trouble(
            file=str(file) if here else problem.source,
            line=problem.line,
            column=problem.column,
            key=problem.key,
            message=problem.message,
            source=_line(file, problem.line) if here else "",
        )


def _place(trouble: _Trouble) -> tuple[bool, int, int]:
    """In the order of the file; what stands nowhere in it first."""
    return trouble.line is not None, trouble.line or 0, trouble.column or 0


def _of_app(app: App, problem: LoadProblem) -> _Trouble:
    path = Path(app.path)
    folder = path if path.is_dir() else path.parent
    file = folder / problem.file if problem.file else path
    return _Trouble(
        file=os.path.relpath(file),
        line=problem.line,
        column=problem.column,
        app=app.name,
        message=problem.text,
        source=_line(file, problem.line),
        stack=problem.stack,
    )


def _line(file: Path, line: int | None) -> str:
    if line is None:
        return ""
    try:
        lines = file.read_text("utf-8-sig", "replace").split("\n")
    except OSError:
        return ""
    return lines[line - 1].rstrip("\r") if 0 < line <= len(lines) else ""


def _shown(trouble: _Trouble, colored: bool) -> str:
    def style(text: str, **styles: Any) -> str:
        text = _printable(text)
        return click.style(text, **styles) if colored else text

    place = ":".join(str(part) for part in (trouble.file, trouble.line, trouble.column) if part is not None)
    about = ": ".join(part for part in (f"app {trouble.app}" if trouble.app else "", trouble.key) if part)
    text = (
        style(f"{place}: ", bold=True) + (_printable(f"{about}: ") if about else "") + style(trouble.message, fg="red")
    )
    if trouble.source and trouble.column is not None:
        # Of minified code only the part around the place.
        start = max(0, trouble.column - 61)
        part = trouble.source[start : start + 120]
        mark = "".join("\t" if character == "\t" else " " for character in part[: trouble.column - 1 - start])
        number = str(trouble.line)
        text += f"\n  {number} | {_printable(part)}\n  {' ' * len(number)} | {mark}{style('^', fg='red')}"
    if trouble.stack:
        text += "\n" + style(trouble.stack, dim=True)
    return text


def _printable(text: str) -> str:
    """What a file or an app says must not command the terminal."""
    return "".join(
        character if character.isprintable() or character in "\t\n" else character.encode("unicode_escape").decode()
        for character in text
    )
