// Web IDL, https://webidl.spec.whatwg.org/ : conversions to IDL types, and the shape of interfaces.
//
// What every app needs is in webidl_core.js, which also says how converters are used; integers are in webidl_numbers.js,
// buffer sources in webidl_buffers.js. This file offers all of it too.
(platform) => {
  "use strict";
  const { constructors, statics, uncurry, buffers } = platform;
  const { TypeError, Map } = constructors;
  const { defineProperty, getPrototypeOf, setPrototypeOf } = statics.Object;
  const { ownKeys, apply } = statics.Reflect;
  const { fround } = statics.Math;
  const { isFinite } = statics.Number;
  const indexOf = uncurry("Array", "indexOf");
  const symbolIterator = Symbol.iterator;
  const symbolToStringTag = Symbol.toStringTag;
  const arrayIteratorPrototype = getPrototypeOf(uncurry("Array", "values")([]));
  const core = platform.load("webidl_core");
  const numbers = platform.load("webidl_numbers");
  const bufferSources = platform.load("webidl_buffers");
  const { fail, requireArguments, DOMString, isObject, iteratesAsArray } = core;
  const { integer } = numbers;
  const { isArrayBuffer, viewInfo } = bufferSources;

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

  function boolean(value) {
    return !!value;
  }
  function any(value) {
    return value;
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
        const index = this.#index;
        if (index >= entries.length) return { value: undefined, done: true };
        this.#index = index + 1;
        const pair = entries[index];
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
    ...core,
    ...numbers,
    ...bufferSources,
    any,
    object,
    boolean,
    byte: integer(8, true),
    octet: integer(8, false),
    short: integer(16, true),
    long: integer(32, true),
    unsignedLong: integer(32, false),
    longLong: integer(64, true),
    unsignedLongLong: integer(64, false),
    double,
    unrestrictedDouble,
    float,
    enumeration,
    callbackFunction,
    nullable,
    sequence,
    sequenceFromIterable,
    record,
    dictionary,
    isSharedArrayBuffer,
    BufferSource,
    ArrayBufferView,
    interfaceType,
    illegalConstructor,
    definePairIterable,
  };
}
