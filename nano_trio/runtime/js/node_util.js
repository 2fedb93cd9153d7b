// node:util. Node.js API, Util: https://nodejs.org/api/util.html
const host = modules.node;
const tagOf = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;
const custom = Symbol.for("nodejs.util.promisify.custom");

function inspect(value, options, ...old) {
  // The older signature: showHidden, depth, colors.
  if (typeof options === "boolean") options = { showHidden: options, depth: old[0], colors: old[1] };
  return host.inspect(value, options);
}
inspect.custom = Symbol.for("nodejs.util.inspect.custom");
inspect.defaultOptions = { depth: 2, colors: false, showHidden: false };

function formatOne(specifier, value, options) {
  switch (specifier) {
    case "s":
      if (typeof value === "bigint") return `${value}n`;
      if (typeof value === "number") return Object.is(value, -0) ? "-0" : `${value}`;
      if (typeof value === "object" && value !== null) {
        const own = value.toString !== Object.prototype.toString && value.toString !== Array.prototype.toString;
        if (own && typeof value.toString === "function" && !(value instanceof Error) && !(value instanceof Date)) return String(value);
        return inspect(value, { ...options, depth: 0, colors: false });
      }
      return String(value);
    case "d":
      if (typeof value === "bigint") return `${value}n`;
      return typeof value === "symbol" ? "NaN" : inspect(Number(value), options);
    case "i":
      if (typeof value === "bigint") return `${value}n`;
      return typeof value === "symbol" ? "NaN" : inspect(parseInt(value, 10), options);
    case "f":
      return typeof value === "symbol" ? "NaN" : inspect(parseFloat(value), options);
    case "j":
      try {
        return JSON.stringify(value) ?? "undefined";
      } catch (error) {
        if (/circular/i.test(error.message)) return "[Circular]";
        throw error;
      }
    case "o":
      return inspect(value, { ...options, showHidden: true, depth: 4 });
    case "O":
      return inspect(value, options);
    case "c":
      return "";
  }
}
function formatWithOptions(options, ...args) {
  let text = "";
  let next = 0;
  if (typeof args[0] === "string") {
    if (args.length === 1) return args[0];
    next = 1;
    text = args[0].replace(/%([sdifjoOc%])/g, (whole, specifier) => {
      if (specifier === "%") return "%";
      return next < args.length ? formatOne(specifier, args[next++], options) : whole;
    });
  }
  const rest = args.slice(next).map((value) => (typeof value === "string" ? value : inspect(value, options)));
  return (next > 0 ? [text, ...rest] : rest).join(" ");
}
function format(...args) {
  return formatWithOptions({}, ...args);
}

function invalid(name, what) {
  const error = new TypeError(`The "${name}" argument must be of type ${what}.`);
  error.code = "ERR_INVALID_ARG_TYPE";
  return error;
}
function promisify(original) {
  if (typeof original !== "function") throw invalid("original", "function");
  if (original[custom] !== undefined) {
    if (typeof original[custom] !== "function") throw invalid("util.promisify.custom", "function");
    return Object.defineProperty(original[custom], custom, { value: original[custom], configurable: true });
  }
  function promised(...args) {
    return new Promise((resolve, reject) => {
      Reflect.apply(original, this, [...args, (error, value) => (error ? reject(error) : resolve(value))]);
    });
  }
  Object.setPrototypeOf(promised, Object.getPrototypeOf(original));
  Object.defineProperties(promised, Object.getOwnPropertyDescriptors(original));
  return Object.defineProperty(promised, custom, { value: promised, configurable: true });
}
promisify.custom = custom;
function callbackify(original) {
  if (typeof original !== "function") throw invalid("original", "function");
  function called(...args) {
    const callback = args.pop();
    if (typeof callback !== "function") throw invalid("last argument", "function");
    Promise.resolve(Reflect.apply(original, this, args)).then(
      (value) => queueMicrotask(() => Reflect.apply(callback, this, [null, value])),
      (reason) => {
        if (!reason) {
          const error = new Error("Promise was rejected with falsy value");
          error.code = "ERR_FALSY_VALUE_REJECTION";
          error.reason = reason;
          reason = error;
        }
        queueMicrotask(() => Reflect.apply(callback, this, [reason]));
      },
    );
  }
  Object.defineProperty(called, "name", { value: `${original.name}Callbackified`, configurable: true });
  return Object.defineProperty(called, "length", { value: original.length + 1, configurable: true });
}
function inherits(constructor, parent) {
  if (typeof constructor !== "function") throw invalid("ctor", "function");
  if (typeof parent !== "function") throw invalid("superCtor", "function");
  Object.defineProperty(constructor, "super_", { value: parent, writable: true, configurable: true });
  Object.setPrototypeOf(constructor.prototype, parent.prototype);
}
const warned = new Set();
function deprecate(original, message, code) {
  let told = false;
  return function (...args) {
    if (!told && !warned.has(code)) {
      told = true;
      if (code !== undefined) warned.add(code);
      console.warn(`DeprecationWarning: ${message}`);
    }
    return new.target ? Reflect.construct(original, args, new.target) : Reflect.apply(original, this, args);
  };
}
function debuglog() {
  return Object.assign(() => {}, { enabled: false });
}
const debug = debuglog;
function stripVTControlCharacters(text) {
  return text.replace(/[\u001B\u009B][[\]()#;?]*(?:(?:(?:;[-a-zA-Z\d/#&.:=?%@~_]+)*|[a-zA-Z\d]+(?:;[-a-zA-Z\d/#&.:=?%@~_]*)*)?\u0007|(?:\d{1,4}(?:;\d{0,4})*)?[\dA-PR-TZcf-nq-uy=><~])/g, "");
}
const toUSVString = (text) => `${text}`.toWellFormed();
const isArray = Array.isArray;

// -- types: what a value is by its internal slots, as far as the language tells ------------------------------------------

/** Whether a method that only values with a certain slot bear can be called on a value. */
const bears = (method, ...args) => (value) => {
  if (typeof value !== "object" || value === null) return false;
  try {
    Reflect.apply(method, value, args);
    return true;
  } catch {
    return false;
  }
};
const getter = (type, name) => Object.getOwnPropertyDescriptor(type.prototype, name).get;
const isTagged = (tag) => (value) => tagOf.call(value) === tag;
const described = (tag) => (value) => typeof value === "object" && value !== null && Object.prototype.toString.call(value) === `[object ${tag}]`;
const isBoxedBy = (method) => bears(method);
const isNumberObject = isBoxedBy(Number.prototype.valueOf);
const isStringObject = isBoxedBy(String.prototype.valueOf);
const isBooleanObject = isBoxedBy(Boolean.prototype.valueOf);
const isBigIntObject = isBoxedBy(BigInt.prototype.valueOf);
const isSymbolObject = isBoxedBy(Symbol.prototype.valueOf);
const isArrayBuffer = bears(getter(ArrayBuffer, "byteLength"));
const isSharedArrayBuffer = bears(getter(SharedArrayBuffer, "byteLength"));
const functionKind = (tag) => (value) => typeof value === "function" && Object.prototype.toString.call(value) === `[object ${tag}]`;
const isAsync = functionKind("AsyncFunction");
const isAsyncGenerator = functionKind("AsyncGeneratorFunction");
const isGenerator = functionKind("GeneratorFunction");
const isMap = bears(getter(Map, "size"));
const isSet = bears(getter(Set, "size"));
const isDate = bears(Date.prototype.getTime);
const isRegExp = (value) => typeof value === "object" && value !== null && described("RegExp")(value);
const types = {
  isAnyArrayBuffer: (value) => isArrayBuffer(value) || isSharedArrayBuffer(value),
  isArrayBuffer,
  isSharedArrayBuffer,
  isArrayBufferView: ArrayBuffer.isView,
  isAsyncFunction: (value) => isAsync(value) || isAsyncGenerator(value),
  isBigInt64Array: isTagged("BigInt64Array"),
  isBigUint64Array: isTagged("BigUint64Array"),
  isBigIntObject, isBooleanObject, isNumberObject, isStringObject, isSymbolObject,
  isBoxedPrimitive: (value) => [isNumberObject, isStringObject, isBooleanObject, isBigIntObject, isSymbolObject].some((is) => is(value)),
  isDataView: (value) => ArrayBuffer.isView(value) && tagOf.call(value) === undefined,
  isDate,
  isFloat32Array: isTagged("Float32Array"),
  isFloat64Array: isTagged("Float64Array"),
  isGeneratorFunction: (value) => isGenerator(value) || isAsyncGenerator(value),
  isGeneratorObject: described("Generator"),
  isInt8Array: isTagged("Int8Array"),
  isInt16Array: isTagged("Int16Array"),
  isInt32Array: isTagged("Int32Array"),
  isMap,
  isMapIterator: described("Map Iterator"),
  isNativeError: (value) => Error.isError(value),
  isPromise: described("Promise"),
  isRegExp,
  isSet,
  isSetIterator: described("Set Iterator"),
  isTypedArray: (value) => tagOf.call(value) !== undefined,
  isUint8Array: isTagged("Uint8Array"),
  isUint8ClampedArray: isTagged("Uint8ClampedArray"),
  isUint16Array: isTagged("Uint16Array"),
  isUint32Array: isTagged("Uint32Array"),
  isWeakMap: bears(WeakMap.prototype.has, {}),
  isWeakSet: bears(WeakSet.prototype.has, {}),
};

// -- isDeepStrictEqual ----------------------------------------------------------------------------------------------

const keysOf = (value) =>
  Reflect.ownKeys(value).filter((key) => Object.prototype.propertyIsEnumerable.call(value, key));

function isDeepStrictEqual(a, b) {
  return same(a, b, []);
}
function same(a, b, pairs) {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  const tag = Object.prototype.toString.call(a);
  if (tag !== Object.prototype.toString.call(b)) return false;
  if (pairs.some(([x, y]) => x === a && y === b)) return true;
  pairs = [...pairs, [a, b]];
  if (Array.isArray(a) !== Array.isArray(b) || (Array.isArray(a) && a.length !== b.length)) return false;
  if (isDate(a) && (!isDate(b) || !Object.is(a.getTime(), b.getTime()))) return false;
  if (isRegExp(a) && (String(a) !== String(b) || a.lastIndex !== b.lastIndex)) return false;
  if (types.isBoxedPrimitive(a) && (!types.isBoxedPrimitive(b) || !Object.is(a.valueOf(), b.valueOf()))) return false;
  if (a instanceof Error && (a.message !== b.message || a.name !== b.name || !same(a.cause, b.cause, pairs))) return false;
  if (types.isAnyArrayBuffer(a)) {
    if (!same(new Uint8Array(a), new Uint8Array(b), pairs)) return false;
  }
  if (ArrayBuffer.isView(a)) {
    if (a.byteLength !== b.byteLength) return false;
    if (types.isDataView(a)) {
      for (let i = 0; i < a.byteLength; i++) if (a.getUint8(i) !== b.getUint8(i)) return false;
    } else {
      for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
    }
    return true;
  }
  if (isSet(a)) {
    if (!isSet(b) || a.size !== b.size) return false;
    const rest = [...b].filter((each) => !a.has(each));
    for (const each of a) {
      if (b.has(each)) continue;
      const at = rest.findIndex((other) => same(each, other, pairs));
      if (at < 0) return false;
      rest.splice(at, 1);
    }
  }
  if (isMap(a)) {
    if (!isMap(b) || a.size !== b.size) return false;
    const rest = [...b].filter(([key]) => !a.has(key));
    for (const [key, value] of a) {
      if (b.has(key)) {
        if (!same(value, b.get(key), pairs)) return false;
        continue;
      }
      const at = rest.findIndex(([other, otherValue]) => same(key, other, pairs) && same(value, otherValue, pairs));
      if (at < 0) return false;
      rest.splice(at, 1);
    }
  }
  const keys = keysOf(a);
  if (keys.length !== keysOf(b).length) return false;
  return keys.every((key) => Object.prototype.propertyIsEnumerable.call(b, key) && same(a[key], b[key], pairs));
}

const { TextEncoder, TextDecoder } = globalThis;
const FORMATS = {
  reset: [0, 0], bold: [1, 22], dim: [2, 22], italic: [3, 23], underline: [4, 24], inverse: [7, 27], hidden: [8, 28],
  strikethrough: [9, 29], black: [30, 39], red: [31, 39], green: [32, 39], yellow: [33, 39], blue: [34, 39], magenta: [35, 39],
  cyan: [36, 39], white: [37, 39], gray: [90, 39], grey: [90, 39], bgBlack: [40, 49], bgRed: [41, 49], bgGreen: [42, 49],
  bgYellow: [43, 49], bgBlue: [44, 49], bgMagenta: [45, 49], bgCyan: [46, 49], bgWhite: [47, 49],
};
inspect.colors = FORMATS;
/** By the codes of ECMA-48, section 8.3.117. */
function styleText(format, text) {
  let [before, after] = ["", ""];
  for (const name of [format].flat()) {
    if (!Object.hasOwn(FORMATS, name)) throw invalidValue("format", name);
    before += `\u001b[${FORMATS[name][0]}m`;
    after = `\u001b[${FORMATS[name][1]}m${after}`;
  }
  return before + text + after;
}
function invalidValue(name, value) {
  const error = new TypeError(`The argument '${name}' is invalid. Received ${inspect(value)}`);
  error.code = "ERR_INVALID_ARG_VALUE";
  return error;
}
/** What a .env file says. */
function parseEnv(text) {
  const values = {};
  const line = /^[ \t]*(?:export[ \t]+)?([^\s=#]+)[ \t]*=[ \t]*(?:"([^"]*)"|'([^']*)'|`([^`]*)`|([^\n#]*))/gm;
  for (const [, name, double, single, back, plain] of text.replaceAll("\r\n", "\n").matchAll(line)) {
    values[name] = double?.replaceAll("\\n", "\n") ?? single ?? back ?? plain.trim();
  }
  return values;
}
const aborted = (signal) =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
module.exports = {
  styleText, parseEnv, aborted,
  inspect, format, formatWithOptions, promisify, callbackify, inherits, deprecate, debuglog, debug, stripVTControlCharacters,
  toUSVString, isArray, types, isDeepStrictEqual, TextEncoder, TextDecoder,
};
