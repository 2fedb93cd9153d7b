"""The bus between the workers of one machine: a socket between each two.

Theory of operation. The parent makes a socketpair for each two workers that live and hands out the ends; it never reads
what goes over them. There is no hub, so any worker may die: the others see the end of its socket, and its replacement
gets new ones. Nothing lies in the file system, so there is nobody to be authenticated and nothing to be cleaned up.

A frame is a length, a subject and a payload. What is sent is queued for each peer and written by a task of its own, all
of a pass of the loop in one go; the frame itself is one object for all peers. A peer for which more than
:data:`_MOST_WAITING` bytes wait loses what comes then, and the loss is counted. What apps say is counted apart from
what the server says, and one app has a quarter of the room for all: who says too much loses messages of its own. What
arrives is handed out in the order of its arrival, for at most :data:`_STEP_S` between two passes.

A worker that starts gets its first sockets before it serves. :meth:`Mesh.known` waits until all peers have answered its
hello: by then they reach it, and it has taken what they had to tell and what they published while it started. Then it
may accept clients.
"""

from __future__ import annotations

import socket
import struct
import time
from collections import deque
from collections.abc import Callable

import attrs
import structlog
import trio

from nano_trio.actors.bus import Take

__all__ = ["FIRST", "Mesh"]

log = structlog.get_logger("nano_trio")

FIRST = 0
"""The worker that has the admin listener."""

_HEAD = struct.Struct("!IB")
"""The payload's length, the subject's length."""
_HELLO = ""
"""The subject of what the mesh itself says: a worker's first message to each other, and the answer to it."""
_WELCOME = b"welcome"
_MOST_WAITING = 16 << 20
"""Bytes for one peer: of the server's own messages, and of those of all apps."""
_MOST_OF_ONE = _MOST_WAITING // 4
_LITTLE = 256 << 10
_OWN = ""
_MOST_PAYLOAD = 1 << 30
_WRITTEN_AT_ONCE = 256 << 10
_READ_AT_ONCE = 256 << 10
_STEP_S = 0.0005
_KNOWN_S = 0.5


@attrs.define
class MeshCounts:
    """Messages since the start."""

    sent: int = 0
    received: int = 0
    lost: int = 0
    """Dropped, because their receiver took too little."""


class _Peer:
    """The socket to another worker."""

    def __init__(self, worker: int, sock: socket.socket) -> None:
        self.worker = worker
        sock.setblocking(False)
        self.stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        self.out: deque[tuple[bytes, str]] = deque()
        """Frames, and whose they are."""
        self.waiting: dict[str, int] = {}
        """Bytes in ``out`` and on their way to the socket: of apps by their names, and of the server (:data:`_OWN`)."""
        self.waiting_of_apps = 0
        self.wake = trio.Event()
        self.greeted = trio.Event()
        """It has answered the hello, or is gone."""
        self.scope = trio.CancelScope()
        """That of its tasks."""

    def put(self, frame: bytes, of: str = _OWN) -> bool:
        size = len(frame)
        if not self._has_room(of, size):
            return False
        self.waiting[of] = self.waiting.get(of, 0) + size
        if of != _OWN:
            self.waiting_of_apps += size
        self.out.append((frame, of))
        self.wake.set()
        return True

    def _has_room(self, of: str, size: int) -> bool:
        waiting = self.waiting.get(of, 0)
        if of == _OWN:
            return waiting <= _MOST_WAITING
        # Who says little is heard, whatever the others say: up to twice of what they may.
        if not waiting or waiting + size <= _LITTLE:
            return self.waiting_of_apps <= 2 * _MOST_WAITING
        return waiting + size <= _MOST_OF_ONE and self.waiting_of_apps <= _MOST_WAITING

    async def write(self) -> None:
        while True:
            if not self.out:
                self.wake = trio.Event()
                await self.wake.wait()
            some, size = [], 0
            while self.out and size < _WRITTEN_AT_ONCE:
                some.append(self.out.popleft())
                size += len(some[-1][0])
            await self.stream.send_all(b"".join(frame for frame, _ in some))
            for frame, of in some:
                left = self.waiting[of] - len(frame)
                if of != _OWN:
                    self.waiting_of_apps -= len(frame)
                if left:
                    self.waiting[of] = left
                else:
                    del self.waiting[of]


class Mesh:
    """Implements :class:`nano_trio.actors.bus.Bus`. :meth:`run` is its task."""

    def __init__(self, me: int) -> None:
        self._me = me
        self.counts = MeshCounts()
        self._peers: dict[int, _Peer] = {}
        self._subscribers: dict[str, Take] = {}
        self._watchers: list[tuple[Callable[[int], None], Callable[[int], None]]] = []
        self._nursery: trio.Nursery | None = None

    # -- the interface -----------------------------------------------------------------------------------------------

    @property
    def me(self) -> int:
        """This worker's number."""
        return self._me

    @property
    def others(self) -> list[int]:
        """The workers that can be reached at this moment."""
        return sorted(self._peers)

    def publish(self, subject: str, payload: bytes, of: str = _OWN) -> None:
        """To all others."""
        if self._peers:
            frame = _frame(subject, payload)
            for peer in self._peers.values():
                self._put(peer, frame, of)

    def send(self, to: int, subject: str, payload: bytes) -> bool:
        """To one."""
        peer = self._peers.get(to)
        return peer is not None and self._put(peer, _frame(subject, payload))

    def _put(self, peer: _Peer, frame: bytes, of: str = _OWN) -> bool:
        taken = peer.put(frame, of)
        if taken:
            self.counts.sent += 1
        else:
            self.counts.lost += 1
        return taken

    def subscribe(self, subject: str, take: Take) -> None:
        """Call ``take`` for each message of the subject."""
        self._subscribers[subject] = take

    def watch(self, came: Callable[[int], None], left: Callable[[int], None]) -> None:
        """Call these when a worker comes and goes."""
        self._watchers.append((came, left))
        for worker in self.others:
            came(worker)

    # -- peers -------------------------------------------------------------------------------------------------------

    def connect(self, worker: int, sock: socket.socket) -> None:
        """Use this socket to another worker from now on; takes it over."""
        if self._nursery is None:
            sock.close()  # this worker is ending
            return
        if worker in self._peers:
            self._gone(self._peers[worker])
        peer = self._peers[worker] = _Peer(worker, sock)
        for came, _ in self._watchers:
            came(worker)
        peer.put(_frame(_HELLO, b""))
        self._nursery.start_soon(self._serve, peer)

    def _gone(self, peer: _Peer) -> None:
        peer.greeted.set()
        peer.scope.cancel()
        if self._peers.get(peer.worker) is peer:
            del self._peers[peer.worker]
            for _, left in self._watchers:
                left(peer.worker)

    async def known(self) -> None:
        """Wait until all workers that live know this one, at most half a second: one that hangs holds up nobody."""
        with trio.move_on_after(_KNOWN_S):
            for peer in list(self._peers.values()):
                await peer.greeted.wait()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Carry messages until cancelled."""
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None

    async def _serve(self, peer: _Peer) -> None:
        try:
            with peer.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(peer.write)
                    await self._read(peer)
                    nursery.cancel_scope.cancel()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # it is gone
        except* Exception:
            log.exception("internal error on the bus between workers", peer=peer.worker)
        finally:
            self._gone(peer)
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(peer.stream)

    async def _read(self, peer: _Peer) -> None:
        clock = time.perf_counter
        waiting = bytearray()
        while True:
            data = await peer.stream.receive_some(_READ_AT_ONCE)
            if not data:
                return
            waiting += data
            at, until = 0, clock() + _STEP_S
            while len(waiting) - at >= _HEAD.size:
                length, name = _HEAD.unpack_from(waiting, at)
                if length > _MOST_PAYLOAD:
                    raise ValueError(f"a message of {length} bytes")
                begin = at + _HEAD.size + name
                end = begin + length
                if len(waiting) < end:
                    break
                subject = waiting[at + _HEAD.size : begin].decode()
                at = end
                self._take(peer, subject, bytes(memoryview(waiting)[begin:end]))
                if clock() >= until:
                    await trio.lowlevel.checkpoint()
                    until = clock() + _STEP_S
            del waiting[:at]

    def _take(self, peer: _Peer, subject: str, payload: bytes) -> None:
        self.counts.received += 1
        if subject == _HELLO:
            if payload == _WELCOME:
                peer.greeted.set()
            else:
                peer.put(_frame(_HELLO, _WELCOME))
            return
        take = self._subscribers.get(subject)
        if take is None:
            return  # of a worker that knows more
        try:
            take(peer.worker, payload)
        except Exception:
            log.exception("internal error in what the bus brought", subject=subject, peer=peer.worker)


def _frame(subject: str, payload: bytes) -> bytes:
    name = subject.encode()
    return b"".join((_HEAD.pack(len(payload), len(name)), name, payload))
