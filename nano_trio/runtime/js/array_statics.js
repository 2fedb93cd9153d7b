// Array.fromAsync(), which the engine lacks: https://tc39.es/proposal-array-from-async/
(platform) => {
  "use strict";
  const { statics, constructors } = platform;
  const { Array, Object, Symbol, TypeError } = constructors;
  const { defineProperty } = statics.Object;
  const { apply, construct } = statics.Reflect;
  const { asyncIterator, iterator } = Symbol;
  const MOST = 2 ** 53 - 1;

  const isConstructor = (value) => {
    if (typeof value !== "function") return false;
    try {
      construct(Array, [], value);
      return true;
    } catch {
      return false;
    }
  };
  function set(target, index, value) {
    defineProperty(target, index, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
  }
  /** The method, or undefined where there is none. */
  function methodOf(items, symbol) {
    const method = items[symbol];
    if (method === undefined || method === null) return undefined;
    if (typeof method !== "function") throw new TypeError("Array.fromAsync: the items' iterator is no function");
    return method;
  }
  async function fill(Constructor, items, map, receiver) {
    const isList = isConstructor(Constructor);
    let symbol = asyncIterator, method = methodOf(items, symbol);
    if (method === undefined) method = methodOf(items, (symbol = iterator));
    let index = 0;
    if (method !== undefined) {
      const source = apply(method, items, []);
      const result = isList ? new Constructor() : [];
      // `for await` awaits what a synchronous iterator gives, and closes either; it would look for the method again.
      for await (let value of { __proto__: null, [symbol]: () => source }) {
        if (index >= MOST) throw new TypeError("Array.fromAsync: too many items");
        if (map !== undefined) value = await apply(map, receiver, [value, index]);
        set(result, index++, value);
      }
      result.length = index;
      return result;
    }
    const list = Object(items);
    const length = statics.Math.min(statics.Math.max(statics.Math.trunc(+list.length) || 0, 0), MOST);
    const result = isList ? new Constructor(length) : new Array(length);
    for (; index < length; index++) {
      let value = await list[index];
      if (map !== undefined) value = await apply(map, receiver, [value, index]);
      set(result, index, value);
    }
    result.length = length;
    return result;
  }
  return {
    __proto__: null,
    /** Where anything fails the promise is rejected. */
    async fromAsync(items, map, receiver) {
      if (map !== undefined && typeof map !== "function") throw new TypeError("Array.fromAsync: argument 2 is no function");
      return fill(this, items, map, receiver);
    },
  };
}
