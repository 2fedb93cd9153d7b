"""What closing an isolate has to take down, a turn that was suspended and a large heap, takes slices."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from types import CodeType

import pytest
import trio

from nano_trio.engine import allocator, native_calls
from nano_trio.engine.freeing import HeapToFree, empty_in_slices
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.scheduler import Account, CpuScheduler
from nano_trio.engine.turn import Limits, StopReason, Turn

from .conftest import NewIsolate, heaps_freed, held_at_first
from .natives import ENDLESS, MANY, MOST, run, until_in_native_call

pytestmark = pytest.mark.usefixtures("compiled")


def _where_freed(scheduler: CpuScheduler) -> CodeType | None:
    """The function of ours in which the one heap that is being freed is suspended."""
    (finish,) = scheduler.ends
    frame = finish.__self__._work.__self__._runner.gr_frame  # type: ignore[attr-defined]
    while frame is not None and frame.f_code not in (allocator.let_go.__code__, HeapToFree._free.__code__):
        frame = frame.f_back
    return None if frame is None else frame.f_code


@pytest.mark.parametrize("end", [Isolate.stop, Isolate.close])
async def test_whoever_stops_it_does_not_wait(
    new_isolate: NewIsolate, scheduler: CpuScheduler, end: Callable[[Isolate], None]
) -> None:
    isolate, neighbour = new_isolate(source="", turn_ms=1e9), new_isolate()
    turn = Turn(isolate.context.eval(f"() => {ENDLESS}"), ())
    isolate.submit(turn)
    await until_in_native_call(isolate, 3)
    before, others = isolate.account.cpu_ns, 0
    end(isolate)
    assert (turn.stopped, isolate.busy) == (StopReason.CANCELLED, False)
    assert isolate.account.cpu_ns - before < native_calls.GRACE_NS / 10
    isolate.close()
    while scheduler.ends:
        assert (await run(neighbour, "() => hi('you')"))[0].result == "hi you"
        await trio.lowlevel.checkpoint()
        others += 1
    assert isolate.left
    assert native_calls.GRACE_NS <= isolate.account.cpu_ns - before < 3 * native_calls.GRACE_NS
    assert others > 200


async def test_the_last_turn_does_not_keep_the_heap(new_isolate: NewIsolate, scheduler: CpuScheduler) -> None:
    """It would be freed at once where the turn is forgotten."""
    before = held_at_first()
    isolate = new_isolate(source="", memory_bytes=64 << 20)
    await run(isolate, f"() => {{ globalThis.kept = {MANY}; }}")
    turn = Turn(isolate.context.eval("() => globalThis.more = new ArrayBuffer(60 << 20)"), ())
    isolate.on_stopped = lambda _: isolate.close()
    isolate.submit(turn)
    while isolate.stopped is None:
        await trio.lowlevel.checkpoint()
    assert (isolate.stopped, turn.stopped) == (StopReason.MEMORY, None)
    assert len(scheduler.ends) == 1
    await heaps_freed(scheduler)
    assert allocator.held() == before
    assert turn.result is None


async def test_whoever_stops_one_that_is_about_to_end_frees_its_heap(
    new_isolate: NewIsolate, scheduler: CpuScheduler
) -> None:
    before = held_at_first()
    isolate = new_isolate(source="const data = { length: 1.5e6 };", turn_ms=1e9)
    turn = Turn(isolate.context.eval("() => { for (;;) Array.prototype.indexOf.call(data, 1); }"), ())
    isolate.submit(turn)
    await until_in_native_call(isolate)
    isolate.close()
    await heaps_freed(scheduler)
    assert (turn.stopped, isolate.left) == (StopReason.CANCELLED, False)
    del turn
    assert allocator.held() == before


async def test_to_unwind_a_turn_may_take_long(new_isolate: NewIsolate, scheduler: CpuScheduler) -> None:
    """What it held is freed then: that is native, too, and ends. Nobody waits for it."""
    before = held_at_first()
    isolate, neighbour = new_isolate(source="", turn_ms=1e9, memory_bytes=1 << 30), new_isolate()
    holds = trio.Event()
    isolate.context.set("holds", holds.set)
    turn = Turn(isolate.context.eval(f"() => {{ const held = {MOST}; holds(); for (;;); }}"), ())
    isolate.submit(turn)
    await holds.wait()
    isolate.close()
    assert turn.stopped is StopReason.CANCELLED
    cpu_ns, others = isolate.account.cpu_ns, 0
    while scheduler.ends:
        assert (await run(neighbour, "() => hi('you')"))[0].result == "hi you"
        await trio.lowlevel.checkpoint()
        others += 1
    assert others >= (isolate.account.cpu_ns - cpu_ns) / 2.5e6 >= 3
    assert not isolate.left
    del turn
    neighbour.close()
    assert allocator.held() == before


async def test_large_heaps_are_freed_in_slices(new_isolate: NewIsolate, scheduler: CpuScheduler) -> None:
    before = held_at_first()
    isolate, neighbour = new_isolate(source=f"const live = {MOST};", memory_bytes=1 << 30), new_isolate()
    cpu_ns, others = isolate.account.cpu_ns, 0
    isolate.close()
    assert allocator.held() > before + (20 << 20)
    while scheduler.ends:
        assert (await run(neighbour, "() => hi('you')"))[0].result == "hi you"
        await trio.lowlevel.checkpoint()
        others += 1
    took_ns = isolate.account.cpu_ns - cpu_ns
    assert others >= took_ns / 2.5e6 >= 3
    neighbour.close()
    assert allocator.held() == before


async def test_so_are_their_names_looked_through(new_isolate: NewIsolate, scheduler: CpuScheduler) -> None:
    isolate = new_isolate(source="", memory_bytes=1 << 30)
    isolate.context.eval("globalThis.held = {}; for (let i = 0; i < 3e6; i++) held[`name${i}`] = i; 0")
    isolate.close()
    slices = 0
    while scheduler.ends:
        slices += _where_freed(scheduler) is allocator.let_go.__code__
        await trio.lowlevel.checkpoint()
    assert slices > 4


async def test_those_who_compute_do_not_hold_up_what_is_freed(new_isolate: NewIsolate, scheduler: CpuScheduler) -> None:
    isolate, hogs = new_isolate(source=f"const live = {MANY};"), [new_isolate(turn_ms=1e9) for _ in range(50)]
    for hog in hogs:
        hog.submit(Turn(hog.context.get("spin"), ()))
    slices = sum(hog.account.slices for hog in hogs)
    isolate.close()
    await heaps_freed(scheduler)
    # By turns with one of them, not with each.
    assert sum(hog.account.slices for hog in hogs) - slices < 500


async def test_what_is_left_to_free_when_the_scheduler_ends_is_freed_at_once() -> None:
    before = held_at_first()
    async with trio.open_nursery() as nursery:
        scheduler = CpuScheduler()
        await nursery.start(scheduler.run)
        for _ in range(3):
            isolate = Isolate(scheduler)
            isolate.context.eval(f"const live = {MANY}")
            isolate.close()
        await trio.lowlevel.checkpoint()
        assert len(scheduler.ends) == 3
        nursery.cancel_scope.cancel()
    assert allocator.held() == before
    isolate = Isolate(scheduler)
    isolate.context.eval(f"const live = {MANY}")
    isolate.close()
    assert allocator.held() == before


@pytest.mark.usefixtures("no_collections")
async def test_endless_calls_that_are_left_to_unwind_when_the_scheduler_ends_share_a_second() -> None:
    async with trio.open_nursery() as nursery:
        scheduler = CpuScheduler()
        await nursery.start(scheduler.run)
        isolates = [Isolate(scheduler, limits=Limits(turn_ms=1e9)) for _ in range(8)]
        for isolate in isolates:
            isolate.submit(Turn(isolate.context.eval(f"() => {ENDLESS}"), ()))
        for isolate in isolates:
            await until_in_native_call(isolate)
            isolate.close()
        cpu_ns = time.thread_time_ns()
        nursery.cancel_scope.cancel()
    assert all(isolate.left for isolate in isolates)
    assert time.thread_time_ns() - cpu_ns < 2 * native_calls.GRACE_NS


async def test_values_that_others_let_go_of_while_a_heap_is_freed_wait(
    new_isolate: NewIsolate, scheduler: CpuScheduler
) -> None:
    """First goes what was held where memory ran out, an exception that has become large say; to that they may belong."""
    before = held_at_first()
    isolate = new_isolate(source=f"const many = {MOST};", memory_bytes=384 << 20, hard_memory_bytes=480 << 20)
    # The name of the function, made UTF-8 for the backtrace, is beyond the limit.
    isolate.context.eval(r"""
      let held = new Error();
      delete held.stack;
      function fail() { throw held; }
      Object.defineProperty(fail, "name", { value: "\xe9".repeat(144 << 20) });
      try { fail(); } catch {}
      delete fail.name;
      held.more = many.splice(0);
      held = null;
    """)
    values = [isolate.context.eval("({ a: [{}], b: Symbol() })") for _ in range(1000)]
    counter, counts, slices = isolate._turnstile.counter, set[int](), 0
    isolate.close()
    while scheduler.ends:
        if _where_freed(scheduler) is allocator.let_go.__code__:
            counts.add(counter.value)  # type: ignore[union-attr]
            slices += 1
            del values[-5:]
        await trio.lowlevel.checkpoint()
    assert slices > 10
    assert counts == {-(2**31)}
    del values
    assert allocator.held() == before


async def test_where_others_still_have_a_value_of_it_a_heap_stays(
    new_isolate: NewIsolate, scheduler: CpuScheduler
) -> None:
    before = held_at_first()
    isolate = new_isolate(source=f"const live = {MANY};")
    value = isolate.context.eval("live")
    isolate.close()
    await heaps_freed(scheduler)
    assert value.get("length") == 300_000
    del value
    assert allocator.held() == before


async def test_what_python_keeps_for_an_isolate_goes_in_slices() -> None:
    """However much there is: one slice is short against a second, and a pass of the loop comes between two."""
    async with trio.open_nursery() as nursery:
        scheduler = CpuScheduler()
        await nursery.start(scheduler.run)
        scheduler.slice_ns = 1
        kept = ([object()] * 5000, deque([object()] * 5000), dict.fromkeys(range(5000)), None, [])
        empty_in_slices(scheduler, Account(), *kept)
        passes = 0
        while scheduler.ends:
            await trio.lowlevel.checkpoint()
            passes += 1
        assert passes >= 20
        assert not any(kept)
        nursery.cancel_scope.cancel()
