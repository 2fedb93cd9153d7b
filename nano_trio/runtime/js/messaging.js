// Channel messaging: HTML 9.4, https://html.spec.whatwg.org/#channel-messaging
//
// Both ends of a channel live in this isolate, so a message is copied when it is sent, and waits in the receiving port's
// message queue. Each message is delivered in a task of its own once that queue is enabled. A transferred port leaves
// its queue and its peer to a new port.
//
// Listeners have what was current for an AsyncLocalStorage where their port was made, as in Node.js: it is the port that
// they belong to, and a message may come from anybody. A port that was transferred has none.
(platform) => {
  "use strict";
  const idl = platform.load("webidl");
  const { requireArguments, isObject, defineInterface, illegalConstructor } = idl;
  const { EventTarget, fire, defineHandler, Event } = platform.load("event");
  const { cloneWithTransfer, cloneOptions, registerTransferable } = platform.load("structuredclone");
  const { queueTask } = platform.load("timers");
  const filter = platform.uncurry("Array", "filter");
  const indexOf = platform.uncurry("Array", "indexOf");
  const shift = platform.uncurry("Array", "shift");
  const symbolIterator = Symbol.iterator;
  const TOKEN = {};

  let isMessagePort, entangle, enable, deliver;
  const call = (steps) => steps();

  class MessagePort extends EventTarget {
    #peer = null;
    /** The port message queue: { data, ports } that were not delivered yet. */
    #queue = [];
    #isEnabled = false;
    #isDetached = false;
    /** Calls a function with what was current where the port was made. */
    #within = platform.bind?.(call) ?? call;

    constructor() {
      if (arguments[0] !== TOKEN) illegalConstructor();
      super();
    }

    postMessage(message) {
      const context = "Failed to execute 'postMessage' on 'MessagePort'";
      const peer = this.#peer;
      requireArguments(arguments.length, 1, context);
      const transfer = transferList(arguments[1], context);
      if (indexOf(transfer, this) >= 0) {
        throw platform.makeError("DataCloneError", `${context}: A port cannot be sent through itself.`);
      }
      const isDoomed = peer !== null && indexOf(transfer, peer) >= 0;
      const { value, transferred } = cloneWithTransfer(message, transfer);
      if (peer === null || isDoomed) return;
      peer.#queue[peer.#queue.length] = { __proto__: null, data: value, ports: filter(transferred, isMessagePort) };
      if (peer.#isEnabled) queueTask(() => deliver(peer));
    }
    start() {
      enable(this);
    }
    close() {
      const peer = this.#peer;
      this.#isDetached = true;
      this.#queue = [];
      if (peer === null) return;
      // "Disentangle"
      this.#peer = peer.#peer = null;
      queueTask(() => peer.#within(() => fire(peer, new Event("close"))));
    }

    static {
      isMessagePort = (value) => isObject(value) && #queue in value;
      entangle = (a, b) => {
        a.#peer = b;
        b.#peer = a;
      };
      enable = (port) => {
        if (port.#isEnabled || port.#isDetached) return;
        port.#isEnabled = true;
        for (let i = 0; i < port.#queue.length; i++) queueTask(() => deliver(port));
      };
      deliver = (port) => {
        const message = shift(port.#queue);
        if (message === undefined) return; // the port was closed or transferred meanwhile
        const { MessageEvent } = platform.load("event_types");
        const event = new MessageEvent("message", { __proto__: null, data: message.data, ports: message.ports });
        port.#within(() => fire(port, event));
      };
      registerTransferable(
        isMessagePort,
        (port) => {
          if (port.#isDetached) throw platform.makeError("DataCloneError", "A detached MessagePort cannot be transferred.");
          const data = [port.#peer, port.#queue];
          port.#isDetached = true;
          port.#isEnabled = false;
          port.#peer = null;
          port.#queue = [];
          return data;
        },
        (data) => {
          const port = new MessagePort(TOKEN);
          port.#within = call;
          if (data[0] !== null) entangle(port, data[0]);
          port.#queue = data[1];
          return port;
        },
      );
    }
  }
  defineInterface(MessagePort);
  defineHandler(MessagePort, "onmessage", isMessagePort, enable);
  defineHandler(MessagePort, "onmessageerror", isMessagePort);
  defineHandler(MessagePort, "onclose", isMessagePort);

  /** The second argument of postMessage: a sequence of objects, or StructuredSerializeOptions. */
  function transferList(value, context) {
    if (value === undefined) return [];
    if (isObject(value)) {
      const method = value[symbolIterator];
      if (method !== undefined && method !== null) return idl.sequenceFromIterable(value, method, idl.object, context);
    }
    return cloneOptions(value, context).transfer;
  }

  class MessageChannel {
    #port1 = new MessagePort(TOKEN);
    #port2 = new MessagePort(TOKEN);

    constructor() {
      entangle(this.#port1, this.#port2);
    }

    get port1() {
      return this.#port1;
    }
    get port2() {
      return this.#port2;
    }
  }
  defineInterface(MessageChannel);

  return { __proto__: null, MessageChannel, MessagePort, isMessagePort };
}
