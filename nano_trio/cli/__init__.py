"""The command line. Commands parse, call the room that does the work, and turn outcomes into exit codes.

Exit codes: 0 fine, 1 failed, 2 wrong usage, 130 interrupted (Ctrl-C).

A command is imported when it is asked for, and imports what it works with when it runs, not when it is defined: the
parent process of ``serve`` is this package, click and :mod:`nano_trio.parent`, and stays small. Its workers are told
what the command line came to (:mod:`nano_trio.cli.worker`), and do without click.
"""

from __future__ import annotations

from typing import Any

from nano_trio.cli.streams import hold_standard_streams

__all__ = ["main"]


def main(*arguments: Any, **settings: Any) -> None:
    """The program. Takes what click's commands take, and ends the process as they do."""
    hold_standard_streams()
    from nano_trio.cli.commands import main as commands

    commands(*arguments, **settings)
