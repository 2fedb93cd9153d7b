"""A child of a supervisor: how it is started, restarted and stopped, and where it stands in its lives."""

from __future__ import annotations

import enum
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import trio

from nano_trio.actors.restarts import RestartIntensity

if TYPE_CHECKING:
    from nano_trio.actors.supervisor import Supervisor

__all__ = ["Child", "ChildSpec", "ChildState", "Life", "Restart"]


class Restart(enum.Enum):
    """When a child that ended by itself is started again."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


class ChildState(enum.Enum):
    """Where a child stands."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    WAITING = "waiting"
    """It is to be started: after a pause, or with the group that it belongs to."""
    ENDED = "ended"
    """A transient child that returned."""


@attrs.frozen(kw_only=True)
class ChildSpec:
    """How to start, restart and stop a child."""

    id: str
    run: Callable[..., Awaitable[object]]
    """The child's life. Called without arguments, or with ``task_status`` where it ``reports``."""
    restart: Restart = Restart.PERMANENT
    reports: bool = False
    """It has started when it calls ``task_status.started()``; else at once."""
    stop: Callable[[], Awaitable[object]] | None = None
    """Ask it to end, and perhaps wait for that. Without it, it is cancelled at once."""
    shutdown_s: float = 5.0
    """Seconds from the request to end until it is cancelled; and from then until it counts as hung."""
    snapshot: Callable[[], Mapping[str, Any]] | None = None
    """More for its place in :meth:`Supervisor.tree`: ``children``, or ``count`` where they are too many to list."""

    @classmethod
    def of(cls, supervisor: Supervisor, *, shutdown_s: float = 30.0) -> ChildSpec:
        """A supervisor as a child."""
        return cls(
            id=supervisor.id,
            run=supervisor.run,
            reports=True,
            stop=supervisor.stop,
            shutdown_s=shutdown_s,
            snapshot=supervisor.tree,
        )


class Life:
    """One call of a child's ``run``; also its ``task_status``."""

    __slots__ = ("done", "ended", "failure", "ready", "scope", "settled", "value")

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.ready = False
        self.ended = False
        self.done: trio.Event | None = None
        self.settled: trio.Event | None = None
        self.value: Any = None
        self.failure: Exception | None = None

    def started(self, value: Any = None) -> None:
        """It has started."""
        self.ready, self.value = True, value
        if self.settled is not None:
            self.settled.set()

    def end(self) -> None:
        self.ended = True
        for event in (self.settled, self.done):
            if event is not None:
                event.set()

    async def wait_started(self) -> None:
        """Until it has started, or ended before."""
        if not (self.ready or self.ended):
            self.settled = trio.Event()
            await self.settled.wait()

    async def wait_ended(self) -> None:
        if not self.ended:
            if self.done is None:
                self.done = trio.Event()
            await self.done.wait()


class Child:
    """A child as its supervisor keeps it, from one life to the next."""

    __slots__ = ("intensity", "last_error", "life", "restarts", "since", "spec", "state")

    def __init__(self, spec: ChildSpec, intensity: RestartIntensity | None) -> None:
        self.spec = spec
        self.state = ChildState.WAITING
        self.life: Life | None = None
        self.since = time.time()
        self.restarts = 0
        self.last_error: str | None = None
        self.intensity = intensity
        """Its own, with ``apart``."""

    def enter(self, state: ChildState) -> None:
        self.state, self.since = state, time.time()
