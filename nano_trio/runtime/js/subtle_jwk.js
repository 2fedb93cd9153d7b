// JSON Web Keys: RFC 7517 and 7518, RFC 8037, as Web Cryptography (section 15 and the import steps of each algorithm) uses
// them, https://w3c.github.io/webcrypto/#JsonWebKey-dictionary
(platform) => {
  "use strict";
  const idl = platform.load("webidl");
  const { error } = platform.load("subtlecrypto");
  const { usageList, put } = platform.load("cryptokey");
  const { parse: parseJson, stringify } = platform.statics.JSON;
  const { setPrototypeOf } = platform.statics.Object;
  const indexOf = platform.uncurry("Array", "indexOf");
  const slice = platform.uncurry("String", "slice");
  const repeat = platform.uncurry("String", "repeat");
  const exec = platform.uncurry("RegExp", "exec");
  const toBase64 = platform.uncurry("Uint8Array", "toBase64");
  const { fromBase64 } = platform.statics.Uint8Array;
  const { isArray } = platform.statics.Array;
  const { Uint8Array } = platform.constructors;
  const host = platform.host("subtlecrypto");
  const URL = { __proto__: null, alphabet: "base64url", omitPadding: true };
  /** Characters of base64 beyond which the host does not decode it. The numbers of the largest key of RSA have 2731. */
  const LONG = 16384;

  const { DOMString } = idl;
  const RsaOtherPrimesInfo = idl.dictionary("RsaOtherPrimesInfo", [
    { __proto__: null, key: "d", converter: DOMString },
    { __proto__: null, key: "r", converter: DOMString },
    { __proto__: null, key: "t", converter: DOMString },
  ]);
  const strings = (key) => ({ __proto__: null, key, converter: DOMString });
  const JsonWebKey = idl.dictionary("JsonWebKey", [
    strings("alg"),
    strings("crv"),
    strings("d"),
    strings("dp"),
    strings("dq"),
    strings("e"),
    { __proto__: null, key: "ext", converter: idl.boolean },
    strings("k"),
    { __proto__: null, key: "key_ops", converter: idl.sequence(DOMString) },
    strings("kty"),
    strings("n"),
    { __proto__: null, key: "oth", converter: idl.sequence(RsaOtherPrimesInfo) },
    strings("p"),
    strings("q"),
    strings("qi"),
    strings("use"),
    strings("x"),
    strings("y"),
  ]);

  const fail = (message) => {
    throw error("DataError", `The JSON Web Key is invalid: ${message}`);
  };

  /** What "alg" a key of `algorithm` has; undefined where none is registered. `length`: of an AES key, in bits. */
  function algOf(algorithm, length) {
    const { name, hash } = algorithm;
    const bits = hash === undefined ? "" : hash === "SHA-1" ? "1" : slice(hash, 4);
    if (hash !== undefined && slice(hash, 0, 4) === "SHA3") return undefined;
    switch (name) {
      case "HMAC":
        return `HS${bits}`;
      case "RSASSA-PKCS1-v1_5":
        return `RS${bits}`;
      case "RSA-PSS":
        return `PS${bits}`;
      case "RSA-OAEP":
        return bits === "1" ? "RSA-OAEP" : `RSA-OAEP-${bits}`;
      case "Ed25519":
      case "Ed448":
        return name;
      default:
        return slice(name, 0, 3) === "AES" ? `A${length}${slice(name, 4)}` : undefined;
    }
  }
  function keyTypeOf({ name, namedCurve }) {
    if (namedCurve !== undefined) return "EC";
    if (slice(name, 0, 3) === "RSA") return "RSA";
    return name === "HMAC" || slice(name, 0, 3) === "AES" ? "oct" : "OKP";
  }
  const isEncryption = ({ name }) => slice(name, 0, 3) === "AES" || name === "RSA-OAEP";
  const isAgreement = ({ name }) => name === "ECDH" || name === "X25519" || name === "X448";

  /** Whether a JWK is one of a key for `algorithm` that may serve `usages`, apart from its material. */
  function check(jwk, algorithm, extractable, usages, length) {
    const { name } = algorithm;
    const kty = keyTypeOf(algorithm);
    if (jwk.kty !== kty) fail(`"kty" is not "${kty}".`);
    const use = isEncryption(algorithm) || isAgreement(algorithm) ? "enc" : "sig";
    if (usages !== 0 && jwk.use !== undefined && jwk.use !== use) fail(`"use" is not "${use}".`);
    if (jwk.key_ops !== undefined) checkOperations(jwk.key_ops, usages);
    if (jwk.ext === false && extractable) fail('"ext" is false for an extractable key.');
    if (kty === "EC" || kty === "OKP") {
      const crv = algorithm.namedCurve ?? name;
      if (jwk.crv !== crv) fail(`"crv" is not "${crv}".`);
    }
    if (jwk.alg === undefined) return;
    if (name === "ECDSA") {
      const alg = { __proto__: null, "P-256": "ES256", "P-384": "ES384", "P-521": "ES512" }[algorithm.namedCurve];
      if (jwk.alg !== alg) fail(`"alg" is not "${alg}".`);
    } else if (kty === "OKP") {
      if (!isAgreement(algorithm) && jwk.alg !== name && jwk.alg !== "EdDSA") fail(`"alg" is not "${name}" or "EdDSA".`);
    } else if (name !== "ECDH") {
      const alg = algOf(algorithm, length);
      if (alg !== undefined && jwk.alg !== alg) fail(`"alg" is not "${alg}".`);
    }
  }
  /** RFC 7517 section 4.3: "key_ops" must name each of `usages`, and nothing twice. */
  function checkOperations(operations, usages) {
    for (let i = 0; i < operations.length; i++) {
      if (indexOf(operations, operations[i], i + 1) >= 0) fail(`"key_ops" has "${operations[i]}" twice.`);
    }
    const list = usageList(usages);
    for (let i = 0; i < list.length; i++) {
      if (indexOf(operations, list[i]) < 0) fail(`"key_ops" lacks "${list[i]}".`);
    }
  }

  /** The bytes of a secret key. */
  function secretBytes(jwk) {
    if (jwk.kty !== "oct") fail('"kty" is not "oct".');
    const bytes = jwk.k === undefined ? null : jwk.k.length > LONG ? decodeLong(jwk.k) : host.fromBase64(jwk.k);
    if (bytes === null) fail('"k" is no base64url.');
    return bytes;
  }
  /** What the host would make of base64url, without it. */
  function decodeLong(text) {
    let end = text.length;
    for (let i = 0; i < 2 && text[end - 1] === "="; i++) end--;
    text = slice(text, 0, end);
    if (exec(/[^A-Za-z0-9_-]/, text) !== null) return null;
    try {
      return fromBase64(text, URL);
    } catch {
      return null;
    }
  }
  /** The answer of the host for the key that a public or private JWK holds. */
  function importMaterial(jwk, { name, namedCurve }) {
    const members = [jwk.n, jwk.e, jwk.d, jwk.p, jwk.q, jwk.dp, jwk.dq, jwk.qi, jwk.x, jwk.y];
    for (let i = 0; i < members.length; i++) if (members[i] !== undefined && members[i].length > LONG) fail("it is too long.");
    if (jwk.kty !== "RSA") return host.importCurveJwk(namedCurve ?? name, jwk.x, jwk.y, jwk.d);
    if (jwk.oth !== undefined) throw error("NotSupportedError", "RSA keys of more than two primes are not supported.");
    return host.importRsaJwk(jwk.n, jwk.e, jwk.d, jwk.p, jwk.q, jwk.dp, jwk.dq, jwk.qi);
  }

  /** The JWK of a key, of what the host exported: "kty n …", names and values in turn. */
  function fill(jwk, key, exported, operations) {
    // The bytes themselves of a secret that is large.
    if (!isArray(exported)) exported = ["kty", "oct", "k", toBase64(new Uint8Array(exported), URL)];
    put(jwk, "key_ops", operations);
    put(jwk, "ext", key.extractable);
    for (let i = 0; i < exported.length; i += 2) put(jwk, exported[i], exported[i + 1]);
    const alg = algOf(key.algorithm, key.algorithm.length);
    if (alg !== undefined) put(jwk, "alg", alg);
    return jwk;
  }
  const toJwk = (key, exported) => fill({}, key, exported, usageList(key.usages));

  /**
   * wrapKey, step 13: the JWK as bytes, of which there are a multiple of `unit`. It inherits nothing, so that no toJSON is
   * called. Its note leaves it to the implementation to pad what AES-KW wraps: by spaces, here.
   */
  function serialize(key, exported, unit) {
    const jwk = fill({ __proto__: null }, key, exported, setPrototypeOf(usageList(key.usages), null));
    let text = stringify(jwk);
    // All in it is ASCII.
    if (text.length % unit > 0) text += repeat(" ", unit - (text.length % unit));
    return platform.load("utf8").encode(text);
  }
  /** "Parse a JWK". */
  function parse(data) {
    const text = platform.load("utf8").decode(data);
    let value;
    try {
      value = parseJson(text);
    } catch {
      fail("it is no JSON.");
    }
    if (!idl.isObject(value)) fail("it is no object.");
    const jwk = JsonWebKey(setPrototypeOf(value, null), "The JSON Web Key");
    if (jwk.kty === undefined) fail('it lacks "kty".');
    return jwk;
  }

  return { __proto__: null, JsonWebKey, check, importMaterial, secretBytes, toJwk, serialize, parse };
}
