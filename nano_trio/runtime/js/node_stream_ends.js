// node:stream, finished() and what else asks how far a stream is. Node.js API: https://nodejs.org/api/stream.html#streamfinishedstream-options-callback
const { checkFunction, checkOptions, checkSignal, wrongType } = platform.load("node_arguments");
const { NO_STREAM, abortError, bothErrors, isNodeStream, later, prematureClose, statesOf } = platform.load("node_stream_common");

/** Whether it has that side: a duplex may have been made without one. */
const reads = (stream) => typeof stream?.pipe === "function" && (!stream._writableState || (!!stream._readableState && stream._readableState.readable !== false));
const writes = (stream) => typeof stream?.write === "function" && (!stream._readableState || stream._writableState?.writable !== false);
/** Whether that side is over, or will be as soon as it is told. */
const isEnded = ({ _readableState: state }) => !!state && !state.errored && (state.endEmitted || (state.ended && state.length === 0));
const isFinished = ({ _writableState: state }) => !!state && (state.finished || (!state.errored && state.ended && state.length === 0));
const isDestroyed = (stream) => !!stream.destroyed || statesOf(stream).some((state) => state.destroyed);

/** null: it has no such side. */
function isReadableNow(stream) {
  if (typeof stream?.readable !== "boolean") return null;
  return !isDestroyed(stream) && reads(stream) && stream.readable && !stream._readableState?.endEmitted;
}
function isWritableNow(stream) {
  if (typeof stream?.writable !== "boolean") return null;
  return !isDestroyed(stream) && writes(stream) && stream.writable && !stream._writableState?.ending;
}
/** Destroy a stream that is not yet: without an error of its own, by an AbortError, unless it was over. */
function destroyUnfinished(stream, error) {
  if (!isNodeStream(stream) || isDestroyed(stream)) return;
  stream.destroy(error || (isReadableNow(stream) || isWritableNow(stream) ? abortError() : null));
}

/** Call back once, when a stream has ended, finished or failed; returns what undoes that. */
function finished(stream, options, callback) {
  if (arguments.length === 2) [options, callback] = [undefined, options];
  else if (options !== undefined && options !== null) checkOptions(options);
  checkFunction(callback, "callback");
  if (options?.signal !== undefined) checkSignal(options.signal, "options.signal");
  if (stream instanceof ReadableStream || stream instanceof WritableStream) {
    const { Readable, Writable } = require("node:stream");
    return finished(stream instanceof ReadableStream ? Readable.fromWeb(stream) : Writable.fromWeb(stream), options, callback);
  }
  if (!isNodeStream(stream)) wrongType('"stream" argument', NO_STREAM, stream);
  const { signal } = options ?? {};
  const bound = platform.bind?.(callback) ?? callback;
  const states = statesOf(stream);
  const readable = options?.readable ?? reads(stream);
  const writable = options?.writable ?? writes(stream);
  const isWhole = reads(stream) === readable && writes(stream) === writable;
  const own = stream._writableState ?? stream._readableState;
  // Where it destroys itself the end is told when it has.
  let willClose = isWhole && !!own && own.autoDestroy && own.emitClose && own.closed === false;
  let hasEnded = isEnded(stream);
  let hasFinished = isFinished(stream);
  let isTold = false;
  const tell = (...args) => {
    if (isTold) return;
    isTold = true;
    signal?.removeEventListener("abort", aborted);
    bound.apply(stream, args);
  };
  const ended = () => {
    hasEnded = true;
    if (stream.destroyed) willClose = false;
    if (willClose && (!stream.readable || writable)) return;
    if (!writable || hasFinished) tell();
  };
  const done = () => {
    hasFinished = true;
    if (stream.destroyed) willClose = false;
    if (willClose && (!stream.writable || readable)) return;
    if (!readable || hasEnded) tell();
  };
  const errorOf = () => states.map((state) => state.errored).find((error) => error && typeof error !== "boolean");
  const closed = () => {
    const error = errorOf();
    if (error) tell(error);
    else if (readable && !hasEnded && !isEnded(stream)) tell(prematureClose());
    else if (writable && !hasFinished && !isFinished(stream)) tell(prematureClose());
    else tell();
  };
  const over = () => {
    const error = errorOf();
    if (error) tell(error);
    else tell();
  };
  const aborted = () => {
    stop();
    tell(abortError(signal));
  };
  const failed = (error) => tell(error);
  function stop() {
    stream.removeListener("end", ended);
    stream.removeListener("finish", done);
    stream.removeListener("close", closed);
    stream.removeListener("error", failed);
    signal?.removeEventListener("abort", aborted);
  }
  stream.on("end", ended);
  stream.on("finish", done);
  if (options?.error !== false) stream.on("error", failed);
  stream.on("close", closed);
  if (states.some((state) => state.closed)) later(closed);
  else if (states.some((state) => state.errorEmitted)) {
    if (!willClose) later(over);
  } else if (
    !readable && (!willClose || isReadableNow(stream)) && (hasFinished || isWritableNow(stream) === false)
    && !stream._writableState?.pendingcb
  ) later(over);
  else if (!writable && (!willClose || isWritableNow(stream)) && (hasEnded || isReadableNow(stream) === false)) later(over);
  if (signal?.aborted) later(aborted);
  else signal?.addEventListener("abort", aborted, { once: true });
  return () => {
    isTold = true;
    stop();
  };
}
module.exports = { bothErrors, destroyUnfinished, finished, isEnded, isReadableNow, isWritableNow, reads, writes };
