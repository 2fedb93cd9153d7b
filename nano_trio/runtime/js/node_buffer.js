// node:buffer. Node.js API, Buffer: https://nodejs.org/api/buffer.html
const { defineProperty, getPrototypeOf } = Object;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const POWERS = [1, 2 ** 8, 2 ** 16, 2 ** 24, 2 ** 32, 2 ** 40, 2 ** 48];

const constants = Object.freeze({ MAX_LENGTH: 2 ** 32, MAX_STRING_LENGTH: 2 ** 29 - 24 });
const kMaxLength = constants.MAX_LENGTH;
const kStringMaxLength = constants.MAX_STRING_LENGTH;
const INSPECT_MAX_BYTES = 50;

function fail(Type, code, message) {
  const error = new Type(message);
  error.code = code;
  Object.defineProperty(error, "name", { value: Type.name, writable: true, configurable: true, enumerable: false });
  throw error;
}
const describe = (value) =>
  value === null || value === undefined
    ? String(value)
    : typeof value === "object"
      ? `an instance of ${value.constructor?.name ?? "Object"}`
      : `type ${typeof value} (${typeof value === "string" ? `'${value}'` : String(value)})`;

/** The name of an encoding in one form, or undefined. */
function encodingOf(name) {
  switch (`${name ?? "utf8"}`.toLowerCase()) {
    case "": case "utf8": case "utf-8":
      return "utf8";
    case "hex":
      return "hex";
    case "base64":
      return "base64";
    case "base64url":
      return "base64url";
    case "latin1": case "binary":
      return "latin1";
    case "ascii":
      return "ascii";
    case "utf16le": case "utf-16le": case "ucs2": case "ucs-2":
      return "utf16le";
  }
}
function knownEncoding(name) {
  return encodingOf(name) ?? fail(TypeError, "ERR_UNKNOWN_ENCODING", `Unknown encoding: ${name}`);
}

/** Base 64 as Node reads it: either alphabet, anything else skipped, up to the first "=". */
function fromBase64(text) {
  const end = text.indexOf("=");
  let clean = (end < 0 ? text : text.slice(0, end)).replace(/[^A-Za-z0-9+/_-]/g, "").replaceAll("-", "+").replaceAll("_", "/");
  if (clean.length % 4 === 1) clean = clean.slice(0, -1);
  return Uint8Array.fromBase64(clean);
}
function fromHex(text) {
  const most = text.length >> 1;
  const bad = text.search(/[^0-9a-fA-F]/);
  const size = bad < 0 ? most : bad >> 1;
  return Uint8Array.fromHex(text.slice(0, 2 * size));
}
function encode(text, encoding) {
  switch (encoding) {
    case "utf8":
      return encoder.encode(text);
    case "hex":
      return fromHex(text);
    case "base64": case "base64url":
      return fromBase64(text);
    case "utf16le": {
      const bytes = new Uint8Array(text.length * 2);
      for (let i = 0; i < text.length; i++) {
        const unit = text.charCodeAt(i);
        bytes[2 * i] = unit;
        bytes[2 * i + 1] = unit >> 8;
      }
      return bytes;
    }
    default: {
      const bytes = new Uint8Array(text.length);
      for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
      return bytes;
    }
  }
}
const CODES = 4096;
function fromCodes(units) {
  let text = "";
  for (let at = 0; at < units.length; at += CODES) text += String.fromCharCode.apply(null, units.subarray(at, at + CODES));
  return text;
}
function decode(bytes, encoding) {
  switch (encoding) {
    case "utf8":
      return decoder.decode(bytes);
    case "hex":
      return Uint8Array.prototype.toHex.call(bytes);
    case "base64":
      return Uint8Array.prototype.toBase64.call(bytes);
    case "base64url":
      return Uint8Array.prototype.toBase64.call(bytes, { alphabet: "base64url", omitPadding: true });
    case "utf16le": {
      const units = new Uint16Array(bytes.length >> 1);
      for (let i = 0; i < units.length; i++) units[i] = bytes[2 * i] | (bytes[2 * i + 1] << 8);
      return fromCodes(units);
    }
    case "ascii":
      return fromCodes(Uint8Array.from(bytes, (byte) => byte & 127));
    default:
      return fromCodes(bytes);
  }
}

function checkSize(size) {
  if (typeof size !== "number") {
    fail(TypeError, "ERR_INVALID_ARG_TYPE", `The "size" argument must be of type number. Received ${describe(size)}`);
  }
  if (!(size >= 0 && size <= kMaxLength)) {
    fail(RangeError, "ERR_OUT_OF_RANGE", `The value of "size" is out of range. It must be >= 0 && <= ${kMaxLength}. Received ${size}`);
  }
}
/** Where `value` begins, clamped to 0 … length; `otherwise` where it is undefined. */
function clamp(value, length, otherwise) {
  if (value === undefined) return otherwise;
  value = Math.trunc(+value) || 0;
  return value < 0 ? 0 : value > length ? length : value;
}
const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const asBuffer = (bytes) => Object.setPrototypeOf(bytes, Buffer.prototype);

function checkOffset(buffer, offset, size) {
  if (typeof offset !== "number") {
    fail(TypeError, "ERR_INVALID_ARG_TYPE", `The "offset" argument must be of type number. Received ${describe(offset)}`);
  }
  if (!Number.isInteger(offset)) {
    fail(RangeError, "ERR_OUT_OF_RANGE", `The value of "offset" is out of range. It must be an integer. Received ${offset}`);
  }
  if (offset < 0 || offset + size > buffer.length) {
    if (buffer.length < size) fail(RangeError, "ERR_BUFFER_OUT_OF_BOUNDS", "Attempt to access memory outside buffer bounds");
    const most = buffer.length - size;
    fail(RangeError, "ERR_OUT_OF_RANGE", `The value of "offset" is out of range. It must be >= 0 and <= ${most}. Received ${offset}`);
  }
}
function checkValue(value, least, most) {
  if (value < least || value > most) {
    fail(RangeError, "ERR_OUT_OF_RANGE", `The value of "value" is out of range. It must be >= ${least} and <= ${most}. Received ${value}`);
  }
}
function checkByteLength(size) {
  if (size === undefined || typeof size !== "number") {
    fail(TypeError, "ERR_INVALID_ARG_TYPE", `The "byteLength" argument must be of type number. Received ${describe(size)}`);
  }
  if (!Number.isInteger(size) || size < 1 || size > 6) {
    fail(RangeError, "ERR_OUT_OF_RANGE", `The value of "byteLength" is out of range. It must be >= 1 and <= 6. Received ${size}`);
  }
}

class NodeBuffer extends Uint8Array {
  static poolSize = 8192;

  static from(value, second, third) {
    if (typeof value === "string") return asBuffer(encode(value, knownEncoding(second)));
    if (value !== null && typeof value === "object") {
      if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
        if (second !== undefined && +second > value.byteLength) {
          fail(RangeError, "ERR_BUFFER_OUT_OF_BOUNDS", '"offset" is outside of buffer bounds');
        }
        return new NodeBuffer(value, second, third);
      }
      if (ArrayBuffer.isView(value) || Array.isArray(value)) return asBuffer(Uint8Array.from(value));
      const primitive = value.valueOf?.();
      if (primitive !== undefined && primitive !== null && primitive !== value && typeof primitive !== "function") {
        return NodeBuffer.from(primitive, second, third);
      }
      if (typeof value.length === "number" || value.buffer instanceof ArrayBuffer) return asBuffer(Uint8Array.from(value));
      if (value.type === "Buffer" && Array.isArray(value.data)) return asBuffer(Uint8Array.from(value.data));
      if (typeof value[Symbol.toPrimitive] === "function") {
        const text = value[Symbol.toPrimitive]("string");
        if (typeof text === "string") return NodeBuffer.from(text, second);
      }
    }
    return fail(
      TypeError,
      "ERR_INVALID_ARG_TYPE",
      "The first argument must be of type string or an instance of Buffer, ArrayBuffer, or Array or an Array-like " +
        `Object. Received ${describe(value)}`,
    );
  }
  static of(...items) {
    return asBuffer(Uint8Array.from(items));
  }
  static alloc(size, fill, encoding) {
    checkSize(size);
    const buffer = new NodeBuffer(size);
    return fill === undefined || fill === 0 || size === 0 ? buffer : buffer.fill(fill, encoding);
  }
  static allocUnsafe(size) {
    checkSize(size);
    return new NodeBuffer(size);
  }
  static allocUnsafeSlow(size) {
    checkSize(size);
    return new NodeBuffer(size);
  }
  static isBuffer(value) {
    return value instanceof NodeBuffer;
  }
  static isEncoding(name) {
    return typeof name === "string" && name.length !== 0 && encodingOf(name) !== undefined;
  }
  static byteLength(value, encoding) {
    if (typeof value !== "string") {
      if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return value.byteLength;
      const message = 'The "string" argument must be of type string or an instance of Buffer or ArrayBuffer. Received ';
      return fail(TypeError, "ERR_INVALID_ARG_TYPE", message + describe(value));
    }
    switch (encodingOf(encoding) ?? "utf8") {
      case "utf8":
        return encoder.encode(value).length;
      case "hex":
        return value.length >>> 1;
      case "utf16le":
        return value.length * 2;
      case "base64": case "base64url": {
        const padding = value.endsWith("==") ? 2 : value.endsWith("=") ? 1 : 0;
        return ((value.length - padding) * 3) >>> 2;
      }
    }
    return value.length;
  }
  static compare(a, b) {
    for (const [name, each] of [["buf1", a], ["buf2", b]]) {
      if (!(each instanceof Uint8Array)) {
        const message = `The "${name}" argument must be an instance of Buffer or Uint8Array. Received ${describe(each)}`;
        fail(TypeError, "ERR_INVALID_ARG_TYPE", message);
      }
    }
    const size = Math.min(a.length, b.length);
    for (let i = 0; i < size; i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
    return a.length === b.length ? 0 : a.length < b.length ? -1 : 1;
  }
  static concat(list, length) {
    if (!Array.isArray(list)) {
      fail(TypeError, "ERR_INVALID_ARG_TYPE", `The "list" argument must be an instance of Array. Received ${describe(list)}`);
    }
    list.forEach((each, i) => {
      if (each instanceof Uint8Array) return;
      const message = `The "list[${i}]" argument must be an instance of Buffer or Uint8Array. Received ${describe(each)}`;
      fail(TypeError, "ERR_INVALID_ARG_TYPE", message);
    });
    length ??= list.reduce((sum, each) => sum + each.length, 0);
    checkSize(length);
    const result = new NodeBuffer(length);
    let at = 0;
    for (const each of list) {
      if (at >= length) break;
      const part = at + each.length > length ? each.subarray(0, length - at) : each;
      result.set(part, at);
      at += part.length;
    }
    return result;
  }

  get parent() {
    return this.buffer;
  }
  get offset() {
    return this.byteOffset;
  }
  toString(encoding, start, end) {
    if (arguments.length === 0) return decoder.decode(this);
    start = clamp(start, this.length, 0);
    end = clamp(end, this.length, this.length);
    return end <= start ? "" : decode(this.subarray(start, end), knownEncoding(encoding));
  }
  toLocaleString(encoding, start, end) {
    return this.toString(encoding, start, end);
  }
  toJSON() {
    return { type: "Buffer", data: Array.from(this) };
  }
  equals(other) {
    if (!(other instanceof Uint8Array)) {
      const message = `The "otherBuffer" argument must be an instance of Buffer or Uint8Array. Received ${describe(other)}`;
      fail(TypeError, "ERR_INVALID_ARG_TYPE", message);
    }
    return this.length === other.length && NodeBuffer.compare(this, other) === 0;
  }
  compare(target, targetStart, targetEnd, sourceStart, sourceEnd) {
    if (!(target instanceof Uint8Array)) {
      const message = `The "target" argument must be an instance of Buffer or Uint8Array. Received ${describe(target)}`;
      fail(TypeError, "ERR_INVALID_ARG_TYPE", message);
    }
    const ours = this.subarray(sourceStart ?? 0, sourceEnd ?? this.length);
    return NodeBuffer.compare(ours, target.subarray(targetStart ?? 0, targetEnd ?? target.length));
  }
  /** A part of the same memory: unlike Uint8Array's slice. */
  slice(start, end) {
    return this.subarray(start, end);
  }
  subarray(start, end) {
    return asBuffer(Uint8Array.prototype.subarray.call(new Uint8Array(this.buffer, this.byteOffset, this.length), start, end));
  }
  copy(target, targetStart, sourceStart, sourceEnd) {
    const at = clamp(targetStart, target.length, 0);
    const part = this.subarray(clamp(sourceStart, this.length, 0), clamp(sourceEnd, this.length, this.length));
    const count = Math.min(part.length, target.length - at);
    if (count > 0) target.set(part.subarray(0, count), at);
    return Math.max(count, 0);
  }
  write(text, offset, length, encoding) {
    if (typeof offset === "string") [encoding, offset, length] = [offset, undefined, undefined];
    else if (typeof length === "string") [encoding, length] = [length, undefined];
    if (typeof text !== "string") fail(TypeError, "ERR_INVALID_ARG_TYPE", 'The "string" argument must be of type string.');
    const name = knownEncoding(encoding);
    offset ??= 0;
    if (!(offset >= 0 && offset <= this.length)) {
      const message = `The value of "offset" is out of range. It must be >= 0 && <= ${this.length}. Received ${offset}`;
      fail(RangeError, "ERR_OUT_OF_RANGE", message);
    }
    const room = Math.min(length ?? Infinity, this.length - offset);
    if (name === "utf8") return encoder.encodeInto(text, new Uint8Array(this.buffer, this.byteOffset + offset, room)).written;
    let bytes = encode(text, name);
    if (bytes.length > room) bytes = bytes.subarray(0, name === "utf16le" ? room & ~1 : room);
    this.set(bytes, offset);
    return bytes.length;
  }
  fill(value, start, end, encoding) {
    if (typeof start === "string") [encoding, start, end] = [start, undefined, undefined];
    else if (typeof end === "string") [encoding, end] = [end, undefined];
    start = clamp(start, this.length, 0);
    end = clamp(end, this.length, this.length);
    if (typeof value === "string" || value instanceof Uint8Array) {
      const bytes = typeof value === "string" ? encode(value, knownEncoding(encoding)) : value;
      if (bytes.length === 0) {
        if (typeof value === "string" && value.length > 0) {
          fail(TypeError, "ERR_INVALID_ARG_VALUE", `The argument 'value' is invalid. Received '${value}'`);
        }
        Uint8Array.prototype.fill.call(this, 0, start, end);
      } else {
        for (let at = start; at < end; at += bytes.length) {
          this.set(at + bytes.length > end ? bytes.subarray(0, end - at) : bytes, at);
        }
      }
      return this;
    }
    Uint8Array.prototype.fill.call(this, value & 255, start, end);
    return this;
  }
  indexOf(value, offset, encoding) {
    return search(this, value, offset, encoding, true);
  }
  lastIndexOf(value, offset, encoding) {
    return search(this, value, offset, encoding, false);
  }
  includes(value, offset, encoding) {
    return this.indexOf(value, offset, encoding) !== -1;
  }
  swap16() {
    return swap(this, 2);
  }
  swap32() {
    return swap(this, 4);
  }
  swap64() {
    return swap(this, 8);
  }
  readUIntBE(offset, size) {
    checkByteLength(size);
    checkOffset(this, offset, size);
    let value = 0;
    for (let i = 0; i < size; i++) value = value * 256 + this[offset + i];
    return value;
  }
  readUIntLE(offset, size) {
    checkByteLength(size);
    checkOffset(this, offset, size);
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this[offset + i];
    return value;
  }
  readIntBE(offset, size) {
    const value = this.readUIntBE(offset, size);
    return value >= POWERS[size] / 2 ? value - POWERS[size] : value;
  }
  readIntLE(offset, size) {
    const value = this.readUIntLE(offset, size);
    return value >= POWERS[size] / 2 ? value - POWERS[size] : value;
  }
  writeUIntBE(value, offset, size) {
    return writeInteger(this, +value, offset, size, 0, POWERS[size] - 1, false);
  }
  writeUIntLE(value, offset, size) {
    return writeInteger(this, +value, offset, size, 0, POWERS[size] - 1, true);
  }
  writeIntBE(value, offset, size) {
    return writeInteger(this, +value, offset, size, -POWERS[size] / 2, POWERS[size] / 2 - 1, false);
  }
  writeIntLE(value, offset, size) {
    return writeInteger(this, +value, offset, size, -POWERS[size] / 2, POWERS[size] / 2 - 1, true);
  }
}

function writeInteger(buffer, value, offset, size, least, most, little) {
  checkByteLength(size);
  checkValue(value, least, most);
  checkOffset(buffer, offset, size);
  let rest = value < 0 ? value + POWERS[size] : value;
  rest = Math.floor(rest);
  for (let i = 0; i < size; i++) {
    buffer[little ? offset + i : offset + size - 1 - i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return offset + size;
}

function swap(buffer, size) {
  if (buffer.length % size !== 0) fail(RangeError, "ERR_INVALID_BUFFER_SIZE", `Buffer size must be a multiple of ${size * 8}-bits`);
  for (let at = 0; at < buffer.length; at += size) {
    Uint8Array.prototype.reverse.call(new Uint8Array(buffer.buffer, buffer.byteOffset + at, size));
  }
  return buffer;
}

function search(buffer, value, offset, encoding, forwards) {
  if (typeof offset === "string") [encoding, offset] = [offset, undefined];
  offset = +offset;
  if (Number.isNaN(offset)) offset = forwards ? 0 : buffer.length;
  offset = Math.trunc(offset);
  if (offset < 0) offset += buffer.length;
  if (offset < 0) {
    if (!forwards) return -1;
    offset = 0;
  }
  if (typeof value === "number") {
    value &= 255;
    if (forwards) return Uint8Array.prototype.indexOf.call(buffer, value, offset);
    return Uint8Array.prototype.lastIndexOf.call(buffer, value, Math.min(offset, buffer.length - 1));
  }
  const name = knownEncoding(encoding);
  const bytes = typeof value === "string" ? encode(value, name) : value;
  if (!(bytes instanceof Uint8Array)) {
    const message = `The "value" argument must be one of type number or string or an instance of Buffer or Uint8Array. Received `;
    fail(TypeError, "ERR_INVALID_ARG_TYPE", message + describe(value));
  }
  const last = buffer.length - bytes.length;
  if (bytes.length === 0) return Math.min(offset, buffer.length);
  const step = typeof value === "string" && name === "utf16le" ? 2 : 1;
  if (forwards) {
    for (let at = offset; at <= last; at += step) {
      at = Uint8Array.prototype.indexOf.call(buffer, bytes[0], at);
      if (at < 0 || at > last) return -1;
      if ((at - offset) % step === 0 && matches(buffer, bytes, at)) return at;
      if ((at - offset) % step !== 0) at -= 1;
    }
  } else {
    for (let at = Math.min(offset, last); at >= 0; at--) if (matches(buffer, bytes, at)) return at;
  }
  return -1;
}
function matches(buffer, bytes, at) {
  for (let i = 0; i < bytes.length; i++) if (buffer[at + i] !== bytes[i]) return false;
  return true;
}

// The fixed sizes: readUInt8 … writeDoubleLE, and their spellings with "Uint".
const prototype = NodeBuffer.prototype;
const define = (name, value) => defineProperty(prototype, name, { value, writable: true, configurable: true });
for (const [name, size, least, most] of [
  ["Uint8", 1, 0, 255], ["Int8", 1, -128, 127], ["Uint16", 2, 0, 65535], ["Int16", 2, -32768, 32767],
  ["Uint32", 4, 0, 2 ** 32 - 1], ["Int32", 4, -(2 ** 31), 2 ** 31 - 1],
  ["BigUint64", 8, 0n, 2n ** 64n - 1n], ["BigInt64", 8, -(2n ** 63n), 2n ** 63n - 1n],
  ["Float32", 4], ["Float64", 8],
]) {
  const shown = { Float32: "Float", Float64: "Double", BigUint64: "BigUInt64" }[name] ?? name.replace("Uint", "UInt");
  for (const order of size === 1 ? [""] : ["LE", "BE"]) {
    const little = order === "LE";
    const read = function (offset = 0) {
      checkOffset(this, offset, size);
      return view(this)[`get${name}`](offset, little);
    };
    const write = function (value, offset = 0) {
      if (typeof least === "bigint" && typeof value !== "bigint") {
        fail(TypeError, "ERR_INVALID_ARG_TYPE", `The "value" argument must be of type bigint. Received ${describe(value)}`);
      }
      if (typeof least !== "bigint") value = +value;
      if (least !== undefined) checkValue(value, least, most);
      checkOffset(this, offset, size);
      view(this)[`set${name}`](offset, value, little);
      return offset + size;
    };
    define(`read${shown}${order}`, read);
    define(`write${shown}${order}`, write);
    if (shown.includes("UInt")) {
      define(`read${shown.replace("UInt", "Uint")}${order}`, read);
      define(`write${shown.replace("UInt", "Uint")}${order}`, write);
    }
  }
}
for (const [alias, name] of [["readUintBE", "readUIntBE"], ["readUintLE", "readUIntLE"], ["writeUintBE", "writeUIntBE"], ["writeUintLE", "writeUIntLE"]]) {
  define(alias, prototype[name]);
}
for (const name of ["utf8", "hex", "base64", "base64url", "latin1", "ascii", "ucs2"]) {
  define(`${name}Slice`, function (start, end) {
    return this.toString(name, start, end);
  });
  define(`${name}Write`, function (text, offset, length) {
    return this.write(text, offset, length, name);
  });
}
define(Symbol.for("nodejs.util.inspect.custom"), function () {
  const shown = Array.from(this.subarray(0, INSPECT_MAX_BYTES), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const rest = this.length - INSPECT_MAX_BYTES;
  return `<Buffer${shown === "" ? "" : ` ${shown}`}${rest > 0 ? ` ... ${rest} more byte${rest > 1 ? "s" : ""}` : ""}>`;
});

/** A function, as in Node: callable with and without `new`. */
function Buffer(value, second, third) {
  if (typeof value === "number") {
    if (typeof second === "string") fail(TypeError, "ERR_INVALID_ARG_TYPE", 'The "string" argument must be of type string.');
    return NodeBuffer.alloc(value);
  }
  return NodeBuffer.from(value, second, third);
}
for (const name of Object.getOwnPropertyNames(NodeBuffer)) {
  if (!["length", "name", "prototype"].includes(name)) {
    defineProperty(Buffer, name, { value: NodeBuffer[name], writable: true, configurable: true, enumerable: true });
  }
}
// These are functions in Node, and packages take one for a constructor in the place of Uint8Array. Methods are none.
Buffer.alloc = function alloc(size, fill, encoding) {
  return NodeBuffer.alloc(size, fill, encoding);
};
Buffer.allocUnsafe = function allocUnsafe(size) {
  return NodeBuffer.allocUnsafe(size);
};
Buffer.allocUnsafeSlow = function allocUnsafeSlow(size) {
  return NodeBuffer.allocUnsafeSlow(size);
};
Buffer.from = function from(value, second, third) {
  return NodeBuffer.from(value, second, third);
};
Object.setPrototypeOf(Buffer, getPrototypeOf(NodeBuffer));
Buffer.prototype = NodeBuffer.prototype;
defineProperty(prototype, "constructor", { value: Buffer, writable: true, configurable: true });
// Methods of Uint8Array that make another (map, filter) make it so.
defineProperty(Buffer, Symbol.species, { get: () => NodeBuffer });

function SlowBuffer(size) {
  return NodeBuffer.allocUnsafeSlow(size);
}
SlowBuffer.prototype = NodeBuffer.prototype;
const isUtf8 = (bytes) => {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
};
const isAscii = (bytes) => new Uint8Array(bytes.buffer ?? bytes, bytes.byteOffset ?? 0, bytes.byteLength).every((byte) => byte < 128);
const transcode = (source, from, to) => Buffer.from(Buffer.from(source).toString(from), to);
const { atob, btoa, Blob, File } = globalThis;
module.exports = {
  Buffer, SlowBuffer, constants, kMaxLength, kStringMaxLength, INSPECT_MAX_BYTES, isUtf8, isAscii, transcode, atob, btoa, Blob, File,
};
