// FetchEvent, https://w3c.github.io/ServiceWorker/#fetchevent-interface , for apps that listen for it.
(platform) => {
  "use strict";
  const { load } = platform;
  const { Event, fire } = load("event");
  const { TypeError } = platform.constructors;
  const TOKEN = {};
  let answerOf;

  class ExtendableEvent extends Event {
    #id;
    constructor(type, init, token, id) {
      super(type, init);
      this.#id = token === TOKEN ? id : undefined;
    }
    waitUntil(promise) {
      if (this.#id !== undefined) load("lifetime").extend(this.#id, promise);
    }
  }
  class FetchEvent extends ExtendableEvent {
    #request;
    #answer;
    #answered = false;
    constructor(request, token, id) {
      super("fetch", { cancelable: true }, token, id);
      this.#request = request;
    }
    get request() {
      return this.#request;
    }
    respondWith(response) {
      if (this.#answered) {
        throw platform.makeError("InvalidStateError", "respondWith() was already called for this event");
      }
      this.#answered = true;
      this.#answer = response;
      this.stopImmediatePropagation();
    }
    passThroughOnException() {
      this.#request;
    }
    static {
      answerOf = (event) => (event.#answered ? { __proto__: null, answer: event.#answer } : undefined);
    }
  }

  /** Fire the event for a request; what was responded with. */
  function callListeners(request, id) {
    const event = new FetchEvent(request, TOKEN, id);
    fire(undefined, event);
    const answered = answerOf(event);
    if (answered === undefined) throw new TypeError("no fetch listener called event.respondWith()");
    return answered.answer;
  }
  return { __proto__: null, callListeners };
}
