// node:crypto's keys and signatures: KeyObject, Sign and Verify. Node.js API, Crypto: https://nodejs.org/api/crypto.html
//
// A secret key has its bytes; the others are the host's, behind signing.js. Sign and Verify hash what they are given as it
// comes, and then sign the digest: at once, as their callers want it.
const { Buffer } = require("node:buffer");
const signing = platform.load("signing");
const { Digest, bytesOf, answer, fail, streamed } = platform.load("node_crypto_digests");

const MAKING = Symbol("a key of ours");
const PKCS1 = 1, OAEP = 4, PSS = 6, OF_DIGEST = -1, MOST = -2;
const FORMS = { pkcs1: true, pkcs8: true, sec1: true, spki: true };
const of = (value) => (typeof value === "string" ? `'${value}'` : value === null || typeof value !== "object" ? String(value) : `an instance of ${value.constructor?.name}`);
const noKey = (name, value) =>
  fail(
    TypeError,
    "ERR_INVALID_ARG_TYPE",
    `The "${name}" argument must be of type string or an instance of ArrayBuffer, Buffer, TypedArray, or DataView. Received ${of(value)}`,
  );
const noOption = (name, value) => fail(TypeError, "ERR_INVALID_ARG_VALUE", `The property 'options.${name}' is invalid. Received ${of(value)}`);
const wrongKind = (key, expected) =>
  fail(TypeError, "ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE", `Invalid key object type ${key.type}, expected ${expected}.`);
const isBytes = (value) => ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
function sameBytes(a, b) {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i] ^ b[i];
  return difference === 0;
}

class KeyObject {
  #type;
  constructor(type, handle) {
    if (type !== "secret" && type !== "public" && type !== "private") {
      fail(TypeError, "ERR_INVALID_ARG_VALUE", `The argument 'type' is invalid. Received ${of(type)}`);
    }
    if (handle !== MAKING) fail(TypeError, "ERR_INVALID_ARG_TYPE", `The "handle" argument must be of type object. Received ${of(handle)}`);
    this.#type = type;
  }
  static isKey = (value) => typeof value === "object" && value !== null && #type in value;
  get type() {
    return this.#type;
  }
  get [Symbol.toStringTag]() {
    return "KeyObject";
  }
  equals(other) {
    if (!KeyObject.isKey(other)) fail(TypeError, "ERR_INVALID_ARG_TYPE", `The "otherKeyObject" argument must be an instance of KeyObject. Received ${of(other)}`);
    return other.type === this.type && other.asymmetricKeyType === this.asymmetricKeyType && sameBytes(codeOf(this), codeOf(other));
  }
}
class SecretKeyObject extends KeyObject {
  #bytes;
  constructor(bytes) {
    super("secret", MAKING);
    this.#bytes = bytes;
  }
  get symmetricKeySize() {
    return this.#bytes.length;
  }
  export(options) {
    const bytes = Buffer.from(this.#bytes);
    return options?.format === "jwk" ? { kty: "oct", k: bytes.toString("base64url") } : bytes;
  }
}
class AsymmetricKeyObject extends KeyObject {
  #facts;
  /** `make(owner)` has signing.js make the key; what it tells of it decides whether it is private. */
  constructor(type, make) {
    super(type, MAKING);
    this.#facts = make(this);
  }
  get asymmetricKeyType() {
    return this.#facts[1];
  }
  get asymmetricKeyDetails() {
    const [, type, first, second] = this.#facts;
    if (type === "rsa") return { modulusLength: first, publicExponent: BigInt(second) };
    return type === "ec" ? { namedCurve: first } : {};
  }
  export(options) {
    if (typeof options !== "object" || options === null) {
      fail(TypeError, "ERR_INVALID_ARG_TYPE", `The "options" argument must be of type object. Received ${of(options)}`);
    }
    const { format, type, cipher } = options;
    if (format === "jwk") return JSON.parse(signing.exported(this, "jwk", false));
    if (type !== "pkcs1" && (this.type === "public" ? type !== "spki" : type !== "pkcs8" && type !== "sec1")) noOption("type", type);
    if (format !== "pem" && format !== "der") noOption("format", format);
    if (cipher !== undefined && cipher !== null) {
      fail(Error, "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM", "Encrypted keys are not supported: encrypt what is exported");
    }
    const own = this.asymmetricKeyType;
    for (const [each, only] of [["pkcs1", "rsa"], ["sec1", "ec"]]) {
      if (type === each && own !== only) {
        fail(Error, "ERR_CRYPTO_INCOMPATIBLE_KEY_OPTIONS", `The selected key encoding ${type} can only be used for ${only.toUpperCase()} keys.`);
      }
    }
    const exported = signing.exported(this, type, format === "pem");
    return format === "pem" ? exported : Buffer.from(exported);
  }
}
class PublicKeyObject extends AsymmetricKeyObject {
  constructor(make) {
    super("public", make);
  }
}
class PrivateKeyObject extends AsymmetricKeyObject {
  constructor(make) {
    super("private", make);
  }
}
const codeOf = (key) =>
  key.type === "secret" ? key.export() : key.export({ format: "der", type: key.type === "public" ? "spki" : "pkcs8" });

const createSecretKey = (key, encoding) => new SecretKeyObject(Buffer.from(bytesOf(key, encoding, "key")));

/** What makes the key that is given as `input`, a text or bytes or an object with these: a function of its owner. */
function maker(input, wantPrivate) {
  const isPlain = typeof input === "string" || isBytes(input);
  if (!isPlain && (typeof input !== "object" || input === null)) noKey("key", input);
  const { key, format = "pem", type, encoding } = isPlain ? { key: input } : input;
  if (format === "jwk") {
    if (typeof key !== "object" || key === null) fail(TypeError, "ERR_INVALID_ARG_TYPE", `The "key.key" property must be of type object. Received ${of(key)}`);
    return (owner) => signing.fromText(owner, JSON.stringify(key), true, wantPrivate);
  }
  if (typeof key !== "string" && !isBytes(key)) noKey(isPlain ? "key" : "key.key", key);
  const bytes = typeof key === "string" ? Buffer.from(key, encoding) : bytesOf(key);
  if (format === "der") {
    if (!(type in FORMS)) noOption("type", type);
    return (owner) => signing.fromCode(owner, bytes, type === "pkcs1" && wantPrivate ? "pkcs1-private" : type);
  }
  if (format !== "pem") noOption("format", format);
  return (owner) => signing.fromText(owner, Buffer.from(bytes.buffer ?? bytes, bytes.byteOffset, bytes.byteLength).toString("latin1"), false, wantPrivate);
}
function createPrivateKey(key) {
  if (KeyObject.isKey(key)) noKey("key", key);
  if (typeof key === "object" && key !== null && KeyObject.isKey(key.key)) noKey("key.key", key.key);
  const make = maker(key, true);
  return new PrivateKeyObject((owner) => {
    const facts = make(owner);
    if (!facts[0]) fail(Error, "ERR_OSSL_UNSUPPORTED", "This is a public key");
    return facts;
  });
}
/** A private key may be given as well: then it is that one's public key. */
function createPublicKey(key) {
  const given = KeyObject.isKey(key) ? key : typeof key === "object" && key !== null && KeyObject.isKey(key.key) ? key.key : undefined;
  if (given !== undefined) {
    if (given.type !== "private") wrongKind(given, "private");
    return new PublicKeyObject((owner) => signing.publicOf(owner, given));
  }
  const make = maker(key, false);
  return new PublicKeyObject((owner) => {
    const facts = make(owner);
    return facts[0] ? signing.publicOf(owner, owner) : facts;
  });
}

/** The key of an argument that is one, or an object with one among options; and these. */
function keyAndOptions(argument, wantPrivate) {
  const isKey = KeyObject.isKey(argument);
  const options = isKey || typeof argument !== "object" || argument === null || isBytes(argument) ? {} : argument;
  const given = isKey ? argument : options.key;
  if (KeyObject.isKey(given)) {
    if (given.type === "secret" || (wantPrivate && given.type !== "private")) wrongKind(given, wantPrivate ? "private" : "private or public");
    return [wantPrivate || given.type === "public" ? given : createPublicKey(given), options];
  }
  return [wantPrivate ? createPrivateKey(argument) : createPublicKey(argument), options];
}
/** [padding, the salt's length, whether r and s are to be one behind the other] of options. */
function schemeOf({ padding = PKCS1, saltLength = MOST, dsaEncoding = "der" }) {
  if (dsaEncoding !== "der" && dsaEncoding !== "ieee-p1363") noOption("dsaEncoding", dsaEncoding);
  if (typeof padding !== "number") noOption("padding", padding);
  if (typeof saltLength !== "number" || saltLength !== (saltLength | 0)) noOption("saltLength", saltLength);
  return [padding, saltLength, dsaEncoding === "ieee-p1363"];
}
const isEdwards = (key) => key.asymmetricKeyType === "ed25519" || key.asymmetricKeyType === "ed448";
const unsupported = () => fail(Error, "ERR_CRYPTO_UNSUPPORTED_OPERATION", "Unsupported crypto operation");
const plainName = (algorithm) => algorithm.toLowerCase().replace(/^rsa-/, "").replace(/^sha-/, "sha");

class Signing {
  #digest;
  #name;
  constructor(algorithm) {
    if (typeof algorithm !== "string") fail(TypeError, "ERR_INVALID_ARG_TYPE", `The "algorithm" argument must be of type string. Received ${of(algorithm)}`);
    this.#name = plainName(algorithm);
    try {
      this.#digest = new Digest(algorithm);
    } catch {
      fail(TypeError, "ERR_CRYPTO_INVALID_DIGEST", `Invalid digest: ${algorithm}`);
    }
  }
  update(data, encoding) {
    if (this.#digest.finished) fail(Error, "ERR_CRYPTO_INVALID_STATE", "Not initialised");
    this.#digest.feed(data, encoding);
    return this;
  }
  /** The digest's name, and its bytes. Once. */
  static finish(signing) {
    if (signing.#digest.finished) fail(Error, "ERR_CRYPTO_INVALID_STATE", "Not initialised");
    return [signing.#name, signing.#digest.finish()];
  }
}
streamed(Signing, "Writable", {
  _write(chunk, encoding, callback) {
    this.update(chunk, encoding);
    callback();
  },
});
class Sign extends Signing {
  constructor(algorithm, options) {
    super(algorithm, options);
  }
  sign(privateKey, outputEncoding) {
    if (privateKey === undefined || privateKey === null) fail(Error, "ERR_CRYPTO_SIGN_KEY_REQUIRED", "No key provided to sign");
    const [key, options] = keyAndOptions(privateKey, true);
    const scheme = schemeOf(options);
    if (isEdwards(key)) unsupported();
    return answer(signing.sign(key, ...Signing.finish(this), ...scheme), outputEncoding);
  }
}
class Verify extends Signing {
  constructor(algorithm, options) {
    super(algorithm, options);
  }
  verify(publicKey, signature, encoding) {
    const [key, options] = keyAndOptions(publicKey, false);
    const scheme = schemeOf(options);
    if (typeof signature !== "string" && !isBytes(signature)) noKey("signature", signature);
    if (isEdwards(key)) unsupported();
    return signing.verify(key, ...Signing.finish(this), bytesOf(signature, encoding), ...scheme);
  }
}
const createSign = (algorithm, options) => new Sign(algorithm, options);
const createVerify = (algorithm, options) => new Verify(algorithm, options);

/** The name of the digest and the digest of `data`; with EdDSA "" and the data. */
function digested(algorithm, data, key) {
  if (isEdwards(key)) {
    if (algorithm !== null && algorithm !== undefined) fail(Error, "ERR_OSSL_INVALID_DIGEST", "With EdDSA the algorithm must be null or undefined");
    return ["", bytesOf(data)];
  }
  return Signing.finish(new Signing(algorithm ?? "sha256").update(data));
}
/** Call back later with what `make` makes, or throws; without a callback give it at once. */
function given(callback, make) {
  if (callback === undefined) return make();
  if (typeof callback !== "function") fail(TypeError, "ERR_INVALID_ARG_TYPE", `The "callback" argument must be of type function. Received ${of(callback)}`);
  let result;
  try {
    result = [null, make()];
  } catch (error) {
    result = [error];
  }
  queueMicrotask(() => callback(...result));
}
function sign(algorithm, data, privateKey, callback) {
  if (privateKey === undefined || privateKey === null) fail(Error, "ERR_CRYPTO_SIGN_KEY_REQUIRED", "No key provided to sign");
  const [key, options] = keyAndOptions(privateKey, true);
  const scheme = schemeOf(options);
  return given(callback, () => Buffer.from(signing.sign(key, ...digested(algorithm, data, key), ...scheme)));
}
function verify(algorithm, data, publicKey, signature, callback) {
  const [key, options] = keyAndOptions(publicKey, false);
  const scheme = schemeOf(options);
  if (!isBytes(signature)) noKey("signature", signature);
  return given(callback, () => {
    const [name, bytes] = digested(algorithm, data, key);
    return signing.verify(key, name, bytes, signature, ...scheme);
  });
}

module.exports = {
  KeyObject, createSecretKey, createPublicKey, createPrivateKey, Sign, Verify, createSign, createVerify, sign, verify,
  constants: {
    RSA_PKCS1_PADDING: PKCS1, RSA_NO_PADDING: 3, RSA_PKCS1_OAEP_PADDING: OAEP, RSA_PKCS1_PSS_PADDING: PSS, RSA_PSS_SALTLEN_DIGEST: OF_DIGEST, RSA_PSS_SALTLEN_MAX_SIGN: MOST,
    RSA_PSS_SALTLEN_AUTO: MOST,
  },
  /** For node_crypto_pairs.js: what node:crypto does not export. */
  internals: { PrivateKeyObject, PublicKeyObject, keyAndOptions, plainName },
};
