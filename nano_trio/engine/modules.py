"""ES modules from an app's folder, and nothing else.

Theory of operation. An app's files are named ``./index.js``, ``./lib/x.js``: the path below the app's folder with a
leading ``./``; that is what stacks show. :func:`load_app` reads the entry and all it imports statically, compiles each
once (see ``bytecode``), resolves what it imports (see ``resolution``), and keeps bytecode in dependency order in an
:class:`AppCode`, which all isolates of the app share. In the bytecode a module is called ``app:/lib/x.js``, and asks
for others by such names (see ``bytecode_module``): the engine's own resolution, which knows of no packages, has nothing
left to do. :meth:`AppCode.preload` reads the bytecode into a context.

What is left is ``import()``. The engine asks the context's loader for ``./lib/late.js`` or ``hono``, without saying
who imports it. The loader resolves that, reads what the context does not have yet into it, as above, and answers with a
module of one line that hands on the exports. So a file is one module, by whatever name it was asked for. A
bare name is resolved from the files that mention it; where those mean different packages by it, it is refused. (The
engine finds ``import.meta`` by the name of the file; so modules that use it get such a line beside them at once.)

A CommonJS module has a stand-in among the ES modules (see ``commonjs``). What it requires :class:`AppCode` has, too.

Files in TypeScript are transformed when the app is loaded (see ``typescript``), which takes long, and is left to a
worker thread. ``import()`` finds those that are named by a literal.

How many modules there are (:data:`~nano_trio.engine.module_folder.MOST_MODULES`), how long the chains of them
(:data:`LONGEST_CHAIN`), and how often exports are handed on (see ``handed_on``) is bounded: the engine calls itself for
each, and does not look at its stack everywhere.

How long all that takes is for the app to say. So the functions on the way to where the engine compiles may be suspended
and stopped, in a preparation (see ``preparation``) as in the turn that calls ``import()``, and each file is a piece.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import posixpath
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NoReturn

import attrs
import quickjs

from nano_trio.engine.advice import what_is_missing
from nano_trio.engine.bytecode import Bytecode, BytecodeCache, compile_module
from nano_trio.engine.commonjs import STAND_IN_FILE, CommonJS, file_name, is_ours, name_of, view_of, viewed
from nano_trio.engine.errors import Frame, JavaScriptError, below, render_error
from nano_trio.engine.handed_on import Handing, refuse_deep
from nano_trio.engine.module_folder import ModuleFolder, file_of
from nano_trio.engine.native_calls import enters
from nano_trio.engine.pauses import in_pieces, pause
from nano_trio.engine.resolution import TYPESCRIPT, ModuleError, Resolver, real_path, refuse_long
from nano_trio.engine.typescript import Tools, Transform, Transformer

__all__ = [
    "LONGEST_CHAIN",
    "TAKE_MODULE",
    "TAKE_NAMESPACE",
    "AppCode",
    "AppFiles",
    "ModuleError",
    "load_app",
    "load_module",
]

TAKE_MODULE = "./nano:take"
"""A module of ours that exports ``take``, the value of the global :data:`TAKE_NAMESPACE`, and puts that right again."""
TAKE_NAMESPACE = "self"
"""A global that is there anyway: the place of one that was removed would stay."""
_TAKE_SOURCE = f"export const take = {TAKE_NAMESPACE}; {TAKE_NAMESPACE} = globalThis;"

_PREFIX = name_of("")
"""Begins what the app's modules are called within the engine."""
_NO_OWN: Final = Tools()
# All begin with plain text, which is found fast.
_DYNAMIC_IMPORT = re.compile(r"""import(?<=\bimport)\s*\(\s*(["'`])([^"'`\n$\\]+)\1\s*\)""")
_VIEWED = re.compile(view_of("", ["NAMES"]).replace("NAMES", r"[^/\s]*"))
_UNLINKED = re.compile(r"SyntaxError: Could not find export '(?P<name>[^']+)' in module '(?P<file>[^']+)'")
_DEFAULT = re.compile(r"\s*+(?!type\b)([\w$]++)")
"""What the default export is called where it is imported."""
_FROM = re.compile(r"from\s*(?P<mark>['\"])(?P<specifier>[^'\"\n]+)(?P=mark)")
_IMPORT = re.compile(r"\b(?:import|export)\b")
LONGEST_CHAIN = 4000
"""Of modules that import each the next. The engine calls itself for each, and has stack for 7000 in our build; where
that ends it cannot say which it was at."""
_KINDS: Final = frozenset({"SyntaxError", "RangeError", "TypeError", "ReferenceError", "InternalError"})
"""Of errors that the engine has where it compiles."""
_LONGEST_CLAUSE, _MOST_STATEMENTS, _MOST_LOOKED_THROUGH = 4000, 500, 8 << 20
"""Of import statements, and of the text of all files, in which one is looked for only to tell its place: nobody else
goes on meanwhile."""


@cache
def _take() -> bytes:
    """The bytecode of :data:`TAKE_MODULE`."""
    return compile_module(_TAKE_SOURCE, TAKE_MODULE).code


@attrs.define
class AppCode:
    """An app's modules, read and compiled, ready to be put into any number of isolates."""

    main: str
    """The entry module's name, for an ``import`` from outside the app."""
    commonjs: CommonJS
    modules: tuple[Bytecode, ...] = ()
    """Bytecode of all modules, imported ones before importing ones."""
    names: frozenset[str] = frozenset()
    """What those are called."""

    @property
    def folder(self) -> ModuleFolder:
        """Where they come from."""
        return self.commonjs.folder

    @property
    def files(self) -> list[str]:
        """What was read so far, by paths in the app's folder: modules, and ``package.json`` where it had a say."""
        return self.folder.files

    def changed(self, path: str | os.PathLike[str]) -> bool:
        """Whether the app at ``path`` is no longer what was read from there. Reads its files."""
        try:
            files = AppFiles.at(path)
        except ModuleError:
            return True
        return name_of(files.main) != self.main or files.folder != self.folder.folder or self.folder.changed()

    @enters
    def preload(self, context: Any, reach: Callable[[], Any] | None = None) -> None:
        """Read the bytecode into ``context`` and serve what its modules import later. Runs none of it.

        ``reach`` gives the context while it is used, without holding it: contexts and their loaders would keep each
        other. Without it the context lives until its loader is taken away.
        """
        late = _LateImports(self, reach or (lambda: context))
        context.set_module_loader(late.load)
        context.read_object(_take())
        _read_into(context, self.modules)

    def render(self, text: str, stack: str) -> JavaScriptError:
        """The error with its place in the app's own source."""
        stack = below(text, stack)
        text = what_is_missing(_VIEWED.sub("", text).replace(_PREFIX, ""))
        if (unlinked := _UNLINKED.fullmatch(text)) is not None and not stack:
            text, stack = self._missing_export(unlinked["name"], unlinked["file"])
        return render_error(text, stack, self.folder.source, self._original)

    def _missing_export(self, name: str, file: str) -> tuple[str, str]:
        """What is said of an import that names no export, and a frame at its place, which the engine does not tell."""
        name, file = self._handed_on(name, file)
        text = f"SyntaxError: {file} has no export {name}"
        if file.endswith(".json"):
            text += "; a JSON module has a default export alone"
        imported = re.compile(rf"(?<![\w$.]){re.escape(name)}(?![\w$])")
        for importer, source, specifier, begin, end in itertools.islice(self._clauses_of(name), _MOST_STATEMENTS):
            place = _DEFAULT.match(source, begin, end) if name == "default" else None
            place = place or imported.search(source, begin, end)
            if place is None:
                continue
            with contextlib.suppress(ModuleError):
                if self.folder.resolver.resolve(specifier, importer) == file:
                    before = source[: place.start(place.re.groups)]
                    row, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
                    return text, f"    at <anonymous> (./{importer}:{row}:{column})\n"
        return text, ""

    def _clauses_of(self, name: str) -> Iterator[tuple[str, str, str, int, int]]:
        """Of the files that have the name: their imports, and exports from elsewhere, as by :func:`_clauses`."""
        room = _MOST_LOOKED_THROUGH
        for file, source in self.folder.sources():
            room -= len(source)
            if room < 0:
                return
            if name in source or name == "default":
                for specifier, begin, end in _clauses(source):
                    yield file, source, specifier, begin, end

    def _handed_on(self, name: str, file: str) -> tuple[str, str]:
        """Where the file exports by this name what it imports: what that is called there, and that file."""
        source = self.folder.compiled(file)
        called = re.escape(name)
        clause = rf"\bexport\s*\{{[^}}]{{0,{_LONGEST_CLAUSE}}}?(?<![\w$])(?:([\w$]+)\s+as\s+)?{called}\s*[,}}]"
        exported = re.compile(clause).search(source, 0, _MOST_LOOKED_THROUGH)
        if exported is not None:
            imported = re.compile(rf"(?<![\w$.])(?:([\w$]+)\s+as\s+)?{re.escape(exported[1] or name)}(?![\w$])")
            for specifier, begin, end in _clauses(source):
                found = imported.search(source, begin, end)
                if found is not None:
                    with contextlib.suppress(ModuleError):
                        return found[1] or exported[1] or name, self.folder.resolver.resolve(specifier, file)
        return name, file

    def _original(self, frame: Frame) -> tuple[Frame, str | None]:
        """Where the code of a frame was written, and the text there if another than that file's."""
        folder = self.folder
        prologue = folder.prologue(frame.file)
        if prologue is None or frame.line is None:
            return frame, None
        if frame.line == 1 and prologue and frame.column is not None:
            frame = attrs.evolve(frame, column=max(1, frame.column - prologue))
        source_map = folder.source_map(frame.file)
        line = frame.line or 1
        place = None if source_map is None else source_map.find(line, frame.column or 1)
        if place is None:
            return frame, None
        if frame.file.endswith(TYPESCRIPT):
            return attrs.evolve(frame, line=place.line, column=place.column), None
        file = posixpath.normpath(posixpath.join(posixpath.dirname(frame.file), place.file))
        original = attrs.evolve(frame, file=file, line=place.line, column=place.column)
        text = place.text
        if text is None and folder.resolver.is_file(file):
            with contextlib.suppress(ModuleError):
                text = folder.text_of(file)
        return original, text or ""


def _clauses(source: str) -> Iterator[tuple[str, int, int]]:
    """Of each import, and export from elsewhere: the specifier, and between which places the names stand."""
    for found in itertools.islice(_FROM.finditer(source, 0, _MOST_LOOKED_THROUGH), _MOST_STATEMENTS):
        end = found.start()
        begin = max(0, end - _LONGEST_CLAUSE)
        # None of these stands between the statement's first word and this one.
        begin = max(begin, *(source.rfind(mark, begin, end) for mark in ";'\"`("))
        word = _IMPORT.search(source, begin, end)
        if word is not None:
            yield found["specifier"], word.end(), end


def _throwing(text: str, stack: str = "", kind: str = "ReferenceError") -> str:
    """The source of a module that says so to whoever imports it: what a loader raises the engine cuts off after 255
    bytes."""
    said = f"{kind}: {text}"
    frames = below(said, stack).rstrip("\n")
    told = json.dumps(f"{said}\n{frames}" if frames else said)
    return f"const error = new {kind}({json.dumps(text)}); error.stack = {told}; throw error;"


class _LateImports:
    """The module loader of one context: what ``import()`` asks for."""

    _had: frozenset[str] | set[str] = frozenset()  # shared as long as it is empty: each takes 216 bytes

    def __init__(self, code: AppCode, reach: Callable[[], Any]) -> None:
        self._code = code
        self._reach = reach

    @enters
    def load(self, name: str) -> str:
        """The source of the module ``name``, which the engine does not have."""
        try:
            return self._load(name)
        except ModuleError as error:
            return _throwing(str(error))
        except JavaScriptError as error:
            # It may be far below what is imported: the engine would ask for each module on the way there.
            text, stack = error.engine
            kind, _, message = text.partition(": ")
            return _throwing(message, stack, kind) if kind in _KINDS else _throwing(text, stack, "SyntaxError")
        except (OSError, ValueError):
            # No file system has such a name.
            return _throwing(f'cannot load "{file_of(name)}": no such file in the app\'s folder')

    @enters
    def _load(self, name: str) -> str:
        refuse_long(name)
        code = self._code
        if name in code.folder.resolver.builtins:
            return code.folder.read(name)
        target = self._resolve(name)
        called = name_of(target)
        if called not in code.names and called not in self._had:
            context = self._reach()
            # All of it compiles, or none of it is in the context.
            modules, names = _graph(code.commonjs, target, (code.names, self._had), name)
            _read_into(context, modules)
            if not self._had:
                self._had = set()
            self._had |= names
        return _handing_on(code.commonjs, target)

    @enters
    def _resolve(self, name: str) -> str:
        folder, resolver = self._code.folder, self._code.folder.resolver
        if name.startswith("."):
            lenient = "node_modules/" in name or self._code.main.endswith(TYPESCRIPT)
            return resolver.resolve(name, "", lenient=lenient)
        importers = folder.mentions(name)
        found, problem = self._meant(name, importers or [""])
        if len(found) > 1:
            # Several versions of a package, say. Who only imports it statically is not who asks.
            found = self._meant(name, [one for one in importers if folder.imports_late(one, name)])[0] or found
        if len(found) == 1:
            return next(iter(found))
        if problem is not None and not found:
            raise problem
        means = ", ".join(f"{target} in {importer}" for target, importer in found.items())
        raise ModuleError(
            f'cannot load "{name}" by import(): it means {means}; import it statically, or bundle the app'
        )

    @enters
    def _meant(self, name: str, importers: list[str]) -> tuple[dict[str, str], ModuleError | None]:
        """The files that it means, each with one that means it; and what is wrong for the first that means none."""
        resolver = self._code.folder.resolver
        found: dict[str, str] = {}
        problem: ModuleError | None = None
        for importer in importers:
            pause()
            try:
                found.setdefault(resolver.resolve(name, importer), importer)
            except ModuleError as error:
                problem = problem or error
        return found, problem


@attrs.frozen
class AppFiles:
    """What an app begins with."""

    folder: str
    """The real path of its folder."""
    main: str
    """The entry module's file in it."""

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> AppFiles:
        """The app at ``path``, a module file or a folder. Raises :class:`ModuleError`."""
        try:
            kind = os.stat(path).st_mode
        except (OSError, ValueError):
            kind = 0
        if stat.S_ISDIR(kind):
            folder = real_path(os.fspath(path))
            return cls(folder, Resolver(folder).entry())
        if not stat.S_ISREG(kind):
            raise ModuleError(f'cannot load "{path}": no such file or folder')
        parent, name = os.path.split(path)
        return cls(real_path(parent), name)


@enters
def load_app(
    app: str | os.PathLike[str] | AppFiles,
    cache: BytecodeCache,
    builtins: Mapping[str, str] = MappingProxyType({}),
    tools: Tools = _NO_OWN,
) -> AppCode:
    """Read and compile the app at a path, or whose files were found there: a module file or a folder.

    ``builtins``: the source of further modules that it may import, by names that begin with ``nano:`` or ``node:``.
    ``tools``: what may be run for TypeScript.

    Raises :class:`ModuleError` where a file cannot be had and :class:`JavaScriptError` where one does not compile.
    """
    files = app if isinstance(app, AppFiles) else AppFiles.at(app)
    return load_module(files.folder, "./" + files.main, cache, builtins, tools)


def _refuse_typescript(main: str, name: str, text: str) -> NoReturn:
    raise ModuleError(
        f'cannot load "{file_of(name)}": the app begins with JavaScript ({main}), and TypeScript is transformed only '
        f"for apps that begin with TypeScript: rename {main} to {posixpath.splitext(main)[0]}.ts"
    )


@enters
def load_module(
    folder: str,
    name: str,
    cache: BytecodeCache,
    builtins: Mapping[str, str] = MappingProxyType({}),
    tools: Tools = _NO_OWN,
    *,
    mixed: bool = False,
) -> AppCode:
    """Like :func:`load_app` for the module ``name`` (``./sub/x.js``) of a folder, in all of which it may import.

    ``folder`` is a real path. ``mixed``: a module in JavaScript may import TypeScript, so that loading it may take
    long.
    """
    if mixed or name.endswith(TYPESCRIPT):
        kept = None if cache.folder is None else cache.folder.parent / "typescript"
        typescript: Transform = Transformer(Path(folder), kept, tools)
    else:
        typescript = partial(_refuse_typescript, file_of(name))
    modules = ModuleFolder(folder, builtins, typescript)
    try:
        return _load(CommonJS(modules, cache), name.removeprefix("./"))
    finally:
        if modules.transforms:
            modules.finish()


@enters
def _load(commonjs: CommonJS, main: str) -> AppCode:
    modules, names = _graph(commonjs, main)
    return AppCode(name_of(main), commonjs, tuple(modules), names)


@enters
def _handing_on(commonjs: CommonJS, target: str) -> str:
    """The source of a module that has the exports of another."""
    quoted = json.dumps(name_of(target))
    if commonjs.is_one(target):
        has_default = True
    else:
        file = file_name(target)
        head = commonjs.cache.module(commonjs.folder.read(file), file, name_of(target)).head
        has_default = head is not None and head.has_default
    return f"export * from {quoted};" + (f"export {{ default }} from {quoted};" if has_default else "")


@enters
def _read_into(context: Any, modules: Sequence[Bytecode]) -> None:
    for module in in_pieces(modules):
        context.read_object(module.code)


@enters
def _graph(
    commonjs: CommonJS, main: str, had: Sequence[Set[str]] = (), asked: str = ""
) -> tuple[list[Bytecode], frozenset[str]]:
    """The module and all it imports but what the engine ``had``: bytecode in dependency order, and their names.

    ``asked``: the name under which the engine is about to have the line that stands for the first. Raises
    :class:`ModuleError` also for what the engine could not cope with: too many, too long a chain of them, or exports
    that are handed on too often.
    """
    folder, cache = commonjs.folder, commonjs.cache
    order: list[Bytecode] = []
    names: set[str] = set()
    handed_on: dict[str, Handing] = {}
    count = sum(map(len, had))
    # What import() may ask for comes behind all else, so this goes the engine's own way through what is imported. An
    # explicit stack instead of recursion: import chains may be long.
    roots = [main]
    stack: list[_Begun] = []
    while stack or roots:
        pause()
        each = next(stack[-1].further, None) if stack else roots.pop()
        if each is None:
            module = stack.pop()
            target, bytecode = module.target, module.bytecode
            order.append(cache.linked(bytecode, name_of(target), [name_of(each) for each in module.imports]))
            if folder.uses_meta(module.file) and module.file != asked:
                order.append(cache.module(_handing_on(commonjs, target), module.file))
            if bytecode.head is not None and bytecode.head.hands_on:
                handed_on[target] = Handing.of(bytecode.head, module.imports)
            roots += module.late
        elif (called := name_of(each)) not in names and not any(called in others for others in had):
            names.add(called)
            folder.refuse_many(count + len(names), viewed(each)[0])
            if len(stack) >= LONGEST_CHAIN:
                raise ModuleError(
                    f'cannot load "{viewed(each)[0]}" (imported by {viewed(stack[-1].target)[0]}): it ends a chain of '
                    f"more than {LONGEST_CHAIN} modules that import each the next"
                )
            stack.append(_begun(commonjs, each))
    if handed_on:
        refuse_deep({**folder.handed_on, **handed_on})
        # Another isolate may have read more meanwhile.
        folder.handed_on = {**folder.handed_on, **handed_on}
    return order, frozenset(names)


class _Begun:
    """A module on the way through what is imported."""

    __slots__ = ("bytecode", "file", "further", "imports", "late", "target")

    def __init__(
        self, target: str, file: str, bytecode: Bytecode, imports: list[str], late: Sequence[str] = ()
    ) -> None:
        self.target = target
        self.file = file
        self.bytecode = bytecode
        self.imports = imports
        """What it imports, for each of its requests."""
        self.further = iter(imports)
        """What of that has not been looked at."""
        self.late = late
        """What else must be read with it."""


@enters
def _begun(commonjs: CommonJS, target: str) -> _Begun:
    if commonjs.is_one(target):
        file, further = viewed(target)
        bytecode, targets = _standing_in(commonjs, target, file, further)
        return _Begun(target, file_name(file), bytecode, targets)
    bytecode, targets = _compiled(commonjs, target)
    late = _literal_imports(commonjs.folder, target)
    return _Begun(target, file_name(target), bytecode, targets, late)


@enters
def _standing_in(commonjs: CommonJS, target: str, file: str, further: Sequence[str]) -> tuple[Bytecode, list[str]]:
    """The stand-in of a CommonJS module, and the ES modules that it requires."""
    try:
        commonjs.code(file)
    except quickjs.JSError as error:
        raise _not_compiled(commonjs, file, error) from None
    modules = commonjs.gather(file)
    source = commonjs.stand_in(file, further, modules)
    return commonjs.cache.module(source, STAND_IN_FILE, name_of(target)), modules


@enters
def _compiled(commonjs: CommonJS, target: str) -> tuple[Bytecode, list[str]]:
    """An ES module's bytecode, and what it imports, resolved, one for each import."""
    folder, file = commonjs.folder, file_name(target)
    source = folder.read(file)
    try:
        bytecode = commonjs.cache.module(source, file, name_of(target))
    except quickjs.JSError as error:
        raise _not_compiled(commonjs, target, error) from None
    assert bytecode.head is not None
    targets = []
    for specifier, names in zip(bytecode.imports, bytecode.head.wanted, strict=True):
        pause()
        found = folder.resolver.resolve(specifier, target)
        if names and not is_ours(found) and commonjs.is_one(found):
            known = commonjs.exports(found)
            found = view_of(found, [name for name in names if name != "default" and name not in known])
        targets.append(found)
    return bytecode, targets


def _not_compiled(commonjs: CommonJS, target: str, error: quickjs.JSError) -> Exception:
    """What is told of a file that does not compile."""
    if str(error) == "InternalError: out of memory":
        return ModuleError(f'cannot load "{target}": to compile it takes more memory than there is for that')
    stack = getattr(error, "js_stack", "") or f"    at <anonymous> ({file_name(target)})"
    rendered = AppCode(name_of(target), commonjs).render(str(error), stack)
    rendered.engine = str(error), stack
    return rendered


@enters
def _literal_imports(folder: ModuleFolder, target: str) -> list[str]:
    """The TypeScript that a file imports by ``import("./x")``: it must be transformed now. It may be absent."""
    found = []
    if target.endswith(TYPESCRIPT) or folder.transforms:
        for match in _DYNAMIC_IMPORT.finditer(folder.read(file_name(target))):
            with contextlib.suppress(ModuleError):
                each = folder.resolver.resolve(match[2], target)
                if each.endswith(TYPESCRIPT):
                    found.append(each)
    return found
