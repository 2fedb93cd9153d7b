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
  const slice = uncurry("String", "slice");
  const set = uncurry("TypedArray", "set");
  const { buffers } = platform;
  const { isLarge } = platform.load("ahead");
  const BEYOND_ASCII = /[^\0-\x7f]/;
  const NEEDS_ESCAPE = /[&<>]/;
  const UPPER = /[A-Z]/;

  /** What crosses at once; the host's functions cannot be suspended. */
  const PIECE = 65536;
  const pass = (text) => (text.length < 500 ? text : [text]);
  const unbox = (text) => (typeof text === "string" ? text : text[0]);
  const isAscii = (text) => exec(BEYOND_ASCII, text) === null;
  const isInSequence = (text, at) => (charCodeAt(text, at) & 0xc0) === 0x80;
  const isInPair = (text, at) => (charCodeAt(text, at) & 0xfc00) === 0xdc00;

  /** What `convert` makes of a text, in pieces where it is long; `isWithin(text, at)`: not to be cut there. */
  function inPieces(text, convert, isWithin) {
    if (text.length <= PIECE) return unbox(convert(pass(text)));
    let result = "";
    for (let at = 0, end; at < text.length; at = end) {
      end = at + PIECE;
      // A character has four bytes at most. What is so far from a first one is malformed, and may be cut.
      let back = 0;
      while (back < 3 && isWithin(text, end - back)) back++;
      if (end < text.length && !isWithin(text, end - back)) end -= back;
      result += unbox(convert([slice(text, at, end)]));
    }
    return result;
  }
  function fromBytes(source) {
    const bytes = bytesForHost(source);
    if (!isLarge(bytes)) return unbox(host.fromBytes(bytes));
    const isView = buffers.isView(bytes);
    const buffer = isView ? buffers.viewBuffer(bytes) : bytes;
    const start = isView ? buffers.viewByteOffset(bytes) : 0;
    const size = isView ? buffers.viewByteLength(bytes) : buffers.byteLength(bytes);
    let text = "";
    for (let at = 0; at < size; at += PIECE) {
      text += unbox(host.fromBytes(new Uint8Array(buffer, start + at, size - at < PIECE ? size - at : PIECE)));
    }
    return text;
  }
  function toBytes(text) {
    if (!isLarge(text)) return new Uint8Array(host.toBytes(pass(text)));
    const bytes = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at += PIECE) {
      set(bytes, new Uint8Array(host.toBytes([slice(text, at, at + PIECE)])), at);
    }
    return bytes;
  }

  return {
    __proto__: null,
    /** The byte string of a buffer source. */
    fromBytes,
    /** The bytes of a byte string. */
    toBytes,
    /** The text that a byte string is in UTF-8. */
    decode: (text) => (isAscii(text) ? text : inPieces(text, host.decode, isInSequence)),
    /** The byte string that a text is in UTF-8. */
    encode: (text) => (isAscii(text) ? text : inPieces(toWellFormed(text), host.encode, isInPair)),
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
