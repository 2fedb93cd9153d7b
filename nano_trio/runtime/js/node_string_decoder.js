// node:string_decoder. Node.js API, String decoder: https://nodejs.org/api/string_decoder.html
const { Buffer } = require("node:buffer");

const NAMES = {
  "": "utf8", utf8: "utf8", "utf-8": "utf8", ucs2: "utf16le", "ucs-2": "utf16le", utf16le: "utf16le", "utf-16le": "utf16le",
  latin1: "latin1", binary: "latin1", base64: "base64", base64url: "base64url", hex: "hex", ascii: "ascii",
};
function nameOf(encoding) {
  const name = NAMES[`${encoding ?? ""}`.toLowerCase()];
  if (name !== undefined) return name;
  const error = new TypeError(`Unknown encoding: ${encoding}`);
  error.code = "ERR_UNKNOWN_ENCODING";
  throw error;
}
function bytesOf(data) {
  if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const error = new TypeError('The "buf" argument must be an instance of Buffer, TypedArray, or DataView.');
  error.code = "ERR_INVALID_ARG_TYPE";
  throw error;
}

class StringDecoder {
  #decoder;
  /** Bytes that are no character yet. */
  #rest = Buffer.alloc(0);

  constructor(encoding) {
    this.encoding = nameOf(encoding);
    if (this.encoding === "utf8") this.#decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  }
  /** How many bytes of `bytes` are whole characters. */
  #wholeOf(bytes) {
    const { length } = bytes;
    if (this.encoding === "base64" || this.encoding === "base64url") return length - (length % 3);
    if (this.encoding !== "utf16le") return length;
    const even = length - (length % 2);
    const isCut = even > 0 && bytes[even - 1] >= 0xd8 && bytes[even - 1] <= 0xdb;
    return isCut ? even - 2 : even;
  }
  write(data) {
    if (typeof data === "string") return data;
    let bytes = bytesOf(data);
    if (this.#decoder !== undefined) return this.#decoder.decode(bytes, { stream: true });
    if (this.#rest.length > 0) bytes = Buffer.concat([this.#rest, bytes]);
    const whole = this.#wholeOf(bytes);
    this.#rest = Buffer.from(bytes.subarray(whole));
    return bytes.toString(this.encoding, 0, whole);
  }
  end(data) {
    const text = data === undefined ? "" : this.write(data);
    if (this.#decoder !== undefined) return text + this.#decoder.decode();
    const rest = this.#rest.toString(this.encoding);
    this.#rest = Buffer.alloc(0);
    return text + rest;
  }
}
module.exports = { StringDecoder };
