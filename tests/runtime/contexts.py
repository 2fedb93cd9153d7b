"""Contexts with the builtins that the platform's code calls."""

from __future__ import annotations

from typing import Any

import quickjs

from nano_trio.engine import builtins
from nano_trio.runtime import platform


def context_of(runtime: quickjs.Runtime) -> Any:
    """A new context whose ``given`` has them."""
    context = runtime.new_context()
    assert builtins.give(context, platform.builtins_source(), "given"), "in a source tree, run `python hatch_build.py`"
    return context
