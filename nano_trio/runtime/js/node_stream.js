// node:stream: its classes, pipeline and finished. Node.js API, Stream: https://nodejs.org/api/stream.html
const common = platform.load("node_stream_common");
const { Readable, Writable, Duplex, Transform, PassThrough, checkBody, isIterable } = platform.load("node_stream_duplex");
const { checkOptions, checkSignal, fail, inspect, wrongType } = platform.load("node_arguments");
const { bothErrors, finished, destroyUnfinished, isEnded, isReadableNow, isWritableNow, reads, writes } = platform.load("node_stream_ends");
const { Stream, coded, abortError, prematureClose, isNodeStream, isWritable, addAbortSignal, later } = common;

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
  const { signal } = controller;
  const outer = options.signal;
  /** What destroys each part, and what is undone where all went well. */
  const destroys = [];
  const undone = [];
  let left = 0;
  let failure;
  let value;
  const note = (error, isLast) => {
    if (error && (!failure || failure.code === "ERR_STREAM_PREMATURE_CLOSE")) failure = error;
    if (!failure && !isLast) return;
    while (destroys.length > 0) destroys.shift()(failure);
    outer?.removeEventListener("abort", aborted);
    controller.abort();
    if (!isLast) return;
    if (!failure) for (const undo of undone) undo();
    later(callback, failure, value);
  };
  const over = (error) => note(error, --left === 0);
  const failed = (error) => note(error, false);
  const aborted = () => failed(abortError(outer));
  outer?.addEventListener("abort", aborted, { once: true });

  const watch = (stream, readable, writable, isLast) => {
    let isOver = false;
    stream.on("close", () => {
      isOver = true;
    });
    const stop = finished(stream, { readable, writable }, (error) => {
      isOver = !error;
    });
    destroys.push((error) => {
      if (isOver) return;
      isOver = true;
      destroyUnfinished(stream, error || coded(new Error("Cannot call pipe after a stream was destroyed"), "ERR_STREAM_DESTROYED"));
    });
    if (isLast) undone.push(stop);
  };
  let current;
  for (const [i, part] of parts.entries()) {
    const isLast = i === parts.length - 1;
    const ends = !isLast || options.end !== false;
    const stream = typeof part === "function" || isNodeStream(part) || (i === 0 && isIterable(part) && !(part instanceof ReadableStream)) ? part : asStream(part, isLast);
    if (ends && isNodeStream(stream)) {
      watch(stream, !isLast, i > 0, isLast && isReadableNow(stream));
      const told = (error) => {
        if (error && error.name !== "AbortError" && error.code !== "ERR_STREAM_PREMATURE_CLOSE") failed(error);
      };
      stream.on("error", told);
      if (isLast && isReadableNow(stream)) undone.push(() => stream.removeListener("error", told));
    }
    if (typeof stream === "function") {
      const made = i === 0 ? stream({ signal }) : stream(current, { signal });
      if (i === 0 || !isLast) {
        if (!isIterable(made)) throw coded(new TypeError("Expected AsyncIterable to be returned from a function of the pipeline"), "ERR_INVALID_RETURN_VALUE");
        current = made;
        continue;
      }
      // What the last function gives can be read.
      const end = new PassThrough({ objectMode: true });
      left++;
      if (typeof made?.then === "function") {
        made.then(
          (result) => {
            value = result;
            if (result !== null && result !== undefined) end.write(result);
            if (ends) end.end();
            later(over);
          },
          (error) => {
            end.destroy(error);
            later(over, error);
          },
        );
      } else if (isIterable(made)) pump(made, end, over, ends);
      else throw coded(new TypeError("Expected AsyncIterable or Promise to be returned from a function of the pipeline"), "ERR_INVALID_RETURN_VALUE");
      watch(end, false, true, true);
      current = end;
    } else if (i === 0) current = stream;
    else {
      if (isNodeStream(current)) {
        left += 2;
        const stop = join(current, stream, over, failed, ends);
        if (isLast && isReadableNow(stream)) undone.push(stop);
      } else {
        left++;
        pump(current, stream, over, ends);
      }
      current = stream;
    }
  }
  if (outer?.aborted) later(aborted);
  return current;
}
/** Pipe one stream to the next. `over` is called for each. */
function join(source, target, over, failed, ends) {
  let hasEnded = false;
  target.on("close", () => {
    if (!hasEnded) failed(prematureClose());
  });
  source.pipe(target, { end: false });
  if (ends) {
    const end = () => {
      hasEnded = true;
      target.end();
    };
    if (isEnded(source)) later(end);
    else source.once("end", end);
  } else over();
  finished(source, { readable: true, writable: false }, (error) => {
    const state = source._readableState;
    // It was closed before its end was told.
    if (error?.code === "ERR_STREAM_PREMATURE_CLOSE" && state?.ended && !state.errored && !state.errorEmitted) source.once("end", over).once("error", over);
    else over(error);
  });
  return finished(target, { readable: false, writable: true }, over);
}
/** Write what an iterable gives to a stream. */
async function pump(iterable, target, over, ends) {
  let failure;
  let wake = null;
  const go = (error) => {
    if (error) failure = error;
    const woken = wake;
    wake = null;
    woken?.();
  };
  const wait = () =>
    new Promise((resolve, reject) => {
      if (failure) reject(failure);
      else wake = () => (failure ? reject(failure) : resolve());
    });
  target.on("drain", go);
  const stop = finished(target, { readable: false }, go);
  try {
    if (target.writableNeedDrain) await wait();
    for await (const chunk of iterable) if (!target.write(chunk)) await wait();
    if (ends) {
      target.end();
      await wait();
    }
    over();
  } catch (error) {
    over(bothErrors(failure, error));
  } finally {
    stop();
    target.off("drain", go);
  }
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
  const entrance = isSide(parts[0], writes, "writable") ? new PassThrough({ objectMode: true }) : undefined;
  const exit = isSide(parts.at(-1), reads, "readable") ? new PassThrough({ objectMode: true }) : undefined;
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
  destroy: destroyUnfinished,
  isDestroyed: (stream) => (isNodeStream(stream) ? !!(stream.destroyed || stream._readableState?.destroyed || stream._writableState?.destroyed) : null),
  isDisturbed: (stream) => !!(stream?.readableDidRead || stream?.readableAborted || stream?.locked),
  isErrored: (stream) => !!(stream?._readableState?.errorEmitted || stream?._writableState?.errorEmitted),
  // null: it has no such side.
  isReadable: isReadableNow,
  isWritable: isWritableNow,
  getDefaultHighWaterMark: common.getDefaultHighWaterMark,
  setDefaultHighWaterMark: common.setDefaultHighWaterMark,
});
