"""The host half of ``repl.js``."""

from __future__ import annotations

from nano_trio.runtime.host import Namespace, Services, text_of
from nano_trio.runtime.platform import LAZY_GLOBALS

__all__ = ["namespace"]


def namespace(services: Services) -> Namespace:
    host = services.app  # of a REPL (nano_trio/actors/repl.py)
    names = {name for names in LAZY_GLOBALS.values() for name in names.split()}
    return {
        "shown": lambda text: host.shown(None if text is None else text_of(text)),  # type: ignore[attr-defined]
        "threw": lambda text, stack: host.threw(text_of(text), text_of(stack)),  # type: ignore[attr-defined]
        "completions": lambda text: host.completions(text_of(text)),  # type: ignore[attr-defined]
        "is_lazy": lambda name: text_of(name) in names,
    }
