"""Reload: the way of a running server from one configuration to another, and of its apps to newer code.

Theory of operation
-------------------
A change is made whole or not at all. First everything that can fail, while the old goes on serving: certificates are
loaded, new ports bound, and the new versions of awake apps loaded beside the old, a few at a time. Then, without
anything in between, the switch: apps take their new versions and limits, the routes are replaced, listeners begin and
stop. Then what was replaced or removed drains, each on its own.

What goes wrong:

- certificates or ports that cannot be had: nothing changes, the report says why;
- an app whose new version does not load: its old version serves on with its old code, ``env`` and the like; its routes
  and limits are the new ones. The error is in the log, the report and ``App.last_reload_error``. The next reload tries
  again;
- an app that is quarantined is released when its new version is there: its code or what its isolate is made with has
  changed, or it was removed. It crashed the engine, the new one may not;
- an app that is asleep is not loaded: it takes the new settings, and the next request finds the new code.

A removed app answers 503 with ``Connection: close`` until its last request is finished; then its hosts are unknown:
404. Where another app has taken one of its hostnames, that one answers at once. Apps and versions that call it as a
service, and end by the same change, have it until they have: or whoever renames it would lose their last requests.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import attrs
import structlog
import trio

from nano_trio.actors.app import App as RunningApp
from nano_trio.actors.endings import NotLoaded
from nano_trio.actors.version import Version
from nano_trio.config import App, Config, diff
from nano_trio.engine.threads import in_thread_or_here
from nano_trio.web.assembly import app_ports, route, secure_facts, server_settings
from nano_trio.web.certificates import CertificateError
from nano_trio.web.router import Route
from nano_trio.web.settings import ServerSettings

if TYPE_CHECKING:
    from nano_trio.web.hosting import Hosting

__all__ = ["Change", "ReloadReport"]

log = structlog.get_logger("nano_trio")

_LOADED_AT_ONCE = 4


@attrs.frozen(kw_only=True)
class ReloadReport:
    """What a reload did."""

    error: str | None = None
    """Why nothing was changed; None where the change was made."""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    """Apps whose new version serves now, or at the next request where they are asleep."""
    updated: tuple[str, ...] = ()
    """Apps that took new limits or routes and kept their isolate."""
    failed: dict[str, str] = attrs.field(factory=dict)
    """Apps whose new version did not load, and why; the old one serves."""
    settings: tuple[str, ...] = ()
    """Settings of the server itself that have other values now, such as ``http.max_headers``."""
    needs_restart: tuple[str, ...] = ()
    """Settings that differ from those the process was started with, and that only a restart brings into force."""

    @property
    def changed(self) -> bool:
        """Whether anything is different now."""
        return bool(self.added or self.removed or self.replaced or self.updated or self.settings)

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return attrs.asdict(self)


class Change:
    """One change of a hosting. Its caller sees to it that only one is made at a time."""

    def __init__(self, hosting: Hosting, config: Config) -> None:
        self._hosting = hosting
        self._registry = hosting.registry
        self._new = config
        self._difference = diff(hosting.config, config)
        self._versions: dict[str, Version] = {}
        self._failed: dict[str, str] = {}
        self.mended: set[str] = set()
        """Apps that could not be loaded, and whose files are looked at anew."""

    async def run(self, files: bool | Collection[str]) -> ReloadReport:
        """Make the change. ``files``: whether to look at the apps' files, or at which apps'."""
        try:
            return await self._run(files)
        except CertificateError as error:
            return ReloadReport(error=str(error))
        except OSError as error:
            place = f" on {error.filename}" if error.filename else ""
            return ReloadReport(error=f"cannot listen{place}: {error.strerror or error}")
        finally:
            for version in self._versions.values():
                version.discard()

    async def _run(self, files: bool | Collection[str]) -> ReloadReport:
        hosting, server = self._hosting, self._hosting.server
        renewed = await self._renewed(files)
        if files is not True and self._new is hosting.config and not renewed:
            # Some files were looked at, and are what they were. With a thousand apps all the rest takes 7 ms.
            self._start()
            return ReloadReport()
        opening = await server.prepare(await self._server_settings(), app_ports(self._new.apps))
        try:
            await self._load(renewed)
            await server.open_late(opening)
        except BaseException:
            opening.close()
            raise
        leaving = self._switch(renewed)
        await server.commit(opening)
        settings = self._difference.live_keys + self._difference.listener_keys
        if hosting.admin is not None and not hosting.admin.take(self._new.admin):
            settings = tuple(key for key in settings if not key.startswith("admin."))
        self._release(renewed)
        for app in leaving:
            hosting.spawn(f"draining {app.name}", functools.partial(self._let_go, app))
        self._start()
        difference = self._difference
        report = ReloadReport(
            added=tuple(app.name for app in difference.added),
            removed=tuple(app.name for app in difference.removed),
            replaced=tuple(app.name for app in self._new.apps if app.name in renewed and app.name not in self._failed),
            updated=tuple(change.name for change in difference.changed if change.name not in renewed),
            failed=self._failed,
            settings=settings,
            needs_restart=diff(hosting.started_with, self._new).restart_keys,
        )
        # In development its error is shown instead.
        still = "" if hosting.dev else "; the old one serves on"
        for name, why in self._failed.items():
            log.error(f"the new version of an app does not load{still}", app=name, error=why)
        if report.changed:
            # Why some failed is told above, in a line of each.
            told = {**report.document(), "failed": tuple(self._failed)}
            log.info("reloaded", **{key: value for key, value in told.items() if value})
        return report

    async def _renewed(self, files: bool | Collection[str]) -> set[str]:
        """The names of the apps that need a new isolate."""
        renewed = {change.name for change in self._difference.changed if change.needs_new_isolate}
        if files is False:
            return renewed
        apps = self._registry.apps
        kept = [apps[app.name] for app in self._new.apps if app.name in apps and app.name not in renewed]
        looked_at = [app for app in kept if files is True or app.name in files]
        stale = await in_thread_or_here(lambda: {app.name for app in looked_at if app.source.is_stale})
        for app in looked_at:
            if app.name in self._registry.quarantined and app.source.code is None:
                # What could not even be read when it was quarantined, and now can, is another version too.
                with contextlib.suppress(NotLoaded):
                    app.source.keep(await app.read_version(app.settings))
                    stale.add(app.name)
        for app in looked_at:
            if app.name not in stale:
                # What could not be loaded is taken back; or the app does not run, and its next start reads the files.
                app.last_reload_error = None
                if not app.awake and app.last_error is not None:
                    app.forget_code()
                    self.mended.add(app.name)
        return renewed | stale

    async def _server_settings(self) -> ServerSettings:
        old, new, settings = self._hosting.config, self._new, self._hosting.server.settings
        if not self._difference:
            return settings
        make = functools.partial(
            server_settings,
            new,
            dev=self._hosting.dev,
            access_log=self._hosting.access_log,
            live=self._hosting.live,
            secure=settings.secure if secure_facts(old) == secure_facts(new) else None,
        )
        fresh = await in_thread_or_here(make)
        return attrs.evolve(
            fresh,
            sockets=settings.sockets,
            accepted_at_once=settings.accepted_at_once,
            shares=settings.shares,
            backlog=settings.backlog,
        )

    async def _load(self, names: Collection[str]) -> None:
        """Load the new versions of those that are awake; in ``_versions`` or ``_failed``."""
        limit = trio.CapacityLimiter(_LOADED_AT_ONCE)

        async def load(running: RunningApp, settings: App) -> None:
            async with limit:
                try:
                    self._versions[settings.name] = await running.prepare(settings)
                except NotLoaded as error:
                    self._failed[settings.name] = str(error)

        async with trio.open_nursery() as nursery:
            for settings in self._new.apps:
                running = self._registry.apps.get(settings.name)
                if settings.name in names and running is not None and running.awake:
                    nursery.start_soon(load, running, settings)

    def _switch(self, renewed: Collection[str]) -> list[RunningApp]:
        """Bring everything into force, without waiting for anything. The apps that were removed are returned."""
        hosting, registry, versions = self._hosting, self._registry, self._versions
        changes = {change.name: change for change in self._difference.changed}
        in_force: list[App] = []
        for settings in self._new.apps:
            name = settings.name
            running = registry.apps.get(name)
            if running is None:
                registry.add(settings)
            elif name in versions:
                running.switch(versions.pop(name))
            elif name in self._failed:
                running.last_reload_error = self._failed[name]
                settings = changes[name].without_new_isolate if name in changes else settings
                running.take(settings)
            elif name in changes or name in renewed:
                running.take(settings)
                if name in renewed:
                    running.forget_code()
            in_force.append(settings)
        leaving = [registry.release(app.name) for app in self._difference.removed]
        hosting.config = attrs.evolve(self._new, apps=tuple(in_force))
        # The next app of that name is another one.
        hosting.tell_doors([app.name for app in (*self._difference.removed, *self._difference.added)], closed=False)
        registry.drain_timeout_s = self._new.drain_timeout_s
        self._replace_routes()
        return leaving

    def _release(self, renewed: Collection[str]) -> None:
        """Give quarantined apps whose version is another one now a new chance."""
        removed = {app.name for app in self._difference.removed}
        for name in self._hosting.quarantined():
            if name in renewed or name in removed:
                why = "it was removed" if name in removed else "there is a new version of it"
                log.info("the quarantine ends", app=name, reason=why)
                self._hosting.lift(name)

    def _replace_routes(self) -> None:
        """The apps' routes, and those of apps that leave where nobody else has claimed them."""
        hosting, registry = self._hosting, self._registry
        config = hosting.config
        routes = [route(app, registry.apps[app.name], hosting.live) for app in config.apps]
        if registry.leaving:
            claimed = {(app.port, hostname) for app in config.apps for hostname in app.hostname}
            ports = app_ports(config.apps)
            for leaving in registry.leaving:
                app = leaving.settings
                assert isinstance(app, App)
                hostnames = tuple(name for name in app.hostname if (app.port, name) not in claimed)
                claimed.update((app.port, name) for name in hostnames)
                if hostnames and (app.port is None or app.port in ports):
                    routes.append(Route(leaving, hostnames, app.port))
        hosting.server.router.replace(routes)

    async def _let_go(self, app: RunningApp) -> None:
        """The end of an app that was removed."""
        try:
            await self._registry.let_go(app)
        finally:
            self._replace_routes()

    def _start(self) -> None:
        """What ``preload`` asks for, of apps that are new or mended."""
        names = {app.name for app in self._difference.added} | self.mended
        names |= {change.name for change in self._difference.changed if "preload" in change.keys}
        for name in names:
            app = self._registry.apps.get(name)
            if app is not None and app.settings.preload:
                app.start()
