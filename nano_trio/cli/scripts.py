"""``nano-trio run`` and ``nano-trio eval``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from nano_trio.cli.outcome import fail, until_interrupted
from nano_trio.cli.quick_imports import quick_imports
from nano_trio.cli.streams import end_where_output_is_lost

__all__ = ["eval_", "run"]


@click.command("eval")
@click.argument("code")
def eval_(code: str) -> None:
    """Evaluate CODE and print its value. `await` works.

    \b
    Examples:
      nano-trio eval "1 + 1"
      nano-trio eval "await new Response('hi').text()"
      nano-trio eval -- "-1"      (code that begins with a dash)
    """
    with quick_imports():
        import trio

        from nano_trio.actors.script import ScriptError, evaluate

    try:
        code.encode()
    except UnicodeEncodeError:
        raise click.BadParameter("expected UTF-8 text", param_hint="CODE") from None

    async def work() -> None:
        value = await evaluate(code, _console)
        if value is not None:
            _console("log", value)

    try:
        trio.run(until_interrupted, work)
    except ScriptError as error:
        fail(str(error))


# What follows FILE is the script's, whatever it looks like.
@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(file: Path, arguments: tuple[str, ...]) -> None:
    """Run FILE, a module, until nothing is pending. ARGUMENTS are its global `scriptArgs`.

    \b
    Example:
      nano-trio run script.js one two
    """
    if str(file) == "-":
        raise click.UsageError("FILE is no script of standard input: `nano-trio repl` evaluates what comes from a pipe")
    with quick_imports():
        import trio

        from nano_trio.actors.script import ScriptError, run_module
        from nano_trio.engine import freed_memory
        from nano_trio.engine.bytecode import BytecodeCache, default_cache_folder
        from nano_trio.engine.errors import JavaScriptError
        from nano_trio.engine.modules import ModuleError

    async def work() -> None:
        freed_memory.keep_some()
        await run_module(file, list(arguments), _console, BytecodeCache(default_cache_folder()))

    try:
        trio.run(until_interrupted, work)
    except (ScriptError, ModuleError, JavaScriptError) as error:
        fail(str(error))


def _console(level: str, text: str) -> None:
    """Lines of console: standard error for warnings and errors, standard output for the rest."""
    stream = sys.stderr if level in ("warn", "error") else sys.stdout
    try:
        print(text.encode("utf-8", "replace").decode("utf-8"), file=stream, flush=True)
    except OSError as error:
        end_where_output_is_lost(error)  # in a turn, which nothing may be raised into
