"""Supervisors: who starts what, what follows when it ends, and in which order everything stops (after Erlang/OTP).

Theory of operation
-------------------
A supervisor starts its children in order, each when the one before says that it has started, and watches them. A child
is described by a :class:`ChildSpec`; one *life* of it is one call of ``run`` in a task with a cancel scope of its own.

::

    STARTING ──started()──► RUNNING ──ends, and is to run again──► STARTING
                               │  └──too often within the window──► WAITING ──pause over──► STARTING
                               ├──transient and ended well──► ENDED
                               └──to be stopped──► STOPPING ──► gone

When a child ends by itself, ``restart`` decides whether that matters (permanent: always; transient: where it raised;
temporary: never, it is forgotten), and the strategy decides who starts again with it: it alone (one_for_one), all
(one_for_all), or it and those that were started after it (rest_for_one). The others of that group are stopped in
reverse order of their start, then the group starts in order; temporary children in it are stopped and forgotten.

Restarts are counted (:class:`~nano_trio.actors.restarts.RestartIntensity`). Where OTP's supervisor would give up and
take its own supervisor's patience, this one stops all its children in reverse order, waits for a pause that doubles
with every further failure, and starts them again: the process stays. With ``apart`` (one_for_one only) the
intensity is each child's own, and one that crashes too often waits alone; its siblings never notice.

All of that happens in one task, one event after the other, as in OTP's: exits and calls come through one channel. So
``start_child`` and its kin must not be awaited by a child before it has started. :meth:`Supervisor.add` is for the hot
path: it starts a child at once and waits for nothing.

Stopping: ``spec.stop`` asks, ``shutdown_s`` later the child is cancelled. Trio cannot kill: a child that shields itself
from its cancellation for as long again is left behind, logged and shown as "hung" until it ends. Cancelling
:meth:`Supervisor.run` cancels the children in reverse order without asking them. For this the children
run in a scope shielded from the outside.

Only exceptions are failures. KeyboardInterrupt and its like go through to whoever runs the tree.
"""

from __future__ import annotations

import enum
import functools
import itertools
import math
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog
import trio

from nano_trio.actors.child import Child, ChildSpec, ChildState, Life, Restart
from nano_trio.actors.restarts import RestartIntensity

__all__ = ["Strategy", "Supervisor", "SupervisorState"]

log = structlog.get_logger("nano_trio.supervisor")


class Strategy(enum.Enum):
    """Who is started again together with a child."""

    ONE_FOR_ONE = "one_for_one"
    ONE_FOR_ALL = "one_for_all"
    REST_FOR_ONE = "rest_for_one"


class SupervisorState(enum.Enum):
    """Where a supervisor stands."""

    NEW = "new"
    STARTING = "starting"
    RUNNING = "running"
    FAILED = "failed"
    """Its children crashed too often: all are stopped until the pause is over."""
    STOPPING = "stopping"
    STOPPED = "stopped"


_TAKES_CHILDREN = (SupervisorState.RUNNING, SupervisorState.FAILED, SupervisorState.STARTING)
_Message = Callable[[], Awaitable[None]]


class Supervisor:
    """A node of the tree. Run it with ``await nursery.start(supervisor.run)``, or as another's child."""

    def __init__(
        self,
        id: str,
        children: Iterable[ChildSpec] = (),
        *,
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        max_restarts: int = 5,
        window_s: float = 60.0,
        apart: bool = False,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """``max_restarts`` within ``window_s`` seconds happen at once. ``jitter`` shortens pauses, 0 not at all."""
        if apart and strategy is not Strategy.ONE_FOR_ONE:
            raise ValueError(f"apart goes with one_for_one, not with {strategy.value}")
        self.id = id
        self.state = SupervisorState.NEW
        self.since = time.time()
        self.restarts = 0
        """How many lives of children began because one had ended."""
        self.last_error: str | None = None
        """Why a child of it last crashed, with the child's id."""
        self._strategy = strategy
        self._apart = apart
        self._intensity = functools.partial(RestartIntensity, max_restarts, window_s, jitter)
        self._own_intensity = self._intensity()
        self._initial = tuple(children)
        self._children: dict[str, Child] = {}
        self._hung: set[tuple[str, Life]] = set()
        self._nursery: trio.Nursery | None = None
        self._calls: dict[trio.Event, list[Exception]] = {}
        self._send, self._receive = trio.open_memory_channel[_Message](math.inf)
        self._stopped = trio.Event()

    # -- what others call --------------------------------------------------------------------------------------------

    async def start_child(self, spec: ChildSpec) -> Any:
        """Start a further child, as the last one; returns what it gave to ``started()``.

        Raises what the child raised where it ended before it had started; then it is forgotten. Raises ValueError for
        an id that is taken. While the supervisor pauses, the child starts with the others after the pause: None. So it
        does where one that it stands on, by the strategy, has ended and is not up again.
        """
        result: list[Any] = []

        async def start() -> None:
            self._check(spec)
            alone = self._strategy is Strategy.ONE_FOR_ONE
            complete = alone or not any(_is_due(other) for other in self._children.values())
            child = self._take(spec)
            if self.state is not SupervisorState.RUNNING or not complete:
                return
            life = await self._start(child)
            if life.ended and life.failure is not None and not life.ready:
                self._forget(child)
                raise life.failure
            result.append(life.value)

        await self._call(start)
        return result[0] if result else None

    async def terminate_child(self, id: str) -> bool:
        """Stop a child, as at shutdown, and forget it. False where there is none of that id."""

        async def terminate() -> None:
            child = self._children.get(id)
            if child is not None:
                await self._end(child, ask=True)
                self._forget(child)
                await self._complete()

        known = id in self._children
        await self._call(terminate)
        return known

    async def restart_child(self, id: str) -> bool:
        """Stop a child and start it again, as somebody's wish: nothing is counted. False where there is none."""

        async def restart() -> None:
            child = self._children.get(id)
            if child is not None:
                await self._end(child, ask=True)
                if self.state is SupervisorState.RUNNING:
                    await self._start(child)
                    await self._complete()

        known = id in self._children
        await self._call(restart)
        return known

    async def stop(self) -> None:
        """Stop all children in reverse order, each within its deadline; :meth:`run` then returns."""

        async def stop() -> None:
            self._enter(SupervisorState.STOPPING)

        if self.state not in (SupervisorState.NEW, SupervisorState.STOPPED):
            self._send.send_nowait(stop)
            await self._stopped.wait()

    def add(self, spec: ChildSpec) -> None:
        """Start a child at once and wait for nothing; for one_for_one only, where none has its place in an order.

        Raises ValueError for an id that is taken.
        """
        if self._strategy is not Strategy.ONE_FOR_ONE:
            raise ValueError(f"{self.id} starts its children in order: use start_child")
        self._check(spec)
        child = self._take(spec)
        if self.state is not SupervisorState.FAILED:
            self._begin(child)

    def __contains__(self, id: str) -> bool:
        return id in self._children

    def tree(self) -> dict[str, Any]:
        """A picture of this supervisor and all below it, of plain values.

        ``id``, ``kind`` (supervisor or worker), ``state``, ``since`` (seconds since 1970), ``restarts``,
        ``last_error``; for supervisors ``strategy`` and ``children`` too; for groups too large to list, ``count``.
        """
        hung: dict[str, int] = {}
        for id, _ in self._hung:
            hung[id] = hung.get(id, 0) + 1
        return {
            "id": self.id,
            "kind": "supervisor",
            "strategy": self._strategy.value,
            "state": self.state.value,
            "since": self.since,
            "restarts": self.restarts,
            "last_error": self.last_error,
            "children": [self._picture(child) for child in self._children.values()],
            **({"hung": hung} if hung else {}),
        }

    def _picture(self, child: Child) -> dict[str, Any]:
        picture: dict[str, Any] = {
            "id": child.spec.id,
            "kind": "worker",
            "state": child.state.value,
            "restart": child.spec.restart.value,
            "since": child.since,
            "restarts": child.restarts,
            "last_error": child.last_error,
        }
        if child.spec.snapshot is not None:
            inner = dict(child.spec.snapshot())
            if inner.get("kind") == "supervisor":
                # Its place tells how often it was itself started again; the rest is its own affair.
                inner["restarts"] = inner.get("restarts", 0) + child.restarts
                inner["last_error"] = inner.get("last_error") or child.last_error
                if child.state is not ChildState.RUNNING:
                    inner["state"] = child.state.value
            picture.update(inner, id=child.spec.id)
        return picture

    # -- the task ----------------------------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[Supervisor] = trio.TASK_STATUS_IGNORED) -> None:
        """Start the children, supervise until :meth:`stop` or cancellation, stop them.

        Raises what one of the first children raised where it ended before it had started.
        """
        self._stopped = trio.Event()
        self._send, self._receive = trio.open_memory_channel[_Message](math.inf)
        self._enter(SupervisorState.STARTING)
        shelter, open_ = trio.CancelScope(shield=True), trio.Event()
        async with trio.open_nursery() as outside:
            # Not outside.start(), which keeps a task that is shielded where the cancellation is there before it: it
            # would then wait for ever for what nobody can reach.
            outside.start_soon(self._shelter, shelter, open_)
            with trio.CancelScope(shield=True):
                await open_.wait()
            try:
                self._children = {}
                for spec in self._initial:
                    life = await self._start(self._take(spec))
                    if life.failure is not None and not life.ready:
                        raise life.failure
                self._enter(SupervisorState.RUNNING)
                task_status.started(self)
                async for message in self._receive:
                    await message()
                    del message  # it may hold the child that has ended, and all that was in it
                    if self.state is SupervisorState.STOPPING:
                        break
            finally:
                ask = self.state is SupervisorState.STOPPING
                self._enter(SupervisorState.STOPPING)
                try:
                    with trio.CancelScope(shield=True):
                        await self._end_all(ask=ask)
                finally:
                    shelter.cancel()
                    self._nursery = None
                    self._children = {}
                    self._enter(SupervisorState.STOPPED)
                    self._stopped.set()
                    for done, failures in self._calls.items():
                        failures.append(RuntimeError(f"the supervisor {self.id} has stopped"))
                        done.set()

    async def _shelter(self, scope: trio.CancelScope, open_: trio.Event) -> None:
        """A nursery for the children, which only we cancel."""
        with scope:
            async with trio.open_nursery() as self._nursery:
                open_.set()
                await trio.sleep_forever()

    async def _call(self, work: _Message) -> None:
        """Let the supervisor's task do the work between two events, and wait for it. Raises what it raises."""
        done = trio.Event()
        failures: list[Exception] = []

        async def message() -> None:
            try:
                await work()
            except Exception as error:
                failures.append(error)
            if self._calls.pop(done, None) is not None:
                done.set()

        if self.state in (SupervisorState.NEW, SupervisorState.STOPPED):
            raise RuntimeError(f"the supervisor {self.id} does not run")
        self._calls[done] = failures
        self._send.send_nowait(message)
        await done.wait()
        if failures:
            raise failures[0]

    def _enter(self, state: SupervisorState) -> None:
        self.state, self.since = state, time.time()

    # -- children ----------------------------------------------------------------------------------------------------

    @property
    def takes_children(self) -> bool:
        """Whether :meth:`add` takes a child now: it runs, and does not end."""
        return self.state in _TAKES_CHILDREN

    def _check(self, spec: ChildSpec) -> None:
        if not self.takes_children:
            raise RuntimeError(f"the supervisor {self.id} does not run")
        if spec.id in self._children:
            raise ValueError(f"{self.id} has a child {spec.id} already")

    def _take(self, spec: ChildSpec) -> Child:
        child = self._children[spec.id] = Child(spec, self._intensity() if self._apart else None)
        return child

    def _forget(self, child: Child) -> None:
        if self._children.get(child.spec.id) is child:
            del self._children[child.spec.id]

    def _begin(self, child: Child) -> Life:
        assert self._nursery is not None
        life = child.life = Life()
        child.enter(ChildState.STARTING)
        self._nursery.start_soon(self._live, child, life, name=child.spec.id)
        return life

    async def _start(self, child: Child) -> Life:
        life = self._begin(child)
        await life.wait_started()
        if life.ready and child.state is ChildState.STARTING:
            child.enter(ChildState.RUNNING)
        return life

    async def _live(self, child: Child, life: Life) -> None:
        try:
            with life.scope:
                if child.spec.reports:
                    await child.spec.run(task_status=life)
                else:
                    child.enter(ChildState.RUNNING)
                    life.started()
                    await child.spec.run()
        except Exception as error:
            life.failure = error
        finally:
            life.end()
        if child.life is life and self._children.get(child.spec.id) is child:
            self._send.send_nowait(functools.partial(self._exited, child, life))
        # The failure's traceback holds this frame.
        del child, life

    async def _end(self, child: Child, *, ask: bool) -> None:
        """Stop one life of a child, if it has one."""
        life, child.life = child.life, None
        if life is None or life.ended:
            child.enter(ChildState.WAITING)
            return
        child.enter(ChildState.STOPPING)
        spec = child.spec
        if ask and spec.stop is not None and life.ready:
            with trio.move_on_after(spec.shutdown_s):
                try:
                    await spec.stop()
                except Exception:
                    log.exception("a child cannot be asked to stop", supervisor=self.id, child=spec.id)
                else:
                    await life.wait_ended()
        life.scope.cancel()
        with trio.move_on_after(spec.shutdown_s) as deadline:
            await life.wait_ended()
        if deadline.cancelled_caught and not life.ended:
            log.error("a child does not end", supervisor=self.id, child=spec.id, waited_s=spec.shutdown_s)
            self._left_behind(spec.id, life)
        child.enter(ChildState.WAITING)

    def _left_behind(self, id: str, life: Life) -> None:
        self._hung.add((id, life))

        async def wait() -> None:
            await life.wait_ended()
            self._hung.discard((id, life))

        assert self._nursery is not None
        self._nursery.start_soon(wait)

    async def _end_all(self, *, ask: bool) -> None:
        """In reverse order; temporary children that stand next to each other end together, there may be thousands."""
        children = reversed(list(self._children.values()))
        for temporary, group in itertools.groupby(children, lambda child: child.spec.restart is Restart.TEMPORARY):
            if temporary:
                async with trio.open_nursery() as nursery:
                    for child in group:
                        nursery.start_soon(functools.partial(self._end, child, ask=ask))
            else:
                for child in group:
                    await self._end(child, ask=ask)

    # -- exits -------------------------------------------------------------------------------------------------------

    async def _exited(self, child: Child, life: Life) -> None:
        """A child's life has ended, and not because we stopped it."""
        if child.life is not life or self._children.get(child.spec.id) is not child:
            return
        child.life = None
        failure, spec = life.failure, child.spec
        if failure is not None:
            child.last_error = _text(failure)
            self.last_error = f"{spec.id}: {child.last_error}"
            log.error("a child crashed", supervisor=self.id, child=spec.id, exc_info=failure)
        if spec.restart is Restart.TEMPORARY:
            self._forget(child)
            await self._complete()
        elif spec.restart is Restart.TRANSIENT and failure is None:
            child.enter(ChildState.ENDED)
            await self._complete()
        else:
            child.enter(ChildState.WAITING)
            intensity = child.intensity or self._own_intensity
            if intensity.crashed(trio.current_time()):
                await self._restart(self._group(child))
            else:
                await self._pause(child, intensity.retry_in(trio.current_time()))

    def _group(self, child: Child) -> list[Child]:
        """Those that start again together, in the order of their start."""
        if self._strategy is Strategy.ONE_FOR_ONE:
            return [child]
        children = list(self._children.values())
        return children[children.index(child) :] if self._strategy is Strategy.REST_FOR_ONE else children

    async def _restart(self, group: list[Child]) -> None:
        for child in reversed(group):
            await self._end(child, ask=True)
            if child.spec.restart is Restart.TEMPORARY:
                self._forget(child)
        for child in group:
            if self._children.get(child.spec.id) is not child:
                continue
            self.restarts += 1
            child.restarts += 1
            life = await self._start(child)
            if not life.ready:
                # Its exit comes as the next message and starts the group anew; the rest of it waits till then.
                break

    async def _complete(self) -> None:
        """Start those that waited for one of their group, which will not be started again after all."""
        if self._apart or self.state is not SupervisorState.RUNNING:
            return
        for child in list(self._children.values()):
            if child.state is ChildState.WAITING and not (await self._start(child)).ready:
                break

    async def _pause(self, child: Child, pause_s: float) -> None:
        """The intensity is exceeded: wait, with all children or (``apart``) with this one."""
        log.error("too many restarts", supervisor=self.id, child=child.spec.id, retry_in_s=round(pause_s, 1))
        assert self._nursery is not None
        if self._apart:
            self._nursery.start_soon(self._later, pause_s, functools.partial(self._retry, child))
            return
        self._enter(SupervisorState.FAILED)
        await self._end_all(ask=True)
        for other in list(self._children.values()):
            if other.spec.restart is Restart.TEMPORARY:
                self._forget(other)
        # No longer than the pause would have lasted: ending the children may have taken a while.
        pause_s = self._own_intensity.retry_in(trio.current_time())
        self._nursery.start_soon(self._later, pause_s, self._retry_all)

    async def _later(self, pause_s: float, message: _Message) -> None:
        await trio.sleep(pause_s)
        self._send.send_nowait(message)

    async def _retry(self, child: Child) -> None:
        waits = child.life is None and child.state is ChildState.WAITING
        if waits and self._children.get(child.spec.id) is child:
            await self._restart([child])

    async def _retry_all(self) -> None:
        if self.state is SupervisorState.FAILED:
            self._enter(SupervisorState.RUNNING)
            await self._restart(list(self._children.values()))


def _is_due(child: Child) -> bool:
    """Between two messages: whether it waits, or has just failed to start."""
    return child.state in (ChildState.WAITING, ChildState.STARTING)


def _text(error: Exception) -> str:
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
