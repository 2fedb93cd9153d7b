"""Waiting for many sockets with one task.

Theory of operation
-------------------
A Trio task that waits for its socket costs an ``epoll_ctl``, two task switches and some ten kilobytes. Idle and
keep-alive connections need none of that. They lie in an epoll set of our own; one task, :meth:`Reactor.run`, waits
until that set itself is readable (an epoll descriptor can be polled) and then lets each ready connection act, in plain
synchronous code: receive, parse, ``begin``, send. Only what cannot be finished at once becomes a task: a response that
is awaited, a stream, a socket that takes no more. So one pass of the Trio loop serves many requests, and an idle
connection costs no task.

A connection is watched for one of two things:

- *input*: its next bytes, while it has no task;
- *hang-up*: only the peer's leaving (EPOLLRDHUP), while a task serves it. Bytes the client sends meanwhile stay in the
  kernel, so pipelining is bounded by the socket's own buffer.

Where nothing else happens it waits for the next input itself, without a pass of Trio's loop: see ``direct_wait``.

Complete responses are not sent one by one but in a row, every ``_HOLD`` seconds and at the end of the pass: see
``connection``.

Fairness: one pass runs for at most ``_PASS`` seconds and then yields to the Trio loop. The set is level-triggered: what
was not reached is reported again, and served by turns (see ``line``): those whose last request was for a prompt app,
and all others, connection by connection. So a neighbour whose requests take microseconds does not stand behind the 500
of apps that nobody knows, nor do these stand behind a thousand of it. While any of those others wait a pass is a
shorter one, ``_PASS_WITH_OTHERS``: whatever it is that they bring, a neighbour who comes in the middle of the pass
waits for the rest of it.

Deadlines need no Trio timeouts: every connection carries one (``deadline``, on Trio's clock) and :meth:`Reactor.sweep`
looks at all of them once a second.
"""

from __future__ import annotations

import math
import select
import selectors
import time
from collections import deque
from collections.abc import Callable, Iterable
from operator import itemgetter, length_hint
from typing import Protocol

import structlog
import trio

from nano_trio.actors.messages import Gathering, Target
from nano_trio.web.direct_wait import DirectWait, direct_wait
from nano_trio.web.line import Line
from nano_trio.web.response_head import date_line
from nano_trio.web.soon import Soon

__all__ = ["HANG_UP", "INPUT", "Poller", "Reactor", "SelectorPoller", "Watched"]

log = structlog.get_logger("nano_trio.web")

INPUT = 1
HANG_UP = 2

_PASS = 0.002
_PASS_WITH_OTHERS = 0.001
_HOLD = 0.0006
_BATCH = 1024
"""Connections that a look at the set reports: as far as the order among those that wait can be kept."""
_SWEEP_CHUNK = 2000
_PIPELINED = 16
_PIPELINED_WITH_OTHERS = 1
"""Requests of one connection that are served before the next is. It is one while some stand in line: what stands there
may be a thousand connections, each with a thousand requests that were sent at once."""
_DESCRIPTOR: Callable[[tuple[int, int]], int] = itemgetter(0)
_STAY = 0.001
"""For how many seconds it serves without a pass: the CPU scheduler reckons in them."""


class Watched(Protocol):
    """What a reactor watches: a connection."""

    deadline: float
    """When :meth:`expire` is due, on Trio's clock; ``math.inf`` for never."""

    @property
    def target(self) -> Target | None:
        """Whose its last request was."""

    def ready(self) -> bool:
        """Act on the event that is watched for. True when :meth:`resume` is to follow (pipelined requests remain)."""

    def resume(self) -> bool:
        """Go on with what was received before. True to be called again."""

    def expire(self) -> None:
        """The deadline has passed."""

    def abort(self) -> None:
        """Close at once."""


class Flushed(Protocol):
    """What has complete responses on their way to its socket."""

    def flush(self) -> None:
        """Send them now."""

    def abort(self) -> None:
        """Close at once."""


class Poller(Protocol):
    """A set of descriptors, level-triggered, that is itself a descriptor."""

    sees_hang_up: bool

    def fileno(self) -> int: ...
    def watch(self, fd: int, what: int) -> None: ...
    def forget(self, fd: int) -> None: ...
    def poll(self) -> list[int]: ...
    def close(self) -> None: ...


class EpollPoller:
    """Linux."""

    sees_hang_up = True

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._known: set[int] = set()
        self.fileno = self._epoll.fileno
        self.close = self._epoll.close

    def watch(self, fd: int, what: int) -> None:
        events = select.EPOLLIN if what == INPUT else select.EPOLLRDHUP
        if fd in self._known:
            self._epoll.modify(fd, events)
        else:
            self._epoll.register(fd, events)
            self._known.add(fd)

    def forget(self, fd: int) -> None:
        if fd in self._known:
            self._known.discard(fd)
            self._epoll.unregister(fd)

    def poll(self) -> list[int]:
        return list(map(_DESCRIPTOR, self._epoll.poll(0, _BATCH)))


class SelectorPoller:
    """Elsewhere: whatever selector has a descriptor (kqueue). It cannot tell a hang-up from input; connections look."""

    sees_hang_up = False

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.close = self._selector.close

    def fileno(self) -> int:
        fileno: int = self._selector.fileno()
        return fileno

    def watch(self, fd: int, what: int) -> None:
        if fd not in self._selector.get_map():
            self._selector.register(fd, selectors.EVENT_READ)

    def forget(self, fd: int) -> None:
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def poll(self) -> list[int]:
        return [key.fd for key, _ in self._selector.select(0)]


def default_poller() -> Poller:
    """By epoll where the system has it."""
    return EpollPoller() if hasattr(select, "epoll") else SelectorPoller()


def _flush(connection: Flushed) -> None:
    connection.flush()


class Reactor:
    """The connections of one server, and the two tasks that serve them while they have none of their own."""

    def __init__(self, poller: Poller | None = None) -> None:
        self._poller = poller if poller is not None else default_poller()
        self._again: deque[Watched] = deque()
        self._outbox: list[Flushed] = []
        self._gathering: Gathering | None = None
        self._passing = False
        self._direct: DirectWait | None = None
        self.flush_later: Callable[[Flushed], None] = _flush
        """Have ``connection.flush`` called soon: together with others in the course of a pass, now outside of one. A
        method of the list within one, for it is called for every response."""
        self.connections: dict[int, Watched] = {}
        """By their descriptors, or negative numbers."""
        self._last_number = 0
        self.soon = Soon()
        """What WebSockets do outside of input; a task of its own (``soon.run``)."""
        self.sees_hang_up = self._poller.sees_hang_up
        """Whether ``ready`` of a connection watched for HANG_UP means just that; else it may be input."""
        self.at_once = _PIPELINED
        """Requests that one connection may have served when it is its turn."""
        self.now: float = 0.0
        """Trio's clock at the start of the pass, in seconds. Cheap, and exact enough for deadlines."""
        self.date = date_line()
        """The Date field of responses, as of the same moment; without any pass a second old at most."""

    def add(self, fd: int, connection: Watched) -> None:
        """Begin to watch a connection for input."""
        self.connections[fd] = connection
        self._poller.watch(fd, INPUT)

    def watch(self, fd: int, what: int) -> None:
        """Watch for INPUT or HANG_UP from now on."""
        self._poller.watch(fd, what)

    def ignore(self, fd: int) -> None:
        """Watch for nothing; deadlines stay."""
        self._poller.forget(fd)

    def remove(self, fd: int) -> None:
        """Forget a connection; to be called before its socket is closed."""
        self._poller.forget(fd)
        self.connections.pop(fd, None)

    def look_after(self, connection: Watched) -> int:
        """Tell a connection that has no descriptor of its deadline; returns the number to :meth:`leave` it by."""
        self._last_number -= 1
        self.connections[self._last_number] = connection
        return self._last_number

    def leave(self, number: int) -> None:
        """Forget a connection that :meth:`look_after` took."""
        self.connections.pop(number, None)

    def gather(self, gathering: Gathering, connection: Flushed) -> None:
        """Have ``gathering.flush`` called, then ``connection.flush``: at the times of :meth:`flush_later`.

        One gathers at a time, or the pass might end with those of a hundred apps.
        """
        if gathering is self._gathering:
            self._outbox.append(connection)
            return
        if self._gathering is not None:
            self._flush_all((self._gathering,))
        if self._passing:
            self._gathering = gathering
        self.flush_later(gathering)
        self.flush_later(connection)

    async def let_others(self) -> None:
        """A checkpoint of another task, one that streams say, but where nobody else has anything to do."""
        if self._direct is None or not self._direct.is_alone():
            await trio.lowlevel.checkpoint()

    def _flush(self) -> None:
        self._gathering = None
        outbox = self._outbox.copy()
        self._outbox.clear()
        self._flush_all(outbox)

    def _flush_all(self, connections: Iterable[Flushed]) -> None:
        for connection in connections:
            try:
                connection.flush()
            except Exception:
                self._failed(connection)

    async def run(self) -> None:
        """Serve ready connections for ever."""
        fd = self._poller.fileno()
        with direct_wait(fd, self._poller.poll) as direct:
            self._direct = direct
            try:
                await self._run(fd, direct)
            finally:
                self._direct = None

    async def _run(self, fd: int, direct: DirectWait | None) -> None:
        connections = self.connections
        again = self._again
        poll = self._poller.poll
        clock = time.perf_counter
        trio_clock = trio.lowlevel.current_clock().current_time
        wait = None if direct is None else direct.wait
        later = self._outbox.append
        line = Line(self._is_prompt)
        stayed = 0.0
        while True:
            ready = [] if again or wait is None or stayed > _STAY else wait(self.now)
            if not ready:
                if again or stayed > _STAY:
                    # Whoever has served for so long mostly has more to do, and Trio need not be told to wait for it.
                    await trio.lowlevel.checkpoint()
                else:
                    await trio.lowlevel.wait_readable(fd)
                ready = poll()
                stayed = 0.0
            self.now = trio_clock()
            began = clock()
            self.date = date_line()
            end, hold = began + _PASS, began + _HOLD
            self._passing = True
            self.flush_later = later
            if line.order:
                ready = line.arrange(ready)
                if line.has_others:
                    end = began + _PASS_WITH_OTHERS
            unreached = iter(ready)
            hold = self._serve(map(connections.get, unreached), end, hold, resuming=False)
            left = length_hint(unreached)
            if line.order or left:
                line.served(ready, len(ready) - left)
                self.at_once = _PIPELINED_WITH_OTHERS if line.order else _PIPELINED
            if again:
                self._serve((again.popleft() for _ in range(len(again))), end, hold, resuming=True)
            self._passing = False
            self.flush_later = _flush
            self._flush()
            stayed += clock() - began

    def _serve(self, waiting: Iterable[Watched | None], end: float, hold: float, *, resuming: bool) -> float:
        """Let them act one by one, to the last or until the pass ends; what they answered is sent at the time ``hold``.

        Returns when the next is to be sent. Times are of :func:`time.perf_counter`.
        """
        clock = time.perf_counter
        for connection in waiting:
            try:
                if connection is not None and (connection.resume() if resuming else connection.ready()):
                    self._again.append(connection)
            except Exception:
                self._failed(connection)
            now = clock()
            if now > hold:
                self._flush()
                if now > end:
                    break
                hold = now + _HOLD
        return hold

    def _is_prompt(self, number: int) -> bool:
        connection = self.connections.get(number)
        target = None if connection is None else connection.target
        return target is not None and target.prompt

    async def sweep(self) -> None:
        """Once a second, for ever: let every connection whose deadline has passed know."""
        while True:
            await trio.sleep(1)
            self.now = now = trio.current_time()
            self.date = date_line()
            await self._expire_until(now)

    async def _expire_until(self, now: float) -> None:
        # A call of its own: what it looked at last, it would hold until the next connection comes, closed or not.
        for index, connection in enumerate(list(self.connections.values())):
            if connection.deadline <= now:
                connection.deadline = math.inf
                try:
                    connection.expire()
                except Exception:
                    self._failed(connection)
            if index % _SWEEP_CHUNK == _SWEEP_CHUNK - 1:
                await trio.lowlevel.checkpoint()

    def _failed(self, connection: Watched | Flushed | None) -> None:
        """A bug, ours or an app's, must cost no more than its connection. To be called while handling the exception."""
        log.exception("a connection failed")
        if connection is not None:
            connection.abort()

    def close(self) -> None:
        """Release the descriptor."""
        self._poller.close()
