// EventSource: HTML, https://html.spec.whatwg.org/#server-sent-events , on fetch(). The host parses the streams.
//
// Listeners have what was current for an AsyncLocalStorage where the EventSource was made, as those of MessagePort do.
(platform) => {
  "use strict";
  const { load, constructors, uncurry, promiseThen } = platform;
  const idl = load("webidl");
  const { requireArguments, isObject, USVString, defineInterface } = idl;
  const { Event, EventTarget, fire, defineHandler } = load("event");
  const { queueTask, startTimer, stopTimer } = load("timers");
  const { parse } = platform.load("urlparser");
  const host = platform.host("eventsource");
  const exec = uncurry("RegExp", "exec");
  const CONNECTING = 0, OPEN = 1, CLOSED = 2;
  /** The reconnection time to begin with, and the longest that failures in a row make of it, in milliseconds. */
  const RECONNECTION_TIME = 3000, LONGEST_PAUSE = 60000;
  const EventSourceInit = idl.dictionary("EventSourceInit", [
    { __proto__: null, key: "withCredentials", converter: idl.boolean, defaultValue: false },
  ]);
  let isEventSource;

  class EventSource extends EventTarget {
    #url;
    #withCredentials;
    #state = CONNECTING;
    #reconnectionTime = RECONNECTION_TIME;
    #lastEventId = "";
    /** Attempts that failed since the last that did not: the pauses grow with them. */
    #failures = 0;
    /** Of the fetch under way; null between two. */
    #signal = null;
    #timer = 0;
    /** `fire` with what was current where it was made. */
    #fire = platform.bind?.(fire) ?? fire;

    constructor(url) {
      const context = "Failed to construct 'EventSource'";
      requireArguments(arguments.length, 1, context);
      super();
      url = USVString(url, context);
      this.#withCredentials = EventSourceInit(arguments[1], context).withCredentials;
      this.#url = parse(url);
      if (this.#url === null) {
        throw new (load("domexception").DOMException)(`${context}: The URL '${url}' is invalid.`, "SyntaxError");
      }
      this.#connect();
    }
    get url() {
      return this.#url;
    }
    get withCredentials() {
      return this.#withCredentials;
    }
    get readyState() {
      return this.#state;
    }
    close() {
      this.#state = CLOSED;
      stopTimer(this.#timer);
      this.#abort();
    }

    #abort() {
      const signal = this.#signal;
      this.#signal = null;
      if (signal !== null) load("abort").signalAbort(signal, platform.makeError("AbortError", "The EventSource was closed."));
    }
    #connect() {
      const signal = (this.#signal = load("abort").newSignal());
      const headers = [["Accept", "text/event-stream"]];
      if (this.#lastEventId !== "") headers[1] = ["Last-Event-ID", host.isomorphic(this.#lastEventId)];
      const credentials = this.#withCredentials ? "include" : "same-origin";
      promiseThen(
        load("fetch").fetch(this.#url, { __proto__: null, headers, credentials, cache: "no-store", signal }),
        (response) => {
          if (this.#signal === signal) this.#announce(load("response").stateOf(response), signal);
        },
        (error) => {
          if (this.#signal !== signal) return;
          this.#signal = null;
          // What this app may not reach it may not reach later either.
          if (isObject(error.cause) && error.cause.code === "ERR_BLOCKED") this.#fail(error.message);
          else this.#reestablish(error.message);
        },
      );
    }
    /** "Announce the connection", or fail it where the response is none. */
    #announce(state, signal) {
      const type = load("mime").extract(state.list);
      if (state.status !== 200) return this.#fail(`the server answered with the status ${state.status}`);
      if (type === null || type.essence !== "text/event-stream") return this.#fail("the response is no text/event-stream");
      this.#state = OPEN;
      this.#failures = 0;
      this.#fire(this, new Event("open"));
      if (this.#signal !== signal) return;
      const stream = state.kind === load("body").KINDS.NONE ? null : load("body_source").streamOf(state);
      if (stream === null) return this.#reestablish("the server closed the connection");
      const parser = host.open(this.#lastEventId);
      this.#read(load("streams_readable").acquireReader(stream), parser, originOf(state.url), signal);
    }
    #read(reader, parser, origin, signal) {
      const end = (why) => {
        host.forget(parser);
        if (this.#signal === signal) this.#reestablish(why);
      };
      reader.read({
        __proto__: null,
        chunk: (bytes) => {
          if (this.#signal !== signal) return end();
          host.feed(parser, idl.bytesForHost(bytes));
          this.#parse(reader, parser, origin, signal);
        },
        close: () => end("the server closed the connection"),
        error: (error) => end(isObject(error) && typeof error.message === "string" ? error.message : "the connection was lost"),
      });
    }
    /** Parse a chunk and dispatch its events, part by part; then read the next. */
    #parse(reader, parser, origin, signal) {
      const read = () => this.#read(reader, parser, origin, signal);
      if (this.#signal !== signal) return read();
      let parsed;
      do {
        parsed = host.parse(parser);
        if (parsed === null) {
          host.forget(parser);
          this.#fail("the server sent an event that is too large");
          return;
        }
        if (parsed[0] !== null) this.#reconnectionTime = parsed[0];
      } while (parsed.length === 3 && !parsed[2]);
      const goOn = parsed[2] ? read : () => this.#parse(reader, parser, origin, signal);
      this.#dispatch(parsed, 3, origin, signal, goOn);
    }
    /** "Dispatch the event" for each of [time, last ID, all, type, data, ID, …] from `at` on, a task each; then `done`. */
    #dispatch(parsed, at, origin, signal, done) {
      if (this.#signal !== signal) return done();
      if (at < parsed.length) {
        const { MessageEvent } = load("event_types");
        const lastEventId = (this.#lastEventId = parsed[at + 2]);
        const init = { __proto__: null, data: parsed[at + 1], origin, lastEventId };
        this.#fire(this, new MessageEvent(parsed[at], init));
        at += 3;
      }
      if (at < parsed.length) {
        queueTask(() => this.#dispatch(parsed, at, origin, signal, done));
      } else {
        if (this.#signal === signal) this.#lastEventId = parsed[1];
        // Not at once: however many chunks the stream holds ready, others' turns come between.
        queueTask(done);
      }
    }
    /** "Reestablish the connection" */
    #reestablish(why) {
      this.#signal = null;
      this.#state = CONNECTING;
      this.#fireError(why);
      if (this.#state !== CONNECTING) return;
      const longer = this.#reconnectionTime * 2 ** this.#failures;
      let pause = this.#reconnectionTime;
      if (longer <= LONGEST_PAUSE) {
        pause = longer;
        this.#failures++;
      } else if (pause < LONGEST_PAUSE) pause = LONGEST_PAUSE;
      this.#timer = startTimer(() => this.#connect(), pause);
    }
    /** "Fail the connection" */
    #fail(why) {
      this.#state = CLOSED;
      this.#abort();
      this.#fireError(why);
    }
    #fireError(why) {
      const { ErrorEvent } = load("event_types");
      const message = `EventSource connection to '${this.#url}': ${why}`;
      this.#fire(this, new ErrorEvent("error", { __proto__: null, message, error: new constructors.Error(message) }));
    }

    static {
      isEventSource = (value) => isObject(value) && #reconnectionTime in value;
    }
  }
  defineInterface(EventSource, { constants: { __proto__: null, CONNECTING, OPEN, CLOSED } });
  defineHandler(EventSource, "onopen", isEventSource);
  defineHandler(EventSource, "onmessage", isEventSource);
  defineHandler(EventSource, "onerror", isEventSource);

  function originOf(url) {
    const parts = exec(/^(https?:\/\/)(?:[^/@]*@)?([^/?#]*)/, url);
    return parts === null ? "null" : parts[1] + parts[2];
  }

  return { __proto__: null, EventSource };
}
