// data: URLs: Fetch, https://fetch.spec.whatwg.org/#data-url-processor
(platform) => {
  "use strict";
  const { parse, serialize } = platform.load("mime");
  const { uncurry } = platform;
  const { Uint8Array } = platform.constructors;
  const { fromBase64 } = platform.statics.Uint8Array;
  const { viewBuffer, byteLength } = platform.buffers;
  const startsWith = uncurry("String", "startsWith");
  const indexOf = uncurry("String", "indexOf");
  const slice = uncurry("String", "slice");
  const exec = uncurry("RegExp", "exec");
  const set = uncurry("TypedArray", "set");
  const { split, percentDecode } = platform.host("dataurl");
  /** UTF-16 units that the host decodes at once. Longer URLs are taken apart here, and in pieces. */
  const LONG = 8192;

  /** What `split` of the host would make of a long URL: [the MIME type's text, the body's buffer]; null is failure. */
  function splitLong(url) {
    const hash = indexOf(url, "#");
    const text = slice(url, 5, hash < 0 ? url.length : hash);
    const comma = indexOf(text, ",");
    if (comma < 0) return null;
    const type = strip(slice(text, 0, comma));
    const encoded = slice(text, comma + 1);
    const mark = exec(/; *base64$/i, type);
    if (mark === null) return [type, viewBuffer(decodeLong(encoded))];
    try {
      const text = indexOf(encoded, "%") < 0 ? encoded : platform.load("base64").toBinary(decodeLong(encoded));
      return [slice(type, 0, mark.index), viewBuffer(fromBase64(text))];
    } catch {
      return null;
    }
  }
  /** "Strip leading and trailing ASCII whitespace"; the serialization of a URL has spaces only. */
  function strip(text) {
    let start = 0;
    let end = text.length;
    while (text[start] === " ") start++;
    while (end > start && text[end - 1] === " ") end--;
    return slice(text, start, end);
  }
  /** The bytes of a percent-encoded text. */
  function decodeLong(text) {
    const pieces = [];
    let size = 0;
    for (let at = 0, end; at < text.length; at = end) {
      end = at + LONG;
      // No escape is cut.
      if (text[end - 2] === "%") end -= 2;
      else if (text[end - 1] === "%") end--;
      const piece = percentDecode(slice(text, at, end));
      pieces[pieces.length] = piece;
      size += byteLength(piece);
    }
    const bytes = new Uint8Array(size);
    for (let i = 0, at = 0; i < pieces.length; i++) {
      set(bytes, new Uint8Array(pieces[i]), at);
      at += byteLength(pieces[i]);
    }
    return bytes;
  }

  return {
    __proto__: null,
    /** { mimeType, body } of the serialization of a data: URL, body an ArrayBuffer; null is failure. */
    processDataURL(url) {
      const parts = url.length <= LONG ? split(url) : splitLong(url);
      if (parts === null) return null;
      const text = startsWith(parts[0], ";") ? "text/plain" + parts[0] : parts[0];
      const type = parse(text);
      return { __proto__: null, mimeType: type === null ? "text/plain;charset=US-ASCII" : serialize(type), body: parts[1] };
    },
  };
}
