// The module cloudflare:workers, as far as it makes sense here:
// https://developers.cloudflare.com/workers/runtime-apis/bindings/ and .../runtime-apis/rpc/
//
// `env` is the handlers'; `waitUntil` is that of the request on whose behalf code runs; a class that extends
// WorkerEntrypoint may be the app's default export. What is not provided can be imported, and says so when it is extended.
(platform) => {
  "use strict";
  const { Error, Proxy } = platform.constructors;
  const { freeze } = platform.statics.Object;
  const isPrototypeOf = platform.uncurry("Object", "isPrototypeOf");
  const host = platform.host("node_modules.settings");

  class WorkerEntrypoint {
    constructor(ctx, env) {
      this.ctx = ctx;
      this.env = env;
    }
  }
  class RpcTarget {}

  function waitUntil(promise) {
    const request = host.request();
    if (request === null) throw new Error("waitUntil() is called outside of a request: there is nothing that could wait.");
    platform.load("lifetime").extend(request, promise);
  }
  /** A class that cannot be: to extend it asks for its prototype. */
  function notProvided(name, instead) {
    const refuse = () => {
      throw new Error(`cloudflare:workers: ${name} is not provided here: ${instead}`);
    };
    return new Proxy(class {}, {
      __proto__: null,
      construct: refuse,
      get: (target, key) => (key === "prototype" ? refuse() : key === Symbol.hasInstance ? () => false : target[key]),
    });
  }
  /** Of a class that is the app's default export; null where it can be none, which the host is told. */
  function handlerOf(exported, makeContext, env) {
    if (isPrototypeOf(WorkerEntrypoint, exported)) {
      if (typeof exported.prototype.fetch === "function") {
        return (request, id) => new exported(makeContext(id), env).fetch(request);
      }
      platform.host("dispatch.failures").load_failed("the default export, a WorkerEntrypoint, has no fetch(request)", "");
      return null;
    }
    platform.host("dispatch.failures").load_failed(
      "the default export is a class, of which nobody makes an object: `export default new App()`, or " +
        "`export default { fetch(request, env, ctx) {…} }`, or extend WorkerEntrypoint of cloudflare:workers",
      "",
    );
    return null;
  }
  const module = freeze({
    __proto__: null,
    get env() {
      return platform.load("settings").env;
    },
    waitUntil,
    WorkerEntrypoint,
    RpcTarget,
    DurableObject: notProvided(
      "DurableObject",
      "to reach many WebSockets there are rooms (nano:rooms), to keep things caches, and for the rest databases by fetch()",
    ),
    WorkflowEntrypoint: notProvided("WorkflowEntrypoint", "an app has fetch handlers only; ctx.waitUntil() goes on after a response"),
  });
  return { __proto__: null, module, handlerOf };
}
