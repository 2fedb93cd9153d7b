// DisposableStack, AsyncDisposableStack and SuppressedError, which the engine lacks:
// https://tc39.es/proposal-explicit-resource-management/
//
// Of `using` itself a compiler makes calls; these are what programs and compilers' helpers ask for beside that.
(platform) => {
  "use strict";
  const { statics, uncurry } = platform;
  const { Error, ReferenceError, String, Symbol, TypeError } = platform.constructors;
  const { defineProperty, setPrototypeOf } = statics.Object;
  const { framesOf, keep, silent } = platform.load("stack");
  const { apply } = statics.Reflect;
  const { dispose, asyncDispose, toStringTag } = Symbol;
  const push = uncurry("Array", "push");

  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";
  function hide(object, name, value) {
    defineProperty(object, name, { __proto__: null, value, writable: true, enumerable: false, configurable: true });
  }
  /** GetMethod(), 7.3.10. */
  function methodOf(value, name) {
    const method = value[name];
    if (method === undefined || method === null) return undefined;
    if (typeof method !== "function") throw new TypeError(`${String(name)} is no function`);
    return method;
  }

  // 20.5.8 SuppressedError
  function SuppressedError(error, suppressed, message) {
    const given = new.target === undefined ? SuppressedError.prototype : new.target.prototype;
    const object = silent();
    const frames = framesOf(object);
    setPrototypeOf(object, isObject(given) ? given : SuppressedError.prototype);
    if (message !== undefined) hide(object, "message", `${message}`);
    hide(object, "error", error);
    hide(object, "suppressed", suppressed);
    keep(object, frames);
    return object;
  }
  setPrototypeOf(SuppressedError, Error);
  const prototype = setPrototypeOf({}, Error.prototype);
  hide(prototype, "constructor", SuppressedError);
  hide(prototype, "name", "SuppressedError");
  hide(prototype, "message", "");
  defineProperty(SuppressedError, "prototype", { __proto__: null, value: prototype, writable: false, enumerable: false });

  // Resources are [value, method], in a list without a prototype, lest setters of an app's be given them.
  const newList = () => setPrototypeOf([], null);

  /** CreateDisposableResource(): where a value has no method of its own it is refused. */
  function resourceOf(value, isAsync) {
    if (!isObject(value)) throw new TypeError("what is used must be an object, null or undefined");
    let method = isAsync ? methodOf(value, asyncDispose) : undefined;
    if (method === undefined) {
      const immediate = methodOf(value, dispose);
      // What it gives is not awaited.
      method = immediate !== undefined && isAsync ? async function () { apply(immediate, this, []); } : immediate;
    }
    if (method === undefined) throw new TypeError(`what is used has no [Symbol.${isAsync ? "asyncDispose" : "dispose"}]()`);
    return [value, method];
  }
  /** What was thrown so far, and then this. */
  function joined(failure, error) {
    if (failure === undefined) return { __proto__: null, error };
    const both = setPrototypeOf(new Error(), prototype);
    hide(both, "error", error);
    hide(both, "suppressed", failure.error);
    return { __proto__: null, error: both };
  }

  const refuse = () => {
    throw new ReferenceError("the stack was disposed of already");
  };
  const functionOf = (value) => {
    if (typeof value !== "function") throw new TypeError("what disposes of the value must be a function");
    return value;
  };
  /** Where a derived class has no object for a prototype, an object gets that of the realm's own. */
  function correct(object, target, own) {
    if (target !== own && !isObject(target.prototype)) setPrototypeOf(object, own.prototype);
  }

  class DisposableStack {
    /** Undefined once it was disposed of. */
    #resources = newList();
    constructor() {
      correct(this, new.target, DisposableStack);
    }
    get disposed() {
      return this.#resources === undefined;
    }
    dispose() {
      const resources = this.#resources;
      if (resources === undefined) return;
      this.#resources = undefined;
      let failure;
      for (let i = resources.length - 1; i >= 0; i--) {
        try {
          apply(resources[i][1], resources[i][0], []);
        } catch (error) {
          failure = joined(failure, error);
        }
      }
      if (failure !== undefined) throw failure.error;
    }
    use(value) {
      const resources = this.#resources ?? refuse();
      if (value !== undefined && value !== null) push(resources, resourceOf(value, false));
      return value;
    }
    adopt(value, onDispose) {
      const resources = this.#resources ?? refuse();
      functionOf(onDispose);
      push(resources, [undefined, () => apply(onDispose, undefined, [value])]);
      return value;
    }
    defer(onDispose) {
      push(this.#resources ?? refuse(), [undefined, functionOf(onDispose)]);
    }
    move() {
      const resources = this.#resources ?? refuse(), moved = new DisposableStack();
      moved.#resources = resources;
      this.#resources = undefined;
      return moved;
    }
  }

  class AsyncDisposableStack {
    #resources = newList();
    constructor() {
      correct(this, new.target, AsyncDisposableStack);
    }
    get disposed() {
      return this.#resources === undefined;
    }
    async disposeAsync() {
      const resources = this.#resources;
      if (resources === undefined) return;
      this.#resources = undefined;
      // What is null or undefined has no method, and is awaited all the same where nothing else is.
      let failure, isOwed = false, hasAwaited = false;
      for (let i = resources.length - 1; i >= 0; i--) {
        const method = resources[i][1];
        if (method === undefined) {
          isOwed = true;
          continue;
        }
        try {
          const result = apply(method, resources[i][0], []);
          hasAwaited = true;
          await result;
        } catch (error) {
          failure = joined(failure, error);
        }
      }
      if (isOwed && !hasAwaited) await undefined;
      if (failure !== undefined) throw failure.error;
    }
    use(value) {
      const resources = this.#resources ?? refuse();
      push(resources, value === undefined || value === null ? [undefined, undefined] : resourceOf(value, true));
      return value;
    }
    adopt(value, onDisposeAsync) {
      const resources = this.#resources ?? refuse();
      functionOf(onDisposeAsync);
      push(resources, [undefined, () => apply(onDisposeAsync, undefined, [value])]);
      return value;
    }
    defer(onDisposeAsync) {
      push(this.#resources ?? refuse(), [undefined, functionOf(onDisposeAsync)]);
    }
    move() {
      const resources = this.#resources ?? refuse(), moved = new AsyncDisposableStack();
      moved.#resources = resources;
      this.#resources = undefined;
      return moved;
    }
  }

  function finish({ prototype }, name, symbol, tag) {
    hide(prototype, symbol, prototype[name]);
    defineProperty(prototype, toStringTag, { __proto__: null, value: tag, configurable: true });
  }
  finish(DisposableStack, "dispose", dispose, "DisposableStack");
  finish(AsyncDisposableStack, "disposeAsync", asyncDispose, "AsyncDisposableStack");
  return { __proto__: null, DisposableStack, AsyncDisposableStack, SuppressedError };
}
