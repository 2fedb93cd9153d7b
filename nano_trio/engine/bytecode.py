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
import os
import sys
import tempfile
from collections import OrderedDict
from pathlib import Path

import attrs
import quickjs

__all__ = ["Bytecode", "BytecodeCache", "compile_module", "compile_script", "default_cache_folder"]

_MAGIC = b"nano-trio bytecode 1\n"
_DIGEST_SIZE = 32


@attrs.frozen
class Bytecode:
    """Compiled code: ``code`` for ``Context.read_object``; ``imports`` the normalised names a module asks for."""

    code: bytes
    imports: tuple[str, ...] = ()


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
    return Bytecode(context.compile(source, filename, module=True).write_object(), tuple(imports))


def default_cache_folder() -> Path:
    """``$XDG_CACHE_HOME/nano-trio/bytecode``, by default below ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "nano-trio" / "bytecode"


class BytecodeCache:
    """Bytecode by content, in memory (bounded by ``memory_bytes``) and on disk (``folder``; None for memory only)."""

    def __init__(self, folder: Path | None, memory_bytes: int = 64 << 20) -> None:
        self._memory: OrderedDict[bytes, Bytecode] = OrderedDict()
        self._memory_bytes = memory_bytes
        self._used = 0
        self._folder = folder if folder is not None and _make_private(folder) else None

    def script(self, source: str, filename: str) -> Bytecode:
        """The bytecode of a script. Raises :class:`quickjs.JSError`."""
        return self._get(b"script", source, filename)

    def module(self, source: str, filename: str) -> Bytecode:
        """The bytecode of an ES module. Raises :class:`quickjs.JSError`."""
        return self._get(b"module", source, filename)

    def _get(self, kind: bytes, source: str, filename: str) -> Bytecode:
        key = self._key(kind, source, filename)
        found = self._memory.get(key)
        if found is not None:
            self._memory.move_to_end(key)
            return found
        found = self._read(key)
        if found is None:
            found = (compile_module if kind == b"module" else compile_script)(source, filename)
            self._write(key, found)
        self._memory[key] = found
        self._used += len(found.code)
        while self._used > self._memory_bytes and len(self._memory) > 1:
            self._used -= len(self._memory.popitem(last=False)[1].code)
        return found

    @staticmethod
    def _key(kind: bytes, source: str, filename: str) -> bytes:
        digest = hashlib.sha256()
        # The engine's build matters as well as its version: bytecode holds pointers' width and byte order.
        parts = (quickjs.quickjs_version, quickjs.__version__, sys.byteorder, str(sys.maxsize), filename)
        for part in (kind, *(part.encode("utf-8", "surrogatepass") for part in parts)):
            digest.update(len(part).to_bytes(8, "little") + part)
        digest.update(source.encode("utf-8", "surrogatepass"))
        return digest.digest()

    def _read(self, key: bytes) -> Bytecode | None:
        if self._folder is None:
            return None
        try:
            data = (self._folder / key.hex()).read_bytes()
        except OSError:
            return None
        header = len(_MAGIC) + _DIGEST_SIZE
        payload = data[header:]
        if data[: len(_MAGIC)] != _MAGIC or hashlib.sha256(key + payload).digest() != data[len(_MAGIC) : header]:
            return None
        count = int.from_bytes(payload[:4], "little")
        names, code = payload[4 : 4 + count], payload[4 + count :]
        imports = names.decode("utf-8", "surrogatepass").split("\0") if names else []
        return Bytecode(code, tuple(imports))

    def _write(self, key: bytes, bytecode: Bytecode) -> None:
        if self._folder is None:
            return
        names = "\0".join(bytecode.imports).encode("utf-8", "surrogatepass")
        payload = len(names).to_bytes(4, "little") + names + bytecode.code
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
