"""Request bodies that are still coming when their response is complete (RFC 9113 section 8.1).

A bearable rest is let in whole, before the response's end is sent, and thrown away: curl 7.88 waits to be rid of its
request and reads nothing more meanwhile, not even what would allow it more. Of a larger one, or one of unknown size,
the client is told by a reset without error, when it has the response: in one packet with that, the reset makes some
clients drop it (Node does, whatever the section says). A PING's answer says when.
"""

from __future__ import annotations

import math

import h2.errors

from nano_trio.web.http2_session import Session

__all__ = ["Unwanted"]

_BEARABLE = 8 << 20
"""Bytes that are thrown away."""
_PATIENCE_S = 1.0


class Unwanted:
    """Those of one connection. Times are Trio's, in seconds."""

    __slots__ = ("_session", "_streams")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._streams: dict[int, float] = {}
        """When each is reset."""

    def __len__(self) -> int:
        return len(self._streams)

    def let_in(self, number: int, rest: int | None) -> None:
        """The response's end is about to be sent, and ``rest`` bytes of the request have not come (None: who knows)."""
        if rest and rest <= _BEARABLE:
            self._session.credit(number, rest)
            self._session.credit(0, rest)

    def dismiss(self, number: int, rest: int | None, now: float) -> float:
        """The response is complete. Returns when :meth:`expire` is due."""
        if rest is None or rest > _BEARABLE:
            self._session.ping(number.to_bytes(8))
        self._streams[number] = now + _PATIENCE_S
        return now + _PATIENCE_S

    def arrived(self, number: int, now: float) -> None:
        """Some more of it has come, and was thrown away."""
        if number in self._streams:
            self._streams[number] = now + _PATIENCE_S

    def ended(self, number: int) -> None:
        """It has come whole, or the client gave it up."""
        self._streams.pop(number, None)

    def reset(self, number: int) -> None:
        """The client has the response, or had the time to take it."""
        if self._streams.pop(number, None) is not None:
            self._session.reset(number, h2.errors.ErrorCodes.NO_ERROR)

    def expire(self, now: float) -> float:
        """Reset those that are due. Returns when this is due again."""
        for number in [number for number, when in self._streams.items() if when <= now]:
            self.reset(number)
        return min(self._streams.values(), default=math.inf)
