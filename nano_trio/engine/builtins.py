"""The engine's builtins, for platform code that must not meet those an app has replaced, and globals that are lazy.

``builtins.c`` says how; it becomes ``libbuiltins.so`` when the package is built, on Linux and where there is a C
compiler. Held in each isolate, as plain JavaScript would do it, they take 23 KB of it. As in
:mod:`nano_trio.engine.json_builtins` the engine's own functions are called out of the binding's library, only for a
binding that was examined (:mod:`nano_trio.engine.polling`) and after a proof on scratch contexts: what is made anew
behaves as what it stands for. Where anything of this fails there are none to be had, and JavaScript must hold its own.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import quickjs

from nano_trio.engine import generators, json_builtins, poll_timer
from nano_trio.engine.native import engine_functions, open_library
from nano_trio.engine.polling import address_of

__all__ = ["forget", "give", "in_use", "library", "spare"]

# struct Engine of builtins.c, in its order.
_FUNCTIONS = (
    "JS_NewCFunction2",
    "JS_NewObjectProto",
    "JS_SetPropertyFunctionList",
    "JS_DefinePropertyValueStr",
    "JS_GetPropertyStr",
    "JS_GetPropertyUint32",
    "JS_ToCStringLen2",
    "JS_FreeCString",
    "JS_GetClassID",
    "JS_ThrowTypeError",
    "JS_ThrowOutOfMemory",
    "JS_GetGlobalObject",
    "JS_Call",
    "JS_NewStringLen",
    "JS_NewAtomLen",
    "JS_FreeAtom",
    "JS_DefinePropertyGetSet",
    "JS_GetRuntime",
    "JS_NewClassID",
    "JS_NewClass",
    "JS_SetClassProto",
    "JS_GetClassProto",
    "__JS_FreeValue",
    "js_malloc",
    "js_free",
    "js_malloc_usable_size",
    "JS_NewObjectClass",
    "JS_SetOpaque",
    "JS_GetOpaque",
    "JS_NewPromiseCapability",
    "JS_PromiseState",
    "JS_PromiseResult",
    "JS_GetPrototype",
    "JS_GetOwnProperty",
    "JS_ValueToAtom",
    "JS_IsRegisteredClass",
    "JS_NewArray",
    "JS_GetPropertyInternal",
    "js_realloc",
    "JS_NewCFunctionData",
    "JS_NewArrayBufferCopy",
    "JS_GetTypedArrayBuffer",
    "JS_GetArrayBuffer",
    "JS_EnqueueJob",
    "JS_NewObjectProtoClass",
    "JS_DefinePropertyValue",
    "JS_IsFunction",
    "JS_IsCFunction",
    "lre_check_stack_overflow",
    "JS_ThrowRangeError",
    "JS_GetException",
    "JS_Throw",
    "JS_NewContextRaw",
    "JS_AddIntrinsicEval",
    "JS_FreeContext",
    "JS_SetMaxStackSize",
    "JS_EvalFunction",
    "JS_ReadObject",
    "JS_IsInstanceOf",
    "JS_ThrowReferenceError",
    "JS_CallConstructor",
    "JS_RunGC",
    "JS_MarkValue",
    "js_free_rt",
)
_PLACE = "given"
_LARGE = 1 << 20
"""Bytes of a heap, garbage included, from which on it may keep a bit more to make objects sooner."""
_PROOF = r"""({ uncurry, statics, defineLazy, defineMembers }) => {
  const made = [], add = (...values) => made.push(...values.map(String));
  const array = [3, 1, 2], map = new Map([[1, 2]]), bytes = new Uint8Array([1, 2, 3]);
  add(uncurry("Array", "push")(array, 5, 4), uncurry("Array", "filter")(array, (each) => each > 1), array);
  add(uncurry("Map", "size")(map), uncurry("Map", "get")(map, 1), uncurry("String", "slice")("text", 1, 3));
  add(uncurry("TypedArray", "byteLength")(bytes), uncurry("RegExp", "source")(/a+/));
  add(statics.Math.floor(2.5), statics.Math.max(1, 3, 2), statics.Object.keys({ a: 1 }), statics.JSON.parse("[7]"));
  const alike = uncurry("Object", "alike"), subscribe = uncurry("Promise", "subscribe");
  class Kept {
    #value;
    constructor(value) { this.#value = value }
    get() { return this.#value }
  }
  const model = uncurry("Object", "modelOf")((value) => new Kept(value)), like = alike(model, "like");
  add(like.get(), like instanceof Kept, like !== model, (like.a = 1), model.a, Object.keys(like));
  add(JSON.stringify(alike({ a: null, b: null }, 1, 2)));
  const settled = [0, 1].map((isRejected) => {
    const { promise, resolve, reject } = Promise.withResolvers();
    const settle = (number, wasRejected, value) => add(number, wasRejected, value);
    if (!subscribe(promise, 70 + isRejected, settle, "constructor", Promise))
      promise.then((value) => settle(70, false, value), (value) => settle(71, true, value));
    return isRejected ? reject : resolve;
  });
  for (const settle of settled) settle("settled");
  const thenable = Object.assign(new Promise(() => {}), { a: 1 });
  for (const other of [Promise.resolve(1), thenable, { then() {} }, 1])
    add(subscribe(other, 1, () => {}, "constructor", Promise), subscribe(new Promise(() => {}), 1, 1, "then", Promise));
  const soon = uncurry("Function", "soon") ?? ((callback) => void Promise.resolve().then(callback));
  for (const number of [1, 2]) add(soon(() => add("soon", number)));
  const promise = uncurry("Promise", "fulfilled")({ a: 1 });
  add(promise, Object.getPrototypeOf(promise) === Promise.prototype, Object.keys(promise).length);
  const utf8 = uncurry("String", "utf8"), ascii = uncurry("TypedArray", "ascii");
  add(new Uint8Array(utf8("a\xe9") ?? [97, 195, 169]));
  add(new Uint8Array(utf8("a\u4e00\ud800") ?? [97, 228, 184, 128, 239, 191, 189]));
  add(ascii(bytes.subarray(1), 2) ?? "\x02\x03", ascii(new Uint8Array([128]), 1), ascii(bytes, 2));
  for (const refused of [() => uncurry("Map", "get")(), () => uncurry("Map", "size")([]), () => uncurry("Map", "no")])
    try { made.push(refused()) } catch (error) { made.push(error.name) }
  add(defineLazy((...all) => add(all.length, ...all), (...all) => (...passed) => [...all, ...passed]));
  add(URL, (URL = 7), URL);
  const { get, set, enumerable, configurable } = Object.getOwnPropertyDescriptor(globalThis, "URL");
  add(get === set, get.name, get.length, enumerable, configurable);
  const target = {};
  add(defineMembers(target, "response_members"), Object.keys(target), target.clone(1, 2), target.url);
  return () => made.join();
}"""


_STACKS = """() => {
  class Named extends TypeError {
    constructor(message) { super(message); this.name = "Named" }
  }
  const told = [];
  const makers = [() => new Error("a\\nb"), () => new Named("c"), () => null.d, () => { throw new AggregateError([]) }];
  for (const make of makers) {
    let error;
    try { error = make() } catch (thrown) { error = thrown }
    const other = Object.create(error, { name: { value: "Other" } });
    told.push(other.stack.slice(0, 5), error.stack.replace(/(\\n    at .*)+$/, " @"));
    error.name = "Late";
    told.push(error.stack.endsWith(")"), error.stack.includes("Late"), Object.hasOwn(error, "stack"));
    error.stack = 7;
    told.push(error.stack);
  }
  return told.join();
}"""
_TOLD = ",".join(
    f"{told[:5]},{told} @,true,false,true,7"
    for told in ("Error: a\nb", "Named: c", "TypeError: cannot read property 'd' of null", "AggregateError")
)
"""What that comes to: whatever the error says, and its frames, and that it does not change again."""


def in_use(source: str) -> bool:
    """Whether contexts of this process can have what ``source`` stands for, as :func:`give` gives it."""
    return library(source) is not None


def give(context: quickjs.Context, source: str, place: str) -> bool:
    """Make the global ``place`` of a context ``{ uncurry, statics, defineLazy, defineMembers }``; False where that
    cannot be had.

    ``source``: a function that returns these four in JavaScript, with ``listed``, ``lazy`` and ``members``. What
    ``listed`` names, four items each (is it a method, its type, its name, the function), ``uncurry`` and ``statics``
    are for. ``defineLazy(access, find)`` defines the globals that ``lazy`` names: each is what ``access(name)``
    returns, and is assigned by ``access(name, value)``. ``defineMembers(target, file)`` defines what ``members`` has
    for a file, four items each (the file, the name, the length of a method or -1 for a getter, is it enumerable): it
    does what the function ``find(file, name)`` does.
    """
    given = library(source)
    if given is not None:
        given.builtins_give(ctypes.c_void_p(address_of(context)), place.encode())
    return given is not None


def forget(context: quickjs.Context, heap: Any | None) -> None:
    """Let go of what is kept of how a context's objects grow (``builtins_steps.c``): to be called before its garbage is
    collected, or what that knows would stay. ``heap`` is its size, as :func:`nano_trio.engine.heap_size.heap_size` has
    it: of one that is large some 40 KB may be kept from now on."""
    opened = _opened()
    if opened is not None:
        begins = heap is not None and heap.value >= _LARGE
        opened.builtins_forget(ctypes.c_void_p(address_of(context)), begins)


def spare(context: quickjs.Context) -> None:
    """Have a context that has just been made compile without refusals where its heap is full: the engine's compiler
    does not take them (``builtins_compiling.c``). Where :func:`give` has served it does already."""
    opened, functions = _opened(), _functions()
    if opened is not None and functions is not None:
        opened.builtins_spare(functions, ctypes.c_void_p(address_of(context)))


@cache
def _functions() -> ctypes.Array[ctypes.c_void_p] | None:
    return engine_functions(_FUNCTIONS)


@cache
def _opened() -> ctypes.PyDLL | None:
    opened = open_library("builtins")
    if opened is not None:
        opened.builtins_forget.restype = opened.builtins_spare.restype = opened.builtins_pause_by.restype = None
        opened.builtins_pause_by(poll_timer.pause())
    return opened


@cache
def library(source: str) -> ctypes.PyDLL | None:
    """``libbuiltins.so``, which has proved that it can stand for ``source``; None where it cannot be had."""
    opened, functions = _opened(), _functions()
    if opened is None or functions is None:
        return None
    opened.builtins_give.restype = None
    # What is learned below is to be what is mended.
    if not opened.builtins_mend(functions, ctypes.c_void_p(address_of(untouched := quickjs.Runtime().new_context()))):
        return None
    del untouched
    generators.mend(opened)
    scratch = quickjs.Runtime().new_context()
    # JSON's functions are ours, where they can be had.
    json_builtins.install(scratch)
    scratch.eval(f"const own = ({source})(); var {{ listed, lazy, members }} = own, plain = () => 0")
    if not opened.builtins_learn(functions, ctypes.c_void_p(address_of(scratch))):
        return None
    # Another runtime: what was learned of the first must be true of all.
    proven = quickjs.Runtime().new_context()
    json_builtins.install(proven)
    opened.builtins_give(ctypes.c_void_p(address_of(proven)), _PLACE.encode())
    if _behaviour(proven, _PLACE) != _behaviour(scratch, "own"):
        return None
    if proven.eval(f"({_STACKS})()") != _TOLD:
        opened.builtins_leave_stacks()
    opened.builtins_define.restype = ctypes.c_void_p
    json_builtins.define_by(opened.builtins_define())
    return opened


def _behaviour(context: quickjs.Context, place: str) -> str:
    """What the proof comes to with the functions that a context has there."""
    told = context.eval(f"({_PROOF})({place})")
    while context.execute_pending_job():
        pass
    return str(told())
