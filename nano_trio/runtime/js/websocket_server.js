// WebSockets that clients open to the app: `ctx.upgrade(request, …)` in a fetch handler, and the handlers
// `export default { websocket: { open, message, close, error, drain } }`. No standard describes these; Bun's are alike.
//
// Theory of operation. The host owns the connections (actors/sockets.py) and calls an entry here for what happens to
// one, each in a turn of its own. A connection is known by its number; here a record stands for it, which says by its
// prototype how the app takes part: HANDLED (the handlers above) or one of websocket_pair.js (WebSocketPair). A record has
//   number             0 until the host has accepted the connection
//   wants()            what the host is to tell, see WANTS_OPEN in websocket_server.py
//   accepted(), refused()    what became of the 101 response
//   open(), message(data), drain(), close(code, reason, clean, wasOpened)
//   facade()           the object that the app knows the connection by
// What a handler throws, or rejects with, is logged; then its connection is closed with 1011, and no other.
(platform) => {
  "use strict";
  const { load, constructors, uncurry, promiseThen, promiseResolve } = platform;
  const { Map, TypeError } = constructors;
  const { requireArguments, fail, isObject, defineInterface, DOMString } = load("webidl_core");
  const { STATES, isText, toMessage, toClose, ahead } = load("websocket_core");
  const { OPEN, CLOSING, CLOSED, CONNECTING } = STATES;
  const { convertInit, fill, getValue } = load("headerlist");
  const { toRoom, subscribe, publish } = load("rooms");
  const host = platform.host("websocket_server");
  const get = uncurry("Map", "get");
  const set = uncurry("Map", "set");
  const remove = uncurry("Map", "delete");
  const split = uncurry("String", "split");
  const trim = uncurry("String", "trim");
  const toWellFormed = uncurry("String", "toWellFormed");
  const WANTS_OPEN = 1, WANTS_DRAIN = 2;
  const TOKEN = {};
  /** Records of the connections that the host knows, by number. */
  const records = new Map();
  /** The app's `websocket` export, from the first upgrade on. */
  let handlers = null;

  /** What handlers get: one WebSocket of a client. */
  class ServerWebSocket {
    #record;
    constructor(token, record, data) {
      if (token !== TOKEN) throw new TypeError("Illegal constructor");
      this.#record = record;
      this.data = data;
    }
    get readyState() {
      return this.#record.state;
    }
    get protocol() {
      return this.#record.protocol;
    }
    get remoteAddress() {
      return host.remote_address(this.#record.number);
    }
    get bufferedAmount() {
      return host.buffered(this.#record.number);
    }
    /** Queue a message; returns the bytes that wait to be sent then, this message among them. */
    send(data) {
      const { number } = this.#record;
      if (typeof data === "string") {
        data = toWellFormed(data);
        return host.send(number, data.length < 500 ? data : ahead(data), true);
      }
      const context = "Failed to execute 'send' on 'ServerWebSocket'";
      requireArguments(arguments.length, 1, context);
      const message = toMessage(data, context);
      return host.send(number, ahead(message), isText(message));
    }
    close() {
      const record = this.#record;
      const end = toClose(arguments[0], arguments[1], "Failed to execute 'close' on 'ServerWebSocket'", true);
      shut(record, end[0], end[1]);
    }
    subscribe(room) {
      subscribe(this.#record.number, toRoom(room, "Failed to execute 'subscribe' on 'ServerWebSocket'"));
    }
    unsubscribe(room) {
      host.unsubscribe(this.#record.number, toRoom(room, "Failed to execute 'unsubscribe' on 'ServerWebSocket'"));
    }
    isSubscribed(room) {
      return host.subscribed(this.#record.number, toRoom(room, "Failed to execute 'isSubscribed' on 'ServerWebSocket'"));
    }
    /** Send to all in a room but this one; returns how many those are. */
    publish(room, message) {
      const { number } = this.#record;
      const context = "Failed to execute 'publish' on 'ServerWebSocket'";
      requireArguments(arguments.length, 2, context);
      return publish(number, room, message, context);
    }
  }
  defineInterface(ServerWebSocket);

  /** Close a connection of HANDLED, unless that is under way. */
  function shut(record, code, reason) {
    if (record.state !== OPEN) return;
    record.state = CLOSING;
    host.close(record.number, code, reason);
  }

  const HANDLED = {
    __proto__: null,
    number: 0,
    protocol: "",
    wants() {
      return (handlers.open === undefined ? 0 : WANTS_OPEN) | (handlers.drain === undefined ? 0 : WANTS_DRAIN);
    },
    accepted() {
      this.state = OPEN;
      if (handlers.open === undefined) this.request = null;
    },
    refused() {
      this.state = CLOSED;
      this.request = null;
    },
    facade() {
      return this.ws;
    },
    open() {
      const { request } = this;
      this.request = null;
      try {
        watch(this, handlers.open(this.ws, request));
      } catch (error) {
        failed(this, error);
      }
    },
    message(data) {
      if (this.state !== OPEN || handlers.message === undefined) return;
      try {
        const result = handlers.message(this.ws, data);
        if (result !== undefined) watch(this, result);
      } catch (error) {
        failed(this, error);
      }
    },
    drain() {
      if (this.state !== OPEN) return;
      try {
        watch(this, handlers.drain(this.ws));
      } catch (error) {
        failed(this, error);
      }
    },
    close(code, reason, clean, wasOpened) {
      this.state = CLOSED;
      this.request = null;
      if (!wasOpened || handlers.close === undefined) return;
      try {
        watch(this, handlers.close(this.ws, code, reason));
      } catch (error) {
        failed(this, error);
      }
    },
  };

  /** A handler has returned: what it returned may be a promise. */
  function watch(record, result) {
    settles(record.number, result, (error) => failed(record, error));
  }

  /** Where `result` is a promise (or like one), the host waits for it with ever more messages; `reject(error)`. */
  function settles(number, result, reject) {
    if (!isObject(result)) return;
    const size = host.awaits(number);
    promiseThen(
      promiseResolve(result),
      () => host.settled(number, size),
      (error) => {
        host.settled(number, size);
        reject(error);
      },
    );
  }

  function report(error) {
    const described = load("report").describe(error);
    host.failed(described[0], described[1]);
  }

  /** A handler threw: the app's `error` handler may still say goodbye, then the connection is closed. */
  function failed(record, error) {
    report(error);
    try {
      if (handlers.error !== undefined) settles(record.number, handlers.error(record.ws, error), report);
    } catch (another) {
      report(another);
    }
    shut(record, 1011, "");
  }

  /** The option `protocol`, or the header that says the same: one of those that the client offered, or "". */
  function agree(request, list, protocol, context) {
    const given = getValue(list, "sec-websocket-protocol");
    if (given !== null && protocol !== undefined && given !== protocol) {
      fail(context, "'protocol' and the header Sec-WebSocket-Protocol differ.");
    }
    const chosen = protocol ?? given;
    if (chosen === null || chosen === undefined) return "";
    const offer = getValue(load("request").stateOf(request).list, "sec-websocket-protocol");
    const offered = offer === null ? [] : split(offer, ",");
    for (let i = 0; i < offered.length; i++) {
      if (trim(offered[i]) === chosen) {
        if (given === null) {
          list[list.length] = "sec-websocket-protocol";
          list[list.length] = chosen;
        }
        return chosen;
      }
    }
    const what = offer === null ? "none" : `'${offer}'`;
    return fail(context, `The protocol '${chosen}' was not offered by the client, which offers ${what}.`);
  }

  /** ctx.upgrade(request, { data, headers, protocol }); `exported` is the app's default export. */
  function upgrade(exported, request, options) {
    const context = "Failed to execute 'upgrade' on 'ExecutionContext'";
    if (!load("request").isRequest(request)) fail(context, "Argument 1 is not of type 'Request'.");
    if (options !== undefined && options !== null && !isObject(options)) fail(context, "Argument 2 is not an object.");
    if (handlers === null) {
      const { websocket } = exported;
      if (!isObject(websocket)) {
        fail(context, "The app has no handlers: it must `export default { fetch, websocket: { message(ws, data) {…} } }`.");
      }
      handlers = websocket;
    }
    const data = options?.data;
    const headers = options?.headers;
    const list = headers === undefined ? [] : fill(convertInit(headers, context), context);
    let protocol = options?.protocol;
    if (protocol !== undefined) protocol = DOMString(protocol, `${context}: 'protocol'`);
    protocol = agree(request, list, protocol, context);
    const record = { __proto__: HANDLED, number: 0, state: CONNECTING, ws: null, request };
    if (protocol !== "") record.protocol = protocol;
    record.ws = new ServerWebSocket(TOKEN, record, data);
    return load("response").makeUpgrade(list, record);
  }

  /**
   * The app answers the request `id` with a response of status 101, with these headers (joined by line feeds, or null);
   * throws where that cannot be.
   */
  function accept(id, state, statusText, headers) {
    const record = state.upgrade ?? load("websocket_pair").couple(state.webSocket);
    if (record.number !== 0 || record.state === CLOSED) throw new TypeError("This upgrade's response was used already.");
    record.number = host.accept(id, statusText, headers, record.wants());
    if (record.number === 0) {
      record.refused();
    } else {
      set(records, record.number, record);
      record.accepted();
    }
  }

  const { entries } = platform;
  entries.socketOpen = (number) => {
    get(records, number)?.open();
  };
  /** `how`: undefined for text or bytes; "boxed"; "text" or "bytes" where data is the number of what large.js takes. */
  entries.socketMessage = (number, data, how) => {
    if (how !== undefined) data = how === "boxed" ? data[0] : load("large").take(data, how === "text");
    get(records, number)?.message(data);
  };
  entries.socketDrain = (number) => {
    get(records, number)?.drain();
  };
  entries.socketClose = (number, code, reason, clean, wasOpened) => {
    const record = get(records, number);
    remove(records, number);
    record?.close(code, reason, clean, wasOpened);
  };

  return {
    __proto__: null,
    upgrade,
    accept,
    settles,
    /** The object that the app knows a connection by. */
    facadeOf: (number) => get(records, number)?.facade(),
  };
}
