// Algorithm normalization: Web Cryptography 18.4, https://w3c.github.io/webcrypto/#algorithm-normalization
//
// Which algorithm supports which operation with which parameters, as sections 20 to 35, Secure Curves
// (https://wicg.github.io/webcrypto-secure-curves/) and Modern Algorithms
// (https://wicg.github.io/webcrypto-modern-algos/, for SHA-3) register them.
(platform) => {
  "use strict";
  const idl = platform.load("webidl");
  const { fail, isObject, DOMString, BufferSource, copyBytes } = idl;
  const { viewTag } = platform.buffers;
  const { keyType } = platform.load("cryptokey");
  const toLowerCase = platform.uncurry("String", "toLowerCase");
  const test = platform.uncurry("RegExp", "test");
  const BEYOND_ASCII = /[^\0-\x7f]/;

  // The types of dictionary members: converters, and what 18.4.4 step 10 does with what they give.
  const enforceRange = (convert) => (value, context) => convert(value, context, { enforceRange: true });
  const octet = enforceRange(idl.octet);
  const unsignedShort = enforceRange(idl.unsignedShort);
  const unsignedLong = enforceRange(idl.unsignedLong);
  const bytes = (value, context) => BufferSource(value, context);
  /** (object or DOMString) */
  const identifier = (value, context) => (isObject(value) ? value : DOMString(value, context));
  const hash = (value, context) => identifier(value, context);
  const bigInteger = (value, context) => {
    if (!isObject(value) || viewTag(value) !== "Uint8Array") fail(context, "The value is not of type 'Uint8Array'.");
    return copyBytes(BufferSource(value, context));
  };

  // Members of the dictionaries that inherit from Algorithm, in the order they are read: [key, type, is it required].
  const AES_LENGTH = [["length", unsignedShort, true]];
  const CURVE = [["namedCurve", DOMString, true]];
  const HASH = [["hash", hash, true]];
  const HASH_AND_LENGTH = [["hash", hash, true], ["length", unsignedLong, false]];
  const IV = [["iv", bytes, true]];
  const PEER = [["public", keyType, true]];
  const CONTEXT = [["context", bytes, false]];
  const LABEL = [["label", bytes, false]];
  const COUNTER = [["counter", bytes, true], ["length", octet, true]];
  const GCM = [["additionalData", bytes, false], ["iv", bytes, true], ["tagLength", octet, false]];
  const SALT_LENGTH = [["saltLength", unsignedLong, true]];
  const RSA = [["modulusLength", unsignedLong, true], ["publicExponent", bigInteger, true], ["hash", hash, true]];
  const HKDF = [["hash", hash, true], ["info", bytes, true], ["salt", bytes, true]];
  const PBKDF2 = [["hash", hash, true], ["iterations", unsignedLong, true], ["salt", bytes, true]];
  const NONE = [];

  const digest = { __proto__: null, digest: NONE, hash: NONE };
  const aes = (parameters) => ({
    __proto__: null,
    encrypt: parameters,
    decrypt: parameters,
    generateKey: AES_LENGTH,
    importKey: NONE,
    "get key length": AES_LENGTH,
  });
  const signature = (sign, generateKey, importKey) => ({ __proto__: null, sign, verify: sign, generateKey, importKey });
  const agreement = (parameters) => ({ __proto__: null, deriveBits: PEER, generateKey: parameters, importKey: parameters });
  const derivation = (deriveBits) => ({ __proto__: null, deriveBits, importKey: NONE, "get key length": NONE });
  const REGISTERED = {
    __proto__: null,
    "SHA-1": digest,
    "SHA-256": digest,
    "SHA-384": digest,
    "SHA-512": digest,
    "SHA3-256": digest,
    "SHA3-384": digest,
    "SHA3-512": digest,
    // Not of the specification: what Workers have for others' checksums. Nothing is signed or derived with it.
    MD5: { __proto__: null, digest: NONE },
    HMAC: { ...signature(NONE, HASH_AND_LENGTH, HASH_AND_LENGTH), "get key length": HASH_AND_LENGTH },
    "AES-CBC": aes(IV),
    "AES-CTR": aes(COUNTER),
    "AES-GCM": aes(GCM),
    "AES-KW": {
      __proto__: null,
      wrapKey: NONE,
      unwrapKey: NONE,
      generateKey: AES_LENGTH,
      importKey: NONE,
      "get key length": AES_LENGTH,
    },
    "RSASSA-PKCS1-v1_5": signature(NONE, RSA, HASH),
    "RSA-PSS": signature(SALT_LENGTH, RSA, HASH),
    "RSA-OAEP": { __proto__: null, encrypt: LABEL, decrypt: LABEL, generateKey: RSA, importKey: HASH },
    ECDSA: signature(HASH, CURVE, CURVE),
    ECDH: agreement(CURVE),
    Ed25519: signature(NONE, NONE, NONE),
    Ed448: signature(CONTEXT, NONE, NONE),
    X25519: agreement(NONE),
    X448: agreement(NONE),
    HKDF: derivation(HKDF),
    PBKDF2: derivation(PBKDF2),
  };
  const canonical = { __proto__: null };
  for (const name in REGISTERED) canonical[toLowerCase(name)] = name;

  /** 18.4.4: the algorithm as an object { name, …its parameters }. Bytes are copied, hashes normalized. */
  function normalize(operation, algorithm, context) {
    const source = isObject(algorithm) ? algorithm : { __proto__: null, name: algorithm };
    const given = nameOf(source, context);
    const name = test(BEYOND_ASCII, given) ? undefined : canonical[toLowerCase(given)];
    const members = name === undefined ? undefined : REGISTERED[name][operation];
    if (members === undefined) {
      throw platform.makeError("NotSupportedError", `${context}: Unrecognized algorithm '${given}' for ${operation}.`);
    }
    const result = { __proto__: null, name };
    if (members.length === 0) return result;
    nameOf(source, context);
    for (let i = 0; i < members.length; i++) {
      const key = members[i][0];
      const value = source[key];
      if (value !== undefined) result[key] = members[i][1](value, `${context}: '${key}' of the algorithm`);
      else if (members[i][2]) fail(context, `The algorithm ${name} lacks the required member '${key}'.`);
    }
    for (let i = 0; i < members.length; i++) {
      const key = members[i][0];
      const type = members[i][1];
      if (result[key] === undefined) continue;
      if (type === bytes) result[key] = copyBytes(result[key]);
      else if (type === hash) result[key] = normalize("hash", result[key], context).name;
    }
    return result;
  }
  function nameOf(source, context) {
    const { name } = source;
    if (name === undefined) fail(context, "The algorithm lacks the required member 'name'.");
    return DOMString(name, context);
  }

  return { __proto__: null, normalize, identifier };
}
