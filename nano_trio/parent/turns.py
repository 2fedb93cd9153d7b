"""Whose turn it is to change something: one worker at a time, or the parent's own reload of all."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable

__all__ = ["Turns"]


class Turns:
    """A line of those who want to. The first in it has its turn until it ends it, or dies."""

    def __init__(self) -> None:
        self._line: deque[tuple[Hashable, int, Callable[[], None]]] = deque()

    @property
    def holder(self) -> Hashable | None:
        """Whose turn it is."""
        return self._line[0][0] if self._line else None

    def ask(self, who: Hashable, number: int, begin: Callable[[], None]) -> None:
        """Stand in the line; ``begin`` is called when it is this one's turn, maybe now."""
        self._line.append((who, number, begin))
        if len(self._line) == 1:
            begin()

    def end(self, who: Hashable, number: int) -> None:
        """The turn of that number is over, or no longer wanted."""
        self._keep(lambda entry: entry[:2] != (who, number))

    def leave(self, who: Hashable) -> None:
        """Wants nothing any more: it is dead."""
        self._keep(lambda entry: entry[0] != who)

    def _keep(self, wanted: Callable[[tuple[Hashable, int, Callable[[], None]]], bool]) -> None:
        first = self._line[0] if self._line else None
        self._line = deque(filter(wanted, self._line))
        if self._line and self._line[0] is not first:
            self._line[0][2]()
