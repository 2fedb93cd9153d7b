"""Turns: suspended, resumed, limited and stopped in the middle of JavaScript."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import quickjs
import structlog.testing
import trio

from nano_trio.engine.calls import call
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.turn import Entry, IsolateClosed, Limits, StopReason, Turn
from tests.allocations import allocated

from .conftest import NewIsolate, heaps_freed


async def test_a_short_turn_runs_where_it_is_submitted(even_clock: None, new_isolate: NewIsolate) -> None:
    isolate = new_isolate()
    turn = Turn(isolate.context.get("hi"), ("you",))
    isolate.submit(turn)
    assert turn.result == "hi you"  # no await between
    assert isolate.account.turns == 1
    assert isolate.account.slices == 0


async def test_microtasks_belong_to_the_turn(new_isolate: NewIsolate) -> None:
    isolate = new_isolate()
    isolate.submit(Turn(isolate.context.get("later"), (7,)))
    while isolate.busy:
        await trio.lowlevel.checkpoint()
    assert isolate.context.eval("answered.join()") == "7"
    assert isolate.account.turns == 1


class Several(Entry):
    """Calls of a function, one for each argument."""

    def __init__(self, function: object, arguments: list[object]) -> None:
        self.cause = self.result = self.stopped = None
        self.cpu_ns = 0
        self.function: Any = function
        self.more = arguments[::-1]
        self.ends = 0

    def run(self) -> None:
        self.function(self.more.pop())

    def ended(self) -> None:
        self.ends += 1


async def test_an_entry_that_is_several_runs_each_after_the_microtasks_of_the_last(
    even_clock: None, new_isolate: NewIsolate
) -> None:
    source = """
    const seen = [];
    function step(n) {
      seen.push(n + "<");
      Promise.resolve().then(() => {}).then(() => seen.push(n + ">"));
      if (n === 2) throw new Error("a bug");
    }
    """
    isolate = new_isolate(source=source)
    several = Several(isolate.context.get("step"), [1, 2, 3])
    isolate.submit(several)
    assert (several.ends, several.more, several.stopped) == (1, [], None)
    assert isolate.context.eval("seen.join(' ')") == "1< 1> 2< 2> 3< 3>"
    assert isolate.account.turns == 1


async def test_such_an_entry_ends_when_half_of_its_slice_is_used_up(even_clock: None, new_isolate: NewIsolate) -> None:
    isolate = new_isolate(source="let sum = 0; function step(rounds) { for (let i = 0; i < rounds; i++) sum++; }")
    several = Several(isolate.context.get("step"), [1000, 400_000, 1])
    isolate.submit(several)
    assert several.ends == 0
    with trio.fail_after(20):
        while not several.ends:
            await trio.lowlevel.checkpoint()
    assert several.more in ([1], [])
    assert several.stopped is None
    many = Several(isolate.context.get("step"), [50] * 2000)
    isolate.submit(many)
    assert (many.ends, many.stopped) == (1, None)
    assert 1980 < len(many.more) < 2000


async def test_a_stop_leaves_the_rest_of_such_an_entry(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(turn_ms=50, source="const seen = []; function step(n) { seen.push(n); while (n === 2); }")
    several = Several(isolate.context.get("step"), [1, 2, 3])
    isolate.submit(several)
    with trio.fail_after(20):
        while not several.ends:
            await trio.lowlevel.checkpoint()
    assert (several.ends, several.more, several.stopped) == (1, [3], StopReason.CPU)


async def test_a_long_turn_is_suspended_and_gives_the_right_result(new_isolate: NewIsolate) -> None:
    isolate, reference = new_isolate(), quickjs.Context()
    reference.eval("function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }")
    assert await call(isolate, isolate.context.get("fib"), 28) == reference.eval("fib(28)")
    assert isolate.account.slices > 2
    assert not isolate.busy


async def test_turns_of_one_isolate_run_one_at_a_time_in_order(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(source="const order = []; function step(n, rounds) { order.push(n + '<'); "
                                 "for (let i = 0; i < rounds; i++); order.push(n + '>'); }")  # fmt: skip
    step = isolate.context.get("step")
    async with trio.open_nursery() as nursery:
        for number, rounds in enumerate((400_000, 10, 200_000, 10)):
            nursery.start_soon(call, isolate, step, number, rounds)
            await trio.lowlevel.checkpoint()
    del step
    order = isolate.context.eval("order.join(' ')").split()
    begun = [entry[0] for entry in order if entry.endswith("<")]
    assert order == [f"{number}{mark}" for number in begun for mark in "<>"]


@pytest.mark.parametrize("name", ["spin", "spinInMicrotasks", "spinInPromises"])
async def test_a_turn_that_never_ends_is_stopped_at_its_cpu_limit(new_isolate: NewIsolate, name: str) -> None:
    isolate, neighbour = new_isolate(turn_ms=100), new_isolate()
    turn = Turn(isolate.context.get(name), ())
    isolate.submit(turn)
    answers = 0
    while turn.stopped is None:
        assert await call(neighbour, neighbour.context.get("hi"), "you") == "hi you"
        answers += 1
        await trio.lowlevel.checkpoint()
    assert turn.stopped is StopReason.CPU
    assert isolate.stopped is StopReason.CPU
    assert turn.cpu_ns >= 100e6
    assert answers > 10  # the neighbour was served all the while


async def test_a_turn_does_not_begin_in_the_midst_of_another_isolates(new_isolate: NewIsolate) -> None:
    """It would run on its stack, at its expense and in its name, and switch off what has it suspended."""
    isolate, other = new_isolate(), new_isolate()
    told: list[str] = []
    other.context.set("note", told.append)

    def tell() -> list[str]:
        other.submit(Turn(other.context.eval("() => note('told')"), ()))
        return list(told)

    isolate.context.set("tell", tell)
    assert await call(isolate, isolate.context.eval("() => tell().length")) == 0
    while other.busy:
        await trio.lowlevel.checkpoint()
    assert told == ["told"]
    # Between turns another's begins where it is submitted, as ever.
    assert tell() == ["told", "told"]


async def test_the_cpu_limit_is_no_wall_clock_limit(even_clock: None, new_isolate: NewIsolate) -> None:
    """Ten apps that compute at once: each waits for the others most of the time, and that is not counted."""
    isolates = [new_isolate(turn_ms=250) for _ in range(10)]
    results: list[int] = []

    async def compute(isolate: Isolate) -> None:
        results.append(await call(isolate, isolate.context.get("work"), 600_000))

    async with trio.open_nursery() as nursery:
        for isolate in isolates:
            nursery.start_soon(compute, isolate)
    assert len(results) == 10
    assert len(set(results)) == 1


async def test_cancelling_reaches_into_an_endless_loop(new_isolate: NewIsolate) -> None:
    isolate = new_isolate()
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call, isolate, isolate.context.get("spin"))
            for _ in range(5):
                await trio.lowlevel.checkpoint()
            scope.cancel()
    assert scope.cancelled_caught
    assert isolate.stopped is StopReason.CANCELLED


async def test_an_app_cannot_catch_its_end(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(
        turn_ms=20,
        source="""
        var after = 0;
        async function cling() {
          for (;;) { try { for (;;); } catch { after++; } finally { after++; } }
        }
        async function outer() { for (;;) { try { await cling(); } catch { after++; } } }
        """,
    )
    turn = Turn(isolate.context.get("outer"), ())
    isolate.submit(turn)
    while turn.stopped is None:
        await trio.lowlevel.checkpoint()
    assert turn.stopped is StopReason.CPU
    assert isolate.context.get("after") == 0


SWALLOW = [
    "spinInAsync()",
    "new Promise(spin)",
    "Array.from({ [Symbol.iterator]: spin })",
    "try { Array.from([0], spin) } catch {}",
    "try { new Set([0].values().map(spin)) } catch {}",
    "try { Object.fromEntries([[{ toString: spin }, 0]]) } catch {}",
    "try { Object.fromEntries(new Set([[{ toString: spin }, 0]])) } catch {}",
    "new Promise(() => { for (;;) { new Promise(() => { for (;;) spinInAsync() }) } })",
]


def swallower(new_isolate: NewIsolate, swallow: str) -> tuple[Isolate, Turn]:
    """An isolate and a turn that spins 100 times, in something that makes of each error a promise's, or the app's."""
    isolate = new_isolate(
        turn_ms=20,
        source=f"""
        var after = 0;
        function spin() {{ for (;;); }}
        async function spinInAsync() {{ for (;;); }}
        function outlast() {{ for (let i = 0; i < 100; i++) {{ {swallow}; after++; }} }}
        function goOn() {{ return 7; }}
        """,
    )
    return isolate, Turn(isolate.context.get("outlast"), ())


@pytest.mark.parametrize("swallow", SWALLOW)
async def test_an_app_cannot_outlast_its_end(new_isolate: NewIsolate, swallow: str) -> None:
    """Builtins that call back take the engine's error for one of the app's. Loops around loops around one of them went on
    for ever. What comes behind it may run, up to the next branch or call."""
    isolate, turn = swallower(new_isolate, swallow)
    isolate.submit(turn)
    while turn.stopped is None:
        await trio.lowlevel.checkpoint()
    assert turn.stopped is StopReason.CPU
    assert isolate.context.get("after") <= 1


@pytest.mark.parametrize("swallow", SWALLOW)
async def test_nor_an_interrupt(new_isolate: NewIsolate, swallow: str) -> None:
    isolate, turn = swallower(new_isolate, swallow)
    isolate.submit(turn)
    assert isolate.interrupt()
    assert turn.stopped is StopReason.INTERRUPTED
    assert isolate.context.get("after") <= 1
    assert await call(isolate, isolate.context.get("goOn")) == 7


async def test_no_turn_runs_after_a_stop(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(turn_ms=10)
    spin, hi = isolate.context.get("spin"), isolate.context.get("hi")
    isolate.submit(Turn(spin, ()))
    waiting, late = Turn(hi, ("waiting",)), Turn(hi, ("late",))
    isolate.submit(waiting)
    while isolate.stopped is None:
        await trio.lowlevel.checkpoint()
    isolate.submit(late)
    assert waiting.stopped is late.stopped is StopReason.DISCARDED
    with pytest.raises(IsolateClosed, match="discarded"):
        await call(isolate, hi, "later")


async def test_stop_from_inside_a_turn_ends_it(new_isolate: NewIsolate) -> None:
    isolate = new_isolate()
    isolate.context.set("die", lambda: isolate.stop())
    isolate.context.eval("function diesThenSpins() { die(); for (;;); }")
    turn = Turn(isolate.context.get("diesThenSpins"), ())
    isolate.submit(turn)
    while turn.stopped is None:
        await trio.lowlevel.checkpoint()
    assert turn.stopped is StopReason.CANCELLED


async def test_a_growing_heap_is_stopped_at_its_limit(new_isolate: NewIsolate) -> None:
    isolate, neighbour = new_isolate(memory_bytes=16 << 20), new_isolate()
    turn = Turn(isolate.context.get("hoard"), ())
    isolate.submit(turn)
    while turn.stopped is None:
        assert await call(neighbour, neighbour.context.get("hi"), "you") == "hi you"
        await trio.lowlevel.checkpoint()
    assert turn.stopped is StopReason.MEMORY
    assert 16 << 20 < isolate.memory_used < 20 << 20


async def test_garbage_does_not_count_as_memory(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(memory_bytes=16 << 20, source="""
        function circles(n) { for (let i = 0; i < n; i++) { const a = { data: new Array(100) }; a.self = a; } return "done"; }
    """)  # fmt: skip
    assert await call(isolate, isolate.context.get("circles"), 100_000) == "done"


async def test_memory_that_grows_turn_by_turn_is_noticed_between_turns(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(
        memory_bytes=8 << 20,
        source="const kept = []; function keep() { kept.push('x'.repeat(1 << 17) + kept.length); }",
    )
    keep = isolate.context.get("keep")
    for _ in range(2000):
        if isolate.stopped is not None:
            break
        isolate.submit(Turn(keep, ()))
        await trio.lowlevel.checkpoint()
    assert isolate.stopped is StopReason.MEMORY
    assert isolate.memory_used < 10 << 20


async def test_one_huge_allocation_is_an_error_that_the_app_may_catch(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(
        memory_bytes=8 << 20,
        source="function huge() { try { return new ArrayBuffer(1 << 30).byteLength; } catch (e) { return 'caught'; } }",
    )
    assert await call(isolate, isolate.context.get("huge")) == "caught"
    assert isolate.stopped is None


async def test_a_stack_overflow_is_an_error_that_the_app_may_catch(new_isolate: NewIsolate) -> None:
    isolate = new_isolate()
    for _ in range(3):
        assert await call(isolate, isolate.context.get("tryDeep")) == "RangeError: Maximum call stack size exceeded"
    assert await call(isolate, isolate.context.get("hi"), "you") == "hi you"


async def test_suspension_in_the_depth_of_a_host_call(new_isolate: NewIsolate) -> None:
    """JavaScript -> Python -> JavaScript, suspended in the innermost: all frames wait together."""
    isolate = new_isolate()
    work = isolate.context.get("work")
    isolate.context.set("host", lambda rounds: work(rounds) * 2)
    isolate.context.eval("function nested(rounds) { return host(rounds) + host(rounds); }")
    expected = isolate.context.eval("4 * work(300000)")
    slices = isolate.account.slices
    assert await call(isolate, isolate.context.get("nested"), 300_000) == expected
    assert isolate.account.slices > slices
    isolate.context.set("host", None)


async def test_host_functions_may_start_tasks_from_inside_a_turn(
    new_isolate: NewIsolate, nursery: trio.Nursery
) -> None:
    isolate = new_isolate()
    started = trio.Event()

    async def task() -> None:
        started.set()

    isolate.context.set("start", lambda: nursery.start_soon(task))
    isolate.context.eval("function starter() { start(); }")
    await call(isolate, isolate.context.get("starter"))
    await started.wait()
    assert started.is_set()


async def test_cpu_time_is_accounted_to_turn_and_app(new_isolate: NewIsolate) -> None:
    isolate = new_isolate()
    turn = Turn(isolate.context.get("work"), (400_000,))
    isolate.submit(turn)
    while isolate.busy:
        await trio.lowlevel.checkpoint()
    assert turn.cpu_ns > isolate.account.slices * 0.4e6
    assert isolate.account.cpu_ns == turn.cpu_ns


async def test_a_throwing_function_is_reported_and_the_isolate_goes_on(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(source="function bad() { throw new TypeError('no'); } function good() { return 1; }")
    with pytest.raises(quickjs.JSError, match="TypeError: no"):
        await call(isolate, isolate.context.get("bad"))
    assert await call(isolate, isolate.context.get("good")) == 1


@pytest.mark.parametrize("suspended_before", [False, True])
async def test_a_defect_of_ours_is_one_isolates_end(suspended_before: bool, new_isolate: NewIsolate) -> None:
    """What a turn calls is ours, and raises JavaScript's errors only. Where it does not, the neighbours go on."""
    isolate, neighbour = new_isolate(), new_isolate()
    reasons: list[StopReason] = []
    isolate.on_stopped = reasons.append
    work = neighbour.context.get("work")

    def defect() -> None:
        if suspended_before:
            isolate.context.eval("work(1e6)")
        raise LookupError("a slip")

    turns = [Turn(defect, ()), Turn(isolate.context.get("hi"), ("you",))]
    with structlog.testing.capture_logs() as logs:
        for turn in turns:
            isolate.submit(turn)
        assert await call(neighbour, work, 1e6) == 999989
        while isolate.busy:
            await trio.lowlevel.checkpoint()
    assert [turn.stopped for turn in turns] == [StopReason.FAULT, StopReason.DISCARDED]
    assert reasons == [isolate.stopped] == [StopReason.FAULT]
    assert [(line["event"], str(line["exc_info"])) for line in logs] == [("internal error in a turn", "a slip")]
    isolate.close()
    assert await call(neighbour, work, 1e3) == 832504


async def test_closing_in_the_middle_of_a_turn(new_isolate: NewIsolate) -> None:
    isolate = new_isolate()
    turn = Turn(isolate.context.get("spin"), ())
    isolate.submit(turn)
    await trio.lowlevel.checkpoint()
    assert isolate.busy
    isolate.close()
    assert turn.stopped is StopReason.CANCELLED
    isolate.close()


async def test_parked_greenlets_keep_no_isolate(scheduler: CpuScheduler) -> None:
    isolates = [Isolate(scheduler) for _ in range(5)]
    for isolate in isolates:
        isolate.submit(Turn(isolate.context.eval("() => { for (;;); }"), ()))
    await trio.lowlevel.checkpoint()
    assert all(isolate.busy for isolate in isolates)
    gone = [weakref.ref(isolate) for isolate in isolates]
    while isolates:
        isolates.pop().close()
    del isolate
    gc.collect()
    assert [reference() for reference in gone] == [None] * 5


@pytest.mark.parametrize("body", ["throw new Error()", "for (;;);", "for (;;) kept.push({})", "return 1"])
async def test_a_closed_isolate_is_gone_at_once(scheduler: CpuScheduler, body: str) -> None:
    """Whatever ended its turn: its heap does not wait for Python's cycle collector."""
    isolate = Isolate(scheduler, limits=Limits(turn_ms=20, memory_bytes=2 << 20))
    isolate.context.eval(f"const kept = []; function run() {{ {body}; }}")
    gone = weakref.ref(isolate)
    gc.disable()
    try:
        turn = Turn(isolate.context.get("run"), ())
        isolate.submit(turn)
        while isolate.busy:
            await trio.lowlevel.checkpoint()
        isolate.close()
        del turn, isolate
        assert gone() is None
    finally:
        gc.enable()


async def test_memory_returns_after_ten_thousand_isolates(scheduler: CpuScheduler) -> None:
    def make_and_close(count: int) -> None:
        for _ in range(count):
            isolate = Isolate(scheduler, limits=Limits())
            isolate.context.set("host", lambda text: len(text))
            isolate.submit(
                Turn(isolate.context.eval("(text) => host(text) + [1, 2].map((x) => x * 2).length"), ("abc",))
            )
            isolate.close()

    make_and_close(500)
    await heaps_freed(scheduler)
    before = allocated()
    for _ in range(100):
        make_and_close(100)
        await trio.lowlevel.checkpoint()
    await heaps_freed(scheduler)
    after = allocated()
    # A leak of even one context in a thousand would be 900 kB, and a block of each isolate's ten thousand blocks.
    assert after.size - before.size < 200_000
    assert after.blocks - before.blocks < 2000


@pytest.mark.parametrize(
    "loop",
    [
        "for (;;);",
        "try { for (;;); } catch { kept = 0; } finally { kept = 0; }",
        "(async () => { for (;;) await null; })()",
    ],
)
async def test_an_interrupted_heap_goes_on(scheduler: CpuScheduler, loop: str) -> None:
    isolate = Isolate(scheduler)
    isolate.context.eval(f"var kept = 0; function loop() {{ {loop} }}; function count() {{ return ++kept; }}")
    loop_function, count = isolate.context.get("loop"), isolate.context.get("count")
    for number in range(1, 200):
        turn, after = Turn(loop_function, ()), Turn(count, ())
        # In a new pass, where the turn before has used up nothing, it begins at once.
        await trio.lowlevel.checkpoint()
        isolate.submit(turn)
        isolate.submit(after)
        for _ in range(number % 4):
            await trio.lowlevel.checkpoint()
        assert isolate.interrupt()
        while isolate.busy:
            await trio.lowlevel.checkpoint()
        assert turn.stopped is StopReason.INTERRUPTED
        assert (after.stopped, after.result) == (None, number)
    assert not isolate.interrupt()
    del loop_function, count, turn, after
    isolate.close()
