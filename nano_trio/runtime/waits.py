"""Turns that wait, suspended, for work that others do: what a host function calls that must answer at once.

Theory of operation. A host function never blocks: others would. But Node has functions whose answer their callers want
at once, and which take long: ``scryptSync``. So the turn is suspended in the midst of the host function, as it is at
the end of a slice (:meth:`nano_trio.engine.turnstile.Turnstile.wait`), and a task in the app's nursery does the work,
or has a thread do it. For everybody else that is like any turn that is suspended: the isolate is busy, its timers and
requests queue up, nothing enters its heap. It has no slices meanwhile, and asks for one when the work is done.

The work is told how much CPU time the turn may still use, and says how much it took, which is the turn's. Whatever ends
the turn meanwhile (its limit, a drain's deadline, the app's removal) cancels it.
"""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
import trio

from nano_trio.engine.pauses import CannotWait, Stopped

if TYPE_CHECKING:
    from nano_trio.runtime.environment import Environment

__all__ = ["Waits"]

_Work = Callable[[int], Awaitable[tuple[Any, int]]]


class Waits(ABC):
    """What an environment's host has for turns that wait."""

    _environment: weakref.ref[Environment]

    @abstractmethod
    def background(self, work: Callable[[], Awaitable[None]]) -> None:
        """See :class:`nano_trio.runtime.host.Services`."""

    def wait(self, work: _Work) -> Any:
        """See :class:`nano_trio.runtime.host.Services`."""
        environment = self._environment()
        if environment is None:
            raise CannotWait
        wait = environment.isolate.wait
        del environment
        outcome: list[Any] = []
        scope = trio.CancelScope()

        def begin(limit_ns: int, is_over: Callable[[int], None]) -> None:
            self.background(partial(_do, scope, partial(work, limit_ns), outcome, is_over))

        try:
            wait(begin)
        except Stopped:
            scope.cancel()
            raise
        return outcome[0]


async def _do(
    scope: trio.CancelScope,
    work: Callable[[], Awaitable[tuple[Any, int]]],
    outcome: list[Any],
    is_over: Callable[[int], None],
) -> None:
    used_ns = 0
    with scope:
        try:
            result, used_ns = await work()
        except Exception as error:
            # A defect of ours: it costs this call, not the app.
            structlog.get_logger("nano_trio").exception("internal error in what a turn waits for")
            result = f"OperationError\ninternal error ({type(error).__name__})"
        outcome.append(result)
    if outcome:
        is_over(used_ns)
