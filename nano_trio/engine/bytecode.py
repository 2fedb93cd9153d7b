"""JavaScript source to QuickJS bytecode, compiled once per content.

Theory of operation. Compiling needs an engine but no app: a scratch context compiles without running. Making one takes
longer than to compile a small file, so each thread keeps one as long as it is as good as new (:class:`_Scratch`). How
long it takes is for the source to say, and not in proportion to its size: the engine looks through all variables of a
block for each. So it may be suspended, in whatever turn or preparation it is (:mod:`nano_trio.engine.preparation`),
and what was stopped there leaves nothing: a context that was not done is never used again, and only what has been
compiled comes into the cache.
Bytecode is looked up by a digest of everything that shapes it (engine version, kind, file name,
source) first in memory, then in a private folder on disk, and only then compiled. A disk entry is a header with a
digest of its payload; one that is damaged, or that another user could have written, is ignored and written again.
Bytecode is trusted by the engine without checks, so the folder belongs to this user alone (mode 0700) and entries are
replaced atomically. They may be written later (:attr:`BytecodeCache.later`): nobody waits for them. Nobody knows which
are still wanted; a server removes the oldest where they have become many, when it starts and whenever it has itself
written a good part of what they may take. What is known beside the bytecode is written by ``marshal``, which is read
fast and no more suspicious.
"""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import os
import sys
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import quickjs

from nano_trio.engine.allocator import let_go, use_slabs
from nano_trio.engine.binding_errors import translate
from nano_trio.engine.builtins import spare
from nano_trio.engine.bytecode_debug import leave_out_debugging
from nano_trio.engine.bytecode_functions import value_at
from nano_trio.engine.bytecode_mends import mended
from nano_trio.engine.bytecode_module import ModuleHead, body_at, read_head, redirected, rewrite
from nano_trio.engine.bytecode_variables import leave_out_variables
from nano_trio.engine.files import read_file
from nano_trio.engine.native_calls import Compilation, enters, would_be_left
from nano_trio.engine.pauses import Stopped, in_pieces, pause

if TYPE_CHECKING:
    from nano_trio.engine.commonjs_reader import Reading

__all__ = [
    "COMMONJS_PROLOGUE",
    "Bytecode",
    "BytecodeCache",
    "compile_module",
    "compile_script",
    "default_cache_folder",
]

_MAGIC = b"nano-trio bytecode 10\n"
_DIGEST_SIZE = 32
_UNFINISHED = ".new-"
_HEADER_SIZE = len(_MAGIC) + _DIGEST_SIZE
_BARE = b"bare script, 2"
_COMMONJS = b"commonjs 1"
COMMONJS_PROLOGUE = "(function (exports, require, module, __filename, __dirname) {"
"""Stands before a CommonJS module on its first line: what is compiled is a function."""
_MAX_ENTRY_BYTES = 1 << 30
_SCRATCH_BYTES = 64 << 10
_SCRATCH_MEMORY = 512 << 20
"""Bytes that a compilation may take: some ten times as much as the source is long, of a bundle of small functions."""
_DISK_BYTES = 256 << 20
"""What the folder may take before the oldest entries go: each version of each app's code leaves some."""
_GROWTH_BYTES = _DISK_BYTES // 8
"""What one process may write before it looks again."""
_BLOCK = 4096
_ENTRY_BYTES = 2048
"""What an entry takes in memory beside its code."""
_FORGOTTEN_S = 3600.0
"""The age at which nobody writes a file any more that is not whole."""
_PIECE = 256 << 10
"""Of what is digested or written in one go."""
_MARSHAL_VERSION = 2
"""One that all versions of Python read alike."""


@attrs.frozen
class Bytecode:
    """Compiled code: ``code`` for ``Context.read_object``; ``imports`` the specifiers of a module as written."""

    code: bytes
    imports: tuple[str, ...] = ()
    head: ModuleHead | None = None
    """Of a module."""
    key: bytes = b""
    """The digest that it is cached by."""
    reading: Reading | None = None
    """Of a CommonJS module."""


def _wrapped_commonjs(source: str) -> str:
    """A CommonJS module as the script that is compiled of it."""
    if source.startswith("#!"):
        source = "//" + source
    return f"{COMMONJS_PROLOGUE}{source}\n}})"


def compile_script(source: str, filename: str, *, debug: bool = True) -> Bytecode:
    """Compile a script whose completion value is its last expression. Raises :class:`quickjs.JSError`.

    Without ``debug`` it lacks what only debugging needs, if possible. Not for scripts that call ``eval`` directly,
    which finds variables by their names.
    """
    runtime = quickjs.Runtime()
    if not debug:
        leave_out_debugging(runtime)
    code = mended(runtime.new_context().compile(source, filename).write_object(), value_at)
    return Bytecode(code if debug else leave_out_variables(code))


class _Scratch(threading.local):
    """This thread's context for compiling modules, and the functions that CommonJS modules are.

    What is imported stays in it, and would not be asked for again: it serves until a source imports something, or is
    none. And for a bounded number of others, as it keeps what it has compiled.
    """

    def __init__(self) -> None:
        self._kept: tuple[quickjs.Runtime, quickjs.Context, int] | None = None
        """With the bytes of source that it may still read."""

    @enters
    def compile(self, source: str, filename: str, imports: list[str], key: bytes, *, module: bool = True) -> bytes:
        if (reason := would_be_left(key)) is not None:
            raise Stopped(filename, for_memory=reason == "memory")
        kept, self._kept = self._kept, None
        if kept is None:
            runtime = quickjs.Runtime()
            use_slabs(runtime)
            runtime.set_memory_limit(_SCRATCH_MEMORY)
            kept = runtime, runtime.new_context(), _SCRATCH_BYTES
            spare(kept[1])
            translate()
        runtime, context, left = kept

        def load(name: str) -> str:
            imports.append(name)
            return ""

        context.set_module_loader(load)
        compilation = Compilation(runtime, context, filename, key, _SCRATCH_MEMORY)
        try:
            with compilation:
                code: bytes = context.compile(source, filename, module=module).write_object()
        except quickjs.JSError:
            was_told_to_end = compilation.was_told_to_end
            let_go(runtime)
            # The error has this frame, and whoever is the last to have that would free the heap, in one piece.
            del kept, runtime, context, compilation
            if was_told_to_end:
                raise Stopped(filename) from None
            raise
        left -= len(source)
        if left <= 0:
            let_go(runtime)
        elif not imports and not compilation.was_told_to_end:
            self._kept = runtime, context, left
        return code


_scratch = _Scratch()


@enters
def compile_module(source: str, filename: str, key: bytes = b"") -> Bytecode:
    """Compile an ES module; ``key`` tells its source and name from others.

    Raises :class:`quickjs.JSError` where the source is no module, and :class:`Stopped` where it takes too long.
    """
    imports: list[str] = []
    code = mended(redirected(_scratch.compile(source, filename, imports, key)), body_at)
    head = read_head(code)
    pause()
    # Those that the bytecode does not spell out are bare names, and the engine asked for each in its turn.
    written = {specifier for specifier, _, _ in head.requests}
    unwritten = iter([name for name in imports if not name.startswith(".") and name not in written])
    return Bytecode(code, tuple(next(unwritten) if name is None else name for name, _, _ in head.requests), head)


@enters
def _compile_commonjs(source: str, filename: str, key: bytes) -> Bytecode:
    """Read and compile a CommonJS module. Raises as :func:`compile_module` does."""
    # Its regular expressions take 0.1 s to compile, and many servers need none of them.
    from nano_trio.engine.commonjs_reader import read_commonjs

    code = mended(_scratch.compile(_wrapped_commonjs(source), filename, [], key, module=False), value_at)
    return Bytecode(code, reading=read_commonjs(source))


def default_cache_folder() -> Path | None:
    """``$XDG_CACHE_HOME/nano-trio/bytecode``, by default below ``~/.cache``; None for a user without a home."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return None if base.startswith("~") else Path(base) / "nano-trio" / "bytecode"


@cache
def _digest_of(kind: bytes) -> hashlib._Hash:
    """A digest that has read what all code of this kind shares."""
    digest = hashlib.sha256()
    # The engine's build matters as well as its version: bytecode holds pointers' width and byte order.
    parts = (quickjs.quickjs_version, quickjs.__version__, sys.byteorder, str(sys.maxsize))
    for part in (kind, *(part.encode() for part in parts)):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest


class BytecodeCache:
    """Bytecode by content, in memory (bounded by ``memory_bytes``) and on disk (``folder``; None for memory only).

    What lies on disk is bounded by :meth:`prune`, which is due again where it :attr:`has_grown`.
    """

    def __init__(self, folder: Path | None, memory_bytes: int = 64 << 20) -> None:
        self._memory: OrderedDict[bytes, Bytecode] = OrderedDict()
        self._memory_bytes = memory_bytes
        self._used = 0
        self._written = 0
        self._folder = folder if folder is not None and _make_private(folder) else None
        self.later: Callable[[Callable[[], None]], None] | None = None
        """Takes what writes an entry, in any thread, and has it done when there is time. None: it is done at once."""
        # Apps whose preparation takes long are loaded in threads.
        self._lock = threading.Lock()

    @property
    def folder(self) -> Path | None:
        """This user's alone; None where nothing is kept on disk."""
        return self._folder

    def script(self, source: str, filename: str, *, debug: bool = True) -> Bytecode:
        """The bytecode of a script as by :func:`compile_script`. Raises :class:`quickjs.JSError`."""
        return self._get(b"script" if debug else _BARE, source, filename)

    @enters
    def module(self, source: str, filename: str, name: str = "") -> Bytecode:
        """The bytecode of an ES module; ``name``: what it is to be called by :meth:`linked`, if it is to be linked.

        Raises :class:`quickjs.JSError`.
        """
        return self._get(b"module", source, filename, name)

    @enters
    def commonjs(self, source: str, filename: str) -> Bytecode:
        """The bytecode of a CommonJS module, a script whose value is its function, and what is read in the source.

        Raises :class:`quickjs.JSError`.
        """
        return self._get(_COMMONJS, source, filename)

    @enters
    def has_commonjs(self, source: str, filename: str) -> bool:
        """Whether that was compiled as a CommonJS module before."""
        key = self._key(_COMMONJS, source, filename, "")
        found = self._remembered(key)
        if found is None and (found := self._read(key)) is not None:
            self._remember(key, found)
        return found is not None

    @enters
    def linked(self, module: Bytecode, name: str, targets: list[str]) -> Bytecode:
        """What :meth:`module` gave for this ``name``, importing ``targets``, one for each of its ``imports``.

        It is kept in memory, so that apps with the same code share it. Where it imports nothing it has its name
        already.
        """
        assert module.head is not None
        if not module.imports:
            return module
        digest = hashlib.sha256(module.key)
        for part in in_pieces((name, *targets)):
            data = part.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "little") + data)
        key = digest.digest()
        found = self._remembered(key)
        if found is None:
            code = rewrite(module.code, module.head, name, targets)
            found = self._remember(key, Bytecode(code, tuple(targets), module.head, key))
        return found

    @enters
    def _get(self, kind: bytes, source: str, filename: str, name: str = "") -> Bytecode:
        key = self._key(kind, source, filename, name)
        found = self._remembered(key)
        if found is None:
            found = self._read(key)
            if found is None:
                if kind == b"module":
                    compiled = compile_module(source, filename, key)
                    pause()
                elif kind == _COMMONJS:
                    compiled = _compile_commonjs(source, filename, key)
                else:
                    compiled = compile_script(source, filename, debug=kind != _BARE)
                code = compiled.code
                if name and compiled.head is not None and not compiled.imports:
                    # Nothing is left to link but its name.
                    code = rewrite(code, compiled.head, name, [])
                found = attrs.evolve(compiled, code=code, key=key)
                if self._folder is not None:
                    with self._lock:
                        self._written += _on_disk(len(code) + _HEADER_SIZE)
                    writing = _writing(f"{self._folder}/{key.hex()}", key, found)
                    write = partial(_go_on, writing, self.later)
                    write() if self.later is None else self.later(write)
            found = self._remember(key, found)
        return found

    def _remembered(self, key: bytes) -> Bytecode | None:
        with self._lock:
            found = self._memory.get(key)
            if found is not None:
                self._memory.move_to_end(key)
            return found

    def _remember(self, key: bytes, bytecode: Bytecode) -> Bytecode:
        """Keep it; what is kept already, where another thread was faster."""
        with self._lock:
            found = self._memory.setdefault(key, bytecode)
            if found is bytecode:
                self._used += len(bytecode.code) + _ENTRY_BYTES
                while self._used > self._memory_bytes and len(self._memory) > 1:
                    self._used -= len(self._memory.popitem(last=False)[1].code) + _ENTRY_BYTES
            return found

    @property
    def has_grown(self) -> bool:
        """Whether this process has written so much since :meth:`prune` that it should be called again."""
        return self._written >= _GROWTH_BYTES

    def prune(self, most_bytes: int = _DISK_BYTES) -> None:
        """Where the folder takes more than that, remove its oldest entries until it takes three quarters of it; and
        what a process that was killed had begun to write. What is missed is compiled again. Blocks; for any thread.
        """
        if self._folder is None:
            return
        with self._lock:
            self._written = 0
        entries: list[tuple[float, float, str, int]] = []
        with contextlib.suppress(OSError), os.scandir(self._folder) as found:
            for entry in found:
                with contextlib.suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    # Where the file system notes when a file is read: that is worth more.
                    at = max(status.st_mtime, status.st_atime)
                    entries.append((at, status.st_mtime, entry.path, _on_disk(status.st_size)))
        used = sum(size for *_, size in entries)
        most = used if used <= most_bytes else most_bytes * 3 // 4
        forgotten = time.time() - _FORGOTTEN_S
        for _, written, path, size in sorted(entries):
            if used > most or (written < forgotten and os.path.basename(path).startswith(_UNFINISHED)):
                with contextlib.suppress(OSError):
                    os.unlink(path)
                    used -= size

    @staticmethod
    @enters
    def _key(kind: bytes, source: str, filename: str, name: str) -> bytes:
        digest = _digest_of(kind).copy()
        # No file's name has a null character.
        names = f"{filename}\0{name}".encode("utf-8", "surrogatepass")
        digest.update(len(names).to_bytes(8, "little") + names)
        data = source.encode("utf-8", "surrogatepass")
        if len(data) > _PIECE:
            pause()
        return _add(digest, data).digest()

    @enters
    def _read(self, key: bytes) -> Bytecode | None:
        if self._folder is None:
            return None
        try:
            data = read_file(f"{self._folder}/{key.hex()}", _MAX_ENTRY_BYTES)
        except OSError:
            return None
        payload = data[_HEADER_SIZE:]
        if data[:_HEADER_SIZE] != _MAGIC + _add(hashlib.sha256(key), payload).digest():
            return None
        code, imports, head, reading = marshal.loads(payload)
        bytecode = Bytecode(code, imports, None if head is None else ModuleHead(*head), key)
        return bytecode if reading is None else attrs.evolve(bytecode, reading=_reading_of(reading))


def _on_disk(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _reading_of(parts: Iterable[Any]) -> Reading:
    from nano_trio.engine.commonjs_reader import Reading

    return Reading(*parts)


@enters
def _add(digest: hashlib._Hash, data: bytes) -> hashlib._Hash:
    """The digest, which has read that as well."""
    digest.update(data[:_PIECE])
    for at in range(_PIECE, len(data), _PIECE):
        pause()
        digest.update(data[at : at + _PIECE])
    return digest


def _writing(path: str, key: bytes, bytecode: Bytecode) -> Iterator[None]:
    """Write an entry, a large one step by step."""
    head = None if bytecode.head is None else attrs.astuple(bytecode.head, recurse=False)
    reading = None if bytecode.reading is None else attrs.astuple(bytecode.reading, recurse=False)
    payload = marshal.dumps((bytecode.code, bytecode.imports, head, reading), _MARSHAL_VERSION)
    digest = hashlib.sha256(key)
    for at in range(0, len(payload), _PIECE):
        if at > 0:
            yield
        digest.update(payload[at : at + _PIECE])
    # A cache that cannot be written (a full disk, a read-only home) only costs time.
    with contextlib.suppress(OSError):
        handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=_UNFINISHED)
        try:
            with os.fdopen(handle, "wb", buffering=0) as file:
                file.write(_MAGIC + digest.digest() + payload[:_PIECE])
                for at in range(_PIECE, len(payload), _PIECE):
                    yield
                    file.write(payload[at : at + _PIECE])
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise


def _go_on(writing: Iterator[None], later: Callable[[Callable[[], None]], None] | None) -> None:
    """Do a step, or all."""
    for _ in writing:
        if later is not None:
            later(partial(_go_on, writing, later))
            break


def _make_private(folder: Path) -> bool:
    """Make ``folder`` for this user alone; False where it cannot be made or belongs to somebody else."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if status.st_uid != os.getuid():
            return False
        if status.st_mode & 0o077:
            folder.chmod(0o700)
    except OSError:
        return False
    return True
