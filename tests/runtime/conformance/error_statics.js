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
  const { enumerable, configurable } = Object.getOwnPropertyDescriptor(object, "stack");
  equal([typeof object.stack, enumerable, configurable], ["string", false, true]);
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

test("captureStackTrace: what the object says comes first, as it is when the stack is first read", async () => {
  const firstOf = (object) => {
    Error.captureStackTrace(object);
    return object.stack.slice(0, object.stack.indexOf("\n    at "));
  };
  equal([{}, { name: "N", message: "m" }, { message: "m" }, [1], function named() {}].map(firstOf), [
    "Error", "N: m", "Error: m", "Error", "named",
  ]);
  class NotFound extends Error {
    constructor(what) {
      super(`no ${what}`);
      Error.captureStackTrace(this, NotFound);
      this.name = "NotFound";
    }
  }
  const error = (function finder() { return new NotFound("user"); })();
  ok(/^NotFound: no user\n {4}at finder \(/.test(error.stack), error.stack);
  equal(firstOf(error), "NotFound: no user");
  throws(TypeError, () => Error.captureStackTrace(Object.freeze({})));
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
