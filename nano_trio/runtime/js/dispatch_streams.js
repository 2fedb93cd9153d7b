// Streamed response bodies, from the app to the host: chunks when the socket has room.
//
// A turn for each would cost more than most of them. So the host says with each chunk that it takes whether the next is
// to be read at once; where not, it asks again, by a turn, when all that it has has left for the socket.
(platform) => {
  "use strict";
  const { load, entries, uncurry, constructors } = platform;
  const { TypeError, Map } = constructors;
  const { viewTag, viewByteLength } = platform.buffers;
  const { bytesOfArray } = load("webidl_buffers");
  const { LARGE, goesAhead } = load("ahead");
  const { acquireReader } = load("streams_readable");
  const { handled } = load("streams_core");
  const { waiting } = load("dispatch");
  const host = platform.host("dispatch.streams");
  const mapGet = uncurry("Map", "get");
  const mapSet = uncurry("Map", "set");
  const mapDelete = uncurry("Map", "delete");
  const bodies = new Map();

  /** The body of the response to the request `id`. It is the read request (streams_readable.js) of its reader, too. */
  function Body(id, stream) {
    this.id = id;
    this.reader = acquireReader(stream);
  }
  Body.prototype = {
    __proto__: null,
    isReading: false,
    goesOn: false,
    /** A chunk that is there already calls chunk() within read(): hence a loop, and no recursion. */
    read() {
      this.isReading = true;
      do {
        this.goesOn = false;
        this.reader.read(this);
      } while (this.goesOn);
      this.isReading = false;
    },
    chunk(chunk) {
      const { id } = this;
      let bytes;
      try {
        if (viewTag(chunk) !== "Uint8Array") throw noBytes(chunk);
        bytes = bytesOfArray(chunk);
        if (viewByteLength(chunk) > LARGE && goesAhead(bytes)) bytes = true;
      } catch (error) {
        forget(id);
        handled(this.reader.cancel(error));
        failed(id, error);
        return;
      }
      if (!host.chunk(id, bytes)) return;
      if (this.isReading) this.goesOn = true;
      else this.read();
    },
    close() {
      forget(this.id);
      host.stream_ended(this.id);
    },
    error(reason) {
      forget(this.id);
      failed(this.id, reason);
    },
  };

  /** The response to the request `id` has this body. */
  function begin(id, stream, headers) {
    mapSet(bodies, id, new Body(id, stream));
    return platform.isLoaded("identity_stream") ? load("identity_stream").withLength(headers, stream) : headers;
  }

  /** All has left for the socket: hand over what comes next. */
  entries.pull = (id) => {
    const body = mapGet(bodies, id);
    if (body !== undefined) body.read();
  };

  function failed(id, error) {
    const described = load("report").describe(error);
    host.stream_failed(id, described[0], described[1]);
  }

  function forget(id) {
    mapDelete(bodies, id);
    mapDelete(waiting, id);
  }

  function noBytes(chunk) {
    const what = load("report").describeValue(chunk);
    return new TypeError(`a response body's stream gave ${what}; chunks must be Uint8Arrays`);
  }

  /** Nobody wants the rest of the body, for the error `name`, `message`. */
  function cancel(id, name, message) {
    const body = mapGet(bodies, id);
    if (body === undefined) return;
    mapDelete(bodies, id);
    handled(body.reader.cancel(platform.makeError(name, message)));
  }
  return { __proto__: null, begin, cancel };
}
