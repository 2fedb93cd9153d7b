// node:async_hooks: AsyncLocalStorage, AsyncResource. Node.js API: https://nodejs.org/api/async_context.html
//
// Theory of operation. `current` is a Map from storage to store, never changed but replaced; whoever runs later gets what
// was current when it was arranged. Callbacks of promises' methods, timers and queueMicrotask are wrapped, by functions
// that take the place of the globals once the first AsyncLocalStorage is made.
//
// `await` calls no method that could be replaced. But of a promise that is awaited the engine reads, there and then, first
// `constructor` (PromiseResolve, ECMA-262 27.2.4.7.1), and, where that is not %Promise%, `then` (Promise Resolve Functions,
// 27.2.1.3.2). Both become getters. While a store is current, the first says so by a constructor that is another object
// (a proxy of it), and the second answers with a `then` made for this await. It makes three microtasks of the one
// with which the engine would go on: one that sets the store, the engine's own, and one that unsets it. They stand next
// to each other in the queue, so that nothing else ever runs with that store.
//
// What remains: after the `await` of what is no native promise (a number, an object with a `then` of its own) no store
// is current, until the function that awaited has been awaited itself. And an await takes two microtasks more.
const ThePromise = Promise;
const prototype = ThePromise.prototype;
const { apply } = Reflect;
const { defineProperty } = Object;
const NONE = new Map();
let current = NONE;
let installed = false;

function runWith(store, callback, self, args) {
  const before = current;
  current = store;
  try {
    return apply(callback, self, args);
  } finally {
    current = before;
  }
}
function bound(callback) {
  if (typeof callback !== "function" || current === NONE) return callback;
  const store = current;
  return function (...args) {
    return runWith(store, callback, this, args);
  };
}

function install() {
  installed = true;
  const elsewhere = new Proxy(ThePromise, {});
  const { then: nativeThen, finally: nativeFinally } = prototype;
  const nativeQueue = globalThis.queueMicrotask;
  const nativeResolve = ThePromise.resolve;
  let own = 0;
  let awaited;
  let replacedThen;
  let replacedConstructor = ThePromise;

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
    return plainly(nativeThen, this, [bound(fulfilled), bound(rejected)]);
  }
  /** The `then` of one await. */
  function thenOf(store) {
    const goOn = (resume) =>
      typeof resume !== "function"
        ? resume
        : (value) => {
            nativeQueue(() => {
              current = store;
            });
            try {
              return runWith(store, resume, undefined, [value]);
            } finally {
              nativeQueue(() => {
                current = NONE;
              });
            }
          };
    return function (fulfilled, rejected) {
      return plainly(nativeThen, this, [goOn(fulfilled), goOn(rejected)]);
    };
  }
  const isPromise = (value) => value !== prototype && value instanceof ThePromise;
  defineProperty(prototype, "constructor", {
    configurable: true,
    get() {
      if (own > 0 || current === NONE || !isPromise(this)) return replacedConstructor;
      awaited = this;
      return elsewhere;
    },
    set(value) {
      if (this === prototype) replacedConstructor = value;
      else defineProperty(this, "constructor", { value, writable: true, enumerable: true, configurable: true });
    },
  });
  defineProperty(prototype, "then", {
    configurable: true,
    get() {
      const mine = awaited === this && current !== NONE;
      awaited = undefined;
      return replacedThen ?? (mine ? thenOf(current) : then);
    },
    set(value) {
      if (this === prototype) replacedThen = value;
      else defineProperty(this, "then", { value, writable: true, enumerable: true, configurable: true });
    },
  });
  const put = (target, name, value) => defineProperty(target, name, { value, writable: true, configurable: true });
  put(prototype, "finally", function (callback) {
    return plainly(nativeFinally, this, [bound(callback)]);
  });
  put(ThePromise, "resolve", function resolve(value) {
    return plainly(nativeResolve, this, [value]);
  });
  put(globalThis, "queueMicrotask", function queueMicrotask(callback) {
    return apply(nativeQueue, globalThis, arguments.length === 0 ? [] : [bound(callback)]);
  });
  for (const name of ["setTimeout", "setInterval"]) {
    const native = globalThis[name];
    put(globalThis, name, function (callback, ...rest) {
      return apply(native, globalThis, arguments.length === 0 ? [] : [bound(callback), ...rest]);
    });
    defineProperty(globalThis[name], "name", { value: name, configurable: true });
  }
}

function check(callback, name) {
  if (typeof callback === "function") return;
  const error = new TypeError(`The "${name}" argument must be of type function.`);
  error.code = "ERR_INVALID_ARG_TYPE";
  throw error;
}

export class AsyncLocalStorage {
  #default;
  #name;
  constructor(options) {
    this.#default = options?.defaultValue;
    this.#name = options?.name ?? "";
    if (!installed) install();
  }
  get name() {
    return this.#name;
  }
  getStore() {
    return current.has(this) ? current.get(this) : this.#default;
  }
  run(store, callback, ...args) {
    check(callback, "callback");
    return runWith(new Map(current).set(this, store), callback, null, args);
  }
  exit(callback, ...args) {
    check(callback, "callback");
    const without = new Map(current);
    without.delete(this);
    return runWith(without.size === 0 ? NONE : without, callback, null, args);
  }
  /** As on Workers: there is no end to what this would reach. */
  enterWith() {
    throw new Error("AsyncLocalStorage.enterWith() is not provided; use run()");
  }
  disable() {
    const without = new Map(current);
    without.delete(this);
    current = without.size === 0 ? NONE : without;
  }
  static bind(callback) {
    check(callback, "fn");
    const store = current;
    return function (...args) {
      return runWith(store, callback, this, args);
    };
  }
  static snapshot() {
    const store = current;
    return (callback, ...args) => runWith(store, callback, null, args);
  }
}

export class AsyncResource {
  #store = current;
  #type;
  constructor(type) {
    if (typeof type !== "string") {
      const error = new TypeError('The "type" argument must be of type string.');
      error.code = "ERR_INVALID_ARG_TYPE";
      throw error;
    }
    this.#type = type;
  }
  get type() {
    return this.#type;
  }
  runInAsyncScope(callback, self, ...args) {
    return runWith(this.#store, callback, self, args);
  }
  bind(callback, self) {
    check(callback, "fn");
    const resource = this;
    return function (...args) {
      return resource.runInAsyncScope(callback, self ?? this, ...args);
    };
  }
  static bind(callback, type, self) {
    return new AsyncResource(type ?? (callback.name || "bound-anonymous-fn")).bind(callback, self);
  }
  emitDestroy() {
    return this;
  }
}
export default { AsyncLocalStorage, AsyncResource };
