// What node_*.js need of the platform and cannot have by the Web's own interfaces: formatting, and hashes at once.
//
// Those files are modules of the app's own realm, loaded when it imports them. They reach this by a global, like the
// other modules of ours; it gives an app nothing that they do not.
(platform) => {
  "use strict";
  const { inspect } = platform.load("inspect");
  const { viewInfo } = platform.load("webidl");
  const { freeze } = platform.statics.Object;
  const { min } = platform.statics.Math;
  const host = platform.host("node");
  const slice = platform.uncurry("ArrayBuffer", "slice");
  const register = platform.uncurry("FinalizationRegistry", "register");
  const { FinalizationRegistry } = platform.constructors;
  // Bytes that one call of the host may take: about a quarter of a millisecond.
  const PART = 1 << 18;
  const abandoned = new FinalizationRegistry((number) => host.drop(number));

  /** A hash, or an HMAC where there is a key (ArrayBuffer): its number, or -1 where the algorithm is unknown. */
  function begin(owner, algorithm, key) {
    const number = host.begin(algorithm, key ?? null);
    if (number >= 0) register(abandoned, owner, number);
    return number;
  }
  function update(number, view) {
    const { buffer, byteOffset, byteLength } = viewInfo(view);
    for (let at = 0; at < byteLength; at += PART) {
      host.update(number, slice(buffer, byteOffset + at, byteOffset + min(byteLength, at + PART)));
    }
  }
  return {
    __proto__: null,
    "nano:node": freeze({
      __proto__: null,
      inspect: (value, options) => inspect(value, options),
      formatLog: (args) => platform.load("console").formatLog(args),
      begin,
      update,
      copy: (owner, number) => {
        const copy = host.copy(number);
        register(abandoned, owner, copy);
        return copy;
      },
      finish: (number) => host.finish(number),
      algorithms: () => host.algorithms(),
    }),
  };
}
