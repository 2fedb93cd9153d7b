// node:timers/promises. Node.js API, Timers promises API: https://nodejs.org/api/timers.html#timers-promises-api
const { setTimeout: start, clearTimeout: stop } = globalThis;

function aborted(signal) {
  const error = new Error("The operation was aborted", { cause: signal.reason });
  error.name = "AbortError";
  error.code = "ABORT_ERR";
  return error;
}
function setTimeout(delay, value, options) {
  const signal = options?.signal;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(aborted(signal));
    const abort = () => {
      stop(timer);
      reject(aborted(signal));
    };
    const timer = start(() => {
      signal?.removeEventListener("abort", abort);
      resolve(value);
    }, delay);
    signal?.addEventListener("abort", abort, { once: true });
  });
}
const setImmediate = (value, options) => setTimeout(0, value, options);
async function* setInterval(delay, value, options) {
  for (;;) yield await setTimeout(delay, value, options);
}
const scheduler = {
  wait: (delay, options) => setTimeout(delay, undefined, options),
  yield: () => setTimeout(0),
};
module.exports = { setTimeout, setImmediate, setInterval, scheduler };
