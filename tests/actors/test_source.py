"""Code that takes long to load is read beside everything else."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
import trio

from nano_trio.actors import source
from nano_trio.actors.endings import NotLoaded
from nano_trio.engine.native_calls import enters
from nano_trio.engine.preparation import aside

from .conftest import HouseMaker
from .test_starts import request

HELLO = "export default { fetch: () => new Response('hello') };"


class Tool:
    """Makes apps slow to load: what a thread does for them takes until :meth:`finish`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._finished = threading.Event()
        self.waits: list[bool] = []
        """For each load, whether it could be waited for: what the event loop reads, nobody finishes."""
        load_app = source.load_app

        @enters
        def load_slowly(app: str, *args: Any) -> Any:
            if app.endswith("/slow.js"):
                self.waits.append(aside(lambda: self._finished.wait(5)))
            return load_app(app, *args)

        monkeypatch.setattr(source, "load_app", load_slowly)

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


@pytest.mark.parametrize("in_thread", [False, True])
async def test_what_cannot_be_read_costs_its_app_the_start_and_nobody_else(
    house: HouseMaker, monkeypatch: pytest.MonkeyPatch, in_thread: bool
) -> None:
    """Several that come in one pass start out of the CPU scheduler's slices, where nothing may be raised."""
    load_app = source.load_app

    def fail() -> None:
        raise LookupError("a slip")

    @enters
    def slip(app: str, *args: Any) -> Any:
        if app.endswith("/slip.js"):
            aside(fail) if in_thread else fail()
        return load_app(app, *args)

    monkeypatch.setattr(source, "load_app", slip)
    # A file's name has no null character.
    null = "export default (;\n//# sourceMappingURL=%00.map"
    large = {"source": f"export const text = '{'x' * (50 << 20)}'; {HELLO}", "memory_mb": 1}
    named: dict[str, Any] = {"null": null, "large": large, "slip": HELLO, "neighbour": HELLO}
    async with house(named) as apps:
        tree = apps.registry.supervisor.tree
        names = ["neighbour", *named, *named]
        exchanges = [apps.app(name).begin(request(name)) for name in names]
        with trio.fail_after(20):
            statuses = {(name, (await each.wait()).status) for name, each in zip(names, exchanges, strict=True)}
        for exchange in exchanges:
            exchange.finish()
        assert statuses == {("neighbour", 200), ("null", 503), ("large", 503), ("slip", 503)}
        assert "null.js:1:17: SyntaxError" in (apps.app("null").last_error or "")
        # Code that the compiler and the heap have taken is read to its end (engine/builtins_compiling.c).
        outgrown = r" outgrew memory_mb \(1 MB\)$"
        assert re.search(outgrown, apps.app("large").last_error or "")
        assert apps.app("slip").last_error == "cannot load: an internal error (LookupError)"
        assert {child["restarts"] for child in tree()["children"]} == {0}
        for name in ("null", "large", "slip"):
            with pytest.raises(NotLoaded, match=outgrown if name == "large" else "^cannot load: "):
                await apps.app(name).prepare(apps.app(name).settings)
        logged = [line["event"] for line in apps.logs if "exc_info" in line]
        assert set(logged) == {"internal error where an app's code is read"}
