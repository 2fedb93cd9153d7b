"""A worker's side, in this process, with the parent played by the test."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpcore
import pytest
import structlog
import trio
import trio.testing

from nano_trio import __version__
from nano_trio.config import Config, ConfigError, from_document
from nano_trio.parent.channel import VERSION, Channel, Message
from nano_trio.parent.sockets import bind_all
from nano_trio.parent.turn_record import make_record, running_app
from nano_trio.web.hosting import Hosting
from nano_trio.web.lifetime import serve_until_signal
from nano_trio.web.parent_link import ParentError, ParentLink

REASON = "its code was running when the server process was killed by SIGSEGV"


class Parent:
    """The other end."""

    def __init__(self, **welcome: object) -> None:
        ours, theirs = socket.socketpair()
        self.channel = Channel(ours)
        self.record = make_record()
        self._arrived: list[Message] = []
        self.heard: list[str] = []
        document: dict[str, object] = {
            "version": VERSION,
            "package": __version__,
            "worker": 0,
            "workers": 1,
            "announce": True,
        }
        document |= {"quarantined": {}, "closed": []}
        self.channel.send("welcome", **{**document, **welcome})
        self._theirs = theirs.detach()

    def link(self) -> ParentLink:
        return ParentLink(self._theirs, os.dup(self.record))

    async def next(self, type_: str) -> Message:
        """The next message of that type. What comes before it is answered as the parent does: a worker's parts speak
        when they come to it, so only messages of one part have an order."""
        while (message := await self._message())["type"] != type_:
            match message["type"]:
                case "open":
                    self._open(message)
                case "close":
                    self.channel.send("closed", id=message["id"])
                case "turn":
                    self.channel.send("turn", id=message["id"])
        return message

    def _open(self, message: Message) -> None:
        wanted = [(family, tuple(address)) for family, address in message["addresses"]]
        sockets = bind_all(wanted, message["backlog"])
        self.channel.send("opened", [sock.fileno() for sock in sockets], id=message["id"])
        for sock in sockets:
            sock.close()

    async def _message(self) -> Message:
        with trio.fail_after(10):
            while not self._arrived:
                await trio.lowlevel.wait_readable(self.channel.sock)
                self._arrived += self.channel.receive()
        self.heard.append(self._arrived[0]["type"])
        return self._arrived.pop(0)

    async def open_without_descriptors(self) -> None:
        """Answer the next request for a place so."""
        message = await self.next("open")
        self.channel.send("opened", id=message["id"])

    def close(self) -> None:
        self.channel.close()
        os.close(self.record)


@asynccontextmanager
async def serving(
    parent: Parent, folder: Path, **more: Any
) -> AsyncIterator[tuple[Hosting, httpcore.AsyncConnectionPool]]:
    (folder / "hello.js").write_text("export default () => new Response('hello')")
    apps = [{"name": name, "path": str(folder / "hello.js"), "preload": True} for name in ("one", "two")]
    config = from_document({"port": 0, "state_dir": str(folder / "state"), "apps": apps}, environ={})
    begun: list[Hosting] = []
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            await serve_until_signal(
                config, dev=False, access_log=False, started=begun.append, link=parent.link(), **more
            )

        nursery.start_soon(run)
        ready = await parent.next("ready")
        assert (ready["drain_timeout_s"], ready["quarantine_window_s"], ready["log_format"]) == (30, 600, "text")
        async with httpcore.AsyncConnectionPool() as pool:
            yield begun[0], pool
        parent.channel.send("end", signal="SIGTERM")
    parent.close()


async def get(pool: httpcore.AsyncConnectionPool, hosting: Hosting, app: str) -> tuple[int, str]:
    response = await pool.request("GET", f"http://127.0.0.1:{hosting.server.port}/", headers={"Host": app})
    return response.status, response.content.decode().strip()


async def test_quarantined_apps_are_not_run_and_lifting_it_serves_them(tmp_path: Path) -> None:
    parent = Parent(quarantined={"one": REASON})
    async with serving(parent, tmp_path) as (hosting, pool):
        assert await get(pool, hosting, "one") == (503, f"Service Unavailable: the app is quarantined: {REASON}")
        assert await get(pool, hosting, "two") == (200, "hello")
        assert hosting.quarantined() == {"one": REASON}
        assert not hosting.registry.apps["one"].account.turns
        assert not hosting.lift("two")
        assert hosting.lift("one")
        assert (await parent.next("lift"))["app"] == "one"
        parent.channel.send("quarantined", apps={})
        assert await get(pool, hosting, "one") == (200, "hello")
        assert hosting.quarantined() == {}


async def test_an_app_that_crashed_another_worker_stops_here_too(tmp_path: Path) -> None:
    parent = Parent(workers=2)
    async with serving(parent, tmp_path) as (hosting, pool):
        assert await get(pool, hosting, "one") == (200, "hello")
        parent.channel.send("quarantined", apps={"one": REASON})
        await trio.testing.wait_all_tasks_blocked(0.02)
        assert hosting.quarantined() == {"one": REASON}
        assert hosting.registry.apps["one"].memory_used == 0, "its isolate is gone"
        assert (await get(pool, hosting, "one"))[0] == 503
        assert await get(pool, hosting, "two") == (200, "hello")


async def test_what_was_drained_before_it_started_stays_so_until_it_is_restarted(tmp_path: Path) -> None:
    parent = Parent(closed=["one", "gone"])
    # While it starts, another worker is told otherwise.
    parent.channel.send("doors", closed=["two", "gone"])
    async with serving(parent, tmp_path) as (hosting, pool):
        assert await get(pool, hosting, "one") == (200, "hello")
        assert (await get(pool, hosting, "two"))[0] == 503
        assert not hosting.registry.apps["two"].account.turns, "preload is for apps that are to serve"
        await hosting.undrain_app("two")
        assert await get(pool, hosting, "two") == (200, "hello")
        message = await parent.next("doors")
        assert (message["apps"], message["closed"]) == (["two"], False)
        await hosting.drain_app("one")
        message = await parent.next("doors")
        assert (message["apps"], message["closed"]) == (["one"], True)


async def test_an_app_that_is_removed_takes_its_drain_along(tmp_path: Path) -> None:
    parent = Parent(closed=["one"])
    async with serving(parent, tmp_path) as (hosting, pool):
        await hosting.remove_app("one")
        message = await parent.next("doors")
        assert (message["apps"], message["closed"]) == (["one"], False)
        await hosting.add_app({"name": "one", "path": str(tmp_path / "hello.js")})
        assert await get(pool, hosting, "one") == (200, "hello")


async def test_the_mark_stands_for_the_app_while_its_turn_runs(tmp_path: Path) -> None:
    parent = Parent()
    async with serving(parent, tmp_path) as (hosting, pool):
        names = set()
        scheduler = hosting.registry.scheduler
        mark = scheduler.mark

        class Spy:
            def __setitem__(self, index: int, number: int) -> None:
                mark[index] = number
                names.add(running_app(parent.record))

        for app in hosting.registry.apps.values():
            assert app._current is not None
            app._current._environment.isolate._mark = Spy()
        assert running_app(parent.record) is None
        await get(pool, hosting, "two")
        assert names == {"two", None}
        assert running_app(parent.record) is None


async def test_a_worker_without_room_for_another_s_socket_serves_on(tmp_path: Path) -> None:
    """Its descriptors were dropped by the system, as when too many files are open."""
    parent = Parent(workers=2)
    with structlog.testing.capture_logs() as logs:
        async with serving(parent, tmp_path) as (hosting, pool):
            parent.channel.send("peer", worker=1)
            assert await get(pool, hosting, "one") == (200, "hello")
            parent.channel.send("ping")
            await parent.next("pong")
            assert hosting.link is not None
            async with trio.open_nursery() as nursery:
                nursery.start_soon(parent.open_without_descriptors)
                with pytest.raises(OSError, match="Too many open files"):
                    await hosting.link.open("http", "127.0.0.2", 0, 1)
    assert [line["peer"] for line in logs if line["log_level"] == "error"] == [1]


async def test_the_parent_has_the_configuration_before_the_worker_finds_its_file_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who breaks the file, reads of it in the log and kills the worker leaves its successor something to run with."""
    order: list[str] = []
    link_keep, refused = ParentLink.keep, Hosting._refused
    monkeypatch.setattr(ParentLink, "keep", lambda self, text: order.append("kept") or link_keep(self, text))
    monkeypatch.setattr(Hosting, "_refused", lambda self, *why: order.append("refused") or refused(self, *why))
    # With many apps it takes a thread, here a slow one.
    monkeypatch.setattr("nano_trio.web.hosting._KEPT_AT_ONCE", 0)
    monkeypatch.setattr("nano_trio.web.hosting.keep", lambda config: time.sleep(0.3) or "text")

    def broken() -> Config:
        raise ConfigError("broken")

    file = tmp_path / "nano.json"
    file.write_text("changed since it was read")
    parent = Parent()
    async with serving(parent, tmp_path, source=broken, watched=[file], seen=[b"another"]):
        await parent.next("keep")
        with trio.fail_after(10):
            while "refused" not in order:  # noqa: ASYNC110 - nobody sets an event
                await trio.sleep(0.01)
    assert order == ["kept", "refused"]
    assert [type_ for type_ in parent.heard if type_ in ("keep", "ready")] == ["ready", "keep"]


async def test_without_its_parent_a_worker_drains(tmp_path: Path) -> None:
    parent = Parent()
    async with serving(parent, tmp_path) as (hosting, pool):
        assert await get(pool, hosting, "one") == (200, "hello")
        assert not hosting.draining
        parent.channel.sock.shutdown(socket.SHUT_RDWR)
        with trio.fail_after(10):
            await hosting.server.over.wait()
        assert hosting.draining
        with pytest.raises(OSError, match="attempts to connect"):
            await trio.open_tcp_stream("127.0.0.1", hosting.server.port)


def test_a_parent_of_another_version_is_told_about() -> None:
    parent = Parent(version=VERSION + 1)
    with pytest.raises(ParentError, match="was upgraded while it ran"):
        parent.link()
    (unfit,) = parent.channel.receive()
    assert (unfit["type"], unfit["package"]) == ("unfit", __version__)
    parent.close()


def test_a_parent_that_is_gone_is_told_about() -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    with pytest.raises(ParentError, match="is gone"):
        ParentLink(theirs.detach(), make_record())
