// DisposableStack, AsyncDisposableStack and SuppressedError: Explicit Resource Management,
// https://tc39.es/proposal-explicit-resource-management/ . The syntax (`using`) a compiler has to put into these.
(platform) => {
  "use strict";
  const { statics, uncurry, constructors } = platform;
  const { Error, ReferenceError, TypeError } = constructors;
  const { defineProperty } = statics.Object;
  const { apply } = statics.Reflect;
  const push = uncurry("Array", "push");
  const pop = uncurry("Array", "pop");
  const { isObject, DOMString } = platform.load("webidl_core");
  const { dispose: symbolDispose, asyncDispose: symbolAsyncDispose } = Symbol;

  function hidden(object, name, value) {
    defineProperty(object, name, { __proto__: null, value, writable: true, enumerable: false, configurable: true });
  }
  /** What was thrown while what was thrown before, `suppressed`, was on its way. */
  class SuppressedError_ extends Error {
    constructor(error, suppressed, message) {
      super();
      if (message !== undefined) hidden(this, "message", DOMString(message));
      hidden(this, "error", error);
      hidden(this, "suppressed", suppressed);
    }
  }
  function SuppressedError(error, suppressed, message) {
    return statics.Reflect.construct(SuppressedError_, [error, suppressed, message], new.target ?? SuppressedError);
  }
  defineProperty(SuppressedError, "prototype", { __proto__: null, value: SuppressedError_.prototype, writable: false });
  statics.Object.setPrototypeOf(SuppressedError, Error);
  hidden(SuppressedError.prototype, "constructor", SuppressedError);
  hidden(SuppressedError.prototype, "name", "SuppressedError");
  hidden(SuppressedError.prototype, "message", "");

  /** The method that disposes of `value`; TypeError where there is none. */
  function methodOf(value, symbol) {
    if (!isObject(value)) throw new TypeError("What is no object cannot be disposed of");
    let method = value[symbol];
    if ((method === undefined || method === null) && symbol === symbolAsyncDispose) method = value[symbolDispose];
    if (typeof method !== "function") throw new TypeError("The object has no method that disposes of it");
    return method;
  }
  function requireFunction(value) {
    if (typeof value !== "function") throw new TypeError("What is to be called is no function");
  }
  /** What both stacks have: resources, and the steps that end with the last of them. */
  const define = (name, symbol) => {
    const isAsync = symbol === symbolAsyncDispose;
    class Stack {
      #steps = [];
      #isDisposed = false;

      #check() {
        if (this.#isDisposed) throw new ReferenceError(`The ${name} was disposed of already`);
      }
      get disposed() {
        return this.#isDisposed;
      }
      use(value) {
        this.#check();
        if (value !== undefined && value !== null) {
          const method = methodOf(value, symbol);
          push(this.#steps, () => apply(method, value, []));
        } else if (isAsync) push(this.#steps, () => undefined);
        return value;
      }
      adopt(value, end) {
        this.#check();
        requireFunction(end);
        push(this.#steps, () => apply(end, undefined, [value]));
        return value;
      }
      defer(end) {
        this.#check();
        requireFunction(end);
        push(this.#steps, () => apply(end, undefined, []));
      }
      move() {
        this.#check();
        const moved = new Stack();
        moved.#steps = this.#steps;
        this.#steps = [];
        this.#isDisposed = true;
        return moved;
      }
      /** The steps that are left to do, which are nobody's from now on. */
      static take(stack) {
        const steps = stack.#steps;
        if (stack.#isDisposed) return [];
        stack.#isDisposed = true;
        stack.#steps = [];
        return steps;
      }
    }
    return Stack;
  };
  const failed = (had, before, error) => (had ? new SuppressedError(error, before) : error);

  const DisposableStack = define("DisposableStack", symbolDispose);
  const AsyncDisposableStack = define("AsyncDisposableStack", symbolAsyncDispose);
  const takeSteps = DisposableStack.take, takeAsyncSteps = AsyncDisposableStack.take;
  delete DisposableStack.take;
  delete AsyncDisposableStack.take;
  const { dispose } = {
    dispose() {
      const steps = takeSteps(this);
      let had = false, error;
      while (steps.length > 0) {
        try {
          pop(steps)();
        } catch (thrown) {
          error = failed(had, error, thrown);
          had = true;
        }
      }
      if (had) throw error;
    },
  };
  const { disposeAsync } = {
    async disposeAsync() {
      const steps = takeAsyncSteps(this);
      let had = false, error;
      while (steps.length > 0) {
        try {
          await pop(steps)();
        } catch (thrown) {
          error = failed(had, error, thrown);
          had = true;
        }
      }
      if (had) throw error;
    },
  };
  function finish(Stack, name, end, symbol, method) {
    defineProperty(Stack, "name", { __proto__: null, value: name });
    hidden(Stack.prototype, end, method);
    hidden(Stack.prototype, symbol, method);
    defineProperty(Stack.prototype, Symbol.toStringTag, { __proto__: null, value: name, configurable: true });
  }
  finish(DisposableStack, "DisposableStack", "dispose", symbolDispose, dispose);
  finish(AsyncDisposableStack, "AsyncDisposableStack", "disposeAsync", symbolAsyncDispose, disposeAsync);
  return { __proto__: null, DisposableStack, AsyncDisposableStack, SuppressedError };
}
