"""The command line. Commands parse, call the room that does the work, and turn outcomes into exit codes.

Exit codes: 0 fine, 1 failed, 2 wrong usage, 130 interrupted (Ctrl-C).

A command imports what it works with when it runs, not when it is defined: the parent process of ``serve`` is this
package, click and :mod:`nano_trio.parent`, and stays small.
"""

from __future__ import annotations

import click

from nano_trio import __version__
from nano_trio.cli.admin import admin
from nano_trio.cli.certs import certs
from nano_trio.cli.scripts import eval_, run
from nano_trio.cli.serve import serve
from nano_trio.cli.top import top

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nano-trio")
def main() -> None:
    """Many isolated JavaScript apps in one process.

    \b
    Examples:
      nano-trio serve --app examples/hello --dev
      nano-trio serve --config nano.json
      nano-trio run script.js
      nano-trio eval "1 + 1"
    """


for command in (admin, certs, eval_, run, serve, top):
    main.add_command(command)
