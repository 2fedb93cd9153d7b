// High Resolution Time, Performance Timeline, User Timing.

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const names = (entries) => entries.map((entry) => entry.name);

test("Performance: the interface has the shape that WebIDL gives it", async () => {
  isInterface("Performance", ["timeOrigin"], { now: 0, toJSON: 0, mark: 1, measure: 1, clearMarks: 0, clearMeasures: 0,
    getEntries: 0, getEntriesByType: 1, getEntriesByName: 1 });
  throws(TypeError, () => new Performance());
  ok(performance instanceof Performance && performance instanceof EventTarget);
});

test("PerformanceEntry and the rest: the interfaces have the shape that WebIDL gives them", async () => {
  isInterface("PerformanceEntry", ["name", "entryType", "startTime", "duration"], { toJSON: 0 });
  isInterface("PerformanceMark", ["detail"], {}, [], 1);
  isInterface("PerformanceMeasure", ["detail"], {});
  isInterface("PerformanceObserver", [], { observe: 0, disconnect: 0, takeRecords: 0 }, [], 1);
  isInterface("PerformanceObserverEntryList", [], { getEntries: 0, getEntriesByType: 1, getEntriesByName: 1 });
  for (const C of [PerformanceEntry, PerformanceMeasure, PerformanceObserverEntryList]) throws(TypeError, () => new C());
});

test("performance: the clock goes forward from its origin", async () => {
  const a = performance.now();
  await wait(2);
  ok(a >= 0 && performance.now() > a && performance.timeOrigin > 1e12);
  equal(JSON.stringify(Object.keys(performance.toJSON())), '["timeOrigin"]');
  throws(TypeError, () => performance.now.call({}));
});

test("mark: name, time, detail", async () => {
  const detail = { a: [1] };
  const mark = performance.mark("m", { startTime: 5, detail });
  equal([mark.name, mark.entryType, mark.startTime, mark.duration, mark.detail.a[0]], ["m", "mark", 5, 0, 1]);
  ok(mark instanceof PerformanceMark && mark.detail !== detail && mark.detail === mark.detail);
  equal([performance.mark("n").detail, performance.mark("n", { detail: 0 }).detail], [null, 0]);
  const before = performance.now();
  ok(performance.mark("now").startTime >= before);
  equal(JSON.stringify(performance.mark("j", { startTime: 1, detail: 2 })),
    '{"name":"j","entryType":"mark","startTime":1,"duration":0,"detail":2}');
  performance.clearMarks();
});

test("mark: bad arguments", async () => {
  throws(TypeError, () => performance.mark());
  throws(TypeError, () => performance.mark("x", { startTime: -1 }));
  throws(TypeError, () => performance.mark("x", { startTime: NaN }));
  throws(TypeError, () => performance.mark("x", 1));
  throws("DataCloneError", () => performance.mark("x", { detail: Symbol() }));
  equal(performance.getEntriesByName("x"), []);
});

test("new PerformanceMark is on no timeline", async () => {
  equal(new PerformanceMark("alone", { startTime: 3 }).startTime, 3);
  equal(performance.getEntriesByName("alone"), []);
});

test("measure: between marks, times and now", async () => {
  performance.mark("a", { startTime: 10 });
  performance.mark("b", { startTime: 25 });
  const of = (...args) => { const m = performance.measure(...args); return [m.startTime, m.duration]; };
  equal(of("m", "a", "b"), [10, 15]);
  equal(of("m", { start: "a", end: 40 }), [10, 30]);
  equal(of("m", { start: 1, duration: 5 }), [1, 5]);
  equal(of("m", { end: "b", duration: 5 }), [20, 5]);
  equal(of("m", { end: "b" }), [0, 25]);
  equal(of("m", undefined, "b"), [0, 25]);
  equal(of("m", "b", "a"), [25, -15]);
  ok(of("m", "a")[0] === 10 && of("m")[0] === 0);
  performance.mark("a", { startTime: 12 });
  equal(of("m", "a", "b"), [12, 13]);
  const measure = performance.measure("d", { start: 1, end: 2, detail: [3] });
  equal([measure.entryType, measure.detail[0], measure instanceof PerformanceMeasure], ["measure", 3, true]);
  equal(performance.measure("e").detail, null);
  performance.clearMarks();
  performance.clearMeasures();
});

test("measure: bad arguments", async () => {
  throws(TypeError, () => performance.measure());
  throws("SyntaxError", () => performance.measure("m", "none"));
  throws("SyntaxError", () => performance.measure("m", { start: "none" }));
  throws(TypeError, () => performance.measure("m", { start: 1, end: 2 }, "x"));
  throws(TypeError, () => performance.measure("m", { duration: 2 }));
  throws(TypeError, () => performance.measure("m", { detail: 2 }));
  throws(TypeError, () => performance.measure("m", { start: 1, end: 2, duration: 1 }));
  throws(TypeError, () => performance.measure("m", { start: -1 }));
  throws(TypeError, () => performance.measure("m", { start: NaN }));
  equal(performance.getEntriesByType("measure"), []);
});

test("the timeline is sorted by start time, filtered, and cleared", async () => {
  performance.mark("late", { startTime: 9 });
  performance.mark("early", { startTime: 1 });
  performance.mark("twice", { startTime: 3 });
  performance.mark("twice", { startTime: 2 });
  performance.measure("twice", { start: 0, end: 4 });
  equal(names(performance.getEntriesByType("mark")), ["early", "twice", "twice", "late"]);
  equal(performance.getEntriesByName("twice").map((e) => e.startTime), [0, 2, 3]);
  equal(performance.getEntriesByName("twice", "mark").length, 2);
  equal(names(performance.getEntries().filter((e) => e.entryType === "measure")), ["twice"]);
  equal([performance.getEntriesByType("Mark"), performance.getEntriesByType("x")], [[], []]);
  performance.clearMarks("twice");
  equal(names(performance.getEntriesByType("mark")), ["early", "late"]);
  performance.clearMarks();
  equal(performance.getEntriesByName("twice").length, 1);
  performance.clearMeasures("none");
  performance.clearMeasures();
  equal(performance.getEntriesByName("twice"), []);
  throws(TypeError, () => performance.getEntriesByType());
  throws(TypeError, () => performance.getEntriesByName());
});

test("PerformanceObserver: gets entries in a later task", async () => {
  const calls = [];
  const observer = new PerformanceObserver(function (list, self) { calls.push([this === self, self, names(list.getEntries())]); });
  observer.observe({ entryTypes: ["mark", "measure", "unknown"] });
  performance.mark("x");
  performance.measure("y");
  equal(calls.length, 0);
  await wait(10);
  equal([calls.length, calls[0][0], calls[0][1], calls[0][2].sort()], [1, true, observer, ["x", "y"]]);
  observer.disconnect();
  performance.mark("z");
  await wait(10);
  equal(calls.length, 1);
  performance.clearMarks();
  performance.clearMeasures();
});

test("PerformanceObserver: the list filters", async () => {
  const list = await new Promise((resolve) => {
    const observer = new PerformanceObserver((entries) => { observer.disconnect(); resolve(entries); });
    observer.observe({ entryTypes: ["mark", "measure"] });
    performance.mark("q", { startTime: 5 });
    performance.mark("p", { startTime: 1 });
    performance.measure("p", { start: 3, end: 4 });
  });
  equal(names(list.getEntries()), ["p", "p", "q"]);
  equal(names(list.getEntriesByType("mark")), ["p", "q"]);
  equal([list.getEntriesByName("p").length, list.getEntriesByName("p", "measure").length], [2, 1]);
  performance.clearMarks();
  performance.clearMeasures();
});

test("PerformanceObserver: buffered entries and takeRecords", async () => {
  performance.mark("before");
  let heard = [];
  const observer = new PerformanceObserver((list) => { heard.push(...names(list.getEntries())); });
  observer.observe({ type: "mark", buffered: true });
  await wait(10);
  equal(heard, ["before"]);
  observer.observe({ type: "measure" });
  performance.mark("taken");
  equal([names(observer.takeRecords()), observer.takeRecords()], [["taken"], []]);
  await wait(10);
  equal(heard, ["before"]);
  observer.disconnect();
  performance.clearMarks();
});

test("PerformanceObserver: bad arguments", async () => {
  throws(TypeError, () => new PerformanceObserver());
  throws(TypeError, () => new PerformanceObserver({}));
  const observer = new PerformanceObserver(() => {});
  throws(TypeError, () => observer.observe());
  throws(TypeError, () => observer.observe({}));
  throws(TypeError, () => observer.observe({ entryTypes: ["mark"], type: "mark" }));
  throws(TypeError, () => observer.observe({ entryTypes: 1 }));
  observer.observe({ type: "mark" });
  throws("InvalidModificationError", () => observer.observe({ entryTypes: ["mark"] }));
  observer.disconnect();
});

test("PerformanceObserver.supportedEntryTypes: one frozen, sorted array", async () => {
  const types = PerformanceObserver.supportedEntryTypes;
  ok(types === PerformanceObserver.supportedEntryTypes && Object.isFrozen(types));
  ok(types.includes("mark") && types.includes("measure"));
});
