// Async iteration of a ReadableStream, and ReadableStream.from: Streams, https://streams.spec.whatwg.org/#rs-asynciterator
// and #rs-from; the iterator object is Web IDL 3.7.10.
(platform) => {
  "use strict";
  const { promiseThen, promiseResolve } = platform;
  const { TypeError, Promise, WeakMap } = platform.constructors;
  const { apply } = platform.statics.Reflect;
  const { create, defineProperty, getPrototypeOf } = platform.statics.Object;
  const { isObject, boolean, dictionary } = platform.load("webidl");
  const { settled, soon, internal, derive, rejected } = platform.load("streams_core");
  const { createStream, DefaultReader } = platform.load("streams_readable");
  const { asyncIterator, iterator } = Symbol;
  const stateGet = platform.uncurry("WeakMap", "get");
  const stateSet = platform.uncurry("WeakMap", "set");

  let lastResolve, lastReject;
  const capture = (resolve, reject) => {
    lastResolve = resolve;
    lastReject = reject;
  };

  class Iteration {
    constructor(reader, preventCancel) {
      this.reader = reader;
      this.preventCancel = preventCancel;
      this.ongoing = undefined;
      this.isFinished = false;
      this.resolve = this.reject = this.value = undefined;
      this.onChunk = () => {
        const { value } = this;
        this.ongoing = this.value = undefined;
        this.resolve({ value, done: false });
      };
    }
    /** "Get the next iteration result"; this object is the read request. */
    next() {
      const promise = new Promise(capture);
      if (this.isFinished) {
        lastResolve({ value: undefined, done: true });
        return promise;
      }
      this.resolve = lastResolve;
      this.reject = lastReject;
      this.ongoing = promise;
      this.reader.read(this);
      return promise;
    }
    chunk(value) {
      this.value = value;
      // The reaction to the promise of the next iteration result
      soon(this.onChunk);
    }
    close() {
      this.finish();
      this.resolve({ value: undefined, done: true });
    }
    error(error) {
      this.finish();
      this.reject(error);
    }
    finish() {
      this.ongoing = undefined;
      this.isFinished = true;
      this.reader.release();
    }
    /** "Asynchronous iterator return" */
    return(value) {
      if (this.isFinished) return derive(settled, () => ({ value, done: true }));
      this.isFinished = true;
      const { reader } = this;
      const promise = this.preventCancel ? settled : reader.cancel(value);
      reader.release();
      return derive(promise, () => ({ value, done: true }));
    }
    /** Run `steps` after what is going on. */
    after(steps) {
      return (this.ongoing = promiseThen(this.ongoing, steps, steps));
    }
  }
  internal(Iteration);

  const iterations = new WeakMap();
  function iterationOf(value) {
    const iteration = isObject(value) ? stateGet(iterations, value) : undefined;
    if (iteration === undefined) throw new TypeError("The receiver is not a ReadableStream AsyncIterator.");
    return iteration;
  }
  const methods = {
    next() {
      try {
        const iteration = iterationOf(this);
        return iteration.ongoing === undefined ? iteration.next() : iteration.after(() => iteration.next());
      } catch (error) {
        return rejected(error);
      }
    },
    return(value) {
      try {
        const iteration = iterationOf(this);
        if (iteration.ongoing !== undefined) return iteration.after(() => iteration.return(value));
        return (iteration.ongoing = iteration.return(value));
      } catch (error) {
        return rejected(error);
      }
    },
  };
  // %AsyncGeneratorPrototype% inherits from %AsyncIteratorPrototype%.
  const asyncIteratorPrototype = create(getPrototypeOf(getPrototypeOf(async function* () {}).prototype));
  const property = (value) => ({ __proto__: null, value, writable: true, enumerable: true, configurable: true });
  defineProperty(asyncIteratorPrototype, "next", property(methods.next));
  defineProperty(asyncIteratorPrototype, "return", property(methods.return));
  defineProperty(asyncIteratorPrototype, Symbol.toStringTag, {
    __proto__: null,
    value: "ReadableStream AsyncIterator",
    configurable: true,
  });

  const IteratorOptions = dictionary("ReadableStreamIteratorOptions", [
    { key: "preventCancel", converter: boolean, defaultValue: false },
  ]);
  /** ReadableStream.prototype.values, after the check of its receiver. */
  function values(stream, options) {
    const { preventCancel } = IteratorOptions(options, "Failed to execute 'values' on 'ReadableStream'");
    const reader = new DefaultReader(stream);
    const object = create(asyncIteratorPrototype);
    stateSet(iterations, object, new Iteration(reader, preventCancel));
    return object;
  }

  function requireObject(value, what) {
    if (!isObject(value)) throw new TypeError(`The ${what} is not an object.`);
    return value;
  }

  /** ReadableStreamFromIterable (4.9.1), with ECMAScript's GetIterator(iterable, async) */
  function from(iterable) {
    let method = iterable[asyncIterator];
    const isSync = method === undefined || method === null;
    if (isSync) method = iterable[iterator];
    if (typeof method !== "function") throw new TypeError("The value is not async iterable.");
    const source = requireObject(apply(method, iterable, []), "iterator");
    const next = source.next;
    function accept(result) {
      requireObject(result, "iterator result");
      if (result.done) stream.controller.close();
      else stream.controller.enqueue(result.value);
    }
    function pull() {
      const result = apply(next, source, []);
      if (!isSync) return promiseThen(promiseResolve(result), accept);
      // CreateAsyncFromSyncIterator: the values are awaited, and one that rejects closes the iterator.
      requireObject(result, "iterator result");
      const { done, value } = result;
      const close = (error) => {
        if (!done) {
          try {
            const end = source.return;
            if (end !== undefined && end !== null) apply(end, source, []);
          } catch {
            // IteratorClose with a throw completion: what `return` throws is dropped.
          }
        }
        throw error;
      };
      let wrapped;
      try {
        wrapped = promiseResolve(value);
      } catch (error) {
        close(error);
      }
      return promiseThen(wrapped, (value) => accept({ __proto__: null, done, value }), close);
    }
    function cancel(reason) {
      const end = source.return;
      if (end === undefined || end === null) return undefined;
      const result = apply(end, source, [reason]);
      if (!isSync) return promiseThen(promiseResolve(result), (settled) => void requireObject(settled, "iterator result"));
      return promiseResolve(requireObject(result, "iterator result").value);
    }
    const stream = createStream(undefined, pull, cancel, 0);
    return stream.shell();
  }

  return { __proto__: null, values, from };
}
