// Aborting ongoing activities: DOM section 3, https://dom.spec.whatwg.org/#aborting-ongoing-activities
//
// Who keeps whom alive (3.2.2): a dependent signal holds its sources. A source, and the timer of AbortSignal.timeout,
// hold a signal by a record { weak, pinned } whose `pinned` is the signal only while anybody waits for its abort.
(platform) => {
  "use strict";
  const { requireArguments, sequence, interfaceType, unsignedLongLong, defineInterface, illegalConstructor } =
    platform.load("webidl");
  const { Event, EventTarget, fire, hasListeners, setObserver, defineHandler } = platform.load("event");
  const { Set, WeakRef } = platform.constructors;
  const add = platform.uncurry("Set", "add");
  const remove = platform.uncurry("Set", "delete");
  const forEach = platform.uncurry("Set", "forEach");
  const size = platform.uncurry("Set", "size");
  const deref = platform.uncurry("WeakRef", "deref");
  const TOKEN = {};

  const living = (record) => record.pinned ?? deref(record.weak);

  let isAbortSignal, isAborted, reasonOf, addAlgorithm, removeAlgorithm, signalAbort, dependentSignal, watch;

  class AbortSignal extends EventTarget {
    /** The abort reason; undefined while the signal is not aborted. */
    #reason;
    #algorithms = null;
    /** The signals this one depends on, none of them dependent itself; null where it is no dependent signal. */
    #sources = null;
    /** Records of the signals that depend on this one. */
    #dependents = null;
    /** How many records to hold before the dead ones are dropped. */
    #pruneAt = 8;
    /** This signal's record, where it is a dependent or a timeout's. */
    #record = null;
    #isTimeout = false;

    constructor() {
      if (arguments[0] !== TOKEN) illegalConstructor();
      super();
    }

    static abort() {
      const signal = new AbortSignal(TOKEN);
      signal.#reason = arguments[0] === undefined ? abortError() : arguments[0];
      return signal;
    }
    static timeout(milliseconds) {
      const context = "Failed to execute 'timeout' on 'AbortSignal'";
      requireArguments(arguments.length, 1, context);
      const ms = unsignedLongLong(milliseconds, context, { enforceRange: true });
      const signal = new AbortSignal(TOKEN);
      signal.#isTimeout = true;
      const record = watch(signal);
      const expire = () => {
        const waiting = living(record);
        if (waiting === undefined) return;
        signalAbort(waiting, platform.makeError("TimeoutError", "The operation was aborted due to timeout"));
      };
      platform.load("timers").startTimer(platform.bind?.(expire) ?? expire, ms);
      return signal;
    }
    static any(signals) {
      const context = "Failed to execute 'any' on 'AbortSignal'";
      requireArguments(arguments.length, 1, context);
      return dependentSignal(signalSequence(signals, context));
    }

    get aborted() {
      return this.#reason !== undefined;
    }
    get reason() {
      return this.#reason;
    }
    throwIfAborted() {
      if (this.#reason !== undefined) throw this.#reason;
    }

    /** Hold the signal strongly in its record exactly while its abort would be noticed. */
    #pin() {
      const isAwaited =
        this.#algorithms !== null || (this.#isTimeout && this.#dependents !== null) || hasListeners(this, "abort");
      this.#record.pinned = isAwaited && this.#reason === undefined ? this : null;
    }
    #addDependent(record) {
      const dependents = (this.#dependents ??= new Set());
      add(dependents, record);
      if (this.#isTimeout) this.#pin();
      if (size(dependents) < this.#pruneAt) return;
      forEach(dependents, (each) => {
        if (living(each) === undefined) remove(dependents, each);
      });
      this.#pruneAt = size(dependents) * 2 + 8;
    }
    /** "Run the abort steps" */
    #runAbortSteps() {
      const algorithms = this.#algorithms;
      this.#algorithms = null;
      if (algorithms !== null) forEach(algorithms, (algorithm) => algorithm());
      fire(this, new Event("abort"));
      if (this.#record !== null) this.#pin();
    }

    static {
      const pin = (signal) => signal.#pin();
      isAbortSignal = (value) => (typeof value === "object" && value !== null) && #sources in value;
      isAborted = (signal) => signal.#reason !== undefined;
      reasonOf = (signal) => signal.#reason;
      watch = (signal) => {
        setObserver(signal, pin);
        return (signal.#record = { __proto__: null, weak: new WeakRef(signal), pinned: null });
      };
      addAlgorithm = (signal, algorithm) => {
        if (signal.#reason !== undefined) return;
        add((signal.#algorithms ??= new Set()), algorithm);
        if (signal.#record !== null) signal.#pin();
      };
      removeAlgorithm = (signal, algorithm) => {
        const algorithms = signal.#algorithms;
        if (algorithms === null || !remove(algorithms, algorithm)) return;
        if (size(algorithms) === 0) signal.#algorithms = null;
        if (signal.#record !== null) signal.#pin();
      };
      signalAbort = (signal, reason) => {
        if (signal.#reason !== undefined) return;
        signal.#reason = reason === undefined ? abortError() : reason;
        const aborting = [];
        if (signal.#dependents !== null) {
          forEach(signal.#dependents, (record) => {
            const dependent = living(record);
            if (dependent === undefined || dependent.#reason !== undefined) return;
            dependent.#reason = signal.#reason;
            aborting[aborting.length] = dependent;
          });
          signal.#dependents = null;
        }
        signal.#runAbortSteps();
        for (let i = 0; i < aborting.length; i++) aborting[i].#runAbortSteps();
      };
      // "Create a dependent abort signal"
      dependentSignal = (signals) => {
        const result = new AbortSignal(TOKEN);
        for (let i = 0; i < signals.length; i++) {
          if (signals[i].#reason !== undefined) {
            result.#reason = signals[i].#reason;
            return result;
          }
        }
        const sources = (result.#sources = new Set());
        for (let i = 0; i < signals.length; i++) {
          if (signals[i].#sources === null) add(sources, signals[i]);
          else forEach(signals[i].#sources, (source) => add(sources, source));
        }
        const record = watch(result);
        forEach(sources, (source) => source.#addDependent(record));
        return result;
      };
    }
  }
  defineInterface(AbortSignal);
  defineHandler(AbortSignal, "onabort", isAbortSignal);
  const signalSequence = sequence(interfaceType("AbortSignal", isAbortSignal));

  function abortError() {
    return platform.makeError("AbortError", "This operation was aborted");
  }

  class AbortController {
    #signal = new AbortSignal(TOKEN);

    get signal() {
      return this.#signal;
    }
    abort() {
      signalAbort(this.#signal, arguments[0]);
    }
  }
  defineInterface(AbortController);

  return {
    __proto__: null,
    AbortController,
    AbortSignal,
    /** A signal that only the platform aborts, with signalAbort. */
    newSignal: () => new AbortSignal(TOKEN),
    isAbortSignal,
    isAborted,
    reasonOf,
    addAlgorithm,
    removeAlgorithm,
    signalAbort,
    dependentSignal,
  };
}
