// Response: Fetch, https://fetch.spec.whatwg.org/#response-class
//
// Its state is one object; the Headers object comes into being when the app touches it. Members that few apps use are in
// response_members.js and response_statics.js.
(platform) => {
  "use strict";
  const { load, statics, constructors, uncurry, defineMembers } = platform;
  const { RangeError } = constructors;
  const { requireArguments, fail, ByteString, keepShapes, modelOf, alike, defineInterface } =
    load("webidl_core");
  const { KINDS, TEXT_TYPE, convertBodyInit, extract, includeBody, getterOf } = load("body");
  const { NONE, TEXT, BYTES, WIRE } = KINDS;
  const { stringify } = statics.JSON;
  const { defineProperty } = statics.Object;
  const defineGetter = uncurry("Object", "__defineGetter__");
  const { isArray } = statics.Array;
  const exec = uncurry("RegExp", "exec");
  const { iterator } = Symbol;
  const INTERNAL = {};
  /** Set by websocket_pair.js, without which there is no WebSocket to respond with: ResponseInit's `webSocket`. */
  const extensions = { __proto__: null, webSocket: null };
  let stateOf, stateOrNull;
  /** headerlist.js, what headers.js makes, and body_source.js, from the first use: calls of `load` would show. */
  let headerLists, makeHeaders, bodySource;
  /** What a response has that most bodies and inits make; null where the rest of the constructor is to see to it. */
  let quickState = () => null;

  class Response {
    #state;
    constructor(body, init) {
      this.#state = body === INTERNAL ? init : (quickState(body, init) ?? makeState(body, init));
    }
    static json(data, init = undefined) {
      const context = "Failed to execute 'json' on 'Response'";
      if (arguments.length < 1) requireArguments(arguments.length, 1, context);
      const state = alike(withSource, TEXT, null);
      if (init !== undefined) convertResponseInit(state, init, context);
      const text = stringify(data);
      if (text === undefined) fail(context, "The data is not JSON serializable.");
      state.source = text;
      if (init === undefined) state.fields = ["content-type", "application/json"];
      else initialize(state, true, "application/json", context);
      return alike(model, state);
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
    static {
      stateOf = (response) => response.#state;
      stateOrNull = (value) => {
        try {
          // Most values are objects: this costs less than to make sure of it.
          return #state in value ? value.#state : null;
        } catch {
          return null;
        }
      };
    }
  }

  // What most responses never change lies on the prototype: an object costs by its own properties.
  const stateful = {
    __proto__: null,
    /** The header list; null for the one of a text without a ResponseInit, until somebody looks at it. */
    fields: null,
    get list() {
      return (this.fields ??= ["content-type", TEXT_TYPE]);
    },
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
  const states = keepShapes(stateful, ["kind", "source", "fields", "status"]);
  const withSource = states[1];
  const model = modelOf((state) => new Response(INTERNAL, state));
  function loadHeaders() {
    keepShapes(stateful, ["kind", "source", "fields", "headers"]);
    keepShapes(stateful, ["kind", "source", "fields", "stream", "headers"]);
    return (makeHeaders = load("headers").makeHeaders);
  }
  // For engine/builtins_responses.c, which knows all of these by their places. What is null headerlist.js, headers.js and
  // streams_late.js put there: without these there is none of it.
  const names = {
    __proto__: null,
    kind: null,
    source: null,
    stream: null,
    fields: null,
    status: getterOf(Response.prototype, "status"),
    statusText: getterOf(Response.prototype, "statusText"),
    headers: null,
    [iterator]: null,
    reader: null,
    disturbed: null,
    isImmutable: null,
  };
  const plain = ["content-type", TEXT_TYPE];
  const parts = [
    names, plain, withSource, states[2], states[3], extensions, model, plain[0] + "\n" + plain[1], null, null, null, null, null,
  ];
  const quickResponses = uncurry("Object", "quickResponses");
  function newState(status, list) {
    const state = alike(withSource, NONE, null);
    state.fields = list;
    state.status = status;
    return state;
  }

  /** The state that the constructor makes. */
  function makeState(body, init) {
    const context = "Failed to construct 'Response'";
    const state = alike(withSource, NONE, null);
    let type = null;
    let stream;
    const hasBody = body !== null && body !== undefined;
    if (hasBody) {
      if (typeof body === "object") stream = (bodySource ??= load("body_source")).asStream(body);
      if (stream === undefined) body = convertBodyInit(body, context);
    }
    if (init !== undefined) convertResponseInit(state, init, context);
    if (stream !== undefined) bodySource.extractStream(state, body, stream, context);
    else if (hasBody) type = extract(state, body, context, false);
    if (init === undefined) state.fields = type === null ? [] : ["content-type", type];
    else initialize(state, hasBody, type, context);
    return state;
  }

  /** Convert to ResponseInit: its members in order, into the `state` that they will be of, for `initialize` to check. */
  function convertResponseInit(state, init, context) {
    if (init === null) return;
    if (typeof init !== "object" && typeof init !== "function") {
      fail(context, "The value cannot be converted to ResponseInit: it is not an object.");
    }
    const { headers } = init;
    if (headers !== undefined) state.fields = (headerLists ??= load("headerlist")).convertInit(headers, context);
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

  /** "Initialize a response" whose status, statusText and fields (or null) are those of a converted ResponseInit. */
  function initialize(state, hasBody, type, context) {
    const { status, statusText } = state;
    if (state.webSocket !== null) {
      if (hasBody) fail(context, "Response with the null body status 101 cannot have a body.");
      state.status = 101;
    } else if (status < 200 || status > 599) {
      throw new RangeError(`${context}: The status provided (${status}) is outside the range [200, 599].`);
    }
    if (statusText !== "" && exec(/[^\t\x20-\x7e\x80-\xff]/, statusText) !== null) fail(context, "Invalid statusText");
    const { fields } = state;
    const list = fields === null || isArray(fields) ? fields : headerLists.fill(fields, context);
    if (hasBody && (status === 204 || status === 205 || status === 304)) {
      fail(context, `Response with the null body status ${status} cannot have a body.`);
    }
    if (list === null) {
      state.fields = type === null ? [] : ["content-type", type];
      return;
    }
    if (type !== null && headerLists.getValue(list, "content-type") === null) {
      list[list.length] = "content-type";
      list[list.length] = type;
    }
    state.fields = list;
  }

  defineInterface(Response, { length: 0 });
  defineMembers(Response, "response_statics");
  defineMembers(Response.prototype, "response_members");
  includeBody(Response.prototype, stateOf);
  let quickAnswer = () => false;
  if (quickResponses !== null) {
    quickState = quickResponses(parts, 0, null);
    quickAnswer = quickResponses(parts, 1, null);
    const getters = ["body", "bodyUsed", "headers"];
    for (let i = 0; i < getters.length; i++) {
      const getter = getterOf(Response.prototype, getters[i]);
      const quick = quickResponses(parts, 2 + i, getter);
      defineGetter(Response.prototype, getters[i], defineProperty(quick, "name", { __proto__: null, value: getter.name, configurable: true }));
    }
    names.headers = getterOf(Response.prototype, "headers");
  }

  return {
    __proto__: null,
    Response,
    INTERNAL,
    stateOf,
    /** The internal state of a Response; null for anything else. */
    stateOrNull,
    newState,
    stateful,
    extensions,
    /** The host gets an answer of most states, and true; false where nothing was done. */
    quickAnswer,
    parts,
    /** A response of status 101: `upgrade` is the record of websocket_server.js for the connection. */
    makeUpgrade(list, upgrade) {
      const state = newState(101, list);
      state.upgrade = upgrade;
      return new Response(INTERNAL, state);
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
