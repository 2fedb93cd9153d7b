// Response: Fetch, https://fetch.spec.whatwg.org/#response-class
//
// Its state is one object; the Headers object comes into being when the app touches it.
(platform) => {
  "use strict";
  const { load, statics, constructors, uncurry } = platform;
  const { TypeError, RangeError } = constructors;
  const { requireArguments, fail, isObject, ByteString, USVString, defineInterface } = load("webidl_core");
  const { KINDS, convertBodyInit, extract, isUnusable, handOver, includeBody } = load("body");
  const { stringify } = statics.JSON;
  const exec = uncurry("RegExp", "exec");
  const indexOf = uncurry("String", "indexOf");
  const substring = uncurry("String", "substring");
  const INTERNAL = {};
  /** Set by websocket_pair.js, without which there is no WebSocket to respond with: ResponseInit's `webSocket`. */
  const extensions = { __proto__: null, webSocket: null };
  let stateOf, isResponse;
  /** headerlist.js, from the first header that the app sets. */
  let headerLists;

  class Response {
    #state;
    constructor(body = null, init = undefined) {
      if (body === INTERNAL) {
        this.#state = init;
        return;
      }
      const context = "Failed to construct 'Response'";
      if (body !== null) body = convertBodyInit(body, context);
      const options = init === undefined ? null : convertResponseInit(init, context);
      const state = (this.#state = newState(200, null));
      const type = body === null ? null : extract(state, body, context, false);
      initialize(state, options, body !== null, type, context);
    }
    static error() {
      const state = newState(0, []);
      state.type = "error";
      state.isImmutable = true;
      return new Response(INTERNAL, state);
    }
    static redirect(url, status = 302) {
      const context = "Failed to execute 'redirect' on 'Response'";
      if (arguments.length < 1) requireArguments(arguments.length, 1, context);
      url = USVString(url, context);
      status = load("webidl_numbers").unsignedShort(status, context);
      const href = platform.host("url").parse(url);
      if (href === null) fail(context, `Failed to parse URL from ${url}`);
      if (status !== 301 && status !== 302 && status !== 303 && status !== 307 && status !== 308) {
        throw new RangeError(`${context}: Invalid status code ${status}`);
      }
      const state = newState(status, ["location", href]);
      state.isImmutable = true;
      return new Response(INTERNAL, state);
    }
    static json(data, init = undefined) {
      const context = "Failed to execute 'json' on 'Response'";
      if (arguments.length < 1) requireArguments(arguments.length, 1, context);
      const options = init === undefined ? null : convertResponseInit(init, context);
      const text = stringify(data);
      if (text === undefined) fail(context, "The data is not JSON serializable.");
      const state = newState(200, null);
      state.kind = KINDS.TEXT;
      state.source = text;
      initialize(state, options, true, "application/json", context);
      return new Response(INTERNAL, state);
    }
    get type() {
      return this.#state.type;
    }
    get url() {
      const { url } = this.#state;
      const fragment = indexOf(url, "#");
      return fragment < 0 ? url : substring(url, 0, fragment);
    }
    get redirected() {
      return this.#state.redirected;
    }
    get status() {
      return this.#state.status;
    }
    get ok() {
      const { status } = this.#state;
      return status >= 200 && status <= 299;
    }
    get statusText() {
      return this.#state.statusText;
    }
    get headers() {
      const state = this.#state;
      return (state.headers ??= load("headers").makeHeaders(state.list, state.isImmutable));
    }
    /** As in Workers: the WebSocket of a response with the status 101. */
    get webSocket() {
      return this.#state.webSocket ?? null;
    }
    clone() {
      const state = this.#state;
      if (isUnusable(state)) fail("Failed to execute 'clone' on 'Response'", "The body has been read already or is locked.");
      const clone = newState(state.status, load("headerlist").copy(state.list));
      clone.statusText = state.statusText;
      clone.type = state.type;
      clone.url = state.url;
      clone.redirected = state.redirected;
      clone.isImmutable = state.isImmutable;
      load("body_source").cloneBody(state, clone);
      return new Response(INTERNAL, clone);
    }
    static {
      stateOf = (response) => response.#state;
      isResponse = (value) => isObject(value) && #state in value;
    }
  }

  // What most responses never change lies on the prototype: an object costs by its own properties.
  function State(status, list) {
    this.status = status;
    this.list = list;
  }
  State.prototype = {
    __proto__: null,
    statusText: "",
    headers: null,
    isImmutable: false,
    kind: KINDS.NONE,
    source: null,
    stream: null,
    used: false,
    shared: false,
    type: "default",
    url: "",
    redirected: false,
  };
  function newState(status, list) {
    return new State(status, list);
  }

  /** Convert to ResponseInit: its members in order, those that are absent undefined. */
  function convertResponseInit(init, context) {
    if (init === null) return null;
    if (!isObject(init)) fail(context, "The value cannot be converted to ResponseInit: it is not an object.");
    let { headers } = init;
    if (headers !== undefined) headers = (headerLists ??= load("headerlist")).convertInit(headers, context);
    let { status } = init;
    if (status !== undefined && (typeof status !== "number" || (status & 0xffff) !== status)) {
      status = load("webidl_numbers").unsignedShort(status, context);
    }
    let { statusText } = init;
    if (statusText !== undefined && statusText !== "") statusText = ByteString(statusText, context);
    const { webSocket } = extensions;
    return { headers, status, statusText, webSocket: webSocket === null ? undefined : webSocket(init, status, context) };
  }

  /** "Initialize a response" that has no header list yet; `options` are converted, or null. */
  function initialize(state, options, hasBody, type, context) {
    let list = null;
    if (options !== null) {
      const { headers, status, statusText } = options;
      if (options.webSocket !== undefined) {
        if (hasBody) fail(context, "Response with the null body status 101 cannot have a body.");
        state.status = 101;
        state.webSocket = options.webSocket;
      } else if (status !== undefined) {
        if (status < 200 || status > 599) {
          throw new RangeError(`${context}: The status provided (${status}) is outside the range [200, 599].`);
        }
        state.status = status;
      }
      if (statusText !== undefined && statusText !== "") {
        if (exec(/[^\t\x20-\x7e\x80-\xff]/, statusText) !== null) fail(context, "Invalid statusText");
        state.statusText = statusText;
      }
      if (headers !== undefined) list = headerLists.fill(headers, context);
      if (hasBody && (status === 204 || status === 205 || status === 304)) {
        fail(context, `Response with the null body status ${status} cannot have a body.`);
      }
    }
    if (list === null) list = type === null ? [] : ["content-type", type];
    else if (type !== null && headerLists.getValue(list, "content-type") === null) {
      list[list.length] = "content-type";
      list[list.length] = type;
    }
    state.list = list;
  }

  includeBody(Response, (response) => stateOf(response));
  defineInterface(Response);

  return {
    __proto__: null,
    Response,
    /** Is `value` a Response of the platform? */
    isResponse,
    stateOf,
    extensions,
    /** A response of status 101: `upgrade` is the record of websocket_server.js for the connection. */
    makeUpgrade(list, upgrade) {
      const state = newState(101, list);
      state.upgrade = upgrade;
      return new Response(INTERNAL, state);
    },
    /**
     * What the server needs: [status, statusText, flatHeaders | null, kind, body], with kind 0 none, 1 a string, 2 an
     * ArrayBuffer or Uint8Array, 3 a ReadableStream; where `takesWire`, 5: { from, id } of an untouched body that the
     * host has. The body is used from now on; a TypeError where it was used before.
     */
    forHost(response, takesWire = false) {
      const state = stateOf(response);
      if (isUnusable(state)) throw new TypeError("The response's body has been used already or is locked.");
      if (state.status === 0) throw new TypeError("Response.error() is a network error and cannot be sent to a client.");
      const { list } = state;
      const fields = list.length === 0 ? null : list;
      if (state.kind === KINDS.TEXT && state.stream === null) {
        // What `handOver` does, for the most frequent body.
        const { source } = state;
        state.used = true;
        state.source = null;
        return [state.status, state.statusText, fields, KINDS.TEXT, source];
      }
      const body = handOver(state, takesWire);
      return [state.status, state.statusText, fields, body[0], body[1]];
    },
    /**
     * A response that arrived: `flatHeaders` with names in lower case; `body` null, an ArrayBuffer, or { from, id } of a
     * body that the host module `from` reads; `url` the final one; `redirected` whether it is another than the first.
     */
    fromHost(status, statusText, flatHeaders, body, url = "", redirected = false, type = "basic") {
      const state = newState(status, flatHeaders);
      state.statusText = statusText;
      state.isImmutable = true;
      state.type = type;
      state.url = url;
      state.redirected = redirected;
      if (body !== null) {
        state.kind = platform.buffers.isView(body) || load("webidl_buffers").isArrayBuffer(body) ? KINDS.BYTES : KINDS.WIRE;
        state.source = body;
      }
      return new Response(INTERNAL, state);
    },
  };
}
