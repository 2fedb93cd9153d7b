// From the host to the app's handlers and back: module loading, the fetch event, waitUntil, response bodies.
//
// Handlers come in three shapes: `export default { fetch(request, env, ctx) {} }`, a default-exported function, and
// `addEventListener("fetch", event => event.respondWith(…))` (Service Workers, section 4.5, "ExtendableEvent").
// Each request has a number that the host chose. A request whose response is known when its turn ends leaves nothing
// behind here; only those that wait are kept in `waiting`. What few apps do has files of its own: dispatch_streams.js,
// dispatch_script.js, fetch_event.js and lifetime.js.
(platform) => {
  "use strict";
  const { promiseThen, entries, statics, constructors, uncurry } = platform;
  const { TypeError, Map, Promise } = constructors;
  // The host functions belong to one app, and this file may be loaded before that is known.
  let host;
  const { fromHost, abortFromHost } = platform.load("request");
  const { stateOrNull, quickAnswer } = platform.load("response");
  const { KINDS, TEXT_TYPE, isUnusable, handOver } = platform.load("body");
  const { TEXT, BYTES, STREAM, WIRE } = KINDS;
  const mapGet = uncurry("Map", "get");
  const mapSet = uncurry("Map", "set");
  const mapDelete = uncurry("Map", "delete");
  const symbolToStringTag = Symbol.toStringTag;
  /** The headers of a text whose app says nothing of headers. */
  const PLAIN = "content-type\n" + TEXT_TYPE;
  const waiting = new Map();
  /** Of headerlist.js, which an app without headers does not load. */
  let linesOf = null;
  /** From the first promise of an answer. */
  let subscribe;
  let handler = null;
  let env;

  /** ctx of the handlers, as Workers have it. */
  class ExecutionContext {
    #id;
    constructor(token, id) {
      if (token !== waiting) throw new TypeError("Illegal constructor");
      this.#id = id;
    }
    /** Keep the app's work alive after the response, until `promise` settles. */
    waitUntil(promise) {
      platform.load("lifetime").extend(this.#id, promise);
    }
    /** The client's address, without a port; null once the request is over, and where another app asks. */
    get remoteAddress() {
      return platform.host("dispatch.client").remote_address(this.#id);
    }
    /** What the client's certificate says, where it gave one: subject, issuer, fingerprint, pem …; otherwise null. */
    get clientCertificate() {
      const told = platform.host("dispatch.client").client_certificate(this.#id);
      return told === null ? null : deepFreeze(statics.JSON.parse(told));
    }
    /** Accepted for portability: there is no origin behind an app to pass to. */
    passThroughOnException() {
      this.#id;
    }
    /** Accept the request's WebSocket for the app's `websocket` handlers; returns the response to answer with. */
    upgrade(request) {
      this.#id;
      return platform.load("websocket_server").upgrade(namespace.default, request, arguments[1]);
    }
    /** Send to all WebSockets in a room; returns how many those are. */
    publish(room, message) {
      this.#id;
      const context = "Failed to execute 'publish' on 'ExecutionContext'";
      platform.load("webidl_core").requireArguments(arguments.length, 2, context);
      return platform.load("rooms").publish(0, room, message, context);
    }
  }
  const { modelOf, alike } = platform.load("webidl_core");
  const model = modelOf((id) => new ExecutionContext(waiting, id));
  statics.Object.defineProperty(ExecutionContext.prototype, symbolToStringTag, {
    __proto__: null,
    value: "ExecutionContext",
    configurable: true,
  });

  let namespace;
  /** The app's entry module was evaluated: its namespace. */
  entries.take = (value) => {
    namespace = value;
  };

  /** The entry module is being evaluated: when that is done, tell the host whether the app can serve. */
  entries.load = (evaluated, environment, services) => {
    // This happens once, and takes 1.3 KB that nobody needs any more.
    entries.load = undefined;
    host = platform.host("dispatch");
    // Modules may have asked for it already, while they were evaluated.
    if (platform.isLoaded("settings")) env = platform.load("settings").env;
    else {
      env = statics.JSON.parse(environment);
      const names = statics.JSON.parse(services);
      for (let i = 0; i < names.length; i++) env[names[i]] = platform.load("service").makeFetcher(names[i]);
      deepFreeze(env);
    }
    const failed = (error) => {
      const described = platform.load("report").describe(error);
      platform.host("dispatch.failures").load_failed(described[0], described[1]);
    };
    promiseThen(
      evaluated,
      () => {
        // What is exported may be a proxy, or have a getter, and such a thing of the app may throw.
        try {
          const exported = namespace.default;
          if (isClass(exported)) {
            handler = platform.load("cloudflare").handlerOf(exported, (id) => alike(model, id), env);
            if (handler === null) return;
            host.loaded();
            return;
          }
          if (typeof exported === "function") {
            handler = (request, id) => exported(request, env, alike(model, id));
          } else if (typeof exported === "object" && exported !== null && typeof exported.fetch === "function") {
            handler = (request, id) => exported.fetch(request, env, alike(model, id));
          } else if (platform.load("event").hasListeners(undefined, "fetch")) {
            handler = platform.load("fetch_event").callListeners;
          } else {
            let found = "null";
            if (exported === undefined) found = "missing";
            else if (exported !== null) found = `a ${typeof exported}`;
            if (found === "a object") found = "an object without a method fetch";
            platform.host("dispatch.failures").load_failed(
              `the module has no handler: its default export is ${found}. It must ` +
                "`export default { fetch(request, env, ctx) {…} }` or a function, or call addEventListener(\"fetch\", …)",
              "",
            );
            return;
          }
          host.loaded();
        } catch (error) {
          failed(error);
        }
      },
      failed,
    );
  };

  /** Calling it would throw. Its `prototype` is the only one that cannot be written. */
  function isClass(value) {
    return typeof value === "function" && statics.Object.getOwnPropertyDescriptor(value, "prototype")?.writable === false;
  }

  function deepFreeze(value) {
    if (typeof value === "object" && value !== null) {
      const keys = statics.Object.keys(value);
      for (let i = 0; i < keys.length; i++) deepFreeze(value[keys[i]]);
      statics.Object.freeze(value);
    }
    return value;
  }

  /** A request: the handler's answer goes to the host now or when its promise settles. */
  entries.fetch = (id, method, url, headers, body) => {
    const request = fromHost(id, method, url, headers, body);
    let answer;
    try {
      answer = handler(request, id);
    } catch (error) {
      fail(id, error);
      return;
    }
    const state = stateOrNull(answer);
    if (state !== null) respond(id, state, request);
    else {
      mapSet(waiting, id, request);
      subscribe ??= uncurry("Promise", "subscribe");
      if (!subscribe(answer, id, answered, "constructor", Promise)) answerLater(id, answer);
    }
  };

  /** The handler promises an answer, or gave none. For what the app has its say in how it is awaited. */
  async function answerLater(id, answer) {
    try {
      answer = await answer;
    } catch (error) {
      answered(id, true, error);
      return;
    }
    answered(id, false, answer);
  }
  function answered(id, isRejected, answer) {
    const request = mapGet(waiting, id);
    mapDelete(waiting, id);
    try {
      const state = isRejected ? null : stateOrNull(answer);
      if (state !== null) respond(id, state, request);
      else if (isRejected) fail(id, answer);
      else platform.host("dispatch.failures").no_response(id, platform.load("report").describeValue(answer));
    } catch (error) {
      // The engine would say nothing of it.
      platform.reportException(error);
    }
  }

  function fail(id, error) {
    const described = platform.load("report").describe(error);
    platform.host("dispatch.failures").failed(id, described[0], described[1]);
  }

  /** The answer is a Response, of that state: its body is used from now on. */
  function respond(id, state, request) {
    if (quickAnswer(state, host.respond, id)) return;
    const { status, statusText, fields } = state;
    // Nearly all tell no reason, and a text takes longer to cross than that there is none.
    const reason = statusText || null;
    let joined = PLAIN;
    if (fields !== null) {
      try {
        linesOf ??= platform.load("headerlist").linesOf;
        joined = linesOf(fields, statusText, "The response's");
      } catch (error) {
        fail(id, error);
        return;
      }
    }
    const isHeld = state.kind === WIRE;
    let body;
    try {
      if (isUnusable(state)) throw new TypeError("The response's body has been used already or is locked.");
      if (status === 0) throw new TypeError("Response.error() is a network error and cannot be sent to a client.");
      body = handOver(state, true);
      // Of names that are here already: each that is new takes more than all the rest of this.
      if (body[0] === TEXT ? body[1].length > 262144 : body[0] === BYTES) {
        body = platform.load("body_source").handOver(body, !state.shared);
      }
      if (status === 101) {
        platform.load("websocket_server").accept(id, state, statusText, joined);
        return;
      }
    } catch (error) {
      fail(id, error);
      return;
    }
    if (body[0] === STREAM) {
      // While the body streams the client may still leave, which aborts request.signal.
      mapSet(waiting, id, request);
      host.respond(id, status, reason, platform.load("dispatch_streams").begin(id, body[1], joined), STREAM, null);
    } else {
      // A body that nothing here has read: the host pipes it, and says by the entry `piped` when it is through.
      if (isHeld) mapSet(waiting, id, request);
      host.respond(id, status, reason, joined, body[0], body[1]);
    }
  }

  /** A response body that the host piped is over. */
  entries.piped = (id) => mapDelete(waiting, id);

  /** The client left, the time is over or the response was given up. */
  entries.abort = (id, name, message) => {
    const request = mapGet(waiting, id);
    mapDelete(waiting, id);
    if (request !== undefined) abortFromHost(request, platform.makeError(name, message));
    if (platform.isLoaded("dispatch_streams")) platform.load("dispatch_streams").cancel(id, name, message);
  };
  return { __proto__: null, waiting, deepFreeze };
}
