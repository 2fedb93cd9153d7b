"""The greenlets in which turns run: parked between turns and used again, for making one costs more than a turn."""

from __future__ import annotations

import contextvars
import threading

import greenlet

from nano_trio.engine import poll_timer

__all__ = ["leave_thread", "new_runner", "parked"]


class _Parked(threading.local):
    """Greenlets that wait for a turn to run. They belong to a thread, and serve all of its isolates."""

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
    me = greenlet.getcurrent()
    starter = me.parent
    assert starter is not None
    # Not an argument: a greenlet keeps those as long as it lives, and so the first isolate that it served.
    isolate = starter.switch()
    del starter
    while True:
        isolate._execute()
        hub = isolate._turnstile.hub
        assert hub is not None
        waiting = isolate._parked
        del isolate
        if len(waiting) >= _MOST_PARKED:
            me.parent = hub
            return
        waiting.append(me)
        del waiting
        isolate = hub.switch()


def new_runner() -> greenlet.greenlet:
    """A greenlet that waits for an isolate whose turn it shall run."""
    runner = greenlet.greenlet(_run_turns)
    # Greenlets start with an empty context, in which libraries would not find Trio.
    runner.gr_context = contextvars.copy_context()
    runner.switch()
    return runner
