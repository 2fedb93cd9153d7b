"""Rooms whose members are connected to different workers."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from pathlib import Path

import psutil

from tests.cli.conftest import Start

from .conftest import CHAT, Clients, Running, eventually, get, until, workers_of


def chat(start: Start, tmp_path: Path) -> tuple[Running, int]:
    """Two workers, two apps."""
    (tmp_path / "chat.js").write_text(CHAT)
    apps = [{"name": name, "path": "chat.js"} for name in ("app", "other")]
    (tmp_path / "nano.json").write_text(json.dumps({"port": 0, "watch": False, "apps": apps}))
    running = start("serve", "--config", "nano.json", "--workers", "2")
    port = running.port()
    until(lambda: sum("listening" in line for line in running.err) == 2)
    return running, port


def clients_of(worker: psutil.Process) -> set[int]:
    """The ports of its clients."""
    return {each.raddr.port for each in worker.net_connections("tcp") if each.raddr}


def test_a_worker_that_starts_with_the_last_good_configuration_is_in_the_rooms_as_well(
    start: Start, tmp_path: Path
) -> None:
    """Its first attempt, for a port that cannot be had, had met the others already."""
    running, port = chat(start, tmp_path)
    file = tmp_path / "nano.json"
    document = json.loads(file.read_text())

    async def talk() -> None:
        async with Clients(port) as clients:
            one, two = await clients.enter_all(2)
            mine = two.socket.local_address[1]
            (victim,) = [process for process in workers_of(running) if mine in clients_of(process)]
            with socket.create_server(("127.0.0.1", 0)) as taken:
                document["admin"] = {"port": taken.getsockname()[1]}
                document["apps"].append({"name": "own", "path": "chat.js", "port": taken.getsockname()[1]})
                file.write_text(json.dumps(document))
                victim.kill()
                await asyncio.to_thread(running.wait_for, "the configuration on disk cannot be used")
            new = await clients.enter_where(lambda member: member.worker != one.worker)
            await one.socket.send("welcome")
            assert await new.next() == "welcome"
            await new.socket.send("thanks")
            assert await one.next() == "thanks"

    asyncio.run(talk())
    end(running)


async def _count(port: int, app: str = "app") -> int:
    _, text = await asyncio.to_thread(get, port, "/count", app)
    return int(json.loads(text)[1])


def end(running: Running) -> None:
    running.signal(signal.SIGTERM)
    assert running.end().code == 0


def test_a_room_reaches_over_workers_and_not_over_apps(start: Start, tmp_path: Path) -> None:
    running, port = chat(start, tmp_path)

    async def talk() -> None:
        async with Clients(port) as clients:
            one, two = await clients.enter_all(2)
            strangers = await clients.enter_all(2, "other")

            async def all_know() -> bool:
                return {await _count(port) for _ in range(8)} == {2}

            await eventually(all_know)
            # In order, whole and unchanged, also what is larger than any buffer.
            texts = [str(number) for number in range(500)] + ["ü€😀", "x" * 900_000]
            for text in texts:
                await one.socket.send(text)
            assert [await two.next() for _ in texts] == texts
            await two.socket.send(b"\0\xff")
            assert await one.socket.recv() == b"\0\xff", "its own messages did not come back, and bytes are bytes"
            status, text = await asyncio.to_thread(get, port, "/publish?text=from+a+request")
            assert (status, text) == (200, "2"), "the members of both workers count"
            assert [await one.next(), await two.next()] == ["from a request"] * 2
            await asyncio.to_thread(get, port, "/publish?text=own", "other")
            assert [await stranger.next() for stranger in strangers] == ["own"] * 2
            await two.socket.close()

            async def one_left() -> bool:
                return {await _count(port) for _ in range(4)} == {1}

            await eventually(one_left)

    asyncio.run(talk())
    end(running)


def test_a_worker_that_dies_costs_the_members_of_others_nothing(start: Start, tmp_path: Path) -> None:
    running, port = chat(start, tmp_path)

    async def talk() -> None:
        async with Clients(port) as clients:
            one, two = await clients.enter_all(2)
            talker = await clients.enter_where(lambda member: member.worker == one.worker)
            mine = two.socket.local_address[1]
            (victim,) = [process for process in workers_of(running) if mine in clients_of(process)]
            got: list[str] = []

            async def listen() -> None:
                while not got or got[-1] != "end":
                    got.append(await one.next())

            listening = asyncio.create_task(listen())
            for number in range(2000):
                await talker.socket.send(str(number))
                if number == 700:
                    victim.kill()
                if number % 100 == 0:
                    await asyncio.sleep(0.001)
            await talker.socket.send("end")
            await listening
            assert got == [*map(str, range(2000)), "end"]
            running.wait_for("killed by SIGKILL")

            # The one that takes its place has joined before it takes clients.
            new = await clients.enter_where(lambda member: member.worker != one.worker)
            await talker.socket.send("welcome")
            assert await new.next() == "welcome"

            async def counted() -> bool:
                return {await _count(port) for _ in range(4)} == {3}

            await eventually(counted)

    asyncio.run(talk())
    end(running)
