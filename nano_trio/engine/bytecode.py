"""JavaScript source to QuickJS bytecode, compiled once per content.

Theory of operation. Compiling needs an engine but no app: a scratch context, made anew for each compilation, compiles
without running. Bytecode is looked up by a digest of everything that shapes it (engine version, kind, file name,
source) first in memory, then in a private folder on disk, and only then compiled. A disk entry is a header with a
digest of its payload; one that is damaged, or that another user could have written, is ignored and written again.
Bytecode is trusted by the engine without checks, so the folder belongs to this user alone (mode 0700) and entries are
replaced atomically.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
import threading
from collections import OrderedDict
from functools import cache
from pathlib import Path

import attrs
import quickjs

from nano_trio.engine.bytecode_module import ModuleHead, read_head, rewrite

__all__ = ["Bytecode", "BytecodeCache", "compile_module", "compile_script", "default_cache_folder"]

_MAGIC = b"nano-trio bytecode 2\n"
_DIGEST_SIZE = 32


@attrs.frozen
class Bytecode:
    """Compiled code: ``code`` for ``Context.read_object``; ``imports`` the specifiers of a module as written."""

    code: bytes
    imports: tuple[str, ...] = ()
    head: ModuleHead | None = None
    """Of a module."""
    key: bytes = b""
    """The digest that it is cached by."""


def compile_script(source: str, filename: str) -> Bytecode:
    """Compile a script whose completion value is its last expression. Raises :class:`quickjs.JSError`."""
    return Bytecode(quickjs.Context().compile(source, filename).write_object())


def compile_module(source: str, filename: str) -> Bytecode:
    """Compile an ES module. Raises :class:`quickjs.JSError` where the source is no module."""
    imports: list[str] = []

    def note(name: str) -> str:
        imports.append(name)
        return ""

    context = quickjs.Context()
    context.set_module_loader(note)
    code = context.compile(source, filename, module=True).write_object()
    head = read_head(code)
    # Those that the bytecode does not spell out are bare names, and the engine asked for each in its turn.
    written = {specifier for specifier, _, _ in head.requests}
    unwritten = iter([name for name in imports if not name.startswith(".") and name not in written])
    return Bytecode(code, tuple(next(unwritten) if name is None else name for name, _, _ in head.requests), head)


def default_cache_folder() -> Path:
    """``$XDG_CACHE_HOME/nano-trio/bytecode``, by default below ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "nano-trio" / "bytecode"


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
    """Bytecode by content, in memory (bounded by ``memory_bytes``) and on disk (``folder``; None for memory only)."""

    def __init__(self, folder: Path | None, memory_bytes: int = 64 << 20) -> None:
        self._memory: OrderedDict[bytes, Bytecode] = OrderedDict()
        self._memory_bytes = memory_bytes
        self._used = 0
        self._folder = folder if folder is not None and _make_private(folder) else None
        # Apps whose preparation takes long are loaded in threads.
        self._lock = threading.Lock()

    @property
    def folder(self) -> Path | None:
        """This user's alone; None where nothing is kept on disk."""
        return self._folder

    def script(self, source: str, filename: str) -> Bytecode:
        """The bytecode of a script. Raises :class:`quickjs.JSError`."""
        return self._get(b"script", source, filename)

    def module(self, source: str, filename: str) -> Bytecode:
        """The bytecode of an ES module. Raises :class:`quickjs.JSError`."""
        return self._get(b"module", source, filename)

    def linked(self, module: Bytecode, name: str, targets: list[str]) -> Bytecode:
        """What :meth:`module` gave, called ``name``, importing ``targets``, one for each of its ``imports``.

        It is kept in memory, so that apps with the same code share it.
        """
        assert module.head is not None
        digest = hashlib.sha256(module.key)
        for part in (name, *targets):
            data = part.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "little") + data)
        key = digest.digest()
        found = self._remembered(key)
        if found is None:
            code = rewrite(module.code, module.head, name, targets)
            found = self._remember(key, Bytecode(code, tuple(targets), module.head, key))
        return found

    def _get(self, kind: bytes, source: str, filename: str) -> Bytecode:
        key = self._key(kind, source, filename)
        found = self._remembered(key)
        if found is None:
            found = self._read(key)
            if found is None:
                compiled = (compile_module if kind == b"module" else compile_script)(source, filename)
                found = attrs.evolve(compiled, key=key)
                self._write(key, found)
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
                self._used += len(bytecode.code)
                while self._used > self._memory_bytes and len(self._memory) > 1:
                    self._used -= len(self._memory.popitem(last=False)[1].code)
            return found

    @staticmethod
    def _key(kind: bytes, source: str, filename: str) -> bytes:
        digest = _digest_of(kind).copy()
        name = filename.encode("utf-8", "surrogatepass")
        digest.update(len(name).to_bytes(8, "little") + name)
        digest.update(source.encode("utf-8", "surrogatepass"))
        return digest.digest()

    def _read(self, key: bytes) -> Bytecode | None:
        if self._folder is None:
            return None
        try:
            with open(os.path.join(self._folder, key.hex()), "rb", buffering=0) as file:
                data = file.readall()
        except OSError:
            return None
        header = len(_MAGIC) + _DIGEST_SIZE
        payload = data[header:]
        if data[: len(_MAGIC)] != _MAGIC or hashlib.sha256(key + payload).digest() != data[len(_MAGIC) : header]:
            return None
        count = int.from_bytes(payload[:4], "little")
        facts, code = json.loads(payload[4 : 4 + count]), payload[4 + count :]
        if facts is None:
            return Bytecode(code, key=key)
        imports, (atoms, first, end, builtin, name, requests, exports, has_default) = facts
        places = tuple((specifier, begin, after) for specifier, begin, after in requests)
        head = ModuleHead(atoms, first, end, builtin, (name[0], name[1]), places, exports, has_default)
        return Bytecode(code, tuple(imports), head, key)

    def _write(self, key: bytes, bytecode: Bytecode) -> None:
        if self._folder is None:
            return
        head = bytecode.head
        facts = json.dumps(None if head is None else (bytecode.imports, attrs.astuple(head, recurse=False))).encode()
        payload = len(facts).to_bytes(4, "little") + facts + bytecode.code
        data = _MAGIC + hashlib.sha256(key + payload).digest() + payload
        # A cache that cannot be written (a full disk, a read-only home) only costs time.
        with contextlib.suppress(OSError):
            handle, temporary = tempfile.mkstemp(dir=self._folder, prefix=".new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                os.replace(temporary, self._folder / key.hex())
            except OSError:
                os.unlink(temporary)
                raise


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
