// ExtendableEvent's lifetime promises: Service Workers, section 4.4, "waitUntil". Loaded when something first waits.
(platform) => {
  "use strict";
  const { promiseThen, promiseResolve, reportException } = platform;
  const host = platform.host("dispatch.lifetime");

  /** Keep the app's work for the request `id` alive until `promise` settles. */
  function extend(id, promise) {
    host.extend(id);
    promiseThen(
      promiseResolve(promise),
      () => host.settled(id),
      (error) => {
        reportException(error);
        host.settled(id);
      },
    );
  }
  return { __proto__: null, extend };
}
