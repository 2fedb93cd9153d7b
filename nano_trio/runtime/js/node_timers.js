// node:timers. Node.js API, Timers: https://nodejs.org/api/timers.html . Timers are numbers here, as in browsers.
const promises = require("node:timers/promises");

const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis;
function setImmediate(action, ...args) {
  return setTimeout(action, 0, ...args);
}
const clearImmediate = clearTimeout;
module.exports = { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate, promises };
