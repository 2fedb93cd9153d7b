// Unhandled promise rejections: HTML 8.1.4.7, https://html.spec.whatwg.org/#unhandled-promise-rejections
//
// Theory of operation. The engine notes which promises are rejected without a handler and which get their first one
// afterwards (engine/rejections.c). It calls `look` when no microtask is left, again and again while there is something
// to tell. Each look tells of one promise: the microtasks of its listeners come before the next, which they may handle.
//
//   rejected ──no microtask is left: unhandledrejection──► outstanding ──gets a handler: rejectionhandled──► forgotten
//      └─gets a handler─► forgotten
//
// What no listener prevents ends in the app's log, and the app goes on. Outstanding promises are held weakly.
(platform) => {
  "use strict";
  const { constructors, uncurry, rejections: notes, isLoaded, load } = platform;
  const FIRST_NOTE = 2;
  const set = uncurry("Map", "set");
  const get = uncurry("Map", "get");
  const has = uncurry("Map", "has");
  const remove = uncurry("Map", "delete");
  const forEach = uncurry("Map", "forEach");
  const size = uncurry("Map", "size");
  const addWeakly = uncurry("WeakSet", "add");
  const hasWeakly = uncurry("WeakSet", "has");

  /** "About-to-be-notified rejected promises list": reasons by promise. */
  const rejected = new constructors.Map();
  /** "Outstanding rejected promises weak set" */
  const outstanding = new constructors.WeakSet();
  /** What is told of, in order, and how far that is done: promises of `rejected`; handled ones, each with its reason. */
  let due = [];
  let nextDue = 0;
  let handled = [];
  let nextHandled = 0;
  /** The promise whose event was fired last, as long as the microtasks of its listeners may still handle it. */
  let told;

  function read() {
    for (let i = FIRST_NOTE; i < notes.length; i += 3) {
      const promise = notes[i];
      if (!notes[i + 2]) {
        set(rejected, promise, notes[i + 1]);
      } else if (promise === told) {
        told = undefined;
      } else if (!remove(rejected, promise) && hasWeakly(outstanding, promise)) {
        // A promise gets its first handler once, so it need not be taken out of the weak set.
        handled[handled.length] = promise;
        handled[handled.length] = notes[i + 1];
      }
    }
    notes.length = FIRST_NOTE;
  }

  /** Fire `type` at the global object where something listens; false where a listener prevented what follows. */
  function fire(type, promise, reason) {
    if (!isLoaded("event") || !load("event").hasListeners(undefined, type)) return true;
    const { PromiseRejectionEvent } = load("event_types");
    const init = { __proto__: null, cancelable: type === "unhandledrejection", promise, reason };
    return load("event").fire(undefined, new PromiseRejectionEvent(type, init));
  }

  function tellHandled() {
    const promise = handled[nextHandled];
    const reason = handled[nextHandled + 1];
    nextHandled += 2;
    if (nextHandled === handled.length) {
      handled = [];
      nextHandled = 0;
    }
    fire("rejectionhandled", promise, reason);
  }

  /** "Notify about rejected promises", one of them. */
  function tellUnhandled() {
    if (due.length === 0) {
      forEach(rejected, (_, promise) => {
        due[due.length] = promise;
      });
    }
    const promise = due[nextDue++];
    if (nextDue === due.length) {
      due = [];
      nextDue = 0;
    }
    if (!has(rejected, promise)) return;
    const reason = get(rejected, promise);
    remove(rejected, promise);
    told = promise;
    if (fire("unhandledrejection", promise, reason)) load("report").reportRejection(reason);
  }

  /** Read the notes and, where no microtask is left, tell of one promise; whether there are more. Never throws. */
  function look(isIdle) {
    try {
      read();
      if (isIdle) {
        if (told !== undefined) addWeakly(outstanding, told);
        told = undefined;
        if (handled.length > 0) tellHandled();
        else if (size(rejected) > 0) tellUnhandled();
      }
    } catch (error) {
      platform.reportException(error);
    }
    return told !== undefined || handled.length > 0 || size(rejected) > 0;
  }
  return { __proto__: null, look };
}
