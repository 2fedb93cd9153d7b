// What the module "nano:test" needs of the platform. Only isolates of `nano-trio test` load this file; there the
// module takes it from a global, and removes that.
(platform) => {
  "use strict";
  const { operation, uncurry } = platform;
  const host = platform.host("testing");
  let start;
  platform.entries.run_tests = (done, filter, timeout) => {
    start(done, filter, timeout);
  };
  const own = {
    __proto__: null,
    report: (event) => host.report(uncurry("String", "toWellFormed")(platform.statics.JSON.stringify(event))),
    describe: (error) => platform.load("report").describe(error),
    inspect: (value, options) => platform.load("inspect").inspect(value, options),
    fetcher: (name) => platform.load("service").makeFetcher(name),
    setTimeout: platform.load("timers").setTimeout,
    clearTimeout: platform.load("timers").clearTimeout,
    onRun: (run) => {
      start = run;
    },
    // WebSockets to the app. `headers` and `protocols` are joined by line feeds.
    connect: (url, headers, protocols) => operation((id) => host.connect(id, url, headers, protocols)),
    next: (number) => operation((id) => host.next(id, number)),
    send: (number, data) => {
      const { toMessage, forHost, isText } = platform.load("websocket_core");
      const message = toMessage(data, "Failed to execute 'send'");
      host.send(number, forHost(message), isText(message));
    },
    close: (number, code, reason) => {
      host.close(number, ...platform.load("websocket_core").toClose(code, reason, "Failed to execute 'close'"));
    },
  };
  platform.statics.Object.defineProperty(platform.global, "nano:testing", { __proto__: null, value: own, configurable: true });
  return { __proto__: null };
}
