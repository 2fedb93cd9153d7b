"""``nano-trio``: the group of all commands."""

from __future__ import annotations

import os
import sys

import click

from nano_trio import __version__
from nano_trio.cli.arguments import Commands, ImportedCommands

__all__ = ["main"]


def _version(context: click.Context, option: click.Parameter, value: bool) -> None:
    if not value or context.resilient_parsing:
        return
    import quickjs

    from nano_trio.engine import allocator, binding_errors, builtins, json_builtins, poll_timer, rejections
    from nano_trio.runtime.platform import builtins_source

    python = f"{sys.implementation.name} {sys.version.split()[0]}"
    heaps = "allocator: slabs" if allocator.in_use() else "allocator: the C library's"
    made = "builtins: as needed" if builtins.in_use(builtins_source()) else "builtins: held"
    json = "JSON: quick" if json_builtins.in_use() else "JSON: the engine's"
    polls = "timed" if poll_timer.in_use() else "counted"
    calls = "suspended" if poll_timer.suspends_native_calls() else "in one piece"
    told = "reported" if rejections.in_use() else "not reported"
    errors = "translated" if binding_errors.translate() else "as they are"
    compiled = (
        f"{heaps}, {made}, {json}, polls: {polls}, native calls: {calls}, unhandled rejections: {told},"
        f" errors of the binding: {errors}"
    )
    about = f"QuickJS {quickjs.quickjs_version}, {python}, {compiled}"
    click.echo(f"nano-trio {__version__} ({about})")
    context.exit()


_COMMANDS = {
    "admin": "nano_trio.cli.admin:admin",
    "certs": "nano_trio.cli.certs:certs",
    "check": "nano_trio.cli.check:check",
    "completion": "nano_trio.cli.completion:completion",
    "dev": "nano_trio.cli.dev:dev",
    "eval": "nano_trio.cli.scripts:eval_",
    "init": "nano_trio.cli.init:init",
    "repl": "nano_trio.cli.repl:repl",
    "run": "nano_trio.cli.scripts:run",
    "schema": "nano_trio.cli.schema:schema",
    "serve": "nano_trio.cli.serve:serve",
    "test": "nano_trio.cli.test:test",
    "top": "nano_trio.cli.top:top",
}


@click.group(
    cls=Commands, commands=ImportedCommands(_COMMANDS), context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the versions and exit."
)
@click.pass_context
def main(context: click.Context) -> None:
    """Many isolated JavaScript apps in one process.

    \b
    Examples:
      nano-trio init shop
      nano-trio dev shop
      nano-trio serve --config nano.json
      nano-trio check
      nano-trio test examples/hello
      nano-trio run script.js
      nano-trio eval "1 + 1"

    Exit codes: 0 fine, 1 failed, 2 wrong usage, 130 interrupted by Ctrl-C.
    """
    # What is not said here click decides by itself: colours in a terminal, none in a pipe.
    if os.environ.get("NO_COLOR"):
        context.color = False
    elif os.environ.get("FORCE_COLOR"):
        context.color = True
