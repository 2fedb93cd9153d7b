"""One request on its way through an app, and the response that comes back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING

import trio

from nano_trio.actors.counts import Counts, ErrorKind
from nano_trio.actors.crossing import body_for_js, known_url, normal_url
from nano_trio.actors.messages import BodyBroken, BodySource, IncomingRequest, OutgoingResponse
from nano_trio.actors.outgoing import CONGESTED
from nano_trio.actors.pages import plain_response
from nano_trio.engine.native_calls import enters
from nano_trio.engine.turn import Entry
from nano_trio.runtime.held import Held
from nano_trio.runtime.host import HostError
from nano_trio.runtime.large import Lent, deliver, gather, too_large
from nano_trio.runtime.pieces import LARGE

if TYPE_CHECKING:
    from nano_trio.actors.incarnation import Incarnation
    from nano_trio.actors.piped import PipedBody
    from nano_trio.runtime.dispatch import WireBody

__all__ = ["AppExchange", "ResponseStream"]

_AHEAD = 256 << 10
"""Bytes of a stream that may lie here before anybody has asked for them."""
_MOST_CHUNKS = 1000
"""Chunks of a stream that may lie here, however small they are."""


class AppExchange(Entry):
    """Implements :class:`nano_trio.actors.messages.Exchange` for an app's incarnation. It is the request's turn, too.

    ``incarnation`` is None for a request that has not reached one: the app is still to be started, or refuses.
    """

    __slots__ = (
        "_started",
        "answered",
        "began",
        "counts",
        "deadline",
        "extended",
        "id",
        "incarnation",
        "pipe",
        "request",
        "response",
        "stream",
    )

    began: bool
    """Its turn has begun: it is no longer in the mailbox."""
    extended: bool
    """Its handler called waitUntil: what it began may outlive it."""
    answered: trio.Event | None
    """Set with the head; None where nobody waits for it."""

    def __init__(self, request: IncomingRequest, counts: Counts) -> None:
        self.cause = self.result = self.stopped = None
        self.cpu_ns = 0
        self.request = request
        self.counts = counts
        counts.begun += 1
        self._started: float | None = perf_counter()
        self.incarnation: Incarnation | None = None
        self.id = 0
        self.response: OutgoingResponse | None = None
        self.stream: ResponseStream | None = None
        self.pipe: PipedBody | None = None
        self.began = self.extended = False
        self.deadline = 0.0
        self.answered = None

    @enters
    def run(self) -> None:
        """The turn: call the app's handler."""
        incarnation = self.incarnation
        if incarnation is None:
            return
        self.began = True
        incarnation.mailbox -= 1
        if self.response is None:
            request = self.request
            # One string crosses faster than many, and most handlers look at few headers or none.
            headers = request.joined
            if headers is None and request.headers:
                headers = "\n".join([part for pair in request.headers for part in pair])
            url = known_url(request.url) or normal_url(request.url)
            body = None if request.body is None else body_for_js(request.body)
            fetch = incarnation.fetch
            fetch(self.id, request.method, url, headers, body)

    def suspended(self) -> None:
        """The turn takes longer than a slice: the response may be over before what it still logs."""
        if self.incarnation is not None:
            self.incarnation.keep(self.id)

    def ended(self) -> None:
        """The turn is over."""
        if self.stopped is not None and self.incarnation is not None:
            self.incarnation.turn_stopped(self, self.stopped)

    def answer(self, response: OutgoingResponse, error: str | None = None) -> None:
        """Set the head; later ones are ignored. ``error``: of :class:`ErrorKind`, where something went wrong."""
        if self.response is None:
            if error is not None:
                self.counts.error(error)
            self.response = response
            if self.answered is not None:
                self.answered.set()

    async def wait(self) -> OutgoingResponse:
        """Wait for the head, at most until the request's deadline."""
        if self.response is None:
            self.answered = trio.Event()
            with trio.move_on_at(self.deadline):
                await self.answered.wait()
        if self.response is None:
            if self.incarnation is not None:
                self.incarnation.timed_out(self)
            else:
                self.answer(plain_response(504, "the app was not started in time"), ErrorKind.TIMEOUT)
        response = self.response
        assert response is not None
        return response

    def spoiled(self, instead: OutgoingResponse) -> None:
        """The response cannot be sent; ``instead`` is."""
        if instead.status >= 500:
            self.counts.error(ErrorKind.UNSENDABLE)
        self.response = instead

    def disconnect(self, reason: str) -> None:
        """The client left, or the response is given up in its middle."""
        if self._started is not None:
            self._started = None
            self.counts.abandoned += 1
        self.leave(reason)

    def leave(self, reason: str) -> None:
        """Nobody reads the response's body any more."""
        if self.incarnation is not None:
            self.incarnation.abandon(self, reason)
        else:
            self.answer(plain_response(503, "given up"))

    def finish(self) -> None:
        """The response is on the wire."""
        started = self._started
        if started is not None:
            self._started = None
            if self.response is not None:
                self.counts.end(self.response, self.request, started)
            else:
                self.counts.abandoned += 1
        if self.incarnation is not None:
            self.incarnation.release(self)

    def break_off(self, text: str) -> None:
        """Where the response's body comes from is gone: nothing more of it comes."""
        if self.stream is not None:
            self.stream.fail(text)
            self.stream.release()
        if self.pipe is not None:
            self.pipe.fail(text)
            self.pipe.release()

    # -- the request's body, as operations of the app ----------------------------------------------------------------

    def wire_body(self) -> WireBody:
        """What a fetch needs to send it on."""
        body = self.request.body
        length = len(body) if isinstance(body, bytes) else body.length if body is not None else 0
        return length, self.read_chunk

    async def read_chunk(self) -> bytes | None:
        """The next chunk of the request's body, None at its end. Raises :class:`HostError` where it broke."""
        body = self.request.body
        if body is None or isinstance(body, bytes):
            return None
        piece = await _receive(body)
        self.counts.bytes_in += len(piece)
        return piece or None

    async def read_bytes(self) -> bytes:
        """Like :meth:`read_chunk`, ``b""`` at the end."""
        return await self.read_chunk() or b""

    async def read_whole(self, limit: int, text: bool, held: Held) -> bytes | str | Lent:
        """All that remains of the request's body, at most ``limit`` bytes, as :func:`deliver` has it for JavaScript.

        Raises :class:`HostError`."""
        body = self.request.body
        if body is None or isinstance(body, bytes):
            return b""
        if body.length is not None and body.length > limit:
            raise too_large(limit)
        return deliver(await gather(self.read_bytes, limit, held), text=text)


async def _receive(body: BodySource) -> bytes:
    try:
        return await body.receive()
    except BodyBroken as error:
        raise HostError("TypeError", f"the request's body broke off: {error}") from None


class ResponseStream:
    """A response body that JavaScript produces.

    :meth:`receive` takes what is there; where nothing is it asks, by a turn, for what comes next. Until that has come
    nothing more is read, but for what the stream has at once, in the first half of a slice, up to ``_AHEAD`` bytes: a
    turn for each chunk would cost more than most of them.
    """

    __slots__ = ("__weakref__", "_arrived", "_chunks", "_ended", "_error", "_exchange", "_size", "_wanted", "counts")

    def __init__(self, exchange: AppExchange) -> None:
        self._exchange: AppExchange | None = exchange
        self.counts = exchange.counts
        self._wanted = False
        """The app was asked for the next chunk and has not given it."""
        self._chunks: list[bytes] = []
        self._size = 0
        self._arrived: trio.Event | None = None
        self._ended = False
        self._error: str | None = None

    @property
    def open(self) -> bool:
        """Neither ended nor broken."""
        return not self._ended and self._error is None

    async def receive(self) -> bytes:
        """The next chunks in one, ``b""`` at the end. Raises :class:`BodyBroken`."""
        return b"".join(await self.receive_several())

    async def receive_several(self) -> Sequence[bytes]:
        """The next chunks as they came, none at the end, for who can send several. Raises :class:`BodyBroken`."""
        while True:
            if self._size > LARGE:
                # To join them would take long.
                chunk = self._chunks.pop(0)
                self._size -= len(chunk)
                self.counts.outgoing.hold(self, self._size if self._size > LARGE else 0)
                return (chunk,)
            if self._chunks:
                chunks, self._chunks, self._size = self._chunks, [], 0
                return chunks
            if self._error is not None:
                raise BodyBroken(self._error)
            if self._ended:
                return ()
            exchange = self._exchange
            assert exchange is not None
            assert exchange.incarnation is not None
            self._arrived = None
            if not self._wanted:
                self._wanted = True
                exchange.incarnation.pull(exchange)
            if self._wanted and not self._chunks:
                self._arrived = trio.Event()
                await self._arrived.wait()

    def cancel(self, reason: str) -> None:
        """The client left, or asked for no body."""
        if self._exchange is not None:
            self._exchange.leave(reason)

    def put(self, chunk: Iterable[bytes], *, read_on: bool) -> bool:
        """A chunk from the app, in pieces where it is large. The app reads the next one at once where this is true; it
        may where ``read_on``."""
        if self._ended or self._error is not None:
            return False
        for data in chunk:
            if size := len(data):
                self.counts.bytes_out += size
                self._chunks.append(data)
                self._size += size
        if self._size > LARGE:
            self._wait()
        self._wanted = read_on and self._size < _AHEAD and len(self._chunks) < _MOST_CHUNKS and self._error is None
        if self._arrived is not None:
            self._arrived.set()
        return self._wanted

    def end(self) -> None:
        """The app's stream is closed."""
        self._ended = True
        self._settle()

    def fail(self, text: str) -> None:
        """The app's stream errored, or its isolate is gone."""
        if self.open:
            self._error = text
        self._settle()

    def release(self) -> None:
        """It has ended or failed, and the exchange is over, whose response holds this."""
        self._exchange = None

    def _wait(self) -> None:
        """More has come than lies here of most streams: it counts."""
        outgoing = self.counts.outgoing
        outgoing.forget(self)
        if outgoing.has_room(self._size):
            outgoing.hold(self, self._size)
        else:
            self.counts.error(ErrorKind.CONGESTED)
            self.give_up(CONGESTED)

    def give_up(self, reason: str) -> None:
        """Its client is too slow: let go of what is here."""
        self._chunks.clear()
        self._size = 0
        self._error = reason
        self._settle()
        self.cancel(reason)

    def __del__(self) -> None:
        self.counts.outgoing.forget(self)

    def _settle(self) -> None:
        self._wanted = False
        if self._arrived is not None:
            self._arrived.set()
