"""Hosting: apps behind listeners, and how they change while they run. What ``nano-trio serve`` runs.

nano-trio ─┬─ apps: CPU scheduler, idle sweep, whatever the awake apps run
           ├─ connections: the reactor, the tasks of connections
           ├─ listeners: an accepting task for each socket
           └─ operations: certificates, file watch, reloads, admin

That is the supervision tree (:mod:`nano_trio.actors.supervisor`), in the order of its start; it ends in reverse, so
apps outlive the connections in which their responses are under way.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog
import trio

from nano_trio.actors.child import ChildSpec, Restart
from nano_trio.actors.registry import Registry
from nano_trio.actors.room_bus import SharedRooms
from nano_trio.actors.supervisor import Supervisor
from nano_trio.config import App, Config, Overlay, keep, kept
from nano_trio.engine.threads import in_thread_or_here
from nano_trio.web.live import LiveReload
from nano_trio.web.load import Load
from nano_trio.web.parent_link import ParentLink
from nano_trio.web.pending import PendingChange
from nano_trio.web.reload import Change, ReloadReport
from nano_trio.web.server import Server
from nano_trio.web.workers.calls import Calls
from nano_trio.web.workers.mesh import Mesh

if TYPE_CHECKING:
    from nano_trio.web.admin.listener import AdminServer
    from nano_trio.web.metrics import Metrics

__all__ = ["Hosting", "report_overlay"]

log = structlog.get_logger("nano_trio")

_KEPT_AT_ONCE = 50
"""Apps whose configuration is made text in a millisecond; that of more takes a thread, and its time."""
_FIRST_REQUESTS_S = 0.1
"""For so long after the start that thread leaves the interpreter to those who waited for the server."""


class Hosting:
    """A running server with its apps; :func:`nano_trio.web.startup.host` makes it.

    Its methods that change something may be awaited from any task. Changes are made one after the other; cancelling the
    wait for one does not cancel the change. Whoever calls them logs who wanted it.
    """

    def __init__(
        self,
        config: Config,
        registry: Registry,
        server: Server,
        load: Load,
        *,
        base: Config | None = None,
        source: Callable[[], Config] | None = None,
        overlay: Overlay | None = None,
        dev: bool = False,
        access_log: bool = False,
        link: ParentLink | None = None,
        live: LiveReload | None = None,
    ) -> None:
        self.config = config
        """What runs now: the file's configuration with what was added and removed since."""
        self.started_with = config
        """What of it waits for a restart is what the server was started with, also where this worker came later."""
        self.registry = registry
        self.server = server
        self.load = load
        """How late the event loop is."""
        self.source = source
        """Reads the configuration anew, in a thread; raises :class:`ConfigError`. None: there is no file."""
        self.overlay = overlay if overlay is not None else Overlay(None)
        """Apps added and removed at run time."""
        self.dev = dev
        self.access_log = access_log
        self.link = link
        """The way to the parent process; None without one."""
        self.mesh: Mesh | None = None
        """The way to the other workers; None where there are none."""
        self.calls: Calls | None = None
        """What the workers ask each other."""
        self.rooms: SharedRooms | None = None
        """Rooms over all workers."""
        if link is not None and link.workers > 1:
            self.mesh = Mesh(link.worker)
            self.rooms = registry.room_bus = SharedRooms(self.mesh, registry)
        self.live = live
        """Pages that are loaded again when apps change, in development."""
        self.last_reload: ReloadReport | None = None
        self.fault: str | None = None
        """Why the configuration as it is on disk is not the one that runs; None where it is."""
        self._kept: tuple[Config, str] | None = None
        """What the parent process was told to keep."""
        self.draining = False
        """Whether the end has begun."""
        self.admin: AdminServer | None = None
        """The admin listener, where one is configured."""
        self.root = Supervisor(
            "nano-trio",
            [
                ChildSpec(id="apps", run=registry.run, reports=True, snapshot=registry.tree),
                *(ChildSpec.of(supervisor) for supervisor in server.supervisors),
            ],
            apart=True,
        )
        self._base = config if base is None else base
        self._turn = trio.Lock()
        self._next: PendingChange | None = None
        self._again = False
        """Whether nobody but the file watch wants the next reload, which only tries once more."""
        self._numbered = 0

    @functools.cached_property
    def metrics(self) -> Metrics:
        """What is counted of all this."""
        # Only who is asked waits for the library that knows their format, and has it in memory.
        from nano_trio.web.metrics import Metrics

        metrics = Metrics(self.registry, self.server, self.load)
        if self.mesh is not None:
            metrics.bus = self._bus_counts
        return metrics

    @property
    def operations(self) -> Supervisor:
        """The supervisor for whatever else the process does."""
        return self.server.operations

    def tree(self) -> dict[str, Any]:
        """The supervision tree (:meth:`nano_trio.actors.supervisor.Supervisor.tree`)."""
        return self.root.tree()

    @property
    def urls(self) -> list[str]:
        """Where the server answers, one URL for each address: HTTP, then HTTPS."""
        places = [("http", *place) for place in self.server.addresses]
        places += [("https", *place) for place in self.server.secure_addresses]
        return [
            f"{scheme}://{f'[{address}]' if ':' in address else address}:{port}" for scheme, address, port in places
        ]

    def urls_of(self, app: App) -> list[str]:
        """Where one app answers: its hostnames, with HTTP and HTTPS."""
        ports = {"http": self.server.port if app.port is None else self.server.port_of(app.port)}
        secure = self.server.secure_port_of(app.port)
        if secure is not None:
            ports["https"] = secure
        return [f"{scheme}://{name}:{port}" for name in app.hostname for scheme, port in ports.items()]

    def settings_of(self, name: str) -> App:
        """The configuration that an app runs with. Raises KeyError."""
        app = self.registry.apps[name].settings
        assert isinstance(app, App)
        return app

    def _bus_counts(self) -> tuple[int, int, int]:
        assert self.mesh is not None
        assert self.rooms is not None
        counts = self.mesh.counts
        return counts.sent, counts.received, counts.lost + self.rooms.lost

    def turn(self) -> contextlib.AbstractAsyncContextManager[None]:
        """While inside, no other worker changes anything: who changes all of them, or itself, does it in here."""
        link = self.link
        return contextlib.nullcontext() if link is None or link.workers == 1 else link.turn()

    # -- change ------------------------------------------------------------------------------------------------------

    async def reload(self, *, kept: bool = False, again: bool = False) -> ReloadReport:
        """Read the configuration and the awake apps' files anew, and bring what changed into force.

        Never raises: what went wrong stands in the report, and what ran before runs on. Calls that come while a reload
        waits for its turn share it. ``kept``: another worker has read the file a moment ago, and it may be
        another by now: the parent process gives what that one read. ``again``: the file is what it was, and what was
        wrong may have been mended elsewhere; if it is not, the log need not say so once more.
        """
        if kept:
            pending = PendingChange()
            self.spawn("reload", functools.partial(self._reload, pending, kept=True))
            return await pending.wait()
        if self._next is None:
            self._next, self._again = PendingChange(), True
            self.spawn("reload", functools.partial(self._reload, self._next))
        self._again = self._again and again
        return await self._next.wait()

    async def _reload(self, pending: PendingChange, *, kept: bool = False) -> None:
        try:
            async with self._turn:
                known = self.fault if self._next is pending and self._again else None
                self._next = None if self._next is pending else self._next
                pending.report = await self._read_and_change(kept, known)
        finally:
            self._next = None if self._next is pending else self._next
            pending.done.set()

    async def _read(self, kept: bool) -> tuple[Config, str | None]:
        """The configuration, and why it is not the file's. Raises what ``source`` does, where it has to be that."""
        if self.source is None:
            return self._base, None
        if kept and (others := await self._of_others()) is not None:
            return others, None
        try:
            return await in_thread_or_here(self.source), None
        except Exception as error:
            # It may have been sound a moment ago, when another worker read it.
            others = await self._of_others()
            if others is None or others == self._base:
                raise
            log.error("the configuration on disk cannot be used; that of the other workers is", reason=str(error))
            return others, str(error)

    async def _of_others(self) -> Config | None:
        """The newest that any worker could use."""
        if self.link is None or self.link.workers == 1 or (text := await self.link.kept()) is None:
            return None
        return await in_thread_or_here(kept, text)

    async def _read_and_change(self, kept: bool, known: str | None) -> ReloadReport:
        try:
            base, fault = await self._read(kept)
        except Exception as error:  # ConfigError, or what a file system may raise
            return self._refused(str(error), known)
        # Another worker may have changed it.
        await in_thread_or_here(self.overlay.read)
        config, dropped = await in_thread_or_here(self.overlay.apply, base)
        report_overlay(self.overlay, dropped)
        report = await self._change(config, files=True, known=known)
        if self.fault is not None and not (report.error or fault or report.changed):
            log.info("the configuration on disk is sound again, and the one that runs")
        self.fault = report.error or fault
        if report.error is None:
            self._base = base
            await self.forget_removals()
            await self._keep()
        return report

    async def forget_removals(self) -> None:
        """Forget that apps were removed which the configuration's file no longer has."""
        if not self.overlay.removed:
            return
        try:
            await in_thread_or_here(self.overlay.forget, self._base)
        except OSError as error:
            log.error("the apps that were added and removed at run time cannot be kept", reason=str(error))

    def _refused(self, why: str, known: str | None) -> ReloadReport:
        if why != known:
            log.error("the configuration was not reloaded; the running one stays", reason=why)
        self.fault = why
        self.last_reload = ReloadReport(error=why)
        return self.last_reload

    async def refresh(self, apps: set[str]) -> ReloadReport:
        """Like :meth:`reload`, but only for these apps' files; the configuration is not read."""
        return await self._alone("refresh", functools.partial(self._change_files, apps))

    async def _change_files(self, apps: set[str]) -> ReloadReport:
        return await self._change(self.config, files=apps)

    async def add_app(self, document: Mapping[str, Any]) -> App:
        """Serve a further app, given as the configuration's file would say it; relative paths begin at its folder.

        It is kept in the state folder: reloads and restarts keep it, until :meth:`remove_app`. Raises
        :class:`ConfigError` for what cannot be accepted and :class:`OSError` where its port cannot be had.
        """

        async def add() -> ReloadReport:
            app = await in_thread_or_here(self.overlay.check, self._base, document)
            with self.overlay.changing():
                self.overlay.add(app)
                return await self._change_overlay()

        await self._alone("add", add)
        return self.settings_of(document["name"])

    async def remove_app(self, name: str) -> None:
        """Serve an app no more: new requests get 503 until those in flight have finished, 404 after that.

        That too is kept in the state folder, for an app of the configuration's file until the file no longer has it.
        Does not wait for the end of its requests. Raises KeyError where there is no such app.
        """

        async def remove() -> ReloadReport:
            if name not in self.registry.apps:
                raise KeyError(name)
            with self.overlay.changing():
                self.overlay.remove(name, configured=any(app.name == name for app in self._base.apps))
                return await self._change_overlay()

        await self._alone("remove", remove)

    async def _change_overlay(self) -> ReloadReport:
        config, _ = await in_thread_or_here(self.overlay.apply, self._base)
        # What cannot be kept, on a full disk say, is not to be served either.
        await in_thread_or_here(self.overlay.write)
        report = await self._change(config, files=False)
        if report.error is not None:
            await in_thread_or_here(self.overlay.drop)
            raise OSError(report.error)
        await in_thread_or_here(self.overlay.put)
        return report

    async def follow(self) -> None:
        """Serve what another worker has added and removed. Raises OSError where its ports cannot be had."""

        async def follow() -> ReloadReport:
            before = self.overlay.added, self.overlay.removed
            await in_thread_or_here(self.overlay.read)
            if (self.overlay.added, self.overlay.removed) == before:
                return ReloadReport()
            config, _ = await in_thread_or_here(self.overlay.apply, self._base)
            report = await self._change(config, files=False)
            if report.error is not None:
                raise OSError(report.error)
            return report

        await self._alone("follow", follow)

    async def restart_app(self, name: str) -> None:
        """Load an app's present files into a fresh isolate and switch to it; the old one drains.

        Raises KeyError where there is no such app, and :class:`NotLoaded` where it does not load: then the old one
        serves on.
        """

        async def restart() -> ReloadReport:
            app = self.registry.apps[name]
            if not app.awake:
                app.forget_code()
            app.switch(await app.prepare(app.settings))
            return ReloadReport(replaced=(name,))

        await self._alone("restart", restart)

    async def drain_app(self, name: str) -> None:
        """Answer an app's new requests with 503, and wait until those in flight are finished or their time is over.

        It stays so until :meth:`undrain_app`. Raises KeyError where there is no such app.
        """
        app = self.registry.apps[name]
        self.tell_doors([name], closed=True)
        with trio.move_on_after(self.config.drain_timeout_s):
            await app.drain()

    async def undrain_app(self, name: str) -> None:
        """Take requests again. Raises KeyError where there is no such app."""
        self.registry.apps[name].open_doors()
        self.tell_doors([name], closed=False)

    def tell_doors(self, apps: Sequence[str], *, closed: bool) -> None:
        """Have workers that start know what this one was told."""
        if self.link is not None and apps:
            self.link.doors(apps, closed=closed)

    async def _change(self, config: Config, *, files: bool | set[str], known: str | None = None) -> ReloadReport:
        if self.draining:
            # Nobody would be served by it; and what it opens would be open to new connections.
            return ReloadReport(error="the server is shutting down, and changes nothing any more")
        change = Change(self, config)
        self.last_reload = report = await change.run(files)
        if report.error not in (None, known):
            log.error("the configuration was not changed; the running one stays", reason=report.error)
        if self.live is not None and (report.changed or report.failed or change.mended):
            self.live.changed()
        self.tell_parent()
        return report

    def tell_parent(self) -> None:
        """What the parent process must know of the configuration: the worker serves under it."""
        if self.link is not None:
            self.link.ready(
                self.started_with,
                drain_timeout_s=self.config.drain_timeout_s,
                quarantine_window_s=self.config.quarantine_window_s,
                unresponsive_timeout_s=self.config.unresponsive_timeout_s,
                log_level=self.started_with.log.level,
                log_format=self.started_with.log.format,
            )

    async def keep(self) -> None:
        """Have the parent process keep the file's configuration, for workers that start while the file is broken.

        Where there are many apps, not at once: the server has just started.
        """
        if len(self._base.apps) > _KEPT_AT_ONCE:
            await trio.sleep(_FIRST_REQUESTS_S)
            await self.registry.blanks.after_starts()
        async with self._turn:
            await self._keep()

    async def _keep(self) -> None:
        base = self._base
        if self.link is None:
            return
        before = self._kept

        def text() -> str:
            return before[1] if before is not None and before[0] == base else keep(base)

        said = text() if len(base.apps) <= _KEPT_AT_ONCE else await in_thread_or_here(text)
        self._kept = base, said
        # Also where it is what this worker said before: another may have said something else since.
        self.link.keep(said)

    # -- quarantine --------------------------------------------------------------------------------------------------

    def quarantined(self) -> dict[str, str]:
        """The apps that are not served because the engine crashed in their turns, and what happened."""
        return dict(self.registry.quarantined)

    def lift(self, app: str) -> bool:
        """Have an app served again, in all workers. False where it is not quarantined."""
        if app not in self.registry.quarantined or self.link is None:
            return False
        # The parent's answer would do the same a moment later; whoever asked may look at once.
        self.registry.quarantine({name: why for name, why in self.registry.quarantined.items() if name != app})
        self.link.lift(app)
        return True

    async def _alone(self, what: str, work: Callable[[], Awaitable[ReloadReport]]) -> ReloadReport:
        """Let the work have its turn among the changes. Raises what it raises."""
        pending = PendingChange()

        async def run() -> None:
            try:
                async with self._turn:
                    pending.report = await work()
            except Exception as error:
                pending.failure = error
            finally:
                pending.done.set()

        self.spawn(what, run)
        return await pending.wait()

    def spawn(self, what: str, run: Callable[[], Awaitable[object]]) -> None:
        """Run a task below the operations."""
        self._numbered += 1
        self.operations.add(ChildSpec(id=f"{what} ({self._numbered})", run=run, restart=Restart.TEMPORARY))

    # -- the end -----------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """From now on accept no connections; requests that begin on kept ones get 503. Idempotent."""
        self.draining = True
        if self.link is not None and self.link.shares is not None:
            self.link.shares.leave()
        if self.live is not None:
            self.live.close()
        self.server.stop()

    async def drain(self) -> None:
        """Stop accepting, let requests finish for at most ``drain_timeout_s``, answer the rest with 503, then end."""
        self.stop()
        timeout = self.config.drain_timeout_s
        started = trio.current_time()
        # Apps that end answer what they have in flight.
        await self.server.drain(timeout, functools.partial(self.registry.drain, 0.0))
        await self.registry.drain(max(0.0, timeout - (trio.current_time() - started)))


def report_overlay(overlay: Overlay, dropped: Mapping[str, str]) -> None:
    """Log what of the apps that were added and removed at run time cannot be had, and why."""
    if overlay.fault is not None:
        log.error("the apps that were added and removed at run time cannot be told", reason=overlay.fault)
    for name, why in dropped.items():
        log.error("an app that was added at run time cannot be served", app=name, reason=why)
