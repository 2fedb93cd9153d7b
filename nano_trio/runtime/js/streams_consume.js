// Reading a stream to its end for other specifications: Streams 9.1.2, https://streams.spec.whatwg.org/#other-specs-rs-reading
(platform) => {
  "use strict";
  const { TypeError, RangeError, Uint8Array } = platform.constructors;
  const { internal, handled } = platform.load("streams_core");

  const ReadLoop = internal(
    class {
      constructor(reader, onChunk, onClose, onError) {
        this.running = this.again = false;
        this.reader = reader;
        this.onChunk = onChunk;
        this.close = onClose;
        this.error = onError;
      }
      run() {
        this.running = true;
        do {
          this.again = false;
          this.reader.read(this);
        } while (this.again);
        this.running = false;
      }
      chunk(value) {
        if (this.onChunk(value) === false) return;
        // A chunk that came at once is followed by the loop above, not by recursion.
        if (this.running) this.again = true;
        else this.run();
      }
    },
  );
  /** Read `reader` to its end, without promises: onChunk(value) until it returns false, then onClose() or onError(e). */
  function readLoop(reader, onChunk, onClose, onError) {
    new ReadLoop(reader, onChunk, onClose, onError).run();
  }

  /**
   * "Read all bytes" from a reader of `acquireReader`: onSuccess(Uint8Array) or onFailure(error). A chunk that is no
   * Uint8Array is a TypeError; more than `maxBytes` bytes are a RangeError, and the stream is cancelled.
   */
  function readAllBytes(reader, onSuccess, onFailure, maxBytes = Infinity) {
    const chunks = [];
    let total = 0;
    readLoop(
      reader,
      (chunk) => {
        if (platform.buffers.viewTag(chunk) !== "Uint8Array") {
          onFailure(new TypeError("The stream's chunks must be Uint8Arrays."));
          return false;
        }
        chunks[chunks.length] = chunk;
        total += platform.buffers.viewByteLength(chunk);
        if (total > maxBytes) {
          const error = new RangeError(`The body is larger than ${maxBytes} bytes.`);
          handled(reader.cancel(error));
          onFailure(error);
          return false;
        }
        return true;
      },
      () => {
        if (chunks.length === 1) return onSuccess(chunks[0]);
        const bytes = new Uint8Array(total);
        const set = platform.uncurry("TypedArray", "set");
        for (let i = 0, at = 0; i < chunks.length; i++) {
          set(bytes, chunks[i], at);
          at += platform.buffers.viewByteLength(chunks[i]);
        }
        return onSuccess(bytes);
      },
      onFailure,
    );
  }

  return { __proto__: null, readLoop, readAllBytes };
}
