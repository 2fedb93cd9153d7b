// Ciphers of node:crypto: its half within the platform, where the host's numbers of ciphers stay. A cipher belongs to an
// object of node_crypto_ciphers.js. What is large goes to the host in parts: a call of it is short.
(platform) => {
  "use strict";
  const { uncurry } = platform;
  const { Error, FinalizationRegistry, RangeError, TypeError, Uint8Array, WeakMap } = platform.constructors;
  const { DOMString } = platform.load("webidl_core");
  const { bytesForHost, viewInfo } = platform.load("webidl_buffers");
  const { defineProperty } = platform.statics.Object;
  const { min } = platform.statics.Math;
  const { viewBuffer, viewByteLength } = platform.buffers;
  const host = platform.host("ciphers");
  const indexOf = uncurry("String", "indexOf");
  const slice = uncurry("String", "slice");
  const split = uncurry("String", "split");
  const getNumber = uncurry("WeakMap", "get");
  const setNumber = uncurry("WeakMap", "set");
  const register = uncurry("FinalizationRegistry", "register");
  const copyInto = uncurry("TypedArray", "set");
  const PART = 1 << 16;
  /** Bytes of the longest key, vector or tag. */
  const SHORT = 128;
  const BLOCK = 16;
  const numbers = new WeakMap();
  const abandoned = new FinalizationRegistry((number) => host.drop(number));

  const put = (error, name, value) => defineProperty(error, name, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
  function unless(answer) {
    if (typeof answer !== "string") return answer;
    const end = indexOf(answer, "\n");
    const code = slice(answer, 0, end);
    const message = slice(answer, end + 1);
    const error = code === "ERR_CRYPTO_INVALID_IV" ? new TypeError(message) : new Error(message);
    if (slice(code, 0, 9) === "ERR_OSSL_") {
      const [, , library, , reason] = split(message, ":");
      put(error, "library", library);
      put(error, "reason", reason);
    }
    if (code !== "") put(error, "code", code);
    throw error;
  }
  function numberOf(owner) {
    const number = getNumber(numbers, owner);
    if (number === undefined) throw new TypeError("There is no such cipher.");
    return number;
  }
  function short(bytes) {
    if (viewByteLength(bytes) > SHORT) throw new RangeError("No key, vector or tag is so long.");
    return bytesForHost(bytes);
  }
  /** Give `owner` a cipher. `mode` and the lengths are some that go together; `key` and `iv` are Uint8Arrays. */
  function begin(owner, mode, key, iv, tagLength, encrypts) {
    const number = unless(host.begin(DOMString(mode), short(key), short(iv), tagLength | 0, !!encrypts));
    setNumber(numbers, owner, number);
    register(abandoned, owner, number);
  }
  /** What becomes of the bytes of a view, a Uint8Array of its own. */
  function update(owner, view) {
    const number = numberOf(owner);
    const { buffer, byteOffset, byteLength } = viewInfo(view);
    unless(host.expect(number, byteLength));
    if (byteLength === 0) return new Uint8Array(0);
    if (byteLength <= PART) return new Uint8Array(unless(host.update(number, bytesForHost(view))));
    const all = new Uint8Array(byteLength + BLOCK);
    let end = 0;
    for (let at = 0; at < byteLength; at += PART) {
      const part = new Uint8Array(buffer, byteOffset + at, min(PART, byteLength - at));
      const made = new Uint8Array(unless(host.update(number, bytesForHost(part))));
      copyInto(all, made, end);
      end += viewByteLength(made);
    }
    return new Uint8Array(viewBuffer(all), 0, end);
  }
  /** Additional data. `length`: of the message that follows, or -1. */
  function authenticate(owner, view, length) {
    const number = numberOf(owner);
    const { buffer, byteOffset, byteLength } = viewInfo(view);
    if (length >= 0) unless(host.begin_message(number, length | 0));
    if (byteLength === 0) return unless(host.authenticate(number, bytesForHost(view), 0));
    for (let at = 0; at < byteLength; at += PART) {
      const part = new Uint8Array(buffer, byteOffset + at, min(PART, byteLength - at));
      unless(host.authenticate(number, bytesForHost(part), at === 0 ? byteLength : -1));
    }
  }
  /** The last bytes, or the tag of what was encrypted. The cipher is no more, even where this fails. */
  function finish(owner, tag) {
    const number = numberOf(owner);
    const own = short(tag);
    setNumber(numbers, owner, undefined);
    return new Uint8Array(unless(host.finish(number, own)));
  }
  return {
    __proto__: null,
    begin,
    update,
    authenticate,
    finish,
    pad: (owner, pads) => host.pad(numberOf(owner), !!pads),
    isAuthentic: (owner, tag) => unless(host.is_authentic(numberOf(owner), short(tag))),
  };
}
