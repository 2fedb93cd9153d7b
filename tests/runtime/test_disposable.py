"""DisposableStack, AsyncDisposableStack and SuppressedError: https://tc39.es/proposal-explicit-resource-management/"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Run = Callable[[str], Any]
RESOURCES = """
const told = [], { dispose, asyncDispose } = Symbol;
const attempt = (call) => { try { return call() } catch (error) { return error.name } };
const resource = (name) => ({ [dispose]() { told.push(name) } });
"""


def test_a_stack_disposes_of_what_it_has_from_the_last_to_the_first(run_js: Run) -> None:
    assert run_js(
        RESOURCES
        + """const stack = new DisposableStack(), used = resource("used");
        const given = [stack.use(used) === used, stack.use(null), stack.adopt(1, (...all) => told.push(all)), stack.defer(() => told.push("deferred"))];
        const moved = stack.move();
        told.push(stack.disposed, moved.disposed, moved instanceof DisposableStack);
        told.push(attempt(() => stack.use(used)), attempt(() => stack.move()), attempt(() => stack.adopt(1, Object)), attempt(() => stack.defer(Object)));
        told.push(stack.dispose());
        moved[dispose]();
        moved.dispose();
        return [given, told, moved.disposed, moved.dispose === moved[dispose], String(moved)];"""
    ) == [
        [True, None, 1, None],
        [True, False, True, *["ReferenceError"] * 4, None, "deferred", [1], "used"],
        True,
        True,
        "[object DisposableStack]",
    ]


def test_what_cannot_be_disposed_of_is_refused(run_js: Run) -> None:
    assert run_js(
        RESOURCES
        + """const calls = [
          (stack) => stack.use({}), (stack) => stack.use(1), (stack) => stack.use({ [dispose]: null }), (stack) => stack.use({ [dispose]: 1 }),
          (stack) => stack.adopt(1), (stack) => stack.defer(),
        ];
        for (const Stack of [DisposableStack, AsyncDisposableStack]) {
          const { use, disposed } = Object.getOwnPropertyDescriptors(Stack.prototype);
          told.push(calls.map((call) => attempt(() => call(new Stack()))), attempt(() => Stack()), attempt(() => use.value.call({}, null)));
          told.push(attempt(() => disposed.get.call(1)));
        }
        told.push(await AsyncDisposableStack.prototype.disposeAsync.call({}).catch((error) => error.name));
        return told;"""
    ) == [*[["TypeError"] * 6, *["TypeError"] * 3] * 2, "TypeError"]


def test_errors_on_the_way_are_kept_in_each_other(run_js: Run) -> None:
    assert run_js(
        """const stack = new DisposableStack(), asynchronous = new AsyncDisposableStack();
        for (const number of [1, 2, 3]) {
          stack.defer(() => { throw number });
          asynchronous.defer(async () => { throw number });
        }
        const tell = ({ error, suppressed }) => [error, suppressed.error, suppressed.suppressed];
        const told = [];
        try { stack.dispose() } catch (error) { told.push(tell(error), error instanceof SuppressedError, Object.keys(error), String(error)) }
        await asynchronous.disposeAsync().catch((error) => told.push(tell(error)));
        const one = new DisposableStack();
        one.defer(() => { throw "alone" });
        try { one.dispose() } catch (error) { told.push(error) }
        return told;"""
    ) == [[1, 2, 3], True, [], "SuppressedError", [1, 2, 3], "alone"]


def test_an_asynchronous_stack_waits_for_each(run_js: Run) -> None:
    assert run_js(
        RESOURCES
        + """const stack = new AsyncDisposableStack(), { promise, resolve } = Promise.withResolvers();
        stack.use({ ...resource("never"), async [asyncDispose]() { told.push("begun"); await promise; told.push("ended") } });
        stack.use({ [dispose]() { told.push("immediate"); return new Promise(() => {}) } });
        stack.adopt("value", async (value) => { await 1; told.push(value) });
        stack.use(undefined);
        const over = stack.disposeAsync();
        told.push(stack.disposed);
        setTimeout(() => { told.push("resolved"); resolve() }, 10);
        told.push(await over, await stack[asyncDispose]());
        const empty = new AsyncDisposableStack(), order = [];
        empty.use(null);
        await Promise.all([empty.disposeAsync().then(() => order.push("null")), Promise.resolve().then(() => order.push("next"))]);
        return [told, order, stack.disposeAsync === stack[asyncDispose]];"""
    ) == [[True, "value", "immediate", "begun", "resolved", "ended", None, None], ["next", "null"], True]


def test_suppressed_errors_are_errors(run_js: Run) -> None:
    assert run_js(
        """class Own extends SuppressedError {}
        const made = [new SuppressedError(1, 2, "why"), SuppressedError(1, 2), new Own(1, 2, { toString: () => "text" })];
        const told = made.map((each) => [String(each), Error.isError(each), each.error, each.suppressed, Object.hasOwn(each, "message"), each.constructor.name]);
        const bare = Reflect.construct(SuppressedError, [], Object.assign(function () {}, { prototype: 1 }));
        const derived = Reflect.construct(DisposableStack, [], Object.assign(function () {}, { prototype: 1 }));
        const { writable, enumerable, configurable } = Object.getOwnPropertyDescriptor(made[0], "suppressed");
        return [told, bare.name, derived.dispose(), Object.getPrototypeOf(SuppressedError) === Error, SuppressedError.length,
          [writable, enumerable, configurable], /^SuppressedError: why\\n    at .*test\\.js/.test(made[0].stack)];"""
    ) == [
        [
            ["SuppressedError: why", True, 1, 2, True, "SuppressedError"],
            ["SuppressedError", True, 1, 2, False, "SuppressedError"],
            ["SuppressedError: text", True, 1, 2, True, "Own"],
        ],
        "SuppressedError",
        None,
        True,
        3,
        [True, False, True],
        True,
    ]


def test_what_an_app_has_patched_is_not_met(run_js: Run) -> None:
    assert (
        run_js(
            RESOURCES
            + """const seen = () => { throw new Error("seen") };
        Array.prototype.push = Array.prototype[Symbol.iterator] = Function.prototype.call = Function.prototype.apply = seen;
        Object.defineProperty(Array.prototype, 0, { set: seen, configurable: true });
        Object.defineProperty(Object.prototype, "error", { set: seen, configurable: true });
        const { length } = told, stack = new DisposableStack();
        stack.defer(() => { throw 1 });
        stack.use({ [dispose]() { throw 2 } });
        let text;
        try { stack.move().dispose() } catch ({ error, suppressed }) { text = `${error} ${suppressed}` }
        delete Object.prototype.error, delete Array.prototype[0];
        return text;"""
        )
        == "1 2"
    )
