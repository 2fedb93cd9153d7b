// What node:crypto's hashes and signatures have in common: bytes, errors with a code, and digests that are fed piece by piece.
const { Buffer } = require("node:buffer");

const host = modules.node;

function fail(Type, code, message) {
  const error = new Type(message);
  error.code = code;
  throw error;
}
function bytesOf(value, encoding, name = "data") {
  if (typeof value === "string") return Buffer.from(value, encoding === "buffer" ? "utf8" : encoding);
  if (ArrayBuffer.isView(value)) return value;
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return new Uint8Array(value);
  return fail(
    TypeError,
    "ERR_INVALID_ARG_TYPE",
    `The "${name}" argument must be of type string or an instance of Buffer, TypedArray, or DataView.`,
  );
}
const answer = (bytes, encoding) => {
  const buffer = Buffer.from(bytes);
  return encoding === undefined || encoding === "buffer" ? buffer : buffer.toString(encoding);
};

class Digest {
  #finished = false;
  #result;
  constructor(algorithm, key, copied) {
    if (copied !== undefined) host.copy(this, copied);
    else if (!host.begin(this, `${algorithm}`, key)) {
      if (key === undefined) throw new Error("Digest method not supported");
      fail(TypeError, "ERR_CRYPTO_INVALID_DIGEST", `Invalid digest: ${algorithm}`);
    }
  }
  get finished() {
    return this.#finished;
  }
  feed(data, encoding) {
    host.update(this, bytesOf(data, encoding));
  }
  finish() {
    if (!this.#finished) {
      this.#result = host.finish(this);
      this.#finished = true;
    }
    return this.#result;
  }
}

// What those call who take an object for a stream.
const ASKED = (
  "addListener cork destroy destroyed emit end eventNames listenerCount listeners off on once pause pipe prependListener " +
  "push read readable removeListener resume setDefaultEncoding setEncoding toArray uncork unpipe unshift writable writableEnded " +
  "writableFinished readableEnded write"
).split(" ");
/**
 * The objects of a class are streams as well (`kind`: Transform or Writable), each from the moment that somebody asks for
 * what a stream has. Most are only ever fed, and need none; nor need those be loaded for them.
 */
function streamed(Class, kind, methods) {
  const { prototype } = Class;
  const define = (name, value) => Object.defineProperty(prototype, name, { value, writable: true, configurable: true });
  for (const [name, value] of Object.entries(methods)) define(name, value);
  let Stream = null;
  function inherit() {
    if (Stream !== null) return;
    for (const name of asked) delete prototype[name];
    Stream = require("node:stream")[kind];
    Object.setPrototypeOf(prototype, Stream.prototype);
  }
  const asked = [...ASKED, Symbol.asyncIterator];
  for (const name of asked) {
    Object.defineProperty(prototype, name, {
      get() {
        inherit();
        return this[name];
      },
      configurable: true,
    });
  }
  const states = kind === "Transform" ? ["_readableState", "_writableState"] : ["_writableState"];
  for (const state of states) {
    Object.defineProperty(prototype, state, {
      get() {
        if (!(this instanceof Class)) return undefined;
        inherit();
        for (const each of states) Object.defineProperty(this, each, { value: undefined, writable: true, configurable: true });
        Stream.call(this);
        return this[state];
      },
      configurable: true,
    });
  }
}

module.exports = { Digest, bytesOf, answer, fail, streamed };
