// The platform: what every specification file in this folder builds on.
//
// Theory of operation. Each isolate evaluates this file once, before any code of the app. It
//   1. captures the builtins that the platform uses (`uncurry`, `statics`), so that an app that patches
//      `Array.prototype.push` or `Promise.prototype.then` later changes nothing for the platform;
//   2. defines the Web platform's globals as lazy accessors: the first touch of `URL` loads `url.js`, and what is never
//      touched costs nothing;
//   3. hands the host one entry point, `enter(entry, ...)`, that runs a registered function and reports what it throws,
//      because the engine swallows exceptions that nobody catches.
//
// A specification file is one arrow function, `(platform) => ({ Name, … })`. Its result is what `load("file")` returns
// to other files, and the names that `platform.py` lists as its globals become properties of globalThis.
// The files that each app needs (`core`) come together with this one, for together they are read faster; the others are
// read when they are first asked for.
// Host functions are reached with `host("file")`: an object of functions from the Python module of the same name. They
// live in closures only; nothing here leaks one to an app. They never throw: each says in its return value what failed.
(core, lazyGlobals, loadSpecification, hostNamespace, fileOf, globalsOf) => {
  "use strict";
  const globals = globalThis;
  const {
    AggregateError, Array, ArrayBuffer, BigInt, BigInt64Array, BigUint64Array, Boolean, DataView, Date, Error, EvalError,
    FinalizationRegistry, Float16Array, Float32Array, Float64Array, Function, Int8Array, Int16Array, Int32Array, JSON, Map,
    Math, Number, Object, Promise, Proxy, RangeError, ReferenceError, Reflect, RegExp, Set, SharedArrayBuffer, String,
    Symbol, SyntaxError, TypeError, Uint8Array, Uint8ClampedArray, Uint16Array, Uint32Array, URIError, WeakMap, WeakRef,
    WeakSet,
  } = globals;
  const constructors = {
    __proto__: null,
    AggregateError, Array, ArrayBuffer, BigInt, BigInt64Array, BigUint64Array, Boolean, DataView, Date, Error, EvalError,
    FinalizationRegistry, Float16Array, Float32Array, Float64Array, Function, Int8Array, Int16Array, Int32Array, Map,
    Number, Object, Promise, Proxy, RangeError, ReferenceError, RegExp, Set, SharedArrayBuffer, String, Symbol,
    SyntaxError, TypeError, Uint8Array, Uint8ClampedArray, Uint16Array, Uint32Array, URIError, WeakMap, WeakRef, WeakSet,
  };
  const bindCall = Function.prototype.bind.bind(Function.prototype.call);
  const TypedArray = Object.getPrototypeOf(Uint8Array);

  const arrayPrototype = Array.prototype;
  const arrayBufferPrototype = ArrayBuffer.prototype;
  const dataViewPrototype = DataView.prototype;
  const mapPrototype = Map.prototype;
  const numberPrototype = Number.prototype;
  const objectPrototype = Object.prototype;
  const regExpPrototype = RegExp.prototype;
  const setPrototype = Set.prototype;
  const stringPrototype = String.prototype;
  const typedArrayPrototype = TypedArray.prototype;
  const weakMapPrototype = WeakMap.prototype;
  const indexOf = bindCall(arrayPrototype.indexOf);
  const getterOf = bindCall(objectPrototype.__lookupGetter__);
  // Captured methods and getters by type, each followed by its name: `uncurry` replaces these two by the name and what it
  // made of the method. Add here what a new file needs. One list each, for objects with these members would take three
  // times as long to make, in each isolate.
  const methods = {
    __proto__: null,
    Array: [
      arrayPrototype.push, "push",
      arrayPrototype.pop, "pop",
      arrayPrototype.shift, "shift",
      arrayPrototype.unshift, "unshift",
      arrayPrototype.slice, "slice",
      arrayPrototype.splice, "splice",
      arrayPrototype.join, "join",
      arrayPrototype.indexOf, "indexOf",
      arrayPrototype.filter, "filter",
      arrayPrototype.sort, "sort",
      arrayPrototype.concat, "concat",
      arrayPrototype.values, "values",
    ],
    ArrayBuffer: [
      arrayBufferPrototype.slice, "slice",
      arrayBufferPrototype.transfer, "transfer",
      arrayBufferPrototype.resize, "resize",
      getterOf(arrayBufferPrototype, "byteLength"), "byteLength",
      getterOf(arrayBufferPrototype, "detached"), "detached",
      getterOf(arrayBufferPrototype, "resizable"), "resizable",
      getterOf(arrayBufferPrototype, "maxByteLength"), "maxByteLength",
    ],
    BigInt: [BigInt.prototype.valueOf, "valueOf"],
    Boolean: [Boolean.prototype.valueOf, "valueOf"],
    DataView: [
      getterOf(dataViewPrototype, "buffer"), "buffer",
      getterOf(dataViewPrototype, "byteOffset"), "byteOffset",
      getterOf(dataViewPrototype, "byteLength"), "byteLength",
    ],
    Date: [Date.prototype.getTime, "getTime", Date.prototype.toISOString, "toISOString"],
    Error: [Error.prototype.toString, "toString"],
    FinalizationRegistry: [FinalizationRegistry.prototype.register, "register"],
    Function: [Function.prototype.call, "call", Function.prototype.toString, "toString"],
    Map: [
      mapPrototype.get, "get",
      mapPrototype.set, "set",
      mapPrototype.has, "has",
      mapPrototype.delete, "delete",
      mapPrototype.forEach, "forEach",
      mapPrototype.entries, "entries",
      getterOf(mapPrototype, "size"), "size",
    ],
    Number: [
      numberPrototype.toString, "toString",
      numberPrototype.toFixed, "toFixed",
      numberPrototype.valueOf, "valueOf",
    ],
    Object: [
      objectPrototype.hasOwnProperty, "hasOwnProperty",
      objectPrototype.propertyIsEnumerable, "propertyIsEnumerable",
      objectPrototype.toString, "toString",
      objectPrototype.__defineGetter__, "__defineGetter__",
      objectPrototype.__lookupGetter__, "__lookupGetter__",
    ],
    Promise: [Promise.prototype.then, "then"],
    RegExp: [
      regExpPrototype.exec, "exec",
      regExpPrototype.test, "test",
      regExpPrototype[Symbol.replace], Symbol.replace,
      getterOf(regExpPrototype, "source"), "source",
      getterOf(regExpPrototype, "flags"), "flags",
    ],
    Set: [
      setPrototype.add, "add",
      setPrototype.has, "has",
      setPrototype.delete, "delete",
      setPrototype.forEach, "forEach",
      setPrototype.values, "values",
      getterOf(setPrototype, "size"), "size",
    ],
    SharedArrayBuffer: [getterOf(SharedArrayBuffer.prototype, "byteLength"), "byteLength"],
    String: [
      stringPrototype.charCodeAt, "charCodeAt",
      stringPrototype.codePointAt, "codePointAt",
      stringPrototype.slice, "slice",
      stringPrototype.substring, "substring",
      stringPrototype.indexOf, "indexOf",
      stringPrototype.lastIndexOf, "lastIndexOf",
      stringPrototype.includes, "includes",
      stringPrototype.startsWith, "startsWith",
      stringPrototype.endsWith, "endsWith",
      stringPrototype.split, "split",
      stringPrototype.trim, "trim",
      stringPrototype.toLowerCase, "toLowerCase",
      stringPrototype.toUpperCase, "toUpperCase",
      stringPrototype.replaceAll, "replaceAll",
      stringPrototype.padStart, "padStart",
      stringPrototype.padEnd, "padEnd",
      stringPrototype.repeat, "repeat",
      stringPrototype.toWellFormed, "toWellFormed",
      stringPrototype.isWellFormed, "isWellFormed",
      stringPrototype.valueOf, "valueOf",
    ],
    Symbol: [Symbol.prototype.toString, "toString", Symbol.prototype.valueOf, "valueOf"],
    TypedArray: [
      typedArrayPrototype.set, "set",
      typedArrayPrototype.slice, "slice",
      typedArrayPrototype.fill, "fill",
      getterOf(typedArrayPrototype, "buffer"), "buffer",
      getterOf(typedArrayPrototype, "byteOffset"), "byteOffset",
      getterOf(typedArrayPrototype, "byteLength"), "byteLength",
      getterOf(typedArrayPrototype, Symbol.toStringTag), Symbol.toStringTag,
    ],
    Uint8Array: [Uint8Array.prototype.toBase64, "toBase64"],
    WeakMap: [weakMapPrototype.get, "get", weakMapPrototype.set, "set", weakMapPrototype.has, "has"],
    WeakRef: [WeakRef.prototype.deref, "deref"],
    WeakSet: [WeakSet.prototype.add, "add", WeakSet.prototype.has, "has"],
  };
  const statics = {
    __proto__: null,
    Array: { __proto__: null, isArray: Array.isArray },
    ArrayBuffer: { __proto__: null, isView: ArrayBuffer.isView },
    BigInt: { __proto__: null, asIntN: BigInt.asIntN, asUintN: BigInt.asUintN },
    Date: { __proto__: null, now: Date.now },
    Error: { __proto__: null, isError: Error.isError },
    JSON: { __proto__: null, stringify: JSON.stringify, parse: JSON.parse },
    Math: {
      __proto__: null,
      floor: Math.floor,
      min: Math.min,
      max: Math.max,
      trunc: Math.trunc,
      random: Math.random,
      round: Math.round,
      fround: Math.fround,
    },
    Number: {
      __proto__: null,
      isNaN: Number.isNaN,
      isFinite: Number.isFinite,
      parseFloat: Number.parseFloat,
      parseInt: Number.parseInt,
    },
    Object: {
      __proto__: null,
      assign: Object.assign,
      create: Object.create,
      defineProperty: Object.defineProperty,
      freeze: Object.freeze,
      isExtensible: Object.isExtensible,
      getOwnPropertyDescriptor: Object.getOwnPropertyDescriptor,
      getOwnPropertyDescriptors: Object.getOwnPropertyDescriptors,
      getOwnPropertyNames: Object.getOwnPropertyNames,
      getOwnPropertySymbols: Object.getOwnPropertySymbols,
      getPrototypeOf: Object.getPrototypeOf,
      setPrototypeOf: Object.setPrototypeOf,
      keys: Object.keys,
    },
    Reflect: {
      __proto__: null,
      apply: Reflect.apply,
      construct: Reflect.construct,
      ownKeys: Reflect.ownKeys,
      getOwnPropertyDescriptor: Reflect.getOwnPropertyDescriptor,
    },
    String: { __proto__: null, fromCodePoint: String.fromCodePoint },
    Symbol: { __proto__: null, for: Symbol.for },
    Uint8Array: { __proto__: null, fromBase64: Uint8Array.fromBase64 },
  };
  const { defineProperty, setPrototypeOf } = statics.Object;

  /**
   * The captured method or getter `name` of `type`, taking its receiver first: uncurry("Array", "push")(array, item),
   * uncurry("Map", "size")(map).
   */
  function uncurry(type, name) {
    const list = methods[type];
    let at = indexOf(list, name);
    if (at < 0) throw new TypeError(`bootstrap.js captures no ${type}.${name}`);
    if (at % 2 === 1) {
      list[at] = bindCall(list[--at]);
      list[at] = name;
    }
    return list[at + 1];
  }

  const loaded = { __proto__: null };
  /** The result of the specification file `name`, loaded at the first call. */
  function load(name) {
    let result = loaded[name];
    if (result === undefined) {
      const specification = core[name] ?? loadSpecification(name);
      // What a file defines stays; the code that defines it does not.
      core[name] = undefined;
      result = loaded[name] = specification(platform);
      const names = globalsOf(name);
      if (names !== null) settleGlobals(names, result);
    }
    return result;
  }

  const namespaces = { __proto__: null };
  /** The host functions of the Python module `name`; "module.part": of its part. */
  function host(name) {
    return (namespaces[name] ??= hostNamespace(name));
  }

  /** Define `name` on globalThis as WebIDL does for interfaces: writable, configurable, not enumerable. */
  function defineGlobal(name, value, enumerable = false) {
    defineProperty(globals, name, { __proto__: null, value, writable: true, enumerable, configurable: true });
  }

  const promiseThen = uncurry("Promise", "then");
  const promiseResolve = Promise.resolve.bind(Promise);

  /** Run `callback` as a microtask; what it throws is reported (HTML, "queue a microtask"). */
  function enqueueMicrotask(callback) {
    promiseThen(promiseResolve(undefined), () => {
      try {
        callback();
      } catch (error) {
        reportException(error);
      }
    });
  }

  /** HTML's "report an exception": an error event on the global, then the app's log. */
  function reportException(error) {
    load("report").reportException(error);
  }

  // What the engine notes of rejected promises (engine/rejections.c says how); it calls the function when all microtasks
  // have run. The file that reads the notes is loaded when the first promise is still unhandled then.
  const rejections = [
    (isIdle) => (rejections.length > 2 || loaded.rejections !== undefined) && load("rejections").look(isIdle),
    false,
  ];

  // Operations: work of the host whose result arrives in a later turn.
  const operations = new Map();
  const mapGet = uncurry("Map", "get");
  const mapSet = uncurry("Map", "set");
  const mapDelete = uncurry("Map", "delete");
  let lastOperation = 0;
  /**
   * Start host work: `start(id)` passes the id to a host function, which settles it in a later turn.
   * Returns a promise; a failure [name, message] rejects it with a TypeError, RangeError, or DOMException of that name.
   */
  function operation(start) {
    const id = ++lastOperation;
    const { promise, resolve, reject } = withResolvers();
    mapSet(operations, id, [resolve, reject]);
    start(id);
    return promise;
  }
  function withResolvers() {
    let resolve, reject;
    const promise = new Promise((a, b) => {
      resolve = a;
      reject = b;
    });
    return { __proto__: null, promise, resolve, reject };
  }
  /** What makes errors of host failures with names of their own, by name. */
  const errorMakers = { __proto__: null };
  /** The error that a host failure `name`, `message` stands for. */
  function makeError(name, message) {
    if (errorMakers[name] !== undefined) return errorMakers[name](message);
    if (name === "TypeError") return new TypeError(message);
    if (name === "RangeError") return new RangeError(message);
    if (name === "SyntaxError") return new SyntaxError(message);
    return new (load("domexception").DOMException)(message, name);
  }

  const entries = {
    __proto__: null,
    /** Load a specification file for the entries it registers. */
    require(name) {
      load(name);
    },
    settle(id, succeeded, value, message) {
      const resolvers = mapGet(operations, id);
      if (resolvers === undefined) return;
      mapDelete(operations, id);
      if (succeeded) resolvers[0](value);
      else resolvers[1](makeError(value, message));
    },
  };

  const platform = {
    __proto__: null,
    global: globals,
    constructors,
    statics,
    uncurry,
    /** Of buffers.js. */
    get buffers() {
      return load("buffers");
    },
    load,
    /** Whether the file `name` has been loaded. */
    isLoaded: (name) => loaded[name] !== undefined,
    host,
    defineGlobal,
    enqueueMicrotask,
    reportException,
    rejections,
    operation,
    withResolvers,
    promiseThen,
    promiseResolve,
    makeError,
    errorMakers,
    /**
     * What structuredclone.js asks about platform objects: { isInstance(value), serialize(value), deserialize(data) },
     * and for transfer { isInstance(value), transfer(value), receive(data) }. A file adds its own when it is loaded.
     */
    cloneables: [],
    transferables: [],
    /** Functions that the host may call by name, each in a turn of its own. */
    entries,
  };

  /** An event handler attribute of the global, onerror say: its file exports the accessor's property descriptor. */
  const isHandler = (name) => name[0] === "o" && name[1] === "n";

  defineGlobal("self", globals);
  /** Globals that are no longer lazy: the app has assigned them, or the platform defined them otherwise. */
  const settled = { __proto__: null, console: true };
  const names = lazyGlobals;
  const descriptor = { __proto__: null, configurable: true, get: undefined, set: undefined };
  const naming = { __proto__: null, value: undefined };
  for (let i = 0; i < names.length; i++) {
    const name = names[i];
    if (settled[name]) continue;
    // There are a hundred of these, so one function serves as getter (called without arguments) and setter, and the
    // global's name is kept where each function has one: a variable of its own would take as much again.
    descriptor.get = descriptor.set = function self() {
      return arguments.length === 0 ? touch(self.name) : assign(self.name, arguments[0]);
    };
    naming.value = name;
    defineProperty(descriptor.get, "name", naming);
    defineProperty(globals, name, descriptor);
  }
  function touch(name) {
    load(fileOf(name));
    return globals[name];
  }
  function assign(name, value) {
    if (isHandler(name)) {
      load(fileOf(name));
      globals[name] = value;
    } else {
      settled[name] = true;
      defineGlobal(name, value);
    }
  }
  /** A file was loaded: its globals, but those that the app has assigned, become what they would be without laziness. */
  function settleGlobals(names, result) {
    const list = uncurry("String", "split")(names, " ");
    for (let i = 0; i < list.length; i++) {
      if (settled[list[i]]) continue;
      if (isHandler(list[i])) defineProperty(globals, list[i], result[list[i]]);
      else defineGlobal(list[i], result[list[i]]);
    }
  }

  // console is a namespace, which scripts may examine before they use it: a data property from the start, whose members
  // appear when something first looks at them. Whichever trap the engine looks for then, it asks the handler's prototype,
  // which fills the target and takes itself away.
  const target = { __proto__: {} };
  const handler = {
    __proto__: new Proxy(
      { __proto__: null },
      {
        __proto__: null,
        get() {
          setPrototypeOf(handler, null);
          load("console").define(target);
        },
      },
    ),
  };
  defineGlobal("console", new Proxy(target, handler));

  /** The host's way in. Never throws, except the uncatchable error that ends a turn. */
  function enter(entry, ...args) {
    try {
      // No spread: that would iterate, by a method that an app may have patched.
      return statics.Reflect.apply(entries[entry], entries, args);
    } catch (error) {
      reportException(error);
    }
  }
  /** The entry `name` for hosts that call it often: `enter` without its dispatch. */
  function entryPoint(name) {
    const entry = entries[name];
    return (a, b, c, d, e) => {
      try {
        return entry(a, b, c, d, e);
      } catch (error) {
        reportException(error);
      }
    };
  }
  // The reason of the first promise that is rejected is where the engine takes its notes.
  Promise.reject(rejections);
  return { __proto__: null, enter, entryPoint };
}
