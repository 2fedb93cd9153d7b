"""How many connections a test's server has open, and that they close."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import trio

_PATIENCE_S = 5


class OpenConnections:
    """For a server: ``open`` is how many there are, ``connections`` how many there were."""

    def __init__(self) -> None:
        self.open = 0
        self.connections = 0
        self._closed = trio.Event()

    @contextlib.contextmanager
    def connected(self) -> Iterator[None]:
        """One more connection, as long as the block runs."""
        self.open += 1
        self.connections += 1
        try:
            yield
        finally:
            self.open -= 1
            self._closed.set()

    async def settled(self, kept: int = 0) -> None:
        """Wait until no connection is open, but for ``kept`` ones; fail where one stays open."""
        with trio.move_on_after(_PATIENCE_S):
            while self.open > kept:
                self._closed = trio.Event()
                await self._closed.wait()
        assert self.open <= kept, f"{self.open - kept} connections were left open"
