// UTF-8 encode and decode, https://encoding.spec.whatwg.org/#hooks-for-standards , for the other specifications' files.
(platform) => {
  "use strict";
  const { encode, decode } = platform.host("utf8");
  const { bytesForHost } = platform.load("webidl");
  return {
    __proto__: null,
    /** "UTF-8 encode" to an ArrayBuffer. */
    encode: (text) => encode(text.length < 500 ? text : [text]),
    /** "UTF-8 decode" of a buffer source: without its byte order mark. */
    decode(source) {
      const text = decode(bytesForHost(source));
      return typeof text === "string" ? text : text[0];
    },
  };
}
