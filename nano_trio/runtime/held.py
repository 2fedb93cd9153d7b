"""What the host holds for an app outside of its heap, where the app decides how much that is.

The heap of an app that opens a CompressionStream grows by 6 KB, and the process by up to 27 MB; and the body of a fetch
leaves the heap at once, however long the server takes to read it. So what may become much is counted, and an app for
which more is held than its heap may have is stopped as if that had outgrown its limit (:meth:`Isolate.hold`).
"""

from __future__ import annotations

from nano_trio.runtime.host import Services

__all__ = ["Held"]


class Held:
    """Bytes that count as the app's until they are 0, or nobody has this any more."""

    __slots__ = ("_services", "_size")

    def __init__(self, services: Services, size: int = 0) -> None:
        self._services = services
        self._size = 0
        self.resize(size)

    def may_be(self, size: int) -> bool:
        """Whether so many could be held without too much for the app."""
        return self._services.may_hold(size - self._size)

    def resize(self, size: int) -> None:
        """So many are held from now on."""
        change, self._size = size - self._size, size
        if change:
            self._services.hold(change)

    def __del__(self) -> None:
        # Where the engine frees what held it, too: this must neither raise nor enter a heap.
        self.resize(0)
