// node:crypto's new keys, and what keys do beside signing: encryption by RSA and Diffie-Hellman. Node.js API, Crypto:
// https://nodejs.org/api/crypto.html
//
// A key of RSA takes long to make, all of it native code: it is made beside the turn, which the form without a callback has wait.
const { Buffer } = require("node:buffer");
const keypairs = platform.load("keypairs");
const signing = platform.load("signing");
const { KeyObject, createSecretKey, constants, internals } = platform.load("node_crypto_keys");
const { PrivateKeyObject, PublicKeyObject, keyAndOptions, plainName } = internals;
const { bytesFrom, fail, inspect, wrongOption, wrongType } = platform.load("node_crypto_arguments");

const CURVES = { "P-256": "prime256v1", "P-384": "secp384r1", "P-521": "secp521r1" };
const NAMED = new Set(["prime256v1", "secp384r1", "secp521r1", "secp256k1"]);
const OF_ONE_CURVE = new Set(["ed25519", "ed448", "x25519", "x448"]);
const unavailable = (message) => fail(Error, "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM", message);
const checkText = (value, what) => typeof value === "string" || wrongType(what, "of type string", value);
const checkObject = (value) =>
  (typeof value === "object" && value !== null && !Array.isArray(value)) || wrongType('"options" argument', "of type object", value);
const checkCallback = (value) => typeof value === "function" || wrongType('"callback" argument', "of type function", value);
function checkNumber(value, name, least, most) {
  if (typeof value !== "number") wrongType(`"options.${name}" property`, "of type number", value);
  const limits = Number.isInteger(value) ? `>= ${least} && <= ${most}` : "an integer";
  if (limits === "an integer" || value < least || value > most) {
    fail(RangeError, "ERR_OUT_OF_RANGE", `The value of "options.${name}" is out of range. It must be ${limits}. Received ${value}`);
  }
}
const noSuchType = (type) => fail(TypeError, "ERR_INVALID_ARG_VALUE", `The argument 'type' must be a supported key type. Received ${inspect(type)}`);

// -- pairs of keys ----------------------------------------------------------------------------------------------------

/** How a key of a new pair is to be given: undefined: as a KeyObject. */
function encodingOf(options, name, isPublic, keyType) {
  const encoding = options[name] ?? undefined;
  if (encoding === undefined) return undefined;
  if (typeof encoding !== "object") wrongOption(name, encoding);
  const { format, type, cipher } = encoding;
  if (format === "jwk") return { format };
  if (format !== "pem" && format !== "der") wrongOption(`${name}.format`, format);
  const only = { pkcs1: "rsa", sec1: isPublic ? undefined : "ec" }[type];
  if (only === undefined && type !== (isPublic ? "spki" : "pkcs8")) wrongOption(`${name}.type`, type);
  if (only !== undefined && only !== keyType) {
    fail(Error, "ERR_CRYPTO_INCOMPATIBLE_KEY_OPTIONS", `The selected key encoding ${type} can only be used for ${only.toUpperCase()} keys.`);
  }
  if (cipher !== undefined && cipher !== null) unavailable("Encrypted keys are not supported: encrypt what is exported");
  return { format, type };
}
/** [what makes the private key, told whether the turn waits for it, or a promise of it; the encodings of the public key and of the private one]. */
function pairOf(type, options) {
  checkText(type, '"type" argument');
  const given = options === undefined ? {} : options;
  const encodings = [encodingOf(given, "publicKeyEncoding", true, type), encodingOf(given, "privateKeyEncoding", false, type)];
  if (options !== undefined) checkObject(options);
  if (OF_ONE_CURVE.has(type)) return [() => keypairs.ofCurve(type), ...encodings];
  if (type === "ec") {
    checkObject(options);
    const { namedCurve, paramEncoding } = options;
    checkText(namedCurve, '"options.namedCurve" property');
    if (paramEncoding === "explicit") unavailable("The parameters of a curve can be encoded by its name only");
    if (paramEncoding !== undefined && paramEncoding !== null && paramEncoding !== "named") wrongOption("paramEncoding", paramEncoding);
    const curve = Object.hasOwn(CURVES, namedCurve) ? CURVES[namedCurve] : namedCurve;
    if (!NAMED.has(curve)) fail(TypeError, "ERR_CRYPTO_INVALID_CURVE", "Invalid EC curve name");
    return [() => keypairs.ofCurve(curve), ...encodings];
  }
  if (type === "rsa") {
    checkObject(options);
    const { modulusLength, publicExponent = 65537 } = options;
    checkNumber(modulusLength, "modulusLength", 0, 2 ** 32 - 1);
    checkNumber(publicExponent, "publicExponent", 0, 2 ** 32 - 1);
    return [(waits) => keypairs.ofRsa(waits, modulusLength, publicExponent), ...encodings];
  }
  if (type === "rsa-pss") unavailable("Keys for RSA-PSS alone are not supported: one of RSA signs with RSA_PKCS1_PSS_PADDING");
  if (type === "dsa" || type === "dh") unavailable(`Keys of the type '${type}' are not supported`);
  return noSuchType(type);
}
function madeOf(code, [publicEncoding, privateEncoding]) {
  const own = new PrivateKeyObject((owner) => signing.fromCode(owner, code, "pkcs8"));
  const other = new PublicKeyObject((owner) => signing.publicOf(owner, own));
  const given = (key, encoding) => (encoding === undefined ? key : key.export(encoding));
  return { publicKey: given(other, publicEncoding), privateKey: given(own, privateEncoding) };
}
function generateKeyPairSync(type, options) {
  const [make, ...encodings] = pairOf(type, options);
  return madeOf(make(true), encodings);
}
function generateKeyPair(type, options, callback) {
  if (typeof options === "function") [options, callback] = [undefined, options];
  checkCallback(callback);
  const [make, ...encodings] = pairOf(type, options);
  const pair = async () => madeOf(await make(false), encodings);
  pair().then(
    ({ publicKey, privateKey }) => queueMicrotask(() => callback(null, publicKey, privateKey)),
    (error) => queueMicrotask(() => callback(error)),
  );
}

// -- secret keys ------------------------------------------------------------------------------------------------------

function lengthOf(type, options) {
  checkText(type, '"type" argument');
  checkObject(options);
  const { length } = options;
  if (type === "hmac") checkNumber(length, "length", 8, 2 ** 31 - 1);
  else if (type !== "aes") noSuchType(type);
  else if (length !== 128 && length !== 192 && length !== 256) {
    fail(TypeError, "ERR_INVALID_ARG_VALUE", `The property 'options.length' must be one of: 128, 192, 256. Received ${inspect(length)}`);
  }
  return Math.floor(length / 8);
}
const generateKeySync = (type, options) => createSecretKey(require("node:crypto").randomBytes(lengthOf(type, options)));
function generateKey(type, options, callback) {
  if (typeof options === "function") [options, callback] = [undefined, options];
  checkCallback(callback);
  const size = lengthOf(type, options);
  queueMicrotask(() => callback(null, createSecretKey(require("node:crypto").randomBytes(size))));
}

// -- what keys do -----------------------------------------------------------------------------------------------------

const wrongKind = (key, expected) =>
  fail(TypeError, "ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE", `Invalid key object type ${key.type}, expected ${expected}.`);
function diffieHellman(options) {
  checkObject(options);
  const { privateKey, publicKey } = options;
  if (!KeyObject.isKey(privateKey)) wrongOption("privateKey", privateKey);
  if (!KeyObject.isKey(publicKey)) wrongOption("publicKey", publicKey);
  if (privateKey.type !== "private") wrongKind(privateKey, "private");
  if (publicKey.type === "secret") wrongKind(publicKey, "private or public");
  const type = privateKey.asymmetricKeyType;
  const other = publicKey.asymmetricKeyType;
  if (type !== other || (type !== "ec" && type !== "x25519" && type !== "x448")) {
    fail(Error, "ERR_CRYPTO_INCOMPATIBLE_KEY", `Incompatible key types for Diffie-Hellman: ${type} and ${other}`);
  }
  return Buffer.from(signing.agree(privateKey, publicKey));
}
/** [the key, padding, the digest of OAEP, its label, the data] of the arguments. */
function rsaArguments(argument, data, wantPrivate) {
  const [key, options] = keyAndOptions(argument, wantPrivate);
  const { padding, oaepHash, oaepLabel, encoding } = options;
  if (oaepHash !== undefined) checkText(oaepHash, '"key.oaepHash" property');
  const label = oaepLabel === undefined ? new Uint8Array(0) : bytesFrom(oaepLabel, '"key.oaepLabel" property', encoding);
  return [key, padding || constants.RSA_PKCS1_OAEP_PADDING, plainName(oaepHash ?? "sha1"), label, bytesFrom(data, '"buffer" argument', encoding)];
}
const publicEncrypt = (key, buffer) => Buffer.from(signing.encrypt(...rsaArguments(key, buffer, false)));
function privateDecrypt(privateKey, buffer) {
  const given = rsaArguments(privateKey, buffer, true);
  if (given[1] === constants.RSA_PKCS1_PADDING) {
    fail(TypeError, "ERR_INVALID_ARG_VALUE", "RSA_PKCS1_PADDING is no longer supported for private decryption");
  }
  return Buffer.from(signing.decrypt(...given));
}
module.exports = { generateKeyPairSync, generateKeyPair, generateKeySync, generateKey, diffieHellman, publicEncrypt, privateDecrypt };
