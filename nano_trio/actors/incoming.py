"""What has come of the messages of an app's WebSockets, and is not with the app yet.

A message may have megabytes, which are a thousand times fewer on the wire where it is compressed, and its client may
take its time over the end. So what counts is what all the app's connections have together.
"""

from __future__ import annotations

import math

import attrs

__all__ = ["Incoming"]


@attrs.define(slots=True, eq=False)
class Incoming:
    """Bytes of one incarnation's."""

    most: float = math.inf
    begun: int = 0
    """Of large messages that have not come whole."""
    waiting: int = 0
    """Of those that wait for their turn."""

    def take(self, size: int) -> bool:
        """So many more have come of a message that is not whole. False: that is too much, and it must be refused."""
        if self.begun + self.waiting + size > self.most:
            return False
        self.begun += size
        return True
