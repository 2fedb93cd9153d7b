"""Map and Set while what is in them goes: the engine's own clear() and forEach() used memory that they had freed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nano_trio.engine import builtins
from nano_trio.runtime import platform
from tests.prefork import python

RUN = """
import json, os, sys
from nano_trio.engine import builtins
from nano_trio.runtime import platform
if sys.argv[1] == "JavaScript":
    builtins.library = lambda source: None
assert builtins.in_use(platform.builtins_source()) == (sys.argv[1] == "C")
from tests.runtime.harness import Bench
from tests.spoiled import spoil_what_is_freed
bench = Bench()
if "spoil" in sys.argv:
    spoil_what_is_freed(bench.context.runtime)
print(json.dumps(bench.run(sys.stdin.read())), flush=True)
os._exit(0)
"""


@pytest.fixture(params=["C", "JavaScript"])
def language(request: pytest.FixtureRequest) -> Any:
    """In which clear() and forEach() are: where there is no C compiler they are in JavaScript."""
    assert builtins.in_use(platform.builtins_source()), "there are none: in a source tree, run `python hatch_build.py`"
    return request.param


def outcome(program: str, *arguments: str) -> Any:
    process = python(RUN, *arguments, stdin=program, timeout=100)
    assert process.returncode == 0, f"{process.returncode}: {process.stderr}"
    return json.loads(process.stdout)


def test_no_record_is_used_after_it_was_freed(language: str) -> None:
    """A record that was deleted stays while an iterator stands at it, and goes when the iterator does."""
    program = """
    const told = [];
    for (const make of [() => new Map([["a"], ["b"], ["c"]]), () => new Set(["a", "b", "c"])]) {
      const standing = (all, steps) => { const at = all.values(); while (steps--) at.next(); all.delete("b"); return at; };
      const cleared = make();
      if (cleared instanceof Map) cleared.set("a", standing(cleared, 2));
      else {
        const held = {};
        cleared.clear(), cleared.add(held).add("b").add("c");
        held.at = standing(cleared, 2);
      }
      cleared.clear();
      told.push(cleared.size);
      const seen = [], all = make();
      all.forEach((_, key) => { seen.push(key); if (key === "a") return standing(all, 2); });
      told.push(seen.join());
    }
    return told;
    """
    assert outcome(program, language, "spoil") == [0, "a,c", 0, "a,c"]


def test_they_do_what_they_should(language: str) -> None:
    program = """
    const told = [], error = (call) => { try { return call() } catch (error) { return error.name } };
    for (const type of [Map, Set]) {
      const make = (...keys) => new type(type === Map ? keys.map((key) => [key, key]) : keys), { prototype } = type;
      for (const name of ["clear", "forEach"]) {
        const { value, ...flags } = Object.getOwnPropertyDescriptor(prototype, name);
        told.push([value.name, value.length, flags, Object.hasOwn(value, "prototype"), error(() => new value(() => {}))]);
      }
      const all = make(1, NaN, -0, "text", type), seen = [];
      const result = all.forEach(function (...passed) { seen.push(passed.map(String).join(), passed[2] === all, this.me) }, { me: 1 });
      told.push(typeof result, seen.length, seen.slice(0, 9), all.clear() === undefined, all.size, all.has(NaN));
      const growing = make(1, 2, 3), order = [];
      growing.forEach((_, key) => { order.push(key); if (key === 1) growing.delete(2), growing.delete(1); if (key === 3) growing.add?.(4) ?? growing.set(4); });
      const iterator = growing.keys();
      iterator.next(), growing.clear(), growing.add?.(5) ?? growing.set(5);
      told.push(order.join(), [...iterator].join());
      const other = type === Map ? new Set() : new Map();
      for (const call of [() => prototype.clear.call(other), () => prototype.forEach.call(other, () => {}), () => make().forEach(),
        () => make().forEach({}), () => prototype.clear.call(), () => make(1).forEach(() => { throw new RangeError() })])
        told.push(error(call));
    }
    return told;
    """
    flags = {"writable": True, "enumerable": False, "configurable": True}

    def expected(name: str) -> list[Any]:
        each = [f"{key},{key},[object {name}]" for key in ("1", "NaN", "0")]
        return [
            ["clear", 0, flags, False, "TypeError"],
            ["forEach", 1, flags, False, "TypeError"],
            "undefined",
            15,
            [part for text in each for part in (text, True, 1)],
            True,
            0,
            False,
            "1,3,4",
            "5",
            *["TypeError"] * 5,
            "RangeError",
        ]

    assert outcome(program, language) == expected("Map") + expected("Set")


def test_many_are_cleared(language: str) -> None:
    """Whatever they are, and however many."""
    program = """
    const map = new Map();
    for (let i = 0; i < 100_000; i++) map.set(i % 3 ? i : "key " + i, {});
    const before = map.size;
    map.clear();
    return [before, map.size, [...map].length, map.get(1) === undefined];
    """
    assert outcome(program, language) == [100_000, 0, 0, True]
