"""Bodies that are here whole, but not in one: to join, copy or encode megabytes at once would hold up everybody."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

__all__ = ["LARGE", "LARGE_TEXT", "PIECE", "WHOLE", "LargeMessage", "Pieces"]

LARGE = 256 << 10
"""Bytes of a body, or code units of a text, above which it crosses between host and JavaScript in pieces."""
LARGE_TEXT = 64 << 10
"""The same of a text beyond ASCII that an app reads, in bytes of UTF-8: in one a megabyte takes 5 to 12 ms."""
PIECE = 128 << 10
"""Bytes of such a piece: they take a tenth of a millisecond, a fifth of a slice."""


class Pieces:
    """A body's bytes, in pieces of any length. Reading it (:meth:`next`) uses it up, piece by piece.

    Where it is a response's it is a :class:`nano_trio.actors.messages.BodyStream`.
    """

    __slots__ = ("_left", "_size", "left")

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._left = deque(pieces)
        self._size = sum(map(len, self._left))
        self.left = self._size
        """Bytes that have not been read."""

    def __len__(self) -> int:
        """The body's bytes, those that were read among them."""
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        """What has not been read, which stays."""
        return iter(self._left)

    def __bytes__(self) -> bytes:
        """What has not been read, in one."""
        return b"".join(self._left)

    def next(self) -> bytes:
        """The next piece, ``b""`` at the end."""
        if not self._left:
            return b""
        piece = self._left.popleft()
        self.left -= len(piece)
        return piece

    async def receive(self) -> bytes:
        """The same. No checkpoint."""
        return self.next()

    def cancel(self, reason: str) -> None:
        """Nobody reads the rest."""
        self._left.clear()
        self.left = 0


class LargeMessage(Pieces):
    """A large message of a WebSocket. ``is_text``: its bytes are UTF-8."""

    __slots__ = ("is_text",)

    def __init__(self, pieces: Iterable[bytes], *, is_text: bool) -> None:
        super().__init__(pieces)
        self.is_text = is_text

    def whole(self) -> str | bytes:
        """The message in one, for those who do not mind that it takes long."""
        return bytes(self).decode() if self.is_text else bytes(self)


WHOLE: Final = (bytes, Pieces)
"""What a body may be that is here whole."""
