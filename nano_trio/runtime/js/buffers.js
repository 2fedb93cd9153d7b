// Getters that tell an ArrayBuffer and a view from look-alikes, unaffected by patched prototypes.
(platform) => {
  "use strict";
  const { statics, uncurry } = platform;
  return {
    __proto__: null,
    isView: statics.ArrayBuffer.isView,
    viewBuffer: uncurry("TypedArray", "buffer"),
    viewByteOffset: uncurry("TypedArray", "byteOffset"),
    viewByteLength: uncurry("TypedArray", "byteLength"),
    /** "Uint8Array" and so on, or undefined where `value` is no typed array. */
    viewTag: uncurry("TypedArray", "[Symbol.toStringTag]"),
    dataViewBuffer: uncurry("DataView", "buffer"),
    dataViewByteOffset: uncurry("DataView", "byteOffset"),
    dataViewByteLength: uncurry("DataView", "byteLength"),
    /** Throws a TypeError where `value` is no ArrayBuffer. */
    byteLength: uncurry("ArrayBuffer", "byteLength"),
    detached: uncurry("ArrayBuffer", "detached"),
    resizable: uncurry("ArrayBuffer", "resizable"),
    maxByteLength: uncurry("ArrayBuffer", "maxByteLength"),
    sharedByteLength: uncurry("SharedArrayBuffer", "byteLength"),
  };
}
