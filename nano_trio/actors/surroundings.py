"""What an app needs of the registry that holds it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nano_trio.actors.blanks import Blanks
from nano_trio.actors.rooms import RoomBus
from nano_trio.engine.bytecode import BytecodeCache
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.typescript import Tools

if TYPE_CHECKING:
    from nano_trio.actors.app import App
    from nano_trio.actors.messages import IncomingRequest

__all__ = ["Registry"]


class Registry(Protocol):
    """Implemented by :class:`nano_trio.actors.registry.Registry`."""

    scheduler: CpuScheduler
    bytecode: BytecodeCache
    blanks: Blanks
    tools: Tools
    """What may be run for TypeScript."""
    dev: bool
    state_dir: Path | None
    drain_timeout_s: float
    quarantined: Mapping[str, str]
    """Apps that are not to run, and why."""
    unloadable: set[App]
    """Apps whose code did not load when it was last tried."""
    room_bus: RoomBus | None
    """The way to the apps' rooms in other processes."""

    def find(self, name: str) -> App | None:
        """Another app, for service bindings."""

    def lets_in(self, app: App, request: IncomingRequest) -> bool:
        """Whether an app that drains takes this request all the same."""

    def number_of(self, app: str) -> int:
        """What stands in the scheduler's mark while one of the app's turns runs."""

    def supervise(self, what: str, run: Callable[[], Awaitable[object]]) -> None:
        """Run a task below the apps' supervisor, from now on. ``what``: the app and what it is to it."""

    def spawn(self, work: Callable[[], Awaitable[Any]]) -> None:
        """Run a small task of an app. What it raises is logged."""

    def stirred(self, app: App) -> None:
        """The app is no longer asleep, or no longer awake."""
