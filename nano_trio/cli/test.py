"""``nano-trio test``."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from nano_trio.cli.arguments import Choice, Number
from nano_trio.cli.outcome import fail
from nano_trio.cli.places import config_of, usual_config
from nano_trio.cli.quick_imports import quick_imports
from nano_trio.cli.terminal import colors, progress

if TYPE_CHECKING:
    from nano_trio.config import App
    from nano_trio.testing.javascript import FileResult

__all__ = ["test"]


@attrs.frozen
class _Suite:
    """The tests of one app."""

    folder: Path
    """A real path."""
    files: list[str]
    """By their paths in it."""
    app: App | str
    """What they call, or why there is nothing to call."""
    place: str = ""
    """Where the folder lies, seen from the configuration that was given; empty without one, and where it lies there."""

    def told(self, file: str) -> str:
        """What a file is called."""
        return f"{self.place}/{file}" if self.place else file


@click.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True), default=Path(), metavar="[DIR|FILE]")
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="Where the app's settings stand.")
@click.option("--filter", "wanted", default="", metavar="TEXT", help="Only tests whose names contain TEXT.")
@click.option("--reporter", type=Choice(["text", "junit", "tap"]), default="text", help="[default: text]")
@click.option(
    "--timeout-ms",
    type=Number(1),
    default=5000.0,
    help="For each test.  [default: 5000]",
)
@click.option("--watch", is_flag=True, help="Run again whenever a file of the folder changes.")
def test(path: Path, config_path: Path | None, wanted: str, reporter: str, timeout_ms: float, watch: bool) -> None:
    """Run the tests of an app: files named *.test.js or *.test.ts.

    They have describe, it, expect and app as globals, or by `import { app, expect, it } from "nano:test"`.

    Each file runs in an isolate of its own. `app` calls the app without a network: `await app.fetch("/path")`, and
    `await app.connect("/path")` for a WebSocket with send, receive and close. Its settings come from the configuration
    file in its folder or the one above. FILE is a test, or a configuration (.json, .toml): then the tests in the
    folders of all its apps run.

    Exit codes: 0 all passed, 1 something failed, or there is no test, 2 wrong usage, 130 interrupted by Ctrl-C.

    \b
    Examples:
      nano-trio test
      nano-trio test examples/hello --filter greets
      nano-trio test examples/nano.toml
      nano-trio test --reporter junit > report.xml
    """
    if path.is_file() and config_of(path) is not None and config_path is not None:
        raise click.UsageError("give the configuration either as FILE or with --config FILE")
    suites = _suites(path, config_path)
    options = (wanted, reporter, timeout_ms)
    failed = _run_once(suites, *options)
    if watch:
        from watchfiles import watch as changes

        try:
            for _ in changes(path, *(suite.folder for suite in suites)):
                click.echo()
                _run_once(_suites(path, config_path), *options)
        except KeyboardInterrupt:
            sys.exit(130)
    sys.exit(1 if failed else 0)


def _suites(path: Path, config_path: Path | None) -> list[_Suite]:
    """The tests that a folder, a test or a configuration stands for, by app. Without any, or with a faulty
    configuration, it is over."""
    with quick_imports():
        from nano_trio.config import ConfigError
        from nano_trio.testing.javascript import find_tests

    try:
        if path.is_dir():
            suites = [_Suite(path.resolve(), find_tests(path), _app_of(path, config_path))]
        elif (given := config_of(path)) is not None:
            suites = _of_configuration(given)
        else:
            suites = [_Suite(path.parent.resolve(), [path.name], _app_of(path.parent, config_path))]
    except ConfigError as error:
        fail(str(error))
    if not any(suite.files for suite in suites):
        where = f'"{path}"' if path.is_dir() else f'the folders of the apps of "{path}"'
        fail(f"no tests: there is no file named *.test.js or *.test.ts in {where}")
    return [suite for suite in suites if suite.files]


def _of_configuration(config_path: Path) -> list[_Suite]:
    """The tests in each app's folder. Of apps that share one they call the first; those in the folder of an app below
    another's are that app's alone."""
    from nano_trio.config import load
    from nano_trio.testing.javascript import find_tests

    above = config_path.resolve().parent
    apps: dict[Path, App] = {}
    for app in load(config_path).apps:
        path = Path(app.path).resolve()
        apps.setdefault(path if path.is_dir() else path.parent, app)
    suites = []
    for folder, app in apps.items():
        below = [other for other in apps if other != folder and other.is_relative_to(folder)]
        files = [file for file in find_tests(folder) if not any((folder / file).is_relative_to(each) for each in below)]
        place = Path(os.path.relpath(folder, above)).as_posix()
        suites.append(_Suite(folder, files, app, "" if place == "." else place))
    return suites


def _run_once(suites: list[_Suite], wanted: str, reporter: str, timeout_ms: float) -> bool:
    """Whether something failed."""
    import trio

    from nano_trio import logs
    from nano_trio.engine.bytecode import BytecodeCache, default_cache_folder
    from nano_trio.testing.javascript import TestOptions, run_tests
    from nano_trio.testing.reporters import REPORTERS

    logs.configure("warning", "text")
    tell = REPORTERS[reporter](click.echo, colors=colors(sys.stdout), quiet=not sys.stdout.isatty())
    names = [suite.told(file) for suite in suites for file in suite.files]
    results: list[FileResult] = []

    shown = ExitStack()

    def wait() -> None:
        shown.enter_context(progress(f"Running {names[len(results)]}"))

    def ended(suite: _Suite, result: FileResult) -> None:
        shown.close()
        result.file = suite.told(result.file)
        results.append(result)
        tell.file(result)
        if len(results) < len(names):
            wait()

    begun = time.monotonic()
    options = TestOptions(timeout_ms=timeout_ms, filter=wanted)
    cache = BytecodeCache(default_cache_folder())
    wait()
    try:
        for suite in suites:
            trio.run(run_tests, suite.folder, suite.files, suite.app, options, cache, partial(ended, suite))
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        shown.close()
    tell.end(results, time.monotonic() - begun)
    outcomes = [outcome for result in results for outcome in result.outcomes]
    if wanted and outcomes and not any(outcome.status in ("passed", "failed") for outcome in outcomes):
        click.echo(f'there is no test whose name contains "{wanted}"', err=True)
        return True
    return any(result.failed for result in results)


def _app_of(folder: Path, config_path: Path | None) -> App | str:
    """The folder's app as it is configured, or as ``serve --app`` would run it; or why there is none."""
    from nano_trio.config import load, single_app
    from nano_trio.engine.modules import AppFiles, ModuleError

    folder = folder.resolve()
    given = config_path or usual_config(folder) or usual_config(folder.parent)
    if given is not None:
        for app in load(given).apps:
            path = Path(app.path).resolve()
            if folder in (path, path.parent):
                return app
    try:
        AppFiles.at(folder)
    except ModuleError as error:
        return f"there is no app to call: {error}"
    return single_app(folder, environ={}).apps[0]
