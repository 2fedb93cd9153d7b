// nano:test — describe, it, hooks and the runner. `nano-trio test` gives it to test files, as a module and as globals.
import { expect, fn, framesOfNow, giveFrames } from "nano:test/expect";
import { open } from "nano:test/websocket";

const platform = globalThis["nano:testing"];
delete globalThis["nano:testing"];
const { report, setTimeout, clearTimeout } = platform;

class Suite {
  hooks = { beforeAll: [], afterAll: [], beforeEach: [], afterEach: [] };
  children = [];
  constructor(name, parent, mode) {
    this.name = name;
    this.parent = parent;
    this.mode = mode;
  }
}
const root = new Suite("", null, "");
let current = root;
let hasOnly = false;

function add(mode) {
  return (name, body, options) => {
    // (name, options, body) is accepted too.
    if (typeof body !== "function" && typeof options === "function") [body, options] = [options, body];
    if (mode !== "todo" && typeof body !== "function") throw new TypeError("a test needs a name and a function");
    if (body?.length > 0) throw new TypeError("a test gets no arguments: instead of calling done(), return a promise");
    const timeout = typeof options === "number" ? options : options?.timeout;
    hasOnly ||= mode === "only";
    current.children.push({ name: String(name), body, mode, timeout, parent: current });
  };
}
function addSuite(mode) {
  return (name, body) => {
    hasOnly ||= mode === "only";
    const suite = new Suite(String(name), current, mode);
    current.children.push(suite);
    current = suite;
    try {
      if (body() instanceof Promise) throw new TypeError("the function of describe() must not be async");
    } finally {
      current = suite.parent;
    }
  };
}
const each = (make) => (rows) => (name, body, options) => {
  for (const row of rows) {
    const values = Array.isArray(row) ? row : [row];
    let at = 0;
    const shown = (value) => (typeof value === "string" ? value : platform.inspect(value));
    const title = String(name)
      .replace(/%[sdifjoO%]/g, (mark) => (mark === "%%" ? "%" : mark === "%s" ? String(values[at++]) : platform.inspect(values[at++])))
      .replace(/\$([A-Za-z_]\w*)/g, (mark, key) => (Object.hasOwn(Object(row), key) ? shown(row[key]) : mark));
    make(title, () => body(...values), options);
  }
};
export const it = add("");
export const describe = addSuite("");
for (const mode of ["skip", "only", "todo"]) it[mode] = add(mode);
for (const mode of ["skip", "only"]) describe[mode] = addSuite(mode);
it.each = each(it);
describe.each = each(describe);
export const test = it;
const hook = (kind) => (body, timeout) => void current.hooks[kind].push({ body, timeout });
export const beforeAll = hook("beforeAll");
export const afterAll = hook("afterAll");
export const beforeEach = hook("beforeEach");
export const afterEach = hook("afterEach");

const fetcher = platform.fetcher("app");
const settler = platform.fetcher("settled");
/** WebSockets that the present test opened, or its hooks: they end with it. Those of beforeAll() stay. */
let opened = null;
/** The app of the folder, in an isolate of its own: requests reach it without a network. */
export const app = {
  async fetch(input, init) {
    if (typeof input === "string") input = new URL(input, "http://localhost/").href;
    const frames = framesOfNow();
    try {
      return await fetcher.fetch(input, init);
    } catch (error) {
      // Its own names no place of the test, which did not run when it was made.
      if (Error.isError(error)) giveFrames(error, frames);
      throw error;
    }
  },
  /** Open a WebSocket to the app. What a test leaves open is closed when it ends. */
  async connect(url = "/", options = undefined) {
    const socket = await open(url, options);
    opened?.push(socket);
    return socket;
  },
  /** Wait until the app has nothing in progress: what `ctx.waitUntil` was given, timers, fetches. */
  async settled() {
    await settler.fetch("http://localhost/");
  },
};

function failure(error) {
  const [text, stack] = platform.describe(error);
  const diff = error?.diff;
  return { text, stack, diff };
}
async function limited(body, ms) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`timed out after ${ms} ms`)), ms);
  });
  try {
    await Promise.race([body(), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function run(done, filter, timeout) {
  let index = 0;
  const marked = (node) => node.mode === "only" || (node.children?.some(marked) ?? false);
  const chosen = (node, above) => above || node.mode === "only";
  const names = (node) => (node.parent === null ? [] : [...names(node.parent), node.name]);
  const lineage = (suite) => (suite === null ? [] : [...lineage(suite.parent), suite]);
  const wanted = (node, only, skipped) => {
    if (node instanceof Suite) {
      only = chosen(node, only) && !node.children.some(marked);
      return node.children.some((child) => wanted(child, only, skipped || node.mode === "skip"));
    }
    if (skipped || node.mode === "skip" || node.mode === "todo" || (hasOnly && !chosen(node, only))) return false;
    return filter === "" || names(node).join(" ").toLowerCase().includes(filter.toLowerCase());
  };

  const count = (node) => (node instanceof Suite ? node.children.reduce((sum, child) => sum + count(child), 0) : 1);
  async function runTest(node, only, skipped, broken) {
    const number = index++;
    if (number < done) return;
    const name = names(node);
    if (!wanted(node, only, skipped)) {
      report({ type: "end", name, status: node.mode === "todo" ? "todo" : "skipped", ms: 0, number });
      return;
    }
    report({ type: "start", name, number });
    const start = performance.now();
    const errors = [];
    const attempt = async (each) => {
      try {
        await limited(each.body, each.timeout ?? timeout);
        return true;
      } catch (error) {
        errors.push(failure(error));
        return false;
      }
    };
    if (broken !== undefined) errors.push(broken);
    else {
      opened = [];
      const suites = lineage(node.parent);
      let ready = true;
      for (const suite of suites) {
        for (const each of suite.hooks.beforeEach) ready = ready && (await attempt(each));
      }
      if (ready) await attempt(node);
      for (const suite of suites.toReversed()) for (const each of suite.hooks.afterEach) await attempt(each);
      for (const socket of opened) await socket.close();
      opened = null;
    }
    const status = errors.length > 0 ? "failed" : "passed";
    report({ type: "end", name, status, ms: performance.now() - start, errors, number });
  }
  async function runSuite(suite, only, skipped, broken) {
    skipped ||= suite.mode === "skip";
    only = chosen(suite, only) && !suite.children.some(marked);
    const size = count(suite);
    const active = index + size > done && suite.children.some((child) => wanted(child, only, skipped));
    if (active && broken === undefined) {
      for (const each of suite.hooks.beforeAll) {
        try {
          await limited(each.body, each.timeout ?? timeout);
        } catch (error) {
          broken = failure(error);
          break;
        }
      }
    }
    for (const child of suite.children) {
      await (child instanceof Suite ? runSuite : runTest)(child, only, skipped, broken);
    }
    if (active) {
      for (const each of suite.hooks.afterAll) {
        try {
          await limited(each.body, each.timeout ?? timeout);
        } catch (error) {
          report({ type: "error", ...failure(error) });
        }
      }
    }
  }
  if (count(root) === 0) report({ type: "error", text: "the file has no tests: there is no it() in it", stack: "" });
  await runSuite(root, false, false, undefined);
  report({ type: "done" });
}
platform.onRun(run);

Object.assign(globalThis, { app, describe, it, test, expect, beforeAll, afterAll, beforeEach, afterEach, fn });
export { expect, fn };
