"""A host function has its turn wait, suspended, for what others do."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import quickjs
import structlog.testing
import trio

from nano_trio.engine.isolate import Isolate
from nano_trio.engine.pauses import CannotWait, Stopped
from nano_trio.engine.scheduler import PROVEN_TURNS, CpuScheduler
from nano_trio.engine.turn import StopReason, Turn

from .conftest import NewIsolate

pytestmark = pytest.mark.usefixtures("even_clock")  # turns begin where they are submitted

SOURCE = """
const log = [];
function waits() {
  log.push("before");
  try { const answer = wait(); log.push(answer); return answer; } catch (error) { log.push("caught"); for (;;) log.push("on"); } finally { log.push("finally"); }
}
function among() { return [3, 1, 2].sort((a, b) => (wait(), a - b)).join() + JSON.stringify({ toJSON: () => wait() }) + "x".replace("x", wait); }
function twice() { wait(); for (let i = 0; i < 1e9; i++); }
function uncaught() { wait(); }
function computesAndWaits(n) { for (;;) { for (let i = 0; i < n; i++); wait(); } }
async function later() { await null; log.push(wait()); await null; log.push("then"); }
"""


class Others:
    """Those who work for the turns of an isolate: what each was told, and what is to be called."""

    def __init__(self, isolate: Isolate) -> None:
        self.limits_ns: list[int] = []
        self.over: list[Callable[[int], None]] = []
        self.stopped = 0
        own = weakref.ref(isolate)

        def wait(*_: Any) -> str:
            living = own()
            assert living is not None
            wait = living.wait
            del living
            try:
                wait(self.begin)
            except Stopped:
                self.stopped += 1
                raise
            return "answer"

        isolate.context.set("wait", wait)

    def begin(self, limit_ns: int, is_over: Callable[[int], None]) -> None:
        self.limits_ns.append(limit_ns)
        self.over.append(is_over)


def logged(isolate: Isolate) -> str:
    return str(isolate.context.eval("log.join(' ')"))


async def until(isolate: Isolate) -> None:
    while isolate.busy:
        await trio.lowlevel.checkpoint()


async def test_it_takes_no_slice_until_they_are_done(new_isolate: NewIsolate, scheduler: CpuScheduler) -> None:
    isolate, neighbour = new_isolate(source=SOURCE), new_isolate()
    others = Others(isolate)
    turn, behind = Turn(isolate.context.get("waits"), ()), Turn(isolate.context.get("waits"), ())
    isolate.submit(turn)
    isolate.submit(behind)
    for _ in range(50):
        await trio.lowlevel.checkpoint()
        told = Turn(neighbour.context.get("hi"), ("you",))
        neighbour.submit(told)
        assert told.result == "hi you"
        assert scheduler.waiting == 0
    assert isolate.busy
    assert len(others.over) == 1
    assert isolate.account.turns == 1
    others.over[0](7_000)
    while len(others.over) < 2:
        await trio.lowlevel.checkpoint()
    assert (turn.result, turn.stopped) == ("answer", None)
    assert isolate.account.slices == 0
    others.over[1](0)
    await until(isolate)
    assert behind.result == "answer"
    assert logged(isolate) == "before answer finally before answer finally"


async def test_it_waits_wherever_javascript_calls(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(source=SOURCE)
    others = Others(isolate)
    turn = Turn(isolate.context.get("among"), ())
    isolate.submit(turn)
    isolate.submit(Turn(isolate.context.get("later"), ()))
    while isolate.busy:
        while others.over:
            others.over.pop()(0)
        await trio.lowlevel.checkpoint()
    assert turn.result == '1,2,3"answer"answer'
    assert logged(isolate) == "answer then"


async def test_the_cpu_time_of_others_is_the_turns(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(source=SOURCE, turn_ms=1000)
    others = Others(isolate)
    turn = Turn(isolate.context.get("waits"), ())
    isolate.submit(turn)
    assert 0 < others.limits_ns[0] <= 1_000_000_000 - turn.cpu_ns
    others.over[0](400_000_000)
    await until(isolate)
    assert 400_000_000 < turn.cpu_ns < 1_000_000_000
    assert isolate.account.cpu_ns >= turn.cpu_ns

    beyond = Turn(isolate.context.get("waits"), ())
    isolate.submit(beyond)
    others.over[1](others.limits_ns[1])
    await until(isolate)
    assert (beyond.stopped, isolate.stopped) == (StopReason.CPU, StopReason.CPU)
    assert others.stopped == 1


async def test_who_gives_up_at_the_limit_has_no_answer_though_the_limit_was_raised_meanwhile(
    new_isolate: NewIsolate,
) -> None:
    isolate = new_isolate(source=SOURCE, turn_ms=1000)
    others = Others(isolate)
    turn = Turn(isolate.context.get("waits"), ())
    isolate.submit(turn)
    isolate.limit_turns(60_000)
    others.over[0](others.limits_ns[0])
    await until(isolate)
    assert turn.stopped is StopReason.CPU
    assert others.stopped == 1


async def test_at_its_limit_a_turn_has_others_begin_nothing(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(source=SOURCE, turn_ms=0.01)
    others = Others(isolate)
    turn = Turn(isolate.context.get("waits"), ())
    isolate.submit(turn)
    assert (turn.stopped, others.over) == (StopReason.CPU, [])


async def test_it_comes_back_with_those_that_may_still_be_short(
    new_isolate: NewIsolate, scheduler: CpuScheduler
) -> None:
    """Where it has computed no more than that: what others have is not its own."""
    isolate, neighbour = new_isolate(source=SOURCE), new_isolate()
    others = Others(isolate)
    isolate.submit(Turn(isolate.context.get("computesAndWaits"), (0,)))
    await trio.lowlevel.checkpoint()
    assert scheduler.may_begin(neighbour.account)
    others.over.pop()(1_000_000_000)
    # Those go first.
    assert not scheduler.may_begin(neighbour.account)


async def test_who_computes_between_waits_is_one_of_those_who_compute(
    new_isolate: NewIsolate, scheduler: CpuScheduler
) -> None:
    isolate, neighbour = new_isolate(source=SOURCE), new_isolate()
    others = Others(isolate)
    for _ in range(PROVEN_TURNS):
        isolate.submit(Turn(int, ()))
        await until(isolate)
    assert isolate.account.proven
    isolate.submit(Turn(isolate.context.get("computesAndWaits"), (500,)))
    for _ in range(100):
        while not others.over:
            await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        others.over.pop()(0)
    # It came out of no slice's end, only out of waits.
    assert isolate.account.slices == 0
    assert not isolate.account.proven
    assert scheduler.may_begin(neighbour.account)


async def test_it_is_stopped_while_it_waits(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(source=SOURCE)
    others = Others(isolate)
    ended: list[Turn] = []
    turn = Turn(isolate.context.get("waits"), (), ended.append)
    isolate.submit(turn)
    isolate.stop()
    assert ended == [turn]
    assert turn.stopped is StopReason.CANCELLED
    assert others.stopped == 0
    isolate.close()
    assert others.stopped == 1
    # Those who worked for it may be done later.
    others.over[0](1)
    await trio.testing.wait_all_tasks_blocked()
    assert ended == [turn]


async def test_those_who_are_done_with_a_turn_that_was_stopped_do_not_resume_it(
    new_isolate: NewIsolate, scheduler: CpuScheduler
) -> None:
    isolate = new_isolate(source=SOURCE)
    others = Others(isolate)
    isolate.submit(Turn(isolate.context.get("waits"), ()))
    isolate.stop()
    others.over[0](1)
    assert scheduler.waiting == 0

    done = new_isolate(source=SOURCE)
    others = Others(done)
    done.submit(Turn(done.context.get("waits"), ()))
    others.over[0](1)
    assert scheduler.waiting == 1
    done.stop()
    assert scheduler.waiting == 0
    done.close()
    assert others.stopped == 1


async def test_an_owner_interrupts_it_and_goes_on(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(source=SOURCE)
    others = Others(isolate)
    turn = Turn(isolate.context.get("waits"), ())
    isolate.submit(turn)
    assert isolate.interrupt()
    await until(isolate)
    assert (turn.stopped, isolate.stopped) == (StopReason.INTERRUPTED, None)
    others.over[0](1)
    # One branch of what was interrupted at most.
    assert logged(isolate).startswith("before")
    again = Turn(isolate.context.get("waits"), ())
    isolate.submit(again)
    others.over[1](1)
    await until(isolate)
    assert again.result == "answer"


@pytest.mark.parametrize("name", ["waits", "uncaught"])
async def test_to_stop_it_is_no_error_of_ours(new_isolate: NewIsolate, name: str) -> None:
    isolate = new_isolate(source=SOURCE, turn_ms=1)
    others = Others(isolate)
    turn = Turn(isolate.context.get(name), ())
    with structlog.testing.capture_logs() as logs:
        isolate.submit(turn)
        others.over[0](2_000_000)
        await until(isolate)
    assert turn.stopped is StopReason.CPU
    assert logs == []


async def test_behind_a_wait_a_turn_is_suspended_and_limited_as_ever(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(source=SOURCE, turn_ms=20)
    others = Others(isolate)
    turn = Turn(isolate.context.get("twice"), ())
    isolate.submit(turn)
    others.over[0](5_000_000)
    await until(isolate)
    assert turn.stopped is StopReason.CPU
    assert turn.cpu_ns >= 20_000_000
    assert isolate.account.slices > 0


async def test_garbage_and_memory_wait_for_the_turn(new_isolate: NewIsolate) -> None:
    """Whoever asks for them meanwhile does not touch the heap: what is to be done there is a turn behind it."""
    isolate = new_isolate(source=SOURCE)
    others = Others(isolate)
    isolate.submit(Turn(isolate.context.get("waits"), ()))
    ended: list[Turn] = []
    collection = Turn(isolate.collect_garbage, (), ended.append)
    isolate.submit(collection)
    isolate.hold(1 << 40)
    with pytest.raises(AssertionError):
        isolate.read_memory()
    gc.collect()
    await trio.testing.wait_all_tasks_blocked()
    assert not ended
    others.over[0](0)
    await until(isolate)
    # What is held for it is then too much.
    assert isolate.stopped is StopReason.MEMORY


async def test_outside_of_a_turn_nobody_can_wait(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(source=SOURCE)
    others = Others(isolate)
    with pytest.raises(CannotWait):
        isolate.wait(others.begin)
    with pytest.raises((quickjs.JSError, CannotWait)):
        isolate.context.eval("wait()")
    isolate.submit(Turn(isolate.context.get("waits"), ()))
    # It waits, and this is not in it.
    with pytest.raises(CannotWait):
        isolate.wait(others.begin)
    assert len(others.over) == 1


async def test_who_cannot_begin_leaves_no_wait(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(source=SOURCE)

    def wait() -> Any:
        def begin(limit_ns: int, is_over: Callable[[int], None]) -> None:
            raise ValueError

        try:
            isolate.wait(begin)
        except ValueError:
            return "failed"

    isolate.context.set("wait", wait)
    turn = Turn(isolate.context.get("waits"), ())
    isolate.submit(turn)
    assert turn.result == "failed"
    isolate.context.set("wait", None)
    del wait


async def test_nothing_keeps_an_isolate_that_was_closed_while_it_waited(scheduler: CpuScheduler) -> None:
    gc.collect()
    isolate = Isolate(scheduler)
    isolate.context.eval(SOURCE)
    others = Others(isolate)
    isolate.submit(Turn(isolate.context.get("waits"), ()))
    runtime = weakref.ref(isolate)
    isolate.close()
    del isolate
    gc.collect()
    assert runtime() is None
    others.over[0](1)


async def test_where_no_slices_are_granted_any_more_it_is_unwound() -> None:
    async with trio.open_nursery() as nursery:
        scheduler = CpuScheduler()
        await nursery.start(scheduler.run)
        isolate = Isolate(scheduler)
        isolate.context.eval(SOURCE)
        others = Others(isolate)
        isolate.submit(Turn(isolate.context.get("waits"), ()))
        nursery.cancel_scope.cancel()
    isolate.close()
    assert others.stopped == 1
    assert not scheduler.ends
