// scrypt, for node:crypto: RFC 7914. The host computes it beside the event loop, as subtlecrypto.js has it of others.
(platform) => {
  "use strict";
  const { promiseThen, withResolvers, uncurry } = platform;
  const { ArrayBuffer } = platform.constructors;
  const stringIndexOf = uncurry("String", "indexOf");
  const slice = uncurry("String", "slice");
  const host = platform.host("node.scrypt");

  function settle(deferred, answer) {
    if (typeof answer === "number") return deferred.resolve(platform.load("large").take(answer, false));
    if (typeof answer !== "string") return deferred.resolve(answer);
    const end = stringIndexOf(answer, "\n");
    return deferred.reject(platform.makeError(slice(answer, 0, end), slice(answer, end + 1)));
  }
  /** The bytes, an ArrayBuffer, as a promise. `password` and `salt` are ArrayBuffers. */
  function scrypt(password, salt, n, r, p, size) {
    const deferred = withResolvers();
    // What the host takes meanwhile counts as the app's memory: this fails where the app may not have it.
    deferred.held = new ArrayBuffer(128 * r * (n + p + 2) + size);
    const answer = host.run(password, salt, n, r, p, size);
    if (answer !== null) settle(deferred, answer);
    else {
      let operation;
      const done = platform.operation((id) => {
        operation = id;
        host.proceed(id);
      });
      promiseThen(done, () => {
        deferred.held = undefined;
        settle(deferred, host.take(operation));
      });
    }
    return deferred.promise;
  }
  return { __proto__: null, scrypt };
}
