"""What a build of the package compiles: the allocator of JavaScript heaps.

Hatchling runs it for wheels and for editable installs; ``python hatch_build.py`` does the same in a source tree. On
other systems than Linux, and without a C compiler, nothing is compiled: the package works without, and is slower.
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
_SOURCE = _ROOT / "nano_trio/engine/allocator.c"
LIBRARY = _SOURCE.with_name("liballocator.so")


def build() -> bool:
    """Compile; False where that cannot be done here, with the reason on standard error."""
    if sys.platform != "linux":
        return False
    fresh = LIBRARY.with_suffix(f".{os.getpid()}")
    compiler = shlex.split(os.environ.get("CC") or "cc")
    command = [*compiler, "-O2", "-Wall", "-fPIC", "-shared", "-o", str(fresh), str(_SOURCE)]
    try:
        subprocess.run(command, check=True)
        # Servers that run have the old one mapped: it is replaced and not written over.
        fresh.replace(LIBRARY)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"nano-trio: the allocator is not compiled, heaps use the C library's: {error}", file=sys.stderr)
        LIBRARY.unlink(missing_ok=True)
        return False
    return True


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ModuleNotFoundError:  # run by hand
    pass
else:

    class AllocatorHook(BuildHookInterface[Any]):
        """Puts the library into wheels, which then are for this kind of machine."""

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            if build():
                build_data["artifacts"].append(f"/{LIBRARY.relative_to(_ROOT).as_posix()}")
                build_data["pure_python"] = False
                platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
                build_data["tag"] = f"py3-none-{platform}"


if __name__ == "__main__":
    sys.exit(not build())
