"""What clients get whose requests outlast the time that a server has to end."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import httpcore
import pytest
import trio

from tests.web.http2_client import Http2Client

from .conftest import SiteMaker
from .test_http2 import raw_h2, secure

APP = """
export default {
  fetch(request) {
    switch (new URL(request.url).pathname) {
      case "/waits": return new Promise(() => setTimeout(() => {}, 1e9));
      case "/spins": for (;;);
      case "/streams": return new Response(new ReadableStream({
        start(controller) { controller.enqueue(new Uint8Array(9)); return new Promise(() => setTimeout(() => {}, 1e9)); },
      }));
    }
  },
};
"""


async def test_a_request_that_outlasts_the_drain_is_answered_503(serve: SiteMaker) -> None:
    answers: list[object] = []
    async with serve({"app": {"source": APP, "timeout_ms": 600_000}}, drain_timeout_s=0) as site:

        async def ask(path: str) -> None:
            answer = await site.get("app", path)
            answers.append((answer.status, answer.headers["retry-after"], answer.headers["connection"]))

        async def ask_for_stream() -> None:
            async with site.pool.stream("GET", site.url("/streams"), headers={"Host": "app"}) as response:
                assert response.status == 200
                with pytest.raises(httpcore.RemoteProtocolError):
                    async for _ in response.aiter_stream():
                        pass
            answers.append("broken off")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask_for_stream)
            nursery.start_soon(ask, "/waits")
            await site.begun("app", 2)
            nursery.start_soon(ask, "/spins")
            await site.begun("app", 3)
            with trio.fail_after(30):
                await site.hosting.drain()
    assert sorted(answers, key=str) == [(503, "1", "close"), (503, "1", "close"), "broken off"]


async def test_so_is_one_over_http2(serve: SiteMaker, tmp_path: Path) -> None:
    more = {"source": APP, "timeout_ms": 600_000}
    async with (
        secure(serve, tmp_path, **more) as (site, url, ca),
        trio.open_nursery() as nursery,
        await raw_h2(int(re.sub(r".*:", "", url)), ca) as stream,
    ):
        client = Http2Client(stream)
        await client.greet()
        streams = await client.begin("/streams", authority="localhost")
        await client.until(lambda: client.answer(streams).headers)
        waits = [await client.begin("/waits", authority="localhost") for _ in range(3)]
        await site.begun("app", 4)
        site.hosting.config = attrs.evolve(site.hosting.config, drain_timeout_s=0)
        nursery.start_soon(site.hosting.drain)
        with trio.fail_after(30):
            for number in waits:
                answer = await client.over(number)
                assert (answer.status, dict(answer.headers)["retry-after"]) == (503, "1")
            assert (await client.over(streams)).reset is not None
            while await client.more():
                pass
        assert client.goaways
