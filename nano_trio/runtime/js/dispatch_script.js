// From the host to scripts: what `nano-trio run` and `nano-trio eval` evaluate.
(platform) => {
  "use strict";
  const { load, entries, promiseThen } = platform;
  const host = platform.host("dispatch.script");

  function failed(error) {
    const described = load("report").describe(error);
    host.load_failed(described[0], described[1]);
  }
  /** A module is being evaluated for its effects. */
  entries.run = (evaluated) => {
    promiseThen(evaluated, () => host.loaded(), failed);
  };
  /**
   * Report the value of a script, awaited where it is a promise. `isBoxed`: it lies in an array. `isAwaiting`: what lies
   * there is the promise of an object that has it.
   */
  entries.evaluated = (value, isBoxed, isAwaiting) => {
    if (isBoxed) value = value[0];
    if (isAwaiting) promiseThen(value, (result) => report(result.value), failed);
    else report(value);
  };
  function report(value) {
    promiseThen(
      platform.promiseResolve(value),
      (result) => host.evaluated(result === undefined ? null : load("inspect").formatLog([result])),
      failed,
    );
  }
  return { __proto__: null };
}
