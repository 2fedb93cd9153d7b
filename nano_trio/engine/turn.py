"""A turn: one call into JavaScript with its microtasks, what it may use, and how it may end. Isolates run them."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import attrs
import quickjs

from nano_trio.engine.native_calls import enters

__all__ = ["Entry", "Evaluation", "IsolateClosed", "Limits", "StopReason", "Turn"]


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
    FAULT = "an internal error"
    """What it called raised another exception than JavaScript's: a defect of ours, which the log tells of."""
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
    """C stack for JavaScript; beyond it JavaScript gets a RangeError that it may catch (``binding_errors.c``)."""
    hard_memory_bytes: int = attrs.field()
    """The engine's own limit, for single large allocations; small ones may go beyond it by a quarter."""

    @hard_memory_bytes.default
    def _hard(self) -> int:
        return 2 * self.memory_bytes + (32 << 20)


class Entry:
    """One entry into an app's JavaScript: what a turn does, and what becomes of it. For one :meth:`Isolate.submit`.

    :class:`Turn` is the usual one; a request is one itself, for an object less. Each sets the attributes: to call a
    constructor from another takes as long as all the rest of making one.
    """

    __slots__ = ("cause", "cpu_ns", "result", "stopped")

    cause: Any
    """On whose behalf it runs; what it starts is on the same behalf (:attr:`Isolate.cause`)."""
    result: Any
    """None at first; the JavaScript error where :meth:`run` raised one."""
    stopped: StopReason | None
    """Why it was stopped before its end; None at first."""
    cpu_ns: int
    """CPU time used so far in ns, 0 at first: the parts that ended in a suspension by the thread's CPU clock, the rest
    by a monotonic one."""
    jobs_first: bool = False
    """The microtasks that it leaves come before the ticks (:attr:`Turnstile.ticks`), which else come first."""
    more: Any = None
    """As long as it is true :meth:`run` is called again, each time when all microtasks have run, until half of the
    slice is used up and no other waits: for several entries that are each too short to pay for a turn. What is left
    when the turn has :meth:`ended` may be submitted again, and else never runs."""

    def run(self) -> None:
        """Called inside the turn, once where there is no :attr:`more`. It may raise a :class:`quickjs.JSError` only:
        what else it raises is logged, and is its isolate's end (:attr:`StopReason.FAULT`)."""
        raise NotImplementedError

    def suspended(self) -> None:
        """Called outside the turn each time that it has used up its slice. Must not raise."""

    def ended(self) -> None:
        """Called once, outside the turn, which has ended or will never begin. Must not raise."""

    def forget(self) -> None:
        """It was the isolate's last, and has ended: hold no value any more. Whoever still has this would have the heap,
        and free it all at once."""
        if isinstance(self.result, quickjs.Value):
            self.result = None


class Turn(Entry):
    """A call of a function, JavaScript's or one that calls it. Make a new one for each :meth:`Isolate.submit`.

    ``on_end`` is called once, outside the turn, with the turn: ``stopped`` is None where it ran to its end, and then
    ``result`` holds what the function returned. It must not raise.
    """

    __slots__ = ("args", "function", "on_end")

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
        self.result = self.stopped = None
        self.cpu_ns = 0

    @enters
    def run(self) -> None:
        self.result = self.function(*self.args)

    def forget(self) -> None:
        super().forget()
        self.function, self.args = int, ()

    def ended(self) -> None:
        if self.on_end is not None:
            self.on_end(self)


class Evaluation(Turn):
    """The evaluation of an app's modules: as if it were a microtask itself, and so the others' are before the ticks."""

    __slots__ = ()

    jobs_first = True
