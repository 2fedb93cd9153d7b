// Performance Timeline, https://w3c.github.io/performance-timeline/
(platform) => {
  "use strict";
  const idl = platform.load("webidl");
  const { requireArguments, DOMString, boolean, dictionary, sequence, callbackFunction, defineInterface } = idl;
  const { Set, TypeError } = platform.constructors;
  const { freeze } = platform.statics.Object;
  const { apply } = platform.statics.Reflect;
  const addTo = platform.uncurry("Set", "add");
  const removeFrom = platform.uncurry("Set", "delete");
  const forEach = platform.uncurry("Set", "forEach");
  const filter = platform.uncurry("Array", "filter");
  const indexOf = platform.uncurry("Array", "indexOf");
  const sort = platform.uncurry("Array", "sort");
  const SUPPORTED = freeze(["mark", "measure"]);
  const TOKEN = {};

  let nameOf, typeOf, startTimeOf, detailOf;

  // 4. The PerformanceEntry interface
  class PerformanceEntry {
    #name;
    #entryType;
    #startTime;
    #duration;
    /** What User Timing's entries carry; undefined in others. */
    #detail;

    constructor() {
      if (arguments[0] !== TOKEN) idl.illegalConstructor();
      this.#name = arguments[1];
      this.#entryType = arguments[2];
      this.#startTime = arguments[3];
      this.#duration = arguments[4];
      this.#detail = arguments[5];
    }

    get name() {
      return this.#name;
    }
    get entryType() {
      return this.#entryType;
    }
    get startTime() {
      return this.#startTime;
    }
    get duration() {
      return this.#duration;
    }
    toJSON() {
      const result = {
        name: this.#name,
        entryType: this.#entryType,
        startTime: this.#startTime,
        duration: this.#duration,
      };
      if (this.#detail !== undefined) result.detail = this.#detail;
      return result;
    }

    static {
      nameOf = (entry) => entry.#name;
      typeOf = (entry) => entry.#entryType;
      startTimeOf = (entry) => entry.#startTime;
      detailOf = (entry) => entry.#detail;
    }
  }
  defineInterface(PerformanceEntry);

  // 6. Processing: the performance entry buffers, and the registered observers
  const buffers = { __proto__: null, mark: [], measure: [] };
  const observers = new Set();
  let isTaskQueued = false;

  /** "Filter buffer by name and type": in order of start time. */
  function select(list, name, type) {
    const found = filter(
      list,
      (entry) => (name === undefined || nameOf(entry) === name) && (type === undefined || typeOf(entry) === type),
    );
    return sort(found, (a, b) => startTimeOf(a) - startTimeOf(b));
  }

  /** The timeline's entries of `name` and `type`, any where undefined. */
  function timelineEntries(name, type) {
    if (type !== undefined) return buffers[type] === undefined ? [] : select(buffers[type], name);
    const all = [];
    for (let i = 0; i < SUPPORTED.length; i++) append(all, buffers[SUPPORTED[i]]);
    return select(all, name);
  }
  function append(list, more) {
    for (let i = 0; i < more.length; i++) list[list.length] = more[i];
  }

  /** Forget the entries of `type`; only those called `name` where it is given. */
  function clearEntries(type, name) {
    const wanted = name === undefined ? undefined : DOMString(name);
    buffers[type] = wanted === undefined ? [] : filter(buffers[type], (entry) => nameOf(entry) !== wanted);
  }

  /** The newest entry of `type` called `name`, or undefined. */
  function latestEntry(type, name) {
    const list = buffers[type];
    for (let i = list.length - 1; i >= 0; i--) if (nameOf(list[i]) === name) return list[i];
    return undefined;
  }

  /** "Queue a PerformanceEntry", and add it to its buffer. */
  function queueEntry(entry) {
    const list = buffers[typeOf(entry)];
    list[list.length] = entry;
    let isObserved = false;
    forEach(observers, (observer) => {
      isObserved = offer(observer, entry) || isObserved;
    });
    if (isObserved) queueTask();
  }

  /** "Queue the PerformanceObserver task" */
  function queueTask() {
    if (isTaskQueued) return;
    isTaskQueued = true;
    platform.load("timers").queueTask(() => {
      isTaskQueued = false;
      const notified = [];
      forEach(observers, (observer) => {
        notified[notified.length] = observer;
      });
      for (let i = 0; i < notified.length; i++) deliver(notified[i]);
    });
  }

  // 5. The PerformanceObserver interface
  const observerInit = dictionary("PerformanceObserverInit", [
    { __proto__: null, key: "buffered", converter: boolean },
    { __proto__: null, key: "entryTypes", converter: sequence(DOMString) },
    { __proto__: null, key: "type", converter: DOMString },
  ]);
  let offer, deliver;

  class PerformanceObserver {
    #callback;
    #buffer = [];
    /** "" until the first observe(), then "multiple" or "single". */
    #type = "";
    /** The entry types observed. */
    #observed = [];
    #requiresDroppedEntries = false;

    constructor(callback) {
      const context = "Failed to construct 'PerformanceObserver'";
      requireArguments(arguments.length, 1, context);
      this.#callback = callbackFunction(callback, `${context}: Argument 1`);
    }

    observe() {
      const context = "Failed to execute 'observe' on 'PerformanceObserver'";
      this.#callback;
      const { buffered, entryTypes, type } = observerInit(arguments[0], context);
      if (entryTypes === undefined && type === undefined) {
        throw new TypeError(`${context}: Either 'entryTypes' or 'type' must be given.`);
      }
      if (entryTypes !== undefined && (type !== undefined || buffered !== undefined)) {
        throw new TypeError(`${context}: 'entryTypes' cannot be combined with other members.`);
      }
      const kind = entryTypes === undefined ? "single" : "multiple";
      if (this.#type === "") this.#type = kind;
      if (this.#type !== kind) {
        const message = `${context}: The observer was used with '${kind === "single" ? "entryTypes" : "type"}' before.`;
        throw platform.makeError("InvalidModificationError", message);
      }
      this.#requiresDroppedEntries = true;
      if (kind === "multiple") {
        const supported = filter(entryTypes, (each) => indexOf(SUPPORTED, each) >= 0);
        if (supported.length === 0) return;
        this.#observed = supported;
        addTo(observers, this);
        return;
      }
      if (indexOf(SUPPORTED, type) < 0) return;
      if (indexOf(this.#observed, type) < 0) this.#observed[this.#observed.length] = type;
      addTo(observers, this);
      if (buffered) {
        append(this.#buffer, buffers[type]);
        queueTask();
      }
    }
    disconnect() {
      this.#buffer = [];
      this.#observed = [];
      removeFrom(observers, this);
    }
    takeRecords() {
      const records = this.#buffer;
      this.#buffer = [];
      return records;
    }
    static get supportedEntryTypes() {
      return SUPPORTED;
    }

    static {
      offer = (observer, entry) => {
        if (indexOf(observer.#observed, typeOf(entry)) < 0) return false;
        observer.#buffer[observer.#buffer.length] = entry;
        return true;
      };
      deliver = (observer) => {
        const entries = observer.#buffer;
        observer.#buffer = [];
        if (entries.length === 0) return;
        const options = observer.#requiresDroppedEntries ? { droppedEntriesCount: 0 } : {};
        observer.#requiresDroppedEntries = false;
        try {
          apply(observer.#callback, observer, [new PerformanceObserverEntryList(TOKEN, entries), observer, options]);
        } catch (error) {
          platform.reportException(error);
        }
      };
    }
  }
  defineInterface(PerformanceObserver);

  class PerformanceObserverEntryList {
    #entries;

    constructor() {
      if (arguments[0] !== TOKEN) idl.illegalConstructor();
      this.#entries = arguments[1];
    }

    getEntries() {
      return select(this.#entries);
    }
    getEntriesByType(type) {
      this.#entries;
      requireArguments(arguments.length, 1, "Failed to execute 'getEntriesByType' on 'PerformanceObserverEntryList'");
      return select(this.#entries, undefined, DOMString(type));
    }
    getEntriesByName(name) {
      this.#entries;
      requireArguments(arguments.length, 1, "Failed to execute 'getEntriesByName' on 'PerformanceObserverEntryList'");
      return select(this.#entries, DOMString(name), arguments[1] === undefined ? undefined : DOMString(arguments[1]));
    }
  }
  defineInterface(PerformanceObserverEntryList);

  return {
    __proto__: null,
    PerformanceEntry,
    PerformanceObserver,
    PerformanceObserverEntryList,
    /** The first argument that PerformanceEntry's constructor asks for: (TOKEN, name, type, startTime, duration, detail). */
    TOKEN,
    typeOf,
    startTimeOf,
    detailOf,
    timelineEntries,
    clearEntries,
    latestEntry,
    queueEntry,
  };
}
