"""Bodies that an app only hands on: a request's, a fetched response's, a cached one's. They never enter JavaScript.

``return fetch(url)`` says by a kind and a number what the response's body is (:meth:`AppHost.respond`), and the bytes
go from where they come to the client, piece by piece, as the client takes them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from nano_trio.actors.messages import BodyBroken
from nano_trio.runtime.body_kinds import OF_CACHE, OF_FETCH, OF_REQUEST
from nano_trio.runtime.fetch_errors import FetchError
from nano_trio.runtime.host import HostError

if TYPE_CHECKING:
    from nano_trio.actors.exchange import AppExchange
    from nano_trio.runtime.environment import Environment

__all__ = ["PipedBody", "decline", "hand_on"]


class PipedBody:
    """A response body that never enters JavaScript: a fetch's or a request's, handed on untouched.

    ``receive`` gives its next piece, ``close`` gives it up.
    """

    __slots__ = ("_close", "_counts", "_error", "_exchange", "_receive")

    def __init__(
        self,
        exchange: AppExchange,
        receive: Callable[[], Awaitable[bytes]],
        close: Callable[[], None],
    ) -> None:
        self._exchange: AppExchange | None = exchange
        self._counts = exchange.counts
        self._receive: Callable[[], Awaitable[bytes]] | None = receive
        self._close: Callable[[], None] | None = close
        self._error: str | None = None

    async def receive(self) -> bytes:
        """The next piece, ``b""`` at the end. Raises :class:`BodyBroken`."""
        if self._error is not None:
            raise BodyBroken(self._error)
        assert self._receive is not None
        try:
            piece = await self._receive()
        except (FetchError, HostError) as error:
            raise BodyBroken(self._error or error.message) from None
        self._counts.bytes_out += len(piece)
        return piece

    def cancel(self, reason: str) -> None:
        """The client left, or asked for no body."""
        self.fail(reason)
        if self._exchange is not None:
            self._exchange.leave(reason)

    def fail(self, text: str) -> None:
        """Nobody wants it, or the app's isolate is gone."""
        close, self._close = self._close, None
        if self._error is None and close is not None:
            self._error = text
            close()

    def release(self) -> None:
        """It has failed, and the exchange is over, whose response holds this: let go of that, and of what is read."""
        self._exchange = self._receive = self._close = None


def hand_on(
    exchange: AppExchange,
    headers: list[tuple[str, str]],
    kind: int,
    number: int,
    exchanges: Mapping[int, AppExchange],
    environment: Environment,
) -> tuple[PipedBody | None, list[tuple[str, str]]]:
    """The body of that kind and number, for the exchange's response, and the headers it then has. None: it is gone.

    ``exchanges``: the requests in progress, by their numbers.
    """
    if kind == OF_REQUEST:
        source = exchanges.get(number)
        return None if source is None else PipedBody(exchange, source.read_bytes, lambda: None), headers
    if kind == OF_CACHE:
        cached = environment.caches.take(number)
        return None if cached is None else PipedBody(exchange, cached.receive, cached.close), headers
    fetch = environment.fetches.take(number)
    if fetch is None:
        return None, headers
    encoding = ", ".join(value for name, value in headers if name == "content-encoding")
    if encoding == fetch.content_encoding:
        return PipedBody(exchange, fetch.receive_raw, fetch.close), headers
    headers = [pair for pair in headers if pair[0] != "content-length"]
    return PipedBody(exchange, fetch.receive, fetch.close), headers


def decline(kind: int, number: int, environment: Environment) -> None:
    """Nobody wants the response whose body this is."""
    if kind == OF_FETCH:
        environment.fetches.cancel(number)
    elif kind == OF_CACHE:
        environment.caches.cancel(number)
