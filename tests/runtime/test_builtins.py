"""The builtins that the platform uses are the engine's own, whatever an app has put in their places."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import quickjs

from nano_trio.engine import builtins
from nano_trio.runtime import platform
from tests.engine.failing import Failing

from .harness import Bench
from .test_hardening import INSTRUMENT, SCENARIOS

FOLDERS = [Path(module.__file__ or "").parent / "js" for module in (platform, __import__("nano_trio.testing").testing)]
SOURCE = platform.builtins_source()


@pytest.fixture(scope="module")
def context() -> Any:
    """A context with what was listed in `own`, and what the engine makes of it in `given`."""
    context = quickjs.Runtime().new_context()
    assert builtins.give(context, SOURCE, "given"), "there are none: in a source tree, run `python hatch_build.py`"
    context.eval(f"globalThis.own = ({SOURCE})()")
    return context


def test_each_is_made_anew_as_it_was(context: Any) -> None:
    different = context.eval(
        """(() => {
          const { listed } = own, different = [];
          for (let i = 0; i < listed.length; i += 4) {
            const [isMethod, type, name, original] = listed.slice(i, i + 4);
            const made = isMethod ? given.uncurry(type, name) : given.statics[type][name];
            const same = made !== original && typeof made === "function" && made.name.length > 0
              && made.length === original.length + (isMethod ? 1 : 0);
            if (!same) different.push(`${type}.${name}`);
          }
          return `${listed.length > 400} ${different}`;
        })()"""
    )
    assert different == "true "


def test_all_that_the_platform_asks_for_is_listed(context: Any) -> None:
    """What is made when it is first used would else be missed when an app first uses it."""
    asked = set()
    for file in (file for folder in FOLDERS for file in folder.glob("*.js") if file.stem != "builtins"):
        text = file.read_text("utf-8")
        asked |= {f"{type}.{name}" for type, name in re.findall(r'uncurry\("(\w+)", "([^"]+)"\)', text)}
        for names, type in re.findall(r"const \{([\w\s,:]+)\} =\s*(?:platform\.)?statics\.(\w+);", text):
            asked |= {f"{type}.{name.partition(':')[0].strip()}" for name in names.split(",") if name.strip()}
        asked |= {f"{type}.{name}" for type, name in re.findall(r"\bstatics\.(\w+)\.(\w+)", text)}
    text = context.eval("own.listed.flatMap((_, i, all) => i % 4 === 1 ? [`${all[i]}.${all[i + 1]}`] : []).join()")
    assert asked - set(text.split(",")) == set(context.eval("Object.keys(own.ours).join()").split(","))
    assert len(asked) > 100


def test_what_was_replaced_before_it_is_first_asked_for_is_not_met(context: Any) -> None:
    assert (
        context.eval(
            """
            Array.prototype.lastIndexOf = Array.prototype.splice = Math.round = () => "replaced";
            Object.defineProperty(Set.prototype, "size", { get: () => "replaced" });
            const items = [1, 2, 3];
            [given.uncurry("Array", "splice")(items, 0, 2), given.uncurry("Set", "size")(new Set()),
             given.statics.Math.round(1.6), items].join(" ")
            """
        )
        == "1,2 0 2 3"
    )


def test_one_that_is_not_listed_is_an_error(context: Any) -> None:
    with pytest.raises(quickjs.JSError, match=r"builtins\.js lists no Array\.nothing"):
        context.eval("given.uncurry('Array', 'nothing')")


def test_a_process_learns_one_list(context: Any) -> None:
    """What was made of it before would be something else by another, or beyond its end."""
    made = context.eval("given.uncurry('Array', 'join')")
    assert builtins.library.__wrapped__(SOURCE) is None
    assert context.eval("(join) => join([1, 2], '-') + given.statics.Reflect.ownKeys({ a: 1 })")(made) == "1-2a"


def test_receivers_that_are_none_are_refused(context: Any) -> None:
    for call in ("uncurry('Map', 'get')()", "uncurry('Map', 'size')([])", "uncurry('String', 'trim')(null)"):
        with pytest.raises(quickjs.JSError, match="TypeError"):
            context.eval(f"given.{call}")


def test_what_is_called_soon_comes_in_its_turn_and_nobody_sees_how() -> None:
    context = quickjs.Runtime().new_context()
    builtins.give(context, SOURCE, "given")
    context.eval(
        """
        const soon = given.uncurry("Function", "soon"), settled = Promise.resolve(), told = [];
        const say = (what) => function () { "use strict"; told.push(what, arguments.length, typeof this) };
        settled.then(say("first"));
        Promise.prototype.then = Promise.resolve = say("seen");
        Object.defineProperty(Promise, Symbol.species, { get: say("seen") });
        told.push(soon(say("second")));
        soon(() => { throw new Error("lost") });
        soon(1);
        soon(say("third"));
        """
    )
    lost = []
    for _ in range(20):
        try:
            context.execute_pending_job()
        except quickjs.JSError as error:
            lost.append(str(error))
    assert lost == ["Error: lost", "TypeError: not a function"]
    assert context.eval("told.join()") == ",first,1,undefined,second,0,undefined,third,0,undefined"


OUT_OF_MEMORY = {
    "fulfilled": "const fulfilled = given.uncurry('Promise', 'fulfilled'); () => fulfilled({ a: 1 })",
    "alike": """
        const alike = given.uncurry("Object", "alike"), model = { a: 1, b: {} };
        () => alike(model, {}, {}).a
    """,
    "utf8": "const utf8 = given.uncurry('String', 'utf8'); () => [utf8('a'), utf8('\\xe9'), utf8('\\u4e00')].length",
    "ascii": "const ascii = given.uncurry('TypedArray', 'ascii'), bytes = new Uint8Array(9); () => ascii(bytes, 9).length",
    "listHeaders": """
        const list = given.uncurry("Object", "listHeaders"), known = { __proto__: null, A: "a", B: "b" };
        const init = { A: "1", B: "2" };
        () => list(init, known)
    """,
    "quickHeaders": """
        class Headers { #list = []; #bond = null }
        const quicken = given.uncurry("Object", "quickHeaders"), headers = new Headers();
        Headers.prototype.append = quicken(() => {}, 3, 2, headers, { __proto__: null, a: "a" });
        () => headers.append("a", "1")
    """,
    "soon": "const soon = given.uncurry('Function', 'soon'), nothing = () => {}; () => soon(nothing)",
    "subscribe": """
        const subscribe = given.uncurry("Promise", "subscribe"), promise = new Promise((resolve) => (settle = resolve));
        var settle, told = [];
        () => subscribe(promise, 1, (...all) => told.push(...all), "constructor", Promise)
    """,
}


@pytest.mark.parametrize("name", OUT_OF_MEMORY)
def test_where_memory_runs_out_ours_say_so_and_leave_nothing(name: str) -> None:
    runtime = quickjs.Runtime()
    failing = Failing(runtime)
    context = runtime.new_context()
    builtins.give(context, SOURCE, "given")
    make = context.eval(OUT_OF_MEMORY[name])
    outcomes: list[str] = []
    while "done" not in outcomes:
        outcomes.append(failing.outcome(len(outcomes) + 1, make))
    assert "InternalError: out of memory" in outcomes
    assert set(outcomes) <= {"InternalError: out of memory", "made", "done"}
    if name == "subscribe":
        # Those that failed are not told.
        context.eval("settle('now')")
        while context.execute_pending_job():
            pass
        assert context.eval("told.join()") == ",".join(
            ["1,false,now"] * (len(outcomes) - outcomes.count("InternalError: out of memory"))
        )


def test_an_object_that_is_made_alike_is_one_of_its_own(context: Any) -> None:
    assert (
        context.eval(
            """(() => {
              class Kept {
                #one; #other = 2;
                constructor(one) { this.#one = one }
                get both() { return [this.#one, this.#other] }
                set both([one, other]) { this.#one = one; this.#other = other }
              }
              const alike = given.uncurry("Object", "alike"), model = new Kept(1), made = alike(model, "a", { b: 1 });
              const told = [made.both[0], made.both[1].b, model.both, made instanceof Kept, Object.keys(made)];
              made.both = [3, 4];
              made.own = 5;
              Object.setPrototypeOf(made, null);
              told.push(model.both, "own" in model, model instanceof Kept, alike(model, 6, 7).both);
              const refused = [
                () => alike(model, 1), () => alike(model), () => alike([1], 1), () => alike(1, 1), () => alike(new Proxy(model, {}), 1, 2),
                () => alike({ get a() { return 1 } }, 1), () => { const less = { a: 1, b: 2 }; delete less.a; alike(less, 1) },
              ];
              for (const each of refused) try { told.push(each()) } catch (error) { told.push(error.name) }
              return JSON.stringify(told);
            })()"""
        )
        == '["a",1,[1,2],true,[],[1,2],false,true,[6,7],' + ",".join(['"TypeError"'] * 7) + "]"
    )


def test_garbage_that_was_made_alike_is_found() -> None:
    runtime = quickjs.Runtime()
    context = runtime.new_context()
    assert builtins.give(context, SOURCE, "given")
    make = context.eval(
        """const alike = given.uncurry("Object", "alike"), subscribe = given.uncurry("Promise", "subscribe"), model = { a: 1 };
        () => {
          for (let i = 0; i < 1000; i++) {
            const one = alike(model, null), promise = new Promise(() => {});
            one.a = alike(model, [one, promise]);
            promise.one = one;
            subscribe(new Promise((resolve) => (one.resolve = resolve)), i, () => {}, "constructor", Promise);
          }
        }"""
    )
    make()
    runtime.run_gc()
    before = runtime.compute_memory_usage()["obj_count"]
    for _ in range(5):
        make()
    runtime.run_gc()
    assert runtime.compute_memory_usage()["obj_count"] - before < 10


def test_a_promise_is_subscribed_to_where_to_await_it_could_not_be_seen() -> None:
    context = quickjs.Runtime().new_context()
    assert builtins.give(context, SOURCE, "given")
    told = context.eval(
        """
        const ThePromise = Promise, subscribe = given.uncurry("Promise", "subscribe"), told = [], seen = [];
        const ask = (promise, number = 1) => {
          const answer = subscribe(promise, number, (...all) => told.push(all.join()), "constructor", ThePromise);
          seen.push(answer);
          return answer;
        };
        const pending = () => new ThePromise(() => {});
        const { promise, resolve } = ThePromise.withResolvers();
        const failing = ThePromise.withResolvers();
        // In the order of the engine's own handlers, before and behind it.
        promise.then(() => told.push("first"));
        ask(promise, 7);
        promise.then(() => told.push("last"));
        ask(failing.promise, 8);
        failing.promise.catch(() => told.push("caught"));
        seen.push("|");
        class Other extends ThePromise {}
        ask(new Other(() => {})), ask(Object.assign(pending(), { then: 1 })), ask(Object.assign(pending(), { a: 1 }));
        ask(Object.setPrototypeOf(pending(), {})), ask(ThePromise.resolve(1)), ask({ then() {} }), ask(undefined), ask("text");
        ask(new Proxy(pending(), {})), ask(pending(), 1.5), ask(pending(), -1);
        const rejected = ThePromise.reject(1);
        rejected.catch(() => {});
        ask(rejected);
        const own = Object.getOwnPropertyDescriptor(ThePromise.prototype, "constructor");
        for (const other of [{ value: Other }, { get: () => ThePromise }]) {
          Object.defineProperty(ThePromise.prototype, "constructor", { ...other, configurable: true });
          ask(pending());
        }
        delete ThePromise.prototype.constructor;
        ask(pending());
        Object.defineProperty(ThePromise.prototype, "constructor", own);
        ask(pending());
        resolve("a value");
        failing.reject("a reason");
        () => JSON.stringify([seen.join(" "), told])
        """
    )
    while context.execute_pending_job():
        pass
    false = " ".join(["false"] * 15)
    assert told() == f'["true true | {false} true",["first","7,false,a value","last","8,true,a reason","caught"]]'


def test_headers_are_listed_where_nothing_needs_a_second_look(context: Any) -> None:
    assert (
        context.eval(
            r"""
        const list = given.uncurry("Object", "listHeaders"), known = { __proto__: null, A: "a", b: "b", 1: "1" };
        const shown = (init) => { const made = list(init, known); return made === undefined ? 0 : made };
        const hidden = Object.defineProperty({ A: "1" }, "b", { value: "2" });
        const grown = list({ A: "1" }, known);
        grown.push("b", "\n");
        const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => ["a" + i, ""]));
        let deleted = { A: "1", b: "2" };
        delete deleted.A;
        JSON.stringify([
          shown({}), shown({ b: "2", A: "\xff 1" }), shown({ A: "" }), grown, Array.isArray(grown),
          [{ c: "1" }, { A: 1 }, { A: " 1" }, { A: "1\t" }, { A: "1\n2" }, { A: "\0" }, { A: "\u0100" }, { get A() { return "1" } },
           { 1: "1" }, { [Symbol()]: "1" }, hidden, deleted, ["1"], new Proxy({ A: "1" }, {}), null, "A", many,
           { A: "x".repeat(2000) }].map(shown),
        ])
        """
        )
        == '[[],["b","2","a","ÿ 1"],["a",""],["a","1","b","\\n"],true,[' + ",".join(["0"] * 18) + "]]"
    )


QUICK = r"""
  class Kept {
    #list; #bond;
    constructor(list, bond = null) { this.#list = list; this.#bond = bond }
    get list() { return this.#list }
  }
  const quicken = given.uncurry("Object", "quickHeaders"), known = { __proto__: null, A: "a", a: "a", b: "b" };
  const model = new Kept([], null);
  for (const [what, name] of ["get", "has", "set", "append"].entries()) {
    const method = function (...all) { return `${name} of ${all.length}` };
    Kept.prototype[name] = quicken(method, what, what < 2 ? 1 : 2, model, known);
  }
"""


def test_what_is_usual_of_headers_is_done_quickly_and_the_rest_in_javascript() -> None:
    context = quickjs.Runtime().new_context()
    assert builtins.give(context, SOURCE, "given")
    told = context.eval(
        f"""{QUICK}
        const kept = new Kept(["a", "1", "b", "2"]), twice = new Kept(["a", "1", "a", "2"]), empty = new Kept([]);
        const bound = new Kept(["a", "1"], {{}}), wide = new Kept(["a", "\\u0100"]), uneven = new Kept(["a"]);
        const gap = new Kept([]), other = new Kept(["a", "1"]), long = new Kept(Array(100).fill("a"));
        gap.list[5] = "a";
        other.own = 1;
        const told = [[kept.get("A"), kept.get("b"), kept.has("a"), empty.get("a"), empty.has("a"), bound.get("a")]];
        told.push([kept.set("A", "3"), kept.append("b", "4"), empty.set("a", ""), empty.append("b", "\\xff"), kept.list, empty.list]);
        for (let i = 0; i < 20; i++) empty.append("b", "" + i);
        told.push([empty.list.length, empty.list[43], empty.list.indexOf("19")]);
        told.push([kept.get("c"), kept.get(), kept.get(1), kept.set("a"), kept.set("a", 1), kept.set("a", " 1"), kept.set("a", "1\\n")]);
        told.push([kept.get("b"), kept.set("b", "1"), kept.has("b"), twice.get("a"), twice.set("a", "1"), bound.set("a", "1")]);
        told.push([wide, uneven, gap, other, long, Object.setPrototypeOf(new Kept([]), {{ __proto__: Kept.prototype }})].map(
          (each) => [each.get("a"), each.has("a"), each.set("a", "1"), each.append("a", "1")].join()));
        told.push([kept, twice, bound, wide, uneven, gap].map(({{ list }}) => list.join()), Kept.prototype.get.call(1, "a"));
        JSON.stringify(told)
        """
    )
    slow = "get of 1,has of 1,set of 2,append of 2"
    grown = ["a", "", "b", "ÿ", *(part for i in range(20) for part in ("b", str(i)))]
    assert json.loads(told) == [
        ["1", "2", True, None, False, "1"],
        [None, None, None, None, ["a", "3", "b", "2", "b", "4"], grown],
        [44, "19", 43],
        ["get of 1", "get of 0", "get of 1", "set of 1", "set of 2", "set of 2", "set of 2"],
        ["get of 1", "set of 2", True, "get of 1", "set of 2", "set of 2"],
        [slow] * 6,
        ["a,3,b,2,b,4", "a,1,a,2", "a,1", "a,Ā", "a", ",,,,,a"],
        "get of 1",
    ]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """As `run_js`, where the engine makes no builtins anew: the isolate holds its own."""
    platform._bootstrap.cache_clear()
    monkeypatch.setattr(builtins, "library", lambda source: None)
    bench = Bench()
    yield bench.run
    bench.context = None
    bench.close()
    platform._bootstrap.cache_clear()


@pytest.mark.parametrize("name", ["headers", "url", "streams: bytes", "structured clone", "console", "html rewriter"])
def test_builtins_that_are_held_serve_as_well(name: str, held: Callable[[str], Any]) -> None:
    body = f"{INSTRUMENT}try {{ await (async () => {{{SCENARIOS[name]}}})(); }} finally {{ isArmed = false; }} return hits;"
    called = held(body)
    called.pop("String.prototype.concat", None)
    assert called == {}


def test_objects_that_are_made_where_builtins_are_held_ask_no_iterator_of_arrays(held: Callable[[str], Any]) -> None:
    told = held(
        """
        const told = [], values = Array.prototype[Symbol.iterator];
        Array.prototype[Symbol.iterator] = function () { told.push(this.length); return values.call(this) };
        told.push(Response.json(1).headers.get("content-type"), new Response("text").body.locked);
        Array.prototype[Symbol.iterator] = values;
        return told;
        """
    )
    assert told == ["application/json", False]


def test_no_app_gets_a_model(run_js: Callable[[str], Any]) -> None:
    """Not by setters of indices either, which assignments to arrays of ours would call."""
    assert run_js(
        """
        const got = new Set(), response = new Response("text");
        let last, type;
        for (let i = 0; i < 200; i++) Object.defineProperty(Object.prototype, i, {
          get() { return last }, set(value) { last = value; got.add(value) }, configurable: true,
        });
        try {
          type = new Response(response.body, response).headers.get("content-type");
        } finally {
          for (let i = 0; i < 200; i++) delete Object.prototype[i];
        }
        const isModel = (each) => [Headers, ReadableStream, Response].some((type) => each instanceof type) || "kind" in Object(each);
        return [type, [...got].filter(isModel).map((each) => Reflect.ownKeys(each).join())];
        """
    ) == ["text/plain;charset=UTF-8", []]


def test_no_app_gets_what_clones_and_transfers_objects_of_the_platform(run_js: Callable[[str], Any]) -> None:
    assert run_js(
        """
        const got = new Set();
        for (let i = 0; i < 20; i++)
          Object.defineProperty(Object.prototype, i, { set(value) { got.add(value) }, configurable: true });
        let type, name;
        try {
          type = structuredClone(new Blob([], { type: "text/plain" })).type;
          name = structuredClone(new DOMException("why", "AbortError")).name;
          void [CryptoKey, new ReadableStream()];
        } finally {
          for (let i = 0; i < 20; i++) delete Object.prototype[i];
        }
        return [type, name, [...got].filter((each) => each?.isInstance).map((each) => Object.keys(each).join())];
        """
    ) == ["text/plain", "AbortError", []]
