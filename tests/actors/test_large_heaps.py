"""An app with a large heap ends: others do not wait for its memory to be freed."""

from __future__ import annotations

import trio

from nano_trio.engine import allocator

from .conftest import HouseMaker

LARGE = """
const held = Array.from({ length: 300_000 }, (_, i) => ({ i }));
export default (request) => {
  if (request.url.endsWith("/spin")) for (;;);
  return new Response(`${held.length}`);
};
"""


async def test_the_heap_of_an_app_that_was_stopped_is_freed_while_others_are_served(house: HouseMaker) -> None:
    apps = {"large": {"source": LARGE, "timeout_ms": 500}, "neighbour": "export default () => new Response('here')"}
    async with house(apps) as site:
        scheduler = site.registry.scheduler
        assert (await site.ask("neighbour")).body == b"here"
        assert (await site.ask("large")).body == b"300000"
        held = allocator.held()
        assert (await site.ask("large", "/spin")).status == 503
        answered = 0
        while scheduler.ends:
            assert (await site.ask("neighbour")).body == b"here"
            await trio.lowlevel.checkpoint()
            answered += 1
        assert answered >= 5
        assert held - allocator.held() > 20 << 20
