// atob, btoa: HTML, https://html.spec.whatwg.org/multipage/webappapis.html#atob
(platform) => {
  "use strict";
  const { requireArguments, DOMString } = platform.load("webidl");
  const { toBinaryString, fromBinaryString } = platform.host("base64");
  const { SyntaxError, Uint8Array } = platform.constructors;
  const { getPrototypeOf } = platform.statics.Object;
  const syntaxErrors = SyntaxError.prototype;
  const { viewBuffer, viewByteLength } = platform.buffers;
  const { fromBase64 } = platform.statics.Uint8Array;
  const toBase64 = platform.uncurry("Uint8Array", "toBase64");
  const substring = platform.uncurry("String", "substring");
  /** Longer ones cross in pieces, between which the turn may be suspended. No multiple of three bytes is padded. */
  const PIECE = 98304;

  function fail(name, problem) {
    throw platform.makeError("InvalidCharacterError", `Failed to execute '${name}': ${problem}`);
  }
  function toText(bytes) {
    const text = toBinaryString(bytes);
    return typeof text === "string" ? text : text[0];
  }
  /** The string whose character codes are the bytes of a Uint8Array that has its buffer for itself. */
  function toBinary(bytes) {
    const size = viewByteLength(bytes);
    if (size <= PIECE) return toText(bytes);
    let text = "";
    for (let at = 0; at < size; at += PIECE) {
      text += toText(new Uint8Array(viewBuffer(bytes), at, size - at < PIECE ? size - at : PIECE));
    }
    return text;
  }
  function refuse() {
    fail("btoa", "The string to be encoded contains characters outside of the Latin1 range.");
  }
  function encodeLong(text) {
    let encoded = "";
    for (let at = 0; at < text.length; at += PIECE) {
      const bytes = fromBinaryString([substring(text, at, at + PIECE)]);
      if (bytes === null) refuse();
      encoded += toBase64(new Uint8Array(bytes));
    }
    return encoded;
  }
  return {
    __proto__: null,
    atob: function atob(data) {
      requireArguments(arguments.length, 1, "Failed to execute 'atob'");
      data = DOMString(data);
      let bytes;
      try {
        // ECMAScript's loose decoding is Infra's "forgiving-base64 decode".
        bytes = fromBase64(data);
      } catch (error) {
        if (getPrototypeOf(error) !== syntaxErrors) throw error; // there is no memory for the bytes
        fail("atob", "The string to be decoded is not correctly encoded.");
      }
      if (data.length > PIECE) return toBinary(bytes);
      const text = toBinaryString(bytes);
      return typeof text === "string" ? text : text[0];
    },
    btoa: function btoa(data) {
      requireArguments(arguments.length, 1, "Failed to execute 'btoa'");
      data = DOMString(data);
      if (data.length > PIECE) return encodeLong(data);
      const bytes = fromBinaryString([data]);
      if (bytes === null) refuse();
      return toBase64(new Uint8Array(bytes));
    },
    toBinary,
  };
}
