"""What a process imports as it starts, in less time: a server's worker, and commands that run JavaScript."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

__all__ = ["quick_imports"]


@contextlib.contextmanager
def quick_imports() -> Iterator[None]:
    """Import trio and structlog; what is imported inside costs a tenth less, too.

    That tenth goes into looking for garbage among what is imported to stay. Afterwards Python looks for it if it did
    before, but not among that.
    """
    collects = gc.isenabled()
    gc.disable()
    from nano_trio.cli.attrs_code import kept_code

    with kept_code():
        _import_structlog_alone()
        _import_trio_alone()
        yield
    gc.freeze()
    if collects:
        gc.enable()


def _import_structlog_alone() -> None:
    """It loads rich where that is installed, for a way of printing tracebacks that is not ours, and asyncio for the
    methods of its loggers that are to be awaited in asyncio's loop.

    Those are 50 modules and 20: a tenth of what a server imports, a quarter of what ``eval`` does, and 5 MB.
    """
    modules: dict[str, Any] = sys.modules
    # As of a module that is not installed, and an empty one that only those methods would ever look into.
    stand_ins = {"rich": None, "asyncio": ModuleType("asyncio")}
    stand_ins = {name: module for name, module in stand_ins.items() if name not in modules}
    modules.update(stand_ins)
    import structlog  # noqa: F401

    for name in stand_ins:
        del modules[name]


def _import_trio_alone() -> None:
    """To give threads their names, it has ``ldconfig`` list all libraries of the system and looks for that of threads,
    which everywhere with glibc is called the same: 5 ms, in a process of its own.
    """
    if "CS_GNU_LIBC_VERSION" not in os.confstr_names:
        return
    import ctypes.util

    find = ctypes.util.find_library
    ctypes.util.find_library = lambda name: "libpthread.so.0" if name == "pthread" else find(name)
    import trio  # noqa: F401

    ctypes.util.find_library = find
