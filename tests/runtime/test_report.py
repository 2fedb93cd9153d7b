"""Exceptions that nobody caught: the log gets a text and a stack, whatever was thrown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .harness import Bench

Run = Callable[[str], Any]


def texts(bench: Bench) -> list[str]:
    return [text for text, _ in bench.exceptions]


def test_an_error_is_logged_with_its_name_message_and_stack(bench: Bench, run_js: Run) -> None:
    run_js("setTimeout(function boom() { throw new TypeError('no such thing') }); await scheduler.wait(1)")
    [(text, stack)] = bench.exceptions
    assert text == "TypeError: no such thing"
    assert "at boom (test.js:1:" in stack


def test_causes_and_aggregated_errors_are_named(bench: Bench, run_js: Run) -> None:
    run_js("""
        reportError(new Error("a", { cause: new RangeError("b", { cause: new DOMException("c", "AbortError") }) }));
        reportError(new AggregateError([new Error("x"), new TypeError("y")], "all failed"));
    """)
    first, second = texts(bench)
    assert first.splitlines() == ["Error: a", "  [cause] RangeError: b", "    [cause] AbortError: c"]
    assert second.splitlines() == ["AggregateError: all failed", "  [errors[0]] Error: x", "  [errors[1]] TypeError: y"]


def test_the_stack_goes_on_with_the_causes_stacks(bench: Bench, run_js: Run) -> None:
    run_js("""
        function inner() { return new RangeError("b"); }
        function outer() { return new Error("a", { cause: inner() }); }
        reportError(outer());
    """)
    [(_, stack)] = bench.exceptions
    own, cause = stack.split("[cause] RangeError: b\n")
    assert own.startswith("    at outer (")
    assert cause.startswith("    at inner (")


def test_texts_and_stacks_without_end_are_cut(bench: Bench, run_js: Run) -> None:
    """Python reads them while all other apps wait: a stack of 20 MB takes 20 s."""
    run_js("""
        const long = new Error("m".repeat(1e6)); long.stack = "    at f (a.js:1:1)\\n".repeat(1e5); reportError(long);
        const wide = (depth) => new AggregateError(depth ? Array(10).fill().map(() => wide(depth - 1)) : [], "w".repeat(100));
        reportError(wide(4));
        const caused = new Error("c", { cause: long }); caused.stack = "x"; reportError(caused);
        reportError({ text: Array(100).fill("v".repeat(10000)) });
    """)
    assert len(bench.exceptions) == 4
    for text, stack in bench.exceptions:
        assert len(text) < 20_000
        assert len(stack) < 20_000
    text, stack = bench.exceptions[0]
    assert text.startswith("Error: mmm")
    assert text.endswith("m\n… (cut: 1000007 characters)")
    assert stack.startswith("    at f (a.js:1:1)\n")
    assert stack.splitlines()[-1] == "… (cut: 2000000 characters)"


def test_circular_and_long_chains_of_causes_end(bench: Bench, run_js: Run) -> None:
    run_js("""
        const circle = new Error("c"); circle.cause = circle; reportError(circle);
        let long = new Error("0"); for (let i = 1; i < 1000; i++) long = new Error(String(i), { cause: long });
        reportError(long);
        const many = new AggregateError(Array.from({ length: 100000 }, (_, i) => new Error(String(i))));
        reportError(many);
    """)
    circle, long, many = texts(bench)
    assert circle == "Error: c\n  [cause] [circular]"
    assert len(long.splitlines()) < 20
    assert len(many.splitlines()) < 20
    assert "99990 more" in many


def test_anything_may_be_thrown(bench: Bench, run_js: Run) -> None:
    run_js("for (const value of ['text', 5, null, undefined, Symbol('s'), { a: 1 }, () => 1]) reportError(value)")
    assert len(bench.exceptions) == 7
    assert all(text.startswith("Uncaught ") for text in texts(bench))
    assert "text" in texts(bench)[0]
    assert "5" in texts(bench)[1]


def test_hostile_values_do_no_harm(bench: Bench, run_js: Run) -> None:
    run_js("""
        const bad = () => { throw new Error("trap") };
        reportError(Object.defineProperty(new Error("m"), "name", { get: bad }));
        reportError(Object.defineProperty(new Error("m"), "message", { value: { toString: bad } }));
        reportError(Object.defineProperty(new Error("stack"), "stack", { get: bad }));
        reportError(Object.defineProperty(new Error("cause"), "cause", { get: bad }));
        reportError(new Proxy({}, { get: bad, getPrototypeOf: bad, ownKeys: bad, has: bad }));
        reportError(new Proxy(new Error("p"), { get: bad, getPrototypeOf: bad, ownKeys: bad, has: bad }));
        reportError({ toString: bad, [Symbol.toPrimitive]: bad, get [Symbol.toStringTag]() { bad(); } });
        const aggregate = (value) => Object.defineProperty(new AggregateError([]), "errors", { value });
        reportError(aggregate(new Proxy([], { get: bad })));
        reportError(aggregate({ length: 1e300, get 0() { bad(); } }));
    """)
    assert len(bench.exceptions) == 9


def test_a_listener_that_prevents_keeps_the_log_clean(bench: Bench, run_js: Run) -> None:
    run_js("""
        addEventListener("error", (e) => { if (e.error === 1) e.preventDefault(); });
        reportError(1);
        reportError(2);
        onerror = (message, file, line, column, error) => error === 2;
        reportError(2);
        reportError(3);
    """)
    assert len(bench.exceptions) == 2


def test_a_listener_that_throws_is_logged_once(bench: Bench, run_js: Run) -> None:
    run_js("""
        addEventListener("error", () => { throw new Error("from the listener") });
        reportError(new Error("first"));
    """)
    assert texts(bench) == ["Error: from the listener", "Error: first"]


def test_reporting_survives_patched_builtins(bench: Bench, run_js: Run) -> None:
    run_js("""
        const bad = () => { throw new Error("patched") };
        Error.prototype.toString = RegExp.prototype.exec = Array.prototype.indexOf = String.prototype.split = bad;
        Array.prototype[Symbol.iterator] = Function.prototype.call = Function.prototype.apply = bad;
        addEventListener("error", (e) => { e.preventDefault = bad; });
        reportError(new Error("m"));
    """)
    assert texts(bench) == ["Error: m"]


def test_an_uncaught_exception_needs_no_event_machinery(bench: Bench, run_js: Run) -> None:
    """Nothing listens, so the classes of events need not be loaded."""
    run_js("await 0")
    run_js("reportError(new Error('m'))")
    before = bench.context.runtime.compute_memory_usage()["malloc_size"]
    run_js("Event")
    assert bench.context.runtime.compute_memory_usage()["malloc_size"] - before > 10_000


def test_a_string_handler_of_a_timer_is_evaluated_globally(bench: Bench, run_js: Run) -> None:
    assert run_js(
        "setTimeout('var fromTimer = typeof run_js; globalThis.seen = this === globalThis', 0);"
        "await scheduler.wait(1); return [fromTimer, seen]"
    ) == ["undefined", True]
    run_js("setTimeout('syntax error', 0); await scheduler.wait(1)")
    assert texts(bench)[0].startswith("SyntaxError: ")


def test_events_and_signals_survive_patched_builtins(run_js: Run) -> None:
    assert (
        run_js("""
        const controller = new AbortController(), dependent = AbortSignal.any([controller.signal]);
        let heard = 0;
        const listener = () => heard++;
        const bad = () => { throw new Error("patched") };
        const saved = Object.getOwnPropertyDescriptors(Set.prototype);
        for (const C of [Set, Map, WeakMap]) for (const key of ["add", "get", "set", "has", "delete", "forEach"]) {
          if (C.prototype[key]) C.prototype[key] = bad;
        }
        Object.defineProperty(Set.prototype, "size", { get: bad });
        Array.prototype.slice = Array.prototype.splice = Array.prototype.indexOf = WeakRef.prototype.deref = bad;
        dependent.addEventListener("abort", listener);
        dependent.addEventListener("abort", listener, { once: true, signal: new AbortController().signal });
        controller.signal.addEventListener("abort", listener, true);
        controller.signal.onabort = listener;
        AbortSignal.any([controller.signal, dependent]).onabort = listener;
        setTimeout(listener, 0, 1, 2);
        controller.abort();
        await scheduler.wait(1);
        return heard;
    """)
        == 5
    )


def test_navigator(run_js: Run) -> None:
    assert run_js(
        "return [navigator.userAgent, navigator.hardwareConcurrency, navigator.language, navigator.languages]"
    ) == [
        "nano-trio/0.1",
        1,
        "en-US",
        ["en-US"],
    ]
    assert run_js("return navigator instanceof Navigator && Object.isFrozen(navigator.languages)")
    assert "Illegal constructor" in run_js("try { new Navigator() } catch (error) { return String(error) }")


def test_thousands_of_dependents_of_one_long_lived_signal_leave_nothing_behind(bench: Bench, run_js: Run) -> None:
    run_js(
        "globalThis.controller = new AbortController(); AbortSignal.any([controller.signal, AbortSignal.timeout(1)])"
    )

    def used() -> int:
        bench.context.runtime.run_gc()
        return int(bench.context.runtime.compute_memory_usage()["malloc_size"])

    make = "for (let i = 0; i < 2000; i++) AbortSignal.any([controller.signal]);"
    run_js(make)
    before = used()
    run_js(make)
    assert used() - before < 20_000


def test_what_an_error_says_is_told_once_whatever_its_stack_begins_with(bench: Bench, run_js: Run) -> None:
    run_js("""
        function read() { const error = new Error("a\\nb"); error.stack; return error; }
        const changed = Object.assign(read(), { name: "Later", message: "c" });
        const enhanced = read(); enhanced.stack = `at once:\\n${enhanced.stack}`;
        const copied = structuredClone(read());
        const told = read(); told.stack = String(told);
        for (const error of [read(), changed, enhanced, copied, told]) reportError(error);
        reportError(new Error("outer", { cause: changed }));
    """)
    stacks = [stack.splitlines() for _, stack in bench.exceptions]
    assert [stack[0].split(" (")[0] for stack in stacks[:5]] == [
        "    at read",
        "    at read",
        "at once:",
        "    at read",
        "",
    ]
    assert stacks[2][1].startswith("    at read (test.js:")
    first, second, *_, last = texts(bench)
    assert (first, second) == ("Error: a\nb", "Later: c")
    assert last == "Error: outer\n  [cause] Later: c"
    assert bench.exceptions[-1][1].count("Later: c") == 1
    assert "Error: a" not in "".join(stack for _, stack in bench.exceptions)
