// The Performance interface: High Resolution Time, https://w3c.github.io/hr-time/#sec-performance
//
// Only the clock lives here. Marks, measures and the timeline load when they are first asked for.
(platform) => {
  "use strict";
  const { requireArguments, defineInterface, illegalConstructor } = platform.load("webidl");
  const { EventTarget } = platform.load("event");
  const host = platform.host("performance");
  const TOKEN = {};

  class Performance extends EventTarget {
    #timeOrigin;

    constructor() {
      if (arguments[0] !== TOKEN) illegalConstructor();
      super();
      this.#timeOrigin = host.timeOrigin();
    }

    get timeOrigin() {
      return this.#timeOrigin;
    }
    now() {
      this.#timeOrigin;
      return host.now();
    }
    toJSON() {
      return { timeOrigin: this.#timeOrigin };
    }

    // User Timing, extensions to the Performance interface
    mark(markName) {
      this.#timeOrigin;
      requireArguments(arguments.length, 1, "Failed to execute 'mark' on 'Performance'");
      return platform.load("user_timing").mark(markName, arguments[1]);
    }
    measure(measureName) {
      this.#timeOrigin;
      requireArguments(arguments.length, 1, "Failed to execute 'measure' on 'Performance'");
      return platform.load("user_timing").measure(measureName, arguments[1], arguments[2]);
    }
    clearMarks() {
      this.#timeOrigin;
      platform.load("performance_timeline").clearEntries("mark", arguments[0]);
    }
    clearMeasures() {
      this.#timeOrigin;
      platform.load("performance_timeline").clearEntries("measure", arguments[0]);
    }

    // Performance Timeline, extensions to the Performance interface
    getEntries() {
      this.#timeOrigin;
      return platform.load("performance_timeline").timelineEntries();
    }
    getEntriesByType(type) {
      this.#timeOrigin;
      requireArguments(arguments.length, 1, "Failed to execute 'getEntriesByType' on 'Performance'");
      return platform.load("performance_timeline").timelineEntries(undefined, `${type}`);
    }
    getEntriesByName(name) {
      this.#timeOrigin;
      requireArguments(arguments.length, 1, "Failed to execute 'getEntriesByName' on 'Performance'");
      const type = arguments[1];
      return platform.load("performance_timeline").timelineEntries(`${name}`, type === undefined ? type : `${type}`);
    }
  }
  defineInterface(Performance);

  return { __proto__: null, Performance, performance: new Performance(TOKEN) };
}
