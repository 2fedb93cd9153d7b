"""Random programs of async functions, each of which knows what must be current for it wherever it goes on.

A function is called with the number of its store. It awaits what comes: values, promises that others settle, thenables,
other functions and generators, some of them under another store. At each step it notes the step, and whether what is
current is its store. So no other engine has to say what is right. The same program without any store has the same steps,
in the engine's own order.
"""

from __future__ import annotations

import random
from collections.abc import Callable

__all__ = ["PRELUDE", "Program"]

PRELUDE = r"""
const { apply } = Reflect, { then } = Promise.prototype;
given.uncurry("Await", "begin")(then);
const [current, change, run, bind] = ["current", "change", "run", "bind"].map((name) => given.uncurry("Await", name));
const under = (store, work, ...passed) => run(store, apply, work, undefined, passed);
"""
_HELPERS = r"""
const steps = [], wrong = [], outside = [];
const check = (store, at) => {
  steps.push(at);
  if (current() !== stores[store]) wrong.push(`${at} for ${store}: ${current()?.name}`);
};
const within = (store, work, ...passed) => under(stores[store], work, store, ...passed);
class Mine extends Promise {}
const thenable = (store, at, how) => ({ then(resolve, reject) {
  check(store, at);
  if (how === 0) resolve(1);
  else if (how === 1) Promise.resolve().then(() => { check(store, at); resolve(2) });
  else if (how === 2) reject(3);
  else if (how === 3) throw 4;
  else if (how === 4) resolve(thenable(store, at, 0));
  else return Promise.resolve(5).then(resolve, reject);
} });
const failing = (store, at) => {
  const values = [1, Promise.reject(2)];
  const iterator = { next: () => ({ value: values.shift() }), return: () => (check(store, at), {}) };
  return { [Symbol.iterator]: () => iterator };
};
const shared = [0, 1, 2].map(() => {
  let settle;
  const promise = new Promise((resolve, reject) => (settle = { resolve, reject }));
  promise.catch(() => {});
  return { promise, ...settle };
});
// Called where nothing is current; whether there is more to do.
const goOn = () => {
  if (current() !== undefined) wrong.push("between turns");
  if (outside.length > 0) outside.shift()();
  else for (const { resolve } of shared.splice(0)) resolve(1);
  return outside.length + shared.length > 0;
};
"""
_DEPTH = 3


class Program:
    """What came of one: its ``steps``, which of them were ``wrong``, both as texts, and how many ``jobs`` there were."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._places = 0

    def source(self, with_stores: bool) -> str:
        names = ", ".join(f"{{ name: {number} }}" if with_stores else "undefined" for number in range(1, 4))
        parts = [PRELUDE, f"const stores = [undefined, {names}];", _HELPERS]
        for number in range(3):
            steps = self._steps(0, self._random.randrange(1, 5))
            parts.append(
                f"async function f{number}(store, depth, id) {{ check(store, {self._place()});"
                f" if (depth > {_DEPTH}) return 1; {steps} return {self._value(1)} }}"
            )
        for number in range(2):
            parts.append(
                f"async function* g{number}(store, depth, id) {{ if (depth > {_DEPTH}) return; try {{"
                f" {self._steps(1, 2)} yield {self._value(1)}; {self._check()} yield* [1, Promise.resolve(2)]; }}"
                f" finally {{ {self._check()} await 1; {self._check()} }} }}"
            )
        for store in range(4):
            parts += (f"within({store}, f{number}, 0, '{store}{number}').catch(() => {{}});" for number in range(3))
        return "\n".join(parts)

    def _place(self) -> str:
        self._places += 1
        return f"id + '.{self._places}'"

    def _check(self) -> str:
        return f"check(store, {self._place()});"

    def _steps(self, depth: int, count: int) -> str:
        return " ".join(self._step(depth) for _ in range(count))

    def _step(self, depth: int) -> str:
        kinds: list[Callable[[], str]] = [
            lambda: f"for await (const each of [{self._value(1)}, {self._value(1)}]) {self._check()}",
            lambda: (
                f"for await (const each of g{self._random.randrange(2)}(store, depth + 1, {self._place()})) {{"
                f" {self._check()} {self._random.choice(['', '', 'break;'])} }}"
            ),
            lambda: f"try {{ for await (const each of failing(store, {self._place()})) {self._check()} }} catch {{}}",
            lambda: (
                f"try {{ {self._steps(depth + 1, 2)} }} catch {{ {self._check()} }}"
                f" finally {{ await {self._value(2)}; {self._check()} }}"
            ),
            lambda: (
                f"shared[{self._random.randrange(3)}]?.{self._random.choice(['resolve', 'reject'])}({self._value(1)});"
            ),
            lambda: (
                f"await new Promise((resolve) => outside.push(bind(() => {{ {self._check()}"
                f" resolve({self._value(2)}) }})));"
            ),
        ]
        made = f"await {self._value(0)};" if depth > 2 or self._random.random() < 0.5 else self._random.choice(kinds)()
        return f"{made} {self._check()}"

    def _value(self, depth: int) -> str:
        """Something to await, or to settle a promise with."""
        simple = [
            "5",
            "undefined",
            "({})",
            "(() => 1)",
            "1n",
            "Promise.resolve(1)",
            "Promise.reject(2)",
            "new Mine((f) => f())",
        ]
        if depth > 3:
            return self._random.choice(simple)

        def inner() -> str:
            return self._value(depth + 1)

        def function() -> str:
            return f"f{self._random.randrange(3)}"

        kinds: list[Callable[[], str]] = [
            lambda: self._random.choice(simple),
            lambda: f"thenable(store, {self._place()}, {self._random.randrange(6)})",
            lambda: f"shared[{self._random.randrange(3)}]?.promise",
            lambda: f"new Mine((resolve) => resolve({inner()}))",
            lambda: f"Promise.{self._random.choice(['all', 'race', 'any', 'allSettled'])}([{inner()}, {inner()}])",
            lambda: (
                f"Promise.resolve({inner()}).{self._random.choice(['then', 'finally', 'catch'])}"
                f"(() => {{ {self._check()} return {inner()} }})"
            ),
            lambda: f"{function()}(store, depth + 1, {self._place()})",
            lambda: f"within({self._random.randrange(4)}, {function()}, depth + 1, {self._place()})",
            lambda: f"(async () => {{ {self._check()} await {inner()}; {self._check()} return {inner()} }})()",
        ]
        return self._random.choice(kinds)()
