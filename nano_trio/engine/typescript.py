"""TypeScript to JavaScript, file by file, by tools that are found on this machine.

Nothing here understands TypeScript. Looked for, in this order: the esbuild that the configuration names; ``esbuild``
on the PATH; in development ``node_modules/.bin/esbuild`` of the app's folder; ``node`` on the PATH, from the version
that strips types (22.13; ``module.stripTypeScriptTypes``). Types are taken out, not checked: that is what
``tsc --noEmit`` is for.

A tool is started once for each file and content: results are kept beside the bytecode, in a folder of this user alone,
under a digest of the tool, the file's name and its text. Starting one takes 10 to 50 ms and blocks: a preparation
leaves that to a worker thread (:func:`nano_trio.engine.preparation.aside`).

Tools run as this user and outside of any isolate. An esbuild in an app's folder is a program of whoever wrote the app,
so it is run only for those who develop it (:attr:`Tools.own`), and only where it belongs to this user or to root and
nobody else may write to it. Tools start in the root folder, so that nothing in an app's folder configures them.
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
from functools import lru_cache, partial
from pathlib import Path

import attrs

from nano_trio.engine.native_calls import enters
from nano_trio.engine.preparation import aside
from nano_trio.engine.resolution import ModuleError
from nano_trio.engine.sourcemap import find_url, from_data_url

__all__ = ["Tool", "Tools", "Transform", "Transformer"]

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
class Tools:
    """Which tools may be run."""

    esbuild: Path | None = None
    """The operator's esbuild; None: what is found."""
    own: bool = False
    """Whether an app's own may be run: in development."""


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


def _find_tool(folder: Path, tools: Tools) -> Tool:
    """The tool for the app in ``folder``. Raises :class:`ModuleError` that says what was looked for."""
    if tools.esbuild is not None:
        path = str(tools.esbuild)
        if not os.access(path, os.X_OK) or os.path.isdir(path):
            raise ModuleError(f'TypeScript needs esbuild, and "esbuild" of the configuration is no program: {path}')
        return Tool("esbuild", path, _version(path))
    with contextlib.suppress(OSError):
        found = shutil.which("esbuild")
        if found is not None:
            return Tool("esbuild", os.path.abspath(found), _version(found))
    own = Path(os.path.abspath(folder)) / "node_modules" / ".bin" / "esbuild"
    looked = ["esbuild on the PATH"]
    install = "npm install --global esbuild"
    with contextlib.suppress(OSError):
        status = own.stat()
        if not tools.own:
            # Told only where it would have served.
            install = (
                f'{install}. The app has an esbuild of its own ({own}), which "nano-trio dev" runs, and a server does '
                "not: it is a program of the app's, outside of its isolate. If you trust it, name it in the "
                'configuration: "esbuild": "…/node_modules/.bin/esbuild"'
            )
        elif status.st_uid in (0, os.getuid()) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return Tool("esbuild", str(own), _version(str(own)))
        else:
            looked.append(f"{own}, which is there, but others than you may write to it")
    if tools.own and len(looked) == 1:
        looked.append(str(own))
        install = "npm install --save-dev esbuild (in the app's folder)"
    found = shutil.which("node")
    node = "not found"
    with contextlib.suppress(OSError):
        if found is not None:
            version = _version(found)
            if _strips(found, version):
                return Tool("node", os.path.abspath(found), version)
            node = f"{found} is too old"
    looked.append(f"node 22.13 or later on the PATH ({node})")
    raise ModuleError(
        "TypeScript needs a tool that takes the types out, and none was found. Looked for: "
        f"{'; '.join(looked)}. Install one: {install}"
    )


@attrs.define
class Transformer:
    """Transforms the files of one app."""

    folder: Path
    cache: Path | None
    """Where results are kept; None for nowhere."""
    tools: Tools
    _tool: Tool | None = None

    @enters
    def __call__(self, name: str, text: str) -> tuple[str, str | None]:
        """A module's JavaScript, and its source map's JSON. Raises :class:`ModuleError`."""
        return aside(partial(self._made, name, text))

    def _made(self, name: str, text: str) -> tuple[str, str | None]:
        if self._tool is None:
            self._tool = _find_tool(self.folder, self.tools)
        key = _digest(self._tool, name, text)
        found = self._read(key)
        if found is None:
            found = _transform(self._tool, name.removeprefix("./"), text)
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


def _transform(tool: Tool, name: str, text: str) -> tuple[str, str | None]:
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
            cwd="/",
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
