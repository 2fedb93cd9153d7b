"""Rooms: named groups of an app's WebSocket connections, and broadcasts to them.

Theory of operation. A broadcast is one :class:`SharedMessage` that is handed to each member's connection, here in
Python: no member's JavaScript is entered. Handing it over costs some microseconds a member (its socket is written
to), so one to ten thousand members would hold up the process for many ms. Therefore broadcasts wait in one queue an
app, in the order of publishing. One to few (:data:`_FEW`) is queued at once with each of them, so that it leaves
together with what else the publisher's turn sends. What that does not get done in :data:`_STEP_NS`, and broadcasts to
many, are worked off by a task, a step a pass of the Trio loop; those to many are then sent as they are handed over.

So a member may not have got yet what was published before, while the app already sends it something else. To keep the
order each such act calls :meth:`Rooms.flush` first, which hands over all that still waits for that member. Numbers tell
what that is: broadcasts are numbered, a member remembers the number up to which it was flushed, and a membership the
number at which it began. Only the broadcast at the head of the queue has a list of members that it has not reached.

A connection may be in as many rooms as its app likes, of names that it invents. So what memberships take is bounded
(:attr:`Rooms.most_bytes`), and a connection that is over leaves its rooms a few at a time.

A room exists while it has members. It belongs to its app, whatever incarnations the app has; another app has other
rooms, of whatever names. The connections of other processes are reached through a :class:`RoomBus`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import trio

from nano_trio.actors.counts import Counts
from nano_trio.actors.messages import SharedMessage, SocketMessage, SocketPeer
from nano_trio.engine.scheduler import Account, CpuScheduler
from nano_trio.runtime.pace import Pace
from nano_trio.runtime.pieces import LargeMessage

__all__ = ["Congested", "Member", "RoomBus", "Rooms", "TooManyRooms"]

_STEP_NS = 500_000
"""Time of a pass of the Trio loop that broadcasts of one app take, in ns: a slice's."""
_FEW = 200
"""To so many members a broadcast is queued in the publisher's turn: about as many as it reaches in a step."""
_LOOK_EVERY = 8
"""Members between two looks at the clock; where the message is large it is one."""
_MOST_WAITING = 64 << 20
"""Bytes of broadcasts that may wait to be handed over, each counted as its message and some more."""
_OVERHEAD = 512
_MOST_MEMBERSHIPS = 500_000
_ROOM_BYTES = 400
_MEMBERSHIP_BYTES = 200
"""What tables take for each, beside its name of at most four bytes a character."""
_LEAVES_AT_ONCE = 64
"""Rooms that a connection that is over leaves at once; it takes half a microsecond and more for each."""


class Congested(Exception):
    """Too much waits to be handed over already: the app publishes faster than its members can be written to."""


class TooManyRooms(Exception):
    """The app's connections are in as many rooms as they may be, or these take as much memory as they may."""


class Member(Protocol):
    """A connection that can be in rooms."""

    rooms: dict[str, int] | None
    """The rooms it is in, each with the number of the last broadcast before it came; None for none."""
    flushed: int
    """The broadcasts up to this number have been handed to it."""
    peer: SocketPeer | None
    """What a broadcast may be sent to straight away; None where it is to be :meth:`delivered <deliver>`."""

    def deliver(self, message: SharedMessage) -> None:
        """Send a broadcast. Never blocks, never raises; it may end the connection, which then leaves its rooms."""


class RoomBus(Protocol):
    """Carries broadcasts to the same app's connections in other processes, which call :meth:`Rooms.receive`."""

    def publish(self, app: str, room: str, data: SocketMessage) -> None:
        """Hand on a broadcast. Never blocks, never raises."""

    def changed(self, app: str, room: str) -> None:
        """A member has come or gone. Never blocks, never raises."""

    def count(self, app: str, room: str) -> int:
        """How many members a room has in other processes, as far as known."""


class _Broadcast:
    __slots__ = ("but", "is_to_many", "members", "message", "number", "remaining", "size")

    def __init__(
        self, number: int, members: dict[Member, int], message: SharedMessage, size: int, but: Member | None
    ) -> None:
        self.number = number
        self.members = members
        self.message = message
        self.size = size
        self.but = but
        self.is_to_many = len(members) > _FEW
        self.remaining: dict[Member, int] | None = None
        """Members it has not reached; None until it is at the head of the queue."""

    def concerns(self, member: Member, joined: int | None) -> bool:
        return joined is not None and joined < self.number > member.flushed and member is not self.but


class Rooms:
    """All rooms of one app. ``spawn`` runs a task in the supervisor's nursery. Nothing here blocks."""

    def __init__(
        self,
        app: str,
        scheduler: CpuScheduler,
        account: Account,
        counts: Counts,
        spawn: Callable[..., None],
        bus: RoomBus | None = None,
    ) -> None:
        self._app = app
        self._scheduler = scheduler
        self._account = account
        self._counts = counts
        self._spawn = spawn
        self.bus = bus
        self._rooms: dict[str, dict[Member, int]] = {}
        self._memberships = 0
        self._bytes = 0
        self.most_bytes = _MOST_MEMBERSHIPS * (_ROOM_BYTES + _MEMBERSHIP_BYTES)
        """What rooms and memberships may take of this process's memory."""
        self._leaving: deque[tuple[Member, dict[str, int]]] = deque()
        """Connections that are over, with the rooms that they have yet to leave."""
        self._number = 0
        self.waiting: deque[_Broadcast] = deque()
        """Broadcasts that have not reached all members, in order. While there are any, :meth:`flush` before sending."""
        self._waiting_bytes = 0
        self._working = False

    # -- membership --------------------------------------------------------------------------------------------------

    def join(self, room: str, member: Member) -> bool:
        """Put ``member`` into a room; False where it is there already. Raises :class:`TooManyRooms`."""
        if member.rooms is None:
            member.rooms = {}
        if room in member.rooms:
            return False
        size = _MEMBERSHIP_BYTES + 4 * len(room) + (0 if room in self._rooms else _ROOM_BYTES)
        if self._memberships >= _MOST_MEMBERSHIPS or self._bytes + size > self.most_bytes:
            raise TooManyRooms
        self._memberships += 1
        self._bytes += size
        member.rooms[room] = self._number
        self._rooms.setdefault(room, {})[member] = self._number
        if self.bus is not None:
            self.bus.changed(self._app, room)
        return True

    def leave(self, room: str, member: Member) -> bool:
        """Take ``member`` out of a room, once it has got what was published there before; False: it is not there."""
        if member.rooms is None or room not in member.rooms:
            return False
        self.flush(member)
        # What it was handed may have ended the connection.
        if member.rooms is not None and member.rooms.pop(room, None) is not None:
            self._remove(room, member)
        return True

    def leave_all(self, member: Member) -> None:
        """The connection is over."""
        rooms, member.rooms = member.rooms, None
        if not rooms:
            return
        self._leave_some(member, rooms)
        if rooms:
            self._leaving.append((member, rooms))
            if len(self._leaving) == 1:
                self._spawn(self._see_off)

    async def _see_off(self) -> None:
        while self._leaving:
            await trio.lowlevel.checkpoint()
            member, rooms = self._leaving[0]
            self._leave_some(member, rooms)
            if not rooms:
                self._leaving.popleft()

    def _leave_some(self, member: Member, rooms: dict[str, int]) -> None:
        for _ in range(min(len(rooms), _LEAVES_AT_ONCE)):
            room, _ = rooms.popitem()
            self._remove(room, member)

    def _remove(self, room: str, member: Member) -> None:
        self._memberships -= 1
        self._bytes -= _MEMBERSHIP_BYTES + 4 * len(room)
        members = self._rooms[room]
        del members[member]
        if not members:
            del self._rooms[room]
            self._bytes -= _ROOM_BYTES
        if self.bus is not None:
            self.bus.changed(self._app, room)

    def members(self, room: str) -> Iterator[Member]:
        """The members of a room in this process, those that came first first."""
        return iter(self._rooms.get(room, ()))

    def count(self, room: str) -> int:
        """How many members a room has: in this process, and as far as known in others."""
        here = self.count_here(room)
        return here if self.bus is None else here + self.bus.count(self._app, room)

    def count_here(self, room: str) -> int:
        """How many members a room has in this process."""
        return len(self._rooms.get(room, ()))

    def names(self) -> list[str]:
        """The rooms that have members in this process."""
        return list(self._rooms)

    # -- broadcasts --------------------------------------------------------------------------------------------------

    def publish(self, room: str, data: SocketMessage, but: Member | None = None) -> int:
        """Send to all members of a room except ``but``; how many those are, in other processes as far as known.

        Raises :class:`Congested`.
        """
        reached = self._broadcast(room, data, but)
        if self.bus is not None:
            self.bus.publish(self._app, room, data)
            reached += self.bus.count(self._app, room)
        return reached

    def receive(self, room: str, data: SocketMessage) -> bool:
        """A broadcast from another process, for the members in this one. False: too much waits, it is lost."""
        try:
            self._broadcast(room, data, None)
        except Congested:
            return False
        return True

    def _broadcast(self, room: str, data: SocketMessage, but: Member | None) -> int:
        members = self._rooms.get(room)
        if members is None:
            return 0
        size = len(data) + _OVERHEAD
        if self.waiting and self._waiting_bytes + size > _MOST_WAITING:
            raise Congested
        reached = len(members) - (but is not None and but in members)
        if reached == 0:
            return 0
        self._number += 1
        self._waiting_bytes += size
        broadcast = _Broadcast(self._number, members, SharedMessage(data), size, but)
        self.waiting.append(broadcast)
        if len(self.waiting) == 1:
            if not broadcast.is_to_many:
                self._step()
            if self.waiting and not self._working:
                self._working = True
                self._spawn(self._work_off)
        return reached

    async def _work_off(self) -> None:
        pace = Pace(self._scheduler)
        try:
            while self.waiting:
                # What publishers or the last step have done was this pass's share.
                await trio.lowlevel.checkpoint()
                await pace.turn()
                used_ns = self._step()
                self._account.cpu_ns += used_ns
                self._scheduler.used_ns += used_ns
        finally:
            self._working = False

    def _step(self) -> int:
        """Hand over what waits, for at most :data:`_STEP_NS`; the time it took in ns."""
        clock = time.perf_counter_ns
        begun = clock()
        handed = queued = 0
        while self.waiting:
            head = self.waiting[0]
            if head.remaining is None:
                head.remaining = head.members.copy()
            remaining, message, number, but = head.remaining, head.message, head.number, head.but
            is_to_many = head.is_to_many
            look_every = 1 if type(message.data) is LargeMessage else _LOOK_EVERY
            while remaining:
                member, joined = remaining.popitem()
                if joined < number > member.flushed and member is not but:
                    peer = member.peer
                    if is_to_many and peer is not None:
                        peer.send_now(message)
                    else:
                        member.deliver(message)
                        queued += 1
                    handed += 1
                    if not handed % look_every and clock() - begun >= _STEP_NS:
                        break
            if remaining:
                break
            self.waiting.popleft()
            self._waiting_bytes -= head.size
        # A member counts itself what is delivered to it.
        self._counts.messages_out += handed - queued
        return clock() - begun

    def flush(self, member: Member) -> None:
        """Hand over all broadcasts that still wait for ``member``, which is about to be sent something else."""
        if not self.waiting or member.flushed >= self._number:
            return
        late = []
        for broadcast in reversed(self.waiting):
            if broadcast.number <= member.flushed:
                break
            remaining = broadcast.remaining if broadcast.remaining is not None else broadcast.members
            if broadcast.concerns(member, remaining.get(member)):
                late.append(broadcast.message)
        member.flushed = self._number
        for message in reversed(late):
            member.deliver(message)

    def snapshot(self) -> dict[str, Any]:
        """Numbers for whoever watches: rooms, memberships, broadcasts that wait."""
        return {"rooms": len(self._rooms), "memberships": self._memberships, "waiting": len(self.waiting)}
