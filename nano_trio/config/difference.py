"""What must happen to a running server for a new configuration to come into force. Pure: it compares, and does nothing.

It compares configurations, not the apps' files: an edited index.js is the watcher's business. Apps are known by name;
a renamed app is one removed and one added. The order of apps and of hostnames has no meaning. A changed `defaults`
shows in the apps that it reaches, and nowhere else.
"""

from typing import Any

import attrs
from attrs import frozen

from nano_trio.config.about import ABOUT, About, Reload
from nano_trio.config.apps import App
from nano_trio.config.model import Config
from nano_trio.config.rules import is_loopback


@frozen
class AppChange:
    """An app that both configurations have, with different values."""

    old: App
    new: App
    keys: tuple[str, ...]
    """The changed keys, in the model's order."""

    @property
    def name(self) -> str:
        return self.new.name

    @property
    def needs_new_isolate(self) -> bool:
        """Whether the app must start again (`path`, `env`, `memory_mb`), or merely takes new limits and routes."""
        return any(_about(App, key).reload is Reload.ISOLATE for key in self.keys)

    @property
    def without_new_isolate(self) -> App:
        """The new values as far as the old isolate can run with them: for a new version that does not load."""
        return attrs.evolve(
            self.new,
            **{key: getattr(self.old, key) for key in self.keys if _about(App, key).reload is Reload.ISOLATE},
        )


@frozen
class ConfigDiff:
    """The way from one configuration to another; false where they come to the same."""

    added: tuple[App, ...] = ()
    removed: tuple[App, ...] = ()
    changed: tuple[AppChange, ...] = ()
    listener_keys: tuple[str, ...] = ()
    """Changed settings of the server itself that say where it listens, such as `tls.port`."""
    live_keys: tuple[str, ...] = ()
    """Changed settings of the server itself, such as `http.max_headers`, that it takes as it runs."""
    restart_keys: tuple[str, ...] = ()
    """Changed settings, such as `http.parser`, that only a restart of the server brings into force."""

    def __bool__(self) -> bool:
        return self != ConfigDiff()


def diff(old: Config, new: Config) -> ConfigDiff:
    """What to do to a server that runs `old` so that it runs `new`."""
    if old is new:
        return ConfigDiff()
    before = {app.name: app for app in old.apps}
    after = {app.name: app for app in new.apps}
    both = [(before[name], app) for name, app in after.items() if name in before]
    return ConfigDiff(
        added=tuple(app for name, app in after.items() if name not in before),
        removed=tuple(app for name, app in before.items() if name not in after),
        changed=tuple(AppChange(was, app, keys) for was, app in both if (keys := _differing(was, app))),
        listener_keys=tuple(_keys(old, new, Reload.LISTENER)),
        live_keys=tuple(_keys(old, new, Reload.LIVE)),
        restart_keys=tuple(_keys(old, new, Reload.RESTART)),
    )


def as_started(config: Config, started: Config) -> Config:
    """`config` as a process runs it that takes the place of another one of a server that was started with `started`.

    What only a restart of the server brings into force is that of `started`; so is all of `admin` where its present
    values would leave it without a token beyond loopback.
    """
    settled: Config = _as_started(config, started)
    if settled.admin.token is None and not is_loopback(settled.admin.host):
        settled = attrs.evolve(settled, admin=started.admin)
    return settled


def _as_started(config: Any, started: Any) -> Any:
    values: dict[str, Any] = {}
    for key in _differing(config, started):
        if key in ("apps", "defaults"):
            continue
        if attrs.has(type(getattr(config, key))):
            values[key] = _as_started(getattr(config, key), getattr(started, key))
        elif _about(type(config), key).reload is Reload.RESTART:
            values[key] = getattr(started, key)
    return attrs.evolve(config, **values) if values else config


def _keys(old: Any, new: Any, reload: Reload, table: str = "") -> list[str]:
    """The server's own changed keys of that kind, those of tables with the table's name."""
    keys: list[str] = []
    for key in _differing(old, new):
        if key in ("apps", "defaults"):
            continue
        if attrs.has(type(getattr(old, key))):
            keys += _keys(getattr(old, key), getattr(new, key), reload, f"{key}.")
        elif _about(type(old), key).reload is reload:
            keys.append(table + key)
    return keys


def _differing(old: Any, new: Any) -> tuple[str, ...]:
    """The fields whose values differ, by the class's own notion of equality."""
    if old is new or old == new:
        return ()
    keys = [field.name for field in attrs.fields(type(old))]
    return tuple(key for key in keys if attrs.evolve(old, **{key: getattr(new, key)}) != old)


def _about(cls: type[attrs.AttrsInstance], key: str) -> About:
    about: About = attrs.fields_dict(cls)[key].metadata[ABOUT]
    return about
