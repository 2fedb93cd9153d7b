"""What terminals are given: colours or none, JSON that commands none, and progress for whoever waits.

Progress is on standard error, and only in a terminal.
``NO_COLOR`` (no-color.org) and ``FORCE_COLOR`` (force-color.org) have their say: set and not empty; the first one wins.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

__all__ = ["colors", "progress", "to_json"]

_UNSHOWN = re.compile("[\x7f-\x9f\ud800-\udfff]")


def to_json(value: Any, *, indent: int | None = None) -> str:
    """``value`` as JSON in UTF-8. JSON leaves as they are control characters beyond ASCII, with which what an app said
    may command a terminal, and halves of surrogate pairs, which cannot be written: both are escaped."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return _UNSHOWN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def colors(stream: TextIO) -> bool:
    """Whether what is written there is to be coloured."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def progress(doing: str) -> Iterator[None]:
    """Show that work goes on, from its second second on, until it ends. In a pipe nothing is shown."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield
        return
    import threading

    ended = threading.Event()

    def show() -> None:
        if ended.wait(1.0):
            return
        from rich.console import Console

        with Console(stderr=True).status(doing):
            ended.wait()

    thread = threading.Thread(target=show, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
