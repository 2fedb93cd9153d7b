"""The actor of one app: starts incarnations, replaces those that crash, answers for the app when none can.

    ASLEEP ──request or preload──► AWAKE ──crash──► ASLEEP (restarted by the next request, or at once with preload)
      ▲                              │  └──more crashes than the intensity allows──► FAILED ──pause over──► ASLEEP
      └──────────idle_timeout_s──────┘
    any ──drain()──► DRAINING

An app that nobody asks for costs this object and nothing else.
"""

from __future__ import annotations

import enum
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import structlog
import trio

from nano_trio import logs
from nano_trio.actors.counts import Counts, ErrorKind, Snapshot
from nano_trio.actors.exchange import AppExchange, plain_response
from nano_trio.actors.incarnation import AppSettings, Incarnation
from nano_trio.actors.messages import IncomingRequest, OutgoingResponse
from nano_trio.actors.restarts import RestartIntensity
from nano_trio.actors.rooms import Rooms
from nano_trio.engine.bytecode import BytecodeCache
from nano_trio.engine.errors import JavaScriptError
from nano_trio.engine.modules import AppCode, ModuleError, load_app
from nano_trio.engine.scheduler import Account, CpuScheduler
from nano_trio.runtime.cache import AppCache, cache_file
from nano_trio.runtime.platform import BUILTIN_MODULES

__all__ = ["App", "AppState", "SupervisedSettings"]


class SupervisedSettings(AppSettings, Protocol):
    """What an app's actor needs of its configuration beyond what its incarnations do."""

    @property
    def path(self) -> Path: ...
    @property
    def preload(self) -> bool: ...
    @property
    def idle_timeout_s(self) -> float | None: ...
    @property
    def max_restarts(self) -> int: ...
    @property
    def restart_window_s(self) -> float: ...
    @property
    def cache_max_mb(self) -> float: ...
    @property
    def max_body_mb(self) -> float | None: ...


class AppState(enum.Enum):
    """Where an app stands."""

    ASLEEP = "asleep"
    AWAKE = "awake"
    FAILED = "failed"
    DRAINING = "draining"


class App:
    """Implements :class:`nano_trio.actors.messages.Target`. ``spawn`` runs a task in the supervisor's nursery."""

    def __init__(
        self,
        settings: SupervisedSettings,
        scheduler: CpuScheduler,
        cache: BytecodeCache,
        spawn: Callable[..., None],
        *,
        find: Callable[[str], App | None] = lambda name: None,
        state_dir: Path | None = None,
        dev: bool = False,
    ) -> None:
        self.name = settings.name
        self.settings = settings
        self.state = AppState.ASLEEP
        self.account = Account()
        self.counts = Counts()
        self.last_error: str | None = None
        """Why the app last crashed or could not be loaded."""
        self.restarts = RestartIntensity(settings.max_restarts, settings.restart_window_s)
        self.rooms = Rooms(settings.name, scheduler, self.account, spawn)
        """Groups of the app's WebSockets."""
        self._scheduler = scheduler
        self._cache = cache
        self._spawn = spawn
        self._find = find
        self._dev = dev
        self._code: AppCode | None = None
        self._current: Incarnation | None = None
        self._unstarted: list[AppExchange] = []
        self._turns_seen = -1
        self._idle_since = 0.0
        self._crashed_last = False
        self._log: Any = structlog.get_logger("nano_trio.app").bind(app=settings.name)
        self._caches = AppCache(
            None if state_dir is None else cache_file(state_dir, settings.name),
            int(settings.cache_max_mb * (1 << 20)),
            log=self._log,
        )

    @property
    def max_body(self) -> int | None:
        """Bytes that a request's body may have; None: any number."""
        limit = self.settings.max_body_mb
        return None if limit is None else int(limit * (1 << 20))

    def begin(self, request: IncomingRequest) -> AppExchange:
        """Hand a request to the app, starting it where it sleeps. Never blocks, never raises."""
        exchange = AppExchange(request, self.counts)
        if self.state is AppState.DRAINING:
            exchange.answer(_going_away(), ErrorKind.DRAINING)
        elif self._current is not None:
            self._current.accept(exchange)
        elif self._unstarted or not self._scheduler.may_begin() or self._scheduler.waiting:
            # Milliseconds: not in the way of whoever else has come in this pass.
            self._wait_for_start(exchange)
        else:
            self._start_for(exchange)
        return exchange

    def _start_for(self, exchange: AppExchange) -> None:
        incarnation = self._current or self._start()
        if incarnation is not None:
            incarnation.accept(exchange)
        else:
            failed = self.restarts.retry_in(trio.current_time()) > 0
            exchange.answer(self._failed_page(), ErrorKind.FAILED if failed else ErrorKind.LOAD)

    # -- starts that had no room in the pass in which they were asked for -------------------------------------------

    def _wait_for_start(self, exchange: AppExchange) -> None:
        if len(self._unstarted) >= self.settings.max_pending:
            page = plain_response(503, "the app's mailbox is full", ("retry-after", "1"))
            exchange.answer(page, ErrorKind.MAILBOX_FULL)
            return
        if not self._unstarted:
            self._scheduler.request(self, suspended=False)
        exchange.deadline = trio.current_time() + self.settings.request_timeout_ms / 1e3
        self._unstarted.append(exchange)

    def run_slice(self, slice_ns: int) -> None:
        """A grant of the scheduler: start now, for those that wait for it."""
        waiting, self._unstarted = self._unstarted, []
        for exchange in waiting:
            if exchange.response is None:
                self._start_for(exchange)

    def start(self) -> None:
        """Load the app now, as ``preload`` asks for. What goes wrong is logged."""
        if self._current is None and self.state is not AppState.DRAINING:
            self._start()

    def _start(self) -> Incarnation | None:
        """A new incarnation, or None where the app has failed or does not load."""
        if self.restarts.retry_in(trio.current_time()) > 0:
            return None
        begun = time.perf_counter_ns()
        try:
            return self._start_now()
        finally:
            # Building an isolate takes the pass's time as turns do.
            self._scheduler.used_ns += time.perf_counter_ns() - begun

    def _start_now(self) -> Incarnation | None:
        try:
            if self._code is None:
                self._code = load_app(self.settings.path, self._cache, BUILTIN_MODULES)
        except (ModuleError, JavaScriptError) as error:
            self._crashed(None, f"cannot load: {error}")
            return None
        self.state = AppState.AWAKE
        self.counts.starts += 1
        if self._crashed_last:
            self._crashed_last = False
            self.counts.restarts += 1
        logs.lifecycle(self.name, "started", starts=self.counts.starts)
        incarnation = self._current = Incarnation(
            self.settings,
            self._code,
            self._scheduler,
            self.account,
            self._crashed,
            self.rooms,
            self._spawn,
            counts=self.counts,
            cache=self._caches,
            find=self._find,
            dev=self._dev,
        )
        incarnation.load()
        # The entry module may have ended the incarnation already, and with it cleared _current.
        if self._current is incarnation:
            self._spawn(incarnation.run)
        return self._current

    def _crashed(self, incarnation: Incarnation | None, why: str) -> None:
        self.last_error = why
        self.counts.crashes += 1
        self._crashed_last = True
        if incarnation is None or incarnation is self._current or self._current is None:
            self._current = None
            if self.state is not AppState.DRAINING:
                self.state = AppState.ASLEEP
        # A file may have been mended since: the next start reads anew.
        self._code = None
        again = self.restarts.crashed(trio.current_time())
        if again:
            self._log.error("the app crashed", error=why)
            logs.lifecycle(self.name, "crashed", reason=why)
            if self.settings.preload and incarnation is not None and self.state is AppState.ASLEEP:
                self._spawn(self._restart)
        else:
            if self.state is not AppState.DRAINING:
                self.state = AppState.FAILED
            pause = self.restarts.retry_in(trio.current_time())
            self._log.error("the app failed: too many crashes", error=why, retry_in_s=round(pause, 1))
            logs.lifecycle(self.name, "failed", reason=why, retry_in_s=round(pause, 1))

    async def _restart(self) -> None:
        await trio.lowlevel.checkpoint()
        self.start()

    def _failed_page(self) -> OutgoingResponse:
        pause = self.restarts.retry_in(trio.current_time())
        text = "Service Unavailable: the app could not be started"
        if self._dev and self.last_error:
            text += f"\n\n{self.last_error}"
        return plain_response(503, text, ("retry-after", str(max(1, math.ceil(pause)))))

    def sweep(self, now: float) -> None:
        """Put the app to sleep where it has had nothing to do for ``idle_timeout_s``. Call about once a second."""
        incarnation, timeout = self._current, self.settings.idle_timeout_s
        if incarnation is None or timeout is None:
            return
        if incarnation.busy or self.account.turns != self._turns_seen:
            self._turns_seen = self.account.turns
            self._idle_since = now
        elif now - self._idle_since >= timeout:
            self._current = None
            self.state = AppState.ASLEEP
            incarnation.retire()
            self.counts.evictions += 1
            self._log.debug("asleep after idling", idle_timeout_s=timeout)
            logs.lifecycle(self.name, "asleep", idle_timeout_s=timeout)

    async def drain(self) -> None:
        """Take no further requests and wait for those in progress. Cancel the wait to give up on them."""
        self.state = AppState.DRAINING
        logs.lifecycle(self.name, "draining")
        self._scheduler.withdraw(self)
        for exchange in self._unstarted:
            exchange.answer(_going_away(), ErrorKind.DRAINING)
        self._unstarted.clear()
        incarnation = self._current
        if incarnation is not None:
            try:
                await incarnation.drain()
            finally:
                self._current = None
                incarnation.retire()

    @property
    def memory_used(self) -> int:
        """The heap's size in bytes when last read; 0 while asleep."""
        return 0 if self._current is None else self._current.memory_used

    @property
    def mailbox(self) -> int:
        """Requests whose turn has not begun."""
        return len(self._unstarted) + (0 if self._current is None else self._current.mailbox)

    def snapshot(self) -> Snapshot:
        """All that is counted of the app, now."""
        counts, account = self.counts, self.account
        return Snapshot(
            app=self.name,
            state=self.state.value,
            at=trio.current_time(),
            requests=counts.begun,
            answered=counts.answered,
            abandoned=counts.abandoned,
            in_flight=counts.in_flight,
            statuses=tuple(counts.statuses),
            errors=dict(counts.errors),
            buckets=tuple(counts.buckets),
            latency_s=counts.latency_s,
            cpu_s=account.cpu_ns / 1e9,
            turns=account.turns,
            preemptions=account.slices,
            memory=self.memory_used,
            mailbox=self.mailbox,
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
            last_error=self.last_error,
        )


def _going_away() -> OutgoingResponse:
    return plain_response(503, "the app is going away", ("connection", "close"))
