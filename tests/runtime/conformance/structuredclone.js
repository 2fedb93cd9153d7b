// HTML 2.7: safe passing of structured data; structuredClone.

const clone = (value, ...transfer) => structuredClone(value, { transfer });
const typedArrays = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
  Float32Array, Float64Array];

test("primitives stay what they are", async () => {
  for (const value of [undefined, null, true, -0, NaN, 2 ** 53, 10n ** 30n, "", "\ud800"]) equal(clone(value), value);
});

test("arguments: a value is required, options are a dictionary", async () => {
  equal(structuredClone.length, 1);
  throws(TypeError, () => structuredClone());
  throws(TypeError, () => structuredClone(1, 2));
  throws(TypeError, () => structuredClone(1, { transfer: 1 }));
  throws(TypeError, () => structuredClone(1, { transfer: [1] }));
  equal([structuredClone(1, null), structuredClone(1, {}), structuredClone(1, { transfer: undefined })], [1, 1, 1]);
});

test("wrapper objects stay objects", async () => {
  for (const value of [Object(true), Object(1.5), Object("abc"), Object(5n)]) {
    const copy = clone(value);
    ok(typeof copy === "object" && copy !== value);
    equal(Object.getPrototypeOf(copy), Object.getPrototypeOf(value));
    equal(copy.valueOf(), value.valueOf());
  }
});

test("dates, also invalid ones", async () => {
  equal(clone(new Date(1234)).getTime(), 1234);
  equal(clone(new Date(NaN)).getTime(), NaN);
});

test("regular expressions keep source and flags, not lastIndex", async () => {
  const re = /a\/b/giy;
  re.lastIndex = 3;
  const copy = clone(re);
  equal([copy.source, copy.flags, copy.lastIndex], [re.source, re.flags, 0]);
});

test("objects: own enumerable string properties, in order, by value", async () => {
  const symbol = Symbol();
  const source = { b: 1, a: { c: [1] }, 2: "x", [symbol]: 1, get g() { return 7; }, u: undefined };
  Object.defineProperty(source, "hidden", { value: 1 });
  const copy = clone(source);
  equal(Object.keys(copy), ["2", "b", "a", "g", "u"]);
  equal([copy.a.c[0], copy.g, copy.u, symbol in copy, "hidden" in copy], [1, 7, undefined, false, false]);
  ok(copy.a !== source.a && Object.getOwnPropertyDescriptor(copy, "g").writable);
});

test("objects of classes and without prototype become plain", async () => {
  class A { x = 1; get y() { return 2; } }
  const copy = clone(new A());
  equal([Object.getPrototypeOf(copy), Object.keys(copy).join()], [Object.prototype, "x"]);
  equal(Object.getPrototypeOf(clone(Object.create(null))), Object.prototype);
});

test("objects: names that are also on Object.prototype", async () => {
  const source = JSON.parse('{"__proto__":{"x":1},"toString":2,"constructor":3}');
  const copy = clone(source);
  equal(Object.keys(copy), ["__proto__", "toString", "constructor"]);
  equal([Object.getPrototypeOf(copy), copy.toString], [Object.prototype, 2]);
});

test("arrays: length, holes and further properties", async () => {
  const source = [1, , 3];
  source.length = 5;
  source.extra = "x";
  const copy = clone(source);
  equal([Array.isArray(copy), copy.length, 1 in copy, copy[2], 4 in copy, copy.extra], [true, 5, false, 3, false, "x"]);
  equal(clone([undefined, null]), [undefined, null]);
  equal(clone(new Array(3)).length, 3);
  equal(0 in clone([undefined]), true);
});

test("maps and sets, in order, with everything inside", async () => {
  const key = { k: 1 };
  const map = clone(new Map([[key, new Set([key, 2])], ["b", key]]));
  const [[copied, set], [, again]] = [...map];
  ok(copied === again && copied !== key && set.has(copied) && set.has(2));
  class MyMap extends Map {}
  const mine = clone(Object.assign(new MyMap([[1, 2]]), { x: 1 }));
  equal([mine.constructor, mine.get(1), mine.x], [Map, 2, undefined]);
});

test("a map is copied as it was before its contents run code", async () => {
  const map = new Map();
  map.set("a", { get x() { map.set("late", 1); return 1; } });
  equal([...clone(map).keys()], ["a"]);
});

test("errors: name, message, stack and cause", async () => {
  for (const E of [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError]) {
    const error = new E("m", { cause: { a: [1] } });
    const copy = clone(error);
    equal([copy.constructor, copy.name, copy.message, copy.stack, copy.cause.a[0]], [E, E.name, "m", error.stack, 1]);
    equal(Object.keys(copy).length, 0);
  }
  const odd = Object.assign(new Error("x"), { name: "Mine", extra: 1 });
  equal([clone(odd).name, clone(odd).extra, "cause" in clone(odd)], ["Error", undefined, false]);
  equal(Object.hasOwn(clone(new Error()), "message"), false);
  class MyError extends TypeError {}
  equal(clone(new MyError("z")).constructor, TypeError);
});

test("DOMException", async () => {
  const error = new DOMException("m", "AbortError");
  const copy = clone(error);
  equal([copy instanceof DOMException, copy.name, copy.message, copy.code], [true, "AbortError", "m", 20]);
  ok(copy !== error);
});

test("array buffers and views share what they shared", async () => {
  const buffer = new ArrayBuffer(16);
  new Uint8Array(buffer).set([1, 2, 3, 4]);
  for (const View of typedArrays) {
    const copy = clone([new View(buffer, 8, 1), buffer, new DataView(buffer, 1, 3), new View(buffer)]);
    equal([copy[0].constructor, copy[0].byteOffset, copy[0].length], [View, 8, 1]);
    ok(copy[0].buffer === copy[1] && copy[2].buffer === copy[1] && copy[3].buffer === copy[1] && copy[1] !== buffer);
    equal([copy[1].byteLength, copy[2].byteOffset, copy[2].byteLength, copy[2].getUint8(0)], [16, 1, 3, 2]);
  }
  equal(clone(new BigInt64Array([5n]))[0], 5n);
});

test("resizable buffers stay resizable, and views that track their length do", async () => {
  const buffer = new ArrayBuffer(8, { maxByteLength: 16 });
  const views = [new Uint8Array(buffer), new Uint8Array(buffer, 0, 8), new Uint16Array(buffer, 2), new DataView(buffer)];
  views[0][7] = 9;
  const copy = clone(views);
  const copied = copy[0].buffer;
  equal([copied.resizable, copied.byteLength, copied.maxByteLength, copy[0][7]], [true, 8, 16, 9]);
  copied.resize(12);
  equal(copy.map((view) => view.byteLength), [12, 8, 10, 12]);
  equal([buffer.byteLength, views[0][7]], [8, 9]);
});

test("a resizable buffer without room: views are told apart all the same", async () => {
  const buffer = new ArrayBuffer(8, { maxByteLength: 8 });
  const views = [new Uint8Array(buffer), new Uint8Array(buffer, 0, 8), new DataView(buffer)];
  views[0][7] = 5;
  const copy = clone(views);
  copy[0].buffer.resize(4);
  equal([copy[0].byteLength, copy[1].byteLength, copy[2].byteLength], [4, 0, 4]);
  equal([buffer.byteLength, views[0][7], views[1].length], [8, 5, 8]);
});

test("a view out of bounds or over a detached buffer is refused", async () => {
  const buffer = new ArrayBuffer(8, { maxByteLength: 8 });
  const views = [new Uint8Array(buffer, 4, 4), new BigInt64Array(buffer, 0, 1), new DataView(buffer, 4, 4)];
  buffer.resize(4);
  for (const view of views) throws("DataCloneError", () => clone(view));
  const gone = new ArrayBuffer(1), view = new Uint8Array(gone);
  clone(gone, gone);
  throws("DataCloneError", () => clone(gone));
  throws("DataCloneError", () => clone(view));
});

test("identity and circles survive", async () => {
  const a = { list: [] };
  a.list.push(a, a.list);
  const copy = clone(a);
  ok(copy.list[0] === copy && copy.list[1] === copy.list && copy !== a);
  const date = new Date();
  const two = clone([date, date]);
  ok(two[0] === two[1]);
});

test("what cannot be cloned is refused with a DataCloneError", async () => {
  const refused = [Symbol("s"), () => {}, class {}, new WeakMap(), new WeakSet(), new WeakRef({}), Promise.resolve(),
    (function* () {})(), (async function* () {})(), [][Symbol.iterator](), Object(Symbol()), new Event("x"),
    new AbortController(), new AbortController().signal, new Proxy(() => {}, {}), new Proxy({}, {}), new Proxy([], {}),
    new MessageChannel().port1, globalThis, new FinalizationRegistry(() => {})];
  for (const value of refused) {
    throws("DataCloneError", () => clone(value), String(value?.constructor?.name));
    throws("DataCloneError", () => clone({ deep: [value] }));
    throws("DataCloneError", () => clone(new Map([[1, value]])));
  }
  equal(throws("DataCloneError", () => clone({ f() { return 1; } })).message, "f() { return 1; } could not be cloned.");
  equal(throws("DataCloneError", () => clone(Symbol("s"))).message, "Symbol(s) could not be cloned.");
  equal(throws("DataCloneError", () => clone(new WeakMap())).message, "#<WeakMap> could not be cloned.");
});

test("another prototype does not hide what an object is", async () => {
  const hide = (value, prototype) => Object.setPrototypeOf(value, prototype);
  ok(clone(hide(new Map([[1, 2]]), null)) instanceof Map);
  ok(clone(hide(new Date(5), Object.prototype)) instanceof Date);
  ok(clone(hide(new Set([1]), {})) instanceof Set);
  ok(clone(hide(new ArrayBuffer(2), null)) instanceof ArrayBuffer);
  ok(clone(hide(new Error("e"), null)) instanceof Error);
  equal(Object.getPrototypeOf(clone(Object.create(Map.prototype))), Object.prototype);
  equal(Object.getPrototypeOf(clone({ __proto__: Date.prototype, x: 1 })), Object.prototype);
});

test("what a getter throws comes through, and nothing is transferred", async () => {
  const buffer = new ArrayBuffer(4);
  const error = new RangeError();
  throws(error, () => clone({ get x() { throw error; } }, buffer));
  throws("DataCloneError", () => clone(() => {}, buffer));
  equal(buffer.byteLength, 4);
});

test("a getter may clone itself", async () => {
  const inner = {};
  const copy = clone({ a: inner, get b() { return structuredClone([inner]); }, c: inner });
  ok(copy.a === copy.c && copy.b[0] !== copy.a);
});

test("transfer: the buffer moves, and its places hold the new one", async () => {
  const buffer = new ArrayBuffer(8);
  const view = new Uint8Array(buffer, 2, 3);
  view[0] = 7;
  const copy = clone({ list: [view, , view, buffer], map: new Map([[buffer, { view }]]), set: new Set([view]),
    error: new Error("e", { cause: view }) }, buffer);
  equal([buffer.byteLength, buffer.detached ?? true, view.length], [0, true, 0]);
  const moved = copy.list[3];
  equal([moved.byteLength, copy.list[0][0], copy.list[0].byteOffset, copy.list[0].length], [8, 7, 2, 3]);
  ok(copy.list[0] === copy.list[2] && copy.list[0].buffer === moved && !(1 in copy.list));
  ok(copy.map.get(moved).view === copy.list[0] && copy.set.has(copy.list[0]) && copy.error.cause === copy.list[0]);
});

test("transfer: the order of properties is kept", async () => {
  const buffer = new ArrayBuffer(1);
  equal(Object.keys(clone({ a: 1, b: buffer, c: 2 }, buffer)), ["a", "b", "c"]);
  const other = new ArrayBuffer(3);
  equal(clone(other, other).byteLength, 3);
  const third = new ArrayBuffer(3);
  equal([clone("unrelated", third), third.byteLength], ["unrelated", 0]);
});

test("transfer: duplicates, strangers and detached buffers are refused", async () => {
  const buffer = new ArrayBuffer(1);
  throws("DataCloneError", () => clone(1, buffer, buffer));
  throws("DataCloneError", () => clone(1, {}));
  throws("DataCloneError", () => clone(1, new Date()));
  equal(buffer.byteLength, 1);
  clone(1, buffer);
  throws("DataCloneError", () => clone(1, buffer));
});

test("patched builtins change nothing", async () => {
  structuredClone({});
  const saved = [];
  const broken = () => { throw new Error("patched"); };
  const patch = (target, key) => {
    const descriptor = Object.getOwnPropertyDescriptor(target, key);
    saved[saved.length] = () => Object.defineProperty(target, key, descriptor);
    Object.defineProperty(target, key, { ...descriptor, value: broken });
  };
  const map = new Map([[1, new Set([2])]]), value = { a: [1, map], b: new Date(5), c: new Uint8Array([7]) };
  const targets = [[Map.prototype, "get"], [Map.prototype, "set"], [Map.prototype, "forEach"], [Set.prototype, "add"],
    [Set.prototype, "has"], [Date.prototype, "getTime"], [Object, "keys"], [Array, "isArray"],
    [Array.prototype, "push"], [Array.prototype, Symbol.iterator], [ArrayBuffer.prototype, "slice"]];
  for (let i = 0; i < targets.length; i++) patch(targets[i][0], targets[i][1]);
  let copy;
  try {
    copy = structuredClone(value);
  } finally {
    for (let i = saved.length - 1; i >= 0; i--) saved[i]();
  }
  equal([copy.a[1].get(1).has(2), copy.b.getTime(), copy.c[0]], [true, 5, 7]);
});
