// WebSocketPair and `new Response(null, { status: 101, webSocket })`, as Workers have them:
// https://developers.cloudflare.com/workers/runtime-apis/websockets/
//
// Theory of operation. A pair's two ends are WebSockets that are connected to each other. Each takes one of two ways: the
// app accepts it (then it sends and gets events), or it goes out with a response of status 101; then it stands for the
// client, and what the other end sends goes to the client's connection. Until one of these has happened, what arrives
// at an end waits in its queue. Between two accepted ends each message is a task; what comes from the client is
// dispatched in the turn in which it comes. A WebSocket that fetch() got (`response.webSocket`) has no other end but a
// connection of the host; sent out with a response its messages are handed on both ways.
(platform) => {
  "use strict";
  const { load, constructors, uncurry, statics, promiseThen, operation } = platform;
  const { TypeError, Set, Uint8Array } = constructors;
  const { requireArguments, isObject, copyBytes, viewInfo, isArrayBuffer, defineInterface } = load("webidl");
  const { STATES, isText, ahead } = load("websocket_core");
  const { WebSocket, internals, INTERNAL, CLIENT, listen, messageOf } = load("websocket");
  const { settles } = load("websocket_server");
  const { toRoom, subscribe, publish } = load("rooms");
  const host = platform.host("websocket_server");
  const { queueTask } = load("timers");
  const { defineProperty } = statics.Object;
  const shift = uncurry("Array", "shift");
  const add = uncurry("Set", "add");
  const has = uncurry("Set", "has");
  const remove = uncurry("Set", "delete");
  const forEach = uncurry("Set", "forEach");
  const NOT_ACCEPTED = "accept() must be called on this WebSocket before it can send or be closed.";
  const clients = platform.host("websocket");

  /** The link of an end that was not accepted, and of one that was sent out. */
  const NO_LINK = {
    __proto__: null,
    isServer: true,
    send() {
      throw new TypeError(NOT_ACCEPTED);
    },
    close() {
      throw new TypeError(NOT_ACCEPTED);
    },
    unsent: () => 0,
  };
  /** The link of an accepted end of a pair. */
  const PAIR = {
    __proto__: null,
    isServer: true,
    send(message) {
      const { other } = this.end;
      if (other.record !== null) host.send(other.record.number, ahead(message), isText(message));
      else push(other, { __proto__: null, data: isText(message) ? message : copyBytes(message), close: null });
    },
    close(code, reason) {
      const { other } = this.end;
      if (other.record !== null) host.close(other.record.number, code, reason);
      else push(other, { __proto__: null, data: null, close: [true, code, reason] });
    },
    unsent() {
      const { record } = this.end.other;
      return record === null ? 0 : host.buffered(record.number);
    },
  };

  let endOf, isEnd;

  /** An end of a pair, or what fetch() got. To the app it is a WebSocket with some methods more. */
  class Socket extends WebSocket {
    #end;
    constructor(client) {
      super(INTERNAL, NO_LINK);
      this.#end = {
        __proto__: null,
        socket: this,
        /** The pair's other end. */
        other: null,
        /** The number of the host's connection, where fetch() made it; else 0. */
        client,
        isAccepted: false,
        isStepping: false,
        /** What has arrived and waits: { data, close: null } or { data: null, close: [clean, code, reason] }. */
        queue: null,
        /** The record of the client's connection that this end was sent out for. */
        record: null,
        /** Rooms to enter when the other end is sent out. */
        rooms: null,
        attachment: null,
      };
    }
    accept() {
      const end = this.#end;
      if (end.record !== null) throw new TypeError("This WebSocket was sent out with a response; it cannot be accepted.");
      if (end.isAccepted) return;
      end.isAccepted = true;
      if (end.client !== 0) {
        internals.setLink(this, { __proto__: CLIENT, number: end.client });
        listen(this, end.client);
        return;
      }
      internals.setLink(this, { __proto__: PAIR, end });
      if (end.queue !== null) step(end);
    }
    /** Keep a copy of `value` with this connection. */
    serializeAttachment(value) {
      const end = this.#end;
      requireArguments(arguments.length, 1, "Failed to execute 'serializeAttachment' on 'WebSocket'");
      end.attachment = [load("structuredclone").structuredClone(value)];
    }
    /** A copy of what was kept, or null. */
    deserializeAttachment() {
      const { attachment } = this.#end;
      return attachment === null ? null : load("structuredclone").structuredClone(attachment[0]);
    }
    get remoteAddress() {
      return host.remote_address(numberOf(this.#end));
    }
    subscribe(room) {
      const end = this.#end;
      room = toRoom(room, "Failed to execute 'subscribe' on 'WebSocket'");
      const number = numberOf(end);
      if (number !== 0) subscribe(number, room);
      else if (internals.stateOf(this) === STATES.OPEN) add((end.rooms ??= new Set()), room);
    }
    unsubscribe(room) {
      const end = this.#end;
      room = toRoom(room, "Failed to execute 'unsubscribe' on 'WebSocket'");
      host.unsubscribe(numberOf(end), room);
      if (end.rooms !== null) remove(end.rooms, room);
    }
    isSubscribed(room) {
      const end = this.#end;
      room = toRoom(room, "Failed to execute 'isSubscribed' on 'WebSocket'");
      return end.rooms === null ? host.subscribed(numberOf(end), room) : has(end.rooms, room);
    }
    publish(room, message) {
      const number = numberOf(this.#end);
      const context = "Failed to execute 'publish' on 'WebSocket'";
      requireArguments(arguments.length, 2, context);
      return publish(number, room, message, context);
    }
    static {
      endOf = (socket) => socket.#end;
      isEnd = (value) => isObject(value) && #end in value;
    }
  }
  defineInterface(Socket, { name: "WebSocket" });
  // Apps see WebSocket alone.
  defineProperty(Socket.prototype, "constructor", { __proto__: null, value: WebSocket, writable: true, configurable: true });

  /** The client's connection that an end talks to, 0 where there is none (yet). */
  function numberOf(end) {
    return end.other === null || end.other.record === null ? 0 : end.other.record.number;
  }

  /** Something arrives at an end that cannot be dispatched at once. */
  function push(end, item) {
    if (internals.stateOf(end.socket) === STATES.CLOSED) return;
    const queue = (end.queue ??= []);
    queue[queue.length] = item;
    if (end.isAccepted && !end.isStepping) step(end);
  }
  function step(end) {
    end.isStepping = true;
    queueTask(() => {
      const item = shift(end.queue);
      if (end.queue.length > 0) step(end);
      else {
        end.queue = null;
        end.isStepping = false;
      }
      dispatch(end, item);
    });
  }
  function dispatch(end, item) {
    const { socket, other } = end;
    const record = other.record ?? undefined;
    if (item.close === null) {
      if (item.size !== undefined) host.settled(record.number, item.size);
      const data = item.data;
      internals.receive(socket, isText(data) || isArrayBuffer(data) ? data : viewInfo(data).buffer, record);
      return;
    }
    const code = item.close[1] ?? 1005;
    internals.end(socket, item.close[0], code, item.close[2], null, record);
    if (record !== undefined) return;
    // The closing handshake: the end that began it learns of the answer.
    push(other, { __proto__: null, data: null, close: [true, code, item.close[2]] });
  }

  /** The record of a client's connection whose app's end is `end`, and which `out` was sent out for. */
  const PAIRED = {
    __proto__: null,
    wants: () => 0,
    accepted() {
      const { out, end } = this;
      out.record = this;
      const { queue } = out;
      out.queue = null;
      for (let i = 0; queue !== null && i < queue.length; i++) {
        const { data, close } = queue[i];
        if (close === null) host.send(this.number, ahead(data), isText(data));
        else host.close(this.number, close[1], close[2]);
      }
      const { rooms } = end;
      end.rooms = null;
      if (rooms !== null) forEach(rooms, (room) => subscribe(this.number, room));
    },
    refused() {
      this.out.record = this;
      this.close(1006, "", false);
    },
    facade() {
      return this.end.socket;
    },
    message(data) {
      const { end } = this;
      if (end.isAccepted && end.queue === null) internals.receive(end.socket, data, this);
      else push(end, { __proto__: null, data, close: null, size: host.awaits(this.number) });
    },
    close(code, reason, clean) {
      const { end } = this;
      if (end.isAccepted && end.queue === null) internals.end(end.socket, clean, code, reason, null, this);
      else push(end, { __proto__: null, data: null, close: [clean, code, reason] });
    },
    // What became of the app's listeners, see `fire`.
    returned(result) {
      settles(this.number, result, (error) => {
        platform.reportException(error);
        this.threw();
      });
    },
    threw() {
      const { socket } = this.end;
      if (internals.stateOf(socket) === STATES.CLOSED) return;
      internals.closing(socket);
      host.close(this.number, 1011, "");
    },
  };

  /** The record of a client's connection whose messages go to a server's, and the other way round. */
  const PIPED = {
    __proto__: null,
    wants: () => 2,
    accepted() {
      this.out.record = this;
      this.pull();
    },
    refused() {
      clients.close(this.out.client, null, "");
      clients.forget(this.out.client);
    },
    facade: () => undefined,
    message(data) {
      this.link.send(isText(data) ? data : new Uint8Array(data));
    },
    drain() {
      this.pull();
    },
    close(code, reason) {
      this.isOver = true;
      // 1005 and 1006 are no codes to send.
      this.link.close(code === 1005 || code === 1006 ? null : code, code === 1006 ? "" : reason);
      this.pull();
    },
    /** Hand on the next event of the server, unless the client does not keep up. */
    pull() {
      if (this.isPulling || (!this.isOver && host.buffered(this.number) > 1048576)) return;
      this.isPulling = true;
      promiseThen(
        operation((id) => clients.next(id, this.out.client)),
        (event) => {
          this.isPulling = false;
          const kind = event[0];
          if (kind === "closed") {
            clients.forget(this.out.client);
            const code = event[2];
            host.close(this.number, code === 1005 ? null : code === 1006 ? 1011 : code, event[3]);
            return;
          }
          if (kind !== "closing" && kind !== "open") {
            const message = messageOf(event, this.out.client);
            host.send(this.number, ahead(message), isText(message));
          }
          this.pull();
        },
      );
    },
  };

  /** A response goes out with this WebSocket: the record for it. Throws where it cannot be sent out (any more). */
  function couple(socket) {
    if (socket === undefined) throw new TypeError("The response has the status 101 but no WebSocket.");
    const out = endOf(socket);
    if (out.isAccepted) throw new TypeError("The response's WebSocket was accepted by the app: the client cannot have it.");
    if (out.record !== null) throw new TypeError("The response's WebSocket was sent out already.");
    if (out.client === 0) return { __proto__: PAIRED, number: 0, out, end: out.other };
    const link = { __proto__: CLIENT, number: out.client };
    return { __proto__: PIPED, number: 0, out, link, isPulling: false, isOver: false };
  }

  /** ResponseInit's `webSocket`: undefined, or a WebSocket that can be sent out. */
  load("response").extensions.webSocket = (init, status, context) => {
    const { webSocket } = init;
    if (webSocket === undefined || webSocket === null) return undefined;
    if (!isEnd(webSocket)) {
      throw new TypeError(`${context}: 'webSocket' must be an end of a WebSocketPair, or a WebSocket from fetch().`);
    }
    if (status !== 101) throw new constructors.RangeError(`${context}: A response with a WebSocket must have the status 101.`);
    if (endOf(webSocket).isAccepted) {
      throw new TypeError(`${context}: The WebSocket was accepted; the other end of the pair is the one to send out.`);
    }
    return webSocket;
  };

  class WebSocketPair {
    constructor() {
      const sockets = [new Socket(0), new Socket(0)];
      endOf(sockets[0]).other = endOf(sockets[1]);
      endOf(sockets[1]).other = endOf(sockets[0]);
      for (let i = 0; i < 2; i++) {
        defineProperty(this, i, { __proto__: null, value: sockets[i], writable: true, enumerable: true, configurable: true });
      }
    }
  }
  defineInterface(WebSocketPair);

  return { __proto__: null, WebSocketPair, couple, makeClient: (number) => new Socket(number) };
}
