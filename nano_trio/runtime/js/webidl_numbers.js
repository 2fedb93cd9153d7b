// Web IDL's integer types: https://webidl.spec.whatwg.org/#js-integer-types
(platform) => {
  "use strict";
  const { statics, constructors } = platform;
  const { fail } = platform.load("webidl_core");
  const { floor, trunc, min, max } = statics.Math;
  const { isFinite, isNaN } = statics.Number;
  const { Number, BigInt } = constructors;

  /** The converter to integers of so many bits. */
  function integer(bits, signed) {
    const upper = bits === 64 ? 2 ** 53 - 1 : signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
    const lower = bits === 64 ? (signed ? -(2 ** 53) + 1 : 0) : signed ? -(2 ** (bits - 1)) : 0;
    const modulus = 2 ** bits;
    return (value, context, { enforceRange = false, clamp = false } = {}) => {
      let x = +value;
      if (enforceRange) {
        if (isNaN(x) || !isFinite(x)) fail(context, "Value is not a finite number.");
        x = trunc(x);
        if (x < lower || x > upper) fail(context, `Value is outside the range [${lower}, ${upper}].`);
        return x + 0;
      }
      if (clamp && !isNaN(x)) {
        x = min(max(x, lower), upper);
        const below = floor(x);
        if (x - below < 0.5) return below + 0;
        if (x - below > 0.5) return below + 1;
        return below % 2 === 0 ? below + 0 : below + 1;
      }
      if (isNaN(x) || x === 0 || !isFinite(x)) return 0;
      x = trunc(x);
      if (x >= lower && x <= upper) return x + 0;
      x %= modulus;
      if (bits === 64) {
        const wide = signed ? statics.BigInt.asIntN(64, BigInt(x)) : statics.BigInt.asUintN(64, BigInt(x));
        return Number(wide);
      }
      if (x < 0) x += modulus;
      if (signed && x >= 2 ** (bits - 1)) x -= modulus;
      return x + 0;
    };
  }

  return { __proto__: null, integer, unsignedShort: integer(16, false) };
}
