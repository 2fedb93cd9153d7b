"""On whose behalf an app logs and fetches: the request's id, and its place in a distributed trace.

A turn's cause (:attr:`nano_trio.engine.isolate.Isolate.cause`) is the number of a request, or the WebSocket whose
event it is. A request is known by its number while it is in progress; afterwards while promises of ``waitUntil`` are
pending; and of those that left timers, operations or a turn that goes on behind, the last ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from nano_trio.actors import request_ids

if TYPE_CHECKING:
    from nano_trio.actors.exchange import AppExchange
    from nano_trio.actors.messages import Origin

__all__ = ["Cause", "Originated", "Origins"]

_MOST_KEPT = 128
"""Requests that are remembered for what they left behind."""


class Originated(Protocol):
    """A cause that knows its origin itself."""

    origin: Origin | None


Cause = int | Originated | None


class Origins:
    """Those of one incarnation; ``exchanges`` are its requests in progress."""

    def __init__(self, exchanges: Mapping[int, AppExchange]) -> None:
        self._exchanges = exchanges
        self._late: dict[int, list[Any]] = {}
        self._kept: dict[int, Origin] = {}

    def extend(self, request: int) -> None:
        """``waitUntil`` was called: the request is remembered until as many calls of :meth:`settled`."""
        self._late.setdefault(request, [0, self._exchanges[request].request.origin])[0] += 1

    def settled(self, request: int) -> None:
        """A promise of ``waitUntil`` settled."""
        late = self._late.get(request)
        if late is not None:
            late[0] -= 1
            if not late[0]:
                del self._late[request]

    def keep(self, cause: Cause) -> None:
        """A timer or an operation was begun that may outlive the request, or its turn may."""
        exchange = self._exchanges.get(cause) if isinstance(cause, int) else None
        if exchange is not None and exchange.id not in self._kept:
            if len(self._kept) >= _MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[exchange.id] = exchange.request.origin

    def of(self, cause: Cause) -> Origin | None:
        """Who it was; None where nobody knows."""
        if cause is None:
            return None
        if not isinstance(cause, int):
            return cause.origin
        exchange = self._exchanges.get(cause)
        if exchange is not None:
            return exchange.request.origin
        late = self._late.get(cause)
        return self._kept.get(cause) if late is None else late[1]

    def about(self, cause: Cause) -> dict[str, str]:
        """What a line in the log says of it."""
        origin = self.of(cause)
        if origin is None:
            return {}
        number, span = origin
        about = {"request_id": request_ids.text(number)}
        if span is not None:
            about["trace_id"], about["span_id"] = span.trace_id, span.span_id
        return about

    def pass_on(self, cause: Cause, headers: list[tuple[str, str]]) -> None:
        """Add ``x-request-id``, ``traceparent`` and ``tracestate`` to the headers of a fetch made on its behalf.

        What the app has set stands. What it has only handed on from the request that it received is no choice of its
        own: that is replaced, as a trace's parent must be.
        """
        origin = self.of(cause)
        if origin is None:
            return
        number, span = origin
        exchange = self._exchanges.get(cause) if isinstance(cause, int) else None
        received = () if exchange is None else exchange.request.headers
        _set(headers, "x-request-id", request_ids.text(number), received)
        if span is not None and _set(headers, "traceparent", span.traceparent, received) and span.context.tracestate:
            _set(headers, "tracestate", span.context.tracestate, received)


def _set(headers: list[tuple[str, str]], name: str, value: str, received: Sequence[tuple[str, str]]) -> bool:
    own = [each for key, each in headers if key == name]
    if own and own != [", ".join(each for key, each in received if key == name)]:
        return False
    if own:
        headers[:] = [pair for pair in headers if pair[0] != name]
    headers.append((name, value))
    return True
