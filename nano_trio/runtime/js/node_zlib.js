// node:zlib by the Web's CompressionStream. Node.js API, Zlib: https://nodejs.org/api/zlib.html
//
// Levels and windows are the platform's. The synchronous functions throw: they would hold up the app.
const { Buffer } = require("node:buffer");
const { Transform } = require("node:stream");

const constants = Object.freeze({
  Z_NO_FLUSH: 0, Z_PARTIAL_FLUSH: 1, Z_SYNC_FLUSH: 2, Z_FULL_FLUSH: 3, Z_FINISH: 4, Z_BLOCK: 5, Z_OK: 0, Z_STREAM_END: 1,
  Z_NEED_DICT: 2, Z_ERRNO: -1, Z_STREAM_ERROR: -2, Z_DATA_ERROR: -3, Z_MEM_ERROR: -4, Z_BUF_ERROR: -5, Z_VERSION_ERROR: -6,
  Z_NO_COMPRESSION: 0, Z_BEST_SPEED: 1, Z_BEST_COMPRESSION: 9, Z_DEFAULT_COMPRESSION: -1, Z_FILTERED: 1, Z_HUFFMAN_ONLY: 2, Z_RLE: 3,
  Z_FIXED: 4, Z_DEFAULT_STRATEGY: 0, BROTLI_OPERATION_PROCESS: 0, BROTLI_OPERATION_FLUSH: 1, BROTLI_OPERATION_FINISH: 2,
  Z_MIN_CHUNK: 64, Z_MAX_CHUNK: Infinity, Z_DEFAULT_CHUNK: 16384,
  BROTLI_PARAM_MODE: 0, BROTLI_PARAM_QUALITY: 1, BROTLI_PARAM_LGWIN: 2, BROTLI_PARAM_SIZE_HINT: 5, BROTLI_MODE_GENERIC: 0,
  BROTLI_MODE_TEXT: 1, BROTLI_MODE_FONT: 2, BROTLI_MIN_QUALITY: 0, BROTLI_MAX_QUALITY: 11, BROTLI_DEFAULT_QUALITY: 11,
});
const bytesOf = (data) => {
  if (typeof data === "string") return Buffer.from(data);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  const error = new TypeError('The "buffer" argument must be of type string or an instance of Buffer, TypedArray, DataView, or ArrayBuffer.');
  error.code = "ERR_INVALID_ARG_TYPE";
  throw error;
};
/** What the platform says of bad data as Node would. */
function failed(error) {
  const own = new Error(error?.message ?? String(error), { cause: error });
  own.code = "Z_DATA_ERROR";
  own.errno = -3;
  return own;
}
const once = (make) =>
  function (data, options, callback = options) {
    if (typeof callback !== "function") {
      const error = new TypeError('The "callback" argument must be of type function.');
      error.code = "ERR_INVALID_ARG_TYPE";
      throw error;
    }
    const bytes = bytesOf(data);
    new Response(new Blob([bytes]).stream().pipeThrough(make(bytes))).arrayBuffer().then(
      (result) => queueMicrotask(() => callback(null, Buffer.from(result))),
      (error) => queueMicrotask(() => callback(failed(error))),
    );
  };
/** A stream of Node's around one of the Web's. */
class Zlib extends Transform {
  #writer;
  #read;
  bytesWritten = 0;
  constructor(make, options) {
    super(options);
    const { readable, writable } = make();
    this.#writer = writable.getWriter();
    this.#writer.closed.catch(() => {});
    this.#read = this.#pump(readable.getReader());
    this.#read.catch((error) => this.destroy(failed(error)));
  }
  async #pump(reader) {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (!this.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength))) await this.#drained();
    }
  }
  #wake = null;
  #drained() {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
  _read(size) {
    this.#wake?.();
    this.#wake = null;
    super._read(size);
  }
  _transform(chunk, encoding, callback) {
    this.bytesWritten += chunk.length;
    this.#writer.write(chunk).then(() => callback(), (error) => callback(failed(error)));
  }
  _flush(callback) {
    this.#writer.close().then(() => this.#read).then(() => callback(), (error) => callback(failed(error)));
  }
  _destroy(error, callback) {
    this.#writer.abort(error).catch(() => {});
    this.#wake?.();
    callback(error);
  }
  close(callback) {
    if (callback) this.once("close", callback);
    this.destroy();
  }
}
const compress = (format) => () => new CompressionStream(format);
const decompress = (format) => () => new DecompressionStream(format);
/** Which of both it is the first bytes say (RFC 1952, section 2.3.1). */
const either = (bytes) => new DecompressionStream(bytes[0] === 0x1f && bytes[1] === 0x8b ? "gzip" : "deflate");

const TABLE = Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
  return byte;
});
/** RFC 1952, section 8. */
function crc32(data, value = 0) {
  let sum = ~value;
  for (const byte of bytesOf(data)) sum = TABLE[(sum ^ byte) & 255] ^ (sum >>> 8);
  return ~sum >>> 0;
}
/** A class that can be called without `new`, as Node's. */
function stream(name, make) {
  function Class(options) {
    if (new.target !== undefined) return Reflect.construct(Zlib, [make, options], new.target);
    if (this instanceof Class) {
      throw new TypeError(`node:zlib: ${name} is not provided to be called for another object: write class … extends zlib.${name}`);
    }
    return new Class(options);
  }
  Object.defineProperty(Class, "name", { value: name, configurable: true });
  Object.setPrototypeOf(Class.prototype, Zlib.prototype);
  return Object.setPrototypeOf(Class, Transform);
}
const MAKERS = {
  Gzip: compress("gzip"),
  Gunzip: decompress("gzip"),
  Deflate: compress("deflate"),
  Inflate: decompress("deflate"),
  DeflateRaw: compress("deflate-raw"),
  InflateRaw: decompress("deflate-raw"),
  BrotliCompress: compress("brotli"),
  BrotliDecompress: decompress("brotli"),
};
module.exports = { ...modules.refuse("zlib"), constants, crc32, unzip: once(either) };
for (const [name, make] of Object.entries(MAKERS)) {
  const Class = stream(name, make);
  const lower = name[0].toLowerCase() + name.slice(1);
  module.exports[name] = Class;
  module.exports[lower] = once(make);
  module.exports[`create${name}`] = (options) => new Class(options);
}
for (const [name, value] of Object.entries(constants)) {
  if (name.startsWith("Z_")) Object.defineProperty(module.exports, name, { value });
}
