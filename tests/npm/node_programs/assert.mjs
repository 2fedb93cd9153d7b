import { strict as assert } from "assert";
const attempt = async (name, action) => {
  try {
    await action();
    console.log(name, "holds");
  } catch (error) {
    console.log(name, error.name, error.code, error.operator, error.generatedMessage);
  }
};
await attempt("ok", () => assert(1));
await attempt("not ok", () => assert(0));
await attempt("message", () => assert.ok(false, "mine"));
await attempt("own error", () => assert.equal(1, 2, new RangeError("r")));
await attempt("equal", () => assert.equal(NaN, NaN));
await attempt("unequal", () => assert.strictEqual(0, -0));
await attempt("notEqual", () => assert.notEqual(1, 1));
await attempt("deep", () => assert.deepEqual({ a: [1] }, { a: [1] }));
await attempt("not deep", () => assert.deepEqual({ a: [1] }, { a: ["1"] }));
await attempt("match", () => assert.match("abc", /d/));
await attempt("throws", () => assert.throws(() => { throw new TypeError("bad"); }, TypeError));
await attempt("throws text", () => assert.throws(() => { throw new TypeError("bad"); }, /bad/));
await attempt("throws properties", () => assert.throws(() => { throw new TypeError("bad"); }, { name: "TypeError", message: "bad" }));
await attempt("does not throw", () => assert.throws(() => {}));
await attempt("throws another", () => assert.throws(() => { throw new TypeError("bad"); }, RangeError));
await attempt("rejects", () => assert.rejects(Promise.reject(new Error("x")), /x/));
await attempt("does not reject", () => assert.rejects(Promise.resolve()));
await attempt("fail", () => assert.fail("x"));
await attempt("ifError", () => assert.ifError(null));
console.log(assert.strict === assert, new assert.AssertionError({ message: "m" }).message);
