// Web IDL's buffer sources: https://webidl.spec.whatwg.org/#js-buffer-source-types
(platform) => {
  "use strict";
  const { uncurry, buffers } = platform;
  const { Uint8Array } = platform.constructors;
  const { isView, viewTag, viewBuffer, viewByteOffset, viewByteLength, byteLength: lengthOf, detached } = buffers;
  const { isObject } = platform.load("webidl_core");

  function isArrayBuffer(value) {
    if (!isObject(value)) return false;
    try {
      lengthOf(value);
      return true;
    } catch {
      return false;
    }
  }

  /** { buffer, byteOffset, byteLength } of a view, read past patched prototypes. */
  function viewInfo(view) {
    if (viewTag(view) !== undefined) {
      return {
        __proto__: null,
        buffer: viewBuffer(view),
        byteOffset: viewByteOffset(view),
        byteLength: viewByteLength(view),
      };
    }
    return {
      __proto__: null,
      buffer: buffers.dataViewBuffer(view),
      byteOffset: buffers.dataViewByteOffset(view),
      byteLength: buffers.dataViewByteLength(view),
    };
  }
  /**
   * The bytes of a buffer source as something a host function can read at once: its ArrayBuffer where it covers it
   * whole, else a Uint8Array over its part. No copy. Of a view that follows a resizable buffer's length, the binding
   * would read as many bytes as there once were, whatever is there now: no view of an app's ever reaches it.
   */
  function bytesForHost(source) {
    if (viewTag(source) !== undefined) return bytesOfArray(source);
    const { buffer, byteOffset, byteLength } = isView(source)
      ? viewInfo(source)
      : { __proto__: null, buffer: source, byteOffset: 0, byteLength: undefined };
    // The binding reads nothing that is detached, and shared memory may change meanwhile.
    if (!isArrayBuffer(buffer) || detached(buffer)) return copyBytes(source);
    if (byteLength === undefined || (byteOffset === 0 && lengthOf(buffer) === byteLength)) return buffer;
    return new Uint8Array(buffer, byteOffset, byteLength);
  }
  /** The same of a typed array: a stream's chunk, say, which mostly has a buffer for itself. */
  function bytesOfArray(array) {
    const buffer = viewBuffer(array);
    const size = viewByteLength(array);
    let whole;
    try {
      whole = lengthOf(buffer);
    } catch {
      return copyBytes(array); // it is shared
    }
    // One that is detached has no bytes.
    if (size === 0) return copyBytes(array);
    return whole === size ? buffer : new Uint8Array(buffer, viewByteOffset(array), size);
  }
  /** "Get a copy of the bytes held by the buffer source" (3.2.26), as a new Uint8Array. */
  function copyBytes(source) {
    const part = isView(source) ? viewInfo(source) : { buffer: source, byteOffset: 0, byteLength: undefined };
    if (isArrayBuffer(part.buffer) && detached(part.buffer)) return new Uint8Array(0);
    const view = new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
    const copy = new Uint8Array(view.length);
    uncurry("TypedArray", "set")(copy, view);
    return copy;
  }

  return { __proto__: null, isArrayBuffer, viewInfo, bytesForHost, bytesOfArray, copyBytes };
}
