// Response: Fetch, https://fetch.spec.whatwg.org/#response-class
//
// Its state is one object; the Headers object comes into being when the app touches it.
(platform) => {
  "use strict";
  const { load, statics, constructors, uncurry } = platform;
  const { TypeError, RangeError } = constructors;
  const { requireArguments, fail, ByteString, USVString, keepShapes, keepShapesOf, defineInterface } =
    load("webidl_core");
  const { KINDS, TEXT_TYPE, convertBodyInit, extract, isUnusable, handOver, includeBody } = load("body");
  const { NONE, TEXT, BYTES, WIRE, SPENT } = KINDS;
  const { stringify } = statics.JSON;
  const exec = uncurry("RegExp", "exec");
  const toWellFormed = uncurry("String", "toWellFormed");
  const INTERNAL = {};
  /** Set by websocket_pair.js, without which there is no WebSocket to respond with: ResponseInit's `webSocket`. */
  const extensions = { __proto__: null, webSocket: null };
  let stateOf, isResponse;
  /** headerlist.js and what headers.js makes, from the first use: a call of `load` each time would show. */
  let headerLists, makeHeaders;

  class Response {
    #state;
    constructor(body = null, init = undefined) {
      if (body === INTERNAL) {
        this.#state = init;
        return;
      }
      const context = "Failed to construct 'Response'";
      let type = null;
      let state;
      if (typeof body === "string") {
        // What the two calls below do, for the most frequent body.
        state = this.#state = new State(null, TEXT, toWellFormed(body));
        if (init !== undefined) convertResponseInit(state, init, context);
        type = TEXT_TYPE;
      } else {
        state = this.#state = new State(null, NONE, null);
        if (body !== null) body = convertBodyInit(body, context);
        if (init !== undefined) convertResponseInit(state, init, context);
        if (body !== null) type = extract(state, body, context, false);
      }
      if (init === undefined) state.list = type === null ? [] : ["content-type", type];
      else initialize(state, body !== null, type, context);
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
      const state = new State(null, TEXT, null);
      if (init !== undefined) convertResponseInit(state, init, context);
      const text = stringify(data);
      if (text === undefined) fail(context, "The data is not JSON serializable.");
      state.source = text;
      initialize(state, true, "application/json", context);
      return new Response(INTERNAL, state);
    }
    get type() {
      return this.#state.type;
    }
    get url() {
      const { url } = this.#state;
      const fragment = uncurry("String", "indexOf")(url, "#");
      return fragment < 0 ? url : uncurry("String", "substring")(url, 0, fragment);
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
      return (state.headers ??= (makeHeaders ?? loadHeaders())(state.list, state.isImmutable));
    }
    /** As in Workers: the WebSocket of a response with the status 101. */
    get webSocket() {
      return this.#state.webSocket;
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
      isResponse = (value) => typeof value === "object" && value !== null && #state in value;
    }
  }

  // What most responses never change lies on the prototype: an object costs by its own properties.
  function State(list, kind, source) {
    this.list = list;
    this.kind = kind;
    this.source = source;
  }
  State.prototype = {
    __proto__: null,
    status: 200,
    statusText: "",
    headers: null,
    isImmutable: false,
    stream: null,
    shared: false,
    type: "default",
    url: "",
    redirected: false,
    webSocket: null,
  };
  keepShapes(State.prototype, ["list", "kind", "source", "stream"]);
  keepShapesOf(new Response(INTERNAL, null));
  function loadHeaders() {
    keepShapes(State.prototype, ["list", "kind", "source", "headers"]);
    keepShapes(State.prototype, ["list", "kind", "source", "stream", "headers"]);
    return (makeHeaders = load("headers").makeHeaders);
  }
  function newState(status, list) {
    const state = new State(list, NONE, null);
    state.status = status;
    return state;
  }

  /** Convert to ResponseInit: its members in order, into the `state` that they will be of, for `initialize` to check. */
  function convertResponseInit(state, init, context) {
    if (init === null) return;
    if (typeof init !== "object" && typeof init !== "function") {
      fail(context, "The value cannot be converted to ResponseInit: it is not an object.");
    }
    const { headers } = init;
    if (headers !== undefined) state.list = (headerLists ??= load("headerlist")).convertInit(headers, context);
    let { status } = init;
    if (status !== undefined && status !== 200) {
      if (typeof status !== "number" || (status & 0xffff) !== status) {
        status = load("webidl_numbers").unsignedShort(status, context);
      }
      state.status = status;
    }
    const { statusText } = init;
    if (statusText !== undefined && statusText !== "") state.statusText = ByteString(statusText, context);
    const { webSocket } = extensions;
    if (webSocket !== null) {
      const socket = webSocket(init, status, context);
      if (socket !== undefined) state.webSocket = socket;
    }
  }

  /** "Initialize a response" whose status, statusText and list (or null) are those of a converted ResponseInit. */
  function initialize(state, hasBody, type, context) {
    const { status, statusText } = state;
    if (state.webSocket !== null) {
      if (hasBody) fail(context, "Response with the null body status 101 cannot have a body.");
      state.status = 101;
    } else if (status < 200 || status > 599) {
      throw new RangeError(`${context}: The status provided (${status}) is outside the range [200, 599].`);
    }
    if (statusText !== "" && exec(/[^\t\x20-\x7e\x80-\xff]/, statusText) !== null) fail(context, "Invalid statusText");
    let { list } = state;
    if (list !== null) list = headerLists.fill(list, context);
    if (hasBody && (status === 204 || status === 205 || status === 304)) {
      fail(context, `Response with the null body status ${status} cannot have a body.`);
    }
    if (list === null) list = type === null ? [] : ["content-type", type];
    else if (type !== null && headerLists.getValue(list, "content-type") === null) {
      list[list.length] = "content-type";
      list[list.length] = type;
    }
    state.list = list;
  }

  defineInterface(Response);
  includeBody(Response.prototype, stateOf);

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
      if (state.kind === TEXT && state.stream === null) {
        // What `handOver` does, for the most frequent body.
        const { source } = state;
        state.kind = SPENT;
        state.source = null;
        return [state.status, state.statusText, fields, TEXT, source];
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
        state.kind = platform.buffers.isView(body) || load("webidl_buffers").isArrayBuffer(body) ? BYTES : WIRE;
        state.source = body;
      }
      return new Response(INTERNAL, state);
    },
  };
}
