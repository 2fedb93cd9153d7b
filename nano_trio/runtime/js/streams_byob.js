// ReadableStreamBYOBReader: Streams, https://streams.spec.whatwg.org/#byob-reader-class
(platform) => {
  "use strict";
  const { TypeError, RangeError } = platform.constructors;
  const webidl = platform.load("webidl");
  const { requireArguments, defineInterface, interfaceType, dictionary } = webidl;
  const { rejected } = platform.load("streams_core");
  const { slots, isReadableStream, Reader, promiseRead, releasedError } = platform.load("streams_readable");
  const { ByteController, bufferView } = platform.load("streams_byte");
  const TOKEN = {};

  class ByobReader extends Reader {
    constructor(stream) {
      if (stream.reader === undefined && !(stream.controller instanceof ByteController)) {
        throw new TypeError("A BYOB reader needs a stream with a byte source.");
      }
      super(stream, true);
    }
    /** ReadableStreamBYOBReaderRead */
    read(request, info, min) {
      const { stream } = this;
      stream.disturbed = true;
      if (stream.state === "errored") request.error(stream.storedError);
      else stream.controller.pullInto(info, min, request);
    }
  }

  const GetReaderOptions = dictionary("ReadableStreamGetReaderOptions", [
    { key: "mode", converter: webidl.enumeration("ReadableStreamReaderMode", ["byob"]) },
  ]);
  const ReadOptions = dictionary("ReadableStreamBYOBReaderReadOptions", [
    {
      key: "min",
      converter: (value, context) => webidl.unsignedLongLong(value, context, { enforceRange: true }),
      defaultValue: 1,
    },
  ]);

  class ReadableStreamBYOBReader {
    #reader;
    constructor(stream) {
      if (stream === TOKEN) {
        this.#reader = arguments[1];
        return;
      }
      const context = "Failed to construct 'ReadableStreamBYOBReader'";
      requireArguments(arguments.length, 1, context);
      interfaceType("ReadableStream", isReadableStream)(stream, context);
      this.#reader = new ByobReader(slots(stream));
    }
    get closed() {
      try {
        return this.#reader.closed.get();
      } catch (error) {
        return rejected(error);
      }
    }
    cancel(reason = undefined) {
      try {
        return this.#reader.cancel(reason);
      } catch (error) {
        return rejected(error);
      }
    }
    read(view, options = undefined) {
      try {
        const reader = this.#reader;
        const context = "Failed to execute 'read' on 'ReadableStreamBYOBReader'";
        if (view === undefined) requireArguments(arguments.length, 1, context);
        const info = bufferView(view, context);
        const { byteLength, tag } = info;
        const min = options === undefined ? 1 : ReadOptions(options, context).min;
        if (byteLength === 0) webidl.fail(context, "The view is empty.");
        if (min === 0) webidl.fail(context, "'min' must be greater than 0.");
        if (min > 1 && min > byteLength / (tag === undefined ? 1 : platform.constructors[tag].BYTES_PER_ELEMENT)) {
          throw new RangeError(`${context}: 'min' is larger than the view.`);
        }
        if (reader.stream === undefined) throw releasedError();
        return promiseRead(reader, info, min);
      } catch (error) {
        return rejected(error);
      }
    }
    releaseLock() {
      this.#reader.release();
    }
  }
  defineInterface(ReadableStreamBYOBReader);

  return {
    __proto__: null,
    ReadableStreamBYOBReader,
    ByobReader,
    /** ReadableStream.prototype.getReader with options; undefined where they ask for a default reader. */
    getReader(stream, options) {
      const { mode } = GetReaderOptions(options, "Failed to execute 'getReader' on 'ReadableStream'");
      return mode === undefined ? undefined : new ReadableStreamBYOBReader(TOKEN, new ByobReader(stream));
    },
  };
}
