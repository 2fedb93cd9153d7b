"""Apps that are drained, and taken back before that is over."""

from __future__ import annotations

import trio

from nano_trio.actors.app import AppState
from nano_trio.actors.messages import IncomingRequest

from .conftest import HouseMaker

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
            await home.settled()  # else it may be one that waits for the app's start, and is refused
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
