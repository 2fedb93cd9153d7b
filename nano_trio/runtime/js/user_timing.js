// User Timing, https://w3c.github.io/user-timing/
(platform) => {
  "use strict";
  const idl = platform.load("webidl");
  const { requireArguments, DOMString, double, any, isObject, dictionary, defineInterface } = idl;
  const { PerformanceEntry, TOKEN, typeOf, startTimeOf, detailOf, latestEntry, queueEntry } =
    platform.load("performance_timeline");
  const { TypeError } = platform.constructors;
  const { now } = platform.host("performance");
  const indexOf = platform.uncurry("Array", "indexOf");
  const split = platform.uncurry("String", "split");

  const member = (key, converter) => ({ __proto__: null, key, converter });
  const markOrTime = (value, context) => (typeof value === "number" ? double : DOMString)(value, context);
  const markOptions = dictionary("PerformanceMarkOptions", [member("detail", any), member("startTime", double)]);
  const measureOptions = dictionary("PerformanceMeasureOptions", [
    member("detail", any),
    member("duration", double),
    member("end", markOrTime),
    member("start", markOrTime),
  ]);

  function cloneDetail(detail) {
    if (detail === undefined || detail === null) return null;
    return platform.load("structuredclone").clone(detail);
  }
  /** The `detail` of an entry that must be of `type`. */
  function readDetail(entry, type) {
    if (typeOf(entry) !== type) throw new TypeError("Illegal receiver of 'detail'.");
    return detailOf(entry);
  }

  class PerformanceMark extends PerformanceEntry {
    constructor(markName) {
      const context = "Failed to construct 'PerformanceMark'";
      requireArguments(arguments.length, 1, context);
      const name = DOMString(markName, context);
      const { detail, startTime = now() } = markOptions(arguments[1], context);
      if (startTime < 0) throw new TypeError(`${context}: 'startTime' cannot be negative.`);
      super(TOKEN, name, "mark", startTime, 0, cloneDetail(detail));
    }
    get detail() {
      return readDetail(this, "mark");
    }
  }
  defineInterface(PerformanceMark);

  class PerformanceMeasure extends PerformanceEntry {
    constructor() {
      if (arguments[0] !== TOKEN) idl.illegalConstructor();
      super(TOKEN, arguments[1], "measure", arguments[2], arguments[3], arguments[4]);
    }
    get detail() {
      return readDetail(this, "measure");
    }
  }
  defineInterface(PerformanceMeasure);

  function mark(name, options) {
    const entry = new PerformanceMark(name, options);
    queueEntry(entry);
    return entry;
  }

  function measure(measureName, startOrOptions, endMark) {
    const context = "Failed to execute 'measure' on 'Performance'";
    const name = DOMString(measureName, context);
    const isOptions = startOrOptions === undefined || startOrOptions === null || isObject(startOrOptions);
    const options = isOptions ? measureOptions(startOrOptions, context) : { __proto__: null };
    const startMark = isOptions ? undefined : DOMString(startOrOptions, context);
    if (endMark !== undefined) endMark = DOMString(endMark, context);
    const { start, duration, end, detail } = options;
    if (start !== undefined || end !== undefined || duration !== undefined || detail !== undefined) {
      if (endMark !== undefined) throw new TypeError(`${context}: Options and 'endMark' exclude each other.`);
      if (start === undefined && end === undefined) throw new TypeError(`${context}: 'start' or 'end' must be given.`);
      if (start !== undefined && end !== undefined && duration !== undefined) {
        throw new TypeError(`${context}: 'start', 'duration' and 'end' cannot be given together.`);
      }
    }
    let endTime;
    if (endMark !== undefined) endTime = toTimestamp(endMark, context);
    else if (end !== undefined) endTime = toTimestamp(end, context);
    else if (start !== undefined && duration !== undefined) endTime = toTimestamp(start, context) + positive(duration);
    else endTime = now();
    let startTime = 0;
    if (start !== undefined) startTime = toTimestamp(start, context);
    else if (duration !== undefined && end !== undefined) startTime = endTime - positive(duration);
    else if (startMark !== undefined) startTime = toTimestamp(startMark, context);
    const entry = new PerformanceMeasure(TOKEN, name, startTime, endTime - startTime, cloneDetail(detail));
    queueEntry(entry);
    return entry;
  }

  // The attributes of PerformanceTiming, which only a Window has.
  const NAVIGATION = split(
    "navigationStart unloadEventStart unloadEventEnd redirectStart redirectEnd fetchStart domainLookupStart " +
      "domainLookupEnd connectStart connectEnd secureConnectionStart requestStart responseStart responseEnd domLoading " +
      "domInteractive domContentLoadedEventStart domContentLoadedEventEnd domComplete loadEventStart loadEventEnd",
    " ",
  );
  /** "Convert a mark to a timestamp" */
  function toTimestamp(value, context) {
    if (typeof value === "number") return positive(value);
    if (indexOf(NAVIGATION, value) >= 0) throw new TypeError(`${context}: '${value}' exists only in a window.`);
    const entry = latestEntry("mark", value);
    if (entry !== undefined) return startTimeOf(entry);
    const { DOMException } = platform.load("domexception");
    throw new DOMException(`${context}: The mark '${value}' does not exist.`, "SyntaxError");
  }
  function positive(time) {
    if (time < 0) throw new TypeError("A time stamp cannot be negative.");
    return time;
  }

  return { __proto__: null, PerformanceMark, PerformanceMeasure, mark, measure };
}
