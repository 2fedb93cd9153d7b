"""The length and the name of functions: C gives them, and they are what the engine's were."""

from __future__ import annotations

import json

import pytest
import quickjs

from nano_trio.engine import builtins
from nano_trio.runtime import platform
from tests.engine.failing import Failing

from .contexts import context_of

PROGRAM = r"""() => {
  const told = [], tell = (value) => JSON.stringify(
    Object.entries(Object.getOwnPropertyDescriptors(value)).map(([name, { value, ...rest }]) => [name, typeof value, String(value), rest]));
  class Made { static length = 5; name() {} get both() { return 1 } static { this.own = (a, b) => 1 } #secret = () => 2; of = () => this.#secret }
  const symbol = Symbol("described"), methods = { a(b) {}, [symbol](c, d) {}, get e() { return 1 }, async f() {}, *g() {}, async *h() {}, i: () => 1 };
  const all = [
    () => 1, (a, b = 1) => 1, function () {}, function named(a) {}, async () => 1, function* () {}, async function* () {}, Made, Made.own,
    Made.prototype.name, new Made().of, ...Reflect.ownKeys(methods).map((key) => Object.getOwnPropertyDescriptor(methods, key)).map((each) => each.get ?? each.value),
    Promise.prototype.then, (() => 1).bind(null), new Function("a", "b", "return a"), class {}, class extends Made {}, Object.setPrototypeOf(() => 1, null),
  ];
  const { promise, resolve, reject } = (() => { let r = {}; r.promise = new Promise((resolve, reject) => Object.assign(r, { resolve, reject })); return r })();
  all.push(resolve, reject);
  const arrow = (a) => 1, { given = () => 2 } = {}, later = { own: () => 3, [symbol]: () => 4, ["com" + "puted"]: () => 5, "": () => 6 };
  class Fields { a = () => 1; static b = async () => 2; [symbol] = () => 3; #c = () => 4; get c() { return this.#c } }
  const { a, c, [symbol]: ofSymbol } = new Fields();
  all.push(arrow, given, later.own, later[symbol], later.computed, later[""], a, c, ofSymbol, Fields.b, ((b = () => 1) => b)());
  let frozen0 = (() => Object.freeze(() => 1))(), again = () => 1;
  [again] = [() => 2];
  all.push(frozen0, again, (() => { let unnamed; (unnamed) = () => 1; return unnamed })());
  for (const each of all) told.push(tell(each));
  const changed = (a, b) => 1;
  Object.defineProperty(changed, "length", { value: 7 });
  Object.defineProperty(changed, "name", { get: () => "got" });
  delete all[0].length;
  all[0].length = 3;
  all[1].own = 1;
  delete all[2].name;
  delete all[2].length;
  Object.defineProperty(all[2], "name", { value: "again", configurable: true });
  Object.defineProperty(all[2], "length", { value: "again", configurable: true });
  const bare = Object.create(Function.prototype), frozen = Object.preventExtensions(Object.create(Function.prototype));
  for (const object of [bare, frozen])
    for (const name of ["length", "name", "length"])
      try { Object.defineProperty(object, name, { value: name, configurable: true }) } catch (error) { told.push(error.name) }
  for (const each of [changed, all[0], all[1], all[2], bare, frozen]) told.push(tell(each));
  const fields = (Base) => new (class extends Base { length = 1; name = 2 })();
  told.push(tell(fields(Object)), tell(fields(function () { return () => 1 })), tell({ __proto__: Function.prototype, length: 1, name: 2 }));
  return JSON.stringify(told);
}"""


@pytest.fixture
def runtime() -> quickjs.Runtime:
    return quickjs.Runtime()


def test_they_are_what_they_were(runtime: quickjs.Runtime) -> None:
    context = context_of(runtime)
    expected = json.loads(quickjs.Runtime().new_context().eval(PROGRAM)())
    for _ in range(3):
        assert json.loads(context.eval(PROGRAM)()) == expected
        runtime.run_gc()
    assert len(expected) > 30


def test_a_function_takes_no_memory_for_them(runtime: quickjs.Runtime) -> None:
    """But for the object, its values and its variables: where no other function has only a length, the engine made a
    shape for that each time."""
    failing = Failing(runtime)
    make = context_of(runtime).eval("() => { let a; return () => a }")
    make()
    assert failing.taken(make) == 4


def test_contexts_have_models_of_their_own() -> None:
    """Those that run by turns; those that are made where another lay, which has none, or not yet."""
    expected = json.loads(quickjs.Runtime().new_context().eval(PROGRAM)())
    runtimes = [quickjs.Runtime() for _ in range(2)]
    programs = [context_of(runtime).eval(PROGRAM) for runtime in runtimes]
    for _ in range(3):
        for program in programs:
            assert json.loads(program()) == expected
    del runtimes, programs, program
    for _ in range(20):
        assert json.loads(context_of(quickjs.Runtime()).eval(PROGRAM)()) == expected
        assert json.loads(quickjs.Runtime().new_context().eval(PROGRAM)()) == expected


def test_models_end_with_their_context(runtime: quickjs.Runtime) -> None:
    kept = runtime.new_context()
    runtime.run_gc()
    before = runtime.compute_memory_usage()["obj_count"]
    for _ in range(5):
        context_of(runtime).eval("((a, b) => 1).length")
        runtime.run_gc()
    assert runtime.compute_memory_usage()["obj_count"] == before
    assert kept.eval("((a, b) => 1).length") == 2


def test_where_memory_runs_out_a_context_is_given_nothing() -> None:
    given = []
    for which in range(1, 400):
        runtime = quickjs.Runtime()
        failing = Failing(runtime)
        context = runtime.new_context()
        failing.left = which
        builtins.give(context, platform.builtins_source(), "given")
        is_done = failing.left > 0
        failing.left = 0
        assert context.eval("((a, b) => 1).length + (function named() {}).name") == "2named"
        given.append(context.eval("typeof given") == "object")
        if is_done:
            break
    assert given[-1]
    assert not all(given)
