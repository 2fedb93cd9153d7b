"""Apps that were added and removed at run time: what lies over the configuration's file.

They are kept in a JSON file of the state folder, so that they outlive the process: one that was added is there after a
restart (or a crash of the worker), and one that was removed is not. The file of the configuration stays as its authors
wrote it. Where the two disagree later, the file's authors win: an added app whose name, hostname or port is taken by
the file then is not served, and says so; a removal is forgotten when the file no longer has the app.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from nano_trio.config.apps import App
from nano_trio.config.loading import from_document
from nano_trio.config.model import Config
from nano_trio.config.problems import ConfigError, Problem, show
from nano_trio.config.schema import to_document

SOURCE = "app"
"""Stands at the head of problems with an app that is to be added."""


class Overlay:
    """What was added and removed. ``file`` None: kept in memory only."""

    def __init__(self, file: Path | None, folder: str | os.PathLike[str] = ".") -> None:
        """Reads the file; one that cannot be read counts as empty. ``folder``: where relative paths begin."""
        self.file = file
        self.folder = folder
        self.added: dict[str, dict[str, Any]] = {}
        self.removed: set[str] = set()
        self.fault: str | None = None
        """Why the file could not be read when it last was: then nobody knows what should be served."""
        self.read()

    def read(self) -> None:
        """Read the file, if there is one; where that fails, what is known stays. Blocks."""
        if self.file is None:
            return
        try:
            document = json.loads(self.file.read_text("utf-8"))
            added = {app["name"]: dict(app) for app in document["added"]}
            self.added, self.removed = added, set(map(str, document["removed"]))
            self.fault = None
        except FileNotFoundError:
            self.fault = None
        except (OSError, ValueError, TypeError, KeyError) as error:
            self.fault = f"{self.file}: {error}"

    @classmethod
    def beside(cls, config: Config, path: str | os.PathLike[str]) -> "Overlay":
        """The overlay of the configuration (or single app) at ``path``, in its state folder."""
        absolute = os.path.abspath(path)
        digest = hashlib.sha256(os.fsencode(absolute)).hexdigest()[:16]
        return cls(config.state_dir / "apps" / f"{digest}.json", os.path.dirname(absolute))

    def apply(self, base: Config) -> tuple[Config, dict[str, str]]:
        """The base with this over it, and the added apps that cannot be served, with the reasons."""
        removed = self.removed & {app.name for app in base.apps}
        if not self.added:
            return _without(base, removed), {}
        added = list(self.added.values())
        dropped: dict[str, str] = {}
        config = _without(base, removed & self.added.keys())
        try:
            config = self._joined(config, added)
        except ConfigError:
            # One by one, so that a fault of one does not take the others with it.
            for document in added:
                try:
                    config = self._joined(config, [document])
                except ConfigError as error:
                    dropped[document["name"]] = str(error)
        return _without(config, removed - self.added.keys()), dropped

    def forget(self, base: Config) -> None:
        """Forget the removals of apps that the base no longer has: who configures one of that name later wants it.

        Also in the file. Blocks; raises OSError.
        """
        removed = self.removed & {app.name for app in base.apps}
        if removed == self.removed or self.fault is not None:
            return
        self.removed = removed
        self.write()
        self.put()

    def check(self, base: Config, document: Mapping[str, Any]) -> App:
        """The app that is to be added. Raises `ConfigError` where it is none, or clashes with those that there are."""
        name = document.get("name")
        if isinstance(name, str) and name in self.added:
            raise ConfigError([Problem(SOURCE, "name", f"there is an app {show(name)} already")])
        _, dropped = self.apply(base)
        others = [app for other, app in self.added.items() if other not in dropped]
        replaced = self.removed & {name} if isinstance(name, str) else set()
        try:
            config = self._joined(_without(base, {*replaced, *self.added}), [*others, dict(document)])
        except ConfigError as error:
            raise ConfigError(
                [attrs.evolve(problem, source=SOURCE, key=_own_key(problem.key)) for problem in error.problems]
            ) from None
        return config.apps[-1]

    def _joined(self, base: Config, documents: list[dict[str, Any]]) -> Config:
        whole = to_document(base)
        whole["apps"] = [*whole["apps"], *documents]
        return from_document(whole, source=SOURCE, folder=self.folder, environ={})

    def add(self, app: App) -> None:
        """Keep an app that was checked."""
        document = to_document(attrs.evolve(_EMPTY, apps=(app,)))["apps"][0]
        self.added[app.name] = document

    def remove(self, name: str, *, configured: bool) -> None:
        """Forget an added app; note the removal of a ``configured`` one."""
        self.added.pop(name, None)
        if configured:
            self.removed.add(name)

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Take back what is changed inside where that raises."""
        added, removed = dict(self.added), set(self.removed)
        try:
            yield
        except BaseException:
            self.added, self.removed = added, removed
            raise

    def write(self) -> None:
        """Write the file beside the one in force, until :meth:`put` or :meth:`drop`. Blocks; raises OSError."""
        if self.file is None:
            return
        text = json.dumps({"added": list(self.added.values()), "removed": sorted(self.removed)}, indent=1)
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # `env` may hold secrets.
            handle = os.open(self._new(self.file), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text + "\n")
        except OSError as error:
            self.drop()
            reason = (error.strerror or str(error)).lower()
            what = f"what is added and removed at run time cannot be kept in {self.file.parent}"
            raise OSError(f"{what}: {reason}") from error

    def put(self) -> None:
        """Bring what was written into force, in one step; one that could not be read stays beside it.

        Blocks; raises OSError.
        """
        if self.file is None:
            return
        if self.fault is not None:
            os.replace(self.file, self.file.with_suffix(".unreadable"))
            self.fault = None
        os.replace(self._new(self.file), self.file)

    def drop(self) -> None:
        """Forget what was written. Blocks; never raises."""
        if self.file is not None:
            with contextlib.suppress(OSError):
                self._new(self.file).unlink()

    @staticmethod
    def _new(file: Path) -> Path:
        return file.with_suffix(".new")


_EMPTY = Config(apps=())


def _without(config: Config, names: set[str]) -> Config:
    return attrs.evolve(config, apps=tuple(app for app in config.apps if app.name not in names)) if names else config


def _own_key(key: str) -> str:
    """``apps[3].memory_mb`` is ``memory_mb`` to somebody who gave one app."""
    before, dot, after = key.partition("].")
    return after if dot and before.startswith("apps[") else key
