// How the algorithms of Web Cryptography (sections 20 to 35) generate, import and export keys.
//
// Keys are the records that cryptokey.js describes. The bytes and numbers of a key are the host's affair: its functions
// give a handle for a key, and errors for key material that is malformed.
(platform) => {
  "use strict";
  const { complete, error } = platform.load("subtlecrypto");
  const { pass } = platform.load("ahead");
  const { TypeError, ArrayBuffer, Uint8Array } = platform.constructors;
  const { byteLength, isView, viewBuffer, viewByteOffset, viewByteLength } = platform.buffers;
  const host = platform.host("subtlecrypto");

  /** Bytes of a public or private key: a hundred times as many as the largest key of RSA has. */
  const MAX_KEY = 1 << 20;

  // The usages that a key of each algorithm may have, as bits: [secret] or [public, private].
  const AES = [1 + 2 + 64 + 128];
  const SIGNATURE = [8, 4];
  const AGREEMENT = [0, 16 + 32];
  const DERIVATION = [16 + 32];
  const PERMITTED = {
    __proto__: null,
    "AES-CBC": AES,
    "AES-CTR": AES,
    "AES-GCM": AES,
    "AES-KW": [64 + 128],
    HMAC: [4 + 8],
    HKDF: DERIVATION,
    PBKDF2: DERIVATION,
    "RSASSA-PKCS1-v1_5": SIGNATURE,
    "RSA-PSS": SIGNATURE,
    "RSA-OAEP": [1 + 64, 2 + 128],
    ECDSA: SIGNATURE,
    ECDH: AGREEMENT,
    Ed25519: SIGNATURE,
    Ed448: SIGNATURE,
    X25519: AGREEMENT,
    X448: AGREEMENT,
  };
  /** The bytes of an integer without zeros in front; only some of one that is too large for an RSA key. */
  function significant(bytes) {
    const size = viewByteLength(bytes);
    let start = 0;
    while (start < size && bytes[start] === 0) start++;
    return new Uint8Array(viewBuffer(bytes), viewByteOffset(bytes) + start, size - start < 64 ? size - start : 64);
  }

  /** The block size of a hash function in bits: the length of an HMAC key by default. */
  const BLOCK = {
    __proto__: null,
    "SHA-1": 512,
    "SHA-256": 512,
    "SHA-384": 1024,
    "SHA-512": 1024,
    "SHA3-256": 1088,
    "SHA3-384": 832,
    "SHA3-512": 576,
  };

  const isRsa = ({ name }) => name === "RSASSA-PKCS1-v1_5" || name === "RSA-PSS" || name === "RSA-OAEP";
  const isElliptic = ({ name }) => name === "ECDSA" || name === "ECDH";
  const isDerivation = ({ name }) => name === "HKDF" || name === "PBKDF2";
  const isAesLength = (length) => length === 128 || length === 192 || length === 256;

  function requirePermitted(usages, permitted) {
    if (usages & ~permitted) throw error("SyntaxError", "The algorithm does not support one of the key's usages.");
  }
  function requireSome(usages) {
    if (usages === 0) throw error("SyntaxError", "A secret or private key needs at least one usage.");
  }
  function requireCurve({ namedCurve }) {
    if (namedCurve !== "P-256" && namedCurve !== "P-384" && namedCurve !== "P-521") {
      throw error("NotSupportedError", `There is no support for the curve '${namedCurve}'.`);
    }
  }
  const record = (type, extractable, algorithm, usages, handle) => ({
    __proto__: null,
    type,
    extractable,
    algorithm,
    usages,
    handle,
  });

  /** "Generate key": { answer, finish }; `finish(handle)` makes the record, or { publicKey, privateKey }. */
  function generate(algorithm, extractable, usages) {
    const { name } = algorithm;
    const permitted = PERMITTED[name];
    if (permitted.length === 1) {
      requirePermitted(usages, permitted[0]);
      let { length } = algorithm;
      if (name === "HMAC") {
        length ??= BLOCK[algorithm.hash];
        if (length === 0) throw error("OperationError", "The length of an HMAC key must not be zero.");
      } else if (!isAesLength(length)) {
        throw error("OperationError", "The length of an AES key must be 128, 192 or 256 bits.");
      }
      requireSome(usages);
      const own = name === "HMAC" ? { __proto__: null, name, hash: algorithm.hash, length } : algorithm;
      return {
        answer: host.generateSecret(length),
        finish: (handle) => reserve(record("secret", extractable, own, usages, handle), length / 8),
      };
    }
    requirePermitted(usages, permitted[0] | permitted[1]);
    if (isElliptic(algorithm)) requireCurve(algorithm);
    const answer = isRsa(algorithm)
      ? host.generateRsa(algorithm.modulusLength, significant(algorithm.publicExponent))
      : host.generateCurve(algorithm.namedCurve ?? name);
    if (typeof answer !== "string") requireSome(usages & permitted[1]);
    return {
      answer,
      finish: (handle) => {
        const own = isRsa(algorithm) ? rsaAlgorithm(algorithm, handle) : algorithm;
        return {
          publicKey: record("public", true, own, usages & permitted[0], handle("public")),
          privateKey: record("private", extractable, own, usages & permitted[1], handle),
        };
      },
    };
  }

  function rsaAlgorithm({ name, hash }, handle) {
    const publicExponent = new Uint8Array(handle("publicExponent"));
    return { __proto__: null, name, modulusLength: handle("modulusLength"), publicExponent, hash };
  }

  /**
   * "Import key": hands the record to `finish`. `data` are bytes (an ArrayBuffer or a Uint8Array that nothing else
   * holds) or, for "jwk", a JsonWebKey dictionary.
   */
  function importKey(deferred, format, data, algorithm, extractable, usages, finish) {
    const permitted = PERMITTED[algorithm.name];
    if (permitted.length === 1) {
      const key = importSecret(format, data, algorithm, extractable, usages, permitted[0]);
      requireSome(usages);
      return finish(key);
    }
    const isPrivate = format === "pkcs8" || (format === "jwk" && data.d !== undefined);
    // 26.4.3 and others for "raw": what else is no format of an RSA key.
    if (format === "raw" && isRsa(algorithm)) throw unsupportedFormat(format, algorithm);
    if (isElliptic(algorithm)) requireCurve(algorithm);
    requirePermitted(usages, permitted[isPrivate ? 1 : 0]);
    let answer;
    if (format === "jwk") {
      const jwk = platform.load("subtle_jwk");
      jwk.check(data, algorithm, extractable, usages);
      answer = jwk.importMaterial(data, algorithm);
    } else if ((isView(data) ? viewByteLength(data) : byteLength(data)) > MAX_KEY) {
      throw error("DataError", "The key data is malformed.");
    } else if (isRsa(algorithm)) {
      answer = host.importRsa(format, data);
    } else {
      answer = host.importCurve(algorithm.namedCurve ?? algorithm.name, format, data);
    }
    return complete(deferred, answer, (handle) => {
      if (isPrivate) requireSome(usages);
      const own = isRsa(algorithm) ? rsaAlgorithm(algorithm, handle) : algorithm;
      finish(record(isPrivate ? "private" : "public", extractable, own, usages, handle));
    });
  }

  function importSecret(format, data, algorithm, extractable, usages, permitted) {
    const { name } = algorithm;
    requirePermitted(usages, permitted);
    if (isDerivation(algorithm) ? format !== "raw" : format !== "raw" && format !== "jwk") {
      throw unsupportedFormat(format, algorithm);
    }
    if (isDerivation(algorithm)) {
      if (extractable) throw error("SyntaxError", `A key for ${name} cannot be extractable.`);
      return secret(false, algorithm, usages, data);
    }
    let bytes = data;
    if (format === "jwk") bytes = platform.load("subtle_jwk").secretBytes(data);
    let length = 8 * (isView(bytes) ? viewByteLength(bytes) : byteLength(bytes));
    const isHmac = name === "HMAC";
    if (!isHmac && !isAesLength(length)) throw error("DataError", "The length of an AES key must be 128, 192 or 256 bits.");
    if (format === "jwk") platform.load("subtle_jwk").check(data, algorithm, extractable, usages, length);
    if (!isHmac) return secret(extractable, { __proto__: null, name, length }, usages, bytes);
    if (length === 0) throw error("DataError", "An HMAC key must not be empty.");
    if (algorithm.length !== undefined) {
      if (algorithm.length > length || algorithm.length <= length - 8) {
        throw error("DataError", `The key has ${length} bits, not ${algorithm.length}.`);
      }
      ({ length } = algorithm);
    }
    return secret(extractable, { __proto__: null, name, hash: algorithm.hash, length }, usages, bytes, length);
  }
  function secret(extractable, algorithm, usages, bytes, length = null) {
    const key = record("secret", extractable, algorithm, usages, host.importSecret(pass(bytes), length));
    return reserve(key, isView(bytes) ? viewByteLength(bytes) : byteLength(bytes));
  }
  /** The host keeps a secret key's bytes; where they are many they count as the app's memory all the same. */
  function reserve(key, size) {
    if (size > 1024) key.reserved = new ArrayBuffer(size);
    return key;
  }
  function unsupportedFormat(format, { name }) {
    return error("NotSupportedError", `Keys for ${name} have no format '${format}'.`);
  }

  function requireExport(key) {
    if (isDerivation(key.algorithm)) throw error("NotSupportedError", `Keys for ${key.algorithm.name} cannot be exported.`);
  }

  /** "Export key": the host's answer. What it gives for "jwk", subtle_jwk.js makes a JSON Web Key. */
  function exportKey(format, key) {
    const { type } = key;
    if (type === "secret" ? format !== "raw" && format !== "jwk" : format === "raw" && isRsa(key.algorithm)) {
      throw unsupportedFormat(format, key.algorithm);
    }
    if (type !== "secret" && format !== "jwk" && (format === "pkcs8") !== (type === "private")) {
      throw error("InvalidAccessError", `A ${type} key has no format '${format}'.`);
    }
    return key.handle("export", format);
  }

  /** "Get key length", in bits or null. */
  function keyLength(algorithm) {
    if (isDerivation(algorithm)) return null;
    const { length } = algorithm;
    if (algorithm.name === "HMAC") {
      if (length === 0) throw new TypeError("The length of an HMAC key must not be zero.");
      return length ?? BLOCK[algorithm.hash];
    }
    if (!isAesLength(length)) throw error("OperationError", "The length of an AES key must be 128, 192 or 256 bits.");
    return length;
  }

  return { __proto__: null, generate, importKey, exportKey, requireExport, keyLength };
}
