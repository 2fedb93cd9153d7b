"""Exchanges that no app has a part in."""

from __future__ import annotations

from nano_trio.actors.messages import OutgoingResponse

__all__ = ["Answered"]


class Answered:
    """The exchange of a request that the server answers itself."""

    __slots__ = ("response",)

    def __init__(self, response: OutgoingResponse) -> None:
        self.response: OutgoingResponse | None = response

    async def wait(self) -> OutgoingResponse:
        assert self.response is not None
        return self.response

    def disconnect(self, reason: str) -> None:
        pass

    def spoiled(self, instead: OutgoingResponse) -> None:
        self.response = instead

    def finish(self) -> None:
        pass
