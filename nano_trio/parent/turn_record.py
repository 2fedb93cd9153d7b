"""Which app's turn is running, in memory that outlives the worker.

The record is a file without a name that the parent makes and the worker maps. Its first four bytes are the *mark*: 0
between turns, else the app's number. The number is where in the file the app's name lies, so nothing else need be
told: the parent reads mark and name once the worker is dead. A mark is one store to memory, some 15 ns.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Iterable

__all__ = ["TurnRecord", "make_record", "memory_file", "running_app"]

_NAMES = mmap.PAGESIZE
_LONGEST_NAME = 1024


def make_record() -> int:
    """A new record: the descriptor of a file that lies in memory."""
    return memory_file("nano-trio-turn", _NAMES)


def memory_file(name: str, size: int) -> int:
    """The descriptor of a file of so many zeros that lies in memory."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create(name)
    else:
        import tempfile

        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, size)
    return fd


def running_app(fd: int) -> str | None:
    """The app whose turn the record's worker runs, or ran when it died; None between turns."""
    number = int.from_bytes(os.pread(fd, 4, 0), sys.byteorder)
    if number < _NAMES:
        return None
    return os.pread(fd, _LONGEST_NAME, number).partition(b"\0")[0].decode("utf-8", "replace") or None


class TurnRecord:
    """The worker's end. Takes over ``fd``."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._map = mmap.mmap(fd, _NAMES)
        self.mark: memoryview[int] = memoryview(self._map)[:4].cast("I")
        """``mark[0]`` is to be the number of the app whose turn runs, 0 when none does."""
        self._numbers: dict[str, int] = {}
        self._end = _NAMES

    def number(self, app: str) -> int:
        """The number of an app, the same whenever it is asked for."""
        if app not in self._numbers:
            self.introduce((app,))
        return self._numbers[app]

    def introduce(self, apps: Iterable[str]) -> None:
        """Give numbers to all of these that have none yet, in one write."""
        names = bytearray()
        for app in apps:
            if app not in self._numbers:
                self._numbers[app] = self._end + len(names)
                names += app.encode()[: _LONGEST_NAME - 1] + b"\0"
        os.pwrite(self._fd, names, self._end)
        self._end += len(names)
