// What the module "nano:test" needs of the platform. Only isolates of `nano-trio test` load this file; there the
// module takes it from a global, and removes that.
(platform) => {
  "use strict";
  const host = platform.host("testing");
  let start;
  platform.entries.run_tests = (done, filter, timeout) => {
    start(done, filter, timeout);
  };
  platform.defineGlobal("nano:testing", {
    __proto__: null,
    report: (event) => host.report(platform.uncurry("String", "toWellFormed")(platform.statics.JSON.stringify(event))),
    describe: (error) => platform.load("report").describe(error),
    inspect: (value, options) => platform.load("inspect").inspect(value, options),
    fetcher: (name) => platform.load("service").makeFetcher(name),
    setTimeout: platform.load("timers").setTimeout,
    clearTimeout: platform.load("timers").clearTimeout,
    onRun: (run) => {
      start = run;
    },
  });
  return { __proto__: null };
}
