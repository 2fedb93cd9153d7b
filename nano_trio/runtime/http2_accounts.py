"""What a peer may ask of either end of an HTTP/2 connection at no gain (RFC 9113 section 10.5).

Frames that bring nothing (PING, SETTINGS, empty DATA, unknown ones) are paid from an account, which refills with time
and with real work: requests, DATA in either direction. Who has nothing left is closed.

WINDOW_UPDATE is another matter: who is sent much has to say many, and says them when it has read, which may be long
after. Some do so for each 4 KB, for both windows. So what was sent pays for them by its size, in an account of its own.
A frame that was cut short by a window brings no more than its size: else a peer that opens a window by single octets
would be paid for that.
"""

from __future__ import annotations

__all__ = ["COSTS", "PER_REQUEST", "Patience", "TokenBucket"]

PER_REQUEST = 8.0
_PER_FRAME_SENT = 3.0
"""For each DATA frame that no window cut short: a peer may open two windows for it at once."""
_WINDOWS_PER_BYTE = 1 / 512
_MOST_WINDOWS = float(1 << 16)
COSTS = {0x4: 10.0, 0x6: 2.0, 0x7: 10.0}
"""Of SETTINGS, PING and GOAWAY; of others it is 1."""


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


class Patience:
    """That with the peer of one connection. Times are in seconds."""

    __slots__ = ("_account", "_windows")

    def __init__(self, now: float) -> None:
        self._account = TokenBucket(1000.0, 100.0, now)
        self._windows = 0.0

    def earn(self, tokens: float) -> None:
        """The peer did something that brings us further."""
        self._account.earn(tokens)

    def sent(self, size: int, *, cut: bool) -> None:
        """A DATA frame went to the peer. ``cut``: there was more to send, and a window had no room for it."""
        self._windows = min(self._windows + size * _WINDOWS_PER_BYTE, _MOST_WINDOWS)
        if not cut:
            self._account.earn(_PER_FRAME_SENT)

    def pay(self, tokens: float, now: float) -> bool:
        """Take so many. False where they were not there."""
        return self._account.pay(tokens, now)

    def pay_for_window(self) -> bool:
        """Whether what was sent pays for a WINDOW_UPDATE; where it does not, it costs as any other frame."""
        if self._windows < 1:
            return False
        self._windows -= 1
        return True
