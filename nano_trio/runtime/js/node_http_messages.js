// node:http, what is common to its messages: names and values of headers, and the response as a stream.
// Node.js API, HTTP: https://nodejs.org/api/http.html#class-httpoutgoingmessage , RFC 9110.
const { Readable, Writable } = require("node:stream");
const { coded } = platform.load("node_stream_common");

const TOKEN = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/;
// Visible characters, blanks and the upper half of Latin-1 (RFC 9110, section 5.5).
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

function validateHeaderName(name, label = "Header name") {
  if (typeof name !== "string" || !TOKEN.test(name)) {
    throw coded(new TypeError(`${label} must be a valid HTTP token ["${name}"]`), "ERR_INVALID_HTTP_TOKEN");
  }
}
function validateHeaderValue(name, value) {
  if (value === undefined) {
    throw coded(new TypeError(`Invalid value "undefined" for header "${name}"`), "ERR_HTTP_INVALID_HEADER_VALUE");
  }
  if (!VALUE.test(`${value}`)) throw coded(new TypeError(`Invalid character in header content ["${name}"]`), "ERR_INVALID_CHAR");
}

/** A message that is written: its headers by their names in lower case, `[name as given, value]`. */
function OutgoingMessage(options) {
  // What was written is no end: the other side's answer is.
  Writable.call(this, { ...options, autoDestroy: false });
  Object.defineProperty(this, "_fields", { value: new Map() });
  this.headersSent = false;
  this.socket = null;
}
Object.setPrototypeOf(OutgoingMessage.prototype, Writable.prototype);
Object.setPrototypeOf(OutgoingMessage, Writable);
const headerMethods = {
  setHeader(name, value) {
    if (this.headersSent) throw coded(new Error("Cannot set headers after they are sent to the client"), "ERR_HTTP_HEADERS_SENT");
    validateHeaderName(name);
    for (const each of Array.isArray(value) ? value : [value]) validateHeaderValue(name, each);
    this._fields.set(name.toLowerCase(), [name, value]);
    return this;
  },
  setHeaders(headers) {
    for (const [name, value] of headers) this.setHeader(name, value);
    return this;
  },
  appendHeader(name, value) {
    const before = this.getHeader(name);
    return this.setHeader(name, before === undefined ? value : [].concat(before, value));
  },
  getHeader(name) {
    return this._fields.get(`${name}`.toLowerCase())?.[1];
  },
  hasHeader(name) {
    return this._fields.has(`${name}`.toLowerCase());
  },
  removeHeader(name) {
    if (this.headersSent) throw coded(new Error("Cannot remove headers after they are sent to the client"), "ERR_HTTP_HEADERS_SENT");
    this._fields.delete(`${name}`.toLowerCase());
  },
  getHeaderNames() {
    return [...this._fields.keys()];
  },
  getRawHeaderNames() {
    return [...this._fields.values()].map(([name]) => name);
  },
  getHeaders() {
    const headers = Object.create(null);
    for (const [name, [, value]] of this._fields) headers[name] = value;
    return headers;
  },
  addTrailers() {
    throw coded(new Error("node:http: a request has no trailers here"), "ERR_METHOD_NOT_IMPLEMENTED");
  },
};
for (const [name, value] of Object.entries(headerMethods)) {
  Object.defineProperty(OutgoingMessage.prototype, name, { value, writable: true, configurable: true });
}
Object.defineProperty(OutgoingMessage.prototype, "connection", {
  get() {
    return this.socket;
  },
  configurable: true,
});

/** What was received, as a stream of its body. */
function IncomingMessage(socket, options) {
  Readable.call(this, options);
  this.socket = socket ?? null;
  this.httpVersion = "1.1";
  this.httpVersionMajor = this.httpVersionMinor = 1;
  this.complete = false;
  this.aborted = false;
  this.rawHeaders = [];
  this.rawTrailers = [];
  this.headers = {};
  this.headersDistinct = Object.create(null);
  this.trailers = {};
  this.url = "";
  this.method = null;
  this.statusCode = null;
  this.statusMessage = null;
}
Object.setPrototypeOf(IncomingMessage.prototype, Readable.prototype);
Object.setPrototypeOf(IncomingMessage, Readable);
Object.defineProperty(IncomingMessage.prototype, "connection", {
  get() {
    return this.socket;
  },
  configurable: true,
});
IncomingMessage.prototype._read = function () {};
IncomingMessage.prototype._destroy = function (error, callback) {
  if (!this.readableEnded || !this.complete) {
    this.aborted = true;
    this.emit("aborted");
  }
  // As in Node, an error is told to those who listen, and ends nobody else.
  queueMicrotask(() => callback(this.listenerCount("error") > 0 ? error : null));
};
IncomingMessage.prototype.setTimeout = function (milliseconds, callback) {
  this.req?.setTimeout(milliseconds, callback);
  return this;
};

module.exports = { OutgoingMessage, IncomingMessage, validateHeaderName, validateHeaderValue, TOKEN };
