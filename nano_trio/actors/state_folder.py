"""Whether the state folder can hold what it is for: ``nano-trio check``. A server makes it, and what is in it, when
something is to be kept, so it would learn of that in the middle of a request."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from nano_trio.runtime.cache import cache_file

__all__ = ["state_folder_problem"]

_SQLITE_PATH = 504
"""Bytes that SQLite takes of a database's path: its own 512, less the ending of its journal."""
_KEPT = ("cache", "apps")


def state_folder_problem(folder: Path, apps: Iterable[str]) -> str | None:
    """Why ``folder``, an absolute path, cannot keep what apps of these names store; None where it can. Blocks.

    Nothing is made there that would stay.
    """
    longest = max((len(os.fsencode(cache_file(folder, name))) for name in apps), default=0)
    if longest > _SQLITE_PATH:
        return f"the path is too long: the apps' caches in it would have {longest} bytes, of at most {_SQLITE_PATH}"
    for place in (folder, *(folder / name for name in _KEPT)):
        problem = _problem_of(place)
        if problem is not None:
            return problem
    return None


def _problem_of(folder: Path) -> str | None:
    there = folder
    try:
        while not _exists(there):
            there = there.parent
        if not there.is_dir():
            return f'"{there}" is no folder'
        with tempfile.TemporaryFile(dir=there):
            return None
    except OSError as error:
        made = "" if there == folder else f', where "{folder}" is to be made'
        return f'cannot write in "{there}"{made}: {error.strerror or error}'


def _exists(path: Path) -> bool:
    """Raises OSError for what is no name, where ``os.path.lexists`` says no."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True
