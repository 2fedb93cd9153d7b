// What node:stream's readable and writable sides share: errors, destruction, web streams told apart.
// Node.js API, Stream: https://nodejs.org/api/stream.html
//
// A stream has a state for each side that it has, `_readableState` and `_writableState`; `destroyed`, `errored` and `closed`
// are the same in both. What is told is told in a microtask of its own, as process.nextTick does in Node.
const EventEmitter = require("node:events");

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
  if (objectMode) objectHighWaterMark = value;
  else smallHighWaterMark = value;
}
/** The high-water mark that options ask for: of one side (`readableHighWaterMark`), of both, or the default. */
function highWaterMarkOf(options, side, objectMode) {
  const value = options?.highWaterMark ?? options?.[`${side}HighWaterMark`];
  if (value === undefined || value === null) return getDefaultHighWaterMark(objectMode);
  if (!Number.isInteger(value) || value < 0) {
    throw coded(new TypeError(`The property 'options.highWaterMark' is invalid. Received ${String(value)}`), "ERR_INVALID_ARG_VALUE");
  }
  return value;
}
function coded(error, code) {
  error.code = code;
  return error;
}
const invalidChunk = (chunk) =>
  coded(
    new TypeError(
      'The "chunk" argument must be of type string or an instance of Buffer, TypedArray, or DataView. Received ' +
        (chunk === null || typeof chunk !== "object" ? `type ${typeof chunk}` : `an instance of ${chunk.constructor?.name}`),
    ),
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

function addAbortSignal(signal, stream) {
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
  Stream, EventEmitter, getDefaultHighWaterMark, setDefaultHighWaterMark, highWaterMarkOf, coded, invalidChunk, notImplemented,
  prematureClose, abortError, commonState, begin, destroy, fail, addAbortSignal, isNodeStream, isReadable, isWritable,
};
