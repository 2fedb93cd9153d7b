// Deep equality, strict and as node:assert has it outside its strict mode.
// Node.js API, Comparison details: https://nodejs.org/api/assert.html#comparison-details
const { types } = require("node:util");

const isObject = (value) => typeof value === "object" && value !== null;
const isEnumerable = (value, key) => Object.prototype.propertyIsEnumerable.call(value, key);

/** `isLoose`: primitives are compared by ==, and neither prototypes nor properties whose keys are symbols count. */
class Comparison {
  constructor(isLoose) {
    this.isLoose = isLoose;
  }
  /** `pairs`: the objects that are being compared, for those that contain themselves. */
  same(a, b, pairs) {
    if (Object.is(a, b)) return true;
    // eslint-disable-next-line eqeqeq -- what the looser comparison is
    if (!isObject(a) || !isObject(b)) return this.isLoose && !isObject(a) && !isObject(b) && a == b;
    if (!this.isLoose && Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
    if (Object.prototype.toString.call(a) !== Object.prototype.toString.call(b)) return false;
    if (pairs.some(([x, y]) => x === a && y === b)) return true;
    pairs = [...pairs, [a, b]];
    if (Array.isArray(a) !== Array.isArray(b) || (Array.isArray(a) && a.length !== b.length)) return false;
    if (types.isDate(a) && (!types.isDate(b) || !Object.is(a.getTime(), b.getTime()))) return false;
    if (types.isRegExp(a) && (String(a) !== String(b) || a.lastIndex !== b.lastIndex)) return false;
    if (types.isBoxedPrimitive(a) && (!types.isBoxedPrimitive(b) || !Object.is(a.valueOf(), b.valueOf()))) return false;
    if (a instanceof Error && (a.message !== b.message || a.name !== b.name || !this.same(a.cause, b.cause, pairs))) return false;
    if (types.isAnyArrayBuffer(a) && !this.same(new Uint8Array(a), new Uint8Array(b), pairs)) return false;
    if (ArrayBuffer.isView(a)) return this.sameViews(a, b);
    if (types.isSet(a) && !(types.isSet(b) && this.sameSets(a, b, pairs))) return false;
    if (types.isMap(a) && !(types.isMap(b) && this.sameMaps(a, b, pairs))) return false;
    const keys = this.keysOf(a);
    if (keys.length !== this.keysOf(b).length) return false;
    return keys.every((key) => isEnumerable(b, key) && this.same(a[key], b[key], pairs));
  }
  keysOf(value) {
    return this.isLoose ? Object.keys(value) : Reflect.ownKeys(value).filter((key) => isEnumerable(value, key));
  }
  sameViews(a, b) {
    if (a.byteLength !== b.byteLength) return false;
    if (types.isDataView(a)) {
      for (let i = 0; i < a.byteLength; i++) if (a.getUint8(i) !== b.getUint8(i)) return false;
    } else {
      for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i]) && !(this.isLoose && a[i] === b[i])) return false;
    }
    return true;
  }
  sameSets(a, b, pairs) {
    if (a.size !== b.size) return false;
    const rest = [...b].filter((each) => !a.has(each));
    for (const each of a) {
      if (b.has(each)) continue;
      const at = rest.findIndex((other) => this.same(each, other, pairs));
      if (at < 0) return false;
      rest.splice(at, 1);
    }
    return true;
  }
  sameMaps(a, b, pairs) {
    if (a.size !== b.size) return false;
    const rest = [...b].filter(([key]) => !a.has(key));
    for (const [key, value] of a) {
      if (b.has(key)) {
        if (!this.same(value, b.get(key), pairs)) return false;
        continue;
      }
      const at = rest.findIndex(([other, otherValue]) => this.same(key, other, pairs) && this.same(value, otherValue, pairs));
      if (at < 0) return false;
      rest.splice(at, 1);
    }
    return true;
  }
}
const strict = new Comparison(false);
const loose = new Comparison(true);
module.exports = { isDeepStrictEqual: (a, b) => strict.same(a, b, []), isDeepEqual: (a, b) => loose.same(a, b, []) };
