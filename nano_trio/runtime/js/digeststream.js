// DigestStream: Cloudflare Workers, https://developers.cloudflare.com/workers/runtime-apis/web-crypto/#constructors
//
// A WritableStream that hashes the bytes (or strings, as UTF-8) written to it; `digest` is the promise of the hash.
(platform) => {
  "use strict";
  const idl = platform.load("webidl");
  const { requireArguments, defineInterface, BufferSource, bytesForHost } = idl;
  const { normalize, identifier } = platform.load("subtle_algorithms");
  const { complete } = platform.load("subtlecrypto");
  const { pass } = platform.load("ahead");
  const { WritableStream } = platform.load("streams_writable");
  const { withResolvers, promiseThen } = platform;
  const { viewInfo, isArrayBuffer } = idl;
  const { byteLength } = platform.buffers;
  const host = platform.host("subtlecrypto");

  class DigestStream extends WritableStream {
    #digest;
    #progress;

    constructor(algorithm) {
      const context = "Failed to construct 'DigestStream'";
      requireArguments(arguments.length, 1, context);
      const hash = host.newHash(normalize("digest", identifier(algorithm, context), context).name);
      const { promise, resolve, reject } = withResolvers();
      const progress = { __proto__: null, bytes: 0 };
      super({
        __proto__: null,
        write(chunk) {
          const written = withResolvers();
          try {
            const bytes = typeof chunk === "string" ? platform.load("utf8").encode(chunk) : BufferSource(chunk, "The chunk");
            const input = bytesForHost(bytes);
            progress.bytes += isArrayBuffer(input) ? byteLength(input) : viewInfo(input).byteLength;
            complete(written, hash("update", pass(input)), written.resolve);
          } catch (error) {
            // A stream that fails by its own sink is not aborted.
            reject(error);
            throw error;
          }
          return written.promise;
        },
        close() {
          complete({ __proto__: null, reject }, hash("digest"), resolve);
        },
        abort: reject,
      });
      // Whoever only cancels need not look at the digest.
      promiseThen(promise, undefined, () => {});
      this.#digest = promise;
      this.#progress = progress;
    }
    get digest() {
      return this.#digest;
    }
    get bytesWritten() {
      return this.#progress.bytes;
    }
  }
  defineInterface(DigestStream);

  return { __proto__: null, DigestStream };
}
