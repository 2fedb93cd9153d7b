"""From an import's specifier to a file of the app's folder, as Node and the bundlers for Workers find it.

Theory of operation. Files are named by their path below the app's folder: ``lib/x.js``. Of each folder on the way its
``package.json`` is read at most once. The rules, in the order in which they are tried:

1. Modules of ours: ``nano:rooms``, ``node:buffer``, and ``buffer`` alike, before any package of that name, as in Node.
2. ``./x``, ``../x``: the file of exactly that name. Within ``node_modules`` and for files in TypeScript also what
   bundlers find: an extension that was left out, a folder's ``index.js``, ``x.ts`` where ``x.js`` is asked for.
3. ``#x``: ``imports`` of the nearest ``package.json``.
4. ``x``, ``@scope/x``, ``x/sub``: the importing package itself where that is its name and it has ``exports``, then
   ``node_modules`` of the importing file's folder, and of each folder above it within the app's. There ``exports``
   (and nothing else where there is any), or ``module``, ``main``, ``index.js``.

``exports`` and ``imports`` follow Node's "Resolution and loading algorithm" (Node.js API, ECMAScript modules), under
the conditions of :data:`_CONDITIONS`. Nothing that lies outside the app's folder, symbolic links resolved, is ever
found. A file within ``node_modules`` is named by its real path, so that pnpm's many links to one file are one module.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Any, ClassVar, Final

import attrs

from nano_trio.engine.advice import instead_of
from nano_trio.engine.native_calls import enters
from nano_trio.engine.pauses import in_pieces

__all__ = [
    "TYPESCRIPT",
    "URL_SCHEME",
    "ModuleError",
    "Resolver",
    "is_below",
    "real_path",
    "real_path_below",
    "refuse_long",
]

_CONDITIONS: Final = frozenset({"workerd", "worker", "browser", "module", "import", "default"})
TYPESCRIPT: Final = (".ts", ".mts", ".tsx")
"""Suffixes of files that are transformed."""

_ENTRIES = ("index.js", "index.mjs", "index.ts", "index.mts", "index.tsx")
_SUFFIXES = (".js", ".mjs", ".ts", ".mts", ".tsx", ".json")
_WRITTEN_AS = {".js": (".ts", ".tsx"), ".mjs": (".mts",), ".jsx": (".tsx",)}
URL_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:")
_PACKAGE = re.compile(r"(@[^/@%\\]+/)?[^/.@%\\][^/@%\\]*")
_MAX_MANIFEST_BYTES = 1 << 20
_LONGEST_NAME = 1000
"""Characters of what may be imported, as builtins_compiling.c says, too. To look for a file of 50,000 folders takes
half a minute."""
_OF_NODE = (
    "assert async_hooks buffer child_process cluster console constants crypto dgram diagnostics_channel dns domain "
    "events fs http http2 https inspector module net os path perf_hooks process punycode querystring readline repl "
    "stream string_decoder sys timers tls trace_events tty url util v8 vm wasi worker_threads zlib"
)


class ModuleError(Exception):
    """A module cannot be had; the text says which and why."""


def real_path(path: str) -> str:
    """What ``os.path.realpath`` says, at a third of its cost where an absolute path has no symbolic link in it."""
    return _real_path("", path[1:]) if path.startswith("/") else os.path.realpath(path)


def real_path_below(root: str, path: str) -> str:
    """The real path of ``path`` below ``root``, which is a real path itself; it may lead out of there.

    Most paths have no symbolic link in them: those are looked at below ``root`` only, which costs a start of an app
    less than ``os.path.realpath``. Raises ValueError where ``path`` has a null character, or is no UTF-8: the engine
    could not tell of such a file.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        raise ValueError("the name of a module's file must be UTF-8") from None
    return _real_path(root, path)


def _real_path(root: str, path: str) -> str:
    at = root.rstrip("/")
    whole = f"{at}/{path}"
    parts = path.split("/")
    if "" in parts or "." in parts or ".." in parts:
        return os.path.realpath(f"{root}/{path}")
    for part in parts:
        at = f"{at}/{part}"
        try:
            is_link = stat.S_ISLNK(os.lstat(at).st_mode)
        except OSError:
            # Nothing is there, or below.
            return whole
        if is_link:
            return os.path.realpath(whole)
    return at


def is_below(path: str, root: str) -> bool:
    """Whether a real path is ``root``, a real path too, or lies below it."""
    return path == root or path.startswith(root if root.endswith("/") else root + "/")


def refuse_long(specifier: str, importer: str = "") -> None:
    """Raises :class:`ModuleError` where it is longer than any that may be looked for."""
    if len(specifier) > _LONGEST_NAME:
        raise ModuleError(
            f'cannot load "{specifier[:60]}…" ({len(specifier)} characters){_by(importer)}: a module\'s name has at '
            f"most {_LONGEST_NAME}"
        )


class _NoMatch:
    """Nothing among a target's conditions holds: Node's ``undefined``, other than its ``null``."""


class _BadTarget(Exception):
    """A target in ``exports`` or ``imports`` that no package may have."""


@attrs.define
class Resolver:
    """Resolves specifiers in one app's folder. Blocking, but only for looking at local files."""

    root: str
    """Real path of the folder."""
    builtins: Collection[str] = ()
    """Names of the modules of ours."""
    manifests: dict[str, bytes | None] = attrs.field(factory=dict)
    """What was read of each folder's ``package.json``; None where there is none."""
    _parsed: dict[str, dict[str, Any] | None] = attrs.field(factory=dict)
    conditions: ClassVar[frozenset[str]] = _CONDITIONS

    def entry(self) -> str:
        """The file that an app's folder begins with.

        The ``package.json`` beside it may say so, by ``exports``, ``module`` or ``main``, in this order; otherwise it
        is ``index.js``, ``index.mjs``, or one of these in TypeScript.
        """
        manifest = self._manifest("") or {}
        if manifest.get("exports") is not None:
            return self._exported("", ".", "the app itself", "", manifest)
        for field in ("module", "main"):
            named = manifest.get(field)
            if isinstance(named, str) and named:
                path = posixpath.normpath(named)
                if path.startswith(("..", "/")):
                    raise ModuleError(f'package.json: "{field}" names {named}, outside the app\'s folder')
                found = self._lenient(path)
                if found is None:
                    raise ModuleError(f'package.json: "{field}" names {named}, but there is no such file')
                return found
        for name in _ENTRIES:
            if self.is_file(name):
                return name
        raise ModuleError(
            f'cannot load "{self.root}": the folder has no index.js, and no package.json that names another file '
            '("exports", "module" or "main")'
        )

    @enters
    def resolve(self, specifier: str, importer: str, *, lenient: bool | None = None) -> str:
        """The file, or the module of ours, that ``specifier`` means in the file ``importer``.

        ``lenient`` as for rule 2; by default it depends on the importer. Raises :class:`ModuleError`.
        """
        if specifier in self.builtins:
            return specifier
        refuse_long(specifier, importer)
        if specifier.startswith("."):
            if "\0" in specifier or "\\" in specifier:
                raise _unheard_of(specifier, importer)
            if lenient is None:
                lenient = _in_packages(importer) or importer.endswith(TYPESCRIPT)
            return self._relative(specifier, importer, lenient)
        self._refuse_foreign(specifier, importer)
        if specifier.startswith("#"):
            return self._internal(specifier, importer)
        if "node:" + specifier in self.builtins:
            return "node:" + specifier
        return self._bare(specifier, importer)

    def _refuse_foreign(self, specifier: str, importer: str) -> None:
        where = _by(importer)
        if "\0" in specifier or "\\" in specifier:
            raise _unheard_of(specifier, importer)
        if specifier.startswith("/"):
            raise ModuleError(
                f'cannot load "{specifier}"{where}: absolute paths are outside the app\'s folder; use "./…"'
            )
        if specifier.startswith("nano:test"):
            raise ModuleError(
                f'cannot load "{specifier}"{where}: it is there for files named *.test.js or *.test.ts, which '
                "nano-trio test runs"
            )
        if specifier.startswith("nano:"):
            raise ModuleError(
                f'cannot load "{specifier}"{where}: no such built-in module; there is: {self._listed("nano:")}'
            )
        if specifier.startswith("node:"):
            raise self._not_provided(specifier, importer)
        if specifier.startswith("cloudflare:"):
            instead = instead_of(specifier)
            raise ModuleError(
                f'cannot load "{specifier}"{where}: {instead}{"; " if instead else ""}of Workers\' modules there is '
                f"here: {self._listed('cloudflare:')}"
            )
        if URL_SCHEME.match(specifier):
            raise ModuleError(f'cannot load "{specifier}"{where}: only files of the app\'s folder can be imported')

    def _not_provided(self, specifier: str, importer: str) -> ModuleError:
        instead = instead_of(specifier.removeprefix("node:"))
        return ModuleError(
            f'cannot load "{specifier}"{_by(importer)}: {instead}{"; " if instead else ""}of Node\'s modules there are '
            f"here: {self._listed('node:')}"
        )

    def _listed(self, prefix: str) -> str:
        return ", ".join(f'"{name}"' for name in sorted(self.builtins) if name.startswith(prefix)) or "none"

    def look(self, folder: str) -> None:
        """Read the ``package.json`` of a folder, if it was not."""
        self._manifest(folder)

    # -- files -------------------------------------------------------------------------------------------------------

    def _relative(self, specifier: str, importer: str, lenient: bool) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(importer), specifier))
        if path == ".." or path.startswith("../"):
            raise ModuleError(
                f'cannot load "{path}"{_by(importer)}: outside the app\'s folder, and nothing there is read; make a '
                "folder that has both the app's path, and name the entry in its package.json"
            )
        folder_only = specifier.endswith(("/", "/.", "/..")) or specifier in (".", "..")
        found = None
        if lenient:
            found = self._lenient(path, folder_only)
        elif not folder_only and self.is_file(path, specifier, importer):
            found = self._canonical(path)
        if found is None:
            near = self._lenient(path)
            hint = f'; did you mean "{near}"?' if near else ""
            raise ModuleError(f'cannot load "{path}"{_by(importer)}: no such file in the app\'s folder{hint}')
        return found

    def _lenient(self, path: str, folder_only: bool = False) -> str | None:
        """The file that bundlers find for a path, or None."""
        base, suffix = posixpath.splitext(path)
        tries = [] if folder_only else [path, *(base + other for other in _WRITTEN_AS.get(suffix, ()))]
        tries += [] if folder_only else [path + suffix for suffix in _SUFFIXES]
        for each in tries:
            if self.is_file(each):
                return self._canonical(each)
        return self._folder(path) if os.path.isdir(os.path.join(self.root, path)) else None

    def _folder(self, path: str) -> str | None:
        """What importing a folder without ``exports`` finds, or None."""
        manifest = (self._manifest(path) or {}) if path not in (".", "") else {}
        for field in ("module", "main"):
            named = manifest.get(field)
            if isinstance(named, str) and named:
                inside = posixpath.normpath(posixpath.join(path, named))
                if inside != path and inside.startswith(path + "/") and (found := self._lenient(inside)) is not None:
                    return found
        for name in _ENTRIES:
            inside = posixpath.normpath(posixpath.join(path, name))
            if self.is_file(inside):
                return self._canonical(inside)
        return None

    def is_file(self, path: str, specifier: str = "", importer: str = "") -> bool:
        """Whether there is such a file inside the app's folder. Raises :class:`ModuleError` where it lies outside."""
        root = self.root
        try:
            real = real_path_below(root, path)
            if not is_below(real, root):
                if not os.path.lexists(os.path.join(root, path)):
                    return False
                shown = path if specifier.startswith(".") or not specifier else specifier
                raise ModuleError(
                    f'cannot load "{shown}"{_by(importer)}: outside the app\'s folder, where {path} leads '
                    "by a symbolic link"
                )
            return os.path.isfile(real)
        except (OSError, ValueError):
            return False

    def _canonical(self, path: str) -> str:
        if not _in_packages(path):
            return path
        return Path(real_path_below(self.root, path)).relative_to(self.root).as_posix()

    # -- packages ----------------------------------------------------------------------------------------------------

    def _manifest(self, folder: str) -> dict[str, Any] | None:
        """What the ``package.json`` of a folder says, or None. Raises :class:`ModuleError` where it is no JSON."""
        if folder in self._parsed:
            return self._parsed[folder]
        path = posixpath.join(folder, "package.json")
        text = None
        if self.is_file(path):
            try:
                with open(os.path.join(self.root, path), "rb") as file:
                    text = file.read(_MAX_MANIFEST_BYTES + 1)
            except OSError as error:
                raise ModuleError(f"cannot read {path}: {error.strerror}") from None
        if text is not None and len(text) > _MAX_MANIFEST_BYTES:
            raise ModuleError(f"{path}: larger than {_MAX_MANIFEST_BYTES >> 20} MB")
        self.manifests[folder] = text
        manifest = None
        if text is not None:
            try:
                manifest = json.loads(text.decode("utf-8-sig"))
            except (ValueError, RecursionError) as error:
                raise ModuleError(f"{path}: invalid JSON: {error}") from None
            if not isinstance(manifest, dict):
                raise ModuleError(f"{path}: an object is expected")
        self._parsed[folder] = manifest
        return manifest

    def scope(self, file: str) -> tuple[str, dict[str, Any]]:
        """The folder of the nearest ``package.json`` above a file, and what that says."""
        folder = posixpath.dirname(file)
        while posixpath.basename(folder) != "node_modules":
            manifest = self._manifest(folder)
            if manifest is not None:
                return folder, manifest
            if not folder:
                break
            folder = posixpath.dirname(folder)
        return folder, {}

    @enters
    def _bare(self, specifier: str, importer: str) -> str:
        match = _PACKAGE.match(specifier)
        if match is None or specifier[match.end() : match.end() + 1] not in ("", "/"):
            raise ModuleError(f'cannot load "{specifier}"{_by(importer)}: that is not a package\'s name')
        name = match[0]
        subpath = "." + specifier[match.end() :]
        own, manifest = self.scope(importer)
        if manifest.get("name") == name and manifest.get("exports") is not None:
            return self._exported(own, subpath, specifier, importer, manifest)
        folder = posixpath.dirname(importer)
        while True:
            if posixpath.basename(folder) != "node_modules":
                package = posixpath.join(folder, "node_modules", name)
                if os.path.isdir(os.path.join(self.root, package)):
                    return self._from_package(package, subpath, specifier, importer)
            if not folder:
                break
            folder = posixpath.dirname(folder)
        if name in _OF_NODE.split():
            raise self._not_provided(specifier, importer)
        raise ModuleError(f'cannot load "{specifier}"{_by(importer)}: {self._missing(name)}')

    def _missing(self, name: str) -> str:
        text = f'the app\'s folder has no package "{name}" in node_modules; install it there (npm install {name})'
        for folder in Path(self.root).parents:
            if (folder / "node_modules" / name).is_dir():
                return (
                    f"{text}, or make {folder} the app's path (and name the entry in its package.json): "
                    "the package is in node_modules there, and nothing outside an app's folder is read"
                )
        return text

    @enters
    def _from_package(self, package: str, subpath: str, specifier: str, importer: str) -> str:
        if not is_below(os.path.realpath(os.path.join(self.root, package)), self.root):
            raise ModuleError(
                f'cannot load "{specifier}"{_by(importer)}: {package} is a symbolic link to outside the app\'s folder; '
                "install or copy the package into it"
            )
        manifest = self._manifest(package) or {}
        if manifest.get("exports") is not None:
            return self._exported(package, subpath, specifier, importer, manifest)
        if subpath == ".":
            found = self._folder(package)
            if found is None:
                raise ModuleError(
                    f'cannot load "{specifier}"{_by(importer)}: {package}/package.json names no module that is there '
                    '("exports", "module", "main"), and there is no index.js'
                )
            return found
        if _climbs(subpath[2:]):
            raise ModuleError(f'cannot load "{specifier}"{_by(importer)}: such a path is not allowed into a package')
        found = self._lenient(posixpath.join(package, posixpath.normpath(subpath)), subpath.endswith("/"))
        if found is None:
            raise ModuleError(f'cannot load "{specifier}"{_by(importer)}: {package} has no such file')
        return found

    @enters
    def _exported(self, package: str, subpath: str, specifier: str, importer: str, manifest: dict[str, Any]) -> str:
        exports = manifest["exports"]
        at = posixpath.join(package, "package.json")
        keys = list(exports) if isinstance(exports, dict) else []
        dotted = [key for key in keys if key.startswith(".")]
        if dotted and len(dotted) != len(keys):
            raise ModuleError(f'{at}: "exports" mixes paths ("./…") with conditions')
        table = exports if dotted else {".": exports}
        found = self._mapped(table, subpath, package, at, specifier, importer)
        if found is not None:
            return found
        if subpath in table and (unmet := _conditions(table[subpath])):
            advice = ""
            if "require" in unmet and "require" not in self.conditions:
                advice = "; createRequire(import.meta.url) of node:module can require it"
            elif "node" in unmet:
                advice = "; bundle the package into the app (for example with esbuild)"
            raise ModuleError(
                f'cannot load "{specifier}"{_by(importer)}: {at} exports it only under the conditions '
                f"{', '.join(unmet)}; here hold: {', '.join(sorted(self.conditions))}" + advice
            )
        known = ", ".join(list(table)[:12])
        raise ModuleError(
            f'cannot load "{specifier}"{_by(importer)}: {at} does not export "{subpath}"; it has: {known}'
        )

    @enters
    def _internal(self, specifier: str, importer: str) -> str:
        package, manifest = self.scope(importer)
        at = posixpath.join(package, "package.json")
        table = manifest.get("imports")
        found = None
        if isinstance(table, dict) and specifier not in ("#", "#/"):
            found = self._mapped(table, specifier, package, at, specifier, importer)
        if found is None:
            raise ModuleError(f'cannot load "{specifier}"{_by(importer)}: {at} has no such entry in "imports"')
        return found

    @enters
    def _mapped(
        self, table: dict[str, Any], key: str, package: str, at: str, specifier: str, importer: str
    ) -> str | None:
        """PACKAGE_IMPORTS_EXPORTS_RESOLVE: the file for a key of ``exports`` or ``imports``; None where it has none."""
        target, part = None, None
        if key in table and "*" not in key and not key.endswith("/"):
            target = table[key]
        else:
            best = ""
            for pattern in in_pieces(table):
                before, star, after = pattern.partition("*")
                if not star or "*" in after or not key.startswith(before) or key == before:
                    continue
                fits = len(key) >= len(pattern) and key.endswith(after)
                if fits and (not best or (len(before), len(pattern)) > (best.index("*"), len(best))):
                    best = pattern
            if not best:
                return None
            before, _, after = best.partition("*")
            part = key[len(before) : len(key) - len(after)]
            target = table[best]
        if part is not None and _climbs(part):
            raise ModuleError(f'cannot load "{specifier}"{_by(importer)}: such a path is not allowed into a package')
        try:
            found = self._target(target, part, package, specifier.startswith("#"), importer)
        except _BadTarget as error:
            bad = json.dumps(error.args[0])
            raise ModuleError(
                f'cannot load "{specifier}"{_by(importer)}: {at}: {bad} is no path into the package'
            ) from None
        if found is None or found is _NoMatch:
            return None
        path = str(found)
        if path.startswith("="):
            return path[1:]
        if not self.is_file(path, specifier, importer):
            as_typescript = self._lenient(path) if not _in_packages(path) else None
            if as_typescript is None:
                raise ModuleError(
                    f'cannot load "{specifier}"{_by(importer)}: {at} names {path}, but there is no such file'
                )
            return as_typescript
        return self._canonical(path)

    def _target(self, target: Any, part: str | None, package: str, internal: bool, importer: str) -> Any:
        """PACKAGE_TARGET_RESOLVE: a path, ``=`` and what another package answered, None, or ``_NoMatch``."""
        if isinstance(target, str):
            filled = target if part is None else target.replace("*", part)
            if target.startswith("./"):
                if _climbs(target[2:]):
                    raise _BadTarget(target)
                return posixpath.normpath(posixpath.join(package, filled))
            foreign = target.startswith(("../", "/")) or target == ".." or URL_SCHEME.match(target)
            if internal and (not foreign or target in self.builtins):
                return "=" + self.resolve(filled, posixpath.join(package, "package.json"))
            raise _BadTarget(target)
        if isinstance(target, dict):
            for condition, inner in target.items():
                if condition in self.conditions:
                    found = self._target(inner, part, package, internal, importer)
                    if found is not _NoMatch:
                        return found
            return _NoMatch
        if isinstance(target, list):
            last: _BadTarget | None = None
            result: Any = None
            for inner in target:
                try:
                    found = self._target(inner, part, package, internal, importer)
                except _BadTarget as error:
                    last = error
                    continue
                last = None
                result = found
                if found is not _NoMatch and found is not None:
                    return found
            if last is not None:
                raise last
            return None if result is _NoMatch else result
        if target is None:
            return None
        raise _BadTarget(target)


def _climbs(path: str) -> bool:
    """Whether a path within a package has a part that none may have."""
    parts = path.split("/")
    if any(part in (".", "..") or part.lower() == "node_modules" for part in parts):
        return True
    # Written with percent signs, Node would read these as the same.
    return any(re.fullmatch(r"(?:\.|%2e){1,2}|(?:n|%6e)ode_modules", part, re.I) for part in parts if "%" in part)


def _conditions(target: Any) -> list[str]:
    """The conditions that a target has, for the message that none of them holds."""
    if isinstance(target, list):
        return list(dict.fromkeys(condition for inner in target for condition in _conditions(inner)))
    return [key for key in target if key != "types"] if isinstance(target, dict) else []


def _in_packages(path: str) -> bool:
    return path.startswith("node_modules/") or "/node_modules/" in path


def _by(importer: str) -> str:
    return f" (imported by {importer})" if importer else ""


def _unheard_of(specifier: str, importer: str) -> ModuleError:
    return ModuleError(
        f'cannot load "{specifier}"{_by(importer)}: the specifier has a character that no module name has'
    )
