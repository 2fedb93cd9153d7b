"""What waits for all clients of a server together, and which of them go where that is too much.

Theory of operation
-------------------
A response lies with us until its client has taken it, and a client decides how fast that is. One by one they are
bounded: by what a connection may hold, by the stall timeout, large bodies by their app
(``nano_trio/actors/outgoing.py``). But connections are many, so all together may be ``most`` bytes.

Who comes is not refused for that: a client that takes its response at once holds nothing, and must not suffer from
those that do not. Instead those go that are worst, and what is worse is told by one number: how long a client would
take for what waits for it at the speed that it has shown since something waits. A client of a slow line that takes what
it asked for comes behind one that takes nothing, or a byte now and then, and of those that have just come the one for
which the most waits goes first. So many go at once that an eighth is free again: all are looked at then, and that must
not happen for each response.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Protocol

import structlog
import trio

__all__ = ["Slow", "SlowClients", "most_by_default"]

log = structlog.get_logger("nano_trio.web")

_SHARE = 16
_AT_LEAST = 64 << 20
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
_START_S = 1.0
_START_BYTES = 64 << 10
"""What nobody can be blamed for: the first second, and what lies in the buffers of sockets."""


def most_by_default() -> int:
    """Bytes: a sixteenth of the memory that this process may use, and 64 MB at least."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return _AT_LEAST * 4
    with contextlib.suppress(OSError, ValueError):  # no limit, or no control groups
        memory = min(memory, int(_CGROUP_LIMIT.read_text()))
    return max(_AT_LEAST, memory // _SHARE)


class Slow(Protocol):
    """Who has a client: a connection, or an exchange on it."""

    def let_go(self, reason: str) -> None:
        """Give the client up, and drop what waits for it. Never blocks, never raises."""


class _Account:
    """Of one client: bytes that wait, since when, and how many it has taken since."""

    __slots__ = ("since", "size", "taken")

    def __init__(self, since: float) -> None:
        self.size = self.taken = 0
        self.since = since

    def remaining(self, now: float) -> float:
        """Seconds that it would take for the rest."""
        return self.size * (now - self.since + _START_S) / (self.taken + _START_BYTES)


class SlowClients:
    """Those of one server. ``most``: bytes that may wait for all together."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.size = 0
        """Bytes that wait."""
        self._accounts: dict[Slow, _Account] = {}

    def __len__(self) -> int:
        return len(self._accounts)

    def hold(self, who: Slow, size: int, taken: int = 0) -> None:
        """So many bytes wait for a client (0: none do any more), and so many has it taken since this was said last.

        May let clients go, this one too.
        """
        account = self._accounts.get(who)
        if account is None:
            if not size:
                return
            account = self._accounts[who] = _Account(trio.current_time())
        grows = size > account.size
        self.size += size - account.size
        account.size = size
        account.taken += taken
        if not size:
            del self._accounts[who]
        elif grows and self.size > self.most:
            self._relieve()

    def _relieve(self) -> None:
        now = trio.current_time()
        worst = sorted(self._accounts.items(), key=lambda one: one[1].remaining(now), reverse=True)
        enough, gone = self.most - self.most // 8, 0
        for who, account in worst:
            if self.size <= enough:
                break
            gone += 1
            self.size -= account.size
            del self._accounts[who]
            who.let_go("it takes its responses too slowly, and too much waits for all clients")
        log.warning("too much waited for slow clients: the slowest were cut off", clients=gone, most=self.most)
