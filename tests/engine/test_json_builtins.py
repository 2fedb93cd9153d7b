"""JSON.parse and JSON.stringify of our own: beside the engine's, and where an app could tell them apart."""

from __future__ import annotations

import functools
import itertools
import json
import string
import time
from collections import defaultdict
from typing import Any

import pytest
import quickjs
import trio
from hypothesis import example, given
from hypothesis import strategies as st

from nano_trio.engine import json_builtins
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.turn import Turn

from .conftest import NewIsolate

# Strings as JavaScript has them: lone surrogates too.
TEXT = st.text(st.characters(codec=None) | st.sampled_from('"\\\n\b\x00\x1f\x7f\xe9\u2028\ud800\udfff'), max_size=20)
NUMBERS = st.one_of(
    st.integers(-(2**54), 2**54),
    st.floats(),
    st.decimals(-(10**6), 10**6, places=3).map(float),
    st.sampled_from([0.1 + 0.2, -0.0, 1e21, 1e-7, 5e-324, 2.0**53, 2.0**31, -(2.0**31), 999999999.999999, 4.35]),
)
KEYS = st.sampled_from(["aa", "ab", "1", "07", "__proto__"])
DATA: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(TEXT | KEYS, inner),
    max_leaves=30,
)
PARSE = """(text) => {
  const show = (value) => value !== Object(value)
    ? typeof value + (Object.is(value, -0) ? "-0" : Array.from(String(value), (sign) => sign.codePointAt(0)))
    : [Array.isArray(value), Object.getPrototypeOf(value) === Object.prototype,
       Reflect.ownKeys(value).map((key) => [show(key), JSON.stringify(Object.getOwnPropertyDescriptor(value, key), ["writable", "enumerable", "configurable"]), show(value[key])])];
  try { return `${show(JSON.parse(text))}` } catch (error) { return `${error}${error.stack}` }
}"""


@pytest.fixture(scope="module")
def both() -> tuple[Any, Any]:
    """Contexts with the engine's own, and with ours."""
    engines, ours = quickjs.Runtime().new_context(), quickjs.Runtime().new_context()
    assert json_builtins.in_use(), "JSON is the engine's: in a source tree, run `python hatch_build.py`"
    json_builtins.install(ours)
    return engines, ours


def same(both: tuple[Any, Any], source: str, *arguments: Any) -> str:
    """What the function `source` returns in both contexts, which must be the same text."""
    told = [str(context.eval(source)(*arguments)).encode("utf-16", "surrogatepass") for context in both]
    assert told[0] == told[1]
    return told[0].decode("utf-16", "surrogatepass")


@given(DATA, st.sampled_from([None, 0, 3]))
@example([[{"a": 1}, {"a": 2}], {"b": {"a": 1}}], None)
def test_data_is_read_and_written_as_by_the_engine(both: tuple[Any, Any], data: Any, indent: int | None) -> None:
    text = json.dumps(data, indent=indent)
    raw = json.dumps(data, ensure_ascii=False)
    for each in (text, raw):
        same(both, PARSE, each)
    same(
        both,
        "(text) => { try { return JSON.stringify(JSON.parse(text)) } catch (error) { return String(error) } }",
        text,
    )


ROWS = st.lists(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c", "1", "__proto__"]), st.integers(0, 3)), max_size=5)
    | st.lists(st.sampled_from(["a", "b", "in"]), max_size=3).map(lambda keys: [(key, 4) for key in keys])
    | st.just([("a", 0), ("b", 4), ("c", 1)]),
    max_size=6,
)


@given(ROWS, ROWS)
def test_objects_that_are_more_or_less_alike_are_read_as_by_the_engine(
    both: tuple[Any, Any], rows: list[list[tuple[str, int]]], inner: list[list[tuple[str, int]]]
) -> None:
    """Those that are take the shape of the one before; keys may be missing, others, or there twice."""

    def members(row: list[tuple[str, int]], deeper: str) -> str:
        return "{" + ",".join(f'"{key}": {deeper if value == 4 else value}' for key, value in row) + "}"

    objects = [members(row, '"x"') for row in inner]
    for deeper in (f"[{','.join(objects)}]", *objects[:2]):
        same(both, PARSE, f"[{','.join(members(row, deeper) for row in rows)}]")


def test_objects_that_are_alike_change_each_for_itself(both: tuple[Any, Any]) -> None:
    changes = """(text) => {
      const [a, b, c, d, e, ...rest] = JSON.parse(text);
      a.z = 1; delete b.x; Object.freeze(c); Object.setPrototypeOf(d, null); Object.defineProperty(e, "y", { get() {} });
      const show = (each) => JSON.stringify([Object.getOwnPropertyDescriptors(each), Object.isFrozen(each)]);
      rest.push({ ...a }, { x: 1, y: 2 });
      return [a, b, c, d, e, ...rest].map(show) + [a, d].map((each) => Object.getPrototypeOf(each) === Object.prototype);
    }"""
    assert "true,false" in same(both, changes, json.dumps([{"x": i, "y": str(i)} for i in range(8)]))


def test_objects_with_more_values_than_may_wait(both: tuple[Any, Any]) -> None:
    for count in (127, 128, 129, 300):
        row: dict[str, Any] = {f"key {i}": i for i in range(count)}
        same(both, PARSE, json.dumps([row, row, {**row, "more": [row, row]}, {**row, "more": row}, row]))


@given(DATA, st.data())
def test_what_is_no_json_is_refused_in_the_same_words(both: tuple[Any, Any], data: Any, choices: st.DataObject) -> None:
    text = json.dumps(data)
    at = choices.draw(st.integers(0, len(text)))
    instead = choices.draw(st.text('{}[]:,"\\-+.0123456789eE tfn\u00a0\x00\n', max_size=3))
    same(both, PARSE, text[:at] + instead + text[at + choices.draw(st.integers(0, 2)) :])


@pytest.mark.parametrize("special", ['"', "\\", "\n", "\x1f", "\x7f", "\x80", "\xe9", "\xff", "\u0100", "\ud800"])
def test_each_place_of_a_string_is_looked_at(both: tuple[Any, Any], special: str) -> None:
    """Eight octets are looked at together, and what is left one by one."""
    for length in range(20):
        for at in range(length + 1):
            text = "x" * at + special + "y" * (length - at)
            for data in (text, [text, "plain"], {text: 1}):
                same(both, "(text) => JSON.stringify(JSON.parse(text))", json.dumps(data))
            same(both, PARSE, f'["{text}"]')
            same(both, PARSE, json.dumps([text, "plain"], ensure_ascii=False))


@pytest.mark.parametrize(
    "value",
    [
        "new (class A { x = 1 })",
        "new (class A { x = 1; toJSON() { return { y: this.x } } })",
        "Object.create({ toJSON: (key) => `for ${key}` })",
        "Object.defineProperty({}, 'toJSON', { value: () => 3 })",
        "[Object.assign([1], { toJSON: () => 4 })]",
        "{ a: { get toJSON() { return () => 5 } } }",
        "Object.create(new Proxy({}, { get: (_, name) => name === 'toJSON' ? () => 6 : undefined }))",
        "{ get a() { return 7 }, b: 8 }",
        "{ a: 1, get [Symbol('s')]() { return 2 }, [Symbol('t')]: 3, b: 4 }",
        "[1, 2].map(() => new (class { #hidden = 1; seen = 2; static #other = 3 }))",
        "[{ b: 1, 5: 2, a: 3, 1: 4 }, { b: 1, a: { 7: 1, x: { b: 2, 0: 3 } } }]",
        "[{ b: 1, 4294967294: 2, 3000000000: 3, 1e10: 4, '0000000000': 5 }, { '0123456789': 1, 2147483648: 2, a: 3 }]",
        "(() => { const a = { a: 1, b: 2, c: 3 }; delete a.b; const b = { ...a }; a.b = 4; return [a, b, a] })()",
        "(() => { let a = {}; for (let i = 0; i < 5000; i++) a = Object.create(a); return Object.assign(a, { a: 1 }) })()",
        "Object.defineProperty({ a: 1 }, 'b', { value: 2 })",
        "Object.assign([1, 2], { x: 3 })",
        "[1, , 3]",
        "new Array(3)",
        "[undefined, () => 1, Symbol('s'), NaN, -0, { a: undefined, b() {}, c: Symbol('s') }]",
        "[Object('s'), Object(1), Object(false), new Date(0), new Map([[1, 2]]), /x/, new Error('x')]",
        "new Proxy([1, { a: 2 }], {})",
        "new Proxy({ a: 2 }, { ownKeys: () => ['b'], getOwnPropertyDescriptor: () => ({ value: 1, enumerable: true, configurable: true }) })",
        "[1n]",
        "(() => { const a = {}; a.a = [a]; return a })()",
        "(() => { let a = []; for (let i = 0; i < 90; i++) a = [a, { a }]; return a.length })()",
        "(() => { let a = []; for (let i = 0; i < 90; i++) a = [a]; return a })()",
        "(() => { const a = {}; for (let i = 0; i < 300; i++) a['k' + i * 64] = i; return [a, a] })()",
        "['x'.repeat(2 ** 20), 'y'.repeat(300) + 'z'.repeat(9000)]",
        "Array.from({ length: 60000 }, (_, i) => ({ number: i, text: 'text ' + i }))",
        "['\\ud800', '\\ud800\\udc00', '\\udc00\\ud800', '\\ued00\\u2028']",
        "arguments",
        "globalThis.Math",
        "undefined",
    ],
)
@pytest.mark.parametrize(
    "rest", ["", ", null, 2", ", ['a', 'x']", ", (key, value) => typeof value === 'number' ? [key] : value"]
)
def test_what_is_no_plain_data_is_written_by_the_engine(both: tuple[Any, Any], value: str, rest: str) -> None:
    same(
        both,
        f"() => {{ try {{ return String(JSON.stringify({value}{rest})) }} catch (error) {{ return String(error) }} }}",
    )


def test_an_app_sees_each_look_at_its_data_once(both: tuple[Any, Any]) -> None:
    looks = """() => {
      const seen = [];
      const watched = (name, target) => new Proxy(target, {
        get: (_, key) => (seen.push(name + " get " + String(key)), target[key]),
        ownKeys: () => (seen.push(name + " keys"), Reflect.ownKeys(target)),
      });
      const data = { a: [1, { b: 2 }], get c() { seen.push("c"); return 3 }, d: watched("d", { e: 1 }) };
      Object.setPrototypeOf(data.a[1], watched("prototype", {}));
      return JSON.stringify(data) + seen;
    }"""
    assert same(both, looks) == (
        '{"a":[1,{"b":2}],"c":3,"d":{"e":1}}prototype get toJSON,c,d get toJSON,d keys,d get e'
    )


def test_to_json_of_all_objects_is_called(both: tuple[Any, Any]) -> None:
    for prototype in ("Object", "Array"):
        patched = f"""() => {{
          {prototype}.prototype.toJSON = function () {{ return "made" }};
          try {{ return JSON.stringify([{{}}, []]) }} finally {{ delete {prototype}.prototype.toJSON }}
        }}"""
        same(both, patched)


def test_properties_are_defined_whatever_objects_inherit(both: tuple[Any, Any]) -> None:
    patched = """() => {
      let seen = "";
      Object.defineProperty(Object.prototype, "a", { set(value) { seen += "a" }, configurable: true });
      Object.defineProperty(Array.prototype, "0", { set(value) { seen += "0" }, configurable: true });
      try { return Object.entries(JSON.parse('{"a": [1]}')) + Object.entries(JSON.parse('[{"a": 1}]')[0]) + seen }
      finally { delete Object.prototype.a; delete Array.prototype[0] }
    }"""
    assert same(both, patched) == "a,1a,1"


def test_they_look_as_the_engines_own(both: tuple[Any, Any]) -> None:
    looks = """() => [JSON.parse, JSON.stringify].map((method) => [
      method, method.name, method.length, Reflect.ownKeys(method), Object.getPrototypeOf(method) === Function.prototype,
      JSON.stringify(Object.getOwnPropertyDescriptor(JSON, method.name)),
      JSON.stringify(Object.getOwnPropertyDescriptors(method)),
      (() => { try { new method("1") } catch (error) { return error } })(),
    ]).join() + Reflect.ownKeys(JSON).map(String)"""
    same(both, looks)


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "null",
        "15",
        "{ toString: () => '[5]' }",
        "'[1, 2]', (key, value) => key",
        "'1', 2",
        "'[1', (key, value) => value",
        "'[1]', (key) => { throw new RangeError(key) }",
    ],
)
def test_arguments_of_all_kinds(both: tuple[Any, Any], arguments: str) -> None:
    same(
        both,
        f"() => {{ try {{ return JSON.stringify(JSON.parse({arguments})) }} catch (error) {{ return error.stack }} }}",
    )
    same(both, f"() => {{ try {{ return JSON.stringify({arguments}) }} catch (error) {{ return error.stack }} }}")


def test_isolates_have_them_and_nothing_stays() -> None:
    """No value, no atom and no text that was taken is kept, whichever way it ends."""
    isolate = Isolate(CpuScheduler())
    try:
        work = isolate.context.eval("""(count) => {
          for (let i = 0; i < count; i++) {
            JSON.stringify(JSON.parse('[{"a": {"b": "x' + i + '"}}, {"a": {"b": []}}, {"a": {"b": 1}}, {"a": 2, "b": 3}]'));
            const value = JSON.parse('[{"a": "b\\\\n", "c": [1.25, 1e99]}, {"a": "\u00e9", "": {}, "key' + i % 7 + '": null}]');
            value.push("a" + i, { get c() { return [i] } });
            JSON.stringify(value);
            JSON.stringify([value.length, value[0], undefined, "x".repeat(i) + i]);
            for (const wrong of ['[{"a": [1, {"b": "c"}, }', '{"d": ["\\\\x"]}', '[[1], "e', '{"f": {"g": 01}}', '[{"h": ["i"], "j": {}}, {"h": [], "j": {"k"']) {
              try { JSON.parse(wrong) } catch {}
            }
          }
        }""")
        work(300)
        isolate.collect_garbage()
        before = isolate.read_memory()
        work(300)
        isolate.collect_garbage()
        assert isolate.read_memory() == before
    finally:
        isolate.close()


@functools.cache
def colliding_keys(count: int) -> list[str]:
    """Keys that share the lower 20 bits of the engine's hash, which begins with 1 and is hash * 263 + unit."""
    signs = string.ascii_letters + string.digits
    endings = defaultdict(list)
    for ending in itertools.product(signs, repeat=3):
        a, b, c = map(ord, ending)
        endings[(a * 263 * 263 + b * 263 + c) & 0xFFFFF].append("".join(ending))
    found: list[str] = []
    for beginning in itertools.product(signs, repeat=4):
        value = 1
        for sign in beginning:
            value = value * 263 + ord(sign)
        found += ("".join(beginning) + ending for ending in endings[(12345 - value * 263**3) & 0xFFFFF])
        if len(found) >= count:
            break
    return found[:count]


def hostile(count: int, *, first: str = "") -> str:
    """An object that the engine needs time for that grows with the square of its keys."""
    return "{" + ",".join(f'"{first}{key}":0' for key in colliding_keys(count)) + "}"


def test_the_keys_do_collide(both: tuple[Any, Any]) -> None:
    read = both[0].eval("(text) => JSON.parse(text) && 0")
    took = []
    for keys in (colliding_keys(5000), [f"key{i:04}" for i in range(5000)]):
        began = time.thread_time()
        read(json.dumps(dict.fromkeys(keys)))
        took.append(time.thread_time() - began)
    assert took[0] > 5 * took[1]


@pytest.mark.parametrize(
    ("before", "first", "behind"),  # what surrounds and begins the keys, which take long to find
    [("", "", ""), ("", "", "]"), ("[" * 300, "", "]" * 300), ("", "\\u0061", ""), (f'["{"x" * 2000}\\n", ', "", "]")],
    ids=["keys", "malformed", "deep", "escapes", "long"],
)
@pytest.mark.parametrize("reviver", ["", ", (key, value) => value"])
async def test_keys_that_were_chosen_to_collide_hold_up_nobody(
    new_isolate: NewIsolate, before: str, first: str, behind: str, reviver: str
) -> None:
    """The engine's own function takes 20 s, in which it does not poll, and so does the end of what it made: a client
    that may send JSON could stop all."""
    isolate = new_isolate(
        source=f"let text; function hold(it) {{ text = it }} function read() {{ JSON.parse(text{reviver}) }}"
    )
    hold = Turn(isolate.context.get("hold"), (before + hostile(60000, first=first) + behind,))
    turn = Turn(isolate.context.get("read"), ())
    # Once the first is submitted the heap may be in the midst of something, and nobody may touch it.
    isolate.submit(hold)
    began = time.thread_time()
    isolate.submit(turn)
    while isolate.busy:
        await trio.lowlevel.checkpoint()
    assert "too many keys have the same hash" in str(turn.result)
    assert time.thread_time() - began < 3


@pytest.mark.parametrize(
    "key", ["{}", "key{}", "{:08}", "{}@example.com", "\u00e9\u65e5\U0001f600{}", "\\n{}", "a\\ud800{:06}"]
)
def test_keys_that_nobody_chose_are_as_many_as_they_like(both: tuple[Any, Any], key: str) -> None:
    text = "{" + ",".join(f'"{key.format(i * 4096)}":{i}' for i in range(50_000)) + "}"
    assert both[1].eval("(text) => Object.keys(JSON.parse(text)).length")(text) == 50_000


def test_objects_with_many_keys_repeat_them_as_often_as_they_like(both: tuple[Any, Any]) -> None:
    names = [f"a name of a column, {i}" for i in range(100)]
    text = json.dumps([dict.fromkeys(names, i) for i in range(5000)])
    assert both[1].eval("(text) => JSON.parse(text).length")(text) == 5000


@pytest.mark.parametrize(
    "wrong", ["]", "x", ',"a":01', ',"a":[}', ',"a', ',"\\x":0', ',"a" 0', ',"\x01":0', ",a:0", "\0"]
)
@pytest.mark.parametrize("key", ["key {}", "k\u00e9\u65e5\U0001f600 {}", "\\u0061\\\\ {}", '\\"\\": {}'])
def test_a_long_text_is_refused_in_the_same_words(both: tuple[Any, Any], key: str, wrong: str) -> None:
    keys = ",\n ".join(f'"{key.format(i)}" : "value: {i}"' for i in range(400))
    same(both, PARSE, f"{{{keys}{wrong}}}")
    same(both, PARSE, f"[{{{keys}}}, {{{keys}}}{wrong}]")


@pytest.mark.parametrize("depth", [31, 32, 33, 64, 65, 500])
def test_deep_data_is_read_as_by_the_engine(both: tuple[Any, Any], depth: int) -> None:
    inner = '{"a": [1, {"b": "c"}]}'
    same(both, PARSE, "[" * depth + inner + "]" * depth)
    same(both, PARSE, '{"x": ' * depth + inner + "}" * depth)
    same(both, PARSE, '[{"x": ' * depth + inner + "]}" * depth)


def test_what_is_too_deep_is_refused(both: tuple[Any, Any]) -> None:
    same(
        both,
        "(text) => { try { JSON.parse(text) } catch (error) { return String(error) } }",
        "[" * 200_000 + "]" * 200_000,
    )
