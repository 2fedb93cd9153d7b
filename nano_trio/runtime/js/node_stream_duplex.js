// node:stream, its Duplex, Transform and PassThrough. Node.js API: https://nodejs.org/api/stream.html#duplex-and-transform-streams
const { Readable } = platform.load("node_stream_sources");
const { begun: readableBegun } = platform.load("node_stream_readable");
const { Writable, begun: writableBegun } = platform.load("node_stream_writable");
const { checkOptions, wrongType } = platform.load("node_arguments");
const { Stream, notImplemented, begin } = platform.load("node_stream_common");

function Duplex(options) {
  if (!(this instanceof Duplex)) return new Duplex(options);
  Stream.call(this, options);
  this.allowHalfOpen = options?.allowHalfOpen !== false;
  readableBegun(this, options, true);
  writableBegun(this, options, true);
  if (options?.readable === false) {
    Object.assign(this._readableState, { readable: false, ended: true, endEmitted: true });
  }
  if (options?.writable === false) {
    Object.assign(this._writableState, { writable: false, ending: true, ended: true, finished: true });
  }
  begin(this, options, ["read", "write", "writev", "destroy", "final", "construct"]);
}
Object.setPrototypeOf(Duplex.prototype, Readable.prototype);
Object.setPrototypeOf(Duplex, Readable);
const descriptors = Object.getOwnPropertyDescriptors(Writable.prototype);
for (const name of Reflect.ownKeys(descriptors)) {
  if (!(name in Readable.prototype)) Object.defineProperty(Duplex.prototype, name, descriptors[name]);
}
Object.defineProperty(Duplex.prototype, "destroy", descriptors.destroy);
Object.defineProperty(Duplex.prototype, "destroyed", {
  get() {
    return this._readableState.destroyed && this._writableState.destroyed;
  },
  set(value) {
    this._readableState.destroyed = this._writableState.destroyed = value;
  },
  configurable: true,
});
const isIterable = (value) => typeof value?.[Symbol.asyncIterator] === "function" || typeof value?.[Symbol.iterator] === "function";
/** What a stream is made of. */
function checkBody(value) {
  if (isIterable(value) || (typeof value === "object" && value !== null && (typeof value.readable === "object" || typeof value.writable === "object"))) return;
  wrongType(
    '"body" argument',
    "of type function or an instance of Blob, ReadableStream, WritableStream, Stream, Iterable, AsyncIterable, or Promise or { readable, writable } pair",
    value,
  );
}
Duplex.from = (source) => {
  if (source instanceof Duplex) return source;
  if (source instanceof Writable || source instanceof WritableStream) return Duplex.from({ writable: source });
  checkBody(source);
  const parts = source?.readable !== undefined || source?.writable !== undefined ? source : { readable: Readable.from(source) };
  const readable = parts.readable instanceof ReadableStream ? Readable.fromWeb(parts.readable) : parts.readable;
  const writable = parts.writable instanceof WritableStream ? Writable.fromWeb(parts.writable) : parts.writable;
  const duplex = new Duplex({
    objectMode: true,
    readable: readable !== undefined,
    writable: writable !== undefined,
    read() {
      readable.resume();
    },
    write: (chunk, encoding, callback) => {
      if (writable.write(chunk, encoding === "buffer" ? undefined : encoding)) callback();
      else writable.once("drain", callback);
    },
    final: (callback) => writable.end(callback),
    destroy(error, callback) {
      readable?.destroy(error);
      writable?.destroy(error);
      callback(error);
    },
  });
  readable?.on("data", (chunk) => {
    if (!duplex.push(chunk)) readable.pause();
  });
  readable?.on("end", () => duplex.push(null));
  readable?.on("error", (error) => duplex.destroy(error));
  writable?.on("error", (error) => duplex.destroy(error));
  readable?.pause();
  return duplex;
};
Duplex.fromWeb = (pair, options) => {
  if (pair !== undefined) checkOptions(pair, "pair");
  const { readable, writable } = pair ?? {};
  if (!(readable instanceof ReadableStream)) wrongType('"pair.readable" property', "an instance of ReadableStream", readable);
  if (!(writable instanceof WritableStream)) wrongType('"pair.writable" property', "an instance of WritableStream", writable);
  if (options !== undefined) checkOptions(options);
  const duplex = Duplex.from({ readable, writable });
  if (options?.encoding) duplex.setEncoding(options.encoding);
  return duplex;
};
Duplex.toWeb = (duplex) => ({ readable: Readable.toWeb(duplex), writable: Writable.toWeb(duplex) });

/** What is read of a transform ends when all is written: also where it, or its options, have a `_final` of their own. */
function final(callback) {
  const done = (error, value) => {
    if (error) {
      if (callback) callback(error);
      else this.destroy(error);
      return;
    }
    if (value !== undefined && value !== null) this.push(value);
    this.push(null);
    callback?.();
  };
  if (typeof this._flush === "function" && !this.destroyed) this._flush(done);
  else done();
}
function prefinish() {
  if (this._final !== final) final.call(this);
}
function Transform(options) {
  if (!(this instanceof Transform)) return new Transform(options);
  // What is written waits until what comes of it is read.
  Duplex.call(this, options?.readableHighWaterMark === 0 ? { ...options, highWaterMark: null, readableHighWaterMark: 0 } : options);
  this._readableState.sync = false;
  this._waiting = null;
  if (typeof options?.transform === "function") this._transform = options.transform;
  if (typeof options?.flush === "function") this._flush = options.flush;
  this.on("prefinish", prefinish);
}
Object.setPrototypeOf(Transform.prototype, Duplex.prototype);
Object.setPrototypeOf(Transform, Duplex);
const methods = {
  _transform() {
    throw notImplemented("_transform()");
  },
  _write(chunk, encoding, callback) {
    const { _readableState: readable, _writableState: writable } = this;
    const before = readable.length;
    this._transform(chunk, encoding, (error, value) => {
      if (error) {
        callback(error);
        return;
      }
      if (value !== undefined && value !== null) this.push(value);
      if (writable.ended || before === readable.length || readable.length < readable.highWaterMark) callback();
      else this._waiting = callback;
    });
  },
  _read() {
    const callback = this._waiting;
    this._waiting = null;
    callback?.();
  },
  _final: final,
};
for (const [name, value] of Object.entries(methods)) Object.defineProperty(Transform.prototype, name, { value, writable: true, configurable: true });

function PassThrough(options) {
  if (!(this instanceof PassThrough)) return new PassThrough(options);
  Transform.call(this, options);
}
Object.setPrototypeOf(PassThrough.prototype, Transform.prototype);
Object.setPrototypeOf(PassThrough, Transform);
PassThrough.prototype._transform = (chunk, encoding, callback) => callback(null, chunk);

module.exports = { Readable, Writable, Duplex, Transform, PassThrough, checkBody, isIterable };
