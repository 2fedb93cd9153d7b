// What the algorithms of Web Cryptography (sections 20 to 35) do with keys: encrypt to deriveBits.
//
// Each function takes the normalized algorithm and the record of a key that fits it, and returns the answer of the host
// (see `complete` in subtlecrypto.js). The host checks the values of parameters; here are the checks of keys.
(platform) => {
  "use strict";
  const { error } = platform.load("subtlecrypto");

  function requireType(key, type) {
    if (key.type !== type) throw error("InvalidAccessError", `The operation needs a ${type} key, not a ${key.type} one.`);
  }

  function encrypt(algorithm, key, data) {
    const { handle } = key;
    switch (algorithm.name) {
      case "AES-CBC":
        return handle("encryptCbc", data, algorithm.iv);
      case "AES-CTR":
        return handle("ctr", data, algorithm.counter, algorithm.length);
      case "AES-GCM":
        return handle("encryptGcm", data, algorithm.iv, algorithm.additionalData ?? null, algorithm.tagLength ?? 128);
      default:
        requireType(key, "public");
        return handle("encryptOaep", data, key.algorithm.hash, algorithm.label ?? null);
    }
  }

  function decrypt(algorithm, key, data) {
    const { handle } = key;
    switch (algorithm.name) {
      case "AES-CBC":
        return handle("decryptCbc", data, algorithm.iv);
      case "AES-CTR":
        return handle("ctr", data, algorithm.counter, algorithm.length);
      case "AES-GCM":
        return handle("decryptGcm", data, algorithm.iv, algorithm.additionalData ?? null, algorithm.tagLength ?? 128);
      default:
        requireType(key, "private");
        return handle("decryptOaep", data, key.algorithm.hash, algorithm.label ?? null);
    }
  }

  function sign(algorithm, key, data) {
    const { handle } = key;
    if (algorithm.name !== "HMAC") requireType(key, "private");
    switch (algorithm.name) {
      case "HMAC":
        return handle("signHmac", data, key.algorithm.hash);
      case "RSASSA-PKCS1-v1_5":
        return handle("signPkcs1", data, key.algorithm.hash);
      case "RSA-PSS":
        return handle("signPss", data, key.algorithm.hash, algorithm.saltLength);
      case "ECDSA":
        return handle("signEcdsa", data, algorithm.hash);
      default:
        return handle("signEddsa", data, algorithm.context ?? null);
    }
  }

  function verify(algorithm, key, signature, data) {
    const { handle } = key;
    if (algorithm.name !== "HMAC") requireType(key, "public");
    switch (algorithm.name) {
      case "HMAC":
        return handle("verifyHmac", data, signature, key.algorithm.hash);
      case "RSASSA-PKCS1-v1_5":
        return handle("verifyPkcs1", data, signature, key.algorithm.hash);
      case "RSA-PSS":
        return handle("verifyPss", data, signature, key.algorithm.hash, algorithm.saltLength);
      case "ECDSA":
        return handle("verifyEcdsa", data, signature, algorithm.hash);
      default:
        return handle("verifyEddsa", data, signature, algorithm.context ?? null);
    }
  }

  /** `length`: in bits; null for all there are. */
  function deriveBits(algorithm, key, length) {
    const { handle } = key;
    switch (algorithm.name) {
      case "HKDF":
        return handle("hkdf", algorithm.hash, algorithm.salt, algorithm.info, length);
      case "PBKDF2":
        return handle("pbkdf2", algorithm.hash, algorithm.salt, algorithm.iterations, length);
      default: {
        // 26.4.2, 28.4.2: both keys must be of one algorithm and curve.
        const peer = algorithm.public;
        requireType(key, "private");
        requireType(peer, "public");
        if (peer.algorithm.name !== key.algorithm.name || peer.algorithm.namedCurve !== key.algorithm.namedCurve) {
          throw error("InvalidAccessError", "The public key is of another algorithm or curve than the private key.");
        }
        return handle("agree", peer.handle("publicBytes"), length);
      }
    }
  }

  return {
    __proto__: null,
    encrypt,
    decrypt,
    sign,
    verify,
    deriveBits,
    wrapKey: (algorithm, key, data) => key.handle("wrap", data),
    unwrapKey: (algorithm, key, data) => key.handle("unwrap", data),
  };
}
