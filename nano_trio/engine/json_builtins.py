"""JSON.parse and JSON.stringify that are quick with plain data, and an Object.fromEntries that can be suspended.

``json_builtins.c`` says how; it becomes ``libjson_builtins.so`` when the package is built, on Linux and where there is
a C compiler. Of an app's request that is JSON in both directions the engine's own two take more than half. They are
replaced from outside, with the engine's own functions out of the binding's library, and only for a binding that was
examined (:mod:`nano_trio.engine.polling`) and after a proof on scratch contexts: what each of both makes of
:data:`_PROOF` is the same. Where anything of this fails the engine's own remain.
"""

from __future__ import annotations

import ctypes
from functools import cache

import quickjs

from nano_trio.engine import poll_timer
from nano_trio.engine.native import engine_functions, open_library
from nano_trio.engine.polling import address_of, counter_offset

__all__ = ["define_by", "in_use", "install"]

# struct Engine of json_builtins.h, in its order.
_FUNCTIONS = (
    "JS_JSONStringify",
    "JS_ParseJSON",
    "JS_GetClassID",
    "JS_GetPrototype",
    "JS_GetOwnProperty",
    "JS_GetOwnPropertyNames",
    "JS_FreePropertyEnum",
    "JS_ToCStringLen2",
    "JS_FreeCString",
    "JS_AtomToValue",
    "JS_NewAtomLen",
    "JS_ValueToAtom",
    "JS_FreeAtom",
    "JS_NewStringLen",
    "JS_NewObject",
    "JS_NewArray",
    "JS_DefinePropertyValue",
    "JS_DefinePropertyValueUint32",
    "JS_DefinePropertyValueStr",
    "JS_GetPropertyStr",
    "JS_Call",
    "JS_IsFunction",
    "JS_ThrowRangeError",
    "JS_GetException",
    "JS_GetGlobalObject",
    "JS_NewCFunction2",
    "__JS_FreeValue",
    "js_malloc",
    "js_realloc",
    "js_free",
    "JS_GetPropertyInternal",
    "JS_GetPropertyUint32",
    "JS_ToBool",
    "JS_Throw",
    "JS_ThrowTypeError",
    "js_malloc_usable_size",
)
_PROOF = r"""(() => {
  const texts = [
    '{"a": [1, -2.5, true, false, null, "text", {"": {}}], "b": "\\u00e9\\n", "7": 1e3, "__proto__": [[]]}',
    '{"a": 1, "a": 12345678901}', '["", "letters only", "with a \\t tab", "in Latin-1: \u00e9", {"a long key": 0}]',
    '[{"length": 0.1, "toJSON": 3}, {"length": 0.2, "toJSON": 4}]', '"\u00e9\u65e5\\ud800"', '-0', '[1,]', '{"a":1} ',
  ];
  const values = [
    { 2: 1, b: [undefined, Symbol(), 1.5, 1e9, 123456789012, 1 / 3, NaN], a: "\u65e5\ud800\"\\\x07", c() {} },
    [{ get a() { return [0] } }, { a: { toJSON: () => "made" } }, [, new Date(0)], new Map, new Proxy([{}], {})],
    [{ a: 1, b: "x" }, { a: 2, b: "y" }], ["", "seven!\n", "letters only", "in Latin-1: \u00e9", "tab\tand more"],
    Object.create({ toJSON: () => 5 }), Object.create(null), Object("boxed"), 1n,
  ];
  const made = [];
  const add = (make) => {
    try { made.push(make()) } catch (error) { made.push(String(error)) }
  };
  for (const text of texts) {
    add(() => {
      const value = JSON.parse(text);
      const { name } = Object.getPrototypeOf(Object(value)).constructor;
      return [name, Object.is(value, -0), value, Object.keys(Object(value))];
    });
    add(() => JSON.parse(text, (key, value) => key === "a" ? 0 : value));
  }
  for (const value of values) {
    add(() => JSON.stringify(value));
    add(() => JSON.stringify(value, null, 1));
  }
  // Ours takes what is no array, and long arrays: one that ends early will do, for each server waits for this to end.
  const pairs = [["a", 1], ["a", 2], [0, 3]], long = Object.assign(Array(600), pairs);
  for (const iterable of [pairs, pairs.values(), new Map(pairs), long, [...pairs, 1].values(), "text", undefined, 5])
    add(() => Object.fromEntries(iterable));
  const show = (value) =>
    value !== Object(value) ? String(value) : `{${Object.entries(value).map(([key, each]) => `${key}:${show(each)}`)}}`;
  return show(made);
})()"""


def in_use() -> bool:
    """Whether contexts of this process can have them."""
    return _library() is not None


def install(context: quickjs.Context) -> None:
    """Put them in the place of the engine's own, where they can be had. The context has seen no other code."""
    library = _library()
    if library is not None:
        library.json_install(ctypes.c_void_p(address_of(context)))


def define_by(function: int) -> None:
    """Have them define properties by the function at this address, which does what the engine's does."""
    library = _library()
    if library is not None:
        library.json_define_by(ctypes.c_void_p(function))


@cache
def _library() -> ctypes.PyDLL | None:
    library, functions, offset = open_library("json_builtins"), engine_functions(_FUNCTIONS), counter_offset()
    if library is None or functions is None or offset is None:
        return None
    library.json_install.restype = library.json_define_by.restype = None
    scratch = quickjs.Runtime().new_context()
    if not library.json_start(functions, ctypes.c_void_p(address_of(scratch)), ctypes.c_long(offset)):
        return None
    expected = str(scratch.eval(_PROOF))
    # Another runtime: what is remembered of the first must be true of all.
    proven = quickjs.Runtime().new_context()
    library.json_install(ctypes.c_void_p(address_of(proven)))
    lies = (ctypes.c_size_t * 2)()
    library.json_lies(lies)
    poll_timer.may_suspend(*lies)
    return library if str(proven.eval(_PROOF)) == expected else None
