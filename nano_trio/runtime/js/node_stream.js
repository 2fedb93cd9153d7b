// node:stream: its classes, pipeline and finished. Node.js API, Stream: https://nodejs.org/api/stream.html
const common = platform.load("node_stream_common");
const { Readable, Writable, Duplex, Transform, PassThrough, checkBody, isIterable } = platform.load("node_stream_duplex");
const { checkFunction, checkOptions, checkSignal, fail, inspect, wrongType } = platform.load("node_arguments");
const { Stream, NO_STREAM, coded, prematureClose, abortError, isNodeStream, isReadable, isWritable, addAbortSignal } = common;

Stream.prototype.pipe = function (destination, options) {
  const data = (chunk) => {
    if (destination.writable && destination.write(chunk) === false) this.pause?.();
  };
  const drained = () => {
    if (this.readable) this.resume?.();
  };
  let isEnded = false;
  const ended = () => {
    if (!isEnded) destination.end();
    isEnded = true;
  };
  this.on("data", data);
  destination.on("drain", drained);
  if (options?.end !== false) this.on("end", ended);
  destination.once("close", () => {
    this.removeListener("data", data);
    this.removeListener("end", ended);
    destination.removeListener("drain", drained);
  });
  destination.emit("pipe", this);
  return destination;
};

/** Call back once, when a stream has ended, finished or failed; returns what undoes that. */
function finished(stream, options, callback) {
  if (arguments.length === 2) [options, callback] = [undefined, options];
  else if (options !== undefined && options !== null) checkOptions(options);
  checkFunction(callback, "callback");
  if (options?.signal !== undefined) checkSignal(options.signal, "options.signal");
  if (stream instanceof ReadableStream || stream instanceof WritableStream) {
    const node = stream instanceof ReadableStream ? Readable.fromWeb(stream) : Writable.fromWeb(stream);
    return finished(node, options, callback);
  }
  if (!isNodeStream(stream)) wrongType('"stream" argument', NO_STREAM, stream);
  const readable = stream._readableState;
  const writable = stream._writableState;
  const reads = readable !== undefined && isReadable(stream);
  const writes = writable !== undefined && isWritable(stream);
  let needsEnd = options?.readable ?? reads;
  let needsFinish = options?.writable ?? writes;
  const isWhole = needsEnd === reads && needsFinish === writes;
  if (readable?.endEmitted) needsEnd = false;
  if (writable?.finished) needsFinish = false;
  let isTold = false;
  const tell = (error) => {
    if (isTold) return;
    isTold = true;
    stop();
    if (error) callback.call(stream, error);
    else callback.call(stream);
  };
  // Where it destroys itself the end is told when it has; but one side may be over long before the other, of a transform at
  // the end of a pipeline say, which its caller reads when all is written.
  const willClose = isWhole && [readable, writable].some((state) => state?.autoDestroy && state.emitClose) && !readable?.closed && !writable?.closed;
  const check = () => {
    if (!needsEnd && !needsFinish && !willClose) tell();
  };
  const ended = () => {
    needsEnd = false;
    check();
  };
  const done = () => {
    needsFinish = false;
    check();
  };
  const closed = () => {
    const error = readable?.errored ?? writable?.errored;
    if (error) tell(error);
    else if (needsEnd && !(readable?.endEmitted ?? false)) tell(prematureClose());
    else if (needsFinish && !(writable?.finished ?? false)) tell(prematureClose());
    else tell();
  };
  const aborted = () => tell(abortError(options.signal));
  function stop() {
    stream.removeListener("end", ended);
    stream.removeListener("finish", done);
    stream.removeListener("close", closed);
    stream.removeListener("error", tell);
    options?.signal?.removeEventListener("abort", aborted);
  }
  stream.on("end", ended);
  stream.on("finish", done);
  stream.on("close", closed);
  if (options?.error !== false) stream.on("error", tell);
  if (options?.signal?.aborted) queueMicrotask(aborted);
  else options?.signal?.addEventListener("abort", aborted, { once: true });
  if (readable?.closed || writable?.closed) queueMicrotask(closed);
  else if (readable?.errored || writable?.errored) queueMicrotask(closed);
  else if (!needsEnd && !needsFinish && !willClose) queueMicrotask(() => tell());
  return stop;
}

/** A part of a pipeline as a stream of Node's. */
function asStream(part, isLast) {
  if (isNodeStream(part)) return part;
  if (part instanceof ReadableStream) return Readable.fromWeb(part);
  if (part instanceof WritableStream) return Writable.fromWeb(part);
  if (part?.readable instanceof ReadableStream && part.writable instanceof WritableStream) return Duplex.fromWeb(part);
  if (isIterable(part) && !isLast) return Readable.from(part);
  return Duplex.from(part);
}
function pipeline(...parts) {
  const callback = parts.pop();
  if (typeof callback !== "function") wrongType('"streams[stream.length - 1]" property', "of type function", callback);
  return run(parts.length === 1 && Array.isArray(parts[0]) ? parts[0] : parts, callback, {});
}
function run(parts, callback, options) {
  if (parts.length < 2) fail(TypeError, "ERR_MISSING_ARGS", 'The "streams" argument must be specified');
  const controller = new AbortController();
  const streams = [];
  let left = 1;
  let outcome;
  let value;
  let isTold = false;
  const settle = (error) => {
    if (error && (outcome === undefined || outcome.code === "ERR_STREAM_PREMATURE_CLOSE")) outcome = error;
    left--;
    if (error) {
      controller.abort();
      for (const stream of streams) {
        if (stream.destroyed) continue;
        stream.once("error", () => {});
        stream.destroy(error);
      }
    }
    if (left === 0 && !isTold) {
      isTold = true;
      options.signal?.removeEventListener("abort", aborted);
      queueMicrotask(() => callback(outcome, value));
    }
  };
  const aborted = () => {
    left++;
    settle(abortError(options.signal));
  };
  /** Follow a stream to its end: of a duplex in the midst both sides, of the first and last one. */
  const watch = (stream, reads, writes) => {
    streams.push(stream);
    left++;
    const { length } = streams;
    finished(stream, { readable: reads, writable: writes }, (error) => {
      // A source that its reader did not read to the end is no failure of the last.
      if (error?.code === "ERR_STREAM_PREMATURE_CLOSE" && length === parts.length && stream.writableFinished) settle();
      else settle(error);
    });
  };
  let current;
  for (const [i, part] of parts.entries()) {
    const isLast = i === parts.length - 1;
    if (typeof part === "function") {
      const made = i === 0 ? part({ signal: controller.signal }) : part(current, { signal: controller.signal });
      if (isLast && typeof made?.then === "function") {
        left++;
        made.then(
          (result) => {
            value = result;
            settle();
          },
          (error) => settle(error),
        );
        current = undefined;
      } else if (isIterable(made)) {
        current = isNodeStream(made) ? made : Readable.from(made);
        watch(current, true, false);
        if (isLast) current.resume();
      } else {
        throw coded(new TypeError("Expected AsyncIterable to be returned from a function of the pipeline"), "ERR_INVALID_RETURN_VALUE");
      }
      continue;
    }
    const stream = asStream(part, isLast);
    watch(stream, !isLast, i > 0);
    if (i > 0) current.pipe(stream, { end: !isLast || options.end !== false });
    current = stream;
  }
  if (options.signal?.aborted) queueMicrotask(aborted);
  else options.signal?.addEventListener("abort", aborted, { once: true });
  settle();
  return current;
}

/** Whether a part of what is composed has that side. A function has both. */
function isSide(part, isOf, side) {
  if (isNodeStream(part)) return isOf(part);
  if (part instanceof ReadableStream || part instanceof WritableStream) return (part instanceof ReadableStream) === (side === "readable");
  return typeof part === "function" || (isIterable(part) ? side === "readable" : part?.[side] !== undefined);
}
/** Several streams as one duplex. */
function compose(...parts) {
  if (parts.length === 1) return Duplex.from(asStream(parts[0], false));
  // What the first is not written to, or the last not read from, the duplex is not either.
  const entrance = isSide(parts[0], isWritable, "writable") ? new PassThrough({ objectMode: true }) : undefined;
  const exit = isSide(parts.at(-1), isReadable, "readable") ? new PassThrough({ objectMode: true }) : undefined;
  const duplex = entrance || exit ? Duplex.from({ writable: entrance, readable: exit }) : new Duplex({ readable: false, writable: false });
  run([entrance, ...parts, exit].filter((part) => part !== undefined), (error) => error && duplex.destroy(error), {});
  return duplex;
}

function composed(stream, options) {
  if (options !== undefined && options !== null) checkOptions(options);
  if (options?.signal !== undefined) checkSignal(options.signal, "options.signal");
  if (isNodeStream(stream)) {
    if (!isWritable(stream)) fail(TypeError, "ERR_INVALID_ARG_VALUE", `The argument 'stream' must be writable. Received ${inspect(stream)}`);
  } else if (typeof stream !== "function" && !(stream instanceof WritableStream)) checkBody(stream);
  const duplex = compose(this, stream);
  if (options?.signal) addAbortSignal(options.signal, duplex);
  return duplex;
}
Object.defineProperty(Readable.prototype, "compose", { value: composed, writable: true, configurable: true });

const promises = {
  pipeline: (...parts) =>
    new Promise((resolve, reject) => {
      const last = parts.at(-1);
      const hasOptions = last !== null && typeof last === "object" && !isNodeStream(last) && !isIterable(last) && !(last instanceof WritableStream) && last.writable === undefined;
      const options = hasOptions ? parts.pop() : {};
      if (options.signal !== undefined) checkSignal(options.signal, "options.signal");
      run(parts.length === 1 && Array.isArray(parts[0]) ? parts[0] : parts, (error, value) => (error ? reject(error) : resolve(value)), options);
    }),
  finished: (stream, options) =>
    new Promise((resolve, reject) => {
      finished(stream, options ?? {}, (error) => (error ? reject(error) : resolve()));
    }),
};
const custom = Symbol.for("nodejs.util.promisify.custom");
Object.defineProperty(pipeline, custom, { value: promises.pipeline });
Object.defineProperty(finished, custom, { value: promises.finished });

module.exports = Object.assign(Stream, {
  Stream, Readable, Writable, Duplex, Transform, PassThrough, pipeline, finished, addAbortSignal, compose, promises,
  destroy(stream, error) {
    if (!isNodeStream(stream) || stream.destroyed) return;
    stream.destroy(error || (stream.readable || stream.writable ? abortError() : null));
  },
  isDisturbed: (stream) => !!(stream?._readableState?.dataEmitted || stream?._readableState?.errored || stream?.locked),
  isErrored: (stream) => !!(stream?._readableState?.errored ?? stream?._writableState?.errored),
  // null: it has no such side.
  isReadable: (stream) => (typeof stream?.readable === "boolean" ? isReadable(stream) && stream.readable && !stream.destroyed : null),
  isWritable: (stream) => (typeof stream?.writable === "boolean" ? isWritable(stream) && stream.writable && !stream.destroyed : null),
  getDefaultHighWaterMark: common.getDefaultHighWaterMark,
  setDefaultHighWaterMark: common.setDefaultHighWaterMark,
});
