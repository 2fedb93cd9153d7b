"""A native call that takes long is suspended in its midst, and left where it does not end."""

from __future__ import annotations

import heapq
import os
import subprocess
import sys

import pytest
import trio

from nano_trio.engine import builtins, native_calls, turnstile
from nano_trio.engine.native import engine_functions
from nano_trio.engine.scheduler import PROVEN_TURNS, CpuScheduler
from nano_trio.engine.turn import StopReason, Turn

from .conftest import NewIsolate, heaps_freed
from .natives import ENDLESS, MANY, MOST, SHUFFLED, run, until_in_native_call

pytestmark = pytest.mark.usefixtures("compiled")


@pytest.mark.parametrize(
    ("before", "code", "result"),
    [
        (f"const data = {SHUFFLED};", "() => data.sort().slice(0, 4).join()", "0,1,10,100"),
        ("const data = 'a,'.repeat(3e6);", "() => data.split(',').length", 3_000_001),
        ("const data = {}; for (let i = 0; i < 3e5; i++) data['k' + i] = [i];", "() => JSON.stringify(data, null, 1).length", 7_877_782),
        ("const data = 3n ** 300000n;", "() => data.toString().length", 143_137),
        ("const data = { length: 1e7 };", "() => Array.prototype.lastIndexOf.call(data, 1)", -1),
        (
            "const data = Array.from({ length: 8000 }, (_, i) => `const v${i} = ${i};`).join('') + 'return v7999';",
            "() => new Function(data)()",
            7999,
        ),
        ("const data = new Uint8Array(1 << 27);", "() => data.fill(7).slice()[5e7]", 7),
        ("const data = new Uint8Array(1 << 28);", "() => { data[0] = 7; return data.copyWithin(1e7, 0)[1e7] }", 7),
        ("const data = 'ab'.repeat(1 << 25);", "() => (data + 1).charCodeAt(1 << 26)", 49),
        (f"let data = {MOST}.map((a) => {{ a.a = a; return a }});", "() => { data = 0; return 'dropped' }", "dropped"),
        ("let data = new Uint8Array(1 << 28).fill(1);", "() => { data = 0; return 'dropped' }", "dropped"),
    ],
    ids=[
        "sort", "split", "stringify", "bigint", "array-like", "compile", "fill", "copy", "concatenate", "collect", "free"
    ],
)  # fmt: skip
async def test_it_is_suspended_time_and_again_and_is_right(
    new_isolate: NewIsolate, before: str, code: str, result: object
) -> None:
    isolate = new_isolate(source=before, turn_ms=60_000, memory_bytes=600 << 20)
    turn, others = await run(isolate, code)
    assert (turn.stopped, turn.result) == (None, result)
    # Slices are of 0.5 ms.
    assert isolate.account.slices >= turn.cpu_ns / 2.5e6 >= 2
    assert others >= isolate.account.slices
    assert not isolate.left


async def test_it_is_suspended_where_its_turn_has_had_another_app_do_something(new_isolate: NewIsolate) -> None:
    """A call to another app is given up, say, which that app is told."""
    isolate, other = new_isolate(source="const data = { length: 1e7 };", turn_ms=60_000), new_isolate()
    told = Turn(other.context.get("hi"), ("you",))
    isolate.context.set("tell", lambda: other.submit(told))
    turn, _ = await run(isolate, "() => { tell(); return [].lastIndexOf.call(data, 1) }")
    assert (turn.stopped, turn.result, told.result) == (None, -1, "hi you")
    assert isolate.account.slices >= turn.cpu_ns / 2.5e6 >= 2


async def test_many_at_a_time_do_not_mix(new_isolate: NewIsolate) -> None:
    """Each is put aside with all its registers, in the midst of others that are put aside as well."""
    count = 6
    isolates = [
        new_isolate(source=f"const data = {SHUFFLED}.slice(0, 1e5).map((x) => x + {i} / 8);") for i in range(count)
    ]
    turns = [Turn(isolate.context.eval("() => data.sort().join().length + data[9]"), ()) for isolate in isolates]
    for isolate, turn in zip(isolates, turns, strict=True):
        isolate.submit(turn)
    while any(isolate.busy for isolate in isolates):
        await trio.lowlevel.checkpoint()
    for i, turn in enumerate(turns):
        texts = [repr((k * 7919) % 300_007 + i / 8).removesuffix(".0") for k in range(100_000)]
        assert turn.result == len(",".join(texts)) + float(heapq.nsmallest(10, texts)[9])
    assert all(isolate.account.slices >= 5 for isolate in isolates)


async def test_one_that_ends_soon_behind_the_limit_is_unwound_as_ever(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(source=f"const data = {SHUFFLED}.slice(0, 1e5);", turn_ms=5)
    turn, _ = await run(isolate, "() => { data.sort(); for (;;); }")
    assert turn.stopped is StopReason.CPU
    assert not isolate.left, "its heap could have been freed"


async def test_a_compilation_that_takes_more_memory_than_it_may_is_left(new_isolate: NewIsolate) -> None:
    """It is refused nothing (builtins_compiling.c), and behind the parser nothing tells it to end: it took 40 times the limit."""
    code = f"{'with (o) ' * 400}{{ {'x;' * 100_000} }}"
    isolate, neighbour = (
        new_isolate(source=f"const code = {code!r};", turn_ms=60_000, memory_bytes=32 << 20),
        new_isolate(),
    )
    builtins.spare(isolate.context)
    heap = isolate._turnstile.heap
    assert heap is not None
    turn, others = await run(isolate, "() => { try { new Function(code) } catch {} }")
    assert (turn.stopped, isolate.left) == (StopReason.MEMORY, True)
    assert heap.value < 8 * isolate.limits.hard_memory_bytes
    assert others >= 20
    isolate.close()
    turn, _ = await run(neighbour, "() => 1")
    assert turn.result == 1


@pytest.mark.usefixtures("short_grace")
async def test_one_that_does_not_end_is_left(new_isolate: NewIsolate) -> None:
    isolate, neighbour = new_isolate(source="", turn_ms=50), new_isolate()
    stopped: list[StopReason] = []
    isolate.on_stopped = stopped.append
    turn, others = await run(isolate, f"() => {{ try {{ {ENDLESS} }} finally {{ globalThis.caught = 1; }} }}")
    assert (turn.stopped, stopped, isolate.left) == (StopReason.CPU, [StopReason.CPU], True)
    assert turn.cpu_ns < 3 * turnstile.GRACE_NS
    assert others >= 20
    isolate.close()
    isolate.close()
    # The thread, its greenlets and its timer go on.
    one, _ = await run(neighbour, "() => work(2e6)")
    other, _ = await run(new_isolate(), "() => work(2e6)")
    assert one.result == other.result


@pytest.mark.usefixtures("short_grace")
@pytest.mark.parametrize(
    "held",
    ["new Uint8Array(100 << 20).fill(1)", "Array.from({ length: 1e6 }, (_, i) => ({ i }))"],
    ids=["large", "small"],
)
async def test_its_memory_is_given_back_in_slices(new_isolate: NewIsolate, scheduler: CpuScheduler, held: str) -> None:
    def resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    isolate = new_isolate(source=f"const held = {held};", turn_ms=10, memory_bytes=256 << 20)
    before = resident()
    await run(isolate, f"() => {ENDLESS}")
    others, cpu_ns = 0, isolate.account.cpu_ns
    isolate.close()
    while scheduler.ends:
        await trio.lowlevel.checkpoint()
        others += 1
    assert before - resident() > 90 << 20
    assert others >= (isolate.account.cpu_ns - cpu_ns) / 2.5e6 >= 0.2


async def test_a_host_function_is_not_suspended_in_its_midst(new_isolate: NewIsolate) -> None:
    """It may be half done with what other code may see."""
    isolate = new_isolate(source="", turn_ms=60_000, memory_bytes=1 << 30)
    seen: list[int] = []

    def host() -> int:
        before = isolate.account.slices
        sort()
        seen.append(isolate.account.slices - before)
        return len(seen)

    sort = isolate.context.eval(f"(data => () => {{ data.slice().sort(); }})({SHUFFLED})")
    isolate.context.set("host", host)
    turn, _ = await run(isolate, "() => host() + host()")
    assert turn.result == 3
    assert turn.cpu_ns > 50e6
    # The polls behind the sort suspend it, as ever; ticks in its midst would do so ten times.
    assert max(seen) <= 2


def test_a_process_that_left_some_ends_as_any_other() -> None:
    code = f"""
import trio
from nano_trio.engine import turnstile
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.turn import Limits, Turn

turnstile.GRACE_NS //= 5

async def main():
    async with trio.open_nursery() as nursery:
        cpu = CpuScheduler()
        await nursery.start(cpu.run)
        isolates = [Isolate(cpu, limits=Limits(turn_ms=10)) for _ in range(5)]
        for isolate in isolates:
            isolate.submit(Turn(isolate.context.eval({f"() => {ENDLESS}"!r}), ()))
        while any(isolate.busy for isolate in isolates):
            await trio.lowlevel.checkpoint()
        print([isolate.left for isolate in isolates])
        for isolate in isolates[1:]:
            isolate.close()
        nursery.cancel_scope.cancel()

trio.run(main)
print("over")
"""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    told = subprocess.run(
        [sys.executable, "-X", "dev", "-c", code], env=environ, capture_output=True, text=True, timeout=120
    )
    assert (told.returncode, told.stdout.splitlines()) == (0, [str([True] * 5), "over"]), told.stderr


def test_in_another_build_of_the_engine_nothing_is_suspended_where_that_was_not_proved() -> None:
    """Its polls serve, as ever."""
    code = f"""
import trio
from nano_trio.engine import native_calls
native_calls._BETWEEN = ("JS_Call", "JS_NoSuchFunction")
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.turn import Limits, Turn

async def slices(cpu, before, code):
    isolate = Isolate(cpu, limits=Limits(turn_ms=60_000))
    isolate.context.eval(before)
    turn = Turn(isolate.context.eval(code), ())
    isolate.submit(turn)
    while isolate.busy:
        await trio.lowlevel.checkpoint()
    del turn
    isolate.close()
    return isolate.account.slices

async def main():
    async with trio.open_nursery() as nursery:
        cpu = CpuScheduler()
        await nursery.start(cpu.run)
        print(await slices(cpu, {f"const data = {SHUFFLED};"!r}, "() => {{ data.sort() }}") < 5)
        print(await slices(cpu, "", "() => {{ for (let i = 0; i < 3e6; i++); }}") > 5)
        print(cpu.ends)
        nursery.cancel_scope.cancel()

trio.run(main)
"""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    told = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=120)
    assert told.stdout.splitlines() == ["True", "True", "set()"], told.stderr


@pytest.mark.parametrize("code", ["for (let i = 0; i < 1e5; i++) round()", "for (let i = 0; i < 3e4; i++) round()"])
async def test_garbage_is_collected_in_slices(new_isolate: NewIsolate, code: str) -> None:
    """At a poll in the midst of a turn, and at the end of one that is short but for that."""
    isolate = new_isolate(
        source=f"const live = {MANY}; function round() {{ const o = {{}}; o.o = o; }}", turn_ms=60_000
    )
    isolate.account.trust = PROVEN_TURNS
    collecting = turns = 0
    # To walk through what lives takes some ten ms each time, and some ms on a quick machine.
    while turns < 20 or collecting <= 20:
        turns += 1
        turn = Turn(isolate.context.eval(f"() => {{ {code} }}"), ())
        isolate.submit(turn)
        while isolate.busy:
            collecting += isolate.in_native_call
            await trio.lowlevel.checkpoint()
        assert turn.stopped is None
    isolate.collect_garbage()
    assert isolate.runtime.compute_memory_usage()["obj_count"] < 301_000


async def test_values_may_go_while_garbage_is_collected(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(source=f"const live = {MOST};", turn_ms=60_000, memory_bytes=1 << 30)
    for wait in range(1, 12):
        values = [isolate.context.eval("({ a: [1, 2, 3] })") for _ in range(300)]
        isolate.context.eval("for (let i = 0; i < 3000; i++) { const o = { live }; o.o = o; }")
        slices = isolate.account.slices
        isolate.submit(Turn(isolate.collect_garbage, ()))
        await until_in_native_call(isolate, slices + wait)
        values.clear()
        while isolate.busy:
            await trio.lowlevel.checkpoint()
    isolate.collect_garbage()
    isolate.collect_garbage()
    assert isolate.runtime.compute_memory_usage()["obj_count"] < 2_001_000
    assert (await run(isolate, "() => live.reduce((sum, { i }) => sum + i, 0)"))[0].result == 2_000_000 * 1_999_999 // 2


async def test_a_collection_costs_nobody_its_isolate(new_isolate: NewIsolate) -> None:
    """It is no fault of the turn in which it falls."""
    isolate = new_isolate(source=f"const live = {MOST};", turn_ms=3, memory_bytes=1 << 30)
    turn = Turn(isolate.collect_garbage, ())
    isolate.submit(turn)
    while isolate.busy:
        await trio.lowlevel.checkpoint()
    assert turn.stopped is None
    assert turn.cpu_ns > 3e6


async def test_an_isolate_that_is_stopped_while_it_collects_is_freed(
    new_isolate: NewIsolate, scheduler: CpuScheduler
) -> None:
    isolate = new_isolate(source=f"const live = {MANY};", turn_ms=60_000)
    turn = Turn(isolate.collect_garbage, ())
    isolate.submit(turn)
    await until_in_native_call(isolate, 2)
    isolate.close()
    assert turn.stopped is StopReason.CANCELLED
    await heaps_freed(scheduler)
    assert not isolate.left


@pytest.mark.parametrize(
    ("before", "code", "expected"),
    [
        ("const long = ['x'.repeat(60_000_000)];", "JSON.stringify(long).length", 60_000_004),
        ("const long = { ['x'.repeat(60_000_000)]: 1 };", "JSON.stringify(long).length", 60_000_006),
        ("const long = '[\"' + 'x'.repeat(40_000_000) + '\"]';", "JSON.parse(long)[0].length", 40_000_000),
        ("const long = '[\"' + '\\\\n'.repeat(20_000_000) + '\"]';", "JSON.parse(long)[0].length", 20_000_000),
        ("const long = '[' + ' '.repeat(40_000_000) + '1]';", "JSON.parse(long)[0]", 1),
    ],
)
async def test_json_of_one_long_value_is_suspended_in_its_midst(
    new_isolate: NewIsolate, before: str, code: str, expected: int
) -> None:
    """Between values it polls."""
    isolate = new_isolate(source=before, memory_bytes=600 << 20)
    turn, _ = await run(isolate, f"() => {code}")
    assert turn.result == expected
    assert isolate.account.slices >= turn.cpu_ns / 2.5e6 >= 2


def test_the_engine_ends_where_the_loader_says() -> None:
    """Also in a library that does not export the place, as that of the binding for CPython 3.12."""
    found = native_calls.code_range()
    assert found is not None
    exported = engine_functions(["_fini"])
    assert exported is None or found[1] == exported[0]
