"""Objects whose properties are defined as they were before are what the engine makes, and hold nothing longer."""

from __future__ import annotations

import ctypes
import json
from typing import Any

import quickjs

from nano_trio.engine import builtins, json_builtins
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.turn import Limits
from nano_trio.runtime import platform
from tests.engine.failing import FRESH, LITTER, Failing

from .contexts import context_of

LARGE = ctypes.c_size_t(1 << 20)
PROGRAM = r"""() => {
  const told = [], tell = (value) => told.push(JSON.stringify(Reflect.ownKeys(value).map((name) => {
    const { value: own, ...rest } = Object.getOwnPropertyDescriptor(value, name);
    return [String(name), typeof own === "object" ? JSON.stringify(own) : String(own), rest];
  })) + (Object.getPrototypeOf(value) === null) + Object.isExtensible(value));
  const attempt = (make) => { try { tell(make()) } catch (error) { told.push(error.name) } };
  const symbol = Symbol("own");
  class Like { a = 1; #b = 2; c = () => this.#b; [symbol] = 3; "0" = 4; d; e = { f: 5 } }
  class Onto { constructor(object) { return object } }
  class Added extends Onto { a = 1; b = 2; static #c = 3; #d = Added.#c; get sum() { return this.#d } }
  const makers = [
    () => ({}), () => ({ a: 1 }), () => ({ a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8, i: 9 }), () => ({ b: 1, a: 2 }),
    () => ({ a: 1, a: 2, b: 3, a: 4 }), () => ({ a: 1, get a() { return 1 }, set a(to) {}, b: 2 }), () => ({ get a() { return 1 }, a: 2 }),
    () => ({ 0: 1, a: 2, 1: 3, [symbol]: 4, ["c" + 1]: 5 }), () => ({ __proto__: null, a: 1, b: 2 }), () => ({ __proto__: Like.prototype, a: 1 }),
    () => ({ a: 1, __proto__: null, b: 2 }), () => ({ ...{ a: 1, b: 2 }, c: 3 }), () => ({ a() {}, b: () => 1 }), () => new Like(),
    () => new Added({}), () => new Added({ b: 1 }), () => new Added({ a: 1, b: 1, c: 1 }), () => new Added(Object.freeze({})),
    () => new Added(Object.preventExtensions({ a: 1 })), () => new Added(Object.seal({ a: 1, b: 2 })), () => new Added([1]),
    () => new Added(() => 1), () => new Added(Object.create({ set a(to) { throw to } })), () => new Added(Object.defineProperty({}, "a", { value: 3 })),
    () => new Added(Object.defineProperty({}, "a", { get: () => 3, configurable: true })), () => new Added(new Proxy({}, {})),
    () => new Added(new Proxy({}, { defineProperty: () => false })), () => { const one = { a: 1 }; Object.setPrototypeOf(one, Like.prototype); return new Added(one) },
    () => { const one = { a: 1, b: 2, c: 3 }; delete one.b; return new Added(one) }, () => { class Once { a = 1; b = class { c = 2 } } return new Once() },
    () => { const one = { a: 1, b: 2 }, other = { a: 3, b: 4 }; one.c = 5; delete other.b; tell(other); return one },
    () => { const one = { a: 1, b: 2 }; Object.defineProperty(one, "a", { enumerable: false }); tell(one); return { a: 1, b: 2 } },
  ];
  for (const make of makers) { attempt(make); attempt(make) }
  return JSON.stringify(told);
}"""


def large_context(runtime: quickjs.Runtime) -> Any:
    context = context_of(runtime)
    builtins.forget(context, LARGE)
    return context


def test_objects_are_as_those_that_the_engine_makes() -> None:
    runtime = quickjs.Runtime()
    expected = quickjs.Runtime().new_context().eval(PROGRAM)()
    tell = large_context(runtime).eval(PROGRAM)
    for i in range(40):
        assert json.loads(tell()) == json.loads(expected)
        if i % 8 == 0:
            runtime.run_gc()


LITERAL = "() => { ({ one: 1, two: 2, three: 3 }) }"


def test_what_was_defined_twice_takes_no_more_than_its_values() -> None:
    runtime = quickjs.Runtime()
    failing = Failing(runtime)
    context = large_context(runtime)
    make = context.eval(LITERAL)
    litter = context.eval(LITTER)
    context.eval(FRESH)
    first = [failing.taken(make) for _ in range(3)]
    # The object, and room for two and three values, as the engine has it.
    assert failing.taken(make) == 3 < min(first[:2])
    litter()
    assert failing.taken(make) == 3
    builtins.forget(context, None)
    assert failing.taken(make) > 3


def test_few_objects_fail_to_be_made_so() -> None:
    """Steps are found by where a prototype lies, too: there are classes whose steps have no place beside each other."""
    failing = Failing(runtime := quickjs.Runtime())
    context = large_context(runtime)
    another = context.eval("() => { class Own { one = 1; two = 2; three = 3 } return () => { new Own() } }")
    litter = context.eval(LITTER)
    made_so = 0
    for _ in range(300):
        make = another()
        context.eval(FRESH)
        for _ in range(3):
            make()
        litter()
        made_so += failing.taken(make) == 3
        builtins.forget(context, None)
    assert made_so > 290


def small(runtime: quickjs.Runtime) -> Any:
    """A context whose heap is not large."""
    context = runtime.new_context()
    json_builtins.install(context)
    builtins.give(context, platform.builtins_source(), "given")
    return context


def test_small_contexts_keep_what_they_define_again_and_again() -> None:
    """By literals, and by JSON.parse. Here, too, there are contexts in which a step has no place."""
    made_so = read_so = 0
    contexts = []  # so that none lies where another lay
    for which in range(100):
        failing = Failing(runtime := quickjs.Runtime())
        context = small(runtime)
        # Nor has another the same atoms.
        others = context.eval(f"() => ({{ {', '.join(f'other{i}: 0' for i in range(which))} }})")
        contexts.append((context, others))
        make = context.eval(LITERAL)
        parse = context.eval("""() => JSON.parse('{"four": 4, "five": 5, "six": 6}').six""")
        # Shapes that this leaves are not those of the literal.
        define = context.eval("(count) => { for (let i = 0; i < count; i++) ({ first: i, second: i }) }")
        first = {failing.taken(make) for _ in range(9)}
        assert len(first) == 1
        slowly = {failing.taken(parse) for _ in range(9)}
        define(1000)
        # An atom that nothing holds is another the next time: so a few more than three.
        for _ in range(20):
            make()
            parse()
        made_so += failing.taken(make) == 3 < min(first)
        read_so += failing.taken(parse) < min(slowly)
        builtins.forget(context, None)
        assert failing.taken(make) > 3
    assert made_so > 90
    assert read_so > 90


def test_what_was_defined_once_is_in_nobodys_way() -> None:
    """It is noted where a step could be. There are names of it in all places, and each literal shares one with some."""
    made_so = 0
    for _ in range(10):
        failing = Failing(runtime := quickjs.Runtime())
        context = large_context(runtime)
        context.eval(f"(() => {{ {'; '.join(f'({{ once{i}: 0 }})' for i in range(2000))} }})")()
        makes = [context.eval(f"() => {{ ({{ one{i}: 1, two{i}: 2, three{i}: 3 }}) }}") for i in range(40)]
        for _ in range(30):
            for make in makes:
                make()
        made_so += sum(failing.taken(make) == 3 for make in makes)
    assert made_so > 320  # of 400, some of which have no place in any case


def test_a_context_that_begins_where_another_lay_keeps_nothing() -> None:
    for _ in range(20):
        failing = Failing(runtime := quickjs.Runtime())
        make = small(runtime).eval(LITERAL)
        assert len({failing.taken(make) for _ in range(99)}) == 1


def objects(runtime: quickjs.Runtime) -> int:
    runtime.run_gc()
    return int(runtime.compute_memory_usage()["obj_count"])


def test_what_is_kept_is_let_go_of() -> None:
    runtime = quickjs.Runtime()
    context = large_context(runtime)
    make = context.eval(LITERAL)
    before = objects(runtime)
    for _ in range(5):
        for _ in range(3):
            make()
        assert objects(runtime) > before
        builtins.forget(context, None)
        assert objects(runtime) == before


def test_what_is_garbage_goes_with_the_first_collection() -> None:
    """An app whose heap is above its limit behind a collection is stopped."""
    isolate = Isolate(CpuScheduler(), None, Limits(memory_bytes=64 << 20))
    assert builtins.give(isolate.context, platform.builtins_source(), "given")
    isolate.context.eval("globalThis.held = new Uint8Array(1 << 20)")
    isolate.collect_garbage()
    make = isolate.context.eval("""() => {
      const body = new Uint8Array(8_000_000);
      class Once { a = 1; b = () => body }
      for (let i = 0; i < 9; i++) new Once();
    }""")
    for _ in range(4):
        make()
        isolate.collect_garbage()
        assert isolate.read_memory() < 3_000_000
    del make
    isolate.close()


def test_contexts_that_follow_each_other_where_they_lay() -> None:
    for _ in range(50):
        context = large_context(quickjs.Runtime())
        text = context.eval(
            "const make = () => ({ a: 1, b: { c: 2 } }); JSON.stringify([make(), make(), make(), make()])"
        )
        assert json.loads(text) == [{"a": 1, "b": {"c": 2}}] * 4


def test_where_memory_runs_out_it_is_said_and_nothing_is_lost() -> None:
    """An object of new names for each block that is refused: while it is defined first, becomes steps, and is made by them."""
    runtime = quickjs.Runtime()
    failing = Failing(runtime)
    context = large_context(runtime)
    to_text, counts, outcomes = context.eval("JSON.stringify"), [], ["made"]
    while outcomes[-1] != "done":
        which = len(outcomes)
        names = [f"n{which}_{i}" for i in range(5)]
        literal = ", ".join(f"{name}: {i}" for i, name in enumerate(names))
        make = context.eval(f"() => {{ let made; for (let i = 0; i < 5; i++) made = {{ {literal} }}; return made }}")
        outcomes.append(failing.outcome(which, make))
        assert to_text(make()) == json.dumps({name: i for i, name in enumerate(names)}, separators=(",", ":"))
        del make
        builtins.forget(context, None)
        runtime.run_gc()
        counts.append(failing.state.count)
    assert set(outcomes) == {"InternalError: out of memory", "made", "done"}
    assert len(counts) > 40
    assert max(counts[2:]) - min(counts[2:]) < 30
