"""How many lines an app may log: a token bucket each for its console and for what we say of it.

A flood of ``console.log`` must neither fill the disk nor hide the error that ends it, so both have their own bucket.
What is dropped is counted, and :meth:`Rates.report` says so once a second. A bucket that is full again is forgotten: it
would begin the same.
"""

from __future__ import annotations

import time
from typing import Any

import structlog
from structlog.typing import EventDict

__all__ = ["Rates", "rates"]

_BURST_S = 5.0


class _Bucket:
    __slots__ = ("at", "dropped", "tokens")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens = tokens
        self.at = at
        self.dropped = 0


class Rates:
    """The buckets of all apps, and what was written and dropped of each."""

    def __init__(self) -> None:
        self._rates: dict[str, float] = {}
        self.written: dict[str, int] = {}
        """Lines by app, those of the access log aside."""
        self.dropped: dict[str, int] = {}
        """Lines that were dropped, by app."""
        self._buckets: dict[tuple[str, bool], _Bucket] = {}

    def limit(self, app: str, lines_per_s: float) -> None:
        """From now on the app may log so many lines a second, for each of its buckets; 0: any number."""
        if lines_per_s:
            self._rates[app] = lines_per_s
        else:
            self._rates.pop(app, None)

    def allow(self, app: str, console: bool) -> bool:
        """Take a token for a line; False: drop it."""
        rate = self._rates.get(app)
        if rate is not None:
            now = time.monotonic()
            key = (app, console)
            bucket = self._buckets.get(key)
            most = max(rate * _BURST_S, 1.0)
            if bucket is None:
                bucket = self._buckets[key] = _Bucket(most, now)
            else:
                bucket.tokens = min(bucket.tokens + (now - bucket.at) * rate, most)
                bucket.at = now
            if bucket.tokens < 1.0:
                bucket.dropped += 1
                self.dropped[app] = self.dropped.get(app, 0) + 1
                return False
            bucket.tokens -= 1.0
        self.written[app] = self.written.get(app, 0) + 1
        return True

    def processor(self, _: Any, __: str, event: EventDict) -> EventDict:
        """For structlog: limit lines about an app, but those marked ``unlimited``: the access log, and our reports."""
        app = event.get("app")
        if not event.pop("unlimited", False) and app and not self.allow(str(app), "console" in event):
            raise structlog.DropEvent
        return event

    def report(self) -> None:
        """Say what was dropped since the last call. To be called once a second."""
        if not self._buckets:
            return
        now = time.monotonic()
        log = structlog.get_logger("nano_trio.app")
        for (app, console), bucket in list(self._buckets.items()):
            dropped, bucket.dropped = bucket.dropped, 0
            if dropped:
                what = "console lines" if console else "log lines"
                # An app that was removed meanwhile has no rate any more.
                rate = {"lines_per_s": self._rates[app]} if app in self._rates else {}
                log.warning(f"{dropped} {what} dropped", app=app, dropped=dropped, **rate, unlimited=True)
            elif now - bucket.at > max(_BURST_S, 1.0 / self._rates.get(app, 1.0)):
                del self._buckets[app, console]

    def forget(self, app: str) -> None:
        """An app was removed: its limit and its counts go."""
        self._rates.pop(app, None)
        self.written.pop(app, None)
        self.dropped.pop(app, None)


rates = Rates()
"""Those of the process."""
