// ReadableStream, its default reader and default controller: Streams, https://streams.spec.whatwg.org/#rs
//
// Byte streams, BYOB readers, the streams of bodies, tee, pipes, iteration and transfer live in files of their own, loaded
// when first used.
// See streams_core.js for the conventions.
(platform) => {
  "use strict";
  const { promiseThen, promiseResolve, constructors } = platform;
  const { TypeError, RangeError } = constructors;
  const { assign } = platform.statics.Object;
  const webidl = platform.load("webidl");
  const { isObject, requireArguments, illegalConstructor, defineInterface, dictionary, callbackFunction } = webidl;
  const core = platform.load("streams_core");
  const { noop, settled, soon, call, derive, internal, LazyPromise, Fifo } = core;
  const { resolved, rejected, promiseOf, promiseCall, PENDING } = core;
  const { checkSize, QueuingStrategy, highWaterMarkOf } = core;
  const Promise = constructors.Promise;
  const TOKEN = {};

  const lockedError = () => new TypeError("The stream is locked to a reader.");
  const releasedError = () => new TypeError("The reader has been released.");

  // 4.9.1, 4.9.2 The stream. How it begins lies on the prototype: an object costs by its own properties.
  const Stream = internal(
    class {
      /** The public ReadableStream, where it may be asked for again; else one needs not be held. */
      shell() {
        return this.object ?? (this.object = new ReadableStream(TOKEN, this));
      }
      /** ReadableStreamCancel */
      cancel(reason) {
        this.disturbed = true;
        if (this.state === "closed") return resolved(undefined);
        if (this.state === "errored") return rejected(this.storedError);
        this.close();
        const reader = this.reader;
        if (reader !== undefined && reader.isByob) {
          for (let requests = reader.takeRequests(); requests.count > 0; ) requests.shift().close(undefined);
        }
        return derive(this.controller.cancelSteps(reason), noop);
      }
      /** ReadableStreamClose */
      close() {
        this.state = "closed";
        const reader = this.reader;
        if (reader === undefined) return;
        reader.closed.resolve();
        if (reader.isByob || reader.requests.count === 0) return;
        for (let requests = reader.takeRequests(); requests.count > 0; ) requests.shift().close();
      }
      /** ReadableStreamError */
      error(error) {
        this.state = "errored";
        this.storedError = error;
        const reader = this.reader;
        if (reader === undefined) return;
        reader.closed.reject(error);
        reader.errorRequests(error);
      }
    },
  );
  const BEGINNING = { state: "readable", reader: undefined, controller: undefined, disturbed: false };
  assign(Stream.prototype, BEGINNING, { storedError: undefined, object: undefined, kind: undefined });

  // 4.9.3 What default and BYOB readers have in common
  class Reader {
    constructor(stream, isByob) {
      if (stream.reader !== undefined) throw lockedError();
      this.stream = stream;
      this.isByob = isByob;
      this.requests = new Fifo();
      const closed = (this.closed = new LazyPromise());
      if (stream.state === "closed") closed.resolve();
      else if (stream.state === "errored") closed.reject(stream.storedError);
      stream.reader = this;
    }
    takeRequests() {
      const { requests } = this;
      this.requests = new Fifo();
      return requests;
    }
    errorRequests(error) {
      if (this.requests.count === 0) return;
      for (let requests = this.takeRequests(); requests.count > 0; ) requests.shift().error(error);
    }
    /** ReadableStreamDefaultReaderRelease, ReadableStreamBYOBReaderRelease */
    release() {
      const { stream } = this;
      if (stream === undefined) return;
      this.closed.ensureRejected(releasedError());
      stream.controller.releaseSteps();
      stream.reader = this.stream = undefined;
      this.errorRequests(releasedError());
    }
    cancel(reason) {
      return this.stream === undefined ? rejected(releasedError()) : this.stream.cancel(reason);
    }
  }
  internal(Reader);

  class DefaultReader extends Reader {
    constructor(stream) {
      super(stream, false);
    }
    /** ReadableStreamDefaultReaderRead. `request` has chunk(value), close() and error(reason). */
    read(request) {
      const { stream } = this;
      stream.disturbed = true;
      if (stream.state === "readable") stream.controller.pullSteps(request);
      else if (stream.state === "closed") request.close();
      else request.error(stream.storedError);
    }
  }

  // 4.9.4, 4.9.5 What both kinds of controller have in common: starting and pulling
  class Controller {
    /** Algorithms are called on `receiver` with the public controller, or, where there is none, with this object. */
    constructor(stream, receiver, pull, cancel, highWaterMark) {
      this.stream = stream;
      this.receiver = receiver;
      this.pullAlgorithm = pull;
      this.cancelAlgorithm = cancel;
      this.highWaterMark = highWaterMark;
      this.started = this.pulling = this.pullAgain = this.closeRequested = false;
      this.queue = new Fifo();
      this.total = 0;
      this.sizeAlgorithm = this.sizes = this.object = this.onSettled = this.onFailed = undefined;
      stream.controller = this;
    }
    /** The last steps of SetUpReadable…StreamController; what `start` throws is thrown. */
    begin(start) {
      if (this.receiver !== undefined) this.shell();
      const result = start === undefined ? undefined : call(start, this.receiver, this.object ?? this);
      // Without a pull algorithm nothing can tell whether the controller has started.
      if (this.pullAlgorithm === undefined && !isObject(result)) return;
      this.onSettled = () => {
        if (this.started) {
          this.pulling = false;
          if (!this.pullAgain) return;
          this.pullAgain = false;
        } else this.started = true;
        this.callPullIfNeeded();
      };
      this.react(promiseOf(result));
    }
    react(promise) {
      if (promise === settled) soon(this.onSettled);
      else promiseThen(promise, this.onSettled, (this.onFailed ??= (error) => this.error(error)));
    }
    shouldCallPull() {
      const { stream } = this;
      if (!this.started || this.closeRequested || stream.state !== "readable") return false;
      return this.total < this.highWaterMark || (stream.reader !== undefined && stream.reader.requests.count > 0);
    }
    // Once or twice per chunk; so shouldCallPull is repeated here, and `settled` needs no promiseCall.
    callPullIfNeeded() {
      const { stream, pullAlgorithm } = this;
      if (pullAlgorithm === undefined || !this.started || this.closeRequested || stream.state !== "readable") return;
      if (this.total >= this.highWaterMark && (stream.reader === undefined || stream.reader.requests.count === 0)) return;
      if (this.pulling) {
        this.pullAgain = true;
        return;
      }
      this.pulling = true;
      let result;
      try {
        result = call(pullAlgorithm, this.receiver, this.object ?? this);
        if (result !== undefined && result !== PENDING) result = promiseOf(result);
      } catch (error) {
        result = rejected(error);
      }
      if (result === undefined) soon(this.onSettled);
      else if (result !== PENDING) this.react(result);
    }
    clearAlgorithms() {
      this.pullAlgorithm = this.cancelAlgorithm = this.sizeAlgorithm = this.receiver = undefined;
    }
    resetQueue() {
      this.queue.clear();
      this.sizes?.clear();
      this.total = 0;
    }
    desiredSize() {
      const { state } = this.stream;
      return state === "readable" ? this.highWaterMark - this.total : state === "closed" ? 0 : null;
    }
    canCloseOrEnqueue() {
      return !this.closeRequested && this.stream.state === "readable";
    }
    error(error) {
      if (this.stream.state !== "readable") return;
      this.resetQueue();
      this.clearAlgorithms();
      this.stream.error(error);
    }
    cancelSteps(reason) {
      this.resetQueue();
      const promise = promiseCall(this.cancelAlgorithm, this.receiver, reason);
      this.clearAlgorithms();
      return promise;
    }
    releaseSteps() {}
  }
  internal(Controller);

  // 4.9.4 The default controller. Without a size algorithm all sizes are 1, and `sizes` is undefined.
  class DefaultController extends Controller {
    withSize(sizeAlgorithm) {
      if (sizeAlgorithm !== undefined) {
        this.sizeAlgorithm = sizeAlgorithm;
        this.sizes = new Fifo();
      }
      return this;
    }
    shell() {
      return this.object ?? (this.object = new ReadableStreamDefaultController(TOKEN, this));
    }
    /** False where the stream takes no more chunks. */
    enqueue(chunk) {
      const { stream } = this;
      if (this.closeRequested || stream.state !== "readable") return false;
      const { reader } = stream;
      if (reader !== undefined && reader.requests.count > 0) reader.requests.shift().chunk(chunk);
      else if (this.sizes === undefined) {
        this.queue.push(chunk);
        this.total++;
      } else {
        try {
          const { sizeAlgorithm } = this;
          const size = checkSize(+sizeAlgorithm(chunk));
          this.queue.push(chunk);
          this.sizes.push(size);
          this.total += size;
        } catch (error) {
          this.error(error);
          throw error;
        }
      }
      this.callPullIfNeeded();
      return true;
    }
    close() {
      if (!this.canCloseOrEnqueue()) return;
      this.closeRequested = true;
      if (this.queue.count === 0) {
        this.clearAlgorithms();
        this.stream.close();
      }
    }
    /** The part of [[PullSteps]] that takes a chunk from the queue. */
    take() {
      const { queue } = this;
      const chunk = queue.shift();
      if (this.sizes === undefined) this.total--;
      else {
        this.total -= this.sizes.shift();
        if (this.total < 0) this.total = 0;
      }
      if (this.closeRequested && queue.count === 0) {
        this.clearAlgorithms();
        this.stream.close();
      } else this.callPullIfNeeded();
      return chunk;
    }
    pullSteps(request) {
      if (this.queue.count > 0) request.chunk(this.take());
      else {
        this.stream.reader.requests.push(request);
        this.callPullIfNeeded();
      }
    }
  }

  let lastResolve, lastReject;
  const capture = (resolve, reject) => {
    lastResolve = resolve;
    lastReject = reject;
  };
  // A read whose promise is made only when it must wait. Until then `settle` is undefined and `state` says what came.
  class PromiseReadRequest {
    constructor() {
      this.state = 0;
      this.value = this.settle = undefined;
    }
    chunk(value) {
      if (this.settle === undefined) {
        this.state = CHUNK;
        this.value = value;
      } else this.settle({ value, done: false });
    }
    close(value) {
      if (this.settle === undefined) {
        this.state = CLOSE;
        this.value = value;
      } else this.settle({ value, done: true });
    }
    error(error) {
      if (this.settle === undefined) {
        this.state = ERROR;
        this.value = error;
      } else this.value(error);
    }
  }
  internal(PromiseReadRequest);
  const CHUNK = 1;
  const CLOSE = 2;
  const ERROR = 3;
  let spareRequest;
  /** Read with a promise; `info` of the view and `min` are a BYOB reader's. */
  function promiseRead(reader, info, min) {
    const request = spareRequest ?? new PromiseReadRequest();
    spareRequest = undefined;
    reader.read(request, info, min);
    const { state, value } = request;
    if (state === 0) {
      const promise = new Promise(capture);
      request.settle = lastResolve;
      request.value = lastReject;
      return promise;
    }
    request.state = 0;
    request.value = undefined;
    spareRequest = request;
    return state === ERROR ? rejected(value) : promiseResolve({ value, done: state === CLOSE });
  }

  const UnderlyingSource = dictionary("UnderlyingSource", [
    { key: "autoAllocateChunkSize", converter: (value, context) => webidl.unsignedLongLong(value, context, { enforceRange: true }) },
    { key: "cancel", converter: callbackFunction },
    { key: "pull", converter: callbackFunction },
    { key: "start", converter: callbackFunction },
    { key: "type", converter: webidl.enumeration("ReadableStreamType", ["bytes"]) },
  ]);
  let slots, slotsOrUndefined, isReadableStream;
  class ReadableStream {
    #stream;
    static {
      slots = (stream) => stream.#stream;
      isReadableStream = (value) => isObject(value) && #stream in value;
      slotsOrUndefined = (value) => (#stream in value ? value.#stream : undefined);
    }
    constructor(underlyingSource, strategy) {
      if (underlyingSource === TOKEN) {
        this.#stream = strategy;
        return;
      }
      if (underlyingSource !== undefined && !isObject(underlyingSource)) {
        webidl.fail("Failed to construct 'ReadableStream'", "The underlying source is not an object.");
      }
      const strategyDict = QueuingStrategy(strategy, "Failed to construct 'ReadableStream'");
      const source = UnderlyingSource(underlyingSource, "Failed to construct 'ReadableStream'");
      const stream = (this.#stream = new Stream());
      const receiver = underlyingSource ?? { __proto__: null };
      if (source.type === "bytes") {
        if (strategyDict.size !== undefined) throw new RangeError("The strategy of a byte stream cannot have a size.");
        platform.load("streams_byte").setUp(stream, receiver, source, highWaterMarkOf(strategyDict, 0));
      } else {
        const mark = highWaterMarkOf(strategyDict, 1);
        const controller = new DefaultController(stream, receiver, source.pull, source.cancel, mark);
        controller.withSize(strategyDict.size).begin(source.start);
      }
    }
    static from(asyncIterable) {
      requireArguments(arguments.length, 1, "Failed to execute 'from' on 'ReadableStream'");
      return platform.load("streams_iteration").from(asyncIterable);
    }
    get locked() {
      return this.#stream.reader !== undefined;
    }
    cancel(reason = undefined) {
      try {
        const stream = this.#stream;
        return stream.reader === undefined ? stream.cancel(reason) : rejected(lockedError());
      } catch (error) {
        return rejected(error);
      }
    }
    getReader(options = undefined) {
      const stream = this.#stream;
      // Options load the file of the only mode there is.
      const byobReader = options === undefined ? undefined : platform.load("streams_byob").getReader(stream, options);
      return byobReader ?? new ReadableStreamDefaultReader(TOKEN, new DefaultReader(stream));
    }
    pipeThrough(transform, options = undefined) {
      const stream = this.#stream;
      requireArguments(arguments.length, 1, "Failed to execute 'pipeThrough' on 'ReadableStream'");
      return platform.load("streams_pipe").pipeThrough(stream, transform, options);
    }
    pipeTo(destination, options = undefined) {
      try {
        const stream = this.#stream;
        requireArguments(arguments.length, 1, "Failed to execute 'pipeTo' on 'ReadableStream'");
        return platform.load("streams_pipe").pipeToStream(stream, destination, options);
      } catch (error) {
        return rejected(error);
      }
    }
    tee() {
      const branches = platform.load("streams_tee").tee(this.#stream, false);
      return [branches[0].shell(), branches[1].shell()];
    }
    values(options = undefined) {
      return platform.load("streams_iteration").values(this.#stream, options);
    }
  }
  const { modelOf, alike } = webidl;
  const model = modelOf((stream) => new ReadableStream(TOKEN, stream));
  defineInterface(ReadableStream, { length: 0 });
  core.defineTransfer(isReadableStream, slots, "sendReadable", "receiveReadable");
  platform.statics.Object.defineProperty(ReadableStream.prototype, Symbol.asyncIterator, {
    __proto__: null,
    value: ReadableStream.prototype.values,
    writable: true,
    configurable: true,
  });

  class ReadableStreamDefaultReader {
    #reader;
    constructor(stream) {
      if (stream === TOKEN) {
        this.#reader = arguments[1];
        return;
      }
      const context = "Failed to construct 'ReadableStreamDefaultReader'";
      requireArguments(arguments.length, 1, context);
      webidl.interfaceType("ReadableStream", isReadableStream)(stream, context);
      this.#reader = new DefaultReader(slots(stream));
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
    read() {
      let reader;
      try {
        reader = this.#reader;
      } catch (error) {
        return rejected(error);
      }
      const { stream } = reader;
      if (stream === undefined) return rejected(releasedError());
      const { controller } = stream;
      if (stream.state === "readable" && controller.queue.count > 0 && controller.take !== undefined) {
        stream.disturbed = true;
        return promiseResolve({ value: controller.take(), done: false });
      }
      return promiseRead(reader);
    }
    releaseLock() {
      this.#reader.release();
    }
  }
  defineInterface(ReadableStreamDefaultReader);

  class ReadableStreamDefaultController {
    #controller;
    constructor() {
      if (arguments[0] !== TOKEN) illegalConstructor();
      this.#controller = arguments[1];
    }
    get desiredSize() {
      return this.#controller.desiredSize();
    }
    close() {
      const controller = this.#controller;
      if (!controller.canCloseOrEnqueue()) throw new TypeError("The stream is closed or errored already.");
      controller.close();
    }
    enqueue(chunk = undefined) {
      if (!this.#controller.enqueue(chunk)) throw new TypeError("The stream is closed or errored already.");
    }
    error(e = undefined) {
      this.#controller.error(e);
    }
  }
  defineInterface(ReadableStreamDefaultController);

  // 9.1 For other specifications. Streams are public objects here; readers and controllers are internal ones.

  /** CreateReadableStream on slots: the internal stream. Algorithms are called with the internal controller. */
  function createStream(start, pull, cancel, highWaterMark = 1, sizeAlgorithm = undefined) {
    const stream = new Stream();
    new DefaultController(stream, undefined, pull, cancel, highWaterMark).withSize(sizeAlgorithm).begin(start);
    return stream;
  }
  /** A ReadableStream. The algorithms start(controller), pull(controller), cancel(reason) may be undefined. */
  function createReadableStream(start, pull, cancel, highWaterMark, sizeAlgorithm) {
    return new ReadableStream(TOKEN, createStream(start, pull, cancel, highWaterMark, sizeAlgorithm));
  }

  return {
    __proto__: null,
    ReadableStream,
    ReadableStreamDefaultReader,
    ReadableStreamDefaultController,

    createReadableStream,
    isReadableStream,
    isLocked: (stream) => slots(stream).reader !== undefined,
    isDisturbed: (stream) => slots(stream).disturbed,
    isClosed: (stream) => slots(stream).state === "closed",
    /** The internal controller: enqueue(chunk), close(), error(e), desiredSize(), canCloseOrEnqueue(). */
    controllerOf: (stream) => slots(stream).controller,
    enqueue: (controller, chunk) => controller.enqueue(chunk),
    close: (controller) => controller.close(),
    error: (controller, error) => controller.error(error),
    /** Lock the stream: an internal reader with read(request), cancel(reason), release(), closed.get(). */
    acquireReader: (stream) => new DefaultReader(slots(stream)),
    /** One read without a promise: calls exactly one of request.chunk(value), .close(), .error(reason). */
    readChunk: (reader, request) => reader.read(request),
    /** Read to the end: onChunk(value) until it returns false, then onClose() or onError(e). */
    readLoop: (reader, onChunk, onClose, onError) =>
      platform.load("streams_consume").readLoop(reader, onChunk, onClose, onError),
    /** "Read all bytes": onSuccess(Uint8Array) or onFailure(error); `maxBytes` may bound them. */
    readAllBytes: (reader, onSuccess, onFailure, maxBytes) =>
      platform.load("streams_consume").readAllBytes(reader, onSuccess, onFailure, maxBytes),
    cancel: (stream, reason) => slots(stream).cancel(reason),
    /** [branch1, branch2]; with cloneForBranch2 the second gets structured clones of the chunks. */
    tee(stream, cloneForBranch2 = false) {
      const branches = platform.load("streams_tee").tee(slots(stream), cloneForBranch2);
      return [branches[0].shell(), branches[1].shell()];
    },

    /** The internal stream of an object where that is a ReadableStream. */
    slotsOrUndefined,

    // For the other streams_*.js files
    /** The public object of an internal stream that is not asked for it again. */
    wrap: (stream) => alike(model, stream),
    model,
    slots,
    Stream,
    Reader,
    DefaultReader,
    Controller,
    promiseRead,
    createStream,
    releasedError,
    lockedError,
  };
}
