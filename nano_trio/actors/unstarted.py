"""The requests that an app has taken before it was started."""

from __future__ import annotations

import trio

from nano_trio.actors.counts import ErrorKind
from nano_trio.actors.exchange import AppExchange
from nano_trio.actors.pages import going_away

__all__ = ["Unstarted"]


class Unstarted:
    """In the order in which they came. All of them are handed on at a time, or refused."""

    __slots__ = ("_settled", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[AppExchange] = []
        self._settled: trio.Event | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, exchange: AppExchange) -> None:
        """One more."""
        self._waiting.append(exchange)

    def take(self) -> list[AppExchange]:
        """All of them, which are somebody else's now; who has handed them on calls :meth:`settle`."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def refuse(self) -> None:
        """Answer all of them: nobody starts the app any more."""
        for exchange in self.take():
            exchange.answer(going_away(), ErrorKind.DRAINING)
        self.settle()

    def settle(self) -> None:
        """Wake who waits for that: they were handed on or refused."""
        if self._settled is not None:
            self._settled.set()
            self._settled = None

    async def settled(self) -> None:
        """Wait until :meth:`settle` is called."""
        if self._settled is None:
            self._settled = trio.Event()
        await self._settled.wait()
