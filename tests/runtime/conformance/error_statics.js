// Error.captureStackTrace(): a TC39 proposal that all engines but QuickJS have.

const functionsIn = (stack) => [...stack.matchAll(/^ {4}at (\S+) \(test\.js:\d+:\d+\)$/gm)].map(([, name]) => name);

test("captureStackTrace: an object gets the stack of the place of the call, as errors have it", async () => {
  const object = {};
  function caller() {
    return [Error.captureStackTrace(object), new Error("")];
  }
  const [result, error] = caller();
  equal(result, undefined);
  equal(functionsIn(object.stack)[0], "caller");
  equal(functionsIn(object.stack), functionsIn(error.stack));
  const { value, writable, enumerable, configurable } = Object.getOwnPropertyDescriptor(object, "stack");
  equal([typeof value, writable, enumerable, configurable], ["string", true, false, true]);
});

test("captureStackTrace: an error's own stack is replaced, and the error is told of with it", async () => {
  const error = (function thrower() { return new Error("m"); })();
  (function catcher() { Error.captureStackTrace(error); })();
  equal([functionsIn(error.stack)[0], error.message, String(error)], ["catcher", "m", "Error: m"]);
});

test("captureStackTrace: frames down to that of a given function are left out, as constructors want it", async () => {
  class Base extends Error {
    constructor(message) {
      super(message);
      Error.captureStackTrace(this, this.constructor);
    }
  }
  class Derived extends Base {}
  const error = (function maker() { return new Derived("m"); })();
  equal(functionsIn(error.stack)[0], "maker");
  const object = {};
  const not = () => {};
  (function a() { (function b() { Error.captureStackTrace(object, a); })(); })();
  ok(!/ at [ab] /.test(object.stack) && object.stack !== "");
  (function a() { Error.captureStackTrace(object, not); })();
  equal(functionsIn(object.stack)[0], "a");
});

test("captureStackTrace: what cannot have a stack is a TypeError", async () => {
  for (const value of [undefined, null, 1, "text", Object.freeze({})]) {
    throws(TypeError, () => Error.captureStackTrace(value));
  }
});

test("captureStackTrace: it is a property as the language's own functions are", async () => {
  const { value, writable, enumerable, configurable } = Object.getOwnPropertyDescriptor(Error, "captureStackTrace");
  equal([value.name, value.length, Object.keys(Error)], ["captureStackTrace", 2, []]);
  equal([writable, enumerable, configurable], [true, false, true]);
});
