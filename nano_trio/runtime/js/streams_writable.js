// WritableStream, its writer and its controller: Streams, https://streams.spec.whatwg.org/#ws
//
// A write or close request is an object with resolve(undefined) and reject(reason): a Deferred where an app waits for
// it, something lighter where a pipe does. See streams_core.js for the conventions.
(platform) => {
  "use strict";
  const { promiseThen, constructors } = platform;
  const { TypeError, RangeError } = constructors;
  const webidl = platform.load("webidl");
  const { isObject, requireArguments, illegalConstructor, defineInterface, dictionary, callbackFunction } = webidl;
  const core = platform.load("streams_core");
  const { noop, soon, call, internal, Deferred, LazyPromise, Fifo, resolved, rejected, promiseOf, promiseCall, NOTHING, PENDING } = core;
  const { checkSize, QueuingStrategy, highWaterMarkOf } = core;
  const TOKEN = {};
  const CLOSE = {};

  const lockedError = () => new TypeError("The stream is locked to a writer.");
  const releasedError = () => new TypeError("The writer has been released.");
  const closedError = () => new TypeError("The stream is closing or closed already.");

  // 5.5.1 – 5.5.3 The stream
  class Stream {
    constructor() {
      this.state = "writable";
      this.backpressure = false;
      this.writeRequests = new Fifo();
      this.writer = this.controller = this.storedError = this.object = undefined;
      this.closeRequest = this.inFlightCloseRequest = this.inFlightWriteRequest = undefined;
      // The three parts of [[pendingAbortRequest]]
      this.abortRequest = this.abortReason = undefined;
      this.wasAlreadyErroring = false;
    }
    shell() {
      return this.object ?? (this.object = new WritableStream(TOKEN, this));
    }
    /** WritableStreamAbort */
    abort(reason) {
      if (this.state === "closed" || this.state === "errored") return resolved(undefined);
      this.controller.signalAbort(reason);
      const { state } = this;
      if (state === "closed" || state === "errored") return resolved(undefined);
      if (this.abortRequest !== undefined) return this.abortRequest.promise;
      const request = (this.abortRequest = new Deferred());
      this.wasAlreadyErroring = state === "erroring";
      this.abortReason = this.wasAlreadyErroring ? undefined : reason;
      if (!this.wasAlreadyErroring) this.startErroring(reason);
      return request.promise;
    }
    /** WritableStreamClose */
    close() {
      if (this.state === "closed" || this.state === "errored" || this.isClosing()) return rejected(closedError());
      const request = (this.closeRequest = new Deferred());
      if (this.writer !== undefined && this.backpressure && this.state === "writable") this.writer.ready.resolve();
      this.controller.close();
      return request.promise;
    }
    /** WritableStreamCloseQueuedOrInFlight */
    isClosing() {
      return this.closeRequest !== undefined || this.inFlightCloseRequest !== undefined;
    }
    startErroring(reason) {
      this.state = "erroring";
      this.storedError = reason;
      this.writer?.ready.ensureRejected(reason);
      const isInFlight = this.inFlightWriteRequest !== undefined || this.inFlightCloseRequest !== undefined;
      if (!isInFlight && this.controller.started) this.finishErroring();
    }
    finishErroring() {
      this.state = "errored";
      this.controller.resetQueue();
      const requests = this.writeRequests;
      this.writeRequests = new Fifo();
      while (requests.count > 0) requests.shift().reject(this.storedError);
      const request = this.abortRequest;
      if (request === undefined) return this.rejectClose();
      this.abortRequest = undefined;
      if (this.wasAlreadyErroring) {
        request.reject(this.storedError);
        return this.rejectClose();
      }
      return promiseThen(
        this.controller.abortSteps(this.abortReason),
        () => {
          request.resolve(undefined);
          this.rejectClose();
        },
        (error) => {
          request.reject(error);
          this.rejectClose();
        },
      );
    }
    /** WritableStreamRejectCloseAndClosedPromiseIfNeeded */
    rejectClose() {
      if (this.closeRequest !== undefined) {
        this.closeRequest.reject(this.storedError);
        this.closeRequest = undefined;
      }
      this.writer?.closed.reject(this.storedError);
    }
    /** WritableStreamFinishInFlightClose */
    finishClose() {
      this.inFlightCloseRequest.resolve(undefined);
      this.inFlightCloseRequest = undefined;
      if (this.state === "erroring") {
        this.storedError = undefined;
        this.abortRequest?.resolve(undefined);
        this.abortRequest = undefined;
      }
      this.state = "closed";
      this.writer?.closed.resolve();
    }
    /** WritableStreamFinishInFlightCloseWithError */
    failClose(error) {
      this.inFlightCloseRequest.reject(error);
      this.inFlightCloseRequest = undefined;
      this.abortRequest?.reject(error);
      this.abortRequest = undefined;
      this.dealWithRejection(error);
    }
    /** WritableStreamFinishInFlightWriteWithError */
    failWrite(error) {
      this.inFlightWriteRequest.reject(error);
      this.inFlightWriteRequest = undefined;
      this.dealWithRejection(error);
    }
    dealWithRejection(error) {
      if (this.state === "writable") this.startErroring(error);
      else this.finishErroring();
    }
    updateBackpressure(backpressure) {
      const { writer } = this;
      if (backpressure === this.backpressure) return;
      this.backpressure = backpressure;
      if (writer === undefined) return;
      if (backpressure) writer.ready.renew();
      else {
        writer.ready.resolve();
        writer.onReady?.();
      }
    }
  }
  internal(Stream);

  // 5.5.3 The writer
  class Writer {
    constructor(stream) {
      if (stream.writer !== undefined) throw lockedError();
      this.stream = stream;
      stream.writer = this;
      const ready = (this.ready = new LazyPromise());
      const closed = (this.closed = new LazyPromise());
      /** Called where back-pressure ends; for a pipe, which wants no promise. */
      this.onReady = undefined;
      const { state, storedError } = stream;
      if (state === "errored" || state === "erroring") ready.reject(storedError);
      else if (state === "closed" || !stream.backpressure || stream.isClosing()) ready.resolve();
      if (state === "errored") closed.reject(storedError);
      else if (state === "closed") closed.resolve();
    }
    abort(reason) {
      return this.stream === undefined ? rejected(releasedError()) : this.stream.abort(reason);
    }
    close() {
      return this.stream === undefined ? rejected(releasedError()) : this.stream.close();
    }
    /** WritableStreamDefaultWriterCloseWithErrorPropagation */
    closeWithErrorPropagation() {
      const { stream } = this;
      if (stream.isClosing() || stream.state === "closed") return resolved(undefined);
      return stream.state === "errored" ? rejected(stream.storedError) : stream.close();
    }
    desiredSize() {
      const { stream } = this;
      if (stream === undefined) throw releasedError();
      if (stream.state === "closed") return 0;
      return stream.state === "writable" ? stream.controller.desiredSize() : null;
    }
    release() {
      const { stream } = this;
      if (stream === undefined) return;
      const error = releasedError();
      this.ready.ensureRejected(error);
      this.closed.ensureRejected(error);
      stream.writer = this.stream = undefined;
    }
    /** WritableStreamDefaultWriterWrite; `request` is settled in the place of the promise. */
    write(chunk, request) {
      const { stream } = this;
      if (stream === undefined) return request.reject(releasedError());
      const { controller } = stream;
      const size = controller.sizeAlgorithm === undefined ? 1 : controller.sizeOf(chunk);
      if (stream !== this.stream) return request.reject(releasedError());
      if (stream.state !== "writable" || stream.isClosing()) {
        const isFailed = stream.state === "errored" || (stream.state === "erroring" && !stream.isClosing());
        return request.reject(isFailed ? stream.storedError : closedError());
      }
      stream.writeRequests.push(request);
      return controller.write(chunk, size);
    }
  }
  internal(Writer);

  // 5.5.4 The controller. Without a size algorithm all sizes are 1, and `sizes` is undefined.
  class Controller {
    constructor(stream, receiver, highWaterMark, sizeAlgorithm) {
      this.stream = stream;
      this.receiver = receiver;
      this.highWaterMark = highWaterMark;
      this.sizeAlgorithm = sizeAlgorithm;
      this.queue = new Fifo();
      this.sizes = sizeAlgorithm === undefined ? undefined : new Fifo();
      this.total = 0;
      this.started = this.isAborted = false;
      this.writeAlgorithm = this.closeAlgorithm = this.abortAlgorithm = undefined;
      this.object = this.abortSignal = this.abortSignalReason = this.onWritten = this.onFailed = undefined;
      stream.controller = this;
    }
    shell() {
      return this.object ?? (this.object = new WritableStreamDefaultController(TOKEN, this));
    }
    /** The last steps of SetUpWritableStreamDefaultController; what `start` throws is thrown. */
    begin(start, write, close, abort) {
      this.writeAlgorithm = write;
      this.closeAlgorithm = close;
      this.abortAlgorithm = abort;
      const { stream } = this;
      stream.updateBackpressure(this.backpressure());
      if (this.receiver !== undefined) this.shell();
      const result = start === undefined ? undefined : call(start, this.receiver, this.object ?? this);
      promiseThen(
        promiseOf(result),
        () => {
          this.started = true;
          this.advanceQueue();
        },
        (error) => {
          this.started = true;
          stream.dealWithRejection(error);
        },
      );
    }
    clearAlgorithms() {
      this.writeAlgorithm = this.closeAlgorithm = this.abortAlgorithm = this.receiver = undefined;
      this.sizeAlgorithm = undefined;
    }
    resetQueue() {
      this.queue.clear();
      this.sizes?.clear();
      this.total = 0;
    }
    /** "Signal abort" on [[abortController]], whose signal is made when somebody asks for it. */
    signalAbort(reason) {
      if (this.isAborted) return;
      this.isAborted = true;
      this.abortSignalReason = reason;
      if (this.abortSignal !== undefined) platform.load("abort").signalAbort(this.abortSignal, reason);
    }
    signal() {
      if (this.abortSignal === undefined) {
        const { newSignal, signalAbort } = platform.load("abort");
        this.abortSignal = newSignal();
        if (this.isAborted) signalAbort(this.abortSignal, this.abortSignalReason);
      }
      return this.abortSignal;
    }
    /** [[AbortSteps]] */
    abortSteps(reason) {
      const promise = promiseCall(this.abortAlgorithm, this.receiver, reason);
      this.clearAlgorithms();
      return promise;
    }
    desiredSize() {
      return this.highWaterMark - this.total;
    }
    backpressure() {
      return this.highWaterMark <= this.total;
    }
    updateBackpressure() {
      const { stream } = this;
      const backpressure = this.highWaterMark <= this.total;
      if (backpressure === stream.backpressure || stream.state !== "writable" || stream.isClosing()) return;
      stream.updateBackpressure(backpressure);
    }
    /** WritableStreamDefaultControllerGetChunkSize */
    sizeOf(chunk) {
      const { sizeAlgorithm } = this;
      try {
        return +sizeAlgorithm(chunk);
      } catch (error) {
        this.errorIfNeeded(error);
        return 1;
      }
    }
    write(chunk, size) {
      if (this.sizes === undefined) this.total++;
      else {
        try {
          this.sizes.push(checkSize(size));
        } catch (error) {
          this.errorIfNeeded(error);
          return;
        }
        this.total += size;
      }
      this.queue.push(chunk);
      this.updateBackpressure();
      this.advanceQueue();
    }
    close() {
      this.queue.push(CLOSE);
      this.advanceQueue();
    }
    /** WritableStreamDefaultControllerError */
    error(error) {
      this.clearAlgorithms();
      this.stream.startErroring(error);
    }
    errorIfNeeded(error) {
      if (this.stream.state === "writable") this.error(error);
    }
    dequeue() {
      this.queue.shift();
      if (this.sizes === undefined) this.total--;
      else {
        this.total -= this.sizes.shift();
        if (this.total < 0) this.total = 0;
      }
    }
    /** WritableStreamDefaultControllerAdvanceQueueIfNeeded */
    advanceQueue() {
      const { stream, queue } = this;
      if (!this.started || stream.inFlightWriteRequest !== undefined) return;
      if (stream.state === "erroring") {
        stream.finishErroring();
        return;
      }
      if (queue.count === 0) return;
      const chunk = queue.peek();
      if (chunk === CLOSE) this.processClose();
      else this.processWrite(chunk);
    }
    processClose() {
      const { stream } = this;
      stream.inFlightCloseRequest = stream.closeRequest;
      stream.closeRequest = undefined;
      this.queue.shift();
      const promise = promiseCall(this.closeAlgorithm, this.receiver, NOTHING);
      this.clearAlgorithms();
      promiseThen(
        promise,
        () => stream.finishClose(),
        (error) => stream.failClose(error),
      );
    }
    processWrite(chunk) {
      const { stream } = this;
      stream.inFlightWriteRequest = stream.writeRequests.shift();
      let result;
      try {
        result = call(this.writeAlgorithm ?? noop, this.receiver, chunk, this.object ?? this);
        if (result !== undefined && result !== PENDING) result = promiseOf(result);
      } catch (error) {
        result = rejected(error);
      }
      if (result !== PENDING) this.finishWrite(result);
    }
    /** What follows the write algorithm; `result` is undefined or its promise. */
    finishWrite(result) {
      const { stream } = this;
      const onWritten = (this.onWritten ??= () => {
        const request = stream.inFlightWriteRequest;
        stream.inFlightWriteRequest = undefined;
        request.resolve(undefined);
        this.dequeue();
        this.updateBackpressure();
        this.advanceQueue();
      });
      if (result === undefined) soon(onWritten);
      else {
        this.onFailed ??= (error) => {
          if (stream.state === "writable") this.clearAlgorithms();
          stream.failWrite(error);
        };
        promiseThen(result, onWritten, this.onFailed);
      }
    }
  }
  internal(Controller);

  const UnderlyingSink = dictionary("UnderlyingSink", [
    { key: "abort", converter: callbackFunction },
    { key: "close", converter: callbackFunction },
    { key: "start", converter: callbackFunction },
    { key: "type", converter: webidl.any },
    { key: "write", converter: callbackFunction },
  ]);

  let slots, isWritableStream;
  class WritableStream {
    #stream;
    static {
      slots = (stream) => stream.#stream;
      isWritableStream = (value) => isObject(value) && #stream in value;
    }
    constructor(underlyingSink = undefined, strategy = undefined) {
      if (underlyingSink === TOKEN) {
        this.#stream = strategy;
        return;
      }
      const context = "Failed to construct 'WritableStream'";
      if (underlyingSink !== undefined) webidl.object(underlyingSink, context);
      const strategyDict = QueuingStrategy(strategy, context);
      const sink = UnderlyingSink(underlyingSink, context);
      if (sink.type !== undefined) throw new RangeError(`${context}: Invalid type of underlying sink.`);
      const mark = highWaterMarkOf(strategyDict, 1);
      const stream = (this.#stream = new Stream());
      stream.object = this;
      const receiver = underlyingSink ?? { __proto__: null };
      new Controller(stream, receiver, mark, strategyDict.size).begin(sink.start, sink.write, sink.close, sink.abort);
    }
    get locked() {
      return this.#stream.writer !== undefined;
    }
    abort(reason = undefined) {
      try {
        const stream = this.#stream;
        return stream.writer === undefined ? stream.abort(reason) : rejected(lockedError());
      } catch (error) {
        return rejected(error);
      }
    }
    close() {
      try {
        const stream = this.#stream;
        return stream.writer === undefined ? stream.close() : rejected(lockedError());
      } catch (error) {
        return rejected(error);
      }
    }
    getWriter() {
      return new WritableStreamDefaultWriter(TOKEN, new Writer(this.#stream));
    }
  }
  defineInterface(WritableStream);
  core.defineTransfer(isWritableStream, slots, "sendWritable", "receiveWritable");

  class WritableStreamDefaultWriter {
    #writer;
    constructor(stream) {
      if (stream === TOKEN) {
        this.#writer = arguments[1];
        return;
      }
      const context = "Failed to construct 'WritableStreamDefaultWriter'";
      requireArguments(arguments.length, 1, context);
      webidl.interfaceType("WritableStream", isWritableStream)(stream, context);
      this.#writer = new Writer(slots(stream));
    }
    get closed() {
      try {
        return this.#writer.closed.get();
      } catch (error) {
        return rejected(error);
      }
    }
    get desiredSize() {
      return this.#writer.desiredSize();
    }
    get ready() {
      try {
        return this.#writer.ready.get();
      } catch (error) {
        return rejected(error);
      }
    }
    abort(reason = undefined) {
      try {
        return this.#writer.abort(reason);
      } catch (error) {
        return rejected(error);
      }
    }
    close() {
      try {
        return this.#writer.close();
      } catch (error) {
        return rejected(error);
      }
    }
    releaseLock() {
      this.#writer.release();
    }
    write(chunk = undefined) {
      try {
        const writer = this.#writer;
        const request = new Deferred();
        writer.write(chunk, request);
        return request.promise;
      } catch (error) {
        return rejected(error);
      }
    }
  }
  defineInterface(WritableStreamDefaultWriter);

  class WritableStreamDefaultController {
    #controller;
    constructor() {
      if (arguments[0] !== TOKEN) illegalConstructor();
      this.#controller = arguments[1];
    }
    get signal() {
      return this.#controller.signal();
    }
    error(e = undefined) {
      this.#controller.errorIfNeeded(e);
    }
  }
  defineInterface(WritableStreamDefaultController);

  /** CreateWritableStream: the internal stream. Algorithms: start(controller), write(chunk, controller), close(), abort(reason). */
  function createStream(start, write, close, abort, highWaterMark = 1, sizeAlgorithm = undefined) {
    const stream = new Stream();
    new Controller(stream, undefined, highWaterMark, sizeAlgorithm).begin(start, write, close, abort);
    return stream;
  }

  return {
    __proto__: null,
    WritableStream,
    WritableStreamDefaultWriter,
    WritableStreamDefaultController,

    isWritableStream,
    isLocked: (stream) => slots(stream).writer !== undefined,
    /** The internal controller: errorIfNeeded(e), signal(). */
    controllerOf: (stream) => slots(stream).controller,

    // For the other streams_*.js files
    slots,
    Writer,
    createStream,
  };
}
