"""What the engine lacks of ECMAScript, and what other runtimes have of its proposals."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from nano_trio.engine.bytecode import compile_script

from .harness import Bench

Run = Callable[[str], Any]


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("[Promise.resolve(1), 2]", [1, 2]),
        ("(async function* () { yield 1; yield 2; })(), (x, i) => Promise.resolve(x * 10 + i)", [10, 21]),
        ("new Set(['a', 'b'])", ["a", "b"]),
        ("{ length: 2, 0: Promise.resolve('x'), 1: 'y' }", ["x", "y"]),
        ("'añ'", ["a", "ñ"]),
        ("ReadableStream.from([1, 2]), function (x) { return x + this.more; }, { more: 1 }", [2, 3]),
    ],
)
def test_arrays_from_what_comes_asynchronously(run_js: Run, expression: str, result: list[Any]) -> None:
    assert run_js(f"return Array.fromAsync({expression})") == result


def test_array_from_async_fails_by_its_promise_and_closes_the_iterator(run_js: Run) -> None:
    assert run_js(
        """const told = [];
        async function* items() { try { yield 1; yield 2; } finally { told.push("closed"); } }
        const fail = (...given) => Array.fromAsync(...given).catch((error) => told.push(error.name));
        await fail(items(), () => { throw new RangeError(); });
        await fail(undefined); await fail([], 1); await fail([Promise.reject(new SyntaxError())]);
        class Own extends Array {}
        const own = await Own.fromAsync([1, 2]);
        return [told, own instanceof Own, own.length, Object.keys(Array), Array.fromAsync.length];"""
    ) == [["closed", "RangeError", "TypeError", "TypeError", "SyntaxError"], True, 2, [], 1]


def test_array_from_async_looks_for_each_iterator_once_and_by_its_own_symbol(run_js: Run) -> None:
    """GetMethod of the proposal's steps 3.c and 3.d: what an app may see by a getter, and not by a `Symbol` of its own."""
    assert run_js(
        """const told = [], { asyncIterator, iterator } = Symbol;
        globalThis.Symbol = { asyncIterator: "async", iterator: "sync" };
        const items = (given) => ({
          get [asyncIterator]() { told.push("async"); return given[asyncIterator] },
          get [iterator]() { told.push("sync"); return given[iterator] },
        });
        const lists = [
          { [iterator]: () => [1, Promise.resolve(2)].values() }, { async *[asyncIterator]() { yield 3 } }, { [asyncIterator]: null },
        ];
        for (const list of lists) told.push(await Array.fromAsync(items(list)));
        return told;"""
    ) == ["async", "sync", [1, 2], "async", [3], "async", "sync", []]


def test_the_texts_of_a_template_are_frozen_in_code_that_was_compiled_before(bench: Bench) -> None:
    """GetTemplateObject (ECMA-262, 13.2.8.4): the engine, where it reads an app's bytecode, leaves two lengths writable."""
    program = """
    const keep = (texts) => texts, made = [keep`a${1}b`, keep``, keep`\\unicode${1}`];
    const list = ["c"];
    list.raw = ["c"];
    Object.defineProperty(list, "raw", { value: [] }).length = 0;
    JSON.stringify([made.map((each) => [each, each.raw, ...[each, each.raw].map(Object.isFrozen)]), list]);
    """
    context = bench.context
    told = context.eval_function(context.read_object(compile_script(program, "app.js").code))
    assert json.loads(told) == [
        [[["a", "b"], ["a", "b"], True, True], [[""], [""], True, True], [[None, ""], ["\\unicode", ""], True, True]],
        [],
    ]


def test_what_compilers_make_of_using_finds_its_symbols(run_js: Run) -> None:
    assert run_js(
        """const { writable, enumerable, configurable } = Object.getOwnPropertyDescriptor(Symbol, "dispose");
        return [String(Symbol.dispose), String(Symbol.asyncDispose), writable, enumerable, configurable];"""
    ) == ["Symbol(Symbol.dispose)", "Symbol(Symbol.asyncDispose)", False, False, False]


@pytest.mark.parametrize(
    "make", ["new Response(body)", "new Request('http://a', { method: 'POST', duplex: 'half', body })"]
)
def test_a_body_may_be_iterated_asynchronously(run_js: Run, make: str) -> None:
    assert run_js(
        f"""const told = [];
        async function* pieces() {{
          try {{ for (const text of ["a", "b", "c"]) yield new TextEncoder().encode(text); }} finally {{ told.push("closed"); }}
        }}
        let body = pieces();
        const whole = {make};
        told.push(whole.headers.get("content-type"), await whole.text());
        body = pieces();
        const reader = ({make}).body.getReader();
        told.push((await reader.read()).value.length);
        await reader.cancel();
        return told;"""
    ) == ["closed", None, "abc", 1, "closed"]
