"""Large response bodies that wait for an app's clients.

A body that crossed whole (``nano_trio/runtime/large.py``), or a stream's large chunk, lies with the host until its
client has taken it. A client that reads a byte a minute is no fault of the app's, so it is not stopped for that; but a
hundred of them would hold a hundred bodies. So all that wait for one app's clients may be :data:`TIMES` its
``memory_mb`` together. Where more is to come, bodies of which nothing was taken for :data:`PATIENCE_S` are given up,
those that wait longest first; and where that is not enough, the one that comes is refused.

What is counted is what is there: a body that nobody has any more no longer counts (``__del__``), whatever became of its
exchange.
"""

from __future__ import annotations

import math
import weakref
from typing import Protocol

import trio

from nano_trio.actors.messages import BodyBroken
from nano_trio.runtime.pieces import Pieces

__all__ = ["CONGESTED", "PATIENCE_S", "TIMES", "Outgoing", "WholeBody"]

TIMES = 4
PATIENCE_S = 10.0
CONGESTED = "too much of the app's responses waits for its clients"


class Waiting(Protocol):
    """A body, or what is here of one."""

    def give_up(self, reason: str) -> None:
        """Let go of what is here: whoever reads it gets :class:`BodyBroken`."""


class Outgoing:
    """Those of one app. Sizes are bytes."""

    __slots__ = ("_waiting", "most", "size")

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[int, float, weakref.ref[Waiting]]] = {}
        """By identity, those of which something was taken last at the end: the size, when that was, the body."""
        self.size = 0
        """Of all together."""
        self.most = math.inf

    def hold(self, body: Waiting, size: int) -> None:
        """So many bytes of a body wait from now on: it has come, or some of it was taken."""
        self.forget(body)
        if size:
            self._waiting[id(body)] = (size, trio.current_time(), weakref.ref(body))
            self.size += size

    def forget(self, body: Waiting) -> None:
        """Nothing of it waits any more. Idempotent."""
        found = self._waiting.pop(id(body), None)
        if found is not None:
            self.size -= found[0]

    def has_room(self, size: int) -> bool:
        """Whether so many bytes more may wait, as they may where nothing else does. What waits too long makes room."""
        while self._waiting and self.size + size > self.most:
            _, since, found = next(iter(self._waiting.values()))
            if since > trio.current_time() - PATIENCE_S:
                return False
            body = found()
            assert body is not None  # else it were forgotten
            self.forget(body)
            body.give_up("the client takes it too slowly, and too much waits for the app's clients")
        return True


class WholeBody(Pieces):
    """A response body that is here whole, and counted."""

    __slots__ = ("__weakref__", "_broken", "_outgoing")

    def __init__(self, body: Pieces, outgoing: Outgoing) -> None:
        super().__init__(body)
        self._broken = ""
        self._outgoing = outgoing
        outgoing.hold(self, self.left)

    def next(self) -> bytes:
        """The next piece, ``b""`` at the end. Raises :class:`BodyBroken` where it was given up."""
        if self._broken:
            raise BodyBroken(self._broken)
        piece = super().next()
        self._outgoing.hold(self, self.left)
        return piece

    def cancel(self, reason: str) -> None:
        """Nobody reads the rest."""
        super().cancel(reason)
        self._outgoing.forget(self)

    def give_up(self, reason: str) -> None:
        """Its client is too slow."""
        super().cancel(reason)
        self._broken = reason

    def __del__(self) -> None:
        self._outgoing.forget(self)
