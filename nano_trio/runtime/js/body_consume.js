// Reading a body to its end: Fetch, https://fetch.spec.whatwg.org/#concept-body-consume-body ; body.js explains the states.
(platform) => {
  "use strict";
  const { load, host, buffers, constructors, statics, uncurry } = platform;
  const { TypeError, Uint8Array } = constructors;
  const { bytesForHost, copyBytes } = load("webidl");
  const { KINDS, isUnusable, seize } = load("body");
  const { NONE, TEXT, STREAM, BLOB, WIRE, SPENT } = KINDS;
  const { parse } = statics.JSON;
  const { apply } = statics.Reflect;
  const slice = uncurry("String", "slice");
  const fulfilled = uncurry("Promise", "fulfilled");
  const { encode, decode } = load("utf8");

  function toText(value) {
    if (typeof value !== "string") return decode(value);
    return value[0] === "\ufeff" ? slice(value, 1) : value;
  }
  /** The bytes as a buffer that may be given away. */
  function toBuffer(value, isShared) {
    if (typeof value === "string") return encode(value);
    const own = isShared ? value : bytesForHost(value);
    return isShared || buffers.isView(own) ? buffers.viewBuffer(copyBytes(own)) : own;
  }
  const convert = {
    __proto__: null,
    text: toText,
    json: (value) => parse(toText(value)),
    arrayBuffer: toBuffer,
    bytes: (value, isShared) => new Uint8Array(toBuffer(value, isShared)),
    blob(value, isShared, state) {
      const bytes = new Uint8Array(toBuffer(value, isShared));
      return load("blob").makeBlob(bytes, load("mime").extractSerialized(state.list));
    },
    formData(value, isShared, state) {
      return load("formdata").parseBody(toBuffer(value, isShared), load("mime").extract(state.list));
    },
  };

  /** What an async function that returned `value` would give. */
  function promiseOf(value) {
    if (typeof value === "object" && value !== null) {
      const { then } = value;
      // An app has given objects such a method, which has been looked up now.
      if (typeof then === "function") return resolved({ __proto__: null, then: (...both) => apply(then, value, both) });
    }
    return fulfilled(value);
  }
  async function resolved(value) {
    return value;
  }
  async function rejected(error) {
    throw error;
  }

  /** "Consume body": `how` names the conversion. */
  function consume(object, stateOf, how) {
    try {
      const state = stateOf(object);
      if (state.kind !== TEXT || state.stream !== null) return consumeSource(state, how);
      // What the rest does, for the most frequent body.
      const text = state.source;
      state.kind = SPENT;
      state.source = null;
      return promiseOf(convert[how](text, false, state));
    } catch (error) {
      return rejected(error);
    }
  }
  async function consumeSource(state, how) {
    if (isUnusable(state)) throw new TypeError("Body is unusable: it has been read already or is locked.");
    const { kind, source, shared } = state;
    let value = source;
    if (kind === NONE) value = "";
    else if (kind === STREAM) {
      const { promise, resolve, reject } = platform.withResolvers();
      const { acquireReader, readAllBytes } = load("streams_readable");
      // In a box, as promises look for a method `then` on what they are resolved with.
      readAllBytes(acquireReader(state.stream), (bytes) => resolve({ __proto__: null, bytes }), reject);
      value = (await promise).bytes;
    } else {
      seize(state);
      if (kind === BLOB) value = load("blob").bytesOf(source);
      else if (kind === WIRE) {
        const isText = how === "text" || how === "json";
        value = await platform.operation((id) => host(source.from).readAll(source.id, id, isText));
        if (typeof value === "number") value = load("large").take(value, isText);
      }
    }
    return convert[how](value, shared || kind === BLOB || kind === STREAM, state);
  }

  return { __proto__: null, consume };
}
