// nano:test/expect — the matchers, equality of values, and mocks. Names and meanings are those that Jest made familiar.

const inspect = globalThis["nano:testing"].inspect;
const brief = (value) => {
  const text = inspect(value, { depth: 4, breakLength: Infinity }).replace(/\s*\n\s*/g, " ");
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
};
// Texts of several lines are compared line by line.
const long = (value) => typeof value === "string" && value.includes("\n") ? value : inspect(value, { depth: 20, sorted: true, compact: false, maxArrayLength: 1000 });

/** Thrown by a matcher; `diff` holds both values as text, where comparing them helps. */
class AssertionError extends Error {
  name = "AssertionError";
  constructor(message, diff) {
    super(message);
    Object.defineProperty(this, "diff", { value: diff, enumerable: false });
  }
}

class Asymmetric {
  constructor(text, matches) {
    this.matches = matches;
    Object.defineProperty(this, Symbol.for("nodejs.util.inspect.custom"), { value: () => text, enumerable: false });
  }
}

/** Equality by value. `strict`: also types, undefined properties, holes of arrays. */
function equal(a, b, strict, subset = false, seen = []) {
  if (b instanceof Asymmetric) return b.matches(a);
  if (a instanceof Asymmetric) return a.matches(b);
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (seen.some(([x, y]) => x === a && y === b)) return true;
  seen = [...seen, [a, b]];
  const same = (x, y) => equal(x, y, strict, subset, seen);
  const tag = Object.prototype.toString.call(a);
  if (tag !== Object.prototype.toString.call(b)) return false;
  if (strict && Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (Array.isArray(a)) {
    if (a.length !== b.length) return false;
    return a.every((item, i) => same(item, b[i])) && (!strict || Object.keys(a).length === Object.keys(b).length);
  }
  if (a instanceof Date) return Object.is(a.getTime(), b.getTime());
  if (a instanceof RegExp) return String(a) === String(b);
  if (Error.isError(a)) return a.message === b.message && a.name === b.name && same(a.cause, b.cause);
  if (a instanceof URL) return a.href === b.href;
  if (a instanceof Boolean || a instanceof Number || a instanceof String) return Object.is(a.valueOf(), b.valueOf());
  if (a instanceof ArrayBuffer) return same(new Uint8Array(a), new Uint8Array(b));
  if (ArrayBuffer.isView(a)) {
    if (a.byteLength !== b.byteLength) return false;
    if (a instanceof DataView) return same(new Uint8Array(a.buffer.slice(a.byteOffset, a.byteOffset + a.byteLength)),
      new Uint8Array(b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength)));
    return a.every((item, i) => Object.is(item, b[i]));
  }
  if (a instanceof Map || a instanceof Headers || a instanceof URLSearchParams || a instanceof FormData) {
    const left = [...a];
    const rest = [...b];
    if (left.length !== rest.length) return false;
    return left.every((entry) => {
      const at = rest.findIndex((other) => same(entry, other));
      if (at >= 0) rest.splice(at, 1);
      return at >= 0;
    });
  }
  if (a instanceof Set) {
    if (a.size !== b.size) return false;
    const rest = [...b];
    return [...a].every((item) => {
      const at = rest.findIndex((other) => same(item, other));
      if (at >= 0) rest.splice(at, 1);
      return at >= 0;
    });
  }
  if (a instanceof Promise || a instanceof WeakMap || a instanceof WeakSet || a instanceof WeakRef) return false;
  const keysOf = (object) => [
    ...Object.keys(object),
    ...Object.getOwnPropertySymbols(object).filter((key) => Object.prototype.propertyIsEnumerable.call(object, key)),
  ];
  const has = (object, key) => (strict ? Object.hasOwn(object, key) : object[key] !== undefined);
  if (!subset && !keysOf(a).every((key) => !has(a, key) || has(b, key) || (!strict && a[key] === undefined))) return false;
  return keysOf(b).every((key) => (!strict && b[key] === undefined && !subset ? a[key] === undefined : (strict ? Object.hasOwn(a, key) : key in a) && same(a[key], b[key])));
}

const isMock = (value) => typeof value === "function" && value.mock !== undefined;
const mockOf = (value) => {
  if (!isMock(value)) throw new TypeError(`${brief(value)} is no mock; make one with fn()`);
  return value.mock;
};
function thrown(value, fromPromise) {
  if (fromPromise) return { error: value };
  if (typeof value !== "function") throw new TypeError(`expect(…).toThrow() needs a function, got ${brief(value)}`);
  try {
    value();
  } catch (error) {
    return { error };
  }
  return undefined;
}
function at(object, path) {
  const keys = Array.isArray(path) ? path : String(path).replace(/\[(\w+)\]/g, ".$1").split(".");
  for (const key of keys) {
    if (object === null || object === undefined || !(key in Object(object))) return undefined;
    object = object[key];
  }
  return { value: object };
}
const number = (compare) => (a, b) => ({ pass: (typeof a === "number" || typeof a === "bigint") && compare(a, b) });

/** Each gives { pass } for a value and the matcher's arguments; `diff: true` where showing both sides helps. */
const MATCHERS = {
  toBe: (a, b) => ({ pass: Object.is(a, b), diff: true, hint: equal(a, b, true) ? "they are equal, but not the same object: use toEqual" : "" }),
  toEqual: (a, b) => ({ pass: equal(a, b, false), diff: true }),
  toStrictEqual: (a, b) => ({ pass: equal(a, b, true), diff: true, hint: equal(a, b, false) ? "they differ in types or undefined properties: use toEqual" : "" }),
  toMatchObject: (a, b) => ({ pass: typeof a === "object" && a !== null && equal(a, b, false, true), diff: true }),
  toBeNull: (a) => ({ pass: a === null }),
  toBeUndefined: (a) => ({ pass: a === undefined }),
  toBeDefined: (a) => ({ pass: a !== undefined }),
  toBeNaN: (a) => ({ pass: Number.isNaN(a) }),
  toBeTruthy: (a) => ({ pass: Boolean(a) }),
  toBeFalsy: (a) => ({ pass: !a }),
  toBeGreaterThan: number((a, b) => a > b),
  toBeGreaterThanOrEqual: number((a, b) => a >= b),
  toBeLessThan: number((a, b) => a < b),
  toBeLessThanOrEqual: number((a, b) => a <= b),
  toBeCloseTo: (a, b, digits = 2) => ({ pass: Object.is(a, b) || Math.abs(a - b) < 10 ** -digits / 2 }),
  toBeInstanceOf: (a, type) => ({ pass: a instanceof type }),
  toBeTypeOf: (a, type) => ({ pass: typeof a === type }),
  toMatch: (a, pattern) => ({ pass: typeof a === "string" && (typeof pattern === "string" ? a.includes(pattern) : new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, "")).test(a)) }),
  toContain: (a, item) => ({ pass: typeof a === "string" ? a.includes(item) : [...a].includes(item) }),
  toContainEqual: (a, item) => ({ pass: [...a].some((each) => equal(each, item, false)) }),
  toHaveLength: (a, length) => ({ pass: a?.length === length, note: `its length is ${a?.length}` }),
  toHaveProperty: (a, path, ...value) => {
    const found = at(a, path);
    return { pass: found !== undefined && (value.length === 0 || equal(found.value, value[0], false)) };
  },
  toThrow: (a, expected, fromPromise) => {
    const caught = thrown(a, fromPromise);
    if (caught === undefined) return { pass: false, note: "it threw nothing" };
    const { error } = caught;
    const message = Error.isError(error) || error instanceof DOMException ? error.message : String(error);
    let pass = true;
    if (typeof expected === "string") pass = message.includes(expected);
    else if (expected instanceof RegExp) pass = expected.test(message);
    else if (typeof expected === "function") pass = error instanceof expected;
    else if (expected instanceof Asymmetric) pass = expected.matches(error);
    else if (expected !== undefined) pass = message === expected.message;
    return { pass, note: `it threw ${brief(error).split("\n")[0]}` };
  },
  toHaveBeenCalled: (a) => ({ pass: mockOf(a).calls.length > 0 }),
  toHaveBeenCalledTimes: (a, times) => ({ pass: mockOf(a).calls.length === times, note: `it was called ${mockOf(a).calls.length} times` }),
  toHaveBeenCalledWith: (a, ...args) => ({ pass: mockOf(a).calls.some((call) => equal(call, args, false)), note: `its calls: ${brief(mockOf(a).calls)}` }),
  toHaveBeenLastCalledWith: (a, ...args) => ({ pass: equal(mockOf(a).calls.at(-1), args, false), note: `its calls: ${brief(mockOf(a).calls)}` }),
};
MATCHERS.toThrowError = MATCHERS.toThrow;

/** The frames of now, for an error that is made when they are gone. */
export function framesOfNow() {
  const error = new Error();
  // The stack of an error that says nothing is its frames.
  error.name = "";
  return error.stack;
}

/** Have an error tell of these. */
export function giveFrames(error, frames) {
  const value = `${Error.prototype.toString.call(error)}\n${frames}`;
  Object.defineProperty(error, "stack", { value, configurable: true, writable: true });
}

function check(name, not, value, args, frames) {
  const { pass, diff, hint, note } = MATCHERS[name](value, ...args);
  if (pass !== not) return;
  const shown = args.filter((each) => typeof each !== "boolean" || name !== "toThrow").map(brief).join(", ");
  let message = `expect(${typeof value === "function" && !isMock(value) ? "function" : brief(value)})${not ? ".not" : ""}.${name}(${shown})`;
  if (!not && note) message += `: ${note}`;
  if (!not && hint) message += `; ${hint}`;
  const sides = diff && !not ? { expected: long(args[0]), actual: long(value) } : undefined;
  const error = new AssertionError(message, sides);
  // What was awaited has lost the frames of the test.
  if (frames !== undefined) giveFrames(error, frames);
  throw error;
}

/** The matchers, where a mistyped one says so. */
function orSay(made) {
  return new Proxy(made, {
    get(target, name) {
      // What is no mistake: a promise is looked for, and consoles ask for much.
      if (name in target || typeof name === "symbol" || name === "then" || name === "toJSON") return target[name];
      const near = Object.keys(target).filter((each) => each.toLowerCase().startsWith(name.slice(0, 5).toLowerCase()));
      throw new TypeError(`expect(…).${name} does not exist${near.length > 0 ? `; there is ${near.join(", ")}` : ""}`);
    },
  });
}

export function expect(value) {
  const matchers = (not) => {
    const made = {};
    for (const name in MATCHERS) made[name] = (...args) => check(name, not, value, args);
    return made;
  };
  const later = (kind, not) => {
    const made = {};
    for (const name in MATCHERS) {
      made[name] = async (...args) => {
        const frames = framesOfNow();
        const promise = typeof value === "function" ? value() : value;
        let outcome;
        try {
          outcome = { resolved: await promise };
        } catch (error) {
          outcome = { rejected: error };
        }
        if (!(kind in outcome)) {
          const told = kind === "resolved" ? `rejected with ${brief(outcome.rejected)}` : `resolved to ${brief(outcome.resolved)}`;
          const error = new AssertionError(`expect(promise).${kind === "resolved" ? "resolves" : "rejects"}: it ${told}`);
          giveFrames(error, frames);
          throw error;
        }
        const isThrow = name === "toThrow" || name === "toThrowError";
        check(name, not, outcome[kind], isThrow ? [args[0], true] : args, frames);
      };
    }
    return made;
  };
  return orSay({
    ...matchers(false),
    not: orSay(matchers(true)),
    resolves: orSay({ ...later("resolved", false), not: orSay(later("resolved", true)) }),
    rejects: orSay({ ...later("rejected", false), not: orSay(later("rejected", true)) }),
  });
}
const ofType = { __proto__: null, String: "string", Number: "number", Boolean: "boolean", BigInt: "bigint", Symbol: "symbol", Function: "function" };
Object.assign(expect, {
  anything: () => new Asymmetric("anything", (value) => value !== null && value !== undefined),
  any: (type) => new Asymmetric(`any ${type.name}`, (value) => value instanceof type || typeof value === ofType[type.name]),
  objectContaining: (part) => new Asymmetric(`object containing ${brief(part)}`, (value) => typeof value === "object" && value !== null && equal(value, part, false, true)),
  arrayContaining: (items) => new Asymmetric(`array containing ${brief(items)}`, (value) => Array.isArray(value) && items.every((item) => value.some((each) => equal(each, item, false)))),
  stringContaining: (text) => new Asymmetric(`string containing ${brief(text)}`, (value) => typeof value === "string" && value.includes(text)),
  stringMatching: (pattern) => new Asymmetric(`string matching ${pattern}`, (value) => typeof value === "string" && new RegExp(pattern).test(value)),
  fail: (message = "expect.fail()") => {
    throw new AssertionError(message);
  },
});

/** A function that remembers its calls: fn.mock.calls, fn.mock.results. */
export function fn(implementation = () => undefined) {
  let body = implementation;
  const once = [];
  const mock = { calls: [], results: [] };
  const mocked = function (...args) {
    mock.calls.push(args);
    try {
      const value = (once.shift() ?? body).apply(this, args);
      mock.results.push({ type: "return", value });
      return value;
    } catch (error) {
      mock.results.push({ type: "throw", value: error });
      throw error;
    }
  };
  const chain = (change) => (value) => {
    change(value);
    return mocked;
  };
  return Object.assign(mocked, {
    mock,
    mockImplementation: chain((next) => (body = next)),
    mockImplementationOnce: chain((next) => once.push(next)),
    mockReturnValue: chain((value) => (body = () => value)),
    mockReturnValueOnce: chain((value) => once.push(() => value)),
    mockResolvedValue: chain((value) => (body = async () => value)),
    mockRejectedValue: chain((error) => (body = async () => { throw error; })),
    mockClear: chain(() => (mock.calls.length = mock.results.length = 0)),
  });
}
