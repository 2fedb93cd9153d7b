"""Taps: live log lines and lifecycle events, for whoever looks on.

A tap holds a bounded number of items. Who reads too slowly loses the oldest and is told how many; nobody ever waits for
a reader. Without a tap a line costs one look at an empty tuple.

Items are mappings. A line's is what the log's other formats are made of: ``kind`` ("line"), ``timestamp`` (ISO 8601),
``level``, ``event`` (the text), and whatever it carries, such as ``app``, ``request_id`` and ``console``. A lifecycle
event's: ``kind`` ("lifecycle"), ``timestamp``, ``event`` (what happened), ``app`` and details.
"""

from __future__ import annotations

import datetime
import threading
from collections import Counter, deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import trio

__all__ = ["Tap", "lifecycle", "listening", "missed", "offer", "tap"]

_CAPACITY = 1000

_taps: tuple[Tap, ...] = ()


class Tap:
    """A subscription; made by :func:`tap`. A context manager, and an async iterator over its items."""

    def __init__(self, app: str | None, kinds: frozenset[str], capacity: int) -> None:
        self._app = app
        self._kinds = kinds
        self._items: deque[Mapping[str, Any]] = deque(maxlen=capacity)
        self._lost: Counter[tuple[str, str | None]] = Counter()
        """By kind and app."""
        self._arrived = trio.Event()
        self._closed = False
        self._token = trio.lowlevel.current_trio_token()
        self._thread = threading.get_ident()

    def __enter__(self) -> Tap:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __aiter__(self) -> Tap:
        return self

    async def __anext__(self) -> Mapping[str, Any]:
        try:
            return await self.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None

    async def receive(self) -> Mapping[str, Any]:
        """The next item. Raises :class:`trio.EndOfChannel` once the tap is closed and empty. A checkpoint."""
        await trio.lowlevel.checkpoint()
        while not self._items:
            if self._closed:
                raise trio.EndOfChannel
            self._arrived = trio.Event()
            await self._arrived.wait()
        return self._items.popleft()

    async def receive_many(self, most: int) -> list[Mapping[str, Any]]:
        """What is there, one item at least and ``most`` at most. Raises and waits as :meth:`receive` does."""
        items = [await self.receive()]
        while self._items and len(items) < most:
            items.append(self._items.popleft())
        return items

    def waiting(self) -> list[Mapping[str, Any]]:
        """What was not received yet, the oldest first; it stays. A tap that nobody receives from is a memory."""
        return list(self._items)

    def take_lost(self) -> int:
        """How many items were lost since the last call, because they were not received in time."""
        return self.take_losses().total()

    def take_losses(self) -> Counter[tuple[str, str | None]]:
        """The same by kind and app."""
        lost, self._lost = self._lost, Counter()
        return lost

    def close(self) -> None:
        """Take no more items. Idempotent."""
        global _taps
        self._closed = True
        _taps = tuple(each for each in _taps if each is not self)
        self._arrived.set()

    def _wants(self, kind: str, app: str | None) -> bool:
        return kind in self._kinds and (self._app is None or app == self._app)

    def _offer(self, item: Mapping[str, Any]) -> None:
        if not self._wants(item["kind"], item.get("app")):
            return
        if threading.get_ident() == self._thread:
            self._put(item)
        else:
            try:
                self._token.run_sync_soon(self._put, item)
            except trio.RunFinishedError:
                self.close()

    def _put(self, item: Mapping[str, Any]) -> None:
        if len(self._items) == self._items.maxlen:
            oldest = self._items[0]
            self._lost[oldest["kind"], oldest.get("app")] += 1
        self._items.append(item)
        self._arrived.set()


def tap(app: str | None = None, *, lines: bool = True, lifecycle: bool = True, capacity: int = _CAPACITY) -> Tap:
    """Subscribe to an app's log lines and lifecycle events (None: everybody's), from now on. Inside a Trio run only.

    Lines that the configured level or the app's rate limit drops are not seen.
    """
    global _taps
    kinds = frozenset(kind for kind, wanted in (("line", lines), ("lifecycle", lifecycle)) if wanted)
    made = Tap(app, kinds, capacity)
    _taps = (*_taps, made)
    return made


def listening() -> bool:
    """Whether anybody does."""
    return bool(_taps)


def offer(kind: str, item: Mapping[str, Any]) -> None:
    """Give an item to all taps that want it. Never blocks, from any thread."""
    for each in _taps:
        each._offer({"kind": kind, **item})


def missed(kind: str, app: str | None, count: int) -> None:
    """So many items were lost before they could be offered: whoever wanted them is told. In the taps' thread only."""
    for each in _taps:
        if each._wants(kind, app):
            each._lost[kind, app] += count


def lifecycle(app: str, event: str, **details: Any) -> None:
    """Tell the taps what became of an app. What people must know is logged besides."""
    if _taps:
        now = datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")
        offer("lifecycle", {"timestamp": now, "event": event, "app": app, **details})
