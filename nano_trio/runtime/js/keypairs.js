// New private keys for node:crypto, as PKCS#8, and ECDH of numbers and points. One of RSA the host makes beside the event loop.
(platform) => {
  "use strict";
  const { uncurry } = platform;
  const { Error, RangeError, TypeError } = platform.constructors;
  const { DOMString } = platform.load("webidl_core");
  const { defineProperty } = platform.statics.Object;
  const indexOf = uncurry("String", "indexOf");
  const slice = uncurry("String", "slice");
  const host = platform.host("keypairs");
  const { valueOf, promised } = platform.load("host_work");
  const { bytesForHost } = platform.load("webidl_buffers");
  const { viewByteLength } = platform.buffers;
  /** Bytes of the longest number and point that are looked at. */
  const MOST = 256;
  const NAMED = { __proto__: null, prime256v1: true, secp384r1: true, secp521r1: true, secp256k1: true };
  const CURVES = {
    __proto__: null, prime256v1: true, secp384r1: true, secp521r1: true, secp256k1: true, ed25519: true, ed448: true, x25519: true, x448: true,
  };

  function failure(answer) {
    const end = indexOf(answer, "\n");
    const code = slice(answer, 0, end);
    const error = new (code === "ERR_OUT_OF_RANGE" ? RangeError : Error)(slice(answer, end + 1));
    defineProperty(error, "code", { __proto__: null, value: code, writable: true, enumerable: true, configurable: true });
    return error;
  }
  function ofCurve(name) {
    name = DOMString(name);
    if (CURVES[name] !== true) throw new TypeError("There is no such curve.");
    return host.of_curve(name);
  }
  /** The key where the turn `waits` for it, else a promise of it. Both numbers are of 32 bits. */
  function ofRsa(waits, bits, exponent) {
    const answer = host.of_rsa(!!waits, bits >>> 0, exponent >>> 0);
    return waits ? valueOf(answer, failure) : promised(host, answer, failure);
  }
  function named(curve) {
    curve = DOMString(curve);
    if (NAMED[curve] !== true) throw new TypeError("There is no such curve.");
    return curve;
  }
  const fits = (bytes) => viewByteLength(bytes) <= MOST;
  return {
    __proto__: null,
    ofCurve,
    ofRsa,
    newNumber: (curve) => host.new_number(named(curve)),
    // Of Uint8Arrays; null where the number, or the point, is none of the curve's.
    pointOfNumber: (curve, number) => (fits(number) ? host.point_of_number(named(curve), bytesForHost(number)) : null),
    pointOf: (curve, point) => (fits(point) ? host.point_of(named(curve), bytesForHost(point)) : null),
    secretOf: (curve, number, point) =>
      fits(number) && fits(point) ? host.secret_of(named(curve), bytesForHost(number), bytesForHost(point)) : null,
  };
}
