// node:crypto: hashes, HMACs, randomness, and keys derived from passwords; the others' doors. Node.js API, Crypto: https://nodejs.org/api/crypto.html
const { Buffer } = require("node:buffer");

const host = modules.node;
const MAX_AT_ONCE = 65536;
const { Digest, bytesOf, answer, fail, streamed } = platform.load("node_crypto_digests");
const { internals: _, ...keys } = platform.load("node_crypto_keys");
const { KeyObject } = keys;

const finalized = () => fail(Error, "ERR_CRYPTO_HASH_FINALIZED", "Digest already called");

class Hash {
  #digest;
  constructor(algorithm, copied) {
    this.#digest = new Digest(algorithm, undefined, copied);
  }
  update(data, encoding) {
    if (this.#digest.finished) finalized();
    this.#digest.feed(data, encoding);
    return this;
  }
  digest(encoding) {
    if (this.#digest.finished) finalized();
    return answer(this.#digest.finish(), encoding);
  }
  copy() {
    if (this.#digest.finished) finalized();
    return new Hash(undefined, this.#digest);
  }
}
class Hmac {
  #digest;
  constructor(algorithm, key) {
    const bytes = KeyObject.isKey(key) ? key.export() : bytesOf(key, undefined, "key");
    this.#digest = new Digest(algorithm, new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength).slice().buffer);
  }
  update(data, encoding) {
    if (this.#digest.finished) finalized();
    this.#digest.feed(data, encoding);
    return this;
  }
  digest(encoding) {
    // Asked again, Node gives nothing.
    return answer(this.#digest.finished ? new Uint8Array() : this.#digest.finish(), encoding);
  }
}
for (const Class of [Hash, Hmac]) {
  streamed(Class, "Transform", {
    _transform(chunk, encoding, callback) {
      this.update(chunk, encoding);
      callback();
    },
    _flush(callback) {
      this.push(this.digest());
      callback();
    },
  });
}
const createHash = (algorithm) => new Hash(algorithm);
const createHmac = (algorithm, key) => new Hmac(algorithm, key);
const hash = (algorithm, data, encoding = "hex") => new Hash(algorithm).update(data).digest(encoding);
const getHashes = () => host.algorithms().split(" ");

function fillRandomly(bytes) {
  const octets = new Uint8Array(bytes.buffer ?? bytes, bytes.byteOffset ?? 0, bytes.byteLength);
  for (let at = 0; at < octets.length; at += MAX_AT_ONCE) webcrypto.getRandomValues(octets.subarray(at, at + MAX_AT_ONCE));
  return bytes;
}
const later = (callback, make) => queueMicrotask(() => callback(null, make()));
function randomBytes(size, callback) {
  if (typeof size !== "number") fail(TypeError, "ERR_INVALID_ARG_TYPE", 'The "size" argument must be of type number.');
  if (!(size >= 0 && size <= 2 ** 31 - 1)) {
    fail(RangeError, "ERR_OUT_OF_RANGE", `The value of "size" is out of range. It must be >= 0 && <= 2147483647. Received ${size}`);
  }
  const make = () => fillRandomly(Buffer.alloc(size));
  return callback === undefined ? make() : later(callback, make);
}
const pseudoRandomBytes = randomBytes;
/** The part of a buffer that is to be filled: in its elements, or in bytes. */
function partOf(buf, offset = 0, size = undefined) {
  const { wrongType } = platform.load("node_crypto_arguments");
  const isView = ArrayBuffer.isView(buf);
  if (!isView && !(buf instanceof ArrayBuffer) && !(buf instanceof SharedArrayBuffer)) wrongType('"buf" argument', "an instance of ArrayBuffer or ArrayBufferView", buf);
  const width = buf.BYTES_PER_ELEMENT ?? 1;
  const most = 2 ** 31 - 1;
  const inBytes = (value, name, least, limit) => {
    if (typeof value !== "number") wrongType(`"${name}" argument`, "of type number", value);
    const bytes = value * width;
    if (Number.isNaN(bytes) || bytes > limit || bytes < least) {
      fail(RangeError, "ERR_OUT_OF_RANGE", `The value of "${name}" is out of range. It must be >= ${least} && <= ${limit}. Received ${bytes}`);
    }
    return Math.floor(bytes);
  };
  const begins = inBytes(offset, "offset", 0, Math.min(buf.byteLength, most));
  const bytes = size === undefined ? buf.byteLength - begins : inBytes(size, "size", 0, most);
  if (begins + bytes > buf.byteLength) {
    fail(RangeError, "ERR_OUT_OF_RANGE", `The value of "size + offset" is out of range. It must be <= ${buf.byteLength}. Received ${begins + bytes}`);
  }
  return isView ? new Uint8Array(buf.buffer, buf.byteOffset + begins, bytes) : new Uint8Array(buf, begins, bytes);
}
function randomFillSync(buffer, offset, size) {
  fillRandomly(partOf(buffer, offset, size));
  return buffer;
}
function randomFill(buffer, offset, size, callback) {
  if (typeof offset === "function") [callback, offset, size] = [offset];
  else if (typeof size === "function") [callback, size] = [size];
  else if (typeof callback !== "function") platform.load("node_crypto_arguments").wrongType('"callback" argument', "of type function", callback);
  const part = partOf(buffer, offset, size);
  later(callback, () => (fillRandomly(part), buffer));
}
function randomUUID() {
  return webcrypto.randomUUID();
}
function randomInt(least, most, callback) {
  if (most === undefined || typeof most === "function") [least, most, callback] = [0, least, most];
  for (const [name, value] of [["min", least], ["max", most]]) {
    if (!Number.isSafeInteger(value)) fail(TypeError, "ERR_INVALID_ARG_TYPE", `The "${name}" argument must be a safe integer.`);
  }
  const range = most - least;
  if (range <= 0) {
    fail(RangeError, "ERR_OUT_OF_RANGE", `The value of "max" is out of range. It must be greater than the value of "min" (${least}). Received ${most}`);
  }
  if (range > 2 ** 48 - 1) {
    fail(RangeError, "ERR_OUT_OF_RANGE", `The value of "max - min" is out of range. It must be <= 281474976710655. Received ${range}`);
  }
  const make = () => {
    // Numbers above the last multiple of the range would favour the small ones.
    const limit = 2 ** 48 - (2 ** 48 % range);
    for (;;) {
      const number = randomBytes(6).readUIntBE(0, 6);
      if (number < limit) return least + (number % range);
    }
  };
  return callback === undefined ? make() : later(callback, make);
}
/** In time that depends on the length alone. */
function timingSafeEqual(a, b) {
  const [x, y] = [a, b].map((value, i) => {
    if (typeof value === "string") fail(TypeError, "ERR_INVALID_ARG_TYPE", `The "buf${i + 1}" argument must be an instance of ArrayBuffer, Buffer, TypedArray, or DataView.`);
    const bytes = bytesOf(value, undefined, `buf${i + 1}`);
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  });
  if (x.length !== y.length) {
    fail(RangeError, "ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH", "Input buffers must have the same byte length");
  }
  let difference = 0;
  for (let i = 0; i < x.length; i++) difference |= x[i] ^ y[i];
  return difference === 0;
}
const derivation = () => platform.load("node_crypto_derivation");
const pbkdf2 = (password, salt, iterations, keylen, digest, callback) => derivation().pbkdf2(password, salt, iterations, keylen, digest, callback);
const pbkdf2Sync = (password, salt, iterations, keylen, digest) => derivation().pbkdf2Sync(password, salt, iterations, keylen, digest);
const hkdf = (digest, key, salt, info, length, callback) => derivation().hkdf(digest, key, salt, info, length, callback);
const hkdfSync = (digest, key, salt, info, length) => derivation().hkdfSync(digest, key, salt, info, length);
const scrypt = (password, salt, keylen, options, callback) => derivation().scrypt(password, salt, keylen, options, callback);
const scryptSync = (password, salt, keylen, options) => derivation().scryptSync(password, salt, keylen, options);
/** A class whose file is loaded with its first instance: for ciphers, that is node:stream as well. */
function itself(door, file) {
  const made = platform.load(file)[door.name];
  if (Object.getPrototypeOf(door) !== made) {
    Object.setPrototypeOf(door, made);
    Object.setPrototypeOf(door.prototype, made.prototype);
  }
  return made;
}
function Cipheriv(cipher, key, iv, options) {
  return Reflect.construct(itself(Cipheriv, "node_crypto_ciphers"), [cipher, key, iv, options], new.target ?? Cipheriv);
}
function Decipheriv(cipher, key, iv, options) {
  return Reflect.construct(itself(Decipheriv, "node_crypto_ciphers"), [cipher, key, iv, options], new.target ?? Decipheriv);
}
function ECDH(curve) {
  return Reflect.construct(itself(ECDH, "node_crypto_ecdh"), [curve], new.target ?? ECDH);
}
ECDH.convertKey = (...args) => platform.load("node_crypto_ecdh").convertKey(...args);
const createECDH = (curve) => new ECDH(curve);
const getCurves = () => platform.load("node_crypto_ecdh").getCurves();
const ciphers = () => platform.load("node_crypto_ciphers");
const createCipheriv = (cipher, key, iv, options) => new Cipheriv(cipher, key, iv, options);
const createDecipheriv = (cipher, key, iv, options) => new Decipheriv(cipher, key, iv, options);
const getCiphers = () => ciphers().getCiphers();
const getCipherInfo = (nameOrNid, options) => ciphers().getCipherInfo(nameOrNid, options);
const pairs = () => platform.load("node_crypto_pairs");
const generateKeyPairSync = (type, options) => pairs().generateKeyPairSync(type, options);
const generateKeyPair = (type, options, callback) => pairs().generateKeyPair(type, options, callback);
/** util.promisify() gives both keys in one. */
Object.defineProperty(generateKeyPair, Symbol.for("nodejs.util.promisify.custom"), {
  value: (type, options) =>
    new Promise((resolve, reject) => {
      generateKeyPair(type, options, (error, publicKey, privateKey) => (error ? reject(error) : resolve({ publicKey, privateKey })));
    }),
});
const generateKeySync = (type, options) => pairs().generateKeySync(type, options);
const generateKey = (type, options, callback) => pairs().generateKey(type, options, callback);
const diffieHellman = (options) => pairs().diffieHellman(options);
const publicEncrypt = (key, buffer) => pairs().publicEncrypt(key, buffer);
const privateDecrypt = (privateKey, buffer) => pairs().privateDecrypt(privateKey, buffer);
const webcrypto = globalThis.crypto;
const { subtle } = webcrypto;
const getRandomValues = (array) => webcrypto.getRandomValues(array);
module.exports = {
  // Libraries ask whether these are there for what they call of the others.
  ...modules.refuse("crypto"),
  ...keys, Hash, Hmac, createHash, createHmac, hash, hkdf, hkdfSync, scrypt, scryptSync, getHashes, randomBytes, pseudoRandomBytes, randomFillSync, randomFill, randomUUID,
  Cipheriv, Decipheriv, ECDH, createECDH, getCurves, createCipheriv, createDecipheriv, getCiphers, getCipherInfo, generateKeyPairSync, generateKeyPair,
  generateKeySync, generateKey, diffieHellman, publicEncrypt, privateDecrypt, randomInt, timingSafeEqual, pbkdf2, pbkdf2Sync, webcrypto, subtle, getRandomValues,
};
