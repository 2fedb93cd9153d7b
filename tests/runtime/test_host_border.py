"""The border between JavaScript and Python: whatever an app passes, what it is told is the Web's, and never Python's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import quickjs

from nano_trio.runtime import platform
from nano_trio.runtime.host import Exhausted, array_of
from tests.runtime.harness import Bench

ERRORS = """
const told = async (work) => {
  try { await work(); return "nothing"; } catch (error) { return Object.prototype.toString.call(error) === "[object Error]" ? error.name : "none"; }
};
"""


def test_what_nodes_modules_stand_on_takes_anything(run_js: Callable[[str], Any]) -> None:
    """It is a global, which apps reach as well."""
    result = run_js(
        ERRORS
        + """
        const { begin, update, copy, finish } = WeakRef["nano:modules"].node, hash = {}, over = {}, bytes = new Uint8Array(3);
        begin(hash, "sha256"); begin(over, "sha256"); finish(over);
        const thrown = { toString() { throw new RangeError("own"); } };
        const detached = new ArrayBuffer(8); detached.transfer();
        const of = [1, "1", -1, NaN, 10n ** 5000n, Symbol(), undefined, null, {}, () => 1, over, "\\ud800"];
        const names = new Set();
        for (const value of of) {
          names.add(await told(() => update(value, bytes))).add(await told(() => copy({}, value)));
          names.add(await told(() => finish(value))).add(await told(() => copy(value, hash)).then((name) => name === "nothing" ? "TypeError" : name));
          names.add(await told(() => update(hash, value))).add(await told(() => begin({}, "sha256", value ?? 1)));
        }
        return [[...names], begin({}, "\\ud800"), begin({}, {}), await told(() => begin({}, thrown)), await told(() => begin(1, "md5")),
          begin(detached, "sha256", detached), finish(detached).byteLength, finish(hash).byteLength];
        """
    )
    assert result == [["TypeError"], False, False, "RangeError", "TypeError", True, 32, 32]


FILL = """
// Of a heap with a limit, all but `left` bytes.
const fill = (left) => {
  const held = Array(40).fill(null);
  for (let size = 1 << 27, at = 0; size > left; size >>= 1) try { held[at] = new ArrayBuffer(size); at++; } catch {}
  return held;
};
"""
OF_LARGE = {
    "btoa": "btoa(latin)",
    "atob": "atob(latin)",
    "encode": "new TextEncoder().encode(wide)",
    "decode": "new TextDecoder('gb18030').decode(bytes)",
    "Blob": "new Blob([wide])",
    "json": "Response.json({ latin, wide })",
    "URL": "new URL('http://a/' + latin)",
}
FIRST_TOUCHED = ["URLPattern", "ReadableStream", "HTMLRewriter", "CompressionStream", "FormData", "caches"]


def test_without_memory_a_host_function_says_so_as_the_engine_does(bench: Bench) -> None:
    """Whether it is to read what it is given or to make what it gives. What the app first touches may be loaded all the
    same: code is read without a refusal (``engine/builtins_compiling.c``)."""
    bench.run("new URL('a:'); btoa('a'); new TextEncoder(); new TextDecoder('gb18030'); new Blob([]); Response.json(1)")
    bench.context.runtime.set_memory_limit(4 << 20)
    works = ", ".join(f"'{name}': () => {work}" for name, work in OF_LARGE.items())
    touches = ", ".join(f"'{name}': () => {name}" for name in FIRST_TOUCHED)
    told = bench.run(
        FILL
        + "const wide = '\\u4e00'.repeat(20000), latin = 'x'.repeat(300000), bytes = new Uint8Array(200000), told = {};"
        + f"const works = {{ {works}, {touches} }};"
        + """
        for (const left of [100, 1000, 5000, 20000, 100000, 400000]) for (const name in works) {
          let held = fill(left), error;
          try { works[name](); } catch (thrown) { error = thrown; }
          held = null;
          if (error !== undefined) (told[name] ??= []).push(String(error));
        }
        return told;
        """
    )
    assert {*OF_LARGE} <= set(told)
    assert {text for texts in told.values() for text in texts} == {"InternalError: out of memory"}


COPIED = {
    "console.log": "console.log(TEXT)",
    "caches.open": "caches.open(TEXT)",
    "createHash": "node.begin({}, TEXT)",
    "URL": "new URL(TEXT, 'http://a/')",
    "URLSearchParams": "new URLSearchParams({ a: TEXT }).toString()",
    "Headers": "new Headers({ a: TEXT }).get('a')",
    "btoa": "btoa(TEXT)",
    "Request": "new Request('http://a/' + TEXT)",
    "WebSocket": "new WebSocket('ws://127.0.0.1:1/' + TEXT)",
}


@pytest.mark.parametrize(
    "text", ["'\\xe9'.repeat(9000)", "'\\u4e00'.repeat(9000)", "pieces('\\xe9')", "pieces('\\u4e00')"]
)
def test_nor_does_the_binding_say_it_in_its_own_words(bench: Bench, text: str) -> None:
    """It copies what a host function is given, and is asked for a copy of what was put together piece by piece."""
    works = ", ".join(f"'{name}': (TEXT) => {work}" for name, work in COPIED.items())
    runtime = bench.context.runtime
    bench.context.set("limit", lambda: runtime.set_memory_limit(4 << 20))
    told = bench.run(
        FILL
        + """
        const pieces = (piece) => {
          let text = piece;
          while (text.length < 20000) text = text + piece.repeat(500);
          return text;
        };
        const { node } = WeakRef["nano:modules"];
        """
        + f"const works = {{ {works} }}, make = () => {text};"
        + """
        for (const name in works) try { await works[name]("a") } catch {}
        limit();
        const told = {};
        for (let left = 500; left < 200000; left *= 1.7) for (const name in works) {
          const text = make();
          let held = fill(left), error, result;
          try { result = works[name](text); } catch (thrown) { error = thrown; }
          held = null;
          try { await result; } catch (thrown) { error = thrown; }
          if (error !== undefined && String(error).startsWith("InternalError")) (told[String(error)] ??= []).push(name);
        }
        return told;
        """
    )
    assert set(told) == {"InternalError: out of memory"}
    assert len({*told["InternalError: out of memory"]}) > 4


@pytest.mark.parametrize(
    "error", [SystemError("<method> returned NULL without setting an exception"), quickjs.JSError("")]
)
def test_a_binding_that_does_not_say_why_had_no_memory(error: Exception) -> None:
    class Full:
        def new_array(self) -> Full:
            return self

        def define_property(self, *_: Any) -> None:
            raise error

    context: Any = Full()
    with pytest.raises(Exhausted, match=r"\Aout of memory\Z"):
        array_of(context, ["item"])


def test_no_setter_is_given_a_host_function(run_js: Callable[[str], Any]) -> None:
    """The app has setters, on the prototype of all objects, of the names that host functions have."""
    folder = Path(platform.__file__).parent
    names = sorted(
        {name for file in folder.glob("*.py") for name in re.findall(r'"([a-zA-Z0-9_]+)"', file.read_text())}
    )
    touched = sorted({name.split(" ")[0] for name in platform.LAZY_GLOBALS.values()})
    assert {"random", "uuid", "encode", "members", "promiseState"} <= {*names}
    told = run_js(
        f"const names = {json.dumps(names)}, touched = {json.dumps(touched)}, told = '';"
        + """
        const { defineProperty } = Object;
        const set = (name) => function (value) {
          if (typeof value === "function" && value.name === "") told += ` ${name}`;
          defineProperty(this, name, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
        };
        const mine = names.filter((name) => !(name in {}) && name !== "get" && name !== "set") // which would be parts of any descriptor;
        for (const name of mine) defineProperty(Object.prototype, name, { __proto__: null, set: set(name), configurable: true });
        for (const name of touched) void globalThis[name];
        crypto.randomUUID(); btoa("a"); new URL("a:b"); new TextEncoder().encode("a"); performance.now(); setTimeout(() => {});
        for (const name of mine) delete Object.prototype[name];
        return told;
        """
    )
    assert told == ""
