// What the modules of ours that apps import, nano:rooms say, reach of the platform: by one property of WeakRef for all of
// them, which every isolate has (other tables would grow for it). Those modules are of the app's own realm,
// so nothing is given here that an app may not have.
//
// Node's modules are specification files as others are (node_modules.py says how they are written). `require` gives what
// such a file exports. What is refused can be had, and throws when it is called.
(platform) => {
  "use strict";
  const { uncurry, withResolvers } = platform;
  const { Error } = platform.constructors;
  const { defineProperty, freeze } = platform.statics.Object;
  const { DOMString } = platform.load("webidl_core");
  const split = uncurry("String", "split");
  const slice = uncurry("String", "slice");
  const startsWith = uncurry("String", "startsWith");
  const endsWith = uncurry("String", "endsWith");
  const replaceAll = uncurry("String", "replaceAll");
  const host = platform.host("node_modules");
  /** Of the modules that have no file. */
  const refusals = { __proto__: null };

  function coded(error, code) {
    defineProperty(error, "code", { __proto__: null, value: code, writable: true, enumerable: true, configurable: true });
    return error;
  }
  /** A function, or a class, that says that it is not provided; of a module of promises by one that is rejected. */
  function refusal(module, name, instead) {
    const isLater = endsWith(module, "/promises");
    // No arrow function: it may be extended.
    const refused = function () {
      const error = coded(
        new Error(`node:${module}: ${name}() is not provided${instead === "" ? "" : `: ${instead}`}`),
        "ERR_METHOD_NOT_IMPLEMENTED",
      );
      if (!isLater || new.target !== undefined) throw error;
      const { promise, reject } = withResolvers();
      reject(error);
      return promise;
    };
    defineProperty(refused, "name", { __proto__: null, value: name, configurable: true });
    return refused;
  }
  /** An object of what is refused of a module. */
  function refuse(module) {
    module = DOMString(module);
    const told = split(host.refused(module), "\n");
    const names = split(told[1], " ");
    const refused = {};
    for (let i = 0; i < names.length; i++) refused[names[i]] = refusal(module, names[i], told[0]);
    return refused;
  }
  /** What Node's module of that name exports, with or without `node:`. */
  function require(name) {
    name = DOMString(name);
    if (startsWith(name, "node:")) name = slice(name, 5);
    const kind = host.has(name);
    if (kind === 2) return platform.load(`node_${replaceAll(name, "/", "_")}`);
    if (kind === 1) return (refusals[name] ??= refuse(name));
    throw coded(new Error(`Cannot find module '${name}': of Node's modules there are ${host.names()}`), "MODULE_NOT_FOUND");
  }
  const reached = {
    __proto__: null,
    get rooms() {
      return platform.load("rooms").module;
    },
    get asyncContext() {
      return platform.load("async_context");
    },
    get node() {
      return platform.load("node");
    },
    get settings() {
      return platform.load("settings");
    },
    get cloudflare() {
      return platform.load("cloudflare").module;
    },
    /** What the stand-ins of CommonJS modules call (nano_trio/engine/commonjs.py). */
    commonjs: (...args) => platform.load("commonjs").standIn(args[0], args[1], args[2], args[3]),
    createRequire: (from) => platform.load("commonjs").createRequire(from),
    require,
    refuse,
    isModule: (name) => host.has(DOMString(name)) > 0,
    names: () => host.names(),
  };
  freeze(reached);
  return { __proto__: null, "nano:modules": () => reached };
}
