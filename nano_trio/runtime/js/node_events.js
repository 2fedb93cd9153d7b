// node:events. Node.js API, Events: https://nodejs.org/api/events.html
const MAX_LISTENERS = 10;

function checkListener(listener) {
  if (typeof listener !== "function") {
    const error = new TypeError('The "listener" argument must be of type function.');
    error.code = "ERR_INVALID_ARG_TYPE";
    throw error;
  }
}

function abortError(signal) {
  const error = new Error("The operation was aborted", { cause: signal.reason });
  error.name = "AbortError";
  error.code = "ABORT_ERR";
  return error;
}

/** A function, as in Node, so that `EventEmitter.call(this)` and util.inherits work. */
function EventEmitter() {
  if (this._events === undefined || this._events === Object.getPrototypeOf(this)._events) {
    this._events = Object.create(null);
    this._eventsCount = 0;
  }
  this._maxListeners ??= undefined;
}

function listenersOf(emitter, name) {
  return emitter._events?.[name];
}

function add(emitter, name, listener, prepend) {
  checkListener(listener);
  if (emitter._events === undefined) EventEmitter.call(emitter);
  if (emitter._events.newListener !== undefined) emitter.emit("newListener", name, listener.listener ?? listener);
  const list = listenersOf(emitter, name);
  if (list === undefined) {
    emitter._events[name] = [listener];
    emitter._eventsCount++;
  } else {
    // A copy: the list may be being walked.
    emitter._events[name] = prepend ? [listener, ...list] : [...list, listener];
    const most = emitter.getMaxListeners();
    if (most > 0 && list.length + 1 > most && !emitter._warned?.has(name)) {
      (emitter._warned ??= new Set()).add(name);
      console.warn(
        `MaxListenersExceededWarning: Possible EventEmitter memory leak detected. ${list.length + 1} ${String(name)} ` +
          `listeners added. Use emitter.setMaxListeners() to increase limit`,
      );
    }
  }
  return emitter;
}

function wrapOnce(emitter, name, listener) {
  checkListener(listener);
  function wrapper(...args) {
    emitter.removeListener(name, wrapper);
    return Reflect.apply(listener, emitter, args);
  }
  wrapper.listener = listener;
  return wrapper;
}

const methods = {
  setMaxListeners(count) {
    if (typeof count !== "number" || !(count >= 0)) {
      const error = new RangeError('The value of "n" is out of range. It must be a non-negative number.');
      error.code = "ERR_OUT_OF_RANGE";
      throw error;
    }
    this._maxListeners = count;
    return this;
  },
  getMaxListeners() {
    return this._maxListeners ?? EventEmitter.defaultMaxListeners;
  },
  emit(name, ...args) {
    const list = listenersOf(this, name);
    if (list === undefined) {
      if (name !== "error") return false;
      if (args[0] instanceof Error) throw args[0];
      const error = new Error(`Unhandled error. (${typeof args[0] === "string" ? `'${args[0]}'` : String(args[0])})`);
      error.code = "ERR_UNHANDLED_ERROR";
      error.context = args[0];
      throw error;
    }
    for (const listener of list) {
      const result = Reflect.apply(listener, this, args);
      if (this._captures && typeof result?.then === "function") {
        result.then(undefined, (error) => this.emit("error", error));
      }
    }
    return true;
  },
  addListener(name, listener) {
    return add(this, name, listener, false);
  },
  on(name, listener) {
    return add(this, name, listener, false);
  },
  prependListener(name, listener) {
    return add(this, name, listener, true);
  },
  // By the public methods, as in Node: streams have their own.
  once(name, listener) {
    return this.on(name, wrapOnce(this, name, listener));
  },
  prependOnceListener(name, listener) {
    return this.prependListener(name, wrapOnce(this, name, listener));
  },
  removeListener(name, listener) {
    checkListener(listener);
    const list = listenersOf(this, name);
    if (list === undefined) return this;
    const at = list.findLastIndex((each) => each === listener || each.listener === listener);
    if (at < 0) return this;
    if (list.length === 1) {
      delete this._events[name];
      this._eventsCount--;
    } else {
      this._events[name] = list.toSpliced(at, 1);
    }
    if (this._events.removeListener !== undefined) this.emit("removeListener", name, listener);
    return this;
  },
  removeAllListeners(name) {
    if (this._events === undefined) return this;
    // An event whose name is undefined is one like others.
    if (arguments.length === 0) {
      if (this._events.removeListener !== undefined) {
        for (const each of Reflect.ownKeys(this._events)) if (each !== "removeListener") this.removeAllListeners(each);
      }
      this._events = Object.create(null);
      this._eventsCount = 0;
    } else {
      for (const listener of listenersOf(this, name)?.toReversed() ?? []) this.removeListener(name, listener);
    }
    return this;
  },
  listeners(name) {
    return (listenersOf(this, name) ?? []).map((each) => each.listener ?? each);
  },
  rawListeners(name) {
    return [...(listenersOf(this, name) ?? [])];
  },
  listenerCount(name, listener) {
    const list = listenersOf(this, name) ?? [];
    return listener === undefined ? list.length : list.filter((e) => e === listener || e.listener === listener).length;
  },
  eventNames() {
    return this._events === undefined ? [] : Reflect.ownKeys(this._events);
  },
};
methods.off = methods.removeListener;
for (const name of Object.keys(methods)) {
  Object.defineProperty(EventEmitter.prototype, name, { value: methods[name], writable: true, configurable: true, enumerable: true });
}
EventEmitter.prototype._events = undefined;
EventEmitter.prototype._eventsCount = 0;
EventEmitter.prototype._maxListeners = undefined;

let defaultMaxListeners = MAX_LISTENERS;
Object.defineProperty(EventEmitter, "defaultMaxListeners", {
  enumerable: true,
  get: () => defaultMaxListeners,
  set: (count) => {
    defaultMaxListeners = count;
  },
});
const errorMonitor = Symbol("events.errorMonitor");
const captureRejectionSymbol = Symbol.for("nodejs.rejection");
const emitPlainly = methods.emit;
EventEmitter.prototype.emit = function emit(name, ...args) {
  if (name === "error" && listenersOf(this, errorMonitor) !== undefined) Reflect.apply(emitPlainly, this, [errorMonitor, ...args]);
  return Reflect.apply(emitPlainly, this, [name, ...args]);
};

function listen(target, name, listener, options) {
  if (typeof target.on === "function") {
    if (options?.once) target.once(name, listener);
    else target.on(name, listener);
  } else {
    target.addEventListener(name, listener, options);
  }
}
function unlisten(target, name, listener) {
  if (typeof target.removeListener === "function") target.removeListener(name, listener);
  else target.removeEventListener(name, listener);
}

/** A promise for the arguments of the next event of that name; rejects with the next "error". */
function once(target, name, options) {
  const signal = options?.signal;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abortError(signal));
    const clean = () => {
      unlisten(target, name, resolver);
      if (name !== "error" && typeof target.on === "function") unlisten(target, "error", failed);
      signal?.removeEventListener("abort", aborted);
    };
    const resolver = (...args) => {
      clean();
      resolve(args);
    };
    const failed = (error) => {
      clean();
      reject(error);
    };
    const aborted = () => {
      clean();
      reject(abortError(signal));
    };
    listen(target, name, resolver, { once: true });
    if (name !== "error" && typeof target.on === "function") listen(target, "error", failed, { once: true });
    signal?.addEventListener("abort", aborted, { once: true });
  });
}

/** An async iterator over the arguments of all events of that name. */
function on(target, name, options) {
  const signal = options?.signal;
  if (signal?.aborted) throw abortError(signal);
  const waitingEvents = [];
  const waitingReaders = [];
  let failure = null;
  let finished = false;
  const receive = (...args) => {
    const reader = waitingReaders.shift();
    if (reader !== undefined) reader.resolve({ value: args, done: false });
    else waitingEvents.push(args);
  };
  const fail = (error) => {
    const reader = waitingReaders.shift();
    if (reader !== undefined) reader.reject(error);
    else failure = { error };
    iterator.return();
  };
  const aborted = () => fail(abortError(signal));
  const iterator = {
    next() {
      if (waitingEvents.length > 0) return Promise.resolve({ value: waitingEvents.shift(), done: false });
      if (failure !== null) {
        const { error } = failure;
        failure = null;
        return Promise.reject(error);
      }
      if (finished) return Promise.resolve({ value: undefined, done: true });
      return new Promise((resolve, reject) => waitingReaders.push({ resolve, reject }));
    },
    return() {
      unlisten(target, name, receive);
      if (name !== "error" && typeof target.on === "function") unlisten(target, "error", fail);
      signal?.removeEventListener("abort", aborted);
      finished = true;
      for (const reader of waitingReaders.splice(0)) reader.resolve({ value: undefined, done: true });
      return Promise.resolve({ value: undefined, done: true });
    },
    throw(error) {
      fail(error);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
  listen(target, name, receive);
  if (name !== "error" && typeof target.on === "function") listen(target, "error", fail);
  signal?.addEventListener("abort", aborted, { once: true });
  return iterator;
}

const listenerCount = (emitter, name) => emitter.listenerCount(name);
const getEventListeners = (emitter, name) => (emitter instanceof EventEmitter ? emitter.listeners(name) : []);
const setMaxListeners = (count, ...emitters) => {
  if (emitters.length === 0) defaultMaxListeners = count;
  for (const emitter of emitters) emitter.setMaxListeners?.(count);
};
const getMaxListeners = (emitter) => emitter.getMaxListeners?.() ?? 0;
function addAbortListener(signal, listener) {
  if (signal.aborted) queueMicrotask(() => listener());
  else signal.addEventListener("abort", listener, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener("abort", listener) };
}
Object.assign(EventEmitter, {
  addAbortListener, once, on, listenerCount, getEventListeners, setMaxListeners, getMaxListeners, errorMonitor, captureRejectionSymbol, EventEmitter,
});
module.exports = EventEmitter;
