// TransformStream and its controller: Streams, https://streams.spec.whatwg.org/#ts
// See streams_core.js for the conventions.
(platform) => {
  "use strict";
  const { promiseThen, constructors } = platform;
  const { TypeError, RangeError } = constructors;
  const webidl = platform.load("webidl");
  const { illegalConstructor, defineInterface, dictionary, callbackFunction } = webidl;
  const core = platform.load("streams_core");
  const { settled, soon, call, internal, Deferred, promiseCall, PENDING, rejected, QueuingStrategy, highWaterMarkOf } = core;
  const readableStreams = platform.load("streams_readable");
  const writableStreams = platform.load("streams_writable");
  const TOKEN = {};

  // 6.4 The stream and its controller, which are one object here. `transform`, `flush` and `cancel` are called on
  // `receiver` with the public controller, or, where there is none, with this object.
  class Transform {
    constructor(receiver, transform, flush, cancel) {
      this.receiver = receiver;
      this.transformAlgorithm = transform;
      this.flushAlgorithm = flush;
      this.cancelAlgorithm = cancel;
      this.isIdentity = transform === undefined;
      this.backpressure = true;
      this.readable = this.writable = this.object = undefined;
      // Instead of [[backpressureChangePromise]]: who waits for it. A pull waits for back-pressure, a write for its end.
      this.isPullWaiting = this.isWriteWaiting = false;
      this.waitingChunk = this.unblock = this.onUnblocked = this.change = undefined;
      /** [[finishPromise]] */
      this.finish = undefined;
    }
    /** InitializeTransformStream. `start` is a function that returns the start promise. */
    initialize(start, writableMark, writableSize, readableMark, readableSize) {
      this.writable = writableStreams.createStream(
        start,
        (chunk) => this.sinkWrite(chunk),
        () => this.sinkClose(),
        (reason) => this.sinkAbort(reason),
        writableMark,
        writableSize,
      );
      this.readable = readableStreams.createStream(
        start,
        () => this.sourcePull(),
        (reason) => this.sourceCancel(reason),
        readableMark,
        readableSize,
      );
      return this;
    }
    /** The promise of the next change, for a transform that waits between pieces. */
    changed() {
      return (this.change ??= new Deferred()).promise;
    }
    setBackpressure(backpressure) {
      this.backpressure = backpressure;
      this.change?.resolve(undefined);
      this.change = undefined;
      if (backpressure) {
        if (this.isPullWaiting) soon(this.readable.controller.onSettled);
        this.isPullWaiting = false;
      } else if (this.isWriteWaiting) {
        this.isWriteWaiting = false;
        soon(this.onUnblocked);
      }
    }
    clearAlgorithms() {
      this.transformAlgorithm = this.flushAlgorithm = this.cancelAlgorithm = this.receiver = undefined;
      this.isIdentity = false;
    }
    /** TransformStreamError */
    error(error) {
      this.readable.controller.error(error);
      this.errorWritable(error);
    }
    /** TransformStreamErrorWritableAndUnblockWrite */
    errorWritable(error) {
      this.clearAlgorithms();
      this.writable.controller.errorIfNeeded(error);
      if (this.backpressure) this.setBackpressure(false);
    }
    desiredSize() {
      return this.readable.controller.desiredSize();
    }
    /** TransformStreamDefaultControllerEnqueue */
    enqueue(chunk) {
      const { controller } = this.readable;
      let isAccepted;
      try {
        isAccepted = controller.enqueue(chunk);
      } catch (error) {
        this.errorWritable(error);
        throw this.readable.storedError;
      }
      if (!isAccepted) throw new TypeError("The readable side is closed or errored already.");
      if (!this.backpressure && !controller.shouldCallPull()) this.setBackpressure(true);
    }
    /** TransformStreamDefaultControllerTerminate */
    terminate() {
      this.readable.controller.close();
      this.errorWritable(new TypeError("The transform stream has been terminated."));
    }
    performTransform(chunk) {
      let promise;
      if (this.isIdentity) {
        try {
          this.enqueue(chunk);
          return undefined;
        } catch (error) {
          promise = rejected(error);
        }
      } else promise = promiseCall(this.transformAlgorithm, this.receiver, chunk, this.object ?? this);
      if (promise === settled) return undefined;
      return promiseThen(promise, undefined, (error) => {
        this.error(error);
        throw error;
      });
    }
    // 6.4.4 Sinks
    sinkWrite(chunk) {
      if (!this.backpressure) return this.performTransform(chunk);
      this.unblock ??= () => {
        const { writable, waitingChunk } = this;
        this.waitingChunk = undefined;
        const isErroring = writable.state === "erroring";
        writable.controller.finishWrite(
          isErroring ? rejected(writable.storedError) : this.performTransform(waitingChunk),
        );
      };
      this.isWriteWaiting = true;
      // Who reads ends the wait; the chunk is transformed with an AsyncLocalStorage's store of who wrote it.
      this.onUnblocked = platform.bind?.(this.unblock) ?? this.unblock;
      this.waitingChunk = chunk;
      return PENDING;
    }
    /**
     * Run the flush or cancel algorithm, then settle the finish promise: by `onDone`, which returns a failed stream or
     * undefined, or by `onFailure`. Where there is no cancel algorithm to wait for, the other side learns it at once.
     */
    finishWith(algorithm, argument, isCancel, onDone, onFailure) {
      if (this.finish !== undefined) return this.finish.promise;
      const finish = (this.finish = new Deferred());
      const promise = promiseCall(algorithm, this.receiver, argument);
      this.clearAlgorithms();
      const finished = () => {
        const failed = onDone();
        if (failed === undefined) finish.resolve(undefined);
        else finish.reject(failed.storedError);
      };
      if (isCancel && algorithm === undefined) finished();
      else {
        promiseThen(promise, finished, (error) => {
          onFailure(error);
          finish.reject(error);
        });
      }
      return finish.promise;
    }
    sinkAbort(reason) {
      const { readable } = this;
      return this.finishWith(
        this.cancelAlgorithm,
        reason,
        true,
        () => {
          if (readable.state === "errored") return readable;
          return readable.controller.error(reason);
        },
        (error) => readable.controller.error(error),
      );
    }
    sinkClose() {
      const { readable } = this;
      return this.finishWith(
        this.flushAlgorithm,
        this.object ?? this,
        false,
        () => {
          if (readable.state === "errored") return readable;
          return readable.controller.close();
        },
        (error) => readable.controller.error(error),
      );
    }
    // 6.4.5 Sources
    sourceCancel(reason) {
      const { writable } = this;
      const fail = (error) => {
        writable.controller.errorIfNeeded(error);
        if (this.backpressure) this.setBackpressure(false);
      };
      return this.finishWith(
        this.cancelAlgorithm,
        reason,
        true,
        () => (writable.state === "errored" ? writable : fail(reason)),
        fail,
      );
    }
    sourcePull() {
      this.setBackpressure(false);
      this.isPullWaiting = true;
      return PENDING;
    }
  }
  internal(Transform);

  const any = webidl.any;
  const Transformer = dictionary("Transformer", [
    { key: "cancel", converter: callbackFunction },
    { key: "flush", converter: callbackFunction },
    { key: "readableType", converter: any },
    { key: "start", converter: callbackFunction },
    { key: "transform", converter: callbackFunction },
    { key: "writableType", converter: any },
  ]);

  let slots, isTransformStream;
  class TransformStream {
    #transform;
    static {
      slots = (stream) => stream.#transform;
      isTransformStream = (value) => webidl.isObject(value) && #transform in value;
    }
    constructor(transformer = undefined, writableStrategy = undefined, readableStrategy = undefined) {
      if (transformer === TOKEN) {
        this.#transform = writableStrategy;
        return;
      }
      const context = "Failed to construct 'TransformStream'";
      if (transformer !== undefined) webidl.object(transformer, context);
      const writing = QueuingStrategy(writableStrategy, context);
      const reading = QueuingStrategy(readableStrategy, context);
      const dict = Transformer(transformer, context);
      if (dict.readableType !== undefined) throw new RangeError(`${context}: Invalid readableType.`);
      if (dict.writableType !== undefined) throw new RangeError(`${context}: Invalid writableType.`);
      const readableMark = highWaterMarkOf(reading, 0);
      const writableMark = highWaterMarkOf(writing, 1);
      const receiver = transformer ?? { __proto__: null };
      const transform = (this.#transform = new Transform(receiver, dict.transform, dict.flush, dict.cancel));
      const started = dict.start === undefined ? undefined : new Deferred();
      transform.initialize(() => started?.promise, writableMark, writing.size, readableMark, reading.size);
      transform.object = new TransformStreamDefaultController(TOKEN, transform);
      if (started !== undefined) started.resolve(call(dict.start, receiver, transform.object));
    }
    get readable() {
      return this.#transform.readable.shell();
    }
    get writable() {
      return this.#transform.writable.shell();
    }
  }
  defineInterface(TransformStream);
  core.defineTransfer(isTransformStream, slots, "sendTransform", "receiveTransform");

  class TransformStreamDefaultController {
    #transform;
    constructor() {
      if (arguments[0] !== TOKEN) illegalConstructor();
      this.#transform = arguments[1];
    }
    get desiredSize() {
      return this.#transform.desiredSize();
    }
    enqueue(chunk = undefined) {
      this.#transform.enqueue(chunk);
    }
    error(reason = undefined) {
      this.#transform.error(reason);
    }
    terminate() {
      this.#transform.terminate();
    }
  }
  defineInterface(TransformStreamDefaultController);

  /**
   * 9.3 "Set up" a transform for another specification. The algorithms transform(chunk, controller), flush(controller)
   * and cancel(reason) may throw, return a promise, or be undefined; the controller has enqueue(chunk), error(e),
   * terminate() and desiredSize(). Returns { readable, writable, controller } with public streams.
   */
  function createTransformStream(transform, flush, cancel, writableMark = 1, readableMark = 0) {
    const controller = new Transform(undefined, transform, flush, cancel);
    controller.initialize(undefined, writableMark, undefined, readableMark, undefined);
    return {
      __proto__: null,
      readable: controller.readable.shell(),
      writable: controller.writable.shell(),
      controller,
    };
  }

  return {
    __proto__: null,
    TransformStream,
    TransformStreamDefaultController,
    createTransformStream,
    slots,
    /** The public TransformStream around two internal streams that arrive by transfer. */
    wrap(readable, writable) {
      const transform = new Transform();
      transform.readable = readable;
      transform.writable = writable;
      return new TransformStream(TOKEN, transform);
    },
  };
}
