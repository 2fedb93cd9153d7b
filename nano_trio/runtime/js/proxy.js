// Proxy: ECMA-262, https://tc39.es/ecma262/#sec-proxy-constructor , with a memory of which objects are proxies.
//
// The engine gives no way to tell a proxy from its target without running the proxy's traps, and whoever shows values
// (the console, an uncaught exception) must run none. The global is the engine's own constructor behind a proxy that
// notes each object it makes. The note holds the target weakly: the proxy itself keeps it alive until it is revoked.
(platform) => {
  "use strict";
  const { Proxy, WeakMap, WeakRef } = platform.constructors;
  const { construct } = platform.statics.Reflect;
  const { defineProperty } = platform.statics.Object;
  const { isArray } = platform.statics.Array;
  const targets = new WeakMap();
  const get = platform.uncurry("WeakMap", "get");
  const set = platform.uncurry("WeakMap", "set");
  const deref = platform.uncurry("WeakRef", "deref");

  function note(proxy, target) {
    set(targets, proxy, new WeakRef(target));
    return proxy;
  }

  const makeRevocable = Proxy.revocable;
  const { revocable } = {
    revocable(target, handler) {
      const result = makeRevocable(target, handler);
      note(result.proxy, target);
      return result;
    },
  };
  defineProperty(Proxy, "revocable", { __proto__: null, value: revocable });

  /** The target of a proxy, null where it was revoked, undefined where `value` is no proxy. Runs no trap. */
  function proxyTarget(value) {
    const reference = get(targets, value);
    if (reference === undefined) return undefined;
    try {
      isArray(value); // throws for a revoked proxy
    } catch {
      return null;
    }
    return deref(reference) ?? null;
  }

  return {
    __proto__: null,
    proxyTarget,
    Proxy: new Proxy(Proxy, {
      __proto__: null,
      construct: (target, args, newTarget) => note(construct(target, args, newTarget), args[0]),
    }),
  };
}
