// IdentityTransformStream and FixedLengthStream, as on Workers:
// https://developers.cloudflare.com/workers/runtime-apis/streams/transformstream/
//
// Bytes that are written are read as they are, from a byte stream; a write waits until it is read. Through a
// FixedLengthStream pass exactly as many as it was told, else its readable side fails; as the body of a response or a
// request it gives that its content-length.
(platform) => {
  "use strict";
  const idl = platform.load("webidl");
  const { TypeError, BigInt, Uint8Array, WeakMap } = platform.constructors;
  const { withResolvers, uncurry } = platform;
  const readables = platform.load("streams_readable");
  const writables = platform.load("streams_writable");
  const { TransformStream, slots } = platform.load("streams_transform");
  const { requireArguments, defineInterface, BufferSource, copyBytes, viewInfo } = idl;
  const split = uncurry("String", "split");
  const getLength = uncurry("WeakMap", "get");
  const setLength = uncurry("WeakMap", "set");
  /** How many bytes each readable side of a FixedLengthStream gives. */
  const lengths = new WeakMap();

  /** The two sides; `left` is how many bytes may still come, or null. */
  function join(transform, left, strategy) {
    let reading, writing, waiting = null, isWanted = false, isOver = false;
    /** Give what a write waits for; false where none does. */
    function pass() {
      if (waiting === null) return false;
      const { bytes, written } = waiting;
      waiting = null;
      reading.enqueue(bytes);
      written.resolve();
      return true;
    }
    const readable = new readables.ReadableStream(
      {
        __proto__: null,
        type: "bytes",
        start(controller) {
          reading = controller;
        },
        pull() {
          isWanted = !pass();
        },
        cancel(reason) {
          isOver = true;
          waiting?.written.reject(reason);
          waiting = null;
          writing.error(reason);
        },
      },
      { __proto__: null, highWaterMark: 0 },
    );
    function fail(message) {
      const error = new TypeError(message);
      isOver = true;
      reading.error(error);
      return error;
    }
    const writable = new writables.WritableStream(
      {
        __proto__: null,
        start(controller) {
          writing = controller;
        },
        write(chunk) {
          let bytes;
          try {
            if (typeof chunk === "string") bytes = new Uint8Array(platform.load("utf8").encode(chunk));
            else {
              // A byte stream takes the buffer of what it is given; this one is the writer's.
              bytes = copyBytes(BufferSource(chunk, "The chunk"));
            }
          } catch (error) {
            isOver = true;
            reading.error(error);
            throw error;
          }
          const size = viewInfo(bytes).byteLength;
          if (size === 0) return undefined;
          if (left !== null) {
            if (BigInt(size) > left) throw fail("More bytes were written to a FixedLengthStream than its length.");
            left -= BigInt(size);
          }
          const written = withResolvers();
          waiting = { __proto__: null, bytes, written };
          if (isWanted) isWanted = !pass();
          return written.promise;
        },
        close() {
          if (isOver) return;
          if (left !== null && left > 0n) {
            fail("A FixedLengthStream was closed before all of its length was written.");
            return;
          }
          reading.close();
          // Whoever reads into a buffer of its own waits for that.
          reading.byobRequest?.respond(0);
        },
        abort(reason) {
          reading.error(reason);
        },
      },
      strategy,
    );
    transform.readable = readables.slots(readable);
    transform.writable = writables.slots(writable);
    return transform.readable;
  }

  class IdentityTransformStream extends TransformStream {
    constructor(strategy = undefined) {
      super();
      join(slots(this), null, strategy);
    }
  }
  defineInterface(IdentityTransformStream);

  class FixedLengthStream extends TransformStream {
    constructor(length, strategy = undefined) {
      const context = "Failed to construct 'FixedLengthStream'";
      requireArguments(arguments.length, 1, context);
      super();
      const most = typeof length === "bigint" ? length : BigInt(idl.unsignedLongLong(length, context, { enforceRange: true }));
      if (most < 0n) throw new TypeError(`${context}: the length is negative.`);
      setLength(lengths, join(slots(this), most, strategy), most);
    }
  }
  defineInterface(FixedLengthStream);

  return {
    __proto__: null,
    IdentityTransformStream,
    FixedLengthStream,
    /** How many bytes a stream gives, where that is known here; null. */
    lengthOf(stream) {
      const length = getLength(lengths, readables.slots(stream));
      return length === undefined ? null : "" + length;
    },
    /** A response's headers, names and values by turns in lines, with the length of its body where that is known here. */
    withLength(lines, stream) {
      const length = getLength(lengths, readables.slots(stream));
      if (length === undefined) return lines;
      const parts = lines === null ? [] : split(lines, "\n");
      for (let i = 0; i < parts.length; i += 2) if (parts[i] === "content-length") return lines;
      return `${lines === null ? "" : `${lines}\n`}content-length\n${length}`;
    },
  };
}
