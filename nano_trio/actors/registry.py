"""The registry of apps and the nursery that owns whatever they run: the root of the apps' supervision.

Every incarnation's task lives in one nursery, each inside a guard of its own: what an app does never raises into it,
and should a defect of ours raise there, it is logged and ends that incarnation alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import structlog
import trio

from nano_trio.actors.app import App, SupervisedSettings
from nano_trio.actors.counts import Snapshot
from nano_trio.engine.bytecode import BytecodeCache, default_cache_folder
from nano_trio.engine.scheduler import CpuScheduler

__all__ = ["Registry"]

_SWEEP_S = 1.0


class Registry:
    """All apps of the process by name. Enter :meth:`run` before the first request."""

    def __init__(
        self,
        apps: Iterable[SupervisedSettings],
        *,
        state_dir: Path | None = None,
        dev: bool = False,
        cache: BytecodeCache | None = None,
    ) -> None:
        self.scheduler = CpuScheduler()
        self._cache = cache if cache is not None else BytecodeCache(default_cache_folder())
        self._nursery: trio.Nursery | None = None
        self._log = structlog.get_logger("nano_trio")
        self.apps: dict[str, App] = {
            settings.name: App(
                settings, self.scheduler, self._cache, self._spawn, find=self._find, state_dir=state_dir, dev=dev
            )
            for settings in apps
        }

    def _find(self, name: str) -> App | None:
        return self.apps.get(name)

    def _spawn(self, work: Callable[[], Awaitable[Any]]) -> None:
        assert self._nursery is not None, "the registry does not run"
        self._nursery.start_soon(self._guard, work)

    async def _guard(self, work: Callable[[], Awaitable[Any]]) -> None:
        try:
            await work()
        except Exception:
            self._log.exception("internal error in an app's task")

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the CPU scheduler and all apps until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await nursery.start(self.scheduler.run)
            nursery.start_soon(self._sweep)
            for app in self.apps.values():
                if app.settings.preload:
                    app.start()
                    await trio.lowlevel.checkpoint()
            task_status.started()

    async def _sweep(self) -> None:
        sleepers = [app for app in self.apps.values() if app.settings.idle_timeout_s is not None]
        while sleepers:
            await trio.sleep(_SWEEP_S)
            now = trio.current_time()
            for app in sleepers:
                app.sweep(now)

    def snapshots(self) -> Iterator[Snapshot]:
        """What is counted of each app, each at the moment it is asked for. Apps may come and go meanwhile."""
        return (app.snapshot() for app in list(self.apps.values()))

    async def drain(self, timeout_s: float) -> None:
        """Let all apps finish what they have, for at most ``timeout_s`` seconds; then everything in them is stopped."""
        with trio.move_on_after(timeout_s):
            async with trio.open_nursery() as nursery:
                for app in self.apps.values():
                    nursery.start_soon(app.drain)
