// What the algorithms of Web Cryptography (sections 20 to 35) do with keys: encrypt to deriveBits.
//
// Each function takes the normalized algorithm and the record of a key that fits it, and returns the answer of the host
// (see `complete` in subtlecrypto.js). The host checks the values of parameters; here are the checks of keys.
(platform) => {
  "use strict";
  const { error } = platform.load("subtlecrypto");
  const { pass } = platform.load("ahead");

  function requireType(key, type) {
    if (key.type !== type) throw error("InvalidAccessError", `The operation needs a ${type} key, not a ${key.type} one.`);
  }

  function gcm(name, { iv, additionalData = null, tagLength = 128 }, handle, data) {
    return handle(name, pass(data), pass(iv), pass(additionalData), tagLength);
  }
  function encrypt(algorithm, key, data) {
    const { handle } = key;
    switch (algorithm.name) {
      case "AES-CBC":
        return handle("encryptCbc", pass(data), pass(algorithm.iv));
      case "AES-CTR":
        return handle("ctr", pass(data), pass(algorithm.counter), algorithm.length);
      case "AES-GCM":
        return gcm("encryptGcm", algorithm, handle, data);
      default:
        requireType(key, "public");
        return handle("encryptOaep", pass(data), key.algorithm.hash, pass(algorithm.label ?? null));
    }
  }

  function decrypt(algorithm, key, data) {
    const { handle } = key;
    switch (algorithm.name) {
      case "AES-CBC":
        return handle("decryptCbc", pass(data), pass(algorithm.iv));
      case "AES-CTR":
        return handle("ctr", pass(data), pass(algorithm.counter), algorithm.length);
      case "AES-GCM":
        return gcm("decryptGcm", algorithm, handle, data);
      default:
        requireType(key, "private");
        return handle("decryptOaep", pass(data), key.algorithm.hash, pass(algorithm.label ?? null));
    }
  }

  function sign(algorithm, key, data) {
    const { handle } = key;
    if (algorithm.name !== "HMAC") requireType(key, "private");
    switch (algorithm.name) {
      case "HMAC":
        return handle("signHmac", pass(data), key.algorithm.hash);
      case "RSASSA-PKCS1-v1_5":
        return handle("signPkcs1", pass(data), key.algorithm.hash);
      case "RSA-PSS":
        return handle("signPss", pass(data), key.algorithm.hash, algorithm.saltLength);
      case "ECDSA":
        return handle("signEcdsa", pass(data), algorithm.hash);
      default:
        return handle("signEddsa", pass(data), pass(algorithm.context ?? null));
    }
  }

  function verify(algorithm, key, signature, data) {
    const { handle } = key;
    if (algorithm.name !== "HMAC") requireType(key, "public");
    switch (algorithm.name) {
      case "HMAC":
        return handle("verifyHmac", pass(data), pass(signature), key.algorithm.hash);
      case "RSASSA-PKCS1-v1_5":
        return handle("verifyPkcs1", pass(data), pass(signature), key.algorithm.hash);
      case "RSA-PSS":
        return handle("verifyPss", pass(data), pass(signature), key.algorithm.hash, algorithm.saltLength);
      case "ECDSA":
        return handle("verifyEcdsa", pass(data), pass(signature), algorithm.hash);
      default:
        return handle("verifyEddsa", pass(data), pass(signature), pass(algorithm.context ?? null));
    }
  }

  /** `length`: in bits; null for all there are. */
  function deriveBits(algorithm, key, length) {
    const { handle } = key;
    switch (algorithm.name) {
      case "HKDF":
        return handle("hkdf", algorithm.hash, pass(algorithm.salt), pass(algorithm.info), length);
      case "PBKDF2":
        return handle("pbkdf2", algorithm.hash, pass(algorithm.salt), algorithm.iterations, length);
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
    wrapKey: (algorithm, key, data) => key.handle("wrap", pass(data)),
    unwrapKey: (algorithm, key, data) => key.handle("unwrap", pass(data)),
  };
}
