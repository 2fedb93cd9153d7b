"""What node:zlib makes in one go has the app's limits. That others are served meanwhile is in test_waiting_turns.py; what
Node makes of it, in tests/npm/node_programs/zlib_sync.mjs."""

from __future__ import annotations

import base64
import re
import zlib
from typing import Any

import pytest

from nano_trio.runtime.packing import _Job

from .conftest import HouseMaker, answer


def app(body: str, before: str = "", **keys: Any) -> dict[str, Any]:
    source = f"""
      import {{ promisify }} from "node:util";
      import {{ brotliCompressSync, gunzip, gunzipSync }} from "node:zlib";
      {before}
      export default {{ async fetch(request) {{
        if (request.url.endsWith("/fine")) return new Response("fine");
        {body}
      }} }};
    """
    return {"source": source, **keys}


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
            status, body = await answer(home.begin())
            told = TOO_LARGE.fullmatch(body)
            assert status == 200
            assert told is not None, body
            assert 20 << 20 < int(told[1]) < 32 << 20
        # It is the same isolate that goes on.
        assert await answer(home.begin(path="/fine")) == (200, b"fine")
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
        assert await answer(home.begin()) == (200, b",".join([b"ERR_BUFFER_TOO_LARGERangeError"] * 20))
        assert await answer(home.begin(path="/fine")) == (200, b"fine")


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
        assert await answer(home.begin()) == (200, str(22 << 20).encode())


async def test_what_it_takes_to_compress_has_room_too(house: HouseMaker) -> None:
    own = app(
        f"try {{ brotliCompressSync(new Uint8Array(3e6)); }} catch (error) {{ return new Response(({TOLD})(error)); }}",
        memory_mb=16,
    )
    async with house({"app": own}) as home:
        status, body = await answer(home.begin())
        assert status == 200
        assert body.startswith(b"Error ERR_MEMORY_ALLOCATION_FAILED Failed to allocate memory: this takes "), body
