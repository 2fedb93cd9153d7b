"""The actor of one app: starts incarnations, replaces those that crash, answers for the app when none can.

    ASLEEP ──request or preload──► AWAKE ──crash──► ASLEEP (restarted by the next request, or at once with preload)
      ▲                              │  └──more crashes than the intensity allows──► FAILED ──pause over──► ASLEEP
      └──────────idle_timeout_s──────┘
    any ──drain()──► DRAINING ──open_doors()──► ASLEEP or AWAKE

A new version is loaded beside the one that serves (:meth:`App.prepare`), and takes its place in one step
(:meth:`App.switch`): the old one finishes what it has. One that does not load changes nothing.

An app that nobody asks for costs this object and nothing else. Whatever an app runs is a temporary child of the apps'
supervisor: what follows a crash is decided here, for here a restart waits for somebody who wants it. An incarnation is
one from its first timer or operation on: until then it is turns and nothing else, and needs no task.
"""

from __future__ import annotations

import contextlib
import functools
import math
import time
from typing import TYPE_CHECKING, Any

import structlog
import trio

from nano_trio import logs
from nano_trio.actors.app_state import AppState
from nano_trio.actors.counts import Counts, ErrorKind, Snapshot
from nano_trio.actors.development import failed_response
from nano_trio.actors.endings import NotLoaded
from nano_trio.actors.exchange import AppExchange
from nano_trio.actors.incarnation import Incarnation
from nano_trio.actors.messages import IncomingRequest, OutgoingResponse
from nano_trio.actors.pages import going_away, mailbox_full, plain_response
from nano_trio.actors.restarts import RestartIntensity
from nano_trio.actors.rooms import Rooms
from nano_trio.actors.settings import SupervisedSettings, in_bytes
from nano_trio.actors.source import Source
from nano_trio.actors.surroundings import Registry
from nano_trio.actors.unstarted import Unstarted
from nano_trio.actors.version import Version
from nano_trio.engine.modules import AppCode
from nano_trio.engine.preparation import LOAD_MS, Means
from nano_trio.engine.scheduler import Account
from nano_trio.runtime.environment import Blank

if TYPE_CHECKING:
    from nano_trio.runtime.cache import AppCache

__all__ = ["App", "AppState"]


_DRAINING = AppState.DRAINING  # a name of the module is found sooner


class App:
    """Implements :class:`nano_trio.actors.messages.Target`."""

    __slots__ = (
        "__weakref__",
        "_account",
        "_blank",
        "_caches",
        "_counts",
        "_crashed_last",
        "_current",
        "_idle_since",
        "_registry",
        "_restarts",
        "_rooms",
        "_turns_seen",
        "_unstarted",
        "last_error",
        "last_reload_error",
        "leaving",
        "name",
        "replacements",
        "settings",
        "since",
        "source",
        "state",
    )

    def __init__(self, settings: SupervisedSettings, registry: Registry) -> None:
        self.name = settings.name
        self.settings = settings
        self.source = Source(settings.path, registry.bytecode, registry.tools)
        self.state = AppState.ASLEEP
        self.since = time.time()
        """When it came into this state, in seconds since 1970."""
        logs.rates.limit(self.name, settings.max_log_lines_per_s)
        self.last_error: str | None = None
        """Why the app last crashed or could not be loaded."""
        self.last_reload_error: str | None = None
        """Why its newest version does not serve; None where it does."""
        self.replacements = 0
        """How often a running version was replaced by a newer one."""
        self._registry = registry
        self._account: Account | None = None
        self._counts: Counts | None = None
        self._restarts: RestartIntensity | None = None
        self._blank: Blank | None = None
        """An isolate that is being built for the next start."""
        self._current: Incarnation | None = None
        self.leaving: dict[Incarnation, None] = {}
        """Replaced versions that drain."""
        self._unstarted = Unstarted()
        self._turns_seen = -1
        self._idle_since = 0.0
        self._crashed_last = False
        self._caches: AppCache | None = None
        self._rooms: Rooms | None = None

    # An app that sleeps has none of these three yet: ten thousand would take 8 MB.

    @property
    def account(self) -> Account:
        """What its turns have used."""
        if self._account is None:
            self._account = Account(self._registry.number_of(self.name))
        return self._account

    @property
    def counts(self) -> Counts:
        """What is counted of it."""
        if self._counts is None:
            self._counts = Counts()
        return self._counts

    @property
    def restarts(self) -> RestartIntensity:
        """Its crashes, and what follows from them."""
        if self._restarts is None:
            self._restarts = RestartIntensity(self.settings.max_restarts, self.settings.restart_window_s)
        return self._restarts

    @property
    def _log(self) -> Any:
        return structlog.get_logger("nano_trio.app", app=self.name)

    def _enter(self, state: AppState) -> None:
        if state is not self.state:
            self.state, self.since = state, time.time()
            self._registry.stirred(self)

    def _enter_if_open(self, state: AppState) -> None:
        """The same, but an app that drains does so whatever becomes of its isolates."""
        if self.state is not _DRAINING:
            self._enter(state)

    @property
    def rooms(self) -> Rooms:
        """Groups of the app's WebSockets."""
        if self._rooms is None:
            registry = self._registry
            self._rooms = Rooms(
                self.name, registry.scheduler, self.account, self.counts, registry.spawn, registry.room_bus
            )
        return self._rooms

    def _cache(self) -> AppCache:
        """Few apps ever touch their caches."""
        if self._caches is None:
            from nano_trio.runtime.cache import AppCache, cache_file

            folder = self._registry.state_dir
            file = None if folder is None else cache_file(folder, self.name)
            self._caches = AppCache(file, in_bytes(self.settings.cache_max_mb), log=self._log)
        return self._caches

    @property
    def rooms_if_any(self) -> Rooms | None:
        """The same; None where no connection ever asked for them."""
        return self._rooms

    # -- requests ----------------------------------------------------------------------------------------------------

    @property
    def prompt(self) -> bool:
        """Whether its turns have long been short."""
        return self.account.proven

    @property
    def max_body(self) -> int | None:
        """Bytes that a request's body may have; None: any number."""
        limit = self.settings.max_body_mb
        return None if limit is None else in_bytes(limit)

    def begin(self, request: IncomingRequest) -> AppExchange:
        """Hand a request to the app, starting it where it sleeps. Never blocks, never raises."""
        exchange = AppExchange(request, self._counts or self.counts)
        if self.state is _DRAINING and not self._registry.lets_in(self, request):
            exchange.answer(going_away(), ErrorKind.DRAINING)
        elif (current := self._current) is not None:
            current.accept(exchange)
        elif self._waits or not self._registry.scheduler.may_begin(self.account) or not self._registry.scheduler.idle:
            # A start takes long: not in the way of whoever else has come in this pass.
            self._wait_for_start(exchange)
        else:
            self._start_for(exchange)
        return exchange

    def _start_for(self, exchange: AppExchange) -> None:
        incarnation = self._current or self._start()
        if incarnation is not None:
            incarnation.accept(exchange)
        elif self.source.is_being_read:
            self._wait_for_start(exchange)
        else:
            exchange.answer(self._failed_page(exchange.request), self._failure())

    def _failure(self) -> str:
        if self.name in self._registry.quarantined:
            return ErrorKind.QUARANTINED
        return ErrorKind.FAILED if self.restarts.retry_in(trio.current_time()) > 0 else ErrorKind.LOAD

    # -- starts that had no room in the pass in which they were asked for -------------------------------------------

    @property
    def _waits(self) -> bool:
        """Some requests wait for the app's start already."""
        return self.source.is_being_read or bool(self._unstarted)

    def _wait_for_start(self, exchange: AppExchange) -> None:
        if len(self._unstarted) >= self.settings.max_pending:
            exchange.answer(mailbox_full(), ErrorKind.MAILBOX_FULL)
            return
        if not self._waits:
            self._registry.scheduler.request(self, suspended=False)
        exchange.deadline = exchange.deadline or trio.current_time() + self.settings.request_timeout_ms / 1e3
        self._unstarted.add(exchange)

    def run_slice(self, slice_ns: int) -> None:
        """A grant of the scheduler: get on with the start, for those that wait for it, as far as the slice goes."""
        ends = time.perf_counter_ns() + slice_ns
        failed = False
        if self._current is None and self._may_start:
            code = self._read()
            if self.source.is_being_read:
                return
            failed = code is None
            if not failed:
                blank = self._blank = self._blank or self._registry.blanks.take()
                while not blank.ready and time.perf_counter_ns() < ends:
                    blank.step()
                if time.perf_counter_ns() >= ends:
                    self._registry.scheduler.request(self, suspended=False)
                    return
        for exchange in self._unstarted.take():
            if exchange.response is not None:
                continue
            if failed:
                exchange.answer(self._failed_page(exchange.request), self._failure())
            else:
                self._start_for(exchange)
        self._unstarted.settle()

    def _read(self) -> AppCode | None:
        """The code; None where it does not load, which counts as a crash, and while it is being read."""
        try:
            return self.source.get(self._means(self.settings), self._source_read)
        except NotLoaded as error:
            self._crashed(None, str(error))
            return None

    def _means(self, settings: SupervisedSettings) -> Means:
        """To read and compile code."""
        limit_ms = max(settings.timeout_ms, LOAD_MS)
        return Means(self._registry.scheduler, self.account, limit_ms, self._registry.spawn)

    def _source_read(self) -> None:
        if self._unstarted:
            self._registry.scheduler.request(self, suspended=False)
        else:
            self.start()

    # -- starts ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Load the app now, as ``preload`` asks for. What goes wrong is logged."""
        if self._current is None and self.state is not _DRAINING:
            self._start()

    @property
    def _may_start(self) -> bool:
        return self.name not in self._registry.quarantined and self.restarts.retry_in(trio.current_time()) <= 0

    def _start(self) -> Incarnation | None:
        """A new incarnation, or None where the app has failed or does not load, or while its code is being read."""
        if not self._may_start:
            return None
        scheduler = self._registry.scheduler
        begun, used_ns = time.perf_counter_ns(), scheduler.used_ns
        try:
            code = self._read()
            return None if code is None else self._start_now(code)
        finally:
            # Building an isolate takes the pass's time as turns do, the first of which are in this already.
            scheduler.used_ns = used_ns + time.perf_counter_ns() - begun

    def _start_now(self, code: AppCode) -> Incarnation | None:
        incarnation = self._current = self._make(self.settings, code)
        self._begun()
        self._enter_if_open(AppState.AWAKE)
        incarnation.load()
        # The entry module may have ended the incarnation already, and with it cleared _current.
        return self._current

    def _make(self, settings: SupervisedSettings, code: AppCode) -> Incarnation:
        registry = self._registry
        blank, self._blank = self._blank or registry.blanks.take(), None
        blank.finish()
        return Incarnation(
            settings,
            code,
            registry.scheduler,
            self.account,
            self._crashed,
            lambda: self.rooms,
            registry.spawn,
            counts=self.counts,
            cache=self._cache,
            supervise=self._supervise,
            find=registry.find,
            dev=registry.dev,
            blank=blank,
        )

    def _begun(self) -> None:
        self._registry.unloadable.discard(self)
        self.counts.starts += 1
        if self._crashed_last:
            self._crashed_last = False
            self.counts.restarts += 1
        logs.lifecycle(self.name, "started", starts=self.counts.starts)

    def _supervise(self, incarnation: Incarnation) -> None:
        self._registry.supervise(f"{self.name}: isolate", incarnation.run)

    def _crashed(self, incarnation: Incarnation | None, why: str) -> None:
        if incarnation is not None and incarnation is not self._current:
            # An older version, or one that was to become the next: the app as it serves is not concerned.
            if incarnation in self.leaving:
                self._log.warning("the old version crashed while it drained", error=why)
            return
        self.last_error = why
        self.counts.crashes += 1
        if incarnation is None or incarnation.did_not_load:
            self._registry.unloadable.add(self)
        self._crashed_last = True
        self._current = None
        # A file may have been mended since: the next start reads anew.
        self.source.forget()
        now = trio.current_time()
        if self.restarts.crashed(now):
            self._enter_if_open(AppState.ASLEEP)
            self._log.error("the app crashed", error=why)
            logs.lifecycle(self.name, "crashed", reason=why)
            again = self.settings.preload and incarnation is not None and not incarnation.would_fail_again
        else:
            self._enter_if_open(AppState.FAILED)
            pause = self.restarts.retry_in(now)
            self._log.error("the app failed: too many crashes", error=why, retry_in_s=round(pause, 1))
            logs.lifecycle(self.name, "failed", reason=why, retry_in_s=round(pause, 1))
            again = self.settings.preload
        if again and self.state is not _DRAINING:
            self._registry.supervise(f"{self.name}: restart", self._start_again)

    async def _start_again(self) -> None:
        """With ``preload`` nobody's request has to come first."""
        await trio.sleep(self.restarts.retry_in(trio.current_time()))
        self.start()

    def end(self) -> None:
        """Stop what runs, at once; the next request starts the app anew."""
        incarnation, self._current = self._current, None
        if incarnation is not None:
            incarnation.retire()
            if self.state is AppState.AWAKE:
                self._enter(AppState.ASLEEP)

    def _failed_page(self, request: IncomingRequest) -> OutgoingResponse:
        if (reason := self._registry.quarantined.get(self.name)) is not None:
            return plain_response(503, f"Service Unavailable: the app is quarantined: {reason}")
        pause = self.restarts.retry_in(trio.current_time())
        text = "Service Unavailable: the app could not be started"
        retry = ("retry-after", str(max(1, math.ceil(pause))))
        dev = self._registry.dev
        return failed_response(request, 503, text, self.last_error, self.settings.path, retry, dev=dev)

    # -- change ------------------------------------------------------------------------------------------------------

    @property
    def awake(self) -> bool:
        """Whether it has an isolate."""
        return self._current is not None

    def take(self, settings: SupervisedSettings) -> None:
        """Run with other limits from now on. What needs a new isolate is for :meth:`prepare`."""
        self.settings = settings
        self.source.path = settings.path
        logs.rates.limit(self.name, settings.max_log_lines_per_s)
        if self._restarts is not None:
            self._restarts.max_restarts, self._restarts.window_s = settings.max_restarts, settings.restart_window_s
        if self._caches is not None:
            self._caches.limit(in_bytes(settings.cache_max_mb))
        if self._current is not None:
            self._current.take(settings)

    async def prepare(self, settings: SupervisedSettings) -> Version:
        """Load a new version beside the one that serves; it is for :meth:`switch`, or for :meth:`Version.discard`.

        It may take as long as a request. Raises :class:`NotLoaded`.
        """
        if (reason := self._registry.quarantined.get(self.name)) is not None:
            raise NotLoaded(f"the app is quarantined: {reason}")
        code = await self.read_version(settings)
        incarnation = self._make(settings, code)
        version = Version(settings, code, incarnation)
        try:
            incarnation.load()
            with trio.move_on_after(settings.request_timeout_ms / 1e3) as deadline:
                await incarnation.wait_loaded()
            if deadline.cancelled_caught:
                raise NotLoaded(f"cannot load: it is not loaded after {settings.request_timeout_ms:g} ms")
        except BaseException:
            version.discard()
            raise
        return version

    async def read_version(self, settings: SupervisedSettings) -> AppCode:
        """Read the code of a new version, and run nothing of it. Raises :class:`NotLoaded`."""
        return await self.source.read_version(self._means(settings), settings.path)

    def switch(self, version: Version) -> None:
        """From now on requests go to the new version; the old one finishes what it has, within the drain time.

        What waits for the old one's load waits for nothing but its code: that of the new one serves it.
        """
        self.take(version.settings)
        self.source.keep(version.code)
        self.restarts.forgive()
        self.last_reload_error = None
        self.replacements += 1
        self._begun()
        logs.lifecycle(self.name, "replaced", replacements=self.replacements)
        old, self._current = self._current, version.incarnation
        self._enter_if_open(AppState.AWAKE)
        if old is not None:
            for exchange in old.hand_back():
                self._wait_for_start(exchange)
            self._leave(old)
        if version.incarnation.death is not None:
            # It was loaded, and crashed while other apps' new versions were.
            self._crashed(version.incarnation, version.incarnation.death)

    def learn_code(self) -> None:
        """Read the files and run nothing, so that :attr:`Source.is_stale` tells when they change."""
        with contextlib.suppress(NotLoaded):
            self.source.get(self._means(self.settings), self._source_read)

    def forget_code(self) -> None:
        """The next start reads the files anew, and at once even where the app has failed."""
        self.source.forget()
        self._registry.unloadable.discard(self)
        self.restarts.forgive()
        self.last_reload_error = None
        if self.state is AppState.FAILED:
            self._enter(AppState.ASLEEP)

    def _leave(self, old: Incarnation) -> None:
        self.leaving[old] = None
        self._registry.supervise(f"{self.name}: draining", functools.partial(self._drain_old, old))

    async def _drain_old(self, old: Incarnation) -> None:
        try:
            with trio.move_on_after(self._registry.drain_timeout_s):
                await old.drain()
        finally:
            del self.leaving[old]
            old.retire()

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
            if self.state is AppState.AWAKE:
                self._enter(AppState.ASLEEP)
            incarnation.retire()
            self.counts.evictions += 1
            self._log.debug("asleep after idling", idle_timeout_s=timeout)
            logs.lifecycle(self.name, "asleep", idle_timeout_s=timeout)

    async def drain(self) -> None:
        """Take no further requests and wait for those in progress. Cancel the wait to give up on them.

        The app is started for those that it has taken before it was.
        Where :meth:`open_doors` was called meanwhile it ends nothing: a new version serves, and the old one drains.
        """
        self.close_doors()
        try:
            while self.state is _DRAINING and (self._unstarted or any(life.serves for life in self.lives())):
                if self._unstarted:
                    await self._unstarted.settled()
                else:
                    async with trio.open_nursery() as nursery:
                        for incarnation in self.lives():
                            nursery.start_soon(incarnation.drain)
        finally:
            if self.state is _DRAINING:
                self._refuse_unstarted()
                for incarnation in self.lives():
                    incarnation.retire()
                self._current = None

    def lives(self) -> list[Incarnation]:
        """All that it runs: what serves, and replaced versions."""
        return [*self.leaving] if self._current is None else [self._current, *self.leaving]

    @property
    def busy(self) -> bool:
        """Requests, or what they or the app's module began, are in progress."""
        return bool(self._unstarted) or any(incarnation.busy for incarnation in self.lives())

    def close_doors(self, *, gone: bool = False) -> None:
        """Answer further requests with 503; where the app is not to come back those that wait for its start, too."""
        if self.state is not _DRAINING:
            self._enter(AppState.DRAINING)
            logs.lifecycle(self.name, "draining")
        if gone or not self._unstarted:
            self._refuse_unstarted()

    def _refuse_unstarted(self) -> None:
        """Nobody is to wait for a start any more."""
        self._registry.scheduler.withdraw(self)
        self._unstarted.refuse()
        self.source.stop_reading()
        if self._blank is not None:
            self._blank.close()
            self._blank = None

    def open_doors(self) -> None:
        """Take requests again after :meth:`drain`."""
        if self.state is _DRAINING:
            self._enter(AppState.ASLEEP if self._current is None else AppState.AWAKE)
            logs.lifecycle(self.name, "undrained")
            if self.settings.preload:
                self.start()

    # -- what others may see -----------------------------------------------------------------------------------------

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
        return Snapshot.of(
            self.name,
            self._counts or Counts(),
            self._account or Account(),
            state=self.state.value,
            memory=self.memory_used,
            isolates=(self._current is not None) + len(self.leaving),
            mailbox=self.mailbox,
            last_error=self.last_error,
        )

    def tree(self) -> dict[str, Any]:
        """The app's place in the supervision tree (:meth:`nano_trio.actors.supervisor.Supervisor.tree`)."""
        lives = [("isolate", self._current)] if self._current is not None else []
        lives += [("isolate, draining", old) for old in self.leaving]
        return {
            "id": self.name,
            "kind": "supervisor",
            "strategy": "one_for_one",
            "state": self.state.value,
            "since": self.since,
            "restarts": self.restarts.crashes,
            "last_error": self.last_error,
            "last_reload_error": self.last_reload_error,
            "children": [{"id": id, "kind": "worker", **life.snapshot()} for id, life in lives],
        }
