// Request: Fetch, https://fetch.spec.whatwg.org/#request-class
//
// Its state is one object, made without effort for a request from the host: the Headers and the signal come into being
// when the app touches them. The constructor's steps are in request_init.js, which apps that only receive never load, and
// members that few use in request_members.js.
(platform) => {
  "use strict";
  const { load, uncurry, defineMembers } = platform;
  const { requireArguments, keepShapes, modelOf, alike, defineInterface } = load("webidl_core");
  const { KINDS, includeBody } = load("body");
  const split = uncurry("String", "split");
  const INTERNAL = {};
  const DEFAULTS = {
    __proto__: null,
    cache: "default",
    credentials: "same-origin",
    integrity: "",
    keepalive: false,
    mode: "cors",
    redirect: "follow",
    referrer: "about:client",
    referrerPolicy: "",
  };
  // What an app receives it may pass on with fetch; redirects are its client's to follow, as in Workers.
  const RECEIVED = { __proto__: null, ...DEFAULTS, redirect: "manual" };
  let stateOf, isRequest;
  /** Of headers.js, from the first use. */
  let makeHeaders;
  /** Once a request with a body has arrived. */
  let withBody;

  class Request {
    #state;
    constructor(input, init) {
      if (input === INTERNAL) {
        this.#state = init;
        return;
      }
      const context = "Failed to construct 'Request'";
      if (arguments.length < 1) requireArguments(arguments.length, 1, context);
      this.#state = load("request_init").initialize(input, init, context);
    }
    get method() {
      return this.#state.method;
    }
    get url() {
      return this.#state.url;
    }
    get headers() {
      const state = this.#state;
      return (state.headers ??= (makeHeaders ?? loadHeaders())(state.list, state.isImmutable));
    }
    get signal() {
      return signalOf(this.#state);
    }
    static {
      stateOf = (request) => request.#state;
      isRequest = (value) => typeof value === "object" && value !== null && #state in value;
    }
  }

  // What most requests never have lies on the prototype: an object costs by its own properties.
  function State(method, url, list, options, isImmutable) {
    this.method = method;
    this.url = url;
    this.list = list;
    this.options = options;
    this.isImmutable = isImmutable;
  }
  State.prototype = {
    __proto__: null,
    headers: null,
    kind: KINDS.NONE,
    source: null,
    stream: null,
    shared: false,
    signal: null,
    /** What the signal depends on: an AbortSignal, the state of another request, or null. */
    follow: null,
    /** [reason] where the host aborted the request before there was a signal. */
    aborted: null,
  };
  function newState(method, url, list, options, isImmutable) {
    return new State(method, url, list, options, isImmutable);
  }
  /** Of the state of a request that arrived. Its headers come as one string and become a list when somebody looks. */
  const received = {
    __proto__: State.prototype,
    options: RECEIVED,
    isImmutable: true,
    fields: null,
    get list() {
      return (this.fields ??= this.raw === null ? [] : split(this.raw, "\n"));
    },
  };

  const withoutBody = keepShapes(received, ["method", "url", "raw"])[2];
  const model = modelOf((state) => new Request(INTERNAL, state));
  function loadHeaders() {
    keepShapes(received, ["method", "url", "raw", "fields", "headers"]);
    return (makeHeaders = load("headers").makeHeaders);
  }

  /** The request's signal, made at the first use. */
  function signalOf(state) {
    if (state.signal === null) {
      const { newSignal, dependentSignal, isAbortSignal, signalAbort } = load("abort");
      const { follow, aborted } = state;
      if (follow === null) state.signal = newSignal();
      else state.signal = dependentSignal([isAbortSignal(follow) ? follow : signalOf(follow)]);
      if (aborted !== null) signalAbort(state.signal, aborted[0]);
    }
    return state.signal;
  }

  defineInterface(Request, { length: 1 });
  defineMembers(Request.prototype, "request_members");
  includeBody(Request.prototype, stateOf);

  return {
    __proto__: null,
    Request,
    isRequest,
    /** The internal state of a Request; throws a TypeError for anything else. */
    stateOf,
    newState,
    INTERNAL,
    DEFAULTS,
    signalOf,
    /**
     * A request that arrived. `raw`: name, value … joined by line feeds, with names in lower case, null for none;
     * `body`: null, text where its bytes are UTF-8 without a byte order mark, an ArrayBuffer, or true where it is still
     * on the wire and host("body") reads it by `id`.
     */
    fromHost(id, method, url, raw, body) {
      if (body === null) return alike(model, alike(withoutBody, method, url, raw));
      let kind = typeof body === "string" ? KINDS.TEXT : KINDS.BYTES;
      if (body === true) {
        kind = KINDS.WIRE;
        body = { __proto__: null, from: "body", id };
      }
      withBody ??= keepShapes(received, ["method", "url", "raw", "kind", "source"])[4];
      return alike(model, alike(withBody, method, url, raw, kind, body));
    },
    /** Abort the request's signal, or see to it that it is aborted when the app first looks. */
    abortFromHost(request, reason) {
      const state = stateOf(request);
      if (state.signal !== null) load("abort").signalAbort(state.signal, reason);
      else state.aborted ??= [reason];
    },
  };
}
