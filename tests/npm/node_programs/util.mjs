import util, { inspect, format, promisify, callbackify, types, isDeepStrictEqual, TextEncoder } from "util";
import { Buffer } from "buffer";
console.log(inspect({ a: [1, { b: { c: { d: 1 } } }], m: new Map([[1, "x"]]), s: new Set(["y"]), f() {}, date: new Date(0) }));
console.log(inspect({ a: { b: { c: { d: 1 } } } }, { depth: null }), inspect("it's"), inspect([1, , 3]), inspect({ a: { b: { c: {} } } }, false, 0));
console.log(inspect({ [inspect.custom]: () => "custom" }), inspect(Buffer.from("x")));
for (const args of [["%s|%s", "a", 5], ["%d %i %f", "42.5", "42.5", "42.5"], ["%j %j", { a: 1 }, [1]], ["%o", { a: 1 }], ["%O", { a: { b: { c: { d: 1 } } } }], ["100%", 1], ["%%", 1], ["%s"], ["a", "b", { c: 1 }], [1, 2], ["%c%s", "css", "x"], ["%x", 1], ["%s", null], ["%s", { toString: () => "own" }], ["%s", [1]], ["%s", 5n], ["%d", 5n], ["%s", -0], ["%s", Symbol("q")], ["%i", "x"], [], [""], [undefined]]) console.log(format(...args));
const circular = {};
circular.self = circular;
console.log(format("%j", circular), format("%s", circular));
const read = (x, callback) => (x > 0 ? callback(null, x * 2) : callback(new Error("negative")));
console.log(await promisify(read)(4), (await promisify(read)(-1).catch((e) => e)).message);
read[promisify.custom] = async () => "custom";
console.log(await promisify(read)(), promisify(promisify(read)) === promisify(read));
await new Promise((resolve) => callbackify(async (x) => x + 1)(1, (error, value) => resolve(console.log(error, value))));
await new Promise((resolve) => callbackify(async () => Promise.reject(null))((error) => resolve(console.log(error.code, error.reason))));
for (const bad of [() => promisify(1), () => callbackify(1), () => util.inherits(1, 2)]) {
  try {
    bad();
  } catch (error) {
    console.log(error.name, error.code);
  }
}
const values = [new Map(), new Set(), new WeakMap(), new WeakSet(), new Date(), /x/, Promise.resolve(), new Uint8Array(1), new DataView(new ArrayBuffer(1)), new ArrayBuffer(1), new SharedArrayBuffer(1), async () => {}, function* () {}, (function* () {})(), async function* () {}, Object(1), Object("s"), Object(true), Object(1n), Object(Symbol("q")), new Error("e"), new Map().entries(), new Set().values(), {}, null, 5, "s", { [Symbol.toStringTag]: "Uint8Array" }, new Float64Array(1), new BigInt64Array(1)];
const absent = ["isArgumentsObject", "isModuleNamespaceObject", "isExternal", "isProxy", "isKeyObject", "isCryptoKey", "isEventTarget", "isFloat16Array"];
for (const name of Object.keys(types).filter((name) => !absent.includes(name)).sort()) console.log(name, values.map((value) => Number(types[name](value))).join(""));
class A { constructor() { this.x = 1; } }
const pairs = [[1, 1], [NaN, NaN], [0, -0], [{ a: 1 }, { a: 1 }], [{ a: 1 }, { a: "1" }], [[1, 2], [1, 2]], [[1, , 2], [1, undefined, 2]], [new A(), { x: 1 }], [new Map([[{ k: 1 }, 2]]), new Map([[{ k: 1 }, 2]])], [new Map([[1, 2]]), new Map([[1, 3]])], [new Set([{ a: 1 }]), new Set([{ a: 1 }])], [new Set([1]), new Set([2])], [new Date(1), new Date(1)], [new Date(1), new Date(2)], [/a/g, /a/g], [/a/, /a/g], [new Error("a"), new Error("a")], [new Error("a"), new Error("b")], [Object(1), Object(1)], [Object(1), Object(2)], [new Uint8Array([1]), new Uint8Array([1])], [new Uint8Array([1]), new Int8Array([1])], [Buffer.from("a"), new Uint8Array([97])], [circular, circular], [{ a: undefined }, {}], [null, undefined], [{ [Symbol.for("s")]: 1 }, { [Symbol.for("s")]: 2 }], ["a", Object("a")], [[], {}], [new Float32Array([0]), new Float32Array([-0])]];
console.log(pairs.map(([a, b]) => Number(isDeepStrictEqual(a, b))).join(""));
const other = {};
other.self = other;
console.log(isDeepStrictEqual(circular, other), new TextEncoder().encode("é").length, util.stripVTControlCharacters("\u001b[31mred\u001b[0m"), util.toUSVString("a\ud800"));
function Parent() {}
Parent.prototype.hi = () => "hi";
function Child() {}
util.inherits(Child, Parent);
console.log(new Child().hi(), Child.super_ === Parent, new Child() instanceof Parent);
console.log(util.format("%s %s %s %s %s", Object(1n), new String("abc"), new Number(-0), Object(true), Object(Symbol("a"))));
