"""A worker process of ``nano-trio serve``, as its parent starts it: ``python -m nano_trio.cli.worker 7,8 {…}``.

The numbers are the descriptors of its channel to the parent and of its record of the running turn. The JSON is what the
command line came to: the parent has read that, and a worker, which starts anew after each crash, need not import click.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["serve_quickly"]


def serve_quickly(arguments: Mapping[str, Any], *, supervised: tuple[int, int] | None = None) -> None:
    """Serve as :func:`nano_trio.cli.serving.serve_here` does, with these of its arguments; paths are texts."""
    # Serving turns it on again.
    gc.disable()
    from nano_trio.cli.quick_imports import quick_imports

    with quick_imports():
        from nano_trio.cli.serving import serve_here

    paths = {name: None if arguments[name] is None else Path(arguments[name]) for name in ("app_path", "config_path")}
    serve_here(**{**arguments, **paths}, supervised=supervised)


def _main(descriptors: str, arguments: str) -> None:
    channel, record = map(int, descriptors.split(","))
    serve_quickly(json.loads(arguments), supervised=(channel, record))


if __name__ == "__main__":
    _main(*sys.argv[1:])
