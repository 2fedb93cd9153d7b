// scheduler.wait: Prioritized Task Scheduling's scheduler object, with the wait that workers added to it,
// https://developers.cloudflare.com/workers/runtime-apis/scheduler/
(platform) => {
  "use strict";
  const { requireArguments, fail, isObject, double, defineInterface, illegalConstructor } = platform.load("webidl");
  const { max } = platform.statics.Math;
  const TOKEN = {};

  class Scheduler {
    #isScheduler = true;

    constructor() {
      if (arguments[0] !== TOKEN) illegalConstructor();
    }

    /** Resolves after `delay` ms in a turn of its own; rejects with the reason of `options.signal` once that aborts. */
    async wait(delay) {
      const context = "Failed to execute 'wait' on 'Scheduler'";
      this.#isScheduler;
      requireArguments(arguments.length, 1, context);
      const ms = max(0, double(delay, context));
      const options = arguments[1];
      if (options !== undefined && options !== null && !isObject(options)) fail(context, "The options are no object.");
      const signal = options?.signal;
      const { startTimer, stopTimer } = platform.load("timers");
      const { promise, resolve, reject } = platform.withResolvers();
      if (signal === undefined) {
        startTimer(resolve, ms);
        return promise;
      }
      const { isAbortSignal, isAborted, addAlgorithm, removeAlgorithm } = platform.load("abort");
      if (!isAbortSignal(signal)) fail(context, "'signal' is not of type 'AbortSignal'.");
      if (isAborted(signal)) throw signal.reason;
      const abort = () => {
        stopTimer(timer);
        reject(signal.reason);
      };
      const timer = startTimer(() => {
        removeAlgorithm(signal, abort);
        resolve();
      }, ms);
      addAlgorithm(signal, abort);
      return promise;
    }
  }
  defineInterface(Scheduler);

  return { __proto__: null, scheduler: new Scheduler(TOKEN) };
}
