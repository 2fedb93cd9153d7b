// Bodies: Fetch, https://fetch.spec.whatwg.org/#bodies and #body-mixin
//
// A Request or Response keeps its body in its state object as
//   kind    NONE (a null body), TEXT, BYTES, STREAM, BLOB, WIRE, or SPENT: it was read from its source;
//   source  TEXT: a well-formed string; BYTES: an ArrayBuffer or Uint8Array that is ours; BLOB: a Blob;
//           WIRE: { from, id }: `host(from)` reads it by read(id, operation), readAll(id, operation, isText), cancel(id);
//   stream  the ReadableStream, or null until it is needed: a body with a source is read without one, and a stream
//           knows itself whether it was disturbed;
//   shared  does a clone refer to the same source?
// and `list`, its header list, for the MIME type. Here is what every app needs; body_source.js has bodies that are no
// strings, streams and clones, body_consume.js reads a body to its end.
(platform) => {
  "use strict";
  const { load, statics, uncurry } = platform;
  const { isObject, USVString } = load("webidl_core");
  const { assign } = statics.Object;
  const defineGetter = uncurry("Object", "__defineGetter__");
  const getterOf = uncurry("Object", "__lookupGetter__");
  const toWellFormed = uncurry("String", "toWellFormed");
  const NONE = 0, TEXT = 1, BYTES = 2, STREAM = 3, BLOB = 4, WIRE = 5, SPENT = 6;
  const KINDS = { __proto__: null, NONE, TEXT, BYTES, STREAM, BLOB, WIRE, SPENT };
  /** What the host is told in the place of WIRE, by where it has such a body: ../body_kinds.py. */
  const HELD = { __proto__: null, body: 4, fetch: 5, cache: 6 };
  const TEXT_TYPE = "text/plain;charset=UTF-8";
  /** body_source.js, from the first body that is no string, or that is asked for as a stream. */
  let bodySource;
  /** From the first look at a body's stream, and from the first stream whose source is taken. */
  let streams, lateStreams;
  /** Of body_consume.js, from the first body that is read to its end. */
  let consume;

  /** Convert to BodyInit: (ReadableStream or Blob or BufferSource or FormData or URLSearchParams or USVString). */
  function convertBodyInit(value, context) {
    if (typeof value === "string") return toWellFormed(value);
    if (!isObject(value)) return USVString(value, context);
    return (bodySource ??= load("body_source")).convertObject(value, context);
  }
  /** "Extract a body" from a converted BodyInit into `state`; its MIME type or null. */
  function extract(state, value, context, isKeepalive) {
    if (typeof value !== "string") return bodySource.extractObject(state, value, context, isKeepalive);
    state.kind = TEXT;
    state.source = value;
    return TEXT_TYPE;
  }

  /** "Unusable": disturbed or locked. */
  function isUnusable(state) {
    const { kind } = state;
    if (kind === NONE) return false;
    if (kind === SPENT) return true;
    if (state.stream === null) return false;
    const { reader, disturbed } = (streams ??= load("streams_readable")).slots(state.stream);
    return disturbed || reader !== undefined;
  }

  /** Take the body from its source: a stream that exists stays locked, as if it were being read to its end. */
  function seize(state) {
    state.kind = SPENT;
    state.source = null;
    if (state.stream !== null) (lateStreams ??= load("streams_late")).seize(state.stream);
  }

  /**
   * For the host: [kind, body] with kind NONE (null), TEXT (a string), BYTES (an ArrayBuffer or Uint8Array), STREAM (to be
   * locked by the host's reader), or, where `takesWire`, one of HELD (its number there). The body is used from now on.
   */
  function handOver(state, takesWire) {
    const { kind, source } = state;
    if (kind === STREAM || (kind === BLOB && load("blob").sizeOf(source) > 65536) || (kind === WIRE && !takesWire)) {
      const stream = (bodySource ??= load("body_source")).streamOf(state);
      state.kind = SPENT;
      return [STREAM, stream];
    }
    if (kind === NONE) return [NONE, null];
    seize(state);
    if (kind === WIRE) return [HELD[source.from], source.id];
    return kind === BLOB ? [BYTES, load("blob").bytesOf(source)] : [kind, source];
  }

  /** Give the prototype of an interface the members of Body, enumerable as all of its; `stateOf` is its brand check. */
  function includeBody(prototype, stateOf) {
    const attributes = {
      get body() {
        const state = stateOf(this);
        const { stream } = state;
        if (stream !== null) return stream;
        return state.kind === NONE ? null : (bodySource ??= load("body_source")).streamOf(state);
      },
      get bodyUsed() {
        const state = stateOf(this);
        const { kind, stream } = state;
        if (stream === null) return kind === SPENT;
        return kind === SPENT || (streams ??= load("streams_readable")).slots(stream).disturbed;
      },
    };
    defineGetter(prototype, "body", getterOf(attributes, "body"));
    defineGetter(prototype, "bodyUsed", getterOf(attributes, "bodyUsed"));
    assign(prototype, {
      json() {
        return (consume ??= load("body_consume").consume)(this, stateOf, "json");
      },
      text() {
        return (consume ??= load("body_consume").consume)(this, stateOf, "text");
      },
    });
  }

  return { __proto__: null, KINDS, TEXT_TYPE, convertBodyInit, extract, isUnusable, seize, handOver, includeBody, getterOf };
}
