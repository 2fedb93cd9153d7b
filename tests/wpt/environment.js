// What a Web Platform Tests server and its worker shell give a test: `self.GLOBAL`, `location`, `fetch` of the server's
// files, `importScripts` in `.worker.js` files, and the way results leave. The platform itself is not patched.
(host, settings) => {
  "use strict";
  const { href, parts, isWorkerFile } = settings;
  const stringify = JSON.stringify;
  const origin = parts.protocol + "//" + parts.host;
  const platformFetch = globalThis.fetch;

  function define(name, value) {
    Object.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
  }

  if (!("self" in globalThis)) define("self", globalThis);
  define("GLOBAL", { isWindow: () => false, isWorker: () => true, isShadowRealm: () => false });
  define("location", Object.freeze({ ...parts, href, toString: () => href }));

  const globalScope = class DedicatedWorkerGlobalScope {
    static [Symbol.hasInstance](value) {
      return value === globalThis;
    }
  };

  /** Handlers of the server that are programs rather than files. */
  const HANDLERS = {
    "/fetch/api/resources/echo-content.py": async (request) =>
      new Response(await request.arrayBuffer(), {
        headers: { "X-Request-Method": request.method, "Content-Type": "text/plain" },
      }),
  };

  define("fetch", async function fetch(input, init = undefined) {
    const isRequest = typeof input === "object" && input !== null && typeof input.url === "string";
    const target = host.resolve(href, isRequest ? input.url : String(input));
    if (target === null || !target.startsWith(origin + "/")) {
      if (platformFetch === undefined) throw new TypeError("fetch: no network here");
      return platformFetch(input, init);
    }
    const path = target.slice(origin.length).replace(/[?#].*$/, "");
    if (path in HANDLERS) return HANDLERS[path](new Request(isRequest ? input : target, init));
    const bytes = host.read(path);
    return new Response(bytes, { status: bytes === null ? 404 : 200, headers: { "Content-Type": host.type(path) } });
  });

  if (isWorkerFile) {
    define("importScripts", (...urls) => {
      for (const url of urls) {
        const path = host.resolve(href, url).slice(origin.length);
        // The runner loads the harness itself.
        if (path !== "/resources/testharness.js") (0, eval)(host.source(path));
      }
    });
  }

  /** Called once testharness.js is there. */
  return function reportResults() {
    // idlharness.js asks these which interfaces are exposed; testharness.js must not see them.
    if (settings.isInterfaceTest) define("DedicatedWorkerGlobalScope", globalScope);
    add_result_callback((test) => host.result(stringify([test.name, test.status, test.message])));
    add_completion_callback((tests, status) => host.complete(stringify([status.status, status.message])));
  };
}
