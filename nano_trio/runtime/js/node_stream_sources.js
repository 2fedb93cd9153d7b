// node:stream: what Readables are made from and into: iterables, streams of the Web's, other Readables.
// Node.js API: https://nodejs.org/api/stream.html#streamreadablefromiterable-options
const { Buffer } = require("node:buffer");
const { Readable } = platform.load("node_stream_readable");
const { coded, abortError } = platform.load("node_stream_common");

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
    throw coded(new TypeError('The "iterable" argument must be an instance of Iterable.'), "ERR_INVALID_ARG_TYPE");
  }
  const iterator = Reflect.apply(method, iterable, []);
  let isReading = false;
  let isDone = false;
  const readable = new Readable({ objectMode: true, highWaterMark: 1, ...options });
  readable._read = () => {
    if (!isReading) {
      isReading = true;
      next();
    }
  };
  readable._destroy = (error, callback) => {
    close(error).then(() => callback(error), (failure) => callback(error ?? failure));
  };
  async function close(error) {
    if (isDone) return;
    isDone = true;
    if (error && typeof iterator.throw === "function") {
      const { done, value } = await iterator.throw(error);
      await value;
      if (done) return;
    }
    if (typeof iterator.return === "function") await (await iterator.return()).value;
  }
  async function next() {
    for (;;) {
      try {
        const result = await iterator.next();
        if (result.done) {
          isDone = true;
          readable.push(null);
          return;
        }
        const value = await result.value;
        if (value === null) {
          isReading = false;
          throw coded(new TypeError("May not write null values to stream"), "ERR_STREAM_NULL_VALUES");
        }
        if (readable.push(value)) continue;
        isReading = false;
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

const later = (make) =>
  function (...args) {
    return Readable.from(make(this, ...args));
  };
const helpers = {
  map: later(async function* (stream, map) {
    for await (const chunk of stream) yield map(chunk, {});
  }),
  filter: later(async function* (stream, test) {
    for await (const chunk of stream) if (await test(chunk, {})) yield chunk;
  }),
  flatMap: later(async function* (stream, map) {
    for await (const chunk of stream) yield* await map(chunk, {});
  }),
  take: later(async function* (stream, count) {
    if (count <= 0) return;
    for await (const chunk of stream) {
      yield chunk;
      if (--count <= 0) return;
    }
  }),
  drop: later(async function* (stream, count) {
    for await (const chunk of stream) if (count-- <= 0) yield chunk;
  }),
  async toArray() {
    const all = [];
    for await (const chunk of this) all.push(chunk);
    return all;
  },
  async forEach(act) {
    for await (const chunk of this) await act(chunk, {});
  },
  async some(test) {
    for await (const chunk of this) if (await test(chunk, {})) return true;
    return false;
  },
  async every(test) {
    for await (const chunk of this) if (!(await test(chunk, {}))) return false;
    return true;
  },
  async find(test) {
    for await (const chunk of this) if (await test(chunk, {})) return chunk;
    return undefined;
  },
  async reduce(...args) {
    const [combine] = args;
    let isBegun = args.length > 1;
    let result = args[1];
    for await (const chunk of this) {
      result = isBegun ? await combine(result, chunk, {}) : chunk;
      isBegun = true;
    }
    if (!isBegun) throw coded(new TypeError("Reduce of an empty stream requires an initial value"), "ERR_MISSING_ARGS");
    return result;
  },
};
for (const [name, value] of Object.entries(helpers)) {
  Object.defineProperty(Readable.prototype, name, { value, writable: true, configurable: true });
}
module.exports = { Readable };
