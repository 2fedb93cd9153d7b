// Web IDL, https://webidl.spec.whatwg.org/ : the part that every app loads. The rest is webidl.js and what that
// loads.
//
// Converters take (value, context) where context names the argument for the message, as in
// "Failed to execute 'append' on 'Headers': Argument 1"; they return the converted value or throw a TypeError.
// Interfaces are plain classes whose state lives in private fields (so a wrong receiver throws a TypeError by itself);
// `defineInterface` gives them the property attributes, names and tags that section 3.7 asks for.
(platform) => {
  "use strict";
  const { constructors, statics, uncurry } = platform;
  const { TypeError } = constructors;
  const { create, defineProperty, getPrototypeOf } = statics.Object;
  const { ownKeys } = statics.Reflect;
  const { isArray } = statics.Array;
  const charCodeAt = uncurry("String", "charCodeAt");
  const toWellFormed = uncurry("String", "toWellFormed");
  const execute = uncurry("RegExp", "exec");
  const BEYOND_BYTE = /[^\0-\xff]/;
  const symbolIterator = Symbol.iterator;
  const symbolToStringTag = Symbol.toStringTag;
  const String = globalThis.String;

  function fail(context, what) {
    throw new TypeError(context ? `${context}: ${what}` : what);
  }

  /** Throw where fewer than `required` arguments were passed. `context`: "Failed to execute 'append' on 'Headers'". */
  function requireArguments(count, required, context) {
    if (count < required) {
      fail(context, `${required} argument${required === 1 ? "" : "s"} required, but only ${count} present.`);
    }
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
    return typeof value === "object" ? value !== null : typeof value === "function";
  }
  const arrayValues = constructors.Array.prototype[symbolIterator];
  const arrayIteratorPrototype = getPrototypeOf(uncurry("Array", "values")([]));
  const arrayIteratorNext = arrayIteratorPrototype.next;
  /** Would iterating `value` by `method`, its @@iterator, read the elements of an array one after the other? */
  function iteratesAsArray(value, method) {
    return method === arrayValues && isArray(value) && arrayIteratorPrototype.next === arrayIteratorNext;
  }

  const interfacePrototypes = new constructors.WeakSet();
  const addTo = uncurry("WeakSet", "add");
  const isIn = uncurry("WeakSet", "has");
  /** Whether `value` is the prototype of one of the platform's interfaces. */
  function isInterfacePrototype(value) {
    return isIn(interfacePrototypes, value);
  }

  // No array: an app that puts setters of indices on its prototype would be given the models.
  const kept = { __proto__: null };
  let keptCount = 0;
  /**
   * Make it cheap for objects of that prototype to get the properties `names` one after the other: how an object grows
   * the engine knows only while there are others that did, and here are such, one for each step. Returns a model for each.
   */
  function keepShapes(prototype, names) {
    const models = { __proto__: null };
    for (let count = 1; count <= names.length; count++) {
      const object = create(prototype);
      for (let i = 0; i < count; i++) object[names[i]] = null;
      models[count - 1] = kept[keptCount++] = object;
    }
    return models;
  }
  const newModel = uncurry("Object", "modelOf");
  /** A model of what `make` makes: it takes the values of an object's own properties, which may be private ones. */
  function modelOf(make) {
    return (kept[keptCount++] = newModel(make));
  }
  /** alike(model, …values): an object of those values, as a rule without running a constructor. No app gets a model. */
  const alike = uncurry("Object", "alike");

  const ENUMERABLE = { __proto__: null, enumerable: true };
  // 3.7 Interfaces: make the members enumerable, tag the prototype, hide what is not part of the interface.
  function defineInterface(Class, { name = Class.name, length, constants } = {}) {
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
    if (length !== undefined) defineProperty(Class, "length", { __proto__: null, value: length });
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
    DOMString,
    ByteString,
    USVString,
    isObject,
    iteratesAsArray,
    isInterfacePrototype,
    keepShapes,
    modelOf,
    alike,
    defineInterface,
  };
}
