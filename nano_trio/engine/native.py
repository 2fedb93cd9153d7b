"""C libraries of ours, which are compiled when the package is built, and the functions of the engine that they call.

The binding's own library exports the engine's functions. How they are called depends on the engine's version, so they
are given out only for a binding that was examined (:mod:`nano_trio.engine.polling`).
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from pathlib import Path

import quickjs

from nano_trio.engine.polling import layout_is_known

__all__ = ["engine_functions", "lead", "missing_libraries", "open_library"]

_FOLDER = Path(__file__).parent
_LIBRARIES = ("allocator", "binding_errors", "builtins", "json_builtins", "poll_timer", "rejections")
_led: dict[str, int] = {}


def open_library(name: str) -> ctypes.PyDLL | None:
    """Our library ``libNAME.so``; None where there is none. Its functions are called with the GIL held, on which they
    rely."""
    try:
        return ctypes.PyDLL(str(_FOLDER / f"lib{name}.so"))
    except OSError:
        return None


def missing_libraries() -> list[str]:
    """Those that this system could have and that are not there, or cannot be loaded; none beyond Linux."""
    if sys.platform != "linux":
        return []
    return [name for name in _LIBRARIES if open_library(name) is None]


def lead(name: str, address: int) -> None:
    """Have all that ask from now on for this function of the engine get ours, which does the same."""
    _led[name] = address


def engine_functions(names: Sequence[str]) -> ctypes.Array[ctypes.c_void_p] | None:
    """The addresses of these functions of the engine, in order; None where not all can be had."""
    if not layout_is_known():
        return None
    try:
        engine = ctypes.PyDLL(quickjs._quickjs.__file__)
        addresses = [ctypes.c_void_p(_led.get(name)) or ctypes.cast(engine[name], ctypes.c_void_p) for name in names]
    except (OSError, AttributeError):
        return None
    return (ctypes.c_void_p * len(addresses))(*addresses)
