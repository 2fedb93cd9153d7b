// The Formatter of the Console Standard, https://console.spec.whatwg.org/#formatter : format specifiers in the first of
// several arguments of console.log.
(platform) => {
  "use strict";
  const { constructors, statics, uncurry } = platform;
  const { inspect, attempt, isObject, lookup, ownDescriptor, inheritsFromProxy } = platform.load("inspect");
  const { Number, String } = globalThis;
  const find = uncurry("String", "indexOf");
  const slice = uncurry("String", "slice");
  const splice = uncurry("Array", "splice");

  /** Replace the format string `args[0]` and the arguments that its specifiers take by the text they make. */
  function formatSpecifiers(args) {
    const format = args[0];
    let text = "";
    let next = 1;
    let from = 0;
    for (let at = find(format, "%"); at >= 0 && at + 1 < format.length; at = find(format, "%", at)) {
      const specifier = format[at + 1];
      const isEscaped = specifier === "%";
      const replaced = isEscaped ? "%" : next < args.length ? substitute(specifier, args[next]) : undefined;
      if (replaced === undefined) {
        at += 1;
        continue;
      }
      text += slice(format, from, at) + replaced;
      from = at += 2;
      if (!isEscaped) next++;
    }
    splice(args, 0, next, text + slice(format, from));
  }

  /** What a format specifier makes of its argument; undefined where it is none. */
  function substitute(specifier, value) {
    const type = typeof value;
    if (specifier === "s") {
      if (type === "string") return value;
      if (isObject(value) && hasOwnText(value)) return attempt(() => String(value)) ?? inspect(value, { depth: 0 });
      return isObject(value) ? inspect(value, { depth: 0 }) : inspect(value);
    }
    if (specifier === "d" || specifier === "i" || specifier === "f") {
      if (type === "symbol") return "NaN";
      if (type === "bigint") return specifier === "f" ? `${Number(value)}` : `${value}n`;
      const { parseInt, parseFloat } = statics.Number;
      if (isObject(value) && inheritsFromProxy(value)) return "NaN";
      const convert = specifier === "d" ? Number : specifier === "i" ? parseInt : parseFloat;
      return inspect(attempt(() => convert(value)) ?? NaN);
    }
    if (specifier === "o") return inspect(value, { depth: 4, showHidden: true });
    if (specifier === "O") return inspect(value);
    // As in Node; what has no JSON is shown as it is.
    if (specifier === "j") return attempt(() => `${statics.JSON.stringify(value)}`) ?? inspect(value);
    return specifier === "c" ? "" : undefined;
  }
  /** Whether String(value) says more than the language's own toString would: a class of the app's, a URL, a function. */
  function hasOwnText(value) {
    if (inheritsFromProxy(value)) return false;
    if (typeof value === "function") return true;
    const toString = lookup(value, "toString");
    if (typeof toString !== "function") return false;
    const plainer = ["Object", "Array", "Error", "Date", "String", "Number", "Boolean", "Symbol", "BigInt"];
    for (let i = 0; i < plainer.length; i++) {
      if (toString === ownDescriptor(constructors[plainer[i]].prototype, "toString")?.value) return false;
    }
    return true;
  }

  return { __proto__: null, formatSpecifiers };
}
