"""Servers of several workers: real processes and real clients, told apart by what the app says of itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from websockets.asyncio.client import ClientConnection, connect

from tests.cli.conftest import Running, app, get, start
from tests.parent.conftest import until, workers_of

__all__ = [
    "CHAT",
    "Clients",
    "Member",
    "Running",
    "app",
    "eventually",
    "get",
    "start",
    "until",
    "workers_of",
]

CHAT = """
import { count, publish } from "nano:rooms";
const me = crypto.randomUUID();
export default {
  fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/count") return Response.json([me, count("r")]);
    if (pathname === "/publish") return Response.json(publish("r", searchParams.get("text")));
    if (pathname === "/me") return new Response(me);
    return ctx.upgrade(request);
  },
  websocket: {
    open(ws) { ws.subscribe("r"); ws.send(me); },
    message(ws, text) { ws.publish("r", text); },
  },
};
"""


class Member:
    """A client in the room ``r``."""

    def __init__(self, socket: ClientConnection, worker: str) -> None:
        self.socket = socket
        self.worker = worker
        """What its worker's app calls itself."""

    async def next(self) -> str:
        async with asyncio.timeout(20):
            text = await self.socket.recv()
        assert isinstance(text, str)
        return text


class Clients:
    """Members of one server's rooms. Leaves nothing open at the end of its ``async with``."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._all: list[Member] = []

    async def __aenter__(self) -> Clients:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(member.socket.close() for member in self._all))

    async def enter(self, app: str = "app") -> Member:
        """Connect, wherever that leads."""
        socket = await connect(f"ws://{app}/", host="127.0.0.1", port=self._port, max_size=None, max_queue=None)
        member = Member(socket, "")
        self._all.append(member)
        member.worker = await member.next()
        return member

    async def enter_where(self, wanted: Callable[[Member], bool], app: str = "app") -> Member:
        """Connect until it is the right worker. Who accepts a connection is left to the system."""
        while True:
            several = await asyncio.gather(*(self.enter(app) for _ in range(4)))
            found = [member for member in several if wanted(member)][:1]
            await asyncio.gather(*(member.socket.close() for member in several if member not in found))
            if found:
                return found[0]

    async def enter_all(self, workers: int, app: str = "app") -> list[Member]:
        """A member for every worker."""
        members: list[Member] = []
        seen: set[str] = set()
        while len(members) < workers:
            members.append(await self.enter_where(lambda member: member.worker not in seen, app))
            seen.add(members[-1].worker)
        return members


async def eventually(look: Callable[[], Awaitable[bool]]) -> None:
    """Look again and again until it is so."""
    async with asyncio.timeout(20):
        while not await look():  # noqa: ASYNC110 - nobody sets an event
            await asyncio.sleep(0.01)
