// node:perf_hooks: the Web's performance. Node.js API: https://nodejs.org/api/perf_hooks.html
const { performance, Performance, PerformanceEntry, PerformanceMark, PerformanceMeasure, PerformanceObserver, PerformanceObserverEntryList } = globalThis;
module.exports = {
  ...modules.refuse("perf_hooks"), performance, Performance, PerformanceEntry, PerformanceMark, PerformanceMeasure, PerformanceObserver,
  PerformanceObserverEntryList, constants: {},
};
