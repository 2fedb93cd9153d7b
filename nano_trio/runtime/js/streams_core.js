// The ground of the Streams files, https://streams.spec.whatwg.org/ : queues, strategies and promises (sections 7 and 8).
//
// Conventions of all streams_*.js files. The public classes are shells around one private field that holds an internal
// object (`Stream`, `Reader`, `Controller` …) with the specification's slots as plain properties and its abstract
// operations as methods; internal objects have no prototype that an app could patch. An algorithm (start, pull, write …)
// may be undefined, return anything, or throw: `promiseCall` makes it the promise that the specification works with.
// `settled` is the one promise "resolved with undefined" that stands for every algorithm without a promise of its own.
// It never reaches an app. What is to happen once it is fulfilled happens by `soon`, which needs no promise: a microtask
// so costs a third. Where the promise of that is wanted, `derive` makes it. Promises that only an app looks at (`closed`,
// `ready`) come into being when it looks.
(platform) => {
  "use strict";
  const { promiseThen, promiseResolve, statics, constructors } = platform;
  const { setPrototypeOf, defineProperty } = statics.Object;
  const { Promise, RangeError } = constructors;
  const { isObject, dictionary, unrestrictedDouble, callbackFunction } = platform.load("webidl");
  const slice = platform.uncurry("Array", "slice");
  const call = platform.uncurry("Function", "call");
  const noop = () => {};
  class Nothing {}
  class NoPromise extends Nothing {
    constructor(executor) {
      executor(noop, noop);
      return noop;
    }
  }
  function resolvedWithSpecies(constructor) {
    const promise = promiseResolve(undefined);
    defineProperty(promise, "constructor", { __proto__: null, value: constructor });
    return promise;
  }
  const settled = resolvedWithSpecies({ __proto__: null, [Symbol.species]: NoPromise });
  const derivable = resolvedWithSpecies(undefined);
  /** Call a function as a microtask. Without the engine's help: by a `then` that at least makes no promise. */
  const soon = platform.uncurry("Function", "soon") ?? ((callback) => void promiseThen(settled, callback));

  let lastResolve, lastReject;
  const capture = (resolve, reject) => {
    lastResolve = resolve;
    lastReject = reject;
  };

  /** Cut a class off Object.prototype, for objects that never reach an app. */
  function internal(Class) {
    setPrototypeOf(Class.prototype, null);
    return Class;
  }

  const Deferred = internal(
    class {
      constructor() {
        this.promise = new Promise(capture);
        this.resolve = lastResolve;
        this.reject = lastReject;
      }
    },
  );

  function resolved(value) {
    const promise = new Promise(capture);
    lastResolve(value);
    return promise;
  }
  function rejected(reason) {
    const promise = new Promise(capture);
    lastReject(reason);
    return promise;
  }
  /** Set promise.[[PromiseIsHandled]] to true. */
  function handled(promise) {
    promiseThen(promise, undefined, noop);
    return promise;
  }
  // The promise of an attribute such as `closed`, made when an app first looks at it; always marked as handled.
  const LazyPromise = internal(
    class {
      constructor() {
        this.state = "pending";
        this.value = this.promise = this.deferred = undefined;
      }
      get() {
        if (this.promise === undefined) {
          if (this.state === "resolved") this.promise = promiseResolve(undefined);
          else {
            const deferred = (this.deferred = new Deferred());
            this.promise = deferred.promise;
            if (this.state === "rejected") this.reject(this.value);
          }
        }
        return this.promise;
      }
      resolve() {
        if (this.state !== "pending") return;
        this.state = "resolved";
        this.deferred?.resolve(undefined);
      }
      reject(reason) {
        this.state = "rejected";
        this.value = reason;
        if (this.deferred !== undefined) {
          this.deferred.reject(reason);
          handled(this.promise);
        }
      }
      /** Become a new pending promise. */
      renew() {
        this.state = "pending";
        this.promise = this.deferred = undefined;
      }
      /** Reject the promise, or, where it is settled, become a new rejected one. */
      ensureRejected(reason) {
        if (this.state !== "pending") this.renew();
        this.reject(reason);
      }
    },
  );

  /** The promise of `promise`'s reaction. */
  function derive(promise, onFulfilled, onRejected) {
    return promiseThen(promise === settled ? derivable : promise, onFulfilled, onRejected);
  }
  /** The promise that an algorithm's result stands for. */
  function promiseOf(result) {
    return isObject(result) ? promiseResolve(result) : settled;
  }
  const NOTHING = {};
  /** What a transform's algorithms return instead of a promise: it tells the controller itself when they are done. */
  const PENDING = {};
  /** Call an algorithm with one argument (none: NOTHING) or two; what it throws rejects the promise. */
  function promiseCall(algorithm, receiver, argument, second) {
    if (algorithm === undefined) return settled;
    try {
      let result;
      if (second !== undefined) result = call(algorithm, receiver, argument, second);
      else result = argument === NOTHING ? call(algorithm, receiver) : call(algorithm, receiver, argument);
      return result !== undefined && isObject(result) ? promiseResolve(result) : settled;
    } catch (error) {
      return rejected(error);
    }
  }

  // A first-in first-out list whose shift does not move what stays.
  const Fifo = internal(
    class {
      constructor() {
        this.clear();
      }
      push(item) {
        const items = this.items;
        items[items.length] = item;
        this.count++;
      }
      peek() {
        return this.items[this.head];
      }
      shift() {
        const items = this.items;
        const item = items[this.head];
        if (--this.count === 0) {
          items.length = this.head = 0;
        } else {
          items[this.head++] = undefined;
          if (this.head > 511 && this.head > this.count) {
            this.items = slice(items, this.head);
            this.head = 0;
          }
        }
        return item;
      }
      clear() {
        this.items = [];
        this.head = this.count = 0;
      }
    },
  );

  /** IsNonNegativeNumber and the checks of EnqueueValueWithSize (8.1). */
  function checkSize(size) {
    if (!(size >= 0 && size < Infinity)) throw new RangeError("The chunk size must be a finite, non-negative number.");
    return size;
  }

  const QueuingStrategy = dictionary("QueuingStrategy", [
    { key: "highWaterMark", converter: unrestrictedDouble },
    { key: "size", converter: callbackFunction },
  ]);
  /** ExtractHighWaterMark (7.4). */
  function highWaterMarkOf(strategy, defaultMark) {
    const mark = strategy.highWaterMark;
    if (mark === undefined) return defaultMark;
    if (!(mark >= 0)) throw new RangeError("The highWaterMark must be a non-negative number.");
    return mark;
  }

  /** Make a kind of stream transferable: `send` and `receive` name functions of streams_transfer.js. */
  function defineTransfer(isInstance, slots, send, receive) {
    const list = platform.transferables;
    list[list.length] = {
      __proto__: null,
      isInstance,
      transfer: (stream) => platform.load("streams_transfer")[send](slots(stream)),
      receive: (data) => platform.load("streams_transfer")[receive](data),
    };
  }

  return {
    __proto__: null,
    defineTransfer,
    noop,
    settled,
    soon,
    call,
    derive,
    internal,
    Deferred,
    LazyPromise,
    Fifo,
    resolved,
    rejected,
    handled,
    promiseOf,
    promiseCall,
    NOTHING,
    PENDING,
    checkSize,
    QueuingStrategy,
    highWaterMarkOf,
  };
}
