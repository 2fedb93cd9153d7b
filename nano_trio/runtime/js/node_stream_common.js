// What node:stream's readable and writable sides share: errors, destruction, web streams told apart.
// Node.js API, Stream: https://nodejs.org/api/stream.html
//
// A stream has a state for each side that it has, `_readableState` and `_writableState`; `destroyed`, `errored` and `closed`
// are the same in both. What is told is told in a microtask of its own, as process.nextTick does in Node.
const EventEmitter = require("node:events");
const { Buffer } = require("node:buffer");
const { checkInteger, checkSignal, fail: refuse, received, wrongOption, wrongType } = platform.load("node_arguments");

/** The oldest interface, of which all streams are. A function, as in Node, so that `Stream.call(this)` works. */
function Stream(options) {
  EventEmitter.call(this, options);
}
Object.setPrototypeOf(Stream.prototype, EventEmitter.prototype);
Object.setPrototypeOf(Stream, EventEmitter);

let smallHighWaterMark = 65536;
let objectHighWaterMark = 16;
const getDefaultHighWaterMark = (objectMode) => (objectMode ? objectHighWaterMark : smallHighWaterMark);
function setDefaultHighWaterMark(objectMode, value) {
  checkInteger(value, "value", 0);
  if (objectMode) objectHighWaterMark = value;
  else smallHighWaterMark = value;
}
/** The high-water mark that options ask for: of both sides, of one of a duplex (`readableHighWaterMark`), or the default. */
function highWaterMarkOf(options, side, objectMode, isDuplex) {
  const value = options?.highWaterMark ?? (isDuplex ? options?.[`${side}HighWaterMark`] : undefined);
  if (value === undefined || value === null) return getDefaultHighWaterMark(objectMode);
  if (!Number.isInteger(value) || value < 0) wrongOption(isDuplex ? `${side}HighWaterMark` : "highWaterMark", value);
  return value;
}
function checkEncoding(encoding) {
  if (!Buffer.isEncoding(encoding)) refuse(TypeError, "ERR_UNKNOWN_ENCODING", modules.node.formatLog(["Unknown encoding: %s", encoding]));
}
function coded(error, code) {
  error.code = code;
  return error;
}
const invalidChunk = (chunk) =>
  coded(
    new TypeError(`The "chunk" argument must be of type string or an instance of Buffer, TypedArray, or DataView. Received ${received(chunk)}`),
    "ERR_INVALID_ARG_TYPE",
  );
const notImplemented = (name) => coded(new Error(`The ${name} method is not implemented`), "ERR_METHOD_NOT_IMPLEMENTED");
const prematureClose = () => coded(new Error("Premature close"), "ERR_STREAM_PREMATURE_CLOSE");
const abortError = (signal) => {
  const error = coded(new Error("The operation was aborted", { cause: signal?.reason }), "ABORT_ERR");
  error.name = "AbortError";
  return error;
};

const statesOf = (stream) => [stream._readableState, stream._writableState].filter((state) => typeof state === "object" && state !== null);
/** What both sides' states begin with. */
const commonState = (options) => ({
  autoDestroy: options?.autoDestroy !== false,
  emitClose: options?.emitClose !== false,
  destroyed: false,
  errored: null,
  closed: false,
  closeEmitted: false,
  errorEmitted: false,
  constructed: true,
});

/** Options' methods become the stream's own; a `construct` is called before the first read or write. */
function begin(stream, options, names) {
  if (options !== null && typeof options === "object") {
    for (const name of names) if (typeof options[name] === "function") stream[`_${name}`] = options[name];
    if (options.signal) addAbortSignal(options.signal, stream);
  }
  if (typeof stream._construct !== "function") return;
  for (const state of statesOf(stream)) state.constructed = false;
  queueMicrotask(() => {
    let called = false;
    const done = (error) => {
      if (called) return;
      called = true;
      for (const state of statesOf(stream)) state.constructed = true;
      if (error) destroy.call(stream, error);
      else stream.emit("nano:constructed");
    };
    try {
      stream._construct(done);
    } catch (error) {
      done(error);
    }
  });
}

function destroy(error, callback) {
  const states = statesOf(this);
  if (states.some((state) => state.destroyed)) {
    callback?.(error);
    return this;
  }
  for (const state of states) {
    state.destroyed = true;
    if (error) state.errored ??= error;
  }
  let called = false;
  const done = (failure) => {
    if (called) return;
    called = true;
    if (failure) for (const state of states) state.errored ??= failure;
    for (const state of states) state.closed = true;
    callback?.(failure);
    queueMicrotask(() => {
      if (failure) tellError(this, failure);
      for (const state of states) state.closeEmitted = true;
      if (states.some((state) => state.emitClose)) this.emit("close");
    });
  };
  const act = () => {
    try {
      this._destroy(error ?? null, done);
    } catch (failure) {
      done(failure);
    }
  };
  if (states.some((state) => !state.constructed)) this.once("nano:constructed", act);
  else act();
  return this;
}
function tellError(stream, error) {
  const states = statesOf(stream);
  if (states.some((state) => state.errorEmitted)) return;
  for (const state of states) state.errorEmitted = true;
  stream.emit("error", error);
}
/** A stream failed: it is destroyed, or where it must not be by itself, told. */
function fail(stream, error) {
  const states = statesOf(stream);
  if (states.some((state) => state.destroyed)) return;
  if (states.some((state) => state.autoDestroy)) {
    stream.destroy(error);
    return;
  }
  for (const state of states) state.errored ??= error;
  queueMicrotask(() => tellError(stream, error));
}

const NO_STREAM = "an instance of ReadableStream, WritableStream, or Stream";
function addAbortSignal(signal, stream) {
  checkSignal(signal, "signal");
  if (!isNodeStream(stream)) wrongType('"stream" argument', NO_STREAM, stream);
  const abort = () => stream.destroy(abortError(signal));
  if (signal.aborted) abort();
  else {
    signal.addEventListener("abort", abort, { once: true });
    stream.once("close", () => signal.removeEventListener("abort", abort));
  }
  return stream;
}

const isNodeStream = (value) =>
  typeof value === "object" &&
  value !== null &&
  (value._readableState !== undefined || value._writableState !== undefined || (typeof value.pipe === "function" && typeof value.on === "function"));
const isReadable = (value) => isNodeStream(value) && value.readable !== undefined && typeof value.read === "function";
const isWritable = (value) => isNodeStream(value) && typeof value.write === "function";

module.exports = {
  Stream, EventEmitter, NO_STREAM, checkEncoding, getDefaultHighWaterMark, setDefaultHighWaterMark, highWaterMarkOf, coded, invalidChunk, notImplemented,
  prematureClose, abortError, commonState, begin, destroy, fail, addAbortSignal, isNodeStream, isReadable, isWritable,
};
