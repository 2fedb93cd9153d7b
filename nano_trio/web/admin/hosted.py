"""Answers what the admin listener asks, from the running :class:`nano_trio.web.hosting.Hosting`."""

from __future__ import annotations

import difflib
import os
import time
from collections import Counter
from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nano_trio import __version__, logs
from nano_trio.actors.app import App, AppState
from nano_trio.actors.counts import Snapshot
from nano_trio.actors.endings import NotLoaded
from nano_trio.actors.settings import in_bytes
from nano_trio.config import ConfigError
from nano_trio.web.admin.errors import Conflict, NoSuchApp, Refused
from nano_trio.web.admin.operations import AppStatus, ProcessFigures

if TYPE_CHECKING:
    from nano_trio.web.hosting import Hosting

__all__ = ["HostedOperations"]

_LINES_KEPT = 500
_ALL_SHOWN = 500
"""Of more apps than these, those that sleep are left out of samples."""
_TOLD = 50
"""Problems that :meth:`HostedOperations.health` tells of."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_TROUBLED = (AppState.FAILED,)


class HostedOperations:
    """Implements :class:`nano_trio.web.admin.operations.Operations`. A context manager, inside a Trio run: meanwhile it
    keeps the last log lines.
    """

    def __init__(self, hosting: Hosting) -> None:
        self._hosting = hosting
        self._started = time.monotonic()
        self._memory: logs.Tap | None = None

    def __enter__(self) -> HostedOperations:
        self._memory = logs.tap(lifecycle=False, capacity=_LINES_KEPT)
        return self

    def __exit__(self, *_: object) -> None:
        if self._memory is not None:
            self._memory.close()

    @property
    def _quarantined(self) -> Mapping[str, str]:
        return self._hosting.registry.quarantined

    async def apps(self) -> Iterator[AppStatus]:
        running = self._hosting.registry.apps
        return (self._status(running[name]) for name in sorted(running) if name in running)

    async def app(self, name: str) -> AppStatus:
        return self._status(self._app(name))

    def _app(self, name: str) -> App:
        apps = self._hosting.registry.apps
        if name in apps:
            return apps[name]
        near = difflib.get_close_matches(name, apps, 1)
        raise NoSuchApp(f"there is no app {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))

    def _status(self, app: App) -> AppStatus:
        settings = self._hosting.settings_of(app.name)
        why = self._quarantined.get(app.name)
        return AppStatus(
            name=app.name,
            state="quarantined" if why is not None else app.state.value,
            urls=self._hosting.urls_of(settings),
            path=settings.path,
            preload=settings.preload,
            restarts=app.counts.restarts,
            last_error=app.last_error,
            last_reload_error=app.last_reload_error,
            memory_bytes=app.memory_used,
            memory_limit_bytes=in_bytes(settings.memory_mb),
            quarantine=why,
        )

    # -- changes -----------------------------------------------------------------------------------------------------

    async def add_app(self, document: dict[str, Any]) -> AppStatus:
        name = document.get("name")
        if name in self._hosting.registry.apps:
            raise Conflict(f"there is an app {name!r} already")
        try:
            settings = await self._hosting.add_app(document)
        except ConfigError as error:
            raise Refused([str(problem) for problem in error.problems]) from None
        except OSError as error:
            raise Refused([str(error)]) from None
        return await self.app(settings.name)

    async def remove_app(self, name: str) -> None:
        self._app(name)
        await self._changing(name, self._hosting.remove_app(name))

    async def restart_app(self, name: str) -> AppStatus:
        self._app(name)
        if name in self._quarantined:
            raise Conflict(f"{name} is quarantined: {self._quarantined[name]}; lift that first")
        await self._changing(name, self._hosting.restart_app(name))
        await self._changing(name, self._hosting.undrain_app(name))
        return await self.app(name)

    async def drain_app(self, name: str) -> AppStatus:
        self._app(name)
        await self._changing(name, self._hosting.drain_app(name))
        return await self.app(name)

    async def lift_quarantine(self, name: str) -> AppStatus:
        self._app(name)
        if not self._hosting.lift(name):
            raise Conflict(f"{name} is not quarantined")
        return await self.app(name)

    async def _changing(self, name: str, change: Awaitable[object]) -> None:
        try:
            await change
        except KeyError:
            # Another change was made before this one had its turn.
            raise NoSuchApp(f"there is no app {name!r} any more") from None
        except ConfigError as error:
            raise Refused([str(problem) for problem in error.problems]) from None
        except (NotLoaded, OSError) as error:
            raise Refused([str(error)]) from None

    async def reload(self, *, kept: bool = False) -> dict[str, Any]:
        report = await self._hosting.reload(kept=kept)
        if report.error is not None:
            raise Refused(report.error.splitlines())
        return {**report.document(), "changed": report.changed}

    # -- looking -----------------------------------------------------------------------------------------------------

    async def tree(self) -> dict[str, Any]:
        return self._hosting.tree()

    def _stirring(self) -> list[App]:
        """The apps that are not asleep, without those that were removed and still drain."""
        return self._registered(self._hosting.registry.stirring)

    def _registered(self, apps: Iterable[App]) -> list[App]:
        registry = self._hosting.registry
        return [app for app in apps if registry.apps.get(app.name) is app]

    def states(self) -> dict[str, str]:
        """The states of all apps that are not asleep, by name."""
        apps, quarantined = self._hosting.registry.apps, self._quarantined
        states = {app.name: app.state.value for app in self._stirring()}
        return {**states, **{name: "quarantined" for name in quarantined if name in apps}}

    def _states(self) -> Counter[str]:
        registry = self._hosting.registry
        states = Counter(self.states().values())
        if asleep := len(registry.apps) - states.total():
            states[AppState.ASLEEP.value] = asleep
        return states

    async def health(self) -> dict[str, Any]:
        hosting, quarantined = self._hosting, self._quarantined
        problems = [
            f"{app.name}: failed: {app.last_error}"
            for app in self._stirring()
            if app.state in _TROUBLED and app.name not in quarantined
        ]
        problems += [
            f"{app.name}: {app.last_error}"
            for app in sorted(self._registered(hosting.registry.unloadable), key=lambda app: app.name)
            if app.state not in _TROUBLED and app.name not in quarantined
        ]
        problems += [f"{name}: quarantined: {why}" for name, why in quarantined.items()]
        if hosting.fault is not None:
            problems.append(f"the configuration was not reloaded: {hosting.fault}")
        if hosting.overlay.fault is not None:
            problems.append(f"the apps that were added and removed at run time cannot be told: {hosting.overlay.fault}")
        server = hosting.server
        problems += [
            f"the certificate {cert} cannot be loaded: {why}" for cert, why in server.certificate_faults.items()
        ]
        problems += [f"the certificate {cert} {expiry}" for cert, expiry in server.certificate_expiries.items()]
        problems += [
            f"{app.name}: its new version does not load: {app.last_reload_error}"
            for app in self._stirring()
            if app.last_reload_error is not None
        ]
        if len(problems) > _TOLD:
            problems[_TOLD:] = [f"… and {len(problems) - _TOLD} more"]
        return {
            "status": "draining" if not self.ready else "degraded" if problems else "ok",
            "version": __version__,
            "uptime_s": round(time.monotonic() - self._started, 1),
            "apps": dict(self._states()),
            "problems": problems,
        }

    @property
    def ready(self) -> bool:
        return not self._hosting.draining

    async def exposition(self) -> bytes:
        return await self._hosting.metrics.exposition()

    async def snapshots(self) -> Iterator[Snapshot]:
        registry = self._hosting.registry
        if len(registry.apps) <= _ALL_SHOWN:
            return registry.snapshots()
        return (app.snapshot() for app in self._stirring())

    async def process(self) -> ProcessFigures:
        return ProcessFigures(
            connections=self._hosting.server.connections,
            cpu_s=time.process_time(),
            resident_bytes=_resident_bytes(),
            loop_lag_ms=round(self._hosting.metrics.load.lag_s * 1e3, 3),
            apps=self._states(),
        )

    def recent_lines(self, app: str | None) -> Sequence[Mapping[str, Any]]:
        lines = [] if self._memory is None else self._memory.waiting()
        return [line for line in lines if app is None or line.get("app") == app]


def _resident_bytes() -> int:
    """What the process has in memory; 0 where the system does not say (proc(5))."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return 0
