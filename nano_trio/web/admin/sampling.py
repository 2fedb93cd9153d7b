"""Live figures: one sampler for all who want samples at one interval, and none where nobody does.

A sample is encoded once, in pieces with a pass of the loop in between, and shared as text. A follower that is slow
finds only the latest one when it comes back, and the number of those that it missed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import trio

from nano_trio.actors.counts import Snapshot, quantile
from nano_trio.web.admin.encoding import encode
from nano_trio.web.admin.operations import Operations

__all__ = ["Feed", "Figures", "watch_tree"]

_PIECE = 100
"""Apps that are looked at in one pass of the loop."""
_REMEMBERED = 20_000
"""Apps whose counts are kept while they are in no sample."""
_TREE_S = 1.0


class Feed:
    """The latest of something. ``produce`` runs while there are followers, and calls :meth:`put`."""

    def __init__(self, nursery: trio.Nursery, produce: Callable[[Feed], Awaitable[None]]) -> None:
        self._nursery = nursery
        self._produce = produce
        self._scope: trio.CancelScope | None = None
        self._followers = 0
        self._count = 0
        self._latest = ""
        self._arrived = trio.Event()

    @property
    def followers(self) -> int:
        return self._followers

    def put(self, text: str) -> None:
        """The next item, as JSON."""
        self._latest = text
        self._count += 1
        self._arrived.set()
        self._arrived = trio.Event()

    async def follow(self, take: Callable[[str, int], Awaitable[None]], *, current: bool = False) -> None:
        """Give ``take`` each item that comes, and how many were missed before it. Until cancelled.

        ``current``: begin with the latest item, if there is one.
        """
        seen = self._count
        self._followers += 1
        if self._scope is None:
            self._scope = trio.CancelScope()
            self._nursery.start_soon(self._run, self._scope)
        elif current and self._count:
            seen -= 1
        try:
            while True:
                while self._count == seen:
                    await self._arrived.wait()
                missed, seen = self._count - seen - 1, self._count
                await take(self._latest, missed)
        finally:
            self._followers -= 1
            if not self._followers and self._scope is not None:
                self._scope.cancel()
                self._scope = None

    async def _run(self, scope: trio.CancelScope) -> None:
        with scope:
            await self._produce(self)


@attrs.define
class _Before:
    at: float
    cpu_s: float
    apps: dict[str, Snapshot]


class Figures:
    """Samples of what the process and its apps did in each interval of so many seconds."""

    def __init__(self, operations: Operations, interval_s: float) -> None:
        self._operations = operations
        self._interval_s = interval_s
        self._before: _Before | None = None

    async def produce(self, feed: Feed) -> None:
        """Sample for ever. The first sample has no rates yet, and comes at once."""
        self._before = None
        due = trio.current_time()
        while True:
            feed.put(await self.sample())
            due = max(due + self._interval_s, trio.current_time())
            await trio.sleep_until(due)

    async def sample(self) -> str:
        """The figures now, and the rates since the last call."""
        process, before = await self._operations.process(), self._before
        at = trio.current_time()
        elapsed = None if before is None else max(at - before.at, 1e-3)
        known = {} if before is None else before.apps
        apps: dict[str, Snapshot] = {}
        texts: list[str] = []
        for number, app in enumerate(await self._operations.snapshots(), 1):
            texts.append(json.dumps(_figures(app, known.get(app.app), elapsed)))
            apps[app.app] = app
            if number % _PIECE == 0:
                await trio.lowlevel.checkpoint()
        if len(apps) < sum(process.apps.values()) and len(known) < _REMEMBERED:
            # The others sleep, and may come back.
            apps = {**known, **apps}
        whole = {
            "time": time.time(),
            "interval_s": elapsed,
            "cpu_percent": None
            if before is None or elapsed is None
            else _percent(max(0.0, process.cpu_s - before.cpu_s), elapsed),
            "resident_bytes": process.resident_bytes,
            "connections": process.connections,
            "loop_lag_ms": process.loop_lag_ms,
            "states": dict(process.apps),
        }
        self._before = _Before(at, process.cpu_s, apps)
        return f'{json.dumps(whole)[:-1]}, "apps": [{", ".join(texts)}]}}'


def _percent(used_s: float, elapsed_s: float) -> float:
    return round(100 * used_s / elapsed_s, 2)


def _figures(app: Snapshot, last: Snapshot | None, elapsed_s: float | None) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "name": app.app,
        "state": app.state,
        "requests": app.requests,
        "errors": sum(app.errors.values()),
        "requests_per_s": None,
        "errors_per_s": None,
        "p50_ms": None,
        "p99_ms": None,
        "cpu_percent": None,
        "cpu_s": round(app.cpu_s, 3),
        "memory_bytes": app.memory,
        "mailbox": app.mailbox,
        "in_flight": app.in_flight,
        "sockets": app.sockets,
        "restarts": app.restarts,
        "preemptions": app.preemptions,
        "last_error": app.last_error,
    }
    # An app that was in no sample yet has done all it did since the last one, if this is its first life.
    if elapsed_s is not None and (last is not None or app.starts <= 1):
        began, failed, used = (last.requests, sum(last.errors.values()), last.cpu_s) if last else (0, 0, 0.0)
        buckets = app.since(last)
        figures["requests_per_s"] = round(max(0, app.requests - began) / elapsed_s, 2)
        figures["errors_per_s"] = round(max(0, figures["errors"] - failed) / elapsed_s, 2)
        figures["cpu_percent"] = _percent(max(0.0, app.cpu_s - used), elapsed_s)
        figures["p50_ms"], figures["p99_ms"] = _ms(quantile(buckets, 0.5)), _ms(quantile(buckets, 0.99))
    return figures


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e3, 3)


def watch_tree(operations: Operations) -> Callable[[Feed], Awaitable[None]]:
    """What produces the supervision tree whenever it has changed."""

    async def produce(feed: Feed) -> None:
        last = ""
        while True:
            text = await encode(await operations.tree())
            if text != last:
                last = text
                feed.put(text)
            await trio.sleep(_TREE_S)

    return produce
