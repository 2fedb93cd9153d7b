// Promise.withResolvers(): ECMAScript 27.2.4.9, https://tc39.es/ecma262/#sec-promise.withResolvers
(platform) => {
  "use strict";
  const { TypeError } = platform.constructors;

  return {
    __proto__: null,
    withResolvers() {
      let resolve, reject;
      // NewPromiseCapability(C)
      const promise = new this((first, second) => {
        if (resolve !== undefined || reject !== undefined) throw new TypeError("The executor was called already.");
        resolve = first;
        reject = second;
      });
      if (typeof resolve !== "function" || typeof reject !== "function") {
        throw new TypeError("The constructor gave no functions that settle the promise.");
      }
      return { promise, resolve, reject };
    },
  };
}
