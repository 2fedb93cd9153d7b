// What is large goes ahead, in pieces, of the host function that is to get it: large.js, which few apps ever load.
(platform) => {
  "use strict";
  const { isView, viewByteLength, byteLength } = platform.buffers;
  /** Bytes or code units, as in runtime/pieces.py. */
  const LARGE = 262144;

  /** Is it too large to cross at once: a string, an ArrayBuffer or a Uint8Array? */
  function isLarge(body) {
    return (typeof body === "string" ? body.length : isView(body) ? viewByteLength(body) : byteLength(body)) > LARGE;
  }

  return {
    __proto__: null,
    isLarge,
    /** Hand it over in pieces, if it is large. */
    goesAhead(body) {
      if (!isLarge(body)) return false;
      platform.load("large").give(body);
      return true;
    },
  };
}
