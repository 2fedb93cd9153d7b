"""``nano-trio test``."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nano_trio.cli.arguments import Choice, Number
from nano_trio.cli.outcome import fail
from nano_trio.cli.places import usual_config
from nano_trio.cli.terminal import colors, progress

if TYPE_CHECKING:
    from nano_trio.config import App

__all__ = ["test"]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True), default=Path(), metavar="[DIR|FILE]")
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
def test(folder: Path, config_path: Path | None, wanted: str, reporter: str, timeout_ms: float, watch: bool) -> None:
    """Run the tests of an app: files named *.test.js or *.test.ts.

    They have describe, it, expect and app as globals, or by `import { app, expect, it } from "nano:test"`.

    Each file runs in an isolate of its own. `app` calls the app without a network: `await app.fetch("/path")`, and
    `await app.connect("/path")` for a WebSocket with send, receive and close. Its settings come from the configuration
    file in its folder or the one above.

    Exit codes: 0 all passed, 1 something failed, or there is no test, 2 wrong usage, 130 interrupted by Ctrl-C.

    \b
    Examples:
      nano-trio test
      nano-trio test examples/hello --filter greets
      nano-trio test --reporter junit > report.xml
    """
    only = None
    if folder.is_file():
        folder, only = folder.parent, folder.name
    options = (config_path, wanted, reporter, timeout_ms, only)
    failed = _run_once(folder, *options)
    if watch:
        from watchfiles import watch as changes

        try:
            for _ in changes(folder):
                click.echo()
                _run_once(folder, *options)
        except KeyboardInterrupt:
            sys.exit(130)
    sys.exit(1 if failed else 0)


def _run_once(
    folder: Path, config_path: Path | None, wanted: str, reporter: str, timeout_ms: float, only: str | None
) -> bool:
    """Whether something failed."""
    import trio

    from nano_trio import logs
    from nano_trio.config import ConfigError
    from nano_trio.engine.bytecode import BytecodeCache, default_cache_folder
    from nano_trio.testing.javascript import FileResult, TestOptions, find_tests, run_tests
    from nano_trio.testing.reporters import REPORTERS

    files = [only] if only is not None else find_tests(folder)
    if not files:
        fail(f'no tests: there is no file named *.test.js or *.test.ts in "{folder}"')
    try:
        app = _app_of(folder, config_path)
    except ConfigError as error:
        fail(str(error))
    logs.configure("warning", "text")
    tell = REPORTERS[reporter](click.echo, colors=colors(sys.stdout), quiet=not sys.stdout.isatty())
    results: list[FileResult] = []

    shown = ExitStack()

    def wait() -> None:
        shown.enter_context(progress(f"Running {files[len(results)]}"))

    def ended(result: FileResult) -> None:
        shown.close()
        results.append(result)
        tell.file(result)
        if len(results) < len(files):
            wait()

    begun = time.monotonic()
    options = TestOptions(timeout_ms=timeout_ms, filter=wanted)
    wait()
    try:
        trio.run(run_tests, folder.resolve(), files, app, options, BytecodeCache(default_cache_folder()), ended)
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
