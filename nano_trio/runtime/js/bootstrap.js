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
// Host functions are reached with `host("file")`: an object of functions from the Python module of the same name. They
// live in closures only; nothing here leaks one to an app. They never throw: each says in its return value what failed.
(loadSpecification, hostNamespace, lazyGlobals, fileOf, globalsOf) => {
  "use strict";
  const bindCall = Function.prototype.bind.bind(Function.prototype.call);

  // Captured methods by type, but those that symbols name. Add here what a new file needs. Lists, for names cut out of
  // a text would have to be looked up anew in each isolate.
  const CAPTURED_METHODS = {
    Array: ["push", "pop", "shift", "unshift", "slice", "splice", "join", "indexOf", "filter", "sort", "concat"],
    ArrayBuffer: ["slice", "transfer", "resize"],
    BigInt: ["valueOf"],
    Boolean: ["valueOf"],
    Date: ["getTime", "toISOString"],
    Error: ["toString"],
    FinalizationRegistry: ["register"],
    Function: ["call", "toString"],
    Map: ["get", "set", "has", "delete", "forEach", "entries"],
    Number: ["toString", "toFixed", "valueOf"],
    Object: ["hasOwnProperty", "propertyIsEnumerable", "toString"],
    RegExp: ["exec", "test"],
    Set: ["add", "has", "delete", "forEach", "values"],
    String: [
      "charCodeAt", "codePointAt", "slice", "substring", "indexOf", "lastIndexOf", "includes", "startsWith",
      "endsWith", "split", "trim", "toLowerCase", "toUpperCase", "replaceAll", "padStart", "padEnd", "repeat",
      "toWellFormed", "isWellFormed", "valueOf",
    ],
    Symbol: ["toString", "valueOf"],
    Uint8Array: ["toBase64"],
    WeakMap: ["get", "set", "has"],
    WeakRef: ["deref"],
    WeakSet: ["add", "has"],
  };
  const CAPTURED_STATICS = {
    Array: ["isArray"],
    ArrayBuffer: ["isView"],
    JSON: ["stringify", "parse"],
    Math: ["floor", "min", "max", "trunc", "random", "round", "fround"],
    Number: ["isNaN", "isFinite", "parseFloat", "parseInt"],
    Object: [
      "assign", "create", "defineProperty", "freeze", "isExtensible", "getOwnPropertyDescriptor",
      "getOwnPropertyDescriptors", "getOwnPropertyNames", "getOwnPropertySymbols", "getPrototypeOf", "setPrototypeOf",
      "keys",
    ],
    Reflect: ["apply", "construct", "ownKeys", "getOwnPropertyDescriptor"],
    String: ["fromCodePoint"],
    Symbol: ["for"],
    Uint8Array: ["fromBase64"],
    BigInt: ["asIntN", "asUintN"],
    Date: ["now"],
    Error: ["isError"],
  };
  const CAPTURED_CONSTRUCTORS = [
    "DataView", "Promise", "Proxy", "TypeError", "RangeError", "SyntaxError", "EvalError", "ReferenceError",
    "URIError", "AggregateError", "SharedArrayBuffer", "Int8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array",
    "Int32Array", "Uint32Array", "BigInt64Array", "BigUint64Array", "Float16Array", "Float32Array", "Float64Array",
  ];
  const methods = { __proto__: null };
  const uncurried = { __proto__: null };
  const statics = { __proto__: null };
  const constructors = { __proto__: null };
  const { Object, Symbol, TypeError, Promise } = globalThis;
  const globals = globalThis;
  const defineProperty = Object.defineProperty;

  for (const type in CAPTURED_METHODS) {
    const prototype = globals[type].prototype;
    const captured = (methods[type] = { __proto__: null });
    const names = CAPTURED_METHODS[type];
    for (let i = 0; i < names.length; i++) captured[names[i]] = prototype[names[i]];
    constructors[type] = globals[type];
  }
  for (const type in CAPTURED_STATICS) {
    const captured = (statics[type] = { __proto__: null });
    const names = CAPTURED_STATICS[type];
    const from = globals[type];
    for (let i = 0; i < names.length; i++) captured[names[i]] = from[names[i]];
  }
  for (let i = 0; i < CAPTURED_CONSTRUCTORS.length; i++) {
    constructors[CAPTURED_CONSTRUCTORS[i]] = globals[CAPTURED_CONSTRUCTORS[i]];
  }
  methods.Array["@@iterator"] = Array.prototype[Symbol.iterator];
  methods.RegExp["@@replace"] = RegExp.prototype[Symbol.replace];
  const TypedArray = Object.getPrototypeOf(Uint8Array);
  const getterOf = (prototype, name) => bindCall(Object.getOwnPropertyDescriptor(prototype, name).get);
  methods.TypedArray = { __proto__: null, set: TypedArray.prototype.set, subarray: TypedArray.prototype.subarray,
    slice: TypedArray.prototype.slice, fill: TypedArray.prototype.fill };

  uncurried["Map.size"] = getterOf(Map.prototype, "size");
  uncurried["Set.size"] = getterOf(Set.prototype, "size");
  uncurried["RegExp.source"] = getterOf(RegExp.prototype, "source");
  uncurried["RegExp.flags"] = getterOf(RegExp.prototype, "flags");

  /** The captured method `name` of `type`, taking its receiver first: uncurry("Array", "push")(array, item). */
  function uncurry(type, name) {
    const key = type + "." + name;
    let bound = uncurried[key];
    if (bound === undefined) {
      const method = methods[type][name];
      if (method === undefined) throw new TypeError(`bootstrap.js captures no ${key}`);
      bound = uncurried[key] = bindCall(method);
    }
    return bound;
  }

  // Getters that tell an ArrayBuffer and a view from look-alikes, unaffected by patched prototypes.
  const buffers = {
    __proto__: null,
    isView: statics.ArrayBuffer.isView,
    viewBuffer: getterOf(TypedArray.prototype, "buffer"),
    viewByteOffset: getterOf(TypedArray.prototype, "byteOffset"),
    viewByteLength: getterOf(TypedArray.prototype, "byteLength"),
    /** "Uint8Array" and so on, or undefined where `value` is no typed array. */
    viewTag: getterOf(TypedArray.prototype, Symbol.toStringTag),
    dataViewBuffer: getterOf(DataView.prototype, "buffer"),
    dataViewByteOffset: getterOf(DataView.prototype, "byteOffset"),
    dataViewByteLength: getterOf(DataView.prototype, "byteLength"),
    /** Throws a TypeError where `value` is no ArrayBuffer. */
    byteLength: getterOf(ArrayBuffer.prototype, "byteLength"),
    detached: getterOf(ArrayBuffer.prototype, "detached"),
    resizable: getterOf(ArrayBuffer.prototype, "resizable"),
    maxByteLength: getterOf(ArrayBuffer.prototype, "maxByteLength"),
    sharedByteLength: getterOf(SharedArrayBuffer.prototype, "byteLength"),
  };

  const loaded = { __proto__: null };
  /** The result of the specification file `name`, loaded at the first call. */
  function load(name) {
    let result = loaded[name];
    if (result === undefined) {
      result = loaded[name] = loadSpecification(name)(platform);
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

  const promiseThen = bindCall(Promise.prototype.then);
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

  // Operations: work of the host whose result arrives in a later turn.
  const operations = new Map();
  const operationsGet = Map.prototype.get.bind(operations);
  const operationsSet = Map.prototype.set.bind(operations);
  const operationsDelete = Map.prototype.delete.bind(operations);
  let lastOperation = 0;
  /**
   * Start host work: `start(id)` passes the id to a host function, which settles it in a later turn.
   * Returns a promise; a failure [name, message] rejects it with a TypeError, RangeError, or DOMException of that name.
   */
  function operation(start) {
    const id = ++lastOperation;
    const { promise, resolve, reject } = withResolvers();
    operationsSet(id, [resolve, reject]);
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
    if (name === "TypeError") return new constructors.TypeError(message);
    if (name === "RangeError") return new constructors.RangeError(message);
    if (name === "SyntaxError") return new constructors.SyntaxError(message);
    return new (load("domexception").DOMException)(message, name);
  }

  const entries = {
    __proto__: null,
    /** Load a specification file for the entries it registers. */
    require(name) {
      load(name);
    },
    settle(id, succeeded, value, message) {
      const resolvers = operationsGet(id);
      if (resolvers === undefined) return;
      operationsDelete(id);
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
    buffers,
    load,
    /** Whether the file `name` has been loaded. */
    isLoaded: (name) => loaded[name] !== undefined,
    host,
    defineGlobal,
    enqueueMicrotask,
    reportException,
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
  const names = uncurry("String", "split")(lazyGlobals, " ");
  const descriptor = { __proto__: null, configurable: true, enumerable: false, get: undefined, set: undefined };
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
  // appear when something first looks at them. The handler's one getter fills the target and takes itself away.
  const target = { __proto__: {} };
  const traps = "get set has ownKeys getOwnPropertyDescriptor defineProperty deleteProperty preventExtensions".split(" ");
  const handler = { __proto__: null };
  const fill = () => {
    load("console").define(target);
    for (let i = 0; i < traps.length; i++) delete handler[traps[i]];
  };
  for (const trap of traps) defineProperty(handler, trap, { __proto__: null, get: fill, configurable: true });
  defineGlobal("console", new constructors.Proxy(target, handler));

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
  return { __proto__: null, enter, entryPoint };
}
