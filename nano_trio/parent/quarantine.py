"""Apps whose turn was running when the engine crashed: the first time is forgiven, the second in a window is not."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Quarantine"]

_ENOUGH = 2


class Quarantine:
    """Counts crashes by app. Lives in the parent, so it outlasts workers."""

    def __init__(self, window_s: float = 600, clock: Callable[[], float] = time.monotonic) -> None:
        self.window_s = window_s
        """Seconds within which the second crash counts."""
        self.reasons: dict[str, str] = {}
        """The quarantined apps, and why each is."""
        self._crashes: dict[str, list[float]] = {}
        self._clock = clock

    def crashed(self, app: str, how: str) -> bool:
        """A worker died (``how``: "was killed by SIGSEGV") in this app's turn. True: that quarantines it."""
        now = self._clock()
        times = [at for at in self._crashes.get(app, ()) if now - at <= self.window_s] + [now]
        self._crashes[app] = times
        if len(times) < _ENOUGH or app in self.reasons:
            return False
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.reasons[app] = (
            f"its code was running when the server process {how}, {len(times)} times within {self.window_s:g} s, "
            f"the last time at {when}"
        )
        return True

    def lift(self, app: str) -> bool:
        """Let the app be served again, its crashes forgotten. False where it was not quarantined."""
        self._crashes.pop(app, None)
        return self.reasons.pop(app, None) is not None
