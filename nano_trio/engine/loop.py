"""What Trio's loop has to do, for those who can spare it a pass.

All that is asked of Trio beyond its public interface is asked here or listed here, and is read, never changed. Where it
is not what we know (:func:`known_runner`), every pass is Trio's.
"""

from __future__ import annotations

import math
import select
from collections.abc import Callable
from typing import Any

import trio

__all__ = ["Outside", "is_cancelled", "known_runner", "somebody_waits_for_all", "wakeful"]

wakeful: dict[Any, Callable[[], bool]] = {}
"""Tasks that are there so that the loop does not sleep, and do nothing themselves; each with a function that tells
whether those for whom the loop is awake can wait a moment."""


def known_runner() -> Any:
    """Trio's runner, if it has what is read of it and waits with epoll, for nobody else's loop; else None."""
    try:
        from trio._core._run import GLOBAL_RUN_CONTEXT

        runner = GLOBAL_RUN_CONTEXT.runner
        runner.io_manager._epoll.fileno()
        runner.clock.deadline_to_sleep_time(runner.deadlines.next_deadline())
        len(runner.runq)
        is_cancelled(trio.lowlevel.current_task())
        somebody_waits_for_all(runner)
        return None if runner.is_guest else runner
    except (ImportError, AttributeError):
        return None


def somebody_waits_for_all(runner: Any) -> bool:
    """Whether something is to happen when all tasks are blocked."""
    return bool(runner.waiting_for_idle) or runner.clock_autojump_threshold < math.inf


def is_cancelled(task: Any) -> bool:
    """Whether the task's next checkpoint raises ``Cancelled``."""
    cancelled: bool = task._cancel_status.effectively_cancelled
    return cancelled


class Outside:
    """Looks whether anything but the tasks that can run already calls for a pass."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        # Trio's own set must not be asked: what it reports once it does not report again.
        self._set = select.epoll()
        self._set.register(runner.io_manager._epoll.fileno(), select.EPOLLIN)

    def quiet(self) -> bool:
        """Whether no deadline has passed, and nothing is there to be read."""
        runner = self._runner
        return not self._set.poll(0, 1) and runner.clock.deadline_to_sleep_time(runner.deadlines.next_deadline()) > 0

    def idle(self, tasks: int) -> bool:
        """The same, and no more than that many tasks can run."""
        return len(self._runner.runq) <= tasks and self.quiet()

    def close(self) -> None:
        """Release the descriptor."""
        self._set.close()
