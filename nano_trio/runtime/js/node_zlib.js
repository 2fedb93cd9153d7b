// node:zlib, by the platform's packing.js. Node.js API, Zlib: https://nodejs.org/api/zlib.html
//
// What is checked of options, and in which order, is as in Node. The forms without a callback have the turn wait, suspended, for what
// the others have done beside it. Streams are the Web's within; what Brotli compresses in one has
// CompressionStream's quality at best. A flush is a chunk of its own among the others.
const { Buffer } = require("node:buffer");
const process = require("node:process");
const { finished, Transform } = require("node:stream");
const { checkFunction, checkInteger, fail, outOfRange, wrongType } = platform.load("node_arguments");
const host = modules.node.packing;

const constants = Object.freeze({
  Z_NO_FLUSH: 0, Z_PARTIAL_FLUSH: 1, Z_SYNC_FLUSH: 2, Z_FULL_FLUSH: 3, Z_FINISH: 4, Z_BLOCK: 5, Z_OK: 0, Z_STREAM_END: 1,
  Z_NEED_DICT: 2, Z_ERRNO: -1, Z_STREAM_ERROR: -2, Z_DATA_ERROR: -3, Z_MEM_ERROR: -4, Z_BUF_ERROR: -5, Z_VERSION_ERROR: -6,
  Z_NO_COMPRESSION: 0, Z_BEST_SPEED: 1, Z_BEST_COMPRESSION: 9, Z_DEFAULT_COMPRESSION: -1, Z_FILTERED: 1, Z_HUFFMAN_ONLY: 2,
  Z_RLE: 3, Z_FIXED: 4, Z_DEFAULT_STRATEGY: 0, DEFLATE: 1, INFLATE: 2, GZIP: 3, GUNZIP: 4, DEFLATERAW: 5,
  INFLATERAW: 6, UNZIP: 7, BROTLI_DECODE: 8, BROTLI_ENCODE: 9, Z_MIN_WINDOWBITS: 8, Z_MAX_WINDOWBITS: 15,
  Z_DEFAULT_WINDOWBITS: 15, Z_MIN_CHUNK: 64, Z_MAX_CHUNK: Infinity, Z_DEFAULT_CHUNK: 16384, Z_MIN_MEMLEVEL: 1, Z_MAX_MEMLEVEL: 9,
  Z_DEFAULT_MEMLEVEL: 8, Z_MIN_LEVEL: -1, Z_MAX_LEVEL: 9, Z_DEFAULT_LEVEL: -1, BROTLI_OPERATION_PROCESS: 0,
  BROTLI_OPERATION_FLUSH: 1, BROTLI_OPERATION_FINISH: 2, BROTLI_OPERATION_EMIT_METADATA: 3, BROTLI_PARAM_MODE: 0,
  BROTLI_MODE_GENERIC: 0, BROTLI_MODE_TEXT: 1, BROTLI_MODE_FONT: 2, BROTLI_DEFAULT_MODE: 0, BROTLI_PARAM_QUALITY: 1,
  BROTLI_MIN_QUALITY: 0, BROTLI_MAX_QUALITY: 11, BROTLI_DEFAULT_QUALITY: 11, BROTLI_PARAM_LGWIN: 2, BROTLI_MIN_WINDOW_BITS: 10,
  BROTLI_MAX_WINDOW_BITS: 24, BROTLI_LARGE_MAX_WINDOW_BITS: 30, BROTLI_DEFAULT_WINDOW: 22, BROTLI_PARAM_LGBLOCK: 3,
  BROTLI_MIN_INPUT_BLOCK_BITS: 16, BROTLI_MAX_INPUT_BLOCK_BITS: 24, BROTLI_PARAM_DISABLE_LITERAL_CONTEXT_MODELING: 4,
  BROTLI_PARAM_SIZE_HINT: 5, BROTLI_PARAM_LARGE_WINDOW: 6, BROTLI_PARAM_NPOSTFIX: 7, BROTLI_PARAM_NDIRECT: 8,
  BROTLI_DECODER_RESULT_ERROR: 0, BROTLI_DECODER_RESULT_SUCCESS: 1, BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT: 2,
  BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT: 3, BROTLI_DECODER_PARAM_DISABLE_RING_BUFFER_REALLOCATION: 0,
  BROTLI_DECODER_PARAM_LARGE_WINDOW: 1, BROTLI_DECODER_NO_ERROR: 0, BROTLI_DECODER_SUCCESS: 1,
  BROTLI_DECODER_NEEDS_MORE_INPUT: 2, BROTLI_DECODER_NEEDS_MORE_OUTPUT: 3, BROTLI_DECODER_ERROR_FORMAT_EXUBERANT_NIBBLE: -1,
  BROTLI_DECODER_ERROR_FORMAT_RESERVED: -2, BROTLI_DECODER_ERROR_FORMAT_EXUBERANT_META_NIBBLE: -3,
  BROTLI_DECODER_ERROR_FORMAT_SIMPLE_HUFFMAN_ALPHABET: -4, BROTLI_DECODER_ERROR_FORMAT_SIMPLE_HUFFMAN_SAME: -5,
  BROTLI_DECODER_ERROR_FORMAT_CL_SPACE: -6, BROTLI_DECODER_ERROR_FORMAT_HUFFMAN_SPACE: -7,
  BROTLI_DECODER_ERROR_FORMAT_CONTEXT_MAP_REPEAT: -8, BROTLI_DECODER_ERROR_FORMAT_BLOCK_LENGTH_1: -9,
  BROTLI_DECODER_ERROR_FORMAT_BLOCK_LENGTH_2: -10, BROTLI_DECODER_ERROR_FORMAT_TRANSFORM: -11,
  BROTLI_DECODER_ERROR_FORMAT_DICTIONARY: -12, BROTLI_DECODER_ERROR_FORMAT_WINDOW_BITS: -13,
  BROTLI_DECODER_ERROR_FORMAT_PADDING_1: -14, BROTLI_DECODER_ERROR_FORMAT_PADDING_2: -15,
  BROTLI_DECODER_ERROR_FORMAT_DISTANCE: -16, BROTLI_DECODER_ERROR_DICTIONARY_NOT_SET: -19,
  BROTLI_DECODER_ERROR_INVALID_ARGUMENTS: -20, BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES: -21,
  BROTLI_DECODER_ERROR_ALLOC_TREE_GROUPS: -22, BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MAP: -25,
  BROTLI_DECODER_ERROR_ALLOC_RING_BUFFER_1: -26, BROTLI_DECODER_ERROR_ALLOC_RING_BUFFER_2: -27,
  BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES: -30, BROTLI_DECODER_ERROR_UNREACHABLE: -31,
});
const codes = {};
for (const name of ["Z_OK", "Z_STREAM_END", "Z_NEED_DICT", "Z_ERRNO", "Z_STREAM_ERROR", "Z_DATA_ERROR", "Z_MEM_ERROR", "Z_BUF_ERROR", "Z_VERSION_ERROR"]) {
  codes[name] = constants[name];
}
for (const name of Object.keys(codes)) codes[codes[name]] = name;
Object.freeze(codes);
const LAST_PARAMETER = constants.BROTLI_PARAM_NDIRECT;

// -- options ----------------------------------------------------------------------------------------------------------

const LARGEST = 2 ** 32;
const CLASSES = "an instance of Buffer, TypedArray, DataView, or ArrayBuffer";
const isBuffer = (value) => value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
function isNumber(value, name) {
  if (value === undefined || Number.isNaN(value)) return false;
  if (typeof value !== "number") wrongType(`"${name}" ${name.includes(".") ? "property" : "argument"}`, "of type number", value);
  if (!Number.isFinite(value)) outOfRange(name, "a finite number", value);
  return true;
}
function within(value, name, least, most, otherwise) {
  if (!isNumber(value, name)) return otherwise;
  if (value < least || value > most) outOfRange(name, `>= ${least} and <= ${most}`, value);
  return value;
}
const numberOf = (options, key, ...bounds) => within(options?.[key], `options.${key}`, ...bounds);
/** What zlib and Brotli have in common. `most`: the last of the flush operations; `finish`: the one at the end. */
function checkCommon(options, most, finish) {
  const chunkSize = options?.chunkSize;
  const hasChunk = isNumber(chunkSize, "options.chunkSize");
  if (hasChunk && chunkSize < constants.Z_MIN_CHUNK) outOfRange("options.chunkSize", `>= ${constants.Z_MIN_CHUNK}`, chunkSize);
  return {
    flush: numberOf(options, "flush", 0, most, 0),
    finishFlush: numberOf(options, "finishFlush", 0, most, finish),
    chunk: hasChunk ? chunkSize : constants.Z_DEFAULT_CHUNK,
    most: numberOf(options, "maxOutputLength", 1, LARGEST, LARGEST),
  };
}
function bitsOf(options, kind) {
  const given = options?.windowBits;
  // A narrower window than zlib has: it compresses with 9, and Node says nothing.
  if (kind === "deflateRaw" && given === 8) return 9;
  if ((given === undefined || given === null || given === 0) && (kind === "inflate" || kind === "gunzip" || kind === "unzip")) return 0;
  return numberOf(options, "windowBits", kind === "gzip" ? 9 : 8, 15, 15);
}
function dictionaryOf(options) {
  const dictionary = options?.dictionary;
  if (dictionary === undefined) return null;
  if (!ArrayBuffer.isView(dictionary) && !isBuffer(dictionary)) wrongType('"options.dictionary" property', CLASSES, dictionary);
  return dictionary;
}
/** What makes of data what is asked for, and a stream that does. */
function zlibOf(kind, options) {
  const bits = bitsOf(options, kind);
  const level = numberOf(options, "level", -1, 9, -1);
  const memory = numberOf(options, "memLevel", 1, 9, 8);
  const strategy = numberOf(options, "strategy", 0, 4, 0);
  const dictionary = dictionaryOf(options);
  const { flush, finishFlush, chunk, most } = checkCommon(options, constants.Z_BLOCK, constants.Z_FINISH);
  return {
    flush, level, strategy,
    full: constants.Z_FULL_FLUSH,
    begin: (waits, data) => host.zlib(waits, kind, data, dictionary, level, memory, strategy, bits, finishFlush, chunk, most),
    open: () => host.stream(kind, dictionary, level, memory, strategy, bits, finishFlush),
  };
}
const notInitialized = () => fail(Error, "ERR_ZLIB_INITIALIZATION_FAILED", "Initialization failed");
const unavailable = (what) => fail(Error, "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM", `${what} is not available here`);
/** Parameters of Brotli by their numbers. */
function parametersOf(options) {
  const found = {};
  const params = options?.params;
  for (const key of params ? Object.keys(params) : []) {
    const number = +key;
    if (!Number.isInteger(number) || number < 0 || number > LAST_PARAMETER || found[number] !== undefined) {
      fail(RangeError, "ERR_BROTLI_INVALID_PARAM", `${key} is not a valid Brotli parameter`);
    }
    const value = params[key];
    if (typeof value !== "number" && typeof value !== "boolean") wrongType('"options.params[key]" property', "of type number", value);
    // Of 32 bits; one that has them all is as none.
    found[number] = value >>> 0 === 0xffffffff ? undefined : value >>> 0;
  }
  return found;
}
/** Of what only says how well is to be compressed there is the quality, the mode, the window and the block. */
function brotliOf(kind, options) {
  const found = parametersOf(options);
  if (kind === "brotliCompress") {
    if (found[constants.BROTLI_PARAM_DISABLE_LITERAL_CONTEXT_MODELING] > 1) notInitialized();
    if (found[constants.BROTLI_PARAM_LARGE_WINDOW]) unavailable("Brotli's large window");
  } else if (Object.keys(found).some((number) => number > constants.BROTLI_DECODER_PARAM_LARGE_WINDOW && found[number] !== undefined)) {
    notInitialized();
  }
  const { flush, finishFlush, chunk, most } = checkCommon(
    options, constants.BROTLI_OPERATION_EMIT_METADATA, constants.BROTLI_OPERATION_FINISH,
  );
  if (finishFlush === constants.BROTLI_OPERATION_EMIT_METADATA) unavailable("BROTLI_OPERATION_EMIT_METADATA");
  const quality = found[constants.BROTLI_PARAM_QUALITY] ?? constants.BROTLI_DEFAULT_QUALITY;
  const window = found[constants.BROTLI_PARAM_LGWIN] ?? constants.BROTLI_DEFAULT_WINDOW;
  const [mode, block] = [found[constants.BROTLI_PARAM_MODE] ?? 0, found[constants.BROTLI_PARAM_LGBLOCK] ?? 0];
  return {
    begin: (waits, data) => host.brotli(waits, kind, data, quality, mode, window, block, finishFlush, chunk, most),
    open: () => host.brotliStream(kind, quality, mode, window, finishFlush),
    flush,
    full: constants.BROTLI_OPERATION_FLUSH,
  };
}
const codecOf = (kind, options) => (kind.startsWith("brotli") ? brotliOf(kind, options) : zlibOf(kind, options));

// -- in one go --------------------------------------------------------------------------------------------------------

const nameOf = (kind) => kind[0].toUpperCase() + kind.slice(1);
const isBytes = (data) => ArrayBuffer.isView(data) || isBuffer(data);
function bytesOf(data, what, classes) {
  if (typeof data === "string") return Buffer.from(data);
  if (!isBytes(data)) wrongType(what, `of type string or ${classes}`, data);
  return data;
}
/** With `info` there is an engine, which has nothing more to do. */
function given(kind, options, { bytes, read }) {
  const buffer = Buffer.from(bytes);
  if (!options?.info) return buffer;
  const engine = new module.exports[nameOf(kind)](options);
  engine.bytesWritten = read;
  engine.close();
  return { buffer, engine };
}
const atOnce = (kind) => (data, options) => {
  const codec = codecOf(kind, options);
  return given(kind, options, codec.begin(true, bytesOf(data, '"buffer" argument', CLASSES)));
};
const later = (kind) =>
  function (data, options, callback) {
    if (typeof options === "function") [options, callback] = [undefined, options];
    const codec = codecOf(kind, options);
    checkFunction(callback, "callback");
    // Nothing is no data, as for a stream that is ended.
    const bytes = data === undefined || data === null ? new Uint8Array(0) : bytesOf(data, '"chunk" argument', "an instance of Buffer, TypedArray, or DataView");
    codec.begin(false, bytes).then(
      (result) => queueMicrotask(() => callback(null, given(kind, options, result))),
      (error) => queueMicrotask(() => callback(error)),
    );
  };
function crc32(data, value = 0) {
  if (typeof data !== "string" && !ArrayBuffer.isView(data)) {
    wrongType('"data" argument', "of type string or an instance of Buffer, TypedArray, or DataView", data);
  }
  checkInteger(value, "value", 0, 2 ** 32 - 1);
  return host.crc32(typeof data === "string" ? Buffer.from(data) : data, value);
}

// -- streams ----------------------------------------------------------------------------------------------------------

const ORDER = Symbol("order");
/** A chunk without data, that has its place among the others. */
function ordered(number) {
  const chunk = Buffer.alloc(0);
  chunk[ORDER] = number;
  return chunk;
}
const closed = () => fail(Error, "ERR_INTERNAL_ASSERTION", "zlib binding closed");
/** A stream of Node's around one of the Web's. */
class Zlib extends Transform {
  #codec;
  #stream;
  #writer;
  #read;
  #obeyed = null;
  bytesWritten = 0;
  constructor(kind, options) {
    const codec = codecOf(kind, options);
    super(options);
    this.#codec = codec;
    this.#stream = codec.open();
    this.#writer = this.#stream.writable.getWriter();
    this.#writer.closed.catch(() => {});
    this.#read = this.#pump(this.#stream.readable.getReader());
    this.#read.catch((error) => this.destroy(error));
    this._level = codec.level;
    this._strategy = codec.strategy;
  }
  async #pump(reader) {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (value === null) this.#obeyed();
      else if (!this.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength))) await this.#drained();
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
    const order = chunk[ORDER];
    if (order !== undefined) {
      this.#order(order, callback);
      return;
    }
    this.bytesWritten += chunk.length;
    const { flush } = this.#codec;
    // The last one is flushed as the option finishFlush says.
    const isLast = this.writableEnded && this.writableLength === chunk.length;
    const written = this.#writer.write(chunk);
    if (flush === 0 || isLast) written.then(() => callback(), callback);
    else written.then(() => this.#order(flush, callback), callback);
  }
  /** The callback is called when what comes of it was pushed. */
  #order(number, callback) {
    this.#obeyed = callback;
    this.#writer.write(number).catch(callback);
  }
  _flush(callback) {
    this.#writer.close().then(() => this.#read).then(() => callback(), callback);
  }
  _destroy(error, callback) {
    this.#writer.abort(error).catch(() => {});
    this.#wake?.();
    callback(error);
  }
  flush(kind, callback) {
    if (typeof kind === "function" || (kind === undefined && callback === undefined)) [kind, callback] = [this.#codec.full, kind];
    if (this.writableFinished) {
      if (callback) process.nextTick(callback);
    } else if (this.writableEnded) {
      if (callback) this.once("end", callback);
    } else {
      // What is no operation is no chunk: write() says so.
      const isKnown = Number.isInteger(kind) && kind >= 0 && kind <= constants.Z_BLOCK;
      this.write(isKnown ? ordered(kind) : undefined, "", callback);
    }
  }
  reset() {
    if (this.destroyed) closed();
    this.#stream.reset();
  }
  close(callback) {
    if (callback) finished(this, callback);
    this.destroy();
  }
  /** Of Brotli's there are none to be changed. */
  params(level, strategy, callback) {
    level = within(level, "level", -1, 9, this._level);
    strategy = within(strategy, "strategy", 0, 4, this._strategy);
    if (level === this._level && strategy === this._strategy) {
      process.nextTick(callback);
      return;
    }
    const order = this._level === undefined ? this.#codec.full : host.paramsOf(level, strategy);
    this.write(ordered(order), "", (error) => {
      if (!error) [this._level, this._strategy] = [level, strategy];
      callback?.(error);
    });
  }
}
/** A class that can be called without `new`, as Node's. */
function stream(name, kind) {
  function Class(options) {
    if (new.target !== undefined) return Reflect.construct(Zlib, [kind, options], new.target);
    if (this instanceof Class) {
      throw new TypeError(`node:zlib: ${name} is not provided to be called for another object: write class … extends zlib.${name}`);
    }
    return new Class(options);
  }
  Object.defineProperty(Class, "name", { value: name, configurable: true });
  Object.setPrototypeOf(Class.prototype, Zlib.prototype);
  return Object.setPrototypeOf(Class, Transform);
}
module.exports = { ...modules.refuse("zlib"), constants, codes, crc32 };
for (const kind of ["gzip", "gunzip", "deflate", "inflate", "deflateRaw", "inflateRaw", "unzip", "brotliCompress", "brotliDecompress"]) {
  const name = nameOf(kind);
  const Class = stream(name, kind);
  module.exports[name] = Class;
  module.exports[kind] = later(kind);
  module.exports[`${kind}Sync`] = atOnce(kind);
  module.exports[`create${name}`] = (options) => new Class(options);
}
for (const [name, value] of Object.entries(constants)) {
  if (name.startsWith("Z_")) Object.defineProperty(module.exports, name, { value });
}
