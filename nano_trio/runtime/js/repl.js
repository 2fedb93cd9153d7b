// The REPL's part inside the isolate: values to text, the last value as `_`, completion. Only a REPL loads this file.
(platform) => {
  "use strict";
  const { promiseThen, promiseResolve, entries, statics, uncurry } = platform;
  const { getOwnPropertyDescriptor, getPrototypeOf, getOwnPropertyNames } = statics.Object;
  const host = platform.host("repl");
  const split = uncurry("String", "split");
  const startsWith = uncurry("String", "startsWith");
  const exec = uncurry("RegExp", "exec");
  const sort = uncurry("Array", "sort");
  const WORD = /^[A-Za-z_$][\w$]*$/;

  const fail = (error) => {
    const described = platform.load("report").describe(error);
    host.threw(described[0], described[1]);
  };
  const defineGlobal = (name, value) =>
    statics.Object.defineProperty(platform.global, name, { __proto__: null, value, writable: true, configurable: true });
  function show(value, colors) {
    defineGlobal("_", value);
    host.shown(value === undefined ? null : platform.load("inspect").inspect(value, { __proto__: null, colors }));
  }
  /** The value of an input, awaited where the input used `await`; or an array with it. */
  entries.repl_show = (value, isAwaited, colors, isBoxed) => {
    if (isBoxed) value = value[0];
    if (isAwaited) promiseThen(promiseResolve(value), (result) => show(result, colors), fail);
    else show(value, colors);
  };

  /** The app of `--app`: `app.fetch(…)`, its `env`. */
  entries.repl_app = (env) => {
    const fetcher = platform.load("service").makeFetcher("app");
    const app = {
      /** Call the app, in an isolate of its own. */
      async fetch(input, init) {
        if (typeof input === "string") input = new platform.global.URL(input, "http://localhost/").href;
        return fetcher.fetch(input, init);
      },
    };
    defineGlobal("app", app);
    defineGlobal("env", statics.JSON.parse(env));
  };

  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";
  /** A proxy's traps are the app's code. */
  const isOpaque = (value) =>
    platform.isLoaded("proxy") && value !== platform.global.console && platform.load("proxy").proxyTarget(value) !== undefined;
  /** The value of a property without calling any code; undefined where a getter would have to run. */
  function peek(object, name) {
    for (let holder = object; isObject(holder) && !isOpaque(holder); holder = getPrototypeOf(holder)) {
      const descriptor = getOwnPropertyDescriptor(holder, name);
      if (descriptor === undefined) continue;
      // The platform's own globals are getters until they are first touched.
      if (holder === platform.global && host.is_lazy(name)) return platform.global[name];
      return descriptor.get === undefined ? descriptor.value : undefined;
    }
    return undefined;
  }
  const compare = (a, b) => (a < b ? -1 : 1);
  /** Names that may follow `path`, whose last part is the beginning of one: each object's sorted, its own first. */
  entries.repl_complete = (path) => {
    const parts = split(path, ".");
    const found = { __proto__: null };
    let object = platform.global;
    for (let i = 0; i < parts.length - 1; i++) {
      object = peek(object, parts[i]);
      if (object !== undefined && object !== null && !isObject(object)) object = getPrototypeOf(statics.Object.assign(object));
    }
    for (; isObject(object) && !isOpaque(object); object = getPrototypeOf(object)) {
      const begun = parts[parts.length - 1];
      const names = sort(getOwnPropertyNames(object), compare);
      for (let i = 0; i < names.length; i++) {
        if (startsWith(names[i], "__") && !startsWith(begun, "_")) continue;
        if (startsWith(names[i], begun) && exec(WORD, names[i]) !== null) found[names[i]] = true;
      }
    }
    host.completions(statics.JSON.stringify(statics.Object.keys(found)));
  };
  return { __proto__: null };
}
