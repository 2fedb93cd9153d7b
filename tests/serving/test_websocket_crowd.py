"""Many WebSocket clients of a real app: a crowd that chats and vanishes, and ten thousand that say nothing."""

from __future__ import annotations

import gc
import http.client
import json
import os
import random
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import psutil
import pytest
import trio

from nano_trio.web.websocket_frames import CLOSE, PING, PONG, TEXT
from tests.web.apps import Reply
from tests.web.sockets import SocketClient, masked
from tests.web.websocket_clients import allow_files, resident_kb

from .conftest import Site, SiteMaker

CHAT = """
import { rooms } from "nano:rooms";
let open = 0, opened = 0, closed = 0;
export default {
  fetch(request, env, ctx) {
    if (new URL(request.url).pathname === "/count") {
      const members = {};
      for (let n = 0; n < 8; n++) members[n] = rooms.count(`room ${n}`);
      return Response.json({ open, opened, closed, members });
    }
    return ctx.upgrade(request);
  },
  websocket: {
    open() { open += 1; opened += 1; },
    message(ws, text) {
      const [verb, room, ...rest] = text.split("|");
      if (verb === "join") { ws.subscribe(room); ws.send("joined|" + room); }
      if (verb === "leave") ws.unsubscribe(room);
      if (verb === "say") ws.publish(room, ["said", room, ...rest].join("|"));
    },
    close() { open -= 1; closed += 1; },
  },
};
"""
CLIENTS = 1000
STAYING = 80
ROOMS = 8
WORDS = 6


class Chatter:
    """A client that says things in its room and notes what it hears."""

    def __init__(self, number: int, client: SocketClient) -> None:
        self.number = number
        self.room = f"room {number % ROOMS}"
        self.client = client
        self.heard: dict[str, list[int]] = defaultdict(list)
        """Numbers said, by who said them."""
        self.said = 0

    async def join(self) -> None:
        await self._tell(f"join|{self.room}")
        assert await self._hear() == f"joined|{self.room}"

    async def say(self) -> None:
        await self._tell(f"say|{self.room}|{self.number}|{self.said}")
        self.said += 1

    async def _tell(self, text: str) -> None:
        await self.client.send(masked(0x80 | TEXT, text.encode()))

    async def _hear(self) -> str:
        """The next message. Where others have the machine, Pings are due before all is said."""
        while (frame := await self.client.frame()).opcode == PING:
            await self.client.send(masked(0x80 | PONG, frame.payload))
        assert frame.opcode == TEXT
        return frame.payload.decode()

    async def listen(self) -> None:
        while True:
            verb, room, who, number = (await self._hear()).split("|")
            assert (verb, room) == ("said", self.room), "another room's message"
            self.heard[who].append(int(number))


async def _count(site: Site) -> dict[str, object]:
    found: dict[str, object] = json.loads((await site.get("chat", "/count")).body)
    return found


async def _is_open(site: Site, count: int) -> bool:
    return (await _count(site))["open"] == count


async def _settles(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask until it is true."""
    while not await condition():  # noqa: ASYNC110
        await trio.sleep(0.05)


async def _connect(site: Site) -> SocketClient:
    client = SocketClient(await trio.open_tcp_stream("127.0.0.1", site.port))
    reply: Reply = await client.shake(host="chat")
    assert reply.status == 101, reply.body
    return client


async def test_a_crowd_chats_and_vanishes(serve: SiteMaker) -> None:
    """Nobody who stays misses a word, hears one twice or out of order; nothing is left of who vanished."""
    chance = random.Random(6455)
    async with serve({"chat": CHAT}) as site:
        await _count(site)
        gc.collect()
        files = len(os.listdir("/proc/self/fd"))
        tasks = trio.lowlevel.current_statistics().tasks_living
        staying = [Chatter(number, await _connect(site)) for number in range(STAYING)]
        passing = list(range(STAYING, CLIENTS))
        chance.shuffle(passing)
        joined = trio.Event()
        places = trio.CapacityLimiter(120)

        async def pass_by(number: int) -> None:
            """Join, chat, listen a little, vanish: at any moment, in any way."""
            async with places:
                client = await _connect(site)
                chatter = Chatter(number, client)
                fate = chance.randrange(5)
                if fate:
                    await chatter.join()
                for _ in range(chance.randrange(4) if fate else 0):
                    await chatter.say()
                    await trio.sleep(0.01 * chance.random())
                if fate == 1:
                    await client.send(masked(0x80 | TEXT, b"say|half a frame")[:-5])
                elif fate == 2:
                    client.stream.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER: a reset
                elif fate == 3:
                    await client.send(masked(0x80 | CLOSE, b"\x03\xe9"))
                client.stream.socket.close()

        async def stay(chatter: Chatter) -> None:
            await joined.wait()
            for _ in range(WORDS):
                await chatter.say()
                await trio.sleep(0.1 * chance.random())

        with trio.fail_after(120):
            for chatter in staying:
                await chatter.join()
            async with trio.open_nursery() as listening:
                for chatter in staying:
                    listening.start_soon(chatter.listen)
                joined.set()
                async with trio.open_nursery() as nursery:
                    for chatter in staying:
                        nursery.start_soon(stay, chatter)
                    for number in passing:
                        nursery.start_soon(pass_by, number)
                everyone = {room: [c for c in staying if c.room == f"room {room}"] for room in range(ROOMS)}
                await _settles(lambda: _is_open(site, STAYING))
                # One last word each; when it is heard, all before it was, or is lost.
                for chatter in staying:
                    await chatter.say()

                async def all_heard() -> bool:
                    return all(
                        other.heard[str(chatter.number)][-1:] == [WORDS]
                        for members in everyone.values()
                        for chatter in members
                        for other in members
                        if other is not chatter
                    )

                await _settles(all_heard)
                listening.cancel_scope.cancel()
            counted = await _count(site)
            assert (counted["opened"], counted["closed"]) == (CLIENTS, CLIENTS - STAYING)
            assert counted["members"] == {str(room): STAYING // ROOMS for room in range(ROOMS)}
            for chatter in staying:
                mates = {str(other.number) for other in everyone[chatter.number % ROOMS]} - {str(chatter.number)}
                assert {who: chatter.heard[who] for who in mates} == {who: list(range(WORDS + 1)) for who in mates}
                for heard in chatter.heard.values():  # of those who left: some beginning of what they said
                    assert heard == list(range(len(heard)))
            for chatter in staying:
                chatter.client.stream.socket.close()
            await _settles(lambda: _is_open(site, 0))
            assert (await _count(site))["members"] == {str(room): 0 for room in range(ROOMS)}
            # The HTTP client's connection is all that is left.

            async def is_alone() -> bool:
                return bool(site.hosting.server.connections <= 1)

            await _settles(is_alone)
        assert trio.lowlevel.current_statistics().tasks_living <= tasks
        assert len(os.listdir("/proc/self/fd")) <= files


COUNT = 10_000
MOST_MB = 250


@pytest.fixture
def idle_server(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """``nano-trio serve`` with the chat, in a process of its own that may open enough files."""
    (tmp_path / "index.js").write_text(CHAT)
    # The clients answer no Ping, and where others have the machine, the first are due before the last is there.
    chat = {"name": "chat", "path": str(tmp_path), "preload": True, "websocket_ping_timeout_s": 0}
    config = {"port": 0, "apps": [chat]}
    (tmp_path / "nano.json").write_text(json.dumps(config))
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "nano_trio", "serve", "--config", str(tmp_path / "nano.json")],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def test_ten_thousand_idle_connections_take_little_memory(idle_server: subprocess.Popen[str]) -> None:
    """Less than 250 MB for all processes together: the server with its app, and the clients."""
    allow_files(COUNT + 200)  # both processes inherit it
    assert idle_server.stdout is not None
    port = 0
    for line in idle_server.stdout:
        if " listening on http://" in line:
            port = int(line.rstrip("\n/").rpartition(":")[2])
            break
    command = [sys.executable, "-m", "tests.web.websocket_clients", str(port), str(COUNT), "chat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as clients:
        assert clients.stdout is not None
        assert clients.stdin is not None
        try:
            word, _, kilobytes = clients.stdout.readline().partition(" ")
            assert word == "open"
            server_kb = sum(resident_kb(pid) for pid in _tree(idle_server.pid))
            asking = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            asking.request("GET", "/count", headers={"Host": "chat"})
            assert json.loads(asking.getresponse().read())["open"] == COUNT
            asking.close()
            assert server_kb + int(kilobytes) < MOST_MB * 1024, f"{server_kb} kB + {kilobytes} kB"
        finally:
            clients.kill()
    # All gone, and noticed.
    idle_server.send_signal(signal.SIGTERM)
    assert idle_server.wait(30) == 0


def _tree(pid: int) -> list[int]:
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
