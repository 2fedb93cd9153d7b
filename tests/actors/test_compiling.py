"""An app's code may take long to compile: others are served meanwhile, and it is stopped at a limit, as its turns are.

The engine's parser looks through all variables of a block for each, so a file of some hundred kilobytes takes seconds.
"""

from __future__ import annotations

import functools
import math
import time
from pathlib import Path
from typing import Any

import attrs
import greenlet
import pytest
import quickjs
import trio

from nano_trio.actors import app as app_module
from nano_trio.actors.endings import NotLoaded
from nano_trio.actors.exchange import AppExchange
from nano_trio.actors.scratch import try_load
from nano_trio.engine import preparation, runners, turnstile
from nano_trio.engine.bytecode import BytecodeCache
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.preparation import Preparation
from nano_trio.engine.scheduler import Account, CpuScheduler
from nano_trio.engine.turn import Turn

from .conftest import House, HouseMaker

pytestmark = pytest.mark.usefixtures("compiled_anew")

HELLO = "export default { fetch: () => new Response('hello') };"
LIMIT_MS = 60
GRACE_NS = 200_000_000


def block(variables: int) -> str:
    """Of so many: 10,000 take 0.5 s, and four times that for twice as many."""
    return "{" + "".join(f"let v{number};" for number in range(variables)) + "}"


LONG = f"{HELLO} {block(6000)}"
ENDLESS = f"{HELLO} {block(100_000)}"
# It is read at once, but then each use of a variable is looked for among all.
UNSTOPPABLE = f"{HELLO} {block(3000)[:-1]}{'v0;' * 500_000}}}"


@pytest.fixture
def short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "LOAD_MS", LIMIT_MS)
    for module in (preparation, turnstile):
        monkeypatch.setattr(module, "GRACE_NS", GRACE_NS)


KINDS = pytest.mark.parametrize(
    ("source", "is_left"), [(ENDLESS, False), (UNSTOPPABLE, True)], ids=["parsed", "resolved"]
)


@functools.cache
def behind_parsing_ms() -> int:
    """A limit that is over when UNSTOPPABLE has long been read, on this machine. All of it takes forty times as long."""
    began = time.thread_time()
    for part in (block(3000), f"{{let v0;{'v0;' * 500_000}}}"):
        quickjs.Runtime().new_context().compile(part, "part.js", module=True)
    return max(100, math.ceil(6e3 * (time.thread_time() - began)))


def limit_of(is_left: bool) -> int:
    return behind_parsing_ms() if is_left else LIMIT_MS


def cpu_ms(limit_ms: int, is_left: bool) -> float:
    """More than that it takes at least to stop it."""
    return limit_ms + GRACE_NS / 1e6 if is_left else limit_ms


async def test_code_is_read_in_a_greenlet_that_was_used_before(house: HouseMaker) -> None:
    """A new one has Python ask the system for a stack, and give it back: at each start of an app."""
    switched: set[greenlet.greenlet] = set()
    async with house({"one": HELLO, "two": f"{HELLO} // another", "neighbour": HELLO}) as home:
        assert (await home.ask("one")).body == b"hello"
        known = {greenlet.getcurrent(), *runners.parked.greenlets}
        before = greenlet.settrace(lambda event, pair: switched.update(pair))
        try:
            assert (await home.ask("two")).body == b"hello"
        finally:
            greenlet.settrace(before)
    assert switched
    assert switched <= known


async def served_meanwhile(home: House, *exchanges: AppExchange, least: int = 10) -> None:
    """Until these have their answers a neighbour gets its own, time and again."""
    served = 0
    with trio.fail_after(60):
        while any(exchange.response is None for exchange in exchanges):
            assert (await home.ask("neighbour")).body == b"hello"
            served += 1
            # Most of the time is theirs.
            await trio.sleep(0.001)
    assert served >= least


async def test_neighbours_are_served_while_an_app_is_compiled(house: HouseMaker) -> None:
    async with house({"long": LONG, "neighbour": HELLO}) as home:
        await home.ask("neighbour")
        exchanges = [home.begin("long") for _ in range(3)]
        await served_meanwhile(home, *exchanges)
        for exchange in exchanges:
            assert exchange.response is not None
            assert exchange.response.body == b"hello"
            exchange.finish()
        # It was compiled once, for all.
        assert home.app("long").counts.starts == 1
        assert home.app("long").account.cpu_ns > 10e6


@pytest.mark.usefixtures("short_limit")
@KINDS
async def test_one_that_takes_too_long_is_stopped_and_told_of(
    house: HouseMaker, source: str, is_left: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_ms = limit_of(is_left)
    if not is_left:
        # However long the machine takes to come to the next token.
        monkeypatch.setattr(preparation, "GRACE_NS", 60 * GRACE_NS)
    begun: list[Preparation[Any]] = []
    too_late = 0
    switch = Preparation._switch

    def watched(compiling: Preparation[Any], slice_ns: int) -> bool:
        nonlocal too_late
        begun.append(compiling)
        too_late += compiling.cpu_ns >= compiling._patience_ns
        return switch(compiling, slice_ns)

    async with house({"endless": {"source": source, "timeout_ms": limit_ms}, "neighbour": HELLO}) as home:
        await home.ask("neighbour")
        app = home.app("endless")
        monkeypatch.setattr(Preparation, "_switch", watched)
        exchange = home.begin("endless")
        await served_meanwhile(home, exchange)
        assert exchange.response is not None
        assert exchange.response.status == 503
        exchange.finish()
        why = f'cannot load "endless.js": to compile it took more than {limit_ms} ms of CPU time'
        assert app.last_error == why
        assert why in home.logged("endless")
        # At its limit it is told to end; only one that does not gets the grace too, and no slice beyond that.
        assert (begun[0]._is_left, too_late) == (is_left, 0)
        assert begun[0].cpu_ns / 1e6 >= cpu_ms(limit_ms, is_left)
        # The rest is what it took to give back its memory.
        assert begun[0].cpu_ns <= app.account.cpu_ns < 2 * begun[0].cpu_ns
        # What is mended is read anew.
        home.rewrite("endless", HELLO)
        assert (await home.ask("endless")).body == b"hello"


@pytest.mark.usefixtures("short_limit")
async def test_a_new_version_that_takes_too_long_leaves_the_old_one_serving(house: HouseMaker) -> None:
    async with house({"app": {"source": HELLO, "timeout_ms": LIMIT_MS}, "neighbour": HELLO}) as home:
        assert (await home.ask("app")).body == b"hello"
        home.rewrite("app", ENDLESS)
        # What else the machine has to do may make one of its own turns a long one.
        for _ in range(5):
            for _ in range(20):
                assert (await home.ask("app")).body == b"hello"
            assert await served_while_it_is_prepared(home) >= 20
            if home.app("app").prompt:
                return
        raise AssertionError("its record is the new version's")


async def served_while_it_is_prepared(home: House) -> int:
    """How many requests the version that serves answers until the new one has failed."""
    served = 0
    ended = trio.Event()

    async def prepare() -> None:
        with pytest.raises(NotLoaded, match=r'"app\.js": to compile it took more than'):
            await home.app("app").prepare(home.app("app").settings)
        ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(prepare)
        while not ended.is_set():
            assert (await home.ask("app")).body == b"hello"
            served += 1
            await trio.lowlevel.checkpoint()
    return served


@pytest.mark.parametrize("end", ["close_doors", "let_go", "shutdown", "cancel"])
async def test_it_may_end_in_the_midst_of_it(house: HouseMaker, end: str) -> None:
    """Where the app is drained or removed, the reload is given up, or the server ends."""
    with trio.fail_after(60):
        async with house({"endless": ENDLESS, "neighbour": HELLO}) as home:
            await home.ask("neighbour")
            app, scheduler = home.app("endless"), home.registry.scheduler
            if end == "cancel":
                with trio.move_on_after(0.05):
                    await app.prepare(app.settings)
            else:
                exchange = home.begin("endless")
                for _ in range(20):
                    await trio.lowlevel.checkpoint()
                assert app.source.is_being_read
                assert exchange.response is None
                if end == "close_doors":
                    with trio.move_on_after(0.01):
                        await app.drain()
                elif end == "let_go":
                    await home.registry.let_go(home.registry.release("endless"))
                if end != "shutdown":
                    assert (await exchange.wait()).status == 503
                    exchange.finish()
                    assert not app.source.is_being_read
            if end != "shutdown":
                while scheduler.ends:
                    assert (await home.ask("neighbour")).body == b"hello"
                # The parser was told to end, which it does at the next word.
                assert app.account.cpu_ns < 2e9
                assert app.last_error is None
            if end == "close_doors":
                home.rewrite("endless", HELLO)
                app.open_doors()
                assert (await home.ask("endless")).body == b"hello"


async def test_what_comes_meanwhile_finds_nothing_half_done(house: HouseMaker) -> None:
    """Several with the same code are compiled at a time, each in a context that it has for itself."""
    named = {f"long{number}": LONG for number in range(4)}
    async with house({**named, "neighbour": HELLO}) as home:
        await home.ask("neighbour")
        exchanges = [home.begin(name) for name in named]
        await served_meanwhile(home, *exchanges)
        for exchange in exchanges:
            assert exchange.response is not None
            assert exchange.response.body == b"hello"
            exchange.finish()


async def test_what_is_changed_meanwhile_is_read_anew(house: HouseMaker) -> None:
    async with house({"app": LONG, "neighbour": HELLO}) as home:
        await home.ask("neighbour")
        exchange = home.begin("app")
        # Where this pass has no room left it begins in a later one.
        while not home.app("app").source.is_being_read:
            assert exchange.response is None
            await trio.lowlevel.checkpoint()
        home.rewrite("app", LONG.replace("hello", "changed"))
        home.app("app").forget_code()
        await served_meanwhile(home, exchange)
        assert exchange.response is not None
        assert exchange.response.body == b"changed"
        exchange.finish()
        assert home.app("app").counts.starts == 1


IMPORTING = """
    let caught;
    export default { async fetch(request) {
        if (request.url.endsWith("/late")) caught = await import("./late.js").then((m) => m.late, String);
        return new Response(String(caught));
    } };
"""


async def test_neighbours_are_served_while_code_is_compiled_for_import(house: HouseMaker) -> None:
    async with house(
        {"late": f"export const late = 'late'; {block(6000)}", "app": IMPORTING, "neighbour": HELLO}
    ) as home:
        await home.ask("neighbour")
        await home.ask("app")
        exchange = home.begin("app", "/late")
        await served_meanwhile(home, exchange)
        assert exchange.response is not None
        assert exchange.response.body == b"late"
        exchange.finish()


@pytest.mark.usefixtures("short_limit")
@KINDS
async def test_a_turn_whose_import_takes_too_long_is_stopped(house: HouseMaker, source: str, is_left: bool) -> None:
    limit_ms = limit_of(is_left)
    app = {"source": IMPORTING, "timeout_ms": limit_ms}
    async with house({"late": source, "app": app, "neighbour": HELLO}) as home:
        await home.ask("neighbour")
        await home.ask("app")
        exchange = home.begin("app", "/late")
        await served_meanwhile(home, exchange)
        assert exchange.response is not None
        assert exchange.response.status == 503
        exchange.finish()
        assert f"a turn used more than timeout_ms ({limit_ms} ms)" in (home.app("app").last_error or "")
        assert home.app("app").account.cpu_ns / 1e6 >= cpu_ms(limit_ms, is_left)
        assert (await home.ask("app")).body == b"undefined"


async def test_it_may_be_stopped_while_it_waits_for_an_import(house: HouseMaker) -> None:
    async with house({"late": block(100_000), "app": IMPORTING, "neighbour": HELLO}) as home:
        await home.ask("neighbour")
        for _ in range(3):
            await home.ask("app")
            exchange = home.begin("app", "/late")
            for _ in range(30):
                await trio.lowlevel.checkpoint()
            assert exchange.response is None
            home.app("app").end()
            assert (await exchange.wait()).status == 503
            exchange.finish()
            while home.registry.scheduler.ends:
                assert (await home.ask("neighbour")).body == b"hello"
        assert (await home.ask("app")).body == b"undefined"
        assert home.app("app").account.cpu_ns < 1e9


async def test_neighbours_are_served_while_code_is_read_into_an_isolate(house: HouseMaker) -> None:
    """It was compiled before, and takes its time all the same where there is much of it."""
    much = HELLO + "".join(f"function f{number}() {{}}" for number in range(16_000))
    async with house({"much": much, "neighbour": HELLO}) as home:
        await home.ask("neighbour")
        await home.ask("much")
        used = []
        for _ in range(3):
            home.app("much").end()
            before = home.app("much").account.slices
            exchange = home.begin("much")
            await served_meanwhile(home, exchange, least=2)
            assert exchange.response is not None
            assert exchange.response.body == b"hello"
            exchange.finish()
            used.append(home.app("much").account.slices - before)
        assert max(used) >= 2


@pytest.mark.usefixtures("short_limit")
async def test_the_app_is_named_to_whoever_watches_while_its_code_is_compiled(house: HouseMaker) -> None:
    async with house({"endless": {"source": ENDLESS, "timeout_ms": LIMIT_MS}, "neighbour": HELLO}) as home:
        await home.ask("neighbour")
        seen: set[int] = set()
        home.app("endless").account.number = 4711
        counter = preparation._cpu_clock

        def look() -> int:
            seen.add(home.registry.scheduler.mark[0])  # type: ignore[index]
            return counter()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(preparation, "_cpu_clock", look)
            exchange = home.begin("endless")
            await served_meanwhile(home, exchange)
            exchange.finish()
        assert 4711 in seen
        assert home.registry.scheduler.mark[0] == 0  # type: ignore[index]


async def test_check_tells_which_file_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nano_trio.actors import scratch
    from nano_trio.config import from_document

    monkeypatch.setattr(scratch, "LOAD_MS", LIMIT_MS)
    (tmp_path / "lib").mkdir()
    (tmp_path / "index.js").write_text(f"import './lib/long.js'; {HELLO}")
    (tmp_path / "lib/long.js").write_text(ENDLESS)
    config = from_document({"apps": [{"name": "app", "path": str(tmp_path), "timeout_ms": LIMIT_MS}]}, environ={})
    problem = await try_load(config.apps[0], BytecodeCache(None))
    assert problem is not None
    assert problem.file == "lib/long.js"
    assert problem.text == f"to compile it took more than {LIMIT_MS} ms of CPU time"


async def test_in_the_turn_of_another_app_it_waits_for_its_slices() -> None:
    """That turn goes on, and if the worker dies of it that app is to blame."""
    scheduler, seen = CpuScheduler(), list[object]()
    async with trio.open_nursery() as nursery:
        await nursery.start(scheduler.run)
        isolate = Isolate(scheduler, Account(7))
        means = preparation.Means(scheduler, Account(8), 1000, nursery.start_soon)
        asked = preparation.Preparation(means, lambda: seen.append(scheduler.mark[0]))
        turn = Turn(lambda: seen.extend((asked.begin(), scheduler.mark[0], scheduler.in_turn)), ())
        isolate.submit(turn)
        with trio.fail_after(10):
            while not asked.ended:
                await trio.lowlevel.checkpoint()
        isolate.close()
        nursery.cancel_scope.cancel()
    assert turn.stopped is None
    assert seen == [False, 7, True, 8]


@pytest.mark.usefixtures("short_limit")
async def test_what_was_left_is_not_compiled_again_unless_it_may_take_longer(house: HouseMaker) -> None:
    """Each time some memory would stay."""
    limit_ms = behind_parsing_ms()
    source = {"source": UNSTOPPABLE + "// once", "timeout_ms": limit_ms}
    async with house({"app": source, "neighbour": HELLO}) as home:
        app = home.app("app")
        used = []
        for _ in range(3):
            before = app.account.cpu_ns
            assert (await home.ask("app")).status == 503
            used.append((app.account.cpu_ns - before) / 1e6)
            assert f'"app.js": to compile it took more than {limit_ms} ms' in (app.last_error or "")
        assert used[0] > cpu_ms(limit_ms, True)
        assert max(used[1:]) < 100
        app.take(attrs.evolve(app.settings, timeout_ms=limit_ms + 50))
        assert (await home.ask("app")).status == 503
        assert app.account.cpu_ns / 1e6 - sum(used) > cpu_ms(limit_ms, True)


@pytest.mark.usefixtures("no_collections")
async def test_what_it_takes_to_read_code_is_not_held_against_it(house: HouseMaker) -> None:
    """But what its module does is."""
    functions = "".join(f"function f{number}() {{}}" for number in range(30_000))
    much = f"{HELLO} function unused() {{ {functions} }}"
    busy = f"{much} for (;;);"
    limit = {"timeout_ms": 5}
    async with house({"much": {"source": much, **limit}, "busy": {"source": busy, **limit}}) as home:
        begun = home.app("much").account.cpu_ns
        assert (await home.ask("much")).body == b"hello"
        home.app("much").end()
        assert home.app("much").account.cpu_ns - begun > 10e6
        assert (await home.ask("busy")).status == 503
        assert "a turn used more than timeout_ms (5 ms)" in (home.app("busy").last_error or "")
