// CompressionStream and DecompressionStream: Compression Streams, https://compression.spec.whatwg.org/
//
// The host compresses in small steps (see compression.py). A chunk's first piece of output is enqueued at once, as the
// specification has it; each further piece waits until the readable side wants it, so the output of a large chunk, or of
// a decompression bomb, is never in memory as a whole. After 64 KB of work the stream lets a turn pass.
(platform) => {
  "use strict";
  const { promiseThen, buffers } = platform;
  const { TypeError, Uint8Array } = platform.constructors;
  const { requireArguments, enumeration, defineInterface, BufferSource, bytesForHost, copyBytes } = platform.load("webidl");
  const { createTransformStream } = platform.load("streams_transform");
  const host = platform.host("compression");
  const CompressionFormat = enumeration("CompressionFormat", ["brotli", "deflate", "deflate-raw", "gzip", "zstd"]);
  const PIECE = 65536;
  /** Bytes of a chunk that are handed over at once: the host copies them. */
  const HANDED = 262144;

  /**
   * A transform stream around a step function of the host. `costOf` is the work of a step, in bytes compressed; `toError` makes an error
   * of what the host says is wrong. A chunk that is a number below `orders` is an order for the host; what comes of it ends with null.
   */
  function createCodec(step, costOf, toError = (text) => new TypeError(text), orders = 0) {
    let spent = 0;
    let isFirst, inputLeft;
    /** What is left of a long chunk that is handed over in parts; null where there is none. */
    let rest = null;

    /** Hand over the next part of a long chunk. */
    function handOver() {
      const size = buffers.viewByteLength(rest);
      const buffer = buffers.viewBuffer(rest);
      const start = buffers.viewByteOffset(rest);
      const part = new Uint8Array(buffer, start, size < HANDED ? size : HANDED);
      rest = size <= HANDED ? null : new Uint8Array(buffer, start + HANDED);
      return step(part);
    }
    /** Handle what the host answered, and go on until it wants more input. */
    function advance(output) {
      for (;;) {
        while (output === null && rest !== null) output = handOver();
        if (output === null) return undefined;
        if (typeof output === "string") throw toError(output);
        const size = buffers.byteLength(output);
        spent += costOf(inputLeft, size);
        inputLeft -= PIECE;
        if (size > 0) {
          if (!isFirst && controller.backpressure) {
            return promiseThen(controller.changed(), () => {
              controller.enqueue(new Uint8Array(output));
              return proceed();
            });
          }
          isFirst = false;
          controller.enqueue(new Uint8Array(output));
        }
        if (spent >= PIECE) return pause();
        output = step();
      }
    }
    function proceed() {
      return spent >= PIECE ? pause() : advance(step());
    }
    function pause() {
      spent = 0;
      return promiseThen(
        platform.operation((id) => host.pause(id)),
        proceed,
      );
    }
    const obeyed = () => controller.enqueue(null);
    function obey(order) {
      isFirst = true;
      inputLeft = PIECE;
      const done = advance(step(order));
      return done === undefined ? obeyed() : promiseThen(done, obeyed);
    }
    const stream = createTransformStream(
      (chunk) => {
        if (typeof chunk === "number" && chunk >= 0 && chunk < orders) return obey(chunk);
        BufferSource(chunk, "The chunk");
        const bytes = bytesForHost(chunk);
        isFirst = true;
        inputLeft = buffers.isView(bytes) ? buffers.viewByteLength(bytes) : buffers.byteLength(bytes);
        if (inputLeft <= HANDED) return advance(step(bytes));
        // The app may change what it has written while this is at work.
        rest = copyBytes(bytes);
        return advance(handOver());
      },
      () => {
        isFirst = true;
        inputLeft = 0;
        const output = step(null);
        if (typeof output === "string") throw toError(output);
        for (let at = 0; output !== null && at < buffers.byteLength(output); at += PIECE) {
          const size = buffers.byteLength(output) - at;
          controller.enqueue(new Uint8Array(output, at, size < PIECE ? size : PIECE));
        }
      },
    );
    const { controller } = stream;
    return stream;
  }

  class CompressionStream {
    #stream;
    constructor(format) {
      const context = "Failed to construct 'CompressionStream'";
      requireArguments(arguments.length, 1, context);
      const step = host.compressor(CompressionFormat(format, context));
      this.#stream = createCodec(step, (inputLeft) => (inputLeft < PIECE ? inputLeft : PIECE));
    }
    get readable() {
      return this.#stream.readable;
    }
    get writable() {
      return this.#stream.writable;
    }
  }
  defineInterface(CompressionStream);

  class DecompressionStream {
    #stream;
    constructor(format) {
      const context = "Failed to construct 'DecompressionStream'";
      requireArguments(arguments.length, 1, context);
      const step = host.decompressor(CompressionFormat(format, context));
      // Decompressing a byte costs about an eighth of compressing it.
      this.#stream = createCodec(step, (inputLeft, size) => size / 8);
    }
    get readable() {
      return this.#stream.readable;
    }
    get writable() {
      return this.#stream.writable;
    }
  }
  defineInterface(DecompressionStream);

  return { __proto__: null, CompressionStream, DecompressionStream, createCodec };
}
