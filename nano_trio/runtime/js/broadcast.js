// Broadcasting to other contexts: HTML 9.5, https://html.spec.whatwg.org/#broadcasting-to-other-browsing-contexts
//
// The channels of one isolate hear each other; nothing leaves it. A channel is held while it listens; one that does not
// is found through a WeakRef, because it may begin to listen before a message that was sent is delivered. Its listeners
// have what was current for an AsyncLocalStorage where it was made, as those of MessagePort do.
(platform) => {
  "use strict";
  const { requireArguments, isObject, DOMString, defineInterface } = platform.load("webidl");
  const { EventTarget, fire, hasListeners, setObserver, defineHandler } = platform.load("event");
  const { clone } = platform.load("structuredclone");
  const { Map, WeakRef } = platform.constructors;
  const { queueTask } = platform.load("timers");
  const deref = platform.uncurry("WeakRef", "deref");
  const get = platform.uncurry("Map", "get");
  const set = platform.uncurry("Map", "set");
  const remove = platform.uncurry("Map", "delete");
  const filter = platform.uncurry("Array", "filter");

  /** What an opaque origin is serialized as: an app has no URL. */
  const ORIGIN = "null";
  /** Records { weak, pinned } of the open channels, by name, in the order of their creation. */
  const channels = new Map();
  const living = (record) => record.pinned ?? deref(record.weak);

  let isBroadcastChannel, pin;
  const call = (steps) => steps();

  class BroadcastChannel extends EventTarget {
    #name;
    #isClosed = false;
    #record;
    /** Calls a function with what was current where the channel was made. */
    #within = platform.bind?.(call) ?? call;

    constructor(name) {
      requireArguments(arguments.length, 1, "Failed to construct 'BroadcastChannel'");
      super();
      this.#name = DOMString(name, "Failed to construct 'BroadcastChannel'");
      this.#record = { __proto__: null, weak: new WeakRef(this), pinned: null };
      setObserver(this, pin);
      const others = filter(get(channels, this.#name) ?? [], (record) => living(record) !== undefined);
      others[others.length] = this.#record;
      set(channels, this.#name, others);
    }

    get name() {
      return this.#name;
    }
    postMessage(message) {
      const context = "Failed to execute 'postMessage' on 'BroadcastChannel'";
      this.#name;
      requireArguments(arguments.length, 1, context);
      if (this.#isClosed) throw platform.makeError("InvalidStateError", `${context}: The channel is closed.`);
      const copy = clone(message);
      let isFirst = true;
      const records = get(channels, this.#name);
      for (let i = 0; i < records.length; i++) {
        const destination = living(records[i]);
        if (destination === undefined || destination === this) continue;
        const data = isFirst ? copy : clone(copy);
        isFirst = false;
        queueTask(() => destination.#receive(data));
      }
    }
    close() {
      if (this.#isClosed) return;
      this.#isClosed = true;
      this.#record.pinned = null;
      const others = filter(get(channels, this.#name), (record) => record !== this.#record);
      if (others.length === 0) remove(channels, this.#name);
      else set(channels, this.#name, others);
    }

    #pin() {
      const isHeard = hasListeners(this, "message") || hasListeners(this, "messageerror");
      this.#record.pinned = isHeard && !this.#isClosed ? this : null;
    }
    #receive(data) {
      if (this.#isClosed) return;
      const { MessageEvent } = platform.load("event_types");
      const event = new MessageEvent("message", { __proto__: null, data, origin: ORIGIN });
      this.#within(() => fire(this, event));
    }

    static {
      pin = (channel) => channel.#pin();
      isBroadcastChannel = (value) => isObject(value) && #record in value;
    }
  }
  defineInterface(BroadcastChannel);
  defineHandler(BroadcastChannel, "onmessage", isBroadcastChannel);
  defineHandler(BroadcastChannel, "onmessageerror", isBroadcastChannel);

  return { __proto__: null, BroadcastChannel };
}
