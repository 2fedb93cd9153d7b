"""node:zlib in one go beside others: the turn of the app that asks for it waits, and nobody else does; and what comes out
has the app's limits. What Node makes of it is in tests/npm/node_programs/zlib_sync.mjs."""

from __future__ import annotations

import base64
import re
import threading
import zlib
from collections.abc import Callable
from typing import Any

import pytest
import trio

from nano_trio.actors.exchange import AppExchange
from nano_trio.actors.messages import IncomingRequest
from nano_trio.runtime.packing import _Job

from .conftest import House, HouseMaker

NEIGHBOUR = "export default { fetch: () => new Response('hello') };"
PACKED = "gzipSync(Buffer.alloc(100_000, 'some text, ')).length"


def app(body: str, before: str = "", **keys: Any) -> dict[str, Any]:
    source = f"""
      import {{ randomBytes }} from "node:crypto";
      import {{ promisify }} from "node:util";
      import {{ brotliCompressSync, gunzip, gunzipSync, gzipSync, inflateSync }} from "node:zlib";
      {before}
      export default {{ async fetch(request) {{
        if (request.url.endsWith("/fine")) return new Response("fine");
        {body}
      }} }};
    """
    return {"source": source, **keys}


def begin(home: House, name: str = "app", path: str = "/") -> AppExchange:
    return home.app(name).begin(IncomingRequest("GET", f"http://{name}{path}", [], None, "192.0.2.7"))


async def answer(exchange: AppExchange) -> tuple[int, Any]:
    with trio.fail_after(60):
        response = await exchange.wait()
    exchange.finish()
    return response.status, response.body


class Gate:
    """What holds up whoever compresses by zlib."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()
        self._make: Callable[..., Any] = zlib.compressobj

    def compressobj(self, *args: Any) -> Any:
        self.reached.set()
        assert self.opened.wait(60), "nobody was served meanwhile"
        return self._make(*args)

    async def is_reached(self) -> None:
        assert await trio.to_thread.run_sync(self.reached.wait, 60)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate()
    monkeypatch.setattr(zlib, "compressobj", gate.compressobj)
    return gate


async def test_neighbours_are_answered_while_an_app_is_in_it(house: HouseMaker, gate: Gate) -> None:
    async with house({"app": app(f"return new Response({PACKED} < 1000);"), "neighbour": NEIGHBOUR}) as home:
        exchange, behind = begin(home), begin(home, path="/fine")
        await gate.is_reached()
        for _ in range(20):
            assert (await home.ask("neighbour")).body == b"hello"
        assert exchange.response is None
        assert behind.response is None
        gate.opened.set()
        assert await answer(exchange) == (200, b"true")
        assert await answer(behind) == (200, b"fine")


async def test_while_an_app_is_loaded_too(house: HouseMaker, gate: Gate) -> None:
    own = app("return new Response(size < 1000);", f"const size = {PACKED};")
    async with house({"app": own, "neighbour": NEIGHBOUR}) as home:
        exchange = begin(home)
        await gate.is_reached()
        assert (await home.ask("neighbour")).body == b"hello"
        assert exchange.response is None
        gate.opened.set()
        assert await answer(exchange) == (200, b"true")


@pytest.mark.parametrize("at_start", [False, True])
async def test_the_cpu_limit_reaches_it(house: HouseMaker, at_start: bool) -> None:
    call = "brotliCompressSync(Buffer.concat(Array.from({ length: 16 }, () => randomBytes(65536))))"
    long = f"try {{ {call}; }} catch (error) {{ console.log('caught'); }} console.log('went on');"
    own = app("", f"globalThis.times ??= 0; {long}") if at_start else app(f"{long} return new Response('done');")
    async with house({"app": {**own, "timeout_ms": 60}, "neighbour": NEIGHBOUR}) as home:
        exchange = begin(home)
        while exchange.response is None:
            assert (await home.ask("neighbour")).body == b"hello"
            await trio.sleep(0.001)
        assert (await answer(exchange))[0] == 503
        assert "went on" not in home.logged("app")
        assert "internal error" not in home.logged("app")
        assert home.app("app").account.cpu_ns >= 60e6


async def test_a_drains_deadline_reaches_it(house: HouseMaker, gate: Gate) -> None:
    async with house({"app": app(f"try {{ {PACKED}; }} finally {{ console.log('went on'); }}")}) as home:
        exchange = begin(home)
        await gate.is_reached()
        with trio.move_on_after(5):
            await home.registry.drain(0.01)
        assert (await answer(exchange))[0] == 503
        gate.opened.set()
        await home.settled()
        assert "went on" not in home.logged("app")


def bomb(size: int) -> str:
    """So many zeros, compressed, as an expression."""
    encoder = zlib.compressobj(9, wbits=31)
    packed = b"".join(encoder.compress(bytes(1 << 20)) for _ in range(size >> 20)) + encoder.flush()
    return f"Buffer.from('{base64.b64encode(packed).decode()}', 'base64')"


TOLD = "(error) => `${error.name} ${error.code} ${error.message}`"
TOO_LARGE = re.compile(
    rb"RangeError ERR_BUFFER_TOO_LARGE Cannot create a Buffer larger than (\d+) bytes, and the app's memory_mb has no "
    rb"room for more"
)


@pytest.mark.parametrize(
    "call",
    [
        "try { gunzipSync(bomb); } catch (error) { return new Response(told(error)); }",
        "return promisify(gunzip)(bomb).catch((error) => new Response(told(error)));",
    ],
)
async def test_of_a_bomb_no_more_is_made_than_there_is_room_for(
    house: HouseMaker, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    jobs: set[_Job] = set()
    step = _Job.step
    monkeypatch.setattr(_Job, "step", lambda job: (jobs.add(job), step(job)))
    own = app(call, f"const told = {TOLD}, bomb = {bomb(256 << 20)}; console.log('started');", memory_mb=32)
    async with house({"app": own}) as home:
        for _ in range(2):
            status, body = await answer(begin(home))
            told = TOO_LARGE.fullmatch(body)
            assert status == 200
            assert told is not None, body
            assert 20 << 20 < int(told[1]) < 32 << 20
        # It is the same isolate that goes on.
        assert await answer(begin(home, path="/fine")) == (200, b"fine")
        assert home.logged("app").count("started") == 1
    assert len(jobs) == 2
    assert all(job.output.size < 33 << 20 for job in jobs)


async def test_bombs_at_a_time_have_the_room_of_all(house: HouseMaker) -> None:
    own = app(
        """const all = await Promise.allSettled(Array.from({ length: 20 }, () => promisify(gunzip)(bomb)));
        return new Response(all.map(({ reason }) => reason.code + reason.name).join());""",
        f"const bomb = {bomb(64 << 20)};",
        memory_mb=32,
    )
    async with house({"app": own}) as home:
        assert await answer(begin(home)) == (200, b",".join([b"ERR_BUFFER_TOO_LARGERangeError"] * 20))
        assert await answer(begin(home, path="/fine")) == (200, b"fine")


async def test_garbage_leaves_room(house: HouseMaker) -> None:
    """Cycles that nobody holds any more are collected before what does not fit beside them is refused. The engine looks
    for them by itself where the heap has grown much beyond what it once was, which is large here."""
    own = app(
        """let large = gunzipSync(packed), sum = 0;
        for (let at = 0; at < 1_000_000; at++) sum += large[at];
        large = undefined;
        for (let i = 0; i < 12; i++) { const cycle = { bytes: new Uint8Array(2 ** 20) }; cycle.own = cycle; }
        return new Response(gunzipSync(packed).length + sum);""",
        f"const packed = {bomb(22 << 20)};",
        memory_mb=32,
    )
    async with house({"app": own}) as home:
        assert await answer(begin(home)) == (200, str(22 << 20).encode())


async def test_what_it_takes_to_compress_has_room_too(house: HouseMaker) -> None:
    own = app(
        f"try {{ brotliCompressSync(new Uint8Array(3e6)); }} catch (error) {{ return new Response(({TOLD})(error)); }}",
        memory_mb=16,
    )
    async with house({"app": own}) as home:
        status, body = await answer(begin(home))
        assert status == 200
        assert body.startswith(b"Error ERR_MEMORY_ALLOCATION_FAILED Failed to allocate memory: this takes "), body
