"""Listening sockets: opening them, keeping them for workers that come and go, and giving them up.

Giving up. The system completes connections by itself and queues them at the listening socket until somebody accepts.
What is in that queue when the last copy of the socket is closed is reset: to clients, a server that broke off. So the
last to hold a copy must be a worker, and it must accept what waits before it closes:

1. the parent has the socket take no more handshakes (a filter on the socket, so it holds for all copies, and drops the
   first packet only: who has begun is let in), and closes its own copy;
2. only then does it tell the worker (the answer to ``close``, or ``drain``), which has gone on accepting meanwhile;
3. the worker accepts until the queue is empty, and closes its copy.

Who knocks between 1 and 3 is answered by nobody and knocks again after a second (TCP does): at the new place where the
port has moved to another address, or where nobody listens, to be refused. Between them are some milliseconds; with a
worker whose loop is held up, as long as that holds: at an end at most ``drain_timeout_s`` and four seconds.

Two windows stay. Who is in the midst of the handshake at 3 is reset. That is half a round trip; on one machine,
nothing. To close it is the system's business. Its ``net.ipv4.tcp_migrate_req`` does not: it moves connections between
sockets of one address, and here one address is given up for another. And where only a worker listened that has died,
and its successor does not want to, nobody is left to accept: the parent's copy is the last, and who waits there is
reset (:meth:`HeldSockets.settle`).
Where there are no such filters (not Linux), 1 to 3 is a window, too.
"""

from __future__ import annotations

import array
import contextlib
import errno
import socket
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from nano_trio.parent.systemd import InheritedSocket

__all__ = ["HeldSockets", "Key", "bind_all", "place", "refuse_handshakes"]

Address = tuple[Any, ...]
Key = tuple[str, str | None, int]
"""Scheme, host and port as configured: port 0 is whichever was opened for it."""

_TRIES = 20
"""Free ports of one address that are looked at, for one that the others have free, too."""
_SO_ATTACH_FILTER = 26
_INSTRUCTION = struct.Struct("@HBBI")
_NO_HANDSHAKES = b"".join(
    _INSTRUCTION.pack(*instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # the flags of the TCP header
        (0x54, 0, 0, 0x12),  # of these SYN and ACK
        (0x15, 0, 1, 0x02),  # SYN alone: the first packet of a handshake
        (0x06, 0, 0, 0),  # is dropped
        (0x06, 0, 0, 0xFFFFFFFF),  # the rest is not
    )
)
"""A filter in the system's own terms (bpf(4) of BSD, socket(7))."""
_WILDCARDS = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}


def bind_all(wanted: Iterable[tuple[int, Address]], backlog: int, *, reuse_port: bool = False) -> list[socket.socket]:
    """Listen on every address, given with its family, as getaddrinfo(3) found them.

    With port 0 the system chooses one, the same for all. Raises OSError, opening nothing, when an address cannot be
    had; a machine without IPv6 is no error as long as IPv4 works. ``reuse_port``: others of ours listen on that port,
    on narrower or wider addresses (SO_REUSEPORT, socket(7)).
    """
    wanted = list(wanted)
    tries = _TRIES if any(address[1] == 0 for _, address in wanted) else 1
    while True:
        tries -= 1
        try:
            return _bind_all(wanted, backlog, reuse_port)
        except OSError as error:
            # What the system has chosen is free on the first address.
            if error.errno != errno.EADDRINUSE or tries == 0:
                raise


def _bind_all(wanted: Sequence[tuple[int, Address]], backlog: int, reuse_port: bool) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    failure: OSError | None = None
    try:
        for family, address in wanted:
            try:
                sock = socket.socket(family, socket.SOCK_STREAM)
            except OSError as error:
                failure = error
                continue
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if reuse_port:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if address[1] == 0 and len(sockets) > 1:
                address = (address[0], sockets[0].getsockname()[1], *address[2:])
            try:
                sock.bind(address)
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL:
                    raise
                failure = error
                sockets.pop().close()
                continue
            sock.listen(backlog)
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    if not sockets and failure is not None:
        raise failure
    return sockets


def refuse_handshakes(sock: socket.socket) -> None:
    """Have a listening socket take no more, in all processes that have a copy. Those that have begun go on."""
    if sys.platform == "linux":
        code = array.array("B", _NO_HANDSHAKES)
        program = struct.pack("@HP", len(_NO_HANDSHAKES) // _INSTRUCTION.size, code.buffer_info()[0])
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def place(name: object) -> str:
    """A socket's name for people: ``127.0.0.1:80``, ``[::1]:80``, a path."""
    if not isinstance(name, tuple):
        return str(name) or "a socket without a name"
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


class HeldSockets:
    """The sockets of all workers by where they were configured, and who uses them.

    ``copied``: workers have copies. Else there is one, in this process, which closes the sockets itself.
    """

    def __init__(self, inherited: Iterable[InheritedSocket] = (), *, copied: bool = True) -> None:
        self._inherited = list(inherited)
        self._copied = copied
        self._held: dict[Key, list[socket.socket]] = {}
        self._users: dict[Key, set[int]] = {}
        self._asked: dict[int, set[Key]] = {}
        self._starting: set[int] = set()

    def open(
        self,
        worker: int,
        key: Key,
        wanted: Sequence[tuple[int, Address]],
        backlog: int,
        leaving: Iterable[Key] = (),
    ) -> list[socket.socket]:
        """The sockets for a worker, opened if nobody has asked before. Raises OSError.

        Where workers change one after another, some still listen at an old place when one asks for a new place on the
        same port: what this worker does not use (any more) is in nobody's way, and neither is what it is about to give
        up, ``leaving``.
        """
        if key not in self._held or not self._copied:
            found, missing = self._claim(wanted)
            asked = self._asked.get(worker, set()).difference(leaving)
            strange = [sock for other, sockets in self._held.items() if other not in asked for sock in sockets]
            strange = [sock for sock in strange if sock.fileno() >= 0]
            same = [sock for sock in strange if _address_of(sock) in missing]
            missing = [each for each in missing if each not in [_address_of(sock) for sock in same]]
            ports = {address[1] for _, address in missing}
            with contextlib.ExitStack() as undo:
                if not self._copied:
                    same = [undo.enter_context(sock.dup()) for sock in same]
                with _shared([sock for sock in strange if _port(sock) in ports]) as reuse_port:
                    fresh = bind_all(missing, backlog, reuse_port=reuse_port)
                undo.pop_all()
            for sock in fresh if reuse_port else ():
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
            self._held[key] = found + same + fresh
        self._users.setdefault(key, set()).add(worker)
        self._asked.setdefault(worker, set()).add(key)
        return self._held[key]

    def _claim(self, wanted: Sequence[tuple[int, Address]]) -> tuple[list[socket.socket], list[tuple[int, Address]]]:
        """Those of systemd's sockets that listen where it is wanted, and where nothing does."""
        found: list[socket.socket] = []
        missing = []
        for family, address in wanted:
            matching = [each.sock for each in self._inherited if _serves(each.sock, family, address)]
            if matching:
                found += [sock for sock in matching if sock not in found]
            else:
                missing.append((family, address))
        return found, missing

    @property
    def unclaimed(self) -> list[str]:
        """Sockets of systemd's for which the configuration has no listener, in words."""
        held = [sock for sockets in self._held.values() for sock in sockets]
        return [f"{place(each.sock.getsockname())} ({each.name})" for each in self._inherited if each.sock not in held]

    @property
    def places(self) -> list[str]:
        """Where the configuration listens."""
        return sorted(f"{scheme}://{place((host or '*', port))}" for scheme, host, port in self._held)

    def close(self, worker: int, key: Key) -> None:
        """The worker listens there no longer, or is the last to accept what waits there; what nobody uses is given up.

        While a worker starts nothing is: it may find that it cannot listen everywhere, and do as its predecessor did.
        """
        if worker in self._starting:
            self._asked[worker].discard(key)
            return
        users = self._users.get(key)
        if users is None:
            return
        users.discard(worker)
        self._asked.get(worker, set()).discard(key)
        if not users:
            del self._users[key]
            # systemd's stay open: it listens there all the same, and a later configuration may want them again.
            kept = [_address_of(each.sock) for each in self._inherited]
            closing = self._held.pop(key)
            kept += [_address_of(sock) for sockets in self._held.values() for sock in sockets]
            self._give_up(sock for sock in closing if _address_of(sock) not in kept)

    def _give_up(self, sockets: Iterable[socket.socket]) -> None:
        for sock in sockets:
            if sock.fileno() >= 0:  # two places may have the same
                refuse_handshakes(sock)
                if self._copied:
                    sock.close()

    def begin(self, worker: int) -> None:
        """A worker starts: what it will ask for is what it uses."""
        self._asked[worker] = set()
        self._starting.add(worker)

    def settle(self, worker: int) -> None:
        """The worker has asked for all it wants; what only its predecessor wanted is closed, and who waits there reset:
        nobody is left who could accept them."""
        self._starting.discard(worker)
        for key in [key for key, users in self._users.items() if worker in users]:
            if key not in self._asked.get(worker, ()):
                self.close(worker, key)

    def close_all(self) -> None:
        """Stop listening."""
        inherited = [each.sock for each in self._inherited]
        for (scheme, _, _), sockets in self._held.items():
            if scheme != "admin":
                self._give_up(sock for sock in sockets if sock not in inherited)
            elif self._copied:
                # Whoever runs the server may look at it, and is answered, until the last worker has ended.
                for sock in sockets:
                    sock.close()
        for sock in inherited:
            # What waits there is for the next that systemd starts.
            sock.close()
        self._held.clear()
        self._users.clear()
        self._inherited.clear()


@contextlib.contextmanager
def _shared(sockets: Sequence[socket.socket]) -> Iterator[bool]:
    """Let further sockets be bound to these sockets' port inside; whether there are any."""
    share = bool(sockets) and hasattr(socket, "SO_REUSEPORT")
    for sock in sockets if share else ():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        yield share
    finally:
        for sock in sockets if share else ():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)


def _address_of(sock: socket.socket) -> tuple[int, Any] | None:
    """Where it listens, where no other of ours does; None where it is closed."""
    return None if sock.fileno() < 0 else (sock.family, sock.getsockname())


def _port(sock: socket.socket) -> int:
    name = sock.getsockname()
    return int(name[1]) if isinstance(name, tuple) else 0


def _serves(sock: socket.socket, family: int, address: Address) -> bool:
    """Whether a socket of systemd's is the one for an address. One that listens everywhere is for no narrower one."""
    if sock.type != socket.SOCK_STREAM or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return False
    name = sock.getsockname()
    if not isinstance(name, tuple) or name[1] != address[1]:
        return False
    if sock.family == family:
        return bool(name[0] == address[0])
    # ListenStream=80 is a socket of IPv6 that takes IPv4 too.
    return (
        sock.family == socket.AF_INET6
        and name[0] == _WILDCARDS[socket.AF_INET6]
        and address[0] == _WILDCARDS[socket.AF_INET]
        and not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    )
