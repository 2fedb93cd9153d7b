"""Apps that go for the process in which their neighbours live, on ways that no limit of their heap bars."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import brotli
import psutil
import pytest
import trio

from nano_trio.actors.messages import IncomingRequest, OutgoingResponse
from nano_trio.engine import poll_timer

from .conftest import House, HouseMaker

CALM = "export default { fetch: () => new Response('calm') };"
_MB = 1 << 20


def megabytes() -> float:
    """What this process has in memory."""
    return psutil.Process().memory_info().rss / _MB


async def said(response: OutgoingResponse) -> str:
    assert isinstance(response.body, bytes)
    return response.body.decode()


async def is_calm(home: House) -> bool:
    """Whether the neighbour answers, and has never been started again."""
    answer = await home.ask("calm")
    return answer.status == 200 and home.app("calm").snapshot().restarts == 0


ENDLESS = """
const reason = { toString() { Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1); return "" } };
export default { fetch() { const promise = Promise.reject(reason); promise.catch(() => {}); console.log(promise); } };
"""


@pytest.mark.usefixtures("short_grace")
async def test_what_a_reason_calls_when_it_is_shown_may_never_end(house: HouseMaker) -> None:
    """The host asks for it, in the midst of a native call of the app's."""
    assert poll_timer.suspends_native_calls(), "native calls are not suspended here"
    async with house({"evil": {"source": ENDLESS, "timeout_ms": 50}, "calm": CALM}) as home:
        evil = home.app("evil").begin(IncomingRequest("GET", "http://evil/", [], None, "192.0.2.7"))
        asked = 0
        while evil.response is None:
            assert await is_calm(home)
            await trio.lowlevel.checkpoint()
            asked += 1
        assert asked > 100
        assert evil.response.status == 503
        evil.finish()


CODECS = """
const kept = [], bytes = new Uint8Array(70000);
async function open(made) {
  const writer = made.writable.getWriter(), reader = made.readable.getReader();
  if (KEPT) kept.push(writer, reader);
  reader.read().catch(() => {});
  await writer.write(FED);
}
export default { async fetch() {
  for (let i = 0; i < COUNT; i++) await open(new MADE);
  return new Response("opened");
} };
"""


@pytest.mark.parametrize("kind", ["gzip", "brotli", "zstd"])
async def test_codecs_count_as_memory_of_who_opens_them(house: HouseMaker, kind: str) -> None:
    """One of Zstandard's takes 6 KB of the heap, and a megabyte or three beside it."""
    source = CODECS.replace("KEPT", "true").replace("FED", "bytes").replace("COUNT", "5000")
    source = source.replace("MADE", f"CompressionStream('{kind}')")
    async with house({"evil": {"source": source, "memory_mb": 32, "timeout_ms": 60_000}, "calm": CALM}) as home:
        before = megabytes()
        assert (await home.ask("evil")).status == 503
        assert megabytes() - before < 100
        assert "what the host holds for it" in home.logged("evil")
        assert await is_calm(home)


async def test_codecs_that_nobody_has_any_more_do_not_count(house: HouseMaker) -> None:
    source = CODECS.replace("KEPT", "false").replace("FED", "bytes").replace("COUNT", "300")
    source = source.replace("MADE", "CompressionStream('zstd')")
    async with house({"app": {"source": source, "memory_mb": 32, "timeout_ms": 60_000}}) as home:
        for _ in range(3):
            assert await said(await home.ask("app")) == "opened"
        assert home.app("app").snapshot().restarts == 0


BODIES = """
export default { async fetch(request, env) {
  const told = new Set();
  for (let i = 0; i < 40; i++) {
    const body = STREAM ? new ReadableStream({ start(c) { c.enqueue(new Uint8Array(4e6)) } }) : new Uint8Array(4e6);
    env.SLOW.fetch("http://slow/", { method: "POST", body, duplex: "half" }).catch((error) => told.add(error.cause.code));
    await new Promise((resolve) => setTimeout(resolve));
  }
  return new Response([...told].join());
} };
"""
SLOW = """
export default { async fetch(request) {
  await request.body.getReader().read();
  await new Promise((resolve) => setTimeout(resolve, 60_000));
} };
"""


@pytest.mark.parametrize("kind", ["whole", "stream"])
async def test_bodies_of_fetches_count_as_memory_of_who_sends_them(house: HouseMaker, kind: str) -> None:
    """They leave the heap at once, and wait for a server that does not read."""
    source = BODIES.replace("STREAM", str(kind == "stream").lower())
    evil = {"source": source, "memory_mb": 32, "services": {"SLOW": "slow"}}
    async with house({"evil": evil, "slow": SLOW, "calm": CALM}) as home:
        before = megabytes()
        answer = await home.ask("evil")
        assert megabytes() - before < 100
        if kind == "whole":
            # Those for which there is no room.
            assert await said(answer) == "ERR_BODY"
        else:
            assert answer.status == 503
        assert await is_calm(home)


class Endless:
    """A request's body that comes piece by piece, and does not end."""

    length = None

    def __init__(self) -> None:
        self.given = 0

    async def receive(self) -> bytes:
        await trio.lowlevel.checkpoint()
        if self.given >= 8 * _MB:
            await trio.sleep_forever()
        self.given += 1 << 16
        return bytes(1 << 16)


READ_WHOLE = """
export default { async fetch(request) {
  if (request.method === "GET") return new Response("well");
  try { return new Response(`${(await request.arrayBuffer()).byteLength}`); } catch (error) { return new Response(`${error}`); }
} };
"""


@pytest.fixture
async def uploads(house: HouseMaker) -> AsyncIterator[Any]:
    async with (
        house({"app": {"source": READ_WHOLE, "memory_mb": 32}, "calm": CALM}) as home,
        trio.open_nursery() as nursery,
    ):
        answers: list[str] = []

        async def send() -> None:
            exchange = home.app("app").begin(IncomingRequest("POST", "http://app/", [], Endless(), "192.0.2.7"))
            try:
                answers.append(await said(await exchange.wait()))
            finally:
                exchange.finish()

        for _ in range(40):
            nursery.start_soon(send)
        yield home, answers
        nursery.cancel_scope.cancel()


async def test_clients_that_send_much_at_once_fill_no_more_than_the_app_may_have(uploads: Any) -> None:
    home, answers = uploads
    before = megabytes()
    await home.settled()
    assert megabytes() - before < 100
    # Three of 8 MB are still coming, and some of the fourth's; all others are told.
    assert len(answers) in (36, 37)
    assert set(answers) == {"RangeError: the bodies that the app reads whole at this time take more than memory_mb"}
    assert await said(await home.ask("app")) == "well"
    assert await is_calm(home)


_WINDOW = brotli.Compressor(lgwin=24, quality=1)
_MUCH = base64.b64encode(_WINDOW.process(bytes(20 * _MB)) + _WINDOW.flush()).decode()
UNPACKED = """
export default { async fetch(request, env) {
  const told = new Set();
  for (let i = 0; i < 40; i++) {
    try {
      const reader = (await env.PACKED.fetch("http://packed/")).body.getReader();
      for (let size = 0; size < 19e6;) size += (await reader.read()).value.length;
      (globalThis.kept ??= []).push(reader);
    } catch (error) { told.add(error.cause?.code ?? `${error}`); }
  }
  return new Response([...told].join());
} };
"""
PACKED = f"""
const body = Uint8Array.fromBase64("{_MUCH}"), headers = {{ "content-encoding": "br" }};
const stream = () => new ReadableStream({{ start(c) {{ c.enqueue(body); }} }});
export default {{ fetch: () => new Response(stream(), {{ headers }}) }};
"""


async def test_windows_of_what_is_unpacked_count_as_memory_of_who_reads(house: HouseMaker) -> None:
    """Of a hundred bytes that came, 17 MB are kept until the body's end, which need not come."""
    evil = {"source": UNPACKED, "memory_mb": 64, "timeout_ms": 60_000, "services": {"PACKED": "packed"}}
    async with house({"evil": evil, "packed": PACKED, "calm": CALM}) as home:
        before = megabytes()
        # Those for which there is no room fail, and the app goes on.
        assert await said(await home.ask("evil")) == "ERR_BODY"
        assert megabytes() - before < 150
        assert home.app("evil").snapshot().restarts == 0
        assert await is_calm(home)
