// What node:stream's readable and writable sides share: errors, destruction, web streams told apart.
// Node.js API, Stream: https://nodejs.org/api/stream.html
//
// A stream has a state for each side that it has, `_readableState` and `_writableState`; `destroyed`, `errored` and `closed`
// are the same in both. What is told later is told in a tick, as in Node: `later(function, ...arguments)`.
const EventEmitter = require("node:events");
const { Buffer } = require("node:buffer");
const { checkInteger, checkSignal, fail: refuse, received, wrongOption, wrongType } = platform.load("node_arguments");

const { add } = platform.load("ticks");
const later = (callback, ...args) => add(callback, args);
/** What a stream emits to itself: it was constructed; or it is to be destroyed, once it is. */
const CONSTRUCTED = Symbol("constructed");
const DESTROYED = Symbol("destroyed");

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
  later(() => {
    let called = false;
    const done = (error) => {
      if (called) {
        fail(stream, error ?? calledTwice());
        return;
      }
      called = true;
      const states = statesOf(stream);
      for (const state of states) state.constructed = true;
      if (states.some((state) => state.destroyed)) stream.emit(DESTROYED, error);
      else if (error) fail(stream, error, true);
      else stream.emit(CONSTRUCTED);
    };
    try {
      stream._construct((error) => later(done, error));
    } catch (error) {
      later(done, error);
    }
  });
}
const calledTwice = () => coded(new Error("Callback called multiple times"), "ERR_MULTIPLE_CALLBACK");

/** Of two errors the first is what is told, with both inside. */
function bothErrors(first, second) {
  if (!first || !second || first === second) return first || second;
  if (Array.isArray(first.errors)) {
    first.errors.push(second);
    return first;
  }
  return coded(new AggregateError([second, first], second.message), second.code);
}
function note(states, error) {
  if (error) for (const state of states) state.errored ||= error;
}
function destroy(error, callback) {
  const states = statesOf(this);
  if (states.some((state) => state.destroyed)) {
    callback?.();
    return this;
  }
  note(states, error);
  for (const state of states) state.destroyed = true;
  const act = (failure) => {
    let called = false;
    const done = (told) => {
      if (called) return;
      called = true;
      note(states, told);
      for (const state of states) state.closed = true;
      callback?.(told);
      later(() => {
        if (told) tellError(this, told);
        for (const state of states) state.closeEmitted = true;
        if (states.some((state) => state.emitClose)) this.emit("close");
      });
    };
    try {
      this._destroy(failure || null, done);
    } catch (thrown) {
      done(thrown);
    }
  };
  if (states.some((state) => !state.constructed)) this.once(DESTROYED, (failure) => act(bothErrors(failure, error)));
  else act(error);
  return this;
}
function tellError(stream, error) {
  const states = statesOf(stream);
  if (states.some((state) => state.errorEmitted)) return;
  for (const state of states) state.errorEmitted = true;
  stream.emit("error", error);
}
/** A stream failed: it is destroyed, or where it must not be by itself, told; `isSync`: in the midst of what its user calls. */
function fail(stream, error, isSync = false) {
  const states = statesOf(stream);
  if (states.some((state) => state.destroyed)) return;
  if (states.some((state) => state.autoDestroy)) {
    stream.destroy(error);
    return;
  }
  note(states, error);
  if (isSync) later(tellError, stream, error);
  else tellError(stream, error);
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
  prematureClose, abortError, later, CONSTRUCTED, calledTwice, bothErrors, statesOf, commonState, begin, destroy, fail, addAbortSignal, isNodeStream, isReadable, isWritable,
};
