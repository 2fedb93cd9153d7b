"""A worker process of ``nano-trio serve``, as its parent starts it: ``python -m nano_trio.cli.worker 7,8 {…}``.

The numbers are the descriptors of its channel to the parent and of its record of the running turn. The JSON is what the
command line came to: the parent has read that, and a worker, which starts anew after each crash, need not import click.
"""

from __future__ import annotations

import ctypes.util
import gc
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["serve_quickly"]


def serve_quickly(arguments: Mapping[str, Any], *, supervised: tuple[int, int] | None = None) -> None:
    """Serve as :func:`nano_trio.cli.serving.serve_here` does, with these of its arguments; paths are texts."""
    # A tenth of the start goes into looking for garbage among what is imported to stay. Serving turns it on again.
    gc.disable()
    from nano_trio.cli.attrs_code import kept_code

    with kept_code():
        _import_structlog_alone()
        _import_trio_alone()
        from nano_trio.cli.serving import serve_here

    paths = {name: None if arguments[name] is None else Path(arguments[name]) for name in ("app_path", "config_path")}
    serve_here(**{**arguments, **paths}, supervised=supervised)


def _import_structlog_alone() -> None:
    """It loads rich where that is installed, for a way of printing tracebacks that is not ours, and asyncio for the
    methods of its loggers that are to be awaited in asyncio's loop.

    Those are 50 modules and 20: a tenth of the start's imports, and 5 MB.
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
    find = ctypes.util.find_library
    ctypes.util.find_library = lambda name: "libpthread.so.0" if name == "pthread" else find(name)
    import trio  # noqa: F401

    ctypes.util.find_library = find


def _main(descriptors: str, arguments: str) -> None:
    channel, record = map(int, descriptors.split(","))
    serve_quickly(json.loads(arguments), supervised=(channel, record))


if __name__ == "__main__":
    _main(*sys.argv[1:])
