"""From what ``require()`` is given to a file of the app's folder: Node's "Modules: CommonJS modules", "All together".

What differs from an ``import`` (see ``resolution``): the condition is ``require``; a file's extension may always be
left out, and of a folder it is ``main`` of its ``package.json``, or ``index.js``; an absolute path begins at the app's
folder, as ``__filename`` does.
"""

from __future__ import annotations

import os
import posixpath
from typing import ClassVar, Final

import attrs

from nano_trio.engine.native_calls import enters
from nano_trio.engine.resolution import Resolver, refuse_long

__all__ = ["RequireResolver"]

_REQUIRE_CONDITIONS: Final = frozenset({"workerd", "worker", "browser", "require", "default"})
_SUFFIXES = (".js", ".json")


@attrs.define
class RequireResolver(Resolver):
    """Resolves what is required in one app's folder. Blocking, but only for looking at local files."""

    conditions: ClassVar[frozenset[str]] = _REQUIRE_CONDITIONS

    @classmethod
    def beside(cls, resolver: Resolver) -> RequireResolver:
        """For the same folder, with the same manifests."""
        return cls(resolver.root, resolver.builtins, resolver.manifests, resolver._parsed)

    @enters
    def resolve(self, specifier: str, importer: str, *, lenient: bool | None = None) -> str:
        """The file, or the module of ours, that ``specifier`` means where the file ``importer`` requires it.

        Raises :class:`ModuleError`.
        """
        if specifier.startswith("/"):
            refuse_long(specifier, importer)
            specifier, importer = "./" + specifier.lstrip("/"), ""
        return super().resolve(specifier, importer, lenient=True)

    def _lenient(self, path: str, folder_only: bool = False) -> str | None:
        """LOAD_AS_FILE, then LOAD_AS_DIRECTORY."""
        found = None if folder_only else self._as_file(path)
        if found is None and os.path.isdir(os.path.join(self.root, path)):
            found = self._folder(path)
        return found

    def _as_file(self, path: str) -> str | None:
        for each in (path, *(path + suffix for suffix in _SUFFIXES)):
            if self.is_file(each):
                return self._canonical(each)
        return None

    def _folder(self, path: str) -> str | None:
        manifest = (self._manifest(path) or {}) if path not in (".", "") else {}
        named = manifest.get("main")
        if isinstance(named, str) and named:
            inside = posixpath.normpath(posixpath.join(path, named))
            if inside.startswith(path + "/"):
                found = self._as_file(inside) or self._index(inside)
                if found is not None:
                    return found
        return self._index(path)

    def _index(self, path: str) -> str | None:
        for suffix in _SUFFIXES:
            inside = posixpath.normpath(posixpath.join(path, "index" + suffix))
            if self.is_file(inside):
                return self._canonical(inside)
        return None
