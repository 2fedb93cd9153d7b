// node:crypto's ciphers: Cipheriv and Decipheriv. Node.js API, Crypto: https://nodejs.org/api/crypto.html
//
// node_crypto.js loads this with the first cipher. What is checked here, and in which order, is as in Node with OpenSSL 3;
// the ciphers themselves are the host's, behind ciphers.js.
const { Buffer } = require("node:buffer");
const { Transform } = require("node:stream");
const { StringDecoder } = require("node:string_decoder");
const ciphers = platform.load("ciphers");
const { KeyObject } = platform.load("node_crypto_keys");
const { bytesFrom, fail, octets, wrongOption, wrongType } = platform.load("node_crypto_arguments");

const NONE = new Uint8Array(0);
const TAG = 16;
/** { mode, name, nid, blockSize, ivLength, keyLength } by name, as getCipherInfo() tells of them. */
const KNOWN = new Map();
const ALIASES = new Map();
for (const [bits, ecb, ccm, ctr] of [[128, 418, 896, 904], [192, 422, 899, 905], [256, 426, 902, 906]]) {
  const keyLength = bits / 8;
  const add = (mode, nid, blockSize, ivLength, name = `aes-${bits}-${mode}`) => {
    KNOWN.set(`aes-${bits}-${mode}`, { mode, name, nid, blockSize, ...(ivLength > 0 ? { ivLength } : {}), keyLength });
  };
  add("cbc", ecb + 1, 16, 16);
  add("ccm", ccm, 1, 12, `id-aes${bits}-ccm`);
  add("ctr", ctr, 1, 16);
  add("ecb", ecb, 16, 0);
  add("gcm", ccm - 1, 1, 12, `id-aes${bits}-gcm`);
  ALIASES.set(`aes${bits}`, `aes-${bits}-cbc`);
  ALIASES.set(`id-aes${bits}-CCM`, `aes-${bits}-ccm`);
  ALIASES.set(`id-aes${bits}-GCM`, `aes-${bits}-gcm`);
}
KNOWN.set("chacha20-poly1305", { mode: "stream", name: "chacha20-poly1305", nid: 1018, ivLength: 12, keyLength: 32 });
const BY_NAME = new Map([...KNOWN, ...[...ALIASES].map(([alias, name]) => [alias.toLowerCase(), KNOWN.get(name)])]);
const getCiphers = () => [...KNOWN.keys(), ...ALIASES.keys()].sort();

const wrongState = (operation) => fail(Error, "ERR_CRYPTO_INVALID_STATE", `Invalid state for operation ${operation}`);
const wrongVector = () => fail(TypeError, "ERR_CRYPTO_INVALID_IV", "Invalid initialization vector");
const wrongTag = (length) => fail(TypeError, "ERR_CRYPTO_INVALID_AUTH_TAG", `Invalid authentication tag length: ${length}`);
const tooLong = () => fail(RangeError, "ERR_CRYPTO_INVALID_MESSAGELEN", "Invalid message length");
const plain = (message) => {
  throw new Error(message);
};
const noMore = () => plain("Trying to add data in unsupported state");
const notAuthentic = () => plain("Unsupported state or unable to authenticate data");
function bytesOfKey(key, encoding) {
  if (KeyObject.isKey(key)) {
    if (key.type !== "secret") fail(TypeError, "ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE", `Invalid key object type ${key.type}, expected secret.`);
    return octets(key.export());
  }
  if (key instanceof CryptoKey) {
    fail(Error, "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM", "A CryptoKey is of use with crypto.subtle only: give a KeyObject, or bytes");
  }
  return bytesFrom(key, '"key" argument', encoding, "KeyObject, or CryptoKey");
}
function textOption(options, name) {
  const value = options?.[name] ?? undefined;
  if (value !== undefined && typeof value !== "string") wrongType(`"options.${name}" property`, "of type string", value);
  return value;
}
function sizeOption(options, name) {
  const value = options?.[name] ?? undefined;
  if (value !== undefined && value >>> 0 !== value) wrongOption(name, value);
  return value;
}
const isAead = (mode) => mode === "gcm" || mode === "ccm" || mode === "stream";
const isLengthOfGcm = (length) => length === 4 || length === 8 || (length >= 12 && length <= TAG);
function isVectorOf({ mode, ivLength = 0 }, length) {
  if (mode === "gcm") return length >= 1 && length <= 128;
  return mode === "ccm" ? length >= 7 && length <= 13 : length === ivLength;
}
function checkTag(name, mode, length) {
  if (length === undefined && mode === "ccm") fail(TypeError, "ERR_CRYPTO_INVALID_AUTH_TAG", `authTagLength required for ${name}`);
  if (length === undefined) return;
  const isOne = mode === "gcm" ? isLengthOfGcm(length) : mode === "ccm" ? length >= 4 && length <= TAG && length % 2 === 0 : length >= 1 && length <= TAG;
  if (!isOne) wrongTag(length);
}

class Cipher extends Transform {
  #mode;
  #encrypts;
  #isFinished = false;
  #decoder = null;
  /** How long a tag is to be, where that was said or is known by now. */
  #tagLength;
  #tag;
  /** Of CCM: the longest message; and whether one was not authentic, which final() tells. */
  #most = Infinity;
  #isForged = false;

  constructor(cipher, key, iv, options, encrypts) {
    if (typeof cipher !== "string") wrongType('"cipher" argument', "of type string", cipher);
    const secret = bytesOfKey(key, textOption(options, "encoding"));
    const vector = iv === null ? NONE : bytesFrom(iv, '"iv" argument');
    const tagLength = sizeOption(options, "authTagLength");
    const known = BY_NAME.get(cipher.toLowerCase());
    if (known === undefined) fail(Error, "ERR_CRYPTO_UNKNOWN_CIPHER", "Unknown cipher");
    const { mode } = known;
    if (!isVectorOf(known, vector.length)) wrongVector();
    if (isAead(mode)) checkTag(cipher, mode, tagLength);
    if (secret.length !== known.keyLength) fail(RangeError, "ERR_CRYPTO_INVALID_KEYLEN", "Invalid key length");
    super({ ...options, decodeStrings: false });
    this.#mode = mode;
    this.#encrypts = encrypts;
    this.#tagLength = mode === "stream" ? (tagLength ?? TAG) : tagLength;
    if (mode === "ccm") this.#most = Math.min(2 ** (8 * (15 - vector.length)), 2 ** 31) - 1;
    ciphers.begin(this, mode, secret, vector, this.#tagLength ?? TAG, encrypts);
  }
  _transform(chunk, encoding, callback) {
    this.push(this.update(chunk, encoding));
    callback();
  }
  _flush(callback) {
    try {
      this.push(this.final());
    } catch (error) {
      callback(error);
      return;
    }
    callback();
  }
  update(data, inputEncoding, outputEncoding) {
    let bytes = data;
    if (typeof data === "string") {
      if (`${inputEncoding}`.toLowerCase() === "hex" && data.length % 2 !== 0) {
        fail(TypeError, "ERR_INVALID_ARG_VALUE", `The argument 'encoding' is invalid for data of length ${data.length}. Received '${inputEncoding}'`);
      }
      bytes = Buffer.from(data, Buffer.isEncoding(inputEncoding) ? inputEncoding : "utf8");
    } else if (!ArrayBuffer.isView(data)) {
      wrongType('"data" argument', "of type string or an instance of Buffer, TypedArray, or DataView", data);
    }
    return this.#given(this.#update(bytes), outputEncoding, false);
  }
  #update(bytes) {
    if (this.#isFinished) noMore();
    if (bytes.byteLength > this.#most) tooLong();
    if (this.#mode !== "ccm" || this.#encrypts) return ciphers.update(this, bytes);
    // What is not authentic is not told, and it is final() that says so.
    try {
      const made = ciphers.update(this, bytes);
      if (ciphers.isAuthentic(this, this.#tag ?? NONE)) return made;
    } catch (error) {
      if (error instanceof RangeError) throw error;
    }
    this.#isForged = true;
    return NONE;
  }
  final(outputEncoding) {
    if (this.#isFinished) fail(Error, "ERR_CRYPTO_INVALID_STATE", "Invalid state");
    this.#isFinished = true;
    let made = ciphers.finish(this, this.#encrypts ? NONE : (this.#tag ?? NONE));
    if (this.#isForged) notAuthentic();
    if (this.#encrypts && isAead(this.#mode)) {
      this.#tag = made.slice(0, this.#tagLength ?? TAG);
      made = NONE;
    }
    return this.#given(made, outputEncoding, true);
  }
  #given(made, encoding, isLast) {
    const buffer = Buffer.from(made.buffer, made.byteOffset, made.byteLength);
    if (!encoding || encoding === "buffer") return buffer;
    this.#decoder ??= new StringDecoder(encoding);
    if (this.#decoder.encoding !== new StringDecoder(encoding).encoding) fail(Error, "ERR_INTERNAL_ASSERTION", "Cannot change encoding");
    return isLast ? this.#decoder.end(buffer) : this.#decoder.write(buffer);
  }
  setAutoPadding(pads) {
    if (this.#isFinished) wrongState("setAutoPadding");
    ciphers.pad(this, pads);
    return this;
  }
  setAAD(data, options) {
    const encoding = textOption(options, "encoding");
    const length = sizeOption(options, "plaintextLength");
    const bytes = bytesFrom(data, '"aadbuf" argument', encoding);
    if (this.#isFinished || !isAead(this.#mode)) wrongState("setAAD");
    if (this.#mode === "ccm") {
      if (length === undefined) fail(TypeError, "ERR_MISSING_ARGS", "options.plaintextLength required for CCM mode with AAD");
      if (length > this.#most) tooLong();
    }
    ciphers.authenticate(this, bytes, length ?? -1);
    return this;
  }
  static tagOf(cipher) {
    if (!cipher.#isFinished || cipher.#tag === undefined) wrongState("getAuthTag");
    return Buffer.from(cipher.#tag);
  }
  static setTag(cipher, tag, encoding) {
    const bytes = bytesFrom(tag, '"buffer" argument', encoding);
    if (cipher.#isFinished || !isAead(cipher.#mode) || cipher.#tag !== undefined) wrongState("setAuthTag");
    const { length } = bytes;
    const isOne = cipher.#tagLength === undefined ? isLengthOfGcm(length) : cipher.#tagLength === length;
    if (!isOne) wrongTag(length);
    cipher.#tag = bytes.slice();
  }
}
const { tagOf, setTag } = Cipher;
delete Cipher.tagOf;
delete Cipher.setTag;

class Cipheriv extends Cipher {
  constructor(cipher, key, iv, options) {
    super(cipher, key, iv, options, true);
  }
  getAuthTag() {
    return tagOf(this);
  }
}
class Decipheriv extends Cipher {
  constructor(cipher, key, iv, options) {
    super(cipher, key, iv, options, false);
  }
  setAuthTag(tag, encoding) {
    setTag(this, tag, encoding);
    return this;
  }
}

function checkInteger(value, name) {
  if (value === undefined) return;
  if (typeof value !== "number") wrongType(name.includes(".") ? `"${name}" property` : `"${name}" argument`, "of type number", value);
  const limits = !Number.isInteger(value) ? "an integer" : value !== (value | 0) ? ">= -2147483648 && <= 2147483647" : "";
  if (limits === "") return;
  const told = Number.isInteger(value) && Math.abs(value) > 2 ** 32 ? `${value}`.replace(/\B(?=(?:\d{3})+$)/g, "_") : value;
  fail(RangeError, "ERR_OUT_OF_RANGE", `The value of "${name}" is out of range. It must be ${limits}. Received ${told}`);
}
function getCipherInfo(nameOrNid, options) {
  if (typeof nameOrNid !== "string" && typeof nameOrNid !== "number") {
    wrongType('"nameOrNid" argument', "one of type string or number", nameOrNid);
  }
  if (typeof nameOrNid === "number") checkInteger(nameOrNid, "nameOrNid");
  if (options !== undefined && (typeof options !== "object" || options === null || Array.isArray(options))) {
    wrongType('"options" argument', "of type object", options);
  }
  const { keyLength, ivLength } = options ?? {};
  checkInteger(keyLength, "options.keyLength");
  checkInteger(ivLength, "options.ivLength");
  const isNumber = typeof nameOrNid === "number";
  const known = isNumber ? [...KNOWN.values()].find(({ nid }) => nid === nameOrNid) : BY_NAME.get(nameOrNid.toLowerCase());
  if (known === undefined || (keyLength !== undefined && keyLength !== known.keyLength)) return undefined;
  if (ivLength === undefined) return { ...known };
  return isVectorOf(known, ivLength) ? { ...known, ...(known.ivLength === undefined ? {} : { ivLength }) } : undefined;
}
module.exports = { Cipheriv, Decipheriv, getCiphers, getCipherInfo };
