// Transfer of streams: Streams, https://streams.spec.whatwg.org/#abstract-ops-transfer (section 8.2.1) and the transfer
// steps of 4.2.5, 5.2.5 and 6.2.4. Both ends live in this isolate, so the two entangled message ports of the
// specification are two `End`s: a message is cloned when it is sent and handled in a task of its own.
(platform) => {
  "use strict";
  const { promiseThen } = platform;
  const { clone } = platform.load("structuredclone");
  const { queueTask } = platform.load("timers");
  const { internal, Deferred, handled } = platform.load("streams_core");
  const readableStreams = platform.load("streams_readable");
  const writableStreams = platform.load("streams_writable");
  const { pipeTo } = platform.load("streams_pipe");
  const PIPE_OPTIONS = { __proto__: null };

  class End {
    constructor() {
      this.peer = this.onMessage = undefined;
    }
    /** PackAndPostMessage; throws what cloning throws. */
    post(type, value) {
      const { peer } = this;
      if (peer === undefined) return;
      const copy = clone(value);
      queueTask(() => {
        if (peer.peer !== undefined) peer.onMessage(type, copy);
      });
    }
    /** PackAndPostMessageHandlingError: the other end learns of the failure too. */
    postOrFail(type, value) {
      try {
        this.post(type, value);
      } catch (error) {
        try {
          this.post("error", error);
        } catch {
          // The other end cannot be told: the error below says it here.
        }
        this.disentangle();
        throw error;
      }
    }
    /** What was sent before still arrives. */
    disentangle() {
      this.peer = undefined;
    }
  }
  internal(End);

  function entangle() {
    const ends = [new End(), new End()];
    ends[0].peer = ends[1];
    ends[1].peer = ends[0];
    return ends;
  }

  /** SetUpCrossRealmTransformReadable */
  function createReadable(end) {
    const stream = readableStreams.createStream(
      undefined,
      () => end.post("pull", undefined),
      (reason) => {
        end.postOrFail("error", reason);
        end.disentangle();
      },
      0,
    );
    end.onMessage = (type, value) => {
      const { controller } = stream;
      if (type === "chunk") {
        controller.enqueue(value);
        return;
      }
      if (type === "close") controller.close();
      else controller.error(value);
      end.disentangle();
    };
    return stream;
  }

  /** SetUpCrossRealmTransformWritable */
  function createWritable(end) {
    let backpressure = new Deferred();
    const send = (chunk) => {
      backpressure = new Deferred();
      end.postOrFail("chunk", chunk);
    };
    const stream = writableStreams.createStream(
      undefined,
      (chunk) => (backpressure === undefined ? send(chunk) : promiseThen(backpressure.promise, () => send(chunk))),
      () => {
        end.post("close", undefined);
        end.disentangle();
      },
      (reason) => {
        end.postOrFail("error", reason);
        end.disentangle();
      },
    );
    end.onMessage = (type, value) => {
      if (type === "error") stream.controller.errorIfNeeded(value);
      backpressure?.resolve(undefined);
      backpressure = undefined;
    };
    return stream;
  }

  function requireTransferable(stream, lock) {
    if (lock === undefined && stream.isDetached !== true) return;
    throw platform.makeError("DataCloneError", "A locked or transferred stream cannot be transferred.");
  }

  /** The transfer steps of an internal ReadableStream: what `receive` makes the new stream of. */
  function sendReadable(stream) {
    requireTransferable(stream, stream.reader);
    stream.isDetached = true;
    const ends = entangle();
    handled(pipeTo(stream, createWritable(ends[0]), PIPE_OPTIONS));
    return ends[1];
  }
  function sendWritable(stream) {
    requireTransferable(stream, stream.writer);
    stream.isDetached = true;
    const ends = entangle();
    handled(pipeTo(createReadable(ends[0]), stream, PIPE_OPTIONS));
    return ends[1];
  }
  function sendTransform(transform) {
    requireTransferable(transform.readable, transform.readable.reader);
    requireTransferable(transform.writable, transform.writable.writer);
    return [sendReadable(transform.readable), sendWritable(transform.writable)];
  }

  return {
    __proto__: null,
    sendReadable,
    sendWritable,
    sendTransform,
    receiveReadable: (end) => createReadable(end).shell(),
    receiveWritable: (end) => createWritable(end).shell(),
    receiveTransform: (ends) =>
      platform.load("streams_transform").wrap(createReadable(ends[0]), createWritable(ends[1])),
  };
}
