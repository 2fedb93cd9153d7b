"""TypeScript to JavaScript, file by file, by tools that are found on this machine.

Nothing here understands TypeScript. Looked for, in this order: ``esbuild`` on the PATH; ``node_modules/.bin/esbuild``
of the app's folder; ``node`` on the PATH, from the version that strips types (22.13; ``module.stripTypeScriptTypes``).
Types are taken out, not checked: that is what ``tsc --noEmit`` is for.

A tool is started once for each file and content: results are kept beside the bytecode, in a folder of this user alone,
under a digest of the tool, the file's name and its text. Starting one takes 10 to 50 ms and blocks: call this in a
worker thread wherever others wait.

The app's own esbuild is a program that whoever may write to the app's folder chooses. It is run only where it belongs
to this user or to root and nobody else may write to it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import attrs

from nano_trio.engine.resolution import ModuleError
from nano_trio.engine.sourcemap import find_url, from_data_url

__all__ = ["Tool", "Transform", "Transformer", "find_tool"]

Transform = Callable[[str, str], tuple[str, str | None]]
"""A module's name and its text to JavaScript and a source map's JSON. Raises ModuleError."""

_TIMEOUT_S = 30
_ESBUILD = (
    "--format=esm",
    "--target=es2023",
    "--sourcemap=inline",
    "--log-level=error",
    "--log-limit=3",
    "--color=false",
)
_STRIP = (
    'const { stripTypeScriptTypes } = require("node:module");'
    'if (process.argv[1] === "probe") process.exit(stripTypeScriptTypes ? 0 : 1);'
    'process.stdout.write(stripTypeScriptTypes(require("node:fs").readFileSync(0, "utf8")));'
)
_NODE = ("--no-warnings", "--experimental-strip-types", "-e", _STRIP, "--")


@attrs.frozen
class Tool:
    """A program that transforms."""

    kind: str
    """``esbuild`` or ``node``."""
    path: str
    version: str
    """Another where the program is another."""


def _version(path: str) -> str:
    status = os.stat(path)
    return f"{os.path.realpath(path)} {status.st_mtime_ns} {status.st_size}"


@lru_cache(maxsize=8)
def _strips(path: str, version: str) -> bool:
    """Whether this ``node`` can strip types."""
    try:
        done = subprocess.run([path, *_NODE, "probe"], capture_output=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def find_tool(folder: Path) -> Tool:
    """The tool for the app in ``folder``. Raises :class:`ModuleError` that says what was looked for."""
    with contextlib.suppress(OSError):
        found = shutil.which("esbuild")
        if found is not None:
            return Tool("esbuild", found, _version(found))
    own = folder / "node_modules" / ".bin" / "esbuild"
    untrusted = ""
    with contextlib.suppress(OSError):
        status = own.stat()
        if status.st_uid in (0, os.getuid()) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return Tool("esbuild", str(own), _version(str(own)))
        untrusted = "; it is there, but others than you may write to it"
    found = shutil.which("node")
    node = "not found"
    with contextlib.suppress(OSError):
        if found is not None:
            version = _version(found)
            if _strips(found, version):
                return Tool("node", found, version)
            node = f"{found} is too old"
    raise ModuleError(
        "TypeScript needs a tool that takes the types out, and none was found. Looked for: esbuild on the PATH; "
        f"{own}{untrusted}; node 22.13 or later on the PATH ({node}). Install one: npm install --save-dev esbuild "
        "(in the app's folder)"
    )


@attrs.define
class Transformer:
    """Transforms the files of one app."""

    folder: Path
    cache: Path | None
    """Where results are kept; None for nowhere."""
    _tool: Tool | None = None

    def __call__(self, name: str, text: str) -> tuple[str, str | None]:
        """A module's JavaScript, and its source map's JSON. Raises :class:`ModuleError`."""
        if self._tool is None:
            self._tool = find_tool(self.folder)
        key = _digest(self._tool, name, text)
        found = self._read(key)
        if found is None:
            found = _transform(self._tool, self.folder, name.removeprefix("./"), text)
            self._write(key, found)
        return found

    def _read(self, key: str) -> tuple[str, str | None] | None:
        if self.cache is None:
            return None
        try:
            code, source_map, check = json.loads((self.cache / key).read_bytes())
        except (OSError, ValueError, TypeError):
            return None
        return (code, source_map) if check == _check(key, code, source_map) else None

    def _write(self, key: str, found: tuple[str, str | None]) -> None:
        if self.cache is None:
            return
        data = json.dumps([*found, _check(key, *found)]).encode()
        # A cache that cannot be written only costs time.
        with contextlib.suppress(OSError):
            self.cache.mkdir(mode=0o700, exist_ok=True)
            if self.cache.stat().st_uid != os.getuid():
                return
            handle, temporary = tempfile.mkstemp(dir=self.cache, prefix=".new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                os.replace(temporary, self.cache / key)
            except OSError:
                os.unlink(temporary)
                raise


def _digest(*parts: Tool | str) -> str:
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()


def _check(key: str, code: str, source_map: str | None) -> str:
    return _digest(key, code, source_map or "")


def _transform(tool: Tool, folder: Path, name: str, text: str) -> tuple[str, str | None]:
    if tool.kind == "node":
        command = [tool.path, *_NODE, "strip"]
    else:
        loader = "tsx" if name.endswith(".tsx") else "ts"
        command = [tool.path, f"--loader={loader}", f"--sourcefile={name}", *_ESBUILD]
    data = text.encode("utf-8", "surrogatepass")
    try:
        done = subprocess.run(
            command,
            input=data,
            cwd=folder,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
            start_new_session=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ModuleError(f'cannot load "{name}": {tool.path} cannot be run: {error}') from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").partition("\nnode:")[0].strip()  # its launcher's own end
        raise ModuleError(f'cannot load "{name}": {tool.kind} says: {said[:2000] or f"exit code {done.returncode}"}')
    code = done.stdout.decode("utf-8", "replace")
    url = find_url(code)
    source_map = None if url is None else from_data_url(url)
    if source_map is None:
        return code, None
    # Without the comment and without the sources, which are there.
    document = json.loads(source_map)
    document.pop("sourcesContent", None)
    return code[: code.rindex("//# sourceMappingURL=")], json.dumps(document)
