// node:crypto's keys from other keys and from passwords: PBKDF2, HKDF, scrypt. Node.js API, Crypto: https://nodejs.org/api/crypto.html
//
// node_crypto.js loads this with the first. What is checked, and in which order, is as in Node. The forms without a callback have the
// turn wait, suspended, for what the others have done beside it.
const { Buffer } = require("node:buffer");
const { KeyObject } = platform.load("node_crypto_keys");
const { checkInteger, fail, octets, wrongType } = platform.load("node_crypto_arguments");

const host = modules.node;
const MOST = 2 ** 31 - 1;
const DEFAULTS = { N: 16384, r: 8, p: 1, maxmem: 32 << 20 };
const NAMES = [["N", "cost"], ["r", "blockSize"], ["p", "parallelization"]];

const isBytes = (value) => ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
function bytesOf(value, name, classes) {
  if (typeof value === "string") return octets(Buffer.from(value));
  if (!isBytes(value)) wrongType(`"${name}" argument`, `of type string or an instance of ${classes}`, value);
  return ArrayBuffer.isView(value) ? octets(value) : new Uint8Array(value);
}
const passwordOf = (value, name) => bytesOf(value, name, "ArrayBuffer, Buffer, TypedArray, or DataView");
const sourceOf = (value, name) => bytesOf(value, name, "ArrayBuffer, TypedArray, DataView, or Buffer");
function checkText(value, name) {
  if (typeof value !== "string") wrongType(`"${name}" argument`, "of type string", value);
}
function checkCallback(callback) {
  if (typeof callback !== "function") wrongType('"callback" argument', "of type function", callback);
}
const noDigest = (digest) => fail(TypeError, "ERR_CRYPTO_INVALID_DIGEST", `Invalid digest: ${digest}`);
/** Call back later with what a promise gives. */
function later(promise, callback) {
  promise.then(
    (bytes) => queueMicrotask(() => callback(null, Buffer.from(bytes))),
    (error) => queueMicrotask(() => callback(error)),
  );
}

function pbkdf2Arguments(password, salt, iterations, keylen, digest) {
  checkText(digest, "digest");
  const given = [passwordOf(password, "password"), passwordOf(salt, "salt")];
  checkInteger(iterations, "iterations", 1, MOST);
  checkInteger(keylen, "keylen", 0, MOST);
  return [digest, ...given, iterations, keylen];
}
function beginPbkdf2(waits, given) {
  // An empty key is made of nothing, but for the digest's name.
  const [digest, password, salt, iterations, keylen] = given;
  const made = host.pbkdf2(waits, digest, password, salt, keylen === 0 ? 1 : iterations, Math.max(keylen, 1));
  if (made === undefined) noDigest(digest);
  return keylen > 0 ? made : waits ? new ArrayBuffer(0) : made.then(() => new ArrayBuffer(0));
}
function pbkdf2(password, salt, iterations, keylen, digest, callback) {
  if (typeof digest === "function") [digest, callback] = [undefined, digest];
  const given = pbkdf2Arguments(password, salt, iterations, keylen, digest);
  checkCallback(callback);
  later(beginPbkdf2(false, given), callback);
}
const pbkdf2Sync = (password, salt, iterations, keylen, digest) =>
  Buffer.from(beginPbkdf2(true, pbkdf2Arguments(password, salt, iterations, keylen, digest)));

function hkdfArguments(digest, key, salt, info, length) {
  checkText(digest, "digest");
  const secret = KeyObject.isKey(key)
    ? octets(key.export())
    : bytesOf(key, "ikm", "SecretKeyObject, ArrayBuffer, TypedArray, DataView, or Buffer");
  const given = [secret, sourceOf(salt, "salt"), sourceOf(info, "info")];
  checkInteger(length, "length", 0, Buffer.constants?.MAX_LENGTH ?? 2 ** 32);
  if (given[2].byteLength > 1024) {
    fail(RangeError, "ERR_OUT_OF_RANGE", `The value of "info" is out of range. It must be must not contain more than 1024 bytes. Received ${given[2].byteLength}`);
  }
  return [digest, ...given, length];
}
function makeHkdf(given) {
  const length = given.pop();
  const made = host.hkdf(...given, Math.min(length, MOST));
  if (made === undefined) noDigest(given[0]);
  if (made === null) fail(RangeError, "ERR_CRYPTO_INVALID_KEYLEN", "Invalid key length");
  return made;
}
const hkdfSync = (digest, key, salt, info, length) => makeHkdf(hkdfArguments(digest, key, salt, info, length));
function hkdf(digest, key, salt, info, length, callback) {
  const given = hkdfArguments(digest, key, salt, info, length);
  checkCallback(callback);
  const made = makeHkdf(given);
  queueMicrotask(() => callback(null, made));
}

const wrongScrypt = (why = "") => fail(RangeError, "ERR_CRYPTO_INVALID_SCRYPT_PARAMS", `Invalid scrypt params${why}`);
function scryptArguments(password, salt, keylen, options) {
  const given = [passwordOf(password, "password"), passwordOf(salt, "salt")];
  checkInteger(keylen, "keylen", 0, MOST);
  const numbers = { ...DEFAULTS };
  if (options && options !== DEFAULTS) {
    for (const [name, long] of NAMES) {
      if (options[name] !== undefined) checkInteger((numbers[name] = options[name]), name, 0, 2 ** 32 - 1);
      if (options[long] === undefined) continue;
      if (options[name] !== undefined) fail(Error, "ERR_CRYPTO_SCRYPT_INVALID_PARAMETER", "Invalid scrypt parameter");
      checkInteger((numbers[name] = options[long]), long, 0, 2 ** 32 - 1);
    }
    if (options.maxmem !== undefined) checkInteger((numbers.maxmem = options.maxmem), "maxmem", 0, Number.MAX_SAFE_INTEGER);
    for (const name in DEFAULTS) numbers[name] ||= DEFAULTS[name];
  }
  return [...given, numbers, keylen];
}
function beginScrypt(waits, [password, salt, { N, r, p, maxmem }, keylen]) {
  if (N < 2 || !Number.isInteger(Math.log2(N))) wrongScrypt();
  // RFC 7914, section 2; and as OpenSSL counts what it takes, and says so of both.
  const isTooMuch = p > (2 ** 30 - 1) / r || (16 * r <= 31 && N >= 2 ** (16 * r)) || 128 * r * (N + p + 2) > maxmem;
  if (isTooMuch) wrongScrypt(": error:030000AC:digital envelope routines::memory limit exceeded");
  const made = host.scrypt(waits, password, salt, N, r, p, Math.max(keylen, 1));
  return keylen > 0 ? made : waits ? new ArrayBuffer(0) : made.then(() => new ArrayBuffer(0));
}
function scrypt(password, salt, keylen, options, callback = options) {
  const given = scryptArguments(password, salt, keylen, callback === options ? undefined : options);
  checkCallback(callback);
  later(beginScrypt(false, given), callback);
}
const scryptSync = (password, salt, keylen, options) => Buffer.from(beginScrypt(true, scryptArguments(password, salt, keylen, options)));

module.exports = { pbkdf2, pbkdf2Sync, hkdf, hkdfSync, scrypt, scryptSync };
