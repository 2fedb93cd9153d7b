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
temporary: never, it is forgotten). Of OTP's strategies there is one, one_for_one: a child starts again alone, and its
siblings never notice. Unlike OTP's, a supervisor does not give up: the restarts of each child are counted for
themselves (:class:`~nano_trio.actors.restarts.RestartIntensity`), and one that crashes too often waits for a pause that
doubles with every further failure.

Exits and :meth:`Supervisor.start_child` are handled by one task, one after the other, as OTP does it: they come through
one channel. So a child must not await ``start_child`` before it has started itself. :meth:`Supervisor.add` is for the
hot path: it starts a child at once and waits for nothing.

Stopping: ``spec.stop`` asks, ``shutdown_s`` later the child is cancelled. Trio cannot kill: a child that shields itself
from its cancellation for as long again is logged and shown as "hung", and those before it are stopped meanwhile.
Cancelling :meth:`Supervisor.run` cancels the children in reverse order without asking them. For this the children run
in a scope shielded from the outside.

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

__all__ = ["Supervisor", "SupervisorState"]

log = structlog.get_logger("nano_trio.supervisor")


class SupervisorState(enum.Enum):
    """Where a supervisor stands."""

    NEW = "new"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"


_Message = Callable[[], Awaitable[None]]


class Supervisor:
    """A node of the tree. Run it with ``await nursery.start(supervisor.run)``, or as another's child."""

    def __init__(
        self,
        id: str,
        children: Iterable[ChildSpec] = (),
        *,
        max_restarts: int = 5,
        window_s: float = 60.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """``max_restarts`` of a child within ``window_s`` seconds happen at once. ``jitter`` gives numbers from 0 to 1:
        how much of a quarter is taken off a pause."""
        self.id = id
        self.state = SupervisorState.NEW
        self.since = time.time()
        self.restarts = 0
        """How many lives of children began because one had ended."""
        self.last_error: str | None = None
        """Why a child of it last crashed, with the child's id."""
        self._intensity = functools.partial(RestartIntensity, max_restarts, window_s, jitter)
        self._initial = tuple(children)
        self._children: dict[str, Child] = {}
        self._hung: list[str] = []
        self._nursery: trio.Nursery | None = None
        self._calls: dict[trio.Event, list[Exception]] = {}
        self._send, self._receive = trio.open_memory_channel[_Message](math.inf)
        self._stopped = trio.Event()

    # -- what others call --------------------------------------------------------------------------------------------

    async def start_child(self, spec: ChildSpec) -> Any:
        """Start a further child, as the last one; returns what it gave to ``started()``.

        Raises what the child raised where it ended before it had started; then it is forgotten. Raises ValueError for
        an id that is taken, and RuntimeError where the supervisor does not run or stops meanwhile.
        """
        result: Any = None

        async def start() -> None:
            nonlocal result
            self._check(spec)
            child = self._take(spec)
            life = await self._start(child)
            if life.failure is not None and not life.ready:
                self._forget(child)
                raise life.failure
            result = life.value

        await self._call(start)
        return result

    async def stop(self) -> None:
        """Stop all children in reverse order, each within its deadline; :meth:`run` then returns."""

        async def stop() -> None:
            self._enter(SupervisorState.STOPPING)

        if self.state not in (SupervisorState.NEW, SupervisorState.STOPPED):
            self._send.send_nowait(stop)
            await self._stopped.wait()

    def add(self, spec: ChildSpec) -> None:
        """Start a child at once and wait for nothing.

        Raises ValueError for an id that is taken, and RuntimeError where the supervisor does not run.
        """
        self._check(spec)
        self._begin(self._take(spec))

    def __contains__(self, id: str) -> bool:
        return id in self._children

    def tree(self) -> dict[str, Any]:
        """A picture of this supervisor and all below it, of plain values.

        ``id``, ``kind`` (supervisor or worker), ``state``, ``since`` (seconds since 1970), ``restarts``,
        ``last_error``; for supervisors ``strategy`` and ``children`` too, and ``hung`` where there are ids of children
        that do not end; for groups too large to list, ``count``.
        """
        return {
            "id": self.id,
            "kind": "supervisor",
            "strategy": "one_for_one",
            "state": self.state.value,
            "since": self.since,
            "restarts": self.restarts,
            "last_error": self.last_error,
            "children": [self._picture(child) for child in self._children.values()],
            **({"hung": list(self._hung)} if self._hung else {}),
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
                self._children, self._hung = {}, []
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
        return self.state in (SupervisorState.STARTING, SupervisorState.RUNNING)

    def _check(self, spec: ChildSpec) -> None:
        if not self.takes_children:
            raise RuntimeError(f"the supervisor {self.id} does not run")
        if spec.id in self._children:
            raise ValueError(f"{self.id} has a child {spec.id} already")

    def _take(self, spec: ChildSpec) -> Child:
        child = self._children[spec.id] = Child(spec, self._intensity())
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
            self._hung.append(spec.id)

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
        elif spec.restart is Restart.TRANSIENT and failure is None:
            child.enter(ChildState.ENDED)
        elif child.intensity.crashed(trio.current_time()):
            await self._restart(child)
        else:
            child.enter(ChildState.WAITING)
            pause_s = child.intensity.retry_in(trio.current_time())
            log.error("too many restarts", supervisor=self.id, child=spec.id, retry_in_s=round(pause_s, 1))
            assert self._nursery is not None
            self._nursery.start_soon(self._restart_later, child, pause_s)

    async def _restart(self, child: Child) -> None:
        self.restarts += 1
        child.restarts += 1
        await self._start(child)

    async def _restart_later(self, child: Child, pause_s: float) -> None:
        await trio.sleep(pause_s)
        self._send.send_nowait(functools.partial(self._restart, child))


def _text(error: Exception) -> str:
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
