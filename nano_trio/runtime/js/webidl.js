// Web IDL, https://webidl.spec.whatwg.org/ : conversions to IDL types, and the shape of interfaces.
//
// Converters take (value, context) where context names the argument for the message, as in
// "Failed to execute 'append' on 'Headers': Argument 1"; they return the converted value or throw a TypeError.
// Interfaces are plain classes whose state lives in private fields (so a wrong receiver throws a TypeError by itself);
// `defineInterface` gives them the property attributes, names and tags that section 3.7 asks for.
(platform) => {
  "use strict";
  const { constructors, statics, uncurry, buffers } = platform;
  const { TypeError, Map } = constructors;
  const { defineProperty, getPrototypeOf, setPrototypeOf } = statics.Object;
  const { ownKeys, apply } = statics.Reflect;
  const { isArray } = statics.Array;
  const { floor, trunc, fround, min, max } = statics.Math;
  const { isFinite, isNaN } = statics.Number;
  const charCodeAt = uncurry("String", "charCodeAt");
  const toWellFormed = uncurry("String", "toWellFormed");
  const indexOf = uncurry("Array", "indexOf");
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

  // 3.2.6, 3.2.7 Floating point
  function unrestrictedDouble(value) {
    return +value;
  }
  function double(value, context) {
    const x = +value;
    if (!isFinite(x)) fail(context, "The value is not a finite floating-point number.");
    return x;
  }
  function float(value, context) {
    const x = fround(double(value, context));
    if (!isFinite(x)) fail(context, "The value is out of range of a float.");
    return x;
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
  function boolean(value) {
    return !!value;
  }
  function any(value) {
    return value;
  }
  function isObject(value) {
    return (typeof value === "object" && value !== null) || typeof value === "function";
  }
  function object(value, context) {
    if (!isObject(value)) fail(context, "The value is not an object.");
    return value;
  }

  // 3.2.18 Enumerations
  function enumeration(name, values) {
    return (value, context) => {
      const string = DOMString(value, context);
      if (indexOf(values, string) < 0) {
        fail(context, `The provided value '${string}' is not a valid enum value of type ${name}.`);
      }
      return string;
    };
  }

  // 3.2.16 Callback functions
  function callbackFunction(value, context) {
    if (typeof value !== "function") fail(context, "The value is not a function.");
    return value;
  }

  // 3.2.20 Nullable types
  function nullable(converter) {
    return (value, context) => (value === null || value === undefined ? null : converter(value, context));
  }

  // 3.2.21 Sequences
  function sequence(converter) {
    return (value, context) => {
      if (!isObject(value)) fail(context, "The value cannot be converted to a sequence: it is not an object.");
      const method = value[symbolIterator];
      if (method === undefined || method === null) {
        fail(context, "The object must have a callable @@iterator property.");
      }
      return sequenceFromIterable(value, method, converter, context);
    };
  }
  const arrayValues = constructors.Array.prototype[symbolIterator];
  const arrayIteratorPrototype = getPrototypeOf(uncurry("Array", "@@iterator")([]));
  const arrayIteratorNext = arrayIteratorPrototype.next;
  /** Would iterating `value` by `method`, its @@iterator, read the elements of an array one after the other? */
  function iteratesAsArray(value, method) {
    return method === arrayValues && isArray(value) && arrayIteratorPrototype.next === arrayIteratorNext;
  }
  /** 3.2.21.1 Creating a sequence from an iterable: `method` is its @@iterator, looked up once. */
  function sequenceFromIterable(iterable, method, converter, context) {
    if (iteratesAsArray(iterable, method)) {
      const items = [];
      for (let i = 0; i < iterable.length; i++) items[i] = converter(iterable[i], context);
      return items;
    }
    if (typeof method !== "function") fail(context, "The object must have a callable @@iterator property.");
    const iterator = apply(method, iterable, []);
    if (!isObject(iterator)) fail(context, "@@iterator did not return an object.");
    const next = iterator.next;
    const result = [];
    for (let i = 0; ; i++) {
      const step = apply(next, iterator, []);
      if (!isObject(step)) fail(context, "The iterator result is not an object.");
      if (step.done) return result;
      defineProperty(result, i, {
        __proto__: null,
        value: converter(step.value, context ? `${context}, index ${i}` : ""),
        writable: true,
        enumerable: true,
        configurable: true,
      });
    }
  }

  // 3.2.23 Records: an array of [key, value]; a later key that converts to the same string replaces the value in place.
  function record(keyConverter, valueConverter) {
    const mapGet = uncurry("Map", "get");
    const mapSet = uncurry("Map", "set");
    return (value, context) => {
      if (!isObject(value)) fail(context, "The value cannot be converted to a record: it is not an object.");
      const entries = [];
      const seen = new Map();
      const keys = ownKeys(value);
      for (let i = 0; i < keys.length; i++) {
        const descriptor = statics.Reflect.getOwnPropertyDescriptor(value, keys[i]);
        if (descriptor === undefined || !descriptor.enumerable) continue;
        const key = keyConverter(keys[i], context);
        const converted = valueConverter(value[keys[i]], context);
        const at = mapGet(seen, key);
        if (at !== undefined) {
          entries[at][1] = converted;
        } else {
          mapSet(seen, key, entries.length);
          entries[entries.length] = [key, converted];
        }
      }
      return entries;
    };
  }

  // 3.2.17 Dictionaries. `members`: [{ key, converter, required, defaultValue }] in the order the specification
  // reads them (inherited dictionaries first, each in lexicographical order). Absent members without default are absent.
  function dictionary(name, members) {
    return (value, context) => {
      const isMissing = value === undefined || value === null;
      if (!isMissing && !isObject(value)) fail(context, `The value cannot be converted to ${name}: it is not an object.`);
      const result = { __proto__: null };
      for (let i = 0; i < members.length; i++) {
        const { key, converter, required, defaultValue } = members[i];
        const member = isMissing ? undefined : value[key];
        if (member !== undefined) {
          result[key] = converter(member, context ? `${context}: '${key}'` : `'${key}' of '${name}'`);
        } else if (defaultValue !== undefined) {
          result[key] = typeof defaultValue === "function" ? defaultValue() : defaultValue;
        } else if (required) {
          fail(context, `Required member '${key}' of ${name} is undefined.`);
        }
      }
      return result;
    };
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
  function isSharedArrayBuffer(value) {
    if (!isObject(value)) return false;
    try {
      buffers.sharedByteLength(value);
      return true;
    } catch {
      return false;
    }
  }
  /** BufferSource: an ArrayBuffer or a view; shared memory only with [AllowShared]. */
  function BufferSource(value, context, { allowShared = false } = {}) {
    if (buffers.isView(value)) {
      if (!allowShared && !isArrayBuffer(viewInfo(value).buffer)) fail(context, "The view's buffer is shared.");
      return value;
    }
    if (isArrayBuffer(value) || (allowShared && isSharedArrayBuffer(value))) return value;
    return fail(context, "The value is not of type '(ArrayBuffer or ArrayBufferView)'.");
  }
  function ArrayBufferView(value, context, { allowShared = false } = {}) {
    if (!buffers.isView(value)) fail(context, "The value is not of type 'ArrayBufferView'.");
    if (!allowShared && !isArrayBuffer(viewInfo(value).buffer)) fail(context, "The view's buffer is shared.");
    return value;
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

  /** The converter to an interface type: `isInstance(value)` is the brand check. */
  function interfaceType(name, isInstance) {
    return (value, context) => {
      if (!isObject(value) || !isInstance(value)) fail(context, `The value is not of type '${name}'.`);
      return value;
    };
  }

  /** Throw the TypeError of a constructor that scripts may not call. */
  function illegalConstructor() {
    throw new TypeError("Illegal constructor");
  }

  const interfacePrototypes = new constructors.WeakSet();
  const addTo = uncurry("WeakSet", "add");
  const isIn = uncurry("WeakSet", "has");
  /** Whether `value` is the prototype of one of the platform's interfaces. */
  function isInterfacePrototype(value) {
    return isIn(interfacePrototypes, value);
  }

  // 3.7 Interfaces: make the members enumerable, tag the prototype, hide what is not part of the interface.
  function defineInterface(Class, { name = Class.name, constants } = {}) {
    const prototype = Class.prototype;
    addTo(interfacePrototypes, prototype);
    const keys = ownKeys(prototype);
    for (let i = 0; i < keys.length; i++) {
      if (keys[i] === "constructor" || typeof keys[i] === "symbol") continue;
      defineProperty(prototype, keys[i], { __proto__: null, enumerable: true });
    }
    const statics_ = ownKeys(Class);
    for (let i = 0; i < statics_.length; i++) {
      const key = statics_[i];
      if (key === "prototype" || key === "name" || key === "length" || typeof key === "symbol") continue;
      defineProperty(Class, key, { __proto__: null, enumerable: true });
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

  // 3.7.9 Iterable declarations with pairs. `entriesOf(instance)` returns the live array-like of [key, value] pairs, or
  // throws a TypeError where the receiver is no instance.
  function definePairIterable(Class, name, entriesOf) {
    class PairIterator {
      #target;
      #kind;
      #index = 0;
      constructor(target, kind) {
        entriesOf(target);
        this.#target = target;
        this.#kind = kind;
      }
      next() {
        const entries = entriesOf(this.#target);
        if (this.#index >= entries.length) return { value: undefined, done: true };
        const pair = entries[this.#index++];
        return { value: this.#kind === 2 ? [pair[0], pair[1]] : pair[this.#kind], done: false };
      }
    }
    const { prototype } = PairIterator;
    delete prototype.constructor;
    setPrototypeOf(prototype, getPrototypeOf(arrayIteratorPrototype));
    defineProperty(prototype, "next", { __proto__: null, enumerable: true });
    defineProperty(prototype, symbolToStringTag, { __proto__: null, value: `${name} Iterator`, configurable: true });
    const methods = {
      __proto__: null,
      keys() {
        return new PairIterator(this, 0);
      },
      values() {
        return new PairIterator(this, 1);
      },
      entries() {
        return new PairIterator(this, 2);
      },
      forEach(callback) {
        entriesOf(this);
        requireArguments(arguments.length, 1, `Failed to execute 'forEach' on '${name}'`);
        callbackFunction(callback, `Failed to execute 'forEach' on '${name}': Argument 1`);
        const thisArgument = arguments[1];
        for (let i = 0; ; i++) {
          const entries = entriesOf(this);
          if (i >= entries.length) return;
          apply(callback, thisArgument, [entries[i][1], entries[i][0], this]);
        }
      },
    };
    for (const key in methods) {
      defineProperty(Class.prototype, key, { __proto__: null, value: methods[key], writable: true, enumerable: true, configurable: true });
    }
    defineProperty(Class.prototype, symbolIterator, { __proto__: null, value: methods.entries, writable: true, enumerable: false, configurable: true });
  }

  return {
    __proto__: null,
    fail,
    requireArguments,
    isObject,
    any,
    object,
    boolean,
    byte: integer(8, true),
    octet: integer(8, false),
    short: integer(16, true),
    unsignedShort: integer(16, false),
    long: integer(32, true),
    unsignedLong: integer(32, false),
    longLong: integer(64, true),
    unsignedLongLong: integer(64, false),
    double,
    unrestrictedDouble,
    float,
    DOMString,
    ByteString,
    USVString,
    enumeration,
    callbackFunction,
    nullable,
    sequence,
    sequenceFromIterable,
    iteratesAsArray,
    record,
    dictionary,
    isArrayBuffer,
    isSharedArrayBuffer,
    BufferSource,
    ArrayBufferView,
    viewInfo,
    bytesForHost,
    copyBytes,
    interfaceType,
    illegalConstructor,
    isInterfacePrototype,
    defineInterface,
    definePairIterable,
  };
}
