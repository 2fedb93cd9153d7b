// What all kinds of WebSockets here have in common: states, messages and the arguments of close().
// https://websockets.spec.whatwg.org/#the-websocket-interface
(platform) => {
  "use strict";
  const { load, buffers, makeError } = platform;
  const idl = load("webidl");
  const { isObject, USVString } = idl;
  const CONNECTING = 0, OPEN = 1, CLOSING = 2, CLOSED = 3;

  /** A DOMException of that name: the error that this standard means by "SyntaxError". */
  function syntaxError(message) {
    return new (load("domexception").DOMException)(message, "SyntaxError");
  }

  /** A code of RFC 6455 or of its registry that an endpoint may send. */
  function isServerCode(code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
  }

  /** Is a converted message text? */
  const isText = (message) => typeof message === "string";

  return {
    __proto__: null,
    STATES: { __proto__: null, CONNECTING, OPEN, CLOSING, CLOSED },
    syntaxError,
    isText,
    /** Convert what is to be sent: a well-formed string, or bytes that the host can read, as an ArrayBuffer or Uint8Array. */
    toMessage(data, context) {
      if (typeof data !== "string") {
        if (buffers.isView(data) || idl.isArrayBuffer(data)) return idl.bytesForHost(idl.BufferSource(data, context));
        if (isObject(data) && platform.isLoaded("blob") && load("blob").isBlob(data)) {
          return idl.bytesForHost(load("blob").bytesOf(data));
        }
      }
      return USVString(data, context);
    },
    /** A converted text as the host takes it: long ones cross at less cost boxed (runtime/strings.py). */
    forHost: (message) => (isText(message) && message.length >= 500 ? [message] : message),
    /** The same where it is to cross in pieces if it is large: then null. */
    ahead(message) {
      if (isText(message) && message.length < 500) return message;
      return load("ahead").goesAhead(message) ? null : isText(message) ? [message] : message;
    },
    /** How many bytes a converted message has. */
    sizeOf(message) {
      if (isText(message)) return buffers.byteLength(load("utf8").encode(message));
      return buffers.isView(message) ? idl.viewInfo(message).byteLength : buffers.byteLength(message);
    },
    /**
     * The arguments of close(), converted and checked: [code or null, reason]. A server may also give the reasons that
     * RFC 6455, section 7.4.1, has for it, as in Workers: 1011, say.
     */
    toClose(code, reason, context, isServer = false) {
      code = code === undefined ? null : idl.unsignedShort(code, context, { clamp: true });
      reason = reason === undefined ? "" : USVString(reason, context);
      if (code !== null && code !== 1000 && (code < 3000 || code > 4999) && !(isServer && isServerCode(code))) {
        const codes = isServer ? "from 1000 to 1003, from 1007 to 1014, or from 3000 to 4999" : "1000, or from 3000 to 4999";
        throw makeError("InvalidAccessError", `${context}: The code must be ${codes}; ${code} is not.`);
      }
      if (reason !== "") {
        if (buffers.byteLength(load("utf8").encode(reason)) > 123) {
          throw syntaxError(`${context}: The reason is longer than 123 bytes.`);
        }
        code ??= 1000;
      }
      return [code, reason];
    },
  };
}
