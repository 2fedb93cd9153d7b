"""The greenlets in which turns run, and preparations: parked in between and used again, for making one costs more than
a turn."""

from __future__ import annotations

import contextvars
import threading
from typing import Protocol

import greenlet

from nano_trio.engine import poll_timer

__all__ = ["Work", "leave_thread", "new_runner", "parked"]


class Work(Protocol):
    """What a runner is given to run, where it is switched to."""

    def execute(self) -> greenlet.greenlet:
        """Run it to its end. Returns the greenlet to switch to then."""


class _Parked(threading.local):
    """Greenlets that wait for something to run. They belong to a thread, and serve all of its isolates."""

    def __init__(self) -> None:
        self.greenlets: list[greenlet.greenlet] = []


parked = _Parked()
_MOST_PARKED = 64


def leave_thread() -> None:
    """The thread that calls this ends, and has run its last turn: let its greenlets and its timer end too."""
    poll_timer.stop()
    while parked.greenlets:
        runner = parked.greenlets.pop()
        runner.parent = greenlet.getcurrent()
        runner.throw()


def _run_turns() -> None:
    """The body of a greenlet: wait for an isolate, run its turn, park, run the next."""
    me, waiting = greenlet.getcurrent(), parked.greenlets
    starter = me.parent
    assert starter is not None
    # Not an argument: a greenlet keeps those as long as it lives, and so the first isolate that it served.
    work: Work = starter.switch()
    del starter
    while True:
        hub = work.execute()
        del work
        if len(waiting) >= _MOST_PARKED:
            me.parent = hub
            return
        waiting.append(me)
        work = hub.switch()


def new_runner() -> greenlet.greenlet:
    """A greenlet that waits for an isolate whose turn it shall run, or for a preparation."""
    runner = greenlet.greenlet(_run_turns)
    # Greenlets start with an empty context, in which libraries would not find Trio.
    runner.gr_context = contextvars.copy_context()
    runner.switch()
    return runner
