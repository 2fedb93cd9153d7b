"""Watching the configuration and the code of apps that are awake or quarantined, to reload what changes.

Theory of operation
-------------------
Folders are watched (not files: editors replace files by renaming others over them), each for itself and not what lies
below: the folder of the configuration's file, and of each app that has its code loaded, the folders that its modules
came from, its own folder and those below it, without ``node_modules`` and hidden ones, up to a limit, and those that
hold its packages: who installs another version of one puts a new folder in the place of the old. Where a path
leads through a symbolic link, the folder that holds the link is watched too: a deployment that swings ``current`` from
one release to the next is a change. An app that is asleep is not watched; its next start reads its files anyway.

What the operating system reports only tells where to look. The configuration is reloaded where its content differs from
what was last read; an app where the files that it has loaded would read differently now. So a file that is touched, or
a log that grows beside the code, changes nothing. (An app that does not load is tried again whatever changes, for which
file would mend it is not known; our own log is left out, or its error would lead to the next.)

Changes are gathered until a tenth of a second has passed without any, at most 1.6 s. The set of watched folders is
looked at once a second, and after each change: a new watcher stands before the old one goes, and what it newly watches
is compared once, for it may have changed before; so is each app that has begun since. Where the system's limit of
watches is reached, the folders are polled instead; so they are, until others are to be watched, where there is no
descriptor for a watcher, or its user has as many as one may.

Hundreds of apps may have been started since the last look, and others start meanwhile. So a look waits until starts are
over, for two seconds at most. The loop is not kept for all of them at once, and for a new one the thread does little
but ask the system: whatever else it does holds the interpreter, for which each start then waits half a millisecond with
every file that it reads.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.machinery
import importlib.util
import os
import stat
import sys
import threading
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
import trio

from nano_trio.config.files import read_file
from nano_trio.engine.threads import NoThread, in_thread, in_thread_or_here

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

    from nano_trio.actors.app import App
    from nano_trio.web.hosting import Hosting

__all__ = ["Digests", "FileWatch", "digests", "folders_of"]

log = structlog.get_logger("nano_trio")

Digests = list[bytes | None]
StrPath = str | os.PathLike[str]

_LOOK_MS = 1000
_NO_THREAD_S = 5.0
_QUIET_MS = 100
_DEBOUNCE_MS = 1600
_LAST_MS = 20
_POLL_MS = 1000
_MOST_FOLDERS = 256
"""Of one app."""
_MOST_LINKS = 40
_LOOKED_AT_ONCE = 50
"""Apps, without a pass of the loop in between."""


class FileWatch:
    """Reloads a hosting when its files change. :meth:`run` is its task."""

    def __init__(self, hosting: Hosting, files: Sequence[Path], seen: Digests | None = None) -> None:
        """``files``: those of the configuration, as given. ``seen``: their :func:`digests` before they were read."""
        self._hosting = hosting
        self._files = [Path(os.path.abspath(file)) for file in files]
        self._seen = digests(self._files) if seen is None else seen
        self._known: dict[App, tuple[object, frozenset[str]]] = {}
        self._polling = False
        """For good: the system's limit of watches is reached."""
        self._told = False
        self._told_of_thread = False

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self._run()
            except* NoThread as group:
                if not self._told_of_thread:
                    log.warning("files are not watched for now", reason=str(group.exceptions[0]))
                    self._told_of_thread = True
            # It looks at everything anew then.
            await trio.sleep(_NO_THREAD_S)

    async def _run(self) -> None:
        stop = threading.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_set_when_cancelled, stop)
            watcher: RustNotify | None = None
            watched: frozenset[str] = frozenset()
            compared: Collection[App] = ()
            try:
                while True:
                    await self._hosting.registry.blanks.after_starts()
                    apps, config = await self._folders()
                    wanted = frozenset().union(config, *apps.values())
                    new = frozenset[str]()
                    if watcher is None or wanted != watched:
                        fresh = await in_thread(self._watch, sorted(wanted))
                        if fresh is None:
                            await trio.sleep(_QUIET_MS / 1e3)
                            continue
                        watcher, old = fresh, watcher
                        new = wanted - watched
                        watched = wanted
                        if old is not None:
                            # What it saw while the last change was made is not to go with it.
                            late = await in_thread(old.watch, _LAST_MS, _LAST_MS, 1, stop)
                            old.close()
                            new |= _places(late)
                    # Also those that have begun in folders that were watched before, for others: what was reported
                    # meanwhile was not theirs.
                    await self._look(apps, config, new, apps.keys() - compared)
                    compared = apps.keys()
                    found = await in_thread(watcher.watch, _DEBOUNCE_MS, _QUIET_MS, _LOOK_MS, stop)
                    await trio.lowlevel.checkpoint()
                    await self._look(apps, config, _places(found))
            finally:
                if watcher is not None:
                    watcher.close()

    async def _look(
        self,
        apps: dict[App, frozenset[str]],
        config: frozenset[str],
        places: frozenset[str],
        newcomers: AbstractSet[App] = frozenset(),
    ) -> None:
        """Look at what lies in these places, and at the newcomers' files."""
        touched = {app for app, folders in apps.items() if folders & places} if places else set()
        for app in touched:
            self._known.pop(app, None)
        await self._changed(touched | newcomers, bool(config & places))

    def _watch(self, folders: list[str]) -> RustNotify | None:
        """A watcher, or None where a folder has gone this moment. Blocks."""
        make = _notifier()
        try:
            if not self._polling:
                try:
                    return make(folders, False, False, _POLL_MS, False, True)
                except FileNotFoundError:
                    raise
                except (OSError, RuntimeError) as error:
                    if not self._told:
                        log.warning("files cannot be watched; they are polled instead", reason=str(error))
                        self._told = True
                    # The other error is the watcher's own: it got no descriptor for itself. That may pass.
                    self._polling = isinstance(error, OSError)
            return make(folders, False, True, _POLL_MS, False, True)
        except FileNotFoundError:
            return None

    async def _changed(self, apps: set[App], config: bool) -> None:
        if apps or config:
            # All workers notice; each reloads itself, one after another.
            async with self._hosting.turn():
                await self._reload(apps, config)

    async def _reload(self, apps: set[App], config: bool) -> None:
        hosting = self._hosting
        if config:
            digest = await in_thread_or_here(digests, self._files)
            # What was wrong may have been mended elsewhere: by a folder that was missing, say.
            again = digest == self._seen
            if not again or hosting.fault is not None:
                self._seen = digest
                await hosting.reload(again=again)
                return
        if apps:
            await hosting.refresh({app.name for app in apps})

    async def _folders(self) -> tuple[dict[App, frozenset[str]], frozenset[str]]:
        """The folders to watch, of each app and of the configuration."""
        registry = self._hosting.registry
        watched = dict.fromkeys(registry.stirring)
        watched |= dict.fromkeys(registry.apps[name] for name in registry.quarantined if name in registry.apps)
        if self._hosting.dev:
            # An error page waits for the app to be mended.
            watched |= dict.fromkeys(app for app in registry.apps.values() if app.last_error is not None)
        known, apps = self._known, dict.fromkeys(watched, frozenset[str]())
        missing: list[tuple[App, object, str, list[str]]] = []
        for index, app in enumerate(watched):
            key = app.source.key
            if app.name not in registry.apps:
                del apps[app]
            elif app in known and known[app][0] is key:
                apps[app] = known[app][1]
            else:
                missing.append((app, key, os.fspath(app.source.path), app.source.files))
            if index % _LOOKED_AT_ONCE == _LOOKED_AT_ONCE - 1:
                await trio.lowlevel.checkpoint()
        if missing:
            ways: Ways = {}
            look = [(path, files) for _, _, path, files in missing]
            found = await in_thread_or_here(lambda: [folders_of(path, files, ways) for path, files in look])
            for (app, key, _, _), folders in zip(missing, found, strict=True):
                apps[app] = folders
                known[app] = key, folders
        if len(known) != len(apps):
            self._known = {app: known[app] for app in apps}
        config = await in_thread_or_here(functools.partial(_folders_on_the_way, self._files, {}))
        return apps, config


def _notifier() -> type[RustNotify]:
    """The part of ``watchfiles`` that is in Rust, loaded when first something is watched, and by itself.

    With the package come thirteen more modules, to start processes when files change say. A thread that imports them
    has the interpreter by turns with the server's first requests for 8 ms, where this part takes one.
    """
    name = "watchfiles._rust_notify"
    if name not in sys.modules:
        package = importlib.util.find_spec("watchfiles")
        assert package is not None
        spec = importlib.machinery.PathFinder.find_spec(name, package.submodule_search_locations)
        assert spec is not None
        assert spec.loader is not None
        # It can be loaded once: whoever imports the package later finds it there.
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    notifier: type[RustNotify] = sys.modules[name].RustNotify
    return notifier


def digests(files: Iterable[Path]) -> Digests:
    """What tells one content of these files from another. Blocks."""
    return [_digest(file) for file in files]


def _places(found: object) -> frozenset[str]:
    """The folders that a watcher has something to say of, besides that we write our log there."""
    if not isinstance(found, set):
        return frozenset()
    paths = {path for _, path in found} - _written_by_us({path for _, path in found})
    return frozenset(place for path in paths for place in (os.path.dirname(path), path))


def _written_by_us(paths: set[str]) -> set[str]:
    """Those that our output goes to: what a reload logs would lead to the next."""
    outputs = set()
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode):
                outputs.add((status.st_dev, status.st_ino))
    ours = set()
    for path in paths if outputs else ():
        with contextlib.suppress(OSError):
            status = os.stat(path)
            if (status.st_dev, status.st_ino) in outputs:
                ours.add(path)
    return ours


Ways = dict[str, frozenset[str]]
"""What is to be watched for a change of where a folder is, by folder. Apps lie side by side: it is found out once."""


def folders_of(path: StrPath, files: Iterable[StrPath], ways: Ways | None = None) -> frozenset[str]:
    """The real paths of the folders to watch for an app at ``path`` whose code came from ``files``. Blocks.

    ``ways`` keeps what was found out, for other apps.
    """
    files = list(files)
    folders = _folders_on_the_way([path, *files], {} if ways is None else ways)
    if not os.path.isdir(path):
        return folders
    below_it = set(folders | _folders_of_packages(path, files))
    most = len(below_it) + _MOST_FOLDERS
    for folder, below, _ in os.walk(os.path.realpath(path)):
        below_it.add(folder)
        if len(below_it) >= most:
            break
        below[:] = sorted(name for name in below if name != "node_modules" and not name.startswith("."))
    return frozenset(folder for folder in below_it if os.path.isdir(folder))


def _folders_of_packages(path: StrPath, files: Iterable[StrPath]) -> frozenset[str]:
    """The folders that packages are put into: those above what was loaded of ``node_modules``, up to the app's own."""
    root = os.path.abspath(path)
    folders = {os.path.join(root, "node_modules")}
    for file in files:
        folder = os.path.dirname(os.path.abspath(file))
        if "node_modules" in folder.split(os.sep):
            while folder.startswith(root + os.sep) and folder not in folders:
                folders.add(folder)
                folder = os.path.dirname(folder)
    return frozenset(os.path.realpath(folder) for folder in folders)


def _folders_on_the_way(paths: Iterable[StrPath], ways: Ways) -> frozenset[str]:
    """The folders that hold these files, and those that hold symbolic links on the way to them."""
    folders: set[str] = set()
    for name in {os.path.abspath(path) for path in paths}:
        for _ in range(_MOST_LINKS):
            folder = os.path.dirname(name)
            if folder not in ways:
                ways[folder] = _way_to(folder)
            folders |= ways[folder]
            if not os.path.islink(name):
                break
            name = os.path.normpath(os.path.join(os.path.realpath(folder), os.readlink(name)))
    return frozenset(folders)


def _way_to(folder: str) -> frozenset[str]:
    """The real folder, and those that hold symbolic links on the way to it."""
    folders = {os.path.realpath(folder)}
    for _ in range(_MOST_LINKS):
        link = next((str(place) for place in (Path(folder), *Path(folder).parents) if place.is_symlink()), None)
        if link is None:
            break
        holder = os.path.realpath(os.path.dirname(link))
        folders.add(holder)
        folder = os.path.normpath(os.path.join(holder, os.readlink(link), os.path.relpath(folder, link)))
    return frozenset(folder for folder in folders if os.path.isdir(folder))


def _digest(file: Path) -> bytes | None:
    try:
        return hashlib.sha256(read_file(file)).digest()
    except OSError:
        return None


async def _set_when_cancelled(stop: threading.Event) -> None:
    """The watching thread cannot be cancelled, but looks at this."""
    try:
        await trio.sleep_forever()
    finally:
        stop.set()
