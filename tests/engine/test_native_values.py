"""Values that Python lets go of while their heap is in the midst of a native call."""

from __future__ import annotations

import pytest
import trio

from nano_trio.engine import allocator, native_calls
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.turn import Turn
from nano_trio.engine.turnstile import Turnstile

from .conftest import NewIsolate, heaps_freed, held_at_first
from .natives import ENDLESS, SHUFFLED, end_of, in_the_midst, run

pytestmark = pytest.mark.usefixtures("compiled")


async def test_a_value_that_python_lets_go_of_meanwhile_is_freed_later(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(source=f"const data = {SHUFFLED};", turn_ms=60_000)
    values = [isolate.context.eval("({ a: [1, 2, 3] })") for _ in range(1000)]
    objects = isolate.runtime.compute_memory_usage()["obj_count"]
    turn = await in_the_midst(isolate, "() => data.sort()[1]")
    values.clear()
    assert isolate.runtime.compute_memory_usage()["obj_count"] >= objects
    await end_of(isolate)
    assert turn.result == 1
    assert isolate.runtime.compute_memory_usage()["obj_count"] < objects - 1990


@pytest.mark.parametrize(
    "make",
    [
        "(i) => { const one = { i }; all.push(new WeakRef(one)); return one; }",
        "(i) => { const one = { i }; map.set(one, one); return one; }",
        "(i) => { const one = { i }; registry.register(one, i); return one; }",
        "(i) => Symbol(`${i}`)",
        "(i) => { const one = Symbol(`${i}`); map.set(one, i); return one; }",
    ],
    ids=["reference", "map", "registry", "symbol", "symbol-in-map"],
)
async def test_nor_is_one_that_others_refer_to_weakly(new_isolate: NewIsolate, make: str) -> None:
    """To the engine an object without references is one that it has freed, and a symbol is freed at once."""
    source = "const map = new WeakMap(), registry = new FinalizationRegistry(() => {}), all = [];"
    isolate = new_isolate(source=f"{source} const data = {SHUFFLED};", turn_ms=60_000)
    make_one = isolate.context.eval(make)
    usage = isolate.runtime.compute_memory_usage
    before = usage()
    values = [make_one(i) for i in range(1000)]
    made = usage()
    turn = await in_the_midst(isolate, "() => data.sort()[1]")
    values.clear()
    assert (usage()["atom_count"], usage()["obj_count"]) >= (made["atom_count"], made["obj_count"])
    await end_of(isolate)
    isolate.collect_garbage()
    assert turn.result == 1
    assert usage()["atom_count"] + usage()["obj_count"] < before["atom_count"] + before["obj_count"] + 1010
    assert (await run(isolate, "() => { for (let i = 0; i < 1e5; i++) ({ i, [Symbol()]: [i] }); return all.length; }"))[
        0
    ].result == (1000 if "push" in make else 0)
    isolate.collect_garbage()


async def test_nor_one_whose_references_the_engine_counts(new_isolate: NewIsolate) -> None:
    """While garbage is looked for no count is what it was: an object that refers to itself would be gone through twice,
    and what comes behind it not at all."""
    isolate = new_isolate(source="", turn_ms=60_000, memory_bytes=512 << 20)
    make = isolate.context.eval("(i) => { const one = { i }; one.self = one; return one; }")
    values = [make(i) for i in range(1000)]
    isolate.context.eval("globalThis.held = Array.from({ length: 3e5 }, (_, i) => ({ i, more: { i } })); 0")
    turn = Turn(isolate.collect_garbage, ())
    isolate.submit(turn)
    times = 0
    while isolate.busy:
        if isolate.in_native_call:
            times += 1
            del values[-100:]
        await trio.lowlevel.checkpoint()
    assert times > 10, "the collection was not suspended often"
    objects = isolate.runtime.compute_memory_usage()["obj_count"]
    isolate.collect_garbage()
    assert isolate.runtime.compute_memory_usage()["obj_count"] == objects - 1000
    total = (await run(isolate, "() => held.reduce((sum, { i, more }) => sum + i + more.i, 0)"))[0].result
    assert total == 2 * sum(range(300_000))


async def test_nor_one_that_pythons_collector_lets_go_of_before_the_turn_is_suspended(
    new_isolate: NewIsolate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs wherever Python makes something, so also while Python looks whether to suspend the turn."""
    isolate = new_isolate(source=f"const data = {SHUFFLED};", turn_ms=60_000)
    values = [isolate.context.eval("({})") for _ in range(100)]
    counts: list[int] = []
    suspend = Turnstile.suspend_native_call

    def collect(turnstile: Turnstile) -> bool:
        if turnstile.collecting:
            return suspend(turnstile)
        counts.append(isolate.runtime.compute_memory_usage()["obj_count"])
        values.clear()
        counts.append(isolate.runtime.compute_memory_usage()["obj_count"])
        return suspend(turnstile)

    monkeypatch.setattr(Turnstile, "suspend_native_call", collect)
    await in_the_midst(isolate, "() => data.sort()[1]")
    assert counts[0] == counts[1]
    await end_of(isolate)
    assert isolate.runtime.compute_memory_usage()["obj_count"] <= counts[0] - 100


async def test_nor_does_one_keep_the_heap_whose_turn_was_not_suspended_after_all(
    new_isolate: NewIsolate, scheduler: CpuScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = held_at_first()
    isolate = new_isolate(source="const data = { length: 1e7 };", turn_ms=60_000)
    values = [isolate.context.eval("({})") for _ in range(100)]
    looks = 0

    def drop(turnstile: Turnstile) -> bool:
        nonlocal looks
        looks += 1
        values.clear()
        return False

    monkeypatch.setattr(Turnstile, "suspend_native_call", drop)
    turn = Turn(isolate.context.eval("() => Array.prototype.lastIndexOf.call(data, 1)"), ())
    isolate.submit(turn)
    # A poll may have had it wait for another slice before that call, where others had the machine.
    await end_of(isolate)
    assert looks > 0
    assert turn.result == -1
    del turn
    isolate.close()
    await heaps_freed(scheduler)
    assert allocator.held() == before


async def test_a_turn_is_not_suspended_while_it_frees_what_is_of_another_heap(new_isolate: NewIsolate) -> None:
    """An app drops a function of Python's, which alone held a value of another app."""
    isolate, other = new_isolate(source="", turn_ms=60_000), new_isolate(source="", memory_bytes=512 << 20)
    held = [other.context.eval("Array.from({ length: 1e6 }, (_, i) => ({ i }))")]
    isolate.context.set("host", held.count)
    del held
    before = other._turnstile.heap.value
    turn = Turn(isolate.context.eval("() => { globalThis.host = null; for (let i = 0; i < 1e5; i++); return 1; }"), ())
    isolate.submit(turn)
    sizes = [other._turnstile.heap.value]
    while isolate.busy:
        await trio.lowlevel.checkpoint()
        sizes.append(other._turnstile.heap.value)
    assert turn.result == 1
    assert turn.cpu_ns > 10e6
    # A slow machine may have suspended the turn before it dropped the function, too.
    assert set(sizes) <= {before, sizes[-1]}, "the other heap was seen half freed"
    assert sizes[-1] < before - 10e6


def test_where_the_engine_has_a_lock_is_known() -> None:
    """Whoever is suspended in Atomics.notify has a lock that the Atomics.notify of each isolate waits for."""
    engine, locking = native_calls.code_range(), native_calls.locking_range()
    assert engine is not None
    assert locking is not None
    assert engine[0] < locking[0] < locking[1] < engine[1]
    assert locking[1] - locking[0] < 4096


@pytest.mark.usefixtures("short_grace")
async def test_values_of_a_heap_that_was_left_may_go_at_any_time(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(source="const held = [];", turn_ms=10)
    functions = [isolate.context.eval(f"() => {i}") for i in range(500)]
    symbols = [isolate.context.eval(f"Symbol('{i}')") for i in range(500)]
    large = isolate.context.eval("new Array(100000).fill(null).map((_, i) => ({ i }))")
    await run(isolate, f"() => {ENDLESS}")
    assert isolate.left
    isolate.close()
    functions.clear()
    symbols.clear()
    del large
    assert (await run(new_isolate(), "() => work(1000)"))[0].stopped is None
