// CryptoKey: Web Cryptography 13, https://w3c.github.io/webcrypto/#cryptokey-interface
//
// A CryptoKey is a shell around a record { type, extractable, algorithm, usages, handle }: its internal slots. The record
// never changes, so a clone shares it. `algorithm` is an object without prototype, `usages` a bit for each usage, and
// `handle` the host's function that holds the key and computes with it; the key's bytes live and end with that function.
(platform) => {
  "use strict";
  const { defineInterface, illegalConstructor, isObject, fail } = platform.load("webidl");
  const { copyBytes } = platform.load("webidl");
  const { statics, buffers } = platform;
  const { defineProperty } = statics.Object;
  const TOKEN = {};
  const USAGES = ["encrypt", "decrypt", "sign", "verify", "deriveKey", "deriveBits", "wrapKey", "unwrapKey"];

  /** 13.2 The usages of a bit set, in the order of KeyUsage. */
  function usageList(usages) {
    const list = [];
    for (let i = 0; i < USAGES.length; i++) if (usages & (1 << i)) put(list, list.length, USAGES[i]);
    return list;
  }
  function put(object, key, value) {
    defineProperty(object, key, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
  }
  /** The ordinary object of an algorithm, for scripts. */
  function algorithmObject(algorithm) {
    const object = {};
    for (const key in algorithm) {
      const value = algorithm[key];
      if (key === "hash") put(object, key, algorithmObject({ __proto__: null, name: value }));
      else put(object, key, buffers.isView(value) ? copyBytes(value) : value);
    }
    return object;
  }

  let slots, isCryptoKey;
  class CryptoKey {
    #slots;
    #algorithm;
    #usages;
    static {
      slots = (key) => key.#slots;
      isCryptoKey = (value) => isObject(value) && #slots in value;
    }
    constructor() {
      if (arguments[0] !== TOKEN) illegalConstructor();
      this.#slots = arguments[1];
    }
    get type() {
      return this.#slots.type;
    }
    get extractable() {
      return this.#slots.extractable;
    }
    get algorithm() {
      return (this.#algorithm ??= algorithmObject(this.#slots.algorithm));
    }
    get usages() {
      return (this.#usages ??= usageList(this.#slots.usages));
    }
  }
  defineInterface(CryptoKey);

  /** The CryptoKey of a record. */
  const makeKey = (record) => new CryptoKey(TOKEN, record);
  const { cloneables } = platform;
  cloneables[cloneables.length] = { __proto__: null, isInstance: isCryptoKey, serialize: slots, deserialize: makeKey };

  return {
    __proto__: null,
    CryptoKey,
    makeKey,
    USAGES,
    usageList,
    put,
    /** The converter of CryptoKey arguments: gives the key's record. */
    keyType(value, context) {
      if (!isCryptoKey(value)) fail(context, "The value is not of type 'CryptoKey'.");
      return slots(value);
    },
  };
}
