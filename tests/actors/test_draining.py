"""Apps that are drained, and taken back before that is over."""

from __future__ import annotations

import trio

from nano_trio.actors.app import AppState
from nano_trio.actors.exchange import AppExchange
from nano_trio.actors.messages import IncomingRequest
from nano_trio.actors.piped import PipedBody

from .conftest import House, HouseMaker

HANGS = """
export default { async fetch(request) {
    if (request.url.endsWith("/long")) await new Promise((resolve) => setTimeout(resolve, 1e6));
    return new Response("fine");
} };
"""


def long_request() -> IncomingRequest:
    return IncomingRequest("GET", "http://app/long", [], None, "192.0.2.7")


async def test_what_serves_by_then_is_not_ended_with_the_wait_for_what_was_drained(house: HouseMaker) -> None:
    with trio.fail_after(20):
        async with house({"app": HANGS}) as home:
            app = home.app("app")
            old = app.begin(long_request())
            await home.settled()
            with trio.CancelScope() as wait:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(app.drain)
                    await home.settled()
                    assert (await home.ask("app")).status == 503
                    app.switch(await app.prepare(app.settings))
                    app.open_doors()
                    new = app.begin(long_request())
                    await home.settled()
                    wait.cancel()
            assert (app.state, app.awake) == (AppState.AWAKE, True)
            # The old one drains on, in a replaced version's time.
            assert (old.response, new.response) == (None, None)
            assert (await home.ask("app")).body == b"fine"
            # Nor is that forgotten which is drained for good.
            with trio.move_on_after(0.01):
                await app.drain()
            assert (app.state, app.awake) == (AppState.DRAINING, False)
            for exchange in (old, new):
                assert (await exchange.wait()).status == 503
                exchange.finish()


HOG = "export default { fetch() { for (;;); } };"
CALM = "export default { fetch() { return new Response('calm'); } };"
NEVER = "await new Promise((resolve) => setTimeout(resolve, 1e6)); export default { fetch: () => new Response('old') };"


def waiting(home: House) -> list[AppExchange]:
    """Requests for ``app`` that wait for its start: others compute in this pass."""
    for name in ("hog0", "hog1", "hog2"):
        home.app(name).begin(request(name))
    exchanges = [home.app("app").begin(request("app")) for _ in range(3)]
    assert not home.app("app").awake
    assert home.app("app").mailbox == 3
    return exchanges


def request(app: str) -> IncomingRequest:
    return IncomingRequest("GET", f"http://{app}/", [], None, "192.0.2.7")


HOGS = {f"hog{number}": {"source": HOG, "timeout_ms": 200} for number in range(3)}


async def test_what_was_taken_before_is_served_though_the_app_has_not_started(house: HouseMaker) -> None:
    with trio.fail_after(20):
        async with house({"app": CALM, "neighbour": CALM, **HOGS}) as home:
            app = home.app("app")
            exchanges = waiting(home)
            app.close_doors()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(app.drain)
                nursery.start_soon(app.drain)
                late = await home.ask("app")
                assert (late.status, dict(late.headers)["retry-after"]) == (503, "1")
                for exchange in exchanges:
                    assert (await exchange.wait()).body == b"calm"
                    exchange.finish()
            assert (app.state, app.awake, app.mailbox) == (AppState.DRAINING, False, 0)
            assert (await home.ask("neighbour")).body == b"calm"


async def test_who_waits_for_a_start_is_told_when_to_come_again(house: HouseMaker) -> None:
    async with house({"app": CALM, **HOGS}) as home:
        app = home.app("app")
        exchanges = waiting(home)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(app.drain)
            with trio.CancelScope() as scope:
                scope.cancel()  # the drain's time is over
                await app.drain()
        for exchange in exchanges:
            response = await exchange.wait()
            assert (response.status, dict(response.headers)["retry-after"]) == (503, "1")
            exchange.finish()
        app.open_doors()
        assert (await home.ask("app")).body == b"calm"


async def test_who_waits_for_an_app_that_is_removed_is_told_at_once(house: HouseMaker) -> None:
    async with house({"app": CALM, **HOGS}) as home:
        exchanges = waiting(home)
        home.registry.release("app")
        assert [exchange.response and exchange.response.status for exchange in exchanges] == [503] * 3


async def test_doors_that_open_again_end_the_wait_for_nobody(house: HouseMaker) -> None:
    with trio.fail_after(20):
        async with house({"app": CALM, **HOGS}) as home:
            app = home.app("app")
            exchanges = waiting(home)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(app.drain)
                while app.state is not AppState.DRAINING:
                    await trio.lowlevel.checkpoint()
                app.open_doors()
                for exchange in exchanges:
                    assert (await exchange.wait()).body == b"calm"
                    exchange.finish()
            assert (app.state, app.awake) == (AppState.AWAKE, True)


async def test_what_waits_for_a_version_that_hangs_is_served_by_the_next(house: HouseMaker) -> None:
    with trio.fail_after(20):
        async with house({"app": NEVER}) as home:
            app = home.app("app")
            exchanges = [app.begin(request("app")) for _ in range(3)]
            await home.settled()
            exchanges[0].disconnect("left")
            home.rewrite("app", CALM)
            app.switch(await app.prepare(app.settings))
            for exchange in exchanges[1:]:
                assert (await exchange.wait()).body == b"calm"
                exchange.finish()
            await home.settled()
            assert [each["id"] for each in app.tree()["children"]] == ["isolate"], "the old version waits for nobody"
            assert (app.mailbox, app.counts.abandoned) == (0, 1)


class Upload:
    """A body that ends when it is told to: implements :class:`nano_trio.actors.messages.BodySource`."""

    length = None

    def __init__(self) -> None:
        self.over = trio.Event()

    async def receive(self) -> bytes:
        await self.over.wait()
        return b""


async def test_when_all_ends_what_has_begun_may_still_call_others(house: HouseMaker) -> None:
    source = "export default async (request, env) => { await request.text(); return env.BACK.fetch('http://back/'); };"
    with trio.fail_after(20):
        async with house({"app": {"source": source, "services": {"BACK": "back"}}, "back": CALM}) as home:
            body = Upload()
            exchange = home.app("app").begin(IncomingRequest("POST", "http://app/", [], body, "192.0.2.7"))
            await home.settled()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(home.registry.drain, 20)
                await home.settled()
                assert (await home.ask("back")).status == 503
                body.over.set()
                response = await exchange.wait()
                assert isinstance(response.body, PipedBody)
                assert (response.status, await response.body.receive()) == (200, b"calm")
                exchange.finish()


async def test_what_somebody_drained_is_not_called_either(house: HouseMaker) -> None:
    source = "export default async (request, env) => env.BACK.fetch('http://back/');"
    with trio.fail_after(20):
        async with house({"app": {"source": source, "services": {"BACK": "back"}}, "back": CALM}) as home:
            await home.app("back").drain()
            assert (await home.ask("app")).status == 503
