// node:stream, its Writable. Node.js API: https://nodejs.org/api/stream.html#writable-streams
const { Buffer } = require("node:buffer");
const {
  Stream, CONSTRUCTED, calledTwice, checkEncoding, highWaterMarkOf, coded, invalidChunk, later, notImplemented, abortError, commonState, begin, destroy, fail,
} = platform.load("node_stream_common");

const { checkOptions, wrongType } = platform.load("node_arguments");

const nothing = () => {};

function begun(stream, options, isDuplex) {
  const objectMode = !!(options?.objectMode || (isDuplex && options?.writableObjectMode));
  const defaultEncoding = options?.defaultEncoding ?? "utf8";
  checkEncoding(defaultEncoding);
  stream._writableState = {
    ...commonState(options),
    objectMode,
    highWaterMark: highWaterMarkOf(options, "writable", objectMode, isDuplex),
    decodeStrings: options?.decodeStrings !== false,
    defaultEncoding,
    length: 0,
    buffered: [],
    corked: 0,
    writing: false,
    sync: true,
    given: null,
    givenSize: 0,
    tick: null,
    isEmptying: false,
    pendingcb: 0,
    needDrain: false,
    ending: false,
    ended: false,
    finalCalled: false,
    prefinished: false,
    finished: false,
    onFinish: [],
  };
  stream.on(CONSTRUCTED, () => {
    if (!stream._writableState.writing) writeBuffered(stream);
    finishIfDone(stream);
  });
}
function Writable(options) {
  const isDuplex = this !== undefined && this !== null && this._readableState !== undefined;
  if (!isDuplex && !(this instanceof Writable)) return new Writable(options);
  Stream.call(this, options);
  begun(this, options, false);
  begin(this, options, ["write", "writev", "destroy", "final", "construct"]);
}
Object.setPrototypeOf(Writable.prototype, Stream.prototype);
Object.setPrototypeOf(Writable, Stream);
// A Duplex is one as well, though its class is not below.
Object.defineProperty(Writable, Symbol.hasInstance, {
  value(object) {
    return Function.prototype[Symbol.hasInstance].call(this, object) || (this === Writable && object?._writableState !== undefined);
  },
});

const destroyedBefore = (what) => coded(new Error(`Cannot call ${what} after a stream was destroyed`), "ERR_STREAM_DESTROYED");
/** Hand `size` of what is written to the stream's own method; `callback` is told when that is done. */
function give(stream, method, chunk, size, encoding, callback) {
  const state = stream._writableState;
  state.given = callback;
  state.givenSize = size;
  state.writing = state.sync = true;
  const done = (error) => written(stream, error);
  if (state.destroyed) done(destroyedBefore("write"));
  else if (method === "_writev") stream._writev(chunk, done);
  else stream._write(chunk, encoding, done);
  state.sync = false;
}
function written(stream, error) {
  const state = stream._writableState;
  const callback = state.given;
  if (callback === null) {
    fail(stream, calledTwice());
    return;
  }
  const isSync = state.sync;
  state.writing = false;
  state.given = null;
  state.length -= state.givenSize;
  state.givenSize = 0;
  if (error) {
    state.errored ||= error;
    if (stream._readableState) stream._readableState.errored ||= error;
    const tell = () => {
      state.pendingcb--;
      callback(error);
      failBuffered(state);
      fail(stream, error);
    };
    if (isSync) later(tell);
    else tell();
    return;
  }
  writeBuffered(stream);
  if (!isSync) afterWrites(stream, 1, callback);
  else if (callback === nothing && !state.objectMode && !(state.needDrain && state.length === 0)) {
    // Nobody is to be told: it counts as done at once.
    state.pendingcb--;
    finishIfDone(stream, true);
  } else if (state.tick?.callback === callback) state.tick.count++;
  else {
    // One tick tells of all writes with the same callback, or none, that end in a row.
    const tick = (state.tick = { callback, count: 1 });
    later(() => {
      state.tick = null;
      afterWrites(stream, tick.count, callback);
    });
  }
}
function afterWrites(stream, count, callback) {
  const state = stream._writableState;
  if (!state.ending && !stream.destroyed && state.length === 0 && state.needDrain) {
    state.needDrain = false;
    stream.emit("drain");
  }
  while (count-- > 0) {
    state.pendingcb--;
    callback(null);
  }
  if (state.destroyed) failBuffered(state);
  finishIfDone(stream, true);
}
/** What was not written never will be. */
function failBuffered(state) {
  if (state.writing) return;
  for (const each of state.buffered.splice(0)) {
    state.length -= each.size;
    each.callback(state.errored ?? destroyedBefore("write"));
  }
  tellFinish(state, state.errored ?? destroyedBefore("end"));
}
function writeBuffered(stream) {
  const state = stream._writableState;
  if (state.corked || state.isEmptying || state.destroyed || !state.constructed) return;
  state.isEmptying = true;
  if (state.buffered.length > 1 && typeof stream._writev === "function") {
    const all = state.buffered.splice(0);
    state.pendingcb -= all.length - 1;
    const chunks = all.map(({ chunk, encoding }) => ({ chunk, encoding }));
    give(stream, "_writev", chunks, state.length, "", (error) => {
      for (const each of all) each.callback(error);
    });
  } else {
    while (state.buffered.length > 0 && !state.writing) {
      const { chunk, size, encoding, callback } = state.buffered.shift();
      give(stream, "_write", chunk, size, encoding, callback);
    }
  }
  state.isEmptying = false;
}
const mayFinish = (state) =>
  state.ending && !state.destroyed && state.constructed && state.length === 0 && !state.errored && state.buffered.length === 0 &&
  !state.finished && !state.writing && !state.errorEmitted && !state.closeEmitted;
function finishIfDone(stream, isSync = false) {
  const state = stream._writableState;
  if (!mayFinish(state)) return;
  if (!state.prefinished && !state.finalCalled) {
    if (typeof stream._final === "function" && !state.destroyed) {
      state.finalCalled = true;
      callFinal(stream);
    } else {
      state.prefinished = true;
      stream.emit("prefinish");
    }
  }
  if (state.pendingcb !== 0) return;
  if (isSync) {
    state.pendingcb++;
    later(() => {
      if (mayFinish(state)) finish(stream);
      else state.pendingcb--;
    });
  } else if (mayFinish(state)) {
    state.pendingcb++;
    finish(stream);
  }
}
function callFinal(stream) {
  const state = stream._writableState;
  let called = false;
  const done = (error) => {
    if (called) {
      fail(stream, error ?? calledTwice());
      return;
    }
    called = true;
    state.pendingcb--;
    if (error) {
      tellFinish(state, error);
      fail(stream, error, state.sync);
    } else if (mayFinish(state)) {
      state.prefinished = true;
      stream.emit("prefinish");
      state.pendingcb++;
      later(finish, stream);
    }
  };
  state.sync = true;
  state.pendingcb++;
  try {
    stream._final(done);
  } catch (error) {
    done(error);
  }
  state.sync = false;
}
function finish(stream) {
  const state = stream._writableState;
  state.pendingcb--;
  state.finished = true;
  tellFinish(state, null);
  stream.emit("finish");
  if (!state.autoDestroy) return;
  const other = stream._readableState;
  if (!other || (other.autoDestroy && (other.endEmitted || other.readable === false))) stream.destroy();
}
function tellFinish(state, error) {
  for (const callback of state.onFinish.splice(0)) callback(error);
}
/** The error of a write that is refused. */
function write(stream, chunk, encoding, callback) {
  const state = stream._writableState;
  if (typeof encoding === "function") [encoding, callback] = [null, encoding];
  if (typeof callback !== "function") callback = nothing;
  // Objects have none.
  if (!state.objectMode) {
    if (encoding && encoding !== "buffer") checkEncoding(encoding);
    encoding = encoding || state.defaultEncoding;
  }
  if (chunk === null) throw coded(new TypeError("May not write null values to stream"), "ERR_STREAM_NULL_VALUES");
  if (!state.objectMode) {
    if (typeof chunk === "string") {
      if (state.decodeStrings) [chunk, encoding] = [Buffer.from(chunk, encoding), "buffer"];
    } else if (ArrayBuffer.isView(chunk)) {
      if (!(chunk instanceof Buffer)) chunk = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      encoding = "buffer";
    } else throw invalidChunk(chunk);
  }
  const refused = state.ending
    ? coded(new Error("write after end"), "ERR_STREAM_WRITE_AFTER_END")
    : state.destroyed
      ? destroyedBefore("write")
      : null;
  if (refused !== null) {
    later(callback, refused);
    fail(stream, refused, true);
    return refused;
  }
  const size = state.objectMode ? 1 : chunk.length;
  state.pendingcb++;
  state.length += size;
  if (state.writing || state.corked || state.errored || !state.constructed) state.buffered.push({ chunk, encoding, callback, size });
  else give(stream, "_write", chunk, size, encoding, callback);
  // What was written at once needs no drain.
  const mayGoOn = state.length < state.highWaterMark || state.length === 0;
  if (!mayGoOn) state.needDrain = true;
  return mayGoOn && !state.errored && !state.destroyed;
}

const methods = {
  write(chunk, encoding, callback) {
    return write(this, chunk, encoding, callback) === true;
  },
  end(chunk, encoding, callback) {
    const state = this._writableState;
    if (typeof chunk === "function") [chunk, encoding, callback] = [undefined, undefined, chunk];
    else if (typeof encoding === "function") [encoding, callback] = [null, encoding];
    let refused = null;
    if (chunk !== undefined && chunk !== null) {
      const outcome = write(this, chunk, encoding);
      if (typeof outcome !== "boolean") refused = outcome;
    }
    if (state.corked) {
      state.corked = 1;
      this.uncork();
    }
    if (refused === null) {
      if (!state.errored && !state.ending) {
        state.ending = true;
        finishIfDone(this, true);
        state.ended = true;
      } else if (state.finished) refused = coded(new Error("Cannot call end after a stream was finished"), "ERR_STREAM_ALREADY_FINISHED");
      else if (state.destroyed) refused = destroyedBefore("end");
    }
    if (typeof callback === "function") {
      if (refused !== null) later(callback, refused);
      else if (state.errored) later(callback, state.errored);
      else if (state.finished) later(callback, null);
      else state.onFinish.push(callback);
    }
    return this;
  },
  cork() {
    this._writableState.corked++;
  },
  uncork() {
    const state = this._writableState;
    if (state.corked > 0) {
      state.corked--;
      if (!state.writing) writeBuffered(this);
    }
  },
  setDefaultEncoding(encoding) {
    if (typeof encoding === "string") encoding = encoding.toLowerCase();
    checkEncoding(encoding);
    this._writableState.defaultEncoding = encoding;
    return this;
  },
  destroy(error, callback) {
    const state = this._writableState;
    if (!state.destroyed && (state.buffered.length > 0 || state.onFinish.length > 0)) later(failBuffered, state);
    return destroy.call(this, error, callback);
  },
  _destroy(error, callback) {
    callback(error);
  },
  _write(chunk, encoding, callback) {
    if (typeof this._writev !== "function") throw notImplemented("_write()");
    this._writev([{ chunk, encoding }], callback);
  },
};
const getters = {
  writable() {
    const state = this._writableState;
    return state.writable !== false && !state.destroyed && !state.errored && !state.ending && !state.ended;
  },
  writableFinished() {
    return this._writableState.finished;
  },
  writableObjectMode() {
    return this._writableState.objectMode;
  },
  writableEnded() {
    return this._writableState.ending;
  },
  writableNeedDrain() {
    const state = this._writableState;
    return !state.destroyed && !state.ending && state.needDrain;
  },
  writableHighWaterMark() {
    return this._writableState.highWaterMark;
  },
  writableLength() {
    return this._writableState.length;
  },
  writableCorked() {
    return this._writableState.corked;
  },
  writableAborted() {
    const state = this._writableState;
    return (state.destroyed || !!state.errored) && !state.finished;
  },
  closed() {
    return this._writableState.closed;
  },
  errored() {
    return this._writableState.errored;
  },
};
for (const [name, value] of Object.entries(methods)) Object.defineProperty(Writable.prototype, name, { value, writable: true, configurable: true });
for (const [name, get] of Object.entries(getters)) Object.defineProperty(Writable.prototype, name, { get, configurable: true });
// Old libraries make a stream unwritable by assignment.
Object.defineProperty(Writable.prototype, "writable", {
  get: getters.writable,
  set(value) {
    Object.defineProperty(this, "writable", { value, writable: true, configurable: true, enumerable: true });
  },
  configurable: true,
});
Object.defineProperty(Writable.prototype, "destroyed", {
  get() {
    return this._writableState?.destroyed ?? false;
  },
  set(value) {
    if (this._writableState) this._writableState.destroyed = value;
  },
  configurable: true,
});
Writable.prototype.pipe = function () {
  fail(this, coded(new Error("Cannot pipe, not readable"), "ERR_STREAM_CANNOT_PIPE"));
};
Writable.prototype[Symbol.asyncDispose] = function () {
  const error = this.destroyed || this.writableFinished ? null : abortError();
  if (!this.destroyed) this.destroy(error);
  const { finished } = platform.load("node_stream_ends");
  return new Promise((resolve, reject) => finished(this, (failure) => (failure && failure !== error ? reject(failure) : resolve(null))));
};

/** A stream of Node's that writes to one of the Web's. */
Writable.fromWeb = (stream, options) => {
  if (!(stream instanceof WritableStream)) wrongType('"writableStream" argument', "an instance of WritableStream", stream);
  if (options !== undefined) checkOptions(options);
  const writer = stream.getWriter();
  const writable = new Writable({
    ...options,
    write(chunk, encoding, callback) {
      writer.ready.then(() => writer.write(chunk)).then(() => callback(), callback);
    },
    final(callback) {
      writer.close().then(() => callback(), callback);
    },
    destroy(error, callback) {
      if (this.writableFinished) callback(error);
      else writer.abort(error).then(() => callback(error), () => callback(error));
    },
  });
  writer.closed.catch((error) => writable.destroy(error));
  return writable;
};
/** A stream of the Web's that writes to one of Node's. */
Writable.toWeb = (writable) => {
  if (writable?._writableState === undefined) wrongType('"streamWritable" argument', "an stream.Writable", writable);
  let failed = null;
  let stop;
  writable.on("error", (error) => {
    failed = error;
  });
  writable.on("close", () => {
    if (!writable.writableFinished) stop?.error(failed ?? abortError());
  });
  return new WritableStream(
    {
      start(controller) {
        stop = controller;
      },
      write(chunk) {
        if (writable.write(chunk)) return undefined;
        return new Promise((resolve, reject) => {
          writable.once("drain", resolve);
          writable.once("close", () => reject(failed ?? abortError()));
        });
      },
      close: () => new Promise((resolve, reject) => writable.end((error) => (error ? reject(error) : resolve()))),
      abort(reason) {
        writable.destroy(reason instanceof Error ? reason : undefined);
      },
    },
    new CountQueuingStrategy({ highWaterMark: writable.writableObjectMode ? writable.writableHighWaterMark : 1 }),
  );
};
module.exports = { Writable, begun };
