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

module.exports = { Digest, bytesOf, answer, fail };
