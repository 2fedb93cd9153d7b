// node:util. Node.js API, Util: https://nodejs.org/api/util.html
const host = modules.node;
const tagOf = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;
const custom = Symbol.for("nodejs.util.promisify.custom");

/** What %s shows as inspect() does, for its text would not tell what it is. */
const TELLING_LITTLE = new Set(
  [Object, Array, Number, String, Boolean, BigInt, Symbol].map((constructor) => constructor.prototype.toString),
);

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
        const { toString } = value;
        const own = typeof toString === "function" && !TELLING_LITTLE.has(toString);
        if (own && !(value instanceof Error) && !(value instanceof Date)) return String(value);
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
  toUSVString, isArray, types, TextEncoder, TextDecoder,
  isDeepStrictEqual: (a, b) => platform.load("node_comparison").isDeepStrictEqual(a, b),
};
