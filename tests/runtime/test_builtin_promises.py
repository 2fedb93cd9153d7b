"""The promises that the engine makes for async functions, and for modules, are ours, and what the engine's were."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import quickjs

from nano_trio.engine import builtins
from nano_trio.runtime import platform
from tests.engine.failing import Failing
from tests.runtime.harness import Bench

HOSTILE = """
  const seen = [];
  for (const name of ["length", "name", "resolve", "reject", "promise", "constructor", "then", "0", "1"])
    for (const target of [Object.prototype, Function.prototype])
      if (!Object.hasOwn(target, name)) Object.defineProperty(target, name, {
        configurable: true, get() { if (this !== Object.prototype) seen.push("get " + name); return undefined },
        set(value) { seen.push("set " + name) },
      });
  for (const name of ["call", "apply", "bind"]) Function.prototype[name] = () => seen.push(name);
  globalThis.Promise = class extends Promise { constructor(executor) { super(executor); seen.push("constructed") } };
"""

PROGRAM = """
  const told = [], tell = (name) => (value) => told.push(name + " " + value);
  const then = Promise.prototype.then;
  const watch = (name, promise) => then.call(promise, tell(name), tell(name + " rejected"));
  HERE
  const later = (async () => {})();
  watch2("returns", (async () => 1)());
  watch2("throws", (async () => { throw 2 })());
  watch2("awaits", (async () => { await null; await later; return 3 })());
  watch2("awaits what throws", (async () => { try { await (async () => { throw 4 })() } catch (error) { return error } })());
  watch2("a promise", (async () => (async () => 5)())());
  watch2("a thenable", (async () => ({ __proto__: null, then(resolve, reject) { resolve(6); reject(0); resolve(0) } }))());
  watch2("a bad thenable", (async () => ({ __proto__: null, get then() { throw 7 } }))());
  watch2("of itself", (() => { let self; return self = (async () => { await null; return self })() })().catch((error) => error.name));
  const numbers = (async function* () { try { yield 8; yield (async () => 9)(); throw 10 } finally { yield 11 } })();
  for (let i = 0; i < 5; i++) watch2("step " + i, numbers.next().then(({ value, done }) => value + " " + done));
  const other = (async function* () { yield 1 })();
  watch2("return", other.return(12).then(({ value, done }) => value + " " + done));
  watch2("for await", (async () => { let sum = 0; for await (const each of [1, (async () => 2)(), 3]) sum += each; return sum })());
  watch2("import", import("./none.js").catch((error) => error.name));
  () => JSON.stringify([told.sort(), seen])
"""

EXPECTED = [
    "a bad thenable rejected 7",
    "a promise 5",
    "a thenable 6",
    "awaits 3",
    "awaits what throws 4",
    "for await 6",
    "import ReferenceError",
    "of itself TypeError",
    "return 12 true",
    "returns 1",
    "step 0 8 false",
    "step 1 9 false",
    "step 2 11 false",
    "step 3 rejected 10",
    "step 4 undefined true",
    "throws rejected 2",
]


@pytest.fixture
def context() -> Any:
    context = quickjs.Runtime().new_context()
    assert builtins.in_use(platform.builtins_source()), "there are none: in a source tree, run `python hatch_build.py`"
    return context


def run_all(context: Any) -> None:
    while context.execute_pending_job():
        pass


def test_they_settle_as_ever(context: Any) -> None:
    told = context.eval(PROGRAM.replace("HERE", "const watch2 = watch, seen = [];"))
    run_all(context)
    assert json.loads(told()) == [EXPECTED, []]


def test_no_app_is_asked_for_what_they_are_made_of(context: Any) -> None:
    context.eval(HOSTILE + "const fetchAll = async () => { await 1; return 2 }; fetchAll(); fetchAll()")
    run_all(context)
    assert context.eval("seen.filter((each) => each !== 'get then' && each !== 'get constructor').join()") == ""


def test_one_that_waits_takes_no_more_than_it_needs(context: Any) -> None:
    """The two functions that settle it have no names: nobody ever sees them."""
    runtime = context.runtime
    context.eval(
        "const held = [], never = new Promise(() => {}), wait = async () => { await never }; held.push(wait())"
    )
    before = runtime.compute_memory_usage()
    context.eval("for (let i = 0; i < 100; i++) held.push(wait())")
    after = runtime.compute_memory_usage()
    assert after["prop_count"] - before["prop_count"] < 100


def test_garbage_of_them_is_found(context: Any) -> None:
    runtime = context.runtime
    make = context.eval("""() => {
      for (let i = 0; i < 1000; i++) {
        const held = {};
        held.promise = (async () => { await new Promise((resolve) => (held.resolve = resolve)); return held })();
        held.steps = (async function* () { yield held; await held.promise })();
        held.next = held.steps.next();
      }
    }""")
    make()
    run_all(context)
    runtime.run_gc()
    before = runtime.compute_memory_usage()["obj_count"]
    for _ in range(5):
        make()
        run_all(context)
    runtime.run_gc()
    assert runtime.compute_memory_usage()["obj_count"] - before < 10


def says_so_and_leaves_nothing(call: Callable[[], Any], forget: Callable[[], Any], failing: Failing) -> None:
    """Make something with each of its allocations failing in turn."""
    outcomes: list[str] = []
    counts = set()
    while "done" not in outcomes:
        outcomes.append(failing.outcome(len(outcomes) + 1, call))
        forget()
        if len(outcomes) > 2:  # what the first error of a context makes stays
            counts.add(failing.state.count)
    assert outcomes.count("InternalError: out of memory") > 5
    assert set(outcomes) <= {"InternalError: out of memory", "made", "done"}
    assert max(counts) - min(counts) < 8


def test_where_memory_runs_out_they_say_so_and_leave_nothing() -> None:
    assert builtins.in_use(platform.builtins_source())
    runtime = quickjs.Runtime()
    failing = Failing(runtime)
    context = runtime.new_context()
    runtime.set_gc_threshold(1 << 40)
    call = context.eval("let made; const work = async () => 1; () => { made = work() }")
    forget = context.eval("() => { made = undefined }")
    call()
    forget()
    says_so_and_leaves_nothing(call, forget, failing)


def test_with_resolvers_is_the_languages_own() -> None:
    told = Bench().run(
        """
        class Own extends Promise {}
        const { promise, resolve } = Promise.withResolvers(), refused = [], { withResolvers } = Promise;
        resolve(4);
        const odd = [{}, undefined, () => 1, function (run) { run(1, 2) }, function (run) { run(run, run); run(run, run) }];
        for (const each of odd) try { withResolvers.call(each) } catch (error) { refused.push(error instanceof TypeError) }
        try { new withResolvers() } catch (error) { refused.push(error instanceof TypeError) }
        const own = withResolvers.call(Own), { value, ...how } = Object.getOwnPropertyDescriptor(Promise, "withResolvers");
        own.reject(5);
        return [await promise, await own.promise.catch((reason) => reason), own.promise instanceof Own, Object.keys(own),
          refused, how, value.name, value.length, String(value).includes("[native code]"), "prototype" in value];
        """
    )
    how = {"writable": True, "enumerable": False, "configurable": True}
    keys = ["promise", "resolve", "reject"]
    assert told == [4, 5, True, keys, [True] * 6, how, "withResolvers", 0, True, False]


def test_where_memory_runs_out_resolvers_are_freed_once() -> None:
    """The engine's own Promise.withResolvers frees one twice: what is then made lies over it."""
    bench = Bench()
    call = bench.context.eval("() => { globalThis.made = Promise.withResolvers() }")
    call()
    failing = Failing(bench.context.runtime)
    forget = bench.context.eval("() => { globalThis.made = undefined }")
    forget()
    says_so_and_leaves_nothing(call, forget, failing)
