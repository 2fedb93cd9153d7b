"""The files of an app's folder that hold its modules: their text, as it is compiled and as it is shown.

Nothing outside the folder can be read: the real path of what is found (symbolic links resolved) must lie below the
folder's real path.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import quote, unquote

import attrs

from nano_trio.engine.files import read_file
from nano_trio.engine.handed_on import Handing
from nano_trio.engine.native_calls import enters
from nano_trio.engine.pauses import pause
from nano_trio.engine.resolution import TYPESCRIPT, URL_SCHEME, ModuleError, Resolver, is_below, real_path_below
from nano_trio.engine.sourcemap import SourceMap, find_url, from_data_url
from nano_trio.engine.typescript import Transform, Transformer

__all__ = ["MOST_MODULES", "ModuleFolder", "file_of"]

_MAX_MODULE_BYTES = 64 << 20
_MOST_CHARACTERS = 128 << 20
"""Of all modules of an app."""
MOST_MODULES = 20_000
"""Of an app. The largest packages of icons have 11,000, one for each. The engine's functions that go through all of
them call themselves, and do not look at the stack."""
_AT_ONCE = 256 << 10
"""So much text, or less, is read and looked through without a pause in between."""
_NOTHING: Mapping[str, Handing] = MappingProxyType({})
# Begins with plain text, which is found fast.
_IMPORTED = re.compile(r"(?<![\w$.])import\s*\(\s*(?:/\*[^*]*+(?:\*(?!/)[^*]*+)*\*/\s*)*\Z")
"""What ends where the specifier of an ``import()`` begins."""
_BEFORE = 200
"""Characters in which it is looked for."""
_USES_META = re.compile(r"import(?<=\bimport)\s*\.\s*meta\b")


@attrs.define
class _Source:
    text: str
    """As compiled; its first line may begin with a prologue of ours."""
    shown: str
    """As written."""
    prologue: int = 0
    """How long that prologue is."""
    uses_meta: bool = False
    """It uses ``import.meta``."""
    map: SourceMap | Literal[False] | None = None
    """How ``text``, without the prologue, came from other sources; False where nothing says so, None until asked."""


class ModuleFolder:
    """Reads modules below one folder by their names. Blocking, but only for small reads of local files.

    ``folder`` is a real path.
    """

    def __init__(
        self, folder: str, builtins: Mapping[str, str] = MappingProxyType({}), typescript: Transform | None = None
    ) -> None:
        self.folder = folder
        self.resolver = Resolver(self.folder, builtins)
        self._builtins = builtins
        self._typescript = typescript
        self._sources: dict[str, _Source] = {}
        self._room = _MOST_CHARACTERS
        self.handed_on: Mapping[str, Handing] = _NOTHING
        """What modules that were read export of others."""

    @enters
    def read(self, name: str) -> str:
        """The source to compile for the module ``name``. Raises :class:`ModuleError`."""
        found = self._sources.get(name)
        if found is None:
            pause()
            self.refuse_many(len(self._sources) + 1, name)
            found = self._read(name)
            self._room -= len(found.text)
            if self._room < 0:
                raise ModuleError(
                    f'cannot load "{file_of(name)}": with it the app\'s modules have more than '
                    f"{_MOST_CHARACTERS >> 20} million characters"
                )
            self._sources[name] = found
        return found.text

    @staticmethod
    def refuse_many(count: int, name: str) -> None:
        """Raises :class:`ModuleError` where that is more modules than an app may have, with the one of this name."""
        if count > MOST_MODULES:
            raise ModuleError(f'cannot load "{file_of(name)}": with it the app has more than {MOST_MODULES} modules')

    @enters
    def shown(self, name: str) -> str:
        """The text of the module ``name`` as it was written. Raises :class:`ModuleError`."""
        self.read(name)
        return self._sources[name].shown

    def is_function(self, name: str, prologue: int) -> None:
        """A module that was read is the body of a function whose head has so many characters."""
        found = self._sources[name]
        found.text, found.prologue, found.uses_meta = found.shown, prologue, False

    def sources(self) -> Iterator[tuple[str, str]]:
        """The files that were read, and what is compiled of each. Read none meanwhile."""
        return ((file_of(name), source.text) for name, source in self._sources.items())

    def compiled(self, file: str) -> str:
        """What is compiled of a file that was read; nothing of others."""
        found = self._sources.get("./" + file)
        return "" if found is None else found.text

    def finish(self) -> None:
        """From now on nothing may take long: there is no TypeScript any more."""
        self._typescript = None

    @property
    def transforms(self) -> bool:
        """Whether TypeScript is transformed."""
        return isinstance(self._typescript, Transformer)

    def text_of(self, file: str) -> str:
        """The text of any file of the folder. Raises :class:`ModuleError`."""
        return self._text("./" + file)

    def prologue(self, file: str) -> int | None:
        """How much stands on the first line of a module that was read before what is its own; None: it was not."""
        found = self._sources.get("./" + file)
        return None if found is None else found.prologue

    @property
    def names(self) -> list[str]:
        """The modules that were read."""
        return list(self._sources)

    @property
    def files(self) -> list[str]:
        """What was read, and the ``package.json`` that had a say in what that was."""
        had = [at for at, text in self.resolver.manifests.items() if text is not None]
        names = [file_of(name) for name in self._sources if name not in self._builtins]
        names += [posixpath.join(at, "package.json") for at in had]
        return [f"{self.folder}/{name}" for name in names]

    def changed(self) -> bool:
        """Whether a module that was read would read otherwise now, or be another."""
        fresh = ModuleFolder(self.folder, self._builtins)
        try:
            for folder, text in self.resolver.manifests.items():
                fresh.resolver.look(folder)
                if fresh.resolver.manifests.get(folder) != text:
                    return True
            return any(fresh._text(name) != source.shown for name, source in list(self._sources.items()))
        except ModuleError:
            return True

    def source(self, file: str) -> str | None:
        """The text of a module that was read, for error excerpts: ``file`` as frames have it (no leading ``./``)."""
        found = self._sources.get("./" + file)
        return None if found is None else found.shown

    def source_map(self, file: str) -> SourceMap | None:
        """How a module that was read came from other sources; ``file`` as for :meth:`source`."""
        found = self._sources.get("./" + file)
        if found is None:
            return None
        if found.map is None:
            found.map = self._find_map(file, found)
        return found.map or None

    def uses_meta(self, name: str) -> bool:
        """Whether a module that was read uses ``import.meta``."""
        return self._sources[name].uses_meta

    @enters
    def mentions(self, specifier: str) -> list[str]:
        """The files that were read and that have ``specifier`` between quotation marks."""
        quoted = [mark + specifier + mark for mark in "\"'`"]
        found = []
        # A copy, for others may read on meanwhile.
        for name, source in list(self._sources.items()):
            if _has(source.text, quoted):
                found.append(name[2:])
        return found

    @enters
    def imports_late(self, file: str, specifier: str) -> bool:
        """Whether a file that was read has ``import("specifier")``."""
        source = self._sources["./" + file].text
        for mark in "\"'`":
            quoted, at = mark + specifier + mark, 0
            while at < len(source):
                pause()
                found = source.find(quoted, at, at + _AT_ONCE + len(quoted))
                if found < 0:
                    at += _AT_ONCE
                elif _IMPORTED.search(source, max(found - _BEFORE, 0), found) is not None:
                    return True
                else:
                    at = found + 1
        return False

    @enters
    def _read(self, name: str) -> _Source:
        shown = self._text(name)
        if name in self._builtins:
            return _Source(shown, shown)
        if len(shown) > _AT_ONCE:
            pause()
        text, source_map = shown, None
        if name.endswith(".json"):
            return _Source(_json_module(name, text), shown)
        if name.endswith(TYPESCRIPT):
            if self._typescript is None:
                raise ModuleError(
                    f'cannot load "{file_of(name)}": TypeScript is transformed when the app is loaded, and nothing '
                    "imported this file then; import() finds it where its name is written out"
                )
            text, encoded = self._typescript(name, shown)
            source_map = None if encoded is None else SourceMap.parse(encoded)
        prologue = _meta_prologue(name) if "meta" in text and _USES_META.search(text) is not None else ""
        return _Source(prologue + text, shown, len(prologue), prologue != "", source_map)

    @enters
    def _text(self, name: str) -> str:
        if name in self._builtins:
            return self._builtins[name]
        root = self.folder
        try:
            # Resolved before, but a symbolic link may lead elsewhere by now.
            path = real_path_below(root, file_of(name))
            if not is_below(path, root):
                raise ModuleError(f'cannot load "{file_of(name)}": outside the app\'s folder')
            data = read_file(path, _MAX_MODULE_BYTES)
            if len(data) > _AT_ONCE:
                pause()
            return str(data, "utf-8-sig")
        except UnicodeDecodeError as error:
            raise ModuleError(f'cannot load "{file_of(name)}": not UTF-8 text (byte {error.start})') from None
        except OSError as error:
            raise ModuleError(f'cannot load "{file_of(name)}": {error.strerror}') from None
        except ValueError as error:  # a null character, say, which no file's name has
            raise ModuleError(f'cannot load "{file_of(name)}": {error}') from None

    def _find_map(self, file: str, source: _Source) -> SourceMap | Literal[False]:
        """The map that a file itself names, in it or beside it."""
        url = find_url(source.shown)
        if url is None:
            return False
        encoded = from_data_url(url)
        if encoded is None:
            path = posixpath.normpath(posixpath.join(posixpath.dirname(file), unquote(url)))
            if URL_SCHEME.match(url) or path.startswith(("../", "/")):
                return False
            try:
                encoded = self._text("./" + path)
            except ModuleError:
                return False
        return SourceMap.parse(encoded) or False


@enters
def _has(text: str, parts: list[str]) -> bool:
    """Whether any of these is in it: they are equally long."""
    for at in range(0, len(text), _AT_ONCE):
        pause()
        end = at + _AT_ONCE + len(parts[0])
        for part in parts:
            if text.find(part, at, end) >= 0:
                return True
    return False


def file_of(name: str) -> str:
    """The file that a module's name stands for, below the app's folder."""
    return name.removeprefix("./")


def _meta_prologue(name: str) -> str:
    # On the first line, so that line numbers stay; columns of that line are put right by `AppCode.render`.
    url = "file:///" + quote(file_of(name))
    return f"import.meta.url={json.dumps(url)};"


def _json_module(name: str, text: str) -> str:
    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no JSON value")

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError as error:
        raise ModuleError(f'cannot load "{file_of(name)}": invalid JSON: {error}') from None
    except RecursionError:
        raise ModuleError(f'cannot load "{file_of(name)}": invalid JSON: nested too deeply') from None
    if "__proto__" in text:
        # As an object literal this key would set a prototype.
        return f"export default JSON.parse({json.dumps(text)});"
    return f"export default {text.strip()};"
