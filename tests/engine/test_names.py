"""Names of properties that somebody chose so that they collide: to free them takes no longer than to free others."""

from __future__ import annotations

import time

import quickjs
import trio

from nano_trio.engine import allocator
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.turn import Turn

from .conftest import NewIsolate, held_at_first
from .test_json_builtins import colliding_keys

COUNT = 20_000
FEW = 4000
SOURCE = """
let it, names = [];
function take(text) { names = text.split(" ") }
function make() { it = {}; for (const name of names) it[name] = 1; return names.length }
function drop() { it = undefined; names = [] }
function spend() { for (let i = 0; i < 300_000; i++); }
"""


async def run(isolate: Isolate, entry: str, *arguments: str) -> float:
    """Run a turn to its end; its CPU time in s."""
    turn = Turn(isolate.context.get(entry), arguments)
    isolate.submit(turn)
    while isolate.busy:
        await trio.lowlevel.checkpoint()
    assert turn.stopped is None
    return turn.cpu_ns / 1e9


def names_of(isolate: Isolate) -> int:
    return int(isolate.runtime.compute_memory_usage()["atom_count"])


async def test_to_free_them_takes_much_less_than_by_the_engine(new_isolate: NewIsolate) -> None:
    text = " ".join(colliding_keys(COUNT))
    context = quickjs.Runtime().new_context()
    context.eval(SOURCE)
    context.get("take")(text)
    assert context.get("make")() == COUNT
    began = time.thread_time()
    context.get("drop")()
    engines = time.thread_time() - began

    isolate = new_isolate(source=SOURCE, turn_ms=60_000)
    await run(isolate, "take", text)
    await run(isolate, "make")
    assert await run(isolate, "drop") < engines / 3


async def test_so_does_the_end_of_the_isolate(new_isolate: NewIsolate) -> None:
    text = " ".join(colliding_keys(COUNT))
    context = quickjs.Runtime().new_context()
    context.eval(SOURCE)
    context.get("take")(text)
    context.get("make")()
    began = time.thread_time()
    del context
    engines = time.thread_time() - began

    isolate = new_isolate(source=SOURCE, turn_ms=60_000)
    await run(isolate, "take", text)
    await run(isolate, "make")
    began = time.thread_time()
    isolate.close()
    assert time.thread_time() - began < engines / 3


async def test_their_memory_comes_back_with_the_isolates_end(new_isolate: NewIsolate) -> None:
    before = held_at_first()
    isolate = new_isolate(source=SOURCE, turn_ms=60_000)
    await run(isolate, "take", " ".join(colliding_keys(FEW)))
    await run(isolate, "make")
    await run(isolate, "drop")
    assert names_of(isolate) > 0.9 * FEW
    isolate.close()
    assert allocator.held() == before


async def test_the_same_names_take_memory_once(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(source=SOURCE, turn_ms=60_000)
    for _ in range(3):
        await run(isolate, "take", " ".join(colliding_keys(FEW)))
        await run(isolate, "make")
        await run(isolate, "drop")
        assert names_of(isolate) < 1.5 * FEW


async def test_others_that_were_freed_do_not_hide_them(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(source=SOURCE, turn_ms=60_000)
    count = 2 * FEW
    for text in (" ".join(f"name{i}" for i in range(10 * FEW)), " ".join(colliding_keys(count))):
        await run(isolate, "take", text)
        await run(isolate, "make")
        # They are looked at in many parts, of which the last may come after they were made.
        for _ in range(20):
            await run(isolate, "spend")
        await run(isolate, "drop")
    assert names_of(isolate) > 0.9 * count


async def test_names_that_nobody_chose_are_freed_at_once(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(source=SOURCE, turn_ms=60_000)
    before = names_of(isolate)
    for form in ("key{}", "n{:010}", "{}@example.com", "\u00e9\u65e5{}"):
        await run(isolate, "take", " ".join(form.format(i * 4096) for i in range(50_000)))
        await run(isolate, "make")
        assert names_of(isolate) > before + 40_000
        await run(isolate, "drop")
        assert names_of(isolate) < before + 1000
