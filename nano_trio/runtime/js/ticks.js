// The ticks of process.nextTick: Node.js API, https://nodejs.org/api/process.html#processnexttickcallback-args
//
// Theory of operation. Ticks are what an app wants done as soon as its code that runs now has returned: before the
// microtasks, which promises make. Microtasks are the engine's, and it knows of nothing that comes before them. So with the
// first tick the host is told, and the turn calls the entry `ticks` here (engine/isolate.py):
//
//   code of the app's ─► all ticks ─► all microtasks ─► all ticks, if these made some ─► microtasks ... until none are left
//
// Ticks that ticks make come behind them, and before microtasks too. Modules are evaluated as if that were a microtask:
// first come the other ones (Entry.jobs_first). What is rejected meanwhile is told of when nothing is left.
//
// An app that neither makes ticks nor has node:stream never loads this file.
(platform) => {
  "use strict";
  const { entries, reportException, statics } = platform;
  const { setPrototypeOf } = statics.Object;
  const { apply } = statics.Reflect;
  const host = platform.host("ticks");
  /** No setter for an index of an app's is asked. */
  const list = () => setPrototypeOf([], null);
  /** Callbacks, and behind each its arguments. */
  let waiting = list();
  let isArranged = false;

  /** Call `callback` with these arguments, in an array, in a tick. */
  function add(callback, args) {
    waiting[waiting.length] = platform.bind?.(callback) ?? callback;
    waiting[waiting.length] = args;
    if (isArranged) return;
    // In this order: interrupted in between, the next tick arranges it once more.
    host.arrange();
    isArranged = true;
  }
  /** Run all ticks; whether there were any. */
  function run() {
    const were = waiting.length > 0;
    while (waiting.length > 0) {
      const ticks = waiting;
      waiting = list();
      for (let i = 0; i < ticks.length; i += 2) {
        try {
          apply(ticks[i], undefined, ticks[i + 1]);
        } catch (error) {
          reportException(error);
        }
      }
    }
    isArranged = false;
    return were;
  }
  entries.ticks = (isDropped) => {
    // After an interrupt nothing here is as it was left.
    if (isDropped) waiting = list();
    run();
  };
  return { __proto__: null, add, run };
}
