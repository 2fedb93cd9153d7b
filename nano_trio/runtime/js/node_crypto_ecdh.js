// node:crypto's ECDH: keys of a curve as bytes. Node.js API, Crypto: https://nodejs.org/api/crypto.html
//
// A private key is the number's bytes, a public one its point's, uncompressed; the host computes with both, and keeps none.
const { Buffer } = require("node:buffer");
const keypairs = platform.load("keypairs");
const { bytesFrom, fail, wrongType } = platform.load("node_crypto_arguments");

const CURVES = ["prime256v1", "secp256k1", "secp384r1", "secp521r1"];
const COMPRESSED = 2, UNCOMPRESSED = 4, HYBRID = 6;
const FORMATS = new Map([[null, UNCOMPRESSED], ["uncompressed", UNCOMPRESSED], ["compressed", COMPRESSED], ["hybrid", HYBRID]]);
const getCurves = () => [...CURVES];
const wrongPair = () => fail(RangeError, "ERR_CRYPTO_INVALID_KEYPAIR", "Invalid key pair");
const failed = (message) => fail(Error, "ERR_CRYPTO_OPERATION_FAILED", message);

function curveOf(curve) {
  if (typeof curve !== "string") wrongType('"curve" argument', "of type string", curve);
  if (!CURVES.includes(curve)) fail(TypeError, "ERR_CRYPTO_INVALID_CURVE", "Invalid EC curve name");
  return curve;
}
function formOf(format) {
  const form = format ? FORMATS.get(format) : UNCOMPRESSED;
  return form ?? fail(TypeError, "ERR_CRYPTO_ECDH_INVALID_FORMAT", `Invalid ECDH format: ${format}`);
}
/** A point in another form (SEC 1, section 2.3.3). */
function pointIn(form, point) {
  const size = (point.length - 1) / 2;
  const made = Buffer.from(form === COMPRESSED ? point.subarray(0, size + 1) : point);
  made[0] = form === UNCOMPRESSED ? form : form | (point[point.length - 1] & 1);
  return made;
}
const given = (buffer, encoding) => (encoding && encoding !== "buffer" ? buffer.toString(encoding) : buffer);
const bytesOfKey = (key, encoding) => bytesFrom(key, '"key" argument', encoding);

class ECDH {
  #curve;
  #own;
  #point;
  constructor(curve) {
    this.#curve = curveOf(curve);
  }
  generateKeys(encoding, format) {
    const both = Buffer.from(keypairs.newNumber(this.#curve));
    const size = (both.length - 1) / 3;
    this.#own = both.subarray(0, size);
    this.#point = both.subarray(size);
    return this.getPublicKey(encoding, format);
  }
  setPrivateKey(key, encoding) {
    const number = bytesOfKey(key, encoding);
    const point = keypairs.pointOfNumber(this.#curve, number);
    if (point === null) fail(RangeError, "ERR_CRYPTO_INVALID_KEYTYPE", "Private key is not valid for specified curve.");
    this.#own = Buffer.from(number);
    this.#point = Buffer.from(point);
    return this;
  }
  /** Deprecated by Node. */
  setPublicKey(key, encoding) {
    const point = keypairs.pointOf(this.#curve, bytesOfKey(key, encoding));
    if (point === null) failed("Failed to convert Buffer to EC_POINT");
    this.#point = Buffer.from(point);
    return this;
  }
  getPublicKey(encoding, format) {
    const form = formOf(format);
    if (this.#point === undefined) failed("Failed to get ECDH public key");
    return given(pointIn(form, this.#point), encoding);
  }
  getPrivateKey(encoding) {
    if (this.#own === undefined) failed("Failed to get ECDH private key");
    const first = this.#own.findIndex((byte) => byte !== 0);
    return given(Buffer.from(this.#own.subarray(first)), encoding);
  }
  computeSecret(otherPublicKey, inputEncoding, outputEncoding) {
    const other = bytesOfKey(otherPublicKey, inputEncoding);
    if (this.#own === undefined) {
      if (this.#point === undefined) wrongPair();
      failed("Failed to compute ECDH key");
    }
    if (!Buffer.from(keypairs.pointOfNumber(this.#curve, this.#own)).equals(this.#point)) wrongPair();
    const secret = keypairs.secretOf(this.#curve, this.#own, other);
    if (secret === null) fail(Error, "ERR_CRYPTO_ECDH_INVALID_PUBLIC_KEY", "Public key is not valid for specified curve");
    return given(Buffer.from(secret), outputEncoding);
  }
}
function convertKey(key, curve, inputEncoding, outputEncoding, format) {
  if (typeof curve !== "string") wrongType('"curve" argument', "of type string", curve);
  const bytes = bytesOfKey(key, inputEncoding);
  const form = formOf(format);
  const point = keypairs.pointOf(curveOf(curve), bytes);
  if (point === null) failed("Failed to convert Buffer to EC_POINT");
  return given(pointIn(form, Buffer.from(point)), outputEncoding);
}
module.exports = { ECDH, convertKey, getCurves };
