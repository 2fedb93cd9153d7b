"""Waiting for connections without a pass of Trio's loop, while no other task has anything to do.

Theory of operation
-------------------
A request that is answered at once takes some 80,000 instructions, a pass of Trio's loop 65,000 and three system calls.
Where one pass serves many requests that is little. With a few clients it serves one or two, and nothing else happens in
it: the reactor's task ends its step, Trio finds that no other task can run, and waits for the reactor.

So the reactor's task waits itself, within its step, for all that Trio would wait for: its connections, whatever Trio's
own epoll set has (other tasks' sockets, threads, signals; an epoll descriptor can be polled), and the next deadline.
Input of connections is served at once. Anything else sends the task back to Trio, which then deals with it as always.
While several connections at a time have something, only they are asked for ``_LOOK_S``, which is half of the reactor's
longest pass; a deadline that is set meanwhile is heard of after it, too.

While apps compute there is no waiting: each pass ends with a slice of theirs. But what comes while the task serves is
served in the same pass, for as long as that, where none of them waits for the first slice of a turn: it is half of the
CPU time, or two thirds, in which requests are served, and with more of them behind each slice.

A response that streams has a task of its own, which yields to all others after each piece. Where there are no others
it need not (:meth:`DirectWait.is_alone`): a pass for each 256 KB took a tenth of the server's time.

The conditions of :meth:`DirectWait.wait`:

- *no other task can run.* When this pass began the reactor's task was the only one that could (an instrument sees to
  that), but for the scheduler's, which only keeps the loop awake; no deadline has passed since, and no task has been
  made runnable;
- *the task itself is to go on.* What a connection does may cancel it, and it hears of that only from Trio;
- *nobody waits for just that*: when this pass began neither ``wait_all_tasks_blocked`` nor a clock that jumps when all
  are blocked, and only other tasks begin such;
- Trio is not the guest of another loop, and waits with epoll.

Those of :meth:`DirectWait.is_alone` are the same, with the task that asks in the place of the reactor's, for which
there is nothing to do either; and no more than ``_STAY_S`` go by between two passes, for the CPU scheduler reckons in
them.

What is asked of Trio beyond its public interface: see :mod:`nano_trio.engine.loop`. Where it is not what we know, each
wait is Trio's.
"""

from __future__ import annotations

import contextlib
import math
import select
from collections.abc import Callable, Iterator
from typing import Any

import trio

from nano_trio.engine.loop import is_cancelled, known_runner, somebody_waits_for_all, wakeful

__all__ = ["DirectWait", "direct_wait"]

_LONGEST_S = 3600.0
_LOOK_S = 0.001
_STAY_S = 0.001


class DirectWait(trio.abc.Instrument):
    """Waits in Trio's place, on behalf of the task that made it, and that also waits for ``fd`` with Trio.

    ``poll``: what is ready in the set that ``fd`` is, without waiting.
    """

    # Attributes that have places of their own are found sooner.
    __slots__ = (
        "_connections_only",
        "_look_at",
        "_others_can_wait",
        "_poll",
        "_runner",
        "_set",
        "_sleep_time",
        "_stay_until",
        "_task",
        "_until",
    )

    def __init__(self, runner: Any, fd: int, poll: Callable[[], list[int]]) -> None:
        self._runner = runner
        self._task: Any = trio.lowlevel.current_task()
        self._poll = poll
        self._set = select.epoll()
        self._set.register(runner.io_manager._epoll.fileno(), select.EPOLLIN)
        self._set.register(fd, select.EPOLLIN)
        self._connections_only = [(fd, select.EPOLLIN)]
        self._sleep_time = runner.clock.deadline_to_sleep_time
        self._others_can_wait: Callable[[], bool] | None = None
        """Of the task that keeps the loop awake in this pass."""
        self._until = -math.inf
        """The deadline before which nobody but the task can run, unless some task is made runnable."""
        self._look_at = -math.inf
        """Until when nobody but connections is asked, on Trio's clock."""
        self._stay_until = math.inf
        """Until when a task that is alone may go on, on Trio's clock; inf: none asked in this pass."""

    def after_io_wait(self, timeout: float) -> None:
        # Those whose deadline has passed are made runnable after this: hence the deadline is looked at before.
        runner = self._runner
        runq = runner.runq
        alone, self._others_can_wait = len(runq) == 1, None
        if len(runq) == 2:
            for task in runq:
                if task in wakeful:
                    alone, self._others_can_wait = True, wakeful[task]
        alone = alone and not somebody_waits_for_all(runner)
        self._until = runner.deadlines.next_deadline() if alone else -math.inf
        self._stay_until = math.inf

    @trio.lowlevel.enable_ki_protection
    def wait(self, now: float) -> list[int]:
        """Wait until something is ready in the set, and tell what. Nothing: Trio is to wait, or something else came up.

        ``now``: Trio's clock, read by the task since it last waited with Trio.
        """
        runner = self._runner
        # As is_cancelled() asks.
        if self._until <= now or self._task._cancel_status.effectively_cancelled:
            return []
        poll = self._poll
        if self._others_can_wait is not None:
            return poll() if self._only_those_who_can_wait() else []
        if runner.runq:
            return []
        if now < self._look_at:
            ready = poll()
            if ready:
                return ready
        sleep_time = self._sleep_time
        timeout = sleep_time(runner.deadlines.next_deadline())
        if timeout <= 0:
            return []
        if self._set.poll(timeout if timeout < _LONGEST_S else _LONGEST_S, 2) != self._connections_only:
            return []
        ready = poll()
        if len(ready) > 1:
            self._look_at = now + _LOOK_S
        return ready

    def is_alone(self) -> bool:
        """Whether the task that runs now may go on where it would yield to all others: nobody has anything to do."""
        runner = self._runner
        now = runner.clock.current_time()
        if self._until <= now or not self._only_those_who_can_wait() or is_cancelled(trio.lowlevel.current_task()):
            return False
        self._stay_until = min(self._stay_until, now + _STAY_S)
        return now < min(self._stay_until, runner.deadlines.next_deadline()) and not self._set.poll(0, 1)

    def _only_those_who_can_wait(self) -> bool:
        """Whether no task but theirs has been made runnable."""
        runq, can_wait = self._runner.runq, self._others_can_wait
        if can_wait is None:
            return not runq
        return (not runq or (len(runq) == 1 and runq[0] in wakeful)) and can_wait()

    def close(self) -> None:
        """Release the descriptor."""
        self._set.close()


@contextlib.contextmanager
def direct_wait(fd: int, poll: Callable[[], list[int]]) -> Iterator[DirectWait | None]:
    """What waits for ``fd`` in Trio's place; None where that cannot be."""
    runner = known_runner()
    if runner is None:
        yield None
        return
    waiting = DirectWait(runner, fd, poll)
    trio.lowlevel.add_instrument(waiting)
    try:
        yield waiting
    finally:
        trio.lowlevel.remove_instrument(waiting)
        waiting.close()
