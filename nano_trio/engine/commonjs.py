"""CommonJS modules of an app's folder: which files are, what they export, and their code.

Theory of operation. To the engine there are ES modules only. So for a CommonJS module that is imported there is a
*stand-in*, an ES module of a few lines under its name: it has the platform require the file (:data:`_STAND_IN`), and
exports ``module.exports`` as ``default`` and what was read in the source (see ``commonjs_reader``) by its names. Node
knows no other names. Here whoever imports further ones by name (``import { debounce } from "lodash"``, which assigns
them where nobody can read it) gets a stand-in of its own, that looks for them when it is evaluated: a *view*.

The file itself is compiled as a function, and runs when it is required: in the app's turn, as any of its code. What it
requires by a string is read and compiled with the app, so that a turn need not, and the file watch knows of it; where
that fails nothing is said, for it may never be required. What is required otherwise is read when it is.

An ES module that is required by a string is an import of the stand-in, and so it is evaluated before: the engine
cannot evaluate one in the midst of others.

Which file is one? As in Node: by ``.cjs`` and ``.mjs``, by ``"type": "module"`` of the nearest ``package.json``, and
otherwise by whether it has ``import``, ``export`` or a top-level ``await``. But an app's own file that neither requires
nor exports anything is an ES module, as it is on Workers.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

import quickjs

from nano_trio.engine.bytecode import COMMONJS_PROLOGUE, Bytecode, BytecodeCache
from nano_trio.engine.errors import JavaScriptError
from nano_trio.engine.module_folder import ModuleFolder
from nano_trio.engine.native_calls import enters
from nano_trio.engine.pauses import in_pieces, pause
from nano_trio.engine.require_resolution import RequireResolver
from nano_trio.engine.resolution import TYPESCRIPT, ModuleError

if TYPE_CHECKING:
    from nano_trio.engine.commonjs_reader import Reading

__all__ = ["STAND_IN_FILE", "CommonJS", "file_name", "is_ours", "name_of", "view_of", "viewed"]

_STAND_IN: Final = "WeakRef['nano:modules'].commonjs"
"""What stand-ins call; the platform has it. ``(file, namespaces, names, known)`` gives an object: at 0
``module.exports``, then what that has by the names, of which the first ``known`` may be absent. ``namespaces``: of the
ES modules that are required, behind their files, by turns."""
STAND_IN_FILE: Final = "nano:commonjs"
"""What stand-ins are called in stacks."""

_OURS: Final = ("nano:", "node:", "cloudflare:")
_PREFIX = "app:/"
_VIEW = "commonjs://"
"""Begins a view: then the further names, a slash, and the file. No path within a folder has two slashes."""
_NEVER: Final = (".mjs", ".json", *TYPESCRIPT)
_ES_WORDS = re.compile(r"\b(?:import|export|await)\b")
_MOST_RESOLVED = 10_000
"""Specifiers that are remembered."""


def is_ours(target: str) -> bool:
    """Whether it is no file but a module of ours."""
    return target.startswith(_OURS)


def name_of(target: str) -> str:
    """What the module of a file, or a view, is called within the engine; modules of ours keep their names."""
    return target if target.startswith(_OURS) else _PREFIX + target


def file_name(target: str) -> str:
    """What stacks call the file; modules of ours keep their names."""
    return target if target.startswith(_OURS) else "./" + target


def view_of(target: str, names: Sequence[str]) -> str:
    """The view of a file that has these names beside those that were read."""
    return f"{_VIEW}{','.join(quote(name, safe='') for name in sorted(names))}/{target}" if names else target


def viewed(target: str) -> tuple[str, list[str]]:
    """The file, and the further names, of what may be a view."""
    if not target.startswith(_VIEW):
        return target, []
    names, _, file = target.removeprefix(_VIEW).partition("/")
    return file, [unquote(name) for name in names.split(",")]


class _Known:
    """What is known of an app that has such modules. Most have none, and there may be ten thousand of them."""

    def __init__(self, folder: ModuleFolder) -> None:
        self.resolver = RequireResolver.beside(folder.resolver)
        self.kinds: dict[str, bool] = {}
        self.code: dict[str, Bytecode] = {}
        self.exports: dict[str, tuple[str, ...]] = {}
        self.resolved: dict[tuple[str, str], str] = {}


class CommonJS:
    """The CommonJS modules of one app, which all its isolates share."""

    __slots__ = ("_known", "cache", "folder")

    def __init__(self, folder: ModuleFolder, cache: BytecodeCache) -> None:
        self.folder = folder
        self.cache = cache
        self._known: _Known | None = None

    @property
    def known(self) -> _Known:
        """Made when it is first asked for."""
        if self._known is None:
            self._known = _Known(self.folder)
        return self._known

    @enters
    def is_one(self, target: str) -> bool:
        """Whether a file, or a view, is a CommonJS module. Raises :class:`ModuleError` where it cannot be read."""
        if target.startswith(_OURS) or target.endswith(_NEVER):
            return False
        if target.endswith(".cjs") or target.startswith(_VIEW):
            return True
        of_package = "node_modules/" in target
        text = self.folder.read(file_name(target))
        if not of_package and "exports" not in text and "require" not in text:
            return False
        kinds = self.known.kinds
        kind = kinds.get(target)
        if kind is None:
            kind = kinds[target] = self._decide(target, of_package)
        return kind

    @enters
    def _decide(self, target: str, of_package: bool) -> bool:
        # All that comes here is more than most apps, of one small file, should wait for.
        from nano_trio.engine.commonjs_reader import read_commonjs

        folder, cache, file = self.folder, self.cache, file_name(target)
        text = folder.shown(file)
        if folder.resolver.scope(target)[1].get("type") == "module":
            return False
        if _ES_WORDS.search(text) is not None:
            if cache.has_commonjs(text, file):
                return True
            try:
                module = cache.module(folder.read(file), file, name_of(target))
            except quickjs.JSError:
                if read_commonjs(text).is_module:
                    return False
            else:
                assert module.head is not None
                if module.imports or module.head.exports or module.head.waits:
                    return False
                # `export {}` leaves nothing in it: what compilers make of a file of types alone. Nor does `import.meta`
                # tell what it is in a comment or a text, as in TypeScript's own.
                if read_commonjs(text).is_module:
                    return False
        return of_package or read_commonjs(text).is_commonjs

    @enters
    def code(self, target: str) -> Bytecode:
        """The code of a file as a CommonJS module. Raises :class:`ModuleError` and :class:`quickjs.JSError`."""
        found = self.known.code.get(target)
        if found is None:
            file = file_name(target)
            text = self.folder.shown(file)
            # Before it is compiled: so its errors are told where they are.
            self.folder.is_function(file, len(COMMONJS_PROLOGUE))
            found = self.known.code[target] = self.cache.commonjs(text, file)
        return found

    @enters
    def resolve(self, specifier: str, importer: str) -> str:
        """What ``require(specifier)`` means in a file, perhaps a module of ours. Raises :class:`ModuleError`."""
        key = (specifier, importer)
        known = self.known
        found = known.resolved.get(key)
        if found is None:
            found = known.resolver.resolve(specifier, importer)
            if len(known.resolved) < _MOST_RESOLVED:
                known.resolved[key] = found
        return found

    @enters
    def _files(self, specifiers: Sequence[str], importer: str) -> list[str]:
        """The files that these are, as far as there are any."""
        found = []
        for specifier in specifiers:
            pause()
            with contextlib.suppress(ModuleError, OSError, ValueError):
                target = self.resolve(specifier, importer)
                if not is_ours(target):
                    found.append(target)
        return found

    @enters
    def _reading(self, target: str) -> Reading | None:
        """Of a file that may be none of these, or no JavaScript at all."""
        with contextlib.suppress(ModuleError, JavaScriptError, quickjs.JSError):
            if self.is_one(target):
                return self.code(target).reading
        return None

    @enters
    def exports(self, target: str) -> tuple[str, ...]:
        """The names, beside ``default``, that a CommonJS module is known to export before it has run."""
        known = self.known.exports.get(target)
        if known is None:
            names: dict[str, None] = {}
            seen, left = {target}, [target]
            while left:
                each = left.pop()
                reading = self._reading(each)
                if reading is not None:
                    names.update(dict.fromkeys(reading.exports))
                    further = [file for file in self._files(reading.reexports, each) if file not in seen]
                    seen.update(further)
                    left += reversed(further)
            names.pop("default", None)
            known = self.known.exports[target] = tuple(names)
        return known

    @enters
    def gather(self, target: str) -> list[str]:
        """Read and compile what a CommonJS module requires by strings, and what that does; the ES modules among it."""
        modules = []
        seen, left = {target}, [target]
        while left:
            each = left.pop()
            reading = self._reading(each)
            for file in self._files(reading.requires, each) if reading is not None else []:
                if file in seen:
                    continue
                pause()
                seen.add(file)
                with contextlib.suppress(ModuleError):
                    if file.endswith(".json"):
                        self.folder.read(file_name(file))
                    elif self.is_one(file):
                        left.append(file)
                    elif file.endswith((".js", ".mjs")):
                        modules.append(file)
        return modules

    @enters
    def stand_in(self, target: str, further: Sequence[str], modules: Sequence[str]) -> str:
        """The source of the ES module for a CommonJS one that requires these ES modules."""
        known = self.exports(target)
        names = [*known, *further]
        parts, given = [], []
        for at, each in in_pieces(enumerate(modules)):
            parts.append(f"import * as m{at} from {json.dumps(name_of(each))};")
            given.append(f"{json.dumps(each)},m{at}")
        parts.append(
            f"const v={_STAND_IN}({json.dumps(target)},[{','.join(given)}],{json.dumps(names)},{len(known)}),v0=v[0]"
        )
        parts += [f",v{at}=v[{at}]" for at in range(1, len(names) + 1)]
        parts.append(";export{v0 as default")
        parts += [f",v{at} as {json.dumps(name)}" for at, name in enumerate(names, 1)]
        parts.append("};")
        return "".join(parts)
