// The SubtleCrypto interface: Web Cryptography 14, https://w3c.github.io/webcrypto/#subtlecrypto-interface
//
// Theory of operation. A method converts its arguments and runs its steps (METHODS) with a deferred that holds the
// method's promise. The steps end in `finish` callbacks rather than in promises of their own: the host answers at once
// or in a later turn (`complete`), and neither key material nor a handle of the host ever passes through a promise,
// whose resolution looks up `then` where app code could intercept it. What the algorithms do is in subtle_operations.js
// (encrypt to derive), subtle_keys.js (generate, import, export) and, for JSON Web Keys, subtle_jwk.js.
(platform) => {
  "use strict";
  const idl = platform.load("webidl");
  const { requireArguments, defineInterface, illegalConstructor, isObject, copyBytes, bytesForHost, fail } = idl;
  const { keyType, makeKey, USAGES, usageList, put } = platform.load("cryptokey");
  const { normalize, identifier } = platform.load("subtle_algorithms");
  const { pass } = platform.load("ahead");
  const work = platform.load("host_work");
  const { Promise, TypeError, Uint8Array } = platform.constructors;
  const { isView, viewBuffer, viewByteOffset, viewByteLength, byteLength } = platform.buffers;
  const { apply } = platform.statics.Reflect;
  const indexOf = platform.uncurry("Array", "indexOf");
  const host = platform.host("subtlecrypto");
  const TOKEN = {};
  /** Bytes that are compared at once. */
  const PIECE = 131072;
  // The bits of usages
  const ENCRYPT = 1;
  const DECRYPT = 2;
  const SIGN = 4;
  const VERIFY = 8;
  const DERIVE_KEY = 16;
  const DERIVE_BITS = 32;
  const WRAP = 64;
  const UNWRAP = 128;

  let lastResolve, lastReject;
  const capture = (resolve, reject) => {
    lastResolve = resolve;
    lastReject = reject;
  };

  /** Hand the answer of the host to `finish`, now, or when the work that it stands for is done. */
  function complete(deferred, answer, finish) {
    return work.complete(host, answer, finish, deferred.reject);
  }

  /** A DOMException, for "SyntaxError" too: the language's own error of that name is not what this standard means. */
  function error(name, message) {
    return new (platform.load("domexception").DOMException)(message, name);
  }
  /** A key may serve `usage` with `algorithm`, or an InvalidAccessError says why not. */
  function requireUsage(algorithm, key, usage) {
    if (algorithm.name !== key.algorithm.name) {
      throw error("InvalidAccessError", `The key is one for ${key.algorithm.name}, not for ${algorithm.name}.`);
    }
    if (!(key.usages & usage)) {
      throw error("InvalidAccessError", `The key does not permit the operation '${usageList(usage)[0]}'.`);
    }
  }

  const operations = () => platform.load("subtle_operations");
  const keys = () => platform.load("subtle_keys");

  // Converters of arguments
  const bytes = (value, context) => idl.BufferSource(value, context);
  const boolean = idl.boolean;
  const format = idl.enumeration("KeyFormat", ["raw", "spki", "pkcs8", "jwk"]);
  const usageSequence = idl.sequence(idl.enumeration("KeyUsage", USAGES));
  /** sequence<KeyUsage> as a bit set: order and repetition carry no meaning. */
  function usages(value, context) {
    const list = usageSequence(value, context);
    let set = 0;
    for (let i = 0; i < list.length; i++) set |= 1 << indexOf(USAGES, list[i]);
    return set;
  }
  /** (BufferSource or JsonWebKey) */
  function keyData(value, context) {
    if (idl.isArrayBuffer(value) || platform.buffers.isView(value)) return bytes(value, context);
    if (value !== undefined && value !== null && !isObject(value)) fail(context, "The value is not an object.");
    return platform.load("subtle_jwk").JsonWebKey(value, context);
  }
  const optionalLength = (value, context) =>
    value === undefined || value === null ? null : idl.unsignedLong(value, context);

  /** A copy of data at call time. Where nothing of the app runs before the host reads it, the host's copy is enough. */
  const copyFor = (algorithm, data) => (typeof algorithm === "string" ? bytesForHost(data) : copyBytes(data));

  function cipher(operation, usage) {
    return (deferred, context, algorithm, key, data) => {
      const input = copyFor(algorithm, data);
      const normalized = normalize(operation, algorithm, context);
      requireUsage(normalized, key, usage);
      complete(deferred, operations()[operation](normalized, key, input), deferred.resolve);
    };
  }

  /** Each method's argument converters, and its steps. */
  const METHODS = {
    __proto__: null,
    // 14.3.1, 14.3.2
    encrypt: [[identifier, keyType, bytes], cipher("encrypt", ENCRYPT)],
    decrypt: [[identifier, keyType, bytes], cipher("decrypt", DECRYPT)],
    // 14.3.3
    sign: [[identifier, keyType, bytes], cipher("sign", SIGN)],
    // 14.3.4
    verify: [
      [identifier, keyType, bytes, bytes],
      (deferred, context, algorithm, key, signature, data) => {
        const proof = copyFor(algorithm, signature);
        const input = copyFor(algorithm, data);
        const normalized = normalize("verify", algorithm, context);
        requireUsage(normalized, key, VERIFY);
        complete(deferred, operations().verify(normalized, key, proof, input), deferred.resolve);
      },
    ],
    // 14.3.5
    digest: [
      [identifier, bytes],
      (deferred, context, algorithm, data) => {
        const input = copyFor(algorithm, data);
        complete(deferred, host.digest(normalize("digest", algorithm, context).name, pass(input)), deferred.resolve);
      },
    ],
    // 14.3.6
    generateKey: [
      [identifier, boolean, usages],
      (deferred, context, algorithm, extractable, wanted) => {
        const normalized = normalize("generateKey", algorithm, context);
        const { answer, finish } = keys().generate(normalized, extractable, wanted);
        complete(deferred, answer, (handle) => {
          const made = finish(handle);
          if (made.privateKey === undefined) return deferred.resolve(makeKey(made));
          const pair = {};
          put(pair, "publicKey", makeKey(made.publicKey));
          put(pair, "privateKey", makeKey(made.privateKey));
          return deferred.resolve(pair);
        });
      },
    ],
    // 14.3.7
    deriveKey: [
      [identifier, keyType, identifier, boolean, usages],
      (deferred, context, algorithm, baseKey, derivedKeyType, extractable, wanted) => {
        const normalized = normalize("deriveBits", algorithm, context);
        const derived = normalize("importKey", derivedKeyType, context);
        const length = keys().keyLength(normalize("get key length", derivedKeyType, context));
        requireUsage(normalized, baseKey, DERIVE_KEY);
        complete(deferred, operations().deriveBits(normalized, baseKey, length), (secret) => {
          keys().importKey(deferred, "raw", secret, derived, extractable, wanted, (key) => deferred.resolve(makeKey(key)));
        });
      },
    ],
    // 14.3.8
    deriveBits: [
      [identifier, keyType, optionalLength],
      (deferred, context, algorithm, baseKey, length) => {
        const normalized = normalize("deriveBits", algorithm, context);
        requireUsage(normalized, baseKey, DERIVE_BITS);
        complete(deferred, operations().deriveBits(normalized, baseKey, length), deferred.resolve);
      },
    ],
    // 14.3.9
    importKey: [
      [format, keyData, identifier, boolean, usages],
      (deferred, context, kind, data, algorithm, extractable, wanted) => {
        const isBytes = idl.isArrayBuffer(data) || platform.buffers.isView(data);
        if (isBytes === (kind === "jwk")) fail(context, `The key data is ${isBytes ? "bytes" : "a JSON Web Key"}, not '${kind}'.`);
        const input = isBytes ? copyBytes(data) : data;
        const normalized = normalize("importKey", algorithm, context);
        keys().importKey(deferred, kind, input, normalized, extractable, wanted, (key) => deferred.resolve(makeKey(key)));
      },
    ],
    // 14.3.10
    exportKey: [
      [format, keyType],
      (deferred, context, kind, key) => {
        keys().requireExport(key);
        requireExtractable(key);
        complete(deferred, keys().exportKey(kind, key), (exported) => {
          deferred.resolve(kind === "jwk" ? platform.load("subtle_jwk").toJwk(key, exported) : exported);
        });
      },
    ],
    // 14.3.11
    wrapKey: [
      [format, keyType, keyType, identifier],
      (deferred, context, kind, key, wrappingKey, algorithm) => {
        const { operation, normalized } = normalizeWrapping("wrapKey", "encrypt", algorithm, context);
        requireUsage(normalized, wrappingKey, WRAP);
        keys().requireExport(key);
        requireExtractable(key);
        complete(deferred, keys().exportKey(kind, key), (exported) => {
          // The only algorithm with an operation of its own is AES-KW, which takes blocks of 64 bits.
          const unit = operation === "wrapKey" ? 8 : 1;
          const data = kind === "jwk" ? platform.load("subtle_jwk").serialize(key, exported, unit) : exported;
          complete(deferred, operations()[operation](normalized, wrappingKey, data), deferred.resolve);
        });
      },
    ],
    // 14.3.12
    unwrapKey: [
      [format, bytes, keyType, identifier, identifier, boolean, usages],
      (deferred, context, kind, wrapped, unwrappingKey, algorithm, keyAlgorithm, extractable, wanted) => {
        const input = copyBytes(wrapped);
        const { operation, normalized } = normalizeWrapping("unwrapKey", "decrypt", algorithm, context);
        const imported = normalize("importKey", keyAlgorithm, context);
        requireUsage(normalized, unwrappingKey, UNWRAP);
        complete(deferred, operations()[operation](normalized, unwrappingKey, input), (data) => {
          const material = kind === "jwk" ? platform.load("subtle_jwk").parse(data) : data;
          keys().importKey(deferred, kind, material, imported, extractable, wanted, (key) => deferred.resolve(makeKey(key)));
        });
      },
    ],
  };

  function requireExtractable(key) {
    if (!key.extractable) throw error("InvalidAccessError", "The key is not extractable.");
  }
  /** An algorithm without a key-wrapping operation of its own encrypts what is wrapped. */
  function normalizeWrapping(operation, fallback, algorithm, context) {
    try {
      return { operation, normalized: normalize(operation, algorithm, context) };
    } catch {
      return { operation: fallback, normalized: normalize(fallback, algorithm, context) };
    }
  }

  function invoke(name, isReceiver, values) {
    const promise = new Promise(capture);
    const deferred = { __proto__: null, resolve: lastResolve, reject: lastReject };
    // These would keep the promise, and the key it may hold.
    lastResolve = lastReject = undefined;
    const context = `Failed to execute '${name}' on 'SubtleCrypto'`;
    try {
      if (!isReceiver) throw new TypeError("Illegal invocation");
      const method = METHODS[name];
      const converters = method[0];
      const optional = name === "deriveBits" ? 1 : 0;
      requireArguments(values.length, converters.length - optional, context);
      // Its elements exist from the start: nothing an app defines on Array.prototype sees them.
      const converted = [deferred, context, 0, 0, 0, 0, 0, 0, 0];
      for (let i = 0; i < converters.length; i++) {
        converted[i + 2] = converters[i](values[i], `${context}: Argument ${i + 1}`);
      }
      apply(method[1], undefined, converted);
    } catch (reason) {
      deferred.reject(reason);
    }
    return promise;
  }

  let is;
  class SubtleCrypto {
    #isSubtleCrypto;
    static {
      is = (value) => isObject(value) && #isSubtleCrypto in value;
    }
    constructor() {
      if (arguments[0] !== TOKEN) illegalConstructor();
    }
    encrypt(algorithm, key, data) {
      return invoke("encrypt", is(this), arguments);
    }
    decrypt(algorithm, key, data) {
      return invoke("decrypt", is(this), arguments);
    }
    sign(algorithm, key, data) {
      return invoke("sign", is(this), arguments);
    }
    verify(algorithm, key, signature, data) {
      return invoke("verify", is(this), arguments);
    }
    digest(algorithm, data) {
      return invoke("digest", is(this), arguments);
    }
    generateKey(algorithm, extractable, keyUsages) {
      return invoke("generateKey", is(this), arguments);
    }
    deriveKey(algorithm, baseKey, derivedKeyType, extractable, keyUsages) {
      return invoke("deriveKey", is(this), arguments);
    }
    deriveBits(algorithm, baseKey, length) {
      return invoke("deriveBits", is(this), arguments);
    }
    importKey(format, keyData, algorithm, extractable, keyUsages) {
      return invoke("importKey", is(this), arguments);
    }
    exportKey(format, key) {
      return invoke("exportKey", is(this), arguments);
    }
    wrapKey(format, key, wrappingKey, wrapAlgorithm) {
      return invoke("wrapKey", is(this), arguments);
    }
    unwrapKey(format, wrappedKey, unwrappingKey, unwrapAlgorithm, unwrappedKeyAlgorithm, extractable, keyUsages) {
      return invoke("unwrapKey", is(this), arguments);
    }
    /** Workers' addition: whether two buffers of one length hold the same bytes, in time that does not tell where not. */
    timingSafeEqual(a, b) {
      const context = "Failed to execute 'timingSafeEqual' on 'SubtleCrypto'";
      this.#isSubtleCrypto;
      requireArguments(arguments.length, 2, context);
      bytes(a, `${context}: Argument 1`);
      bytes(b, `${context}: Argument 2`);
      const answer = compare(bytesForHost(a), bytesForHost(b));
      if (answer === null) fail(context, "Input buffers must have the same byte length.");
      return answer;
    }
  }
  const sizeOf = (source) => (isView(source) ? viewByteLength(source) : byteLength(source));
  /** Whether both are the same, in pieces if they are long; null where their lengths differ. */
  function compare(a, b) {
    const size = sizeOf(a);
    if (size <= PIECE || sizeOf(b) !== size) return host.equal(a, b);
    let areEqual = true;
    for (let at = 0; at < size; at += PIECE) {
      const length = size - at < PIECE ? size - at : PIECE;
      if (!host.equal(partOf(a, at, length), partOf(b, at, length))) areEqual = false;
    }
    return areEqual;
  }
  function partOf(source, at, length) {
    return isView(source)
      ? new Uint8Array(viewBuffer(source), viewByteOffset(source) + at, length)
      : new Uint8Array(source, at, length);
  }
  defineInterface(SubtleCrypto);

  return { __proto__: null, SubtleCrypto, subtle: new SubtleCrypto(TOKEN), complete, error };
}
