// node:stream, its Writable. Node.js API: https://nodejs.org/api/stream.html#writable-streams
const { Buffer } = require("node:buffer");
const { Stream, checkEncoding, highWaterMarkOf, coded, invalidChunk, notImplemented, abortError, commonState, begin, destroy, fail } =
  platform.load("node_stream_common");

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
    needDrain: false,
    ending: false,
    ended: false,
    finalCalled: false,
    prefinished: false,
    finished: false,
    onFinish: [],
  };
  stream.on("nano:constructed", () => {
    writeBuffered(stream);
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

function give(stream, chunks, encoding, callback) {
  const state = stream._writableState;
  let isSync = true;
  state.writing = true;
  const size = chunks.reduce((sum, each) => sum + each.size, 0);
  const done = (error) => {
    if (!state.writing || state.given !== done) {
      fail(stream, coded(new Error("Callback called multiple times"), "ERR_MULTIPLE_CALLBACK"));
      return;
    }
    state.writing = false;
    state.given = null;
    state.length -= size;
    const after = () => {
      if (error) {
        callback(error);
        fail(stream, error);
        return;
      }
      const isDrained = !state.ending && !state.destroyed && state.length === 0 && state.needDrain;
      if (isDrained) {
        state.needDrain = false;
        stream.emit("drain");
      }
      callback(null);
      finishIfDone(stream);
    };
    if (error) state.errored ??= error;
    else writeBuffered(stream);
    if (isSync) queueMicrotask(after);
    else after();
  };
  state.given = done;
  try {
    if (chunks.length > 1) stream._writev(chunks.map(({ chunk, encoding }) => ({ chunk, encoding })), done);
    else stream._write(chunks[0].chunk, encoding, done);
  } catch (error) {
    state.writing = false;
    fail(stream, error);
  }
  isSync = false;
}
function writeBuffered(stream) {
  const state = stream._writableState;
  while (state.buffered.length > 0 && !state.writing && !state.corked && !state.destroyed && !state.errored && state.constructed) {
    if (state.buffered.length > 1 && typeof stream._writev === "function") {
      const all = state.buffered.splice(0);
      give(stream, all, "buffer", (error) => {
        for (const each of all) each.callback(error);
      });
    } else {
      const next = state.buffered.shift();
      give(stream, [next], next.encoding, next.callback);
    }
  }
}
function finishIfDone(stream) {
  const state = stream._writableState;
  if (!state.ending || state.length > 0 || state.writing || state.buffered.length > 0) return;
  if (state.destroyed || state.errored || state.finished || !state.constructed || state.finalCalled) return;
  state.finalCalled = true;
  const done = (error) => {
    if (error) {
      failWaiting(state, error);
      fail(stream, error);
      return;
    }
    if (state.prefinished) return;
    state.prefinished = true;
    stream.emit("prefinish");
    queueMicrotask(() => {
      if (state.errored || state.destroyed) return;
      state.finished = true;
      for (const callback of state.onFinish.splice(0)) callback();
      stream.emit("finish");
      const other = stream._readableState;
      if (state.autoDestroy && (other === undefined || (other.autoDestroy && other.endEmitted))) stream.destroy();
    });
  };
  if (typeof stream._final !== "function") {
    done();
    return;
  }
  try {
    stream._final(done);
  } catch (error) {
    done(error);
  }
}
function failWaiting(state, error) {
  for (const callback of state.onFinish.splice(0)) callback(error);
}

const methods = {
  write(chunk, encoding, callback) {
    const state = this._writableState;
    if (typeof encoding === "function") [encoding, callback] = [undefined, encoding];
    if (typeof callback !== "function") callback = nothing;
    if (encoding && encoding !== "buffer" && !state.objectMode) checkEncoding(encoding);
    encoding = encoding || state.defaultEncoding;
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
        ? coded(new Error("Cannot call write after a stream was destroyed"), "ERR_STREAM_DESTROYED")
        : null;
    if (refused !== null) {
      queueMicrotask(() => callback(refused));
      fail(this, refused);
      return false;
    }
    const size = state.objectMode ? 1 : chunk.length;
    state.length += size;
    const mayGoOn = state.length < state.highWaterMark;
    if (!mayGoOn) state.needDrain = true;
    if (state.writing || state.corked || state.errored || !state.constructed) {
      state.buffered.push({ chunk, encoding, callback, size });
    } else give(this, [{ chunk, encoding, size }], encoding, callback);
    return mayGoOn && !state.errored && !state.destroyed;
  },
  end(chunk, encoding, callback) {
    const state = this._writableState;
    if (typeof chunk === "function") [chunk, encoding, callback] = [undefined, undefined, chunk];
    else if (typeof encoding === "function") [encoding, callback] = [undefined, encoding];
    let refused = null;
    if (chunk !== undefined && chunk !== null && !state.ending) this.write(chunk, encoding);
    else if (state.finished) refused = coded(new Error("Cannot call end after a stream was finished"), "ERR_STREAM_ALREADY_FINISHED");
    else if (state.destroyed) refused = coded(new Error("Cannot call end after a stream was destroyed"), "ERR_STREAM_DESTROYED");
    if (state.corked) {
      state.corked = 1;
      this.uncork();
    }
    if (refused === null && !state.ending && !state.errored) {
      state.ending = true;
      finishIfDone(this);
      state.ended = true;
    }
    if (typeof callback === "function") {
      if (refused !== null) queueMicrotask(() => callback(refused));
      else if (state.finished) queueMicrotask(() => callback());
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
      writeBuffered(this);
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
    const isFirst = !state.destroyed;
    destroy.call(this, error, callback);
    if (isFirst && (state.buffered.length > 0 || state.onFinish.length > 0)) {
      const lost = state.errored ?? coded(new Error("Cannot call write after a stream was destroyed"), "ERR_STREAM_DESTROYED");
      const waiting = state.buffered.splice(0);
      queueMicrotask(() => {
        for (const each of waiting) each.callback(lost);
        failWaiting(state, state.errored ?? coded(new Error("Premature close"), "ERR_STREAM_PREMATURE_CLOSE"));
      });
    }
    return this;
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
    return !state.destroyed && !state.errored && !state.ending && !state.ended;
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
  if (!this.destroyed) this.destroy(this.writableFinished ? null : abortError());
  return new Promise((resolve) => {
    if (this.closed) resolve();
    else this.once("close", resolve);
  });
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
