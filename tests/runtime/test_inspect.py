"""How values look in the log: Node's form, whatever the value; and nothing an app builds can disturb it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .harness import Bench

PRELUDE = """
class Foo { constructor() { this.x = 1; } get y() { return 1; } }
class Bar extends Foo { constructor() { super(); this.z = 'q'; } }
class Tag { get [Symbol.toStringTag]() { return 'TT'; } }
class Static { static a = 1; static m() {} static get g() { return 1; } }
class M2 extends Map {}
class S2 extends Set {}
class A2 extends Array {}
class P2 extends Promise {}
class D2 extends Date {}
class R2 extends RegExp {}
class U2 extends Uint8Array {}
function Old() { this.a = 1; }
const ic = Symbol.for('nodejs.util.inspect.custom');
const circ = { name: 'x' };
circ.self = circ;
circ.list = [circ, { a: circ }];
const nested = (n) => (n ? { n, c: nested(n - 1) } : 'end');
const narr = (n) => (n ? [n, narr(n - 1)] : []);
const range = (length, f) => Array.from({ length }, (_, i) => f(i));
const noStack = (e) => Object.defineProperty(e, 'stack', { value: undefined, enumerable: false });
// As the stack was when it was first read, but for the frames.
const framed = (e) => (
  (e.stack = e.stack.replace(/\\n    at [^]*$/, '\\n    at f (x.js:1:1)')),
  Object.defineProperty(e, 'stack', { enumerable: false })
);
class Assigned extends Error { constructor(m, o) { super(m, o); this.name = 'Assigned'; } }
class Captured extends Error { constructor(m) { super(m); Error.captureStackTrace(this, Captured); this.name = 'CapturedError'; } }
class Asked extends Error { get name() { return 'Got'; } }
// A string is logged as it is; inside the console.dir it is a value like others.
globalThis.show = (value) => (typeof value === 'string' ? console.dir(value) : console.log(value));
"""


def _cases() -> list[tuple[str, str]]:
    text = Path(__file__).with_name("inspect_cases.txt").read_text("utf-8")
    cases = []
    for block in ("\n" + text).split("\n> ")[1:]:
        expression, expected = block.split("\n", 1)
        cases.append((expression, expected.rstrip("\n")))
    return cases


@pytest.fixture(scope="module")
def shown() -> Callable[[str], str]:
    bench = Bench()
    bench.context.eval(PRELUDE, "test.js")

    def show(expression: str) -> str:
        bench.logs.clear()
        bench.context.eval(f"show((() => {expression})())", "test.js")
        assert len(bench.logs) == 1
        return bench.logs[0][1]

    return show


@pytest.fixture
def logged(bench: Bench) -> Callable[[str], str]:
    """The lines that the body of an async function logs."""

    def run(source: str) -> str:
        bench.run(source)
        return "\n".join(text for _, text in bench.logs)

    return run


@pytest.mark.parametrize(("expression", "expected"), _cases())
def test_values_look_as_in_node(shown: Callable[[str], str], expression: str, expected: str) -> None:
    assert shown(expression) == expected


def test_rows_of_long_lists_and_what_is_left_out(shown: Callable[[str], str]) -> None:
    assert shown("range(250, (i) => i)").endswith("  96, 97, 98, 99,\n  ... 150 more items\n]")
    assert shown("new Map(range(102, (i) => [i, i]))").endswith("  99 => 99,\n  ... 2 more items\n}")
    assert shown("new Set(range(101, (i) => 's' + i))").endswith("  's99',\n  ... 1 more item\n}")
    assert shown("new Array(5e6).fill(7)").endswith("  7, 7, 7, 7,\n  ... 4999900 more items\n]")
    assert shown("{ const a = []; a[4294967294] = 1; return a; }") == "[ <4294967294 empty items>, 1 ]"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("nested(6), { depth: 0 }", "{ n: 6, c: [Object] }"),
        ("nested(3), { depth: 1 }", "{ n: 3, c: { n: 2, c: [Object] } }"),
        ("narr(5), { depth: null }", "[\n  5,\n  [\n    4,\n    [ 3, [ 2, [ 1, [] ] ] ]\n  ]\n]"),
        ("[1, 2, 3], { maxArrayLength: 2 }", "[ 1, 2, ... 1 more item ]"),
        ("[1, 2, 3], { maxArrayLength: 0 }", "[ ... 3 more items ]"),
        ("'abcdef', { maxStringLength: 3 }", "'abc'... 3 more characters"),
        ("{ a: 1, b: { c: 1 } }, { compact: false }", "{\n  a: 1,\n  b: {\n    c: 1\n  }\n}"),
        ("{ a: 1, b: { c: { d: 1 } } }, { compact: 1 }", "{\n  a: 1,\n  b: {\n    c: { d: 1 }\n  }\n}"),
        ("{ b: 1, a: 2 }, { sorted: true }", "{ a: 2, b: 1 }"),
        ("{ a: [1, 2] }, { showHidden: true }", "{ a: [ 1, 2, [length]: 2 ] }"),
        ("[1, 'a', null], { colors: true }", "[ \x1b[33m1\x1b[39m, \x1b[32m'a'\x1b[39m, \x1b[1mnull\x1b[22m ]"),
        ("[[], {}, () => 1], { colors: true, depth: -1 }", "\x1b[36m[Array]\x1b[39m"),
        (
            "{ [ic]() { return 'C'; } }",
            "{\n  [Symbol(nodejs.util.inspect.custom)]: [Function: [nodejs.util.inspect.custom]]\n}",
        ),
        ("new Foo, undefined", "Foo { x: 1 }"),
        ("new Foo, null", "Foo { x: 1 }"),
    ],
)
def test_options_of_console_dir(logged: Callable[[str], str], arguments: str, expected: str) -> None:
    assert logged(f"{PRELUDE}; console.dir({arguments})") == expected


def test_custom_inspector_is_given_depth_options_and_inspect(logged: Callable[[str], str]) -> None:
    assert (
        logged(
            PRELUDE + "console.log({ a: { [ic](depth, options, inspect) {"
            "  const { depth: limit, stylize } = options;"
            "  return `${depth} ${limit} ${stylize('x', 'string')} ${inspect({ q: [1] }, options)}`; } } })"
        )
        == "{ a: 1 2 x { q: [ 1 ] } }"
    )


def test_errors_show_their_stack_without_the_platforms_frames(logged: Callable[[str], str]) -> None:
    text = logged(
        """
        function inner() { throw new RangeError('too far'); }
        let error;
        try { [1].map(inner); } catch (e) { error = e; }
        console.log(error);
        console.log({ error });
        try { structuredClone(() => 1); } catch (e) { console.log(e); }
        """
    ).split("\n")
    assert text[0] == "RangeError: too far"
    assert text[1].startswith("    at inner (test.js:")
    assert "    at map (native)" in text
    assert text.count("  error: RangeError: too far") == 1
    assert any(line.startswith("      at inner (test.js:") for line in text)
    assert any(line.startswith("DOMException [DataCloneError]: ") for line in text)
    assert not any("nano:" in line for line in text)


def test_cause_errors_and_further_properties_follow_the_stack(logged: Callable[[str], str]) -> None:
    text = logged(
        """
        const strip = (e) => (e.stack = e.stack.split('\\n', 2).join('\\n'), e);
        const cause = strip(new TypeError('why'));
        console.log(Object.assign(strip(new Error('what', { cause })), { code: 'E_WHAT' }));
        console.log(strip(new AggregateError([cause], 'all')));
        """
    )
    frame = text.split("\n")[1]
    assert frame.startswith("    at <anonymous> (test.js:")
    lines = [line for line in text.split("\n") if " at " not in line]
    assert lines == [
        "Error: what",
        "  code: 'E_WHAT',",
        "  [cause]: TypeError: why",
        "}",
        "AggregateError: all",
        "  [errors]: [",
        "    TypeError: why",
        "  ]",
        "}",
    ]


def test_promises(logged: Callable[[str], str]) -> None:
    assert (
        logged(
            """
            const failed = Promise.reject('reason');
            failed.catch(() => {});
            console.log([Promise.resolve({ a: [1] }), new Promise(() => {}), failed, (async () => { await 1; })()]);
            """
        )
        == "[\n  Promise { { a: [Array] } },\n  Promise { <pending> },\n  Promise { <rejected> reason },\n"
        "  Promise { <pending> }\n]"
    )


def test_looking_at_a_rejected_promise_does_not_handle_it(bench: Bench) -> None:
    text = bench.run(
        """
        const failed = Promise.reject(new RangeError('late'));
        console.log(failed);
        let seen;
        await failed.catch((e) => (seen = e.message));
        return seen;
        """
    )
    assert text == "late"
    assert bench.logs[0][1].startswith("Promise {\n  <rejected> RangeError: late\n      at <anonymous> (test.js:")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("new Headers({ a: 'b', 'c-d': 'e' })", "Headers { a: 'b', 'c-d': 'e' }"),
        ("new Headers", "Headers {}"),
        ("new URLSearchParams('a=1&a=2')", "URLSearchParams { 'a' => '1', 'a' => '2' }"),
        ("new Blob(['abc'], { type: 'text/plain' })", "Blob { size: 3, type: 'text/plain' }"),
        (
            "new File(['a'], 'n.txt', { lastModified: 5 })",
            "File { size: 1, type: '', name: 'n.txt', lastModified: 5 }",
        ),
        ("new AbortController", "AbortController {\n  signal: AbortSignal { aborted: false, reason: undefined }\n}"),
        ("new ReadableStream", "ReadableStream { locked: false }"),
        ("{ const f = new FormData; f.append('a', '1'); return f; }", "FormData { a: '1' }"),
        ("Object.create(Headers.prototype)", "Headers {}"),
        ("Object.create(URL.prototype)", "URL {}"),
        ("({ a: { b: { c: new URL('http://a/') } } })", "{ a: { b: { c: [URL] } } }"),
    ],
)
def test_objects_of_the_platform(logged: Callable[[str], str], expression: str, expected: str) -> None:
    assert logged(f"console.log((() => {expression})())") == expected


def test_url_request_response_and_event_name_their_parts(logged: Callable[[str], str]) -> None:
    text = logged(
        """
        class Mine extends Request { extra = 1; }
        console.log(new URL('https://a.b/c?d=e#f'));
        console.log(new Mine('https://a.b/', { method: 'POST', body: 'x' }), new Response('no', { status: 404 }));
        console.log(new CustomEvent('ready', { detail: { a: 1 } }));
        """
    )
    for part in [
        "URL {\n  href: 'https://a.b/c?d=e#f',\n  origin: 'https://a.b',",
        "  searchParams: URLSearchParams { 'd' => 'e' },\n  hash: '#f'\n}",
        "Mine [Request] {\n  method: 'POST',\n  url: 'https://a.b/',\n  headers: Headers {",
        "  extra: 1\n}",
        "Response {\n  status: 404,",
        "CustomEvent {\n  type: 'ready',",
        "  detail: { a: 1 }\n}",
    ]:
        assert part in text


def test_looking_at_a_body_does_not_use_it(run_js: Callable[[str], Any]) -> None:
    assert run_js("const r = new Response('text'); console.log(r); return [r.bodyUsed, await r.text()]") == [
        False,
        "text",
    ]


def test_module_namespaces(bench: Bench) -> None:
    bench.context.set_module_loader(
        lambda name: "export const a = 1; export default class Q {}; export let b = { c: 2 }"
    )
    bench.context.eval("import * as all from 'lib'; console.log(all)", "test.mjs", module=True)
    bench.drain()
    assert bench.logs == [("log", "[Module: null prototype] { a: 1, b: { c: 2 }, default: [class Q] }")]


# ---------------------------------------------------------------- hostile values

HOSTILE = {
    "getter": "({ get a() { throw 1; } })",
    "proxy": "new Proxy({ a: 1 }, traps)",
    "function proxy": "new Proxy(function f() {}, traps)",
    "prototype proxy": "Object.create(new Proxy({}, traps))",
    "class proxy": "Object.create({ constructor: new Proxy(class X {}, traps) })",
    "revoked proxy": "revoked",
    "revoked inside": "[revoked, { revoked }, new Map([[revoked, revoked]])]",
    "throwing inspector": "({ [ic]() { throw new Error('x'); } })",
    "inspector of symbols": "({ [ic]() { return Symbol('x'); } })",
    "inspector without end": "{ class A { [ic](d, o, i) { return i(new A()); } } return new A(); }",
    "inspector of inspectors": "{ class A { [ic]() { return new A(); } } return new A(); }",
    "inspector that branches": "{ class A { [ic]() { return { a: new A(), b: new A() }; } } return new A(); }",
    "error getters": "Object.defineProperties(new Error('x'), { stack: evil, message: evil, name: evil, cause: evil })",
    "error of objects": "Object.assign(new Error('x'), { stack: {}, message: { toString: null }, name: Symbol('n') })",
    "array length": "{ class X extends Array { get length() { throw 1; } } return new X(3); }",
    "constructor getter": "Object.create({ get constructor() { throw 1; } })",
    "function name": "Object.defineProperty(function () {}, 'name', evil)",
    "hasInstance": "{ class C { static [Symbol.hasInstance]() { throw 1; } } return new C(); }",
    "tag getter": "({ get [Symbol.toStringTag]() { throw 1; } })",
    "map methods": "{ class M extends Map { get size() { throw 1; } entries() { throw 1; } } return new M(); }",
    "date methods": "Object.assign(new Date(0), { toISOString: null, getTime: null })",
    "arguments": "(function () { Object.defineProperty(arguments, 'length', evil); return arguments; })()",
    "prototypes": "[Map, Set, Date, RegExp, Promise, Number, Uint8Array, URL, Headers].map((C) => C.prototype)",
    "rejection": "{ const p = Promise.reject({ toString() { throw 1; } }); p.catch(() => {}); return p; }",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_values_are_shown_without_a_throw_or_a_trap(logged: Callable[[str], str], name: str) -> None:
    text = logged(
        f"""
        const ic = Symbol.for('nodejs.util.inspect.custom');
        const evil = {{ get() {{ throw new Error('evil'); }} }};
        let trapped = 0;
        const traps = new Proxy({{}}, {{ get() {{ trapped++; throw new Error('trap'); }} }});
        const {{ proxy: revoked, revoke }} = Proxy.revocable(() => {{}}, {{}});
        revoke();
        const value = (() => {HOSTILE[name]})();
        console.log(value);
        console.log('%s %d %i %f %o %O', value, value, value, value, value, value);
        console.dir(value, {{ depth: null, showHidden: true }});
        console.table(value);
        console.table([value]);
        if (trapped) throw new Error('a trap ran');
        """
    )
    assert text


@pytest.mark.parametrize(
    "expression",
    [
        "({ text: 'x'.repeat(3e6) })",
        "'x'.repeat(3e6)",
        "new Error('x'.repeat(3e6))",
        "{ let o = {}; for (let i = 0; i < 20000; i++) o = { o }; return o; }",
        "{ let a = []; for (let i = 0; i < 100000; i++) a = [a]; return a; }",
        "{ let o = {}; for (let i = 0; i < 40; i++) o = { a: o, b: o }; return o; }",
        "Object.fromEntries(Array.from({ length: 50000 }, (_, i) => ['key' + i, i]))",
        "new Array(200000).fill({ a: 'x'.repeat(50) })",
        "Array.from({ length: 90 }, () => Array.from({ length: 90 }, () => 'x'.repeat(9000)))",
    ],
)
def test_output_is_bounded_in_size_and_time(bench: Bench, expression: str) -> None:
    start = time.thread_time()
    bench.run(
        f"const v = (() => {expression})(); console.log(v); console.dir(v, {{ depth: null, maxArrayLength: null }})"
    )
    assert time.thread_time() - start < 5
    for _, text in bench.logs:
        assert len(text) <= 100_100


def test_long_output_says_how_much_was_cut(logged: Callable[[str], str]) -> None:
    assert logged("console.log('x'.repeat(100_005))") == "x" * 100_000 + "\n... 5 more characters"
    assert logged("console.log(['x'.repeat(10_005)])").endswith("xx'... 5 more characters\n]")


def test_patched_builtins_change_nothing(logged: Callable[[str], str]) -> None:
    text = logged(
        """
        console.log([1]);
        console.log(new Map([[1, new Date(0)]]), () => 1);
        const a = [1, 'x\\ny', /r/g, new Date(0), new Map([[1, 2]]), new Set([3]), Symbol('s'), , -0];
        const url = new URL('http://h/');
        const later = () => { throw new Error('patched'); };
        const pristine = Object.getOwnPropertyDescriptor;
        const found = [];
        for (const C of [Array, String, Map, Set, Date, RegExp, Function, Symbol, Number])
          for (const key of Reflect.ownKeys(C.prototype))
            // The engine compiles template literals to calls of String.prototype.concat.
            if (key !== 'constructor' && key !== 'concat' && pristine(C.prototype, key).configurable)
              found.push([C.prototype, key]);
        for (let i = 0; i < found.length; i++)
          Object.defineProperty(found[i][0], found[i][1], { get: later, configurable: true });
        Object.defineProperty(Object.prototype, 'get', { __proto__: null, value: later, configurable: true });
        Object.defineProperty(Object.prototype, 'value', { __proto__: null, value: 7, configurable: true });
        Reflect.ownKeys = Object.keys = Object.getPrototypeOf = Array.isArray = later;
        console.log({ a });
        console.log('%s-%d', 'a', 1, new Error('e').message, url);
        console.table([{ a: 1 }]);
        """
    )
    assert "    1,\n    'x\\ny',\n    /r/,\n    1970-01-01T00:00:00.000Z,\n    Map(1) { 1 => 2 },\n" in text
    assert "    Set(1) { 3 },\n    Symbol(s),\n    <1 empty item>,\n    -0\n" in text
    assert "a-1 e URL {" in text
    assert "│ 0       │ 1 │" in text


def test_the_proxy_global_is_the_engines_own_to_all_appearances(run_js: Callable[[str], Any]) -> None:
    assert run_js(
        """
        let message;
        try { Proxy({}, {}); } catch (e) { message = e instanceof TypeError; }
        const p = new Proxy({ a: 1 }, { get: (t, k) => k });
        const r = Proxy.revocable([], {});
        const own = Reflect.construct(Proxy, [{}, { get: () => 5 }]);
        return [typeof Proxy, Proxy.name, Proxy.length, 'prototype' in Proxy, message, p.anything,
          Array.isArray(r.proxy), own.x, Proxy.revocable.name, Proxy.revocable.length, Object.keys(r).join()];
        """
    ) == ["function", "Proxy", 2, False, True, "anything", True, 5, "revocable", 2, "proxy,revoke"]
