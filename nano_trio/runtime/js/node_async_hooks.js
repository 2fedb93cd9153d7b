// node:async_hooks: AsyncLocalStorage, AsyncResource. Node.js API: https://nodejs.org/api/async_context.html
//
// Theory of operation. What is current is a Map from storage to store, never changed but replaced, or undefined; whoever
// runs later gets what was current when it was arranged. The platform sees to that (async_context.js) from the first
// AsyncLocalStorage on; before, nothing ever is.
const { apply } = Reflect;
let context;

const current = () => context?.current();
/** A copy of what is current. */
const copy = () => new Map(current());
const orNone = (stores) => (stores.size === 0 ? undefined : stores);

function runWith(stores, callback, self, args) {
  return context === undefined ? apply(callback, self, args) : context.run(stores, apply, callback, self, args);
}

function check(callback, name) {
  if (typeof callback === "function") return;
  const error = new TypeError(`The "${name}" argument must be of type function.`);
  error.code = "ERR_INVALID_ARG_TYPE";
  throw error;
}

class AsyncLocalStorage {
  #default;
  #name;
  constructor(options) {
    this.#default = options?.defaultValue;
    this.#name = options?.name ?? "";
    context ??= modules.asyncContext;
  }
  get name() {
    return this.#name;
  }
  getStore() {
    const stores = current();
    return stores?.has(this) ? stores.get(this) : this.#default;
  }
  run(store, callback, ...args) {
    check(callback, "callback");
    return runWith(copy().set(this, store), callback, null, args);
  }
  exit(callback, ...args) {
    check(callback, "callback");
    const without = copy();
    without.delete(this);
    return runWith(orNone(without), callback, null, args);
  }
  /** As on Workers: there is no end to what this would reach. */
  enterWith() {
    throw new Error("AsyncLocalStorage.enterWith() is not provided; use run()");
  }
  disable() {
    const without = copy();
    without.delete(this);
    context.change(orNone(without));
  }
  static bind(callback) {
    check(callback, "fn");
    const stores = current();
    return function (...args) {
      return runWith(stores, callback, this, args);
    };
  }
  static snapshot() {
    const stores = current();
    return (callback, ...args) => runWith(stores, callback, null, args);
  }
}

class AsyncResource {
  #stores = current();
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
    return runWith(this.#stores, callback, self, args);
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
// As on Workers: nothing is told of what is begun.
const createHook = () => ({
  enable() {
    return this;
  },
  disable() {
    return this;
  },
});
const none = () => 0;
const resource = {};
module.exports = {
  AsyncLocalStorage, AsyncResource, createHook, executionAsyncId: none, triggerAsyncId: none, executionAsyncResource: () => resource,
};
