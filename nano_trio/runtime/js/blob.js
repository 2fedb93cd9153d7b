// Blob and File: File API, https://w3c.github.io/FileAPI/ sections 3 and 4
//
// A blob's bytes are a list of Uint8Arrays that nobody changes, so slices and blobs made of blobs share them.
(platform) => {
  "use strict";
  const { load, buffers, constructors, statics, uncurry } = platform;
  const { Uint8Array } = constructors;
  const { min, max } = statics.Math;
  const { now } = statics.Date;
  const webidl = load("webidl");
  const { requireArguments, isObject, isArrayBuffer, copyBytes, DOMString, USVString, longLong } = webidl;
  const exec = uncurry("RegExp", "exec");
  const toLowerCase = uncurry("String", "toLowerCase");
  const replaceAll = uncurry("String", "replaceAll");
  const set = uncurry("TypedArray", "set");
  const { encode, decode } = load("utf8");
  const CHUNK = 65536;
  const INTERNAL = {};
  let stateOf, isBlob, isFile, fileOf;

  class Blob {
    /** { parts, size, type } */
    #state;
    constructor(blobParts = undefined, options = undefined) {
      if (blobParts === INTERNAL) {
        this.#state = options;
        return;
      }
      const context = "Failed to construct 'Blob'";
      const parts = blobParts === undefined ? [] : toBlobParts(blobParts, context);
      const { endings, type } = BlobPropertyBag(options, context);
      this.#state = joinParts(parts, type, endings === "native");
    }
    get size() {
      return this.#state.size;
    }
    get type() {
      return this.#state.type;
    }
    slice(start = undefined, end = undefined, contentType = undefined) {
      const { parts, size } = this.#state;
      const context = "Failed to execute 'slice' on 'Blob'";
      start = start === undefined ? 0 : position(longLong(start, context, { clamp: true }), size);
      end = end === undefined ? size : position(longLong(end, context, { clamp: true }), size);
      const type = contentType === undefined ? "" : DOMString(contentType, context);
      const state = { parts: sliceParts(parts, start, end), size: max(end - start, 0), type: normalizeType(type) };
      return new Blob(INTERNAL, state);
    }
    stream() {
      return streamOf(this);
    }
    textStream() {
      return load("encoding_streams").decodeStream(streamOf(this));
    }
    async text() {
      return decode(bytesOf(this));
    }
    async arrayBuffer() {
      return buffers.viewBuffer(copyBytes(bytesOf(this)));
    }
    async bytes() {
      return copyBytes(bytesOf(this));
    }
    static {
      stateOf = (blob) => blob.#state;
      isBlob = (value) => isObject(value) && #state in value;
    }
  }

  class File extends Blob {
    /** { name, lastModified } */
    #file;
    constructor(fileBits, fileName, options = undefined) {
      if (fileBits === INTERNAL) {
        super(INTERNAL, fileName);
        this.#file = options;
        return;
      }
      const context = "Failed to construct 'File'";
      requireArguments(arguments.length, 2, context);
      const parts = toBlobParts(fileBits, context);
      const name = USVString(fileName, context);
      const { endings, type, lastModified = now() } = FilePropertyBag(options, context);
      super(INTERNAL, joinParts(parts, type, endings === "native"));
      this.#file = { name, lastModified };
    }
    get name() {
      return this.#file.name;
    }
    get lastModified() {
      return this.#file.lastModified;
    }
    static {
      fileOf = (file) => file.#file;
      isFile = (value) => isObject(value) && #file in value;
    }
  }

  const toBlobParts = webidl.sequence((value, context) => {
    if (buffers.isView(value)) return webidl.BufferSource(value, context);
    return isBlob(value) || isArrayBuffer(value) ? value : USVString(value, context);
  });
  const PROPERTIES = [
    { key: "endings", converter: webidl.enumeration("EndingType", ["transparent", "native"]), defaultValue: "transparent" },
    { key: "type", converter: DOMString, defaultValue: "" },
  ];
  const BlobPropertyBag = webidl.dictionary("BlobPropertyBag", PROPERTIES);
  const FilePropertyBag = webidl.dictionary("FilePropertyBag", [
    PROPERTIES[0],
    PROPERTIES[1],
    { key: "lastModified", converter: longLong },
  ]);

  function normalizeType(type) {
    return exec(/[^\x20-\x7e]/, type) === null ? toLowerCase(type) : "";
  }

  /** 3.1.1 "Process blob parts": the state of a blob made of strings, buffer sources and blobs. */
  function joinParts(elements, type, isNative) {
    const parts = [];
    let text = "";
    let size = 0;
    const add = (bytes) => {
      const length = buffers.viewByteLength(bytes);
      if (length > 0) parts[parts.length] = bytes;
      size += length;
    };
    for (let i = 0; i < elements.length; i++) {
      const element = elements[i];
      if (typeof element === "string") {
        // Neighbouring strings are encoded at once.
        text += isNative ? replaceAll(replaceAll(element, "\r\n", "\n"), "\r", "\n") : element;
        continue;
      }
      if (text !== "") add(new Uint8Array(encode(text)));
      text = "";
      if (isBlob(element)) {
        const shared = stateOf(element).parts;
        for (let j = 0; j < shared.length; j++) add(shared[j]);
      } else add(copyBytes(element));
    }
    if (text !== "") add(new Uint8Array(encode(text)));
    return { parts, size, type: normalizeType(type) };
  }

  /** A relative position of "slice blob" as an absolute one. */
  function position(relative, size) {
    return relative < 0 ? max(size + relative, 0) : min(relative, size);
  }
  /** The parts between two positions, sharing the bytes. */
  function sliceParts(parts, start, end) {
    const result = [];
    for (let i = 0, at = 0; i < parts.length && at < end; i++) {
      const part = parts[i];
      const length = buffers.viewByteLength(part);
      const from = max(start - at, 0);
      const to = min(end - at, length);
      if (from < to) {
        result[result.length] =
          to - from === length
            ? part
            : new Uint8Array(buffers.viewBuffer(part), buffers.viewByteOffset(part) + from, to - from);
      }
      at += length;
    }
    return result;
  }

  /** The bytes of `blob` in one Uint8Array, which may be the blob's own: not to be changed or given away. */
  function bytesOf(blob) {
    const { parts, size } = stateOf(blob);
    if (parts.length === 1) return parts[0];
    const bytes = new Uint8Array(size);
    for (let i = 0, at = 0; i < parts.length; i++) {
      set(bytes, parts[i], at);
      at += buffers.viewByteLength(parts[i]);
    }
    return bytes;
  }

  /** 3.2 "Get stream": a byte stream of copies. */
  function streamOf(blob) {
    return load("streams_late").createReadableByteStream(pullerOf(blob));
  }
  /** The algorithm by which a byte stream pulls a blob's bytes. */
  function pullerOf(blob) {
    const { parts, size } = stateOf(blob);
    let index = 0;
    let offset = 0;
    let remaining = size;
    return (controller) => {
      if (remaining === 0) return load("body_source").finish(controller);
      const part = parts[index];
      const length = buffers.viewByteLength(part);
      const count = min(length - offset, CHUNK);
      const start = buffers.viewByteOffset(part) + offset;
      const chunk = copyBytes(new Uint8Array(buffers.viewBuffer(part), start, count));
      offset += count;
      remaining -= count;
      if (offset === length) {
        index++;
        offset = 0;
      }
      controller.enqueue(chunk);
    };
  }

  webidl.defineInterface(Blob);
  webidl.defineInterface(File);

  // 3, 4 [Serializable]: the copy shares the bytes.
  const { cloneables } = platform;
  cloneables[cloneables.length] = {
    __proto__: null,
    isInstance: isBlob,
    serialize: (blob) => [stateOf(blob), isFile(blob) ? fileOf(blob) : null],
    deserialize: (data) => (data[1] === null ? new Blob(INTERNAL, data[0]) : new File(INTERNAL, data[0], data[1])),
  };

  return {
    __proto__: null,
    Blob,
    File,
    isBlob,
    isFile,
    bytesOf,
    pullerOf,
    sizeOf: (blob) => stateOf(blob).size,
    typeOf: (blob) => stateOf(blob).type,
    /** A Blob of a Uint8Array that nobody changes any more. */
    makeBlob(bytes, type) {
      const size = buffers.viewByteLength(bytes);
      return new Blob(INTERNAL, { parts: size === 0 ? [] : [bytes], size, type: normalizeType(type) });
    },
    /** A Blob of strings, buffer sources and blobs. */
    makeBlobOfParts: (elements, type) => new Blob(INTERNAL, joinParts(elements, type, false)),
    /** A File with the bytes and type of `blob`; `lastModified` is now unless `blob` is a File. */
    makeFile(blob, name) {
      const lastModified = isFile(blob) ? fileOf(blob).lastModified : now();
      return new File(INTERNAL, stateOf(blob), { name, lastModified });
    },
    nameOf: (file) => fileOf(file).name,
  };
}
