"""ES modules from an app's folder, and nothing else.

Theory of operation. An app's modules are named ``./index.js``, ``./lib/x.js``: the path below the app's folder with a
leading ``./``, so that the engine's own resolution of relative specifiers keeps them apart from bare ones (``hono``).
:func:`load_app` reads the entry module and all it imports statically, compiles each once (see ``bytecode``) and keeps
bytecode in dependency order in an :class:`AppCode`, which all isolates of the app share. :meth:`AppCode.preload` reads
that bytecode into a context; the modules are then found there by name. What is left, ``import()`` of a file not read
yet, is read and compiled at run time.

Nothing outside the folder can be read: a name that climbs out, is absolute or is a URL is refused before the file
system is asked, and the real path of what is found (symbolic links resolved) must lie below the folder's real path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import attrs
import quickjs

from nano_trio.engine.bytecode import Bytecode, BytecodeCache
from nano_trio.engine.errors import JavaScriptError, render_error

__all__ = [
    "TAKE_MODULE",
    "TAKE_NAMESPACE",
    "AppCode",
    "ModuleError",
    "ModuleFolder",
    "load_app",
    "load_module",
    "load_source",
]

TAKE_MODULE = "./nano:take"
"""A module of ours that exports ``take``, the value of the global :data:`TAKE_NAMESPACE`, and removes that global."""
TAKE_NAMESPACE = "nano:take"
_TAKE_SOURCE = f'export const take = globalThis["{TAKE_NAMESPACE}"]; delete globalThis["{TAKE_NAMESPACE}"];'

_MAX_MODULE_BYTES = 64 << 20
_URL_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:")
_USES_META = re.compile(r"\bimport\s*\.\s*meta\b")


class ModuleError(Exception):
    """A module cannot be had; the text says which and why."""


@attrs.frozen
class _Source:
    text: str
    """As compiled; its first line may begin with a prologue of ours."""
    shown: str
    """As written."""


class ModuleFolder:
    """Reads modules below one folder by their names. Blocking, but only for small reads of local files."""

    def __init__(self, folder: Path, builtins: Mapping[str, str] = MappingProxyType({})) -> None:
        self.folder = folder.resolve()
        self._builtins = builtins
        self._sources: dict[str, _Source] = {}

    def read(self, name: str) -> str:
        """The source to compile for the module ``name``. Raises :class:`ModuleError`."""
        found = self._sources.get(name)
        if found is None:
            found = self._sources[name] = self._read(name)
        return found.text

    @property
    def names(self) -> list[str]:
        """The modules that were read."""
        return list(self._sources)

    def changed(self) -> bool:
        """Whether a module that was read would read otherwise now."""
        fresh = ModuleFolder(self.folder, self._builtins)
        try:
            return any(fresh._read(name) != source for name, source in list(self._sources.items()))
        except ModuleError:
            return True

    def source(self, file: str) -> str | None:
        """The text of a module that was read, for error excerpts: ``file`` as frames have it (no leading ``./``)."""
        found = self._sources.get("./" + file)
        return None if found is None else found.shown

    def _read(self, name: str) -> _Source:
        if name in self._builtins:
            return _Source(self._builtins[name], self._builtins[name])
        path = self._locate(name)
        try:
            if path.stat().st_size > _MAX_MODULE_BYTES:
                raise ModuleError(f'cannot load "{_shown(name)}": larger than {_MAX_MODULE_BYTES >> 20} MB')
            text = path.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ModuleError(f'cannot load "{_shown(name)}": not UTF-8 text (byte {error.start})') from None
        except OSError as error:
            raise ModuleError(f'cannot load "{_shown(name)}": {error.strerror}') from None
        if path.suffix == ".json":
            return _Source(_json_module(name, text), text)
        if _USES_META.search(text) is not None:
            return _Source(_meta_prologue(name) + text, text)
        return _Source(text, text)

    def _locate(self, name: str) -> Path:
        if "\0" in name or "\\" in name:
            raise ModuleError(f'cannot load "{_shown(name)}": the specifier has a character that no module name has')
        if name.startswith("/"):
            raise ModuleError(f'cannot load "{name}": absolute paths are outside the app\'s folder; use "./…"')
        if name.startswith("nano:"):
            known = ", ".join(f'"{builtin}"' for builtin in self._builtins) or "none"
            raise ModuleError(f'cannot load "{name}": no such built-in module; there is: {known}')
        if _URL_SCHEME.match(name):
            raise ModuleError(f'cannot load "{name}": only files of the app\'s folder can be imported')
        if not name.startswith("./"):
            raise ModuleError(
                f'cannot load "{name}": bare specifiers are not resolved; bundle the package into the app '
                '(for example with esbuild), or use a relative path ("./…")'
            )
        if ".." in name.split("/"):
            raise ModuleError(f'cannot load "{_shown(name)}": outside the app\'s folder')
        path = self.folder / name
        real = path.resolve()
        if not real.is_relative_to(self.folder):
            raise ModuleError(f'cannot load "{_shown(name)}": outside the app\'s folder')
        if not real.is_file():
            near = next((s for s in (".js", ".mjs", "/index.js") if (self.folder / (name + s)).is_file()), None)
            hint = f'; did you mean "{_shown(name)}{near}"?' if near else ""
            raise ModuleError(f'cannot load "{_shown(name)}": no such file in the app\'s folder{hint}')
        return real


def _shown(name: str) -> str:
    return name.removeprefix("./")


def _meta_prologue(name: str) -> str:
    # On the first line, so that line numbers stay; columns of that line are put right by `AppCode.render`.
    url = "file:///" + quote(_shown(name))
    return f"import.meta.url={json.dumps(url)};"


def _json_module(name: str, text: str) -> str:
    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no JSON value")

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError as error:
        raise ModuleError(f'cannot load "{_shown(name)}": invalid JSON: {error}') from None
    except RecursionError:
        raise ModuleError(f'cannot load "{_shown(name)}": invalid JSON: nested too deeply') from None
    if "__proto__" in text:
        # As an object literal this key would set a prototype.
        return f"export default JSON.parse({json.dumps(text)});"
    return f"export default {text.strip()};"


@attrs.define
class AppCode:
    """An app's modules, read and compiled, ready to be put into any number of isolates."""

    main: str
    """The entry module's name."""
    folder: ModuleFolder
    modules: tuple[Bytecode, ...]
    """Bytecode of all modules, imported ones before importing ones."""

    @property
    def files(self) -> list[Path]:
        """The modules that were read so far, by their paths in the app's folder."""
        return [self.folder.folder / name for name in self.folder.names]

    def changed(self, path: Path) -> bool:
        """Whether the app at ``path`` is no longer what was read from there. Reads its files."""
        try:
            folder, main = _entry(path)
        except ModuleError:
            return True
        return main != self.main or folder != self.folder.folder or self.folder.changed()

    def preload(self, context: Any) -> None:
        """Read the bytecode into ``context`` and serve what its modules import later. Runs none of it."""
        folder = self.folder

        def load(name: str) -> str:
            return _TAKE_SOURCE if name == TAKE_MODULE else folder.read(name)

        context.set_module_loader(load)
        for module in self.modules:
            context.read_object(module.code)

    def render(self, text: str, stack: str) -> JavaScriptError:
        """The error with its place in the app's own source."""
        return render_error(text, self._unshift(stack), self.folder.source)

    def _unshift(self, stack: str) -> str:
        """Take our prologue out of the columns of first lines."""

        def put_right(match: re.Match[str]) -> str:
            found = self.folder._sources.get(match[1])
            shift = len(found.text) - len(found.shown) if found is not None and found.text.endswith(found.shown) else 0
            return f"{match[1]}:1:{max(1, int(match[2]) - shift)}"

        return re.sub(r"(\./[^():\n]+):1:(\d+)", put_right, stack)


def load_app(path: Path, cache: BytecodeCache, builtins: Mapping[str, str] = MappingProxyType({})) -> AppCode:
    """Read and compile the app at ``path``, a module file or a folder with ``index.js`` (or ``index.mjs``).

    ``builtins``: the source of further modules that it may import, by names that begin with ``nano:``.
    Raises :class:`ModuleError` where a file cannot be had and :class:`JavaScriptError` where one does not compile.
    """
    folder, main = _entry(path)
    return _load(ModuleFolder(folder, builtins), main, cache)


def _entry(path: Path) -> tuple[Path, str]:
    """The real folder of an app and the name of its entry module. Raises :class:`ModuleError`."""
    if path.is_dir():
        for entry in ("index.js", "index.mjs"):
            if (path / entry).is_file():
                return path.resolve(), "./" + entry
        raise ModuleError(f'cannot load "{path}": the folder has no index.js')
    if not path.is_file():
        raise ModuleError(f'cannot load "{path}": no such file or folder')
    return path.parent.resolve(), "./" + path.name


def load_source(source: str, name: str, folder: Path, cache: BytecodeCache) -> AppCode:
    """Like :func:`load_app` for an entry module given as text; its imports are read below ``folder``."""
    modules = ModuleFolder(folder)
    modules._sources["./" + name] = _Source(source, source)
    return _load(modules, "./" + name, cache)


def load_module(
    folder: Path, name: str, cache: BytecodeCache, builtins: Mapping[str, str] = MappingProxyType({})
) -> AppCode:
    """Like :func:`load_app` for the module ``name`` (``./sub/x.js``) of a folder, in all of which it may import."""
    return _load(ModuleFolder(folder, builtins), name, cache)


def _load(folder: ModuleFolder, main: str, cache: BytecodeCache) -> AppCode:
    order: list[Bytecode] = []
    seen: set[str] = set()
    code = AppCode(main, folder, ())

    # An explicit stack instead of recursion: import chains may be long. Each entry is a module and what it still
    # imports.
    def compiled(name: str) -> tuple[Bytecode, list[str]]:
        seen.add(name)
        source = folder.read(name)
        try:
            bytecode = cache.module(source, name)
        except quickjs.JSError as error:
            raise code.render(str(error), getattr(error, "js_stack", "") or "") from None
        return bytecode, list(bytecode.imports)

    stack = [compiled(main)]
    while stack:
        bytecode, imports = stack[-1]
        if imports:
            name = imports.pop(0)
            if name not in seen:
                stack.append(compiled(name))
        else:
            order.append(bytecode)
            stack.pop()
    return attrs.evolve(code, modules=tuple(order))
