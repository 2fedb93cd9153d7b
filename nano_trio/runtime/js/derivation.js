// Keys from passwords for node:crypto: scrypt (RFC 7914) and PBKDF2 (RFC 8018). The host makes them beside the event loop, as a
// promise or while the turn waits.
(platform) => {
  "use strict";
  const { promiseThen, withResolvers, uncurry } = platform;
  const { ArrayBuffer } = platform.constructors;
  const indexOf = uncurry("String", "indexOf");
  const slice = uncurry("String", "slice");
  const host = platform.host("derivation");

  function settle(deferred, answer) {
    if (typeof answer === "number") return deferred.resolve(platform.load("large").take(answer, false));
    if (typeof answer !== "string") return deferred.resolve(answer);
    const end = indexOf(answer, "\n");
    return deferred.reject(platform.makeError(slice(answer, 0, end), slice(answer, end + 1)));
  }
  /** The bytes, an ArrayBuffer: as a promise, or where the turn `waits` as they are. `begin` calls the host; `size`: bytes that it takes. */
  function derive(waits, size, begin) {
    // What the host takes meanwhile counts as the app's memory: this fails where the app may not have it.
    const taken = { __proto__: null, bytes: new ArrayBuffer(size) };
    if (waits) {
      const answer = begin();
      taken.bytes = undefined;
      let result;
      settle({ __proto__: null, resolve: (value) => void (result = value), reject: (error) => { throw error; } }, answer);
      return result;
    }
    const deferred = withResolvers();
    const answer = begin();
    if (answer !== null) settle(deferred, answer);
    else {
      let operation;
      const done = platform.operation((id) => {
        operation = id;
        host.proceed(id);
      });
      promiseThen(done, () => {
        taken.bytes = undefined;
        settle(deferred, host.take(operation));
      });
    }
    return deferred.promise;
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
