// WebSocket and CloseEvent: https://websockets.spec.whatwg.org/
//
// What a WebSocket is connected to is its link: an object with send(message), which returns the message's size in bytes,
// unsent(), the bytes that wait to be sent, close(code or null, reason), and isServer, which decides what codes it may
// close with. A client's link is a connection of the host
// (websocket_client.py), which hands over its events one by one, each in a turn of its own, and waits with the next until
// it is asked. Other links are in websocket_pair.js.
//
// Listeners have what was current for an AsyncLocalStorage where the WebSocket was made, as those of MessagePort do.
(platform) => {
  "use strict";
  const { load, constructors, uncurry, operation, promiseThen, makeError } = platform;
  const { STATES, isText, toMessage, toClose, sizeOf, syntaxError } = load("websocket_core");
  const { Uint8Array } = constructors;
  const idl = load("webidl");
  const { requireArguments, isObject, DOMString, USVString, defineInterface } = idl;
  const { Event, EventTarget, fire, defineHandler } = load("event");
  const host = platform.host("websocket");
  const url = platform.load("urlparser");
  const exec = uncurry("RegExp", "exec");
  const join = uncurry("Array", "join");
  const toLowerCase = uncurry("String", "toLowerCase");
  const symbolIterator = Symbol.iterator;
  const { CONNECTING, OPEN, CLOSING, CLOSED } = STATES;
  const INTERNAL = {};
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
    const seen = { __proto__: null };
    for (let i = 0; i < protocols.length; i++) {
      const name = protocols[i];
      if (exec(/^[!#-'*+\-.0-9A-Z^-z|~]+$/, name) === null) {
        throw syntaxError(`${context}: The subprotocol '${name}' is invalid.`);
      }
      const lower = toLowerCase(name);
      if (lower in seen) throw syntaxError(`${context}: The subprotocol '${name}' is duplicated.`);
      seen[lower] = true;
    }
  }

  /** The link of a client: the host's connection of that number. */
  const CLIENT = {
    __proto__: null,
    isServer: false,
    send(message) {
      const text = isText(message);
      if (load("ahead").goesAhead(message)) return host.send(this.number, null, text);
      // A long text crosses at less cost as UTF-8.
      return host.send(this.number, text && message.length >= 500 ? load("utf8").encode(message) : message, text);
    },
    unsent() {
      return host.unsent(this.number);
    },
    close(code, reason) {
      host.close(this.number, code, reason);
    },
  };

  /** Of a URL and protocols: no server takes more, and the host would be at it for long. */
  const MOST_CHARACTERS = 131072;

  let isWebSocket, internals;

  class WebSocket extends EventTarget {
    #url = "";
    #state = CONNECTING;
    #link = null;
    #protocol = "";
    #extensions = "";
    #binaryType = "blob";
    /** Bytes that were sent when it was too late; they stay in bufferedAmount. */
    #lost = 0;
    /** `fire` with what was current where it was made. */
    #fire = platform.bind?.(fire) ?? fire;

    constructor(url) {
      if (url === INTERNAL) {
        super();
        // As Workers have it: open from the start, and binary messages come as ArrayBuffers.
        this.#state = OPEN;
        this.#binaryType = "arraybuffer";
        this.#link = arguments[1];
        return;
      }
      const context = "Failed to construct 'WebSocket'";
      requireArguments(arguments.length, 1, context);
      super();
      url = USVString(url, context);
      const protocols = convertProtocols(arguments[1], context);
      this.#url = parse(url, context);
      checkProtocols(protocols, context);
      const joined = join(protocols, ",");
      const isTooLarge = this.#url.length + joined.length > MOST_CHARACTERS;
      const number = isTooLarge ? 0 : host.open(this.#url, joined, null);
      this.#link = { __proto__: CLIENT, number };
      if (number !== 0) listen(this, number);
      else {
        const why = isTooLarge ? "the handshake's request is too large" : "too many connections are open";
        load("timers").queueTask(() => internals.end(this, false, 1006, "", why));
      }
    }
    get url() {
      return this.#url;
    }
    get readyState() {
      return this.#state;
    }
    get bufferedAmount() {
      return this.#lost + this.#link.unsent();
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
      const state = this.#state;
      const end = toClose(arguments[0], arguments[1], "Failed to execute 'close' on 'WebSocket'", this.#link.isServer);
      if (state === CLOSING || state === CLOSED) return;
      this.#link.close(end[0], end[1]);
      this.#state = CLOSING;
    }
    send(data) {
      const context = "Failed to execute 'send' on 'WebSocket'";
      this.#state;
      requireArguments(arguments.length, 1, context);
      const message = toMessage(data, context);
      if (this.#state === CONNECTING) throw makeError("InvalidStateError", `${context}: Still in CONNECTING state.`);
      if (this.#state === OPEN) this.#link.send(message);
      else this.#lost += sizeOf(message);
    }

    static {
      isWebSocket = (value) => isObject(value) && #link in value;
      internals = {
        __proto__: null,
        linkOf: (socket) => socket.#link,
        stateOf: (socket) => socket.#state,
        setLink(socket, link) {
          socket.#link = link;
        },
        /** The connection is open now. */
        open(socket, protocol, extensions) {
          if (socket.#state !== CONNECTING) return;
          socket.#state = OPEN;
          socket.#protocol = protocol;
          socket.#extensions = extensions;
          socket.#fire(socket, new Event("open"));
        },
        /** What was agreed for a socket that was open from the start. */
        agree(socket, url, protocol, extensions) {
          socket.#url = url;
          socket.#protocol = protocol;
          socket.#extensions = extensions;
        },
        closing(socket) {
          socket.#state = CLOSING;
        },
        /** A message arrived: a string or an ArrayBuffer. `watch`: see `fire`. */
        receive(socket, data, watch) {
          if (socket.#state !== OPEN) return;
          if (typeof data !== "string" && socket.#binaryType === "blob") {
            data = load("blob").makeBlob(new Uint8Array(data), "");
          }
          const origin = socket.#url === "" ? "" : originOf(socket.#url);
          socket.#fire(socket, load("event_types").makeMessageEvent(data, origin), watch);
        },
        /** The connection is over. `failure`: why it failed, or null. */
        end(socket, wasClean, code, reason, failure, watch) {
          if (socket.#state === CLOSED) return;
          socket.#state = CLOSED;
          socket.#lost += socket.#link.unsent();
          if (failure !== null) {
            const { ErrorEvent } = load("event_types");
            const message = `WebSocket connection to '${socket.#url}' failed: ${failure}`;
            socket.#fire(socket, new ErrorEvent("error", { __proto__: null, message, error: new constructors.Error(message) }), watch);
          }
          socket.#fire(socket, new CloseEvent("close", { __proto__: null, wasClean, code, reason }), watch);
        },
      };
    }
  }
  defineInterface(WebSocket, { constants: { __proto__: null, CONNECTING, OPEN, CLOSING, CLOSED } });
  defineHandler(WebSocket, "onopen", isWebSocket);
  defineHandler(WebSocket, "onerror", isWebSocket);
  defineHandler(WebSocket, "onclose", isWebSocket);
  defineHandler(WebSocket, "onmessage", isWebSocket);

  /** Ask the host for the next event of a client's connection, and dispatch it. */
  function listen(socket, number) {
    promiseThen(
      operation((id) => host.next(id, number)),
      (event) => {
        if (event[0] === "closed") {
          internals.end(socket, event[1], event[2], event[3], event[4]);
          host.forget(number);
          return;
        }
        listen(socket, number);
        if (event[0] === "closing") internals.closing(socket);
        else if (event[0] === "open") internals.open(socket, event[1], event[2]);
        else internals.receive(socket, messageOf(event, number));
      },
    );
  }

  /** The message of an event of the connection of that number: a string or an ArrayBuffer. */
  function messageOf(event, number) {
    if (event[0] === "large") return load("large").take(host.take(number), event[1]);
    return event[0] === "text" ? decode(event[1]) : event[1];
  }
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

  return {
    __proto__: null,
    WebSocket,
    CloseEvent,
    internals,
    INTERNAL,
    CLIENT,
    listen,
    messageOf,
  };
}
