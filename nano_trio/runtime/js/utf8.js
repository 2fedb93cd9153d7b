// UTF-8 encode and decode, https://encoding.spec.whatwg.org/#hooks-for-standards , for the other specifications' files.
(platform) => {
  "use strict";
  const { encode, decode } = platform.host("utf8");
  const { bytesForHost } = platform.load("webidl");
  const { isLarge } = platform.load("ahead");
  const substring = platform.uncurry("String", "substring");
  const utf8 = platform.uncurry("String", "utf8");
  /** From this many code units on a string crosses at less cost in an array: runtime/strings.py. */
  const LONG = 2048;
  return {
    __proto__: null,
    /** "UTF-8 encode" to an ArrayBuffer. */
    encode(text) {
      const bytes = utf8(text);
      if (bytes !== undefined) return bytes;
      if (text.length < LONG) return encode(text);
      return isLarge(text) ? platform.load("large").encode(text) : encode([text]);
    },
    /** "UTF-8 decode" of a buffer source: without its byte order mark. */
    decode(source) {
      const bytes = bytesForHost(source);
      if (isLarge(bytes)) {
        const text = platform.load("large").decode(bytes);
        return text[0] === "\ufeff" ? substring(text, 1) : text;
      }
      const text = decode(bytes);
      return typeof text === "string" ? text : text[0];
    },
  };
}
