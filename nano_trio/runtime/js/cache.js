// Cache and CacheStorage: Service Workers, https://w3c.github.io/ServiceWorker/#cache-objects , and caches.default of
// Workers. Freshness, conditions and ranges are honoured as Workers do: see the host half.
//
// The responses lie with the host; requests and responses cross as strings of lines (cache.py). Bodies are handed over
// chunk by chunk, and come back as bytes where they are small, else as a source that is read piece by piece.
(platform) => {
  "use strict";
  const { load, constructors, statics, uncurry, operation, withResolvers } = platform;
  const { TypeError, FinalizationRegistry, Uint8Array } = constructors;
  const { freeze } = statics.Object;
  const { stringify, parse } = statics.JSON;
  const idl = load("webidl");
  const { requireArguments, fail, illegalConstructor, defineInterface, bytesForHost } = idl;
  const { isRequest, stateOf: requestState, fromHost: makeRequest, DEFAULTS } = load("request");
  const { stateOrNull, stateOf: responseState, fromHost: makeResponse } = load("response");
  const { KINDS, isUnusable, handOver } = load("body");
  const { getValue, linesOf } = load("headerlist");
  const host = platform.host("cache");
  const join = uncurry("Array", "join");
  const exec = uncurry("RegExp", "exec");
  const indexOf = uncurry("String", "indexOf");
  const slice = uncurry("String", "slice");
  const split = uncurry("String", "split");
  const trim = uncurry("String", "trim");
  const register = uncurry("FinalizationRegistry", "register");
  const TOKEN = {};
  const IGNORE_SEARCH = 1, IGNORE_VARY = 2, DEFAULT_CACHE = 0, PIECE = 1 << 17, SHARE = 1 << 20;
  const LONGEST_NAME = 1 << 16;

  const flag = (key) => ({ __proto__: null, key, converter: idl.boolean, defaultValue: false });
  const flags = [flag("ignoreMethod"), flag("ignoreSearch"), flag("ignoreVary")];
  const CacheQueryOptions = idl.dictionary("CacheQueryOptions", flags);
  const MultiCacheQueryOptions = idl.dictionary("MultiCacheQueryOptions", [
    flags[0],
    flags[1],
    flags[2],
    { __proto__: null, key: "cacheName", converter: idl.DOMString },
  ]);

  // Conversions -------------------------------------------------------------------------------------------------------

  function toRequestInfo(value, context) {
    return isRequest(value) ? value : idl.USVString(value, context);
  }
  /** The state of the Request that a converted RequestInfo is, or of the one made of it. */
  function stateOf(info, context) {
    return isRequest(info) ? requestState(info) : load("request_init").initialize(info, undefined, context);
  }
  /** A request as the host takes it: URL and headers, a line each. */
  function requestLines({ url, list }) {
    const lines = linesOf(list, url, "The request's");
    return lines === null ? url : url + "\n" + lines;
  }
  /** The Request that such lines stand for. */
  function fromLines(lines, options) {
    const end = indexOf(lines, "\n");
    const request =
      end < 0 ? makeRequest(0, "GET", lines, null, null) : makeRequest(0, "GET", slice(lines, 0, end), slice(lines, end + 1), null);
    requestState(request).options = options;
    return request;
  }
  /** What is asked for: { lines, flags }; null where a method other than GET matches nothing. */
  function toQuery(info, options, context) {
    const state = stateOf(info, context);
    if (state.method !== "GET" && !options.ignoreMethod) return null;
    const flags = (options.ignoreSearch ? IGNORE_SEARCH : 0) | (options.ignoreVary ? IGNORE_VARY : 0);
    return { __proto__: null, lines: requestLines(state), flags };
  }

  let registry = null;
  /** The Response of what the host found: [status, reason, type, redirected, url, headers, body]. */
  function toResponse(found) {
    let body = found[6];
    if (typeof body === "number") {
      body = { __proto__: null, from: "cache", id: body };
      // Its chunks are kept while somebody may read them.
      registry ??= new FinalizationRegistry((id) => host.drop(id));
      register(registry, body, body.id);
    }
    return makeResponse(found[0], found[1], found[5], body, found[4], found[3], found[2]);
  }

  // Storing -----------------------------------------------------------------------------------------------------------

  function checkRequest(state, context) {
    if (exec(/^https?:/, state.url) === null) fail(context, "Only requests for http and https can be stored.");
    if (state.method !== "GET") fail(context, `A request with the method ${state.method} cannot be stored.`);
  }
  function variesOnAll(list) {
    const vary = getValue(list, "vary");
    if (vary === null) return false;
    const names = split(vary, ",");
    for (let i = 0; i < names.length; i++) if (trim(names[i]) === "*") return true;
    return false;
  }
  function checkResponse(state, context) {
    if (state.status === 206) fail(context, "A partial response (206) cannot be stored.");
    if (variesOnAll(state.list)) fail(context, "A response with 'Vary: *' cannot be stored.");
    if (isUnusable(state)) fail(context, "The response's body has been read already or is locked.");
  }

  /**
   * Hand a response over to the host: a promise of the upload's number, 0 where it must not be stored. The response's
   * body is used at once.
   */
  function upload(request, state) {
    const { status, statusText, type, redirected, url, list } = state;
    const headers = linesOf(list, statusText, "The response's");
    const head = join([status, statusText, type, redirected ? 1 : 0, url], "\n");
    const lines = headers === null ? head : head + "\n" + headers;
    const number = host.upload(requestLines(request), lines, state.kind !== KINDS.NONE);
    const body = handOver(state, false);
    return number === 0 ? skip(body) : send(number, body[0], body[1]);
  }
  async function skip(body) {
    if (body[0] === KINDS.STREAM) await load("streams_readable").acquireReader(body[1]).cancel();
    return 0;
  }
  async function send(number, kind, body) {
    try {
      if (kind === KINDS.STREAM) await sendStream(number, load("streams_readable").acquireReader(body));
      else if (kind !== KINDS.NONE) await sendBytes(number, kind === KINDS.TEXT ? load("utf8").encode(body) : body);
      return number;
    } catch (error) {
      host.discard(number);
      throw error;
    }
  }
  /** Hand over `size` bytes; is it time to flush? Between two pieces the turn may be suspended, as in large.js. */
  function write(number, buffer, start, size) {
    let isFull = false;
    for (let at = 0; at < size; at += PIECE) {
      isFull = host.write(number, new Uint8Array(buffer, start + at, size - at < PIECE ? size - at : PIECE));
    }
    return isFull;
  }
  /** Share by share, so that a large body does not lie in memory a second time. */
  async function sendBytes(number, source) {
    const { buffer, byteOffset, byteLength } = spanOf(source);
    for (let at = 0; at < byteLength; at += SHARE) {
      const size = byteLength - at < SHARE ? byteLength - at : SHARE;
      if (write(number, buffer, byteOffset + at, size) && byteLength > SHARE) {
        await operation((id) => host.flush(id, number));
      }
    }
  }
  function spanOf(source) {
    if (platform.buffers.isView(source)) return idl.viewInfo(source);
    return { __proto__: null, buffer: source, byteOffset: 0, byteLength: platform.buffers.byteLength(source) };
  }
  async function sendStream(number, reader) {
    for (;;) {
      const chunk = await readChunk(reader);
      if (chunk === null) return;
      try {
        if (platform.buffers.viewTag(chunk.value) !== "Uint8Array") {
          throw new TypeError("A response body's stream gave something that is no Uint8Array");
        }
        const { buffer, byteOffset, byteLength } = spanOf(bytesForHost(chunk.value));
        if (write(number, buffer, byteOffset, byteLength)) await operation((id) => host.flush(id, number));
      } catch (error) {
        load("streams_core").handled(reader.cancel(error));
        throw error;
      }
    }
  }
  /** A promise of the next chunk in a box, null at the end. */
  function readChunk(reader) {
    const { promise, resolve, reject } = withResolvers();
    reader.read({
      __proto__: null,
      chunk: (value) => resolve({ __proto__: null, value }),
      close: () => resolve(null),
      error: reject,
    });
    return promise;
  }

  /** "Batch Cache Operations", all of them puts: the numbers of uploads, of which 0 is nothing to store. */
  async function commit(cache, numbers) {
    const stored = [];
    for (let i = 0; i < numbers.length; i++) if (numbers[i] !== 0) stored[stored.length] = numbers[i];
    if (stored.length > 0) await operation((id) => host.put(id, cache, join(stored, ",")));
  }

  /** addAll: fetch the requests, and store the responses once all are there; the first failure aborts the others. */
  async function fetchAndStore(cache, states, context) {
    const { newSignal, dependentSignal, signalAbort } = load("abort");
    const { signalOf } = load("request");
    const { fetch } = load("fetch");
    const abort = newSignal();
    const numbers = [];
    const { promise, resolve, reject } = withResolvers();
    let left = states.length;
    let isOver = left === 0;
    if (isOver) resolve();
    const give = (error) => {
      if (isOver) return;
      isOver = true;
      signalAbort(abort, platform.makeError("AbortError", "Another request of the same addAll() failed."));
      for (let i = 0; i < numbers.length; i++) if (numbers[i] > 0) host.discard(numbers[i]);
      reject(error);
    };
    const one = async (index) => {
      const state = states[index];
      const init = { __proto__: null, signal: dependentSignal([abort, signalOf(state)]) };
      const response = responseState(await fetch(fromLines(requestLines(state), state.options), init));
      if (response.status < 200 || response.status > 299) {
        fail(context, `The response of ${state.url} has the status ${response.status}.`);
      }
      checkResponse(response, context);
      const number = await upload(state, response);
      if (isOver) host.discard(number);
      numbers[index] = number;
      if (--left === 0 && !isOver) {
        isOver = true;
        resolve();
      }
    };
    for (let i = 0; i < states.length; i++) {
      numbers[i] = 0;
      platform.promiseThen(one(i), undefined, give);
    }
    await promise;
    await commit(cache, numbers);
  }

  // Interfaces --------------------------------------------------------------------------------------------------------

  class Cache {
    #number;
    constructor(token, number) {
      if (token !== TOKEN) illegalConstructor();
      this.#number = number;
    }
    async match(request) {
      const cache = this.#number;
      const context = "Failed to execute 'match' on 'Cache'";
      requireArguments(arguments.length, 1, context);
      const info = toRequestInfo(request, context);
      const query = toQuery(info, CacheQueryOptions(arguments[1], context), context);
      if (query === null) return undefined;
      const found = await operation((id) => host.match(id, cache, query.lines, query.flags));
      return found === null ? undefined : toResponse(found);
    }
    async matchAll() {
      const cache = this.#number;
      const context = "Failed to execute 'matchAll' on 'Cache'";
      const query = this.#optionalQuery(arguments[0], arguments[1], context);
      const found = query === null ? [] : await operation((id) => host.matchAll(id, cache, query.lines, query.flags));
      for (let i = 0; i < found.length; i++) found[i] = toResponse(found[i]);
      return freeze(found);
    }
    async add(request) {
      const cache = this.#number;
      const context = "Failed to execute 'add' on 'Cache'";
      requireArguments(arguments.length, 1, context);
      const state = stateOf(toRequestInfo(request, context), context);
      checkRequest(state, context);
      await fetchAndStore(cache, [state], context);
    }
    async addAll(requests) {
      const cache = this.#number;
      const context = "Failed to execute 'addAll' on 'Cache'";
      requireArguments(arguments.length, 1, context);
      const infos = idl.sequence(toRequestInfo)(requests, context);
      // Requests first, as the specification has it: a bad one fails before any string is parsed.
      for (let i = 0; i < infos.length; i++) if (isRequest(infos[i])) checkRequest(requestState(infos[i]), context);
      const states = [];
      for (let i = 0; i < infos.length; i++) {
        states[i] = stateOf(infos[i], context);
        checkRequest(states[i], context);
      }
      await fetchAndStore(cache, states, context);
    }
    async put(request, response) {
      const cache = this.#number;
      const context = "Failed to execute 'put' on 'Cache'";
      requireArguments(arguments.length, 2, context);
      const info = toRequestInfo(request, context);
      if (stateOrNull(response) === null) fail(context, "Argument 2 is not of type 'Response'.");
      const state = stateOf(info, context);
      checkRequest(state, context);
      checkResponse(responseState(response), context);
      await commit(cache, [await upload(state, responseState(response))]);
    }
    async delete(request) {
      const cache = this.#number;
      const context = "Failed to execute 'delete' on 'Cache'";
      requireArguments(arguments.length, 1, context);
      const info = toRequestInfo(request, context);
      const query = toQuery(info, CacheQueryOptions(arguments[1], context), context);
      return query === null ? false : operation((id) => host.remove(id, cache, query.lines, query.flags));
    }
    async keys() {
      const cache = this.#number;
      const context = "Failed to execute 'keys' on 'Cache'";
      const query = this.#optionalQuery(arguments[0], arguments[1], context);
      const found = query === null ? [] : await operation((id) => host.keys(id, cache, query.lines, query.flags));
      for (let i = 0; i < found.length; i++) found[i] = fromLines(found[i], DEFAULTS);
      return freeze(found);
    }
    #optionalQuery(request, options, context) {
      const info = request === undefined ? undefined : toRequestInfo(request, context);
      options = CacheQueryOptions(options, context);
      return info === undefined ? { __proto__: null, lines: null, flags: 0 } : toQuery(info, options, context);
    }
  }
  defineInterface(Cache);

  let isStorage;
  class CacheStorage {
    #default = new Cache(TOKEN, DEFAULT_CACHE);
    constructor(token) {
      if (token !== TOKEN) illegalConstructor();
    }
    /** Workers: the cache that is always there. */
    get default() {
      return this.#default;
    }
    async match(request) {
      isStorage(this);
      const context = "Failed to execute 'match' on 'CacheStorage'";
      requireArguments(arguments.length, 1, context);
      const info = toRequestInfo(request, context);
      const options = MultiCacheQueryOptions(arguments[1], context);
      const query = toQuery(info, options, context);
      if (query === null) return undefined;
      const cache = options.cacheName === undefined ? null : written(options.cacheName, context);
      const found = await operation((id) => host.match(id, cache, query.lines, query.flags));
      return found === null ? undefined : toResponse(found);
    }
    async has(cacheName) {
      const name = nameOf(this, arguments.length, cacheName, "has");
      return operation((id) => host.has(id, name));
    }
    async open(cacheName) {
      const name = nameOf(this, arguments.length, cacheName, "open");
      return new Cache(TOKEN, await operation((id) => host.open(id, name)));
    }
    async delete(cacheName) {
      const name = nameOf(this, arguments.length, cacheName, "delete");
      return operation((id) => host.deleteCache(id, name));
    }
    async keys() {
      isStorage(this);
      const names = await operation((id) => host.names(id));
      for (let i = 0; i < names.length; i++) names[i] = parse(names[i]);
      return names;
    }
    static {
      isStorage = (value) => value.#default;
    }
  }
  defineInterface(CacheStorage);

  /** A cache's name as the host takes it: JSON, as names may hold lone surrogates. */
  function nameOf(storage, count, name, method) {
    isStorage(storage);
    const context = `Failed to execute '${method}' on 'CacheStorage'`;
    requireArguments(count, 1, context);
    return written(idl.DOMString(name, context), context);
  }
  function written(name, context) {
    if (name.length > LONGEST_NAME) fail(context, `The name has more than ${LONGEST_NAME} characters.`);
    return stringify(name);
  }

  return { __proto__: null, Cache, CacheStorage, caches: new CacheStorage(TOKEN) };
}
