"""One worker as the parent sees it: its process, its channel, its record of the running turn.

WAITING ──due──► STARTING ──ready──► SERVING        any of the three ──the process is gone──► WAITING or ENDED
"""

from __future__ import annotations

import enum
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence

from nano_trio.parent.channel import Channel
from nano_trio.parent.turn_record import make_record, running_app

__all__ = ["FAULTS", "State", "Worker", "how_it_ended"]

FAULTS = frozenset(
    (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS)
)
"""Signals by which a process dies of its own doing; others are sent by somebody."""

_HELD_BACK = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class State(enum.Enum):
    """Where the process of a place stands."""

    WAITING = "waiting"
    STARTING = "starting"
    SERVING = "serving"
    ENDED = "ended"


class Worker:
    """One of ``--workers N``: a place that one process after another takes."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.state = State.WAITING
        self.due = 0.0
        """WAITING: when to start, on the monotonic clock."""
        self.failures = 0
        """How many lives in a row were no lives: dead at the start or soon after."""
        self.pid = 0
        self.channel: Channel | None = None
        self.since = 0.0
        """When it began to serve, or to start."""
        self.heard_at = 0.0
        """When it began to start or to serve, or answered a ping."""
        self.kill_at: float | None = None
        """When SIGKILL is due."""
        self.asked_at: float | None = None
        """When the ping that waits for its answer was sent."""
        self.hung = False
        """It was ended because it did not answer."""
        self.overdue = False
        """It was killed because it did not end, which was told."""
        self.unfit: str | None = None
        """The version of the package that it is of, where it cannot work with this parent."""
        self._record = -1

    def start(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        """Spawn the process; the argument ``{}`` stands for its two descriptors. Raises OSError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        record = make_record()
        try:
            with theirs:
                for fd in (theirs.fileno(), record):
                    os.set_inheritable(fd, True)
                arguments = [f"{theirs.fileno()},{record}" if part == "{}" else part for part in command]
                # Held back until it listens to them: a Ctrl-C in its first half second must not end it in the middle
                # of an import.
                self.pid = os.posix_spawn(arguments[0], arguments, environ, setsigmask=_HELD_BACK)
        except BaseException:
            ours.close()
            os.close(record)
            raise
        os.set_inheritable(record, False)
        self._record = record
        self.channel = Channel(ours)
        self.state = State.STARTING
        self.since = self.heard_at = time.monotonic()
        self.kill_at = self.asked_at = None
        self.hung = self.overdue = False
        self.unfit = None

    @property
    def alive(self) -> bool:
        """Whether there is a process."""
        return self.pid != 0

    def running_app(self) -> str | None:
        """The app whose turn runs or, once the process is dead, ran."""
        return None if self._record < 0 else running_app(self._record)

    def postpone(self, seconds: float) -> None:
        """Have all that is awaited of it come so much later."""
        self.since += seconds
        self.heard_at += seconds
        if self.asked_at is not None:
            self.asked_at += seconds
        if self.kill_at is not None:
            self.kill_at += seconds

    def kill(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it still lives."""
        if self.pid:
            os.kill(self.pid, number)

    def gone(self) -> None:
        """The process was reaped: release what belongs to it."""
        self.pid = 0
        self.kill_at = self.asked_at = None
        if self.channel is not None:
            self.channel.close()
            self.channel = None
        if self._record >= 0:
            os.close(self._record)
            self._record = -1


def how_it_ended(code: int) -> str:
    """``was killed by SIGSEGV``, ``ended with exit code 3``: a code of :func:`os.waitstatus_to_exitcode` in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
