// queueMicrotask: HTML, https://html.spec.whatwg.org/#microtask-queuing
(platform) => {
  "use strict";
  const { promiseThen, promiseResolve, reportException } = platform;
  const { requireArguments, callbackFunction } = platform.load("webidl");
  return {
    __proto__: null,
    queueMicrotask: function queueMicrotask(callback) {
      requireArguments(arguments.length, 1, "Failed to execute 'queueMicrotask'");
      callbackFunction(callback, "Failed to execute 'queueMicrotask': Argument 1");
      const bound = platform.bind?.(callback) ?? callback;
      promiseThen(promiseResolve(undefined), () => {
        try {
          bound();
        } catch (error) {
          reportException(error);
        }
      });
    },
  };
}
