"""WeakMap: what only a value refers to does not live, though the map does (ECMA-262, 9.10 and 24.3). By the engine alone
a value that refers to its key keeps it as long as the map is there."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from typing import Any

import pytest

from nano_trio.engine import builtins, poll_timer
from nano_trio.runtime import platform
from tests.runtime.harness import Bench

# Each makes what `refs` may refer to, and what is `kept`; then nothing but that is left.
BEGIN = "globalThis.refs = []; globalThis.kept = []; const ref = (object) => (refs.push(new WeakRef(object)), object);"
TELL = "return refs.filter((each) => each.deref() !== undefined).length"
CASES = {
    "values refer to their keys": ("kept.map = new WeakMap(); each((key) => kept.map.set(ref(key), { key }))", 0),
    "proxies of their keys": ("kept.map = new WeakMap(); each((key) => kept.map.set(ref(key), new Proxy(key, {})))", 0),
    "through closures": ("kept.map = new WeakMap(); each((key) => kept.map.set(ref(key), () => key))", 0),
    "through another map": (
        "const one = kept.one = new WeakMap(), two = kept.two = new WeakMap();"
        "each((key) => { const other = ref({}); one.set(ref(key), { other }); two.set(other, { key }) })",
        0,
    ),
    "keys that live": (
        "kept.map = new WeakMap(); each((key) => kept.map.set(key, ref({ key })) && kept.push(key))",
        100,
    ),
    "keys that live, of a map that does not": (
        "const map = new WeakMap(); each((key) => map.set(key, ref({ key })) && kept.push(key))",
        0,
    ),
    "symbols": (
        "kept.map = new WeakMap(); each(() => { const key = Symbol(); kept.push(key); kept.map.set(key, ref({})) })",
        100,
    ),
    "a chain from a key that lives": (
        "const map = kept.map = new WeakMap(); let key = kept.key = {};"
        "each(() => { const value = ref({}); map.set(key, { value }); key = value })",
        100,
    ),
    "a chain from a key that lives, last first": (
        "const map = kept.map = new WeakMap(), all = []; each((key) => all.push(ref(key)));"
        "for (let i = all.length - 1; i > 0; i--) map.set(all[i - 1], { next: all[i] }); kept.key = all[0]",
        100,
    ),
    "a chain from a key that does not live": (
        "const map = kept.map = new WeakMap(), all = []; each((key) => all.push(ref(key)));"
        "for (let i = all.length - 1; i > 0; i--) map.set(all[i - 1], { next: all[i] }); all[99].first = all[0]",
        0,
    ),
    "keys at the end of a long list": (
        "const map = kept.map = new WeakMap(); let list = kept.list = {}; for (let i = 0; i < 9999; i++) list = list.next = {};"
        "list.keys = []; each((key, i) => { map.set(key, ref({ key })); if (i % 2) list.keys.push(key) })",
        50,
    ),
    "maps in maps": (
        "const map = kept.map = new WeakMap(); each((key) => { const inner = new WeakMap(); inner.set(key, { key, inner });"
        "map.set(ref(key), inner) })",
        0,
    ),
}


@pytest.fixture(scope="module")
def bench() -> Bench:
    assert builtins.in_use(platform.builtins_source()), "there are none: in a source tree, run `python hatch_build.py`"
    return Bench()


def collect(bench: Bench) -> None:
    bench.context.runtime.run_gc()


@pytest.mark.parametrize("case", CASES)
def test_what_is_left(bench: Bench, case: str) -> None:
    program, left = CASES[case]
    bench.run(f"{BEGIN} const each = (f) => {{ for (let i = 0; i < 100; i++) f({{}}, i) }}; {program}")
    collect(bench)
    assert bench.run(TELL) == left


def test_values_that_are_left_are_whole(bench: Bench) -> None:
    bench.run(
        "const map = globalThis.map = new WeakMap(), keys = globalThis.keys = [];"
        "for (let i = 0; i < 500; i++) { const key = { i }; map.set(key, { key, text: `${i}` }); if (i % 5 === 0) keys.push(key) }"
    )
    for _ in range(3):
        collect(bench)
        assert bench.run("return keys.every((key) => map.get(key).key === key && map.get(key).text === `${key.i}`)")
    assert bench.run("return keys.map((key) => map.delete(key) && !map.has(key)).every(Boolean)")


# Objects that refer to each other at random, some of which have a weak map, and a model of them. It says who lives.
RANDOM = """
  let seed = SEED;
  const random = (n) => (seed = (seed * 1103515245 + 12345) % 2147483648, Math.floor(seed / 65536) % n);
  const count = 20 + random(80), nodes = Array.from({ length: count }, (_, i) => ({ i }));
  const edges = [], entries = [], roots = Array.from({ length: 1 + random(3) }, () => random(count));
  for (let i = random(2 * count); i--;) edges.push([random(count), random(count)]);
  for (let i = random(3 * count); i--;) entries.push([random(count), random(count), random(count)]);
  edges.forEach(([from, to], i) => { nodes[from][`to${i}`] = nodes[to] });
  entries.forEach(([of, key, value]) => (nodes[of].map ??= new WeakMap()).set(nodes[key], [nodes[value]]));
  const last = new Map(entries.map(([of, key, value]) => [`${of} ${key}`, [of, key, value]]));
  const alive = new Set(roots);
  for (let before = -1; before !== alive.size;) {
    before = alive.size;
    for (const [from, to] of edges) if (alive.has(from)) alive.add(to);
    for (const [of, key, value] of last.values()) if (alive.has(of) && alive.has(key)) alive.add(value);
  }
  globalThis.kept = roots.map((i) => nodes[i]);
  globalThis.refs = nodes.map((node) => new WeakRef(node));
  globalThis.expected = [...alive].sort((a, b) => a - b);
"""


def test_at_random(bench: Bench) -> None:
    entries = 0
    for seed in range(300):
        bench.run(RANDOM.replace("SEED", str(seed + 1)))
        for _ in range(2):
            collect(bench)
            left, expected = bench.run(
                "return [refs.map((ref, i) => ref.deref() ? i : -1).filter((i) => i >= 0), expected]"
            )
            assert left == expected, seed
        entries += len(expected)
    assert entries > 1000


def test_chains_that_take_too_many_looks_live_on(bench: Bench) -> None:
    """An app can make ten thousand entries of which each look finds one; the collector is not to take a minute for them."""
    chain = """
      const map = kept.map = new WeakMap(), all = [];
      for (let i = 0; i < 10000; i++) all.push(ref({}));
      for (let i = all.length - 1; i > 0; i--) map.set(all[i - 1], { next: all[i] });
      kept.key = all[0];
    """
    bench.run(BEGIN + chain)
    for _ in range(3):
        collect(bench)
        assert bench.run(TELL) == 10000
    bench.run("kept.key = undefined")
    collect(bench)
    assert bench.run(TELL) == 0


def test_a_chain_that_lives_keeps_nothing_else(bench: Bench) -> None:
    """A list whose private fields were compiled to weak maps is one. What other maps lose is lost nevertheless."""
    bench.run(
        f"{BEGIN} kept.map = new WeakMap(); const next = kept.next = new WeakMap(), all = [];"
        "for (let i = 0; i < 1000; i++) { const key = ref({}); kept.map.set(key, { key }) }"
        "for (let i = 0; i < 200; i++) all.push(ref({}));"
        "for (let i = all.length - 1; i > 0; i--) next.set(all[i - 1], { next: all[i] }); kept.key = all[0]"
    )
    collect(bench)
    assert bench.run(TELL) == 200


@pytest.mark.parametrize(
    ("times", "program"),
    [
        # Put off, looked at and lost.
        (3, "kept.map.set(key, { key })"),
        (1, "kept.keys.push(key); kept.map.set(key, i)"),
    ],
)
def test_the_collector_can_be_suspended_in_a_large_map(bench: Bench, times: int, program: str) -> None:
    """The timer of polls suspends it where it is in the engine; of such entries the engine is told nothing for long."""
    library = builtins.library(platform.builtins_source())
    assert library is not None
    asked: list[None] = []
    ask = ctypes.PYFUNCTYPE(None)(lambda: asked.append(None))
    library.builtins_pause_by(ask)
    try:
        # Some of it may be collected before this has come to its end.
        bench.run(
            f"{BEGIN} kept.map = new WeakMap(); kept.keys = [];"
            f"for (let i = 0; i < 50000; i++) {{ const key = {{}}; {program} }}"
        )
        collect(bench)
    finally:
        library.builtins_pause_by(poll_timer.pause())
    assert len(asked) >= 30 * times, "it asks every 1,024 entries"


SPOILED = """
import json, os, sys
from tests.runtime.harness import Bench
from tests.spoiled import spoil_what_is_freed
bench = Bench()
spoil_what_is_freed(bench.context.runtime)
told = []
for program in json.load(sys.stdin):
    bench.run(program)
    for _ in range(3):
        bench.context.runtime.run_gc()
    told.append(bench.run("return refs.filter((each) => each.deref() !== undefined).length"))
print(json.dumps(told), flush=True)
os._exit(0)
"""


def test_nothing_is_used_after_it_was_freed() -> None:
    each = "const each = (f) => { for (let i = 0; i < 100; i++) f({}, i) };"
    programs: list[Any] = [f"{BEGIN} {each} {program}" for program, _ in CASES.values()]
    programs += [RANDOM.replace("SEED", str(seed + 1)) for seed in range(40)]
    process = subprocess.run(
        [sys.executable, "-c", SPOILED], input=json.dumps(programs), capture_output=True, text=True, timeout=100
    )
    assert process.returncode == 0, f"{process.returncode}: {process.stderr}"
    assert json.loads(process.stdout)[: len(CASES)] == [left for _, left in CASES.values()]
