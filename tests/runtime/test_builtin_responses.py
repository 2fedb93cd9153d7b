"""What responses are made of, and what of them goes to the host, where C does what JavaScript would."""

from __future__ import annotations

import json
from typing import Any

import pytest
import quickjs

from tests.engine.failing import Failing

from .contexts import context_of

PARTS = r"""
  class Kept { #value; constructor(value) { this.#value = value } }
  class Response extends Kept { get status() {} get statusText() {} get headers() {} }
  class Stream extends Kept {}
  class Headers { #list; #bond; constructor(list, bond = null) { this.#list = list; this.#bond = bond } [Symbol.iterator]() {} }
  const own = (name) => Object.getOwnPropertyDescriptor(Response.prototype, name).get;
  const names = {
    __proto__: null, kind: 0, source: 0, stream: 0, fields: 0, status: own("status"), statusText: own("statusText"),
    headers: own("headers"), [Symbol.iterator]: Headers.prototype[Symbol.iterator], reader: "SEIZED", disturbed: 0, isImmutable: 0,
  };
  const state = (names) => Object.fromEntries(names.split(" ").map((name) => [name, 0]));
  const extensions = { __proto__: null, webSocket: null }, known = { __proto__: null, A: "a", b: "b", "Content-Type": "content-type" };
  const parts = [
    names, ["content-type", "text/plain"], state("kind source"), state("kind source fields"), state("kind source fields status"),
    extensions, new Response(null), "content-type\ntext/plain", known, new Headers([]),
    state("kind source stream fields status statusText"), new Stream(null), { kind: 0, source: 0 },
  ];
  const make = given.uncurry("Object", "quickResponses");
  const states = make(parts, 0, null), answer = make(parts, 1, null);
  const [body, used, headers] = [2, 3, 4].map((which) => make(parts, which, function () { return "otherwise" }));
  used.call(null); // the engine makes that method when it is first asked for, and forgets it where it cannot
  const ofBody = (kind, source) => ({ kind, source });
  const stream = new Stream(ofBody(1, "text")), list = ["a", "1"];
"""


def evaluate(program: str, runtime: quickjs.Runtime | None = None) -> Any:
    return context_of(runtime or quickjs.Runtime()).eval(PARTS + program)


def told(program: str) -> Any:
    return json.loads(evaluate(program))


def test_a_response_is_copied_that_nobody_has_changed() -> None:
    names = "kind,source,stream,fields,status,statusText"
    assert told(
        """
        const shown = (body, init) => {
          const made = states(body, init);
          return made === null ? 0 : [Object.keys(made).join(), made.kind, made.source, made.stream === body, made.fields, made.status, made.statusText];
        };
        const usual = new Response({ kind: 6, source: null, fields: list, headers: new Headers(list) });
        const told = [shown(stream, usual), shown(stream, new Response({ fields: null, status: 404, statusText: "No" }))];
        states(stream, usual).fields.push("b", "2");
        told.push(list.join(), [
          [stream, null], [stream, {}], [usual, stream], [new Proxy(stream, {}), usual],
          [new Stream({ kind: undefined, source: null }), usual], [new Stream({ kind: 1, source: "", disturbed: true }), usual],
          [stream, new Response({ status: 204, fields: list })], [stream, new Response({ status: 0 })], [stream, new Response({ status: 1.5 })],
          [stream, new Response({ fields: ["a"] })], [stream, new Response({ fields: {} })], [stream, new Response({ fields: [1, 2] })],
          [stream, new Response({ fields: list, headers: Object.assign(new Headers(list), { a: 1 }) })],
          [stream, new Response({ fields: list, headers: {} })], [stream, new Response({ get fields() {} })],
          [stream, Object.assign(new Response({}), { own: 1 })], [stream, new Response(1)],
        ].map((all) => shown(...all)));
        const changed = [[Headers.prototype, Symbol.iterator, "value"], [Response.prototype, "status", "get"], [Response.prototype, "headers", "get"]];
        for (const [object, name, what] of changed) {
          const before = Object.getOwnPropertyDescriptor(object, name);
          Object.defineProperty(object, name, { [what]: () => [] });
          told.push(shown(stream, usual));
          delete object[name];
          told.push(shown(stream, usual));
          Object.defineProperty(object, name, before);
        }
        extensions.webSocket = () => {};
        told.push(shown(stream, usual));
        extensions.webSocket = null;
        JSON.stringify([...told, shown(stream, usual)[0]])
        """
    ) == [
        [names, 1, "text", True, ["a", "1"], 200, ""],
        [names, 1, "text", True, ["content-type", "text/plain"], 404, "No"],
        "a,1",
        [0] * 17,
        *[0] * 7,
        names,
    ]


def test_a_response_without_a_body_is_made_of_another() -> None:
    assert told(
        """
        const shown = (init, body = null) => {
          const made = states(body, init);
          return made === null ? 0 : [Object.keys(made).join(), made.kind, made.source, made.fields, made.status];
        };
        const moved = new Response({ kind: 0, source: null, fields: list, status: 301, headers: new Headers(list) });
        const told = [shown(moved), shown(new Response({ kind: 1, source: "text" }), undefined), shown(new Response({ fields: [], status: 204 }))];
        states(null, moved).fields.push("b", "2");
        told.push(list.join(), [
          { fields: list, status: 101 }, { fields: list, status: 0 }, { fields: list, statusText: "No" }, { fields: list, statusText: 1 },
          { fields: ["a"] }, { fields: [1, 2] }, { fields: list, headers: {} }, { get fields() {} }, { get status() {} }, 1,
        ].map((state) => shown(new Response(state))), shown(Object.assign(new Response({ fields: list }), { own: 1 })));
        const before = Object.getOwnPropertyDescriptor(Response.prototype, "statusText");
        Object.defineProperty(Response.prototype, "statusText", { get: () => "" });
        told.push(shown(moved));
        Object.defineProperty(Response.prototype, "statusText", before);
        extensions.webSocket = () => {};
        told.push(shown(moved));
        JSON.stringify(told)
        """
    ) == [
        ["kind,source,fields,status", 0, None, ["a", "1"], 301],
        ["kind,source,fields,status", 0, None, ["content-type", "text/plain"], 200],
        ["kind,source,fields,status", 0, None, [], 204],
        "a,1",
        [0] * 10,
        *[0, 0, 0],
    ]


def test_texts_and_null_bodies_with_an_ordinary_init() -> None:
    assert told(
        r"""
        const of = (made) => made === null ? 0 : [made.kind, made.source, made.fields ?? null, made.status ?? null].join();
        JSON.stringify([
          of(states("text")), of(states("té", { other: 1 })), of(states("", { status: 200, statusText: "" })),
          of(states("text", { status: 404 })), of(states("text", { headers: { A: "1" } })),
          of(states("text", { headers: { A: "1", "Content-Type": "a/b" }, status: 201 })),
          of(states("text", { __proto__: null, headers: new Headers(list) })), list.join(),
          of(states(null, { status: 204 })), of(states(undefined, { headers: { __proto__: null, A: "1" } })),
        ])
        """
    ) == [
        "1,text,,",
        "1,té,,",
        "1,,,",
        "1,text,,404",
        "1,text,a,1,content-type,text/plain,",
        "1,text,a,1,content-type,a/b,201",
        "1,text,a,1,content-type,text/plain,",
        "a,1",
        "0,,,204",
        "0,,a,1,",
    ]


def test_what_is_not_as_most_inits_are_is_left_to_javascript_untouched() -> None:
    count, *changed = told(
        r"""
        const seen = [], spy = { get() { seen.push("got") }, ownKeys() { seen.push("keys"); return [] } };
        const bound = new Headers(list);
        bound.own = 1;
        const cases = () => [
          ["一"], [1], [{}], [null], ["text", null], ["text", 1], ["text", []], ["text", () => {}], ["text", new Proxy({}, spy)],
          ["text", new Kept(1)], ["text", { get status() { seen.push("status") } }], ["text", { __proto__: { status: 404 } }],
          ["text", { status: "404" }], ["text", { status: 99 }], ["text", { status: 600 }], ["text", { status: 204 }],
          ["text", { statusText: "a" }], ["text", { statusText: 1 }], ["text", { headers: null }], ["text", { headers: [["a", "1"]] }],
          ["text", { headers: { C: "1" } }], ["text", { headers: { A: 1 } }], ["text", { headers: { A: "1\n" } }],
          ["text", { headers: { get A() { seen.push("A") } } }], ["text", { headers: { [Symbol.iterator]() {} } }],
          ["text", { headers: new Proxy({}, spy) }], ["text", { headers: bound }], ["text", { headers: new Headers(["a"]) }],
          ["text", { headers: { __proto__: { [Symbol.iterator]() {} } } }], [new Stream(null), {}],
        ].filter((all) => states(...all) !== null).length;
        const told = [cases()], init = { headers: { A: "1" } };
        for (const name of ["headers", "status", "statusText", Symbol.iterator]) {
          Object.defineProperty(Object.prototype, name, { configurable: true, get() { seen.push(name) } });
          told.push(states("text", init));
          delete Object.prototype[name];
        }
        Headers.prototype[Symbol.iterator] = () => {};
        told.push(states("text", { headers: new Headers(list) }));
        JSON.stringify([...told, seen.join()])
        """
    )
    assert count == 0
    assert changed == [None] * 5 + [""]


def test_what_is_answered() -> None:
    assert told(
        r"""
        const calls = [], respond = (...all) => calls.push(all.join("|"));
        const plain = { kind: 1, source: "text" }, copied = { kind: 1, source: "copy", stream, fields: list, status: 404, statusText: "No" };
        const told = [answer(plain, respond, 7), answer(copied, respond, 8), answer({ kind: 0, source: null, fields: [] , status: 204 }, respond, 9)];
        told.push([plain.kind, plain.source, copied.kind, copied.source], calls.join(" "));
        const inner = ofBody(1, "text"), other = { kind: 1, source: "text", stream: new Stream(inner) };
        told.push(answer(other, respond, 10), Object.entries(inner).join());
        calls.length = 0;
        const read = new Stream({ kind: 1, source: "", disturbed: true });
        told.push([
          { kind: 6, source: null }, { kind: 2, source: "a" }, { kind: 1, source: "a".repeat(262145) }, { kind: 1, source: "a", stream: read },
          { kind: 1, source: "a", stream: {} }, { kind: 1, source: "a", status: 101 }, { kind: 0, source: null },
          { kind: 0, source: null, fields: [], status: 0 }, { kind: 1, source: "a", fields: ["a"] }, { kind: 1, source: "a", fields: ["a", "é"] },
          { kind: 1, source: "a", fields: ["a", "b".repeat(5000)] }, { get kind() { calls.push("kind") }, source: "a" },
        ].map((state) => { const before = state.source; return answer(state, respond, 1) || state.source !== before }), calls.join());
        JSON.stringify(told)
        """
    ) == [
        True,
        True,
        True,
        [6, None, 6, None],
        "7|200||content-type\ntext/plain|1|text 8|404|No|a\n1|1|copy 9|204|||0|",
        True,
        "kind,,source,,reader,SEIZED,disturbed,true",
        [False] * 12,
        "",
    ]


def test_what_the_host_throws_is_thrown() -> None:
    assert told(
        """
        const text = { kind: 1, source: "text" };
        let seen = [];
        try { answer(text, () => { throw 1 }, 1) } catch (error) { seen = [error, text.kind] }
        JSON.stringify(seen)
        """
    ) == [1, 6]


def test_getters() -> None:
    assert told(
        """
        const of = (state, getter) => getter.call(new Response(state));
        const text = { kind: 1, source: "text" }, shown = of(text, body), plain = { kind: 1, source: "a" }, first = of(plain, headers);
        const told = [
          Object.getPrototypeOf(shown) === Stream.prototype, of(text, body) === shown, of({ kind: 0, source: null }, body), of(text, used),
          of({ kind: 6, source: null, stream: {} }, used), of({ kind: 1, source: "", stream: null }, used),
          Object.getPrototypeOf(first) === Headers.prototype, of(plain, headers) === first, plain.fields.join(), parts[1] !== plain.fields,
          Object.keys(text).join(), Object.keys(plain).join(),
        ];
        told.push([
          [{ kind: 6, source: null }, body], [{ kind: 2, source: null }, body], [{ kind: 1, source: "", stream: {} }, used],
          [{ kind: 1, source: "", isImmutable: true }, headers], [1, body], [{ get kind() {} }, used],
        ].filter((all) => of(...all) !== "otherwise").length, body.call({}), body.call(undefined));
        parts[9] = parts[12] = null;
        told.push(of({ kind: 1, source: "" }, body), of({ kind: 1, source: "" }, headers));
        JSON.stringify(told)
        """
    ) == [
        *[True, True, None, False, True, False, True, True, "content-type,text/plain", True],
        *["kind,source,stream", "kind,source,fields,headers", 0, "otherwise", "otherwise", "otherwise", "otherwise"],
    ]


@pytest.mark.parametrize(
    "work",
    [
        'states("text")',
        'states("text", { headers: { A: "1" }, status: 404 })',
        "states(null, { status: 204 })",
        "states(stream, new Response({ kind: 6, source: null, fields: list }))",
        "states(null, new Response({ kind: 0, source: null, fields: list, status: 301 }))",
        'answer({ kind: 1, source: "text", stream: new Stream(ofBody(1, "text")), fields: list }, () => {}, 1)',
        "body.call(new Response({ kind: 1, source: 'text' }))",
        "headers.call(new Response({ kind: 1, source: 'text' }))",
    ],
)
def test_where_memory_runs_out_they_say_so_and_leave_nothing(work: str) -> None:
    runtime = quickjs.Runtime()
    failing = Failing(runtime)
    call = evaluate(f"() => {{ {work} }}", runtime)
    outcomes: list[str] = []
    counts = set()
    while "done" not in outcomes:
        outcomes.append(failing.outcome(len(outcomes) + 1, call))
        runtime.run_gc()
        if len(outcomes) > 2:  # what the first error of a context makes stays
            counts.add(failing.state.count)
    assert "InternalError: out of memory" in outcomes
    assert set(outcomes) <= {"InternalError: out of memory", "made", "done"}
    assert max(counts) - min(counts) < 8


def test_parts_that_are_none_are_refused() -> None:
    for parts in ("{}", "[]", "parts.with(0, {})", "parts.with(7, null)", "[...parts, 1]"):
        with pytest.raises(quickjs.JSError, match="TypeError: quickResponses"):
            evaluate(f"make({parts}, 0, null)")
