"""What a peer may ask of either end of an HTTP/2 connection at no gain (RFC 9113 section 10.5).

Frames that bring nothing (PING, SETTINGS, empty DATA, unknown ones) are paid from an account, which refills with time
and with real work: requests, DATA in either direction. Who has nothing left is closed.
"""

from __future__ import annotations

__all__ = ["COSTS", "PER_DATA_SENT", "PER_REQUEST", "TokenBucket", "patience"]

PER_REQUEST = 8.0
PER_DATA_SENT = 3.0
"""For each DATA frame: a peer may open two windows for it at once."""
COSTS = {0x4: 10.0, 0x6: 2.0}
"""Of SETTINGS and PING; of others it is 1."""


class TokenBucket:
    """At most ``most`` tokens, which ``per_s`` more come to each second. Times are in seconds."""

    __slots__ = ("_at", "_left", "_most", "_per_s")

    def __init__(self, most: float, per_s: float, now: float) -> None:
        self._left = self._most = most
        self._per_s = per_s
        self._at = now

    def earn(self, tokens: float) -> None:
        """So many more, as far as there is room."""
        left = self._left + tokens
        self._left = left if left < self._most else self._most

    def pay(self, tokens: float, now: float) -> bool:
        """Take so many. False where they were not there."""
        if now > self._at:
            self.earn((now - self._at) * self._per_s)
            self._at = now
        self._left -= tokens
        return self._left >= 0


def patience(now: float) -> TokenBucket:
    """That of one connection."""
    return TokenBucket(1000.0, 100.0, now)
