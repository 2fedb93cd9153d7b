"""A change of a hosting that has yet to come to its turn, or to its end."""

from __future__ import annotations

import trio

from nano_trio.web.reload import ReloadReport

__all__ = ["PendingChange"]


class PendingChange:
    """One that somebody waits for."""

    def __init__(self) -> None:
        self.done = trio.Event()
        self.report: ReloadReport | None = None
        self.failure: Exception | None = None

    async def wait(self) -> ReloadReport:
        """Its report. Raises what it raised."""
        await self.done.wait()
        if self.failure is not None:
            raise self.failure
        return self.report or ReloadReport(error="the server is ending")
