// node:timers. Node.js API, Timers: https://nodejs.org/api/timers.html . Timers are numbers here, as in browsers.
import promises from "node:timers/promises";

export const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis;
export function setImmediate(action, ...args) {
  return setTimeout(action, 0, ...args);
}
export const clearImmediate = clearTimeout;
export { promises };
export default { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate, promises };
