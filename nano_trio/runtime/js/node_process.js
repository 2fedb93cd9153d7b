// node:process, and the global. Node.js API, Process: https://nodejs.org/api/process.html
//
// An app has no process of its own: what it could do to one is not there, and what one is asked for has the answers that
// Workers give. `env` has the strings of the app's `env`. `versions` names no Node: packages that ask whether this is Node
// are told no, and take what the Web has.
const EventEmitter = require("node:events");

const notProvided = modules.refuse("process");
/** Lines: what is written to an output is told to the log when a line is complete. */
function output(fd, tell) {
  let line = "";
  const stream = new EventEmitter();
  return Object.assign(stream, {
    fd,
    isTTY: false,
    writable: true,
    write(chunk, encoding, callback) {
      const lines = (line + (typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk))).split("\n");
      line = lines.pop();
      for (const each of lines) tell(each);
      if (typeof encoding === "function") callback = encoding;
      if (typeof callback === "function") queueMicrotask(() => callback());
      return true;
    },
    end(...args) {
      if (args.length > 0 && typeof args[0] !== "function") stream.write(args[0]);
      if (line !== "") tell(line);
      line = "";
    },
  });
}
const begun = performance.now();
function hrtime(earlier) {
  const now = performance.now();
  let seconds = Math.floor(now / 1e3);
  let nanoseconds = Math.floor((now % 1e3) * 1e6);
  if (earlier !== undefined) {
    seconds -= earlier[0];
    nanoseconds -= earlier[1];
    if (nanoseconds < 0) [seconds, nanoseconds] = [seconds - 1, nanoseconds + 1e9];
  }
  return [seconds, nanoseconds];
}
hrtime.bigint = () => BigInt(Math.floor(performance.now() * 1e6));
const none = () => ({ rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 });
const memoryUsage = Object.assign(none, { rss: () => 0 });

function Process() {}
Object.setPrototypeOf(Process.prototype, EventEmitter.prototype);
Object.defineProperty(Process, "name", { value: "process" });
Object.defineProperty(Process.prototype, Symbol.toStringTag, { value: "process", configurable: true });
const process = new Process();
EventEmitter.call(process);
for (const name of ["_events", "_eventsCount", "_maxListeners"]) {
  Object.defineProperty(process, name, { value: process[name], writable: true, configurable: true });
}
const lazily = (name, make) =>
  Object.defineProperty(process, name, {
    get() {
      const value = make();
      Object.defineProperty(process, name, { value, writable: true, enumerable: true, configurable: true });
      return value;
    },
    set(value) {
      Object.defineProperty(process, name, { value, writable: true, enumerable: true, configurable: true });
    },
    enumerable: true,
    configurable: true,
  });
/** As in Node, what is assigned becomes a string. */
function environment() {
  const strings = {};
  const { env } = modules.settings;
  for (const name of Object.keys(env)) if (typeof env[name] === "string") strings[name] = env[name];
  return new Proxy(strings, {
    set: (target, name, value) => Reflect.set(target, name, typeof value === "symbol" ? value : `${value}`),
    defineProperty: (target, name, descriptor) =>
      Reflect.defineProperty(target, name, "value" in descriptor && typeof descriptor.value !== "symbol" ? { ...descriptor, value: `${descriptor.value}` } : descriptor),
  });
}
Object.assign(process, {
  title: "nano-trio",
  version: "v22.0.0",
  versions: {},
  release: { name: "nano-trio" },
  platform: "linux",
  arch: "x64",
  pid: 1,
  ppid: 0,
  argv: ["nano-trio"],
  argv0: "nano-trio",
  execArgv: [],
  execPath: "nano-trio",
  exitCode: undefined,
  features: {},
  config: { target_defaults: {}, variables: {} },
  nextTick(callback, ...args) {
    if (typeof callback !== "function") platform.load("node_arguments").checkFunction(callback, "callback");
    platform.load("ticks").add(callback, args);
  },
  hrtime,
  memoryUsage,
  cwd: () => "/",
  umask: () => 18,
  uptime: () => (performance.now() - begun) / 1e3,
  emitWarning(warning, type, code) {
    if (type !== null && typeof type === "object") ({ type, code } = type);
    const name = warning instanceof Error ? warning.name : (type ?? "Warning");
    console.warn(`${code ? `[${code}] ` : ""}${name}: ${warning instanceof Error ? warning.message : warning}`);
  },
  getBuiltinModule: (name) => (modules.isModule(`${name}`.replace(/^node:/, "")) ? require(name) : undefined),
  ...notProvided,
});
lazily("env", environment);
lazily("stdout", () => output(1, (line) => console.log(line)));
lazily("stderr", () => output(2, (line) => console.error(line)));
lazily("stdin", () => Object.assign(new EventEmitter(), { fd: 0, isTTY: false }));
process.process = process;
Object.defineProperty(process, "process", { enumerable: false });
module.exports = process;
