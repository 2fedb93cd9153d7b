// Byte streams whose controller is made late, those of bodies before all: Streams, https://streams.spec.whatwg.org/#rs
//
// The streams of most bodies are only handed on, as in `new Response(response.body, response)`, and a controller costs
// more than all the rest of such a stream.
(platform) => {
  "use strict";
  const { load } = platform;
  const { noop, Fifo } = load("streams_core");
  const { Stream, slots, wrap } = load("streams_readable");

  /** It makes its controller when something first asks for it: `open(stream)` gives the algorithms `pull` and `cancel`. */
  function LateStream(open) {
    this.open = open;
  }
  LateStream.prototype = {
    __proto__: Stream.prototype,
    made: undefined,
    get controller() {
      if (this.made === undefined) {
        const { open } = this;
        load("streams_byte").setUpLate(this, open(this));
      }
      return this.made;
    },
    set controller(controller) {
      this.made = controller;
    },
  };

  /** The stream of a body knows that body's kind and source (body.js), until it is seized. All open in the same way. */
  const ofBodies = { __proto__: LateStream.prototype, open: undefined, shared: false };
  const { keepShapes, alike } = load("webidl");
  const model = keepShapes(ofBodies, ["kind", "source", "reader", "disturbed"])[1];

  /** The reader of a stream whose source was taken: there is nothing to be read any more. */
  const SEIZED = {
    __proto__: null,
    isByob: false,
    requests: new Fifo(),
    closed: { __proto__: null, resolve: noop, reject: noop },
    errorRequests: noop,
  };
  const { parts, stateful } = load("response");
  parts[0].reader = SEIZED;
  parts[10] = keepShapes(stateful, ["kind", "source", "stream", "fields", "status", "statusText", "headers"])[5];
  parts[11] = load("streams_readable").model;
  parts[12] = model;

  return {
    __proto__: null,
    model,
    /** A ReadableStream that pulls when it is read; chunks are Uint8Arrays, whose buffers are transferred. */
    createReadableByteStream: (pull, cancel) => wrap(new LateStream(() => ({ __proto__: null, pull, cancel }))),
    /** How the streams of bodies open. */
    openBodiesBy(open) {
      ofBodies.open = open;
    },
    /** The ReadableStream of a body of that kind and source. */
    createBodyStream(kind, source, isShared) {
      const stream = alike(model, kind, source);
      if (isShared) stream.shared = true;
      return wrap(stream);
    },
    /** Lock a stream for good, as if it were being read to its end: its source is taken. */
    seize(object) {
      const stream = slots(object);
      stream.reader = SEIZED;
      stream.disturbed = true;
      if (stream.kind !== undefined) {
        stream.kind = undefined;
        stream.source = null;
      }
    },
  };
}
