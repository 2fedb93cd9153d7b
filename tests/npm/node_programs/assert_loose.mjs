import assert from "node:assert";
import strict from "node:assert/strict";

const told = (action) => {
  try {
    action();
    return "holds";
  } catch (error) {
    return `${error.code} ${error.operator} ${error.generatedMessage}`;
  }
};
class Foo {
  a = 1;
}
const primitives = [1, "1", true, null, undefined, NaN, 0, -0, "", 5n, 5];
const values = [
  ...primitives, [1, 2], ["1", "2"], [1, "2"], { a: 1 }, { a: "1" }, { a: true, [Symbol("s")]: 1 }, new Map([[1, { x: 1 }]]),
  new Map([["1", { x: "1" }]]), new Set([1, "a"]), new Set(["1", "a"]), new Set([{ a: 1 }]), new Set([{ a: "1" }]), new Date(0),
  new Date(1), /a/, /a/g, Object.assign(Object.create(null), { a: 1 }), new Float32Array([0]), new Float32Array([-0]),
  new Error("e"), new TypeError("e"), new Foo(), Object(1), Object("1"), [undefined], [null], [,], {}, [],
];
for (const name of ["deepEqual", "notDeepEqual", "deepStrictEqual", "equal", "notEqual"]) {
  const those = name.startsWith("d") || name === "notDeepEqual" ? values : primitives;
  those.forEach((a, i) => console.log(name, i, those.map((b) => (told(() => assert[name](a, b)) === "holds" ? "=" : ".")).join("")));
}
console.log(told(() => assert.equal(1, 2)), told(() => assert.notEqual(1, "1")), told(() => assert.equal(undefined, null)));
console.log(told(() => assert.deepEqual([1], [2])), told(() => assert.notDeepEqual([1], ["1"])));
console.log(told(() => strict.equal(1, "1")), told(() => assert.strict.deepEqual([1], ["1"])), told(() => strict.notEqual(1, "1")));
console.log(strict === assert.strict, strict.strict === strict, assert.equal === strict.equal, assert.strictEqual === strict.equal);
const [self, other] = [{}, {}];
self.self = self;
other.self = other;
console.log(told(() => assert.deepEqual(self, other)), told(() => strict.deepEqual(self, other)));
