"""One life of an app: an environment with its isolate, and the requests in it.

Theory of operation. An app's actor has one *current* incarnation; one that crashed or was replaced is retired. States:

    LOADING ──loaded──► SERVING ──retire()──► RETIRED
       └──────load_failed, limit exceeded──────► CRASHED

The isolate's queue of turns is the mailbox: requests, timers and results of operations come in one order. Requests that
have not begun count against ``max_pending``. A request that comes while the entry module still evaluates (a top-level
await) waits in ``_unloaded``.

Requests leave in four ways: answered, timed out, abandoned by the client, or answered by us because no answer can come
any more: the isolate was stopped, or it is idle and nothing pending could ever wake it.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog
import trio

from nano_trio.actors.counts import Counts, ErrorKind
from nano_trio.actors.crossing import NO_FIELDS, fields_of, known_fields
from nano_trio.actors.development import failed_response
from nano_trio.actors.endings import NotLoaded, load_failure, stop_cause
from nano_trio.actors.exchange import AppExchange, ResponseStream
from nano_trio.actors.messages import BodyStream, IncomingRequest, OutgoingResponse, Target
from nano_trio.actors.origin import Origins
from nano_trio.actors.outgoing import TIMES, WholeBody
from nano_trio.actors.pages import congested, mailbox_full, plain_response
from nano_trio.actors.piped import decline, hand_on
from nano_trio.actors.rooms import Rooms
from nano_trio.actors.services import AppService
from nano_trio.actors.settings import AppSettings, in_bytes, limits, network
from nano_trio.actors.sockets import Sockets
from nano_trio.engine.errors import JavaScriptError
from nano_trio.engine.modules import AppCode
from nano_trio.engine.scheduler import Account, CpuScheduler
from nano_trio.engine.turn import StopReason
from nano_trio.runtime.body_kinds import AHEAD, BYTES, HELD, NONE, STREAM, TEXT
from nano_trio.runtime.close_codes import GOING_AWAY, SERVICE_RESTART
from nano_trio.runtime.dispatch import Client, WireBody
from nano_trio.runtime.environment import Blank, Environment, cache_in_memory
from nano_trio.runtime.host import text_of

if TYPE_CHECKING:
    from nano_trio.runtime.cache import AppCache

__all__ = ["Incarnation", "Life"]


class Life(enum.Enum):
    """Where an incarnation stands."""

    LOADING = "loading"
    SERVING = "serving"
    RETIRED = "retired"
    CRASHED = "crashed"


_LOADING, _SERVING = Life.LOADING, Life.SERVING  # names of the module are found sooner
_HUNG = "the app's code hangs: it waits for nothing that could still happen, and will never generate a response"


class Incarnation:
    """An environment that answers requests. ``on_crash`` is told once, outside any turn, why it died.

    ``supervise`` is to have :meth:`run` called, which it asks for when it first has something to run.
    """

    def __init__(
        self,
        settings: AppSettings,
        code: AppCode,
        scheduler: CpuScheduler,
        account: Account,
        on_crash: Callable[[Incarnation, str], None],
        rooms: Callable[[], Rooms],
        spawn: Callable[..., None],
        *,
        counts: Counts,
        supervise: Callable[[Incarnation], None],
        cache: Callable[[], AppCache] = cache_in_memory,
        find: Callable[[str], Target | None] = lambda name: None,
        dev: bool = False,
        blank: Blank | None = None,
    ) -> None:
        self.settings = settings
        self.calls = frozenset(settings.services.values())
        """The apps that it was made to call; what is in :attr:`settings` is the newest version's."""
        self.life = Life.LOADING
        self._counts = counts
        counts.outgoing.most = TIMES * in_bytes(settings.memory_mb)
        self._dev = dev
        self._on_crash = on_crash
        self._exchanges: dict[int, AppExchange] = {}
        self._origins = Origins(self._exchanges)
        self._unloaded: list[AppExchange] = []
        self.fetch: Any = None
        """The entry point of a request's turn, while there is one."""
        self._streams: dict[ResponseStream, None] = {}
        self._rooms = rooms
        self._spawn = spawn
        self._sockets: Sockets | None = None
        self._last = 0
        self.mailbox = 0
        """Requests whose turn has not begun."""
        self._unanswered = 0
        self._extended = 0
        self._load_error: str | None = None
        self.death: str | None = None
        """Why it crashed."""
        self._has_waited = False  # it had a timer or an operation
        self._supervise = supervise
        self._drained: trio.Event | None = None
        """Set when a drain that waits may look again."""
        self._loaded: trio.Event | None = None
        self._timeout_s = settings.request_timeout_ms / 1e3
        self._environment = Environment(
            scheduler,
            self,
            self,
            account=account,
            limits=limits(settings.timeout_ms, settings.memory_mb),
            max_buffer_bytes=in_bytes(settings.max_buffer_size_mb),
            network=network(settings.allow_net, settings.extra_ca_certs, self._timeout_s, dev),
            cache=cache,
            bindings={
                name: AppService(settings.name, target, find, self._chain_of, self._origins.of)
                for name, target in settings.services.items()
            },
            code=code,
            blank=blank,
            on_work=self._work_begins,
        )
        isolate = self._environment.isolate
        isolate.on_stopped = self._stopped
        isolate.on_idle = self._idle

    @functools.cached_property
    def _log(self) -> Any:
        return structlog.get_logger("nano_trio.app", app=self.settings.name)

    def _work_begins(self) -> None:
        self._has_waited = True
        self._supervise(self)

    def _chain_of(self, request: int | None) -> tuple[str, ...]:
        exchange = None if request is None else self._exchanges.get(request)
        return () if exchange is None else exchange.request.chain

    @property
    def did_not_load(self) -> bool:
        """Whether that is what it ended of."""
        return self._load_error is not None

    @property
    def would_fail_again(self) -> bool:
        """Whether its code did not load, and nothing but a change of it could make a difference."""
        return self._load_error is not None and not self._has_waited

    def load(self) -> None:
        """Evaluate the entry module: here and now, as far as its first slice goes."""
        self._environment.load(self.settings.env)

    async def wait_loaded(self) -> None:
        """Wait until its entry module is evaluated. Raises :class:`NotLoaded` where that went wrong."""
        if self.life is _LOADING:
            self._loaded = trio.Event()
            await self._loaded.wait()
        if self.life is not _SERVING:
            raise NotLoaded(self.death or "it was stopped")

    def take(self, settings: AppSettings) -> None:
        """New limits, in force from the next request and turn on. What needs a new isolate stays as it is."""
        self.settings = settings
        self._timeout_s = settings.request_timeout_ms / 1e3
        self._environment.take_limits(turn_ms=settings.timeout_ms, response_timeout_s=self._timeout_s)
        if self._sockets is not None:
            self._sockets.together = 0

    async def run(self) -> None:
        """Own the environment's timers and operations until the incarnation ends."""
        try:
            await self._environment.run()
        finally:
            self.retire()

    # -- requests ----------------------------------------------------------------------------------------------------

    def accept(self, exchange: AppExchange) -> None:
        """Take a request: its turn runs here and now where the isolate is free. Never blocks."""
        if self.mailbox >= self.settings.max_pending:
            exchange.answer(mailbox_full(), ErrorKind.MAILBOX_FULL)
            return
        self._last = exchange.id = exchange.cause = self._last + 1
        exchange.incarnation = self
        self._exchanges[exchange.id] = exchange
        self.mailbox += 1
        self._unanswered += 1
        if self.life is _LOADING:
            self._unloaded.append(exchange)
        else:
            self._environment.isolate.submit(exchange)
        if exchange.response is None and not exchange.deadline:
            exchange.deadline = trio.current_time() + self._timeout_s

    def turn_stopped(self, exchange: AppExchange, reason: StopReason) -> None:
        """A request's turn was stopped, or will never begin."""
        if not exchange.began:
            exchange.began = True
            self.mailbox -= 1
        if reason is StopReason.CPU:
            page = plain_response(503, f"the app used more than {self.settings.timeout_ms:g} ms of CPU time")
            self._answer(exchange, page, ErrorKind.CPU_LIMIT)
        elif reason is StopReason.MEMORY:
            page = plain_response(503, f"the app outgrew its memory limit of {self.settings.memory_mb:g} MB")
            self._answer(exchange, page, ErrorKind.MEMORY_LIMIT)

    def _answer(self, exchange: AppExchange, response: OutgoingResponse, error: str | None = None) -> None:
        if exchange.response is None:
            exchange.answer(response, error)
            self._unanswered -= 1

    def release(self, exchange: AppExchange) -> None:
        """The connection is done with the exchange."""
        if self._exchanges.pop(exchange.id, None) is not None:
            if exchange.stream is not None:
                self._streams.pop(exchange.stream, None)
                exchange.stream.release()
            if exchange.pipe is not None:
                exchange.pipe.fail("the response is over")
                exchange.pipe.release()
                if self.life is _SERVING:
                    self._environment.enter("piped", exchange.id)
            if exchange.response is None:
                self._answer(exchange, plain_response(503, "given up"))
            if self._drained is not None:
                self._check_drained()

    def abandon(self, exchange: AppExchange, reason: str) -> None:
        """The client left: abort the request's signal, cancel its body stream."""
        if exchange.id in self._exchanges and (exchange.response is None or exchange.stream or exchange.pipe):
            self._abort(exchange, "AbortError", f"the client disconnected: {reason}")
        self.release(exchange)

    def timed_out(self, exchange: AppExchange) -> None:
        """The request's wall-clock limit is over."""
        page = plain_response(504, f"the app did not answer within {self.settings.request_timeout_ms:g} ms")
        self._answer(exchange, page, ErrorKind.TIMEOUT)
        limit_ms = self.settings.request_timeout_ms
        self._log.warning(
            "request timed out", url=exchange.request.url, limit_ms=limit_ms, **self._origins.about(exchange.id)
        )
        self._abort(exchange, "TimeoutError", "the request's time is over")

    def _abort(self, exchange: AppExchange, name: str, message: str) -> None:
        if exchange.stream is not None:
            exchange.stream.fail(message)
            self._streams.pop(exchange.stream, None)
        pipe, exchange.pipe = exchange.pipe, None
        if pipe is not None:
            pipe.fail(message)
            pipe.release()
        if exchange.began and self.life is _SERVING:
            self._environment.enter("abort", exchange.id, name, message)
            if not exchange.extended:
                self._environment.abort_fetches(exchange.id, message)
        elif exchange.response is None:
            self._answer(exchange, plain_response(503, message))

    def pull(self, exchange: AppExchange) -> None:
        """Read the next chunk of a streamed response."""
        if self.life is _SERVING:
            self._environment.enter("pull", exchange.id, cause=exchange.id)
        elif exchange.stream is not None:
            exchange.stream.fail("the app's isolate was replaced")

    # -- what JavaScript says (AppHost, LogSink): called inside turns --------------------------------------------------

    def loaded(self) -> None:
        self.fetch = self._environment.entry_point("fetch")
        self.life = Life.SERVING
        if self._loaded is not None:
            self._loaded.set()
        waiting, self._unloaded = self._unloaded, []
        for exchange in waiting:
            self._environment.isolate.submit(exchange)

    def hand_back(self) -> list[AppExchange]:
        """The requests that wait until it is loaded, where a newer version is. It knows them no more."""
        waiting, self._unloaded = self._unloaded, []
        waiting = [exchange for exchange in waiting if self._exchanges.pop(exchange.id, None) and not exchange.response]
        for exchange in waiting:
            exchange.incarnation = None
            self.mailbox -= 1
            self._unanswered -= 1
        self._check_drained()
        return waiting

    def load_failed(self, text: str, stack: str) -> None:
        error = self._environment.render(text, stack)
        self._load_error = str(error)
        self._environment.isolate.stop()

    def evaluated(self, text: str | None) -> None:
        """Only scripts are evaluated, never apps."""

    def respond(self, request: int, status: int, reason: str | None, headers: str | None, kind: int, body: Any) -> None:
        exchange = self._exchanges.get(request)
        if exchange is None or exchange.response is not None:
            if kind == AHEAD:
                self._environment.large.take()
            elif kind == STREAM:
                self._environment.enter("abort", request, "AbortError", "the response is no longer wanted")
            elif kind in HELD:
                decline(kind, body, self._environment)
                self._environment.enter("piped", request)
            return
        if headers is None:
            pairs, encoded = NO_FIELDS
        else:
            joined = text_of(headers)
            pairs, encoded = known_fields(joined) or fields_of(joined)
        if encoded and (kind == TEXT or (kind == AHEAD and body)):
            # A text is not compressed: these are the headers of a fetched response whose text the app has changed.
            pairs = [pair for pair in pairs if pair[0] != "content-encoding"]
        content: bytes | BodyStream | None
        if kind == TEXT:
            text = text_of(body)
            try:
                content = text.encode()
            except UnicodeEncodeError:
                content = text.encode("utf-8", "replace")
        elif kind == BYTES:
            content = body.to_bytes()
        elif kind == NONE:
            content = None
        elif kind == STREAM:
            content = exchange.stream = ResponseStream(exchange)
            self._streams[content] = None
        elif kind in HELD:
            exchange.pipe, pairs = hand_on(exchange, pairs, kind, body, self._exchanges, self._environment)
            content = exchange.pipe
        else:  # AHEAD
            body = self._environment.large.take()
            if not self._counts.outgoing.has_room(len(body)):
                self._answer(exchange, congested(), ErrorKind.CONGESTED)
                return
            content = WholeBody(body, self._counts.outgoing)
        self._unanswered -= 1
        response = OutgoingResponse(status, "" if reason is None else text_of(reason), pairs, content)
        if exchange.answered is None:
            exchange.response = response
        else:
            exchange.answer(response)

    def failed(self, request: int, text: str, stack: str) -> None:
        exchange = self._exchanges.get(request)
        error = self._environment.render(text, stack)
        self._log.error("the handler failed", error=str(error), **self._origins.about(request))
        if exchange is not None:
            self._answer(exchange, self._error_page(exchange, str(error)), ErrorKind.EXCEPTION)

    def no_response(self, request: int, text: str) -> None:
        exchange = self._exchanges.get(request)
        message = f"the fetch handler returned {text_of(text)}; it must return a Response or a promise of one"
        self._log.error("no response", error=message, **self._origins.about(request))
        if exchange is not None:
            self._answer(exchange, self._error_page(exchange, message), ErrorKind.NO_RESPONSE)

    def _error_page(self, exchange: AppExchange, detail: str) -> OutgoingResponse:
        text = f"Internal Server Error (request {exchange.request.id})"
        return failed_response(exchange.request, 500, text, detail, self.settings.path, dev=self._dev)

    def chunk(self, request: int, data: Any) -> bool:
        environment = self._environment
        chunk = environment.large.take() if data is True else (data.to_bytes(),)
        stream = self._stream(request)
        return stream is not None and stream.put(chunk, read_on=environment.isolate.turn_is_young)

    def stream_ended(self, request: int) -> None:
        stream = self._stream(request)
        if stream is not None:
            stream.end()
            self._streams.pop(stream, None)

    def stream_failed(self, request: int, text: str, stack: str) -> None:
        stream = self._stream(request)
        if stream is not None:
            error = self._environment.render(text, stack)
            self._log.error("the response's stream failed", error=str(error), **self._origins.about(request))
            stream.counts.error(ErrorKind.STREAM)
            stream.fail(text_of(text))
            self._streams.pop(stream, None)

    def _stream(self, request: int) -> ResponseStream | None:
        exchange = self._exchanges.get(request)
        return None if exchange is None else exchange.stream

    @property
    def sockets(self) -> Sockets:
        if self._sockets is None:
            self._sockets = Sockets(self, self._environment, self._rooms(), self._counts, self._log, self._spawn)
        return self._sockets

    def answer_upgrade(
        self, request: int, response: OutgoingResponse, error: str | None = None
    ) -> IncomingRequest | None:
        """The app accepts a request's WebSocket, or we refuse it for the app. None: nobody waits for the answer."""
        exchange = self._exchanges.get(request)
        if exchange is None or exchange.response is not None:
            return None
        self._answer(exchange, response, error)
        return exchange.request

    def socket_ended(self) -> None:
        """A WebSocket is over, and the app was told."""
        self._check_drained()

    def extend(self, request: int) -> None:
        self._extended += 1
        exchange = self._exchanges.get(request)
        if exchange is not None:
            exchange.extended = True
            self._origins.extend(request)

    def settled(self, request: int) -> None:
        self._extended -= 1
        self._origins.settled(request)
        self._check_drained()

    def read_body(self, request: int, operation: int) -> None:
        exchange = self._exchanges.get(request)
        if exchange is not None:
            self._environment.begin_operation(operation, exchange.read_chunk)
        else:
            self._environment.settle(operation, False, "TypeError", "the request is over; its body is gone")

    def read_whole_body(self, request: int, operation: int, text: bool) -> None:
        exchange = self._exchanges.get(request)
        if exchange is not None:
            limit = in_bytes(self.settings.max_buffer_size_mb)
            self._environment.begin_operation(operation, exchange.read_whole, limit, text, self._environment.held())
        else:
            self._environment.settle(operation, False, "TypeError", "the request is over; its body is gone")

    def cancel_body(self, request: int) -> None:
        """Nothing to do: what the app does not read stays on the wire, and the connection deals with it."""

    def client(self, request: int) -> Client | None:
        exchange = self._exchanges.get(request)
        return None if exchange is None else exchange.request

    def request_body(self, request: int) -> WireBody | None:
        exchange = self._exchanges.get(request)
        return None if exchange is None else exchange.wire_body()

    def keep(self, cause: Any) -> None:
        self._origins.keep(cause)

    def pass_on(self, cause: Any, headers: list[tuple[str, str]]) -> None:
        self._origins.pass_on(cause, headers)

    def line(self, level: str, text: str) -> None:
        about = self._origins.about(self._environment.isolate.cause)
        getattr(self._log, _LOG_METHODS[level])(text, console=level, **about)

    def exception(self, error: JavaScriptError) -> None:
        self._counts.error(ErrorKind.UNCAUGHT)
        self._log.error("uncaught exception", error=str(error), **self._origins.about(self._environment.isolate.cause))

    # -- the end -----------------------------------------------------------------------------------------------------

    def _idle(self) -> None:
        """After the last turn: does anybody wait for what can never come?"""
        if self._unanswered == 0 and self.life is not _LOADING:
            return
        # A stream's next pull, or its end, is another turn; and one that only waits may be fed by any later request.
        # So may whoever waits for a WebSocket's next message.
        if self._environment.pending or self._streams or self._open_sockets:
            return
        if self.life is _LOADING:
            self._load_error = "the entry module's top-level await waits for nothing that could still happen"
            self._environment.isolate.stop()
            self._stopped(StopReason.CANCELLED)
            return
        hung = [exchange for exchange in self._exchanges.values() if exchange.response is None and exchange.began]
        for exchange in hung:
            self._log.error("no response", error=_HUNG, **self._origins.about(exchange.id))
            self._answer(exchange, self._error_page(exchange, _HUNG), ErrorKind.HUNG)
        for exchange in hung:
            # The isolate waits no longer either, or it would keep each such request for as long as it lives.
            self._abort(exchange, "AbortError", "the request was answered: nothing could happen any more")

    def _stopped(self, reason: StopReason) -> None:
        """The isolate takes no further turns: a limit, or a load that failed."""
        if self.life in (Life.RETIRED, Life.CRASHED):
            return
        if self._load_error is not None:
            why = load_failure(self._load_error)
        else:
            why = stop_cause(reason, self._environment.isolate, self.settings)
        self.life = Life.CRASHED
        self.death = why
        self._close("the app was stopped" if self._load_error is None else "the app could not be loaded", why)
        self._on_crash(self, why)

    def retire(self) -> None:
        """End now: requests in it are answered with 503. Not from inside a turn. Idempotent."""
        if self.life in (Life.RETIRED, Life.CRASHED):
            return
        self.life = Life.RETIRED
        self._close("the app was stopped", "")

    def _close(self, text: str, detail: str) -> None:
        title, retry = f"Service Unavailable: {text}", ("retry-after", "1")
        kind = ErrorKind.STOPPED if self._load_error is None else ErrorKind.LOAD
        for exchange in list(self._exchanges.values()):
            if exchange.response is None:
                path = self.settings.path
                page = failed_response(exchange.request, 503, title, detail, path, retry, dev=self._dev)
                self._answer(exchange, page, kind)
            exchange.break_off(text)
        self._exchanges.clear()
        self._streams.clear()
        self._unloaded.clear()
        self.fetch = None
        if self._sockets is not None:
            if self.life is Life.CRASHED:
                self._sockets.close_all(SERVICE_RESTART, "service restart")
            else:
                self._sockets.close_all(GOING_AWAY, "going away")
            self._sockets.release()
            self._sockets = None
        self._environment.close()
        for event in (self._drained, self._loaded):
            if event is not None:
                event.set()

    @property
    def busy(self) -> bool:
        """Requests, work kept alive by waitUntil, timers, operations or WebSockets are in progress."""
        environment = self._environment
        return bool(self.serves or environment.pending or environment.isolate.busy)

    @property
    def serves(self) -> bool:
        """Requests, work kept alive by waitUntil or WebSockets are in progress."""
        return self.life in (_LOADING, _SERVING) and bool(self._exchanges or self._extended or self._open_sockets)

    @property
    def _open_sockets(self) -> int:
        return 0 if self._sockets is None else self._sockets.open

    def snapshot(self) -> dict[str, Any]:
        """Plain facts for the supervision tree."""
        return {
            "state": self.life.value,
            "requests": len(self._exchanges),
            "operations": 0 if self.life is Life.CRASHED else self._environment.pending,
            "memory_bytes": self.memory_used,
        }

    def _check_drained(self) -> None:
        if self._drained is not None and not self.serves:
            self._drained.set()

    async def drain(self) -> None:
        """Wait until the requests in it, and what they keep alive by waitUntil, are done. WebSockets are closed."""
        if self._sockets is not None and self.life is _SERVING:
            self._sockets.close_all(GOING_AWAY, "going away")
        while self.serves:
            if self._drained is None or self._drained.is_set():  # else another waits for the same
                self._drained = trio.Event()
            await self._drained.wait()

    @property
    def memory_used(self) -> int:
        """The heap's size in bytes when last read."""
        return self._environment.isolate.memory_used


_LOG_METHODS = {"debug": "debug", "log": "info", "info": "info", "warn": "warning", "error": "error"}
