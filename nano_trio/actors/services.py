"""Calls between apps: a service binding's request goes from one mailbox to the other.

Each request carries the apps through which it came. A call to one of them would wait for itself, so it fails at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from nano_trio.actors import request_ids
from nano_trio.actors.messages import BodyBroken, BodySource, Exchange, IncomingRequest, Origin, OutgoingResponse
from nano_trio.runtime.close_codes import ABNORMAL
from nano_trio.runtime.fetch_errors import FetchError
from nano_trio.runtime.fetch_messages import RequestBody, Response
from nano_trio.runtime.pieces import WHOLE, Pieces
from nano_trio.runtime.service import ServiceRequest

if TYPE_CHECKING:
    from nano_trio.actors.messages import Target

__all__ = ["AppService"]

_LITTLE = 32 << 10
"""Bytes that are read in no time."""


class _Upload:
    """The caller's request body as the called app's: implements :class:`nano_trio.actors.messages.BodySource`."""

    def __init__(self, body: RequestBody) -> None:
        self._body = body
        self.length = body.length

    async def receive(self) -> bytes:
        assert self._body.receive is not None
        try:
            return await self._body.receive()
        except FetchError as error:
            raise BodyBroken(error.message) from None


class _Gathered:
    """The same of a body that is here whole."""

    def __init__(self, body: Pieces) -> None:
        # The caller may send it again.
        self._left = iter(body)
        self.length: int | None = len(body)

    async def receive(self) -> bytes:
        await trio.lowlevel.checkpoint()
        return next(self._left, b"")


def _incoming(body: RequestBody | None) -> bytes | BodySource | None:
    if body is None:
        return None
    if body.receive is not None:
        return _Upload(body)
    return body.content if isinstance(body.content, bytes) else _Gathered(body.content)


_LONGEST_CHAIN = 32
"""Apps, of which each calls the next one for the same request. What is piped through all of them is let go of by one
call within the other."""


class _Answer(Response):
    """The called app's response as a fetch's."""

    def __init__(self, exchange: Exchange, response: OutgoingResponse) -> None:
        self.status = response.status
        self.reason = response.reason.encode("latin-1")
        self.headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
        self._exchange = exchange
        self._body = response.body
        self._ended = False
        if self._body is None or isinstance(self._body, WHOLE):
            # It is whole: the called app is through with it, whenever its caller reads it.
            self._end()

    async def receive(self) -> bytes:
        body = self._body
        if body is None or isinstance(body, bytes):
            await trio.lowlevel.checkpoint()
            self._body = None
            piece = body or b""
        else:
            try:
                piece = await body.receive()
            except BodyBroken as error:
                self._end()
                raise FetchError("ERR_BODY", f"the called app's response broke off: {error}") from None
        if not piece:
            self._end()
        elif len(piece) > _LITTLE:
            # There may be more where it came from: whoever gathers it lets others run.
            await trio.lowlevel.checkpoint()
        return piece

    def close(self) -> None:
        if not self._ended:
            if self._body is not None and not isinstance(self._body, WHOLE):
                self._exchange.disconnect("the calling app wants no more of the response")
            self._end()

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._exchange.finish()


class AppService:
    """Implements :class:`nano_trio.runtime.service.Service`: ``caller``'s binding to the app ``target``.

    ``find`` gives the app of that name as it is now; ``chain_of`` the apps through which a request of the caller came,
    by its number, and ``origin_of`` who it is: the called app's logs name the same id and trace.
    """

    def __init__(
        self,
        caller: str,
        target: str,
        find: Callable[[str], Target | None],
        chain_of: Callable[[int | None], tuple[str, ...]],
        origin_of: Callable[[int | None], Origin | None],
    ) -> None:
        self._caller = caller
        self._target = target
        self._find = find
        self._chain_of = chain_of
        self._origin_of = origin_of

    async def fetch(self, request: ServiceRequest) -> Response:
        """Call the app. Raises :class:`FetchError` for a call that leads back to an app on its way."""
        chain = (*self._chain_of(request.cause), self._caller)
        if self._target in chain:
            way = " → ".join((*chain, self._target))
            raise FetchError("ERR_SERVICE_CYCLE", f"service bindings lead in a circle: {way}")
        if len(chain) >= _LONGEST_CHAIN:
            way = " → ".join((*chain[:3], "…", self._target))
            raise FetchError(
                "ERR_SERVICE_CYCLE", f"service bindings lead through more than {_LONGEST_CHAIN} apps: {way}"
            )
        target = self._find(self._target)
        if target is None:
            raise FetchError("ERR_SERVICE", f'there is no app "{self._target}"')
        number, span = self._origin_of(request.cause) or (request_ids.new_id(), None)
        incoming = IncomingRequest(
            request.method,
            request.url,
            request.headers,
            _incoming(request.body),
            "",
            number,
            chain,
            span=None if span is None else span.context.span(),
        )
        await trio.lowlevel.checkpoint()
        exchange = target.begin(incoming)
        try:
            response = await exchange.wait()
        except trio.Cancelled:
            exchange.disconnect("the calling app gave up")
            exchange.finish()
            raise
        if response.socket is not None:
            # Its other end would be the caller, which is no wire.
            response.socket.closed(ABNORMAL, "", False)
            exchange.finish()
            why = f'"{self._target}" answered with a WebSocket, which service bindings do not carry'
            raise FetchError("ERR_WEBSOCKET", why)
        return _Answer(exchange, response)
