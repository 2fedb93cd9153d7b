"""Iterators that stand on other iterators: however many, they end no process; and they end those."""

from __future__ import annotations

import pytest

from nano_trio.engine import builtins
from nano_trio.runtime import platform

from .test_collections import outcome


@pytest.fixture(params=["C", "JavaScript"])
def language(request: pytest.FixtureRequest) -> str:
    """In which their next() and return() are: where there is no C compiler they are in JavaScript."""
    assert builtins.in_use(platform.builtins_source()), "there are none: in a source tree, run `python hatch_build.py`"
    return str(request.param)


def test_a_stack_of_iterators_may_be_higher_than_the_stack(language: str) -> None:
    """The engine goes from one to the next without a look at how much is left, and the process ends by SIGSEGV."""
    program = """
    const told = new Set();
    const { next, return: end } = Object.getPrototypeOf(Iterator.from({ next() {} }));
    const wrap = (below) => Iterator.from({ __proto__: null, next: next.bind(below), return: end.bind(below) });
    const bare = (below) => Iterator.from(Object.setPrototypeOf(Object.assign(below, { next, return: end }), null));
    const stacks = [
      [60_000, (below) => below.map((value) => value)], [60_000, (below) => below.filter(() => true)],
      [60_000, (below) => below.take(9)], [60_000, (below) => below.drop(0)],
      [60_000, (below) => below.flatMap((value) => [value])], [60_000, (below) => Iterator.concat(below)],
      [60_000, (below) => Iterator.concat(below.map((value) => value))], [20_000, wrap], [400_000, bare],
    ];
    const uses = [
      (top) => top.next(), (top) => top.return(), (top) => [...top], (top) => { for (const value of top) break },
      (top) => { const [value] = top }, (top) => top.toArray(), (top) => new Set(top), (top) => Array.from(top),
    ];
    for (const [height, above] of stacks) for (const use of above === bare ? uses.slice(0, 2) : uses) {
      let top = above === bare ? Iterator.from({ next: () => ({ done: true }) }) : [1, 2].values();
      for (let i = 0; i < height; i++) top = above(top);
      try { use(top); told.add("done") } catch (error) { told.add(String(error)) }
    }
    return [...told].sort();
    """
    # To end one of Iterator.concat that has not begun asks nobody.
    assert outcome(program, language) == ["RangeError: Maximum call stack size exceeded", "done"]


def test_they_do_what_they_should(language: str) -> None:
    program = """
    const told = [], calls = [], error = (call) => { try { return call() } catch (error) { return error.name } };
    const source = () => ({ at: 0, next() { return { value: ++this.at, done: this.at > 4 } }, return(...all) { calls.push(all.length); return {} } });
    const made = {
      helper: () => Iterator.from({ __proto__: Iterator.prototype, ...source() }).map((value, index) => [value, index]),
      wrapped: () => Iterator.from(source()),
      concatenated: () => Iterator.concat([7], { [Symbol.iterator]: source }, ["a", "b"]),
    };
    for (const name in made) {
      const prototype = Object.getPrototypeOf(made[name]());
      for (const method of ["next", "return"]) {
        const { value, ...flags } = Object.getOwnPropertyDescriptor(prototype, method);
        told.push([value.name, value.length, flags, Object.hasOwn(value, "prototype"), error(() => new value())]);
        told.push(error(() => value.call({})), error(() => value.call()));
      }
      const iterator = made[name]();
      told.push([...made[name]()], iterator.next(), iterator.next(5), typeof iterator.return(6), iterator.next());
    }
    const again = [1].values().map(() => again.next());
    told.push(error(() => again.next()), error(() => [1].values().map(() => { throw new RangeError() }).next()), calls);
    return told;
    """
    flags = {"writable": True, "enumerable": False, "configurable": True}

    def methods() -> list[object]:
        each = [[[name, 0, flags, False, "TypeError"], "TypeError", "TypeError"] for name in ("next", "return")]
        return [part for parts in each for part in parts]

    over = {"done": True}
    assert outcome(program, language) == [
        *methods(),
        [[1, 0], [2, 1], [3, 2], [4, 3]],
        *[{"value": [1, 0], "done": False}, {"value": [2, 1], "done": False}, "object", over],
        *methods(),
        [1, 2, 3, 4],
        *[{"value": 1, "done": False}, {"value": 2, "done": False}, "object", {"value": 3, "done": False}],
        *methods(),
        [7, 1, 2, 3, 4, "a", "b"],
        *[{"value": 7, "done": False}, {"value": 1, "done": False}, "object", over],
        "TypeError",
        "RangeError",
        [0, 0, 0],
    ]


def test_one_that_is_left_ends_the_one_below() -> None:
    """The engine's return() fails where that has none, as those of arrays, and answers whatever that gives."""
    program = """
    const told = [], calls = [], attempt = (call) => { try { return call() } catch (error) { return String(error) } };
    const below = (name, members) => ({ __proto__: Iterator.prototype, at: 0, next() { return { done: false, value: this.at++ } }, ...members });
    const ends = (name, answer) => below(name, { return(...all) { calls.push(`${name} ${all.length}`); return answer() } });
    const sources = {
      array: () => [0, 1, 2, 3].values(), none: () => below("none"), null: () => below("null", { return: null }),
      getter: () => Object.defineProperty(below("getter"), "return", { get() { calls.push("got") } }),
      gives: () => ends("gives", () => ({ done: false, value: 7 })),
      unread: () => ends("unread", () => ({ get done() { calls.push("done") }, get value() { calls.push("value") } })),
      number: () => ends("number", () => 5), throws: () => ends("throws", () => { throw new RangeError("thrown") }),
      asks: () => ends("asks", () => { calls.push(JSON.stringify(asked.next())); return {} }),
    };
    const helpers = {
      map: (source) => source.map((value) => value), filter: (source) => source.filter(() => true), take: (source) => source.take(3),
      drop: (source) => source.drop(1), flatMap: (source) => source.flatMap((value) => [value, value]),
    };
    let asked;
    for (const name in sources) {
      const of = Object.values(helpers).map((help) => {
        const make = () => (asked = help(sources[name]()));
        return [
          attempt(() => { for (const value of make()) return typeof value }),
          attempt(() => { const [value] = make(); return typeof value }),
          attempt(() => { const made = make(); return [made.return(7), made.return(8), made.next()] }),
          attempt(() => { const made = make(); made.next(); return [made.return(7), made.return(8), made.next()] }),
          (asked.next(), asked.return === Object.getPrototypeOf(asked).return && asked.next()),
          calls.splice(0),
        ];
      });
      const { 0: first, length } = [...new Set(of.map((each) => JSON.stringify(each)))];
      told.push([name, length, JSON.parse(first)]);
    }
    const inner = (answer) => ({ [Symbol.iterator]: () => ends("inner", answer) });
    for (const answer of [() => ({ done: false }), () => 5, () => { throw new RangeError("inner") }]) {
      const made = ends("outer", () => { throw new RangeError("outer") }).flatMap(() => inner(answer));
      made.next();
      told.push([attempt(() => made.return()), attempt(() => made.return()), calls.splice(0)]);
    }
    const running = [1].values().map(() => running.return());
    told.push(attempt(() => running.next()));
    for (let i = 0; i < 2e4; i++) attempt(() => { for (const value of helpers.flatMap(sources[i % 2 ? "throws" : "array"]())) break });
    return told;
    """
    over = {"done": True}
    ended = ["number", "number", [over] * 3, [over] * 3, over]
    failed, thrown = "TypeError: iterator must return an object", "RangeError: thrown"
    assert outcome(program, "C") == [
        ["array", 1, [*ended, []]],
        ["none", 1, [*ended, []]],
        ["null", 1, [*ended, []]],
        ["getter", 1, [*ended, ["got"] * 4]],
        ["gives", 1, [*ended, ["gives 0"] * 4]],
        ["unread", 1, [*ended, ["unread 0"] * 4]],
        ["number", 1, [*[failed] * 4, over, ["number 0"] * 4]],
        ["throws", 1, [*[thrown] * 4, over, ["throws 0"] * 4]],
        ["asks", 1, [*["TypeError: cannot invoke a running iterator"] * 4, over, ["asks 0"] * 4]],
        ["RangeError: outer", over, ["inner 0", "outer 0"]],
        [failed, over, ["inner 0", "outer 0"]],
        ["RangeError: inner", over, ["inner 0", "outer 0"]],
        "TypeError: cannot invoke a running iterator",
    ]


def test_nobody_is_answered_while_the_one_below_is_ended() -> None:
    """By ECMA-262, 27.5.3.4, who asks one that is in the midst of something is refused, and what ended it stays so."""
    program = """
    const told = [], attempt = (call) => { try { return call() } catch (error) { return error.name } };
    let top;
    const below = { __proto__: Iterator.prototype, next: () => ({ value: [1, 2], done: false }),
      return() { told.push(attempt(() => top.next()), attempt(() => top.return())); return {} } };
    const above = [
      (it) => it.map((value) => value), (it) => it.filter(() => true), (it) => it.take(2), (it) => it.drop(0),
      (it) => it.flatMap((value) => value), (it) => Iterator.concat({ [Symbol.iterator]: () => it }),
    ];
    for (const make of above) {
      top = make(below);
      top.next();
      told.push(attempt(() => top.return()).done, top.next().done);
    }
    return told.join();
    """
    assert outcome(program, "C") == ",".join(["TypeError,TypeError,true,true"] * 6)


def test_a_concatenation_that_is_left_ends_the_one_that_it_is_in() -> None:
    """The engine's return() threw where that has none, as those of arrays, and gave nothing where nobody had asked yet."""
    program = """
    const told = [], calls = [], attempt = (call) => { try { return call() } catch (error) { return String(error) } };
    const below = (members) => ({ next: () => ({ done: false, value: 1 }), ...members });
    const ends = (answer) => below({ return(...all) { calls.push(all.length); return answer() } });
    const sources = {
      array: () => [0, 1, 2, 3].values(), none: () => below(), null: () => below({ return: null }),
      gives: () => ends(() => ({ done: false, value: 7 })), number: () => ends(() => 5),
      throws: () => ends(() => { throw new RangeError("thrown") }),
      asks: () => ends(() => { calls.push(JSON.stringify([asked.next(), asked.return()])); return {} }),
      fails: () => Object.defineProperty(below(), "return", { get() { throw new RangeError("got") } }),
    };
    let asked;
    for (const name in sources) {
      const make = () => (asked = Iterator.concat({ [Symbol.iterator]: sources[name] }, [8]));
      told.push([
        name, attempt(() => { for (const value of make()) return typeof value }),
        attempt(() => { const [value] = make(); return typeof value }),
        attempt(() => { const made = make(); made.next(); return [made.return(7), made.return(8), made.next()] }),
        asked.next(), calls.splice(0),
      ]);
    }
    // Before the first and behind the last value nobody is asked.
    for (const times of [0, 3]) {
      const made = Iterator.concat({ [Symbol.iterator]: sources.gives }, [8]), short = Iterator.concat([1], [2]);
      const [] = Iterator.concat([1]);
      for (let i = 0; i < times; i++) short.next();
      told.push([short.return(), short.next(), times || made.return(), calls.splice(0)]);
    }
    const running = Iterator.concat({ [Symbol.iterator]: () => below({ next: () => running.return() }) });
    told.push(attempt(() => running.next()), attempt(() => running.return.call({})));
    for (let i = 0; i < 2e4; i++) attempt(() => { for (const value of Iterator.concat([i], { [Symbol.iterator]: sources.throws })) if (value === 1) break });
    return told;
    """
    over = {"done": True}
    ended = ["number", "number", [over] * 3, over]
    failed, thrown = "TypeError: iterator must return an object", "RangeError: thrown"
    assert outcome(program, "C") == [
        ["array", *ended, []],
        ["none", *ended, []],
        ["null", *ended, []],
        ["gives", *ended, [0] * 3],
        ["number", *[failed] * 3, over, [0] * 3],
        ["throws", *[thrown] * 3, over, [0] * 3],
        ["asks", *["TypeError: already running"] * 3, over, [0] * 3],
        ["fails", *["RangeError: got"] * 3, over, []],
        [over, over, over, []],
        [over, over, 3, []],
        "TypeError: already running",
        "TypeError: Iterator Concat object expected",
    ]
