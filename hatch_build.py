"""What a build of the package compiles: the allocator of JavaScript heaps, builtins, a timer, and what is told of
errors.

Hatchling runs it for wheels and for editable installs; ``python hatch_build.py`` does the same in a source tree. On
other systems than Linux, and without a C compiler, nothing is compiled: the package works without, slower, and its logs
tell less.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parent
_FOLDER = _ROOT / "nano_trio/engine"
_SOURCES = {
    "allocator": "the allocator is not compiled, heaps use the C library's",
    "binding_errors": "what the binding says of errors is not compiled, apps see its own words",
    "builtins": "the builtins of the platform's code are not compiled, each isolate holds them all",
    "json_builtins": "JSON.parse, JSON.stringify and Object.fromEntries are not compiled, the engine's serve",
    "poll_timer": "the timer of polls is not compiled, loops of calls that take long hold up other apps",
    "rejections": "the notes of promises are not compiled, rejections that nothing handles are not reported",
}
"""Libraries, each of the C files whose names begin with its own, and what is said where one cannot be compiled."""


def build() -> list[Path]:
    """Compile what can be compiled here, with the reasons for the rest on standard error; the libraries."""
    if sys.platform != "linux":
        return []
    libraries = (_compile(name, otherwise) for name, otherwise in _SOURCES.items())
    return [library for library in libraries if library is not None]


def _compile(name: str, otherwise: str) -> Path | None:
    library = _FOLDER / f"lib{name}.so"
    fresh = library.with_suffix(f".{os.getpid()}")
    compiler = shlex.split(os.environ.get("CC") or "cc")
    sources = map(str, sorted(_FOLDER.glob(f"{name}*.c")))
    command = [*compiler, "-O2", "-Wall", "-fPIC", "-shared", "-o", str(fresh), *sources]
    try:
        subprocess.run(command, check=True)
        # Servers that run have the old one mapped: it is replaced and not written over.
        fresh.replace(library)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"nano-trio: {otherwise}: {error}", file=sys.stderr)
        library.unlink(missing_ok=True)
        return None
    return library


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ModuleNotFoundError:  # run by hand
    pass
else:

    class LibrariesHook(BuildHookInterface[Any]):
        """Puts the libraries into wheels, which then are for this kind of machine."""

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            libraries = build()
            if libraries:
                build_data["artifacts"] += [f"/{library.relative_to(_ROOT).as_posix()}" for library in libraries]
                build_data["pure_python"] = False
                platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
                build_data["tag"] = f"py3-none-{platform}"


if __name__ == "__main__":
    sys.exit(len(build()) < len(_SOURCES))
