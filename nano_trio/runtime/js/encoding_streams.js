// TextEncoderStream and TextDecoderStream: Encoding, https://encoding.spec.whatwg.org/#interface-textdecoderstream
(platform) => {
  "use strict";
  const { DOMString, BufferSource, defineInterface } = platform.load("webidl");
  const { createTransformStream } = platform.load("streams_transform");
  const { slots } = platform.load("streams_readable");
  const { TextDecoder, decodeChunk, describe } = platform.load("encoding");
  const { encode } = platform.load("utf8");
  const { Uint8Array } = platform.constructors;
  const charCodeAt = platform.uncurry("String", "charCodeAt");
  const substring = platform.uncurry("String", "substring");
  const ALLOW_SHARED = { __proto__: null, allowShared: true };

  class TextEncoderStream {
    #stream;
    constructor() {
      /** A leading surrogate that ended the last chunk. */
      let pending = "";
      const { controller } = (this.#stream = createTransformStream(
        (chunk) => {
          let text = pending + DOMString(chunk);
          const last = text.length - 1;
          const code = last < 0 ? 0 : charCodeAt(text, last);
          pending = code >= 0xd800 && code <= 0xdbff ? text[last] : "";
          if (pending !== "") text = substring(text, 0, last);
          if (text !== "") controller.enqueue(new Uint8Array(encode(text)));
        },
        () => {
          if (pending !== "") controller.enqueue(new Uint8Array(encode(pending)));
        },
      ));
    }
    get encoding() {
      this.#stream;
      return "utf-8";
    }
    get readable() {
      return this.#stream.readable;
    }
    get writable() {
      return this.#stream.writable;
    }
  }

  class TextDecoderStream {
    #decoder;
    #stream;
    constructor(label = "utf-8", options = undefined) {
      this.#decoder = new TextDecoder(label, options);
      this.#stream = transformBy(this.#decoder);
    }
    get encoding() {
      return describe(this.#decoder).encoding;
    }
    get fatal() {
      return describe(this.#decoder).fatal;
    }
    get ignoreBOM() {
      return describe(this.#decoder).ignoreBOM;
    }
    get readable() {
      return this.#stream.readable;
    }
    get writable() {
      return this.#stream.writable;
    }
  }

  /** The transform stream that decodes by a TextDecoder. */
  function transformBy(decoder) {
    const emit = (text) => {
      if (text !== "") controller.enqueue(text);
    };
    const stream = createTransformStream(
      (chunk) => emit(decodeChunk(decoder, BufferSource(chunk, "The chunk", ALLOW_SHARED), true)),
      () => emit(decodeChunk(decoder, undefined, false)),
    );
    const { controller } = stream;
    return stream;
  }
  /** What textStream() of bodies and blobs gives: a ReadableStream of bytes, which must be unlocked, as one of texts. */
  function decodeStream(bytes) {
    const { readable, writable } = transformBy(new TextDecoder());
    return platform.load("streams_pipe").pipeThrough(slots(bytes), { __proto__: null, readable, writable });
  }

  defineInterface(TextEncoderStream);
  defineInterface(TextDecoderStream);
  return { __proto__: null, TextEncoderStream, TextDecoderStream, decodeStream };
}
