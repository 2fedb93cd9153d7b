// async_context.js where the engine cannot be had to keep what is current across `await`.
//
// Theory of operation. `await` calls no method that could be replaced. But of a promise that is awaited the engine reads,
// there and then, first `constructor` (PromiseResolve, ECMA-262 27.2.4.7.1), and, where that is not %Promise%, `then`
// (Promise Resolve Functions, 27.2.1.3.2). Both become getters. While something is current, the first says so by a
// constructor that is another object (a proxy of it), and the second answers with a `then` made for this await. It makes
// three microtasks of the one with which the engine would go on: one that sets what is current, the engine's own, and one
// that unsets it. They stand next to each other in the queue, so that nothing else ever runs with that.
//
// What remains: after the `await` of what is no native promise (a number, an object with a `then` of its own) nothing is
// current, until the function that awaited has been awaited itself. And an await takes two microtasks more.
(platform) => {
  "use strict";
  const { Promise: ThePromise, Proxy } = platform.constructors;
  const { prototype } = ThePromise;
  const { apply } = platform.statics.Reflect;
  const { defineProperty } = platform.statics.Object;
  const slice = platform.uncurry("Array", "slice");
  const { then: nativeThen, finally: nativeFinally } = prototype;
  const nativeResolve = ThePromise.resolve;
  const elsewhere = new Proxy(ThePromise, { __proto__: null });
  let current;
  let own = 0;
  let awaited;
  let replacedThen;
  let replacedConstructor = ThePromise;

  const enqueue = (steps) => platform.promiseThen(platform.promiseResolve(undefined), steps);

  function runWith(value, callback, self, args) {
    const before = current;
    current = value;
    try {
      return apply(callback, self, args);
    } finally {
      current = before;
    }
  }
  function bind(callback) {
    if (typeof callback !== "function" || current === undefined) return callback;
    const value = current;
    return function () {
      return runWith(value, callback, this, arguments);
    };
  }
  /** Run what must see promises as they are. */
  function plainly(method, self, args) {
    own++;
    try {
      return apply(method, self, args);
    } finally {
      own--;
    }
  }
  function then(fulfilled, rejected) {
    return plainly(nativeThen, this, [bind(fulfilled), bind(rejected)]);
  }
  /** The `then` of one await. */
  function thenOf(value) {
    const goOn = (resume) =>
      typeof resume !== "function"
        ? resume
        : (result) => {
            enqueue(() => {
              current = value;
            });
            try {
              return runWith(value, resume, undefined, [result]);
            } finally {
              enqueue(() => {
                current = undefined;
              });
            }
          };
    return function (fulfilled, rejected) {
      return plainly(nativeThen, this, [goOn(fulfilled), goOn(rejected)]);
    };
  }
  const isPromise = (value) => value !== prototype && value instanceof ThePromise;
  const put = (target, name, value) => defineProperty(target, name, { __proto__: null, value, writable: true });
  const putOwn = (target, name, value) => {
    defineProperty(target, name, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
  };
  defineProperty(prototype, "constructor", {
    __proto__: null,
    get() {
      if (own > 0 || current === undefined || !isPromise(this)) return replacedConstructor;
      awaited = this;
      return elsewhere;
    },
    set(value) {
      if (this === prototype) replacedConstructor = value;
      else putOwn(this, "constructor", value);
    },
  });
  defineProperty(prototype, "then", {
    __proto__: null,
    get() {
      const mine = awaited === this && current !== undefined;
      awaited = undefined;
      return replacedThen ?? (mine ? thenOf(current) : then);
    },
    set(value) {
      if (this === prototype) replacedThen = value;
      else putOwn(this, "then", value);
    },
  });
  put(prototype, "finally", function (callback) {
    return plainly(nativeFinally, this, [bind(callback)]);
  });
  put(ThePromise, "resolve", function resolve(value) {
    return plainly(nativeResolve, this, [value]);
  });
  return {
    __proto__: null,
    current: () => current,
    change(value) {
      current = value;
    },
    run(value, callback) {
      return runWith(value, callback, undefined, slice(arguments, 2));
    },
    bind,
  };
}
