"""A turn: one call into JavaScript with its microtasks, what it may use, and how it may end. Isolates run them."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import attrs

__all__ = ["IsolateClosed", "Limits", "StopReason", "Turn"]


class StopReason(enum.Enum):
    """Why a turn was stopped before its end."""

    CPU = "cpu"
    """It used more CPU time than ``turn_ms``."""
    MEMORY = "memory"
    """The heap outgrew ``memory_bytes``."""
    CANCELLED = "cancelled"
    """:meth:`Isolate.stop` or :meth:`Isolate.close` was called."""
    INTERRUPTED = "interrupted"
    """:meth:`Isolate.interrupt` was called; the isolate goes on with its next turn."""
    DISCARDED = "discarded"
    """It never began: the isolate was stopped before."""


class IsolateClosed(Exception):
    """The isolate was stopped or closed; it takes no further turns."""


@attrs.frozen
class Limits:
    """What one isolate may use."""

    turn_ms: float = 5000
    """CPU time of one turn in milliseconds."""
    memory_bytes: int = 128 << 20
    """Heap size in bytes above which the turn is stopped."""
    stack_bytes: int = 1 << 20
    """C stack for JavaScript; beyond it JavaScript gets an InternalError (stack overflow) that it may catch."""
    hard_memory_bytes: int = attrs.field()
    """The engine's own limit, for single large allocations."""

    @hard_memory_bytes.default
    def _hard(self) -> int:
        return 2 * self.memory_bytes + (32 << 20)


class Turn:
    """One call into JavaScript with its microtasks. Make a new one for each :meth:`Isolate.submit`.

    ``on_end`` is called once, outside the turn, with the turn: ``stopped`` is None where it ran to its end, and then
    ``result`` holds what the function returned. It must not raise.
    """

    __slots__ = ("args", "cause", "cpu_ns", "function", "on_end", "result", "stopped")

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        on_end: Callable[[Turn], None] | None = None,
        cause: Any = None,
    ) -> None:
        self.function = function
        self.args = args
        self.on_end = on_end
        self.cause = cause
        """On whose behalf it runs; what it starts is on the same behalf (:attr:`Isolate.cause`)."""
        self.result: Any = None
        self.stopped: StopReason | None = None
        self.cpu_ns = 0
        """CPU time used so far in ns: the parts that ended in a suspension by the thread's CPU clock, the rest by a
        monotonic one."""
