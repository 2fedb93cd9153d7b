// inspect: values as text for people, in the form that Node's util.inspect has made familiar.
//
// Theory of operation. One walk, depth first, builds each object's entries as strings; `layout` then decides whether
// they fit on a line. What is shown must never get in the app's way, so
//   * no proxy trap runs (proxy.js knows the targets), and a getter runs only where the class names itself with it
//     (Symbol.toStringTag, an error's name, message and stack) or where the platform's own class defines it;
//   * what such a getter or a custom inspector throws is not passed on;
//   * the text is bounded: past MAX_LENGTH characters everything still to come is an ellipsis, and a walk that overflows
//     the stack is done again with a smaller depth.
// Plain objects, class instances and arrays are shown here; all that inspect_classes.js knows (functions, errors, the
// language's and the platform's own classes) is loaded when the first such value comes.
(platform) => {
  "use strict";
  const { constructors, statics, uncurry, buffers } = platform;
  const {
    getOwnPropertyDescriptor,
    getPrototypeOf,
    setPrototypeOf,
    keys: keysOf,
    getOwnPropertySymbols,
  } = statics.Object;
  const { apply, ownKeys } = statics.Reflect;
  const { isArray } = statics.Array;
  const { floor, min, max, round } = statics.Math;
  const { String } = globalThis;
  const inspectSymbol = statics.Symbol.for("nodejs.util.inspect.custom");
  const tagSymbol = Symbol.toStringTag;

  const hasOwn = uncurry("Object", "hasOwnProperty");
  const isEnumerable = uncurry("Object", "propertyIsEnumerable");
  const join = uncurry("Array", "join");
  const indexOf = uncurry("Array", "indexOf");
  const push = uncurry("Array", "push");
  const pop = uncurry("Array", "pop");
  const slice = uncurry("String", "slice");
  const find = uncurry("String", "indexOf");
  const contains = uncurry("String", "includes");
  const endsWith = uncurry("String", "endsWith");
  const split = uncurry("String", "split");
  const codeAt = uncurry("String", "charCodeAt");
  const replaceAll = uncurry("String", "replaceAll");
  const padStart = uncurry("String", "padStart");
  const padEnd = uncurry("String", "padEnd");
  const repeat = uncurry("String", "repeat");
  const isWellFormed = uncurry("String", "isWellFormed");
  const exec = uncurry("RegExp", "exec");
  const toUpperCase = uncurry("String", "toUpperCase");
  const toWellFormed = uncurry("String", "toWellFormed");
  const toText = uncurry("Number", "toString");
  const symbolToString = uncurry("Symbol", "toString");

  const objectPrototype = constructors.Object.prototype;
  const promisePrototype = constructors.Promise.prototype;
  const MAX_LENGTH = 100_000;
  // Beyond this many elements, an array is not searched for further properties.
  const MAX_SEARCHED = 10_000;
  // Of a text whose width is asked for, UTF-16 units at a time: the host looks at each character while others wait.
  const MAX_MEASURED = 512;
  const NOT_ASCII = /[^\x20-\x7e]/;
  const IDENTIFIER = /^[a-zA-Z_]\w*$/;
  const NEEDS_ESCAPE = /[\x00-\x1f'\\\x7f-\x9f\ud800-\udfff]/;
  const ESCAPES = { __proto__: null, 8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 92: "\\\\" };
  const DEFAULTS = {
    __proto__: null,
    showHidden: false,
    depth: 2,
    colors: false,
    customInspect: true,
    maxArrayLength: 100,
    maxStringLength: 10_000,
    breakLength: 80,
    compact: 3,
    sorted: false,
  };
  // The codes that switch a style on and off.
  const STYLES = {
    __proto__: null,
    number: "33 39",
    bigint: "33 39",
    boolean: "33 39",
    string: "32 39",
    symbol: "32 39",
    undefined: "90 39",
    null: "1 22",
    date: "35 39",
    regexp: "31 39",
    special: "36 39",
  };
  const plain = (text) => text;
  const colored = (text, kind) => {
    const codes = STYLES[kind];
    if (codes === undefined) return text;
    const at = find(codes, " ");
    return `\x1b[${slice(codes, 0, at)}m${text}\x1b[${slice(codes, at + 1)}m`;
  };

  // ------------------------------------------------------------------ looking without touching

  /** The target of a proxy, null of a revoked one, undefined where `value` is no proxy that the app made. */
  function proxyTarget(value) {
    if (targetOf === undefined) {
      if (!platform.isLoaded("proxy")) return undefined;
      targetOf = platform.load("proxy").proxyTarget;
    }
    return targetOf(value);
  }
  let targetOf;
  function isObject(value) {
    return typeof value === "function" || (typeof value === "object" && value !== null);
  }
  function ownDescriptor(object, key) {
    const descriptor = getOwnPropertyDescriptor(object, key);
    return descriptor && setPrototypeOf(descriptor, null);
  }
  /** object[key], found without running a proxy's traps. What a getter throws reads as undefined. */
  function lookup(object, key) {
    for (let holder = object; holder !== null; holder = getPrototypeOf(holder)) {
      if (proxyTarget(holder) !== undefined) return undefined;
      const descriptor = ownDescriptor(holder, key);
      if (descriptor === undefined) continue;
      if (descriptor.get === undefined) return descriptor.value;
      return attempt(() => apply(descriptor.get, object, []));
    }
  }
  function attempt(action) {
    try {
      return action();
    } catch {
      return undefined;
    }
  }
  function inheritsFromProxy(object) {
    let holder = object;
    while (holder !== null && proxyTarget(holder) === undefined) holder = getPrototypeOf(holder);
    return holder !== null;
  }
  function inherits(object, prototype) {
    for (let holder = object; holder !== null && proxyTarget(holder) === undefined;) {
      holder = getPrototypeOf(holder);
      if (holder === prototype) return true;
    }
    return false;
  }
  function functionName(value) {
    const name = proxyTarget(value) === undefined ? ownDescriptor(value, "name")?.value : "";
    return typeof name === "string" ? name : "";
  }
  /** The name of the class `object` is an instance of; null where it inherits from nothing. */
  function constructorName(object) {
    let holder = object;
    for (; holder !== null; holder = getPrototypeOf(holder)) {
      if (proxyTarget(holder) !== undefined) return "Object";
      // That of promises may be an accessor once there is an AsyncLocalStorage (async_context_getters.js).
      const found = ownDescriptor(holder, "constructor");
      const isHeld = holder === promisePrototype && found?.get !== undefined;
      const Class = isHeld ? constructors.Promise : found?.value;
      if (typeof Class !== "function") continue;
      const name = functionName(Class);
      if (name !== "" && inherits(object, ownDescriptor(Class, "prototype")?.value ?? Class)) return name;
    }
    const prototype = getPrototypeOf(object);
    if (prototype === null) return null;
    return `Object <${getPrototypeOf(prototype) === null ? "[Object: null prototype] {}" : "Complex prototype"}>`;
  }
  function isIndex(key) {
    return typeof key === "string" && String(key >>> 0) === key && key !== "4294967295";
  }
  /** The keys to show. `indexed` is the number of elements, which are shown apart; negative where there are none. */
  function visibleKeys(ctx, object, indexed) {
    const result = [];
    if (indexed <= MAX_SEARCHED) {
      const names = ctx.showHidden ? ownKeys(object) : keysOf(object);
      for (let i = 0; i < names.length; i++) {
        if (indexed < 0 || !isIndex(names[i])) result[result.length] = names[i];
      }
      if (ctx.showHidden) return result;
    }
    const symbols = getOwnPropertySymbols(object);
    for (let i = 0; i < symbols.length; i++) {
      if (isEnumerable(object, symbols[i])) result[result.length] = symbols[i];
    }
    return result;
  }

  // ------------------------------------------------------------------ primitives

  function quote(text) {
    if (exec(NEEDS_ESCAPE, text) === null) return `'${text}'`;
    const malformed = !isWellFormed(text);
    let mark = "'";
    if (contains(text, "'")) {
      if (!contains(text, '"')) mark = '"';
      else if (!contains(text, "`") && !contains(text, "${")) mark = "`";
    }
    let result = mark;
    let from = 0;
    for (let i = 0; i < text.length; i++) {
      const code = codeAt(text, i);
      let escape = ESCAPES[code];
      if (escape !== undefined) {
        // as it is
      } else if (code < 32 || (code >= 127 && code < 160)) {
        escape = `\\x${code < 16 ? "0" : ""}${toUpperCase(toText(code, 16))}`;
      } else if (code === 39 && mark === "'") {
        escape = "\\'";
      } else if (malformed && code >= 0xd800 && code < 0xe000) {
        const next = codeAt(text, i + 1);
        if (code < 0xdc00 && next >= 0xdc00 && next < 0xe000) {
          i++;
          continue;
        }
        escape = `\\u${toText(code, 16)}`;
      } else continue;
      result += slice(text, from, i) + escape;
      from = i + 1;
    }
    return result + slice(text, from) + mark;
  }
  function formatPrimitive(ctx, value) {
    const type = typeof value;
    let text;
    if (type === "string") {
      let rest = "";
      if (value.length > ctx.maxStringLength) {
        rest = `... ${more(value.length - ctx.maxStringLength, "character")}`;
        value = slice(value, 0, ctx.maxStringLength);
      }
      if (value.length > 16 && value.length > ctx.breakLength - ctx.indentation - 4 && contains(value, "\n")) {
        const lines = split(value, "\n");
        if (lines[lines.length - 1] === "") pop(lines);
        for (let i = 0; i < lines.length; i++) {
          const isLast = i === lines.length - 1 && !endsWith(value, "\n");
          lines[i] = ctx.style(quote(isLast ? lines[i] : `${lines[i]}\n`), "string");
        }
        text = join(lines, ` +\n${repeat(" ", ctx.indentation + 2)}`);
      } else {
        text = ctx.style(quote(value), "string");
      }
      text += rest;
    } else if (type === "number") {
      text = ctx.style(value === 0 && 1 / value < 0 ? "-0" : "" + value, "number");
    } else if (type === "bigint") {
      text = ctx.style(`${value}n`, "bigint");
    } else if (type === "symbol") {
      text = ctx.style(symbolToString(value), "symbol");
    } else {
      text = ctx.style(`${value}`, value === null ? "null" : type);
    }
    ctx.length += text.length;
    return text;
  }
  function more(count, what) {
    return `${count} more ${what}${count === 1 ? "" : "s"}`;
  }

  // ------------------------------------------------------------------ the walk

  function formatValue(ctx, value, depth) {
    if (!isObject(value)) return formatPrimitive(ctx, value);
    if (ctx.length > MAX_LENGTH) return "…";
    const original = value;
    for (let target = proxyTarget(value); target !== undefined; target = proxyTarget(value)) {
      if (target === null) return ctx.style("<Revoked Proxy>", "special");
      value = target;
    }
    if (ctx.customInspect) {
      const custom = lookup(value, inspectSymbol);
      if (typeof custom === "function" && custom !== inspect) {
        const result = customText(ctx, custom, original, depth);
        if (result !== undefined) return result;
      }
    }
    if (indexOf(ctx.seen, value) >= 0) {
      let number = indexOf(ctx.circular, value);
      if (number < 0) number = push(ctx.circular, value) - 1;
      return ctx.style(`[Circular *${number + 1}]`, "special");
    }
    return formatObject(ctx, value, depth);
  }

  /** What the object's own inspector makes of it; undefined where it throws or returns the object itself. */
  function customText(ctx, custom, value, depth) {
    const options = { stylize: ctx.style };
    for (const key in DEFAULTS) options[key] = ctx[key];
    let result;
    try {
      result = apply(custom, value, [ctx.depth - depth, options, inspect]);
      if (!isObject(result)) result = String(result);
    } catch (error) {
      if (isStackOverflow(error)) throw error;
      return undefined;
    }
    if (result === value) return undefined;
    const text = typeof result === "string" ? result : formatValue(ctx, result, depth);
    ctx.length += text.length;
    return replaceAll(text, "\n", `\n${repeat(" ", ctx.indentation)}`);
  }

  function formatObject(ctx, value, depth) {
    const names = { __proto__: null, name: constructorName(value), tag: "" };
    const tag = lookup(value, tagSymbol);
    // A tag that is a property like any other is shown as one.
    if (typeof tag === "string" && !(ctx.showHidden ? hasOwn(value, tagSymbol) : isEnumerable(value, tagSymbol)))
      names.tag = tag;

    const shape = {
      __proto__: null,
      open: "{",
      close: "}",
      base: "",
      style: undefined,
      fill: undefined,
      isList: false,
      indexed: -1,
      keys: undefined,
    };
    if (isArray(value)) {
      const { length } = value;
      shape.indexed = length;
      shape.open = "[";
      if (names.name !== "Array" || names.tag !== "") shape.open = prefix(names, "Array", length) + "[";
      shape.close = "]";
      shape.isList = true;
      if (length > 0) shape.fill = fillArray;
    } else if (!(names.name === "Object" && names.tag === "" && isPlain(value))) {
      platform.load("inspect_classes").describe(ctx, shape, value, names);
    }
    const keys = shape.keys ?? visibleKeys(ctx, value, shape.indexed);
    if (shape.fill === undefined && keys.length === 0) {
      if (shape.base !== "") return ctx.style(shape.base, shape.style);
      return shape.open + shape.close;
    }
    if (depth > ctx.depth) {
      // A regular expression is told even here, without its properties.
      if (shape.style === "regexp") return ctx.style(shape.base, shape.style);
      const label = slice(prefix(names, shape.isList ? "Array" : "Object"), 0, -1);
      return ctx.style(names.name === null ? label : `[${label}]`, "special");
    }

    push(ctx.seen, value);
    ctx.currentDepth = depth;
    const output = shape.fill === undefined ? [] : shape.fill(ctx, depth + 1, value);
    if (ctx.sorted) uncurry("Array", "sort")(keys);
    for (let i = 0; i < keys.length; i++) {
      if (ctx.length > MAX_LENGTH) {
        output[output.length] = `... ${more(keys.length - i, "key")}`;
        break;
      }
      output[output.length] = formatProperty(ctx, value, depth + 1, keys[i]);
    }
    pop(ctx.seen);

    const number = indexOf(ctx.circular, value);
    if (number >= 0) {
      const reference = ctx.style(`<ref *${number + 1}>`, "special");
      shape.base = shape.base === "" ? reference : `${reference} ${shape.base}`;
    }
    return layout(ctx, shape, output, depth, value);
  }
  /** Whether an instance of Object by name is nothing else: no builtin, no `arguments`, no prototype of a class. */
  function isPlain(value) {
    return (
      typeof value === "object" &&
      getPrototypeOf(value) === objectPrototype &&
      !hasOwn(value, "callee") &&
      !statics.Error.isError(value)
    );
  }

  function formatProperty(ctx, object, depth, key, isElement = false) {
    let descriptor;
    try {
      descriptor = ownDescriptor(object, key);
    } catch {
      // a module's variable that has no value yet
    }
    let text;
    if (descriptor === undefined) text = ctx.style("<uninitialized>", "special");
    else if (descriptor.get !== undefined) text = ctx.style(descriptor.set ? "[Getter/Setter]" : "[Getter]", "special");
    else if (descriptor.set !== undefined) text = ctx.style("[Setter]", "special");
    else {
      ctx.indentation += 2;
      text = formatValue(ctx, descriptor.value, depth);
      ctx.indentation -= 2;
    }
    if (isElement) return text;
    let name;
    if (typeof key === "symbol") name = `[${ctx.style(symbolToString(key), "symbol")}]`;
    else if (key === "__proto__") name = "['__proto__']";
    else if (descriptor !== undefined && !descriptor.enumerable) name = `[${key}]`;
    else name = formatKey(ctx, key);
    ctx.length += name.length + ctx.indentation;
    return `${name}: ${text}`;
  }
  function formatKey(ctx, key) {
    return exec(IDENTIFIER, key) === null ? ctx.style(quote(key), "string") : key;
  }

  function fillArray(ctx, depth, array, length = array.length) {
    const output = [];
    let indices; // those present, read at the first hole
    let at = 0;
    let i = 0;
    while (i < length && output.length < ctx.maxArrayLength && ctx.length <= MAX_LENGTH) {
      const descriptor = getOwnPropertyDescriptor(array, i);
      if (descriptor !== undefined) {
        // Of a long text the indentation says where its lines begin.
        const isSimple = !isObject(descriptor.value) && typeof descriptor.value !== "string" && hasOwn(descriptor, "value");
        output[output.length] = isSimple
          ? formatPrimitive(ctx, descriptor.value)
          : formatProperty(ctx, array, depth, i, true);
        i++;
        continue;
      }
      indices ??= keysOf(array);
      while (at < indices.length && +indices[at] < i) at++;
      const next = at < indices.length && isIndex(indices[at]) ? +indices[at] : length;
      output[output.length] = ctx.style(`<${next - i} empty item${next - i === 1 ? "" : "s"}>`, "undefined");
      i = next;
    }
    if (i < length) output[output.length] = `... ${more(length - i, "item")}`;
    return output;
  }

  /** "Class(size) [tag] ", the text before the brackets. */
  function prefix({ name, tag }, fallback, size) {
    const sized = size === undefined ? "" : `(${size})`;
    const text = name === null ? `[${fallback}${sized}: null prototype] ` : `${name}${sized} `;
    return tag === "" || tag === (name ?? fallback) ? text : `${text}[${tag}] `;
  }

  // ------------------------------------------------------------------ lines

  /** The columns that `text` takes in a terminal. */
  function widthOf(text) {
    // toWellFormed also flattens: a concatenation would reach the host as an object.
    if (exec(NOT_ASCII, text) === null) return text.length;
    const { width } = platform.host("console");
    text = toWellFormed(text);
    let columns = 0;
    let at = 0;
    for (let end; at + MAX_MEASURED < text.length; at = end) {
      end = at + MAX_MEASURED;
      // The second half of a surrogate pair, and what a syllable of Hangul is composed of, stay with what they follow.
      while (end < at + 2 * MAX_MEASURED && exec(/[\u1160-\u11ff\udc00-\udfff]/, text[end] ?? "") !== null) end++;
      columns += width(slice(text, at, end));
    }
    return columns + width(at === 0 ? text : slice(text, at));
  }
  function withoutColors(ctx, text) {
    return ctx.colors ? uncurry("RegExp", "[Symbol.replace]")(/\x1b\[\d+m/g, text, "") : text;
  }

  /** Put an object's entries on one line, where they fit and hold no more than `compact` levels; else on lines. */
  function layout(ctx, shape, output, depth, value) {
    const { open, close } = shape;
    const base = shape.base === "" ? "" : `${shape.base} `;
    if (output.length === 0) return base + open + close;
    const compact = ctx.compact === true ? 3 : +ctx.compact;
    if (compact >= 1) {
      const entries = output.length;
      if (shape.isList && entries > 6) output = columns(ctx, output, value, compact);
      if (ctx.currentDepth - depth < compact && entries === output.length && !contains(base, "\n")) {
        let total = 2 * output.length + ctx.indentation + open.length + shape.base.length + 10;
        for (let i = 0; i < output.length; i++) total += withoutColors(ctx, output[i]).length;
        if (total <= ctx.breakLength) {
          const line = join(output, ", ");
          if (!contains(line, "\n")) return `${base}${open} ${line} ${close}`;
        }
      }
    }
    const indent = `\n${repeat(" ", ctx.indentation)}`;
    return `${base}${open}${indent}  ${join(output, "," + indent + "  ")}${indent}${close}`;
  }

  /** The short entries of a long list in columns, about two and a half times as wide as high. */
  function columns(ctx, output, value, compact) {
    const hasMore = output.length > ctx.maxArrayLength;
    const count = hasMore ? output.length - 1 : output.length;
    const widths = [];
    const isAscii = !ctx.colors && exec(NOT_ASCII, join(output, "")) === null;
    let widest = 0;
    let total = 0;
    for (let i = 0; i < count; i++) {
      widths[i] = isAscii ? output[i].length : widthOf(withoutColors(ctx, output[i]));
      total += widths[i] + 2;
      widest = max(widest, widths[i]);
    }
    const cell = widest + 2;
    if (cell * 3 + ctx.indentation >= ctx.breakLength || (total / cell <= 5 && widest > 6)) return output;
    const bias = max(cell - 3 - (cell - total / output.length) ** 0.5, 1);
    const wanted = round((2.5 * bias * count) ** 0.5 / bias);
    const across = min(wanted, floor((ctx.breakLength - ctx.indentation) / cell), compact * 4, 15);
    if (across <= 1) return output;
    const lineWidths = [];
    for (let i = 0; i < across; i++) {
      lineWidths[i] = 2;
      for (let j = i; j < count; j += across) lineWidths[i] = max(lineWidths[i], widths[j] + 2);
    }
    let isNumeric = isArray(value) || buffers.isView(value);
    for (let i = 0; isNumeric && i < count; i++) {
      const element = ownDescriptor(value, i)?.value;
      isNumeric = typeof element === "number" || typeof element === "bigint";
    }
    const lines = [];
    for (let i = 0; i < count; i += across) {
      let line = "";
      const end = min(i + across, count);
      for (let j = i; j < end; j++) {
        const isLast = j === end - 1;
        const cellText = isLast ? output[j] : `${output[j]}, `;
        const width = lineWidths[j - i] + output[j].length - widths[j] - (isLast ? 2 : 0);
        line += isNumeric ? padStart(cellText, width) : isLast ? cellText : padEnd(cellText, width);
      }
      lines[lines.length] = line;
    }
    if (hasMore) lines[lines.length] = output[count];
    return lines;
  }

  // ------------------------------------------------------------------ ways in

  function isStackOverflow(error) {
    if (!statics.Error.isError(error)) return false;
    // Without our C library it is an InternalError, as other refusals of the engine are.
    return lookup(error, "name") === "InternalError" || lookup(error, "message") === "Maximum call stack size exceeded";
  }
  let nesting = 0;
  /**
   * `value` as text. Options, as util.inspect has them: depth (2; null for no limit), colors (false), showHidden,
   * customInspect (true), maxArrayLength (100), maxStringLength (10,000), breakLength (80), compact (3), sorted.
   * Throws only what reading `options` throws.
   */
  function inspect(value, options, customInspect = true) {
    const ctx = {
      __proto__: null,
      seen: undefined,
      circular: undefined,
      indentation: 0,
      currentDepth: 0,
      length: 0,
      style: plain,
    };
    for (const key in DEFAULTS) {
      const option = isObject(options) ? options[key] : undefined;
      ctx[key] = option === undefined ? DEFAULTS[key] : option === null ? Infinity : option;
    }
    if (!customInspect) ctx.customInspect = false;
    if (ctx.colors) ctx.style = colored;
    nesting++;
    try {
      for (let attempts = 0; attempts < 4; attempts++) {
        if (attempts > 0) ctx.depth = min(4 ** (4 - attempts), ctx.depth);
        ctx.seen = [];
        ctx.circular = [];
        ctx.indentation = ctx.currentDepth = ctx.length = 0;
        try {
          return formatValue(ctx, value, 0);
        } catch (error) {
          // Only the outermost call tries again: an inspector that calls inspect would multiply the work.
          if (nesting > 1) throw error;
          ctx.customInspect = false;
        }
      }
      return "[an object too deep to show]";
    } finally {
      nesting--;
    }
  }

  return {
    __proto__: null,
    inspect,
    /** For the files beside this one. */
    formatValue,
    formatPrimitive,
    formatKey,
    visibleKeys,
    prefix,
    more,
    plain,
    lookup,
    widthOf,
    attempt,
    ownDescriptor,
    inherits,
    functionName,
    isObject,
    proxyTarget,
    fillArray,
    MAX_LENGTH,
    inheritsFromProxy,
    formatLog: (args) => platform.load("console").formatLog(args),
    cleanStack: (stack) => platform.load("inspect_classes").cleanStack(stack),
  };
}
