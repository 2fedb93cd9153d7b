// Timers: HTML 8.6, https://html.spec.whatwg.org/#timers
//
// A timer is a number; the host calls the entry `timer` with it when it is due, in a turn of its own. Other files' timers
// (startTimer) share the numbers with the app's.
(platform) => {
  "use strict";
  const { requireArguments, long, DOMString } = platform.load("webidl");
  const { apply } = platform.statics.Reflect;
  const { max } = platform.statics.Math;
  const host = platform.host("timers");
  const slice = platform.uncurry("Array", "slice");
  const shift = platform.uncurry("Array", "shift");
  const get = platform.uncurry("Map", "get");
  const set = platform.uncurry("Map", "set");
  const remove = platform.uncurry("Map", "delete");
  const globals = platform.global;
  const indirectEval = globals.eval;

  /** What each timer runs, by number: { callback, args, interval }; interval is null where it runs once. */
  const timers = new platform.constructors.Map();
  let lastTimer = 0;
  const NONE = [];

  platform.entries.timer = (id) => {
    const timer = get(timers, id);
    if (timer === undefined) return;
    const { callback, args, interval } = timer;
    if (interval === null) remove(timers, id);
    try {
      if (typeof callback === "function") apply(callback, globals, args);
      else indirectEval(callback);
    } catch (error) {
      platform.reportException(error);
    }
    // "If repeat is true, perform the timer initialization steps again", unless the callback cleared it.
    if (interval !== null && get(timers, id) === timer) host.set(id, interval);
  };

  function start(callback, args, delay, interval) {
    const id = ++lastTimer;
    set(timers, id, { __proto__: null, callback, args, interval });
    host.set(id, delay);
    return id;
  }

  /** "Run steps after a timeout": call `callback` in a turn after `ms`. Returns a number for stopTimer. */
  function startTimer(callback, ms) {
    return start(callback, NONE, ms, null);
  }
  function stopTimer(id) {
    if (remove(timers, id)) host.clear(id);
  }

  const tasks = [];
  const nextTask = () => shift(tasks)();
  /** "Queue a task": call `steps` in a turn of its own. Tasks run in the order in which they were queued. */
  function queueTask(steps) {
    tasks[tasks.length] = steps;
    startTimer(nextTask, 0);
  }

  /** "Timer initialization steps" from an app's arguments: handler, timeout, and what the handler is called with. */
  function initialize(parameters, name, repeat) {
    const context = `Failed to execute '${name}'`;
    requireArguments(parameters.length, 1, context);
    const given = parameters[0];
    const handler = typeof given === "function" ? (platform.bind?.(given) ?? given) : DOMString(given, context);
    const timeout = parameters[1] === undefined ? 0 : max(0, long(parameters[1]));
    const args = parameters.length > 2 ? slice(parameters, 2) : NONE;
    // An interval of 0 would leave no time to anything else.
    return start(handler, args, timeout, repeat ? max(1, timeout) : null);
  }

  return {
    __proto__: null,
    setTimeout: function setTimeout(handler) {
      return initialize(arguments, "setTimeout", false);
    },
    setInterval: function setInterval(handler) {
      return initialize(arguments, "setInterval", true);
    },
    clearTimeout: function clearTimeout() {
      stopTimer(long(arguments[0]));
    },
    clearInterval: function clearInterval() {
      stopTimer(long(arguments[0]));
    },
    startTimer,
    stopTimer,
    queueTask,
  };
}
