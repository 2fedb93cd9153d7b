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
  const { FinalizationRegistry, Uint8Array } = platform.constructors;
  const { byteLength } = platform.buffers;
  // Bytes that one call of the host may take: a few tenths of a millisecond, of the slowest hash.
  const PART = 1 << 16;
  const abandoned = new FinalizationRegistry((number) => host.drop(number));

  /** A hash, or an HMAC where there is a key (ArrayBuffer): its number, or -1 where the algorithm is unknown. */
  function begin(owner, algorithm, key) {
    const isLong = key !== undefined && byteLength(key) > PART;
    const number = host.begin(algorithm, isLong ? hashOf(algorithm, key) : (key ?? null));
    if (number >= 0) register(abandoned, owner, number);
    return number;
  }
  /** What an HMAC makes of a key that is longer than a block (RFC 2104), here in parts; null for an unknown algorithm. */
  function hashOf(algorithm, key) {
    const number = host.begin(algorithm, null);
    if (number < 0) return null;
    update(number, new Uint8Array(key));
    return host.finish(number);
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
