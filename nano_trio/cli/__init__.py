"""The command line. Commands parse, call the room that does the work, and turn outcomes into exit codes.

Exit codes: 0 fine, 1 failed, 2 wrong usage, 130 interrupted (Ctrl-C).

A command is imported when it is asked for, and imports what it works with when it runs, not when it is defined: the
parent process of ``serve`` is this package, click and :mod:`nano_trio.parent`, and stays small. Its workers are told
what the command line came to (:mod:`nano_trio.cli.worker`), and do without click.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

from nano_trio.cli.streams import hold_standard_streams

__all__ = ["main"]


@contextlib.contextmanager
def _quiet_ctrl_c() -> Iterator[None]:
    """Inside, Ctrl-C ends the process without a traceback, where it is not ignored: there is nothing to tidy up yet."""
    heeded = signal.getsignal(signal.SIGINT) in (signal.default_int_handler, signal.SIG_DFL)
    if not heeded or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def main(*arguments: Any, **settings: Any) -> None:
    """The program. Takes what click's commands take, and ends the process as they do."""
    hold_standard_streams()
    with _quiet_ctrl_c():
        from nano_trio.cli.commands import main as commands

    commands(*arguments, **settings)
