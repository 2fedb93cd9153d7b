"""Starts of apps that nobody has asked for before: what they take of the loop, and what they share."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from nano_trio.actors.app import AppState
from nano_trio.actors.blanks import Blanks
from nano_trio.actors.messages import IncomingRequest
from nano_trio.engine.scheduler import CpuScheduler
from tests.actors.conftest import HouseMaker

HOG = "export default { fetch() { for (;;); } };"
CALM = "export default { fetch() { return new Response('calm'); } };"


def request(app: str) -> IncomingRequest:
    return IncomingRequest("GET", f"http://{app}/", [], None, "192.0.2.7")


async def test_many_that_begin_at_once_start_one_by_one(house: HouseMaker) -> None:
    """Between two passes of the loop at most one of them starts, and a neighbour waits for a few passes."""
    names = [f"hog{number}" for number in range(40)]
    async with house({**dict.fromkeys(names, HOG), "calm": CALM}) as home:
        for _ in range(20):
            await home.ask("calm")
        apps = [home.app(name) for name in names]
        for app in apps:
            app.begin(request(app.name))
        # The first may begin where it is asked for; all others wait.
        assert sum(app.awake for app in apps) <= 1
        waits: list[int] = []
        most = awake = waited = 0
        exchange = home.app("calm").begin(request("calm"))
        for _ in range(30 * len(apps)):
            await trio.lowlevel.checkpoint()
            now = sum(app.awake for app in apps)
            most, awake = max(most, now - awake), now
            waited += 1
            if exchange.response is not None:
                exchange.finish()
                waits.append(waited)
                waited = 0
                exchange = home.app("calm").begin(request("calm"))
            if awake == len(apps):
                break
        assert awake == len(apps)
        # One a pass; the order of tasks within a pass is random, so two passes may lie between two of these looks.
        assert most <= 2
        # Where another process takes the core in the middle of a turn, that one counts as long.
        assert sorted(waits)[len(waits) * 9 // 10] <= 3
        for app in apps:
            app.end()


GLOBALS = """
    const { value, writable, enumerable, configurable } = Object.getOwnPropertyDescriptor(globalThis, "self");
    const told = [value === globalThis, writable, enumerable, configurable, Reflect.ownKeys(globalThis).length];
    export default { fetch: () => Response.json(told) };
"""
PLACES_OF_GLOBALS = 144
"""The engine makes its table of the global object's properties half as large again when it is full. Another place would
cost each app 1.7 KB."""


async def test_what_hands_an_app_over_leaves_nothing_behind(house: HouseMaker) -> None:
    async with house({"app": GLOBALS}) as home:
        *handed_over, count = json.loads((await home.ask("app")).body)
    assert handed_over == [True, True, False, True]
    assert count <= PLACES_OF_GLOBALS


async def test_an_isolate_in_store_is_as_new(house: HouseMaker) -> None:
    """It has the limits, the name, the environment and the clock of the app that takes it over."""
    source = """
        const seen = performance.now();
        const kept = [];
        export default { fetch(request, env) {
            if (request.url.endsWith("/grow")) for (;;) kept.push(new Array(1000).fill(kept.length));
            console.log("said");
            return Response.json([env.NAME, seen < 1000, typeof globalThis.mark, globalThis.mark = 1]);
        } };
    """
    apps = {f"app{number}": {"source": source, "memory_mb": 8, "env": {"NAME": number}} for number in range(3)}
    async with house(apps) as home:
        blanks = home.registry.blanks
        for number in range(3):
            with trio.fail_after(20):
                await blanks.wait_full()
            response = await home.ask(f"app{number}")
            assert len(blanks) == blanks.size - 1
            assert response.body == b'[%d,true,"undefined",1]' % number
            assert "said" in home.logged(f"app{number}")
            response = await home.ask(f"app{number}", "/grow")
            assert (response.status, response.body) == (503, b"the app outgrew its memory limit of 8 MB\n")


async def test_apps_with_the_same_settings_share_what_is_made_of_them(house: HouseMaker) -> None:
    async with house({"one": CALM, "two": CALM, "small": {"source": CALM, "memory_mb": 8}}) as home:
        environments = []
        for name in ("one", "two", "small"):
            assert (await home.ask(name)).status == 200
            incarnation = home.app(name)._current
            assert incarnation is not None
            environments.append(incarnation._environment)
        one, two, small = environments
        assert one.isolate.limits is two.isolate.limits
        assert one._host.network is two._host.network is small._host.network
        assert small.isolate.limits.memory_bytes == 8 << 20


async def test_apps_that_do_not_load_leave_no_isolate_behind(house: HouseMaker) -> None:
    async with house({"broken": "export default (", "calm": CALM}) as home:
        exchanges = [home.app("broken").begin(request("broken")) for _ in range(3)]
        for exchange in exchanges:
            assert (await exchange.wait()).status == 503
            exchange.finish()
        assert not home.app("broken").awake
        # Those that wait for the same start fail together.
        assert 1 <= home.app("broken").counts.crashes <= len(exchanges)
        assert (await home.ask("calm")).status == 200


def tasks_of(app: str) -> list[str]:
    """The tasks that are the app's alone."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    found: list[str] = []
    waiting = [root]
    while waiting:
        task = waiting.pop()
        found += [task.name] if task.name.startswith(f"{app}: ") else []
        waiting += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return found


@pytest.mark.usefixtures("short_grace")
async def test_an_app_that_does_not_come_to_its_end_of_loading_may_be_stopped(house: HouseMaker) -> None:
    """Its turn is suspended in its module: what comes behind that in the turn must not ask for what is gone."""
    loops = {
        "module": "for (;;); export default {};",
        "script": "await null; for (;;); export default {};",
        "native": "[].indexOf.call({ length: 2 ** 53 - 1 }, 1); export default {};",
        "nested": "Promise.resolve().then(() => { for (;;); }); for (;;) new Promise(() => { for (;;); });",
    }
    async with house({**loops, "calm": CALM}) as home:
        for _ in range(3):
            exchanges = [home.app(name).begin(request(name)) for name in loops]
            for _ in range(200):
                await trio.lowlevel.checkpoint()
            for name, exchange in zip(loops, exchanges, strict=True):
                assert exchange.response is None
                home.app(name).end()
                assert (await exchange.wait()).status == 503
                exchange.finish()
            assert (await home.ask("calm")).body == b"calm"
        assert not [line for line in home.logs if line["log_level"] == "error"]


async def test_an_app_has_a_task_from_its_first_timer_or_operation_on(house: HouseMaker) -> None:
    source = """
        export default { async fetch(request) {
            if (request.url.endsWith("/timer")) await new Promise((r) => setTimeout(r, 1));
            if (request.url.endsWith("/operation")) await caches.default.match("http://a/");
            return new Response("fine");
        } };
    """
    with trio.fail_after(20):
        async with house(dict.fromkeys(("timer", "operation"), source)) as home:
            for number, name in enumerate(("timer", "operation"), 1):
                assert (await home.ask(name)).body == b"fine"
                assert tasks_of(name) == []
                for _ in range(2):
                    assert (await home.ask(name, f"/{name}")).body == b"fine"
                    assert tasks_of(name) == [f"{name}: isolate {number}"]
                home.app(name).end()
                await home.settled()
                assert tasks_of(name) == []


async def test_an_app_may_be_there_again_while_it_drains(house: HouseMaker) -> None:
    """One was removed, and has requests to finish; the other is new, and has as many tasks of the same names."""
    source = """
        export default { async fetch(request) {
            await new Promise((resolve) => setTimeout(resolve, request.url.endsWith("/long") ? 1e6 : 1));
            return new Response("fine");
        } };
    """
    with trio.fail_after(20):
        async with house({"app": source}) as home, trio.open_nursery() as nursery:
            lives = []
            for _ in range(3):
                old = home.app("app")
                exchange = old.begin(IncomingRequest("GET", "http://app/long", [], None, "192.0.2.7"))
                while len(tasks_of("app")) == len(lives):
                    await trio.lowlevel.checkpoint()
                lives.append((old, exchange))
                home.registry.release("app")
                nursery.start_soon(home.registry.let_go, old)
                home.registry.add(old.settings)
                assert (await home.ask("app")).body == b"fine"
                home.app("app").switch(await home.app("app").prepare(old.settings))
                assert (await home.ask("app")).body == b"fine"
                home.app("app").end()
                await home.settled()
            assert not home.logged("app")
            for old, exchange in lives:
                assert exchange.response is None
                exchange.disconnect("enough")
                exchange.finish()
                old.end()


async def test_a_new_version_may_crash_between_its_load_and_the_switch(house: HouseMaker) -> None:
    """A reload loads those of all apps before it switches to any."""
    source = """
        setTimeout(() => { while (VERSION) ; }, 0);
        export default { fetch: () => new Response("VERSION") };
    """
    with trio.fail_after(20):
        async with house({"app": {"source": source.replace("VERSION", "0"), "timeout_ms": 20}}) as home:
            app = home.app("app")
            assert (await home.ask("app")).body == b"0"
            home.rewrite("app", source.replace("VERSION", "1"))
            version = await app.prepare(app.settings)
            while version.incarnation.death is None:
                await trio.lowlevel.checkpoint()
            app.switch(version)
            assert (app.state, app.awake, app.counts.crashes) == (AppState.ASLEEP, False, 1)
            assert app.last_error == version.incarnation.death
            home.rewrite("app", source.replace("VERSION", "2 - 2"))
            assert (await home.ask("app")).body == b"2 - 2"
            await home.settled()


async def test_apps_that_have_no_task_end_with_the_registry(house: HouseMaker) -> None:
    async with house({"calm": CALM}) as home:
        app = home.app("calm")
        assert (await home.ask("calm")).status == 200
        assert app.awake
        assert tasks_of("calm") == []
    assert not app.awake


@pytest.fixture
def patient_collector() -> Iterator[None]:
    """Python's collector comes by itself after 100,000 objects."""
    threshold = gc.get_threshold()
    gc.set_threshold(100_000)
    yield
    gc.set_threshold(*threshold)


@pytest.mark.usefixtures("patient_collector")
async def test_young_objects_are_collected_where_the_store_is_filled(house: HouseMaker) -> None:
    async with house({"calm": CALM, "next": CALM}) as home:
        with trio.fail_after(20):
            await home.registry.blanks.wait_full()
            kept = [[number] for number in range(60_000)]
            assert gc.get_count()[0] >= len(kept)
            assert (await home.ask("calm")).status == 200
            await home.registry.blanks.wait_full()
        assert gc.get_count()[0] < len(kept) // 2


@pytest.mark.usefixtures("patient_collector")
async def test_what_many_starts_leave_is_not_left_for_one_look(house: HouseMaker) -> None:
    """Python would look at it only after a look of its own at newer objects, and then at all of it, in one go."""
    apps = [f"app{number}" for number in range(8)]
    kept: list[list[list[int]]] = []
    waiting = []
    async with house(dict.fromkeys(apps, CALM)) as home:
        for app in apps:
            with trio.fail_after(20):
                await home.registry.blanks.wait_full()
                kept.append([[number] for number in range(60_000)])
                assert (await home.ask(app)).status == 200
                await home.registry.blanks.wait_full()
            waiting.append(len(gc.get_objects(generation=1)))
    assert max(waiting) > 60_000, "none of these objects was looked at"
    assert max(waiting) < 4 * 60_000


async def test_who_waits_until_starts_are_over_waits_for_the_last_and_not_for_ever(
    autojump_clock: trio.testing.MockClock,
) -> None:
    blanks = Blanks(CpuScheduler())
    began = trio.current_time()

    async def start(count: int) -> None:
        for _ in range(count):
            await trio.sleep(0.03)
            blanks.take()

    await blanks.after_starts()
    assert trio.current_time() - began < 0.2
    for count, least, most in (10, 0.3, 0.5), (1000, 1.9, 2.1):
        async with trio.open_nursery() as nursery:
            began = trio.current_time()
            nursery.start_soon(start, count)
            await trio.sleep(0.03)
            await blanks.after_starts()
            assert least < trio.current_time() - began < most
            nursery.cancel_scope.cancel()


async def test_what_is_to_be_done_later_is_done_when_the_store_is_full_or_all_ends(house: HouseMaker) -> None:
    done: list[int] = []
    async with house({"calm": CALM, "next": CALM}) as home:
        blanks = home.registry.blanks
        with trio.fail_after(20):
            await blanks.wait_full()
            blanks.later(lambda: done.append(len(blanks)))
            assert (await home.ask("calm")).status == 200
            assert done == []
            while not done:
                await trio.lowlevel.checkpoint()
        assert done == [blanks.size]
        blanks.later(lambda: done.append(-1))
    assert done == [blanks.size, -1]
