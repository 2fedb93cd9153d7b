"""Python that works for an app piece by piece: between two of them it is suspended, or stopped, as JavaScript is.

What the pieces are is for whoever works: they should take less than a tenth of a millisecond. All functions on the way
from the turn, or the preparation (:mod:`nano_trio.engine.preparation`), to one that calls :func:`pause` are such as may
be suspended (:func:`nano_trio.engine.native_calls.enters`): nothing that others see is half done in them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from nano_trio.engine.native_calls import enters, turnstile_here

__all__ = ["CannotWait", "Stopped", "in_pieces", "pause", "set_due"]

_Item = TypeVar("_Item")

_AT_ONCE = 64
"""Items between two pauses."""
_clock = time.perf_counter_ns
_due_ns = 0


class Stopped(Exception):
    """The turn, or the preparation, is to end: what it was about is of no use to anybody.

    ``file``: what was being compiled, if anything. ``for_memory``: it took too much of that.
    """

    def __init__(self, file: str | None = None, *, for_memory: bool = False) -> None:
        super().__init__("" if file is None else f"it takes too much {'memory' if for_memory else 'time'} to compile")
        self.file = file
        self.for_memory = for_memory


class CannotWait(Exception):
    """What works here is no turn: nobody can be let on meanwhile."""


@enters
def pause() -> None:
    """Let others go on where the slice is used up. Does nothing where nobody could be suspended. Raises Stopped."""
    if _clock() < _due_ns:
        return
    turnstile = turnstile_here(2)
    if turnstile is not None:
        turnstile.pause()


@enters
def in_pieces(items: Iterable[_Item]) -> Iterator[_Item]:
    """The same items; before some of them others are let on, as by :func:`pause`. What is done with one takes some
    microseconds at most. For ``for`` statements: what runs in a comprehension is not suspended."""
    for number, item in enumerate(items, 1):
        if number % _AT_ONCE == 0:
            pause()
        yield item


def set_due(clock_ns: int) -> None:
    """Until then nobody who runs here need be asked: that takes longer than to look at the clock."""
    global _due_ns
    _due_ns = clock_ns
