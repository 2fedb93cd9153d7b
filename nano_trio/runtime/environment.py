"""One isolate with the Web platform, on Trio: its clock, timers, operations and log.

Theory of operation. An :class:`Environment` joins an isolate and the host functions inside it. Everything that
happens to the isolate from outside is a turn: a timer that is due, an operation that has ended, a request. Host
functions run inside turns, where nothing can be awaited; what they start runs in the environment's nursery
(:meth:`Environment.run`), which ends with the environment, and so no timer and no operation outlives it.

The isolate and its host functions are made before it is known for whom (:class:`Blank`), so that a few may be kept in
store. Until an environment takes them over no code but the platform's has run there, so nothing of one app can come to
another. What the host functions ask of their surroundings they look up when they are called.

The host functions hold :class:`_Host`, which reaches the isolate only through a weak reference: the engine's binding
collects no cycles.
"""

from __future__ import annotations

import json
import time
import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import attrs
import quickjs
import trio

from nano_trio.engine.errors import JavaScriptError, render_error
from nano_trio.engine.freeing import empty_in_slices
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.modules import TAKE_MODULE, TAKE_NAMESPACE, AppCode
from nano_trio.engine.native_calls import enters
from nano_trio.engine.preparation import LOAD_MS
from nano_trio.engine.scheduler import Account, CpuScheduler
from nano_trio.engine.turn import Evaluation, Limits, Turn
from nano_trio.runtime import platform
from nano_trio.runtime.dispatch import AppHost
from nano_trio.runtime.held import Held
from nano_trio.runtime.host import Exhausted, array_of, text_of
from nano_trio.runtime.large import Large
from nano_trio.runtime.net_connect import Network
from nano_trio.runtime.operations import Operations
from nano_trio.runtime.service import Service
from nano_trio.runtime.timers import Timers
from nano_trio.runtime.waits import Waits

if TYPE_CHECKING:
    from nano_trio.runtime.cache import AppCache, CacheSession
    from nano_trio.runtime.fetch import Fetches

__all__ = ["Blank", "Environment", "LogSink", "cache_in_memory"]

_CORE = ("request", "dispatch")
"""The specifications that every app uses, with what they load."""
_INSTALLED, _READY = 2, 3
"""Steps until a blank isolate has the platform, and until it has its core."""
_NO_SETTINGS: Mapping[str, Any] = {}
"""A script's."""


class LogSink(Protocol):
    """Where an app's log lines go. Called inside turns: it must neither block nor raise."""

    def line(self, level: str, text: str) -> None:
        """A line of ``console``. ``level``: debug, log, info, warn or error."""

    def exception(self, error: JavaScriptError) -> None:
        """An exception that nothing in the app caught."""


class _Host(Operations, Timers, Waits):
    """What host functions hold: implements :class:`nano_trio.runtime.host.Services`."""

    has_ticks = False
    """There may be ticks."""

    def __init__(self, scheduler: CpuScheduler) -> None:
        Timers.__init__(self)
        Operations.__init__(self, scheduler)

    def serve(
        self,
        environment: Environment,
        code: AppCode | None,
        app: AppHost,
        sink: LogSink,
        buffer: int,
        network: Network,
        cache: Callable[[], AppCache],
        bindings: Mapping[str, Service],
    ) -> None:
        """Be the host of this environment from now on: its time begins."""
        self._environment = weakref.ref(environment)
        self.code = code
        self._sink = sink
        self.app = app
        self.max_buffer_bytes = buffer
        self.network = network
        self._cache = cache
        self.bindings = bindings
        self.settings = _NO_SETTINGS
        self._epoch = trio.current_time()
        self._origin_ms = time.time() * 1e3

    @cached_property
    def fetches(self) -> Fetches:
        # A tenth of all that a server imports, which need not be there before its first request.
        from nano_trio.runtime.fetch import Fetches

        return Fetches(self)

    @cached_property
    def caches(self) -> CacheSession:
        from nano_trio.runtime.cache import CacheSession

        return CacheSession(self, self._cache())

    @cached_property
    def large(self) -> Large:
        return Large()

    @property
    def turns(self) -> int:
        environment = self._environment()
        return 0 if environment is None else environment.isolate.account.turns

    @property
    def cause(self) -> Any:
        environment = self._environment()
        return None if environment is None else environment.isolate.cause

    def now_ms(self) -> float:
        return (trio.current_time() - self._epoch) * 1e3

    def time_origin_ms(self) -> float:
        return self._origin_ms

    def log(self, level: str, text: str) -> None:
        self._sink.line(level, text_of(text))

    def exception(self, text: str, stack: str) -> None:
        self._sink.exception(self.render(text, stack))

    def render(self, text: str, stack: str) -> JavaScriptError:
        text, stack = text_of(text), text_of(stack)
        if self.code is not None:
            return self.code.render(text, stack)
        return render_error(text, stack)

    # -- in the environment -------------------------------------------------------------------------------------------

    def enter_nursery(self, nursery: trio.Nursery) -> None:
        """Begin what could not be begun before there was one."""
        self.begin_deferred(nursery)
        if self.timers or self.unswept is not None:
            self.start_timers()

    def array(self, items: Sequence[Any]) -> quickjs.Value:
        environment = self._environment()
        assert environment is not None
        return array_of(environment.isolate.context, items)

    def enter(self, entry: str, *args: Any) -> None:
        environment = self._environment()
        if environment is not None:
            environment.enter(entry, *args)

    def arrange_ticks(self) -> None:
        environment = self._environment()
        if environment is not None:
            self.has_ticks = True
            environment.isolate.arrange_ticks(self._run_ticks)

    @enters
    def _run_ticks(self, drop: bool) -> None:
        environment = self._environment()
        if environment is not None:
            environment.call_entry("ticks", drop)

    def hold(self, size: int) -> None:
        environment = self._environment()
        if environment is not None:
            environment.isolate.hold(size)

    def may_hold(self, size: int) -> bool:
        environment = self._environment()
        return environment is not None and environment.isolate.may_hold(size)

    def heap_room(self, *, collected: bool) -> int:
        environment = self._environment()
        return 0 if environment is None else environment.isolate.heap_room(collected=collected)

    def collect_garbage(self) -> None:
        environment = self._environment()
        if environment is not None:
            # Finalizers are jobs, which run in the same turn.
            environment.isolate.submit(Turn(environment.isolate.collect_garbage, ()))

    def operation_ended(self) -> None:
        environment = self._environment()
        if environment is not None and not environment.isolate.busy and environment.isolate.on_idle is not None:
            environment.isolate.on_idle()

    @property
    def pending(self) -> int:
        return len(self.timer_generation) + len(self.operations)

    def release(self, account: Account) -> None:
        """The heap is gone, and with it whoever calls. Let go of what leads back here and of what never began: it would
        wait for Python's cycle collector, which comes by rarely."""
        del self.app, self._sink
        self.on_work = None
        if "fetches" in vars(self):
            self.fetches.release()
            del self.fetches
        vars(self).pop("caches", None)
        self.bindings = {}
        self.deferred_background.clear()
        left = (self.deferred, self.queued, self.operations, self.timers, self.unswept, self.timer_generation)
        empty_in_slices(self.pace.scheduler, account, *left, self.timer_causes)
        self.queued = self.unswept = None
        self.deferred, self.timers = [], []
        self.operations, self.timer_generation, self.timer_causes = {}, {}, {}


class Blank:
    """An isolate with the platform's core in which nothing of any app has run; an :class:`Environment` takes it over.

    It is built in steps of a fraction of a millisecond each, for others to run in between.
    """

    def __init__(self, scheduler: CpuScheduler) -> None:
        self._scheduler = scheduler
        self._steps = 0
        self.isolate: Isolate
        self.host: _Host
        self.enter: Any = None
        """The platform's way in, by the name of an entry."""
        self.entry_point: Any = None

    @property
    def ready(self) -> bool:
        """Whether nothing is left to build."""
        return self._steps == _READY

    def step(self) -> None:
        """Build some more."""
        if self._steps == 0:
            self.isolate = Isolate(self._scheduler)
            self.isolate.prepare()
        elif self._steps < _INSTALLED:
            self.host = _Host(self._scheduler)
            entry_points = platform.install(self.isolate, self.host, platform.read(self.isolate))
            self.enter, self.entry_point = entry_points.get("enter"), entry_points.get("entryPoint")
        else:
            for name in _CORE:
                self.enter("require", name)
        self._steps += 1

    def finish(self, *, core: bool = True) -> None:
        """Build what is left; without the ``core``, at least what every environment needs."""
        while self._steps < _INSTALLED or (core and not self.ready):
            self.step()

    def close(self) -> None:
        """It is not wanted."""
        self.enter = self.entry_point = None
        if self._steps:
            self.isolate.close()


def cache_in_memory() -> AppCache:
    """For an app that has no place on a disk."""
    # Few apps ever touch their caches, and what these take is imported behind the start.
    from nano_trio.runtime.cache import AppCache

    return AppCache()


def _closed(entry: str, *_: Any) -> None:
    """In place of the ways in: a turn that was suspended has yet to come to its end, and may have come to them."""
    raise quickjs.JSError(f"InternalError: {entry}: the environment is closed")


class Environment:
    """An isolate in which Web-platform code runs. Make it, start :meth:`run`, :meth:`enter` turns, :meth:`close` it."""

    def __init__(
        self,
        scheduler: CpuScheduler,
        app: AppHost,
        sink: LogSink,
        *,
        account: Account | None = None,
        limits: Limits | None = None,
        max_buffer_bytes: int = 64 << 20,
        network: Network | None = None,
        cache: Callable[[], AppCache] = cache_in_memory,
        bindings: Mapping[str, Service] | None = None,
        code: AppCode | None = None,
        blank: Blank | None = None,
        on_work: Callable[[], None] | None = None,
    ) -> None:
        """``on_work`` is called once, perhaps inside a turn, when first there is something for :meth:`run` to do."""
        if blank is None:
            blank = Blank(scheduler)
            blank.finish(core=False)
        self.isolate = blank.isolate
        self.isolate.take(account or Account(), limits or Limits())
        self._host = blank.host
        self._host.on_work = on_work
        self._host.serve(self, code, app, sink, max_buffer_bytes, network or Network(), cache, bindings or {})
        self._enter: Any = blank.enter
        self._entry_point: Any = blank.entry_point
        self._is_closed = False
        self._closed: trio.Event | None = None
        """What :meth:`run` waits for; None until it is called."""
        self._code = code
        self._is_read = code is None
        """The code is in the heap."""

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own the timers and operations until :meth:`close`."""
        if self._is_closed:
            task_status.started()
            return
        host, closed = self._host, trio.Event()
        self._closed = closed
        async with trio.open_nursery() as nursery:
            host.enter_nursery(nursery)
            task_status.started()
            try:
                await closed.wait()
            finally:
                host.nursery = None
                host.timers_run = False
            await host.end_groups()
            nursery.cancel_scope.cancel()

    def enter(self, entry: str, *args: Any, on_end: Callable[[Turn], None] | None = None, cause: Any = None) -> None:
        """Submit a turn that calls the JavaScript entry of that name (``platform.entries``)."""
        self.isolate.submit(Turn(self._enter, (entry, *args), on_end, cause))

    def entry_point(self, entry: str) -> Any:
        """A function that calls an entry with at most five arguments, for entries called often.

        Only inside a turn or before the first. Drop it before :meth:`close`.
        """
        return self._entry_point(entry)

    @enters
    def call_entry(self, entry: str, *args: Any) -> None:
        """Call an entry at once. Only inside a turn of this isolate."""
        self._enter(entry, *args)

    def load(self, env: Mapping[str, Any]) -> None:
        """Evaluate the app's entry module; the answer is ``loaded`` or ``load_failed`` of the :class:`AppHost`."""
        bindings = self._host.bindings
        self._host.settings = env
        args = ("load", json.dumps(env) if env else "{}", json.dumps(list(bindings)) if bindings else "[]")
        self.isolate.submit(Evaluation(self._load, args, self._loaded))

    def run_module(self) -> None:
        """Evaluate the entry module for its effects; answers like :meth:`load`."""
        self.isolate.submit(Evaluation(self._load, ("run",), self._loaded))

    def _loaded(self, _: Turn) -> None:
        self.isolate.allow(0)

    @enters
    def read_code(self) -> None:
        """Read the code into the heap, so that its modules can be imported. Only inside a turn or before the first.

        Raises :class:`quickjs.JSError` where there is more of it than the heap may hold.
        """
        if self._is_read or self._code is None:
            return
        self._is_read = True
        isolate = weakref.ref(self.isolate)

        def reach() -> Any:
            living = isolate()
            assert living is not None
            return living.context

        self._code.preload(self.isolate.context, reach)

    @enters
    def _load(self, entry: str, *args: Any) -> None:
        assert self._code is not None
        # As for what was done to compile it: the limit is for what the code does.
        self.isolate.allow(LOAD_MS)
        try:
            self.read_code()
        except quickjs.JSError as error:
            if not self.isolate.stopping:
                self._host.app.load_failed(str(error), "")
            return
        self.isolate.count_from_here()
        self.install_entries("dispatch")
        if entry == "run":
            self.install_entries("dispatch_script")
        context = self.isolate.context
        # A module of ours imports the app's: unlike import(), that needs no `then`, which the app may have replaced by
        # the time it is loaded. The function that takes the namespace is gone before the app's code runs.
        context.set(TAKE_NAMESPACE, self._entry_point("take"))
        source = f'import {{ take }} from "{TAKE_MODULE}"; import * as app from "{self._code.main}"; take(app);'
        try:
            evaluated = context.eval(source, "./nano:main", module=True)
        except quickjs.JSError as error:
            # The graph cannot be linked: an export is missing, say. What modules throw rejects the promise instead.
            if not self.isolate.stopping:
                self._host.app.load_failed(str(error), getattr(error, "js_stack", "") or "")
        else:
            self._enter(entry, evaluated, *args)
            if self._host.has_ticks and self._code.commonjs.is_one(self._code.main.removeprefix("app:/")):
                # Such a program is no microtask.
                self._enter("ticks", False)

    def set_global(self, name: str, value: Any) -> None:
        """Define a property of globalThis from plain Python data. Only before the first turn."""
        self.isolate.context.set(name, value)

    def install_entries(self, specification: str) -> None:
        """Load a specification file for its entries. Only inside a turn or before the first."""
        self._enter("require", specification)

    def abort_fetches(self, cause: Any, why: str) -> None:
        """Stop what the app fetches on behalf of ``cause``."""
        if "fetches" in vars(self._host):
            self._host.fetches.abort_caused_by(cause, why)

    def take_limits(self, *, turn_ms: float, response_timeout_s: float) -> None:
        """New limits: CPU time of the next turns in ms, and the longest wait for a fetch's response in s."""
        self.isolate.limit_turns(turn_ms)
        self._host.network = attrs.evolve(self._host.network, timeout_s=response_timeout_s)

    def settle(self, operation: int, succeeded: bool, value: Any, message: str | None = None) -> None:
        """End an operation that was started by :meth:`begin_operation`."""
        self._host.settle(operation, succeeded, value, message)

    @enters
    def settle_with_array(self, operation: int, items: Sequence[Any]) -> None:
        """End an operation with a list. Only inside a turn of this isolate."""
        try:
            array = array_of(self.isolate.context, items)
        except Exhausted as error:
            self._enter("settle", operation, False, "QuotaExceededError", str(error))
        else:
            self._enter("settle", operation, True, array, None)

    def begin_operation(self, operation: int, work: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """Run host work for an operation of the app; its result settles it."""
        self._host.operation(operation, work, *args)

    def render(self, text: str, stack: str) -> JavaScriptError:
        """An error with its place in the app's source."""
        return self._host.render(text, stack)

    def held(self) -> Held:
        """What counts memory that is held for the app."""
        return Held(self._host)

    @property
    def fetches(self) -> Fetches:
        """The app's outgoing requests."""
        return self._host.fetches

    @property
    def caches(self) -> CacheSession:
        """The isolate's part in the app's caches."""
        return self._host.caches

    @property
    def large(self) -> Large:
        """The isolate's large bodies that are on their way."""
        return self._host.large

    @property
    def pending(self) -> int:
        """How many timers and operations could still lead to a turn."""
        return self._host.pending

    def close(self) -> None:
        """Stop everything and free the heap. Not from inside a turn. Idempotent."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._closed is not None:
            self._closed.set()
        self.isolate.stop()
        # Whoever has the last value frees the heap: that is to be the isolate.
        self._enter = self._entry_point = _closed
        self.isolate.close()
        self._host.release(self.isolate.account)
