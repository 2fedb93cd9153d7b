// Encoding: https://encoding.spec.whatwg.org/ , section 7.
//
// The host decodes and encodes. What a decoder keeps between two chunks of a stream is a string that the host gave
// (usually empty). Long strings cross in an array: runtime/strings.py says why.
(platform) => {
  "use strict";
  const webidl = platform.load("webidl");
  const { requireArguments, fail, DOMString } = webidl;
  const { RangeError, Uint8Array } = platform.constructors;
  const { buffers } = platform;
  const charCodeAt = platform.uncurry("String", "charCodeAt");
  const substring = platform.uncurry("String", "substring");
  const host = platform.host("encoding");
  const { decodeUTF8 } = host;
  const { encode } = platform.load("utf8");
  const { viewTag, viewByteLength, byteLength } = buffers;
  const ascii = platform.uncurry("TypedArray", "ascii");
  const setBytes = platform.uncurry("TypedArray", "set");
  const INTO = "Failed to execute 'encodeInto' on 'TextEncoder'";
  const ALLOW_SHARED = { __proto__: null, allowShared: true };
  /** Host functions cannot be suspended. So long texts are decoded in pieces; the legacy encodings' errors take time. */
  const UTF8_PIECE = 131072, PIECE = 4096, ISO_2022_JP_PIECE = 1024;
  /** Code units that encodeInto() encodes at once. */
  const TEXT_PIECE = 32768;
  let decodeChunk, describe;

  class TextEncoder {
    #brand;
    get encoding() {
      this.#brand;
      return "utf-8";
    }
    encode(input = "") {
      this.#brand;
      const text = typeof input === "string" ? input : DOMString(input);
      return new Uint8Array(encode(text));
    }
    encodeInto(source, destination) {
      this.#brand;
      if (arguments.length < 2) requireArguments(arguments.length, 2, INTO);
      const text = typeof source === "string" ? source : DOMString(source);
      if (viewTag(destination) !== "Uint8Array") fail(INTO, "parameter 2 is not of type 'Uint8Array'.");
      const size = viewByteLength(destination);
      let read = 0;
      let written = 0;
      for (let isFull = false; read < text.length && !isFull; ) {
        const room = size - written;
        // No code unit takes less than a byte, so the rest of a long text is none of the host's business.
        let end = read + (room < TEXT_PIECE ? room + 1 : TEXT_PIECE);
        // No surrogate pair is cut.
        if ((charCodeAt(text, end - 1) & 0xfc00) === 0xd800) end++;
        const part = read === 0 && end >= text.length ? text : substring(text, read, end);
        const bytes = encode(part);
        let count = byteLength(bytes);
        isFull = count > room;
        if (isFull) {
          const fitting = host.fitting(bytes, room);
          count = fitting[0];
          read += fitting[1];
        } else read += part.length;
        if (count > 0) setBytes(destination, new Uint8Array(bytes, 0, count), written);
        written += count;
      }
      return { read, written };
    }
  }

  const toDecoderOptions = webidl.dictionary("TextDecoderOptions", [
    { key: "fatal", converter: webidl.boolean, defaultValue: false },
    { key: "ignoreBOM", converter: webidl.boolean, defaultValue: false },
  ]);
  const toDecodeOptions = webidl.dictionary("TextDecodeOptions", [
    { key: "stream", converter: webidl.boolean, defaultValue: false },
  ]);

  class TextDecoder {
    #encoding = "utf-8";
    #fatal = false;
    #ignoreBOM = false;
    #state = "";
    #isBOMSeen = false;
    #isStreaming = false;
    constructor(label = "utf-8", options = undefined) {
      label = DOMString(label);
      if (options !== undefined) {
        const { fatal, ignoreBOM } = toDecoderOptions(options, "Failed to construct 'TextDecoder'");
        this.#fatal = fatal;
        this.#ignoreBOM = ignoreBOM;
      }
      if (label !== "utf-8") {
        // The longest label has 19 characters. A long text may be a rope of strings, which the host does not take.
        const encoding = label.length < 1000 ? host.encodingOf(label) : null;
        if (encoding === null || encoding === "replacement") {
          throw new RangeError(`Failed to construct 'TextDecoder': '${label}' is no label of an encoding.`);
        }
        this.#encoding = encoding;
      }
    }
    get encoding() {
      return this.#encoding;
    }
    get fatal() {
      return this.#fatal;
    }
    get ignoreBOM() {
      return this.#ignoreBOM;
    }
    decode(input = undefined, options = undefined) {
      if (
        options === undefined &&
        this.#encoding === "utf-8" &&
        !this.#isStreaming &&
        viewTag(input) === "Uint8Array"
      ) {
        // A whole text at once, as it mostly comes, and mostly in ASCII. An array whose buffer is detached has no bytes.
        const size = viewByteLength(input);
        let text = size > 0 ? ascii(input, size) : "";
        if (text !== undefined) return text;
        if (size <= UTF8_PIECE) {
          text = decodeUTF8(webidl.bytesForHost(input), this.#fatal, this.#ignoreBOM);
          if (typeof text === "string") return text;
          if (text === null) this.#fail();
          return text[0];
        }
      }
      const context = "Failed to execute 'decode' on 'TextDecoder'";
      if (input !== undefined) webidl.BufferSource(input, context, ALLOW_SHARED);
      return decodeChunk(this, input, toDecodeOptions(options, context).stream);
    }
    static {
      decodeChunk = (decoder, input, stream) => decoder.#decodeChunk(input, stream);
      describe = (decoder) => ({
        __proto__: null,
        encoding: decoder.#encoding,
        fatal: decoder.#fatal,
        ignoreBOM: decoder.#ignoreBOM,
      });
    }
    #decodeChunk(input, stream) {
      // 7.2 decode(), steps 1 to 3
      if (!this.#isStreaming) {
        this.#state = "";
        this.#isBOMSeen = false;
      }
      this.#isStreaming = stream;
      const source = input === undefined ? new Uint8Array() : webidl.bytesForHost(input);
      const size = buffers.isView(source) ? buffers.viewByteLength(source) : buffers.byteLength(source);
      let text = "";
      const encoding = this.#encoding;
      const most = encoding === "utf-8" ? UTF8_PIECE : encoding === "iso-2022-jp" ? ISO_2022_JP_PIECE : PIECE;
      if (size <= most) {
        text = this.#decodePiece(source, !stream);
      } else {
        const isView = buffers.isView(source);
        const buffer = isView ? buffers.viewBuffer(source) : source;
        const byteOffset = isView ? buffers.viewByteOffset(source) : 0;
        for (let at = 0; at < size; at += most) {
          const length = size - at < most ? size - at : most;
          text += this.#decodePiece(new Uint8Array(buffer, byteOffset + at, length), !stream && at + length === size);
        }
      }
      // "Serialize I/O queue": one byte order mark of a Unicode encoding is no part of the text.
      if (!this.#isBOMSeen && text !== "") {
        this.#isBOMSeen = true;
        if (text[0] === "\uFEFF" && !this.#ignoreBOM && substring(this.#encoding, 0, 3) === "utf") {
          return substring(text, 1);
        }
      }
      return text;
    }
    #decodePiece(source, isLast) {
      const decoded = host.decode(this.#encoding, source, this.#state, isLast, this.#fatal);
      if (decoded === null) {
        this.#state = "";
        this.#fail();
      }
      this.#state = decoded[1];
      return typeof decoded[0] === "string" ? decoded[0] : decoded[0][0];
    }
    #fail() {
      fail("Failed to execute 'decode' on 'TextDecoder'", `The encoded data was not valid for encoding ${this.#encoding}`);
    }
  }

  webidl.defineInterface(TextEncoder);
  webidl.defineInterface(TextDecoder);
  return { __proto__: null, TextEncoder, TextDecoder, decodeChunk, describe };
}
