"""Where listening sockets come from: this process opens its own, a worker asks its parent (``parent_link``)."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal, Protocol

import trio

from nano_trio.engine.threads import NoThread
from nano_trio.parent.sockets import HeldSockets, Key

__all__ = ["OwnSockets", "Scheme", "SocketSource", "kept_free", "resolve"]

Scheme = Literal["http", "https", "admin"]


class SocketSource(Protocol):
    """Opens the places of a configuration."""

    async def open(
        self, scheme: Scheme, host: str | None, port: int, backlog: int, leaving: Sequence[Key] = ()
    ) -> list[socket.socket]:
        """Listen on every address of ``host``; the sockets are the caller's. Raises OSError.

        ``leaving``: places that the caller will :meth:`leave` next, and that may have the same port.
        """

    async def leave(self, scheme: Scheme, host: str | None, port: int) -> None:
        """The configuration has this place no longer. The caller accepts there until this returns, and after it what
        still waits; then it closes what it got. See :mod:`nano_trio.parent.sockets`."""

    def close(self, scheme: Scheme, host: str | None, port: int) -> None:
        """The caller has closed what it got for this place, where it never accepted."""

    def end(self) -> None:
        """The caller is about to leave all places, to accept what still waits, and to end."""


class OwnSockets:
    """The sockets of a process without a parent."""

    def __init__(self) -> None:
        self._held = HeldSockets(copied=False)

    async def open(
        self, scheme: Scheme, host: str | None, port: int, backlog: int, leaving: Sequence[Key] = ()
    ) -> list[socket.socket]:
        addresses = await resolve(host, port)
        return list(self._held.open(0, (scheme, host, port), addresses, backlog, leaving))

    async def leave(self, scheme: Scheme, host: str | None, port: int) -> None:
        self.close(scheme, host, port)

    def close(self, scheme: Scheme, host: str | None, port: int) -> None:
        self._held.close(0, (scheme, host, port))

    def end(self) -> None:
        self._held.close_all()


async def resolve(host: str | None, port: int) -> list[tuple[int, tuple[Any, ...]]]:
    """The addresses that ``host`` stands for (None: all of IPv4 and IPv6), each with its family; IPv4 first.

    Raises OSError where there is none, and for a name where no thread can be had to look it up.
    """
    try:
        infos = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except RuntimeError:  # Python's, for a thread that cannot be started
        raise NoThread from None
    addresses = {(int(family), address) for family, _, _, _, address in infos}
    if not addresses:
        raise OSError(f"no address to listen on for host {host!r}")
    return sorted(addresses, key=lambda each: each[0])


@contextlib.asynccontextmanager
async def kept_free(host: str, port: int | None) -> AsyncIterator[None]:
    """While inside, nobody who takes any port is given this one. Where there is none, or it cannot be had now, nothing
    is done."""
    with contextlib.ExitStack() as bound:
        with contextlib.suppress(OSError):
            for family, address in await resolve(host, port) if port else ():
                sock = bound.enter_context(socket.socket(family, socket.SOCK_STREAM))
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(address)
        yield
