"""The Console Standard: levels, formatting, groups, counters, timers and tables."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from .harness import Bench

METHODS = [
    *["assert", "clear", "debug", "error", "info", "log", "table", "trace", "warn", "dir", "dirxml"],
    *["count", "countReset", "group", "groupCollapsed", "groupEnd", "time", "timeLog", "timeEnd"],
]


def test_namespace_object(run_js: Callable[[str], Any]) -> None:
    descriptor, chain, tag, keys = run_js(
        """
        const { value, ...rest } = Object.getOwnPropertyDescriptor(globalThis, 'console');
        const prototype = Object.getPrototypeOf(console);
        return [
          { ...rest, same: value === console },
          [Reflect.ownKeys(prototype).length, Object.getPrototypeOf(prototype) === Object.prototype],
          [String(console), { ...Object.getOwnPropertyDescriptor(console, Symbol.toStringTag) }],
          Object.keys(console),
        ];
        """
    )
    assert descriptor == {"writable": True, "enumerable": False, "configurable": True, "same": True}
    assert chain == [0, True]
    assert tag == [
        "[object console]",
        {"value": "console", "writable": False, "enumerable": False, "configurable": True},
    ]
    assert keys == METHODS


def test_methods_are_plain_functions_without_required_arguments(run_js: Callable[[str], Any]) -> None:
    assert run_js(
        """
        return Object.entries(Object.getOwnPropertyDescriptors(console)).map(([name, d]) => {
          let isConstructor = true;
          try { Reflect.construct(Object, [], d.value); } catch { isConstructor = false; }
          return [name, d.value.name, d.value.length, d.writable, d.enumerable, d.configurable, isConstructor];
        });
        """
    ) == [[name, name, 0, True, True, True, False] for name in METHODS]


def test_it_is_there_although_it_was_first_looked_at_near_the_end_of_the_stack(run_js: Callable[[str], Any]) -> None:
    keys = run_js(
        """
        function deeper() { try { deeper(); } catch (error) { console.log('too deep'); throw error; } }
        try { deeper(); } catch {}
        return Object.keys(console);
        """
    )
    assert keys == METHODS


def test_methods_work_detached_and_can_be_replaced(bench: Bench) -> None:
    bench.run(
        "const { log, warn } = console; log('a'); warn('b'); console.log = (x) => log('mine', x); console.log('c')"
    )
    assert bench.logs == [("log", "a"), ("warn", "b"), ("log", "mine c")]


@pytest.mark.parametrize("name", ["debug", "error", "info", "log", "warn"])
def test_levels(bench: Bench, name: str) -> None:
    bench.run(f"console.{name}('text', 1, true, null, undefined, -0, NaN)")
    assert bench.logs == [(name, "text 1 true null undefined -0 NaN")]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", ""),
        ("'100%%'", "100%%"),
        ("'100%%', 1", "100% 1"),
        ("'%s', 'a'", "a"),
        ("'a%sb%', 'x'", "axb%"),
        ("'%', 'a'", "% a"),
        ("'%s and %s', 'one'", "one and %s"),
        ("'%x %s', 'a'", "%x a"),
        ("1, '%s', 'a'", "1 %s a"),
        ("'%s', {}", "{}"),
        ("'%s', [1, 'a', { b: 2 }]", "[ 1, 'a', [Object] ]"),
        ("'%s', { a: { b: 1 } }", "{ a: [Object] }"),
        ("'%s', { toString() { return 'own' } }", "own"),
        ("'%s', new (class { toString() { return 'of class' } })", "of class"),
        ("'%s', new URL('http://a/')", "http://a/"),
        ("'%s', () => 1", "() => 1"),
        ("'%s %s %s %s', Symbol('x'), -0, 5n, null", "Symbol(x) -0 5n null"),
        ("'%s', new Date(0)", "1970-01-01T00:00:00.000Z"),
        ("'%d|%d|%d|%d', '42.5', {}, 5n, Symbol('q')", "42.5|NaN|5n|NaN"),
        ("'%d|%d|%d|%d', [5], { valueOf: () => 3 }, { valueOf() { throw 1 } }, new Date(7)", "5|3|NaN|7"),
        ("'%d|%i|%f', new Proxy([5], {}), Object.create(null), new Proxy({}, { get() { throw 1 } })", "NaN|NaN|NaN"),
        (
            "'%s %s %s', new String('a'), new Number(1), Object(Symbol('q'))",
            "[String: 'a'] [Number: 1] [Symbol: Symbol(q)]",
        ),
        ("'%j|%j|%j|%j', { a: [1, 'x'] }, 'b', undefined, 5n", '{"a":[1,"x"]}|"b"|undefined|5n'),
        ("'%j', (() => { const a = {}; return (a.a = a) })()", "<ref *1> { a: [Circular *1] }"),
        ("'%i|%i|%i|%i', '42.9', '0x10', 5n, 'x'", "42|16|5n|NaN"),
        ("'%f|%f|%f', '1.5x', Symbol('q'), -0", "1.5|NaN|0"),
        ("'%o', [1]", "[ 1, [length]: 1 ]"),
        ("'%O', { a: { b: { c: { d: 1 } } } }", "{ a: { b: { c: [Object] } } }"),
        ("'%cred%c plain', 'color: red', ''", "red plain"),
        ("'%s', 'a', 'b', { c: 1 }", "a b { c: 1 }"),
        ("'%s', '%s', 'a'", "%s a"),
        ("'\\ud800'", "\ufffd"),
    ],
)
def test_formatter(bench: Bench, arguments: str, expected: str) -> None:
    bench.run(f"console.log({arguments})")
    assert bench.logs == [("log", expected)]


def test_assert(bench: Bench) -> None:
    bench.run(
        """
        console.assert(true, 'not shown');
        console.assert();
        console.assert(0, 'a %s', 'b');
        console.assert(false, { a: 1 });
        console.assert(false, 'x', 1);
        """
    )
    assert bench.logs == [
        ("error", "Assertion failed"),
        ("error", "Assertion failed: a b"),
        ("error", "Assertion failed { a: 1 }"),
        ("error", "Assertion failed: x 1"),
    ]


def test_groups_indent_every_line_and_clear_ends_them(bench: Bench) -> None:
    bench.run(
        """
        console.group('Outer %s', 1);
        console.log('two\\nlines');
        console.groupCollapsed();
        console.warn({ a: 1 });
        console.groupEnd();
        console.info('outer');
        console.groupEnd();
        console.groupEnd();
        console.log('none');
        console.group('again');
        console.clear();
        console.log('cleared');
        """
    )
    assert bench.logs == [
        ("log", "Outer 1"),
        ("log", "  two\n  lines"),
        ("warn", "    { a: 1 }"),
        ("info", "  outer"),
        ("log", "none"),
        ("log", "again"),
        ("log", "cleared"),
    ]


def test_counters(bench: Bench) -> None:
    bench.run(
        """
        console.count(); console.count('x'); console.count(undefined); console.count('default');
        console.countReset('x'); console.count('x'); console.countReset('nope');
        console.count({ toString: () => 'obj' });
        """
    )
    assert bench.logs == [
        ("info", "default: 1"),
        ("info", "x: 1"),
        ("info", "default: 2"),
        ("info", "default: 3"),
        ("info", "x: 1"),
        ("warn", "Count for 'nope' does not exist"),
        ("info", "obj: 1"),
    ]


def test_timers(bench: Bench) -> None:
    bench.run(
        """
        const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
        console.time('t'); console.time('t'); console.time(); console.time('100% %s');
        await sleep(5); console.timeLog('t', 'more %s', { a: 1 });
        await sleep(1495); console.timeEnd('t'); console.timeEnd('t'); console.timeLog('u');
        console.timeLog('100% %s', 1);
        await sleep(60_500); console.timeLog();
        await sleep(3_600_000); console.timeEnd();
        """
    )
    assert bench.logs == [
        ("warn", "Label 't' already exists for console.time()"),
        ("log", "t: 5ms more %s { a: 1 }"),
        ("info", "t: 1.500s"),
        ("warn", "No such label 't' for console.timeEnd()"),
        ("warn", "No such label 'u' for console.timeLog()"),
        ("log", "100% %s: 1.500s 1"),
        ("log", "default: 1:02.000 (m:ss.mmm)"),
        ("info", "default: 1:01:02 (h:mm:ss)"),
    ]


@pytest.mark.parametrize("method", ["count", "countReset", "time", "timeLog", "timeEnd"])
def test_labels_are_converted_once_and_what_that_throws_passes(run_js: Callable[[str], Any], method: str) -> None:
    assert run_js(
        f"""
        let calls = 0;
        console.{method}({{ toString() {{ calls++; return 'l'; }} }});
        const thrown = [];
        for (const label of [{{ toString() {{ throw new RangeError('x'); }} }}, Symbol('s')]) {{
          try {{ console.{method}(label); }} catch (e) {{ thrown.push(e.name); }}
        }}
        return [calls, thrown];
        """
    ) == [1, ["RangeError", "TypeError"]]


def test_trace_shows_where_it_was_called(bench: Bench) -> None:
    bench.run("function here() { console.trace('at %s', 1); } here(); console.trace();")
    (_, first), (_, second) = bench.logs
    assert first.startswith("Trace: at 1\n    at here (test.js:")
    assert second.startswith("Trace\n    at <anonymous> (test.js:")
    assert "nano:" not in first + second


def test_dir_and_dirxml(bench: Bench) -> None:
    bench.run("console.dir({ a: { b: 1 } }, { depth: 0 }); console.dir(); console.dir('%s', null)")
    bench.run("console.dirxml('%s', 1, {})")
    assert [text for _, text in bench.logs] == ["{ a: [Object] }", "undefined", "'%s'", "1 {}"]


@pytest.mark.parametrize("call", ["dir(1, 5)", "table([], 5)", "table([], [Symbol()])", "table([], {})"])
def test_bad_arguments_throw_type_errors(run_js: Callable[[str], Any], call: str) -> None:
    assert run_js(f"try {{ console.{call} }} catch (e) {{ return e instanceof TypeError }}") is True


TABLES = [
    (
        "[{ a: 1, b: 'x' }, { a: 2, c: true }]",
        """
┌─────────┬───┬─────┬──────┐
│ (index) │ a │ b   │ c    │
├─────────┼───┼─────┼──────┤
│ 0       │ 1 │ 'x' │      │
│ 1       │ 2 │     │ true │
└─────────┴───┴─────┴──────┘""",
    ),
    (
        "[[1, 2], [3, 4]]",
        """
┌─────────┬───┬───┐
│ (index) │ 0 │ 1 │
├─────────┼───┼───┤
│ 0       │ 1 │ 2 │
│ 1       │ 3 │ 4 │
└─────────┴───┴───┘""",
    ),
    (
        "new Map([['k', { z: 1 }], ['l', 5]])",
        """
┌───────────────────┬─────┬──────────┐
│ (iteration index) │ Key │ Values   │
├───────────────────┼─────┼──────────┤
│ 0                 │ 'k' │ { z: 1 } │
│ 1                 │ 'l' │ 5        │
└───────────────────┴─────┴──────────┘""",
    ),
    (
        "new Set([1, 'b'])",
        """
┌───────────────────┬────────┐
│ (iteration index) │ Values │
├───────────────────┼────────┤
│ 0                 │ 1      │
│ 1                 │ 'b'    │
└───────────────────┴────────┘""",
    ),
    (
        "{ x: { a: 1 }, y: 7 }",
        """
┌─────────┬───┬────────┐
│ (index) │ a │ Values │
├─────────┼───┼────────┤
│ x       │ 1 │        │
│ y       │   │ 7      │
└─────────┴───┴────────┘""",
    ),
    (
        "[{ a: 1, b: 2 }], ['b', 'q']",
        """
┌─────────┬───┬───┐
│ (index) │ b │ q │
├─────────┼───┼───┤
│ 0       │ 2 │   │
└─────────┴───┴───┘""",
    ),
    (
        "[1, 2], []",
        """
┌─────────┐
│ (index) │
├─────────┤
│ 0       │
│ 1       │
└─────────┘""",
    ),
    (
        "[{ a: { b: { c: 1 } }, n: [1, 2, 3, 4, 5], w: '日本', o: { x: 1, y: 2, z: 3 } }]",
        """
┌─────────┬─────────────────┬───────────────────────────────┬────────┬──────────┐
│ (index) │ a               │ n                             │ w      │ o        │
├─────────┼─────────────────┼───────────────────────────────┼────────┼──────────┤
│ 0       │ { b: [Object] } │ [ 1, 2, 3, ... 2 more items ] │ '日本' │ [Object] │
└─────────┴─────────────────┴───────────────────────────────┴────────┴──────────┘""",
    ),
    (
        "[null, undefined, Symbol('x'), () => 1]",
        """
┌─────────┬────────────────────────┐
│ (index) │ Values                 │
├─────────┼────────────────────────┤
│ 0       │ null                   │
│ 1       │ undefined              │
│ 2       │ Symbol(x)              │
│ 3       │ [Function (anonymous)] │
└─────────┴────────────────────────┘""",
    ),
    (
        "[]",
        """
┌─────────┐
│ (index) │
├─────────┤
└─────────┘""",
    ),
    ("5", "\n5"),
    ("null", "\nnull"),
    ("'%s'", "\n%s"),
]


@pytest.mark.parametrize(("arguments", "expected"), TABLES)
def test_tables(bench: Bench, arguments: str, expected: str) -> None:
    bench.run(f"console.table({arguments})")
    assert bench.logs == [("log", expected[1:])]


def test_strings_and_numbers_do_not_load_the_inspector(bench: Bench) -> None:
    def size() -> int:
        bench.context.runtime.run_gc()
        return bench.context.runtime.compute_memory_usage()["malloc_size"]

    plain = "console.log('a', 1, true, null, undefined); console.warn('x'); console.count(); console.group('g')"
    # Once for the tables of the engine, which double when they are full: what is asked is at the end in any case.
    bench.run(plain)
    before = size()
    bench.run(plain)
    assert size() - before < 2_000
    bench.run("console.log({})")
    assert size() - before > 20_000


def test_groups_without_end_cost_no_more_than_deep_ones(bench: Bench) -> None:
    """Each line of a text begins with the groups' indentation: 90,000 lines of 200,000 spaces held up all for minutes."""
    began = time.thread_time()
    bench.run("for (let i = 0; i < 100_000; i++) console.group(); console.log('a\\n'.repeat(45_000))")
    text = bench.logs[-1][1]
    assert text.startswith(" " * 100 + "a\n" + " " * 100 + "a\n")
    assert text.endswith(" more characters")
    assert len(text) < 100_100
    assert time.thread_time() - began < 5
