// What node:zlib compresses and decompresses: in one go, where the turn waits for it or as a promise, and as a stream. The work is the
// host's (packing.py).
//
// An app may call this as it likes: whatever numbers come, the host gets such as zlib and Brotli can take.
(platform) => {
  "use strict";
  const { uncurry } = platform;
  const { Error, RangeError, TypeError, Uint8Array } = platform.constructors;
  const { bytesForHost, copyBytes, isArrayBuffer, viewInfo } = platform.load("webidl_buffers");
  const { DOMString } = platform.load("webidl_core");
  const { pass } = platform.load("ahead");
  const { valueOf, promised } = platform.load("host_work");
  const { floor, min } = platform.statics.Math;
  const { defineProperty, freeze } = platform.statics.Object;
  const split = uncurry("String", "split");
  const startsWith = uncurry("String", "startsWith");
  const slice = uncurry("ArrayBuffer", "slice");
  const host = platform.host("packing");
  const ZLIB = { __proto__: null, deflate: true, gzip: true, deflateRaw: true, inflate: true, gunzip: true, inflateRaw: true, unzip: true };
  const BROTLI = { __proto__: null, brotliCompress: true, brotliDecompress: true };
  /** Bytes that are summed up at a time. */
  const PART = 131072;
  const MOST = 2 ** 32;
  const STEP = 65536;

  function put(error, name, value) {
    defineProperty(error, name, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
  }
  /** "code\nerrno\nmessage", where an errno of 0 is none. */
  function failure(answer) {
    const told = split(answer, "\n");
    const error = new (told[0] === "ERR_BUFFER_TOO_LARGE" ? RangeError : Error)(told[2]);
    if (told[1] !== "0") put(error, "errno", told[1] | 0);
    put(error, "code", told[0]);
    return error;
  }
  /** The bytes, and how many of the input were used for them. */
  const finished = (bytes) => ({ __proto__: null, bytes, read: host.read() });
  const settled = (waits, answer) =>
    waits ? finished(valueOf(answer, failure)) : promised(host, answer, failure, undefined, finished);
  const within = (number, least, most) => (number > least ? floor(min(number, most)) : least);
  function kindIn(kinds, kind) {
    kind = DOMString(kind);
    if (kinds[kind] !== true) throw new TypeError("There is no such format.");
    return kind;
  }

  const compresses = (kind) => kind === "gzip" || startsWith(kind, "deflate");
  function bitsOf(kind, bits) {
    // 0: as what was compressed says; so narrow a window as 8 some formats cannot have.
    const isGiven = bits > 0 || compresses(kind) || kind === "inflateRaw";
    return isGiven ? within(bits, kind === "gzip" || kind === "deflateRaw" ? 9 : 8, 15) : 0;
  }
  /** The settings of one of zlib's formats, such as it can take. */
  function settingsOf(kind, level, memory, strategy, bits, flush) {
    kind = kindIn(ZLIB, kind);
    return {
      __proto__: null,
      kind,
      level: within(level, -1, 9),
      memory: within(memory, 1, 9),
      strategy: within(strategy, 0, 4),
      bits: bitsOf(kind, bits),
      flush: within(flush, 0, 5),
    };
  }
  /** What a step of a stream costs, as in compression.js. With the upper levels it takes a quarter of the input, and as long. */
  function costOf(kind, level) {
    if (!compresses(kind)) return (inputLeft, size) => size / 8;
    return level > 6 ? () => STEP : (inputLeft) => (inputLeft < STEP ? inputLeft : STEP);
  }
  /** What is ordered by a number, behind what was written before: packing.py has what they mean. */
  const PARAMS = 8;
  function opened(step, cost) {
    const { readable, writable } = platform.load("compression").createCodec(step, cost, failure, PARAMS + 96);
    // To begin anew waits for nothing.
    return { __proto__: null, readable, writable, reset: () => void step(-1) };
  }
  // Nothing of the app's may run between what goes ahead and the host's function: numbers are read before.
  return freeze({
    __proto__: null,
    /** `data`, and `dictionary` where it is not null, are buffers or views. */
    zlib(waits, kind, data, dictionary, level, memory, strategy, bits, flush, chunk, most) {
      const how = settingsOf(kind, level, memory, strategy, bits, flush);
      chunk = within(chunk, 64, MOST);
      most = within(most, 1, MOST);
      const bytes = bytesForHost(data);
      const words = dictionary === null ? null : bytesForHost(dictionary);
      return settled(
        waits,
        host.zlib(
          !!waits, how.kind, pass(bytes), pass(words), how.level, how.memory, how.strategy, how.bits, how.flush, chunk, most,
        ),
      );
    },
    brotli(waits, kind, data, quality, mode, window, block, flush, chunk, most) {
      kind = kindIn(BROTLI, kind);
      quality = within(quality, 0, 11);
      mode = within(mode, 0, 2);
      window = within(window, 10, 24);
      // 0: as Brotli thinks best. A larger one would be a step of half a minute.
      block = block > 0 ? within(block, 16, 18) : 0;
      flush = within(flush, 0, 2);
      chunk = within(chunk, 64, MOST);
      most = within(most, 1, MOST);
      const bytes = bytesForHost(data);
      return settled(waits, host.brotli(!!waits, kind, pass(bytes), quality, mode, window, block, flush, chunk, most));
    },
    /**
     * { readable, writable, reset } of what zlib makes, the first two the Web's. A number that is written is a flush operation, or of
     * paramsOf(); once it is done `null` can be read.
     */
    stream(kind, dictionary, level, memory, strategy, bits, flush) {
      const how = settingsOf(kind, level, memory, strategy, bits, flush);
      const words = dictionary === null ? null : bytesForHost(dictionary);
      return opened(
        host.stream(how.kind, pass(words), how.level, how.memory, how.strategy, how.bits, how.flush),
        costOf(how.kind, how.level),
      );
    },
    paramsOf: (level, strategy) => PARAMS + 8 * (within(level, -1, 9) + 1) + within(strategy, 0, 4),
    /** The same, of what Brotli makes. */
    brotliStream(kind, quality, mode, window, flush) {
      kind = kindIn(BROTLI, kind);
      quality = within(quality, 0, 11);
      const step = host.brotli_stream(kind, quality, within(mode, 0, 2), within(window, 10, 24), within(flush, 0, 2));
      return opened(step, costOf(kind === "brotliCompress" ? "deflate" : kind, 0));
    },
    crc32(view, value) {
      value = value >>> 0;
      const { buffer, byteOffset, byteLength } = viewInfo(view);
      const isOwn = isArrayBuffer(buffer); // else it is shared
      for (let at = 0; at < byteLength; at += PART) {
        const start = byteOffset + at;
        const size = min(byteLength - at, PART);
        value = host.crc32(isOwn ? slice(buffer, start, start + size) : copyBytes(new Uint8Array(buffer, start, size)), value);
      }
      return value;
    },
  });
}
