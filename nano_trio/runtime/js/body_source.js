// Bodies that are no strings, and bodies as streams: Fetch, https://fetch.spec.whatwg.org/#bodyinit-unions
//
// body.js explains the state objects. The streams made here remember whose body they are: a new body made of one that
// nobody has touched takes over its source, so that `new Response(request.body)` need not run through JavaScript.
(platform) => {
  "use strict";
  const { isLoaded, load, host, buffers, constructors, promiseThen } = platform;
  const { Uint8Array } = constructors;
  const { fail, isArrayBuffer, BufferSource, USVString, copyBytes } = load("webidl");
  const { KINDS, seize } = load("body");
  const { NONE, TEXT, BYTES, STREAM, BLOB, WIRE, SPENT } = KINDS;
  /** What the host is told of a body that has crossed before: ../body_kinds.py. */
  const AHEAD = 7;
  const { encode } = load("utf8");
  const { asyncIterator } = Symbol;

  /** streams_readable.js and streams_late.js, from the first body that is a stream, and that becomes one. */
  let streams, lateStreams;
  function loadLateStreams() {
    lateStreams = load("streams_late");
    lateStreams.openBodiesBy(open);
    return lateStreams;
  }
  /** The internal stream of a ReadableStream, undefined for another object. Loads nothing: else there is none. */
  function asStream(object) {
    if (streams === undefined && !isLoaded("streams_readable")) return undefined;
    return (streams ??= load("streams_readable")).slotsOrUndefined(object);
  }
  /** "Extract a body" from a ReadableStream, whose internal stream is `stream`, into `state`. */
  function extractStream(state, object, stream, context) {
    const { kind } = stream;
    if (stream.reader !== undefined || stream.disturbed) fail(context, "The stream is locked or was read from already.");
    // The stream of another body of ours can be short-circuited: its source is known.
    if (kind === undefined) state.kind = STREAM;
    else {
      state.kind = kind;
      state.source = stream.source;
      if (stream.shared) state.shared = true;
    }
    state.stream = object;
  }
  /** Is `value` an object of the platform's class that `file` defines and `check` recognises? Loads nothing. */
  function isOf(file, check, value) {
    return isLoaded(file) && load(file)[check](value);
  }

  /** The conversion of an object to BodyInit: itself, or a string where it is of none of the types. */
  function convertObject(value, context) {
    if (asStream(value) !== undefined) return value;
    if (buffers.isView(value)) return BufferSource(value, context);
    const isBodyInit =
      isOf("blob", "isBlob", value) ||
      isOf("urlsearchparams", "isURLSearchParams", value) ||
      isOf("formdata", "isFormData", value) ||
      isArrayBuffer(value);
    if (isBodyInit) return value;
    // What is iterated asynchronously is a stream of what it gives, as in all other runtimes, though not yet in Fetch.
    if (typeof value === "object" && typeof value[asyncIterator] === "function") {
      streams ??= load("streams_readable");
      return load("streams_iteration").from(value);
    }
    return USVString(value, context);
  }

  /** "Extract a body" from a converted BodyInit that is no string into `state`; its MIME type or null. */
  function extractObject(state, value, context, isKeepalive) {
    const stream = asStream(value);
    if (stream !== undefined) {
      if (isKeepalive) fail(context, "A request with keepalive cannot have a stream as its body.");
      extractStream(state, value, stream, context);
      return null;
    }
    if (isOf("blob", "isBlob", value)) {
      state.kind = BLOB;
      state.source = value;
      return load("blob").typeOf(value) || null;
    }
    if (isOf("urlsearchparams", "isURLSearchParams", value)) {
      const { serializeForm, entriesOf } = load("urlsearchparams");
      state.kind = TEXT;
      state.source = serializeForm(entriesOf(value));
      return "application/x-www-form-urlencoded;charset=UTF-8";
    }
    if (isOf("formdata", "isFormData", value)) {
      const { blob, boundary } = load("formdata").encodeMultipart(value);
      state.kind = BLOB;
      state.source = blob;
      return `multipart/form-data; boundary=${boundary}`;
    }
    state.kind = BYTES;
    state.source = copyBytes(value);
    return null;
  }

  /** The body's stream, made now if need be; null for a null body. */
  function streamOf(state) {
    if (state.stream !== null || state.kind === NONE) return state.stream;
    if (state.kind === SPENT) {
      state.stream = load("streams_late").createReadableByteStream(undefined, undefined);
      load("streams_readable").controllerOf(state.stream).close();
      seize(state);
      return state.stream;
    }
    const { kind, source } = state;
    // It does not know the state, which holds it: two that hold each other are garbage to be collected.
    const stream = (lateStreams ?? loadLateStreams()).createBodyStream(kind, source, state.shared);
    // For what can break the body while nobody reads: the signal of a fetch.
    if (kind === WIRE) source.stream = stream;
    return (state.stream = stream);
  }
  /** The algorithms of a body's stream, made for those that are read in JavaScript; of a seized one there are none. */
  function open({ kind, source, shared }) {
    if (kind === undefined) return { __proto__: null, pull: undefined, cancel: undefined };
    if (kind === BLOB) return { __proto__: null, pull: load("blob").pullerOf(source), cancel: undefined };
    if (kind === WIRE) {
      const wire = host(source.from);
      return {
        __proto__: null,
        pull: (controller) =>
          promiseThen(platform.operation((id) => wire.read(source.id, id)), (chunk) => {
            if (chunk === null) finish(controller);
            else controller.enqueue(new Uint8Array(typeof chunk === "number" ? load("large").take(chunk, false) : chunk));
          }),
        cancel: () => wire.cancel(source.id),
      };
    }
    return {
      __proto__: null,
      pull(controller) {
        const bytes = kind === TEXT ? new Uint8Array(encode(source)) : shared ? copyBytes(source) : viewOf(source);
        if (bytes.length > 0) controller.enqueue(bytes);
        finish(controller);
      },
      cancel: undefined,
    };
  }
  /** Close a byte stream, and with it a read into a buffer that waits for more. */
  function finish(controller) {
    controller.close();
    if (controller.stream.state === "closed" && controller.pendingPullIntos.count > 0) controller.respond(0);
  }
  function viewOf(bytes) {
    return buffers.isView(bytes) ? bytes : new Uint8Array(bytes);
  }

  /**
   * For the host, of a [kind, body] that body.js hands over, TEXT or BYTES: a large one goes ahead, and is [AHEAD, is it
   * text?]. `isLast`: no other body has these bytes.
   */
  function handOver(handed, isLast = false) {
    return load("ahead").goesAhead(handed[1], isLast) ? [AHEAD, handed[0] === TEXT] : handed;
  }

  /** "Clone a body" of `from` into `to`. */
  function cloneBody(from, to) {
    const { kind } = from;
    if (kind === NONE) return;
    if (from.stream === null && kind !== WIRE) {
      to.kind = kind;
      to.source = from.source;
      to.shared = from.shared = true;
      return;
    }
    const branches = load("streams_readable").tee(streamOf(from), true);
    from.kind = to.kind = STREAM;
    from.source = to.source = null;
    from.stream = branches[0];
    to.stream = branches[1];
  }

  /** "Clone a response", of that state; the clone's. */
  function cloneResponse(from) {
    const to = load("response").newState(200, null);
    to.fields = load("headerlist").copy(from.list);
    to.status = from.status;
    to.statusText = from.statusText;
    to.type = from.type;
    to.url = from.url;
    to.redirected = from.redirected;
    to.isImmutable = from.isImmutable;
    cloneBody(from, to);
    return to;
  }

  /** "Create a proxy" for the body of `from` in `to`: afterwards `from` is used, and a stream locked until `to` has ended. */
  function moveBody(from, to) {
    to.kind = from.kind;
    to.source = from.source;
    to.shared = from.shared;
    if (from.kind === NONE) return;
    if (from.kind === STREAM) {
      const { acquireReader, createReadableStream } = load("streams_readable");
      const reader = acquireReader(from.stream);
      to.stream = createReadableStream(
        undefined,
        (controller) => {
          const { promise, resolve } = platform.withResolvers();
          reader.read({
            __proto__: null,
            chunk(value) {
              controller.enqueue(value);
              resolve();
            },
            close() {
              reader.release();
              controller.close();
              resolve();
            },
            error(reason) {
              reader.release();
              controller.error(reason);
              resolve();
            },
          });
          return promise;
        },
        (reason) => {
          const cancelled = reader.cancel(reason);
          reader.release();
          return cancelled;
        },
        0,
      );
      load("streams_readable").slots(from.stream).disturbed = true;
      from.kind = SPENT;
    } else seize(from);
  }

  return {
    __proto__: null,
    asStream,
    extractStream,
    convertObject,
    extractObject,
    streamOf,
    finish,
    handOver,
    cloneBody,
    cloneResponse,
    moveBody,
  };
}
