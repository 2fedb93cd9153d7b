// node:stream: what Readables are made from and into: iterables, streams of the Web's, other Readables.
// Node.js API: https://nodejs.org/api/stream.html#streamreadablefromiterable-options
const { Buffer } = require("node:buffer");
const { Readable } = platform.load("node_stream_readable");
const { coded, abortError, later } = platform.load("node_stream_common");
const { checkInteger, checkOptions, checkSignal, fail, outOfRange, wrongType } = platform.load("node_arguments");

Readable.from = (iterable, options) => {
  if (typeof iterable === "string" || iterable instanceof Buffer) {
    let isGiven = false;
    return new Readable({
      objectMode: true,
      ...options,
      read() {
        if (!isGiven) this.push(iterable);
        isGiven = true;
        this.push(null);
      },
    });
  }
  const method = iterable?.[Symbol.asyncIterator] ?? iterable?.[Symbol.iterator];
  if (typeof method !== "function") {
    wrongType('"iterable" argument', "an instance of Iterable", iterable);
  }
  const isAsync = method === iterable[Symbol.asyncIterator];
  const iterator = Reflect.apply(method, iterable, []);
  let isReading = false;
  const readable = new Readable({ objectMode: true, highWaterMark: 1, ...options });
  readable._read = () => {
    if (!isReading) {
      isReading = true;
      if (isAsync) next();
      else nextAtOnce();
    }
  };
  readable._destroy = (error, callback) => {
    close(error).then(() => later(callback, error), (failure) => later(callback, failure ?? error));
  };
  async function close(error) {
    if (error && typeof iterator.throw === "function") {
      const { done, value } = await iterator.throw(error);
      await value;
      if (done) return;
    }
    if (typeof iterator.return === "function") await (await iterator.return()).value;
  }
  /** Whether more may be read at once. */
  function push(value) {
    if (value === null) {
      isReading = false;
      throw coded(new TypeError("May not write null values to stream"), "ERR_STREAM_NULL_VALUES");
    }
    const mayGoOn = readable.push(value);
    if (!mayGoOn) isReading = false;
    return mayGoOn;
  }
  function nextAtOnce() {
    for (;;) {
      try {
        const { value, done } = iterator.next();
        if (done) readable.push(null);
        else if (typeof value?.then === "function") {
          value.then(
            (given) => {
              try {
                if (push(given)) nextAtOnce();
              } catch (error) {
                readable.destroy(error);
              }
            },
            (error) => readable.destroy(error),
          );
        } else if (push(value)) continue;
      } catch (error) {
        readable.destroy(error);
      }
      return;
    }
  }
  async function next() {
    for (;;) {
      try {
        const { value, done } = await iterator.next();
        if (done) readable.push(null);
        else if (push(typeof value?.then === "function" ? await value : value)) continue;
      } catch (error) {
        readable.destroy(error);
      }
      return;
    }
  }
  return readable;
};

/** A stream of Node's that reads one of the Web's. */
Readable.fromWeb = (stream, options) => {
  if (!(stream instanceof ReadableStream)) wrongType('"readableStream" argument', "an instance of ReadableStream", stream);
  if (options !== undefined) checkOptions(options);
  const reader = stream.getReader();
  let isClosed = false;
  reader.closed.then(
    () => {
      isClosed = true;
    },
    (error) => {
      isClosed = true;
      readable.destroy(error);
    },
  );
  const readable = new Readable({
    ...options,
    read() {
      reader.read().then(
        ({ done, value }) => readable.push(done ? null : value),
        (error) => readable.destroy(error),
      );
    },
    destroy(error, callback) {
      if (isClosed) callback(error);
      else reader.cancel(error).then(() => callback(error), () => callback(error));
    },
  });
  return readable;
};
/** A stream of the Web's that reads one of Node's. */
Readable.toWeb = (readable, options) => {
  if (readable?._readableState === undefined) wrongType('"streamReadable" argument', "an stream.Readable", readable);
  const { objectMode, highWaterMark } = readable._readableState;
  const strategy = options?.strategy ?? (objectMode ? new CountQueuingStrategy({ highWaterMark }) : { highWaterMark: 1 });
  readable.pause();
  let isOver = false;
  return new ReadableStream(
    {
      start(controller) {
        readable.on("data", (chunk) => {
          if (isOver) return;
          controller.enqueue(chunk instanceof Buffer && !objectMode ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength) : chunk);
          if (controller.desiredSize <= 0) readable.pause();
        });
        readable.on("end", () => {
          if (!isOver) controller.close();
          isOver = true;
        });
        readable.on("error", (error) => {
          if (!isOver) controller.error(error);
          isOver = true;
        });
        readable.on("close", () => {
          if (!isOver) controller.error(abortError());
          isOver = true;
        });
        readable.pause();
      },
      pull() {
        readable.resume();
      },
      cancel(reason) {
        isOver = true;
        readable.destroy(reason instanceof Error ? reason : undefined);
        readable.once("error", () => {});
      },
    },
    strategy,
  );
};

// -- as the helpers of iterators ----------------------------------------------------------------------------------------

function checkHelper(value, name = "fn") {
  if (typeof value !== "function") wrongType(`"${name}" argument`, "of type function or an instance of AsyncFunction", value);
}
function checkHelperOptions(options) {
  if (options === undefined || options === null) return;
  checkOptions(options);
  if (options.signal !== undefined && options.signal !== null) checkSignal(options.signal, "options.signal");
}
function checkMapping(fn, options) {
  checkHelper(fn);
  checkHelperOptions(options);
  const concurrency = options?.concurrency ?? 1;
  checkInteger(Math.floor(concurrency), "options.concurrency", 1);
  const highWaterMark = options?.highWaterMark ?? concurrency;
  checkInteger(Math.floor(highWaterMark), "options.highWaterMark", 0);
}
/** How many chunks: a number, as ToIntegerOrInfinity has it. */
function countOf(value) {
  const count = Number(value);
  if (Number.isNaN(count)) return 0;
  if (count < 0) outOfRange("number", ">= 0", count);
  return Math.trunc(count);
}
async function* mapped(stream, map) {
  for await (const chunk of stream) yield map(chunk, {});
}
async function* filtered(stream, test) {
  for await (const chunk of stream) if (await test(chunk, {})) yield chunk;
}
async function* flatMapped(stream, map) {
  for await (const chunk of stream) yield* await map(chunk, {});
}
async function* taken(stream, count) {
  for await (const chunk of stream) {
    if (count-- > 0) yield chunk;
    if (count <= 0) return;
  }
}
async function* behind(stream, count) {
  for await (const chunk of stream) if (count-- <= 0) yield chunk;
}
async function* indexed(stream) {
  let index = 0;
  for await (const chunk of stream) yield [index++, chunk];
}
const helpers = {
  map(fn, options) {
    checkMapping(fn, options);
    return Readable.from(mapped(this, fn));
  },
  filter(fn, options) {
    checkMapping(fn, options);
    return Readable.from(filtered(this, fn));
  },
  flatMap(fn, options) {
    checkMapping(fn, options);
    return Readable.from(flatMapped(this, fn));
  },
  take(number, options = undefined) {
    checkHelperOptions(options);
    return Readable.from(taken(this, countOf(number)));
  },
  drop(number, options = undefined) {
    checkHelperOptions(options);
    return Readable.from(behind(this, countOf(number)));
  },
  asIndexedPairs(options = undefined) {
    checkHelperOptions(options);
    return Readable.from(indexed(this));
  },
  async toArray(options) {
    checkHelperOptions(options);
    const all = [];
    for await (const chunk of this) all.push(chunk);
    return all;
  },
  async forEach(fn, options) {
    checkMapping(fn, options);
    for await (const chunk of this) await fn(chunk, {});
  },
  async some(fn, options = undefined) {
    checkMapping(fn, options);
    for await (const chunk of this) if (await fn(chunk, {})) return true;
    return false;
  },
  async every(fn, options = undefined) {
    checkMapping(fn, options);
    for await (const chunk of this) if (!(await fn(chunk, {}))) return false;
    return true;
  },
  async find(fn, options) {
    checkMapping(fn, options);
    for await (const chunk of this) if (await fn(chunk, {})) return chunk;
    return undefined;
  },
  async reduce(reducer, initialValue, options) {
    checkHelper(reducer, "reducer");
    checkHelperOptions(options);
    let isBegun = arguments.length > 1;
    let result = initialValue;
    for await (const chunk of this) {
      result = isBegun ? await reducer(result, chunk, {}) : chunk;
      isBegun = true;
    }
    if (!isBegun) fail(TypeError, "ERR_MISSING_ARGS", "Reduce of an empty stream requires an initial value");
    return result;
  },
};
for (const [name, value] of Object.entries(helpers)) {
  Object.defineProperty(Readable.prototype, name, { value, writable: true, configurable: true });
}
module.exports = { Readable };
