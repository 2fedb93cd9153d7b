// ReadableByteStreamController and ReadableStreamBYOBRequest: Streams, https://streams.spec.whatwg.org/#rbs-controller-class
// and the abstract operations of section 4.9.5. The reader that brings its own buffers is in streams_byob.js.
(platform) => {
  "use strict";
  const { constructors, buffers } = platform;
  const { TypeError, RangeError, Uint8Array, ArrayBuffer } = constructors;
  const { min } = platform.statics.Math;
  const webidl = platform.load("webidl");
  const { requireArguments, illegalConstructor, defineInterface, viewInfo } = webidl;
  const { internal, Fifo } = platform.load("streams_core");
  const { Stream, Controller } = platform.load("streams_readable");
  const set = platform.uncurry("TypedArray", "set");
  const transfer = platform.uncurry("ArrayBuffer", "transfer");
  const TOKEN = {};
  const NONE = [];

  /**
   * The viewInfo and the `tag` (undefined: a DataView) of an ArrayBufferView whose buffer is neither shared nor resizable
   * (Web IDL without [AllowShared] and [AllowResizable]).
   */
  function bufferView(value, context) {
    if (!buffers.isView(value)) webidl.fail(context, "The value is not of type 'ArrayBufferView'.");
    const info = viewInfo(value);
    let isFixed = false;
    try {
      isFixed = !buffers.resizable(info.buffer);
    } catch {
      // A shared buffer
    }
    if (!isFixed) webidl.fail(context, "The view's buffer is shared or resizable.");
    info.tag = buffers.viewTag(value);
    return info;
  }
  /** TransferArrayBuffer (8.2) */
  function transferBuffer(buffer) {
    if (buffers.detached(buffer)) throw new TypeError("The ArrayBuffer is detached.");
    return transfer(buffer);
  }

  class Entry {
    constructor(buffer, byteOffset, byteLength) {
      this.buffer = buffer;
      this.byteOffset = byteOffset;
      this.byteLength = byteLength;
    }
  }
  internal(Entry);

  // A pull-into descriptor. `View` is its view constructor, of elements of `elementSize` bytes.
  class PullInto {
    constructor(buffer, byteOffset, byteLength, minimumFill, elementSize, View, readerType) {
      this.buffer = buffer;
      this.bufferByteLength = buffers.byteLength(buffer);
      this.byteOffset = byteOffset;
      this.byteLength = byteLength;
      this.bytesFilled = 0;
      this.minimumFill = minimumFill;
      this.elementSize = elementSize;
      this.View = View;
      this.readerType = readerType;
    }
    /**
     * ReadableByteStreamControllerConvertPullIntoDescriptor. The buffer was transferred when the bytes came (respond,
     * enqueue, read), and nobody has seen it since; so it is not transferred once more.
     */
    toView() {
      return new this.View(this.buffer, this.byteOffset, this.bytesFilled / this.elementSize);
    }
  }
  internal(PullInto);

  class ByteController extends Controller {
    constructor(stream, receiver, pull, cancel, highWaterMark, autoAllocateChunkSize) {
      super(stream, receiver, pull, cancel, highWaterMark);
      this.autoAllocateChunkSize = autoAllocateChunkSize;
      this.pendingPullIntos = new Fifo();
      this.byobRequest = null;
    }
    shell() {
      return this.object ?? (this.object = new ReadableByteStreamController(TOKEN, this));
    }
    // [[CancelSteps]], [[PullSteps]], [[ReleaseSteps]]
    cancelSteps(reason) {
      this.clearPendingPullIntos();
      return super.cancelSteps(reason);
    }
    pullSteps(request) {
      if (this.total > 0) return this.fillReadRequest(request);
      const size = this.autoAllocateChunkSize;
      if (size !== undefined) {
        let buffer;
        try {
          buffer = new ArrayBuffer(size);
        } catch (error) {
          return request.error(error);
        }
        this.pendingPullIntos.push(new PullInto(buffer, 0, size, 1, 1, Uint8Array, "default"));
      }
      this.stream.reader.requests.push(request);
      return this.callPullIfNeeded();
    }
    releaseSteps() {
      if (this.pendingPullIntos.count === 0) return;
      const first = this.pendingPullIntos.peek();
      first.readerType = "none";
      this.pendingPullIntos.clear();
      this.pendingPullIntos.push(first);
    }
    close() {
      if (!this.canCloseOrEnqueue()) return;
      if (this.total > 0) {
        this.closeRequested = true;
        return;
      }
      if (this.pendingPullIntos.count > 0) {
        const first = this.pendingPullIntos.peek();
        if (first.bytesFilled % first.elementSize !== 0) {
          const error = new TypeError("Insufficient bytes to fill elements in the given buffer.");
          this.error(error);
          throw error;
        }
      }
      this.clearAlgorithms();
      this.stream.close();
    }
    error(error) {
      if (this.stream.state !== "readable") return;
      this.clearPendingPullIntos();
      super.error(error);
    }
    /** ReadableByteStreamControllerEnqueue; `chunk` is a view. False where the stream takes no more chunks. */
    enqueue(chunk, info = viewInfo(chunk)) {
      if (!this.canCloseOrEnqueue()) return false;
      const { stream, pendingPullIntos } = this;
      const { buffer, byteOffset, byteLength } = info;
      const transferred = transferBuffer(buffer);
      if (pendingPullIntos.count > 0) {
        const first = pendingPullIntos.peek();
        if (buffers.detached(first.buffer)) throw new TypeError("The BYOB request's buffer is detached.");
        this.invalidateByobRequest();
        first.buffer = transferBuffer(first.buffer);
        if (first.readerType === "none") this.enqueueDetachedPullInto(first);
      }
      const { reader } = stream;
      if (reader === undefined) this.enqueueChunk(transferred, byteOffset, byteLength);
      else if (!reader.isByob) {
        while (reader.requests.count > 0 && this.total > 0) this.fillReadRequest(reader.requests.shift());
        if (reader.requests.count === 0) this.enqueueChunk(transferred, byteOffset, byteLength);
        else {
          if (pendingPullIntos.count > 0) pendingPullIntos.shift();
          reader.requests.shift().chunk(new Uint8Array(transferred, byteOffset, byteLength));
        }
      } else {
        this.enqueueChunk(transferred, byteOffset, byteLength);
        this.commitAll(this.processPullIntos());
      }
      this.callPullIfNeeded();
      return true;
    }
    enqueueChunk(buffer, byteOffset, byteLength) {
      this.queue.push(new Entry(buffer, byteOffset, byteLength));
      this.total += byteLength;
    }
    enqueueClonedChunk(buffer, byteOffset, byteLength) {
      let clone;
      try {
        clone = new Uint8Array(byteLength);
        set(clone, new Uint8Array(buffer, byteOffset, byteLength));
      } catch (error) {
        this.error(error);
        throw error;
      }
      this.enqueueChunk(buffers.viewBuffer(clone), 0, byteLength);
    }
    enqueueDetachedPullInto(pullInto) {
      if (pullInto.bytesFilled > 0) this.enqueueClonedChunk(pullInto.buffer, pullInto.byteOffset, pullInto.bytesFilled);
      this.pendingPullIntos.shift();
    }
    fillReadRequest(request) {
      const entry = this.queue.shift();
      this.total -= entry.byteLength;
      this.handleQueueDrain();
      request.chunk(new Uint8Array(entry.buffer, entry.byteOffset, entry.byteLength));
    }
    handleQueueDrain() {
      if (this.total === 0 && this.closeRequested) {
        this.clearAlgorithms();
        this.stream.close();
      } else this.callPullIfNeeded();
    }
    clearPendingPullIntos() {
      this.invalidateByobRequest();
      this.pendingPullIntos.clear();
    }
    /** ReadableByteStreamControllerGetBYOBRequest */
    getByobRequest() {
      if (this.byobRequest === null && this.pendingPullIntos.count > 0) {
        const first = this.pendingPullIntos.peek();
        const filled = first.bytesFilled;
        const view = new Uint8Array(first.buffer, first.byteOffset + filled, first.byteLength - filled);
        this.byobRequest = new ReadableStreamBYOBRequest(TOKEN, this, view);
      }
      return this.byobRequest;
    }
    invalidateByobRequest() {
      if (this.byobRequest === null) return;
      invalidate(this.byobRequest);
      this.byobRequest = null;
    }
    /** ReadableByteStreamControllerFillPullIntoDescriptorFromQueue */
    fillFromQueue(pullInto) {
      const { queue } = this;
      const maxFilled = pullInto.bytesFilled + min(this.total, pullInto.byteLength - pullInto.bytesFilled);
      const maxAligned = maxFilled - (maxFilled % pullInto.elementSize);
      const isReady = maxAligned >= pullInto.minimumFill;
      let remaining = (isReady ? maxAligned : maxFilled) - pullInto.bytesFilled;
      while (remaining > 0) {
        const head = queue.peek();
        const count = min(remaining, head.byteLength);
        const target = new Uint8Array(pullInto.buffer, pullInto.byteOffset + pullInto.bytesFilled, count);
        set(target, new Uint8Array(head.buffer, head.byteOffset, count));
        if (head.byteLength === count) queue.shift();
        else {
          head.byteOffset += count;
          head.byteLength -= count;
        }
        this.total -= count;
        pullInto.bytesFilled += count;
        remaining -= count;
      }
      return isReady;
    }
    /** ReadableByteStreamControllerProcessPullIntoDescriptorsUsingQueue: those that are filled now. */
    processPullIntos() {
      if (this.total === 0) return NONE;
      const { pendingPullIntos } = this;
      const filled = [];
      while (pendingPullIntos.count > 0 && this.total > 0 && this.fillFromQueue(pendingPullIntos.peek())) {
        filled[filled.length] = pendingPullIntos.shift();
      }
      return filled;
    }
    commit(pullInto) {
      const { stream } = this;
      const request = stream.reader.requests.shift();
      const view = pullInto.toView();
      if (stream.state === "closed") request.close(view);
      else request.chunk(view);
    }
    commitAll(pullIntos) {
      for (let i = 0; i < pullIntos.length; i++) this.commit(pullIntos[i]);
    }
    /** ReadableByteStreamControllerPullInto; `info` is the view's viewInfo with its `tag`. */
    pullInto(info, minimum, request) {
      const { stream, pendingPullIntos } = this;
      const { buffer, byteOffset, byteLength, tag } = info;
      const View = constructors[tag ?? "DataView"];
      const elementSize = tag === undefined ? 1 : View.BYTES_PER_ELEMENT;
      let transferred;
      try {
        transferred = transferBuffer(buffer);
      } catch (error) {
        return request.error(error);
      }
      const fill = minimum * elementSize;
      const pullInto = new PullInto(transferred, byteOffset, byteLength, fill, elementSize, View, "byob");
      if (pendingPullIntos.count > 0) {
        pendingPullIntos.push(pullInto);
        return stream.reader.requests.push(request);
      }
      if (stream.state === "closed") return request.close(new View(transferred, byteOffset, 0));
      if (this.total > 0) {
        if (this.fillFromQueue(pullInto)) {
          const filled = pullInto.toView();
          this.handleQueueDrain();
          return request.chunk(filled);
        }
        if (this.closeRequested) {
          const error = new TypeError("Insufficient bytes to fill elements in the given buffer.");
          this.error(error);
          return request.error(error);
        }
      }
      pendingPullIntos.push(pullInto);
      stream.reader.requests.push(request);
      return this.callPullIfNeeded();
    }
    /** ReadableByteStreamControllerRespond */
    respond(bytesWritten) {
      const first = this.pendingPullIntos.peek();
      this.#checkWritten(first, bytesWritten);
      first.buffer = transferBuffer(first.buffer);
      this.#respond(first, bytesWritten);
    }
    /** ReadableByteStreamControllerRespondWithNewView */
    respondWithNewView(view) {
      const first = this.pendingPullIntos.peek();
      const { buffer, byteOffset, byteLength } = viewInfo(view);
      if (this.stream.state === "closed" || byteLength === 0) this.#checkWritten(first, byteLength);
      if (first.byteOffset + first.bytesFilled !== byteOffset) {
        throw new RangeError("The region specified by the view does not match the BYOB request.");
      }
      if (first.bufferByteLength !== buffers.byteLength(buffer)) {
        throw new RangeError("The view's buffer has a different capacity than the BYOB request.");
      }
      this.#checkWritten(first, byteLength);
      first.buffer = transferBuffer(buffer);
      this.#respond(first, byteLength);
    }
    #checkWritten(first, bytesWritten) {
      if (this.stream.state === "closed") {
        if (bytesWritten !== 0) throw new TypeError("bytesWritten must be 0 when responding on a closed stream.");
      } else if (bytesWritten === 0) {
        throw new TypeError("bytesWritten must be greater than 0 when responding on a readable stream.");
      } else if (first.bytesFilled + bytesWritten > first.byteLength) {
        throw new RangeError("bytesWritten is out of range.");
      }
    }
    // ReadableByteStreamControllerRespondInternal
    #respond(first, bytesWritten) {
      this.invalidateByobRequest();
      if (this.stream.state === "closed") this.#respondClosed(first);
      else this.#respondReadable(first, bytesWritten);
      this.callPullIfNeeded();
    }
    #respondClosed(first) {
      const { reader } = this.stream;
      const { pendingPullIntos } = this;
      if (first.readerType === "none") pendingPullIntos.shift();
      if (reader === undefined || !reader.isByob) return;
      const filled = [];
      while (filled.length < reader.requests.count) filled[filled.length] = pendingPullIntos.shift();
      this.commitAll(filled);
    }
    #respondReadable(first, bytesWritten) {
      first.bytesFilled += bytesWritten;
      if (first.readerType === "none") {
        this.enqueueDetachedPullInto(first);
        return this.commitAll(this.processPullIntos());
      }
      if (first.bytesFilled < first.minimumFill) return undefined;
      this.pendingPullIntos.shift();
      const remainder = first.bytesFilled % first.elementSize;
      if (remainder > 0) {
        this.enqueueClonedChunk(first.buffer, first.byteOffset + first.bytesFilled - remainder, remainder);
      }
      first.bytesFilled -= remainder;
      const filled = this.processPullIntos();
      this.commit(first);
      return this.commitAll(filled);
    }
  }

  class ReadableByteStreamController {
    #controller;
    constructor() {
      if (arguments[0] !== TOKEN) illegalConstructor();
      this.#controller = arguments[1];
    }
    get byobRequest() {
      return this.#controller.getByobRequest();
    }
    get desiredSize() {
      return this.#controller.desiredSize();
    }
    close() {
      const controller = this.#controller;
      if (!controller.canCloseOrEnqueue()) throw new TypeError("The stream is closed or errored already.");
      controller.close();
    }
    enqueue(chunk) {
      const controller = this.#controller;
      const context = "Failed to execute 'enqueue' on 'ReadableByteStreamController'";
      requireArguments(arguments.length, 1, context);
      const info = bufferView(chunk, context);
      if (info.byteLength === 0) webidl.fail(context, "The chunk is empty.");
      if (!controller.enqueue(chunk, info)) throw new TypeError("The stream is closed or errored already.");
    }
    error(e = undefined) {
      this.#controller.error(e);
    }
  }
  defineInterface(ReadableByteStreamController);

  let invalidate, viewOf;
  class ReadableStreamBYOBRequest {
    #controller;
    #view;
    static {
      viewOf = (request) => request.#view;
      invalidate = (request) => {
        request.#controller = undefined;
        request.#view = null;
      };
    }
    constructor() {
      if (arguments[0] !== TOKEN) illegalConstructor();
      this.#controller = arguments[1];
      this.#view = arguments[2];
    }
    get view() {
      return this.#view;
    }
    #checkValid() {
      if (this.#controller === undefined) throw new TypeError("This BYOB request has been invalidated.");
    }
    respond(bytesWritten) {
      const context = "Failed to execute 'respond' on 'ReadableStreamBYOBRequest'";
      const view = this.#view;
      if (bytesWritten === undefined) requireArguments(arguments.length, 1, context);
      const isPlain = bytesWritten >>> 0 === bytesWritten;
      const count = isPlain ? bytesWritten : webidl.unsignedLongLong(bytesWritten, context, { enforceRange: true });
      this.#checkValid();
      if (view !== null && buffers.detached(buffers.viewBuffer(view))) webidl.fail(context, "The BYOB request's buffer is detached.");
      this.#controller.respond(count);
    }
    respondWithNewView(view) {
      const context = "Failed to execute 'respondWithNewView' on 'ReadableStreamBYOBRequest'";
      this.#view;
      requireArguments(arguments.length, 1, context);
      const { buffer } = bufferView(view, context);
      this.#checkValid();
      if (buffers.detached(buffer)) webidl.fail(context, "The view's buffer is detached.");
      this.#controller.respondWithNewView(view);
    }
  }
  defineInterface(ReadableStreamBYOBRequest);

  /** SetUpReadableByteStreamControllerFromUnderlyingSource */
  function setUp(stream, receiver, source, highWaterMark) {
    const size = source.autoAllocateChunkSize;
    if (size === 0) throw new TypeError("autoAllocateChunkSize must be greater than 0.");
    const controller = new ByteController(stream, receiver, source.pull, source.cancel, highWaterMark, size);
    controller.begin(source.start);
  }
  /** The controller of a LateStream. */
  function setUpLate(stream, algorithms) {
    new ByteController(stream, undefined, algorithms.pull, algorithms.cancel, 0, undefined).begin(undefined);
  }
  /** CreateReadableByteStream: the internal stream. */
  function createByteStream(start, pull, cancel, highWaterMark = 0) {
    const stream = new Stream();
    new ByteController(stream, undefined, pull, cancel, highWaterMark, undefined).begin(start);
    return stream;
  }

  return {
    __proto__: null,
    ReadableByteStreamController,
    ReadableStreamBYOBRequest,
    ByteController,
    bufferView,
    viewOf,
    setUp,
    createByteStream,
    setUpLate,
  };
}
