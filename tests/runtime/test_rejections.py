"""Unhandled promise rejections: HTML 8.1.4.7, https://html.spec.whatwg.org/#unhandled-promise-rejections"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .harness import Bench

Run = Callable[[str], Any]

# Both events, in order, as "u reason" and "h reason".
LISTEN = """
const seen = [], promises = [];
addEventListener("unhandledrejection", (e) => { seen.push("u " + e.reason); promises.push(e.promise); e.preventDefault(); });
addEventListener("rejectionhandled", (e) => { seen.push("h " + e.reason); });
const task = () => new Promise((resolve) => setTimeout(resolve, 0));
"""


@pytest.fixture
def leaves_rejections() -> bool:
    return True


# What is unhandled, in order, after each piece of code; Node says the same of each.
UNHANDLED: dict[str, list[str]] = {
    "Promise.reject(1)": ["1"],
    "new Promise((_, reject) => reject(1)); new Promise(() => { throw 2 })": ["1", "2"],
    "(async () => { throw 1 })()": ["1"],
    "(async () => { await null; throw 1 })()": ["1"],
    "Promise.reject(1).catch(() => {})": [],
    "Promise.reject(1).then(() => {})": ["1"],
    "Promise.reject(1).finally(() => {})": ["1"],
    "Promise.resolve(1).finally(() => { throw 2 })": ["2"],
    "Promise.reject(1).catch((e) => { throw e + 1 })": ["2"],
    "(async () => { try { await Promise.reject(1) } catch {} })()": [],
    "(async () => { await Promise.reject(1) })()": ["1"],
    "const f = async (n) => { if (n === 0) throw 1; await f(n - 1) }; f(5)": ["1"],
    "const f = async (n) => { if (n === 0) throw 1; return f(n - 1) }; f(5)": ["1"],
    "const f = async (n) => { if (n === 0) throw 1; return f(n - 1) }; f(5).catch(() => {})": [],
    "const p = Promise.reject(1); queueMicrotask(() => p.catch(() => {}))": [],
    "const p = Promise.reject(1); (async () => { for (let i = 0; i < 20; i++) await null; p.catch(() => {}) })()": [],
    "Promise.all([Promise.reject(1), Promise.reject(2), 3]).catch(() => {})": [],
    "Promise.all([Promise.reject(1), Promise.reject(2), 3])": ["1"],
    "Promise.allSettled([Promise.reject(1), Promise.reject(2)])": [],
    "Promise.any([Promise.reject(1), Promise.resolve(2)])": [],
    "Promise.any([Promise.reject(1)]).catch(() => {})": [],
    "Promise.race([Promise.reject(1), Promise.resolve(2)])": ["1"],
    "Promise.race([Promise.resolve(2), Promise.reject(1)])": [],
    "Promise.resolve({ then(_, reject) { reject(1) } })": ["1"],
    "Promise.resolve({ then() { throw 1 } })": ["1"],
    "Promise.resolve({ get then() { throw 1 } })": ["1"],
    "new Promise((resolve) => resolve(Promise.reject(1)))": ["1"],
    "class P extends Promise {}; P.reject(1); P.reject(2).catch(() => {})": ["1"],
    "const { promise, reject } = Promise.withResolvers(); reject(1); reject(2)": ["1"],
    "(async function* () { throw 1 })().next()": ["1"],
    "(async function* () { throw 1 })().next().catch(() => {})": [],
    "(async function* () { yield Promise.reject(1) })().next()": ["1"],
    "(async function* () { yield 1 })().throw(2)": ["2"],
    "(async function* () { yield 1 })().return(Promise.reject(3))": ["3"],
    "(async () => { for await (const x of (async function* () { yield 1; throw 2 })()); })()": ["2"],
    "(async () => { try { for await (const x of [Promise.resolve(1), Promise.reject(2)]); } catch {} })()": [],
    "(async () => { try { for await (const x of [Promise.reject(1), Promise.reject(2)]); } catch {} })()": ["2"],
    "(async () => { for await (const x of (async function* () { try { yield 1 } finally { throw 2 } })()) break; })()": [
        "2"
    ],
    "(async () => { try { await { then(_, reject) { reject(1) } } } catch {} })()": [],
    "import('./nowhere.js').catch(() => {})": [],
    "console.log(Promise.reject(1))": ["1"],
    "const p = Promise.reject(1); p.then(() => {}); p.then(() => {})": ["1", "1"],
    "Promise.reject(1); (async () => { await null; throw 3 })(); Promise.reject(2)": ["1", "2", "3"],
    "const p = [1, 2, 3, 4, 5].map((x) => Promise.reject(x)); for (const i of [0, 3, 1]) p[i].catch(() => {})": [
        "3",
        "5",
    ],
}


@pytest.mark.parametrize("code", UNHANDLED)
def test_what_is_unhandled(run_js: Run, code: str) -> None:
    expected = [f"u {reason}" for reason in UNHANDLED[code]]
    assert run_js(f"{LISTEN} setTimeout(() => {{ {code} }}); await task(); await task(); return seen") == expected


def test_the_event(run_js: Run) -> None:
    assert run_js("""
        const error = new Error("x");
        let event, promise;
        onunhandledrejection = function (e) { event = e; event.receiver = this; e.preventDefault(); };
        setTimeout(() => { promise = Promise.reject(error); });
        await scheduler.wait(1);
        return [event instanceof PromiseRejectionEvent, event.type, event.reason === error, event.promise === promise,
          event.cancelable, event.bubbles, event.isTrusted, event.target === globalThis, event.receiver === globalThis];
    """) == [True, "unhandledrejection", True, True, True, False, True, True, True]


def test_a_promise_that_is_handled_later_is_told_of_again(run_js: Run) -> None:
    assert run_js(f"""{LISTEN}
        let event;
        onrejectionhandled = (e) => {{ event = e; }};
        Promise.reject(1); Promise.reject(2); Promise.reject(3);
        await task();
        seen.push("then");
        promises[2].catch(() => {{}}); promises[0].catch(() => {{}}); promises[0].catch(() => {{}});
        await task();
        return [seen, event.type, event.cancelable, event.promise === promises[0], event.reason];
    """) == [["u 1", "u 2", "u 3", "then", "h 3", "h 1"], "rejectionhandled", False, True, 1]


def test_one_that_was_told_of_and_handled_twice_over_is_told_of_once(run_js: Run) -> None:
    assert run_js(f"""{LISTEN}
        const p = Promise.reject(1);
        await task(); p.catch(() => {{}}); await task(); p.catch(() => {{}}); await task();
        return seen;
    """) == ["u 1", "h 1"]


def test_it_comes_when_no_microtask_is_left_and_before_the_next_task(run_js: Run) -> None:
    assert run_js(f"""{LISTEN}
        setTimeout(() => {{
          Promise.reject(1);
          seen.push("task");
          (async () => {{ for (let i = 0; i < 3; i++) {{ await null; seen.push("microtask"); }} }})();
        }});
        setTimeout(() => seen.push("next task"));
        await task();
        return seen;
    """) == ["task", "microtask", "microtask", "microtask", "u 1", "next task"]


def test_microtasks_of_a_listener_come_before_the_next_event(run_js: Run) -> None:
    assert run_js(f"""{LISTEN}
        addEventListener("unhandledrejection", async (e) => {{ await null; seen.push("after " + e.reason); }});
        Promise.reject(1); Promise.reject(2);
        await task();
        return seen;
    """) == ["u 1", "after 1", "u 2", "after 2"]


def test_what_a_listener_handles_is_told_of_no_more(run_js: Run) -> None:
    """Neither the promise of its own event, at once or in a microtask, nor one whose turn had not come."""
    assert run_js(f"""{LISTEN}
        const made = [];
        addEventListener("unhandledrejection", async (e) => {{
          if (e.reason === 0) {{ e.promise.catch(() => {{}}); made[1].catch(() => {{}}); }}
          if (e.reason === 2) {{ await null; await null; e.promise.catch(() => {{}}); }}
        }});
        for (let i = 0; i < 4; i++) made[i] = Promise.reject(i);
        await task(); await task();
        return seen;
    """) == ["u 0", "u 2", "u 3"]


def test_a_listener_may_reject_and_remove_itself(run_js: Run) -> None:
    assert run_js(f"""{LISTEN}
        addEventListener("unhandledrejection", (e) => {{ Promise.reject("of " + e.reason); }}, {{ once: true }});
        Promise.reject(1);
        await task();
        return seen;
    """) == ["u 1", "u of 1"]


def test_what_nobody_prevents_is_logged_with_its_stack(bench: Bench, run_js: Run) -> None:
    run_js("""
        async function fails() { await null; throw new TypeError("no such thing", { cause: new RangeError("a") }); }
        fails();
        addEventListener("unhandledrejection", () => {});
        Promise.reject("text"); Promise.reject(undefined); Promise.reject({ a: 1 });
        await scheduler.wait(1);
        onunhandledrejection = (e) => e.preventDefault();
        Promise.reject("prevented");
    """)
    assert bench.rejections == [
        "'text'",
        "undefined",
        "{ a: 1 }",
        "TypeError: no such thing\n  [cause] RangeError: a",
    ]
    assert "at fails (test.js:2:" in bench.exceptions[3][1]


def test_without_listeners_no_event_machinery_is_needed(bench: Bench, run_js: Run) -> None:
    run_js("Promise.reject(new Error('m'))")
    assert bench.rejections == ["Error: m"]
    before = bench.context.runtime.compute_memory_usage()["malloc_size"]
    run_js("Event")
    assert bench.context.runtime.compute_memory_usage()["malloc_size"] - before > 10_000


def test_what_is_handled_loads_nothing(bench: Bench, run_js: Run) -> None:
    run_js("try { await (async () => { throw 1 })(); } catch {}")
    before = bench.heap()
    run_js("const f = async () => { throw new Error() }; for (let i = 0; i < 100; i++) try { await f(); } catch {}")
    assert bench.heap() - before < 2000


def test_a_listener_that_throws_is_logged_and_the_rejection_too(bench: Bench, run_js: Run) -> None:
    run_js("""
        addEventListener("unhandledrejection", () => { throw new Error("from the listener") });
        Promise.reject(new Error("first")); Promise.reject(new Error("second"));
    """)
    assert [text for text, _ in bench.exceptions] == [
        "Error: from the listener",
        "Uncaught (in promise) Error: first",
        "Error: from the listener",
        "Uncaught (in promise) Error: second",
    ]


def test_a_rejection_is_no_error_event(bench: Bench, run_js: Run) -> None:
    run_js("onerror = () => true; Promise.reject(1)")
    assert bench.rejections == ["1"]


def test_patched_builtins_change_nothing(bench: Bench, run_js: Run) -> None:
    assert (
        run_js("""
        const { apply } = Reflect, handle = Promise.prototype.catch;
        let count = 0;
        onunhandledrejection = (e) => { if (e.reason === 2) count++; };
        await null;
        const bad = () => { throw new Error("patched") };
        for (const C of [Map, WeakSet, Set, Array, Promise]) {
          for (const key of Object.getOwnPropertyNames(C.prototype)) {
            const { value } = Object.getOwnPropertyDescriptor(C.prototype, key);
            if (typeof value === "function" && key !== "constructor" && key !== "then") C.prototype[key] = bad;
          }
        }
        Array.prototype[Symbol.iterator] = Function.prototype.call = Function.prototype.apply = bad;
        for (let i = 2; i < 9; i++) Object.defineProperty(Array.prototype, i, { get: bad, set: bad, configurable: true });
        const a = Promise.reject(1), b = Promise.reject(2);
        apply(handle, a, [() => {}]);
        for (let i = 2; i < 9; i++) delete Array.prototype[i];
        await scheduler.wait(1);
        return count;
    """)
        == 1
    )
    assert bench.rejections == ["2"]


def test_hostile_reasons_do_no_harm(bench: Bench, run_js: Run) -> None:
    run_js("""
        const bad = () => { throw new Error("trap") };
        Promise.reject(new Proxy({}, { get: bad, getPrototypeOf: bad, ownKeys: bad, has: bad }));
        Promise.reject(Object.defineProperty(new Error("stack"), "stack", { get: bad }));
        Promise.reject({ toString: bad, [Symbol.toPrimitive]: bad, get [Symbol.toStringTag]() { bad(); } });
        Object.defineProperty(Promise.reject(1), "constructor", { get: bad });
    """)
    assert len(bench.rejections) == 4


@pytest.mark.parametrize(
    "code",
    {
        "outstanding, with a reason that leads back": """
            onunhandledrejection = (e) => e.preventDefault();
            for (let i = 0; i < 500; i++) {
              const reason = { text: "x".repeat(100) + i };
              reason.promise = Promise.reject(reason);
            }
            await scheduler.wait(1);
        """,
        "handled": """
            onunhandledrejection = (e) => { e.preventDefault(); setTimeout(() => e.promise.catch(() => {})); };
            for (let i = 0; i < 500; i++) Promise.reject(new Error("x".repeat(100) + i));
            await scheduler.wait(5);
        """,
    }.items(),
    ids=lambda case: case[0],
)
def test_told_promises_are_freed(bench: Bench, run_js: Run, code: tuple[str, str]) -> None:
    run_js(code[1])
    before = bench.heap()
    for _ in range(3):
        run_js(code[1])
    assert bench.heap() - before < 20_000


def test_a_finalizer_tells_that_an_outstanding_promise_is_gone(bench: Bench, run_js: Run) -> None:
    run_js("""
        globalThis.gone = [];
        globalThis.registry = new FinalizationRegistry((held) => gone.push(held));
        onunhandledrejection = (e) => { e.preventDefault(); registry.register(e.promise, e.reason); };
        Promise.reject("a"); Promise.reject("b");
        await scheduler.wait(1);
    """)
    bench.heap()
    assert run_js("await scheduler.wait(1); return gone.sort()") == ["a", "b"]


# What the platform itself leaves of a failure that the app handles, or that nobody can: nothing that the app is told of.
QUIET = {
    "a stream's reader": """
        const r = new ReadableStream({ pull(c) { c.error(1); } }).getReader();
        await r.read().catch(() => {});""",
    "a stream that cannot start": "try { new ReadableStream({ start() { throw 1 } }); } catch {}",
    "a stream whose start rejects": "new ReadableStream({ start() { return Promise.reject(1); } })",
    "a stream whose pull rejects": "new ReadableStream({ pull() { return Promise.reject(1); } })",
    "a writer": """
        const w = new WritableStream({ write() { throw 1 } }).getWriter();
        await w.write(0).catch(() => {}); w.closed; w.ready; w.releaseLock();""",
    "a writer whose stream is aborted": """
        const w = new WritableStream().getWriter(); w.closed; w.ready; await w.abort(1); await w.write().catch(() => {});""",
    "a pipe": """
        await new ReadableStream({ start(c) { c.error(1); } }).pipeTo(new WritableStream()).catch(() => {});
        await new ReadableStream({ pull(c) { c.enqueue(1); } }).pipeTo(new WritableStream({ write() { throw 1 } })).catch(() => {});""",
    "pipeThrough": """
        const bad = new TransformStream({ transform() { throw 1 } });
        const out = new ReadableStream({ pull(c) { c.enqueue(1); } }).pipeThrough(bad);
        await out.getReader().read().catch(() => {});""",
    "a tee": """
        const [a, b] = new ReadableStream({ pull(c) { c.error(1); } }).tee();
        await a.getReader().read().catch(() => {}); b.getReader().closed;""",
    "an iteration": "try { for await (const x of new ReadableStream({ pull(c) { c.error(1); } })); } catch {}",
    "a body": "await new Response(new ReadableStream({ pull(c) { c.error(1); } })).text().catch(() => {})",
    "a body of no bytes": "await new Response(new ReadableStream({ pull(c) { c.enqueue(1); } })).text().catch(() => {})",
    "a body whose cancel throws": """
        const body = new ReadableStream({ pull(c) { c.enqueue(1); }, cancel() { throw 2 } });
        await new Response(body).text().catch(() => {});""",
    "JSON": "await new Response('{').json().catch(() => {})",
    "decompression": """
        await new Response(new Blob(["no"]).stream().pipeThrough(new DecompressionStream("gzip"))).text().catch(() => {})""",
    "a rewritten body": """
        const broken = new ReadableStream({ pull(c) { c.error(1); } });
        await new HTMLRewriter().transform(new Response(broken)).text().catch(() => {});
        const response = new Response("<a>");
        await new HTMLRewriter().on("a", { async element() { throw 2 } }).transform(response).text().catch(() => {});""",
    "an aborted wait": "await scheduler.wait(9, { signal: AbortSignal.abort() }).catch(() => {})",
    "a fetch": """
        await fetch("http://127.0.0.1:1/").catch(() => {}); await fetch("no url").catch(() => {});
        const body = new ReadableStream({ pull(c) { c.enqueue(1); }, cancel() { throw 2 } });
        await fetch("http://127.0.0.1:1/", { method: "POST", body, duplex: "half" }).catch(() => {});
        await fetch("http://127.0.0.1:1/", { method: "POST", body: new ReadableStream({ cancel() { throw 2 } }),
          duplex: "half", signal: AbortSignal.abort() }).catch(() => {});""",
    "a digest": "await crypto.subtle.digest('no', new Uint8Array()).catch(() => {})",
    "a WebSocket": "const s = new WebSocket('ws://127.0.0.1:1/'); await new Promise((r) => { s.onclose = r; })",
    "an EventSource": "const s = new EventSource('http://127.0.0.1:1/'); await new Promise((r) => { s.onerror = r; }); s.close()",
    "a transferred stream": """
        const s = new ReadableStream({ pull(c) { c.error(1); } });
        const moved = structuredClone(s, { transfer: [s] }); await moved.getReader().read().catch(() => {});""",
}


@pytest.mark.parametrize("code", QUIET.values(), ids=QUIET)
def test_promises_of_the_platform_are_not_told_of(bench: Bench, run_js: Run, code: str) -> None:
    run_js(f"{code}\nawait scheduler.wait(5)")
    assert bench.exceptions == []
