"""What the admin listener asks of the server that it is for. :mod:`nano_trio.web.admin.hosted` answers it.

Nothing here blocks the loop. What is listed may be long (10,000 apps), so it comes as iterables, and the callers take
it in pieces with a pass of the loop in between. What is awaited may have to be gathered from several processes
(:mod:`nano_trio.web.admin.all_workers`). Log lines and events do not come this way: they are tapped
(:mod:`nano_trio.logs`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import attrs

from nano_trio.actors.counts import Snapshot

__all__ = ["AppStatus", "Operations", "ProcessFigures"]


@attrs.frozen
class AppStatus:
    """One app, for a list of them."""

    name: str
    state: str
    """``asleep``, ``awake``, ``failed``, ``draining`` or ``quarantined``."""
    urls: Sequence[str]
    path: str
    preload: bool
    restarts: int
    """How often it was started again after a crash, since the server started."""
    last_error: str | None
    """Why it last crashed."""
    last_reload_error: str | None
    """Why its new version did not load; None where it did."""
    memory_bytes: int
    memory_limit_bytes: int
    quarantine: str | None
    """Why it is quarantined; None where it is not."""


@attrs.frozen
class ProcessFigures:
    """The process as a whole, since its start where it counts."""

    connections: int
    cpu_s: float
    resident_bytes: int
    loop_lag_ms: float | None
    """How long what was ready had to wait lately; None where it is not measured."""
    apps: Mapping[str, int]
    """How many apps there are, by state."""


class Operations(Protocol):
    """Raises :class:`nano_trio.web.admin.errors.OperationError` where it cannot do what is asked."""

    async def apps(self) -> Iterable[AppStatus]:
        """All apps, in the order of their names."""

    async def app(self, name: str) -> AppStatus:
        """One app."""

    async def add_app(self, document: dict[str, Any]) -> AppStatus:
        """Serve an app more: its table as in a configuration's ``apps``."""

    async def remove_app(self, name: str) -> None:
        """Take an app out of service: what it has begun may finish within the drain time."""

    async def restart_app(self, name: str) -> AppStatus:
        """Load the app afresh beside the old isolate, and switch."""

    async def drain_app(self, name: str) -> AppStatus:
        """Let the app finish what it has and take no more, until it is restarted."""

    async def lift_quarantine(self, name: str) -> AppStatus:
        """Let a quarantined app run again."""

    async def reload(self) -> dict[str, Any]:
        """Read the configuration and the apps' code again. Raises where they are refused."""

    async def tree(self) -> dict[str, Any]:
        """The supervision tree: each node has an ``id``, a ``state``, further facts, and ``children``."""

    async def health(self) -> dict[str, Any]:
        """How the server does: ``status`` is ``ok``, ``degraded`` or ``draining``."""

    @property
    def ready(self) -> bool:
        """Whether requests should be sent here."""

    async def exposition(self) -> bytes:
        """The Prometheus metrics as text."""

    async def snapshots(self) -> Iterable[Snapshot]:
        """The counters of all apps; where they are very many, of those that are not asleep."""

    async def process(self) -> ProcessFigures:
        """Those of the process."""

    def recent_lines(self, app: str | None) -> Sequence[Mapping[str, Any]]:
        """The last log lines (None: of all apps and the server), the oldest first, as far as they are kept."""
