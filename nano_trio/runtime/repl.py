"""The host half of ``repl.js``."""

from __future__ import annotations

from typing import Protocol

from nano_trio.runtime.host import Namespace, Services, text_of
from nano_trio.runtime.platform import LAZY_GLOBALS

__all__ = ["ReplHost", "namespace"]


class ReplHost(Protocol):
    """Who runs the isolate of a REPL. Called inside turns: it must neither block nor raise."""

    def shown(self, text: str | None) -> None:
        """An input's value, inspected; None for undefined."""

    def threw(self, text: str, stack: str) -> None:
        """An input failed."""

    def completions(self, text: str) -> None:
        """The names that complete an input, as JSON."""


def namespace(services: Services) -> Namespace:
    # The isolate is a REPL's, and so is its host (nano_trio/actors/repl.py).
    host: ReplHost = services.app  # type: ignore[assignment]
    names = {name for names in LAZY_GLOBALS.values() for name in names.split()}
    return {
        "shown": lambda text: host.shown(None if text is None else text_of(text)),
        "threw": lambda text, stack: host.threw(text_of(text), text_of(stack)),
        "completions": lambda text: host.completions(text_of(text)),
        "is_lazy": lambda name: text_of(name) in names,
    }
