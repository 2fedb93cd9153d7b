"""The registry of apps, and the supervisor below which whatever they run lives.

What an app does never raises into its supervisor, and should a defect of ours raise there, it is logged and ends that
incarnation alone. Only apps that are awake cost anything: the sweep looks at no others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import structlog
import trio

from nano_trio import logs
from nano_trio.actors.app import App, AppState
from nano_trio.actors.blanks import Blanks
from nano_trio.actors.child import ChildSpec, Restart
from nano_trio.actors.counts import Snapshot
from nano_trio.actors.incarnation import Incarnation
from nano_trio.actors.messages import IncomingRequest
from nano_trio.actors.rooms import RoomBus, Rooms
from nano_trio.actors.settings import SupervisedSettings
from nano_trio.actors.supervisor import Supervisor
from nano_trio.engine.bytecode import BytecodeCache, default_cache_folder
from nano_trio.engine.scheduler import CpuScheduler, Mark
from nano_trio.engine.typescript import Tools

__all__ = ["Registry", "TurnNumbers"]

_SWEEP_S = 1.0
_SWEPT_AT_ONCE = 250


class TurnNumbers(Protocol):
    """Where it is written whose turn is running: a worker's record, which its parent reads."""

    @property
    def mark(self) -> Mark: ...
    def number(self, app: str, /) -> int:
        """What to write for an app."""

    def introduce(self, apps: Iterable[str], /) -> None:
        """These will ask for their numbers: thousands of them are quicker told together."""


class Registry:
    """All apps of the process by name. Enter :meth:`run` before the first request."""

    def __init__(
        self,
        apps: Iterable[SupervisedSettings],
        *,
        state_dir: Path | None = None,
        dev: bool = False,
        esbuild: Path | None = None,
        cache: BytecodeCache | None = None,
        drain_timeout_s: float = 30.0,
        turns: TurnNumbers | None = None,
        quarantined: Mapping[str, str] | None = None,
        closed: frozenset[str] = frozenset(),
    ) -> None:
        self.scheduler = CpuScheduler(mark=None if turns is None else turns.mark)
        self.quarantined: Mapping[str, str] = dict(quarantined or {})
        """Names of apps that are not to run, and why: the engine crashed in their turns. For :meth:`quarantine`."""
        self.room_bus: RoomBus | None = None
        """The way to the rooms in other processes; to be set before an app has rooms."""
        self._turns = turns
        self.bytecode = cache if cache is not None else BytecodeCache(default_cache_folder())
        self.state_dir = state_dir
        self.blanks = Blanks(self.scheduler)
        """Isolates for the next apps that start."""
        self.bytecode.later = self.blanks.later
        self.dev = dev
        self.tools = Tools(esbuild, own=dev)
        self.drain_timeout_s = drain_timeout_s
        """What a replaced or removed version gets to finish its requests."""
        self.supervisor = Supervisor(
            "apps",
            [
                ChildSpec(id="cpu scheduler", run=self.scheduler.run, reports=True),
                ChildSpec(id="blank isolates", run=self.blanks.run),
                ChildSpec(id="small tasks", run=self._small_tasks, reports=True, snapshot=self._count_small_tasks),
                ChildSpec(id="idle sweep", run=self._sweep),
            ],
            apart=True,
        )
        self._own = ("cpu scheduler", "blank isolates", "small tasks", "idle sweep")
        self._nursery: trio.Nursery | None = None
        self._numbered = 0
        self._log = structlog.get_logger("nano_trio")
        self.apps: dict[str, App] = {}
        self.unloadable: set[App] = set()
        apps = tuple(apps)
        if turns is not None:
            turns.introduce(settings.name for settings in apps)
        for settings in apps:
            self.add(settings)
        self.leaving: list[App] = []
        """Apps that were removed and still drain."""
        self._ends = False
        self._stirring: dict[App, None] = {}
        self._closed: frozenset[str] = frozenset()
        self.close_doors(closed)

    # -- what apps ask for (nano_trio.actors.surroundings.Registry) --------------------------------------------------

    def find(self, name: str) -> App | None:
        if (app := self.apps.get(name)) is None and self.leaving:
            return next((app for app in reversed(self.leaving) if app.name == name), None)
        return app

    def lets_in(self, app: App, request: IncomingRequest) -> bool:
        # Where it goes for good, others that go as well may still need it for what they have begun.
        return bool(request.chain) and (self._ends or app in self.leaving)

    def number_of(self, app: str) -> int:
        return 0 if self._turns is None else self._turns.number(app)

    def rooms_of(self, app: str) -> Rooms | None:
        found = self.apps.get(app)
        return None if found is None else found.rooms_if_any

    def all_rooms(self) -> Iterator[tuple[str, Rooms]]:
        return ((app.name, app.rooms_if_any) for app in list(self.apps.values()) if app.rooms_if_any is not None)

    def supervise(self, what: str, run: Callable[[], Awaitable[object]]) -> None:
        # Once it ends, all that apps run ends with it.
        if self.supervisor.takes_children:
            # An app's name tells it from others, but not from one that was removed and still drains.
            self._numbered += 1
            self.supervisor.add(ChildSpec(id=f"{what} {self._numbered}", run=run, restart=Restart.TEMPORARY))

    def spawn(self, work: Callable[[], Awaitable[Any]]) -> None:
        assert self._nursery is not None, "the registry does not run"
        self._nursery.start_soon(self._guard, work)

    async def _guard(self, work: Callable[[], Awaitable[Any]]) -> None:
        try:
            await work()
        except Exception:
            self._log.exception("internal error in an app's task")

    def stirred(self, app: App) -> None:
        if app.state is AppState.ASLEEP:
            self._stirring.pop(app, None)
        else:
            self._stirring[app] = None

    @property
    def stirring(self) -> list[App]:
        """The apps that are not asleep."""
        return list(self._stirring)

    # -- running -----------------------------------------------------------------------------------------------------

    async def _small_tasks(self, *, task_status: trio.TaskStatus[None]) -> None:
        """The nursery for what is too small and too frequent to be a child of its own."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    def _count_small_tasks(self) -> dict[str, int]:
        return {"count": 0 if self._nursery is None else max(0, len(self._nursery.child_tasks))}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the CPU scheduler and all apps until cancelled."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.supervisor.run)
            for app in list(self.apps.values()):
                if app.name in self.quarantined:
                    app.learn_code()
                elif app.settings.preload:
                    app.start()
                    await trio.lowlevel.checkpoint()
            task_status.started()

    async def _sweep(self) -> None:
        """End the apps that idle, and in the end all: an app without timers and operations has no task that would."""
        try:
            while True:
                await trio.sleep(_SWEEP_S)
                now = trio.current_time()
                for index, app in enumerate(list(self._stirring)):
                    app.sweep(now)
                    if index % _SWEPT_AT_ONCE == _SWEPT_AT_ONCE - 1:
                        await trio.lowlevel.checkpoint()
        except trio.Cancelled:
            for app in self.stirring:
                app.end()
            raise

    def add(self, settings: SupervisedSettings) -> App:
        """A further app, asleep."""
        app = self.apps[settings.name] = App(settings, self)
        if app.name in self.quarantined:
            self._learn(app)
        logs.lifecycle(app.name, "added")
        return app

    def _learn(self, app: App) -> None:
        # Before that :meth:`run` has not come to it, and will.
        if self._nursery is not None:
            app.learn_code()

    def quarantine(self, apps: Mapping[str, str]) -> None:
        """Run all apps but these, which are answered for with 503 and the reason given."""
        for name in apps.keys() - self.quarantined.keys():
            if name in self.apps:
                self.apps[name].end()
                self._learn(self.apps[name])
            logs.lifecycle(name, "quarantined", reason=apps[name])
        for name in self.quarantined.keys() - apps.keys():
            if name in self.apps:
                self.apps[name].forget_code()
            logs.lifecycle(name, "released from quarantine")
        self.quarantined = dict(apps)

    def close_doors(self, apps: frozenset[str]) -> None:
        """Take no requests for the apps that were drained in another worker; again for those that no longer are."""
        for name in self._closed - apps:
            if name in self.apps:
                self.apps[name].open_doors()
        for name in apps - self._closed:
            if name in self.apps:
                self.apps[name].close_doors()
        self._closed = apps

    def release(self, name: str) -> App:
        """Take no further requests for an app; it is gone from :attr:`apps`. Then :meth:`let_go` of it."""
        app = self.apps.pop(name)
        self.leaving.append(app)
        app.close_doors(gone=True)
        return app

    @property
    def _ending(self) -> Iterator[Incarnation]:
        """All that drains: replaced versions, and what removed apps run."""
        for app in self._stirring:
            yield from app.lives() if app in self.leaving else app.leaving

    async def let_go(self, app: App) -> None:
        """Wait for what a released app still has, at most ``drain_timeout_s``, and forget it.

        It is there for those that call it as long as they have something in progress and end, too: whoever gives an app
        another name in one change with those that call it loses no request of theirs.
        """
        try:
            with trio.move_on_after(self.drain_timeout_s):
                async with trio.open_nursery() as nursery:
                    for caller in self._ending:
                        if app.name in caller.calls:
                            nursery.start_soon(caller.drain)
                await app.drain()
        finally:
            self.leaving.remove(app)
            if app.name not in self.apps:
                logs.rates.forget(app.name)
            self._stirring.pop(app, None)
            self.unloadable.discard(app)
            logs.lifecycle(app.name, "removed")

    async def drain(self, timeout_s: float) -> None:
        """Let all apps finish what they have, for at most ``timeout_s`` seconds; then everything in them is stopped."""
        self._ends = True
        with trio.move_on_after(timeout_s):
            async with trio.open_nursery() as nursery:
                for app in self.apps.values():
                    app.close_doors(gone=True)
                for app in [app for app in self._stirring if app.name in self.apps]:
                    nursery.start_soon(app.drain)

    @property
    def runnable(self) -> int:
        """Isolates that wait for a slice of CPU time."""
        return self.scheduler.waiting

    def snapshots(self) -> Iterator[Snapshot]:
        """What is counted of each app, each at the moment it is asked for. Apps may come and go meanwhile."""
        return (app.snapshot() for app in list(self.apps.values()))

    def tree(self) -> dict[str, Any]:
        """The apps' part of the supervision tree: every app that is not asleep, and how many are."""
        tree = self.supervisor.tree()
        tree["children"] = [child for child in tree["children"] if child["id"] in self._own] + [
            app.tree() for app in self._stirring
        ]
        tree["asleep"] = sum(app.state is AppState.ASLEEP for app in self.apps.values())
        return tree
