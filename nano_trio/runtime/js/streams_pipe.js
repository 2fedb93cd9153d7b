// ReadableStreamPipeTo: Streams, https://streams.spec.whatwg.org/#readable-stream-pipe-to
//
// One chunk at a time: wait until the writer is ready, read, write. A chunk that arrives while the app's code runs is
// written in the microtask after it, so that `controller.enqueue` never calls the sink. The pipe itself is the read
// request and the request of every write: no promise per chunk. `unwritten` counts the chunks that were read but whose
// writes have not settled.
(platform) => {
  "use strict";
  const { promiseThen } = platform;
  const { TypeError } = platform.constructors;
  const { boolean, dictionary, interfaceType } = platform.load("webidl");
  const { soon, internal, Deferred, handled, resolved } = platform.load("streams_core");
  const { DefaultReader, isReadableStream, lockedError } = platform.load("streams_readable");
  const { Writer, isWritableStream, slots } = platform.load("streams_writable");

  const writableStream = interfaceType("WritableStream", isWritableStream);
  const PipeOptions = dictionary("StreamPipeOptions", [
    { key: "preventAbort", converter: boolean, defaultValue: false },
    { key: "preventCancel", converter: boolean, defaultValue: false },
    { key: "preventClose", converter: boolean, defaultValue: false },
    {
      key: "signal",
      converter: (value, context) => interfaceType("AbortSignal", platform.load("abort").isAbortSignal)(value, context),
    },
  ]);
  const Pair = dictionary("ReadableWritablePair", [
    { key: "readable", converter: interfaceType("ReadableStream", isReadableStream), required: true },
    { key: "writable", converter: writableStream, required: true },
  ]);

  /** Settles as all of the promises do: undefined, or the first rejection. */
  function all(promises) {
    const result = new Deferred();
    let left = promises.length;
    const done = () => --left === 0 && result.resolve(undefined);
    for (let i = 0; i < promises.length; i++) promiseThen(promises[i], done, result.reject);
    if (left === 0) result.resolve(undefined);
    return result.promise;
  }

  const bound = (callback) => platform.bind?.(callback) ?? callback;

  class Pipe {
    constructor(source, destination, options) {
      this.source = source;
      this.destination = destination;
      this.options = options;
      this.reader = new DefaultReader(source);
      this.writer = new Writer(destination);
      source.disturbed = true;
      this.isShuttingDown = this.isReading = this.isStepping = this.hasChunk = false;
      this.unwritten = 0;
      this.pending = undefined;
      this.afterWrites = this.onAbort = undefined;
      this.result = new Deferred();
      // Whoever reads, or enqueues, wakes the pipe; what it calls has an AsyncLocalStorage's store of who piped.
      this.onStep = bound(() => this.step());
      this.onChunk = bound(() => {
        this.write();
        this.step();
      });
    }
    start() {
      const { source, destination, options, reader, writer } = this;
      const { signal } = options;
      if (signal !== undefined) {
        const { isAborted, addAlgorithm } = platform.load("abort");
        this.onAbort = () => this.abort();
        if (isAborted(signal)) {
          this.abort();
          return;
        }
        addAlgorithm(signal, this.onAbort);
      }
      // Errors must be propagated forward
      const onSourceError = (error) => {
        if (options.preventAbort) this.shutdown(true, error);
        else this.shutdown(true, error, () => destination.abort(error));
      };
      const onDestinationError = (error) => {
        if (options.preventCancel) this.shutdown(true, error);
        else this.shutdown(true, error, () => source.cancel(error));
      };
      const onSourceClose = () => {
        if (options.preventClose) this.shutdown(false);
        else this.shutdown(false, undefined, () => writer.closeWithErrorPropagation());
      };
      if (source.state === "errored") onSourceError(source.storedError);
      // Errors must be propagated backward
      if (destination.state === "errored") onDestinationError(destination.storedError);
      else promiseThen(writer.closed.get(), undefined, onDestinationError);
      // Closing must be propagated forward
      if (source.state === "closed") onSourceClose();
      else if (source.state === "readable") promiseThen(reader.closed.get(), onSourceClose, onSourceError);
      // Closing must be propagated backward
      if (destination.isClosing() || destination.state === "closed") {
        const error = new TypeError("The destination is closing or closed already.");
        if (options.preventCancel) this.shutdown(true, error);
        else this.shutdown(true, error, () => source.cancel(error));
      }
      writer.onReady = this.onStep;
      soon(this.onStep);
    }
    /** Read and write while the destination wants chunks and the source has them. */
    step() {
      const { destination } = this;
      // A destination that fails or closes is noticed by the promises above; back-pressure that ends calls `onReady`.
      while (!this.isShuttingDown && !this.isReading && destination.state === "writable") {
        if (destination.backpressure || destination.isClosing()) return;
        this.isReading = this.isStepping = true;
        this.reader.read(this);
        this.isStepping = false;
        if (!this.hasChunk) return;
        this.write();
      }
    }
    // The read request
    chunk(chunk) {
      this.unwritten++;
      this.pending = chunk;
      this.hasChunk = true;
      if (!this.isStepping) soon(this.onChunk);
    }
    close() {}
    error() {}
    write() {
      const chunk = this.pending;
      this.pending = undefined;
      this.isReading = this.hasChunk = false;
      this.writer.write(chunk, this);
    }
    // The write request
    resolve() {
      if (--this.unwritten === 0 && this.afterWrites !== undefined) this.writesFinished();
    }
    reject() {
      this.resolve();
    }
    writesFinished() {
      soon(() => {
        if (this.unwritten === 0) this.afterWrites();
      });
    }
    /** The abort algorithm of `signal`. */
    abort() {
      const { source, destination, options } = this;
      const error = platform.load("abort").reasonOf(options.signal);
      this.shutdown(true, error, () => {
        const actions = [];
        if (!options.preventAbort) {
          actions[0] = destination.state === "writable" ? destination.abort(error) : resolved(undefined);
        }
        if (!options.preventCancel) {
          actions[actions.length] = source.state === "readable" ? source.cancel(error) : resolved(undefined);
        }
        return all(actions);
      });
    }
    /** "Shutdown" and "shutdown with an action" */
    shutdown(isError, error, action) {
      if (this.isShuttingDown) return;
      this.isShuttingDown = true;
      const { destination } = this;
      const proceed = () => {
        if (action === undefined) this.finalize(isError, error);
        else {
          promiseThen(
            action(),
            () => this.finalize(isError, error),
            (newError) => this.finalize(true, newError),
          );
        }
      };
      if (destination.state === "writable" && !destination.isClosing()) {
        this.afterWrites = bound(proceed);
        if (this.unwritten === 0) this.writesFinished();
      } else proceed();
    }
    finalize(isError, error) {
      this.writer.release();
      this.reader.release();
      if (this.onAbort !== undefined) platform.load("abort").removeAlgorithm(this.options.signal, this.onAbort);
      if (isError) this.result.reject(error);
      else this.result.resolve(undefined);
    }
  }
  internal(Pipe);

  /** Pipe one internal stream into another; both must be unlocked. `options` is a StreamPipeOptions dictionary. */
  function pipeTo(source, destination, options) {
    const pipe = new Pipe(source, destination, options);
    pipe.start();
    return pipe.result.promise;
  }

  /** ReadableStream.prototype.pipeTo, after the check of its receiver. */
  function pipeToStream(stream, destination, options) {
    const context = "Failed to execute 'pipeTo' on 'ReadableStream'";
    const sink = slots(writableStream(destination, context));
    const pipeOptions = PipeOptions(options, context);
    requireUnlocked(stream, sink);
    return pipeTo(stream, sink, pipeOptions);
  }
  /** ReadableStream.prototype.pipeThrough, after the check of its receiver. */
  function pipeThrough(stream, transform, options) {
    const context = "Failed to execute 'pipeThrough' on 'ReadableStream'";
    const { readable, writable } = Pair(transform, context);
    const pipeOptions = PipeOptions(options, context);
    const sink = slots(writable);
    requireUnlocked(stream, sink);
    handled(pipeTo(stream, sink, pipeOptions));
    return readable;
  }
  function requireUnlocked(stream, sink) {
    if (stream.reader !== undefined) throw lockedError();
    if (sink.writer !== undefined) throw new TypeError("The writable stream is locked to a writer.");
  }

  return { __proto__: null, pipeTo, pipeToStream, pipeThrough };
}
