"""What is counted of an app: plain integers that the request path adds to, and metrics read.

Every request that an app is given (``Counts.begun``, from a socket or from another app's service binding) ends
exactly once: answered with a status, or abandoned, because the client left or the response broke off. So at any time

    begun = answered + abandoned + in flight

Latencies are seconds from the request's complete head to the last byte handed to the socket, of answered requests. They
fall into fixed buckets, as Prometheus has them; a response that took over the connection (101) is no latency.

The app's counts outlive its isolates. Times are ``time.perf_counter``'s seconds.
"""

from __future__ import annotations

from bisect import bisect_left
from time import perf_counter

import attrs
import trio

from nano_trio import logs
from nano_trio.actors.messages import IncomingRequest, OutgoingResponse
from nano_trio.actors.outgoing import Outgoing
from nano_trio.engine.scheduler import Account
from nano_trio.runtime.pieces import Pieces

__all__ = ["BUCKETS", "Counts", "ErrorKind", "Snapshot", "quantile"]

BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the latency buckets in seconds; one more bucket holds what lies beyond."""
_SHORTEST = BUCKETS[0]


class ErrorKind:
    """Why an app's request was not answered as the app would have liked: the rows of the failure table."""

    EXCEPTION = "exception"
    """The handler threw or rejected: 500."""
    NO_RESPONSE = "no_response"
    """It returned something that is no Response: 500."""
    HUNG = "hung"
    """Nothing is pending and no response can ever come: 500."""
    UNSENDABLE = "unsendable"
    """Its response cannot be sent: a header would break the message, or the status is not a final one: 500."""
    STREAM = "stream"
    """The response's stream failed after its head was sent: the response broke off."""
    UNCAUGHT = "uncaught"
    """An exception outside any request's answer: in a timer, or a rejected ``waitUntil``."""
    WEBSOCKET = "websocket"
    """A WebSocket handler threw or rejected: the connection was closed with 1011."""
    CPU_LIMIT = "cpu_limit"
    """A turn used more than ``timeout_ms``: 503."""
    MEMORY_LIMIT = "memory_limit"
    """The heap outgrew ``memory_mb``: 503."""
    STOPPED = "stopped"
    """The isolate was stopped while the request was in it: 503."""
    LOAD = "load"
    """The app could not be loaded: 503."""
    FAILED = "failed"
    """The app has failed after too many restarts, and is not tried for the moment: 503."""
    TIMEOUT = "timeout"
    """No response within ``request_timeout_ms``: 504."""
    MAILBOX_FULL = "mailbox_full"
    """More than ``max_pending`` requests wait: 503."""
    CONNECTIONS_FULL = "connections_full"
    """The app has as many WebSockets as it may (``max_connections``): 503."""
    CONGESTED = "congested"
    """As much as may waits for slow clients: 503, or the stream broke off."""
    DRAINING = "draining"
    """The app is going away: 503."""
    QUARANTINED = "quarantined"
    """The app crashed the engine too often: 503."""


class Counts:
    """An app's."""

    __slots__ = (
        "abandoned",
        "begun",
        "buckets",
        "bytes_in",
        "bytes_out",
        "crashes",
        "errors",
        "evictions",
        "latency_s",
        "messages_in",
        "messages_out",
        "outgoing",
        "restarts",
        "sockets",
        "sockets_opened",
        "starts",
        "statuses",
    )

    def __init__(self) -> None:
        self.begun = 0
        """Requests that the app was given."""
        self.abandoned = 0
        """Requests whose client left, or whose response broke off."""
        self.statuses = [0] * 10
        """Answered requests by the status's first digit."""
        self.buckets = [0] * (len(BUCKETS) + 1)
        """Answered requests by latency; not cumulative."""
        self.latency_s = 0.0
        """The sum of all latencies."""
        self.errors: dict[str, int] = {}
        """By :class:`ErrorKind`."""
        self.bytes_in = 0
        """Bytes of request bodies."""
        self.bytes_out = 0
        """Bytes of response bodies."""
        self.starts = 0
        """Isolates started."""
        self.crashes = 0
        """Isolates that crashed, loads that failed among them."""
        self.restarts = 0
        """Starts after a crash."""
        self.evictions = 0
        """Isolates unloaded after ``idle_timeout_s``."""
        self.sockets = 0
        """WebSocket connections that are open."""
        self.sockets_opened = 0
        self.messages_in = 0
        """WebSocket messages from clients."""
        self.messages_out = 0
        self.outgoing = Outgoing()
        """Large bodies that wait for clients."""

    def end(self, response: OutgoingResponse, request: IncomingRequest, started: float) -> None:
        """A request is answered: its whole response was handed to the socket."""
        status = response.status
        self.statuses[status // 100] += 1
        if request.body is not None and type(request.body) is bytes:
            self.bytes_in += len(request.body)
        body = response.body
        if type(body) is bytes or isinstance(body, Pieces):
            self.bytes_out += len(body)
        if status != 101:
            took = perf_counter() - started
            self.latency_s += took
            # Most are in the first.
            self.buckets[0 if took <= _SHORTEST else bisect_left(BUCKETS, took)] += 1

    def error(self, kind: str) -> None:
        """A request went wrong in one of the ways of :class:`ErrorKind`."""
        self.errors[kind] = self.errors.get(kind, 0) + 1

    @property
    def answered(self) -> int:
        """Requests whose whole response was handed to the socket."""
        return sum(self.statuses)

    @property
    def in_flight(self) -> int:
        """Requests that are neither answered nor abandoned."""
        return self.begun - self.answered - self.abandoned


@attrs.frozen(kw_only=True)
class Snapshot:
    """An app at one moment. Counters count from the process's start; the difference of two snapshots is a rate."""

    app: str
    state: str
    at: float
    """Trio's clock, in seconds."""
    requests: int
    """Begun."""
    answered: int
    abandoned: int
    in_flight: int
    statuses: tuple[int, ...]
    """Answered requests by the status's first digit."""
    errors: dict[str, int]
    buckets: tuple[int, ...]
    """Answered requests by latency, see :data:`BUCKETS`; not cumulative."""
    latency_s: float
    cpu_s: float
    """CPU time of all turns."""
    turns: int
    preemptions: int
    memory: int
    """The heap's size in bytes when last read; 0 while asleep."""
    isolates: int = 0
    """The one that serves, and older versions that drain."""
    mailbox: int
    """Requests that wait for their turn to begin."""
    bytes_in: int
    bytes_out: int
    starts: int
    restarts: int
    """Starts after a crash."""
    crashes: int
    evictions: int
    sockets: int
    """WebSocket connections that are open."""
    sockets_opened: int
    messages_in: int
    messages_out: int
    log_lines: int = 0
    """Lines logged."""
    log_lines_dropped: int = 0
    """Lines beyond the app's limit."""
    last_error: str | None

    @classmethod
    def of(
        cls,
        app: str,
        counts: Counts,
        account: Account,
        *,
        state: str,
        memory: int,
        isolates: int,
        mailbox: int,
        last_error: str | None,
    ) -> Snapshot:
        """An app now."""
        return cls(
            app=app,
            state=state,
            at=trio.current_time(),
            requests=counts.begun,
            answered=counts.answered,
            abandoned=counts.abandoned,
            in_flight=counts.in_flight,
            statuses=tuple(counts.statuses),
            errors=dict(counts.errors),
            buckets=tuple(counts.buckets),
            latency_s=round(counts.latency_s, 6),
            cpu_s=round(account.cpu_ns / 1e9, 6),
            turns=account.turns,
            preemptions=account.slices,
            memory=memory,
            isolates=isolates,
            mailbox=mailbox,
            bytes_in=counts.bytes_in,
            bytes_out=counts.bytes_out,
            starts=counts.starts,
            restarts=counts.restarts,
            crashes=counts.crashes,
            evictions=counts.evictions,
            sockets=counts.sockets,
            sockets_opened=counts.sockets_opened,
            messages_in=counts.messages_in,
            messages_out=counts.messages_out,
            log_lines=logs.rates.written.get(app, 0),
            log_lines_dropped=logs.rates.dropped.get(app, 0),
            last_error=last_error,
        )

    def since(self, before: Snapshot | None) -> tuple[int, ...]:
        """The latency buckets of what was answered since ``before``; of everything where the app began anew."""
        if before is None or before.answered > self.answered:
            return self.buckets
        return tuple(now - then for now, then in zip(self.buckets, before.buckets, strict=True))


def quantile(buckets: tuple[int, ...], q: float) -> float | None:
    """The latency in seconds below which the share ``q`` lies, linear within its bucket; None without requests.

    What lies beyond the last bound counts as the last bound, as with Prometheus's ``histogram_quantile``.
    """
    total = sum(buckets)
    if not total:
        return None
    rank, below, lower = q * total, 0, 0.0
    for count, upper in zip(buckets, BUCKETS, strict=False):
        if count and below + count >= rank:
            return lower + (upper - lower) * max(rank - below, 0.0) / count
        below += count
        lower = upper
    return BUCKETS[-1]
