// TextEncoderStream and TextDecoderStream: Encoding, https://encoding.spec.whatwg.org/#interface-textdecoderstream
(platform) => {
  "use strict";
  const { DOMString, BufferSource, defineInterface } = platform.load("webidl");
  const { createTransformStream } = platform.load("streams_transform");
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
      const decoder = (this.#decoder = new TextDecoder(label, options));
      const emit = (text) => {
        if (text !== "") controller.enqueue(text);
      };
      const { controller } = (this.#stream = createTransformStream(
        (chunk) => emit(decodeChunk(decoder, BufferSource(chunk, "The chunk", ALLOW_SHARED), true)),
        () => emit(decodeChunk(decoder, undefined, false)),
      ));
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

  defineInterface(TextEncoderStream);
  defineInterface(TextDecoderStream);
  return { __proto__: null, TextEncoderStream, TextDecoderStream };
}
