"""How many connections each worker has: a few bytes of memory that all workers share.

Workers accept from the same sockets, and the system wakes all of them for each connection. Left to that, the quickest
takes it, and of four workers one may end up with 41 of 64 connections and another with one. So each writes down how
many it has, and one that has clearly more than another lets that one go first (:attr:`Shares.more_than_others`).
Nobody waits for anybody: who lets others go first does so for a moment, and a worker that hangs costs just that.

One cell of four bytes for each worker: 0 where it does not accept, else its connections and one. Each writes its own;
the parent clears that of a worker that died.
"""

from __future__ import annotations

import mmap
import os

from nano_trio.parent.turn_record import memory_file

__all__ = ["Shares", "make_shares", "withdraw"]

_CELL = 4


def make_shares(workers: int) -> int:
    """A descriptor of such memory."""
    return memory_file("nano-trio-shares", workers * _CELL)


def withdraw(fd: int, worker: int) -> None:
    """The worker is dead."""
    os.pwrite(fd, bytes(_CELL), worker * _CELL)


class Shares:
    """A worker's view. Takes over ``fd``."""

    def __init__(self, fd: int, worker: int) -> None:
        self._cells: memoryview[int] = memoryview(mmap.mmap(fd, 0)).cast("I")
        os.close(fd)
        self._worker = worker
        self._left = False

    def tell(self, connections: int) -> None:
        """This worker has so many, and accepts."""
        if not self._left:
            self._cells[self._worker] = connections + 1

    def leave(self) -> None:
        """This worker accepts no more, for good."""
        self._left = True
        self._cells[self._worker] = 0

    @property
    def more_than_others(self) -> bool:
        """Whether another worker has clearly fewer: by more than one, and an eighth of what it has."""
        least = min(filter(None, self._cells), default=0)
        return self._cells[self._worker] > least + 1 + least // 8
