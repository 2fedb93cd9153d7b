// node:console. Node.js API, Console: https://nodejs.org/api/console.html
const { formatWithOptions } = require("node:util");
const { console } = globalThis;
const NAMES = [
  "assert", "clear", "count", "countReset", "debug", "dir", "dirxml", "error", "group", "groupCollapsed", "groupEnd", "info", "log",
  "table", "time", "timeEnd", "timeLog", "trace", "warn",
];

/** A console that writes to streams. What formats more than lines does so in the app's log. */
class Console {
  constructor(stdout, stderr = stdout) {
    if (typeof stdout?.write !== "function") ({ stdout, stderr = stdout } = stdout ?? {});
    if (typeof stdout?.write !== "function") {
      const error = new TypeError("Console expects a writable stream instance for stdout");
      error.code = "ERR_CONSOLE_WRITABLE_STREAM";
      throw error;
    }
    let indent = "";
    const writer = (stream) => (...args) => {
      stream.write(`${formatWithOptions({}, ...args).replace(/^/gm, indent)}\n`);
    };
    for (const name of NAMES) this[name] = console[name];
    this.log = this.info = this.debug = this.dir = writer(stdout);
    this.error = this.warn = this.trace = writer(stderr);
    this.assert = (holds, ...args) => {
      if (!holds) this.warn(args.length === 0 ? "Assertion failed" : `Assertion failed: ${formatWithOptions({}, ...args)}`);
    };
    this.group = this.groupCollapsed = (...args) => {
      if (args.length > 0) this.log(...args);
      indent += "  ";
    };
    this.groupEnd = () => {
      indent = indent.slice(2);
    };
  }
}
const all = Object.create(console);
for (const name of NAMES) all[name] = console[name];
module.exports = Object.assign(all, { Console });
