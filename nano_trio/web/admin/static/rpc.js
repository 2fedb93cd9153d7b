// JSON-RPC 2.0 over the admin's WebSocket: calls, subscriptions, and a connection that comes back.

const UNAUTHORIZED = -32001;
const LONGEST_PAUSE_MS = 10_000;

export class RpcError extends Error {
  constructor(error) {
    super(error.data?.problems?.join("\n") ?? error.data?.detail ?? error.message);
    this.code = error.code;
  }
}

export class Rpc extends EventTarget {
  #socket = null;
  #last = 0;
  #calls = new Map();
  #streams = new Set();
  #pause = 500;
  #refused = "";
  #askToken;

  // askToken(why) gives the token, asking the person where need be; it is called only where the server wants one.
  constructor(askToken) {
    super();
    this.#askToken = askToken;
  }

  // Connects, and again whenever the connection breaks. Events: "open", "closed".
  connect() {
    const url = new URL("/admin/ws", location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = (this.#socket = new WebSocket(url));
    socket.onopen = () => this.#opened(socket).catch(() => socket.close());
    socket.onmessage = (event) => this.#received(event.data);
    socket.onclose = () => this.#closed();
  }

  async #opened(socket) {
    try {
      await this.call("health");
    } catch (error) {
      if (error.code !== UNAUTHORIZED) throw error;
      const token = await this.#askToken(this.#refused);
      // The server does not wait for ever: then the next connection has the token.
      if (socket !== this.#socket || socket.readyState !== WebSocket.OPEN) return;
      await this.#authenticate(token);
    }
    this.#pause = 500;
    for (const stream of this.#streams) await this.#begin(stream);
    this.dispatchEvent(new Event("open"));
  }

  async #authenticate(token) {
    this.#refused = "";
    try {
      await this.call("authenticate", { token });
    } catch (error) {
      this.#refused = error.message;
      throw error;
    }
  }

  #closed() {
    for (const { reject } of this.#calls.values()) reject(new RpcError({ message: "the connection was lost" }));
    this.#calls.clear();
    for (const stream of this.#streams) stream.number = null;
    this.dispatchEvent(new Event("closed"));
    setTimeout(() => this.connect(), this.#pause);
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE_MS);
  }

  #received(data) {
    const message = JSON.parse(data);
    if (message.method) {
      const { subscription, items, lost = 0 } = message.params;
      for (const stream of this.#streams) if (stream.number === subscription) stream.take(items, lost);
      return;
    }
    const call = this.#calls.get(message.id);
    if (!call) return;
    this.#calls.delete(message.id);
    if (message.error) call.reject(new RpcError(message.error));
    else call.resolve(message.result);
  }

  // What the server answers. Rejects with an RpcError that is written for people.
  call(method, params = {}) {
    return new Promise((resolve, reject) => {
      if (this.#socket?.readyState !== WebSocket.OPEN) {
        reject(new RpcError({ message: "there is no connection" }));
        return;
      }
      const id = ++this.#last;
      this.#calls.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    });
  }

  // Calls take(items, lost) from now on, over broken connections too. Returns what ends it.
  subscribe(name, params, take) {
    const stream = { name, params, take, number: null, ended: false };
    this.#streams.add(stream);
    if (this.#socket?.readyState === WebSocket.OPEN) this.#begin(stream).catch(() => {});
    return () => {
      stream.ended = true;
      this.#streams.delete(stream);
      if (stream.number !== null) this.call("unsubscribe", { subscription: stream.number }).catch(() => {});
    };
  }

  async #begin(stream) {
    const { subscription } = await this.call(`${stream.name}.subscribe`, stream.params);
    stream.number = subscription;
    if (stream.ended) this.call("unsubscribe", { subscription }).catch(() => {});
  }
}
