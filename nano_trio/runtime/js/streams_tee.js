// Tee: Streams, ReadableStreamTee, https://streams.spec.whatwg.org/#abstract-opdef-readablestreamtee, for default streams
// (ReadableStreamDefaultTee) and byte streams (ReadableByteStreamTee).
(platform) => {
  "use strict";
  const { promiseThen } = platform;
  const { Uint8Array } = platform.constructors;
  const { soon, internal, Deferred } = platform.load("streams_core");
  const { DefaultReader, createStream } = platform.load("streams_readable");

  // What both kinds share. The tee is the read request of its only read at a time.
  class Tee {
    constructor(stream) {
      this.stream = stream;
      this.reader = new DefaultReader(stream);
      this.isReading = false;
      this.isCanceled1 = this.isCanceled2 = false;
      this.reason1 = this.reason2 = this.branch1 = this.branch2 = this.pending = undefined;
      this.canceled = new Deferred();
      this.onChunk = () => {
        const chunk = this.pending;
        this.pending = undefined;
        this.forward(chunk);
      };
    }
    cancel1(reason) {
      this.isCanceled1 = true;
      this.reason1 = reason;
      if (this.isCanceled2) this.cancelStream([reason, this.reason2]);
      return this.canceled.promise;
    }
    cancel2(reason) {
      this.isCanceled2 = true;
      this.reason2 = reason;
      if (this.isCanceled1) this.cancelStream([this.reason1, reason]);
      return this.canceled.promise;
    }
    cancelStream(reason) {
      this.canceled.resolve(this.stream.cancel(reason));
    }
    resolveCanceled() {
      if (!this.isCanceled1 || !this.isCanceled2) this.canceled.resolve(undefined);
    }
    errorBranches(error) {
      this.branch1.controller.error(error);
      this.branch2.controller.error(error);
    }
    forwardReaderError() {
      const { reader } = this;
      promiseThen(reader.closed.get(), undefined, (error) => {
        if (reader !== this.reader) return;
        this.errorBranches(error);
        this.resolveCanceled();
      });
    }
    /** A chunk cannot be cloned: both branches fail, the source is cancelled. */
    failClone(error) {
      this.errorBranches(error);
      this.cancelStream(error);
    }
    chunk(chunk) {
      this.pending = chunk;
      soon(this.onChunk);
    }
    error() {
      this.isReading = false;
    }
    branches() {
      this.forwardReaderError();
      return [this.branch1, this.branch2];
    }
  }
  internal(Tee);

  class DefaultTee extends Tee {
    constructor(stream, cloneForBranch2) {
      super(stream);
      this.cloneForBranch2 = cloneForBranch2;
      this.readAgain = false;
      const pull = () => this.pull();
      this.branch1 = createStream(undefined, pull, (reason) => this.cancel1(reason));
      this.branch2 = createStream(undefined, pull, (reason) => this.cancel2(reason));
    }
    pull() {
      if (this.isReading) {
        this.readAgain = true;
        return;
      }
      this.isReading = true;
      this.reader.read(this);
    }
    forward(chunk) {
      this.readAgain = false;
      let chunk2 = chunk;
      if (this.cloneForBranch2 && !this.isCanceled2) {
        try {
          chunk2 = platform.load("structuredclone").structuredClone(chunk);
        } catch (error) {
          this.failClone(error);
          return;
        }
      }
      if (!this.isCanceled1) this.branch1.controller.enqueue(chunk);
      if (!this.isCanceled2) this.branch2.controller.enqueue(chunk2);
      this.isReading = false;
      if (this.readAgain) this.pull();
    }
    close() {
      this.isReading = false;
      if (!this.isCanceled1) this.branch1.controller.close();
      if (!this.isCanceled2) this.branch2.controller.close();
      this.resolveCanceled();
    }
  }

  class ByteTee extends Tee {
    constructor(stream) {
      super(stream);
      this.readAgain1 = this.readAgain2 = false;
      /** Of a BYOB read: the branch whose buffer is being filled, and the other one. */
      this.byobBranch = this.otherBranch = undefined;
      const { createByteStream } = platform.load("streams_byte");
      this.branch1 = createByteStream(undefined, () => this.pull(false), (reason) => this.cancel1(reason));
      this.branch2 = createByteStream(undefined, () => this.pull(true), (reason) => this.cancel2(reason));
    }
    pull(forBranch2) {
      if (this.isReading) {
        if (forBranch2) this.readAgain2 = true;
        else this.readAgain1 = true;
        return;
      }
      this.isReading = true;
      const branch = forBranch2 ? this.branch2 : this.branch1;
      const request = branch.controller.getByobRequest();
      const isByob = request !== null;
      this.byobBranch = isByob ? branch : undefined;
      this.otherBranch = forBranch2 ? this.branch1 : this.branch2;
      if (this.reader.isByob !== isByob) {
        this.reader.release();
        const Reader = isByob ? platform.load("streams_byob").ByobReader : DefaultReader;
        this.reader = new Reader(this.stream);
        this.forwardReaderError();
      }
      if (isByob) {
        const { bufferView, viewOf } = platform.load("streams_byte");
        this.reader.read(this, bufferView(viewOf(request)), 1);
      } else this.reader.read(this);
    }
    isCanceled(branch) {
      return branch === this.branch1 ? this.isCanceled1 : this.isCanceled2;
    }
    forward(chunk) {
      this.readAgain1 = this.readAgain2 = false;
      const first = this.byobBranch ?? this.branch1;
      const second = this.byobBranch === undefined ? this.branch2 : this.otherBranch;
      const wantsFirst = !this.isCanceled(first);
      const wantsSecond = !this.isCanceled(second);
      let copy = chunk;
      // A BYOB branch needs its own buffer back, so the other branch always gets a copy.
      if (wantsSecond && (wantsFirst || this.byobBranch !== undefined)) {
        try {
          copy = new Uint8Array(chunk);
        } catch (error) {
          this.failClone(error);
          return;
        }
      }
      if (wantsFirst) {
        if (this.byobBranch !== undefined) first.controller.respondWithNewView(chunk);
        else first.controller.enqueue(chunk);
      }
      if (wantsSecond) second.controller.enqueue(copy);
      this.isReading = false;
      if (this.readAgain1) this.pull(false);
      else if (this.readAgain2) this.pull(true);
    }
    close(chunk) {
      this.isReading = false;
      const first = this.byobBranch ?? this.branch1;
      const second = this.byobBranch === undefined ? this.branch2 : this.otherBranch;
      const wantsFirst = !this.isCanceled(first);
      const wantsSecond = !this.isCanceled(second);
      if (wantsFirst) first.controller.close();
      if (wantsSecond) second.controller.close();
      if (this.byobBranch === undefined) {
        if (first.controller.pendingPullIntos.count > 0) first.controller.respond(0);
        if (second.controller.pendingPullIntos.count > 0) second.controller.respond(0);
      } else if (chunk !== undefined) {
        if (wantsFirst) first.controller.respondWithNewView(chunk);
        if (wantsSecond && second.controller.pendingPullIntos.count > 0) second.controller.respond(0);
      }
      this.resolveCanceled();
    }
  }

  /** The two internal branches of an internal stream. */
  function tee(stream, cloneForBranch2) {
    const isByte = stream.controller.pendingPullIntos !== undefined;
    return (isByte ? new ByteTee(stream) : new DefaultTee(stream, cloneForBranch2)).branches();
  }

  return { __proto__: null, tee };
}
