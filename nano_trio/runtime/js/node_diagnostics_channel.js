// node:diagnostics_channel. Node.js API, Diagnostics Channel: https://nodejs.org/api/diagnostics_channel.html
const channels = new Map();

class Channel {
  #subscribers = [];
  #stores = new Map();
  constructor(name) {
    this.name = name;
  }
  get hasSubscribers() {
    return this.#subscribers.length > 0 || this.#stores.size > 0;
  }
  subscribe(subscriber) {
    if (typeof subscriber !== "function") {
      const error = new TypeError('The "subscription" argument must be of type function.');
      error.code = "ERR_INVALID_ARG_TYPE";
      throw error;
    }
    this.#subscribers = [...this.#subscribers, subscriber];
  }
  unsubscribe(subscriber) {
    const at = this.#subscribers.indexOf(subscriber);
    if (at < 0) return false;
    this.#subscribers = this.#subscribers.toSpliced(at, 1);
    return true;
  }
  /** What a subscriber throws is reported, and keeps the message from nobody. */
  publish(message) {
    for (const subscriber of this.#subscribers) {
      try {
        subscriber(message, this.name);
      } catch (error) {
        reportError(error);
      }
    }
  }
  bindStore(store, transform) {
    this.#stores.set(store, transform);
  }
  unbindStore(store) {
    return this.#stores.delete(store);
  }
  runStores(message, callback, self, ...args) {
    let run = () => {
      this.publish(message);
      return Reflect.apply(callback, self, args);
    };
    for (const [store, transform] of this.#stores) {
      const inner = run;
      run = () => store.run(transform === undefined ? message : transform(message), inner);
    }
    return run();
  }
}
function channel(name) {
  if (typeof name !== "string" && typeof name !== "symbol") {
    const error = new TypeError('The "channel" argument must be of type string or symbol.');
    error.code = "ERR_INVALID_ARG_TYPE";
    throw error;
  }
  let found = channels.get(name);
  if (found === undefined) channels.set(name, (found = new Channel(name)));
  return found;
}
const hasSubscribers = (name) => channels.get(name)?.hasSubscribers ?? false;
const subscribe = (name, subscriber) => channel(name).subscribe(subscriber);
const unsubscribe = (name, subscriber) => channel(name).unsubscribe(subscriber);

const EVENTS = ["start", "end", "asyncStart", "asyncEnd", "error"];
class TracingChannel {
  constructor(names) {
    for (const event of EVENTS) this[event] = typeof names === "string" ? channel(`tracing:${names}:${event}`) : names[event];
  }
  get hasSubscribers() {
    return EVENTS.some((event) => this[event]?.hasSubscribers);
  }
  subscribe(subscribers) {
    for (const event of EVENTS) if (subscribers[event]) this[event].subscribe(subscribers[event]);
  }
  unsubscribe(subscribers) {
    return EVENTS.filter((event) => subscribers[event]).every((event) => this[event].unsubscribe(subscribers[event]));
  }
  traceSync(callback, context = {}, self, ...args) {
    return this.start.runStores(context, () => {
      try {
        return (context.result = Reflect.apply(callback, self, args));
      } catch (error) {
        context.error = error;
        this.error.publish(context);
        throw error;
      } finally {
        this.end.publish(context);
      }
    });
  }
  tracePromise(callback, context = {}, self, ...args) {
    const settled = (name, value) => {
      context[name] = value;
      if (name === "error") this.error.publish(context);
      this.asyncStart.publish(context);
      this.asyncEnd.publish(context);
    };
    return this.start.runStores(context, () => {
      try {
        return Promise.resolve(Reflect.apply(callback, self, args)).then(
          (result) => {
            settled("result", result);
            return result;
          },
          (error) => {
            settled("error", error);
            throw error;
          },
        );
      } catch (error) {
        context.error = error;
        this.error.publish(context);
        throw error;
      } finally {
        this.end.publish(context);
      }
    });
  }
  traceCallback(callback, position = -1, context = {}, self, ...args) {
    const given = args.at(position);
    const wrapped = (...results) => {
      const [error, result] = results;
      if (error) {
        context.error = error;
        this.error.publish(context);
      } else context.result = result;
      return this.asyncStart.runStores(context, () => {
        try {
          return given(...results);
        } finally {
          this.asyncEnd.publish(context);
        }
      });
    };
    args.splice(position, 1, wrapped);
    return this.start.runStores(context, () => {
      try {
        return Reflect.apply(callback, self, args);
      } catch (error) {
        context.error = error;
        this.error.publish(context);
        throw error;
      } finally {
        this.end.publish(context);
      }
    });
  }
}
const tracingChannel = (names) => new TracingChannel(names);
module.exports = { Channel, TracingChannel, channel, hasSubscribers, subscribe, unsubscribe, tracingChannel };
