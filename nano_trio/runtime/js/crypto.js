// The Crypto interface: Web Cryptography, https://w3c.github.io/webcrypto/#crypto-interface
(platform) => {
  "use strict";
  const { requireArguments, ArrayBufferView, viewInfo, defineInterface, illegalConstructor } = platform.load("webidl");
  const { Uint8Array } = platform.constructors;
  const { viewTag } = platform.buffers;
  const includes = platform.uncurry("String", "includes");
  const setBytes = platform.uncurry("TypedArray", "set");
  const host = platform.host("crypto");
  const TOKEN = {};
  const MAX_BYTES = 65536;

  class Crypto {
    #isCrypto = true;

    constructor() {
      if (arguments[0] !== TOKEN) illegalConstructor();
    }

    get subtle() {
      this.#isCrypto;
      return platform.load("subtlecrypto").subtle;
    }
    /** Workers' addition. */
    get DigestStream() {
      this.#isCrypto;
      return platform.load("digeststream").DigestStream;
    }
    getRandomValues(array) {
      const context = "Failed to execute 'getRandomValues' on 'Crypto'";
      this.#isCrypto;
      requireArguments(arguments.length, 1, context);
      ArrayBufferView(array, `${context}: Argument 1`);
      const tag = viewTag(array);
      if (tag === undefined || !includes(tag, "nt")) {
        throw platform.makeError("TypeMismatchError", `${context}: The array is not of an integer type.`);
      }
      const { buffer, byteOffset, byteLength } = viewInfo(array);
      if (byteLength > MAX_BYTES) {
        const message = `${context}: ${byteLength} bytes exceed the ${MAX_BYTES} that one call may ask for.`;
        throw platform.makeError("QuotaExceededError", message);
      }
      if (byteLength > 0) setBytes(new Uint8Array(buffer, byteOffset, byteLength), new Uint8Array(host.random(byteLength)));
      return array;
    }
    randomUUID() {
      this.#isCrypto;
      return host.uuid();
    }
  }
  defineInterface(Crypto);

  return { __proto__: null, Crypto, crypto: new Crypto(TOKEN) };
}
