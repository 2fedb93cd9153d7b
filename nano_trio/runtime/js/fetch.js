// fetch(): Fetch, https://fetch.spec.whatwg.org/#fetch-method
//
// Here is what an app sees of it: the Request's conversion, signals, errors, the Response. HTTP is the host's: a fetch
// has the number of the operation that awaits its head, by which its body is read later. A body that the app hands on
// unread stays with the host. A response that nobody refers to any more is closed when its source is collected.
(platform) => {
  "use strict";
  const { load, constructors, statics, uncurry, promiseThen, operation, withResolvers } = platform;
  const { TypeError, Error, Map, WeakRef, FinalizationRegistry } = constructors;
  const { requireArguments } = load("webidl");
  const { KINDS, handOver } = load("body");
  const { signalOf } = load("request");
  const { fromHost } = load("response");
  const { linesOf } = load("headerlist");
  const host = platform.host("fetch");
  const get = uncurry("Map", "get");
  const set = uncurry("Map", "set");
  const remove = uncurry("Map", "delete");
  const register = uncurry("FinalizationRegistry", "register");
  const deref = uncurry("WeakRef", "deref");
  const split = uncurry("String", "split");
  const indexOf = uncurry("String", "indexOf");
  const slice = uncurry("String", "slice");
  const toLowerCase = uncurry("String", "toLowerCase");
  const { defineProperty } = statics.Object;
  const context = "Failed to execute 'fetch'";

  /**
   * Fetches by number: { signal, onAbort, reason, reader, cause }. reason: [reason] where the signal aborted it; reader:
   * of the request's body, while it is sent; cause: [error] of that body's stream.
   */
  const records = new Map();

  /** A network error, as fetch() shows it. */
  function networkError(code, message, cause) {
    if (cause === undefined) {
      cause = new Error(message);
      defineProperty(cause, "code", { __proto__: null, value: code, writable: true, enumerable: true, configurable: true });
    }
    return new TypeError(`fetch failed: ${message}`, { cause });
  }

  platform.errorMakers.fetch = (text) => {
    const parts = split(text, "\n", 3);
    const record = get(records, +parts[0]);
    if (record !== undefined && record.reason !== null) return record.reason[0];
    const cause = record === undefined || record.cause === null ? undefined : record.cause[0];
    return networkError(parts[1], parts[2], cause);
  };

  /** Forget a fetch whose body is over or was never there. */
  function release(id) {
    const record = get(records, id);
    if (record === undefined) return;
    remove(records, id);
    if (record.onAbort !== null) load("abort").removeAlgorithm(record.signal, record.onAbort);
  }

  platform.entries.release = release;

  let registry = null;
  /** Tell the host when nothing in JavaScript can read the body any more. */
  function watch(source) {
    registry ??= new FinalizationRegistry((id) => {
      // Where the host still reads it, its signal may yet abort: the host says when that is over.
      if (!host.drop(id, get(records, id) !== undefined)) release(id);
    });
    register(registry, source, source.id);
  }

  /** The request's body for the host: [kind, body]. */
  function takeBody(state, record) {
    if (state.kind === KINDS.BLOB) {
      // Its length is known, and it can be sent again after a redirect.
      state.source = load("blob").bytesOf(state.source);
      state.kind = KINDS.BYTES;
    }
    const body = handOver(state, true);
    if (body[0] === KINDS.STREAM) {
      record.reader = load("streams_readable").acquireReader(body[1]);
      return [KINDS.STREAM, platform.isLoaded("identity_stream") ? load("identity_stream").lengthOf(body[1]) : null];
    }
    return body[0] === KINDS.TEXT || body[0] === KINDS.BYTES ? load("body_source").handOver(body) : body;
  }

  /** The host sends a streamed body: hand over its next chunk. */
  platform.entries.upload = (id) => {
    const record = get(records, id);
    if (record === undefined || record.reader === null) return;
    load("streams_readable").readChunk(record.reader, {
      __proto__: null,
      chunk(chunk) {
        if (platform.buffers.viewTag(chunk) === "Uint8Array") {
          const bytes = load("webidl").bytesForHost(chunk);
          host.chunk(id, load("ahead").goesAhead(bytes) ? true : bytes);
          return;
        }
        const error = new TypeError("A request body's stream gave something that is no Uint8Array");
        const { reader } = record;
        failUpload(id, record, error);
        giveUp(reader, error);
      },
      close() {
        record.reader = null;
        host.chunk(id, null);
      },
      error(reason) {
        failUpload(id, record, reason);
      },
    });
  };
  function failUpload(id, record, error) {
    record.cause = [error];
    record.reader = null;
    host.uploadFailed(id);
  }

  /** Nobody waits for the end of what is cancelled. */
  function giveUp(reader, reason) {
    load("streams_core").handled(reader.cancel(reason));
  }

  /** The response is over, and the host reads no more of the request's body. */
  platform.entries.unsent = (id) => {
    const record = get(records, id);
    if (record === undefined || record.reader === null) return;
    const { reader } = record;
    record.reader = null;
    giveUp(reader, networkError("ERR_BODY_UNSENT", "the server did not wait for the end of the request's body"));
  };

  /** Abort: reject the promise, error the body. `weak` refers to the response's source once there is one. */
  function abort(id, record, reject, reason) {
    record.reason = [reason];
    const { reader, weak } = record;
    record.reader = null;
    if (reader !== null) giveUp(reader, reason);
    reject(reason);
    host.abort(id);
    const source = weak === null ? undefined : deref(weak);
    if (source === undefined || source.stream === undefined) return;
    const controller = load("streams_readable").controllerOf(source.stream);
    if (controller.stream.state === "readable") controller.error(reason);
  }

  /** Start the fetch of a request's state; its promise. */
  function start(state, signal, service) {
    const headers = linesOf(state.list, state.method + state.url, "The request's");
    const record = { __proto__: null, signal, onAbort: null, reason: null, reader: null, cause: null, weak: null };
    const body = takeBody(state, record);
    const { promise, resolve, reject } = withResolvers();
    let number;
    const head = operation((id) => {
      number = id;
      if (signal !== null || record.reader !== null) set(records, id, record);
      const { options } = state;
      host.start(id, state.method, state.url, headers, options.redirect, options.cache, options.integrity, body[0], body[1], service);
    });
    if (signal !== null) {
      record.onAbort = () => abort(number, record, reject, signal.reason);
      load("abort").addAlgorithm(signal, record.onAbort);
    }
    promiseThen(
      head,
      (parts) => {
        let source = null;
        if (parts[3]) {
          source = { __proto__: null, from: "fetch", id: number, stream: undefined };
          if (signal !== null) record.weak = new WeakRef(source);
          watch(source);
        } else if (record.reader === null) {
          release(number);
        }
        resolve(fromHost(parts[0], parts[1], parts[2], source, parts[4], parts[5]));
      },
      (error) => {
        const { reader } = record;
        record.reader = null;
        if (reader !== null) giveUp(reader, error);
        release(number);
        reject(error);
      },
    );
    return promise;
  }

  function rejected(reason) {
    const { promise, reject } = withResolvers();
    reject(reason);
    return promise;
  }

  /** Does a request ask for a WebSocket? */
  function isUpgrade({ method, kind, list }) {
    if (method !== "GET" || kind !== KINDS.NONE) return false;
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === "upgrade" && toLowerCase(list[i + 1]) === "websocket") return true;
    }
    return false;
  }

  /** fetch(), by a server or by the service binding of the name `service`. */
  function perform(input, init, service) {
    try {
      const state = load("request_init").initialize(input, init, context);
      const signal = state.follow === null ? null : signalOf(state);
      if (signal !== null && load("abort").isAborted(signal)) {
        if (state.kind !== KINDS.NONE) discard(state, signal.reason);
        return rejected(signal.reason);
      }
      const scheme = slice(state.url, 0, indexOf(state.url, ":"));
      if (scheme !== "http" && scheme !== "https") return load("fetch_local").fetchLocal(scheme, state, networkError);
      if (state.options.cache === "only-if-cached") throw networkError("ERR_CACHE_MISS", "there is no cache to answer");
      if (service === null && isUpgrade(state)) return load("websocket_fetch").connect(state, signal, networkError);
      return start(state, signal, service);
    } catch (error) {
      return rejected(error);
    }
  }

  // A method's shorthand, as fetch() is no constructor.
  const { fetch } = {
    fetch(input, init = undefined) {
      try {
        if (arguments.length < 1) requireArguments(arguments.length, 1, context);
      } catch (error) {
        return rejected(error);
      }
      return perform(input, init, null);
    },
  };

  /** The request's body is not sent: a stream is cancelled. */
  function discard(state, reason) {
    const body = handOver(state, true);
    if (body[0] === KINDS.STREAM) giveUp(load("streams_readable").acquireReader(body[1]), reason);
  }

  return { __proto__: null, fetch, perform };
}
