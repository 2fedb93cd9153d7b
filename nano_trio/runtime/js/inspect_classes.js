// How inspect.js shows what is neither a plain object nor an array: functions, errors, the language's own classes, and
// the Web platform's. `describe` fills in a shape, which says:
//   open, close  the brackets, with the class name before the first
//   base         text before the brackets, which stands alone where there is nothing to put into them
//   style        the colour of a base that stands alone
//   fill         (ctx, depth, value) => the entries that are no properties
//   isList       whether short entries go into columns
//   keys         the properties to show, where they are not all that are enumerable
//
// Instances of builtin classes are recognised by the prototypes they inherit from, then verified by a method that only
// the real ones have: a failing one costs microseconds, and most objects are of the app's own classes.
(platform) => {
  "use strict";
  const { constructors, statics, uncurry, buffers } = platform;
  const { getOwnPropertyDescriptor, getPrototypeOf, isExtensible, keys: keysOf } = statics.Object;
  const { apply, ownKeys } = statics.Reflect;
  const { min, max } = statics.Math;
  const { Map } = constructors;
  const { Set, String } = globalThis;
  const {
    formatValue,
    formatPrimitive,
    formatKey,
    visibleKeys,
    prefix,
    more,
    plain,
    lookup,
    attempt,
    ownDescriptor,
    inherits,
    functionName,
    isObject,
    proxyTarget,
    inspect,
    fillArray,
    MAX_LENGTH,
  } = platform.load("inspect");
  const host = platform.host("console");

  const hasOwn = uncurry("Object", "hasOwnProperty");
  const toString = uncurry("Object", "toString");
  const functionToString = uncurry("Function", "toString");
  const indexOf = uncurry("Array", "indexOf");
  const slice = uncurry("String", "slice");
  const split = uncurry("String", "split");
  const contains = uncurry("String", "includes");
  const startsWith = uncurry("String", "startsWith");
  const endsWith = uncurry("String", "endsWith");
  const replaceAll = uncurry("String", "replaceAll");
  const repeat = uncurry("String", "repeat");
  const exec = uncurry("RegExp", "exec");
  const mapGet = uncurry("Map", "get");
  const mapSet = uncurry("Map", "set");

  function indent(ctx, text) {
    return replaceAll(text, "\n", `\n${repeat(" ", ctx.indentation)}`);
  }
  function getterOf(prototype, name) {
    const { get } = getOwnPropertyDescriptor(prototype, name);
    return (value) => apply(get, value, []);
  }

  function describe(ctx, shape, value, names) {
    if (typeof value === "function") {
      shape.base = functionBase(value, names);
      shape.style = "special";
    } else if (isError(value)) {
      shape.base = errorText(ctx, value, names);
      shape.keys = errorKeys(ctx, value, shape.base);
    } else if (buffers.isView(value)) {
      describeView(shape, value, names);
    } else if (names.tag === "" && hasOwn(value, "callee") && toString(value) === "[object Arguments]") {
      shape.open = "[Arguments] {";
    } else if (names.name === null && names.tag === "Module" && !isExtensible(value)) {
      shape.open = "[Module: null prototype] {";
      shape.keys = ownKeys(value);
      shape.keys.length--; // Symbol.toStringTag, which is last
    } else if (!describeBuiltin(ctx, shape, value, names)) {
      if (names.name !== "Object" || names.tag !== "") shape.open = `${prefix(names, "Object")}{`;
      describePlatform(ctx, shape, value);
    }
  }

  function describeList(shape, value, open, length) {
    shape.open = open;
    shape.close = "]";
    shape.isList = true;
    shape.indexed = length;
    if (length > 0) shape.fill = (ctx, depth) => fillArray(ctx, depth, value, length);
  }
  const viewLength = getterOf(getPrototypeOf(constructors.Uint8Array.prototype), "length");
  function describeView(shape, value, names) {
    const type = buffers.viewTag(value);
    if (type !== undefined) {
      const length = viewLength(value);
      describeList(shape, value, `${prefix(names, type, length)}[`, length);
      return;
    }
    shape.open = `${prefix(names, "DataView")}{`;
    shape.fill = (ctx, depth) => {
      const show = (getter) =>
        formatValue(
          ctx,
          attempt(() => getter(value)),
          depth,
        );
      const output = [
        `byteLength: ${show(buffers.dataViewByteLength)}`,
        `byteOffset: ${show(buffers.dataViewByteOffset)}`,
      ];
      ctx.indentation += 2;
      output[2] = `buffer: ${show(buffers.dataViewBuffer)}`;
      ctx.indentation -= 2;
      return output;
    };
  }

  // ------------------------------------------------------------------ functions

  function functionBase(value, { name, tag }) {
    const source = functionToString(value);
    const own = functionName(value);
    if (startsWith(source, "class") && endsWith(source, "}")) {
      let text = `[class ${own || "(anonymous)"}`;
      if (name !== "Function" && name !== null) text += ` [${name}]`;
      if (tag !== "" && name !== tag) text += ` [${tag}]`;
      const parent = name === null ? "[null prototype]" : functionName(getPrototypeOf(value));
      return parent === "" ? `${text}]` : `${text} extends ${parent}]`;
    }
    const type = endsWith(tag, "Function") ? tag : "Function";
    let text = `[${type}${name === null ? " (null prototype)" : ""}${own === "" ? " (anonymous)" : ": " + own}]`;
    if (name !== type && name !== null) text += ` ${name}`;
    if (tag !== "" && name !== tag) text += ` [${tag}]`;
    return text;
  }

  // ------------------------------------------------------------------ errors

  /** A stack without the platform's own frames (they tell of no place), and without a line break at its end. */
  function cleanStack(stack) {
    const lines = split(stack, "\n");
    let result = "";
    for (let i = 0; i < lines.length; i++) {
      if (exec(/^\s+at (?:(?:.* \()?nano:|[^(:]+$)/, lines[i]) === null) result += `\n${lines[i]}`;
    }
    while (endsWith(result, "\n")) result = slice(result, 0, -1);
    return slice(result, 1);
  }
  function isError(value) {
    return statics.Error.isError(value) || inherits(value, constructors.Error.prototype);
  }
  /**
   * "Class: message" and what its stack has below what the error says; or a stack that tells something else, as it is.
   * What has no frames is in brackets.
   */
  function errorText(ctx, error, names) {
    const text = (key, fallback) => {
      const value = lookup(error, key);
      if (value === undefined || value === null) return fallback;
      return isObject(value) ? inspect(value, { depth: 0 }) : String(value);
    };
    let title = text("name", "Error");
    const message = text("message", "");
    const say = (name) => (message === "" ? name : name === "" ? message : `${name}: ${message}`);
    const told = say(title);
    if (names.name === null || names.name === "DOMException" || (endsWith(title, "Error") && title !== names.name)) {
      const label = slice(prefix(names, title), 0, -1);
      title = contains(label, title) ? label : `${label} [${title}]`;
    }
    const own = lookup(error, "stack");
    const below = typeof own === "string" ? platform.load("stack").below(told, own) : "";
    const stack = cleanStack(below);
    let result = stack;
    if (stack === "" || below !== own || exec(/^\s+at /, stack) !== null) result = `${say(title)}${stack && "\n"}${stack}`;
    if (exec(/\n\s+at /, result) === null) result = `[${result}]`;
    if (result.length > ctx.maxStringLength) {
      result = `${slice(result, 0, ctx.maxStringLength)}... ${more(result.length - ctx.maxStringLength, "character")}`;
    }
    ctx.length += result.length;
    return indent(ctx, result);
  }
  /** An error's own properties beyond what its text says already. */
  function errorKeys(ctx, error, text) {
    const keys = visibleKeys(ctx, error, -1);
    const result = [];
    for (let i = 0; i < keys.length; i++) {
      const isTold = keys[i] === "name" || keys[i] === "message" || keys[i] === "stack";
      const value = isTold ? lookup(error, keys[i]) : undefined;
      if (typeof value !== "string" || !contains(text, value)) result[result.length] = keys[i];
    }
    if (hasOwn(error, "cause") && indexOf(result, "cause") < 0) result[result.length] = "cause";
    if (hasOwn(error, "errors") && indexOf(result, "errors") < 0) result[result.length] = "errors";
    return result;
  }

  // ------------------------------------------------------------------ the language's classes

  const mapSize = getterOf(Map.prototype, "size");
  const setSize = getterOf(Set.prototype, "size");
  // By prototype: `check` returns what `show(shape, value, checked, names)` needs, and throws or gives undefined where
  // the value is no real instance.
  const builtins = new Map();
  function addBuiltin(Class, check, show) {
    mapSet(builtins, Class.prototype, { __proto__: null, check, show });
  }
  let hasBuiltins = false;
  function addBuiltins() {
    hasBuiltins = true;
    const { Date, RegExp, Promise, WeakRef, ArrayBuffer, Number, Boolean } = constructors;
    const mapEntries = uncurry("Map", "entries");
    const setValues = uncurry("Set", "values");
    addBuiltin(Map, mapSize, (shape, value, size, names) => {
      shape.open = `${prefix(names, "Map", size)}{`;
      if (size > 0) shape.fill = several(size, mapEntries(value), formatPair);
    });
    addBuiltin(Set, setSize, (shape, value, size, names) => {
      shape.open = `${prefix(names, "Set", size)}{`;
      if (size > 0) shape.fill = several(size, setValues(value), formatValue);
    });
    addBuiltin(Date, uncurry("Date", "getTime"), (shape, value, time, names) => {
      standAlone(shape, names, "Date", time === time ? uncurry("Date", "toISOString")(value) : "Invalid Date", "date");
    });
    const flagsOf = getterOf(RegExp.prototype, "flags");
    addBuiltin(RegExp, getterOf(RegExp.prototype, "source"), (shape, value, source, names) => {
      standAlone(shape, names, "RegExp", `/${source}/${attempt(() => flagsOf(value)) ?? ""}`, "regexp");
    });
    addBuiltin(
      Promise,
      (value) => host.promiseState(value) ?? undefined,
      (shape, value, state, names) => {
        shape.open = `${prefix(names, "Promise")}{`;
        shape.fill = (ctx, depth) => {
          if (state[0] === "pending") return [ctx.style("<pending>", "special")];
          ctx.indentation += 2;
          let text;
          if (state[0] === "fulfilled") text = formatValue(ctx, state[1], depth);
          else text = `${ctx.style("<rejected>", "special")} ${indent(ctx, cleanStack(state[1]))}`;
          ctx.indentation -= 2;
          return [text];
        };
      },
    );
    addBuiltin(
      WeakRef,
      (value) => (uncurry("WeakRef", "deref")(value), true),
      (shape, value, checked, names) => {
        shape.open = `${prefix(names, "WeakRef")}{`;
      },
    );
    for (let i = 0; i < 2; i++) {
      const type = i === 0 ? "WeakMap" : "WeakSet";
      const has = uncurry(type, "has");
      addBuiltin(
        constructors[type],
        (value) => (has(value, value), true),
        (shape, value, checked, names) => {
          shape.open = `${prefix(names, type)}{`;
          shape.fill = (ctx) => [ctx.style("<items unknown>", "special")];
        },
      );
    }
    addBuiltin(ArrayBuffer, buffers.byteLength, describeBuffer);
    addBuiltin(globalThis.SharedArrayBuffer, buffers.sharedByteLength, describeBuffer);
    addBoxed(Number, "Number", "number");
    addBoxed(constructors.String, "String", "string");
    addBoxed(Boolean, "Boolean", "boolean");
    addBoxed(constructors.Symbol, "Symbol", "symbol");
    addBoxed(constructors.BigInt, "BigInt", "bigint");
  }
  function addBoxed(Class, type, style) {
    addBuiltin(Class, uncurry(type, "valueOf"), (shape, value, primitive, { name, tag }, ctx) => {
      let label = type;
      if (name !== type) label += name === null ? " (null prototype)" : ` (${name})`;
      shape.base = `[${label}: ${formatPrimitive({ __proto__: null, ...ctx, style: plain }, primitive)}]`;
      if (tag !== "" && tag !== name && name !== null) shape.base += ` [${tag}]`;
      shape.style = style;
      if (style === "string") shape.indexed = primitive.length;
    });
  }
  function formatPair(ctx, pair, depth) {
    return `${formatValue(ctx, pair[0], depth)} => ${formatValue(ctx, pair[1], depth)}`;
  }
  function standAlone(shape, names, type, text, style) {
    shape.base = names.name === type && names.tag === "" ? text : `${prefix(names, type)}${text}`;
    shape.style = style;
  }
  function describeBuffer(shape, value, length, names) {
    const isShared = attempt(() => buffers.byteLength(value)) === undefined;
    shape.open = `${prefix(names, isShared ? "SharedArrayBuffer" : "ArrayBuffer")}{`;
    shape.fill = (ctx) => {
      const shown = min(ctx.maxArrayLength, length);
      let text = "(detached)";
      if (isShared || !buffers.detached(value)) {
        const bytes = new constructors.Uint8Array(value, 0, shown);
        const toString = uncurry("Number", "toString");
        text = "[Uint8Contents]: <";
        for (let i = 0; i < shown; i++) {
          text += `${i > 0 ? " " : ""}${bytes[i] < 16 ? "0" : ""}${toString(bytes[i], 16)}`;
        }
        text += length > shown ? ` ... ${more(length - shown, "byte")}>` : ">";
      }
      return [text, `byteLength: ${formatPrimitive(ctx, length)}`];
    };
  }
  /** The first items that a builtin's iterator gives, and how many are left. */
  function several(count, iterator, format) {
    const { next } = getPrototypeOf(iterator);
    return (ctx, depth) => {
      const output = [];
      const shown = min(count, max(0, ctx.maxArrayLength));
      ctx.indentation += 2;
      for (let i = 0; i < shown && ctx.length <= MAX_LENGTH; i++) {
        const step = apply(next, iterator, []);
        if (step.done) break;
        output[i] = format(ctx, step.value, depth);
      }
      ctx.indentation -= 2;
      if (count > output.length) output[output.length] = `... ${more(count - output.length, "item")}`;
      return output;
    };
  }

  function describeBuiltin(ctx, shape, value, names) {
    if (!hasBuiltins) addBuiltins();
    const verify = (builtin) => {
      const checked = attempt(() => builtin.check(value));
      if (checked === undefined) return false;
      builtin.show(shape, value, checked, names, ctx);
      return true;
    };
    for (
      let holder = getPrototypeOf(value);
      holder !== null && proxyTarget(holder) === undefined;
      holder = getPrototypeOf(holder)
    ) {
      const builtin = mapGet(builtins, holder);
      if (builtin !== undefined) return verify(builtin);
    }
    // An object cut off from its class may still be a Map: not looked for where it has properties, as a dictionary.
    let isFound = false;
    if (names.name === null && keysOf(value).length === 0) {
      uncurry("Map", "forEach")(builtins, (builtin) => (isFound ||= verify(builtin)));
    }
    return isFound;
  }

  // ------------------------------------------------------------------ the platform's classes

  // By file, its classes and the attributes that tell a reader most; reading them must have no effect, as `body` has.
  // "=>" and ":" stand for the pairs of a map and of a record.
  const READABLE = {
    __proto__: null,
    abort: "AbortController signal|AbortSignal aborted reason",
    blob: "Blob size type|File name lastModified",
    compression: "CompressionStream readable writable|DecompressionStream readable writable",
    cryptokey: "CryptoKey type extractable algorithm usages",
    encoding: "TextEncoder encoding|TextDecoder encoding fatal ignoreBOM",
    event: "Event type defaultPrevented cancelable timeStamp",
    event_types:
      "CustomEvent detail|ErrorEvent message filename lineno colno error|PromiseRejectionEvent promise reason|MessageEvent data origin lastEventId source ports",
    formdata: "FormData :",
    headers: "Headers :",
    messaging: "BroadcastChannel name|MessageChannel port1 port2",
    performance: "Performance timeOrigin",
    performance_timeline: "PerformanceEntry name entryType startTime duration",
    request: "Request method url headers redirect bodyUsed",
    response: "Response status statusText ok headers bodyUsed redirected type url",
    streams_queuing: "ByteLengthQueuingStrategy highWaterMark|CountQueuingStrategy highWaterMark",
    streams_readable: "ReadableStream locked",
    streams_transform: "TransformStream readable writable",
    streams_writable: "WritableStream locked",
    url: "URL href origin protocol username password host hostname port pathname search searchParams hash",
    urlpattern: "URLPattern protocol username password hostname port pathname search hash hasRegExpGroups",
    urlsearchparams: "URLSearchParams =>",
    user_timing: "PerformanceMark detail|PerformanceMeasure detail",
    websocket: "WebSocket url readyState protocol extensions binaryType",
  };
  const readable = new Map();
  /** Look at the files loaded since. */
  function addReadable() {
    for (const file in READABLE) {
      if (!platform.isLoaded(file)) continue;
      const classes = split(READABLE[file], "|");
      for (let i = 0; i < classes.length; i++) {
        const attributes = split(classes[i], " ");
        const prototype = platform.load(file)[attributes[0]]?.prototype;
        if (prototype === undefined) continue;
        for (let j = 1; j < attributes.length; j++) {
          const name = attributes[j];
          const isPairs = name === ":" || name === "=>";
          const descriptor = getOwnPropertyDescriptor(prototype, isPairs ? "forEach" : name);
          attributes[j] = { __proto__: null, name, isPairs, read: isPairs ? descriptor?.value : descriptor?.get };
        }
        mapSet(readable, prototype, attributes);
      }
      delete READABLE[file];
    }
  }
  function describePlatform(ctx, shape, value) {
    addReadable();
    let attributes = [];
    for (
      let holder = getPrototypeOf(value);
      holder !== null && proxyTarget(holder) === undefined;
      holder = getPrototypeOf(holder)
    ) {
      const found = mapGet(readable, holder);
      // Those of the base class come first.
      if (found !== undefined) attributes = uncurry("Array", "concat")(uncurry("Array", "slice")(found, 1), attributes);
    }
    if (attributes.length === 0) return;
    if (!attributes[0].isPairs && attempt(() => [apply(attributes[0].read, value, [])]) === undefined) return; // a prototype
    // The own accessors of events (isTrusted) are attributes like others.
    shape.keys = uncurry("Array", "filter")(visibleKeys(ctx, value, -1), (key) => !ownDescriptor(value, key).get);
    shape.fill = (ctx, depth) => {
      const output = [];
      ctx.indentation += 2;
      for (let i = 0; i < attributes.length; i++) {
        const { name, isPairs, read } = attributes[i];
        if (!isPairs)
          output[output.length] = `${name}: ${formatValue(
            ctx,
            attempt(() => apply(read, value, [])),
            depth,
          )}`;
        else
          attempt(() =>
            apply(read, value, [
              (item, key) => {
                const text = formatValue(ctx, item, depth);
                output[output.length] =
                  name === ":" ? `${formatKey(ctx, key)}: ${text}` : `${formatPrimitive(ctx, key)} => ${text}`;
              },
            ]),
          );
      }
      ctx.indentation -= 2;
      return output;
    };
  }

  /** The first items of a Map, as pairs, or of a Set; undefined of anything else. */
  function items(value, limit) {
    const isMap = attempt(() => mapSize(value)) !== undefined;
    if (!isMap && attempt(() => setSize(value)) === undefined) return undefined;
    const result = [];
    const iterator = isMap ? uncurry("Map", "entries")(value) : uncurry("Set", "values")(value);
    const { next } = getPrototypeOf(iterator);
    for (let step = apply(next, iterator, []); !step.done && result.length < limit; step = apply(next, iterator, [])) {
      result[result.length] = step.value;
    }
    return { __proto__: null, isMap, items: result };
  }

  return { __proto__: null, describe, cleanStack, items };
}
