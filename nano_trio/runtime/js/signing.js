// Keys and signatures of node:crypto: its half within the platform, where the host's numbers of keys stay. A key belongs to
// an object of node_crypto_keys.js. Whatever is passed is made what the host takes; what it refuses is thrown.
(platform) => {
  "use strict";
  const { uncurry } = platform;
  const { Error, FinalizationRegistry, TypeError, WeakMap } = platform.constructors;
  const { DOMString } = platform.load("webidl_core");
  const { bytesForHost } = platform.load("webidl_buffers");
  const { defineProperty } = platform.statics.Object;
  const { isView, byteLength, viewByteLength } = platform.buffers;
  const host = platform.host("signing");
  const indexOf = uncurry("String", "indexOf");
  const slice = uncurry("String", "slice");
  const getNumber = uncurry("WeakMap", "get");
  const setNumber = uncurry("WeakMap", "set");
  const register = uncurry("FinalizationRegistry", "register");
  /** Bytes that are signed or verified at once, where they are no digest. */
  const MOST = 1 << 20;
  const numbers = new WeakMap();
  const abandoned = new FinalizationRegistry((number) => host.drop(number));

  function unless(answer) {
    if (typeof answer !== "string") return answer;
    const end = indexOf(answer, "\n");
    const error = new Error(slice(answer, end + 1));
    defineProperty(error, "code", { __proto__: null, value: slice(answer, 0, end), writable: true, enumerable: true, configurable: true });
    throw error;
  }
  function numberOf(owner) {
    const number = getNumber(numbers, owner);
    if (number === undefined) throw new TypeError("There is no such key.");
    return number;
  }
  /** What is told of the key that the host made: [is it private, its type, …]. It belongs to `owner` now. */
  function keep(owner, answer) {
    const [number, ...facts] = unless(answer);
    setNumber(numbers, owner, number);
    register(abandoned, owner, number);
    return facts;
  }
  function bytes(data) {
    const size = isView(data) ? viewByteLength(data) : byteLength(data);
    if (size > MOST) throw new TypeError(`${MOST} bytes can be signed or verified at once, and these are ${size}; crypto.subtle takes more.`);
    return bytesForHost(data);
  }
  return {
    __proto__: null,
    /** Of a text: PEM, or a JSON Web Key. */
    fromText: (owner, text, isJwk, wantPrivate) => keep(owner, host.from_text(DOMString(text), !!isJwk, !!wantPrivate)),
    /** Of DER: `form` is "pkcs8", "pkcs1-private", "sec1", "spki" or "pkcs1". */
    fromCode: (owner, code, form) => keep(owner, host.from_code(bytes(code), DOMString(form))),
    publicOf: (owner, from) => keep(owner, host.public_of(numberOf(from))),
    /** An ArrayBuffer of DER; a string of PEM, or of a JSON Web Key where `form` is "jwk". */
    exported(owner, form, isPem) {
      form = DOMString(form);
      const answer = unless(host.export(numberOf(owner), form, !!isPem));
      return isPem || form === "jwk" ? answer[0] : answer;
    },
    /** `digest` names how `data`, a digest, came to be; with EdDSA it is "", and `data` what is signed. */
    sign: (owner, digest, data, padding, salt, isRaw) =>
      unless(host.sign(numberOf(owner), DOMString(digest), bytes(data), padding | 0, salt | 0, !!isRaw)),
    /** What two keys have in common, an ArrayBuffer. */
    agree: (owner, other) => unless(host.agree(numberOf(owner), numberOf(other))),
    encrypt: (owner, padding, digest, label, data) => unless(host.encrypt(numberOf(owner), padding | 0, DOMString(digest), bytes(label), bytes(data))),
    decrypt: (owner, padding, digest, label, data) => unless(host.decrypt(numberOf(owner), padding | 0, DOMString(digest), bytes(label), bytes(data))),
    verify: (owner, digest, data, signature, padding, salt, isRaw) =>
      unless(host.verify(numberOf(owner), DOMString(digest), bytes(data), bytes(signature), padding | 0, salt | 0, !!isRaw)),
  };
}
