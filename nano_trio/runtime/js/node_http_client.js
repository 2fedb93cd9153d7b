// node:http and node:https, their client: requests that fetch() sends. Node.js API: https://nodejs.org/api/http.html#class-httpclientrequest
//
// What goes over the wire is fetch()'s: its connections, its headers of their own, its limits and what the app may reach
// (allow_net). So there are no sockets and no agents to be had: a request's `socket` is an object that says where the request
// goes and does nothing, and an Agent keeps what it was given. Bodies are decoded by fetch(), whatever was asked for; the
// headers that say how they were encoded are left out then. Redirects are given to who asked, as in Node.
//
// A request begins with its first chunk, or with end(). Its body has a length where the whole was given to end() or a
// content-length was set; else it is sent in chunks.
const { Buffer } = require("node:buffer");
const process = require("node:process");
const { urlToHttpOptions } = require("node:url");
const { coded, EventEmitter, abortError } = platform.load("node_stream_common");
const { OutgoingMessage, IncomingMessage, TOKEN } = platform.load("node_http_messages");
const { fetch } = platform.load("fetch");
const { AbortController, FixedLengthStream, IdentityTransformStream, setTimeout, clearTimeout } = globalThis;

const CODED = ["gzip", "x-gzip", "deflate", "br", "zstd"];

class Agent extends EventEmitter {
  constructor(options) {
    super();
    this.options = { ...options, path: null };
    this.requests = {};
    this.sockets = {};
    this.freeSockets = {};
    this.keepAlive = options?.keepAlive ?? false;
    this.keepAliveMsecs = options?.keepAliveMsecs ?? 1000;
    this.maxSockets = options?.maxSockets ?? Infinity;
    this.maxFreeSockets = options?.maxFreeSockets ?? 256;
    this.maxTotalSockets = options?.maxTotalSockets ?? Infinity;
    this.totalSocketCount = 0;
    this.defaultPort = 80;
    this.protocol = "http:";
  }
  destroy() {}
}
class SecureAgent extends Agent {
  constructor(options) {
    super(options);
    this.defaultPort = 443;
    this.protocol = "https:";
  }
}

/** What stands for the connection: it can be asked for anything, and does nothing. */
function placeOf(request) {
  const socket = new EventEmitter();
  Object.assign(socket, { connecting: false, encrypted: request.protocol === "https:", destroyed: false, readable: true, writable: true });
  for (const name of ["setKeepAlive", "setNoDelay", "setTimeout", "ref", "unref", "cork", "uncork"]) socket[name] = () => socket;
  socket.destroy = (error) => {
    request.destroy(error);
    return socket;
  };
  return socket;
}
const invalid = (name, expected, value) =>
  coded(new TypeError(`The "${name}" ${expected}. Received ${value === null ? "null" : typeof value}`), "ERR_INVALID_ARG_TYPE");
const hangUp = () => coded(new Error("socket hang up"), "ECONNRESET");

function optionsOf(input, options) {
  if (typeof input === "string") input = urlToHttpOptions(new URL(input));
  else if (input instanceof URL) input = urlToHttpOptions(input);
  else [input, options] = [{}, input];
  return { ...input, ...options };
}

function ClientRequest(input, options, callback) {
  if (typeof options === "function") [options, callback] = [undefined, options];
  options = optionsOf(input, options ?? {});
  OutgoingMessage.call(this);
  const secure = this._isSecure ?? false;
  const agent = options.agent || null;
  const own = agent?.protocol ?? (secure ? "https:" : "http:");
  this.protocol = options.protocol || own;
  if (this.protocol !== own) {
    throw coded(new TypeError(`Protocol "${this.protocol}" not supported. Expected "${own}"`), "ERR_INVALID_PROTOCOL");
  }
  // Agents that connect otherwise, by a proxy say: what they are there for must not be left out unheard.
  if (options.socketPath || options.createConnection || typeof agent?.connect === "function" || typeof agent?.callback === "function") {
    throw coded(new Error("node:http: there are no sockets; a request goes where fetch() goes, and as it does"), "ERR_METHOD_NOT_IMPLEMENTED");
  }
  const method = options.method ?? "GET";
  if (typeof method !== "string") throw invalid("options.method", "property must be of type string", method);
  this.method = method.toUpperCase() || "GET";
  if (!TOKEN.test(this.method)) throw coded(new TypeError(`Method must be a valid HTTP token ["${method}"]`), "ERR_INVALID_HTTP_TOKEN");
  this.path = options.path ? `${options.path}` : "/";
  if (/[^\x21-\xff]/.test(this.path)) throw coded(new TypeError("Request path contains unescaped characters"), "ERR_UNESCAPED_CHARACTERS");
  const host = options.hostname || options.host || "localhost";
  if (typeof host !== "string") throw invalid("options.host", "property must be of type string or one of undefined or null", host);
  this.host = host;
  const port = Number(options.port || options.defaultPort || agent?.defaultPort || (this.protocol === "https:" ? 443 : 80));
  const authority = host.includes(":") && host[0] !== "[" ? `[${host}]` : host;
  this.agent = options.agent;
  this.reusedSocket = false;
  this.maxHeadersCount = null;
  this.res = null;
  this.aborted = false;
  this.timeout = undefined;
  Object.defineProperty(this, "_nano", {
    value: { url: `${this.protocol}//${authority}:${port}${this.path}`, aborting: new AbortController(), writer: null, chunks: null, timer: 0, milliseconds: 0 },
  });
  const { headers } = options;
  if (Array.isArray(headers)) {
    if (Array.isArray(headers[0])) for (const [name, value] of headers) this.appendHeader(name, value);
    else for (let i = 0; i + 1 < headers.length; i += 2) this.appendHeader(headers[i], headers[i + 1]);
  } else if (headers) for (const name of Object.keys(headers)) this.setHeader(name, headers[name]);
  if (options.auth && !this.hasHeader("authorization")) {
    this.setHeader("Authorization", `Basic ${Buffer.from(`${options.auth}`).toString("base64")}`);
  }
  if (!this.hasHeader("host") && options.setHost !== false) {
    this.setHeader("Host", port === (this.protocol === "https:" ? 443 : 80) ? authority : `${authority}:${port}`);
  }
  if (callback) this.once("response", callback);
  if (options.timeout !== undefined) this.setTimeout(options.timeout);
  const { signal } = options;
  if (signal) {
    const abort = () => this.destroy(abortError(signal));
    if (signal.aborted) process.nextTick(abort);
    else {
      signal.addEventListener("abort", abort, { once: true });
      this.once("close", () => signal.removeEventListener("abort", abort));
    }
  }
  process.nextTick(() => {
    if (this.destroyed) return;
    this.socket = placeOf(this);
    this.emit("socket", this.socket);
    // fetch() does not ask first whether a body may come; who waits for that need not.
    if (/^100-continue$/i.test(this.getHeader("expect"))) this.emit("continue");
  });
}
Object.setPrototypeOf(ClientRequest.prototype, OutgoingMessage.prototype);
Object.setPrototypeOf(ClientRequest, OutgoingMessage);

/** Begin; `body` as fetch() takes it. */
function send(request, body) {
  const { url, aborting } = request._nano;
  const headers = new Headers();
  for (const [name, value] of request._fields.values()) {
    // A length is what the body has.
    if (name.toLowerCase() !== "content-length") for (const each of [].concat(value)) headers.append(name, each);
  }
  request.headersSent = true;
  rest(request);
  const { method } = request;
  const init = { method, headers, redirect: "manual", signal: aborting.signal };
  if (body !== undefined) [init.body, init.duplex] = [body, "half"];
  fetch(url, init).then((response) => answered(request, response), (error) => failed(request, error));
}
/** Why fetch() rejected, as Node would say it. */
function failed(request, error) {
  if (request.destroyed) return;
  const { cause } = error;
  request.destroy(cause instanceof Error && typeof cause.code === "string" ? coded(new Error(cause.message, { cause: error }), cause.code) : error);
}
function answered(request, response) {
  if (request.destroyed) return;
  rest(request);
  const message = new IncomingMessage(request.socket);
  message.req = request;
  message.url = "";
  message.statusCode = response.status;
  message.statusMessage = response.statusText;
  const coding = response.headers.get("content-encoding");
  const isDecoded = response.body !== null && coding !== null && coding.split(",").every((each) => CODED.includes(each.trim().toLowerCase()));
  for (const [name, value] of response.headers) {
    if (isDecoded && (name === "content-encoding" || name === "content-length")) continue;
    message.rawHeaders.push(name, value);
    (message.headersDistinct[name] ??= []).push(value);
    if (name === "set-cookie") (message.headers[name] ??= []).push(value);
    else message.headers[name] = value;
  }
  const reader = response.body?.getReader();
  let isOver = false;
  const over = () => {
    if (isOver) return;
    isOver = message.complete = true;
    clearTimeout(request._nano.timer);
    message.push(null);
  };
  message._read = () => {
    if (reader === undefined) {
      over();
      return;
    }
    reader.read().then(
      ({ done, value }) => {
        rest(request);
        if (done) over();
        else message.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
      },
      (error) => message.destroy(cut(error)),
    );
  };
  message._destroy = (error, callback) => {
    clearTimeout(request._nano.timer);
    if (!isOver) {
      isOver = true;
      reader?.cancel().catch(() => {});
      request.destroy();
    }
    IncomingMessage.prototype._destroy.call(message, error, callback);
  };
  message.once("end", () => process.nextTick(() => request.destroy()));
  request.res = message;
  // A response that nobody listens for is read and forgotten, as in Node.
  if (!request.emit("response", message)) message.resume();
}
const cut = (error) => coded(new Error("aborted", { cause: error }), "ECONNRESET");

/** Something came or went: the time until `timeout` begins anew. */
function rest(request) {
  const { timer, milliseconds } = request._nano;
  clearTimeout(timer);
  if (milliseconds > 0 && !request.destroyed) request._nano.timer = setTimeout(() => request.emit("timeout"), milliseconds);
}

const methods = {
  end(chunk, encoding, callback) {
    if (typeof chunk === "function") [chunk, encoding, callback] = [undefined, undefined, chunk];
    // All of it at once: its length is known.
    if (!this.headersSent && this._nano.chunks === null && !this.destroyed) this._nano.chunks = [];
    return OutgoingMessage.prototype.end.call(this, chunk, encoding, callback);
  },
  flushHeaders() {
    if (!this.headersSent && this._nano.chunks === null && !this.destroyed) stream(this);
  },
  _write(chunk, encoding, callback) {
    const { chunks } = this._nano;
    if (chunks !== null) {
      chunks.push(chunk);
      callback();
      return;
    }
    if (!this.headersSent) stream(this);
    this._nano.writer.write(chunk).then(() => (rest(this), callback()), (error) => callback(this.destroyed ? null : error));
  },
  _final(callback) {
    const { chunks, writer } = this._nano;
    if (writer !== null) {
      writer.close().then(() => callback(), (error) => callback(this.destroyed ? null : error));
      return;
    }
    send(this, chunks.length > 0 ? Buffer.concat(chunks) : undefined);
    callback();
  },
  _destroy(error, callback) {
    const { aborting, writer, timer } = this._nano;
    clearTimeout(timer);
    if (this.res === null && !error) error = hangUp();
    if (this.res === null || !this.res.complete) {
      writer?.abort(error).catch(() => {});
      aborting.abort();
      this.res?.destroy(cut(error));
    }
    if (this.socket) this.socket.destroyed = true;
    callback(error);
  },
  abort() {
    if (this.aborted) return;
    this.aborted = true;
    process.nextTick(() => this.emit("abort"));
    this.destroy();
  },
  setTimeout(milliseconds, callback) {
    if (callback) this.once("timeout", callback);
    this.timeout = this._nano.milliseconds = Number(milliseconds);
    rest(this);
    return this;
  },
  setNoDelay() {},
  setSocketKeepAlive() {},
};
for (const [name, value] of Object.entries(methods)) {
  Object.defineProperty(ClientRequest.prototype, name, { value, writable: true, configurable: true });
}

/** Begin with a body that comes in chunks, GET's and HEAD's too: fetch() says that they have none. */
function stream(request) {
  const length = request.getHeader("content-length");
  const { readable, writable } = length === undefined ? new IdentityTransformStream() : new FixedLengthStream(Number(length));
  request._nano.writer = writable.getWriter();
  request._nano.writer.closed.catch(() => {});
  send(request, readable);
}

function SecureRequest(...all) {
  this._isSecure = true;
  ClientRequest.apply(this, all);
}
SecureRequest.prototype = ClientRequest.prototype;

/** `request` and `get` of a module. */
function clientOf(Request) {
  const request = (...all) => new Request(...all);
  const get = (...all) => {
    const made = request(...all);
    made.end();
    return made;
  };
  return { request, get };
}

module.exports = { Agent, SecureAgent, ClientRequest, http: clientOf(ClientRequest), https: clientOf(SecureRequest) };
