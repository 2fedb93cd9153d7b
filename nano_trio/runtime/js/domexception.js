// DOMException: Web IDL, https://webidl.spec.whatwg.org/#idl-DOMException
(platform) => {
  "use strict";
  const { DOMString, defineInterface, isObject } = platform.load("webidl");
  const { framesOf, keep, silent } = platform.load("stack");
  const { defineProperty, setPrototypeOf } = platform.statics.Object;
  const { Error } = platform.constructors;
  const split = platform.uncurry("String", "split");

  // 2.8.1 The errors that have a legacy code, which is the index here plus 1; "-" where only the constant exists.
  const NAMES = split(
    "IndexSizeError - HierarchyRequestError WrongDocumentError InvalidCharacterError - NoModificationAllowedError " +
      "NotFoundError NotSupportedError InUseAttributeError InvalidStateError SyntaxError InvalidModificationError " +
      "NamespaceError InvalidAccessError - TypeMismatchError SecurityError NetworkError AbortError URLMismatchError " +
      "QuotaExceededError TimeoutError InvalidNodeTypeError DataCloneError",
    " ",
  );
  const CONSTANTS = split(
    "INDEX_SIZE DOMSTRING_SIZE HIERARCHY_REQUEST WRONG_DOCUMENT INVALID_CHARACTER NO_DATA_ALLOWED " +
      "NO_MODIFICATION_ALLOWED NOT_FOUND NOT_SUPPORTED INUSE_ATTRIBUTE INVALID_STATE SYNTAX INVALID_MODIFICATION " +
      "NAMESPACE INVALID_ACCESS VALIDATION TYPE_MISMATCH SECURITY NETWORK ABORT URL_MISMATCH QUOTA_EXCEEDED TIMEOUT " +
      "INVALID_NODE_TYPE DATA_CLONE",
    " ",
  );
  const codes = { __proto__: null };
  const constants = { __proto__: null };
  for (let i = 0; i < NAMES.length; i++) {
    if (NAMES[i] !== "-") codes[NAMES[i]] = i + 1;
    constants[`${CONSTANTS[i]}_ERR`] = i + 1;
  }

  let messageOf, nameOf, isDOMException;
  /** Adds to an object what makes it a DOMException: the object is what the base constructor returns. */
  class Fields extends function (object) { return object; } {
    #message;
    #name;
    constructor(object, message, name) {
      super(object);
      this.#message = message;
      this.#name = name;
    }
    static {
      messageOf = (value) => value.#message;
      nameOf = (value) => value.#name;
      isDOMException = (value) => isObject(value) && #name in value;
    }
  }

  class DOMException {
    constructor() {
      const message = arguments[0] === undefined ? "" : DOMString(arguments[0]);
      const name = arguments[1] === undefined ? "Error" : DOMString(arguments[1]);
      const { prototype } = new.target;
      // An error of the engine's, with [[ErrorData]].
      const error = silent();
      const frames = framesOf(error);
      setPrototypeOf(error, isObject(prototype) ? prototype : DOMException.prototype);
      const exception = new Fields(error, message, name);
      keep(exception, frames);
      return exception;
    }

    get name() {
      return nameOf(this);
    }
    get message() {
      return messageOf(this);
    }
    get code() {
      return codes[nameOf(this)] ?? 0;
    }

    static {
      // [Serializable], 2.8.2
      const { cloneables } = platform;
      cloneables[cloneables.length] = {
        __proto__: null,
        isInstance: isDOMException,
        serialize: (value) => [messageOf(value), nameOf(value), value.stack],
        deserialize(data) {
          const copy = new DOMException(data[0], data[1]);
          if (typeof data[2] === "string") {
            defineProperty(copy, "stack", { __proto__: null, value: data[2], writable: true, configurable: true });
          }
          return copy;
        },
      };
    }
  }
  defineInterface(DOMException, { constants });
  setPrototypeOf(DOMException.prototype, Error.prototype);

  return { __proto__: null, DOMException };
}
