// Keys from passwords for node:crypto: scrypt (RFC 7914) and PBKDF2 (RFC 8018). The host makes them beside the event loop, as a
// promise or while the turn waits.
(platform) => {
  "use strict";
  const { ArrayBuffer } = platform.constructors;
  const { valueOf, promised } = platform.load("host_work");
  const host = platform.host("derivation");

  /** The bytes, an ArrayBuffer: as a promise, or where the turn `waits` as they are. `begin` calls the host; `size`: bytes that it takes. */
  function derive(waits, size, begin) {
    // What the host takes meanwhile counts as the app's memory: this fails where the app may not have it.
    const taken = { __proto__: null, bytes: new ArrayBuffer(size) };
    const answer = begin();
    if (!waits) return promised(host, answer, undefined, taken);
    taken.bytes = undefined;
    return valueOf(answer);
  }
  return {
    __proto__: null,
    // Passwords and salts are what a host function can read at once.
    scrypt: (waits, password, salt, n, r, p, size) =>
      derive(waits, 128 * r * (n + p + 2) + size, () => host.scrypt(waits, password, salt, n, r, p, size)),
    pbkdf2: (waits, digest, password, salt, iterations, size) =>
      derive(waits, size, () => host.pbkdf2(waits, digest, password, salt, iterations, size)),
  };
}
