// What is large goes ahead, in pieces, of the host function that is to get it: large.js, which few apps ever load. Where
// the host is told kinds of bodies, it is of kind 7 then.
(platform) => {
  "use strict";
  const { isView, viewByteLength, byteLength } = platform.buffers;
  /** Bytes or code units, as in runtime/pieces.py. */
  const LARGE = 262144;

  return {
    __proto__: null,
    /** Is it too large to cross at once: a string, an ArrayBuffer or a Uint8Array? */
    isLarge: (body) =>
      (typeof body === "string" ? body.length : isView(body) ? viewByteLength(body) : byteLength(body)) > LARGE,
    /** Hand it over in pieces, if it is large. */
    goesAhead(body) {
      if ((typeof body === "string" ? body.length : isView(body) ? viewByteLength(body) : byteLength(body)) <= LARGE) {
        return false;
      }
      platform.load("large").give(body);
      return true;
    },
  };
}
