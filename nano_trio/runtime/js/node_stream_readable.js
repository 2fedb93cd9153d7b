// node:stream, its Readable. Node.js API: https://nodejs.org/api/stream.html#readable-streams
//
// A stream is paused (`flowing` false or, before anything asked, null) or flows. What `_read` pushes is kept up to the
// high-water mark, or goes to `data` listeners at once where the stream flows and nothing is kept.
const { Buffer } = require("node:buffer");
const { checkOptions } = platform.load("node_arguments");
const { StringDecoder } = require("node:string_decoder");
const {
  Stream, EventEmitter, CONSTRUCTED, bothErrors, checkEncoding, highWaterMarkOf, coded, invalidChunk, later, notImplemented, abortError, commonState, begin, destroy, fail,
} = platform.load("node_stream_common");

function decoderOf(encoding) {
  if (encoding) checkEncoding(encoding);
  return new StringDecoder(encoding);
}
function begun(stream, options, isDuplex) {
  const objectMode = !!(options?.objectMode || (isDuplex && options?.readableObjectMode));
  const encoding = options?.encoding || null;
  stream._readableState = {
    ...commonState(options),
    objectMode,
    highWaterMark: highWaterMarkOf(options, "readable", objectMode, isDuplex),
    encoding,
    decoder: encoding === null ? null : decoderOf(encoding),
    buffer: [],
    length: 0,
    flowing: null,
    ended: false,
    endEmitted: false,
    reading: false,
    sync: true,
    needReadable: false,
    emittedReadable: false,
    readableListening: false,
    resumeScheduled: false,
    readingMore: false,
    dataEmitted: false,
    paused: null,
    pipes: [],
    /** Those piped to that are to drain before more is read. */
    waitsFor: new Set(),
  };
  stream.on(CONSTRUCTED, () => {
    if (stream._readableState.needReadable) readMore(stream);
  });
}
function Readable(options) {
  if (!(this instanceof Readable)) return new Readable(options);
  Stream.call(this, options);
  begun(this, options, false);
  begin(this, options, ["read", "destroy", "construct"]);
}
Object.setPrototypeOf(Readable.prototype, Stream.prototype);
Object.setPrototypeOf(Readable, Stream);

const sizeOf = (state, chunk) => (state.objectMode ? 1 : chunk.length);

function add(stream, chunk, encoding, atFront) {
  const state = stream._readableState;
  if (!state.objectMode) {
    if (typeof chunk === "string") {
      if (typeof encoding !== "string" || encoding === "") encoding = "utf8";
      if (state.encoding === null || atFront) chunk = Buffer.from(chunk, encoding);
      else if (encoding !== state.encoding) chunk = Buffer.from(chunk, encoding);
    } else if (ArrayBuffer.isView(chunk)) {
      if (!(chunk instanceof Buffer)) chunk = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    } else if (chunk !== null && chunk !== undefined) {
      fail(stream, invalidChunk(chunk));
      return false;
    }
  }
  if (chunk === null) {
    state.reading = false;
    reachEnd(stream);
    return false;
  }
  if (state.objectMode || (chunk !== undefined && chunk.length > 0)) {
    if (atFront ? state.endEmitted : state.ended) {
      const text = atFront ? "stream.unshift() after end event" : "stream.push() after EOF";
      fail(stream, coded(new Error(text), atFront ? "ERR_STREAM_UNSHIFT_AFTER_END_EVENT" : "ERR_STREAM_PUSH_AFTER_EOF"));
      return false;
    }
    if (state.destroyed || state.errored) return false;
    if (!atFront) state.reading = false;
    if (state.decoder !== null && typeof chunk !== "string" && !atFront) chunk = state.decoder.write(chunk);
    else if (state.decoder !== null && atFront && typeof chunk !== "string") chunk = chunk.toString(state.encoding);
    if (state.objectMode || chunk.length > 0) keep(stream, chunk, atFront);
    else readMore(stream);
  } else if (!atFront) {
    state.reading = false;
    readMore(stream);
  }
  return !state.ended && (state.length < state.highWaterMark || state.length === 0);
}
function keep(stream, chunk, atFront) {
  const state = stream._readableState;
  if (state.flowing && state.length === 0 && !state.sync && stream.listenerCount("data") > 0) {
    state.waitsFor.clear();
    state.dataEmitted = true;
    stream.emit("data", chunk);
  } else {
    state.length += sizeOf(state, chunk);
    if (atFront) state.buffer.unshift(chunk);
    else state.buffer.push(chunk);
    if (state.needReadable) tellReadable(stream);
  }
  readMore(stream);
}
function reachEnd(stream) {
  const state = stream._readableState;
  if (state.ended) return;
  if (state.decoder !== null) {
    const rest = state.decoder.end();
    if (rest.length > 0) {
      state.buffer.push(rest);
      state.length += sizeOf(state, rest);
    }
  }
  state.ended = true;
  if (state.sync) tellReadable(stream);
  else {
    state.needReadable = false;
    state.emittedReadable = true;
    tellReadableNow(stream);
  }
}
function tellReadable(stream) {
  const state = stream._readableState;
  state.needReadable = false;
  if (state.emittedReadable) return;
  state.emittedReadable = true;
  later(tellReadableNow, stream);
}
function tellReadableNow(stream) {
  const state = stream._readableState;
  if (!state.destroyed && !state.errored && (state.length > 0 || state.ended)) {
    stream.emit("readable");
    state.emittedReadable = false;
  }
  state.needReadable = !state.flowing && !state.ended && state.length <= state.highWaterMark;
  flow(stream);
}
function flow(stream) {
  while (stream._readableState.flowing && stream.read() !== null);
}
function readMore(stream) {
  const state = stream._readableState;
  if (state.readingMore || !state.constructed) return;
  state.readingMore = true;
  later(() => {
    while (!state.reading && !state.ended && (state.length < state.highWaterMark || (state.flowing && state.length === 0))) {
      const before = state.length;
      stream.read(0);
      if (before === state.length) break;
    }
    state.readingMore = false;
  });
}
/** How much of what is kept, or to be, a read of `size` gives. */
function readableSize(state, size) {
  if (size <= 0 || (state.length === 0 && state.ended)) return 0;
  if (state.objectMode) return 1;
  if (Number.isNaN(size)) return state.flowing && state.length > 0 ? state.buffer[0].length : state.length;
  if (size <= state.length) return size;
  return state.ended ? state.length : 0;
}
function take(state, size) {
  if (state.length === 0) return null;
  if (state.objectMode) return state.buffer.shift();
  const isText = state.decoder !== null;
  if (size >= state.length) {
    const all = state.buffer.splice(0);
    return all.length === 1 ? all[0] : isText ? all.join("") : Buffer.concat(all);
  }
  const parts = [];
  for (let missing = size; missing > 0; ) {
    const first = state.buffer[0];
    if (first.length <= missing) parts.push(state.buffer.shift());
    else {
      parts.push(first.slice(0, missing));
      state.buffer[0] = first.slice(missing);
    }
    missing -= parts.at(-1).length;
  }
  return parts.length === 1 ? parts[0] : isText ? parts.join("") : Buffer.concat(parts);
}
function finish(stream) {
  const state = stream._readableState;
  if (state.endEmitted) return;
  state.ended = true;
  later(() => {
    if (state.errored || state.closeEmitted || state.endEmitted || state.length > 0) return;
    state.endEmitted = true;
    stream.emit("end");
    const other = stream._writableState;
    if (stream.writable && stream.allowHalfOpen === false) {
      later(() => {
        if (stream.writable && !stream.writableEnded && !stream.destroyed) stream.end();
      });
    } else if (state.autoDestroy && (!other || (other.autoDestroy && (other.finished || other.writable === false)))) {
      stream.destroy();
    }
  });
}

const methods = {
  push(chunk, encoding) {
    return add(this, chunk, encoding, false);
  },
  unshift(chunk, encoding) {
    return add(this, chunk, encoding, true);
  },
  read(size) {
    const state = this._readableState;
    const asked = size === undefined ? NaN : Number.parseInt(size, 10);
    if (asked > state.highWaterMark) state.highWaterMark = 2 ** Math.ceil(Math.log2(asked));
    if (asked !== 0) state.emittedReadable = false;
    if (asked === 0 && state.needReadable && (state.length >= state.highWaterMark ? state.highWaterMark > 0 || state.length > 0 : state.ended)) {
      if (state.length === 0 && state.ended) finish(this);
      else tellReadable(this);
      return null;
    }
    let amount = readableSize(state, asked);
    if (amount === 0 && state.ended) {
      if (state.length === 0) finish(this);
      return null;
    }
    const wants = state.needReadable || state.length === 0 || state.length - amount < state.highWaterMark;
    if (wants && !state.ended && !state.reading && !state.destroyed && !state.errored && state.constructed) {
      state.reading = state.sync = true;
      if (state.length === 0) state.needReadable = true;
      try {
        this._read(state.highWaterMark);
      } catch (error) {
        fail(this, error);
      }
      state.sync = false;
      if (!state.reading) amount = readableSize(state, asked);
    }
    const result = amount > 0 ? take(state, amount) : null;
    if (result === null) {
      state.needReadable = state.length <= state.highWaterMark;
      amount = 0;
    } else {
      state.length -= state.objectMode ? 1 : amount;
      state.waitsFor.clear();
    }
    if (state.length === 0) {
      if (!state.ended) state.needReadable = true;
      else if (asked !== amount) finish(this);
    }
    if (result !== null && !state.errorEmitted && !state.closeEmitted) {
      state.dataEmitted = true;
      this.emit("data", result);
    }
    return result;
  },
  _read() {
    throw notImplemented("_read()");
  },
  _destroy(error, callback) {
    callback(error);
  },
  destroy,
  on(name, listener) {
    EventEmitter.prototype.on.call(this, name, listener);
    const state = this._readableState;
    if (name === "data") {
      state.readableListening = this.listenerCount("readable") > 0;
      if (state.flowing !== false) this.resume();
    } else if (name === "readable" && !state.endEmitted && !state.readableListening) {
      state.readableListening = state.needReadable = true;
      state.flowing = false;
      state.emittedReadable = false;
      if (state.length > 0) tellReadable(this);
      else if (!state.reading) later(() => this.read(0));
    }
    return this;
  },
  removeListener(name, listener) {
    EventEmitter.prototype.removeListener.call(this, name, listener);
    if (name === "readable") later(listenersChanged, this);
    return this;
  },
  removeAllListeners(...names) {
    EventEmitter.prototype.removeAllListeners.apply(this, names);
    if (names.length === 0 || names[0] === "readable") later(listenersChanged, this);
    return this;
  },
  resume() {
    const state = this._readableState;
    if (!state.flowing) {
      state.flowing = !state.readableListening;
      if (!state.resumeScheduled) {
        state.resumeScheduled = true;
        later(() => {
          if (!state.reading) this.read(0);
          state.resumeScheduled = false;
          this.emit("resume");
          flow(this);
          if (state.flowing && !state.reading) this.read(0);
        });
      }
    }
    state.paused = false;
    return this;
  },
  pause() {
    const state = this._readableState;
    if (state.flowing !== false) {
      state.flowing = false;
      this.emit("pause");
    }
    state.paused = true;
    return this;
  },
  isPaused() {
    return this._readableState.paused === true || this._readableState.flowing === false;
  },
  setEncoding(encoding) {
    const state = this._readableState;
    state.decoder = decoderOf(encoding);
    state.encoding = state.decoder.encoding;
    const text = state.buffer.map((chunk) => state.decoder.write(chunk)).join("");
    state.buffer = text === "" ? [] : [text];
    state.length = text.length;
    return this;
  },
  pipe(destination, options) {
    const state = this._readableState;
    let isOver = false;
    const ended = options?.end !== false ? () => destination.end() : () => this.unpipe(destination);
    const unpipe = () => this.unpipe(destination);
    const drained = () => {
      state.waitsFor.delete(destination);
      if (state.waitsFor.size === 0 && this.listenerCount("data") > 0) this.resume();
    };
    let waits = false;
    const wait = () => {
      if (!isOver) {
        if (state.pipes.includes(destination)) state.waitsFor.add(destination);
        this.pause();
      }
      if (!waits) {
        waits = true;
        destination.on("drain", drained);
      }
    };
    const data = (chunk) => {
      if (destination.write(chunk) === false) wait();
    };
    const failed = (error) => {
      unpipe();
      destination.removeListener("error", failed);
      if (destination.listenerCount("error") > 0) return;
      const other = destination._writableState ?? destination._readableState;
      if (other && !other.errorEmitted) fail(destination, error);
      else destination.emit("error", error);
    };
    const closed = () => {
      destination.removeListener("finish", finished);
      unpipe();
    };
    const finished = () => {
      destination.removeListener("close", closed);
      unpipe();
    };
    const stopped = (source, about) => {
      if (source !== this || about?.hasUnpiped !== false) return;
      about.hasUnpiped = true;
      destination.removeListener("close", closed);
      destination.removeListener("finish", finished);
      destination.removeListener("drain", drained);
      destination.removeListener("error", failed);
      destination.removeListener("unpipe", stopped);
      this.removeListener("end", ended);
      this.removeListener("data", data);
      isOver = true;
      if (waits && state.waitsFor.size > 0 && (!destination._writableState || destination._writableState.needDrain)) drained();
    };
    state.pipes.push(destination);
    if (state.endEmitted) later(ended);
    else this.once("end", ended);
    destination.on("unpipe", stopped);
    this.on("data", data);
    destination.prependListener("error", failed);
    destination.once("close", closed);
    destination.once("finish", finished);
    destination.emit("pipe", this);
    if (destination.writableNeedDrain === true) wait();
    else if (!state.flowing) this.resume();
    return destination;
  },
  unpipe(destination) {
    const state = this._readableState;
    if (state.pipes.length === 0) return this;
    if (destination === undefined) {
      const all = state.pipes;
      state.pipes = [];
      this.pause();
      for (const each of all) each.emit("unpipe", this, { hasUnpiped: false });
      return this;
    }
    const index = state.pipes.indexOf(destination);
    if (index < 0) return this;
    state.pipes.splice(index, 1);
    if (state.pipes.length === 0) this.pause();
    destination.emit("unpipe", this, { hasUnpiped: false });
    return this;
  },
  wrap(old) {
    let isPaused = false;
    old.on("data", (chunk) => {
      if (!this.push(chunk) && old.pause) {
        isPaused = true;
        old.pause();
      }
    });
    old.on("end", () => this.push(null));
    old.on("error", (error) => fail(this, error));
    old.on("close", () => this.destroy());
    this._read = () => {
      if (isPaused && old.resume) {
        isPaused = false;
        old.resume();
      }
    };
    return this;
  },
  iterator(options) {
    if (options !== undefined) checkOptions(options);
    return iterate(this, options);
  },
};
function listenersChanged(stream) {
  const state = stream._readableState;
  state.readableListening = stream.listenerCount("readable") > 0;
  if (state.resumeScheduled && state.paused === false) state.flowing = true;
  else if (stream.listenerCount("data") > 0) stream.resume();
  else if (!state.readableListening) state.flowing = null;
}
async function* iterate(stream, options) {
  const { finished, destroyUnfinished } = platform.load("node_stream_ends");
  let wake = () => {};
  let outcome; // null: it ended; an error: it failed
  const tell = () => {
    const woken = wake;
    wake = () => {};
    woken();
  };
  const wait = (resolve) => {
    wake = resolve;
  };
  stream.on("readable", tell);
  const stop = finished(stream, { writable: false }, (error) => {
    outcome = error ? bothErrors(outcome, error) : null;
    tell();
  });
  try {
    for (;;) {
      const chunk = stream.destroyed ? null : stream.read();
      if (chunk !== null) yield chunk;
      else if (outcome) throw outcome;
      else if (outcome === null) return;
      else await new Promise(wait);
    }
  } catch (error) {
    outcome = bothErrors(outcome, error);
    throw outcome;
  } finally {
    if ((outcome || options?.destroyOnReturn !== false) && (outcome === undefined || stream._readableState.autoDestroy)) destroyUnfinished(stream, null);
    else {
      stream.off("readable", tell);
      stop();
    }
  }
}
const getters = {
  readableFlowing() {
    return this._readableState.flowing;
  },
  readableEnded() {
    return this._readableState.endEmitted;
  },
  readableLength() {
    return this._readableState.length;
  },
  readableObjectMode() {
    return this._readableState.objectMode;
  },
  readableHighWaterMark() {
    return this._readableState.highWaterMark;
  },
  readableEncoding() {
    return this._readableState.encoding;
  },
  readableDidRead() {
    return this._readableState.dataEmitted;
  },
  readableAborted() {
    const state = this._readableState;
    return state.readable !== false && (state.destroyed || !!state.errored) && !state.endEmitted;
  },
  closed() {
    return this._readableState.closed;
  },
  errored() {
    return this._readableState.errored;
  },
};
const { prototype } = Readable;
methods.addListener = methods.on;
methods.off = methods.removeListener;
for (const [name, value] of Object.entries(methods)) Object.defineProperty(prototype, name, { value, writable: true, configurable: true });
for (const [name, get] of Object.entries(getters)) Object.defineProperty(prototype, name, { get, configurable: true });
Object.defineProperty(prototype, "readable", {
  get() {
    const state = this._readableState;
    return state.readable !== false && !state.destroyed && !state.endEmitted && !state.errorEmitted;
  },
  set(value) {
    Object.defineProperty(this, "readable", { value, writable: true, configurable: true, enumerable: true });
  },
  configurable: true,
});
Object.defineProperty(prototype, "destroyed", {
  get() {
    return this._readableState?.destroyed ?? false;
  },
  set(value) {
    if (this._readableState) this._readableState.destroyed = value;
  },
  configurable: true,
});
prototype[Symbol.asyncIterator] = function () {
  return iterate(this);
};
prototype[Symbol.asyncDispose] = function () {
  const error = this.destroyed || this.readableEnded ? null : abortError();
  if (!this.destroyed) this.destroy(error);
  const { finished } = platform.load("node_stream_ends");
  return new Promise((resolve, reject) => finished(this, (failure) => (failure && failure !== error ? reject(failure) : resolve(null))));
};
module.exports = { Readable, begun };
