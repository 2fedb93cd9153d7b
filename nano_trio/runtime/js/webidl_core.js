// Web IDL, https://webidl.spec.whatwg.org/ : the part that every app loads. The rest is webidl.js.
//
// Converters take (value, context) where context names the argument for the message, as in
// "Failed to execute 'append' on 'Headers': Argument 1"; they return the converted value or throw a TypeError.
// Interfaces are plain classes whose state lives in private fields (so a wrong receiver throws a TypeError by itself);
// `defineInterface` gives them the property attributes, names and tags that section 3.7 asks for.
(platform) => {
  "use strict";
  const { constructors, statics, uncurry, buffers } = platform;
  const { TypeError } = constructors;
  const { defineProperty, getPrototypeOf } = statics.Object;
  const { ownKeys } = statics.Reflect;
  const { isArray } = statics.Array;
  const { floor, trunc, min, max } = statics.Math;
  const { isFinite, isNaN } = statics.Number;
  const charCodeAt = uncurry("String", "charCodeAt");
  const toWellFormed = uncurry("String", "toWellFormed");
  const execute = uncurry("RegExp", "exec");
  const BEYOND_BYTE = /[^\0-\xff]/;
  const symbolIterator = Symbol.iterator;
  const symbolToStringTag = Symbol.toStringTag;
  const String = globalThis.String;
  const Number = globalThis.Number;
  const BigInt = globalThis.BigInt;

  function fail(context, what) {
    throw new TypeError(context ? `${context}: ${what}` : what);
  }

  /** Throw where fewer than `required` arguments were passed. `context`: "Failed to execute 'append' on 'Headers'". */
  function requireArguments(count, required, context) {
    if (count < required) {
      fail(context, `${required} argument${required === 1 ? "" : "s"} required, but only ${count} present.`);
    }
  }

  // 3.2.4 Integer types
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

  // 3.2.9 – 3.2.11 Strings
  function DOMString(value, context) {
    if (typeof value === "string") return value;
    if (typeof value === "symbol") fail(context, "Cannot convert a Symbol value to a string.");
    return String(value);
  }
  function ByteString(value, context) {
    const string = DOMString(value, context);
    const match = execute(BEYOND_BYTE, string);
    if (match !== null) {
      fail(context, `Cannot convert argument to a ByteString because the character at index ${match.index} has a value of ${charCodeAt(match[0], 0)} which is greater than 255.`);
    }
    return string;
  }
  function USVString(value, context) {
    return toWellFormed(DOMString(value, context));
  }
  function isObject(value) {
    return (typeof value === "object" && value !== null) || typeof value === "function";
  }
  const arrayValues = constructors.Array.prototype[symbolIterator];
  const arrayIteratorPrototype = getPrototypeOf(uncurry("Array", "@@iterator")([]));
  const arrayIteratorNext = arrayIteratorPrototype.next;
  /** Would iterating `value` by `method`, its @@iterator, read the elements of an array one after the other? */
  function iteratesAsArray(value, method) {
    return method === arrayValues && isArray(value) && arrayIteratorPrototype.next === arrayIteratorNext;
  }

  // 3.2.25, 3.2.26 Buffer sources
  function isArrayBuffer(value) {
    if (!isObject(value)) return false;
    try {
      buffers.byteLength(value);
      return true;
    } catch {
      return false;
    }
  }

  /** { buffer, byteOffset, byteLength } of a view, read past patched prototypes. */
  function viewInfo(view) {
    if (buffers.viewTag(view) !== undefined) {
      return {
        __proto__: null,
        buffer: buffers.viewBuffer(view),
        byteOffset: buffers.viewByteOffset(view),
        byteLength: buffers.viewByteLength(view),
      };
    }
    return {
      __proto__: null,
      buffer: buffers.dataViewBuffer(view),
      byteOffset: buffers.dataViewByteOffset(view),
      byteLength: buffers.dataViewByteLength(view),
    };
  }
  /**
   * The bytes of a buffer source as something a host function can read at once: its ArrayBuffer where it covers it
   * whole, else a Uint8Array over its part. No copy.
   */
  function bytesForHost(source) {
    const { buffer, byteOffset, byteLength } = buffers.isView(source)
      ? viewInfo(source)
      : { __proto__: null, buffer: source, byteOffset: 0, byteLength: undefined };
    // The binding reads nothing that is detached, and shared memory may change meanwhile.
    if (!isArrayBuffer(buffer) || buffers.detached(buffer)) return copyBytes(source);
    if (byteLength === undefined || (byteOffset === 0 && buffers.byteLength(buffer) === byteLength)) return buffer;
    return new constructors.Uint8Array(buffer, byteOffset, byteLength);
  }
  /** "Get a copy of the bytes held by the buffer source" (3.2.26), as a new Uint8Array. */
  function copyBytes(source) {
    const part = buffers.isView(source) ? viewInfo(source) : { buffer: source, byteOffset: 0, byteLength: undefined };
    if (isArrayBuffer(part.buffer) && buffers.detached(part.buffer)) return new constructors.Uint8Array(0);
    const view = new constructors.Uint8Array(part.buffer, part.byteOffset, part.byteLength);
    const copy = new constructors.Uint8Array(view.length);
    uncurry("TypedArray", "set")(copy, view);
    return copy;
  }

  const interfacePrototypes = new constructors.WeakSet();
  const addTo = uncurry("WeakSet", "add");
  const isIn = uncurry("WeakSet", "has");
  /** Whether `value` is the prototype of one of the platform's interfaces. */
  function isInterfacePrototype(value) {
    return isIn(interfacePrototypes, value);
  }

  const ENUMERABLE = { __proto__: null, enumerable: true };
  // 3.7 Interfaces: make the members enumerable, tag the prototype, hide what is not part of the interface.
  function defineInterface(Class, { name = Class.name, constants } = {}) {
    const prototype = Class.prototype;
    addTo(interfacePrototypes, prototype);
    const keys = ownKeys(prototype);
    for (let i = 0; i < keys.length; i++) {
      if (keys[i] === "constructor" || typeof keys[i] === "symbol") continue;
      defineProperty(prototype, keys[i], ENUMERABLE);
    }
    const statics_ = ownKeys(Class);
    for (let i = 0; i < statics_.length; i++) {
      const key = statics_[i];
      if (key === "prototype" || key === "name" || key === "length" || typeof key === "symbol") continue;
      defineProperty(Class, key, ENUMERABLE);
    }
    defineProperty(prototype, symbolToStringTag, { __proto__: null, value: name, configurable: true });
    if (constants) {
      const names = ownKeys(constants);
      for (let i = 0; i < names.length; i++) {
        const descriptor = { __proto__: null, value: constants[names[i]], enumerable: true };
        defineProperty(Class, names[i], descriptor);
        defineProperty(prototype, names[i], descriptor);
      }
    }
    return Class;
  }

  return {
    __proto__: null,
    fail,
    requireArguments,
    integer,
    unsignedShort: integer(16, false),
    DOMString,
    ByteString,
    USVString,
    isObject,
    iteratesAsArray,
    isArrayBuffer,
    viewInfo,
    bytesForHost,
    copyBytes,
    isInterfacePrototype,
    defineInterface,
  };
}
