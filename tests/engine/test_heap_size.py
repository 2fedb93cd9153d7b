"""The heap's size is known at every poll, so that our limit stops a turn long before the engine's own."""

from __future__ import annotations

import pytest
import quickjs
import trio

from nano_trio.engine import turnstile as turnstile_module
from nano_trio.engine.calls import call
from nano_trio.engine.heap_size import heap_size
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.scheduler import Account
from nano_trio.engine.turn import Limits, StopReason, Turn

from .conftest import NewIsolate

GROWING = {
    "small objects": "for (;;) kept.push({ a: 1, b: 2 });",
    "small objects, then arrays": "for (let i = 0; i < 1e5; i++) kept.push({}); for (;;) kept.push(new Array(100).fill(i));",
    "typed arrays": "for (;;) kept.push(new Uint8Array(1000));",
    "strings": "for (;;) kept.push('x'.repeat(10000) + kept.length);",
    "array fill": "for (;;) kept.push(new Array(1000).fill(0));",
    "map": "const map = new Map(); for (let i = 0; ; i++) map.set(i, { i });",
    "split": "const text = 'ab,'.repeat(1000); for (;;) kept.push(text.split(','));",
    "parse": "const text = JSON.stringify(Array(500).fill({ a: 1 })); for (;;) kept.push(JSON.parse(text));",
}


def test_the_size_is_found_and_is_the_engines_own() -> None:
    runtime = quickjs.Runtime()
    context = runtime.new_context()
    size = heap_size(runtime)
    assert size is not None, "the heap's size was not found: memory limits would be looked at rarely"
    for source in ("globalThis.a = new ArrayBuffer(1e6)", "globalThis.b = Array(1e4).fill('x')", "a = b = null"):
        context.eval(source)
        assert size.value == runtime.compute_memory_usage()["malloc_size"]


async def assert_outgrown(isolate: Isolate) -> None:
    """Its function ``grow`` is stopped for the memory it takes."""
    turn = Turn(isolate.context.get("grow"), ())
    isolate.submit(turn)
    while turn.stopped is None:
        assert isolate.busy, turn.result
        await trio.lowlevel.checkpoint()
    assert turn.stopped is StopReason.MEMORY


@pytest.mark.parametrize("name", GROWING)
async def test_a_growing_heap_is_stopped_close_to_its_limit(new_isolate: NewIsolate, name: str) -> None:
    """None of these may come near the engine's limit (64 MB here), where small allocations would fail."""
    isolate = new_isolate(
        memory_bytes=16 << 20, source=f"function grow() {{ const kept = []; let i = 0; {GROWING[name]} }}"
    )
    await assert_outgrown(isolate)
    assert 16 << 20 < isolate.memory_used < 22 << 20


async def test_the_rarest_polls_are_often_enough(new_isolate: NewIsolate, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that was cheap until now is polled as rarely as can be when it turns to allocating."""
    monkeypatch.setattr(turnstile_module, "_POLLS_TOO_RARE_NS", 1 << 60)
    isolate = new_isolate(
        memory_bytes=1 << 20, source="function grow() { const kept = []; for (;;) kept.push(new Uint8Array(14000)); }"
    )
    await assert_outgrown(isolate)
    assert isolate.memory_used < 33 << 20


async def test_an_app_that_begins_with_large_allocations_is_stopped_before_the_engine_s_limit(
    new_isolate: NewIsolate,
) -> None:
    """Nothing is known of it yet: each of the few steps up to its first poll may take a megabyte."""
    isolate = new_isolate(source="function grow() { const kept = []; for (;;) kept.push(new Uint8Array(1e6)); }")
    isolate.prepare()
    isolate.take(Account(), Limits(memory_bytes=256 << 20))
    await assert_outgrown(isolate)


async def test_without_the_number_the_walk_stops_small_allocations_too(
    new_isolate: NewIsolate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turnstile_module, "heap_size", lambda runtime: None)
    isolate = new_isolate(
        memory_bytes=16 << 20, source=f"function grow() {{ const kept = []; {GROWING['small objects']} }}"
    )
    await assert_outgrown(isolate)
    assert 16 << 20 < isolate.memory_used < 60 << 20


async def test_a_full_heap_of_garbage_cycles_is_not_collected_at_every_poll(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(
        memory_bytes=8 << 20,
        source="const kept = Array.from({ length: 8 }, () => new ArrayBuffer(970000));"
        "function churn() { for (let i = 0; i < 50000; i++) { const a = { data: [i] }; a.self = a; } return kept.length; }",
    )
    assert isolate.read_memory() > 7 << 20
    turn = Turn(isolate.context.get("churn"), ())
    isolate.submit(turn)
    while isolate.busy:
        await trio.lowlevel.checkpoint()
    assert turn.result == 8
    assert turn.cpu_ns < 2e9


CYCLES = "globalThis.cycles = (count) => { for (let i = 0; i < count; i++) { const a = [new Uint8Array(100)]; a.push(a); } };"


@pytest.mark.parametrize(("turns", "count"), [(1, 100_000), (1000, 100)], ids=["in one turn", "over many turns"])
@pytest.mark.parametrize("kept", [0, 1 << 20], ids=["small", "large"])
async def test_cycles_are_collected_as_a_heap_grows(new_isolate: NewIsolate, kept: int, turns: int, count: int) -> None:
    """Kept, they would take 30 MB; and not each turn that leaves some in a large heap is followed by a collection."""
    isolate = new_isolate(source=f"globalThis.kept = new Uint8Array({kept}); {CYCLES}")
    before = isolate.read_memory()
    sizes = []
    for _ in range(turns):
        await call(isolate, isolate.context.get("cycles"), count)
        sizes.append(isolate.read_memory())
    assert max(sizes) < before + (3 << 20)
    assert turns == 1 or not kept or max(sizes) > before + (1 << 19)
