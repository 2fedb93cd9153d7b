// The platform: what every specification file in this folder builds on.
//
// Theory of operation. Each isolate evaluates this file once, before any code of the app. It
//   1. takes the builtins that the platform uses (`uncurry`, `statics`: builtins.js), so that an app that patches
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
(core, builtins, loadSpecification, hostNamespace, fileOf, globalsOf) => {
  "use strict";
  const globals = globalThis;
  const {
    AggregateError, Array, ArrayBuffer, BigInt, BigInt64Array, BigUint64Array, Boolean, DataView, Date, Error, EvalError,
    FinalizationRegistry, Float16Array, Float32Array, Float64Array, Function, Int8Array, Int16Array, Int32Array, Iterator, Map,
    Number, Object, Promise, Proxy, RangeError, ReferenceError, RegExp, Set, SharedArrayBuffer, String, Symbol,
    SyntaxError, TypeError, Uint8Array, Uint8ClampedArray, Uint16Array, Uint32Array, URIError, WeakMap, WeakRef, WeakSet,
  } = globals;
  const constructors = {
    __proto__: null,
    AggregateError, Array, ArrayBuffer, BigInt, BigInt64Array, BigUint64Array, Boolean, DataView, Date, Error, EvalError,
    FinalizationRegistry, Float16Array, Float32Array, Float64Array, Function, Int8Array, Int16Array, Int32Array, Iterator, Map,
    Number, Object, Promise, Proxy, RangeError, ReferenceError, RegExp, Set, SharedArrayBuffer, String, Symbol,
    SyntaxError, TypeError, Uint8Array, Uint8ClampedArray, Uint16Array, Uint32Array, URIError, WeakMap, WeakRef, WeakSet,
  };
  // Where the engine can make builtins anew, the host has put what does that in the place of a global to come.
  const { uncurry, statics, defineLazy, defineMembers } = builtins === undefined ? globals.self : builtins();
  const { defineProperty, setPrototypeOf } = statics.Object;
  // The engine grows shared memory by its length alone: an app could read and write whatever of the process is behind.
  const shared = SharedArrayBuffer.prototype;
  delete shared.grow;
  delete shared.growable;
  delete shared.maxByteLength;

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

  /** HTML's "report an exception": an error event on the global, then the app's log. */
  function reportException(error) {
    load("report").reportException(error);
  }

  // What the engine notes of rejected promises (engine/rejections.c says how); it calls the function when all microtasks
  // have run: then it is the ticks' turn. The file that reads the notes is loaded when the first promise is still unhandled
  // behind these.
  const rejections = [
    (isIdle) =>
      (isIdle && loaded.ticks !== undefined && loaded.ticks.run()) ||
      ((rejections.length > 2 || loaded.rejections !== undefined) && load("rejections").look(isIdle)),
    false,
  ];

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
    /** Give an interface the members that builtins.js lists for a file, which is loaded when one is first called. */
    defineMembers,
    reportException,
    /** Of async_context.js, once that is loaded: what is called later for an app is called with what is current now. */
    bind: undefined,
    rejections,
    /** Of operations.js. */
    get operation() {
      return load("operations").operation;
    },
    withResolvers,
    promiseThen,
    promiseResolve,
    makeError,
    errorMakers,
    /**
     * What structuredclone.js asks about platform objects: { isInstance(value), serialize(value), deserialize(data) },
     * and for transfer { isInstance(value), transfer(value), receive(data) }. A file adds its own when it is loaded, by
     * assignment: without a prototype, lest setters of an app's be given it.
     */
    cloneables: setPrototypeOf([], null),
    transferables: setPrototypeOf([], null),
    /** Functions that the host may call by name, each in a turn of its own. */
    entries,
  };

  /** An event handler attribute of the global, onerror say: its file exports the accessor's property descriptor. */
  const isHandler = (name) => name[0] === "o" && name[1] === "n";

  // All engines but this one have it, and packages call it without asking.
  defineMembers(Error, "error_statics");
  // The engine's own frees a function twice where memory runs out in its midst.
  delete Promise.withResolvers;
  defineMembers(Promise, "promise_statics");
  // The engine's own may go on in a map's record that they have freed, and have iterators call each other without a look at
  // the stack; where they can be mended the host has done so.
  if (builtins !== undefined) load("collections");
  defineMembers(Array, "array_statics");
  defineMembers(WeakRef, "modules");
  // What compilers make of `using` asks for these.
  defineProperty(Symbol, "dispose", { __proto__: null, value: Symbol("Symbol.dispose") });
  defineProperty(Symbol, "asyncDispose", { __proto__: null, value: Symbol("Symbol.asyncDispose") });
  // The engine has no locales.
  delete Number.prototype.toLocaleString;
  defineMembers(Number.prototype, "intl_number");
  defineMembers(BigInt.prototype, "intl_number");
  // Assigned, for the table of Date's methods would grow by others.
  const dates = { __proto__: null };
  defineMembers(dates, "intl_date");
  Date.prototype.toLocaleString = dates.toLocaleString;
  Date.prototype.toLocaleDateString = dates.toLocaleDateString;
  Date.prototype.toLocaleTimeString = dates.toLocaleTimeString;
  delete String.prototype.localeCompare;
  defineMembers(String.prototype, "intl_collation");
  defineGlobal("self", globals);
  defineMembers(globals, "report");
  // What few apps touch the global object inherits: with more of its own its table would grow.
  const inherited = {};
  defineProperty(inherited, "global", { __proto__: null, value: globals, writable: true, configurable: true });
  defineMembers(inherited, "node_timers");
  setPrototypeOf(globals, inherited);
  /** Globals that are no longer lazy: the app has assigned them, or the platform defined them otherwise. */
  const settled = { __proto__: null, console: true };
  defineLazy(
    function (name) {
      return arguments.length === 1 ? touch(name) : assign(name, arguments[1]);
    },
    (file, name) => load(file)[name],
  );
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
          // Near the end of the stack this may fail; then it is begun again at the next look.
          load("console").define(target);
          setPrototypeOf(handler, null);
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
