"""The line of connections that a pass of the reactor did not reach.

The set of those that are ready comes back from the kernel in an order of its own: without a line the end of it would
starve. Whoever stood keeps its place; who was served, or came since, stands behind. And two lines take turns, one
connection after the other: those whose last request was for a prompt app, and all others.

There may be a thousand in it for many passes. So who belongs to which line is asked only of those that come and of
those that were served, of whom a pass has few; for the rest a set tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

__all__ = ["Line"]


class Line:
    """``is_prompt``: whether a connection's last request was for a prompt app, by the connection's number."""

    def __init__(self, is_prompt: Callable[[int], bool]) -> None:
        self._is_prompt = is_prompt
        self.order: list[int] = []
        """All of the last pass: those that it did not reach, then those that it did. Empty where it reached all: then
        there is nothing to arrange."""
        self._prompt: set[int] = set()
        self.has_others = False
        """Whether some stood in the line of the others when it was last arranged."""

    def arrange(self, ready: list[int]) -> list[int]:
        """Those that are ready, in the order in which they are to be served."""
        order = self.order
        self.has_others = False
        if not order:
            return ready
        still = set(ready)
        stood = [number for number in order if number in still]
        still.difference_update(stood)
        came = [number for number in ready if number in still]
        self._look_at(came)
        return self._by_turns(stood + came, order[-1])

    def served(self, arranged: list[int], count: int) -> None:
        """The first so many of those that :meth:`arrange` gave; the others stand in line."""
        if count == len(arranged):
            self.order = []
            return
        first, rest = arranged[:count], arranged[count:]
        if not self.order:
            self._prompt.clear()
            self._look_at(rest)
        self._look_at(first)
        self.order = rest + first

    def _look_at(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            (self._prompt.add if self._is_prompt(number) else self._prompt.discard)(number)

    def _by_turns(self, ready: list[int], last: int) -> list[int]:
        """``last`` was served last: the other line is next."""
        others = [number for number in ready if number not in self._prompt]
        if not others:
            return ready
        self.has_others = True
        if len(others) == len(ready):
            return ready
        prompt = [number for number in ready if number in self._prompt]
        first, second = (others, prompt) if last in self._prompt else (prompt, others)
        pairs = min(len(first), len(second))
        by_turns = [number for pair in zip(first, second, strict=False) for number in pair]
        return by_turns + first[pairs:] + second[pairs:]
