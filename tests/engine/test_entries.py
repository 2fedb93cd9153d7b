"""Object.fromEntries of our own: beside the engine's, as an app sees it, and where the engine's would hold up others."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from nano_trio.engine.calls import call
from nano_trio.engine.polling import poll_counter
from nano_trio.engine.turn import StopReason, Turn

from .conftest import NewIsolate
from .test_json_builtins import both, colliding_keys

__all__ = ["both"]

TELL = """(source, count) => {
  const log = [];
  const watch = (name, value) => Object(value) !== value ? value : new Proxy(value, {
    get(target, key) {
      log.push(`get ${name}.${String(key)}`);
      const got = target[key];
      return typeof got === "function" ? (...all) => {
        log.push(`call ${name}.${String(key)}`);
        return watch(`${name}.${String(key)}()`, got.apply(target, all));
      } : watch(`${name}.${String(key)}`, got);
    },
  });
  const pairs = Array.from({ length: count }, (_, i) => [`key ${i % 7}`, i]);
  const show = (made) => [Object.getPrototypeOf(made) === Object.prototype, ...Reflect.ownKeys(made).map((key) =>
    [typeof key, String(key), JSON.stringify(Object.getOwnPropertyDescriptor(made, key))])];
  try { log.push(show(Object.fromEntries(...eval(source)({ watch, pairs, log })))) }
  catch (error) { log.push(error instanceof Error ? String(error) : `thrown: ${error}`) }
  return `${log.join("; ")}`;
}"""


@pytest.mark.parametrize("count", [0, 1, 3, 600])
@pytest.mark.parametrize(
    "iterable",
    [
        "pairs", "new Map(pairs)", "watch('it', pairs)", "watch('it', new Map(pairs))", "pairs.values()", "new Set(pairs)",
        "pairs.map((pair) => watch('pair', pair))", "[...pairs, 1]", "[...pairs, null, ['x', 1]]", "[...pairs, {0: 'a', 1: 'b'}]",
        "[...pairs, []]", "[...pairs, [Symbol.iterator, 1], [1.5, 2], ['__proto__', 3]]", "[...pairs, 'ab', new String('ab')]",
        "function* () { try { yield* pairs; yield 1; yield 2 } finally { log.push('closed') } }()",
        "function* () { try { yield* pairs; yield [{ toString() { throw 'no name' } }, 1] } finally { log.push('closed') } }()",
        "function* () { try { yield* pairs; yield { get 1() { throw 'no value' } } } finally { throw 'not this' } }()",
        "function* () { yield* pairs; throw new RangeError('in its midst') }()",
        "{ [Symbol.iterator]: () => ({ next: () => ({ value: [1, 2], done: pairs.pop() === undefined }) }) }",
        "{ [Symbol.iterator]: () => ({ next: () => ({ value: 1 }), return: 1 }) }",
        "{ [Symbol.iterator]: () => ({ next: () => ({ value: 1 }), get return() { throw 'no return' } }) }",
        "{ [Symbol.iterator]: () => ({ next: 1 }) }", "{ [Symbol.iterator]: () => ({ get next() { throw 'no next' } }) }",
        "{ [Symbol.iterator]: () => 1 }", "{ [Symbol.iterator]: () => { throw 'none' } }", "{ [Symbol.iterator]: 1 }",
        "{ get [Symbol.iterator]() { throw 'none' } }", "{}", "5", "null", "undefined", "'text'", "new Uint8Array(3)",
    ],
)  # fmt: skip
def test_it_does_what_the_engines_does_and_in_the_same_order(both: tuple[Any, Any], iterable: str, count: int) -> None:
    source = f"({{ watch, pairs, log }}) => [{iterable}]"
    told = [str(context.eval(TELL)(source, count)) for context in both]
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ("{ get done() { throw 'no done' } }", "no done"),
        ("{ get value() { throw 'no value' } }", "no value"),
        ("1", "TypeError: iterator must return an object"),
    ],
)
def test_an_iterator_that_failed_is_not_closed(both: tuple[Any, Any], result: str, told: str) -> None:
    """ECMA-262, 7.4.8 and 7.4.9. The engine's closes it."""
    source = f"""var closed = false;
      try {{
        Object.fromEntries({{ [Symbol.iterator]: () => ({{ next: () => ({result}), return: () => {{ closed = true }} }}) }});
      }} catch (error) {{ `${{error}}, ${{closed}}` }}"""
    assert both[1].eval(source) == f"{told}, false"


def test_it_looks_like_the_engines(both: tuple[Any, Any]) -> None:
    source = """(() => {
      const { value, ...how } = Object.getOwnPropertyDescriptor(Object, "fromEntries");
      let made;
      try { made = new value([]) } catch (error) { made = String(error) }
      try { Object.fromEntries() } catch (error) { made += String(error) }
      return JSON.stringify([how, value.name, value.length, String(value), Reflect.ownKeys(value), made]);
    })()"""
    assert both[0].eval(source) == both[1].eval(source)


SOURCE = """
let entries;
function pairs(text) { entries = text.split(" ").map((name) => [name, 1]) }
function map(text) { entries = new Map(text.split(" ").map((name) => [name, 1])) }
function make() { Object.fromEntries(entries) }
function goOn() { return 7 }
"""


@pytest.mark.usefixtures("even_clock")
@pytest.mark.parametrize("kind", ["pairs", "map"])
async def test_many_entries_are_suspended_and_stopped_in_their_midst(new_isolate: NewIsolate, kind: str) -> None:
    isolate = new_isolate(source=SOURCE, turn_ms=1e9)
    await call(isolate, isolate.context.get(kind), " ".join(f"name{i}" for i in range(200_000)))
    slices = isolate.account.slices
    await call(isolate, isolate.context.get("make"))
    # An even clock goes on at polls alone: that often it polled.
    assert isolate.account.slices - slices > 10
    for end, reason in ((isolate.interrupt, StopReason.INTERRUPTED), (isolate.stop, StopReason.CANCELLED)):
        turn = Turn(isolate.context.get("make"), ())
        slices = isolate.account.slices
        isolate.submit(turn)
        while isolate.account.slices < slices + 5:
            await trio.lowlevel.checkpoint()
        end()
        assert turn.stopped is reason
        if reason is StopReason.INTERRUPTED:
            assert await call(isolate, isolate.context.get("goOn")) == 7


@pytest.mark.parametrize("count", [33, 500, 1000])
def test_it_polls_with_each_entry_of_all_but_short_arrays(both: tuple[Any, Any], count: int) -> None:
    """Beside 20,000 names that collide 500 more took 41 ms: to send them is a small request, however often."""
    context, polls = both[1], 0
    make = context.eval(
        "(count) => { const a = Array.from({ length: count }, (_, i) => [i, i]); return () => Object.fromEntries(a) }"
    )
    counter = poll_counter(context)
    assert counter is not None

    def poll() -> bool:
        nonlocal polls
        polls += 1
        counter.value = 1
        return False

    attempt = make(count)
    context.runtime.set_interrupt_handler(poll)
    counter.value = 1
    attempt()
    context.runtime.set_interrupt_handler(None)
    assert polls > count


async def test_names_that_were_chosen_to_collide_hold_up_nobody(new_isolate: NewIsolate) -> None:
    """The engine's own function takes seconds for them, in which it does not poll: one client could stop all."""
    isolate = new_isolate(source=SOURCE, turn_ms=200)
    before = Turn(isolate.context.get("pairs"), (" ".join(colliding_keys(60_000)),))
    turn = Turn(isolate.context.get("make"), ())
    # Once the first is submitted the heap may be in the midst of something, and nobody may touch it.
    isolate.submit(before)
    isolate.submit(turn)
    while isolate.busy:
        await trio.lowlevel.checkpoint()
    assert turn.stopped is StopReason.CPU
    assert turn.cpu_ns < 1e9
