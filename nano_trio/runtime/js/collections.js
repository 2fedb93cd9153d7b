// Map and Set: ECMAScript 24.1.3 and 24.2.4, clear() and forEach(), and iterators that stand on others: 27.1.2 to 27.1.4,
// next() and return(), where the engine's own cannot be mended.
//
// engine/builtins_maps.c and engine/builtins_iterators.c say what is wrong with those, and do the same as this file, and
// more, where there is a C compiler: what ends an iterator here is the engine's still.
(platform) => {
  "use strict";
  const { statics, uncurry } = platform;
  const { defineProperty, getPrototypeOf } = statics.Object;
  const { apply } = statics.Reflect;
  for (const type of ["Map", "Set"]) {
    const ownForEach = uncurry(type, "forEach"), remove = uncurry(type, "delete");
    const methods = {
      __proto__: null,
      clear() {
        ownForEach(this, (_, key) => {
          remove(this, key);
        });
      },
      forEach(callback, receiver = undefined) {
        const isFunction = typeof callback === "function";
        // The engine says what it says of other receivers, and of what is no function.
        ownForEach(this, isFunction ? (...passed) => void apply(callback, receiver, passed) : callback);
      },
    };
    defineProperty(methods.forEach, "length", { __proto__: null, value: 1 });
    const { prototype } = platform.constructors[type];
    for (const name of ["clear", "forEach"])
      defineProperty(prototype, name, { __proto__: null, value: methods[name], writable: true, enumerable: false, configurable: true });
  }
  // A function of JavaScript's is called with a look at the stack.
  const { Iterator } = platform.constructors;
  for (const iterator of [[].values().take(1), Iterator.from({ __proto__: null }), Iterator.concat()]) {
    const prototype = getPrototypeOf(iterator), { next: ownNext, return: ownReturn } = prototype;
    const methods = {
      __proto__: null,
      next() {
        return apply(ownNext, this, []);
      },
      return() {
        return apply(ownReturn, this, []);
      },
    };
    for (const name of ["next", "return"])
      defineProperty(prototype, name, { __proto__: null, value: methods[name], writable: true, enumerable: false, configurable: true });
  }
  return { __proto__: null };
}
