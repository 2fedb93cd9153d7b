// What is large goes ahead, in pieces, of the host function that is to get it: large.js, which few apps ever load. Where
// the host is told the kind of a body, that is AHEAD then: ../body_kinds.py.
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
    LARGE,
    isLarge,
    /** An argument of a host function that takes several such, or null: itself, or true where it goes ahead. */
    pass(body) {
      if (body === null || (isView(body) ? viewByteLength(body) : byteLength(body)) <= LARGE) return body;
      return platform.load("large").hold(body);
    },
    /** Hand it over in pieces, if it is large. `isLast`: as in large.js. */
    goesAhead(body, isLast = false) {
      if ((typeof body === "string" ? body.length : isView(body) ? viewByteLength(body) : byteLength(body)) <= LARGE) {
        return false;
      }
      platform.load("large").give(body, isLast);
      return true;
    },
  };
}
