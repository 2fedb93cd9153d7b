"""Code that takes long to load is read beside everything else."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import trio

from nano_trio.actors import source
from nano_trio.engine.modules import AppFiles

from .conftest import HouseMaker

HELLO = "export default { fetch: () => new Response('hello') };"


class Tool:
    """Makes apps slow to load: until :meth:`finish`, on whatever thread they are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._finished = threading.Event()
        self.waits: list[bool] = []
        """For each load, whether it could be waited for: what the event loop reads, nobody finishes."""
        load_app = source.load_app

        def load_slowly(app: Path | AppFiles, *args: Any) -> Any:
            if (app if isinstance(app, AppFiles) else AppFiles.at(app)).slow:
                self.waits.append(self._finished.wait(5))
            return load_app(app, *args)

        monkeypatch.setattr(source, "load_app", load_slowly)
        monkeypatch.setattr(AppFiles, "slow", property(lambda files: files.main == "slow.js"))

    def finish(self) -> None:
        self._finished.set()


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Tool:
    return Tool(monkeypatch)


async def test_neighbours_are_served_meanwhile_and_all_who_wait_afterwards(house: HouseMaker, tool: Tool) -> None:
    async with house({"slow": HELLO, "neighbour": HELLO}) as apps:
        statuses: list[int] = []

        async def ask() -> None:
            statuses.append((await apps.ask("slow")).status)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            nursery.start_soon(ask)
            assert (await apps.ask("neighbour")).status == 200
            assert statuses == []
            tool.finish()
        assert statuses == [200, 200]
        assert tool.waits == [True]


async def test_what_is_wrong_is_told_once_and_the_files_are_read_anew(house: HouseMaker, tool: Tool) -> None:
    tool.finish()
    async with house({"slow": "export default {"}) as apps:
        assert (await apps.ask("slow")).status == 503
        assert "cannot load" in (apps.app("slow").last_error or "")
        apps.rewrite("slow", HELLO)
        assert (await apps.ask("slow")).status == 200


async def test_a_quarantined_app_is_read_so_that_its_change_is_noticed(house: HouseMaker, tool: Tool) -> None:
    async with house({"slow": HELLO, "neighbour": HELLO}) as apps:
        apps.registry.quarantine({"slow": "it crashed the engine"})
        assert (await apps.ask("neighbour")).status == 200
        tool.finish()
        code = apps.app("slow").source
        with trio.fail_after(5):
            while code.code is None:  # noqa: ASYNC110
                await trio.sleep(0.001)
        assert tool.waits == [True]
        assert not code.is_stale
        apps.rewrite("slow", HELLO + "// another")
        assert code.is_stale
        assert (await apps.ask("slow")).status == 503
