"""Restart intensity: how often an app may crash before its supervisor stops trying at once (OTP's term and idea).

Up to ``max_restarts`` crashes within ``window_s`` are answered by an immediate restart. One more, and the app has
failed: it is tried again only after a pause, which doubles with every further failure up to a minute. Jitter takes up
to a quarter of it, so that those who failed together do not come back together. A window without a crash forgets
everything. Times are seconds on any monotonic clock; the caller passes them in, so this is a
pure state machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable

__all__ = ["RestartIntensity"]

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
_JITTER = 0.25


class RestartIntensity:
    """The crashes of one app and what follows from them."""

    __slots__ = ("_jitter", "_pause_s", "_recent", "_retry_at", "crashes", "max_restarts", "window_s")

    def __init__(self, max_restarts: int, window_s: float, jitter: Callable[[], float] = random.random) -> None:
        """``jitter`` gives numbers from 0 to 1: the share of the quarter that a pause is shortened by."""
        self.max_restarts = max_restarts
        self.window_s = window_s
        self.crashes = 0
        """All crashes so far."""
        self._recent: list[float] = []
        self._pause_s = 0.0
        self._retry_at = 0.0
        self._jitter = jitter

    def crashed(self, now: float) -> bool:
        """Note a crash. True when the app may be restarted at once, False when it has failed."""
        self._forget(now)
        self.crashes += 1
        self._recent.append(now)
        if len(self._recent) <= self.max_restarts:
            return True
        self._pause_s = min(max(2 * self._pause_s, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
        self._retry_at = now + self._pause_s * (1 - _JITTER * self._jitter())
        return False

    def forgive(self) -> None:
        """Begin afresh, as when the code was mended. The count of all crashes stays."""
        self._recent.clear()
        self._pause_s = self._retry_at = 0.0

    def retry_in(self, now: float) -> float:
        """Seconds until the app may be started again; 0.0 when it may be now."""
        return min(max(0.0, self._retry_at - now), _LONGEST_PAUSE_S)

    def _forget(self, now: float) -> None:
        # A pause counts as quiet only from its end on: else every failure with a long pause would start afresh.
        if self._recent and now - max(self._recent[-1], self._retry_at) > self.window_s:
            self._recent.clear()
            self._pause_s = self._retry_at = 0.0
        while len(self._recent) > self.max_restarts + 1 or (
            self._recent and not self._pause_s and now - self._recent[0] > self.window_s
        ):
            self._recent.pop(0)
