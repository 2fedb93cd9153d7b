// The events that carry more than Event does: CustomEvent (DOM 2.4), ErrorEvent and PromiseRejectionEvent
// (HTML 8.1.4.6 and 8.1.4.7), MessageEvent (HTML 9.1)
(platform) => {
  "use strict";
  const idl = platform.load("webidl");
  const { requireArguments, fail, DOMString, USVString, any, dictionary, nullable, sequence, defineInterface } = idl;
  const { Event, initEvent } = platform.load("event");
  const { freeze } = platform.statics.Object;

  const member = (key, converter, defaultValue) => ({ __proto__: null, key, converter, defaultValue });

  class CustomEvent extends Event {
    #detail = null;

    constructor(type) {
      requireArguments(arguments.length, 1, "Failed to construct 'CustomEvent'");
      super(type, arguments[1]);
      const detail = arguments[1]?.detail;
      if (detail !== undefined) this.#detail = detail;
    }

    get detail() {
      return this.#detail;
    }
    initCustomEvent(type, bubbles = false, cancelable = false, detail = null) {
      this.#detail;
      requireArguments(arguments.length, 1, "Failed to execute 'initCustomEvent' on 'CustomEvent'");
      if (initEvent(this, DOMString(type), bubbles, cancelable)) this.#detail = detail;
    }
  }
  defineInterface(CustomEvent);

  const errorEventInit = dictionary("ErrorEventInit", [
    member("colno", idl.unsignedLong, 0),
    member("error", any),
    member("filename", USVString, ""),
    member("lineno", idl.unsignedLong, 0),
    member("message", DOMString, ""),
  ]);
  let errorDetails;
  class ErrorEvent extends Event {
    #init;

    constructor(type) {
      requireArguments(arguments.length, 1, "Failed to construct 'ErrorEvent'");
      super(type, arguments[1]);
      this.#init = errorEventInit(arguments[1], "Failed to construct 'ErrorEvent'");
    }

    get message() {
      return this.#init.message;
    }
    get filename() {
      return this.#init.filename;
    }
    get lineno() {
      return this.#init.lineno;
    }
    get colno() {
      return this.#init.colno;
    }
    get error() {
      return this.#init.error;
    }

    static {
      /** The arguments that the global's onerror takes for an ErrorEvent named "error"; undefined for other events. */
      errorDetails = (event) => {
        if (!(#init in event) || event.type !== "error") return undefined;
        const { message, filename, lineno, colno, error } = event.#init;
        return [message, filename, lineno, colno, error];
      };
    }
  }
  defineInterface(ErrorEvent);

  const promiseRejectionEventInit = dictionary("PromiseRejectionEventInit", [
    { __proto__: null, key: "promise", converter: idl.object, required: true },
    member("reason", any),
  ]);
  class PromiseRejectionEvent extends Event {
    #init;

    constructor(type, eventInitDict) {
      requireArguments(arguments.length, 2, "Failed to construct 'PromiseRejectionEvent'");
      super(type, eventInitDict);
      this.#init = promiseRejectionEventInit(eventInitDict, "Failed to construct 'PromiseRejectionEvent'");
    }

    get promise() {
      return this.#init.promise;
    }
    get reason() {
      return this.#init.reason;
    }
  }
  defineInterface(PromiseRejectionEvent);

  function messagePort(value, context) {
    if (!platform.load("messaging").isMessagePort(value)) fail(context, "The value is not of type 'MessagePort'.");
    return value;
  }
  const nullablePort = nullable(messagePort);
  const ports = sequence(messagePort);
  const messageEventInit = dictionary("MessageEventInit", [
    member("data", any),
    member("lastEventId", DOMString, ""),
    member("origin", USVString, ""),
    member("ports", ports),
    member("source", nullablePort),
  ]);
  /** Passed as the init of a MessageEvent of ours. */
  const made = { __proto__: null, data: undefined, origin: "" };
  class MessageEvent extends Event {
    #data;
    #origin;
    #lastEventId;
    #source;
    #ports;

    constructor(type) {
      requireArguments(arguments.length, 1, "Failed to construct 'MessageEvent'");
      if (arguments[1] === made) {
        super(type);
        this.#initialize(made.data, made.origin, "");
        return;
      }
      super(type, arguments[1]);
      const init = messageEventInit(arguments[1], "Failed to construct 'MessageEvent'");
      this.#initialize(init.data, init.origin, init.lastEventId, init.source, init.ports);
    }
    #initialize(data = null, origin, lastEventId, source = null, list = []) {
      this.#data = data;
      this.#origin = origin;
      this.#lastEventId = lastEventId;
      this.#source = source;
      this.#ports = freeze(list);
    }

    get data() {
      return this.#data;
    }
    get origin() {
      return this.#origin;
    }
    get lastEventId() {
      return this.#lastEventId;
    }
    get source() {
      return this.#source;
    }
    get ports() {
      return this.#ports;
    }
    initMessageEvent(type, bubbles = false, cancelable = false) {
      const context = "Failed to execute 'initMessageEvent' on 'MessageEvent'";
      this.#data;
      requireArguments(arguments.length, 1, context);
      type = DOMString(type, context);
      const origin = arguments[4] === undefined ? "" : USVString(arguments[4], context);
      const lastEventId = arguments[5] === undefined ? "" : DOMString(arguments[5], context);
      const source = nullablePort(arguments[6], context);
      const list = arguments[7] === undefined ? [] : ports(arguments[7], context);
      if (initEvent(this, type, bubbles, cancelable)) {
        this.#initialize(arguments[3], origin, lastEventId, source, list);
      }
    }
  }
  defineInterface(MessageEvent);

  /** A message event, without the conversions of its constructor. */
  function makeMessageEvent(data, origin) {
    made.data = data;
    made.origin = origin;
    const event = new MessageEvent("message", made);
    made.data = undefined;
    return event;
  }

  return { __proto__: null, CustomEvent, ErrorEvent, PromiseRejectionEvent, MessageEvent, makeMessageEvent, errorDetails };
}
