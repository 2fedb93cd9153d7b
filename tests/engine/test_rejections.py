"""What the engine tells of rejected promises: notes that are true whatever happens between them, and cost no memory."""

from __future__ import annotations

import json
import subprocess
import sys
import weakref

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from nano_trio.engine import allocator, rejections
from nano_trio.engine.calls import call
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.turn import IsolateClosed, Limits, StopReason, Turn

from .conftest import heaps_freed, held_at_first

# A reader as plain as can be: what is unhandled when all microtasks have run is in `unhandled`.
READER = """
var unhandled = [], looks = [], longest = 0, during = () => {};
{
  const rejected = new Map();
  var list = [(isIdle) => {
    looks.push(isIdle);
    longest = Math.max(longest, list.length);
    for (let i = 2; i < list.length; i += 3) {
      if (list[i + 2]) rejected.delete(list[i]);
      else rejected.set(list[i], list[i + 1]);
    }
    list.length = 2;
    if (isIdle) {
      unhandled.push(...rejected.values());
      rejected.clear();
    }
    during();
    return rejected.size > 0;
  }, false];
  Promise.reject(list);
}
const ignore = () => {};
"""


def make(scheduler: CpuScheduler, source: str = "", **limits: float) -> Isolate:
    isolate = Isolate(scheduler, None, Limits(**limits))  # type: ignore[arg-type]
    assert rejections.in_use(), "nothing tells of rejections: in a source tree, run `python hatch_build.py`"
    rejections.watch(isolate.context)
    isolate.context.eval(READER + source)
    return isolate


async def run(isolate: Isolate, source: str) -> None:
    function = isolate.context.eval(f"() => {{ {source} }}")
    await call(isolate, function)


def read(isolate: Isolate, expression: str) -> object:
    return json.loads(isolate.context.eval(f"JSON.stringify({expression})"))


async def test_what_is_unhandled_is_told_when_all_microtasks_have_run(scheduler: CpuScheduler) -> None:
    isolate = make(scheduler)
    await run(
        isolate,
        """
        Promise.reject("a");
        const late = Promise.reject("b");
        (async () => { for (let i = 0; i < 50; i++) await null; late.catch(ignore); throw "c"; })();
        Promise.reject("d").catch(ignore);
        """,
    )
    assert read(isolate, "[unhandled, looks, list.length]") == [["a", "c"], [True], 2]
    await run(isolate, "Promise.reject(1.5); Promise.reject(undefined)")
    assert read(isolate, "unhandled.map(String)") == ["a", "c", "1.5", "undefined"]
    isolate.close()


async def test_what_is_handled_at_once_leaves_no_note(scheduler: CpuScheduler) -> None:
    isolate = make(scheduler)
    await run(
        isolate,
        """(async () => {
          const fails = async () => { throw new Error("x"); };
          for (let i = 0; i < 1000; i++) { try { await fails(); } catch {} longest = Math.max(longest, list.length); }
        })()""",
    )
    assert read(isolate, "[unhandled, longest]") == [[], 2]
    isolate.close()


OPERATIONS = st.one_of(
    st.tuples(st.sampled_from(["reject", "handle"]), st.integers(0, 7)),
    st.tuples(st.sampled_from(["tick", "collect", "compute"]), st.just(0)),
)


PERFORM = """
function perform(turn, operations) {
  const made = [];
  (async () => {
    for (const [kind, i] of operations) {
      made[i] ??= Promise.withResolvers();
      if (kind === "reject") made[i].reject({ name: turn + "/" + i });
      else if (kind === "handle") made[i].promise.catch(ignore);
      else if (kind === "tick") await null;
      else if (kind === "collect") collect();
      else for (let i = 0; i < 20000; i++);
    }
  })();
}
"""


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(OPERATIONS, max_size=30), min_size=1, max_size=4))
def test_any_order(turns: list[list[tuple[str, int]]]) -> None:
    """Eight promises at a time are rejected and handled, with collections and suspensions in between."""
    trio.run(any_order, turns)


async def any_order(turns: list[list[tuple[str, int]]]) -> None:
    scheduler = CpuScheduler()
    async with trio.open_nursery() as nursery:
        await nursery.start(scheduler.run)
        isolate = make(scheduler, PERFORM)
        reference = weakref.ref(isolate)

        def collect() -> None:
            living = reference()
            assert living is not None
            living.runtime.run_gc()

        isolate.context.set("collect", collect)
        expected: list[str] = []
        for number, operations in enumerate(turns):
            rejected = list(dict.fromkeys(i for kind, i in operations if kind == "reject"))
            handled = {i for kind, i in operations if kind == "handle"}
            expected += [f"{number}/{i}" for i in rejected if i not in handled]
            await run(isolate, f"perform({number}, {json.dumps(operations)})")
        assert read(isolate, "unhandled.map((reason) => reason.name)") == expected
        assert read(isolate, "list.slice(1)") == [False]
        isolate.close()
        nursery.cancel_scope.cancel()


async def test_what_was_handled_long_ago_is_not_kept_for_the_rest_of_a_turn(scheduler: CpuScheduler) -> None:
    """Handled in another order than rejected, notes stay until they are looked through."""
    isolate = make(scheduler, memory_bytes=8 << 20)
    await run(
        isolate,
        """(async () => {
          for (let i = 0; i < 5000; i++) {
            const pair = [Promise.reject("x".repeat(1000) + i), Promise.reject("y".repeat(1000) + i)];
            await Promise.allSettled(pair);
          }
          throw "end";
        })()""",
    )
    assert read(isolate, "[unhandled, looks.at(-1), looks.includes(false)]") == [["end"], True, True]
    assert read(isolate, "longest < 10000") is True
    isolate.close()


async def test_a_look_may_take_long_and_reject_itself(scheduler: CpuScheduler) -> None:
    isolate = make(scheduler)
    await run(
        isolate,
        """
        during = () => {
          for (let i = 0; i < 300000; i++);
          if (looks.length < 4) Promise.reject("within " + looks.length);
        };
        Promise.reject("first");
        """,
    )
    assert isolate.account.slices > 2
    assert read(isolate, "unhandled") == ["first", "within 1", "within 2", "within 3"]
    isolate.close()


@pytest.mark.parametrize(
    "code",
    [
        "for (;;) Promise.reject({}).catch(ignore)",
        "(async () => { for (;;) { Promise.reject({}); await null; } })()",
        "(async () => { for (;;) { const a = Promise.reject(1), b = Promise.reject(2); await null; a.catch(ignore); } })()",
        "Promise.reject(1); during = () => { for (;;); }",
        "Promise.reject(1); during = () => { Promise.reject(2); }",
    ],
)
async def test_a_turn_that_never_ends_is_stopped_and_freed(scheduler: CpuScheduler, code: str) -> None:
    before = held_at_first()
    for _ in range(3):
        isolate = make(scheduler, turn_ms=60)
        with pytest.raises(IsolateClosed, match="cpu"):
            await run(isolate, code)
        assert isolate.stopped is StopReason.CPU
        isolate.close()
        await heaps_freed(scheduler)
    assert allocator.held() == before


async def test_rejections_count_towards_the_memory_limit(scheduler: CpuScheduler) -> None:
    before = held_at_first()
    isolate = make(scheduler, memory_bytes=4 << 20)
    with pytest.raises(IsolateClosed, match="memory"):
        await run(isolate, "for (;;) Promise.reject(0)")
    isolate.close()
    await heaps_freed(scheduler)
    assert allocator.held() == before


async def test_what_an_interrupted_turn_left_behind_is_not_told(scheduler: CpuScheduler) -> None:
    isolate = make(scheduler)
    turn = Turn(isolate.context.eval("() => { Promise.reject('before'); (async () => { for (;;); })(); }"), ())
    isolate.submit(turn)
    assert isolate.interrupt()
    assert turn.stopped is StopReason.INTERRUPTED
    assert read(isolate, "[unhandled, list.length]") == [[], 2]
    await run(isolate, "Promise.reject('after')")
    assert read(isolate, "unhandled") == ["after"]
    isolate.close()


async def test_at_the_end_of_the_stack_nothing_is_missed(scheduler: CpuScheduler) -> None:
    isolate = make(scheduler)
    await run(
        isolate,
        """
        const { promise, reject } = Promise.withResolvers(), others = [];
        const deeper = () => {
          try { deeper(); } catch {}
          if (others.length < 50) { try { others.push(Promise.reject("deep")); } catch {} }
          reject("deepest");
        };
        deeper();
        globalThis.made = others.length + 1;
        """,
    )
    assert read(isolate, "unhandled.length === made && unhandled.includes('deepest')") is True
    isolate.close()


async def test_isolates_that_come_and_go_leave_nothing(scheduler: CpuScheduler) -> None:
    """Closed between turns, with jobs and notes that wait, and within a turn that is suspended."""
    before = held_at_first()
    for number in range(1000):
        isolate = make(scheduler)
        await run(isolate, "const a = Promise.reject({}), b = Promise.reject({}); a.catch(ignore); globalThis.kept = b")
        if number % 3 == 1:
            isolate.context.eval("Promise.reject(kept); kept.catch(ignore)")
        elif number % 100 == 2:
            loop = isolate.context.eval("() => { Promise.reject(0); for (;;); }")
            isolate.submit(Turn(loop, ()))
            assert isolate.busy
            del loop
        isolate.close()
        await heaps_freed(scheduler)
    assert allocator.held() == before


def test_other_isolates_are_not_told_of() -> None:
    """One that nobody watches has no list, and neither takes that of another."""
    scheduler = CpuScheduler()
    watched, other = make(scheduler), Isolate(scheduler)
    other.context.eval("Promise.reject({}); Promise.reject([])")
    watched.submit(Turn(watched.context.eval("() => { Promise.reject('mine') }"), ()))
    assert read(watched, "unhandled") == ["mine"]
    watched.close()
    other.close()


def test_with_a_binding_that_is_not_known_nothing_is_told() -> None:
    code = """
import quickjs
from nano_trio.engine import polling
polling._KNOWN_BINDINGS.clear()
from nano_trio.engine import rejections
context = quickjs.Runtime().new_context()
rejections.watch(context)
context.eval("Promise.reject([() => { globalThis.told = true }, false]); Promise.reject(1)")
while context.execute_pending_job(): pass
print(rejections.in_use(), context.eval("typeof told"))
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.split() == ["False", "undefined"]
