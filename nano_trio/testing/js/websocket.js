// nano:test/websocket — a client's end of a WebSocket to the app under test.

const { connect, next, send, close, setTimeout, clearTimeout } = globalThis["nano:testing"];
// Less than a test has by default: then this says what did not come.
const RECEIVE_MS = 4000;

/** What `app.connect()` gives. Messages that nobody has received yet wait. */
class TestSocket {
  #number;
  #messages = [];
  #waiting = [];
  #end = null;
  #ended = Promise.withResolvers();
  protocol;
  constructor(number, protocol) {
    this.#number = number;
    this.protocol = protocol;
    this.#pull();
  }
  async #pull() {
    for (;;) {
      const [kind, ...rest] = await next(this.#number);
      if (kind === "closed") {
        const [code, reason] = rest;
        this.#end = { code, reason };
        this.#ended.resolve(this.#end);
        for (const waiter of this.#waiting.splice(0)) waiter.end();
        return;
      }
      if (this.#waiting.length > 0) this.#waiting.shift().resolve(rest[0]);
      else this.#messages.push(rest[0]);
    }
  }
  /** A promise of `{ code, reason }`, when the connection is over. */
  get closed() {
    return this.#ended.promise;
  }
  /** Send a string, an ArrayBuffer, a view or a Blob. */
  send(message) {
    if (this.#end !== null) throw new Error(`send(): ${this.#said()}`);
    send(this.#number, message);
  }
  /** The next message: a string, or an ArrayBuffer. Rejects after `timeout` ms, and where the connection is over. */
  receive({ timeout = RECEIVE_MS } = {}) {
    if (this.#messages.length > 0) return Promise.resolve(this.#messages.shift());
    // Made here, while the test's frames are on the stack.
    const error = new Error(`receive(): no message came within ${timeout} ms`);
    const { promise, resolve, reject } = Promise.withResolvers();
    const fail = () => {
      if (this.#end !== null) error.message = `receive(): ${this.#said()}`;
      reject(error);
    };
    if (this.#end !== null) {
      fail();
      return promise;
    }
    const waiter = { resolve, end: fail };
    this.#waiting.push(waiter);
    const timer = setTimeout(() => {
      this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
      fail();
    }, timeout);
    return promise.finally(() => clearTimeout(timer));
  }
  /** Close; the promise is that of `closed`. */
  close(code, reason) {
    close(this.#number, code, reason);
    return this.closed;
  }
  #said() {
    const { code, reason } = this.#end;
    return `the WebSocket is closed (${code}${reason === "" ? "" : ` ${reason}`})`;
  }
  /** The messages, until the connection is over. */
  async *[Symbol.asyncIterator]() {
    for (;;) {
      if (this.#messages.length > 0) yield this.#messages.shift();
      else if (this.#end !== null) return;
      else {
        const { promise, resolve } = Promise.withResolvers();
        this.#waiting.push({ resolve: (message) => resolve([message]), end: () => resolve([]) });
        const messages = await promise;
        if (messages.length === 0) return;
        yield messages[0];
      }
    }
  }
}

/** Open a WebSocket. Rejects where the app answers with anything else. */
export async function open(url, { protocols = [], headers = {} } = {}) {
  const error = new Error();
  const href = new URL(url, "http://localhost/").href.replace(/^ws/, "http");
  const fields = [...new Headers(headers)].flat().join("\n");
  const [number, said] = await connect(href, fields, [protocols].flat().join("\n"));
  if (number !== 0) return new TestSocket(number, said);
  error.message = `connect(${url}): ${said}`;
  throw error;
}
