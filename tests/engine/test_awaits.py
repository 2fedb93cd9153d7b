"""What is current for an app's code stays so behind each `await`, and is never another's."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import Any

import pytest
import quickjs
import trio

from nano_trio.engine import awaits, builtins
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.turn import StopReason, Turn
from nano_trio.runtime import platform

from .awaiting import PRELUDE, Program
from .conftest import NewIsolate
from .failing import Failing

SOURCE = platform.builtins_source()


@pytest.fixture(autouse=True)
def kept() -> None:
    assert awaits.kept(SOURCE), "nothing is kept: in a source tree, run `python hatch_build.py`"


def new_context(runtime: Any = None) -> Any:
    context = (runtime or quickjs.Runtime()).new_context()
    assert builtins.give(context, SOURCE, "given")
    return context


def run_jobs(context: Any) -> None:
    while context.execute_pending_job():
        pass


def follow(source: str, collect: random.Random | None = None) -> list[str]:
    """What a program came to: its steps and those that were wrong."""
    context = new_context()
    context.eval(source)
    more = True
    while more:
        while context.execute_pending_job():
            if collect is not None and collect.random() < 0.05:
                context.runtime.run_gc()
        more = context.eval("goOn()")
    run_jobs(context)
    return [str(context.eval("steps.join(' ')")), str(context.eval("wrong.join(', ')"))]


@pytest.mark.parametrize("seeds", [range(at, at + 10) for at in range(0, 60, 10)], ids=lambda seeds: str(seeds.start))
def test_each_step_of_a_program_has_its_store_in_the_engines_own_order(seeds: range) -> None:
    longest = 0
    for seed in seeds:
        steps, wrong = follow(Program(seed).source(with_stores=True), random.Random(seed))
        assert (seed, wrong) == (seed, "")
        assert steps == follow(Program(seed).source(with_stores=False))[0], seed
        longest = max(longest, len(steps))
    assert longest > 1000


def test_where_memory_runs_out_at_random_no_step_has_anothers_store() -> None:
    failed = 0
    for seed in range(40):
        chance = random.Random(seed)
        runtime = quickjs.Runtime()
        failing = Failing(runtime)
        context = new_context(runtime)
        context.eval(Program(seed).source(with_stores=True))
        for _ in range(300):
            failing.left = chance.randrange(1, 60) if chance.random() < 0.3 else 0
            try:
                context.execute_pending_job()
            except (quickjs.JSError, SystemError):
                failed += 1
            failed += failing.left < 0
        failing.left = 0
        context.eval("goOn()")
        assert (seed, context.eval("wrong.join()")) == (seed, "")
    assert failed > 100


WAYS = {
    "a value": "async () => { await 1; tell(); }",
    "a promise": "async () => { await settled; tell(); }",
    "a rejection": "async () => { try { await rejected } catch (error) { if (error !== 1) throw error } tell(); }",
    "a thenable": "async () => { await { then(resolve) { tell(); resolve() } }; tell(); }",
    "a generator's": "async () => { for await (const each of generate()) tell(); tell(); }",
    "of an iterable": "async () => { for await (const each of [1]) tell(); tell(); }",
    "then": "() => settled.then(() => tell())",
    "bind": "async () => { const bound = bind(() => tell()); await 1; bound(); }",
}


@pytest.mark.parametrize("way", WAYS)
def test_each_single_allocation_may_fail(way: str) -> None:
    """An `await` under a store makes more than one without. It throws where there is no room for that."""
    runtime = quickjs.Runtime()
    failing = Failing(runtime)
    context = new_context(runtime)
    runtime.set_gc_threshold(1 << 40)
    context.eval(
        PRELUDE
        + f"""
        const settled = Promise.resolve(), rejected = Promise.reject(1), stores = [{{}}, {{}}], told = [], failed = [];
        async function* generate() {{ await 2; tell(); yield 3; }}
        let store;
        const tell = () => told.push(current() === store), fail = (error) => failed.push(String(error));
        const way = {WAYS[way]};
        const begin = (number) => {{ store = stores[number]; try {{ under(store, way).then(undefined, fail) }} catch (error) {{ fail(error) }} }};
        // One that has no store has the engine's shape of such objects: another needs one of its own.
        const never = new Promise(() => {{}}), waits = (async () => await never)();
        begin(0);
        """
    )
    run_jobs(context)
    usual = context.eval("told.splice(0).length")
    begin = context.eval("begin")
    outcomes: list[str] = []
    counts = []
    for number in range(1, 1000):
        failing.left = number
        try:
            begin(number % 2)
            run_jobs(context)
        except (quickjs.JSError, SystemError) as error:
            outcomes.append(str(error))
        is_done = failing.left > 0
        failing.left = 0
        run_jobs(context)
        assert context.eval("current() === undefined")
        assert context.eval("told.every((each) => each)"), number
        outcomes.append(context.eval("[failed.splice(0), told.splice(0).length].join()"))
        runtime.run_gc()
        counts.append(failing.state.count)
        if is_done:
            break
    assert outcomes[-1] == f",{usual}"
    assert sum("out of memory" in outcome for outcome in outcomes) > 3
    assert max(counts[3:]) - min(counts[3:]) < 20


def test_what_waits_for_ever_is_garbage_with_its_store() -> None:
    runtime = quickjs.Runtime()
    context = new_context(runtime)
    context.eval(PRELUDE)
    make = context.eval(
        """() => {
          for (let i = 0; i < 300; i++) {
            const store = { i };
            under(store, () => {
              store.waits = (async () => { await new Promise((resolve) => (store.resolve = resolve)) })();
              store.steps = (async function* () { await store.waits })();
              store.next = store.steps.next();
              store.bound = bind(() => store);
              store.then = new Promise(() => {}).then(store.bound);
            });
          }
        }"""
    )
    make()
    run_jobs(context)
    runtime.run_gc()
    before = runtime.compute_memory_usage()["obj_count"]
    for _ in range(5):
        make()
        run_jobs(context)
    runtime.run_gc()
    assert runtime.compute_memory_usage()["obj_count"] - before < 10


def test_jobs_that_are_left_are_freed_with_their_context() -> None:
    """And a context that lies where another lay begins with nothing."""
    for _ in range(50):
        context = new_context()
        assert context.eval(f"{PRELUDE} current() === undefined")
        context.eval("under({}, async () => { await 1; await { then() {} } }); under({}, () => change({}))")
        context.eval("change({ left: 1 })")
        context.execute_pending_job()


def test_an_isolate_that_has_none_goes_on_as_ever() -> None:
    context = quickjs.Runtime().new_context()
    context.eval(
        """
        const told = [], thenable = { then(resolve) { told.push("then"); resolve(2) } };
        async function* generate() { yield await thenable }
        (async () => { told.push(await 1); for await (const each of generate()) told.push(each); import("./none") })();
        """
    )
    run_jobs(context)
    assert context.eval("told.join()") == "1,then,2"


def test_nobody_can_tell_what_was_done_to_then() -> None:
    context = new_context()
    context.eval("const before = Promise.prototype.then, names = Reflect.ownKeys(Promise.prototype).map(String).join()")
    context.eval(PRELUDE)
    assert context.eval(
        """
        const promise = Promise.resolve(1), { value, ...how } = Object.getOwnPropertyDescriptor(Promise.prototype, "then");
        const handler = () => {};
        JSON.stringify([before === then, value === then, how, then.name, then.length, String(then).includes("[native code]"),
          names === Reflect.ownKeys(Promise.prototype).map(String).join(), Promise.prototype.constructor === Promise,
          under({}, () => Object.keys(promise.then(handler)).length), Reflect.ownKeys(handler).length])
        """
    ) == ('[true,true,{"writable":true,"enumerable":false,"configurable":true},"then",2,true,true,true,0,2]')


LOOPS = {
    "in its own code": "for (;;);",
    "in finally": "try { for (;;); } finally { told.push(0) }",
    "behind an await": "return (async () => { await 1; for (;;); })()",
    "in a thenable": "return (async () => { await { then() { for (;;); } } })()",
    "in a handler": "Promise.resolve().then(() => { for (;;); })",
    "in what is bound": "bind(() => { for (;;); })()",
}


@pytest.mark.parametrize("loop", LOOPS)
async def test_behind_an_interrupt_nothing_is_current(scheduler: CpuScheduler, loop: str) -> None:
    """No `finally` runs then, and the heap goes on (`nano-trio repl`)."""
    isolate = Isolate(scheduler)
    assert builtins.give(isolate.context, SOURCE, "given")
    isolate.context.eval(f"{PRELUDE} const told = []; function loop() {{ under({{}}, () => {{ {LOOPS[loop]} }}) }}")
    isolate.context.eval("function tell() { return String(current()) }")
    turn, after = Turn(isolate.context.get("loop"), ()), Turn(isolate.context.get("tell"), ())
    await trio.lowlevel.checkpoint()
    isolate.submit(turn)
    isolate.submit(after)
    assert isolate.interrupt()
    while isolate.busy:
        await trio.lowlevel.checkpoint()
    assert turn.stopped is StopReason.INTERRUPTED
    assert (after.stopped, after.result) == (None, "undefined")
    del turn, after
    isolate.close()


async def test_turns_that_are_suspended_have_each_its_own(new_isolate: NewIsolate) -> None:
    """Some are stopped there, in the midst of a job."""
    source = f"""{PRELUDE}
    const wrong = [], iterate = () => {{ for (let i = 0; i < 200_000; i++); }};
    async function work(name, ends) {{
      const store = {{ name }};
      await under(store, async () => {{
        for (let i = 0; i < 20 || !ends; i++) {{
          await {{ then(resolve) {{ iterate(); if (current() !== store) wrong.push(1); resolve() }} }};
          iterate();
          if (current() !== store) wrong.push(2);
        }}
      }});
      return current() === undefined;
    }}
    let outcome;
    function begin(name, ends) {{ work(name, ends).then((isRight) => outcome = `${{isRight}} ${{wrong}}`) }}
    """
    isolates = [new_isolate(source="", turn_ms=60_000) for _ in range(6)]
    turns = []
    for number, isolate in enumerate(isolates):
        assert builtins.give(isolate.context, SOURCE, "given")
        isolate.context.eval(source)
        turns.append(Turn(isolate.context.get("begin"), (str(number), number < 4)))
        isolate.submit(turns[-1])
    while any(isolate.busy for isolate in isolates[:4]):
        await trio.lowlevel.checkpoint()
    assert all(isolate.busy for isolate in isolates[4:])
    for isolate in isolates[4:]:
        isolate.stop()
    assert [turn.stopped for turn in turns] == [None] * 4 + [StopReason.CANCELLED] * 2
    assert [isolate.context.eval("outcome") for isolate in isolates[:4]] == ["true "] * 4


def test_where_the_proof_fails_the_engines_calls_are_its_own() -> None:
    code = """
import quickjs
from nano_trio.engine import awaits, builtins
from nano_trio.runtime.platform import builtins_source
from tests.engine.awaiting import PRELUDE
awaits._TOLD = "something else"
print(awaits.kept(builtins_source()))
context = quickjs.Runtime().new_context()
builtins.give(context, builtins_source(), "given")
context.eval(PRELUDE + "const told = []; under({}, async () => { await 1; told.push(current() === undefined) })")
while context.execute_pending_job():
    pass
print(context.eval("told[0]"))
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (told.returncode, told.stdout.split()) == (0, ["False", "True"]), told.stderr
