// What node_*.js need of the platform and cannot have by the Web's own interfaces: formatting, and hashes at once.
//
// Those files are modules of the app's own realm, loaded when it imports them. They reach this as modules.js says; it
// gives an app nothing that they do not. An app may call it as it likes: the host's numbers stay in here.
(platform) => {
  "use strict";
  const { inspect } = platform.load("inspect");
  const { DOMString } = platform.load("webidl_core");
  const { bytesForHost, copyBytes, isArrayBuffer, viewInfo } = platform.load("webidl_buffers");
  const { freeze } = platform.statics.Object;
  const { floor, min } = platform.statics.Math;
  const host = platform.host("node");
  const slice = platform.uncurry("ArrayBuffer", "slice");
  const register = platform.uncurry("FinalizationRegistry", "register");
  const getNumber = platform.uncurry("WeakMap", "get");
  const setNumber = platform.uncurry("WeakMap", "set");
  const { FinalizationRegistry, RangeError, TypeError, Uint8Array, WeakMap } = platform.constructors;
  const { byteLength } = platform.buffers;
  // Bytes that one call of the host may take: a few tenths of a millisecond, of the slowest hash.
  const PART = 1 << 16;
  const MOST_SALT = 1 << 20;
  const MOST_KEY = 1 << 22;
  /** The host's numbers of hashes by the objects that have them. */
  const numbers = new WeakMap();
  const abandoned = new FinalizationRegistry((number) => host.drop(number));

  function keep(owner, number) {
    setNumber(numbers, owner, number);
    register(abandoned, owner, number);
  }
  function numberOf(owner) {
    const number = getNumber(numbers, owner);
    if (number === undefined) throw new TypeError("There is no such hash.");
    return number;
  }
  /** Give `owner` a hash, or an HMAC where there is a key (ArrayBuffer). False: the algorithm is unknown. */
  function begin(owner, algorithm, key) {
    algorithm = DOMString(algorithm);
    const isLong = key !== undefined && byteLength(key) > PART;
    const secret = key === undefined ? null : isLong ? hashOf(algorithm, key) : bytesForHost(key);
    const number = host.begin(algorithm, secret);
    if (number < 0) return false;
    keep(owner, number);
    return true;
  }
  /** What an HMAC makes of a key that is longer than a block (RFC 2104), here in parts; null for an unknown algorithm. */
  function hashOf(algorithm, key) {
    const number = host.begin(algorithm, null);
    if (number < 0) return null;
    feed(number, new Uint8Array(key));
    return host.finish(number);
  }
  /** What stands for the key of an HMAC, given as a view: itself where it is short. null: there is no such digest. */
  function shortKey(algorithm, view) {
    const number = host.begin(algorithm, null);
    if (number < 0) return null;
    if (viewInfo(view).byteLength <= PART) {
      host.drop(number);
      return bytesForHost(view);
    }
    feed(number, view);
    return host.finish(number);
  }
  function saltOf(view) {
    const { byteLength } = viewInfo(view);
    if (byteLength > MOST_SALT) throw new RangeError(`A salt may have ${MOST_SALT} bytes, and this one has ${byteLength}.`);
    return bytesForHost(view);
  }
  function checkNumbers(numbers) {
    for (let i = 0; i < numbers.length; i++) {
      if (!(numbers[i] >= 0 && numbers[i] <= 0x7fffffff && floor(numbers[i]) === numbers[i])) throw new TypeError("These are no parameters.");
    }
  }
  function checkSize(size) {
    if (size > MOST_KEY) throw new RangeError(`A key that is derived may have ${MOST_KEY} bytes, and this one has ${size}.`);
  }
  function feed(number, view) {
    const { buffer, byteOffset, byteLength } = viewInfo(view);
    const isOwn = isArrayBuffer(buffer); // else it is shared
    for (let at = 0; at < byteLength; at += PART) {
      const start = byteOffset + at;
      const size = min(byteLength - at, PART);
      host.update(number, isOwn ? slice(buffer, start, start + size) : copyBytes(new Uint8Array(buffer, start, size)));
    }
  }
  return freeze({
    __proto__: null,
    inspect: (value, options) => inspect(value, options),
    formatLog: (args) => platform.load("console").formatLog(args),
    begin,
    update: (owner, view) => feed(numberOf(owner), view),
    copy: (owner, from) => keep(owner, host.copy(numberOf(from))),
    finish: (owner) => {
      const number = numberOf(owner);
      setNumber(numbers, owner, undefined);
      return host.finish(number);
    },
    algorithms: () => host.algorithms(),
    /**
     * Keys from passwords, as a promise or where the turn `waits` as they are. `password` and `salt` are views; the numbers are
     * positive, and what they take the app may have. undefined: there is no such digest.
     */
    scrypt(waits, password, salt, n, r, p, size) {
      checkNumbers([n, r, p, size]);
      checkSize(size);
      return platform.load("derivation").scrypt(!!waits, shortKey("sha256", password), saltOf(salt), n | 0, r | 0, p | 0, size | 0);
    },
    pbkdf2(waits, digest, password, salt, iterations, size) {
      checkNumbers([iterations, size]);
      checkSize(size);
      digest = DOMString(digest);
      const secret = shortKey(digest, password);
      if (secret === null) return undefined;
      return platform.load("derivation").pbkdf2(!!waits, digest, secret, saltOf(salt), iterations | 0, size | 0);
    },
    /** What node:zlib compresses and decompresses. */
    get packing() {
      return platform.load("packing");
    },
    /** HKDF, an ArrayBuffer. undefined: there is no such digest; null: it gives no so long key. */
    hkdf(digest, key, salt, info, size) {
      checkNumbers([size]);
      digest = DOMString(digest);
      const grains = shortKey(digest, salt);
      const number = grains === null ? -1 : host.begin(digest, grains);
      if (number < 0) return undefined;
      feed(number, key);
      return host.expand(digest, host.finish(number), bytesForHost(info), size | 0);
    },
  });
}
