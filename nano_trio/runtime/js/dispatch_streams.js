// Streamed response bodies, from the app to the host: a chunk each time that the socket has room.
(platform) => {
  "use strict";
  const { load, entries, uncurry, constructors } = platform;
  const { TypeError, Map } = constructors;
  const { acquireReader, readChunk } = load("streams_readable");
  const { handled } = load("streams_core");
  const { waiting } = load("dispatch");
  const host = platform.host("dispatch.streams");
  const mapGet = uncurry("Map", "get");
  const mapSet = uncurry("Map", "set");
  const mapDelete = uncurry("Map", "delete");
  const readers = new Map();

  /** The response to the request `id` has this body. */
  function begin(id, stream) {
    mapSet(readers, id, acquireReader(stream));
  }

  /** The socket has room: hand over the next chunk of a streamed response. */
  entries.pull = (id) => {
    const reader = mapGet(readers, id);
    if (reader === undefined) return;
    readChunk(reader, {
      __proto__: null,
      chunk(chunk) {
        let bytes;
        try {
          bytes = load("webidl_buffers").bytesForHost(asBytes(chunk));
        } catch (error) {
          forget(id);
          handled(reader.cancel(error));
          failed(id, error);
          return;
        }
        host.chunk(id, bytes);
      },
      close() {
        forget(id);
        host.stream_ended(id);
      },
      error(reason) {
        forget(id);
        failed(id, reason);
      },
    });
  };

  function failed(id, error) {
    const described = load("report").describe(error);
    host.stream_failed(id, described[0], described[1]);
  }

  function forget(id) {
    mapDelete(readers, id);
    mapDelete(waiting, id);
  }

  function asBytes(chunk) {
    if (platform.buffers.viewTag(chunk) !== "Uint8Array") {
      const what = load("report").describeValue(chunk);
      throw new TypeError(`a response body's stream gave ${what}; chunks must be Uint8Arrays`);
    }
    return chunk;
  }

  /** Nobody wants the rest of the body, for the error `name`, `message`. */
  function cancel(id, name, message) {
    const reader = mapGet(readers, id);
    mapDelete(readers, id);
    if (reader !== undefined) handled(reader.cancel(platform.makeError(name, message)));
  }
  return { __proto__: null, begin, cancel };
}
