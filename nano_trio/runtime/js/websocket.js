// WebSocket and CloseEvent: https://websockets.spec.whatwg.org/
//
// The connection is the host's (websocket_client.py). It hands over its events one by one, each in a turn of its own,
// and waits with the next until it is asked.
(platform) => {
  "use strict";
  const { load, constructors, uncurry, operation, promiseThen, makeError } = platform;
  const { Uint8Array } = constructors;
  const idl = load("webidl");
  const { requireArguments, isObject, DOMString, USVString, defineInterface } = idl;
  const { Event, EventTarget, fire, defineHandler } = load("event");
  const host = platform.host("websocket");
  const url = platform.host("url");
  const exec = uncurry("RegExp", "exec");
  const indexOf = uncurry("Array", "indexOf");
  const join = uncurry("Array", "join");
  const toLowerCase = uncurry("String", "toLowerCase");
  const symbolIterator = Symbol.iterator;
  const CONNECTING = 0, OPEN = 1, CLOSING = 2, CLOSED = 3;
  const member = (key, converter, defaultValue) => ({ __proto__: null, key, converter, defaultValue });
  const CloseEventInit = idl.dictionary("CloseEventInit", [
    member("code", idl.unsignedShort, 0),
    member("reason", USVString, ""),
    member("wasClean", idl.boolean, false),
  ]);

  class CloseEvent extends Event {
    #init;
    constructor(type) {
      requireArguments(arguments.length, 1, "Failed to construct 'CloseEvent'");
      super(type, arguments[1]);
      this.#init = CloseEventInit(arguments[1], "Failed to construct 'CloseEvent'");
    }
    get wasClean() {
      return this.#init.wasClean;
    }
    get code() {
      return this.#init.code;
    }
    get reason() {
      return this.#init.reason;
    }
  }
  defineInterface(CloseEvent);

  /** A DOMException of that name: the error that this standard means by "SyntaxError". */
  function syntaxError(message) {
    return new (load("domexception").DOMException)(message, "SyntaxError");
  }

  /** The URL to connect to, as a string; throws a SyntaxError (constructor, steps 2 to 8). */
  function parse(value, context) {
    let href = url.parse(value);
    if (href === null) throw syntaxError(`${context}: The URL '${value}' is invalid.`);
    if (exec(/^https?:/, href) !== null) href = url.set(href, "protocol", exec(/^https/, href) === null ? "ws" : "wss");
    if (exec(/^wss?:/, href) === null) {
      throw syntaxError(`${context}: The URL's scheme must be 'ws', 'wss', 'http' or 'https'.`);
    }
    if (exec(/#/, href) !== null) throw syntaxError(`${context}: The URL has a fragment.`);
    return href;
  }
  function convertProtocols(value, context) {
    if (value === undefined) return [];
    if (isObject(value)) {
      const method = value[symbolIterator];
      if (method !== undefined && method !== null) return idl.sequenceFromIterable(value, method, DOMString, context);
    }
    return [DOMString(value, context)];
  }
  function checkProtocols(protocols, context) {
    const seen = [];
    for (let i = 0; i < protocols.length; i++) {
      const name = protocols[i];
      if (exec(/^[!#-'*+\-.0-9A-Z^-z|~]+$/, name) === null) {
        throw syntaxError(`${context}: The subprotocol '${name}' is invalid.`);
      }
      const lower = toLowerCase(name);
      if (indexOf(seen, lower) >= 0) throw syntaxError(`${context}: The subprotocol '${name}' is duplicated.`);
      seen[i] = lower;
    }
  }

  let isWebSocket;

  class WebSocket extends EventTarget {
    #url;
    #state = CONNECTING;
    #number = 0;
    #protocol = "";
    #extensions = "";
    #binaryType = "blob";
    /** Bytes that were sent when it was too late; they stay in bufferedAmount. */
    #lost = 0;

    constructor(url) {
      const context = "Failed to construct 'WebSocket'";
      requireArguments(arguments.length, 1, context);
      super();
      url = USVString(url, context);
      const protocols = convertProtocols(arguments[1], context);
      this.#url = parse(url, context);
      checkProtocols(protocols, context);
      this.#number = host.open(this.#url, join(protocols, ","));
      if (this.#number === 0) load("timers").queueTask(() => this.#end(false, 1006, "", "too many connections are open"));
      else this.#listen();
    }
    get url() {
      return this.#url;
    }
    get readyState() {
      return this.#state;
    }
    get bufferedAmount() {
      return this.#lost + host.unsent(this.#number);
    }
    get extensions() {
      return this.#extensions;
    }
    get protocol() {
      return this.#protocol;
    }
    get binaryType() {
      return this.#binaryType;
    }
    set binaryType(value) {
      this.#state;
      value = DOMString(value, "Failed to set 'binaryType' on 'WebSocket'");
      if (value === "blob" || value === "arraybuffer") this.#binaryType = value;
    }
    close() {
      const context = "Failed to execute 'close' on 'WebSocket'";
      const state = this.#state;
      let code = arguments[0] === undefined ? null : idl.unsignedShort(arguments[0], context, { clamp: true });
      const reason = arguments[1] === undefined ? "" : USVString(arguments[1], context);
      if (code !== null && code !== 1000 && (code < 3000 || code > 4999)) {
        throw makeError("InvalidAccessError", `${context}: The code must be 1000, or from 3000 to 4999; ${code} is neither.`);
      }
      if (reason !== "") {
        if (platform.buffers.byteLength(load("utf8").encode(reason)) > 123) {
          throw syntaxError(`${context}: The reason is longer than 123 bytes.`);
        }
        code ??= 1000;
      }
      if (state === CLOSING || state === CLOSED) return;
      this.#state = CLOSING;
      host.close(this.#number, code, reason);
    }
    send(data) {
      const context = "Failed to execute 'send' on 'WebSocket'";
      this.#state;
      requireArguments(arguments.length, 1, context);
      let isText = false;
      if (platform.buffers.isView(data) || idl.isArrayBuffer(data)) {
        data = idl.bytesForHost(idl.BufferSource(data, context));
      } else if (isObject(data) && platform.isLoaded("blob") && load("blob").isBlob(data)) {
        data = idl.bytesForHost(load("blob").bytesOf(data));
      } else {
        data = USVString(data, context);
        isText = true;
        if (data.length >= 500) data = load("utf8").encode(data);
      }
      if (this.#state === CONNECTING) throw makeError("InvalidStateError", `${context}: Still in CONNECTING state.`);
      if (this.#state === OPEN) host.send(this.#number, data, isText);
      else this.#lost += host.send(0, data, isText);
    }

    /** Ask the host for the next event, and dispatch it. */
    #listen() {
      promiseThen(
        operation((id) => host.next(id, this.#number)),
        (event) => {
          if (event[0] === "closed") {
            this.#end(event[1], event[2], event[3], event[4]);
            return;
          }
          this.#listen();
          if (event[0] === "message") this.#receive(event[1]);
          else if (event[0] === "text") this.#receive(decode(event[1]));
          else if (event[0] === "closing") this.#state = CLOSING;
          else if (this.#state === CONNECTING) {
            this.#state = OPEN;
            this.#protocol = event[1];
            this.#extensions = event[2];
            fire(this, new Event("open"));
          }
        },
      );
    }
    #receive(data) {
      if (this.#state !== OPEN) return;
      if (typeof data !== "string" && this.#binaryType === "blob") data = load("blob").makeBlob(new Uint8Array(data), "");
      const { MessageEvent } = load("event_types");
      const origin = originOf(this.#url);
      fire(this, new MessageEvent("message", { __proto__: null, data, origin }));
    }
    #end(wasClean, code, reason, failure) {
      this.#state = CLOSED;
      this.#lost += host.unsent(this.#number);
      host.forget(this.#number);
      if (failure !== null) {
        const { ErrorEvent } = load("event_types");
        const message = `WebSocket connection to '${this.#url}' failed: ${failure}`;
        fire(this, new ErrorEvent("error", { __proto__: null, message, error: new constructors.Error(message) }));
      }
      fire(this, new CloseEvent("close", { __proto__: null, wasClean, code, reason }));
    }

    static {
      isWebSocket = (value) => isObject(value) && #number in value;
    }
  }
  defineInterface(WebSocket, { constants: { __proto__: null, CONNECTING, OPEN, CLOSING, CLOSED } });
  defineHandler(WebSocket, "onopen", isWebSocket);
  defineHandler(WebSocket, "onerror", isWebSocket);
  defineHandler(WebSocket, "onclose", isWebSocket);
  defineHandler(WebSocket, "onmessage", isWebSocket);

  /** A long text: UTF-8, whose byte order mark is part of it. */
  function decode(buffer) {
    const bytes = new Uint8Array(buffer);
    const text = load("utf8").decode(buffer);
    return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? "\ufeff" + text : text;
  }
  function originOf(href) {
    const parts = exec(/^(wss?:\/\/)(?:[^/@]*@)?([^/]*)/, href);
    return parts[1] + parts[2];
  }

  return { __proto__: null, WebSocket, CloseEvent };
}
