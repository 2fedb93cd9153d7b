// Byte strings for HTMLRewriter: one character per byte, so that an index is an offset and what is untouched stays exact.
//
// The engine keeps such a string in a byte per character, and finds and matches in it natively. Only what an app sees or
// inserts is decoded and encoded as UTF-8, and only where it is not ASCII, which is the same in both.
(platform) => {
  "use strict";
  const { uncurry, constructors } = platform;
  const host = platform.host("htmlrewriter");
  const { bytesForHost } = platform.load("webidl");
  const { Uint8Array } = constructors;
  const exec = uncurry("RegExp", "exec");
  const toLowerCase = uncurry("String", "toLowerCase");
  const toWellFormed = uncurry("String", "toWellFormed");
  const replaceAll = uncurry("String", "replaceAll");
  const charCodeAt = uncurry("String", "charCodeAt");
  const BEYOND_ASCII = /[^\0-\x7f]/;
  const NEEDS_ESCAPE = /[&<>]/;
  const UPPER = /[A-Z]/;

  const pass = (text) => (text.length < 500 ? text : [text]);
  const unbox = (text) => (typeof text === "string" ? text : text[0]);
  const isAscii = (text) => exec(BEYOND_ASCII, text) === null;

  return {
    __proto__: null,
    /** The byte string of a buffer source. */
    fromBytes: (source) => unbox(host.fromBytes(bytesForHost(source))),
    /** The bytes of a byte string. */
    toBytes: (text) => new Uint8Array(host.toBytes(pass(text))),
    /** The text that a byte string is in UTF-8. */
    decode: (text) => (isAscii(text) ? text : unbox(host.decode(pass(text)))),
    /** The byte string that a text is in UTF-8. */
    encode: (text) => (isAscii(text) ? text : unbox(host.encode(pass(toWellFormed(text))))),
    /** ASCII lowercase: no byte of a UTF-8 sequence may change. */
    lower(text) {
      if (exec(UPPER, text) === null) return text;
      if (isAscii(text)) return toLowerCase(text);
      let result = "";
      for (let i = 0; i < text.length; i++) result += text[i] <= "Z" ? toLowerCase(text[i]) : text[i];
      return result;
    },
    /** Text as the content of an element. */
    escape(text) {
      if (exec(NEEDS_ESCAPE, text) === null) return text;
      return replaceAll(replaceAll(replaceAll(text, "&", "&amp;"), "<", "&lt;"), ">", "&gt;");
    },
    /** How many of the last bytes begin a character of UTF-8 whose rest is still to come. */
    unfinished(text) {
      for (let back = 1; back <= 3 && back <= text.length; back++) {
        const code = charCodeAt(text, text.length - back);
        if (code < 0x80) return 0;
        if (code >= 0xc0) return (code >= 0xf0 ? 4 : code >= 0xe0 ? 3 : 2) > back ? back : 0;
      }
      return 0;
    },
  };
}
