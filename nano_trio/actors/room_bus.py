"""Rooms over all processes of a server: broadcasts and head counts, carried by a :class:`~nano_trio.actors.bus.Bus`.

Theory of operation. A broadcast goes to every other process, whoever has members there: to know who has would mean to
wait for the news of a member that has just come. So what is published after a client was told that it is in a room
reaches it, wherever the two are connected. Between one publisher's process and one member the order is that of
publishing.

Head counts are news, gathered for :data:`_QUIET_S`: a process tells the others of the rooms whose number of members
has changed there, and all of them to a process that has come. So a count is exact for this process's members, and late
by about that time for those of the others. A process that dies takes its members with it, and its counts at once.
"""

from __future__ import annotations

import functools
import json
import struct
from collections.abc import Callable, Iterable
from typing import Protocol

import trio

from nano_trio.actors.bus import Bus
from nano_trio.actors.messages import SocketMessage
from nano_trio.actors.rooms import Rooms
from nano_trio.runtime.pieces import LargeMessage

__all__ = ["HouseOfRooms", "SharedRooms"]

_BROADCAST = "rooms"
_COUNTS = "room counts"
_QUIET_S = 0.05
_ROOMS_AT_ONCE = 100
"""In one message, and between two passes of the loop: names may have 256 characters, and an app 500,000 rooms."""

_HEAD = struct.Struct("!I?")
"""Bytes of the JSON that says app and room, and whether the message behind it is text."""


class HouseOfRooms(Protocol):
    """Where this process's rooms are (:class:`nano_trio.actors.registry.Registry`)."""

    def rooms_of(self, app: str) -> Rooms | None:
        """An app's rooms; None where it never had any here."""

    def all_rooms(self) -> Iterable[tuple[str, Rooms]]:
        """Those of all apps that have some."""


class SharedRooms:
    """Implements :class:`nano_trio.actors.rooms.RoomBus`. :meth:`run` announces the counts."""

    def __init__(self, bus: Bus, house: HouseOfRooms) -> None:
        self._bus = bus
        self._house = house
        self._changed: dict[str, set[str]] = {}
        self._new: list[int] = []
        """Processes that have come and know of no counts yet."""
        self._wake = trio.Event()
        self._elsewhere: dict[int, dict[str, dict[str, int]]] = {}
        """By process, app and room."""
        self.lost = 0
        """Broadcasts of others that found too much waiting here already."""
        bus.subscribe(_BROADCAST, self._take_broadcast)
        bus.subscribe(_COUNTS, self._take_counts)
        bus.watch(self._came, self._left)

    # -- what rooms ask (RoomBus) ------------------------------------------------------------------------------------

    def publish(self, app: str, room: str, data: SocketMessage) -> None:
        """Hand on a broadcast. Never blocks, never raises."""
        if not self._bus.others:
            return
        where = json.dumps((app, room)).encode()
        is_text = isinstance(data, str) or (isinstance(data, LargeMessage) and data.is_text)
        content = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data)
        self._bus.publish(_BROADCAST, b"".join((_HEAD.pack(len(where), is_text), where, content)), app)

    def changed(self, app: str, room: str) -> None:
        """A room's number of members in this process is another now."""
        self._changed.setdefault(app, set()).add(room)
        self._wake.set()

    def count(self, app: str, room: str) -> int:
        """The members of a room in other processes, as far as known."""
        return sum(apps[app].get(room, 0) for apps in self._elsewhere.values() if app in apps)

    # -- what the bus brings -----------------------------------------------------------------------------------------

    def _take_broadcast(self, sender: int, payload: bytes) -> None:
        length, is_text = _HEAD.unpack_from(payload)
        app, room = json.loads(payload[_HEAD.size : _HEAD.size + length])
        rooms = self._house.rooms_of(app)
        if rooms is None:
            return
        content = payload[_HEAD.size + length :]
        if not rooms.receive(room, content.decode("utf-8", "surrogatepass") if is_text else content):
            self.lost += 1

    def _take_counts(self, sender: int, payload: bytes) -> None:
        known = self._elsewhere.setdefault(sender, {})
        for app, counts in json.loads(payload).items():
            rooms = known.setdefault(app, {})
            for room, count in counts.items():
                if count:
                    rooms[room] = count
                else:
                    rooms.pop(room, None)
            if not rooms:
                del known[app]

    def _came(self, process: int) -> None:
        self._new.append(process)
        self._wake.set()

    def _left(self, process: int) -> None:
        self._elsewhere.pop(process, None)

    # -- head counts -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Announce what changes, until cancelled."""
        while True:
            await self._wake.wait()
            await trio.sleep(_QUIET_S)
            self._wake = trio.Event()
            changed, self._changed = self._changed, {}
            new, self._new = self._new, []
            # What comes while these are told it is told by the next round.
            for process in new:
                for app, rooms in list(self._house.all_rooms()):
                    await self._tell(app, rooms.names(), functools.partial(self._bus.send, process, _COUNTS))
            for app, names in changed.items():
                await self._tell(app, list(names), functools.partial(self._bus.publish, _COUNTS, of=app))

    async def _tell(self, app: str, names: list[str], send: Callable[[bytes], object]) -> None:
        for start in range(0, len(names), _ROOMS_AT_ONCE):
            rooms = self._house.rooms_of(app)
            some = names[start : start + _ROOMS_AT_ONCE]
            counts = {room: 0 if rooms is None else rooms.count_here(room) for room in some}
            send(json.dumps({app: counts}).encode())
            await trio.lowlevel.checkpoint()
